/* SPDX-License-Identifier: BSD-2-Clause */
/* What kernels use their addresses for, against what they said of it themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/linux_layout.h>
#include <pagewalk/symbols.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/shared_images.h"
#include "image/console.h"
#include "image/overlay.h"
#include "system/system_priv.h"

static const char *const guests[] = { "linux-6.1-amd64", "linux-7.2-amd64", "linux-7.2-arm64" };

static bool is_area(const struct pgw_layout_range *range)
{
	return range->source == PGW_LAYOUT_VMALLOC && strcmp(range->name, "lazy") != 0;
}

/* "0xffffd28980510000-0xffffd28980515000   20480 kernel_clone+0xe9/0x510 pages=4 vmalloc N0=4" */
static void check_line(const struct pgw_layout *layout, const char *line)
{
	uint64_t start, end, size;
	char caller[256];
	unsigned found = 0;
	size_t nr;
	const struct pgw_layout_range *list = pgw_layout_list(layout, &nr);
	int fields = sscanf(line, "0x%" SCNx64 "-0x%" SCNx64 " %" SCNu64 " %255s", &start, &end,
			    &size, caller);

	assert_true(fields >= 3);
	if (fields == 4)
		caller[strcspn(caller, "/")] = '\0';
	for (size_t i = 0; i < nr; i++) {
		if (!is_area(&list[i]) || list[i].first != start || list[i].last != end - 1)
			continue;
		found++;
		if (fields == 4 && strchr(caller, '+'))
			assert_string_equal(list[i].detail, caller);
	}
	if (found != 1)
		print_message("%s\n", line);
	assert_int_equal(found, 1);
}

static void check_vmalloc(const char *name, const struct pgw_layout *layout)
{
	struct console console;
	size_t nr, nr_areas = 0, nr_lines = 0;
	const struct pgw_layout_range *list = pgw_layout_list(layout, &nr);
	const char *line;

	assert_true(console_open(&console, name, "/proc/vmallocinfo"));
	while ((line = console_line(&console))) {
		if (strstr(line, "unpurged vm_area"))
			continue;
		nr_lines++;
		check_line(layout, line);
	}
	console_close(&console);
	for (size_t i = 0; i < nr; i++)
		nr_areas += is_area(&list[i]);
	assert_int_equal(nr_areas, nr_lines);
}

/* Each range is where it says that it is, and in the one that is told. */
static void check_order(const struct pgw_layout *layout)
{
	size_t nr;
	const struct pgw_layout_range *list = pgw_layout_list(layout, &nr);

	assert_true(nr > 0);
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_layout_range *outer = pgw_layout_outer(layout, &list[i]);
		const struct pgw_layout_range *at = pgw_layout_at(layout, list[i].first);

		assert_true(list[i].first <= list[i].last);
		assert_int_equal(list[i].depth, outer ? outer->depth + 1 : 0);
		if (outer)
			assert_true(outer->first <= list[i].first && outer->last >= list[i].last);
		assert_non_null(at);
		assert_true(at->first <= list[i].first && at->last >= list[i].first);
		if (i)
			assert_true(list[i - 1].first <= list[i].first);
	}
	assert_null(pgw_layout_at(layout, 0x1000));
}

static const char *use_of(struct pgw_image *image, const struct pgw_layout *layout,
			  const char *name)
{
	const struct pgw_layout_range *range;
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;

	assert_int_equal(pgw_image_symbols(image, &symbols, NULL), 0);
	assert_true(pgw_symbols_find(symbols, name, &symbol));
	range = pgw_layout_at(layout, symbol.va);
	return range ? range->name : "none";
}

static void test_layout__is_that_of_the_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct pgw_image *image = console_image(guests[i]);
		const struct pgw_layout_met *met;
		struct pgw_layout *layout;

		assert_int_equal(pgw_layout_open(image, &layout, NULL), 0);
		met = pgw_layout_get_met(layout);
		assert_int_equal(met->nr_torn + met->nr_unreadable + met->truncated, 0);
		assert_true(!met->no_modules && !met->no_symbols && !met->no_vmalloc);
		check_vmalloc(guests[i], layout);
		check_order(layout);
		assert_string_equal(use_of(image, layout, "vfs_read"), "text");
		assert_string_equal(use_of(image, layout, "linux_banner"), "rodata");
		assert_string_equal(use_of(image, layout, "init_task"), "data");
		pgw_layout_close(layout);
		pgw_image_close(image);
	}
}

