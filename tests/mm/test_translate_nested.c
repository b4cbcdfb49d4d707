/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Translation by both stages, by tables made by hand. The guest's memory is read here by a list of pages, not
 * by its stage 2. What comes out is by the manuals: AMD APM vol. 2, 15.25.5; Intel SDM vol. 3C, 29.3.3.2; Arm
 * ARM D8.4.1.2 "Stage 2 direct permissions" and D8.6 "Combining ... memory type attributes".
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>
#include <pagewalk/scan.h>

#include "base/bits.h"

#define PAGE UINT64_C(0x1000)
#define NR_PAGES 64
#define NR_GUEST 16 /* pages of the guest, in no order from page 32 of its host's on */
#define NOWHERE 0

#define X86_TABLE UINT64_C(0x67)
#define ARM_TABLE UINT64_C(3)
#define XD BIT(63)
#define VA (5 * PAGE) /* by slot 5 of the guest's lowest table, which leads to its page 8 */
#define GPA (8 * PAGE)

struct stages {
	const char *first, *second; /* formats */
	uint64_t table1, table2;    /* bits of entries that lead to a table */
	uint64_t leaf2;             /* ... of the leaves for all of the guest's pages */
	struct pgw_control control1, control2;
};

struct fixture {
	uint64_t words[NR_PAGES][512];
	unsigned host_page[NR_GUEST];
	struct pgw_phys guest;
	struct pgw_phys_memory host;
	struct pgw_mm *stage1, *stage2;
};

static int guest_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct fixture *f = phys->ctx;
	unsigned page = pa / PAGE < NR_GUEST ? f->host_page[pa / PAGE] : NOWHERE;

	if (page == NOWHERE || pa % PAGE + len > PAGE)
		return -PGW_EIO;
	memcpy(buf, (const uint8_t *)f->words[page] + pa % PAGE, len);
	return 0;
}

static bool guest_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			     uint64_t *ret_last)
{
	(void)phys;
	*ret_first = 0;
	*ret_last = NR_GUEST * PAGE - 1;
	return pa < NR_GUEST * PAGE;
}

static const struct pgw_phys_ops guest_ops = { .read = guest_read,
					       .next_range = guest_next_range };

static void put(uint64_t *item, uint64_t entry)
{
	for (unsigned i = 0; i < 8; i++)
		((uint8_t *)item)[i] = (uint8_t)(entry >> 8 * i);
}

/* Of the guest's memory, and of the host's tables for it. */
static void put_guest(struct fixture *f, unsigned page, unsigned slot, uint64_t entry)
{
	put(&f->words[f->host_page[page]][slot], entry);
}

static void put_stage2(struct fixture *f, unsigned page, uint64_t entry)
{
	put(&f->words[4][page], entry);
}

/* Stage 2 is pages 1 to 4 of the host, stage 1 pages 1 to 4 of the guest, the highest level first. */
static void setup(struct fixture *f, const struct stages *stages)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name(stages->second),
		.phys = &f->host.phys,
		.root.pa = 1 * PAGE,
		.region = PGW_REGION_FOREIGN,
		.control = stages->control2,
	};

	memset(f, 0, sizeof(*f));
	for (unsigned page = 0; page < NR_GUEST; page++) {
		f->host_page[page] = 32 + page * 7 % NR_GUEST;
		put_stage2(f, page, f->host_page[page] * PAGE | stages->leaf2);
	}
	for (unsigned page = 1; page < 4; page++) {
		put(&f->words[page][0], (page + 1) * PAGE | stages->table2);
		put_guest(f, page, 0, (page + 1) * PAGE | stages->table1);
	}
	if (pgw_format_geometry(args.format)->is_root_concatenated)
		args.root.nr_items = 512;
	assert_int_equal(pgw_phys_memory_init(&f->host, 0, f->words, sizeof(f->words)), 0);
	assert_int_equal(pgw_mm_attach(&args, &f->stage2), 0);
	f->guest = (struct pgw_phys){ &guest_ops, f };
	args = (struct pgw_mm_attach_args){
		.platform = args.platform,
		.format = pgw_format_by_name(stages->first),
		.phys = &f->guest,
		.root.pa = 1 * PAGE,
		.region = PGW_REGION_USER,
		.control = stages->control1,
	};
	assert_int_equal(pgw_mm_attach(&args, &f->stage1), 0);
}

