/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The six users of examples/linux, each compared with what is so: what the owner of the frames
 * and the MMU of examples/linux/world.c wrote down, not what the walker says.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "linux/world.h"

#define NR_SEEDS 12

static const char *const formats[] = { "x86_64-la48", "arm64-4k-48", "arm64-16k-47", "arm64-64k-42",
				       "riscv-sv39" };

/* What the world put into tables is right for the library, too. */
static void validate(struct world *w)
{
	const char *what = NULL;

	mmap_write_lock(w->mm);
	if (pgw_mm_validate(w->mm, &what))
		fail_msg("%s: %s", pgw_format_name(pgw_mm_format(w->mm)), what);
	mmap_write_unlock(w->mm);
}

/** Nothing is in the area any more. */
static void drop_area(struct world *w, struct area *area)
{
	assert_int_equal(pgw_mm_dontneed(w->mm, area->start, area->end), 0);
	memset(area->pages, 0, (area->end - area->start) / area_step(area) * sizeof(*area->pages));
}

/** Run a case on worlds of each format, which differ by their seed. */
static void each_world(void (*run)(struct world *w))
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		for (uint64_t seed = 1; seed <= NR_SEEDS; seed++) {
			struct world w;

			assert_int_equal(world_open(&w, pgw_format_by_name(formats[i]), seed * 77),
					 0);
			assert_int_equal(world_map(&w), 0);
			assert_int_equal(world_use(&w), 0);
			validate(&w);
			run(&w);
			validate(&w);
			assert_null(w.broken_rule);
			world_close(&w);
			for (unsigned long n = 0; n < w.nr_frames; n++)
				assert_int_equal(w.refs[n], 0);
		}
	}
}

/* ---- smaps ---- */

static struct smaps true_smaps(struct area *area)
{
	struct smaps s = { 0 };

	for (unsigned long va = area->start; va != area->end; va += area_step(area)) {
		const struct page *page = area_page(area, va);

		s.rss += page->present ? area_step(area) : 0;
		s.referenced += page->young ? area_step(area) : 0;
		s.dirty += page->dirty ? area_step(area) : 0;
		s.swap += page->swapped ? area_step(area) : 0;
	}
	s.huge = area->kind & AREA_HUGE ? s.rss : 0;
	return s;
}

static void check_smaps(struct world *w)
{
	for (size_t i = 0; i < w->nr_areas; i++) {
		struct smaps expected = true_smaps(&w->areas[i]), s;

		mmap_read_lock(w->mm);
		assert_int_equal(smaps_vma(vma_lookup(w->mm, w->areas[i].start), &s), 0);
		mmap_read_unlock(w->mm);
		assert_int_equal(s.rss, expected.rss);
		assert_int_equal(s.referenced, expected.referenced);
		assert_int_equal(s.dirty, expected.dirty);
		assert_int_equal(s.huge, expected.huge);
		assert_int_equal(s.swap, expected.swap);
	}
}

static void test_linux_users__smaps_counts_what_is_there(void **state)
{
	(void)state;
	each_world(check_smaps);
}

/* ---- mincore ---- */

static void check_mincore_range(struct world *w, struct area *area, unsigned long start,
				unsigned long end)
{
	unsigned long nr = (end - start) >> PAGE_SHIFT;
	unsigned char *vec = malloc(nr + 1);
	struct vm_area_struct *vma = lock_vma_under_rcu(w->mm, start);

	assert_non_null(vec);
	memset(vec, 0xee, nr + 1);
	assert_non_null(vma);
	assert_int_equal(mincore_vma(vma, start, end, vec), 0);
	vma_end_read(vma);
	for (unsigned long i = 0; i < nr; i++)
		assert_int_equal(vec[i], area_page(area, start + (i << PAGE_SHIFT))->present);
	assert_int_equal(vec[nr], 0xee);
	free(vec);
}

static void check_mincore(struct world *w)
{
	for (size_t i = 0; i < w->nr_areas; i++) {
		struct area *area = &w->areas[i];
		unsigned long nr = (area->end - area->start) >> PAGE_SHIFT;
		unsigned long first = world_random(w, nr), last = world_random(w, nr);

		check_mincore_range(w, area, area->start, area->end);
		check_mincore_range(
			w, area, area->start + ((first < last ? first : last) << PAGE_SHIFT),
			area->start + (((first < last ? last : first) + 1) << PAGE_SHIFT));
	}
}

