/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>

#include "base/bits.h"

void kdump_descriptor_decode(const struct kdump_form *form, const uint8_t *bytes,
			     struct kdump_descriptor *ret)
{
	*ret = (struct kdump_descriptor){
		.offset = kdump_number(form, bytes, 8),
		.size = (uint32_t)kdump_number(form, bytes + 8, 4),
		.flags = (uint32_t)kdump_number(form, bytes + 12, 4),
	};
}

enum packing kdump_packing(uint32_t flag)
{
	switch (flag) {
	case KDUMP_ZLIB:
		return PACKING_ZLIB;
	case KDUMP_LZO:
		return PACKING_LZO;
	case KDUMP_SNAPPY:
		return PACKING_SNAPPY;
	case KDUMP_ZSTD:
		return PACKING_ZSTD;
	default:
		return _PACKING_MAX;
	}
}

bool kdump_descriptor_is_sound(const struct kdump *kdump, const struct kdump_part *part,
			       const struct kdump_descriptor *descriptor)
{
	uint64_t block = BIT(kdump->header.block_lg2);
	uint32_t flags = descriptor->flags & KDUMP_PACKED;

	if (!descriptor->size || descriptor->size > block || descriptor->offset < block ||
	    !source_map_has(part->map, descriptor->offset, descriptor->size))
		return false;
	return flags ? kdump_packing(flags) != _PACKING_MAX : descriptor->size == block;
}

bool kdump_descriptor_read(const struct kdump *kdump, const struct kdump_part *part, uint64_t index,
			   struct kdump_descriptor *ret)
{
	uint8_t bytes[KDUMP_DESCRIPTOR_SIZE];

	if (!source_map_read(part->map, part->descriptors + index * KDUMP_DESCRIPTOR_SIZE, bytes,
			     sizeof(bytes)))
		return false;
	kdump_descriptor_decode(&kdump->header.form, bytes, ret);
	return true;
}

const struct kdump_part *kdump_part_find(const struct kdump *kdump, uint64_t page)
{
	const struct kdump_parts *parts = &kdump->parts;
	size_t low = 0, high = parts->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (parts->list[middle].end_page <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low < parts->nr && parts->list[low].first_page <= page ? &parts->list[low] : NULL;
}

int kdump_unpack(const struct kdump *kdump, const struct kdump_part *part,
		 const struct kdump_descriptor *descriptor, void *page)
{
	size_t block = (size_t)1 << kdump->header.block_lg2;
	uint32_t flags = descriptor->flags & KDUMP_PACKED;
	uint8_t *bytes;
	int status = -PGW_EIO;

	if (!flags)
		return source_map_read(part->map, descriptor->offset, page, block) ? 0 : -PGW_EIO;
	bytes = malloc(descriptor->size);
	if (!bytes)
		return -PGW_ENOMEM;
	if (source_map_read(part->map, descriptor->offset, bytes, descriptor->size))
		status = unpack(kdump->unpacker, kdump_packing(flags), bytes, descriptor->size,
				page, block);
	free(bytes);
	return status;
}
