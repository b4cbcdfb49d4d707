/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bits.h"
#include "system/linux/symbols.h"
#include "system/roots/kernels.h"
#include "system/system_priv.h"

#define MAX_CPUS 8192 /* CONFIG_NR_CPUS is at most that, but for tests of Linux's own */

static bool find_va(const struct pgw_symbols *symbols, enum linux_percpu which, uint64_t *ret)
{
	*ret = symbols->percpu[which];
	return symbols->has_percpu[which];
}

bool linux_symbol_is_percpu(const struct pgw_symbols *symbols, const struct pgw_symbol *symbol)
{
	uint64_t start, end;

	return find_va(symbols, LINUX_PERCPU_START, &start) &&
	       find_va(symbols, LINUX_PERCPU_END, &end) && symbol->va >= start && symbol->va < end;
}

int linux_percpu_offset(struct linux_memory *mem, const struct pgw_symbols *symbols, unsigned cpu,
			uint64_t *ret)
{
	uint64_t offsets, load, nr_va, nr = MAX_CPUS, offset;

	if (!find_va(symbols, LINUX_PERCPU_OFFSET, &offsets))
		return -PGW_ENOENT;
	if (find_va(symbols, LINUX_PERCPU_NR_CPUS, &nr_va) &&
	    linux_memory_number(mem, nr_va, sizeof(uint32_t), &nr))
		return -PGW_EIO;
	if (cpu >= nr || cpu >= MAX_CPUS)
		return -PGW_ENOENT;
	if (linux_memory_word(mem, offsets + UINT64_C(8) * cpu, &offset))
		return -PGW_EIO;
	/* Of a CPU that never was: 0, or the copy that all are made of (x86 before 6.15). */
	if (!offset || (find_va(symbols, LINUX_PERCPU_LOAD, &load) && offset == load))
		return -PGW_ENOENT;
	*ret = offset;
	return 0;
}

int pgw_symbols_percpu(struct pgw_image *image, const struct pgw_symbol *symbol, unsigned cpu,
		       uint64_t *ret_va)
{
	const struct pgw_symbols *symbols;
	struct linux_memory mem;
	struct pgw_root_info root;
	uint64_t offset;
	int status = pgw_image_symbols(image, &symbols, NULL);

	if (status)
		return status;
	if (!linux_symbol_is_percpu(symbols, symbol))
		return -PGW_EINVAL;
	status = pgw_image_kernel_root(image, &root, NULL);
	if (status)
		return status;
	linux_memory_init(&mem, image, &root);
	status = linux_percpu_offset(&mem, symbols, cpu, &offset);
	if (!status)
		*ret_va = symbol->va + offset;
	return status;
}
