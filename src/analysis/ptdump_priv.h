/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_PTDUMP_PRIV_H
#define ANALYSIS_PTDUMP_PRIV_H

#include <pagewalk/analysis.h>

/** What Linux's page-table dump does differently on each architecture. To add one, extend
 * ptdump_archs. */
struct ptdump_arch {
	const char *name; /**< as pgw_format_arch() */
	/** The bits that it shows and compares. */
	uint64_t (*prot)(uint64_t entry);
	/** Does it take an entry of a table of this level, above the lowest, for a leaf? */
	bool (*is_leaf)(uint64_t entry, unsigned level);
	/** A leaf in a top table is the pud or pmd that is folded into it, not the pgd. */
	bool unfolds_leaves;
	/** What an entry below one with the effective protection parent comes to; NULL: upper
	 * levels do not count. */
	uint64_t (*effective)(uint64_t parent, uint64_t prot);
	/** Top-level slots at the start of the kernel half that it leaves out. */
	unsigned nr_guard_slots;
	/** Markers that it passes at one break, at most. */
	size_t max_markers;
	/** Where nothing is mapped there is no line. */
	bool skips_holes;
};

extern const struct ptdump_arch ptdump_x86_64;
extern const struct ptdump_arch ptdump_arm64;
extern const struct ptdump_arch ptdump_riscv64;

#endif