static void teardown(struct fixture *f)
{
	pgw_mm_free(f->stage1);
	pgw_mm_free(f->stage2);
}

/* One by one and many at once are the same. */
static struct pgw_nested_translation translate(struct fixture *f, uint64_t va,
					       struct pgw_nested_path *path)
{
	struct pgw_nested_translation got, many[3];
	const uint64_t vas[3] = { va, 6 * PAGE, va };

	assert_int_equal(pgw_translate_nested(f->stage1, f->stage2, va, &got, path), 0);
	assert_int_equal(pgw_translate_nested_batch(f->stage1, f->stage2, vas, many, 3), 3);
	for (unsigned i = 0; i < 3; i += 2) {
		assert_int_equal(many[i].kind, got.kind);
		assert_int_equal(many[i].stage, got.stage);
		assert_int_equal(many[i].level, got.level);
		assert_int_equal(many[i].leaf_lg2, got.leaf_lg2);
		assert_int_equal(many[i].rights, got.rights);
		assert_int_equal(many[i].address, got.address);
		assert_int_equal(many[i].pa, got.pa);
	}
	return got;
}

/* ---- rights ---- */

static const struct stages npt = { .first = "x86_64-la48",
				   .second = "npt-48",
				   .table1 = X86_TABLE,
				   .table2 = X86_TABLE,
				   .leaf2 = X86_TABLE };

static const struct stages ept = {
	.first = "x86_64-la48",
	.second = "ept-4",
	.table1 = X86_TABLE,
	.table2 = BITS(2, 0) | BIT(10),
	.leaf2 = BITS(2, 0) | UINT64_C(6) << 3,
	.control1 = { .known = PGW_CTL_X86_SMEP },
	.control2 = { .known = PGW_CTL_EPT_MBEC, .set = PGW_CTL_EPT_MBEC },
};

static const struct stages s2 = {
	.first = "arm64-4k-48",
	.second = "arm64-s2-4k-l0",
	.table1 = ARM_TABLE,
	.table2 = ARM_TABLE,
	.leaf2 = UINT64_C(0x7ff),
};

#define KR PGW_KERNEL_R
#define KW PGW_KERNEL_W
#define KX PGW_KERNEL_X
#define UR PGW_USER_R
#define UW PGW_USER_W
#define UX PGW_USER_X

#define EPT_LEAF(rights) ((rights) | UINT64_C(6) << 3)
#define EPT_XU BIT(10)
#define ARM_LEAF(bits) ((bits) | UINT64_C(0x403)) /* a page, accessed */
#define ARM_EL0 BIT(6)
#define ARM_RO BIT(7)
#define S2_LEAF(s2ap, xn) ((uint64_t)(xn) << 53 | (uint64_t)(s2ap) << 6 | UINT64_C(0x43f))

