/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_TEXT_PRIV_H
#define REPORT_TEXT_PRIV_H

#include "report/report.h"

void text_info(struct report *report, const struct report_info *info);

void text_count(struct out *out, const char *before, uint64_t nr, const char *what);
/** The kernel's release, if its VMCOREINFO, which may be NULL, has it. */
void text_release(struct out *out, const char *before, const struct pgw_vmcoreinfo *vmcoreinfo);
/** "; the file is truncated", and where, if it is. */
void text_truncated(struct out *out, const struct pgw_image_info *image);
/** The names of the bits that are set, with commas; a dash if there are none. */
void text_bits(struct out *out, const struct report_bit *names, uint32_t bits);
void text_cpus(struct out *out, uint64_t cpus);

#endif
