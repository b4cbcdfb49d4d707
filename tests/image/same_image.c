/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "image/same_image.h"

#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>

#define PIECE ((size_t)24 << 10) /* no whole number of large pages */

static void same_bytes(struct pgw_image *a, struct pgw_image *b, uint64_t pa, uint64_t last)
{
	static uint8_t bytes[2][PIECE];

	for (;;) {
		size_t n = last - pa < PIECE ? (size_t)(last - pa) + 1 : PIECE;

		assert_int_equal(pgw_phys_read(pgw_image_phys(a), pa, bytes[0], n), 0);
		assert_int_equal(pgw_phys_read(pgw_image_phys(b), pa, bytes[1], n), 0);
		assert_memory_equal(bytes[0], bytes[1], n);
		if (last - pa < n)
			return;
		pa += n;
	}
}

void same_memory(struct pgw_image *a, struct pgw_image *b)
{
	const struct pgw_phys *of_a = pgw_image_phys(a), *of_b = pgw_image_phys(b);
	uint64_t pa = 0, first[2], last[2];
	uint8_t byte;

	while (of_a->ops->next_range(of_a, pa, &first[0], &last[0])) {
		assert_true(of_b->ops->next_range(of_b, pa, &first[1], &last[1]));
		assert_int_equal(first[0], first[1]);
		assert_int_equal(last[0], last[1]);
		same_bytes(a, b, first[0], last[0]);
		assert_int_equal(pgw_phys_read(of_b, last[0] + 1, &byte, 1), -PGW_EIO);
		pa = last[0] + 1;
	}
	assert_false(of_b->ops->next_range(of_b, pa, &first[1], &last[1]));
}

static int add_extent(const struct pgw_extent *extent, void *arg)
{
	const uint64_t words[] = { extent->va_first, extent->va_last, extent->pa, extent->kind,
				   extent->leaf_lg2 };
	struct leaves *leaves = arg;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		leaves->hash = (leaves->hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		leaves->hash ^= leaves->hash >> 29;
	}
	leaves->nr++;
	return 0;
}

struct leaves leaves_of(struct pgw_image *image, const struct pgw_root_info *root)
{
	struct leaves leaves = { 0, 0 };

	for (enum pgw_region_kind kind = 0; kind < _PGW_REGION_MAX; kind++) {
		struct pgw_mm_attach_args args = {
			.platform = pgw_hosted_platform(),
			.format = root->format,
			.phys = pgw_image_phys(image),
			.root = root->root,
			.region = kind,
			.control = root->control,
		};
		uint64_t first, last;
		struct pgw_mm *mm;

		pgw_format_region_range(root->format, kind, &first, &last);
		if (first > last || pgw_mm_attach(&args, &mm))
			continue;
		assert_int_equal(pgw_scan_extents(mm, first, last, add_extent, &leaves), 0);
		pgw_mm_free(mm);
	}
	return leaves;
}

void same_image(struct pgw_image *a, struct pgw_image *b)
{
	const struct pgw_root_info *roots[2];
	size_t nr[2];

	same_memory(a, b);
	assert_int_equal(pgw_image_roots(a, &roots[0], &nr[0]), 0);
	assert_int_equal(pgw_image_roots(b, &roots[1], &nr[1]), 0);
	assert_int_equal(nr[0], nr[1]);
	for (size_t i = 0; i < nr[0]; i++) {
		struct leaves leaves[2] = { leaves_of(a, &roots[0][i]),
					    leaves_of(b, &roots[1][i]) };

		assert_int_equal(roots[0][i].root.pa, roots[1][i].root.pa);
		assert_ptr_equal(roots[0][i].format, roots[1][i].format);
		assert_int_equal(roots[0][i].state, roots[1][i].state);
		assert_int_equal(roots[0][i].proof, roots[1][i].proof);
		assert_int_equal(leaves[0].nr, leaves[1].nr);
		assert_int_equal(leaves[0].hash, leaves[1].hash);
	}
}
