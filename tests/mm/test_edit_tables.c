/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Changes over ranges, case by case: which sizes, which tables stay, which states
 * are kept, what is flushed when. In the pictures a letter is a lowest table or a
 * large leaf, '.' a hole.
 */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "mm/mm_priv.h"
#include "pt/read/gather.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define USER_RW (PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W)
#define USER_R (PGW_KERNEL_R | PGW_USER_R)

struct fixture {
	struct arena arena;
	struct pgw_mm *mm;
	const struct pt_edit_ops *ops;
	struct pt_gather gather;
	struct pt_edit edit;
	/* what the step hook looks at */
	uint64_t step_va, step_bits;
	unsigned step_items, nr_steps[_PGW_STEP_MAX];
	unsigned flushes_at_frozen;
};

static struct fixture *fixture_new(const char *format, enum pt_policy policy, uint32_t controls)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = {
		.format = pgw_format_by_name(format),
		.region = pgw_format_regions(pgw_format_by_name(format))->kind,
		.policy = policy == PT_SINGLE ? PGW_POLICY_SINGLE : PGW_POLICY_RANGE,
		.control = { .known = controls, .set = controls },
	};

	assert_non_null(f);
	arena_init(&f->arena, 4 << 20);
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	f->ops = args.format->edit;
	gather_init(&f->gather, &f->mm->pt, policy);
	f->edit = (struct pt_edit){ .pt = &f->mm->pt, .policy = policy, .gather = &f->gather };
	return f;
}

static void fixture_free(struct fixture *f)
{
	gather_flush(&f->gather);
	assert_true(f->ops->validate(&f->mm->pt));
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	pgw_mm_free(f->mm);
	arena_fini(&f->arena);
	free(f);
}

/* What users may, as the format says it: not of every guest are users told apart. */
static uint8_t rights_of(const struct fixture *f, uint8_t user)
{
	return test_region_rights(&f->mm->pt.region, user);
}

static int map(struct fixture *f, uint64_t va, uint64_t size, uint64_t pa, uint64_t attrs)
{
	struct pgw_map_args args = { .first = va,
				     .last = va + (size - 1),
				     .pa = pa,
				     .rights = rights_of(f, USER_RW),
				     .attrs = attrs };

	return f->ops->map(&f->edit, &args);
}

static struct pgw_translation at(struct fixture *f, uint64_t va)
{
	struct pgw_translation ret;

	assert_int_equal(pgw_translate(f->mm, va, &ret), 0);
	return ret;
}

static unsigned size_at(struct fixture *f, uint64_t va)
{
	struct pgw_translation t = at(f, va);

	return t.kind == PGW_ENTRY_LEAF ? t.leaf_lg2 : 0;
}

/* The live item of a level on the way to va. */
static uint64_t *item_at(struct fixture *f, uint64_t va, unsigned level)
{
	struct pgw_translation t;
	struct pgw_path path;

	assert_int_equal(pgw_translate_path(f->mm, va, &t, &path), 0);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		if (path.step[i].level == level)
			return (uint64_t *)(void *)(f->arena.block +
						    (path.step[i].item_pa - ARENA_PA));
	}
	fail_msg("no table of level %u", level);
	return NULL;
}

/* The table that item_at() is in. */
static uint64_t *table_at(struct fixture *f, uint64_t va, unsigned level)
{
	return item_at(f, va, level) -
	       pt_index(pgw_format_geometry(pgw_mm_format(f->mm)), va, level);
}

static uint64_t attr(const struct fixture *f, const char *name)
{
	for (const struct pgw_attr *a = pgw_format_attrs(pgw_mm_format(f->mm)); a->name; a++) {
		if (!strcmp(a->name, name))
			return a->mask;
	}
	return 0;
}

/* ---- sizes ---- */

static void test_map__uses_the_largest_leaves_that_fit(void **state)
{
	static const struct {
		const char *format;
		uint64_t va, pa, size;
		struct {
			uint64_t offset;
			unsigned lg2;
		} expect[4];
	} cases[] = {
		{ "x86_64-la48", GIB(1), GIB(2), GIB(2), { { 0, 30 }, { GIB(1), 30 } } },
		{ "x86_64-la48",
		  GIB(1) - MIB(2),
		  GIB(2) - MIB(2),
		  GIB(1) + MIB(4),
		  { { 0, 21 }, { MIB(2), 30 }, { GIB(1) + MIB(2), 21 } } },
		{ "x86_64-la48", GIB(1), GIB(2) + KIB(4), MIB(4), { { 0, 12 }, { MIB(2), 12 } } },
		{ "arm64-4k",
		  MIB(2) - KIB(68),
		  MIB(34) - KIB(68),
		  MIB(62) + KIB(68),
		  { { 0, 12 }, { KIB(4), 16 }, { KIB(68), 21 }, { MIB(30) + KIB(68), 25 } } },
		{ "arm64-16k",
		  MIB(32) - MIB(2),
		  MIB(64) - MIB(2),
		  MIB(34) + KIB(16),
		  { { 0, 21 }, { MIB(2), 25 }, { MIB(34), 14 } } },
		{ "arm64-64k", MIB(2), MIB(6), MIB(4), { { 0, 21 }, { MIB(2), 21 } } },
		{ "riscv-sv39",
		  KIB(60),
		  KIB(60),
		  KIB(72),
		  { { 0, 12 }, { KIB(4), 16 }, { KIB(68), 12 } } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new(cases[i].format, PT_RANGE, 0);

		assert_int_equal(map(f, cases[i].va, cases[i].size, cases[i].pa, 0), 0);
		for (unsigned e = 0; e < 4 && cases[i].expect[e].lg2; e++)
			assert_int_equal(size_at(f, cases[i].va + cases[i].expect[e].offset),
					 cases[i].expect[e].lg2);
		fixture_free(f);
	}
}

static void test_map__is_restricted_to_sizes(void **state)
{
	struct fixture *f = fixture_new("arm64-4k", PT_RANGE, 0);
	struct pgw_map_args args = { .first = GIB(1),
				     .last = GIB(1) + MIB(4) - 1,
				     .rights = USER_RW };

	(void)state;
	args.sizes = KIB(64);
	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
	assert_int_equal(size_at(f, GIB(1)), 16);
	assert_int_equal(size_at(f, GIB(1) + MIB(2)), 16);
	args.first += MIB(8) + KIB(4);
	args.last += MIB(8);
	args.pa += KIB(4);
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EINVAL);
	args.sizes = KIB(8); /* none that the format has */
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EINVAL);
	/* Runs are not asked for by attribute. */
	args.sizes = 0;
	args.attrs = attr(f, "cont");
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EINVAL);
	fixture_free(f);
}

