/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_NAMES_H
#define TOOL_NAMES_H

/* Names that the image gives its addresses. */

#include "target.h"

/** Is it a name for an address, "@NAME", and not a number? */
bool names_is_name(const char *text);
/** The image's names. @return enum tool_status */
int names_get(struct target *target, const struct pgw_symbols **ret);
/** The kernel's modules, which have names, too. @return NULL: err says what is missing */
const struct pgw_modules *names_modules(struct target *target, struct pgw_error *err);
/** Have a report name addresses. @return enum tool_status */
int names_for_report(struct target *target, struct report *report);
/** Of commands that print no names: refuse --symbols without a file. @return enum tool_status */
int names_check(const struct options *opts);
/** The address that "@NAME[+OFFSET][:cpuN]" stands for. @return enum tool_status */
int names_address(struct target *target, const char *text, uint64_t *ret);
/** The physical address of what "@NAME" is mapped to. @return enum tool_status */
int names_root(struct target *target, const char *text, uint64_t *ret);
/** If there are names in --range, replace them by addresses. @return enum tool_status */
int names_range(struct target *target, struct options *opts);
/** How the names were found: "kallsyms-vmcoreinfo". */
const char *names_source(const struct pgw_symbols_info *info);

#endif
