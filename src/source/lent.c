/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

/*
 * Memory that somebody else reads for us: a guest's, out of its host's; what the caller of
 * pgw_image_open_phys() has open. There is no file, and no path leads here.
 */

static int lent_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return pgw_phys_read(source->state, pa, buf, len);
}

/* All that it lists can be read; what it lacks is nowhere. */
static bool lent_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
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

static int lent_pause(const struct source *source)
{
	const struct pgw_phys *phys = source->state;

	return phys->ops->pause(phys);
}

static int lent_resume(const struct source *source)
{
	const struct pgw_phys *phys = source->state;

	phys->ops->resume(phys);
	return 0;
}

static const struct source_ops lent_ops = {
	.name = "lent",
	.read = lent_read,
	.next_range = lent_next_range,
};
static const struct source_ops lent_ops_pause = {
	.name = "lent",
	.read = lent_read,
	.next_range = lent_next_range,
	.pause = lent_pause,
	.resume = lent_resume,
};

int source_open_lent(struct source *source, const struct pgw_phys *phys, bool is_live)
{
	bool pauses = is_live && phys->ops->pause && phys->ops->resume;
	struct pgw_pa_range range = { 0 };

	*source = (struct source){
		.state = (void *)(uintptr_t)phys,
		.has_places = true,
		.is_live = is_live,
		.info = { .kind = lent_ops.name, .writer = "unknown", .is_live = is_live },
	};
	source_set_kind(source, pauses ? &lent_ops_pause : &lent_ops);
	for (uint64_t pa = 0; lent_next_range(source, SOURCE_READABLE, pa, &range);
	     pa = range.last + 1) {
		source->info.nr_segments++;
		source->info.nr_ranges++;
		source->info.readable_bytes += range.last - range.first + 1;
	}
	return source_pauses_init(source) ? -PGW_ENOMEM : 0;
}
