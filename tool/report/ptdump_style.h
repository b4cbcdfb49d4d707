/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_PTDUMP_STYLE_H
#define REPORT_PTDUMP_STYLE_H

#include <pagewalk/pagewalk.h>

#include "report/out.h"

/** A line of pgw_ptdump() as the kernel of the format's architecture prints it. */
void ptdump_style_line(struct out *out, const struct pgw_format *format,
		       const struct pgw_ptdump_line *line);

#endif
