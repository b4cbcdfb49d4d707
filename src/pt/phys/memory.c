/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/phys.h>

#include "base/bits.h"

static const void *memory_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	const struct pgw_phys_memory *mem = phys->ctx;
	uint64_t offset = pa - mem->pa_first;

	if (pa < mem->pa_first || offset >= mem->size || len > mem->size - offset)
		return NULL;
	return (const char *)mem->bytes + offset;
}

static int memory_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const void *bytes = memory_map(phys, pa, len);

	if (!bytes)
		return -PGW_EIO;
	__builtin_memcpy(buf, bytes, len);
	return 0;
}

static bool memory_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			      uint64_t *ret_last)
{
	const struct pgw_phys_memory *mem = phys->ctx;
	uint64_t last = mem->pa_first + (mem->size - 1);

	if (last < pa)
		return false;
	*ret_first = mem->pa_first;
	*ret_last = last;
	return true;
}

int pgw_phys_memory_init(struct pgw_phys_memory *mem, uint64_t pa_first, const void *bytes,
			 uint64_t size)
{
	static const struct pgw_phys_ops ops = {
		.read = memory_read,
		.map = memory_map,
		.next_range = memory_next_range,
	};

	if (!bytes || !size || pa_first + (size - 1) < pa_first)
		return -PGW_EINVAL;
	*mem = (struct pgw_phys_memory){
		.phys = { .ops = &ops, .ctx = mem },
		.pa_first = pa_first,
		.size = size,
		.bytes = bytes,
	};
	return 0;
}
