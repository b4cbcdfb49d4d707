/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Linux keeps in entries that are not valid. Where a row says "seen", it is a word out of the
 * memory of a kernel that had been told to keep this there; the others were worked out by
 * the macros of the release's headers (pgtable*.h, swap.h, swapops.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <pagewalk/linux_absent.h>

#include "image/linux.h"

#define PA PGW_ABSENT_HAS_PA
#define SWP PGW_ABSENT_IS_SWAP
#define W PGW_ABSENT_WRITABLE
#define EXCL PGW_ABSENT_EXCLUSIVE
#define YOUNG PGW_ABSENT_YOUNG
#define DIRTY PGW_ABSENT_DIRTY
#define SOFT PGW_ABSENT_SOFT_DIRTY
#define UFFD PGW_ABSENT_UFFD_WP
#define ASSUMED PGW_ABSENT_ASSUMED
#define PROT_NONE PGW_ABSENT_PROT_NONE
#define INVALID PGW_ABSENT_INVALID
#define SWAP PGW_ABSENT_SWAP
#define MIGRATION PGW_ABSENT_MIGRATION
#define DEVICE PGW_ABSENT_DEVICE_PRIVATE
#define EXCLUSIVE PGW_ABSENT_DEVICE_EXCLUSIVE
#define MARKER PGW_ABSENT_MARKER
#define HWPOISON PGW_ABSENT_HWPOISON

struct row {
	unsigned major, minor; /* 0: not known */
	unsigned level;
	uint64_t entry;
	enum pgw_absent_kind kind;
	uint32_t flags;
	uint64_t pa;
	unsigned type;
	uint64_t offset; /* not compared where there is a pa */
};

static void check_row(const struct pgw_format *format, enum pgw_region_kind half,
		      const struct row *row)
{
	const struct pgw_linux kernel = { .is_known = row->major > 0,
					  .major = row->major,
					  .minor = row->minor };
	struct pgw_absent absent;
	char text[200];

	pgw_linux_absent(&kernel, format, half, row->level, row->entry, &absent);
	snprintf(text, sizeof(text), "%u.%u %016llx: kind %d flags %x pa %llx type %u offset %llx",
		 row->major, row->minor, (unsigned long long)row->entry, (int)absent.kind,
		 absent.flags, (unsigned long long)absent.pa, absent.type,
		 (unsigned long long)absent.offset);
	if (absent.kind != row->kind || absent.flags != row->flags || absent.pa != row->pa ||
	    absent.type != row->type || (!(row->flags & PA) && absent.offset != row->offset))
		fail_msg("%s", text);
}

static void check_rows(const char *format, const struct row *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		check_row(pgw_format_by_name(format), PGW_REGION_USER, &rows[i]);
}

