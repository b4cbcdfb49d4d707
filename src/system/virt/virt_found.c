/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include <stdlib.h>

#include "base/bits.h"

bool virt_page_read(struct virt *virt, uint64_t pa, uint64_t words[512])
{
	uint8_t bytes[IMAGE_PAGE];

	if (virt->nr_reads == VIRT_MAX_READS)
		return false;
	virt->nr_reads++;
	if (pgw_phys_read(&virt->image->phys, pa, bytes, sizeof(bytes)))
		return false;
	for (size_t i = 0; i < 512; i++)
		words[i] = load_le64(bytes + 8 * i);
	return true;
}

bool virt_is_memory(const struct virt *virt, uint64_t pa)
{
	uint8_t byte;

	return pgw_phys_read(&virt->image->phys, pa, &byte, 1) == 0;
}

bool virt_is_described(const struct virt *virt, uint64_t pa)
{
	struct pgw_pa_range range;

	return source_next_range(&virt->image->source, SOURCE_DESCRIBED, pa, &range) &&
	       range.first <= pa;
}

int virt_add(struct virt *virt, const struct pgw_foreign *found)
{
	if (virt->nr == VIRT_MAX_FOUND)
		return -PGW_E2BIG;
	if (virt->nr == virt->capacity) {
		size_t capacity = virt->capacity ? 2 * virt->capacity : 16;
		void *grown = reallocarray(virt->found, capacity, sizeof(*found));

		if (!grown)
			return -PGW_ENOMEM;
		virt->found = grown;
		virt->capacity = capacity;
	}
	virt->found[virt->nr++] = *found;
	return 0;
}

bool virt_entry_is_fine(const struct virt *virt, const struct pgw_entry *entry)
{
	return entry->kind == PGW_ENTRY_EMPTY || entry->kind == PGW_ENTRY_ABSENT ||
	       ((entry->kind == PGW_ENTRY_TABLE || entry->kind == PGW_ENTRY_LEAF) &&
		virt_is_described(virt, entry->pa));
}

int virt_root_entries(struct virt *virt, const struct pgw_foreign *found)
{
	const struct pgw_geometry *geo = pgw_format_geometry(found->format);
	const struct pgw_control control = pgw_control_assume(found->format, &found->control);
	uint64_t nr_items = found->root.nr_items;
	uint64_t words[512];
	int nr = 0;

	if (!nr_items)
		nr_items = UINT64_C(1) << geo->slots_lg2[geo->top_level];
	if (found->root.pa & (8 * nr_items - 1))
		return -1;
	for (uint64_t at = 0; at < nr_items; at++) {
		struct pgw_entry entry;

		if (at % 512 == 0 && !virt_page_read(virt, found->root.pa + 8 * at, words))
			return -1;
		pgw_entry_decode(found->format, &control, words[at % 512], geo->top_level, &entry);
		if (entry.kind == PGW_ENTRY_ABSENT || !virt_entry_is_fine(virt, &entry))
			return -1;
		nr += entry.kind == PGW_ENTRY_TABLE || entry.kind == PGW_ENTRY_LEAF;
	}
	return nr;
}
