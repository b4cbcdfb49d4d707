/* SPDX-License-Identifier: BSD-2-Clause */

/* Address spaces by tables of hypervisors and IOMMUs: walks with callbacks, and where they end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pagewalk/edit.h>
#include <pagewalk/hosted.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>
#include <pagewalk/walk.h>

#include "pt/chain.h"

#define AMD_NEXT(level) ((uint64_t)(level) << 9)
#define AMD_R BIT(61)
#define SLOT (UINT64_C(512) << 30) /* of a root of four levels */

static int count_slot(uint64_t *slot, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)slot, (void)addr, (void)next;
	++*(unsigned *)walk->arg;
	return 0;
}

/* No callback is for the slots of the lowest table: it is not gone to. */
static void test_amdvi_skip__below_what_callbacks_are_for(void **state)
{
	const struct pgw_mm_walk_ops ops = { .pmd_entry = count_slot };
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("amdvi-4"),
		.region = PGW_REGION_FOREIGN,
	};
	struct chain chain;
	struct pgw_mm *mm;
	unsigned nr = 0;

	(void)state;
	chain_init(&chain, "amdvi-4", PGW_REGION_FOREIGN);
	chain_put(&chain, 3, AMD_R | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	chain_put(&chain, 0, AMD_R | 1, CHAIN_PAGE);
	chain.va = SLOT;
	chain_put(&chain, 3, AMD_R | AMD_NEXT(2) | 1, CHAIN_TABLE(1));
	chain_put(&chain, 1, AMD_R | 1, 0x12200000);
	args.phys = &chain.source.phys;
	args.root.pa = chain.pt.root_pa;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_walk_page_range_novma(mm, 0, 2 * SLOT, &ops, NULL, &nr), 0);
	assert_int_equal(nr, 1);
	pgw_mmap_write_unlock(mm);
	pgw_mm_free(mm);
}

/* What a root of few items lacks is no region's, whatever the format's has. */
static void test_arm64_s2_root__has_no_addresses_behind_its_items(void **state)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("arm64-s2-4k-l1"),
		.region = PGW_REGION_FOREIGN,
		.root.nr_items = 1024,
	};
	const uint64_t va[] = { 0, BIT(40), BIT(43) };
	struct pgw_translation got[3];
	struct chain chain;
	struct pgw_mm *mm;

	(void)state;
	chain_init(&chain, "arm64-s2-4k-l1", PGW_REGION_FOREIGN);
	args.phys = &chain.source.phys;
	args.root.pa = chain.pt.root_pa;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_translate_batch(mm, va, got, 3), 3);
	assert_int_equal(got[0].kind, PGW_ENTRY_EMPTY);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(got[i].kind, PGW_ENTRY_NONCANONICAL);
		assert_int_equal(got[i].va_first, BIT(40));
		assert_int_equal(got[i].va_last, UINT64_MAX);
	}
	pgw_mm_free(mm);
}

/* ---- tables that are ours ---- */

static enum pgw_rule broken;

static void note_rule(void *ctx, const struct pgw_violation *violation)
{
	(void)ctx;
	broken = violation->rule;
}

/* Nobody frees its tables under the lock for read, so that is enough, as for a kernel mm. */
static void test_owned_guest__is_edited_and_translated_under_the_lock_for_read(void **state)
{
	struct pgw_platform platform = *pgw_hosted_platform();
	const struct pgw_mm_new_args args = { .platform = &platform,
					      .format = pgw_format_by_name("riscv-sv39x4"),
					      .region = PGW_REGION_FOREIGN };
	const struct pgw_map_args map = { .first = BIT(40),
					  .last = BIT(40) + BIT(21) - 1,
					  .pa = BIT(31),
					  .rights = PGW_KERNEL_R | PGW_KERNEL_W,
					  .sizes = BIT(12) };
	struct pgw_translation got;
	struct pgw_mm *mm;

	(void)state;
	platform.violation = note_rule;
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	assert_int_equal(pgw_mm_map(mm, &map), -PGW_EPERM);
	assert_int_equal(broken, PGW_RULE_MMAP_LOCKED);
	broken = _PGW_RULE_MAX;
	assert_int_equal(pgw_translate(mm, BIT(40), &got), -PGW_EPERM);
	assert_int_equal(broken, PGW_RULE_MMAP_LOCKED);

	assert_int_equal(pgw_mmap_read_lock(mm), 0);
	assert_int_equal(pgw_mm_map(mm, &map), 0);
	assert_int_equal(pgw_translate(mm, BIT(40) + 0x1234, &got), 0);
	assert_int_equal(got.pa, BIT(31) + 0x1234);
	assert_int_equal(got.rights, PGW_KERNEL_R | PGW_KERNEL_W);
	/* What frees tables wants the lock for write. */
	broken = _PGW_RULE_MAX;
	assert_int_equal(pgw_mm_collapse(mm, BIT(40), 21), -PGW_EPERM);
	assert_int_equal(broken, PGW_RULE_MMAP_WRITE_LOCKED);
	assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_mm_collapse(mm, BIT(40), 21), 0);
	assert_int_equal(pgw_translate(mm, BIT(40) + 0x1234, &got), 0);
	assert_int_equal(got.leaf_lg2, 21);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	pgw_mm_free(mm);
}

