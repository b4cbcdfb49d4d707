/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One suite for every format: random leaves are mapped and unmapped on an
 * owned mm; a plain array of what should be there is the model. Every
 * algorithm must agree with it, on the owned tables and on the same bytes seen
 * as foreign ones, pointed at and copied.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/ways.h"

#define MODEL_MAX 600

struct model {
	struct pgw_leaf leaf[MODEL_MAX]; /* ascending by va */
	size_t nr;
};

struct fixture {
	struct arena arena;
	struct pgw_phys_ops copy_ops; /* the arena's bytes, never pointed at */
	struct pgw_phys copy_phys;
	enum pgw_region_kind half;
	struct pgw_mm *owned, *mapped, *copied;
	struct pgw_translate_cursor cursor[3]; /* of these, kept all the time */
	struct model model;
	uint64_t random;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	uint64_t first, last;                 /* of the half */
	unsigned nr_accepted[PGW_MAX_LEVELS]; /* random leaves that were mapped, by level */
	uint64_t run_bit;                     /* that makes a leaf a run of several items, or 0 */
	unsigned run_lg2[PGW_MAX_LEVELS];     /* how many they are */
};

static uint64_t find_run_bit(const struct fixture *f)
{
	for (const struct pgw_attr *a = pgw_format_attrs(f->format); a->name; a++) {
		if (!strcmp(a->name, "cont") || !strcmp(a->name, "napot") ||
		    !strcmp(a->name, "sized"))
			return a->mask;
	}
	return 0;
}

/*
 * How many items make a run: the Arm ARM's table of the contiguous bit; Svnapot's 64 KiB; of AMD's
 * IOMMU any number up to all of a table, of which owners use this one.
 */
static unsigned find_run_lg2(const struct fixture *f, unsigned level)
{
	static const struct {
		const char *arch; /* the beginning of it */
		unsigned granule_lg2, level, lg2;
	} table[] = {
		{ "arm64", 12, 0, 4 }, { "arm64", 12, 1, 4 }, { "arm64", 12, 2, 4 },
		{ "arm64", 14, 0, 7 }, { "arm64", 14, 1, 5 }, { "arm64", 16, 0, 5 },
		{ "arm64", 16, 1, 5 }, { "riscv", 12, 0, 4 }, { "amdvi", 12, 0, 4 },
		{ "amdvi", 12, 1, 4 }, { "amdvi", 12, 2, 4 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strncmp(table[i].arch, pgw_format_arch(f->format), strlen(table[i].arch)) &&
		    table[i].granule_lg2 == f->geo->granule_lg2 && table[i].level == level)
			return table[i].lg2;
	}
	return 0;
}

static uint64_t leaf_size(const struct fixture *f, const struct pgw_leaf *leaf)
{
	unsigned run = leaf->attrs & f->run_bit ? f->run_lg2[leaf->level] : 0;

	return UINT64_C(1) << (f->geo->span_lg2[leaf->level] + run);
}

static void fixture_init(struct fixture *f, const struct pgw_format *format,
			 enum pgw_region_kind half, uint64_t seed)
{
	struct pgw_mm_new_args args = { .format = format, .region = half };
	struct pgw_mm_attach_args attach = { .format = format, .region = half };

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, 64 << 20);
	f->random = seed;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	pgw_format_region_range(format, half, &f->first, &f->last);
	f->run_bit = find_run_bit(f);
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		f->run_lg2[level] = find_run_lg2(f, level);
	args.platform = attach.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->owned), 0);
	attach.root = pgw_mm_root(f->owned);
	attach.phys = &f->arena.memory.phys;
	assert_int_equal(pgw_mm_attach(&attach, &f->mapped), 0);
	assert_int_equal(pgw_translate_cursor_init(&f->cursor[0], f->owned), 0);
	assert_int_equal(pgw_translate_cursor_init(&f->cursor[1], f->mapped), 0);
	f->copy_ops = *f->arena.memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ &f->copy_ops, &f->arena.memory };
	f->half = half;
	assert_int_equal(pgw_mmap_write_lock(f->owned), 0);
}