static const struct {
	const struct stages *stages;
	uint64_t inner, outer; /* bits of the two leaves */
	unsigned rights;
} rights_rows[] = {
	/* Each takes away; U is what stage 2 has to give anything. SMEP: no kernel runs a user's page. */
	{ &npt, 0x63, 0x67, KR | KW | KX },
	{ &npt, 0x63, 0x65, KR | KX },
	{ &npt, 0x63, 0x67 | XD, KR | KW },
	{ &npt, 0x61 | XD, 0x67, KR },
	{ &npt, 0x67, 0x67, KR | KW | UR | UW | UX },
	{ &npt, 0x67, 0x65 | XD, KR | UR },
	{ &npt, 0x67, 0x63, 0 },
	/* A supervisor's page by bit 2, a user's by bit 10, whoever executes it (SMEP is off here). */
	{ &ept, 0x63, EPT_LEAF(7), KR | KW | KX },
	{ &ept, 0x63, EPT_LEAF(3 | EPT_XU), KR | KW },
	{ &ept, 0x67, EPT_LEAF(7), KR | KW | UR | UW },
	{ &ept, 0x67, EPT_LEAF(3 | EPT_XU), KR | KW | KX | UR | UW | UX },
	{ &ept, 0x67, EPT_LEAF(1), KR | UR },
	{ &ept, 0x63, EPT_LEAF(4), KX },
	/* XN: 0 all, 1 EL0, 2 nobody, 3 EL1; EL1 runs nothing that EL0 may write. */
	{ &s2, ARM_LEAF(0), S2_LEAF(3, 0), KR | KW | KX | UX },
	{ &s2, ARM_LEAF(0), S2_LEAF(3, 1), KR | KW | UX },
	{ &s2, ARM_LEAF(0), S2_LEAF(3, 2), KR | KW },
	{ &s2, ARM_LEAF(0), S2_LEAF(3, 3), KR | KW | KX },
	{ &s2, ARM_LEAF(ARM_EL0), S2_LEAF(3, 0), KR | KW | UR | UW | UX },
	{ &s2, ARM_LEAF(ARM_EL0), S2_LEAF(2, 2), KW | UW },
	{ &s2, ARM_LEAF(ARM_EL0 | ARM_RO), S2_LEAF(3, 3), KR | KX | UR },
	{ &s2, ARM_LEAF(ARM_EL0), S2_LEAF(1, 1), KR | UR | UX },
};

static void test_translate_nested__gives_what_both_stages_do(void **state)
{
	struct pgw_nested_translation got;
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rights_rows); i++) {
		setup(&f, rights_rows[i].stages);
		put_guest(&f, 4, 5, GPA | rights_rows[i].inner);
		put_stage2(&f, 8, f.host_page[8] * PAGE | rights_rows[i].outer);
		got = translate(&f, VA + 0x123, NULL);
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.stage, 2);
		assert_int_equal(got.address, GPA + 0x123);
		assert_int_equal(got.pa, f.host_page[8] * PAGE + 0x123);
		assert_int_equal(got.leaf_lg2, 12);
		if (got.rights != rights_rows[i].rights)
			print_message("row %zu\n", i);
		assert_int_equal(got.rights, rights_rows[i].rights);
		teardown(&f);
	}
}

/* ---- each step, and where it ends ---- */

static void test_translate_nested__shows_both_stages_at_every_step(void **state)
{
	static const uint64_t items[] = { 1 * PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE + 5 * 8 };
	struct pgw_nested_path path;
	struct fixture f;

	(void)state;
	setup(&f, &npt);
	put_guest(&f, 4, 5, GPA | 0x67);
	translate(&f, VA, &path);
	assert_int_equal(path.path.nr_steps, 4);
	assert_int_equal(path.nr_steps, 5);
	for (unsigned i = 0; i < 5; i++) {
		const struct pgw_nested_step *step = &path.step[i];
		uint64_t gpa = i < 4 ? items[i] : GPA;

		if (i < 4)
			assert_int_equal(path.path.step[i].item_pa, gpa);
		assert_int_equal(step->gpa, gpa);
		assert_int_equal(step->result.kind, PGW_ENTRY_LEAF);
		assert_int_equal(step->result.pa, f.host_page[gpa / PAGE] * PAGE + gpa % PAGE);
		assert_int_equal(step->path.nr_steps, 4);
		assert_int_equal(step->path.step[3].item_pa, 4 * PAGE + gpa / PAGE * 8);
	}
	teardown(&f);
}

/* A leaf of 2 MiB of the guest's over pages of 4 KiB. */
static void test_translate_nested__has_the_smaller_size(void **state)
{
	struct pgw_nested_translation got;
	struct fixture f;

	(void)state;
	setup(&f, &npt);
	put_guest(&f, 3, 0, 0xe7);
	got = translate(&f, 9 * PAGE + 1, NULL);
	assert_int_equal(got.pa, f.host_page[9] * PAGE + 1);
	assert_int_equal(got.leaf_lg2, 12);
	teardown(&f);
}

