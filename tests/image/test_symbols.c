/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of kernels: real ones, against what their own /proc/kallsyms said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/symbols.h>

#include "common/shared_images.h"
#include "image/console.h"
#include "image/mkkallsyms.h"

struct known_kernel {
	const char *name;
	enum pgw_symbols_source source;
	enum pgw_symbols_layout layout;
	size_t nr_kernel;
};

static const struct known_kernel kernels[] = {
	{ "linux-6.1-amd64", PGW_SYMBOLS_VMCOREINFO, PGW_SYMBOLS_BASE_PERCPU, 94101 },
	{ "linux-7.2-amd64", PGW_SYMBOLS_VMCOREINFO, PGW_SYMBOLS_PLACE_RELATIVE, 199097 },
	{ "linux-7.2-arm64", PGW_SYMBOLS_MEMORY, PGW_SYMBOLS_PLACE_RELATIVE, 209893 },
};

static struct pgw_image *open_shared(const char *name, const struct pgw_image_options *opts)
{
	char file[128];
	struct pgw_image *image;
	const char *path;

	snprintf(file, sizeof(file), "linux/%s.elf", name);
	path = shared_image(file);
	if (!path)
		return NULL;
	assert_int_equal(pgw_image_open(path, opts, &image, NULL), 0);
	return image;
}

static void check_line(const char *line, const struct pgw_symbol *symbol)
{
	char text[1200];

	snprintf(text, sizeof(text), "%016" PRIx64 " %c %s", symbol->va, symbol->letter,
		 symbol->name);
	assert_string_equal(line, text);
}

static void check_kernel(const struct known_kernel *known)
{
	struct pgw_image *image = open_shared(known->name, NULL);
	const struct pgw_symbols *symbols;
	const struct pgw_symbols_info *info;
	struct pgw_error err = { 0 };
	struct pgw_symbol symbol;
	struct console console;
	const char *line;
	size_t nr = 0;

	if (!image)
		skip();
	assert_int_equal(pgw_image_symbols(image, &symbols, &err), 0);
	info = pgw_symbols_get_info(symbols);
	assert_int_equal(info->nr_symbols, known->nr_kernel);
	assert_int_equal(info->source, known->source);
	assert_int_equal(info->layout, known->layout);
	assert_true(console_open(&console, known->name, "/proc/kallsyms"));
	while ((line = console_line(&console)) && nr < info->nr_symbols) {
		assert_true(pgw_symbols_get(symbols, nr++, &symbol));
		check_line(line, &symbol);
	}
	assert_int_equal(nr, known->nr_kernel);
	console_close(&console);
	pgw_image_close(image);
}

static void test_shared__linux_6_1_amd64(void **state)
{
	(void)state;
	check_kernel(&kernels[0]);
}

static void test_shared__linux_7_2_amd64(void **state)
{
	(void)state;
	check_kernel(&kernels[1]);
}

static void test_shared__linux_7_2_arm64(void **state)
{
	(void)state;
	check_kernel(&kernels[2]);
}