static void test_linux_users__mincore_says_which_pages_are_there(void **state)
{
	(void)state;
	each_world(check_mincore);
}

/* ---- what docs/linux-differences.md says of words that a program puts in the place of pages ---- */

static void check_swap(struct world *w)
{
	struct area *area = world_area(w, "data");

	for (unsigned long va = area->start; va != area->end; va += PAGE_SIZE) {
		if (area_page(area, va)->swapped)
			assert_int_equal(pgw_mm_fault(w->mm, va, VM_READ), -PGW_EFAULT);
	}
	drop_area(w, area);
	assert_int_equal(world_read_area(w, area), 0);
	check_smaps(w);
}

static void test_linux_users__swapped_page_faults_until_it_is_dropped(void **state)
{
	(void)state;
	each_world(check_swap);
}

/* ---- pagemap_scan ---- */

struct ranges {
	struct scan_range *range;
	size_t nr, max;
};

static void add_range(struct ranges *r, unsigned long start, unsigned long end, unsigned categories)
{
	if (r->nr && r->range[r->nr - 1].end == start &&
	    r->range[r->nr - 1].categories == categories) {
		r->range[r->nr - 1].end = end;
		return;
	}
	if (r->nr == r->max) {
		r->max = 2 * r->max + 64;
		r->range = realloc(r->range, r->max * sizeof(*r->range));
		assert_non_null(r->range);
	}
	r->range[r->nr++] = (struct scan_range){ start, end, categories };
}

/* The owner maps what is only read read-only: what is dirty is what may be written. */
static unsigned true_categories(const struct area *area, const struct page *page)
{
	unsigned huge = area->kind & AREA_HUGE ? SCAN_HUGE : 0;

	if (page->swapped)
		return SCAN_SWAPPED;
	if (!page->present)
		return SCAN_HOLE;
	return SCAN_PRESENT | huge | (page->young ? SCAN_YOUNG : 0u) |
	       (page->dirty ? SCAN_DIRTY | SCAN_WRITABLE : 0u);
}

static void add_if_wanted(struct ranges *r, const struct pagemap_scan *scan, unsigned long start,
			  unsigned long end, unsigned categories)
{
	if ((categories & scan->all) == scan->all && (!scan->any || (categories & scan->any)))
		add_range(r, start, end, categories & scan->show);
}

/* All that a scan of all addresses without limits should find. */
static struct ranges true_ranges(struct world *w, const struct pagemap_scan *scan)
{
	struct ranges r = { 0 };
	unsigned long at = scan->start;

	for (size_t i = 0; i < w->nr_areas; i++) {
		struct area *area = &w->areas[i];

		if (at < area->start)
			add_if_wanted(&r, scan, at, area->start, SCAN_GAP);
		for (unsigned long va = area->start; va != area->end; va += area_step(area))
			add_if_wanted(&r, scan, va, va + area_step(area),
				      true_categories(area, area_page(area, va)));
		at = area->end;
	}
	if (at < scan->end)
		add_if_wanted(&r, scan, at, scan->end, SCAN_GAP);
	return r;
}

/* Scan, and go on where it ended, until all is found. Limits only cut: what is put together again is the same. */
static struct ranges scan_in_parts(struct world *w, struct pagemap_scan scan)
{
	unsigned long end = scan.end;
	struct ranges r = { 0 };

	do {
		unsigned long nr = 0, at = scan.start;

		assert_int_equal(pagemap_scan(w->mm, &scan), 0);
		assert_true(scan.nr_ranges <= scan.max_ranges);
		for (size_t i = 0; i < scan.nr_ranges; i++) {
			const struct scan_range *range = &scan.ranges[i];

			assert_true(range->start >= at && range->end > range->start);
			add_range(&r, range->start, range->end, range->categories);
			nr += (range->end - range->start) >> PAGE_SHIFT;
			at = range->end;
		}
		assert_int_equal(nr, scan.nr_pages);
		assert_true(!scan.max_pages || nr <= scan.max_pages);
		assert_true(scan.walk_end > scan.start && scan.walk_end >= at);
		scan.start = scan.walk_end;
	} while (scan.start != end);
	return r;
}

