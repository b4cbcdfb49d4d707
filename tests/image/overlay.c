/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/overlay.h"

#include <assert.h>
#include <string.h>

#include "common/arena.h"

static void patch_word(const struct overlay *overlay, uint64_t pa, uint8_t *bytes, size_t len)
{
	for (unsigned i = 0; i < overlay->nr_patches; i++) {
		for (unsigned j = 0; j < 8; j++) {
			uint64_t at = overlay->patches[i].pa + j;

			if (at >= pa && at - pa < len)
				bytes[at - pa] = (uint8_t)(overlay->patches[i].value >> 8 * j);
		}
	}
}

/* One word of 64 becomes another one that was there before: mostly a pointer to something. */
static void mix_word(struct overlay *overlay, uint8_t *bytes)
{
	unsigned i = (unsigned)(test_random(&overlay->seed) % MAX_SEEN);

	if (overlay->nr_seen < MAX_SEEN)
		memcpy(&overlay->seen[overlay->nr_seen++], bytes, 8);
	else if (test_random(&overlay->seed) % 64 == 0)
		memcpy(bytes, &overlay->seen[i], 8);
	else
		memcpy(&overlay->seen[i], bytes, 8);
}

static int overlay_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	struct overlay *overlay = phys->ctx;
	int err = pgw_phys_read(&overlay->fault.phys, pa, buf, len);

	if (err)
		return err;
	patch_word(overlay, pa, buf, len);
	if (overlay->seed && len == 8)
		mix_word(overlay, buf);
	return 0;
}

static bool overlay_next(const struct pgw_phys *phys, uint64_t pa, uint64_t *first, uint64_t *last)
{
	struct overlay *overlay = phys->ctx;

	return overlay->inner.ops->next_range(&overlay->inner, pa, first, last);
}

static const struct pgw_phys_ops overlay_ops = { .read = overlay_read, .next_range = overlay_next };

void overlay_init(struct overlay *overlay, struct pgw_phys *phys)
{
	overlay->inner = *phys;
	overlay->phys = (struct pgw_phys){ .ops = &overlay_ops, .ctx = overlay };
	pgw_phys_fault_init(&overlay->fault, &overlay->inner, PGW_FAULT_FAIL, UINT64_MAX);
	*phys = overlay->phys;
}

void overlay_patch(struct overlay *overlay, uint64_t pa, uint64_t value)
{
	assert(overlay->nr_patches < MAX_PATCHES);
	overlay->patches[overlay->nr_patches].pa = pa;
	overlay->patches[overlay->nr_patches++].value = value;
}