/* A snapshot is of one moment, and what was copied of it may be remembered: take one of now. */
static void snapshot_take(struct fixture *f)
{
	const struct pgw_mm_attach_args attach = {
		.platform = &f->arena.platform,
		.format = f->format,
		.region = f->half,
		.root = pgw_mm_root(f->owned),
		.phys = &f->copy_phys,
	};

	pgw_mm_free(f->copied);
	assert_int_equal(pgw_mm_attach(&attach, &f->copied), 0);
	assert_int_equal(pgw_translate_cursor_init(&f->cursor[2], f->copied), 0);
}

static void fixture_fini(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_unlock(f->owned), 0);
	pgw_mm_free(f->mapped);
	pgw_mm_free(f->copied);
	pgw_mm_free(f->owned);
	assert_int_equal(f->arena.nr_violations, 0);
	arena_fini(&f->arena);
}

/* The model's first leaf that ends at or above va. */
static size_t model_find(const struct fixture *f, uint64_t va)
{
	size_t i = 0;

	while (i < f->model.nr && f->model.leaf[i].va + (leaf_size(f, &f->model.leaf[i]) - 1) < va)
		i++;
	return i;
}

static const struct pgw_leaf *model_at(const struct fixture *f, uint64_t va)
{
	size_t i = model_find(f, va);

	return i < f->model.nr && f->model.leaf[i].va <= va ? &f->model.leaf[i] : NULL;
}

static bool model_overlaps(const struct fixture *f, const struct pgw_leaf *leaf)
{
	size_t i = model_find(f, leaf->va);

	return i < f->model.nr && f->model.leaf[i].va <= leaf->va + (leaf_size(f, leaf) - 1);
}

static void model_insert(struct fixture *f, const struct pgw_leaf *leaf)
{
	size_t i = model_find(f, leaf->va);

	memmove(&f->model.leaf[i + 1], &f->model.leaf[i],
		(f->model.nr - i) * sizeof(f->model.leaf[0]));
	f->model.leaf[i] = *leaf;
	f->model.nr++;
}

/* Any rights, of which most formats can say few; mostly ones that every format can say. */
static uint8_t random_rights(struct fixture *f)
{
	static const uint8_t common[] = {
		PGW_KERNEL_R,
		PGW_KERNEL_R | PGW_KERNEL_W,
		PGW_KERNEL_R | PGW_USER_R,
		PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W,
	};
	uint64_t r = test_random(&f->random);

	return r & 0x300 ? common[r % 4] : (uint8_t)(r & _PGW_RIGHT_ALL);
}

/* A leaf that is likely to continue, touch or overlap another, or to lie at the edge of the half. */
static struct pgw_leaf random_leaf(struct fixture *f)
{
	uint64_t r = test_random(&f->random), size, pa_max;
	struct pgw_leaf leaf = { .level = (uint8_t)(r % (f->geo->top_level + 1u)), .va = f->first };

	if (r & 0x300)
		leaf.level = (uint8_t)(leaf.level % 2);
	/* A run in a small top table may be larger than the half. */
	if ((r & 0xc00) == 0 && f->run_lg2[leaf.level] <= f->geo->slots_lg2[leaf.level])
		leaf.attrs = f->run_bit;
	size = leaf_size(f, &leaf);
	pa_max = (UINT64_C(1) << f->geo->max_pa_bits) - 1;
	leaf.rights = random_rights(f);
	leaf.pa = test_random(&f->random) & pa_max & ~(size - 1);
	switch ((r >> 16) % 4) {
	case 0:
		break;
	case 1:
		leaf.va = f->last - (size - 1);
		break;
	case 2:
		leaf.va = f->first + (test_random(&f->random) & (f->last - f->first));
		break;
	default:
		if (f->model.nr) {
			struct pgw_leaf *old = &f->model.leaf[(r >> 32) % f->model.nr];

			leaf = *old;
			size = leaf_size(f, old);
			leaf.va += size;
			leaf.pa += size;
			if (leaf.va - 1 == f->last || leaf.pa > pa_max)
				leaf = *old;
		}
		break;
	}
	leaf.va &= ~(size - 1);
	return leaf;
}