/* Without Svnapot there are no runs. */
static void test_map__knows_the_control_bits(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39", PT_RANGE, 0);
	struct pgw_map_args args = { .first = 0, .last = KIB(64) - 1, .rights = USER_RW };

	(void)state;
	f->mm->pt.control.set &= ~(uint32_t)PGW_CTL_RISCV_SVNAPOT;
	pt_prepare(&f->mm->pt);
	assert_int_equal(f->ops->map(&f->edit, &args), 0);
	assert_int_equal(size_at(f, 0), 12);
	fixture_free(f);
}

/* A table that has become empty is no reason not to map large ranges. */
static void test_map__goes_around_empty_tables(void **state)
{
	struct fixture *f = fixture_new("arm64-4k", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, MIB(34), KIB(4), 0, 0), 0);
	assert_int_equal(f->ops->unmap(&f->edit, MIB(34), MIB(34) + KIB(4) - 1, PGW_UNMAP_EXACT),
			 0);
	assert_int_equal(map(f, MIB(32), MIB(32), MIB(32), 0), 0);
	/* 32M: a b b b ...; b is small leaves in runs */
	assert_int_equal(size_at(f, MIB(32)), 21);
	assert_int_equal(size_at(f, MIB(34)), 16);
	assert_int_equal(size_at(f, MIB(36)), 21);
	assert_int_equal(at(f, MIB(35)).pa, MIB(35));
	fixture_free(f);
}

static void test_map__in_the_way_changes_nothing(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, GIB(1) + MIB(6), KIB(4), MIB(8), 0), 0);
	assert_int_equal(map(f, GIB(1), MIB(8), 0, 0), -PGW_EEXIST);
	assert_int_equal(size_at(f, GIB(1)), 0);
	assert_int_equal(size_at(f, GIB(1) + MIB(4)), 0);
	assert_int_equal(at(f, GIB(1) + MIB(6)).pa, MIB(8));
	assert_int_equal(size_at(f, GIB(1) + MIB(6) + KIB(4)), 0);
	/* What was mapped for a moment may be cached. */
	assert_true(f->gather.first == GIB(1) && f->gather.last == GIB(1) + MIB(6) - 1);
	fixture_free(f);
}

/* ---- split ---- */

/*
 *	1G:   AAAAAAAA    ->   aaaa b.......   one table of 2M leaves; in it, where the cut is, one
 *	                                       of small ones
 */
static void test_split_at__cuts_only_what_crosses(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);
	uint64_t cut = GIB(1) + MIB(512) + KIB(4);
	long nr_tables;

	(void)state;
	assert_int_equal(map(f, GIB(1), GIB(1), GIB(4), 0), 0);
	nr_tables = f->arena.nr_tables;
	assert_int_equal(f->ops->split_at(&f->edit, GIB(1)), 0);
	assert_int_equal(f->ops->split_at(&f->edit, GIB(2)), 0);
	assert_int_equal(f->ops->split_at(&f->edit, 0), 0);
	assert_int_equal(f->arena.nr_tables, nr_tables);
	assert_int_equal(f->ops->split_at(&f->edit, cut), 0);
	assert_int_equal(f->arena.nr_tables, nr_tables + 2);
	assert_int_equal(size_at(f, GIB(1)), 21);
	assert_int_equal(size_at(f, cut - 1), 12);
	assert_int_equal(size_at(f, cut), 12);
	assert_int_equal(size_at(f, GIB(1) + MIB(514)), 21);
	for (uint64_t va = GIB(1); va < GIB(2); va += MIB(1) + KIB(4))
		assert_int_equal(at(f, va).pa, va + GIB(3));
	assert_true(f->gather.first == GIB(1) && f->gather.last == GIB(2) - 1);
	fixture_free(f);
}

/* SDM tables 4-16 to 4-20: PAT is bit 12 of a large leaf and bit 7 of a small one. */
static void test_split__moves_pat_to_where_the_size_has_it(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);
	const uint64_t pat_small = UINT64_C(1) << 7, pat_large = UINT64_C(1) << 12;

	(void)state;
	assert_int_equal(map(f, 0, MIB(2), MIB(4), pat_small), 0);
	assert_int_equal(size_at(f, 0), 21);
	assert_true(*item_at(f, 0, 1) & pat_large);
	assert_int_equal(f->ops->split_at(&f->edit, KIB(4)), 0);
	assert_int_equal(size_at(f, 0), 12);
	for (uint64_t va = 0; va < MIB(2); va += KIB(4)) {
		assert_true(*item_at(f, va, 0) & pat_small);
		assert_int_equal(at(f, va).pa, MIB(4) + va);
	}
	fixture_free(f);
}

static void test_split__keeps_runs_that_are_small_enough(void **state)
{
	struct fixture *f = fixture_new("arm64-4k", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, MIB(32), MIB(64), MIB(32), 0), 0);
	assert_int_equal(size_at(f, MIB(32)), 25);
	assert_int_equal(f->ops->split(&f->edit, MIB(32), MIB(34) - 1, 16), 0);
	assert_int_equal(size_at(f, MIB(32)), 16);
	assert_int_equal(size_at(f, MIB(34)), 21); /* its run is gone */
	assert_int_equal(size_at(f, MIB(64)), 25); /* not in the range */
	assert_int_equal(f->ops->split(&f->edit, MIB(32), MIB(34) - 1, 12), 0);
	assert_int_equal(size_at(f, MIB(32)), 12);
	assert_int_equal(f->ops->split(&f->edit, MIB(32), MIB(34) - 1, 11), -PGW_EINVAL);
	fixture_free(f);
}

static void test_split_item__makes_a_table_of_what_is_there(void **state)
{
	struct fixture *f = fixture_new("arm64-4k", PT_SHARED, 0);
	uint64_t *table;

	(void)state;
	pgw_reader_enter(&f->arena.platform);
	assert_int_equal(map(f, MIB(32), MIB(32), MIB(32), 0), 0);
	table = table_at(f, MIB(36), 1);
	f->arena.fail_after = 0;
	assert_int_equal(f->ops->split_item(&f->edit, table, 1, MIB(36)), -PGW_ENOMEM);
	f->arena.fail_after = -1;
	assert_int_equal(f->ops->split_item(&f->edit, table, 1, MIB(36)), 0);
	assert_int_equal(at(f, MIB(36)).level, 0);
	assert_int_equal(size_at(f, MIB(38)), 21);
	assert_int_equal(at(f, MIB(37)).pa, MIB(37));
	/* No leaf any more: nothing. */
	assert_int_equal(f->ops->split_item(&f->edit, table, 1, MIB(36)), 0);
	/* A run in a lowest table: its items. */
	assert_int_equal(size_at(f, MIB(36)), 16);
	table = table_at(f, MIB(36) + KIB(8), 0);
	assert_int_equal(f->ops->split_item(&f->edit, table, 0, MIB(36) + KIB(8)), 0);
	assert_int_equal(size_at(f, MIB(36)), 12);
	assert_int_equal(size_at(f, MIB(36) + KIB(64)), 16);
	pgw_reader_leave(&f->arena.platform);
	fixture_free(f);
}