static void check_scan_of(struct world *w, struct pagemap_scan scan)
{
	struct ranges expected, found;
	struct scan_range ranges[4096];

	scan.start = pgw_mm_region(w->mm)->first;
	scan.end = pgw_mm_region(w->mm)->last + 1;
	scan.ranges = ranges;
	if (!scan.max_ranges)
		scan.max_ranges = 4096;
	expected = true_ranges(w, &scan);
	found = scan_in_parts(w, scan);
	assert_int_equal(found.nr, expected.nr);
	for (size_t i = 0; i < found.nr; i++) {
		assert_int_equal(found.range[i].start, expected.range[i].start);
		assert_int_equal(found.range[i].end, expected.range[i].end);
		assert_int_equal(found.range[i].categories, expected.range[i].categories);
	}
	free(expected.range);
	free(found.range);
}

static void check_scan(struct world *w)
{
	const unsigned any = SCAN_HOLE | SCAN_SWAPPED | SCAN_DIRTY;

	check_scan_of(w, (struct pagemap_scan){ .show = ~0u });
	check_scan_of(w, (struct pagemap_scan){ .show = ~0u, .max_ranges = 1 });
	check_scan_of(w, (struct pagemap_scan){ .any = any, .show = any });
	check_scan_of(w, (struct pagemap_scan){ .any = any, .show = SCAN_HOLE, .max_ranges = 3 });
	check_scan_of(w, (struct pagemap_scan){ .all = SCAN_PRESENT, .show = 0 });
	/* A limit inside huge pages, and inside what is merged. */
	check_scan_of(w, (struct pagemap_scan){ .all = SCAN_PRESENT,
						.show = SCAN_DIRTY,
						.max_pages = PTRS_PER_PTE / 2 + 1 });
	check_scan_of(w, (struct pagemap_scan){ .all = SCAN_PRESENT | SCAN_YOUNG,
						.any = SCAN_DIRTY | SCAN_HUGE,
						.show = SCAN_HUGE,
						.max_pages = 1 + PTRS_PER_PTE,
						.max_ranges = 2 });
}

static void test_linux_users__scan_finds_ranges_holes_and_gaps(void **state)
{
	(void)state;
	each_world(check_scan);
}

/* ---- damon ---- */

#define NR_ROUNDS 20

/* How an area is used: wholly in each round, wholly in every fourth, never. */
enum use { USE_ALWAYS, USE_SOMETIMES, USE_NEVER, _USE_MAX };

static const unsigned nr_uses[] = { NR_ROUNDS, NR_ROUNDS / 4, 0 };

static void use_area(struct world *w, struct area *area, enum use use, unsigned round)
{
	if (use == USE_ALWAYS || (use == USE_SOMETIMES && round % 4 == 0))
		assert_int_equal(world_read_area(w, area), 0);
}

/* The samples are by chance; where a part is used wholly or not at all, what they find is not. */
static void sample_areas(struct world *w, struct area *const areas[3], const enum use use[3])
{
	struct damon_region regions[6];
	struct damon damon = { .mm = w->mm, .regions = regions, .nr_regions = 6, .random = 99 };

	for (size_t i = 0; i < 3; i++) {
		unsigned long half =
			((areas[i]->end - areas[i]->start) / 2) & ~(area_step(areas[i]) - 1);

		regions[2 * i] = (struct damon_region){ .start = areas[i]->start,
							.end = areas[i]->start + half };
		regions[2 * i + 1] = (struct damon_region){ .start = areas[i]->start + half,
							    .end = areas[i]->end };
	}
	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		assert_int_equal(damon_prepare(&damon), 0);
		for (size_t i = 0; i < 3; i++)
			use_area(w, areas[i], use[i], round);
		assert_int_equal(damon_check(&damon), 0);
	}
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(regions[i].nr_accesses, nr_uses[use[i / 2]]);
	damon_merge(&damon, 0);
	assert_int_equal(damon.nr_regions, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(regions[i].start, areas[i]->start);
		assert_int_equal(regions[i].end, areas[i]->end);
	}
}

/* Areas of which nothing was swapped out: the pages that are read are then there. */
static void check_damon(struct world *w)
{
	struct area *areas[] = { world_area(w, "huge"), world_area(w, "empty"),
				 world_area(w, "stack") };

	drop_area(w, areas[2]);
	assert_int_equal(world_read_area(w, areas[2]), 0);
	for (unsigned turn = 0; turn < _USE_MAX; turn++) {
		const enum use use[] = { turn, (turn + 1) % _USE_MAX, (turn + 2) % _USE_MAX };

		sample_areas(w, areas, use);
	}
}

