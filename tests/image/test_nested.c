/* SPDX-License-Identifier: BSD-2-Clause */

/* The memory of a guest, by tables made by hand: what is read, what is not there, what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>
#include <pagewalk/virt.h>

#include "base/bits.h"

#define PAGE UINT64_C(0x1000)
#define NR_PAGES 16
#define TABLE UINT64_C(0x827) /* of NPT: P W U A, and a bit of software's */
#define LEAF UINT64_C(0xe67)

struct fixture {
	uint64_t words[NR_PAGES][512];
	struct pgw_phys_memory host;
	struct pgw_mm *stage2;
	struct pgw_nested *nested;
};

static void put(struct fixture *f, unsigned page, unsigned slot, uint64_t entry)
{
	uint8_t *item = (uint8_t *)&f->words[page][slot];

	for (unsigned i = 0; i < 8; i++)
		item[i] = (uint8_t)(entry >> 8 * i);
}

/* Tables are pages 1 to 4; each page's first byte is its number. */
static void setup(struct fixture *f)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("npt-48"),
		.phys = &f->host.phys,
		.root.pa = 1 * PAGE,
		.region = PGW_REGION_FOREIGN,
	};

	memset(f, 0, sizeof(*f));
	for (unsigned page = 5; page < NR_PAGES; page++)
		memset(f->words[page], (int)page, sizeof(f->words[page]));
	for (unsigned page = 1; page < 4; page++)
		put(f, page, 0, (page + 1) * PAGE | TABLE);
	assert_int_equal(pgw_phys_memory_init(&f->host, 0, f->words, sizeof(f->words)), 0);
	assert_int_equal(pgw_mm_attach(&args, &f->stage2), 0);
	assert_int_equal(pgw_mmap_read_lock(f->stage2), 0);
}

static void teardown(struct fixture *f)
{
	pgw_nested_free(f->nested);
	pgw_mmap_read_unlock(f->stage2);
	pgw_mm_free(f->stage2);
}

static void test_nested_read__goes_through_stage_2(void **state)
{
	const struct pgw_phys *guest;
	uint64_t first, last;
	struct fixture f;
	uint8_t buf[0x2001];

	(void)state;
	setup(&f);
	put(&f, 4, 0, 8 * PAGE | LEAF);
	put(&f, 4, 1, 9 * PAGE | LEAF);
	put(&f, 4, 2, 6 * PAGE | LEAF);
	put(&f, 4, 5, 0x100 * PAGE | LEAF);              /* the host has no such memory */
	put(&f, 4, 6, (7 * PAGE | LEAF) & ~UINT64_C(4)); /* without U: not the guest's */
	put(&f, 4, 511, 10 * PAGE | LEAF);               /* the last of the table */
	assert_int_equal(pgw_nested_new(f.stage2, &f.host.phys, &f.nested), 0);
	guest = pgw_nested_phys(f.nested);
	/* Three pages in a row, which lie in two pieces of the host's. */
	assert_int_equal(pgw_phys_read(guest, 0xfff, buf, 0x2001), 0);
	assert_int_equal(buf[0], 8);
	assert_int_equal(buf[1], 9);
	assert_int_equal(buf[0x1000], 9);
	assert_int_equal(buf[0x1001], 6);
	assert_int_equal(buf[0x2000], 6);
	/* All or nothing. */
	assert_int_equal(pgw_phys_read(guest, 0x2fff, buf, 2), -PGW_EIO);
	assert_int_equal(pgw_phys_read(guest, 0x3000, buf, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(guest, 0x5000, buf, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(guest, 0x6000, buf, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(guest, 0x1fffff, buf, 1), 0);
	assert_int_equal(pgw_phys_read(guest, 0x1fffff, buf, 2), -PGW_EIO);
	assert_int_equal(pgw_phys_read(guest, UINT64_MAX, buf, 2), -PGW_EIO);
	/* Neighbours are one range. */
	assert_true(guest->ops->next_range(guest, 0x1234, &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, 0x2fff);
	assert_true(guest->ops->next_range(guest, 0x3000, &first, &last));
	assert_int_equal(first, 0x1ff000);
	assert_false(guest->ops->next_range(guest, 0x200000, &first, &last));
	teardown(&f);
}

/* A host with a hole: a large leaf over it is two pieces of guest memory. */
static bool host_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	(void)phys;
	if (pa < 8 * PAGE) {
		*ret_first = 0;
		*ret_last = 8 * PAGE - 1;
		return true;
	}
	*ret_first = 10 * PAGE;
	*ret_last = NR_PAGES * PAGE - 1;
	return pa < NR_PAGES * PAGE;
}

static void test_nested_new__leaves_out_what_the_host_lacks(void **state)
{
	struct pgw_phys_ops ops;
	struct pgw_phys holed;
	uint64_t first, last;
	struct fixture f;

	(void)state;
	setup(&f);
	put(&f, 3, 0, LEAF | 1 << 7); /* 2 MiB from 0: the host has 14 pages of it */
	ops = *f.host.phys.ops;
	ops.next_range = host_next_range;
	holed = (struct pgw_phys){ &ops, f.host.phys.ctx };
	assert_int_equal(pgw_nested_new(f.stage2, &holed, &f.nested), 0);
	assert_true(pgw_nested_phys(f.nested)->ops->next_range(pgw_nested_phys(f.nested), 0, &first,
							       &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, 8 * PAGE - 1);
	assert_true(pgw_nested_phys(f.nested)->ops->next_range(pgw_nested_phys(f.nested), 8 * PAGE,
							       &first, &last));
	assert_int_equal(first, 10 * PAGE);
	assert_int_equal(last, NR_PAGES * PAGE - 1);
	assert_false(pgw_nested_phys(f.nested)->ops->next_range(pgw_nested_phys(f.nested),
								NR_PAGES * PAGE, &first, &last));
	teardown(&f);
}

/* Tables that lead to themselves map the same page without end: that is refused, not cut. */
static void test_nested_new__refuses_tables_without_end(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (unsigned slot = 0; slot < 512; slot++)
		put(&f, 1, slot, 1 * PAGE | TABLE);
	assert_int_equal(pgw_nested_new(f.stage2, &f.host.phys, &f.nested), -PGW_E2BIG);
	assert_null(f.nested);
	assert_int_equal(pgw_nested_new(NULL, &f.host.phys, &f.nested), -PGW_EINVAL);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_read__goes_through_stage_2),
		cmocka_unit_test(test_nested_new__leaves_out_what_the_host_lacks),
		cmocka_unit_test(test_nested_new__refuses_tables_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
