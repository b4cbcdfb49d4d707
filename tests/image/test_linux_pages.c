/* SPDX-License-Identifier: BSD-2-Clause */
/* What kernels keep of frames, against their own /proc/kpageflags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/linux_pages.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/shared_images.h"
#include "image/console.h"
#include "image/overlay.h"
#include "system/system_priv.h"

/* include/uapi/linux/kernel-page-flags.h */
#define KPF_HEAD 15
#define KPF_TAIL 16
#define KPF_TABLE 26
#define KPF_ANON 12

static const char *const guests[] = { "linux-6.1-amd64", "linux-7.2-amd64", "linux-7.2-arm64" };

/* How many frames there are of a kind, and of how many the console says something else. */
struct agreement {
	uint64_t nr, differ;
};

struct compared {
	struct agreement tables, heads, tails, anon;
	uint64_t nr;
};

static void agree(struct agreement *to, bool ours, bool theirs)
{
	to->nr += theirs;
	to->differ += ours != theirs;
}

static bool is_type(const struct pgw_page *page, const char *type)
{
	return page->type && strcmp(page->type, type) == 0;
}

static void compare_frame(struct pgw_pages *pages, uint64_t pfn, uint64_t word,
			  struct compared *ret)
{
	struct pgw_page page;

	/* KPF_NOPAGE: there is no struct page, or none of memory. */
	if (word >> 20 & 1)
		return;
	ret->nr++;
	if (pgw_page_get(pages, pfn * pgw_pages_size(pages), &page)) {
		assert_int_equal(word, 0);
		return;
	}
	agree(&ret->tables, is_type(&page, "table") && !page.is_tail, word >> KPF_TABLE & 1);
	agree(&ret->heads, page.is_head, word >> KPF_HEAD & 1);
	agree(&ret->tails, page.is_tail, word >> KPF_TAIL & 1);
	agree(&ret->anon, page.mapping == PGW_PAGE_ANON || page.mapping == PGW_PAGE_KSM,
	      word >> KPF_ANON & 1);
}

static struct compared compare(const char *name, struct pgw_pages *pages)
{
	struct compared compared = { 0 };
	struct console console;
	const char *line;

	assert_true(console_open(&console, name, "/proc/kpageflags runs: firstpfn count flags"));
	/* The section does not end with the words that it begins with. */
	while ((line = console_line(&console)) && strncmp(line, "END ", 4) != 0) {
		uint64_t pfn, nr, word;

		assert_int_equal(sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &pfn, &nr, &word),
				 3);
		for (uint64_t i = 0; i < nr; i++)
			compare_frame(pages, pfn + i, word, &compared);
	}
	console_close(&console);
	return compared;
}

static void test_pages__are_those_of_the_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct pgw_image *image = console_image(guests[i]);
		struct pgw_pages *pages;
		struct compared c;

		assert_int_equal(pgw_pages_open(image, &pages, NULL), 0);
		c = compare(guests[i], pages);
		assert_true(c.nr > 30000 && c.tables.nr > 100 && c.tails.nr > 2000);
		assert_int_equal(c.tables.differ, 0);
		assert_int_equal(c.heads.differ, 0);
		assert_int_equal(c.tails.differ, 0);
		assert_int_equal(c.anon.differ, 0);
		pgw_pages_close(pages);
		pgw_image_close(image);
	}
}

/* Flags have the names of the kernel's own enum; those that tell processes' pages are common. */
static void test_pages__flags_have_names(void **state)
{
	unsigned nr_known = 0;

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct pgw_image *image = console_image(guests[i]);
		struct pgw_pages *pages;

		assert_int_equal(pgw_pages_open(image, &pages, NULL), 0);
		assert_string_equal(pgw_page_flag(pages, 0), "locked");
		assert_null(pgw_page_flag(pages, 63));
		assert_null(pgw_page_flag(pages, 64));
		for (unsigned bit = 0; bit < 64; bit++) {
			const char *name = pgw_page_flag(pages, bit);

			nr_known += name && (strcmp(name, "dirty") == 0 ||
					     strcmp(name, "lru") == 0 || strcmp(name, "head") == 0);
		}
		pgw_pages_close(pages);
		pgw_image_close(image);
	}
	assert_int_equal(nr_known, 3 * PGW_ARRAY_SIZE(guests));
}

/* Whatever the memory holds, a frame has an answer or none. */
static void test_pages__words_mixed_up_end_bounded(void **state)
{
	uint64_t seed = test_seed();
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct pgw_image *image = console_image("linux-7.2-amd64");
	struct pgw_pages *pages;
	struct pgw_page page;

	(void)state;
	assert_int_equal(pgw_pages_open(image, &pages, NULL), 0);
	pgw_pages_close(pages);
	overlay_init(overlay, &image->phys);
	for (unsigned i = 0; i < 20; i++) {
		overlay->seed = test_random(&seed) | 1;
		if (pgw_pages_open(image, &pages, NULL))
			continue;
		for (uint64_t pa = 0; pa < UINT64_C(1) << 28; pa += 37 * pgw_pages_size(pages)) {
			if (pgw_page_get(pages, pa, &page) == 0)
				assert_true(page.head_pa <= page.pa && page.pa == pa);
		}
		assert_int_not_equal(pgw_page_get(pages, UINT64_MAX, &page), 0);
		pgw_pages_close(pages);
	}
	image->phys = overlay->inner;
	pgw_image_close(image);
	free(overlay);
}

/* Some frames of all kinds: heads, tails, tables, and addresses without a struct page. */
static void look_at_some(struct pgw_pages *pages)
{
	struct pgw_page page;

	for (uint64_t pa = 0; pa < UINT64_C(1) << 28; pa += 1009 * pgw_pages_size(pages)) {
		if (pgw_page_get(pages, pa, &page) == 0)
			assert_true(page.head_pa <= page.pa && page.pa == pa);
	}
}

/* Each read that fails, or gives other bytes: the first ones, and fewer the more there are. */
static void one_read_goes_wrong(struct pgw_image *image, struct overlay *overlay,
				enum pgw_phys_fault_kind kind)
{
	uint64_t total = 1;

	for (uint64_t n = 0; n < total; n += 1 + n / 16) {
		struct pgw_pages *pages;
		struct pgw_error err;
		int status;

		pgw_phys_fault_init(&overlay->fault, &overlay->inner, kind, n);
		status = pgw_pages_open(image, &pages, &err);
		if (status) {
			assert_int_equal(err.status, status);
		} else {
			look_at_some(pages);
			pgw_pages_close(pages);
		}
		if (overlay->fault.nr_reads > total)
			total = overlay->fault.nr_reads;
	}
	assert_true(total > 100);
}

static void test_pages__any_read_goes_wrong(void **state)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct pgw_image *image = console_image("linux-7.2-amd64");
	struct pgw_pages *pages;

	(void)state;
	assert_int_equal(pgw_pages_open(image, &pages, NULL), 0);
	pgw_pages_close(pages);
	overlay_init(overlay, &image->phys);
	one_read_goes_wrong(image, overlay, PGW_FAULT_FAIL);
	one_read_goes_wrong(image, overlay, PGW_FAULT_CORRUPT);
	image->phys = overlay->inner;
	pgw_image_close(image);
	free(overlay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages__are_those_of_the_guests),
		cmocka_unit_test(test_pages__flags_have_names),
		cmocka_unit_test(test_pages__words_mixed_up_end_bounded),
		cmocka_unit_test(test_pages__any_read_goes_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