static void test_linux_users__damon_counts_accesses(void **state)
{
	(void)state;
	each_world(check_damon);
}

/* Neighbours join if they are near each other, and stay apart if addresses lie between. */
static void test_linux_users__damon_merges_what_is_alike(void **state)
{
	struct damon_region regions[] = {
		{ .start = 0, .end = 10, .nr_accesses = 3 },
		{ .start = 10, .end = 20, .nr_accesses = 4 },
		{ .start = 20, .end = 30, .nr_accesses = 6 },
		{ .start = 40, .end = 50, .nr_accesses = 6 },
	};
	struct damon damon = { .regions = regions, .nr_regions = 4 };

	(void)state;
	damon_merge(&damon, 1);
	assert_int_equal(damon.nr_regions, 3);
	assert_int_equal(regions[0].end, 20);
	assert_int_equal(regions[1].start, 20);
	assert_int_equal(regions[2].start, 40);
	damon.nr_regions = 0;
	damon_merge(&damon, 1);
	assert_int_equal(damon.nr_regions, 0);
}

/* ---- ksm ---- */

/* Each page with all before it. */
static size_t true_pairs(struct world *w, struct area *area, struct ksm_pair *pairs)
{
	size_t nr = 0;

	for (unsigned long va = area->start; va != area->end; va += PAGE_SIZE) {
		const struct page *page = area_page(area, va);

		for (unsigned long n = area->start; page->present && n != va; n += PAGE_SIZE) {
			const struct page *other = area_page(area, n);

			if (other->present && !memcmp(world_bytes(w, page->pfn),
						      world_bytes(w, other->pfn), PAGE_SIZE)) {
				pairs[nr++] = (struct ksm_pair){ n, va };
				break;
			}
		}
	}
	return nr;
}

static void check_ksm_once(struct world *w, unsigned nr_kinds)
{
	const struct ksm_owner owner = world_ksm_owner(w);
	struct area *area = world_area(w, "twins");
	struct ksm_pair expected[64], *pairs;
	size_t nr, nr_expected;

	world_fill(w, area, nr_kinds);
	world_fill(w, world_area(w, "stack"), 1); /* not mergeable, all alike */
	nr_expected = true_pairs(w, area, expected);
	assert_int_equal(ksm_scan(w->mm, &owner, &pairs, &nr), 0);
	assert_int_equal(nr, nr_expected);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(pairs[i].addr, expected[i].addr);
		assert_int_equal(pairs[i].other, expected[i].other);
	}
	free(pairs);
}

static void check_ksm(struct world *w)
{
	check_ksm_once(w, 1);
	check_ksm_once(w, 3);
	check_ksm_once(w, 40);
}

static void test_linux_users__ksm_finds_equal_pages(void **state)
{
	(void)state;
	each_world(check_ksm);
}

/* Two pages of one checksum, of which the second word makes up for the first: no pair. */
static void test_linux_users__ksm_compares_bytes_not_checksums(void **state)
{
	const uint64_t init = UINT64_C(0xcbf29ce484222325), prime = UINT64_C(0x100000001b3);
	const uint64_t a[] = { 1, 2 },
		       b[] = { 3, (init ^ a[0]) * prime ^ (init ^ UINT64_C(3)) * prime ^ a[1] };
	struct ksm_owner owner;
	struct ksm_pair *pairs;
	struct area *area;
	struct world w;
	size_t nr;

	(void)state;
	assert_int_equal(world_open(&w, pgw_format_by_name("x86_64-la48"), 1), 0);
	assert_int_equal(world_map(&w), 0);
	owner = world_ksm_owner(&w);
	area = world_area(&w, "twins");
	assert_int_equal(world_access(&w, area->start, true), 0);
	assert_int_equal(world_access(&w, area->start + PAGE_SIZE, true), 0);
	memcpy(world_bytes(&w, area->pages[0].pfn), a, sizeof(a));
	memcpy(world_bytes(&w, area->pages[1].pfn), b, sizeof(b));
	assert_int_equal(ksm_scan(w.mm, &owner, &pairs, &nr), 0);
	assert_int_equal(nr, 0);
	free(pairs);
	memcpy(world_bytes(&w, area->pages[1].pfn), a, sizeof(a));
	assert_int_equal(ksm_scan(w.mm, &owner, &pairs, &nr), 0);
	assert_int_equal(nr, 1);
	free(pairs);
	world_close(&w);
}