/* ---- accessed and dirty ---- */

static const char *const ad_formats[] = { "x86_64-la48", "riscv-sv48", "riscv-sv39x4", "npt-48",
					  "ept-4",       "vtd-first",  "vtd-second-4", "amdvi-4" };

struct harvested {
	unsigned nr;
	uint64_t va, bytes;
	uint32_t what;
};

static int note_harvest(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	struct harvested *h = arg;

	(void)pa;
	h->nr++;
	h->va = va;
	h->bytes += UINT64_C(1) << size_lg2;
	h->what |= what;
	return 0;
}

static struct harvested harvest(struct fixture *f, uint64_t first, uint64_t size, uint32_t flags)
{
	struct harvested h = { 0 };

	assert_int_equal(
		f->ops->harvest(&f->edit, first, first + (size - 1), flags, note_harvest, &h), 0);
	return h;
}

static int stop_harvest(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)va, (void)pa, (void)size_lg2, (void)what;
	return *(const int *)arg;
}

/* Small ones too, which edits have words of their own for. */
static void test_harvest__returns_the_callbacks_value(void **state)
{
	static const int values[] = { 1, 2, 3, -1, INT_MAX, INT_MIN };
	struct fixture *f = fixture_new("x86_64-la48", PT_SHARED, 0);

	(void)state;
	assert_int_equal(map(f, 0, KIB(16), 0, 0), 0);
	*item_at(f, KIB(8), 0) |= attr(f, "d");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int value = values[i];

		assert_int_equal(f->ops->harvest(&f->edit, 0, KIB(16) - 1, PGW_HARVEST_DIRTY,
						 stop_harvest, &value),
				 value);
	}
	fixture_free(f);
}

static void set_dirty(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	struct fixture *f = ctx;

	(void)mm;
	if (step == PGW_STEP_SPLIT_READY)
		*item_at(f, f->step_va, 1) |= f->step_bits;
}

/* Hardware sets the bit after the new table was filled. */
static void test_split__keeps_states_that_hardware_sets_meanwhile(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ad_formats) / sizeof(ad_formats[0]); i++) {
		struct fixture *f = fixture_new(ad_formats[i], PT_RANGE, 0);

		assert_int_equal(map(f, MIB(2), MIB(2), MIB(2), attr(f, "a")), 0);
		f->step_va = MIB(2);
		f->step_bits = attr(f, "d");
		f->arena.platform.step = set_dirty;
		assert_int_equal(f->ops->split(&f->edit, MIB(2), MIB(4) - 1, 12), 0);
		f->arena.platform.step = NULL;
		assert_int_equal(harvest(f, MIB(2), MIB(2), PGW_HARVEST_DIRTY).nr, 512);
		assert_int_equal(harvest(f, MIB(2), MIB(2), PGW_HARVEST_YOUNG).nr, 512);
		fixture_free(f);
	}
}

/* One item of a run was written to: any page of it may have been. */
static void test_split__of_a_run_spreads_its_states(void **state)
{
	struct fixture *f = fixture_new("riscv-sv48", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, KIB(64), KIB(64), 0, 0), 0);
	assert_int_equal(size_at(f, KIB(64)), 16);
	*item_at(f, KIB(76), 0) |= attr(f, "d");
	assert_int_equal(harvest(f, KIB(68), KIB(4), PGW_HARVEST_DIRTY).bytes, KIB(64));
	assert_int_equal(f->ops->split_at(&f->edit, KIB(68)), 0);
	assert_int_equal(harvest(f, KIB(64), KIB(64), PGW_HARVEST_DIRTY).nr, 16);
	fixture_free(f);
}

static void test_collapse__combines_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ad_formats) / sizeof(ad_formats[0]); i++) {
		struct fixture *f = fixture_new(ad_formats[i], PT_RANGE, 0);
		long nr_tables;

		assert_int_equal(map(f, MIB(2), MIB(1), MIB(4), 0), 0);
		assert_int_equal(map(f, MIB(3), KIB(4), MIB(5), attr(f, "a") | attr(f, "d")), 0);
		assert_int_equal(f->ops->collapse(&f->edit, MIB(2), 21), -PGW_ENOENT);
		assert_int_equal(map(f, MIB(3) + KIB(4), MIB(1) - KIB(4), MIB(5) + KIB(4), 0), 0);
		nr_tables = f->arena.nr_tables;
		assert_int_equal(f->ops->collapse(&f->edit, MIB(3), 21), 0);
		gather_flush(&f->gather);
		pgw_reclaim_barrier(&f->arena.platform);
		assert_int_equal(f->arena.nr_tables, nr_tables - 1);
		assert_int_equal(size_at(f, MIB(2)), 21);
		assert_int_equal(
			harvest(f, MIB(2), KIB(4), PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR).what,
			PGW_HARVEST_DIRTY);
		assert_int_equal(harvest(f, MIB(2), KIB(4), PGW_HARVEST_DIRTY).nr, 0);
		assert_int_equal(harvest(f, MIB(2), KIB(4), PGW_HARVEST_YOUNG).nr, 1);
		fixture_free(f);
	}
}

static void test_collapse__refuses_what_is_not_alike(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, MIB(2), MIB(1), MIB(4), 0), 0);
	assert_int_equal(map(f, MIB(3), MIB(1), MIB(5), attr(f, "pcd")), 0);
	assert_int_equal(f->ops->collapse(&f->edit, MIB(2), 21), -PGW_EBUSY);
	/* consecutive, but not aligned */
	assert_int_equal(map(f, MIB(4), MIB(2), MIB(7), 0), 0);
	assert_int_equal(f->ops->collapse(&f->edit, MIB(4), 21), -PGW_EBUSY);
	assert_int_equal(f->ops->collapse(&f->edit, MIB(4), 20), -PGW_EINVAL);
	/* alike, the first is aligned, the last lies elsewhere */
	assert_int_equal(map(f, MIB(6), MIB(2) - KIB(4), MIB(10), 0), 0);
	assert_int_equal(map(f, MIB(8) - KIB(4), KIB(4), MIB(20), 0), 0);
	assert_int_equal(f->ops->collapse(&f->edit, MIB(6), 21), -PGW_EBUSY);
	assert_int_equal(at(f, MIB(8) - KIB(4)).pa, MIB(20));
	fixture_free(f);
}

