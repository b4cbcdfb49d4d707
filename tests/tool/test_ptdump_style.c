/* SPDX-License-Identifier: BSD-2-Clause */

/* Lines in the kernels' style that no image at hand has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/ptdump_style.h"

#define BIT(n) (UINT64_C(1) << (n))

/* What is printed for a line of this kind, entry and protection. */
static const char *styled(const char *format, const struct pgw_ptdump_line *line)
{
	static char text[256];
	static struct out out;
	FILE *file = tmpfile();
	size_t len;

	assert_non_null(file);
	out_init(&out, fileno(file), false);
	ptdump_style_line(&out, pgw_format_by_name(format), line);
	out_flush(&out);
	assert_false(out_failed(&out));
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static const char *series(const char *format, int depth, uint64_t prot)
{
	return styled(format, &(struct pgw_ptdump_line){
				      .kind = PGW_PTDUMP_SERIES,
				      .start = 0x1000,
				      .end = 0x5000,
				      .depth = depth,
				      .prot = prot,
				      .entry = prot,
			      });
}

#define RANGE "0x0000000000001000-0x0000000000005000        "

static void test_style__arm64_shows_every_flag(void **state)
{
	static const char *const types[] = { " MEM/NORMAL",    " MEM/NORMAL-TAGGED",
					     " MEM/NORMAL-NC", " DEVICE/nGnRnE",
					     " DEVICE/nGnRE",  "" };
	char expected[128];

	(void)state;
	assert_string_equal(series("arm64-4k", 0, 0), RANGE "  16K PGD\n");
	assert_string_equal(series("arm64-4k", 4, 1),
			    RANGE "  16K PTE       RW x                BLK        MEM/NORMAL\n");
	assert_string_equal(series("arm64-4k", 3,
				   1 | BIT(6) | BIT(7) | BIT(53) | BIT(8) | BIT(9) | BIT(10) |
					   BIT(11) | BIT(52) | BIT(54) | BIT(50)),
			    RANGE "  16K PMD   USR ro NX SHD AF NG CON BLK UXN GP MEM/NORMAL\n");
	assert_string_equal(series("arm64-4k", 4, BIT(10) | 2),
			    RANGE "  16K PTE F     RW x      AF                   MEM/NORMAL\n");
	for (uint64_t i = 0; i < 6; i++) {
		snprintf(expected, sizeof(expected),
			 RANGE "  16K PTE       RW x                          %s\n", types[i]);
		assert_string_equal(series("arm64-4k", 4, 3 | i << 2), expected);
	}
}

static void test_style__riscv_shows_every_flag(void **state)
{
	(void)state;
	assert_string_equal(series("riscv-sv57", 4, 0xff),
			    "0x0000000000001000-0x0000000000005000    0x0000000000000000 "
			    "       16K PTE     D A G U X W R V\n");
	assert_string_equal(series("riscv-sv57", 1, BIT(63) | BIT(61) | 0x8000001),
			    "0x0000000000001000-0x0000000000005000    0x0000000020000000 "
			    "       16K P4D N MT(NC)     . . . . . . . V\n");
	assert_string_equal(series("riscv-sv57", 4, BIT(62) | BIT(8) | 1),
			    "0x0000000000001000-0x0000000000005000    0x0000000000000000 "
			    "       16K PTE MT(IO) RSW . . . . . . . V\n");
	/* The top table of three levels is still called what it is in five. */
	assert_string_equal(series("riscv-sv39", 0, 1),
			    "0x0000000000001000-0x0000000000005000    0x0000000000000000 "
			    "       16K PUD     . . . . . . . V\n");
}

static void test_style__odd_lines_say_so(void **state)
{
	struct pgw_ptdump_line line = {
		.kind = PGW_PTDUMP_MALFORMED, .start = 0x1000, .end = 0x5000, .depth = 3
	};

	(void)state;
	assert_string_equal(styled("arm64-4k", &line), RANGE "  16K PMD !malformed\n");
	assert_string_equal(styled("riscv-sv39", &line),
			    "0x0000000000001000-0x0000000000005000    0x0000000000000000 "
			    "       16K PMD !malformed\n");
	line.kind = PGW_PTDUMP_UNREADABLE;
	assert_string_equal(styled("arm64-4k", &line), RANGE "  16K PMD !unreadable\n");
	line = (struct pgw_ptdump_line){ .kind = PGW_PTDUMP_SKIPPED, .nr_skipped = 1 };
	assert_string_equal(styled("arm64-4k", &line), "... 1 entry skipped ... \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_style__arm64_shows_every_flag),
		cmocka_unit_test(test_style__riscv_shows_every_flag),
		cmocka_unit_test(test_style__odd_lines_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
