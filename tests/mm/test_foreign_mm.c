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

#include "common/arena.h"
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
	uint64_t attrs;
	uint64_t entry; /* of MEMORY_PA */
	uint8_t level;
};

#define MEMORY_PA 0x80000000
#define KR PGW_KERNEL_R
#define KRW (PGW_KERNEL_R | PGW_KERNEL_W)
#define KRX (PGW_KERNEL_R | PGW_KERNEL_X)
#define KRWX (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X)
#define BOTH(rights) ((rights) | (rights) << 3) /* of the first actor and of the second */

static const struct leaf_row leaf_rows[] = {
	/* Hypervisor extension: a G-stage leaf is a user page; what can be executed can be read. */
	{ "riscv-sv48x4", 0, 0xc0, 0, 0 },
	{ "riscv-sv48x4", KR, 0xc0, 0x200000d3, 0 },
	{ "riscv-sv48x4", KRW, 0xc0, 0x200000d7, 0 },
	{ "riscv-sv48x4", KRX, 0xc0, 0x200000db, 0 },
	{ "riscv-sv48x4", KRWX, 0xc0, 0x200000df, 0 },
	{ "riscv-sv48x4", PGW_KERNEL_W, 0xc0, 0, 0 },
	{ "riscv-sv48x4", PGW_KERNEL_X, 0xc0, 0, 0 },
	{ "riscv-sv48x4", BOTH(KR), 0xc0, 0, 0 },
	/* APM vol. 2, 15.25.5: all accesses are users'; bit 63 is NX. */
	{ "npt-48", 0, 0x60, 0, 0 },
	{ "npt-48", KR, 0x60, 0x8000000080000065, 0 },
	{ "npt-48", KRW, 0x60, 0x8000000080000067, 0 },
	{ "npt-48", KRX, 0x60, 0x80000065, 0 },
	{ "npt-48", KRWX, 0x60, 0x80000067, 0 },
	{ "npt-48", PGW_KERNEL_W, 0x60, 0, 0 },
	{ "npt-48", PGW_KERNEL_X, 0x60, 0, 0 },
	{ "npt-48", BOTH(KR), 0x60, 0, 0 },
	/* SDM 29.3.2, write-back memory; 29.3.3.1: W needs R, and X alone is a capability. */
	{ "ept-4", 0, 0x30, 0, 0 },
	{ "ept-4", BOTH(KR), 0x30, 0x80000031, 0 },
	{ "ept-4", BOTH(KRW), 0x30, 0x80000033, 0 },
	{ "ept-4", BOTH(KRX), 0x30, 0x80000035, 0 },
	{ "ept-4", BOTH(KRWX), 0x330, 0x80000337, 0 },
	{ "ept-4", BOTH(KRWX), 0x30, 0x800000b7, 1 },
	{ "ept-4", BOTH(PGW_KERNEL_X), 0x30, 0x80000034, 0 },
	{ "ept-4", BOTH(PGW_KERNEL_W), 0x30, 0, 0 },
	{ "ept-4", BOTH(PGW_KERNEL_W | PGW_KERNEL_X), 0x30, 0, 0 },
	{ "ept-4", KR, 0x30, 0, 0 },                      /* a guest's user may, too */
	{ "ept-4", BOTH(KR) | PGW_KERNEL_X, 0x30, 0, 0 }, /* ... without MBEC */
	{ "ept-4", BOTH(KR), 2 << 3, 0, 0 },              /* types that are reserved */
	{ "ept-4", BOTH(KR), 3 << 3, 0, 0 },
	{ "ept-4", BOTH(KR), 7 << 3, 0, 0 },
	/* What KVM of Linux 6.1, with FWB, and of 7.2 writes: normal memory, AF, inner shareable. */
	{ "arm64-s2-4k", BOTH(KRW), 0x718, 0x400000800007db, 0 },
	{ "arm64-s2-4k", BOTH(KR), 0x718, 0x4000008000075b, 0 },
	{ "arm64-s2-4k", BOTH(KRWX), 0x718, 0x800007db, 0 },
	{ "arm64-s2-4k", BOTH(KRW), 0x718, 0x400000800007d9, 1 },
	{ "arm64-s2-4k", BOTH(KRW), 0x73c, 0x400000800007ff, 0 },
	{ "arm64-s2-4k", BOTH(KRW), 0x704, 0x400000800007c7, 0 },
	/* ... and, for SMMUv3, memory that may only be written. D8.4.1.2: and what only some execute. */
	{ "arm64-s2-4k", BOTH(PGW_KERNEL_W | PGW_KERNEL_X), 0x73c, 0x800007bf, 0 },
	{ "arm64-s2-4k", BOTH(KRW) | PGW_USER_X, 0x73c, 0x200000800007ff, 0 },
	{ "arm64-s2-4k", BOTH(KRW) | PGW_KERNEL_X, 0x73c, 0x600000800007ff, 0 },
	{ "arm64-s2-4k", BOTH(PGW_KERNEL_X), 0x73c, 0x8000073f, 0 },
	{ "arm64-s2-4k", 0, 0x73c, 0x4000008000073f, 0 },
	{ "arm64-s2-4k", KR, 0x73c, 0, 0 },
	/* D8.4, one privilege level: AP[1] is 1, XN is bit 54. */
	{ "arm64-el2-4k", KR, 0x700, 0x400000800007c3, 0 },
	{ "arm64-el2-4k", KRW, 0x700, 0x40000080000743, 0 },
	{ "arm64-el2-4k", KRX, 0x700, 0x800007c3, 0 },
	{ "arm64-el2-4k", KRWX, 0x700, 0x80000743, 0 },
	{ "arm64-el2-4k", 0, 0x700, 0, 0 },
	{ "arm64-el2-4k", PGW_KERNEL_X, 0x700, 0, 0 },
	{ "arm64-el2-4k", KR, 0x700 | BIT(11), 0, 0 }, /* nG */
	/* What Linux 7.2 writes: no attributes, write-only memory. */
	{ "vtd-second-4", KR, 0, 0x80000001, 0 },
	{ "vtd-second-4", KRW, 0, 0x80000003, 0 },
	{ "vtd-second-4", PGW_KERNEL_W, 0, 0x80000002, 0 },
	{ "vtd-second-4", KRW, 0, 0x80000083, 1 },
	{ "vtd-second-4", KR, BIT(11), 0x80000801, 0 }, /* SNP */
	{ "vtd-second-4", 0, 0, 0, 0 },
	{ "vtd-second-4", KRX, 0, 0, 0 },
	{ "vtd-second-4", KR, BIT(3), 0, 0 },
	/* ... of the first stage: accessed and dirty. */
	{ "vtd-first", KRW, 0x60, 0x80000067, 0 },
	{ "vtd-first", KR, 0x20, 0x80000025, 0 },
	{ "vtd-first", KRW, 0x60, 0x800000e7, 1 },
	{ "vtd-first", PGW_KERNEL_W, 0x60, 0, 0 },
	{ "vtd-first", KRX, 0x60, 0, 0 },
	/* ... of AMD's: coherent; a run of 64K says its size by the zero in bit 15. */
	{ "amdvi-3", KRW, BIT(60), 0x7000000080000001, 0 },
	{ "amdvi-3", KR, BIT(60), 0x3000000080000001, 0 },
	{ "amdvi-3", PGW_KERNEL_W, BIT(60), 0x5000000080000001, 0 },
	{ "amdvi-3", KRW, BIT(60), 0x7000000080000001, 1 },
	{ "amdvi-3", KRW, BIT(60) | 0xe00, 0x7000000080007e01, 0 },
	{ "amdvi-3", KRW, BIT(60) | 0xe00, 0x7000000080fffe01, 1 },
	{ "amdvi-3", KRX, BIT(60), 0, 0 },
	{ "amdvi-3", KRW, BIT(60) | 0x200, 0, 1 }, /* a table */
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
		struct pgw_leaf leaf = { .pa = MEMORY_PA,
					 .level = row->level,
					 .rights = row->rights,
					 .attrs = row->attrs };
		uint64_t entry = 0;
		int err = encode(row->format, &leaf, &entry);

		if (err != (row->entry ? 0 : -PGW_EOPNOTSUPP) || entry != row->entry)
			fail_msg("row %zu, %s: %d, %#llx", i, row->format, err,
				 (unsigned long long)entry);
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

/* What depends on what the CPU has, and what it was told. */
static void test_owned_guest__control_bits_decide_what_can_be_said(void **state)
{
	static const struct {
		const char *format;
		uint32_t set; /* of all control bits */
		uint8_t rights;
		uint64_t attrs, entry;
	} rows[] = {
		{ "ept-4", 0, BOTH(PGW_KERNEL_X), 0x30, 0 },
		{ "ept-4", PGW_CTL_EPT_MBEC, BOTH(KR) | PGW_KERNEL_X, 0x30, 0x80000035 },
		{ "ept-4", PGW_CTL_EPT_MBEC, BOTH(KR) | PGW_USER_X, 0x30, 0x80000431 },
		{ "ept-4", PGW_CTL_EPT_MBEC, BOTH(KRX), 0x30, 0x80000435 },
		{ "ept-4", PGW_CTL_EPT_MBEC, PGW_USER_X, 0x30, 0 },
		{ "ept-4", PGW_CTL_EPT_MBEC | PGW_CTL_EPT_XO, PGW_USER_X, 0x30, 0x80000430 },
		/* Without FEAT_XNX there is one bit for all. */
		{ "arm64-s2-4k", 0, BOTH(KRWX), 0x73c, 0x800007ff },
		{ "arm64-s2-4k", 0, BOTH(KRW) | PGW_USER_X, 0x73c, 0 },
		{ "arm64-s2-4k", 0, BOTH(KRW) | PGW_KERNEL_X, 0x73c, 0 },
		/* With HD, clean: may be written, and was not. DBM alone may not be read-only. */
		{ "arm64-s2-4k", PGW_CTL_ARM64_HD, BOTH(KR), 0x73c | BIT(51), 0 },
		{ "arm64-s2-4k", 0, BOTH(KR), 0x73c | BIT(51), 0x4800008000077f },
		/* What the device table takes away, no entry gives. */
		{ "amdvi-3", PGW_CTL_AMDVI_IR, KRW, 0, 0 },
		{ "amdvi-3", PGW_CTL_AMDVI_IR, KR, 0, 0x2000000080000001 },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct pgw_leaf leaf = { .pa = MEMORY_PA,
					       .rights = rows[i].rights,
					       .attrs = rows[i].attrs };
		const struct pgw_mm_new_args args = {
			.platform = pgw_hosted_platform(),
			.format = pgw_format_by_name(rows[i].format),
			.region = PGW_REGION_FOREIGN,
			.control = { .known = UINT32_MAX & ~(uint32_t)PGW_CTL_X86_ENCRYPTION,
				     .set = rows[i].set },
		};
		uint64_t entry = 0;
		struct pgw_mm *mm;
		int err;

		assert_int_equal(pgw_mm_new(&args, &mm), 0);
		err = pgw_mm_leaf_encode(mm, &leaf, &entry);
		pgw_mm_free(mm);
		if (err != (rows[i].entry ? 0 : -PGW_EOPNOTSUPP) || entry != rows[i].entry)
			fail_msg("row %zu: %d, %#llx", i, err, (unsigned long long)entry);
	}
}

/* Entries that lead to tables, as the manuals and those who write them have them. */
static void test_owned_guest__tables_allow_all(void **state)
{
	static const struct {
		const char *format;
		uint64_t low; /* of such an entry in the root: all but the address */
	} rows[] = {
		{ "ept-4", 0x107 },
		{ "ept-5", 0x107 },
		{ "arm64-s2-4k", 3 },
		{ "arm64-s2-16k", 3 },
		{ "arm64-s2-64k", 3 },
		{ "arm64-el2-4k", 3 },
		{ "vtd-second-3", 3 },
		{ "vtd-first", 0x27 },
		{ "amdvi-3", 3ULL << 61 | 0x401 },
		{ "amdvi-4", 3ULL << 61 | 0x601 },
		{ "amdvi-2", 3ULL << 61 | 0x201 },
		{ "npt-48", 0x27 },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct pgw_format *format = pgw_format_by_name(rows[i].format);
		const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
						      .format = format,
						      .region = PGW_REGION_FOREIGN };
		struct pgw_map_args map = {
			.last = BIT(pgw_format_geometry(format)->granule_lg2) - 1,
			.rights = test_region_rights(pgw_format_regions(format), BOTH(KRW)),
		};
		struct pgw_translation t;
		struct pgw_path path;
		struct pgw_mm *mm;

		assert_int_equal(pgw_mm_new(&args, &mm), 0);
		assert_int_equal(pgw_mmap_write_lock(mm), 0);
		assert_int_equal(pgw_mm_map(mm, &map), 0);
		assert_int_equal(pgw_translate_path(mm, 0, &t, &path), 0);
		assert_int_equal(t.rights, map.rights);
		assert_int_equal(path.step[0].entry & (BITS(63, 52) | BITS(11, 0)), rows[i].low);
		assert_int_equal(pgw_mmap_write_unlock(mm), 0);
		pgw_mm_free(mm);
	}
}