/* What hardware and others see between the store and the flush. */
static struct collapse_seen {
	struct fixture *f;
	uint64_t dirty;
	unsigned nr;
} collapse_seen;

static void look_at_the_large_leaf(void *ctx, const struct pgw_mm *mm, uint64_t first,
				   uint64_t last)
{
	(void)ctx, (void)mm, (void)first, (void)last;
	assert_int_equal(size_at(collapse_seen.f, MIB(2)), 21);
	assert_true(*item_at(collapse_seen.f, MIB(2), 1) & collapse_seen.dirty);
	collapse_seen.nr++;
}

/* A page that was written is never shown as clean, not even before the last look at its states. */
static void test_collapse__shows_no_clean_leaf_meanwhile(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);
	void (*flush)(void *, const struct pgw_mm *, uint64_t, uint64_t) =
		f->arena.platform.tlb_flush;

	(void)state;
	assert_int_equal(map(f, MIB(2), MIB(1), MIB(4), 0), 0);
	assert_int_equal(map(f, MIB(3), MIB(1), MIB(5), 0), 0);
	*item_at(f, MIB(3), 0) |= attr(f, "d"); /* hardware, at a write */
	collapse_seen = (struct collapse_seen){ .f = f, .dirty = attr(f, "d") };
	f->arena.platform.tlb_flush = look_at_the_large_leaf;
	assert_int_equal(f->ops->collapse(&f->edit, MIB(2), 21), 0);
	f->arena.platform.tlb_flush = flush;
	assert_int_equal(collapse_seen.nr, 1);
	fixture_free(f);
}

static void test_protect__keeps_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ad_formats) / sizeof(ad_formats[0]); i++) {
		struct fixture *f = fixture_new(ad_formats[i], PT_RANGE, 0);

		assert_int_equal(map(f, 0, KIB(4), 0, attr(f, "d")), 0);
		assert_int_equal(map(f, KIB(4), KIB(4), 0, attr(f, "a")), 0);
		assert_int_equal(f->ops->protect(&f->edit, 0, KIB(8) - 1, rights_of(f, USER_R)), 0);
		assert_int_equal(at(f, 0).rights, rights_of(f, USER_R));
		assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).va, 0);
		assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_YOUNG).va, KIB(4));
		fixture_free(f);
	}
}

/* A bit of a leaf of arm64, and what it is when hardware has seen a write, with HD. */
static const struct {
	const char *format;
	uint64_t bit, written;
} hd_formats[] = {
	{ "arm64-4k", 1 << 7, 0 },         /* AP[2]: read-only */
	{ "arm64-s2-4k", 1 << 7, 1 << 7 }, /* S2AP[1]: may be written */
	{ "arm64-el2-4k", 1 << 7, 0 },
};

/* arm64 with HD: clean is "may be written, was not"; dirty survives being read-only. */
static void check_dirty_state_of_arm64(struct fixture *f, uint64_t bit, uint64_t written)
{
	const uint8_t read_write = rights_of(f, USER_RW), read = rights_of(f, USER_R);

	assert_int_equal(map(f, 0, KIB(8), 0, attr(f, "dbm")), 0);
	assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR).nr, 2);
	assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).nr, 0);
	assert_int_equal(at(f, 0).rights, read_write | (at(f, 0).rights & PGW_KERNEL_X));
	*item_at(f, KIB(4), 0) = (*item_at(f, KIB(4), 0) & ~bit) | written; /* hardware */
	assert_int_equal(f->ops->protect(&f->edit, 0, KIB(8) - 1, read), 0);
	assert_int_equal(at(f, 0).rights, read);
	assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).va, KIB(4));
	assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).nr, 1);
	assert_int_equal(f->ops->protect(&f->edit, 0, KIB(8) - 1, read_write), 0);
	assert_int_equal(at(f, 0).rights, read_write);
	assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).nr, 1);
	assert_int_equal(harvest(f, KIB(4), KIB(4), PGW_HARVEST_DIRTY).nr, 1);
}

static void test_protect__keeps_the_dirty_state_of_arm64(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hd_formats) / sizeof(hd_formats[0]); i++) {
		struct fixture *f = fixture_new(hd_formats[i].format, PT_RANGE, PGW_CTL_ARM64_HD);

		check_dirty_state_of_arm64(f, hd_formats[i].bit, hd_formats[i].written);
		fixture_free(f);
	}
}

/* ... and without: nobody says, so what may be written counts as dirty. */
static void test_harvest__without_hd_calls_all_writable_leaves_dirty(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hd_formats) / sizeof(hd_formats[0]); i++) {
		struct fixture *f = fixture_new(hd_formats[i].format, PT_RANGE, 0);

		assert_int_equal(map(f, 0, KIB(8), 0, 0), 0);
		assert_int_equal(
			f->ops->protect(&f->edit, KIB(4), KIB(8) - 1, rights_of(f, USER_R)), 0);
		assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR).nr,
				 2);
		assert_int_equal(harvest(f, 0, KIB(8), PGW_HARVEST_DIRTY).nr, 1);
		assert_int_equal(harvest(f, 0, KIB(4), PGW_HARVEST_DIRTY).nr, 1);
		fixture_free(f);
	}
}

/* ---- break before make ---- */

static void watch_frozen(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	struct fixture *f = ctx;
	const uint64_t *items = (const uint64_t *)(uintptr_t)f->step_bits;

	(void)mm;
	f->nr_steps[step]++;
	if (step != PGW_STEP_LEAF_FROZEN)
		return;
	/* Every item is neither valid nor empty, and the TLBs have forgotten all of them. */
	for (unsigned i = 0; i < f->step_items; i++) {
		assert_true(items[i] != 0);
		assert_false(items[i] & 1);
	}
	f->flushes_at_frozen = f->arena.nr_flushes;
	assert_int_equal(f->arena.flush_first, f->step_va);
}

static void expect_break(struct fixture *f, uint64_t va, unsigned level, unsigned nr_items)
{
	f->step_va = va;
	f->step_items = nr_items;
	f->step_bits = (uintptr_t)item_at(f, va, level);
	f->flushes_at_frozen = 0;
	f->arena.nr_flushes = 0;
	memset(f->nr_steps, 0, sizeof(f->nr_steps));
	f->arena.platform.step = watch_frozen;
}