static void expect_end(struct fixture *f, unsigned stage, enum pgw_entry_kind kind, unsigned level,
		       uint64_t address)
{
	struct pgw_nested_translation got = translate(f, VA, NULL);

	assert_int_equal(got.kind, kind);
	assert_int_equal(got.stage, stage);
	assert_int_equal(got.level, level);
	assert_int_equal(got.address, address);
	assert_int_equal(got.pa, 0);
	assert_int_equal(got.rights, 0);
	teardown(f);
}

static void test_translate_nested__says_where_it_ends(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &npt);
	expect_end(&f, 1, PGW_ENTRY_EMPTY, 0, VA);
	setup(&f, &npt);
	put_guest(&f, 2, 0, 0);
	expect_end(&f, 1, PGW_ENTRY_EMPTY, 2, VA);
	/* Stage 2 maps what the guest's tables lead to nowhere; or has a table of its own too few. */
	setup(&f, &npt);
	put_guest(&f, 4, 5, GPA | 0x67);
	put_stage2(&f, 8, 0);
	expect_end(&f, 2, PGW_ENTRY_EMPTY, 0, GPA);
	setup(&f, &npt);
	put_guest(&f, 4, 5, BIT(30) | 0x67);
	expect_end(&f, 2, PGW_ENTRY_EMPTY, 2, BIT(30));
	/* It is beyond all that stage 2 can map. */
	setup(&f, &npt);
	put_guest(&f, 4, 5, BIT(50) | 0x67);
	expect_end(&f, 2, PGW_ENTRY_NONCANONICAL, 3, BIT(50));
	/* One of the guest's tables is nowhere; is not to be read; is where the host has no memory. */
	setup(&f, &npt);
	put_stage2(&f, 3, 0);
	f.host_page[3] = NOWHERE;
	expect_end(&f, 2, PGW_ENTRY_EMPTY, 0, 3 * PAGE);
	setup(&f, &npt);
	put_stage2(&f, 4, 40 * PAGE | 0x63);
	f.host_page[4] = NOWHERE;
	expect_end(&f, 2, PGW_ENTRY_UNREADABLE, 0, 4 * PAGE + 5 * 8);
	setup(&f, &npt);
	put_stage2(&f, 4, BIT(40) | X86_TABLE);
	f.host_page[4] = NOWHERE;
	expect_end(&f, 1, PGW_ENTRY_UNREADABLE, 0, VA);
}