static void x86_64(void **state)
{
	static const struct row rows[] = {
		/* seen: mprotect(PROT_NONE) of touched pages */
		{ 6, 1, 0, 0x000ffffff9df5960, PROT_NONE, PA | YOUNG | DIRTY, 0x620a000, 0, 0 },
		{ 7, 2, 0, 0x040ffffff71e3920, PROT_NONE, PA | YOUNG, 0x8e1c000, 0, 0 },
		/* seen: MADV_GUARD_INSTALL */
		{ 7, 2, 0, 0xfffffffffffff600, MARKER, SWP | PGW_ABSENT_GUARD, 0, 31, 4 },
		{ 6, 12, 0, 0xfffffffffffffa00, MARKER, SWP | PGW_ABSENT_POISONED, 0, 31, 2 },
		{ 6, 1, 0, 0xf7fffffffffffc00, MARKER, SWP | UFFD | ASSUMED, 0, 30, 1 },
		/* before 6.2 a failed swap-in keeps its page */
		{ 6, 1, 0, 0xffffffffffc9f400, MARKER, SWP | PA | PGW_ABSENT_POISONED, 0x1b05000,
		  31, 0 },
		{ 6, 12, 1, 0x800ffffffe5ff1e0, PROT_NONE, PA | YOUNG | DIRTY, 0x1a00000, 0, 0 },
		/* pmd_mkinvalid(): P goes, PS stays */
		{ 6, 12, 1, 0x800ffffffe5ff0e0, INVALID, PA | YOUNG | DIRTY, 0x1a00000, 0, 0 },
		{ 6, 1, 0, 0x17ffffffffdb9600, SWAP, SWP, 0, 2, 0x1234 },
		{ 6, 1, 0, 0x07ffffffffff100e, SWAP, SWP | EXCL | SOFT | UFFD, 0, 0, 0x77 },
		{ 6, 1, 0, 0xbfffffffffc9f400, MIGRATION, SWP | PA | ASSUMED, 0x1b05000, 23, 0 },
		{ 6, 1, 0, 0xc7fff7ffffc9f400, MIGRATION, SWP | PA | EXCL | YOUNG | ASSUMED,
		  0x1b05000, 24, 0 },
		{ 6, 1, 0, 0xcfffe7ffffc9f400, MIGRATION, SWP | PA | W | YOUNG | DIRTY | ASSUMED,
		  0x1b05000, 25, 0 },
		{ 6, 1, 0, 0xb7ffffffffc9f400, HWPOISON, SWP | PA | ASSUMED, 0x1b05000, 22, 0 },
		/* each release moves the numbers */
		{ 6, 12, 0, 0xd7ffffffffc9f400, MIGRATION, SWP | PA | W | ASSUMED, 0x1b05000, 26,
		  0 },
		{ 7, 2, 0, 0xdfffffffffc9f400, MIGRATION, SWP | PA | W | ASSUMED, 0x1b05000, 27,
		  0 },
		{ 5, 10, 0, 0xefffffffffc9f400, MIGRATION, SWP | PA | W | ASSUMED, 0x1b05000, 29,
		  0 },
		{ 6, 12, 1, 0xd7ffffffffcbfe00, MIGRATION, SWP | PA | W | ASSUMED, 0x1a00000, 26,
		  0 },
		{ 6, 12, 0, 0xdffff8000001fe00, DEVICE, SWP | PA | W | ASSUMED, 0x3ffffff00000, 27,
		  0 },
		{ 5, 10, 0, 0xfffff8000001fe00, DEVICE, SWP | PA | ASSUMED, 0x3ffffff00000, 31, 0 },
		{ 6, 12, 0, 0xefffffffffc9f400, EXCLUSIVE, SWP | PA | W | ASSUMED, 0x1b05000, 29,
		  0 },
		{ 7, 2, 0, 0xf7ffffffffc9f400, EXCLUSIVE, SWP | PA | W | ASSUMED, 0x1b05000, 30,
		  0 },
		/* before 4.19: as it was, and as stable kernels of then have it */
		{ 4, 14, 0, 0x00000000048d0200, SWAP, SWP | ASSUMED, 0, 1, 0x1234 },
		{ 4, 14, 0, 0x17ffffffffdb9600, SWAP, SWP | ASSUMED, 0, 2, 0x1234 },
		{ 4, 14, 0, 0x0000000001b05160, PROT_NONE, PA | YOUNG | DIRTY | ASSUMED, 0x1b05000,
		  0, 0 },
		{ 4, 14, 0, 0x000ffffffe4fa160, PROT_NONE, PA | YOUNG | DIRTY | ASSUMED, 0x1b05000,
		  0, 0 },
		/* of an unknown release: as the newest, and said so */
		{ 0, 0, 0, 0x000ffffffe4fa160, PROT_NONE, PA | YOUNG | DIRTY | ASSUMED, 0x1b05000,
		  0, 0 },
		/* a marker that cannot be one: the plainest kernels' migration */
		{ 7, 2, 0, 0xffffffffffc9f400, MIGRATION, SWP | PA | W | ASSUMED, 0x1b05000, 31,
		  0 },
		/* a page that nobody may use has none of bits 56:52 */
		{ 7, 2, 0, 0x17ffffffffdb9700, SWAP, SWP | ASSUMED, 0, 2, 0x1234 },
		/* no leaf can be there */
		{ 7, 2, 3, 0x17ffffffffdb9600, PGW_ABSENT_UNKNOWN, 0, 0, 0, 0 },
	};
	static const struct row la57 = {
		6,         12, 0, 0xd7fbffffffc9f400, MIGRATION, SWP | PA | W | DIRTY | ASSUMED,
		0x1b05000, 26, 0
	};

	(void)state;
	check_rows("x86_64-la48", rows, sizeof(rows) / sizeof(rows[0]));
	check_rows("x86_64-la57", &la57, 1);
}