/* ---- ptdump ---- */

#define MAX_SERIES 2048

struct dump {
	struct ptdump_series series[MAX_SERIES];
	size_t nr;
};

static void note_series(const struct ptdump_series *series, void *arg)
{
	struct dump *dump = arg;

	assert_true(dump->nr < MAX_SERIES);
	dump->series[dump->nr++] = *series;
}

/** What a part of the addresses holds, as the test made it. */
struct truth {
	unsigned long first, last;
	int level;
	unsigned rights;
};

/* Merge what goes on and is alike, and cut it where a marker is. */
static void add_truth(struct dump *dump, const struct truth *t, const char *marker)
{
	struct ptdump_series *last = dump->nr ? &dump->series[dump->nr - 1] : NULL;

	if (last && last->last + 1 == t->first && last->level == t->level &&
	    last->rights == t->rights && last->marker == marker) {
		last->last = t->last;
		return;
	}
	note_series(&(struct ptdump_series){ t->first, t->last, t->level, t->rights, marker },
		    dump);
}

static const char *marker_of(const struct ptdump_marker *markers, unsigned long va)
{
	const char *name = NULL;

	for (; markers->name && markers->start <= va; markers++)
		name = markers->name;
	return name;
}

static void check_series(const struct dump *found, const struct dump *expected, unsigned sure)
{
	assert_int_equal(found->nr, expected->nr);
	for (size_t i = 0; i < found->nr; i++) {
		const struct ptdump_series *a = &found->series[i], *b = &expected->series[i];

		assert_int_equal(a->first, b->first);
		assert_int_equal(a->last, b->last);
		assert_int_equal(a->level, b->level);
		assert_int_equal(a->rights & sure, b->rights & sure);
		assert_ptr_equal(a->marker, b->marker);
	}
}

/* A user's page: the kernel's rights to it are the architecture's matter. */
static void true_user_series(struct world *w, const struct ptdump_marker *markers,
			     struct dump *dump)
{
	for (size_t i = 0; i < w->nr_areas; i++) {
		struct area *area = &w->areas[i];
		unsigned x = area->vm_flags & VM_EXEC ? PGW_USER_X : 0;

		for (unsigned long va = area->start; va != area->end; va += area_step(area)) {
			const struct page *page = area_page(area, va);
			unsigned write = page->dirty ? PGW_USER_W : 0;
			const struct truth t = {
				.first = va,
				.last = va + area_step(area) - 1,
				.level = area->kind & AREA_HUGE ? PGW_LINUX_PMD : PGW_LINUX_PTE,
				.rights = PGW_USER_R | write | x,
			};

			if (page->present)
				add_truth(dump, &t, marker_of(markers, va));
		}
	}
}

static void check_user_dump(struct world *w)
{
	const unsigned long first = pgw_mm_region(w->mm)->first, last = pgw_mm_region(w->mm)->last;
	const unsigned long behind = world_area(w, "sparse")->start + 2 * PMD_SIZE;
	const struct ptdump_marker markers[] = {
		{ world_area(w, "data")->start + 7 * PAGE_SIZE, "in the data" },
		{ world_area(w, "huge")->start + PMD_SIZE, "in the huge pages" },
		/* Three in a hole: the last one counts for what is behind it. */
		{ behind - 3 * PAGE_SIZE, "one" },
		{ behind - 2 * PAGE_SIZE, "two" },
		{ behind - PAGE_SIZE, "three" },
		{ 0, NULL },
	};
	struct dump *found = calloc(1, sizeof(*found)), *expected = calloc(1, sizeof(*expected));
	struct ptdump ptdump = { .markers = markers, .show = note_series, .arg = found };

	assert_non_null(found);
	assert_non_null(expected);
	if (!area_page(world_area(w, "sparse"), behind)->swapped)
		assert_int_equal(world_access(w, behind, false), 0);
	true_user_series(w, markers, expected);
	assert_int_equal(ptdump_walk(w->mm, first, last, &ptdump), 0);
	check_series(found, expected, PGW_USER_R | PGW_USER_W | PGW_USER_X);
	assert_int_equal(ptdump.nr_wx, 0);
	free(found);
	free(expected);
}

static void test_linux_users__ptdump_merges_user_pages(void **state)
{
	(void)state;
	each_world(check_user_dump);
}