/* One to sixteen tables side by side, and less than one: as VTCR_EL2.T0SZ says it. */
static void test_owned_arm64_s2_root__has_the_items_that_were_asked_for(void **state)
{
	static const char *const names[] = { "arm64-s2-4k-l1", "arm64-s2-4k-l0", "arm64-s2-16k-l2",
					     "arm64-s2-64k-l2" };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		const struct pgw_format *format = pgw_format_by_name(names[i]);
		const struct pgw_geometry *geo = pgw_format_geometry(format);
		unsigned all = 1u << geo->slots_lg2[geo->top_level];

		for (unsigned nr = 1; nr <= all; nr *= 2) {
			const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
							      .format = format,
							      .region = PGW_REGION_FOREIGN,
							      .nr_root_items = nr };
			uint64_t size = (uint64_t)nr << geo->span_lg2[geo->top_level];
			struct pgw_map_args map = { .first = size - BIT(geo->granule_lg2),
						    .last = size - 1,
						    .rights = BOTH(KR) };
			struct pgw_mm *mm;

			assert_int_equal(pgw_mm_new(&args, &mm), 0);
			assert_int_equal(pgw_mm_region(mm)->last, size - 1);
			assert_int_equal(pgw_mm_root(mm).nr_items, nr == all ? 0 : nr);
			assert_int_equal(pgw_mmap_write_lock(mm), 0);
			assert_int_equal(pgw_mm_map(mm, &map), 0);
			map.last = size - 1 + BIT(geo->granule_lg2);
			map.first = size;
			assert_int_equal(pgw_mm_map(mm, &map), -PGW_EINVAL);
			assert_int_equal(pgw_mmap_write_unlock(mm), 0);
			pgw_mm_free(mm);
		}
	}
}