/** What a leaf of these rights is, by the manual; 0: it cannot be said. */
struct leaf_row {
	const char *format;
	uint8_t rights;
	uint64_t entry; /* of MEMORY_PA, accessed and dirty */
};

#define MEMORY_PA 0x80000000

static const struct leaf_row leaf_rows[] = {
	/* Hypervisor extension: a G-stage leaf is a user page; what can be executed can be read. */
	{ "riscv-sv48x4", 0, 0 },
	{ "riscv-sv48x4", PGW_KERNEL_R, 0x200000d3 },
	{ "riscv-sv48x4", PGW_KERNEL_R | PGW_KERNEL_W, 0x200000d7 },
	{ "riscv-sv48x4", PGW_KERNEL_R | PGW_KERNEL_X, 0x200000db },
	{ "riscv-sv48x4", PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X, 0x200000df },
	{ "riscv-sv48x4", PGW_KERNEL_W, 0 },
	{ "riscv-sv48x4", PGW_KERNEL_X, 0 },
	{ "riscv-sv48x4", PGW_KERNEL_R | PGW_USER_R, 0 },
	/* APM vol. 2, 15.25.5: all accesses are users'; bit 63 is NX. */
	{ "npt-48", 0, 0 },
	{ "npt-48", PGW_KERNEL_R, 0x8000000080000065 },
	{ "npt-48", PGW_KERNEL_R | PGW_KERNEL_W, 0x8000000080000067 },
	{ "npt-48", PGW_KERNEL_R | PGW_KERNEL_X, 0x80000065 },
	{ "npt-48", PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X, 0x80000067 },
	{ "npt-48", PGW_KERNEL_W, 0 },
	{ "npt-48", PGW_KERNEL_X, 0 },
	{ "npt-48", PGW_KERNEL_R | PGW_USER_R, 0 },
};

static int encode(const char *format, const struct pgw_leaf *leaf, uint64_t *ret)
{
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name(format),
					      .region = PGW_REGION_FOREIGN };
	struct pgw_mm *mm;
	int err;

	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	err = pgw_mm_leaf_encode(mm, leaf, ret);
	pgw_mm_free(mm);
	return err;
}

static void test_owned_guest__entries_are_as_the_manuals_want_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(leaf_rows); i++) {
		const struct leaf_row *row = &leaf_rows[i];
		bool is_riscv = row->format[0] == 'r';
		struct pgw_leaf leaf = { .pa = MEMORY_PA,
					 .rights = row->rights,
					 .attrs = is_riscv ? 0xc0 : 0x60 }; /* A, D */
		uint64_t entry = 0;

		assert_int_equal(encode(row->format, &leaf, &entry),
				 row->entry ? 0 : -PGW_EOPNOTSUPP);
		assert_true(entry == row->entry);
	}
}

/* G is the hart's own tables' alone; so is bit 8 of x86. A mark for MMIO is no leaf. */
static void test_owned_guest__bits_that_mean_nothing_there_are_refused(void **state)
{
	struct pgw_leaf leaf = { .rights = PGW_KERNEL_R, .attrs = 0x20 };
	uint64_t entry;

	(void)state;
	assert_int_equal(encode("riscv-sv48x4", &leaf, &entry), -PGW_EOPNOTSUPP);
	leaf.attrs = BIT(8);
	assert_int_equal(encode("npt-48", &leaf, &entry), -PGW_EOPNOTSUPP);
	leaf.attrs = 0;
	leaf.pa = BIT(51);
	assert_int_equal(encode("npt-48", &leaf, &entry), -PGW_EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amdvi_skip__below_what_callbacks_are_for),
		cmocka_unit_test(test_arm64_s2_root__has_no_addresses_behind_its_items),
		cmocka_unit_test(
			test_owned_guest__is_edited_and_translated_under_the_lock_for_read),
		cmocka_unit_test(test_owned_guest__entries_are_as_the_manuals_want_them),
		cmocka_unit_test(test_owned_guest__bits_that_mean_nothing_there_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
