/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules of real guests, against what those printed of them, and with memory that is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/linux_modules.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/shared_images.h"
#include "image/console.h"
#include "image/overlay.h"
#include "system/linux/modules.h"
#include "system/system_priv.h"

struct guest {
	const char *name;
	size_t nr_modules, nr_symbols;
};

static const struct guest guests[] = {
	{ "linux-6.1-amd64", 4, 449 },
	{ "linux-7.2-amd64", 4, 500 },
	{ "linux-7.2-arm64", 3, 495 },
};

/* "x_tables 61440 1 xt_tcpudp, Live 0xffffffffc0554000" */
static void proc_line(const struct pgw_module *module, char *text, size_t size)
{
	int len = snprintf(text, size, "%s %" PRIu64 " %" PRId64 " ", module->name, module->size,
			   module->refcount);

	for (size_t i = 0; i < module->nr_users; i++)
		len += snprintf(text + len, size - (size_t)len, "%s,", module->users[i]->name);
	snprintf(text + len, size - (size_t)len, "%s Live 0x%016" PRIx64,
		 module->nr_users ? "" : "-", module->base);
}

static void check_list(const struct guest *guest, const struct pgw_modules *modules)
{
	const struct pgw_modules_met *met = pgw_modules_get_met(modules);
	struct console console;
	size_t nr, nr_symbols = 0;
	const struct pgw_module *list = pgw_modules_list(modules, &nr);
	char text[1024];

	assert_int_equal(nr, guest->nr_modules);
	assert_int_equal(met->nr_torn + met->nr_unreadable + met->truncated, 0);
	assert_true(console_open(&console, guest->name, "/proc/modules"));
	for (size_t i = 0; i < nr; i++) {
		proc_line(&list[i], text, sizeof(text));
		assert_string_equal(console_line(&console), text);
		nr_symbols += list[i].nr_symbols;
	}
	console_close(&console);
	assert_int_equal(nr_symbols, guest->nr_symbols);
}

/* "SECTION dummy .text 0xffffffffc054b000", in the order of a folder. */
static void check_sections(const struct guest *guest, const struct pgw_modules *modules)
{
	struct console console;
	size_t nr, nr_sections = 0, nr_lines = 0;
	const struct pgw_module *list = pgw_modules_list(modules, &nr);
	const char *line;

	for (size_t i = 0; i < nr; i++)
		nr_sections += list[i].nr_sections;
	assert_true(console_open(&console, guest->name, "sections"));
	while ((line = console_line(&console))) {
		char module[64], section[256];
		unsigned found = 0;
		uint64_t va;

		assert_int_equal(
			sscanf(line, "SECTION %63s %255s 0x%" SCNx64, module, section, &va), 3);
		nr_lines++;
		for (size_t i = 0; i < nr; i++) {
			for (size_t j = 0; j < list[i].nr_sections; j++)
				found += strcmp(list[i].name, module) == 0 &&
					 strcmp(list[i].sections[j].name, section) == 0 &&
					 list[i].sections[j].va == va;
		}
		assert_int_equal(found, 1);
	}
	console_close(&console);
	assert_int_equal(nr_lines, nr_sections);
}

/* Each symbol in a part of its module is found by its address. */
static void check_at(const struct pgw_modules *modules)
{
	size_t nr;
	const struct pgw_module *list = pgw_modules_list(modules, &nr);
	struct pgw_symbol symbol;
	uint64_t offset;

	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < list[i].nr_symbols; j++) {
			uint64_t va = list[i].symbols[j].va;
			const struct pgw_module *at = pgw_modules_at(modules, va, &symbol, &offset);

			/* What is freed, or a per-CPU offset, is in no part. */
			assert_true(!at || (at == &list[i] && symbol.va == va && !offset));
		}
		assert_ptr_equal(pgw_modules_at(modules, list[i].base, NULL, NULL), &list[i]);
	}
	assert_null(pgw_modules_at(modules, 0, &symbol, &offset));
	assert_null(pgw_modules_at(modules, UINT64_MAX, &symbol, &offset));
}