static void expect_broken(struct fixture *f, uint64_t size)
{
	f->arena.platform.step = NULL;
	assert_int_equal(f->nr_steps[PGW_STEP_LEAF_FROZEN], 1);
	assert_int_equal(f->flushes_at_frozen, 1);
	assert_int_equal(f->arena.flush_last - f->arena.flush_first, size - 1);
}

static void check_breaks_of_arm64(struct fixture *f)
{
	const uint8_t read_write = rights_of(f, USER_RW), read = rights_of(f, USER_R);

	assert_int_equal(map(f, MIB(32), MIB(32), MIB(32), 0), 0);
	expect_break(f, MIB(32), 1, 16); /* a run of blocks to blocks */
	assert_int_equal(f->ops->split(&f->edit, MIB(32), MIB(64) - 1, 21), 0);
	expect_broken(f, MIB(32));
	expect_break(f, MIB(34), 1, 1); /* a block to a table */
	assert_int_equal(f->ops->split(&f->edit, MIB(34), MIB(36) - 1, 16), 0);
	expect_broken(f, MIB(2));
	expect_break(f, MIB(34) + KIB(64), 0, 16); /* a run of pages that changes its rights */
	assert_int_equal(f->ops->protect(&f->edit, MIB(34) + KIB(64), MIB(34) + KIB(128) - 1, read),
			 0);
	expect_broken(f, KIB(64));
	assert_int_equal(size_at(f, MIB(34) + KIB(64)), 16);
	assert_int_equal(at(f, MIB(34) + KIB(124)).rights, read);
	expect_break(f, MIB(34) + KIB(64), 0, 16); /* and back */
	assert_int_equal(
		f->ops->protect(&f->edit, MIB(34) + KIB(64), MIB(34) + KIB(128) - 1, read_write),
		0);
	expect_broken(f, KIB(64));
	expect_break(f, MIB(34), 1, 1); /* a table to a block */
	assert_int_equal(f->ops->collapse(&f->edit, MIB(34), 21), 0);
	expect_broken(f, MIB(2));
	expect_break(f, MIB(32), 1, 16); /* blocks to a run */
	assert_int_equal(f->ops->collapse(&f->edit, MIB(34), 25), 0);
	expect_broken(f, MIB(32));
	assert_int_equal(size_at(f, MIB(40)), 25);
	/* Rights of one block need none. */
	assert_int_equal(f->ops->split(&f->edit, MIB(32), MIB(64) - 1, 21), 0);
	expect_break(f, MIB(32), 1, 1);
	assert_int_equal(f->ops->protect(&f->edit, MIB(32), MIB(34) - 1, read), 0);
	assert_int_equal(f->nr_steps[PGW_STEP_LEAF_FROZEN], 0);
	f->arena.platform.step = NULL;
}

static void test_break__comes_before_make_on_arm64(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hd_formats) / sizeof(hd_formats[0]); i++) {
		struct fixture *f = fixture_new(hd_formats[i].format, PT_RANGE, 0);

		check_breaks_of_arm64(f);
		fixture_free(f);
	}
}

static void test_break__is_never_needed_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ad_formats) / sizeof(ad_formats[0]); i++) {
		struct fixture *f = fixture_new(ad_formats[i], PT_RANGE, 0);

		assert_int_equal(map(f, MIB(2), MIB(2), MIB(2), 0), 0);
		expect_break(f, MIB(2), 1, 1);
		assert_int_equal(f->ops->split(&f->edit, MIB(2), MIB(4) - 1, 12), 0);
		assert_int_equal(
			f->ops->protect(&f->edit, MIB(2), MIB(4) - 1, rights_of(f, USER_R)), 0);
		assert_int_equal(f->ops->collapse(&f->edit, MIB(2), 21), 0);
		assert_int_equal(f->nr_steps[PGW_STEP_LEAF_FROZEN], 0);
		f->arena.platform.step = NULL;
		fixture_free(f);
	}
}

/* ---- unmap and flush ---- */

static void test_unmap__of_a_part_does_as_told(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, MIB(2), MIB(4), 0, 0), 0);
	assert_int_equal(f->ops->unmap(&f->edit, MIB(3), MIB(4) - 1, PGW_UNMAP_EXACT), -PGW_EINVAL);
	assert_int_equal(f->ops->unmap(&f->edit, MIB(2), MIB(3) - 1, PGW_UNMAP_EXACT), -PGW_EINVAL);
	assert_int_equal(size_at(f, MIB(2)), 21);
	assert_true(f->gather.first > f->gather.last); /* nothing to flush */
	assert_int_equal(f->ops->unmap(&f->edit, MIB(3), MIB(3) + KIB(4) - 1, PGW_UNMAP_SPLIT), 0);
	assert_int_equal(size_at(f, MIB(3) - 1), 12);
	assert_int_equal(size_at(f, MIB(3)), 0);
	assert_int_equal(size_at(f, MIB(3) + KIB(4)), 12);
	assert_int_equal(f->ops->unmap(&f->edit, MIB(5), MIB(5) + KIB(4) - 1, PGW_UNMAP_WHOLE), 0);
	assert_int_equal(size_at(f, MIB(4)), 0);
	assert_int_equal(size_at(f, MIB(6) - 1), 0);
	fixture_free(f);
}

static void test_unmap__flushes_what_it_cleared_and_no_more(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);

	(void)state;
	assert_int_equal(map(f, MIB(2) + KIB(8), KIB(8), 0, 0), 0);
	assert_int_equal(map(f, MIB(4) + KIB(4), KIB(4), 0, 0), 0);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, GIB(1) - 1, PGW_UNMAP_EXACT), 0);
	assert_int_equal(f->arena.nr_flushes, 1);
	assert_int_equal(f->arena.flush_first, MIB(2) + KIB(8));
	assert_int_equal(f->arena.flush_last, MIB(4) + KIB(8) - 1);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, GIB(1) - 1, PGW_UNMAP_EXACT), 0);
	assert_int_equal(f->arena.nr_flushes, 1);
	fixture_free(f);
}

struct released {
	unsigned nr;
	uint64_t bytes;
};

static void note_released(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct released *r = gather->arg;

	r->nr++;
	r->bytes += frames->size;
	/* A flush came first. */
	assert_true(gather->nr_flushes != 0);
}

