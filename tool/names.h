/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_NAMES_H
#define TOOL_NAMES_H

/* Names that the image gives its addresses. */

#include "target.h"

/** Is it a name for an address, "@NAME", and not a number? */
bool names_is_name(const char *text);
/** The image's names. @return enum tool_status */
int names_get(struct target *target, const struct pgw_symbols **ret);
/** The address that "@NAME[+OFFSET][:cpuN]" stands for. @return enum tool_status */
int names_address(struct target *target, const char *text, uint64_t *ret);
/** How the names were found: "kallsyms-vmcoreinfo". */
const char *names_source(const struct pgw_symbols_info *info);

#endif