static void test_modules__are_those_of_the_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct pgw_image *image = console_image(guests[i].name);
		struct pgw_modules *modules;

		assert_int_equal(pgw_modules_open(image, &modules, NULL), 0);
		check_list(&guests[i], modules);
		check_sections(&guests[i], modules);
		check_at(modules);
		pgw_modules_close(modules);
		pgw_image_close(image);
	}
}

/* Whatever is told ends, and points to what is there. */
static void use(const struct pgw_modules *modules)
{
	size_t nr, sum = 0;
	const struct pgw_module *list = pgw_modules_list(modules, &nr);

	for (size_t i = 0; i < nr; i++) {
		assert_in_range(strlen(list[i].name), 0, PGW_MODULE_NAME - 1);
		for (size_t j = 0; j < list[i].nr_sections; j++)
			sum += strlen(list[i].sections[j].name);
		for (size_t j = 0; j < list[i].nr_symbols; j++)
			sum += strlen(list[i].symbols[j].name);
		for (size_t j = 0; j < list[i].nr_users; j++)
			sum += strlen(list[i].users[j]->name);
		for (unsigned j = 0; j < list[i].nr_parts; j++)
			assert_true(list[i].parts[j].first <= list[i].parts[j].last);
	}
	assert_true(sum < SIZE_MAX);
}

/* An image whose symbols and types are known, with memory that can be changed under it. */
static struct pgw_image *open_changed(const char *name, struct overlay *overlay)
{
	struct pgw_image *image = console_image(name);
	struct pgw_modules *modules;

	assert_int_equal(pgw_modules_open(image, &modules, NULL), 0);
	pgw_modules_close(modules);
	*overlay = (struct overlay){ 0 };
	overlay_init(overlay, &image->phys);
	return image;
}

static void close_changed(struct pgw_image *image, struct overlay *overlay)
{
	image->phys = overlay->inner;
	pgw_image_close(image);
}

static void test_modules__words_mixed_up_end_bounded(void **state)
{
	uint64_t seed = test_seed();
	struct overlay *overlay = malloc(sizeof(*overlay));
	struct pgw_image *image = open_changed("linux-7.2-amd64", overlay);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct pgw_modules *modules;
		struct pgw_error err;

		overlay->seed = test_random(&seed) | 1;
		if (pgw_modules_open(image, &modules, &err) == 0) {
			use(modules);
			pgw_modules_close(modules);
		}
	}
	close_changed(image, overlay);
	free(overlay);
}

/* Each read that fails, or gives other bytes: the first ones, and fewer the more there are. */
static void one_read_goes_wrong(struct pgw_image *image, struct overlay *overlay,
				enum pgw_phys_fault_kind kind)
{
	uint64_t total = 1;

	for (uint64_t n = 0; n < total; n += 1 + n / 16) {
		struct pgw_modules *modules;
		struct pgw_error err;
		int status;

		pgw_phys_fault_init(&overlay->fault, &overlay->inner, kind, n);
		status = pgw_modules_open(image, &modules, &err);
		if (overlay->fault.nr_reads > total)
			total = overlay->fault.nr_reads;
		if (status) {
			assert_int_equal(err.status, status);
			continue;
		}
		use(modules);
		pgw_modules_close(modules);
	}
	assert_true(total > 1000);
}

static void test_modules__any_read_goes_wrong(void **state)
{
	struct overlay *overlay = malloc(sizeof(*overlay));
	struct pgw_image *image = open_changed("linux-6.1-amd64", overlay);

	(void)state;
	one_read_goes_wrong(image, overlay, PGW_FAULT_FAIL);
	one_read_goes_wrong(image, overlay, PGW_FAULT_CORRUPT);
	close_changed(image, overlay);
	free(overlay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modules__are_those_of_the_guests),
		cmocka_unit_test(test_modules__words_mixed_up_end_bounded),
		cmocka_unit_test(test_modules__any_read_goes_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
