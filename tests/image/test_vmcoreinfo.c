/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCOREINFO: where it is found, what its lines mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "image/machine.h"

static struct pgw_vmcoreinfo text_of(const char *text)
{
	return (struct pgw_vmcoreinfo){ .text = text, .size = strlen(text) };
}

static void check_value(const struct pgw_vmcoreinfo *info, const char *key, const char *expected)
{
	const char *value;
	size_t size;

	if (!expected) {
		assert_false(pgw_vmcoreinfo_get(info, key, &value, &size));
		return;
	}
	assert_true(pgw_vmcoreinfo_get(info, key, &value, &size));
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(value, expected, size);
}

static void test_get__whole_keys_at_the_start_of_a_line(void **state)
{
	struct pgw_vmcoreinfo info = text_of("OSRELEASE=6.1.0\nSYMBOL(_stext)=ffff\nEMPTY=\n"
					     "A=B=C\nRELEASE=no\nA=second\nSYMBOL(x=1\nLAST=end");

	(void)state;
	check_value(&info, "OSRELEASE", "6.1.0");
	check_value(&info, "SYMBOL(_stext)", "ffff");
	check_value(&info, "EMPTY", "");
	check_value(&info, "A", "B=C");
	check_value(&info, "RELEASE", "no");
	check_value(&info, "LAST", "end");
	check_value(&info, "OSRELEAS", NULL);
	check_value(&info, "stext", NULL);
	check_value(&info, "SYMBOL", NULL);
	check_value(&info, "B", NULL);
	check_value(&info, "LAST=end", NULL);
	check_value(&info, "NOTHERE", NULL);
}

static void test_get__text_without_lines_has_no_keys(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n\n", "=", "K", "K\n=\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pgw_vmcoreinfo info = text_of(texts[i]);

		check_value(&info, "K", NULL);
	}
}

/* The text ends where its size says, also if a longer line would match. */
static void test_get__text_is_not_read_past_its_end(void **state)
{
	static const char whole[] = "KEY=value\nSYMBOL(a)=123";

	(void)state;
	for (size_t size = 0; size <= strlen(whole); size++) {
		char *exact = malloc(size ? size : 1);
		struct pgw_vmcoreinfo info = { .text = exact, .size = size };
		uint64_t number;

		memcpy(exact, whole, size);
		assert_int_equal(pgw_vmcoreinfo_symbol(&info, "a", &number), size >= 21);
		check_value(&info, "KEY",
			    size < 4    ? NULL
			    : size == 4 ? ""
			    : size == 5 ? "v"
			    : size >= 9 ? "value"
			    : size == 6 ? "va"
			    : size == 7 ? "val"
					: "valu");
		free(exact);
	}
}

static void test_symbol__hexadecimal_without_prefix(void **state)
{
	struct pgw_vmcoreinfo info =
		text_of("SYMBOL(a)=ffffffff8960a000\nSYMBOL(b)=0\nSYMBOL(c)=0x1\n"
			"SYMBOL(d)=\nSYMBOL(e)=10000000000000000\nSYMBOL(f)=-1\n"
			"SYMBOL(g)=12 \nSYMBOL(h)=FfFf\nSYMBOL(ab)=7\nNUMBER(n)=5\n"
			"SYMBOL(i)=ffffffffffffffff\n");
	uint64_t value = 1;

	(void)state;
	assert_true(pgw_vmcoreinfo_symbol(&info, "a", &value));
	assert_int_equal(value, UINT64_C(0xffffffff8960a000));
	assert_true(pgw_vmcoreinfo_symbol(&info, "b", &value));
	assert_int_equal(value, 0);
	assert_true(pgw_vmcoreinfo_symbol(&info, "h", &value));
	assert_int_equal(value, 0xffff);
	assert_true(pgw_vmcoreinfo_symbol(&info, "ab", &value));
	assert_int_equal(value, 7);
	assert_true(pgw_vmcoreinfo_symbol(&info, "i", &value));
	assert_int_equal(value, UINT64_MAX);
	value = 99;
	for (const char *name = "cdefgnx"; *name; name++)
		assert_false(pgw_vmcoreinfo_symbol(&info, (char[]){ *name, 0 }, &value));
	assert_int_equal(value, 99);
}