/** A kernel's tables: leaves at random, of the two lowest levels. */
static void map_kernel(struct world *w, struct dump *expected, unsigned long *ret_nr_wx)
{
	const unsigned rights[] = { PGW_KERNEL_R, PGW_KERNEL_R | PGW_KERNEL_W,
				    PGW_KERNEL_R | PGW_KERNEL_X,
				    PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X };
	unsigned long va = pgw_mm_region(&init_mm)->first + 5 * PMD_SIZE;

	*ret_nr_wx = 0;
	mmap_read_lock(&init_mm);
	for (unsigned i = 0; i < 300; i++) {
		unsigned level = !(va & ~PMD_MASK) && !world_random(w, 2);
		unsigned long size = level ? PMD_SIZE : PAGE_SIZE;
		const struct pgw_leaf leaf = { .va = va,
					       .pa = va & UINT32_MAX,
					       .level = (uint8_t)level,
					       .rights = (uint8_t)rights[world_random(w, 4)] };
		const struct truth t = { va, va + size - 1, (int)level, leaf.rights };

		switch (world_random(w, 8)) {
		case 0: /* a hole */
			va += PAGE_SIZE;
			continue;
		case 1: /* up to the next table */
			va = (va | ~PMD_MASK) + 1;
			continue;
		default:
			break;
		}
		assert_int_equal(pgw_mm_map_leaf(&init_mm, &leaf), 0);
		add_truth(expected, &t, NULL);
		if (leaf.rights == rights[3])
			*ret_nr_wx += size >> PAGE_SHIFT;
		va += size;
	}
	mmap_read_unlock(&init_mm);
}

/* The very last page of all addresses, too. */
static void map_top(struct dump *expected)
{
	const struct pgw_leaf leaf = { .va = -PAGE_SIZE, .pa = 0, .rights = PGW_KERNEL_R };
	const struct truth t = { leaf.va, UINT64_MAX, PGW_LINUX_PTE, leaf.rights };

	mmap_read_lock(&init_mm);
	assert_int_equal(pgw_mm_map_leaf(&init_mm, &leaf), 0);
	mmap_read_unlock(&init_mm);
	add_truth(expected, &t, NULL);
}

static void check_kernel_dump(struct world *w)
{
	struct dump *found = calloc(1, sizeof(*found)), *expected = calloc(1, sizeof(*expected));
	struct ptdump ptdump = { .show = note_series, .arg = found };
	unsigned long nr_wx, first = pgw_mm_region(&init_mm)->first;

	assert_non_null(found);
	assert_non_null(expected);
	map_kernel(w, expected, &nr_wx);
	map_top(expected);
	assert_int_equal(ptdump_walk(&init_mm, first, UINT64_MAX, &ptdump), 0);
	check_series(found, expected, _PGW_RIGHT_ALL);
	assert_int_equal(ptdump.nr_wx, nr_wx);
	/* From the user's half into the kernel's: the kernel's part is the same. */
	found->nr = 0;
	assert_int_equal(ptdump_walk(w->mm, pgw_mm_region(w->mm)->last, UINT64_MAX, &ptdump), 0);
	if (found->nr > expected->nr)
		memmove(found->series, found->series + 1, expected->nr * sizeof(found->series[0]));
	found->nr = expected->nr;
	check_series(found, expected, _PGW_RIGHT_ALL);
	free(found);
	free(expected);
}

static void test_linux_users__ptdump_merges_kernel_pages_up_to_the_top(void **state)
{
	(void)state;
	each_world(check_kernel_dump);
}

/** What makes a table read-only, by the manuals: x86 without R/W, arm64 with APTable[1]. */
static const struct table_bits {
	const char *format;
	uint64_t clear, set;
} table_bits[] = {
	{ "x86_64-la48", UINT64_C(1) << 1, 0 },
	{ "arm64-4k-48", 0, UINT64_C(1) << 62 },
};

static int restrict_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next,
			      struct mm_walk *walk)
{
	const struct table_bits *bits = walk->private;

	(void)addr, (void)next;
	*pmd = (*pmd & ~bits->clear) | bits->set;
	return 0;
}

static const struct mm_walk_ops restrict_ops = { .pmd_entry = restrict_pmd_entry };