static void arm64(void **state)
{
	static const struct row rows[] = {
		/* seen: mprotect(PROT_NONE) of touched pages, MADV_GUARD_INSTALL */
		{ 6, 1, 0, 0x04e0000045b83f82, PROT_NONE, PA | YOUNG | DIRTY, 0x45b83000, 0, 0 },
		{ 7, 2, 0, 0x00e0000042ab7f82, PROT_NONE, PA | YOUNG | DIRTY, 0x42ab7000, 0, 0 },
		{ 7, 2, 0, 0x00e0000042ab6b82, PROT_NONE, PA | DIRTY, 0x42ab6000, 0, 0 },
		{ 7, 2, 0, 0x47c0, MARKER, SWP | PGW_ABSENT_GUARD, 0, 31, 4 },
		/* pte_mkinvalid(): users may still use it, if it were valid */
		{ 7, 2, 1, 0x00e0000042a00fc0, INVALID, PA | YOUNG | DIRTY, 0x42a00000, 0, 0 },
		{ 6, 1, 1, 0x08e0000042a00fc0, INVALID, PA | YOUNG | DIRTY, 0x42a00000, 0, 0 },
		{ 5, 4, 0, 0x123404, SWAP, SWP, 0, 1, 0x1234 },
		{ 6, 1, 0, 0x12340c, SWAP, SWP | EXCL, 0, 1, 0x1234 },
		{ 6, 12, 0, 0x123404c, SWAP, SWP | EXCL | UFFD, 0, 1, 0x1234 },
		{ 6, 1, 0, 0x42ab7d0, MIGRATION, SWP | PA | W | ASSUMED, 0x42ab7000, 26, 0 },
		{ 6, 12, 0, 0x1000042ab7680, MIGRATION, SWP | PA | W | YOUNG | ASSUMED, 0x42ab7000,
		  26, 0 },
	};
	/* Of a contiguous run each entry has its own address. */
	static const struct row run = {
		7, 2, 0, 0x00f0000042ab7f82, PROT_NONE, PA | YOUNG | DIRTY, 0x42ab7000, 0, 0
	};
	/* LPA2 has PA[51:50] in bits 9:8, and PA[49:48] where the others have 0. */
	static const struct row wide = {
		7, 2, 0, 0x00e2000042ab4d82, PROT_NONE, PA | YOUNG | DIRTY, 0x6000042ab4000, 0, 0
	};

	(void)state;
	check_rows("arm64-4k-48", rows, sizeof(rows) / sizeof(rows[0]));
	check_rows("arm64-4k-48", &run, 1);
	check_rows("arm64-16k-52-lpa2", &wide, 1);
}

static void riscv64(void **state)
{
	static const struct row rows[] = {
		/* seen: mprotect(PROT_NONE) of touched pages, MADV_GUARD_INSTALL */
		{ 7, 2, 0, 0x204aa4a2, PROT_NONE, PA | DIRTY, 0x812a9000, 0, 0 },
		{ 7, 2, 0, 0x4f80, MARKER, SWP | PGW_ABSENT_GUARD, 0, 31, 4 },
		{ 6, 12, 0, 0x12340c0, SWAP, SWP | EXCL, 0, 1, 0x1234 },
		{ 6, 1, 0, 0x91a040, SWAP, SWP, 0, 1, 0x1234 },
		{ 5, 10, 0, 0x91a04, SWAP, SWP, 0, 1, 0x1234 },
		{ 5, 10, 0, 0x204aa482, PROT_NONE, PA | DIRTY, 0x812a9000, 0, 0 },
		{ 6, 12, 0, 0x02000000812a9f00, MIGRATION, SWP | PA | W | DIRTY | ASSUMED,
		  0x812a9000, 30, 0 },
		{ 6, 12, 1, 0x204800d6, INVALID, PA | YOUNG | DIRTY, 0x81200000, 0, 0 },
	};

	(void)state;
	check_rows("riscv-sv48", rows, sizeof(rows) / sizeof(rows[0]));
}

/* The kernel swaps nothing of its own: what is not valid was made so, and keeps its page. */
static void the_kernels_own(void **state)
{
	/* seen: the kernel's freed init sections */
	static const struct row row = {
		6, 1, 0, 0x800ffffff26d0062, INVALID, PA | YOUNG | DIRTY, 0xd92f000, 0, 0
	};

	(void)state;
	check_row(pgw_format_by_name("x86_64-la48"), PGW_REGION_KERNEL, &row);
}

static struct pgw_absent decode(uint64_t entry)
{
	const struct pgw_linux kernel = { .is_known = true, .major = 7, .minor = 2 };
	struct pgw_absent absent;

	pgw_linux_absent(&kernel, pgw_format_by_name("x86_64-la48"), PGW_REGION_USER, 0, entry,
			 &absent);
	return absent;
}

static bool continues(uint64_t a, uint64_t b, uint64_t bytes)
{
	struct pgw_absent one = decode(a), two = decode(b);

	return pgw_absent_continues(pgw_format_by_name("x86_64-la48"), &one, &two, bytes);
}