static void test_number__decimal_negative_or_prefixed(void **state)
{
	struct pgw_vmcoreinfo info = text_of(
		"NUMBER(a)=71303168\nNUMBER(b)=-161480704\nNUMBER(c)=0xffff800000000000\n"
		"NUMBER(d)=010\nNUMBER(e)=-9223372036854775808\nNUMBER(f)=-9223372036854775809\n"
		"NUMBER(g)=18446744073709551615\nNUMBER(h)=18446744073709551616\nNUMBER(i)=-\n"
		"NUMBER(j)=0x\nNUMBER(k)=12ab\nNUMBER(l)=\nNUMBER(m)=--1\nNUMBER(n)=-0x1\n");
	static const struct {
		const char *name;
		uint64_t value;
	} good[] = {
		{ "a", 71303168 },
		{ "b", (uint64_t)-161480704 },
		{ "c", UINT64_C(0xffff800000000000) },
		{ "d", 10 },
		{ "e", UINT64_C(0x8000000000000000) },
		{ "g", UINT64_MAX },
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(pgw_vmcoreinfo_number(&info, good[i].name, &value));
		assert_int_equal(value, good[i].value);
	}
	for (const char *name = "fhijklmn"; *name; name++)
		assert_false(pgw_vmcoreinfo_number(&info, (char[]){ *name, 0 }, &value));
}

static void check_texts(struct pgw_image *image, size_t nr, const struct pgw_vmcoreinfo **ret)
{
	size_t ret_nr;

	assert_int_equal(pgw_image_vmcoreinfo(image, ret, &ret_nr), 0);
	assert_int_equal(ret_nr, nr);
}

static void test_find__note_in_memory_is_found(void **state)
{
	const struct pgw_vmcoreinfo *texts, *again;
	struct machine machine;

	(void)state;
	machine_init(&machine, 4);
	check_texts(machine_open(&machine), 1, &texts);
	assert_int_equal(texts[0].source, PGW_VMCOREINFO_RAM);
	assert_int_equal(texts[0].pa, MACHINE_VMCOREINFO);
	assert_int_equal(texts[0].size, strlen(machine_text(&machine)));
	assert_memory_equal(texts[0].text, machine_text(&machine), texts[0].size);
	check_texts(machine.image, 1, &again);
	assert_ptr_equal(again, texts);
	assert_string_equal(pgw_image_get_info(machine.image)->writer, "unknown");
	machine_fini(&machine);
}

static void test_find__note_of_the_file_spares_the_search(void **state)
{
	static const char text[] = "OSRELEASE=first\n", second[] = "OSRELEASE=second\n";
	const struct pgw_vmcoreinfo *texts;
	struct machine machine;

	(void)state;
	machine_init(&machine, 4);
	mkelf_note(&machine.elf, "CORE", 1, text, 4);
	mkelf_note(&machine.elf, "VMCOREINFO", 0, text, strlen(text));
	mkelf_note(&machine.elf, "VMCOREINFO", 0, second, strlen(second));
	check_texts(machine_open(&machine), 2, &texts);
	assert_int_equal(texts[0].source, PGW_VMCOREINFO_NOTE);
	assert_int_equal(texts[0].offset, mkelf_notes_offset(&machine.elf) + 12 + 8 + 4 + 12 + 12);
	assert_memory_equal(machine.elf.file + texts[0].offset, text, strlen(text));
	check_value(&texts[0], "OSRELEASE", "first");
	check_value(&texts[1], "OSRELEASE", "second");
	assert_string_equal(pgw_image_get_info(machine.image)->writer, "kdump");
	assert_int_equal(pgw_image_get_info(machine.image)->nr_cpus, 1);
	machine_fini(&machine);
}

/* QEMU too writes the note, before or after those of the CPUs. */
static void test_find__note_beside_cpus_is_qemus(void **state)
{
	static const char text[] = "OSRELEASE=1\n";

	(void)state;
	for (int is_first = 0; is_first < 2; is_first++) {
		struct machine machine;

		machine_init(&machine, 4);
		if (is_first)
			mkelf_note(&machine.elf, "VMCOREINFO", 0, text, strlen(text));
		machine_cpu(&machine, MACHINE_SWAPPER);
		if (!is_first)
			mkelf_note(&machine.elf, "VMCOREINFO", 0, text, strlen(text));
		assert_string_equal(pgw_image_get_info(machine_open(&machine))->writer, "QEMU");
		machine_fini(&machine);
	}
}

static void test_find__what_only_looks_like_a_note_is_not_taken(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t value;
	} bends[] = {
		{ 0, 12 },          { 0, 10 },   { 4, 0 },           { 4, (128 << 10) + 1 },
		{ 4, UINT32_MAX },  { 8, 1 },    { 12, 0x4f434d57 }, { 20, 0x004f464f },
		{ 24, 0x0a0a0a0a }, { 24, '=' }, { 24, 0 },          { 4, 8 },
		{ 4, 0x7fff0 }, /* reaches past the end of memory */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
		const struct pgw_vmcoreinfo *texts;
		struct machine machine;

		machine_init(&machine, 4);
		memcpy(machine.ram + MACHINE_VMCOREINFO + bends[i].at, &bends[i].value, 4);
		check_texts(machine_open(&machine), 0, &texts);
		machine_fini(&machine);
	}
}

