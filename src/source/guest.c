/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

/*
 * The memory of a guest, which somebody else reads for us out of its host's: there is no file, and no
 * path leads here.
 */

static int guest_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return pgw_phys_read(source->state, pa, buf, len);
}

/* All that it has can be read; what the host lacks of it is nowhere. */
static bool guest_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			     struct pgw_pa_range *ret)
{
	const struct pgw_phys *phys = source->state;

	(void)extent;
	if (!phys->ops->next_range(phys, pa, &ret->first, &ret->last) ||
	    ret->first == UINT64_MAX)
		return false;
	ret->last -= ret->last == UINT64_MAX;
	return true;
}

static const struct source_ops guest_ops = {
	.name = "guest",
	.read = guest_read,
	.next_range = guest_next_range,
};

void source_open_guest(struct source *source, const struct pgw_phys *phys, unsigned elf_machine)
{
	struct pgw_pa_range range = { 0 };

	*source = (struct source){
		.state = (void *)(uintptr_t)phys,
		.has_machine = true,
		.has_places = true,
		.info = { .kind = guest_ops.name, .writer = "unknown", .elf_machine = elf_machine },
	};
	source_set_kind(source, &guest_ops);
	for (uint64_t pa = 0; guest_next_range(source, SOURCE_READABLE, pa, &range);
	     pa = range.last + 1) {
		source->info.nr_segments++;
		source->info.nr_ranges++;
		source->info.readable_bytes += range.last - range.first + 1;
	}
}
