/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Changes over ranges, for every format, half and policy: random ones against a
 * plain array of what should be mapped. After each step everything is compared,
 * the live counts are counted again, and a software TLB that only the flush
 * hook clears must not know better.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "mm/mm_priv.h"
#include "pt/read/gather.h"
#include "pt/leaf_size.h"

#define MODEL_MAX 2048
#define NR_CACHED 48
#define NR_DIRTY 32

struct segment {
	uint64_t first, last, pa;
	uint8_t rights;
};

struct model {
	struct segment seg[MODEL_MAX]; /* ascending; neighbours may be mergeable */
	size_t nr;
};

struct fixture {
	struct arena arena;
	struct pgw_mm *mm;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	enum pgw_region_kind region;
	enum pt_policy policy;
	uint64_t random;
	uint64_t first, last;          /* the window in which everything happens */
	uint8_t rights[64], nr_rights; /* that the format has in this half */
	struct model model;
	struct pgw_translation cached[NR_CACHED]; /* the software TLB; empty: not valid */
	uint64_t dirty
		[NR_DIRTY]; /* pages that "hardware" has written to, if not harvested or unmapped */
	size_t nr_dirty;
	struct model released; /* the frames that an unmap released */
};

static uint64_t bits_below(unsigned n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* ---- the software TLB ---- */

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct fixture *f = (struct fixture *)ctx; /* the arena is its first member */

	(void)mm;
	f->arena.nr_flushes++;
	for (size_t i = 0; i < NR_CACHED; i++) {
		if (f->cached[i].va_first <= last && f->cached[i].va_last >= first)
			f->cached[i].kind = PGW_ENTRY_EMPTY;
	}
}

static struct pgw_translation translate(struct fixture *f, uint64_t va)
{
	struct pgw_translation ret;

	assert_int_equal(pgw_translate(f->mm, va, &ret), 0);
	return ret;
}

/* The CPU translates some addresses; where leaves are, mostly. */
static void tlb_fill(struct fixture *f)
{
	for (unsigned i = 0; i < 4 && f->model.nr; i++) {
		const struct segment *seg = &f->model.seg[test_random(&f->random) % f->model.nr];
		uint64_t va = seg->first + (test_random(&f->random) % (seg->last - seg->first + 1));

		f->cached[test_random(&f->random) % NR_CACHED] = translate(f, va);
	}
}

/* No translation that was cached differs from what the tables say now. */
static void tlb_check(struct fixture *f)
{
	for (size_t i = 0; i < NR_CACHED; i++) {
		const struct pgw_translation *old = &f->cached[i];
		const uint64_t ends[] = { old->va_first, old->va_last };

		for (size_t e = 0; old->kind == PGW_ENTRY_LEAF && e < 2; e++) {
			struct pgw_translation now = translate(f, ends[e]);
			uint64_t base = old->pa & ~bits_below(old->leaf_lg2);

			assert_int_equal(now.kind, PGW_ENTRY_LEAF);
			assert_int_equal(now.pa, base + (ends[e] - old->va_first));
			assert_int_equal(now.rights, old->rights);
		}
	}
}

/* ---- the model ---- */

static void model_insert_at(struct model *m, size_t i, struct segment seg)
{
	assert_true(m->nr < MODEL_MAX);
	memmove(&m->seg[i + 1], &m->seg[i], (m->nr - i) * sizeof(seg));
	m->seg[i] = seg;
	m->nr++;
}

/* The index of the first segment that ends at or above va. */
static size_t model_find(const struct model *m, uint64_t va)
{
	size_t i = 0;

	while (i < m->nr && m->seg[i].last < va)
		i++;
	return i;
}

static void model_cut(struct model *m, uint64_t va)
{
	size_t i = model_find(m, va);
	struct segment upper;

	if (i == m->nr || m->seg[i].first >= va)
		return;
	upper = m->seg[i];
	upper.pa += va - upper.first;
	upper.first = va;
	m->seg[i].last = va - 1;
	model_insert_at(m, i + 1, upper);
}