static void random_step(struct fixture *f)
{
	struct pgw_leaf leaf = random_leaf(f);
	int err;

	if (f->model.nr == MODEL_MAX - 1 || (f->model.nr && test_random(&f->random) % 4 == 0)) {
		size_t i = test_random(&f->random) % f->model.nr;

		leaf = f->model.leaf[i];
		assert_int_equal(pgw_mm_unmap_leaf(f->owned, leaf.va + (leaf_size(f, &leaf) - 1)),
				 0);
		assert_int_equal(f->arena.flush_first, leaf.va);
		assert_int_equal(f->arena.flush_last, leaf.va + (leaf_size(f, &leaf) - 1));
		assert_int_equal(pgw_mm_unmap_leaf(f->owned, leaf.va), -PGW_ENOENT);
		f->model.nr--;
		memmove(&f->model.leaf[i], &f->model.leaf[i + 1],
			(f->model.nr - i) * sizeof(f->model.leaf[0]));
		return;
	}
	err = pgw_mm_map_leaf(f->owned, &leaf);
	if (err == -PGW_EOPNOTSUPP)
		return;
	if (model_overlaps(f, &leaf)) {
		assert_int_equal(err, -PGW_EEXIST);
		return;
	}
	/* A table that has become empty stays in the way of a larger leaf. */
	if (err == -PGW_EEXIST && leaf.level > 0)
		return;
	assert_int_equal(err, 0);
	f->nr_accepted[leaf.level]++;
	model_insert(f, &leaf);
}

/* A refusal is fine for rights that cannot be said, but a test of nothing proves nothing. */
static bool accepted_enough(const struct fixture *f)
{
	return f->nr_accepted[0] >= 5 && f->nr_accepted[1] >= 5;
}

/* Some seeds need more steps than others, but none this many. */
static void check_accepted(const struct fixture *f)
{
	for (unsigned level = 0; level < 2; level++)
		if (f->nr_accepted[level] < 5)
			fail_msg("%s: %u leaves at level %u were accepted, expected 5 or more",
				 pgw_format_name(f->format), f->nr_accepted[level], level);
}

struct scan_check {
	const struct fixture *f;
	size_t next; /* in the model */
	bool has_previous;
	struct pgw_extent previous;
};

/* The raw entry of a leaf in a run follows from the run's first. */
static void check_entry(const struct fixture *f, const struct pgw_extent *extent,
			const struct pgw_leaf *leaf)
{
	struct pgw_entry decoded;
	uint64_t entry = pgw_entry_advance(f->format, extent->entry, extent->level,
					   leaf->va - extent->va_first);

	pgw_entry_decode(f->format, pgw_mm_control(f->mapped), entry, extent->level, &decoded);
	assert_int_equal(decoded.kind, PGW_ENTRY_LEAF);
	assert_int_equal(decoded.pa, leaf->pa);
	assert_int_equal(UINT64_C(1) << decoded.size_lg2, leaf_size(f, leaf));
}

static int check_extent(const struct pgw_extent *extent, void *arg)
{
	struct scan_check *check = arg;
	uint64_t va = extent->va_first;
	const struct pgw_extent *p = &check->previous;

	assert_int_equal(extent->kind, PGW_ENTRY_LEAF);
	/* Maximal: nothing that runs on from the one before is a run of its own. */
	if (check->has_previous && p->va_last + 1 == va && p->level == extent->level &&
	    p->rights == extent->rights && p->leaf_lg2 == extent->leaf_lg2)
		assert_false(p->pa + (p->va_last - p->va_first) + 1 == extent->pa);
	check->previous = *extent;
	check->has_previous = true;
	for (;;) {
		const struct pgw_leaf *leaf = &check->f->model.leaf[check->next++];

		assert_true(check->next <= check->f->model.nr);
		assert_int_equal(leaf->va, va);
		assert_int_equal(leaf->pa, extent->pa + (va - extent->va_first));
		assert_int_equal(leaf->level, extent->level);
		assert_int_equal(leaf->rights, extent->rights);
		assert_int_equal(leaf_size(check->f, leaf), UINT64_C(1) << extent->leaf_lg2);
		check_entry(check->f, extent, leaf);
		if (va + (leaf_size(check->f, leaf) - 1) == extent->va_last)
			return 0;
		va += leaf_size(check->f, leaf);
	}
}