/* A run of sixteen blocks is more than a root of eight has. */
static void test_owned_arm64_s2_root__refuses_what_is_larger(void **state)
{
	struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					.format = pgw_format_by_name("arm64-s2-4k-l2"),
					.region = PGW_REGION_FOREIGN,
					.nr_root_items = 8 };
	const struct pgw_leaf leaf = { .level = 1, .rights = BOTH(KR), .attrs = BIT(52) };
	const struct pgw_map_args map = { .last = BIT(24) - 1, .rights = BOTH(KR) };
	struct pgw_translation t;
	struct pgw_mm *mm;

	(void)state;
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_mm_map_leaf(mm, &leaf), -PGW_EINVAL);
	assert_int_equal(pgw_mm_map(mm, &map), 0);
	assert_int_equal(pgw_translate(mm, 0, &t), 0);
	assert_int_equal(t.leaf_lg2, 21);
	assert_int_equal(pgw_mm_collapse(mm, 0, 25), -PGW_EINVAL);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	pgw_mm_free(mm);

	args.nr_root_items = 12;
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EINVAL);
	args.nr_root_items = 1 << 14;
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EINVAL);
	args.nr_root_items = 512;
	args.format = pgw_format_by_name("npt-48");
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EINVAL);
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
		cmocka_unit_test(test_owned_guest__control_bits_decide_what_can_be_said),
		cmocka_unit_test(test_owned_guest__tables_allow_all),
		cmocka_unit_test(test_owned_arm64_s2_root__has_the_items_that_were_asked_for),
		cmocka_unit_test(test_owned_arm64_s2_root__refuses_what_is_larger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