/* The segments of a range, cut to it; *ret_end is one past the last. */
static size_t model_range(struct model *m, uint64_t first, uint64_t last, size_t *ret_end)
{
	size_t i, end;

	model_cut(m, first);
	if (last != UINT64_MAX)
		model_cut(m, last + 1);
	i = model_find(m, first);
	for (end = i; end < m->nr && m->seg[end].first <= last; end++)
		;
	*ret_end = end;
	return i;
}

static void model_remove(struct model *m, uint64_t first, uint64_t last)
{
	size_t end, i = model_range(m, first, last, &end);

	memmove(&m->seg[i], &m->seg[end], (m->nr - end) * sizeof(m->seg[0]));
	m->nr -= end - i;
}

static bool segment_follows(const struct segment *a, const struct segment *b)
{
	return a->last + 1 == b->first && a->pa + (a->last - a->first) + 1 == b->pa &&
	       a->rights == b->rights;
}

static void model_merge(struct model *m)
{
	size_t to = 0;

	for (size_t i = 1; i < m->nr; i++) {
		if (segment_follows(&m->seg[to], &m->seg[i]))
			m->seg[to].last = m->seg[i].last;
		else
			m->seg[++to] = m->seg[i];
	}
	m->nr = m->nr ? to + 1 : 0;
}

static bool model_overlaps(const struct model *m, uint64_t first, uint64_t last)
{
	size_t i = model_find(m, first);

	return i < m->nr && m->seg[i].first <= last;
}

/* ---- checks ---- */

static int collect_extent(const struct pgw_extent *extent, void *arg)
{
	struct model *m = arg;
	struct segment seg = { extent->va_first, extent->va_last, extent->pa, extent->rights };

	assert_int_equal(extent->kind, PGW_ENTRY_LEAF);
	model_insert_at(m, m->nr, seg);
	model_merge(m);
	return 0;
}

static void check_all(struct fixture *f)
{
	static struct model seen;
	uint64_t first, last;

	model_merge(&f->model);
	seen.nr = 0;
	pgw_format_region_range(f->format, f->region, &first, &last);
	assert_int_equal(pgw_scan_extents(f->mm, first, last, collect_extent, &seen), 0);
	assert_int_equal(seen.nr, f->model.nr);
	for (size_t i = 0; i < seen.nr; i++) {
		const struct segment *seg = &f->model.seg[i];
		struct pgw_translation t = translate(f, seg->first);

		assert_int_equal(seen.seg[i].first, seg->first);
		assert_int_equal(seen.seg[i].last, seg->last);
		assert_int_equal(seen.seg[i].pa, seg->pa);
		assert_int_equal(seen.seg[i].rights, seg->rights);
		assert_true(t.kind == PGW_ENTRY_LEAF && t.pa == seg->pa);
		t = translate(f, seg->last);
		assert_true(t.kind == PGW_ENTRY_LEAF && t.pa == seg->pa + (seg->last - seg->first));
	}
	assert_true(f->format->edit->validate(&f->mm->pt));
	tlb_check(f);
}

/* ---- dirty pages ---- */

/* The lowest item that translates va, live. */
static uint64_t *live_item(struct fixture *f, uint64_t va)
{
	struct pgw_translation t;
	struct pgw_path path;

	assert_int_equal(pgw_translate_path(f->mm, va, &t, &path), 0);
	return (uint64_t *)(void *)(f->arena.block +
				    (path.step[path.nr_steps - 1].item_pa - ARENA_PA));
}

static uint64_t attr_named(const struct fixture *f, const char *name)
{
	for (const struct pgw_attr *a = pgw_format_attrs(f->format); a->name; a++) {
		if (!strcmp(a->name, name))
			return a->mask;
	}
	return 0;
}

/* Hardware writes to a page. (arm64 without HD calls all that may be written dirty.) */
static void hardware_write(struct fixture *f)
{
	uint64_t va, granule = bits_below(f->geo->granule_lg2);
	const struct segment *seg;

	if (!f->model.nr || f->nr_dirty == NR_DIRTY)
		return;
	seg = &f->model.seg[test_random(&f->random) % f->model.nr];
	va = seg->first + (test_random(&f->random) % (seg->last - seg->first + 1));
	if (attr_named(f, "d"))
		*live_item(f, va) |= attr_named(f, "d");
	else if (!(seg->rights & (PGW_USER_W | PGW_KERNEL_W)))
		return;
	f->dirty[f->nr_dirty++] = va & ~granule;
}

