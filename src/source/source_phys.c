/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

/* A source, as those who walk its tables see it. */

static int phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct source *source = phys->ctx;

	return source->ops->read(source, pa, buf, len);
}

static const void *phys_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	const struct source *source = phys->ctx;

	return source->ops->map(source, pa, len);
}

static bool phys_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	struct pgw_pa_range range;

	if (!source_next_range(phys->ctx, SOURCE_READABLE, pa, &range))
		return false;
	*ret_first = range.first;
	*ret_last = range.last;
	return true;
}

static int phys_pause(const struct pgw_phys *phys)
{
	return source_pause(phys->ctx);
}

/* Who cannot make it run leaves it to the watchdog, which a kind that can be stopped has. */
static void phys_resume(const struct pgw_phys *phys)
{
	(void)source_resume(phys->ctx);
}

static const struct pgw_phys_ops phys_ops = { .read = phys_read, .next_range = phys_next_range };
/* Whether a source can be pointed at, or stopped, shows in the table that it has. */
static const struct pgw_phys_ops phys_ops_map = {
	.read = phys_read,
	.map = phys_map,
	.next_range = phys_next_range,
};
static const struct pgw_phys_ops phys_ops_pause = {
	.read = phys_read,
	.next_range = phys_next_range,
	.pause = phys_pause,
	.resume = phys_resume,
};

void source_set_kind(struct source *source, const struct source_ops *ops)
{
	source->ops = ops;
	source->phys = (struct pgw_phys){
		.ops = ops->pause ? &phys_ops_pause
		       : ops->map ? &phys_ops_map
				  : &phys_ops,
		.ctx = source,
	};
}
