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

/* A line of /proc/kallsyms is the symbol, with the name of its module behind a tab. */
static void check_line(const char *line, const struct pgw_symbol *symbol)
{
	char text[1200];

	snprintf(text, sizeof(text), "%016" PRIx64 " %c %s%s%s%s", symbol->va, symbol->letter,
		 symbol->name, symbol->module ? "\t[" : "", symbol->module ? symbol->module : "",
		 symbol->module ? "]" : "");
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
	assert_int_equal(info->nr_kernel, known->nr_kernel);
	assert_int_equal(info->source, known->source);
	assert_int_equal(info->layout, known->layout);
	assert_true(console_open(&console, known->name, "/proc/kallsyms"));
	while ((line = console_line(&console)) && nr < info->nr_kernel) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared__linux_6_1_amd64),
		cmocka_unit_test(test_shared__linux_7_2_amd64),
		cmocka_unit_test(test_shared__linux_7_2_arm64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