/* Where the direct map, vmemmap and the CPUs' areas are; by the guests' own words and tables. */
static void test_layout__has_the_large_regions(void **state)
{
	static const struct {
		const char *name;
		uint64_t va;
		const char *use;
	} places[] = {
		{ "linux-6.1-amd64", 0xffff895009900000, "percpu" },
		{ "linux-6.1-amd64", 0xffff895000001000, "direct-map" },
		{ "linux-6.1-amd64", 0xffffffffc0540000, "module" },
		{ "linux-6.1-amd64", 0xffffffffd0000000, "modules" },
		{ "linux-6.1-amd64", 0xfffffe0000001000, "cpu-entry-area" },
		{ "linux-7.2-arm64", 0xffff000000001000, "direct-map" },
		{ "linux-7.2-arm64", 0xfffffdffc0000000, "vmemmap" },
		{ "linux-7.2-arm64", 0xffff800000000000, "modules" },
		{ "linux-7.2-arm64", 0xffffb24a554c2000, "module" },
	};
	struct pgw_layout *layout = NULL;
	struct pgw_image *image = NULL;

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(places); i++) {
		const struct pgw_layout_range *range;

		if (!i || strcmp(places[i].name, places[i - 1].name) != 0) {
			pgw_layout_close(layout);
			pgw_image_close(image);
			layout = NULL;
			image = NULL;
			image = console_image(places[i].name);
			assert_int_equal(pgw_layout_open(image, &layout, NULL), 0);
		}
		range = pgw_layout_at(layout, places[i].va);
		if (!range)
			print_message("0x%" PRIx64 "\n", places[i].va);
		assert_non_null(range);
		assert_string_equal(range->name, places[i].use);
	}
	pgw_layout_close(layout);
	pgw_image_close(image);
}

/* Without names and types, what is documented is there, and the rest is said to be missing. */
static void test_layout__of_an_image_without_names(void **state)
{
	const char *root = getenv("PGW_SOURCE_ROOT");
	const struct pgw_layout_met *met;
	struct pgw_layout *layout;
	struct pgw_image *image;
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/data/x86_64-la48-pti.small.elf", root ? root : ".");
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	assert_int_equal(pgw_layout_open(image, &layout, NULL), 0);
	met = pgw_layout_get_met(layout);
	assert_true(met->no_modules && met->no_symbols && met->no_vmalloc);
	assert_string_equal(pgw_layout_at(layout, 0xffffff0000000000)->name, "espfix");
	assert_string_equal(pgw_layout_at(layout, 0xffffffff81000000)->name, "kernel-map");
	check_order(layout);
	pgw_layout_close(layout);
	pgw_image_close(image);
}

static void test_layout__words_mixed_up_end_bounded(void **state)
{
	uint64_t seed = test_seed();
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct pgw_image *image = console_image("linux-7.2-amd64");
	struct pgw_layout *layout;

	(void)state;
	assert_int_equal(pgw_layout_open(image, &layout, NULL), 0);
	pgw_layout_close(layout);
	overlay_init(overlay, &image->phys);
	for (unsigned i = 0; i < 50; i++) {
		overlay->seed = test_random(&seed) | 1;
		if (pgw_layout_open(image, &layout, NULL) == 0) {
			check_order(layout);
			pgw_layout_close(layout);
		}
	}
	image->phys = overlay->inner;
	pgw_image_close(image);
	free(overlay);
}

/* Each read that fails, or gives other bytes: the first ones, and fewer the more there are. */
static void one_read_goes_wrong(struct pgw_image *image, struct overlay *overlay,
				enum pgw_phys_fault_kind kind)
{
	uint64_t total = 1;

	for (uint64_t n = 0; n < total; n += 1 + n / 16) {
		struct pgw_layout *layout;
		struct pgw_error err;
		int status;

		pgw_phys_fault_init(&overlay->fault, &overlay->inner, kind, n);
		status = pgw_layout_open(image, &layout, &err);
		if (overlay->fault.nr_reads > total)
			total = overlay->fault.nr_reads;
		if (status) {
			assert_int_equal(err.status, status);
			continue;
		}
		check_order(layout);
		pgw_layout_close(layout);
	}
	assert_true(total > 1000);
}

static void test_layout__any_read_goes_wrong(void **state)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct pgw_image *image = console_image("linux-6.1-amd64");
	struct pgw_layout *layout;

	(void)state;
	assert_int_equal(pgw_layout_open(image, &layout, NULL), 0);
	pgw_layout_close(layout);
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
		cmocka_unit_test(test_layout__is_that_of_the_guests),
		cmocka_unit_test(test_layout__has_the_large_regions),
		cmocka_unit_test(test_layout__of_an_image_without_names),
		cmocka_unit_test(test_layout__words_mixed_up_end_bounded),
		cmocka_unit_test(test_layout__any_read_goes_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
