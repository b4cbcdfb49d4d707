/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_PTDUMP_PRIV_H
#define REPORT_PTDUMP_PRIV_H

#include "report/ptdump_style.h"

/** How the kernel of one architecture prints. To add one, extend styles in ptdump_style.c. */
struct ptdump_style {
	const char *arch; /**< as pgw_format_arch() */
	void (*series)(struct out *out, const struct pgw_format *format,
		       const struct pgw_ptdump_line *line);
};

extern const struct ptdump_style ptdump_style_x86_64;
extern const struct ptdump_style ptdump_style_arm64;
extern const struct ptdump_style ptdump_style_riscv64;

/* What all have in common. */

/** The addresses, and three blanks. */
void ptdump_put_range(struct out *out, const struct pgw_ptdump_line *line);
void ptdump_put_size(struct out *out, const struct pgw_ptdump_line *line);
/** What stands in the place of the flags where a kernel would have none. */
const char *ptdump_odd_word(const struct pgw_ptdump_line *line);

/** A flag and what is printed for it, after a blank. An array of them ends with a NULL set. */
struct ptdump_flag {
	uint64_t mask;
	uint64_t value;
	const char *set;   /**< if (prot & mask) == value */
	const char *clear; /**< else; NULL: nothing, not even the blank */
};

void ptdump_put_flags(struct out *out, const struct ptdump_flag *flags, uint64_t prot);

#endif