/* Pages of a range have been reported dirty. @param must they had to be */
static void forget_dirty(struct fixture *f, uint64_t first, uint64_t last, bool must)
{
	for (size_t i = 0; i < f->nr_dirty;) {
		if (f->dirty[i] < first || f->dirty[i] > last) {
			i++;
			continue;
		}
		assert_true(must);
		f->dirty[i] = f->dirty[--f->nr_dirty];
	}
}

/* ---- operations ---- */

static void release(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct fixture *f = gather->arg;
	struct segment seg = { frames->va, frames->va + (frames->size - 1), frames->pa, 0 };

	for (size_t i = 0; i < NR_CACHED; i++) /* the TLB has forgotten them */
		assert_false(f->cached[i].kind == PGW_ENTRY_LEAF &&
			     f->cached[i].va_first <= seg.last &&
			     f->cached[i].va_last >= seg.first);
	forget_dirty(f, seg.first, seg.last, frames->dirty);
	model_insert_at(&f->released, f->released.nr, seg);
	model_merge(&f->released);
}

static struct pt_edit edit_begin(struct fixture *f, struct pt_gather *gather)
{
	gather_init(gather, &f->mm->pt, f->policy);
	gather->release = release;
	gather->arg = f;
	f->released.nr = 0;
	if (f->policy == PT_SHARED)
		pgw_reader_enter(&f->arena.platform);
	return (struct pt_edit){ .pt = &f->mm->pt, .policy = f->policy, .gather = gather };
}

static void edit_end(struct fixture *f, struct pt_gather *gather)
{
	if (f->policy == PT_SHARED)
		pgw_reader_leave(&f->arena.platform);
	gather_flush(gather);
}

static bool use_public(struct fixture *f)
{
	return f->policy != PT_SHARED && test_random(&f->random) % 2;
}

/* A range in the window, of some leaves of a random size; sometimes the edge of a segment. */
static void random_range(struct fixture *f, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t r = test_random(&f->random), unit = f->geo->granule_lg2, first, nr;

	if (r % 4 == 1)
		unit = f->geo->span_lg2[1];
	else if (r % 4 == 2)
		unit = f->geo->granule_lg2 + 4u;
	nr = (r >> 8) % 4 ? 1 + (r >> 16) % 5 : 1 + (r >> 16) % 700;
	first = f->first + (test_random(&f->random) & (f->last - f->first));
	if ((r >> 4) % 4 == 0 && f->model.nr) {
		first = f->model.seg[(r >> 32) % f->model.nr].first;
		if ((r >> 6) % 2)
			first = f->model.seg[(r >> 32) % f->model.nr].last;
	}
	first &= ~bits_below((unsigned)unit);
	*ret_first = first < f->first ? f->first : first;
	*ret_last = *ret_first + ((nr << unit) - 1);
	if (*ret_last > f->last || *ret_last < *ret_first)
		*ret_last = f->last;
}

/* Shall one page be changed by what is for one page? */
static bool use_page(struct fixture *f, uint64_t first, uint64_t last)
{
	return last - first == bits_below(f->geo->granule_lg2) && test_random(&f->random) % 2;
}

static int map_any(struct fixture *f, const struct pgw_map_args *args)
{
	int err = PT_OTHERWISE;
	struct pt_gather gather;
	struct pt_edit edit;

	if (use_public(f))
		return pgw_mm_map(f->mm, args);
	edit = edit_begin(f, &gather);
	if (use_page(f, args->first, args->last))
		err = f->format->edit->map_page(&edit, args);
	if (err == PT_OTHERWISE)
		err = f->format->edit->map(&edit, args);
	edit_end(f, &gather);
	return err;
}