static void check_scan(struct fixture *f, struct pgw_mm *mm)
{
	struct scan_check check = { .f = f };
	struct pgw_scan_stats stats;

	assert_int_equal(pgw_scan(mm, f->first, f->last, check_extent, &check, &stats), 0);
	assert_int_equal(check.next, f->model.nr);
	assert_int_equal(stats.nr_leaves, f->model.nr);
	assert_int_equal(stats.nr_malformed, 0);
	assert_int_equal(stats.nr_unreadable, 0);
	assert_false(stats.truncated);
}

static int check_clipped(const struct pgw_extent *extent, void *arg)
{
	struct scan_check *check = arg;
	const struct pgw_leaf *leaf = model_at(check->f, extent->va_first);

	assert_non_null(leaf);
	assert_int_equal(extent->pa, leaf->pa + (extent->va_first - leaf->va));
	leaf = model_at(check->f, extent->va_last);
	assert_non_null(leaf);
	assert_int_equal(extent->pa + (extent->va_last - extent->va_first),
			 leaf->pa + (extent->va_last - leaf->va));
	check->next += extent->va_last - extent->va_first + 1;
	return 0;
}

/* Bytes mapped in first..last, by the model. */
static uint64_t model_bytes(const struct fixture *f, uint64_t first, uint64_t last)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < f->model.nr; i++) {
		const struct pgw_leaf *leaf = &f->model.leaf[i];
		uint64_t leaf_last = leaf->va + (leaf_size(f, leaf) - 1);

		if (leaf->va <= last && leaf_last >= first)
			bytes += (leaf_last < last ? leaf_last : last) -
				 (leaf->va > first ? leaf->va : first) + 1;
	}
	return bytes;
}

/* A part of the half that begins and ends anywhere: inside leaves, one byte, one page. */
static void check_scan_part(struct fixture *f, struct pgw_mm *mm)
{
	struct scan_check check = { .f = f };
	uint64_t first = f->first, last = f->last;

	if (f->model.nr) {
		first = f->model.leaf[test_random(&f->random) % f->model.nr].va +
			(test_random(&f->random) & 0x1fff);
		last = f->model.leaf[test_random(&f->random) % f->model.nr].va +
		       (test_random(&f->random) & 0x1fff);
	}
	if (first < f->first || first > last || last > f->last)
		return;
	assert_int_equal(pgw_scan_extents(mm, first, last, check_clipped, &check), 0);
	assert_int_equal(check.next, model_bytes(f, first, last));
}

static void check_translation(struct fixture *f, struct pgw_mm *mm, uint64_t va)
{
	const struct pgw_leaf *leaf = model_at(f, va);
	struct pgw_translation got;
	struct pgw_path path;
	unsigned which = mm == f->owned ? 0 : mm == f->mapped ? 1 : 2;

	assert_true(ways_agree(mm, &f->cursor[which], va, &got));
	assert_int_equal(pgw_translate_path(mm, va, &got, &path), 0);
	assert_int_equal(path.nr_steps, f->geo->top_level - got.level + 1u);
	assert_int_equal(path.step[path.nr_steps - 1].entry, got.entry);
	assert_true(got.va_first <= va && va <= got.va_last);
	if (!leaf) {
		assert_int_equal(got.kind, PGW_ENTRY_EMPTY);
		assert_int_equal(model_bytes(f, got.va_first, got.va_last), 0);
		return;
	}
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	assert_int_equal(got.pa, leaf->pa + (va - leaf->va));
	assert_int_equal(got.rights, leaf->rights);
	assert_int_equal(got.level, leaf->level);
	assert_int_equal(got.va_first, leaf->va);
	assert_int_equal(got.va_last, leaf->va + (leaf_size(f, leaf) - 1));
}

static void check_translations(struct fixture *f, struct pgw_mm *mm)
{
	check_translation(f, mm, f->first);
	check_translation(f, mm, f->last);
	for (size_t i = 0; i < f->model.nr; i++) {
		const struct pgw_leaf *leaf = &f->model.leaf[i];
		uint64_t last = leaf->va + (leaf_size(f, leaf) - 1);

		check_translation(f, mm, leaf->va);
		check_translation(f, mm, last);
		if (leaf->va > f->first)
			check_translation(f, mm, leaf->va - 1);
		if (last < f->last)
			check_translation(f, mm, last + 1);
	}
}