static void test_translate_nested__refuses_what_is_missing(void **state)
{
	struct pgw_nested_translation got;
	const uint64_t va[] = { VA, BIT(63) | BITS(62, 47), VA };
	struct fixture f;

	(void)state;
	setup(&f, &npt);
	assert_int_equal(pgw_translate_nested(NULL, f.stage2, VA, &got, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_translate_nested(f.stage1, NULL, VA, &got, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_translate_nested(f.stage1, f.stage2, va[1], &got, NULL), -PGW_EINVAL);
	/* An address of the kernel's region, and one after it that is not looked at. */
	assert_int_equal(pgw_translate_nested_batch(f.stage1, f.stage2, va, &got, 0), 0);
	struct pgw_nested_translation many[3];

	assert_int_equal(pgw_translate_nested_batch(f.stage1, f.stage2, va, many, 3), 1);
	assert_int_equal(pgw_translate_nested_batch(f.stage1, NULL, va, many, 3), 0);
	teardown(&f);
}

/* ---- memory types of arm64 ---- */

static const struct {
	unsigned mair, memattr;
	bool fwb;
	const char *name;
} type_rows[] = {
	/* The stricter of both. */
	{ 0xff, 0xf, false, "normal" },
	{ 0xff, 0x5, false, "normal-nc" },
	{ 0xff, 0xa, false, "normal-wt" },
	{ 0xff, 0x0, false, "device-nGnRnE" },
	{ 0xff, 0x1, false, "device-nGnRE" },
	{ 0x44, 0xf, false, "normal-nc" },
	{ 0x44, 0x2, false, "device-nGRE" },
	{ 0xbb, 0xf, false, "normal-wt" },
	{ 0xbb, 0x5, false, "normal-nc" },
	{ 0xff, 0xd, false, "normal-other" }, /* written back outside, not cached inside */
	{ 0x04, 0xf, false, "device-nGnRE" },
	{ 0x04, 0x0, false, "device-nGnRnE" },
	{ 0x00, 0x3, false, "device-nGnRnE" },
	{ 0x0c, 0x1, false, "device-nGnRE" },
	{ 0xf0, 0xf, false, "normal-tagged" },
	{ 0xf0, 0x5, false, "normal-nc" },
	/* Stage 2 says what it is, but for "not cached" beside a device, and 7: what stage 1 says. */
	{ 0xff, 0x6, true, "normal" },
	{ 0x44, 0x6, true, "normal" },
	{ 0x04, 0x6, true, "normal" },
	{ 0xff, 0x7, true, "normal" },
	{ 0x44, 0x7, true, "normal-nc" },
	{ 0x04, 0x7, true, "device-nGnRE" },
	{ 0xff, 0x5, true, "normal-nc" },
	{ 0x04, 0x5, true, "device-nGnRE" },
	{ 0xff, 0x1, true, "device-nGnRE" },
	{ 0x00, 0x3, true, "device-nGnRnE" },
	{ 0xff, 0x4, true, "reserved" },
};

static void test_nested_memory_type__is_that_of_both(void **state)
{
	struct stages stages = s2;
	struct pgw_nested_path path;
	struct fixture f;

	(void)state;
	stages.control1.known = PGW_CTL_MEMORY_TYPES;
	stages.control2.known = PGW_CTL_ARM64_FWB;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(type_rows); i++) {
		const char *name;

		/* AttrIndx 3. */
		stages.control1.memory_types = (uint64_t)type_rows[i].mair << 24 | 0x5a;
		stages.control2.set = type_rows[i].fwb ? PGW_CTL_ARM64_FWB : 0;
		setup(&f, &stages);
		put_guest(&f, 4, 5, GPA | ARM_LEAF(3 << 2));
		put_stage2(&f, 8,
			   f.host_page[8] * PAGE | UINT64_C(0x7c3) | type_rows[i].memattr << 2);
		translate(&f, VA, &path);
		name = pgw_nested_memory_type(f.stage1, f.stage2, &path);
		assert_non_null(name);
		if (strcmp(name, type_rows[i].name) != 0)
			print_message("row %zu\n", i);
		assert_string_equal(name, type_rows[i].name);
		teardown(&f);
	}
}

static void test_nested_memory_type__is_of_what_both_map(void **state)
{
	struct pgw_nested_path path;
	struct fixture f;

	(void)state;
	setup(&f, &s2);
	translate(&f, VA, &path);
	assert_null(pgw_nested_memory_type(f.stage1, f.stage2, &path));
	teardown(&f);
	/* EPT and NPT combine with the guest's PAT and MTRRs, of which nothing is known here. */
	setup(&f, &ept);
	put_guest(&f, 4, 5, GPA | 0x67);
	translate(&f, VA, &path);
	assert_null(pgw_nested_memory_type(f.stage1, f.stage2, &path));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate_nested__gives_what_both_stages_do),
		cmocka_unit_test(test_translate_nested__shows_both_stages_at_every_step),
		cmocka_unit_test(test_translate_nested__has_the_smaller_size),
		cmocka_unit_test(test_translate_nested__says_where_it_ends),
		cmocka_unit_test(test_translate_nested__refuses_what_is_missing),
		cmocka_unit_test(test_nested_memory_type__is_that_of_both),
		cmocka_unit_test(test_nested_memory_type__is_of_what_both_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