static void step_map(struct fixture *f)
{
	uint64_t r = test_random(&f->random), granule = f->geo->granule_lg2;
	struct pgw_map_args args = { .rights = f->rights[r % f->nr_rights] };
	int err;

	random_range(f, &args.first, &args.last);
	if ((r >> 8) % 8 == 0)
		args.sizes = test_random(&f->random) & f->format->edit->sizes(&f->mm->pt);
	/* Mostly as aligned as the address is. */
	args.pa = (UINT64_C(0x40000000) << ((r >> 12) % 2)) + (args.first & bits_below(30));
	if ((r >> 16) % 3 == 0)
		args.pa += (1 + (r >> 24) % 64) << granule;
	err = map_any(f, &args);
	if (err == -PGW_ENOMEM && f->arena.fail_after < 0)
		return;
	if (args.sizes &&
	    ((args.first | args.pa | (args.last + 1)) & ((args.sizes & -args.sizes) - 1)))
		assert_int_equal(err, -PGW_EINVAL);
	else if (model_overlaps(&f->model, args.first, args.last))
		assert_int_equal(err, -PGW_EEXIST);
	else if (!args.sizes || (args.sizes >> granule) & 1)
		assert_int_equal(err, 0);
	else /* an empty table may be in the way of large leaves */
		assert_true(!err || err == -PGW_EEXIST);
	if (!err)
		model_insert_at(&f->model, model_find(&f->model, args.first),
				(struct segment){ args.first, args.last, args.pa, args.rights });
}

/* What was released is what was mapped there. */
static void check_released(struct fixture *f, uint64_t first, uint64_t last)
{
	static struct model expected;
	size_t end, i = model_range(&f->model, first, last, &end);

	expected.nr = 0;
	for (; i < end; i++) {
		struct segment seg = f->model.seg[i];

		seg.rights = 0;
		model_insert_at(&expected, expected.nr, seg);
	}
	model_merge(&expected);
	model_merge(&f->released);
	assert_int_equal(expected.nr, f->released.nr);
	for (i = 0; i < expected.nr; i++) {
		assert_int_equal(expected.seg[i].first, f->released.seg[i].first);
		assert_int_equal(expected.seg[i].last, f->released.seg[i].last);
		assert_int_equal(expected.seg[i].pa, f->released.seg[i].pa);
	}
}

/*
 * @param may_zap no leaf sticks out
 * @param ret_quiet nobody was told which frames
 */
static int unmap_any(struct fixture *f, uint64_t first, uint64_t last, enum pgw_unmap_how how,
		     bool may_zap, bool *ret_quiet)
{
	int err = PT_OTHERWISE;
	struct pt_gather gather;
	struct pt_edit edit;

	*ret_quiet = use_public(f);
	if (*ret_quiet)
		return pgw_mm_unmap(f->mm, first, last, how);
	edit = edit_begin(f, &gather);
	if (use_page(f, first, last))
		err = f->format->edit->unmap_page(&edit, first);
	*ret_quiet = err != PT_OTHERWISE;
	if (err == PT_OTHERWISE && may_zap && test_random(&f->random) % 2) {
		f->format->edit->zap(&edit, first, last);
		err = 0;
	}
	if (err == PT_OTHERWISE)
		err = f->format->edit->unmap(&edit, first, last, how);
	edit_end(f, &gather);
	return err;
}

static void step_unmap(struct fixture *f)
{
	enum pgw_unmap_how how = test_random(&f->random) % 3;
	struct pgw_translation low, high;
	uint64_t first, last, from, to;
	bool is_quiet;
	int err;

	random_range(f, &first, &last);
	low = translate(f, first);
	high = translate(f, last);
	from = low.kind == PGW_ENTRY_LEAF ? low.va_first : first;
	to = high.kind == PGW_ENTRY_LEAF ? high.va_last : last;
	err = unmap_any(f, first, last, how, from == first && to == last, &is_quiet);
	if (how == PGW_UNMAP_SPLIT && err == -PGW_ENOMEM && f->arena.fail_after < 0)
		return;
	if (how == PGW_UNMAP_EXACT && (from != first || to != last)) {
		assert_int_equal(err, -PGW_EINVAL);
		return;
	}
	assert_int_equal(err, 0);
	from = how == PGW_UNMAP_WHOLE ? from : first;
	to = how == PGW_UNMAP_WHOLE ? to : last;
	if (is_quiet)
		forget_dirty(f, from, to, true);
	else
		check_released(f, from, to);
	model_remove(&f->model, from, to);
}

