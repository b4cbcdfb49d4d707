/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FORMATS_H
#define PT_FORMATS_H

/* The formats that registry.c knows; each is defined by an inst_*.c. */

#include "pt/pt.h"

extern const struct pgw_format pt_format_x86_64_la48;
extern const struct pgw_format pt_format_x86_64_la57;

#endif
