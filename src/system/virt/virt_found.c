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