static int protect_any(struct fixture *f, uint64_t first, uint64_t last, uint8_t rights)
{
	const struct pt_edit_ops *ops = f->format->edit;
	int err = PT_OTHERWISE;
	struct pt_gather gather;
	struct pt_edit edit;

	if (use_public(f))
		return pgw_mm_protect(f->mm, first, last, rights);
	edit = edit_begin(f, &gather);
	if (use_page(f, first, last))
		err = ops->protect_page(&edit, first, rights);
	if (err == PT_OTHERWISE) {
		err = ops->split_at(&edit, first);
		err = err ? err : ops->split_at(&edit, last + 1);
		err = err ? err : ops->protect(&edit, first, last, rights);
	}
	edit_end(f, &gather);
	return err;
}

static void step_protect(struct fixture *f)
{
	uint8_t rights = f->rights[test_random(&f->random) % f->nr_rights];
	uint64_t first, last;
	size_t i, end;
	int err;

	random_range(f, &first, &last);
	err = protect_any(f, first, last, rights);
	if (err == -PGW_ENOMEM && f->arena.fail_after < 0)
		return;
	assert_int_equal(err, 0);
	i = model_range(&f->model, first, last, &end);
	for (; i < end; i++)
		f->model.seg[i].rights = rights;
}

static int check_small(const struct pgw_extent *extent, void *arg)
{
	assert_in_range(extent->leaf_lg2, 0, *(unsigned *)arg);
	return 0;
}

static void step_split(struct fixture *f)
{
	unsigned max_lg2 = f->geo->granule_lg2 + (unsigned)(test_random(&f->random) % 14);
	struct pt_gather gather;
	uint64_t first, last;
	struct pt_edit edit;
	int err;

	random_range(f, &first, &last);
	edit = edit_begin(f, &gather);
	err = f->format->edit->split(&edit, first, last, (uint8_t)max_lg2);
	edit_end(f, &gather);
	if (err == -PGW_ENOMEM && f->arena.fail_after < 0)
		return;
	assert_int_equal(err, 0);
	assert_int_equal(pgw_scan_extents(f->mm, first, last, check_small, &max_lg2), 0);
}

/* A size of leaves that lie in the window. */
static uint8_t random_size(struct fixture *f)
{
	uint64_t sizes = f->format->edit->sizes(&f->mm->pt);

	for (;;) {
		unsigned lg2 = test_random(&f->random) % 64;

		if ((sizes >> lg2) & 1 && bits_below(lg2) <= f->last - f->first)
			return (uint8_t)lg2;
	}
}

static void step_collapse(struct fixture *f)
{
	uint8_t lg2 = random_size(f);
	struct pt_gather gather;
	uint64_t first, last, va;
	struct pt_edit edit;
	size_t i;
	int err;

	random_range(f, &va, &last);
	first = va & ~bits_below(lg2);
	last = va | bits_below(lg2);
	edit = edit_begin(f, &gather);
	err = f->format->edit->collapse(&edit, va, lg2);
	edit_end(f, &gather);
	model_merge(&f->model);
	i = model_find(&f->model, first);
	if (i < f->model.nr && f->model.seg[i].first <= first && f->model.seg[i].last >= last &&
	    !((f->model.seg[i].pa + (first - f->model.seg[i].first)) & bits_below(lg2))) {
		assert_int_equal(err, 0);
		assert_true(translate(f, va).leaf_lg2 >= lg2);
		assert_true(translate(f, first).va_last >= last);
	} else {
		assert_true(err == -PGW_ENOENT || err == -PGW_EBUSY);
	}
}

static int forget_harvested(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(translate(f, va).pa, pa);
	assert_int_equal(what, PGW_HARVEST_DIRTY);
	forget_dirty(f, va, va | bits_below(size_lg2), true);
	return 0;
}