struct walk_check {
	struct fixture *f;
	size_t next;
};

/* Every level's callback: leaves come in the model's order. */
static int walk_entry(uint64_t *item, uint64_t addr, struct pgw_mm_walk *walk)
{
	struct walk_check *check = walk->arg;
	const struct fixture *f = check->f;
	const struct pgw_leaf *leaf;
	struct pgw_entry entry;

	if (check->next == f->model.nr || f->model.leaf[check->next].va != addr)
		return 0;
	leaf = &f->model.leaf[check->next];
	pgw_entry_decode(pgw_mm_format(walk->mm), pgw_mm_control(walk->mm), pgw_item_load(item),
			 leaf->level, &entry);
	/* A table on the way down to the leaf has its address too. */
	if (entry.kind == PGW_ENTRY_LEAF && entry.pa == leaf->pa)
		check->next++;
	return 0;
}

static int walk_item(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)next;
	return walk_entry(item, addr, walk);
}

static int walk_no_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct walk_check *check = walk->arg;

	assert_in_range(depth, 0, 3);
	assert_int_equal(model_bytes(check->f, addr, next == UINT64_MAX ? next : next - 1), 0);
	return 0;
}

static void check_walk(struct fixture *f, struct pgw_mm *mm)
{
	static const struct pgw_mm_walk_ops ops = {
		.pgd_entry = walk_item,
		.p4d_entry = walk_item,
		.pud_entry = walk_item,
		.pmd_entry = walk_item,
		.pte_entry = walk_item,
		.pte_hole = walk_no_hole,
	};
	struct walk_check check = { .f = f };
	uint64_t end = f->last == UINT64_MAX ? f->last : f->last + 1;

	assert_int_equal(pgw_walk_page_range_novma(mm, f->first, end, &ops, NULL, &check), 0);
	assert_int_equal(check.next, f->model.nr);
}

static void check_all(struct fixture *f)
{
	struct pgw_mm *mms[] = { f->owned, f->mapped, NULL };

	snapshot_take(f);
	mms[2] = f->copied;

	for (size_t i = 0; i < sizeof(mms) / sizeof(mms[0]); i++) {
		check_scan(f, mms[i]);
		check_scan_part(f, mms[i]);
		check_translations(f, mms[i]);
		check_walk(f, mms[i]);
	}
}

static void test_generic__random_leaves_agree_with_the_model(void **state)
{
	uint64_t seed = test_seed();
	const struct pgw_region *region;
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++) {
		struct fixture *f = malloc(sizeof(*f));

		assert_non_null(f);
		fixture_init(f, format, region->kind, seed + i);
		for (unsigned step = 0; step < 480 || (step < 16 * 480 && !accepted_enough(f));
		     step++) {
			random_step(f);
			if (step % 80 == 79)
				check_all(f);
		}
		check_accepted(f);
		fixture_fini(f);
		free(f);
	}
}

