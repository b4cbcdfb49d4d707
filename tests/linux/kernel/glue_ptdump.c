/* SPDX-License-Identifier: BSD-2-Clause */

/* Linux's page-table dump of one architecture, compiled as it is, and how it is called. */

#include "shim_ptdump.h"

#include "mm/pagewalk.c"
#include "mm/ptdump.c"

#ifdef SHIM_ARCH_x86_64
#include "arch/x86/mm/dump_pagetables.c"

pgd_t init_top_pgt[1];
#define MARKERS address_markers
#elif defined(SHIM_ARCH_arm64)
#include "arch/arm64/mm/ptdump.c"

static struct addr_marker own_markers[16];
#define MARKERS own_markers
#else
#include "arch/riscv/mm/ptdump.c"

#define MARKERS address_markers
#endif

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	(void)mm, (void)addr;
	return NULL;
}

struct vm_area_struct *shim_file_vma(const struct vm_area_struct *prev, unsigned long first,
				     unsigned long last)
{
	(void)prev, (void)first, (void)last;
	return NULL;
}

static void set_markers(const struct oracle_marker *markers, size_t nr)
{
	size_t i;

	for (i = 0; i < nr && i + 1 < ARRAY_SIZE(MARKERS); i++) {
		MARKERS[i].start_address = markers[i].va;
		MARKERS[i].name = (char *)markers[i].name;
#ifdef SHIM_ARCH_x86_64
		MARKERS[i].max_lines = markers[i].max_lines;
#endif
	}
	MARKERS[i].start_address = ~0ul;
	MARKERS[i].name = NULL;
}

static void call_dump(struct seq_file *m, const struct oracle_marker *markers)
{
#ifdef SHIM_ARCH_x86_64
	(void)markers;
	ptdump_walk_pgd_level_core(m, &shim_user_mm, shim_user_mm.pgd, false, false);
#elif defined(SHIM_ARCH_arm64)
	struct ptdump_info info = { .mm = &init_mm,
				    .markers = own_markers,
				    .base_addr = markers[0].va };

	ptdump_walk(m, &info);
#else
	kernel_ptd_info.base_addr = markers[0].va;
	ptdump_walk(m, &kernel_ptd_info);
#endif
}

static void dump(struct oracle_call *call, const struct oracle_marker *markers, size_t nr,
		 struct oracle_text *text)
{
	struct seq_file m = { .out = text };

	shim = (struct shim){ .call = call, .host = call->host, .shape = call->shape };
	shim_user_mm.pgd = (pgd_t *)call->root[LOCK_OF_USER];
	init_mm.pgd = (pgd_t *)call->root[LOCK_OF_KERNEL];
#ifdef SHIM_ARCH_x86_64
	pt_dump_init();
#else
	ptdump_init();
#endif
	set_markers(markers, nr);
	if (!setjmp(shim.out))
		call_dump(&m, markers);
	else
		seq_printf(&m, "no end\n");
}

__attribute__((visibility("default"))) extern const struct oracle_dumper oracle_dumper;
const struct oracle_dumper oracle_dumper = { .dump = dump };