/* More runs of frames than a gather holds: it is flushed in between, and none is lost. */
static void test_unmap__releases_more_runs_than_fit(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_SHARED, 0);
	struct released r = { 0 };

	(void)state;
	pgw_reader_enter(&f->arena.platform);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(map(f, i * KIB(8), KIB(4), i * KIB(4), 0), 0);
	assert_int_equal(map(f, MIB(4), KIB(400), MIB(4), 0), 0);
	f->gather.release = note_released;
	f->gather.arg = &r;
	assert_int_equal(f->ops->unmap(&f->edit, 0, MIB(8) - 1, PGW_UNMAP_EXACT), 0);
	gather_flush(&f->gather);
	assert_int_equal(r.nr, 201);
	assert_int_equal(r.bytes, 200 * KIB(4) + KIB(400));
	pgw_reader_leave(&f->arena.platform);
	fixture_free(f);
}

/* ---- free ---- */

/* Map a page in each of the lowest tables a to d: at 1, 3, 4 and 7 MiB. */
static struct fixture *four_tables(const char *format, enum pt_policy policy)
{
	struct fixture *f = fixture_new(format, policy, 0);

	for (unsigned i = 0; i < 4; i++) {
		uint64_t va = GIB(1) + i * MIB(2) + (i == 2 ? 0 : MIB(1));

		assert_int_equal(map(f, va, KIB(4), 0, 0), 0);
	}
	return f;
}

static bool has_lowest_table(struct fixture *f, unsigned i)
{
	return at(f, GIB(1) + i * MIB(2)).level == 0;
}

/*
 *	0         2         4         6         8 MiB
 *	|    a    |    b    |    c    |    d    |
 *	              <--- range --->
 *	          floor <-- what may go --> ceiling
 */
static void test_free_range__obeys_floor_and_ceiling(void **state)
{
	static const struct {
		uint64_t first, last, floor, ceiling; /* MiB from a */
		const char *left;
	} cases[] = {
		/*  a 0..2  b 2..4  c 4..6  d 6..8; the range is what is unmapped       */
		{ 2, 6, 0, 1024, "a..d" }, /* whole tables, nothing beside: all of it      */
		{ 3, 5, 2, 6, "a..d" },    /* parts of tables, nobody else needs the rest  */
		{ 3, 5, 3, 6, "ab.d" },    /* the one before needs the rest of b           */
		{ 3, 5, 2, 5, "a.cd" },    /* the one after needs the rest of c            */
		{ 3, 5, 3, 5, "abcd" },    /* both                                         */
		{ 0, 8, 0, 8, "...." },    { 0, 2, 0, 8, ".bcd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = four_tables("x86_64-la48", PT_RANGE);
		uint64_t first = GIB(1) + MIB(cases[i].first);
		uint64_t last = GIB(1) + MIB(cases[i].last) - 1;

		assert_int_equal(f->ops->unmap(&f->edit, first, last, PGW_UNMAP_EXACT), 0);
		f->ops->free_range(&f->edit, first, last, GIB(1) + MIB(cases[i].floor),
				   GIB(1) + MIB(cases[i].ceiling) - 1);
		for (unsigned t = 0; t < 4; t++)
			assert_int_equal(has_lowest_table(f, t), cases[i].left[t] != '.');
		fixture_free(f);
	}
}

/* Upper tables go too when all of what they span may; never the root. */
static void test_free_range__frees_upper_tables(void **state)
{
	struct fixture *f = four_tables("x86_64-la57", PT_SINGLE);
	long nr_tables = f->arena.nr_tables;

	(void)state;
	assert_int_equal(nr_tables, 1 + 3 + 4);
	assert_int_equal(f->ops->unmap(&f->edit, GIB(1), GIB(2) - 1, PGW_UNMAP_EXACT), 0);
	f->ops->free_range(&f->edit, GIB(1), GIB(2) - 1, GIB(1), GIB(2) - 1);
	gather_flush(&f->gather);
	assert_int_equal(f->arena.nr_tables, 1 + 2); /* the lowest and the one that spans 1G..2G */
	f->ops->free_range(&f->edit, GIB(1), GIB(2) - 1, 0, UINT64_MAX >> 8);
	gather_flush(&f->gather);
	assert_int_equal(f->arena.nr_tables, 1);
	fixture_free(f);
}

/* Without a grace period nobody frees what a reader may stand on. */
static void test_free_range__waits_for_readers(void **state) /* E1 */
{
	struct fixture *f = four_tables("x86_64-la48", PT_RANGE);
	long nr_tables = f->arena.nr_tables;

	(void)state;
	assert_int_equal(f->ops->unmap(&f->edit, GIB(1), GIB(2) - 1, PGW_UNMAP_EXACT), 0);
	pgw_reader_enter(&f->arena.platform);
	f->ops->free_range(&f->edit, GIB(1), GIB(2) - 1, GIB(1), GIB(2) - 1);
	gather_flush(&f->gather);
	assert_int_equal(f->arena.nr_tables, nr_tables);
	pgw_reader_leave(&f->arena.platform);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, nr_tables - 5);
	fixture_free(f);
}

static void test_trim__takes_empty_lowest_tables_only(void **state)
{
	struct fixture *f = four_tables("arm64-4k", PT_SHARED);
	uint64_t va = GIB(1) + MIB(1);
	struct pgw_ptdesc *desc;

	(void)state;
	pgw_reader_enter(&f->arena.platform);
	f->ops->trim_table(&f->edit, va);
	assert_true(has_lowest_table(f, 0));
	desc = f->arena.platform.table_desc(
		&f->arena, (void *)((uintptr_t)item_at(f, va, 0) & ~(uintptr_t)4095));
	assert_int_equal(f->ops->unmap_leaf(&f->edit, va), 0);
	f->ops->trim_table(&f->edit, va);
	assert_false(has_lowest_table(f, 0));
	assert_int_equal(desc->detached, 1);
	f->ops->trim_table(&f->edit, va); /* there is none: fine */
	assert_true(has_lowest_table(f, 1));
	pgw_reader_leave(&f->arena.platform);
	fixture_free(f);
}

/*
 * Others act between the descent and the lock: the hook that finds a table's lock
 * is called there.
 */
static struct {
	struct fixture *f;
	struct pgw_ptdesc *(*table_desc)(void *ctx, void *table);
	unsigned calls_left; /* 0: nothing happens */
	bool trims;          /* the other one trims, else it maps */
	uint64_t va;
} other;

static struct pgw_ptdesc *table_desc_with_other(void *ctx, void *table)
{
	struct pgw_leaf leaf = { .va = other.va, .rights = USER_RW };

	if (other.calls_left && --other.calls_left == 0) {
		if (other.trims)
			other.f->ops->trim_table(&other.f->edit, other.va);
		else
			assert_int_equal(other.f->ops->map_leaf(&other.f->edit, &leaf), 0);
	}
	return other.table_desc(ctx, table);
}