/* Its kallsyms have functions alone: data that VMCOREINFO names is where the exports have it. */
static void test_shared__arm64_6_1_has_names_of_what_it_exports(void **state)
{
	const char *path = shared_image("arm64-4k-48-debian.elf");
	const struct pgw_symbols *symbols;
	const struct pgw_kernel *list;
	struct pgw_symbol symbol;
	struct pgw_image *image;
	uint64_t va, offset;
	size_t nr;

	(void)state;
	if (!path)
		skip();
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_symbols(image, &symbols, NULL), 0);
	assert_true(pgw_symbols_get_info(symbols)->lacks_data);
	assert_true(pgw_symbols_get_info(symbols)->nr_exported > 500);
	assert_int_equal(pgw_image_kernels(image, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_non_null(list[0].vmcoreinfo);
	assert_true(pgw_vmcoreinfo_symbol(list[0].vmcoreinfo, "init_uts_ns", &va));
	assert_true(pgw_symbols_find(symbols, "init_uts_ns", &symbol));
	assert_int_equal(symbol.va, va);
	/* They are in no list, and name no addresses. */
	assert_false(pgw_symbols_at(symbols, va, &symbol, &offset) &&
		     strcmp(symbol.name, "init_uts_ns") == 0);
	for (size_t i = 0; pgw_symbols_get(symbols, i, &symbol); i++)
		assert_string_not_equal(symbol.name, "init_uts_ns");
	pgw_image_close(image);
}

static const enum pgw_symbols_layout made_layouts[_MKKALLSYMS_MAX] = {
	[MKKALLSYMS_ABSOLUTE] = PGW_SYMBOLS_ABSOLUTE,
	[MKKALLSYMS_BASE] = PGW_SYMBOLS_BASE_RELATIVE,
	[MKKALLSYMS_PERCPU_SEQS] = PGW_SYMBOLS_BASE_PERCPU,
	[MKKALLSYMS_PERCPU_LATE] = PGW_SYMBOLS_BASE_PERCPU,
	[MKKALLSYMS_PLACE] = PGW_SYMBOLS_PLACE_RELATIVE,
};

/* A machine of 16 KiB pages with names. VMCOREINFO may say where they are. */
static void made_init(struct linux_machine *m, enum mkkallsyms_layout layout, bool has_text,
		      struct mkkallsyms *ret)
{
	char text[1024];

	linux_init(m, pgw_format_by_name("arm64-16k-47"), DESC_PXNTABLE | DESC_UXNTABLE);
	mkkallsyms_put(m, layout, ret);
	mkkallsyms_text(m, ret, text);
	if (!has_text)
		*strstr(text, "SYMBOL(kallsyms_names") = '\0';
	linux_note(m, text);
}

static void check_made(enum mkkallsyms_layout layout, bool has_text)
{
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;
	struct linux_machine m;
	struct mkkallsyms made;
	struct pgw_image *image;
	char name[256];
	uint64_t va;

	made_init(&m, layout, has_text, &made);
	image = linux_open(&m);
	assert_int_equal(pgw_image_symbols(image, &symbols, NULL), 0);
	assert_int_equal(pgw_symbols_get_info(symbols)->layout, made_layouts[layout]);
	assert_int_equal(pgw_symbols_get_info(symbols)->nr_symbols, MKKALLSYMS_NR);
	assert_int_equal(pgw_symbols_get_info(symbols)->table_va, made.names);
	for (unsigned i = 0; i < MKKALLSYMS_NR; i++) {
		char letter = mkkallsyms_symbol(&m, layout, i, name, &va);

		assert_true(pgw_symbols_get(symbols, i, &symbol));
		assert_string_equal(symbol.name, name);
		assert_int_equal(symbol.letter, letter);
		assert_int_equal(symbol.va, va);
		assert_int_equal(symbol.is_offset, letter == 'A');
	}
	assert_false(pgw_symbols_get(symbols, MKKALLSYMS_NR, &symbol));
	linux_fini(&m);
}

static void test_made__every_layout_is_read(void **state)
{
	(void)state;
	for (unsigned layout = 0; layout < _MKKALLSYMS_MAX; layout++) {
		check_made(layout, false);
		check_made(layout, true);
	}
}

/* The address of symbol number i is its own, and so are the 15 bytes behind it. */
static void test_made__names_and_addresses_are_found(void **state)
{
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;
	struct linux_machine m;
	struct mkkallsyms made;
	uint64_t offset;

	(void)state;
	made_init(&m, MKKALLSYMS_PERCPU_LATE, true, &made);
	assert_int_equal(pgw_image_symbols(linux_open(&m), &symbols, NULL), 0);
	assert_true(pgw_symbols_find(symbols, "fn_100_ops", &symbol));
	assert_int_equal(symbol.va, m.kernel_va + 1600);
	assert_true(pgw_symbols_at(symbols, m.kernel_va + 1615, &symbol, &offset));
	assert_string_equal(symbol.name, "fn_100_ops");
	assert_int_equal(offset, 15);
	assert_true(pgw_symbols_at(symbols, m.kernel_va + 1616, &symbol, &offset));
	assert_string_equal(symbol.name, "fn_101_ops");
	assert_int_equal(offset, 0);
	/* Of many with a name, the first. */
	assert_true(pgw_symbols_find(symbols, "same", &symbol));
	assert_int_equal(symbol.va, m.kernel_va + 16 * 21);
	assert_false(pgw_symbols_find(symbols, "fn_100", &symbol));
	assert_false(pgw_symbols_find(symbols, "", &symbol));
	/* The offset of a per-CPU variable is no address. */
	assert_true(pgw_symbols_find(symbols, "percpu_3", &symbol));
	assert_false(pgw_symbols_at(symbols, symbol.va, &symbol, &offset));
	assert_false(pgw_symbols_at(symbols, m.kernel_va, &symbol, &offset));
	assert_false(pgw_symbols_at(symbols, UINT64_MAX, &symbol, &offset));
	linux_fini(&m);
}

/* What is known of the kernel is elsewhere than any layout puts it. */
static void test_made__a_layout_that_proves_nothing_is_refused(void **state)
{
	const struct pgw_symbols *symbols;
	struct pgw_error err = { 0 };
	struct linux_machine m;
	struct mkkallsyms made;
	char text[1024], *stext;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-16k-47"), DESC_PXNTABLE | DESC_UXNTABLE);
	mkkallsyms_put(&m, MKKALLSYMS_BASE, &made);
	mkkallsyms_text(&m, &made, text);
	stext = strstr(text, "SYMBOL(_stext)=") + strlen("SYMBOL(_stext)=");
	stext[4] = stext[4] == '5' ? '6' : '5';
	linux_note(&m, text);
	assert_int_equal(pgw_image_symbols(linux_open(&m), &symbols, &err), -PGW_ENOENT);
	assert_non_null(err.expected);
	linux_fini(&m);
}

/* Whatever is in the tables, the answer comes soon, and it is names or a failure. */
static void test_made__damaged_tables_end_bounded(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		const struct pgw_symbols *symbols;
		struct pgw_symbol symbol;
		struct linux_machine m;
		struct mkkallsyms made;
		uint8_t *bytes;
		int status;

		made_init(&m, i % _MKKALLSYMS_MAX, i % 2, &made);
		bytes = m.ram + (LINUX_KERNEL * m.page + (made.first - m.kernel_va));
		for (unsigned hit = 0; hit < 1 + i % 8; hit++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			bytes[(seed >> 33) % (made.end - made.first)] = (uint8_t)(seed >> 24);
		}
		status = pgw_image_symbols(linux_open(&m), &symbols, NULL);
		assert_true(status == 0 || status == -PGW_ENOENT || status == -PGW_EIO);
		for (size_t j = 0; !status && pgw_symbols_get(symbols, j, &symbol); j++)
			assert_true(strlen(symbol.name) > 0);
		linux_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made__every_layout_is_read),
		cmocka_unit_test(test_made__names_and_addresses_are_found),
		cmocka_unit_test(test_made__a_layout_that_proves_nothing_is_refused),
		cmocka_unit_test(test_made__damaged_tables_end_bounded),
		cmocka_unit_test(test_shared__linux_6_1_amd64),
		cmocka_unit_test(test_shared__linux_7_2_amd64),
		cmocka_unit_test(test_shared__linux_7_2_arm64),
		cmocka_unit_test(test_shared__arm64_6_1_has_names_of_what_it_exports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