static void step_harvest(struct fixture *f)
{
	struct pt_gather gather;
	uint64_t first, last;
	struct pt_edit edit;

	random_range(f, &first, &last);
	edit = edit_begin(f, &gather);
	assert_int_equal(f->format->edit->harvest(&edit, first, last,
						  PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR,
						  forget_harvested, f),
			 0);
	edit_end(f, &gather);
	/* What was dirty in the range has been reported. */
	forget_dirty(f, first, last, false);
}

static void random_step(struct fixture *f)
{
	unsigned what = test_random(&f->random) % 16;

	tlb_fill(f);
	f->arena.fail_after =
		test_random(&f->random) % 4 ? -1 : (long)(test_random(&f->random) % 4);
	if (what < 5)
		step_map(f);
	else if (what < 8)
		step_unmap(f);
	else if (what < 10)
		step_protect(f);
	else if (what < 12)
		step_split(f);
	else if (what < 14)
		step_collapse(f);
	else if (what < 15)
		step_harvest(f);
	else
		hardware_write(f);
	f->arena.fail_after = -1;
	check_all(f);
}

/* ---- the runs ---- */

static struct fixture *fixture_new(const struct pgw_format *format, enum pgw_region_kind half,
				   enum pt_policy policy, uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = {
		.format = format,
		.region = half,
		.policy = policy == PT_SINGLE ? PGW_POLICY_SINGLE : PGW_POLICY_RANGE,
	};
	uint64_t half_first, half_last, size;

	assert_non_null(f);
	arena_init(&f->arena, 4 << 20);
	f->arena.platform.tlb_flush = tlb_flush;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	f->region = half;
	f->policy = policy;
	f->random = seed;
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	for (unsigned rights = 1; rights <= _PGW_RIGHT_ALL; rights++) {
		if (format->edit->can_protect(&f->mm->pt, (uint8_t)rights))
			f->rights[f->nr_rights++] = (uint8_t)rights;
	}
	/* Both ends of the half, or anywhere: four times what a lowest table spans, or a run of those. */
	pgw_format_region_range(format, half, &half_first, &half_last);
	size = UINT64_C(4) << f->geo->span_lg2[1];
	f->first = half_first;
	if (seed % 3 == 1)
		f->first = half_last - (size - 1);
	else if (seed % 3 == 2)
		f->first = half_first +
			   (test_random(&f->random) & (half_last - half_first) & ~(size - 1));
	f->last = f->first + (size - 1);
	return f;
}

static void fixture_free(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	pgw_mm_free(f->mm);
	assert_int_equal(f->arena.nr_violations, 0);
	arena_fini(&f->arena);
	free(f);
}

static void random_run(enum pt_policy policy, unsigned nr_steps)
{
	uint64_t seed = test_seed();
	const struct pgw_region *region;
	const struct pgw_format *format;

	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++) {
		/* Where it is goes by the seed; so do both halves of a format begin alike. */
		uint64_t own = seed + (region->kind == PGW_REGION_FOREIGN ? i : i / 2);
		struct fixture *f = fixture_new(format, region->kind, policy, own);

		for (unsigned step = 0; step < nr_steps; step++)
			random_step(f);
		fixture_free(f);
	}
}

static void test_edit__random_single_agrees_with_the_model(void **state)
{
	(void)state;
	random_run(PT_SINGLE, 300);
}

static void test_edit__random_range_agrees_with_the_model(void **state)
{
	(void)state;
	random_run(PT_RANGE, 300);
}

static void test_edit__random_shared_agrees_with_the_model(void **state) /* T1, T2 */
{
	(void)state;
	random_run(PT_SHARED, 300);
}

/* ---- every allocation fails once ---- */

static int op_map(struct fixture *f)
{
	struct pgw_map_args args = { .first = f->first,
				     .last = f->last,
				     .rights = f->rights[0],
				     .sizes = UINT64_C(1) << f->geo->granule_lg2 };

	return pgw_mm_map(f->mm, &args);
}

static int op_unmap(struct fixture *f)
{
	uint64_t page = UINT64_C(1) << f->geo->granule_lg2;

	return pgw_mm_unmap(f->mm, f->first + page, f->last - page, PGW_UNMAP_SPLIT);
}

static int op_protect(struct fixture *f)
{
	uint64_t page = UINT64_C(1) << f->geo->granule_lg2;

	return pgw_mm_protect(f->mm, f->first + page, f->last - page, f->rights[1]);
}

