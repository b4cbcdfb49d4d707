/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_PTDUMP_PRIV_H
#define ANALYSIS_PTDUMP_PRIV_H

#include <pagewalk/analysis.h>

/** Addresses that Linux's dump walks, half-open as the walker takes them. */
struct ptdump_range {
	uint64_t start;
	uint64_t end;
};

/** What Linux's page-table dump does differently on each architecture. To add one, extend
 * ptdump_archs. */
struct ptdump_arch {
	const char *name; /**< as pgw_format_arch() */
	/** The bits that it shows and compares. */
	uint64_t (*prot)(uint64_t entry);
	/** Does it take an entry above the lowest level for a leaf? depth as in struct
	 * pgw_mm_walk_ops. */
	bool (*is_leaf)(uint64_t entry, int depth);
	/** What an entry below one with the effective protection parent comes to. */
	uint64_t (*effective)(uint64_t parent, uint64_t prot);
	struct ptdump_range (*range)(const struct pgw_geometry *geo, enum pgw_half half);
};

extern const struct ptdump_arch ptdump_x86_64;

#endif