/* The sizes of leaves and runs as the manuals give them, largest first. */
static const struct {
	const char *format;
	uint8_t lg2[9]; /* ended by 0 */
} manual_sizes[] = {
	{ "x86_64-la48", { 30, 21, 12 } },
	{ "x86_64-la57", { 30, 21, 12 } },
	{ "arm64-4k-36", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-4k-39", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-4k-42", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-4k-47", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-4k-48", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-4k-52-lpa2", { 39, 34, 30, 25, 21, 16, 12 } },
	{ "arm64-16k-36", { 30, 25, 21, 14 } },
	{ "arm64-16k-47", { 30, 25, 21, 14 } },
	{ "arm64-16k-48", { 30, 25, 21, 14 } },
	{ "arm64-16k-52-lpa2", { 36, 30, 25, 21, 14 } },
	{ "arm64-64k-42", { 34, 29, 21, 16 } },
	{ "arm64-64k-48", { 42, 34, 29, 21, 16 } },
	{ "arm64-64k-52-lpa", { 42, 34, 29, 21, 16 } },
	{ "riscv-sv39", { 30, 21, 16, 12 } },
	{ "riscv-sv48", { 39, 30, 21, 16, 12 } },
	{ "riscv-sv57", { 48, 39, 30, 21, 16, 12 } },
	{ "npt-48", { 30, 21, 12 } },
	{ "npt-57", { 30, 21, 12 } },
	{ "ept-4", { 30, 21, 12 } },
	{ "ept-5", { 30, 21, 12 } },
	{ "arm64-s2-4k-l2", { 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l1", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l0", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l2-lpa2", { 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l1-lpa2", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l0-lpa2", { 39, 34, 30, 25, 21, 16, 12 } },
	{ "arm64-s2-4k-l-1-lpa2", { 39, 34, 30, 25, 21, 16, 12 } },
	{ "arm64-s2-16k-l2", { 30, 25, 21, 14 } },
	{ "arm64-s2-16k-l1", { 30, 25, 21, 14 } },
	{ "arm64-s2-16k-l0", { 30, 25, 21, 14 } },
	{ "arm64-s2-16k-l2-lpa2", { 30, 25, 21, 14 } },
	{ "arm64-s2-16k-l1-lpa2", { 36, 30, 25, 21, 14 } },
	{ "arm64-s2-16k-l0-lpa2", { 36, 30, 25, 21, 14 } },
	{ "arm64-s2-64k-l2", { 34, 29, 21, 16 } },
	{ "arm64-s2-64k-l1", { 42, 34, 29, 21, 16 } },
	{ "arm64-el2-4k-39", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-el2-4k-48", { 34, 30, 25, 21, 16, 12 } },
	{ "arm64-el2-4k-52-lpa2", { 39, 34, 30, 25, 21, 16, 12 } },
	{ "arm64-el2-16k-47", { 30, 25, 21, 14 } },
	{ "arm64-el2-16k-48", { 30, 25, 21, 14 } },
	{ "arm64-el2-16k-52-lpa2", { 36, 30, 25, 21, 14 } },
	{ "arm64-el2-64k-42", { 34, 29, 21, 16 } },
	{ "arm64-el2-64k-48", { 42, 34, 29, 21, 16 } },
	{ "arm64-el2-64k-52-lpa", { 42, 34, 29, 21, 16 } },
	{ "vtd-first-48", { 30, 21, 12 } },
	{ "vtd-first-57", { 30, 21, 12 } },
	{ "vtd-second-3", { 30, 21, 12 } },
	{ "vtd-second-4", { 30, 21, 12 } },
	{ "vtd-second-5", { 30, 21, 12 } },
	/* Any size from a page up, of which owners make these. */
	{ "amdvi-2", { 25, 21, 16, 12 } },
	{ "amdvi-3", { 34, 30, 25, 21, 16, 12 } },
	{ "amdvi-4", { 39, 34, 30, 25, 21, 16, 12 } },
	{ "amdvi-5", { 48, 39, 34, 30, 25, 21, 16, 12 } },
	{ "riscv-sv39x4", { 30, 21, 16, 12 } },
	{ "riscv-sv48x4", { 39, 30, 21, 16, 12 } },
	{ "riscv-sv57x4", { 48, 39, 30, 21, 16, 12 } },
};

#define DATA_RIGHTS (PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W)

/* The level and attributes that make a leaf of this size. */
static struct pgw_leaf leaf_of_size(const struct fixture *f, unsigned lg2)
{
	struct pgw_leaf leaf = { .rights = test_region_rights(pgw_format_region(f->format, f->half),
							      DATA_RIGHTS) };

	while (leaf.level < f->geo->top_level && f->geo->span_lg2[leaf.level + 1] <= lg2)
		leaf.level++;
	leaf.va = f->first;
	if (f->geo->span_lg2[leaf.level] != lg2)
		leaf.attrs = f->run_bit;
	return leaf;
}

static void test_generic__every_size_of_the_manuals_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(manual_sizes) / sizeof(manual_sizes[0]); i++) {
		const struct pgw_format *format = pgw_format_by_name(manual_sizes[i].format);
		struct fixture *f = malloc(sizeof(*f));
		uint64_t sizes = 0;

		assert_non_null(f);
		fixture_init(f, format, pgw_format_regions(format)->kind, 1);
		/* A table that has become empty stays in the way of what is larger. */
		for (const uint8_t *lg2 = manual_sizes[i].lg2; *lg2; lg2++) {
			struct pgw_leaf leaf = leaf_of_size(f, *lg2);

			sizes |= UINT64_C(1) << *lg2;
			assert_int_equal(leaf_size(f, &leaf), UINT64_C(1) << *lg2);
			if (pgw_mm_map_leaf(f->owned, &leaf))
				fail_msg("%s: a leaf of 2^%u bytes was refused",
					 manual_sizes[i].format, *lg2);
			model_insert(f, &leaf);
			check_all(f);
			f->model.nr = 0;
			assert_int_equal(pgw_mm_unmap_leaf(f->owned, leaf.va), 0);
		}
		if (!strcmp(pgw_format_arch(format), "amdvi"))
			assert_int_equal(sizes & ~f->geo->leaf_sizes, 0);
		else
			assert_int_equal(f->geo->leaf_sizes, sizes);
		fixture_fini(f);
		free(f);
	}
}

static void test_generic__sizes_of_all_that_can_be_owned_are_known(void **state)
{
	const size_t nr = sizeof(manual_sizes) / sizeof(manual_sizes[0]);
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)) != NULL; i++) {
		size_t at = 0;

		while (at < nr && strcmp(manual_sizes[at].format, pgw_format_name(format)) != 0)
			at++;
		assert_int_equal(pgw_format_is_editable(format), at < nr);
	}
}

