/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

void kdump_descriptor_decode(const struct kdump_form *form, const uint8_t *bytes,
			     struct kdump_descriptor *ret)
{
	if (!form->is_big_endian) {
		*ret = (struct kdump_descriptor){
			.offset = load_le64(bytes),
			.size = load_le32(bytes + 8),
			.flags = load_le32(bytes + 12),
		};
		return;
	}
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

static bool block_load(struct kdump_block *block, const struct kdump_part *part, uint64_t index)
{
	uint64_t first = index - index % KDUMP_BLOCK_DESCRIPTORS;
	uint64_t at = part->descriptors + first * KDUMP_DESCRIPTOR_SIZE;
	uint64_t left = at < part->map->size ? (part->map->size - at) / KDUMP_DESCRIPTOR_SIZE : 0;

	block->part = part;
	block->first = first;
	block->nr = left < KDUMP_BLOCK_DESCRIPTORS ? left : KDUMP_BLOCK_DESCRIPTORS;
	if (!source_map_read(part->map, at, block->bytes, block->nr * KDUMP_DESCRIPTOR_SIZE))
		block->nr = 0;
	return index - first < block->nr;
}

bool kdump_block_read(struct kdump_block *block, const struct kdump *kdump,
		      const struct kdump_part *part, uint64_t index, struct kdump_descriptor *ret)
{
	if ((part != block->part || index - block->first >= block->nr) &&
	    !block_load(block, part, index))
		return false;
	kdump_descriptor_decode(&kdump->header.form,
				block->bytes + (index - block->first) * KDUMP_DESCRIPTOR_SIZE, ret);
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

int kdump_unpack_bytes(const struct kdump *kdump, const struct kdump_descriptor *descriptor,
		       const uint8_t *bytes, void *page)
{
	size_t block = (size_t)1 << kdump->header.block_lg2;
	uint32_t flags = descriptor->flags & KDUMP_PACKED;

	if (flags)
		return unpack(kdump->unpacker, kdump_packing(flags), bytes, descriptor->size, page,
			      block);
	memcpy(page, bytes, block);
	return 0;
}

int kdump_unpack(const struct kdump *kdump, const struct kdump_part *part,
		 const struct kdump_descriptor *descriptor, void *page)
{
	uint8_t *bytes;
	int status = -PGW_EIO;

	/* As it is, it is as large as a block. */
	if (!(descriptor->flags & KDUMP_PACKED))
		return source_map_read(part->map, descriptor->offset, page, descriptor->size)
			       ? 0
			       : -PGW_EIO;
	bytes = malloc(descriptor->size);
	if (!bytes)
		return -PGW_ENOMEM;
	if (source_map_read(part->map, descriptor->offset, bytes, descriptor->size))
		status = kdump_unpack_bytes(kdump, descriptor, bytes, page);
	free(bytes);
	return status;
}
