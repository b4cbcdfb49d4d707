/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bits.h"
#include "pt/simd/lanes.h"

/*
 * What a source can point at once it can point at for good (phys.h), so items there are
 * read without a call for each. Those that are no words of the host need one.
 */
static void prepare_reader(struct pt *pt)
{
	const struct pgw_phys_ops *ops = pt->phys->ops;
	uint64_t first, last;
	const void *bytes;

	if (!pt->is_native || pt->is_live || !ops->map ||
	    !ops->next_range(pt->phys, pt->root_pa, &first, &last) || first > pt->root_pa ||
	    last - first >= SIZE_MAX)
		return;
	bytes = ops->map(pt->phys, first, (size_t)(last - first) + 1);
	if (!bytes || ((uintptr_t)bytes & 7) || (first & 7))
		return;
	pt->near_first = first;
	pt->near_size = (last - first + 1) & ~UINT64_C(7);
	pt->near_offset = (uint64_t)(uintptr_t)bytes - first;
}

static bool is_native(const struct pgw_geometry *geo)
{
	return geo->item_lg2 == 3 && geo->is_big_endian == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

void pt_reader_init(struct pt *pt, const struct pgw_phys *phys, const struct pgw_format *format,
		    const struct pgw_control *control)
{
	const struct pgw_control unknown = { 0 };

	*pt = (struct pt){ .format = format, .phys = phys };
	pt->control = control ? *control : pgw_control_assume(format, &unknown);
	pt->is_native = is_native(&format->geometry);
	format->env_init(format, &pt->control, &pt->env);
}

void pt_prepare(struct pt *pt)
{
	const struct pgw_geometry *geo = &pt->format->geometry;

	pt->page_mask = low_bits(geo->granule_lg2);
	pt->is_native = is_native(geo);
	pt->format->env_init(pt->format, &pt->control, &pt->env);
	pt->ops = pt->format->ops;
	pt->top_shift = geo->span_lg2[geo->top_level] - (unsigned)geo->item_lg2;
	pt->top_mask = low_bits(geo->slots_lg2[geo->top_level]) << geo->item_lg2;
	if (pt->phys) {
		prepare_reader(pt);
	} else {
		pt->near_size = UINT64_MAX;
		pt->near_offset = pt->host_offset;
	}
	/* What can be pointed at needs no copy, and may change (phys.h). */
	if (pt->phys && pt->phys->ops->map)
		pt->recall = NULL;
	pt->lanes = pt_lanes_choose(pt, pt->platform ? pt->platform->cpu_features : 0);
}