static void test_generic__rights_come_back_or_are_refused(void **state)
{
	const struct pgw_region *region;
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++) {
		struct fixture *f = malloc(sizeof(*f));
		unsigned nr_accepted = 0;

		assert_non_null(f);
		fixture_init(f, format, region->kind, 1);
		for (unsigned rights = 0; rights <= _PGW_RIGHT_ALL; rights++) {
			struct pgw_leaf leaf = { .va = f->first, .rights = (uint8_t)rights };
			int err = pgw_mm_map_leaf(f->owned, &leaf);

			if (err == -PGW_EOPNOTSUPP)
				continue;
			assert_int_equal(err, 0);
			nr_accepted++;
			model_insert(f, &leaf);
			check_all(f);
			f->model.nr = 0;
			assert_int_equal(pgw_mm_unmap_leaf(f->owned, leaf.va), 0);
		}
		/* A kernel: read, write, execute or not; users as many again; a device: read, write. */
		assert_true(nr_accepted >= (region->kind == PGW_REGION_USER     ? 4
					    : region->kind == PGW_REGION_KERNEL ? 3
										: 2));
		fixture_fini(f);
		free(f);
	}
}

static void test_generic__allocation_failure_leaves_all_as_it_was(void **state)
{
	const struct pgw_region *region;
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++) {
		struct fixture *f = malloc(sizeof(*f));
		struct pgw_mm_new_args args = { .format = format, .region = region->kind };
		struct pgw_leaf leaf = {
			.rights = test_region_rights(region, PGW_KERNEL_R | PGW_USER_R),
		};
		struct pgw_mm *mm = NULL;
		long n;
		int err;

		assert_non_null(f);
		fixture_init(f, format, region->kind, 1);
		leaf.va = f->last - (leaf_size(f, &leaf) - 1);
		for (n = 0;; n++) {
			f->arena.fail_after = n;
			err = pgw_mm_map_leaf(f->owned, &leaf);
			f->arena.fail_after = -1;
			if (!err)
				break;
			assert_int_equal(err, -PGW_ENOMEM);
			check_all(f);
		}
		assert_true(n >= 1);
		model_insert(f, &leaf);
		check_all(f);
		args.platform = &f->arena.platform;
		for (n = 0; n < 2; n++) {
			f->arena.fail_after = n;
			assert_int_equal(pgw_mm_new(&args, &mm), -PGW_ENOMEM);
			assert_null(mm);
		}
		f->arena.fail_after = -1;
		fixture_fini(f);
		free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generic__random_leaves_agree_with_the_model),
		cmocka_unit_test(test_generic__every_size_of_the_manuals_is_accepted),
		cmocka_unit_test(test_generic__sizes_of_all_that_can_be_owned_are_known),
		cmocka_unit_test(test_generic__rights_come_back_or_are_refused),
		cmocka_unit_test(test_generic__allocation_failure_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