static struct fixture *fixture_with_other(uint64_t va, unsigned nr_calls, bool trims)
{
	struct fixture *f = four_tables("x86_64-la48", PT_SHARED);

	other.f = f;
	other.table_desc = f->arena.platform.table_desc;
	other.va = va;
	other.trims = trims;
	pgw_reader_enter(&f->arena.platform);
	assert_int_equal(f->ops->unmap_leaf(&f->edit, va), 0);
	other.calls_left = nr_calls;
	f->arena.platform.table_desc = table_desc_with_other;
	return f;
}

static void test_shared__what_is_locked_is_asked_whether_it_was_detached(void **state) /* T1, T3 */
{
	struct pgw_leaf leaf = { .va = GIB(1) + MIB(1), .rights = USER_RW };
	struct fixture *f = fixture_with_other(leaf.va, 1, true);
	long nr_tables = f->arena.nr_tables;

	(void)state;
	assert_int_equal(f->ops->map_leaf(&f->edit, &leaf), 0);
	assert_int_equal(other.calls_left, 0);
	assert_int_equal(f->arena.nr_tables, nr_tables + 1); /* the old one waits for us */
	assert_int_equal(size_at(f, leaf.va), 12);
	pgw_reader_leave(&f->arena.platform);
	fixture_free(f);
}

static void test_trim__asks_again_with_the_locks(void **state) /* T2, T3 */
{
	struct fixture *f = fixture_with_other(GIB(1) + MIB(1), 2, false);

	(void)state;
	f->ops->trim_table(&f->edit, GIB(1) + MIB(1));
	assert_int_equal(other.calls_left, 0);
	assert_int_equal(size_at(f, GIB(1) + MIB(1)), 12);
	pgw_reader_leave(&f->arena.platform);
	fixture_free(f);
}

static void test_fill_root__fills_the_kernel_half_once(void **state)
{
	static const char *const names[] = { "x86_64-la48", "x86_64-la57", "riscv-sv39" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct fixture *f = fixture_new(names[i], PT_RANGE, 0);
		long nr_tables = f->arena.nr_tables;

		f->arena.fail_after = 100;
		assert_int_equal(f->ops->fill_root(&f->edit), -PGW_ENOMEM);
		f->arena.fail_after = -1;
		assert_int_equal(f->ops->fill_root(&f->edit), 0);
		assert_int_equal(f->arena.nr_tables, nr_tables + 256);
		assert_int_equal(f->ops->fill_root(&f->edit), 0);
		assert_int_equal(f->arena.nr_tables, nr_tables + 256);
		assert_true(f->ops->validate(&f->mm->pt));
		/* Whose half it is decides who frees: here that is the other one. */
		f->mm->pt.region.kind = PGW_REGION_KERNEL;
		gather_flush(&f->gather);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
		pgw_mm_free(f->mm);
		arena_fini(&f->arena);
		free(f);
	}
}

/* A miscount or a frozen item is found. */
/* ---- what is unlinked is freed last ---- */

/* Tables that are out when the TLBs are told to forget, and when that is done. */
static struct {
	long at_flush, at_flushed;
	void (*flush)(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last);
} seen_tables;

static void flush_and_look(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	seen_tables.at_flush = ((struct arena *)ctx)->nr_tables;
	seen_tables.flush(ctx, mm, first, last);
}

static void look_when_flushed(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	(void)mm;
	if (step == PGW_STEP_GATHER_FLUSHED)
		seen_tables.at_flushed = ((struct arena *)ctx)->nr_tables;
}

static void test_gather__tables_are_freed_after_the_flush(void **state) /* E1 */
{
	(void)state;
	for (int policy = PT_SINGLE; policy <= PT_RANGE; policy++) {
		struct fixture *f = fixture_new("x86_64-la48", (enum pt_policy)policy, 0);
		long before = f->arena.nr_tables;

		assert_int_equal(map(f, GIB(1), KIB(8), MIB(1), 0), 0);
		gather_flush(&f->gather);
		assert_int_equal(f->arena.nr_tables, before + 3);
		seen_tables.at_flush = seen_tables.at_flushed = 0;
		seen_tables.flush = f->arena.platform.tlb_flush;
		f->arena.platform.tlb_flush = flush_and_look;
		f->arena.platform.step = look_when_flushed;
		assert_int_equal(
			f->ops->unmap(&f->edit, GIB(1), GIB(1) + KIB(8) - 1, PGW_UNMAP_EXACT), 0);
		f->ops->free_range(&f->edit, GIB(1), GIB(1) + KIB(8) - 1, 0, GIB(512) - 1);
		assert_int_equal(f->arena.nr_tables, before + 3);
		gather_flush(&f->gather);
		assert_int_equal(seen_tables.at_flush, before + 3);
		assert_int_equal(seen_tables.at_flushed, before + 3);
		/* Nobody is a reader: a barrier frees what was deferred. */
		pgw_reclaim_barrier(&f->arena.platform);
		assert_int_equal(f->arena.nr_tables, before);
		f->arena.platform.step = NULL;
		fixture_free(f);
	}
}

static void test_validate__finds_what_is_wrong(void **state) /* T2 */
{
	struct fixture *f = four_tables("arm64-4k", PT_RANGE);
	uint64_t *item = item_at(f, GIB(1) + MIB(1), 0), entry = *item;

	(void)state;
	assert_true(f->ops->validate(&f->mm->pt));
	*item = 0;
	assert_false(f->ops->validate(&f->mm->pt));
	*item = UINT64_C(0xf0e2) << 48;
	assert_false(f->ops->validate(&f->mm->pt));
	*item = entry;
	fixture_free(f);
}

/* ---- rights ---- */

static void test_user_rights__never_give_the_user_more_than_read_in_addition(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		struct fixture *f = fixture_new(pgw_format_name(format), PT_RANGE, 0);

		for (unsigned wanted = 0; wanted < 8; wanted++) {
			uint8_t user = (uint8_t)(wanted << 3), rights;
			struct pgw_leaf leaf = { .va = 0 };

			assert_true(f->ops->user_rights(&f->mm->pt, user, 0, &rights));
			assert_int_equal(rights & user, user);
			assert_int_equal(rights & ~(user | PGW_USER_R) & 0x38, 0);
			leaf.rights = rights;
			assert_int_equal(f->ops->map_leaf(&f->edit, &leaf), 0);
			assert_int_equal(at(f, 0).rights, rights);
			assert_int_equal(f->ops->unmap_leaf(&f->edit, 0), 0);
		}
		fixture_free(f);
	}
}

/* ---- one page, where its table is ---- */