static int op_split(struct fixture *f)
{
	return pgw_mm_split(f->mm, f->first, f->last, f->geo->granule_lg2);
}

/* Failed maps leave tables behind, so that later ones need fewer: at most as many fail. */
static void fail_each_map(struct fixture *f)
{
	int err = -PGW_ENOMEM;
	unsigned nr_failed = 0;

	for (long n = 0; err; n++) {
		f->arena.fail_after = n / 2;
		err = op_map(f);
		f->arena.fail_after = -1;
		nr_failed += err != 0;
		if (err) {
			assert_int_equal(err, -PGW_ENOMEM);
			check_all(f);
		}
	}
	assert_true(nr_failed >= 4);
}

static void map_large(struct fixture *f)
{
	struct pgw_map_args args = { .first = f->first, .last = f->last, .rights = f->rights[0] };

	f->model.nr = 0;
	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
	model_insert_at(&f->model, 0, (struct segment){ f->first, f->last, 0, args.rights });
	check_all(f);
}

/* Let the op fail at its nth allocation, on a tree of its own, until it does not fail any more. */
static void test_edit__allocation_failure_leaves_all_as_it_was(void **state)
{
	int (*const ops[])(struct fixture * f) = { op_unmap, op_protect, op_split };
	const struct pgw_region *region;
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++) {
		struct fixture *f;

		if (region->kind == PGW_REGION_KERNEL)
			continue;
		f = fixture_new(format, region->kind, PT_RANGE, 0);

		fail_each_map(f);
		fixture_free(f);
		for (size_t op = 0; op < sizeof(ops) / sizeof(ops[0]); op++) {
			int err = -PGW_ENOMEM;

			for (long n = 0; err; n++) {
				f = fixture_new(format, region->kind, PT_RANGE, 0);
				map_large(f);
				tlb_fill(f);
				f->arena.fail_after = n;
				err = ops[op](f);
				f->arena.fail_after = -1;
				assert_true(n ? !err || err == -PGW_ENOMEM : err == -PGW_ENOMEM);
				if (err)
					check_all(f);
				fixture_free(f);
			}
		}
	}
}

/* ---- sizes ---- */

static unsigned slow_best_size(uint64_t sizes, uint64_t va, uint64_t pa, uint64_t left)
{
	for (unsigned lg2 = 63; lg2; lg2--) {
		uint64_t size = UINT64_C(1) << lg2;

		if ((sizes & size) && !((va | pa) & (size - 1)) && size <= left)
			return lg2;
	}
	return 0;
}

static void test_leaf_size__agrees_with_counting_one_by_one(void **state)
{
	uint64_t random = test_seed();

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t sizes = (test_random(&random) & 0x3ff8) | 8, va, pa, left, nr = 0;
		unsigned lg2;

		va = test_random(&random) & 0x1ffff8;
		pa = i % 2 ? (test_random(&random) & 0x1ffff8)
			   : va + (test_random(&random) & 0x1f0000);
		left = (test_random(&random) & 0xfff8) + 8;
		lg2 = pt_best_size(sizes, va, pa, left);
		assert_int_equal(lg2, slow_best_size(sizes, va, pa, left));
		while (nr << lg2 < left && slow_best_size(sizes, va + (nr << lg2), pa + (nr << lg2),
							  left - (nr << lg2)) == lg2)
			nr++;
		assert_int_equal(pt_best_size_count(sizes, va, pa, left, lg2), nr);
	}
	assert_int_equal(pt_best_size(UINT64_C(1) << 30, 0, 0, UINT64_C(1) << 30), 30);
	assert_int_equal(pt_best_size(UINT64_C(1) << 30, 0, 0, (UINT64_C(1) << 30) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_size__agrees_with_counting_one_by_one),
		cmocka_unit_test(test_edit__random_single_agrees_with_the_model),
		cmocka_unit_test(test_edit__random_range_agrees_with_the_model),
		cmocka_unit_test(test_edit__random_shared_agrees_with_the_model),
		cmocka_unit_test(test_edit__allocation_failure_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
