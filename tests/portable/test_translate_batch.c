/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Many addresses at once go down side by side while all is plain. For every
 * format: whatever stands in the way of one of them, wherever it is in the batch,
 * each gets what the long way says of it alone; on one's own tables and on foreign ones, with
 * vectors and without.
 */

#include <string.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/tap.h"
#include "common/ways.h"

#define MAX_BATCH 100
#define NR_LANES 16
#define NR_BATCHES 40

struct fixture {
	struct arena arena;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	const struct pgw_region *region;
	struct pgw_mm *mm; /* under test: owned, or attached */
	struct pgw_mm *owned;
	uint64_t random;
	uint64_t first, last; /* leaves of one item, in lowest tables of two parents */
	uint64_t odd[7];      /* addresses that are not so plain */
	unsigned nr_odd;
	struct pgw_phys_memory memory; /* all tables but the last ones */
};

static uint64_t pick(struct fixture *f, uint64_t n)
{
	return test_random(&f->random) % n;
}

static uint64_t page_size(const struct fixture *f)
{
	return BIT(f->geo->granule_lg2);
}

static void map(struct fixture *f, uint64_t first, uint64_t bytes, uint64_t sizes)
{
	const uint8_t rights = test_region_rights(f->region, PGW_KERNEL_R | PGW_KERNEL_W |
								     PGW_USER_R | PGW_USER_W);
	struct pgw_map_args args = {
		.first = first,
		.last = first + (bytes - 1),
		.pa = (test_random(&f->random) & low_bits(31)) & ~(bytes - 1),
		.rights = rights,
		.sizes = sizes,
	};

	CHECK_EQUAL(pgw_mm_map(f->owned, &args), 0);
}

/*
 * Lowest tables below two parents, then at twice the distance what is odd: a hole in
 * a lowest table, one above, the largest run of smallest leaves, a larger leaf, and
 * tables that foreign eyes cannot see.
 */
static void map_all(struct fixture *f)
{
	const uint64_t table = BIT(f->geo->span_lg2[1]);
	uint64_t at;

	f->first = f->region->first +
		   (f->geo->top_level > 1 ? BIT(f->geo->span_lg2[2]) : 2 * table) - table;
	f->last = f->first + 2 * table - 1;
	for (at = f->first; at < f->last; at += table)
		map(f, at, table, page_size(f));
	at = f->last + 1;
	f->odd[f->nr_odd++] = at + 5 * table + 123;
	map(f, at, page_size(f), page_size(f));
	f->odd[f->nr_odd++] = at + 7 * page_size(f) + 1;
	at += table;
	map(f, at, page_size(f) << 7, 0);
	f->odd[f->nr_odd++] = at + 3 * page_size(f) + 2;
	at += table;
	map(f, at, table, 0);
	f->odd[f->nr_odd++] = at + 9 * page_size(f) + 3;
	CHECK_EQUAL(pgw_phys_memory_init(&f->memory, ARENA_PA, f->arena.block, f->arena.used), 0);
	at += f->geo->top_level > 1 ? 2 * BIT(f->geo->span_lg2[2]) : table;
	map(f, at, page_size(f), page_size(f));
	f->odd[f->nr_odd++] = at + 4;
	f->odd[f->nr_odd++] = f->region->last;
	f->odd[f->nr_odd++] = UINT64_C(0x4000000000000000); /* in no region */
}

/* The table entry above va's lowest table takes rights away, where the format has that. */
static void restrict_table(struct fixture *f, uint64_t va)
{
	const char *arch = pgw_format_arch(f->format);
	struct pgw_translation at;
	struct pgw_path path;
	uint64_t *item;

	CHECK_EQUAL(pgw_translate_path(f->owned, va, &at, &path), 0);
	CHECK(path.nr_steps >= 2);
	item = (uint64_t *)(void *)(f->arena.block +
				    (path.step[path.nr_steps - 2].item_pa - ARENA_PA));
	if (strcmp(arch, "x86_64") == 0 || strcmp(arch, "npt") == 0 || strcmp(arch, "ept") == 0 ||
	    strncmp(arch, "vtd", 3) == 0)
		*item &= ~BIT(1); /* R/W, W */
	else if (strcmp(arch, "arm64") == 0 || strcmp(arch, "arm64-el2") == 0)
		*item |= BIT(62); /* APTable[1]: read-only */
	else if (strcmp(arch, "amdvi") == 0)
		*item &= ~BIT(62); /* IW */
}

static uint64_t plain_address(struct fixture *f)
{
	return f->first + pick(f, f->last - f->first + 1);
}

