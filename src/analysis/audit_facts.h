/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_AUDIT_FACTS_H
#define ANALYSIS_AUDIT_FACTS_H

/*
 * What rules go by: where the kernel keeps what, by virtual address; and what frames are, by
 * physical address. All of it is from the image; what the image does not say is not known, and the
 * rule that needs it is not checked.
 */

#include <pagewalk/audit.h>
#include <pagewalk/symbols.h>

#include "analysis/audit_marks.h"
#include "analysis/ranges.h"
#include "system/linux/kernel_memory.h"

enum audit_arch {
	AUDIT_OTHER, /* what is normal there is not known */
	AUDIT_X86_64,
	AUDIT_ARM64,
	AUDIT_RISCV64,
};

/* Virtual addresses, inclusive. */
struct audit_place {
	bool is_known;
	uint64_t first, last;
};

struct audit_facts {
	enum audit_arch arch;
	bool has_kernel; /* its root is known, and proved itself */
	struct pgw_root_info kernel;
	struct linux_memory memory;
	const struct pgw_symbols *symbols; /* NULL: none */

	struct audit_place text;    /* [_stext, _etext), to the ends of its leaves */
	struct audit_place rodata;  /* [__start_rodata, __end_rodata) */
	struct audit_place image;   /* at the image's distance: what may be mapped so */
	struct audit_place modules; /* and BPF programs */
	struct audit_place vmalloc;
	struct audit_place fixmap;
	struct audit_place direct; /* first and last leaf at the direct map's distance */
	uint64_t direct_distance;  /* va - pa, modulo 2^64 */
	uint64_t image_distance;
	struct audit_place real_mode; /* physical: x86's code for starting CPUs */

	/* Frames. */
	struct ranges code;        /* of the kernel: text and all that its root may execute */
	struct ranges module_code; /* what it may execute in the modules' place */
	struct ranges read_only;   /* rodata */
	struct ranges
		kernel_only; /* text, rodata, data and bss, but for what programs see of them */
	struct ranges entry_code; /* arm64: the entry trampoline, which the fixmap executes */
	struct ranges ro_tables;  /* arm64: swapper_pg_dir and the like */
	struct ranges ram;        /* by the kernel's resource tree */
	struct ranges resources;  /* all that the tree names */
	struct ranges firmware;   /* of these, what firmware keeps for itself */
	uint64_t pa_last; /* the last address that the CPU has, by that tree; UINT64_MAX: not known */
	bool has_ram, has_data_symbols, has_image_end;
	bool is_cut; /* a budget ran out in the kernel's own root: it may execute more */
	struct audit_marks marks;
};

/*
 * Gather what can be known.
 * @return 0 (also if nothing is known), -PGW_ENOMEM
 */
int audit_facts_find(struct audit_facts *facts, const struct pgw_audit_args *args);
void audit_facts_fini(struct audit_facts *facts);

static inline bool place_has(const struct audit_place *place, uint64_t va)
{
	return place->is_known && va >= place->first && va <= place->last;
}

#endif