static void check_page_refused(struct fixture *f, uint64_t pa, uint8_t rights, uint64_t attrs)
{
	const struct pgw_map_args args = {
		.last = KIB(4) - 1, .pa = pa, .rights = rights, .attrs = attrs
	};

	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EOPNOTSUPP);
	assert_true(f->ops->validate(&f->mm->pt));
}

static void test_page__what_no_leaf_can_say_is_refused(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);
	struct pgw_map_args args = { .last = KIB(4) - 1, .rights = USER_RW };
	struct pgw_translation t;

	(void)state;
	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EEXIST);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, KIB(4) - 1, PGW_UNMAP_EXACT), 0);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, KIB(4) - 1, PGW_UNMAP_EXACT), 0);
	for (unsigned bit = 52; bit < 64; bit++)
		check_page_refused(f, UINT64_C(1) << bit, USER_RW, 0);
	check_page_refused(f, UINT64_MAX & ~(KIB(4) - 1), USER_RW, 0);
	check_page_refused(f, 0, PGW_USER_W, 0);
	check_page_refused(f, 0, USER_RW, UINT64_C(1) << 9);
	args.sizes = KIB(2048);
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EINVAL);
	args.sizes = KIB(4);
	args.pa = (UINT64_C(1) << 52) - KIB(4);
	args.attrs = UINT64_C(1) << 6; /* dirty */
	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
	assert_int_equal(pgw_mm_protect(f->mm, 0, KIB(4) - 1, PGW_USER_W), -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_translate(f->mm, 0, &t), 0);
	assert_true(t.pa == args.pa && t.rights == USER_RW && (t.entry & args.attrs));
	fixture_free(f);
}

/* ---- the public functions' own checks ---- */

static void test_edit__arguments_and_locks_are_checked(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48", PT_RANGE, 0);
	struct pgw_map_args args = { .first = 0, .last = KIB(4) - 1, .rights = USER_RW };
	uint64_t outside = UINT64_C(1) << 47;

	(void)state;
	args.pa = 8;
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EINVAL);
	args.pa = UINT64_C(1) << 52;
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EOPNOTSUPP);
	args.pa = UINT64_MAX & ~(KIB(4) - 1);
	args.last = KIB(8) - 1;
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EOPNOTSUPP);
	args.pa = 0;
	args.rights = PGW_USER_W;
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EOPNOTSUPP);
	args.rights = USER_RW;
	assert_int_equal(pgw_mm_map(NULL, &args), -PGW_EINVAL);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, 1, PGW_UNMAP_SPLIT), -PGW_EINVAL);
	assert_int_equal(pgw_mm_unmap(f->mm, outside, outside + KIB(4) - 1, PGW_UNMAP_SPLIT),
			 -PGW_EINVAL);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, KIB(4) - 1, (enum pgw_unmap_how)7), -PGW_EINVAL);
	assert_int_equal(pgw_mm_protect(f->mm, 0, KIB(4) - 1, PGW_USER_W), -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_mm_split(f->mm, 0, KIB(4) - 1, 11), -PGW_EINVAL);
	assert_int_equal(pgw_mm_collapse(f->mm, 0, 21), -PGW_ENOENT);
	assert_int_equal(f->arena.nr_violations, 0);
	pgw_mmap_write_downgrade(f->mm);
	assert_int_equal(pgw_mm_map(f->mm, &args), -PGW_EPERM);
	assert_int_equal(pgw_mm_unmap(f->mm, 0, KIB(4) - 1, PGW_UNMAP_SPLIT), -PGW_EPERM);
	assert_int_equal(pgw_mm_protect(f->mm, 0, KIB(4) - 1, USER_RW), -PGW_EPERM);
	assert_int_equal(pgw_mm_split(f->mm, 0, KIB(4) - 1, 12), -PGW_EPERM);
	assert_int_equal(pgw_mm_collapse(f->mm, 0, 21), -PGW_EPERM);
	assert_int_equal(f->arena.nr_violations, 5);
	pgw_mmap_read_unlock(f->mm);
	pgw_mmap_write_lock(f->mm);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__uses_the_largest_leaves_that_fit),
		cmocka_unit_test(test_map__is_restricted_to_sizes),
		cmocka_unit_test(test_map__knows_the_control_bits),
		cmocka_unit_test(test_map__goes_around_empty_tables),
		cmocka_unit_test(test_map__in_the_way_changes_nothing),
		cmocka_unit_test(test_split_at__cuts_only_what_crosses),
		cmocka_unit_test(test_split__moves_pat_to_where_the_size_has_it),
		cmocka_unit_test(test_split__keeps_runs_that_are_small_enough),
		cmocka_unit_test(test_split_item__makes_a_table_of_what_is_there),
		cmocka_unit_test(test_harvest__returns_the_callbacks_value),
		cmocka_unit_test(test_split__keeps_states_that_hardware_sets_meanwhile),
		cmocka_unit_test(test_split__of_a_run_spreads_its_states),
		cmocka_unit_test(test_collapse__combines_states),
		cmocka_unit_test(test_collapse__refuses_what_is_not_alike),
		cmocka_unit_test(test_collapse__shows_no_clean_leaf_meanwhile),
		cmocka_unit_test(test_protect__keeps_states),
		cmocka_unit_test(test_protect__keeps_the_dirty_state_of_arm64),
		cmocka_unit_test(test_harvest__without_hd_calls_all_writable_leaves_dirty),
		cmocka_unit_test(test_break__comes_before_make_on_arm64),
		cmocka_unit_test(test_break__is_never_needed_elsewhere),
		cmocka_unit_test(test_unmap__of_a_part_does_as_told),
		cmocka_unit_test(test_unmap__flushes_what_it_cleared_and_no_more),
		cmocka_unit_test(test_unmap__releases_more_runs_than_fit),
		cmocka_unit_test(test_free_range__obeys_floor_and_ceiling),
		cmocka_unit_test(test_free_range__frees_upper_tables),
		cmocka_unit_test(test_free_range__waits_for_readers),
		cmocka_unit_test(test_trim__takes_empty_lowest_tables_only),
		cmocka_unit_test(test_shared__what_is_locked_is_asked_whether_it_was_detached),
		cmocka_unit_test(test_trim__asks_again_with_the_locks),
		cmocka_unit_test(test_fill_root__fills_the_kernel_half_once),
		cmocka_unit_test(test_gather__tables_are_freed_after_the_flush),
		cmocka_unit_test(test_validate__finds_what_is_wrong),
		cmocka_unit_test(test_user_rights__never_give_the_user_more_than_read_in_addition),
		cmocka_unit_test(test_page__what_no_leaf_can_say_is_refused),
		cmocka_unit_test(test_edit__arguments_and_locks_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
