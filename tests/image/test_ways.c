/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Translations of real machines' tables, by every way: one by one, by a cursor, in batches. Each must
 * say what pgw_translate_path() says, which goes down from the root and remembers nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/pagewalk.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/shared_images.h"
#include "common/ways.h"

#define MAX_ADDRESSES 3000
#define MAX_ROOTS 3
#define BATCH 50

struct asking {
	const char *name;
	bool is_data; /* tests/data has it */
	uint64_t random;
	uint64_t va[MAX_ADDRESSES];
	size_t nr, nr_leaves;
	uint64_t nr_extents;
};

static void add(struct asking *asking, const struct pgw_region *region, uint64_t va)
{
	if (asking->nr < MAX_ADDRESSES && va >= region->first && va <= region->last)
		asking->va[asking->nr++] = va;
}

/* Some pages of a run, and what lies beside it. */
static int add_extent(const struct pgw_extent *extent, void *arg)
{
	struct asking *asking = arg;
	struct pgw_region all = { .last = UINT64_MAX };
	uint64_t size = extent->va_last - extent->va_first;

	/* Rather a few of all parts of a large tree than all of its beginning. */
	if (asking->nr_extents++ > 500 && test_random(&asking->random) % 8)
		return 0;
	add(asking, &all, extent->va_first);
	add(asking, &all, extent->va_last);
	for (unsigned i = 0; i < 3 && size; i++)
		add(asking, &all, extent->va_first + test_random(&asking->random) % size);
	return asking->nr == MAX_ADDRESSES;
}

/* Addresses in ascending order, with some of nothing between and after them. */
static void find_addresses(struct asking *asking, struct pgw_mm *mm)
{
	const struct pgw_region *region = pgw_mm_region(mm);
	size_t nr;

	asking->nr = 0;
	asking->nr_extents = 0;
	/* Enough of them, or the budget of a tree with loops, ends it. */
	pgw_scan_extents(mm, region->first, region->last, add_extent, asking);
	nr = asking->nr;
	for (size_t i = 0; i < nr && i < 200; i++)
		add(asking, region,
		    asking->va[i] ^ UINT64_C(1) << test_random(&asking->random) % 48);
	add(asking, region, region->first);
	add(asking, region, region->last);
}

static void shuffle(struct asking *asking)
{
	for (size_t i = asking->nr; i > 1; i--) {
		size_t other = test_random(&asking->random) % i;
		uint64_t t = asking->va[i - 1];

		asking->va[i - 1] = asking->va[other];
		asking->va[other] = t;
	}
}

static void check_batches(const struct asking *asking, struct pgw_mm *mm)
{
	struct pgw_translation got[BATCH], want;
	struct pgw_path path;

	for (size_t at = 0; at < asking->nr; at += BATCH) {
		size_t n = asking->nr - at < BATCH ? asking->nr - at : BATCH;

		assert_int_equal(pgw_translate_batch(mm, asking->va + at, got, n), n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(pgw_translate_path(mm, asking->va[at + i], &want, &path),
					 0);
			assert_true(ways_same(&got[i], &want));
		}
	}
}

static void check_ways(struct asking *asking, struct pgw_mm *mm)
{
	struct pgw_translate_cursor cursor;

	assert_int_equal(pgw_translate_cursor_init(&cursor, mm), 0);
	for (size_t i = 0; i < asking->nr; i++) {
		struct pgw_translation at;

		if (!ways_agree(mm, &cursor, asking->va[i], &at))
			fail_msg("%s: %#llx", asking->name, (unsigned long long)asking->va[i]);
		asking->nr_leaves += at.kind == PGW_ENTRY_LEAF;
	}
	check_batches(asking, mm);
}

static void check_region(struct asking *asking, struct pgw_image *image,
			 const struct pgw_root_info *root, const struct pgw_region *region,
			 bool remembers)
{
	struct pgw_platform platform = *pgw_hosted_platform();
	const struct pgw_mm_attach_args args = {
		.platform = &platform,
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.region = region->kind,
		.control = root->control,
		.budget = 1 << 16,
	};
	struct pgw_mm *mm;

	platform.no_memo = !remembers;
	/* A root of few items may lack the region. */
	if (pgw_mm_attach(&args, &mm))
		return;
	find_addresses(asking, mm);
	check_ways(asking, mm);
	shuffle(asking);
	check_ways(asking, mm);
	pgw_mm_free(mm);
}

static void check_image(void **state)
{
	struct asking *asking = *state;
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	const char *path = asking->is_data ? data_image(asking->name) : shared_image(asking->name);
	size_t nr;

	if (!path)
		skip();
	asking->random = test_seed();
	asking->nr_leaves = 0;
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_roots(image, &roots, &nr), 0);
	for (size_t i = 0; i < nr && i < MAX_ROOTS; i++) {
		const struct pgw_region *region = pgw_format_regions(roots[i].format);

		for (; region->name; region++) {
			check_region(asking, image, &roots[i], region, true);
			check_region(asking, image, &roots[i], region, false);
		}
	}
	pgw_image_close(image);
	assert_true(asking->nr_leaves > 0);
}

int main(void)
{
	static const struct {
		const char *name;
		bool is_data;
	} images[] = {
		{ "x86_64-la48-pti.small.elf", true },
		{ "x86_64-la48-debian.elf", false },
		{ "x86_64-la48-pti.elf", false },
		{ "x86_64-la57-pti.elf", false },
		{ "arm64-16k-52-lpa2-debian.elf", false },
		{ "riscv64-sv57.elf", false },
		{ "arch/s390x-61.elf", false },
		{ "arch/i386-nopae.elf", false },
		{ "arch/armhf-short.elf", false },
		{ "arch/ppc64-radix64k.elf", false },
		{ "arch/loong64.elf", false },
	};
	static struct asking asking[PGW_ARRAY_SIZE(images)];
	struct CMUnitTest tests[PGW_ARRAY_SIZE(images)];

	for (size_t i = 0; i < PGW_ARRAY_SIZE(images); i++) {
		asking[i].name = images[i].name;
		asking[i].is_data = images[i].is_data;
		tests[i] =
			(struct CMUnitTest){ images[i].name, check_image, NULL, NULL, &asking[i] };
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