static void runs(void **state)
{
	(void)state;
	/* Inverted, the next page is the lower number. */
	assert_true(continues(0x000ffffff9df5960, 0x000ffffff9df4960, 0x1000));
	assert_false(continues(0x000ffffff9df5960, 0x000ffffff9df6960, 0x1000));
	assert_false(continues(0x000ffffff9df5960, 0x000ffffff9df4960, 0x2000));
	assert_false(continues(0x000ffffff9df5960, 0x000ffffff9df4920, 0x1000));
	assert_true(continues(0x17ffffffffdb9600, 0x17ffffffffdb9400, 0x1000));
	assert_false(continues(0x17ffffffffdb9600, 0x17ffffffffdb9600, 0x1000));
	assert_false(continues(0x17ffffffffdb9600, 0x0fffffffffdb9400, 0x1000));
	assert_true(continues(0xfffffffffffff600, 0xfffffffffffff600, 0x1000));
	assert_false(continues(0xfffffffffffff600, 0xfffffffffffffa00, 0x1000));
}

/* Formats of no Linux that is known, and any word whatever. */
static void anything(void **state)
{
	uint64_t word = 0x9e3779b97f4a7c15;
	const struct pgw_format *format;
	struct pgw_absent absent;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		for (unsigned n = 0; n < 20000; n++) {
			const struct pgw_linux kernel = { .is_known = n % 5 > 0,
							  .major = 4 + n % 3,
							  .minor = n % 20 };

			word = word * UINT64_C(6364136223846793005) + 1442695040888963407;
			pgw_linux_absent(n % 7 ? &kernel : NULL, format,
					 n % 2 ? PGW_REGION_USER : PGW_REGION_KERNEL, n % 6,
					 word & ~UINT64_C(1), &absent);
			assert_true(absent.kind < _PGW_ABSENT_KIND_MAX);
			assert_int_equal(absent.pa % 4096, 0);
		}
	}
}

static struct pgw_linux linux_of(const char *text)
{
	struct linux_machine m;
	struct pgw_linux kernel;

	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	if (text)
		linux_note(&m, text);
	assert_int_equal(pgw_image_linux(linux_open(&m), &kernel), 0);
	assert_ptr_equal(kernel.memory, m.image);
	kernel.memory = NULL;
	linux_fini(&m);
	return kernel;
}

static void releases(void **state)
{
	static const char *const bad[] = { NULL,
					   "OSRELEASE=\n",
					   "OSRELEASE=six\n",
					   "OSRELEASE=6\n",
					   "OSRELEASE=6.\n",
					   "OSRELEASE=.1\n",
					   "OSRELEASE=6-1\n",
					   "PAGESIZE=4096\n",
					   "OSRELEASE=999999.1\n" };
	struct pgw_linux kernel = linux_of("PAGESIZE=4096\nOSRELEASE=6.12.4-arch1-1\n");

	(void)state;
	assert_true(kernel.is_known);
	assert_int_equal(kernel.major, 6);
	assert_int_equal(kernel.minor, 12);
	kernel = linux_of("OSRELEASE=5.10\n");
	assert_true(kernel.is_known && kernel.major == 5 && kernel.minor == 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(linux_of(bad[i]).is_known);
}

/* A device's frame that is ordinary memory: the kernel has no device's frames, and other numbers. */
static void memory_is_no_devices(void **state)
{
	struct linux_machine m;
	struct pgw_linux kernel;
	struct pgw_absent absent;
	uint64_t pa;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	linux_note(&m, "OSRELEASE=6.12.0\n");
	assert_int_equal(pgw_image_linux(linux_open(&m), &kernel), 0);
	pa = linux_pa(&m, LINUX_USER_PAGE);
	pgw_linux_absent(&kernel, m.format, PGW_REGION_USER, 0, UINT64_C(28) << 6 | pa, &absent);
	assert_int_equal(absent.kind, MIGRATION);
	assert_int_equal(absent.flags, SWP | PA | ASSUMED);
	assert_int_equal(absent.pa, pa);
	pgw_linux_absent(&kernel, m.format, PGW_REGION_USER, 0,
			 UINT64_C(28) << 6 | UINT64_C(1) << 40, &absent);
	assert_int_equal(absent.kind, DEVICE);
	linux_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86_64),   cmocka_unit_test(arm64),
		cmocka_unit_test(riscv64),  cmocka_unit_test(the_kernels_own),
		cmocka_unit_test(runs),     cmocka_unit_test(anything),
		cmocka_unit_test(releases), cmocka_unit_test(memory_is_no_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