static void test_find__unaligned_notes_are_not_taken(void **state)
{
	const struct pgw_vmcoreinfo *texts;
	struct machine machine;

	(void)state;
	machine_init(&machine, 4);
	memset(machine.ram + MACHINE_VMCOREINFO, 0, 4096);
	machine_note(&machine, MACHINE_VMCOREINFO + 0x100, "OSRELEASE=1\n");
	machine_note(&machine, MACHINE_VMCOREINFO + 0x804, "OSRELEASE=1\n");
	check_texts(machine_open(&machine), 0, &texts);
	machine_fini(&machine);
}

static void test_find__several_are_listed_up_to_a_limit(void **state)
{
	const struct pgw_vmcoreinfo *texts;
	struct machine machine;

	(void)state;
	machine_init(&machine, 4);
	machine_note(&machine, 0x70000, "OSRELEASE=kdump\n");
	check_texts(machine_open(&machine), 2, &texts);
	assert_int_equal(texts[1].pa, 0x70000);
	check_value(&texts[1], "OSRELEASE", "kdump");
	machine_fini(&machine);

	machine_init(&machine, 4);
	for (uint64_t pa = 0; pa < sizeof(machine.ram); pa += 4096)
		machine_note(&machine, pa, "OSRELEASE=many\n");
	check_texts(machine_open(&machine), 16, &texts);
	assert_int_equal(texts[15].pa, 15 * 4096);
	machine_fini(&machine);
}

/* Memory that begins and ends inside pages, a text across two segments and two windows. */
static void test_find__pieces_of_memory_do_not_matter(void **state)
{
	uint64_t base = (UINT64_C(1) << 20) - 4096, first = base - 100;
	const struct pgw_vmcoreinfo *texts;
	struct machine machine;
	struct pgw_image *image;
	struct mkelf elf;
	char text[6000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "KEY=", 4);
	text[sizeof(text) - 1] = 0;
	machine_init(&machine, 4);
	machine_note(&machine, 0x30000, text);
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, base + 1000, machine.ram + 0x30000 + 1000, 5000 + 24, 5000 + 24);
	mkelf_segment(&elf, first, machine.ram + 0x30000 - 100, 1100, 1100);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	check_texts(image, 1, &texts);
	assert_int_equal(texts[0].pa, base);
	assert_int_equal(texts[0].size, strlen(text));
	assert_memory_equal(texts[0].text, text, strlen(text));
	pgw_image_close(image);
	mkelf_fini(&elf);
	machine_fini(&machine);
}

struct progress {
	unsigned nr;
	uint64_t done, total;
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct progress *progress = arg;

	assert_true(done > progress->done && done <= total);
	*progress = (struct progress){ progress->nr + 1, done, total };
}

static void test_find__search_reports_progress(void **state)
{
	struct progress progress = { 0 };
	struct pgw_image_options options = { .progress = on_progress, .progress_arg = &progress };
	const struct pgw_vmcoreinfo *texts;
	size_t size = 3 << 20;
	uint8_t *bytes = calloc(1, size);
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1000, bytes, size, size);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), &options, &image, NULL), 0);
	assert_int_equal(progress.nr, 0);
	check_texts(image, 0, &texts);
	assert_int_equal(progress.nr, 25); /* windows of 128 KiB */
	assert_int_equal(progress.done, size);
	assert_int_equal(progress.total, size);
	check_texts(image, 0, &texts);
	assert_int_equal(progress.nr, 25);
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get__whole_keys_at_the_start_of_a_line),
		cmocka_unit_test(test_get__text_without_lines_has_no_keys),
		cmocka_unit_test(test_get__text_is_not_read_past_its_end),
		cmocka_unit_test(test_symbol__hexadecimal_without_prefix),
		cmocka_unit_test(test_number__decimal_negative_or_prefixed),
		cmocka_unit_test(test_find__note_in_memory_is_found),
		cmocka_unit_test(test_find__note_of_the_file_spares_the_search),
		cmocka_unit_test(test_find__note_beside_cpus_is_qemus),
		cmocka_unit_test(test_find__what_only_looks_like_a_note_is_not_taken),
		cmocka_unit_test(test_find__unaligned_notes_are_not_taken),
		cmocka_unit_test(test_find__several_are_listed_up_to_a_limit),
		cmocka_unit_test(test_find__pieces_of_memory_do_not_matter),
		cmocka_unit_test(test_find__search_reports_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
