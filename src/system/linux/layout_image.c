/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <stdio.h>

#include "base/bits.h"

#define MAX_CPUS 8192
#define MAX_UNIT (UINT64_C(1) << 30) /* bytes that a CPU has in its first area; kernels: 256 KiB */

/* Symbols of arch/<arch>/kernel/vmlinux.lds.S: the first of two that is there. The end is exclusive. */
static const struct {
	const char *name, *first, *other_first, *end;
} pieces[] = {
	{ "kernel", "_text", "_stext", "_end" },
	{ "text", "_stext", "_text", "_etext" },
	{ "rodata", "__start_rodata", NULL, "__end_rodata" },
	{ "data", "_sdata", NULL, "_edata" },
	{ "bss", "__bss_start", NULL, "__bss_stop" },
	{ "init", "__init_begin", NULL, "__init_end" },
	{ "brk", "__brk_base", NULL, "__brk_limit" },
};

static int pieces_add(struct pgw_layout *layout, const struct linux_inside *inside)
{
	int err = 0;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(pieces) && !err; i++) {
		uint64_t first = linux_inside_symbol(inside, pieces[i].first);
		uint64_t end = linux_inside_symbol(inside, pieces[i].end);

		if (!first && pieces[i].other_first)
			first = linux_inside_symbol(inside, pieces[i].other_first);
		if (first && end > first)
			err = layout_add(layout, first, end - 1, pieces[i].name, "",
					 PGW_LAYOUT_SYMBOLS);
	}
	return err;
}

/* Each CPU's static variables, and what its first area has room for behind them. */
static int percpu_add(struct pgw_layout *layout, struct linux_inside *inside)
{
	uint64_t unit_at = linux_inside_symbol(inside, "pcpu_unit_size"), unit;
	struct pgw_symbol start, end;
	int err = 0;

	if (!pgw_symbols_find(inside->symbols, "__per_cpu_start", &start) ||
	    !pgw_symbols_find(inside->symbols, "__per_cpu_end", &end) || end.va <= start.va)
		return 0;
	if (!unit_at || linux_memory_number(&inside->memory, unit_at, 4, &unit) ||
	    unit < end.va - start.va || unit > MAX_UNIT)
		unit = end.va - start.va;
	for (unsigned cpu = 0; cpu < MAX_CPUS && !err; cpu++) {
		char detail[16];
		uint64_t offset;

		/* No such CPU: there may be one with a higher number, but nothing tells that. */
		if (linux_percpu_offset(&inside->memory, inside->symbols, cpu, &offset))
			break;
		snprintf(detail, sizeof(detail), "cpu%u", cpu);
		err = layout_add(layout, start.va + offset, start.va + offset + unit - 1, "percpu",
				 detail, PGW_LAYOUT_SYMBOLS);
	}
	return err;
}

int layout_of_image(struct pgw_layout *layout, struct linux_inside *inside)
{
	int err = pieces_add(layout, inside);

	return err ? err : percpu_add(layout, inside);
}