/* A read-only entry above a leaf that may be written and executed: it may not be written. */
static void test_linux_users__ptdump_knows_what_upper_entries_take_away(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table_bits) / sizeof(table_bits[0]); i++) {
		struct dump *found = calloc(1, sizeof(*found));
		struct ptdump ptdump = { .show = note_series, .arg = found };
		struct pgw_leaf leaf = { .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X };
		struct table_bits bits = table_bits[i];
		struct world w;

		assert_non_null(found);
		assert_int_equal(world_open(&w, pgw_format_by_name(bits.format), 1), 0);
		leaf.va = pgw_mm_region(&init_mm)->first;
		mmap_write_lock(&init_mm);
		assert_int_equal(pgw_mm_map_leaf(&init_mm, &leaf), 0);
		assert_int_equal(walk_kernel_page_table_range(leaf.va, leaf.va + 1, &restrict_ops,
							      NULL, &bits),
				 0);
		mmap_write_unlock(&init_mm);
		assert_int_equal(ptdump_walk(&init_mm, leaf.va, UINT64_MAX, &ptdump), 0);
		assert_int_equal(found->nr, 1);
		assert_int_equal(found->series[0].rights, PGW_KERNEL_R | PGW_KERNEL_X);
		assert_int_equal(ptdump.nr_wx, 0);
		world_close(&w);
		free(found);
	}
}

/* ---- the rule ---- */

static void show_nothing(const struct ptdump_series *series, void *arg)
{
	(void)series, (void)arg;
}

static void check_broken(struct world *w, int err, const char *rule)
{
	assert_int_equal(err, -PGW_EPERM);
	assert_non_null(w->broken_rule);
	assert_string_equal(w->broken_rule, rule);
	w->broken_rule = NULL;
}

/* smaps without the mmap lock; mincore without the VMA's; ptdump with what is not enough. */
static void check_wrong_locks(struct world *w)
{
	const unsigned long first = pgw_mm_region(w->mm)->first, last = pgw_mm_region(w->mm)->last;
	struct area *text = world_area(w, "text");
	struct vm_area_struct *vma;
	struct ptdump ptdump = { .show = show_nothing };
	unsigned char vec[64] = { 0xee };
	struct smaps s = { .rss = 1 };

	mmap_read_lock(w->mm);
	vma = vma_lookup(w->mm, text->start);
	mmap_read_unlock(w->mm);
	check_broken(w, smaps_vma(vma, &s), "mmap-locked");
	assert_int_equal(s.rss, 1);
	check_broken(w, mincore_vma(vma, text->start, text->end, vec), "vma-locked");
	assert_int_equal(vec[0], 0xee);
	mmap_read_lock(w->mm);
	check_broken(w, mincore_vma(vma, text->start, text->end, vec), "vma-locked");
	check_broken(w, ptdump_walk_locked(w->mm, first, last, &ptdump), "debug-write");
	mmap_read_unlock(w->mm);
	mmap_write_lock(w->mm);
	check_broken(w, ptdump_walk_locked(w->mm, first, last, &ptdump), "debug-kernel-write");
	mmap_read_lock(&init_mm);
	check_broken(w, ptdump_walk_locked(w->mm, first, last, &ptdump), "debug-kernel-write");
	mmap_read_unlock(&init_mm);
	mmap_write_unlock(w->mm);
}

static void test_linux_users__wrong_lock_is_reported_by_name(void **state)
{
	(void)state;
	each_world(check_wrong_locks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_users__smaps_counts_what_is_there),
		cmocka_unit_test(test_linux_users__mincore_says_which_pages_are_there),
		cmocka_unit_test(test_linux_users__swapped_page_faults_until_it_is_dropped),
		cmocka_unit_test(test_linux_users__scan_finds_ranges_holes_and_gaps),
		cmocka_unit_test(test_linux_users__damon_counts_accesses),
		cmocka_unit_test(test_linux_users__damon_merges_what_is_alike),
		cmocka_unit_test(test_linux_users__ksm_finds_equal_pages),
		cmocka_unit_test(test_linux_users__ksm_compares_bytes_not_checksums),
		cmocka_unit_test(test_linux_users__ptdump_merges_user_pages),
		cmocka_unit_test(test_linux_users__ptdump_merges_kernel_pages_up_to_the_top),
		cmocka_unit_test(test_linux_users__ptdump_knows_what_upper_entries_take_away),
		cmocka_unit_test(test_linux_users__wrong_lock_is_reported_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