static void check_batch(struct fixture *f, const uint64_t *va, size_t nr)
{
	struct pgw_translation got[MAX_BATCH], want;
	struct pgw_translate_cursor cursor;
	struct pgw_path path;

	/* Each time anew: tables are changed behind the library's back. */
	CHECK_EQUAL(pgw_translate_cursor_init(&cursor, f->mm), 0);

	memset(got, 0xee, sizeof(got));
	CHECK_EQUAL(pgw_translate_batch(f->mm, va, got, nr), nr);
	for (size_t i = 0; i < nr; i++) {
		CHECK_EQUAL(pgw_translate_path(f->mm, va[i], &want, &path), 0);
		CHECK_EQUAL(got[i].kind, want.kind);
		CHECK_EQUAL(got[i].level, want.level);
		CHECK_EQUAL(got[i].leaf_lg2, want.leaf_lg2);
		CHECK_EQUAL(got[i].rights, want.rights);
		CHECK_EQUAL(got[i].pa, want.pa);
		CHECK_EQUAL(got[i].entry, want.entry);
		CHECK_EQUAL(got[i].va_first, want.va_first);
		CHECK_EQUAL(got[i].va_last, want.va_last);
		CHECK(ways_agree(f->mm, &cursor, va[i], &want));
	}
}

/* All plain: spread over both parents, in one table, in one page. */
static void check_plain(struct fixture *f)
{
	uint64_t va[MAX_BATCH];

	for (unsigned i = 0; i < NR_BATCHES; i++) {
		size_t nr = 1 + pick(f, MAX_BATCH);
		uint64_t base = plain_address(f) & ~(BIT(f->geo->span_lg2[1]) - 1);
		uint64_t range = i % 3 == 0 ? 0 : i % 3 == 1 ? BIT(f->geo->span_lg2[1]) : 64;

		for (size_t j = 0; j < nr; j++)
			va[j] = range ? base + pick(f, range) : plain_address(f);
		check_batch(f, va, nr);
	}
}

/* One odd address at each place of a group, and several. */
static void check_odd(struct fixture *f)
{
	uint64_t va[2 * NR_LANES];

	for (unsigned i = 0; i < f->nr_odd * NR_LANES; i++) {
		for (unsigned j = 0; j < 2 * NR_LANES; j++)
			va[j] = plain_address(f);
		va[i % NR_LANES] = f->odd[i / NR_LANES];
		if (pick(f, 2))
			va[pick(f, 2 * NR_LANES)] = f->odd[pick(f, f->nr_odd)];
		check_batch(f, va, 2 * NR_LANES);
	}
	for (unsigned i = 0; i < f->nr_odd; i++) {
		for (unsigned j = 0; j < NR_LANES; j++)
			va[j] = f->odd[i] & ~(uint64_t)j;
		check_batch(f, va, NR_LANES);
	}
}

static void check_mm(struct fixture *f)
{
	check_plain(f);
	check_odd(f);
}

/* Foreign tables are little-endian, the owner's are not everywhere. */
static void check_attached(struct fixture *f, uint32_t set)
{
	struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.phys = &f->memory.phys,
		.root = pgw_mm_root(f->owned),
		.region = f->region->kind,
		.control = { .known = set, .set = set },
	};

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return;
	CHECK_EQUAL(pgw_mm_attach(&args, &f->mm), 0);
	check_mm(f);
	pgw_mm_free(f->mm);
	f->mm = f->owned;
}

static void check_format(const struct pgw_format *format, const struct pgw_region *region,
			 uint32_t features, uint64_t seed)
{
	static struct fixture f;
	struct pgw_mm_new_args args = { .format = format, .region = region->kind };

	memset(&f, 0, sizeof(f));
	arena_init(&f.arena, 16 << 20);
	f.arena.platform.cpu_features = features;
	f.format = format;
	f.geo = pgw_format_geometry(format);
	f.random = seed;
	f.region = region;
	args.platform = &f.arena.platform;
	CHECK_EQUAL(pgw_mm_new(&args, &f.owned), 0);
	f.mm = f.owned;
	CHECK_EQUAL(pgw_mmap_write_lock(f.owned), 0);
	map_all(&f);
	check_mm(&f);
	check_attached(&f, 0);
	restrict_table(&f, f.last);
	check_mm(&f);
	check_attached(&f, 0);
	check_attached(&f, PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1);
	/* Some pages have other rights. */
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t page = plain_address(&f) & ~(page_size(&f) - 1);

		CHECK_EQUAL(pgw_mm_protect(f.owned, page, page + page_size(&f) - 1,
					   test_region_rights(region, PGW_KERNEL_R | PGW_USER_R)),
			    0);
	}
	check_mm(&f);
	check_attached(&f, 0);
	CHECK_EQUAL(pgw_mmap_write_unlock(f.owned), 0);
	pgw_mm_free(f.owned);
	CHECK_EQUAL(f.arena.nr_violations, 0);
	arena_fini(&f.arena);
}

static void check_formats(uint32_t features)
{
	const struct pgw_region *region;
	const struct pgw_format *format;
	uint64_t seed = test_seed();

	for (size_t i = 0; (region = test_owned_region(i, &format)) != NULL; i++)
		check_format(format, region, features, seed + i);
}

static void test_translate_batch__vectors_say_what_each_address_means(void)
{
	check_formats(test_vector_features());
}

static void test_translate_batch__plain_c_says_what_each_address_means(void)
{
	check_formats(0);
}

int main(void)
{
	static const struct tap_case cases[] = {
		TAP_CASE(test_translate_batch__vectors_say_what_each_address_means),
		TAP_CASE(test_translate_batch__plain_c_says_what_each_address_means),
	};

	return tap_run(cases, PGW_ARRAY_SIZE(cases));
}
