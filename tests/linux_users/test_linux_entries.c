/* SPDX-License-Identifier: BSD-2-Clause */

/* What linux.h says of entries, in each format whose tables can be owned. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#include <pagewalk/linux.h>

struct mm_struct *pgw_linux_init_mm;

struct fixture {
	struct arena arena;
	const struct pgw_format *format;
	struct mm_struct *mm;
	bool read_only; /* what the next fault maps */
	uint64_t next_pa;
};

#define START (UINT64_C(1) << 30)

static int supply_frame(struct vm_area_struct *vma, struct pgw_fault *fault)
{
	struct fixture *f = vma->vm_private_data;
	uint64_t dbm = pgw_linux_mask("dbm", PGW_LINUX_PTE);
	bool hd = pgw_mm_control(f->mm)->set & PGW_CTL_ARM64_HD;

	fault->pa = f->next_pa;
	f->next_pa += PAGE_SIZE;
	fault->read_only = f->read_only;
	fault->attrs = dbm && hd && !f->read_only ? dbm : 0;
	return 0;
}

static const struct pgw_vma_ops frames = { .fault = supply_frame };

static void fixture_init(struct fixture *f, const struct pgw_format *format, uint32_t control)
{
	struct pgw_mm_new_args args = { .format = format,
					.region = PGW_REGION_USER,
					.control = { .known = control, .set = control } };
	struct pgw_mmap_args area = {
		.start = START, .flags = VM_READ | VM_WRITE, .ops = &frames, .private_data = f
	};

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, 16 << 20);
	args.platform = &f->arena.platform;
	f->format = format;
	f->next_pa = UINT64_C(1) << 32;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	pgw_linux_init_mm = f->mm;
	area.end = START + 16 * PAGE_SIZE;
	assert_int_equal(pgw_mm_mmap(f->mm, &area), 0);
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->mm);
	assert_int_equal(f->arena.nr_violations, 0);
	arena_fini(&f->arena);
}

static pte_t pte_at(struct fixture *f, uint64_t va)
{
	struct pgw_translation t;

	mmap_write_lock(f->mm);
	assert_int_equal(pgw_translate(f->mm, va, &t), 0);
	mmap_write_unlock(f->mm);
	return t.entry;
}

static int note_dirty(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)va, (void)pa, (void)size_lg2;
	*(bool *)arg |= what & PGW_HARVEST_DIRTY;
	return 0;
}

/* What the library itself calls dirty; with clear, for the last time. */
static bool harvest_dirty(struct fixture *f, bool clear)
{
	bool dirty = false;

	assert_int_equal(pgw_mm_harvest(f->mm, START, START + PAGE_SIZE,
					PGW_HARVEST_DIRTY | (clear ? PGW_HARVEST_CLEAR : 0),
					note_dirty, &dirty),
			 0);
	return dirty;
}

static void check_dirty(struct fixture *f, bool expected)
{
	assert_int_equal(pte_dirty(pte_at(f, START)), expected);
	assert_int_equal(harvest_dirty(f, false), expected);
}

/* A page that is read, then written to, and then may not be written to any more. */
static void dirty_of_format(const struct pgw_format *format, uint32_t control)
{
	struct fixture f;
	uint64_t d;

	fixture_init(&f, format, control);
	d = pgw_linux_mask("d", PGW_LINUX_PTE);
	f.read_only = true;
	assert_int_equal(pgw_mm_fault(f.mm, START, VM_READ), 0);
	check_dirty(&f, false);
	assert_int_equal(pgw_mm_dontneed(f.mm, START, START + PAGE_SIZE), 0);
	f.read_only = false;
	assert_int_equal(pgw_mm_fault(f.mm, START, VM_WRITE), 0);
	if (d) {
		check_dirty(&f, false); /* the MMU has not written yet */
		fixture_fini(&f);
		return;
	}
	check_dirty(&f, true);
	assert_int_equal(pgw_mm_mprotect(f.mm, START, START + PAGE_SIZE, VM_READ), 0);
	assert_false(pte_write(pte_at(&f, START)));
	check_dirty(&f, true);
	assert_true(harvest_dirty(&f, true));
	check_dirty(&f, false);
	fixture_fini(&f);
}

static void test_linux_entries__dirty_is_what_was_written(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		dirty_of_format(format, 0);
		if (!strcmp(pgw_format_arch(format), "arm64"))
			dirty_of_format(format, PGW_CTL_ARM64_HD);
	}
}

/* Clean, and the MMU may make it dirty: it is writable all the same. */
static void test_linux_entries__clean_leaf_with_hd_may_be_written(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("arm64-4k-48"), PGW_CTL_ARM64_HD);
	assert_int_equal(pgw_mm_fault(f.mm, START, VM_WRITE), 0);
	assert_true(harvest_dirty(&f, true));
	assert_true(pte_write(pte_at(&f, START)));
	check_dirty(&f, false);
	fixture_fini(&f);
}

/* The bits that the manuals give: Intel SDM 4.5, Arm ARM D8.3, RISC-V privileged 4.4. */
static void test_linux_entries__accessed_bit_is_cleared_once(void **state)
{
	static const struct {
		const char *arch;
		uint64_t accessed;
	} table[] = {
		{ "x86_64", UINT64_C(1) << 5 },
		{ "arm64", UINT64_C(1) << 10 },
		{ "riscv64", UINT64_C(1) << 6 },
	};
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		uint64_t accessed = 0, entry, words[] = { 0, 0xfffffffe }; /* empty, absent */
		struct fixture f;
		pte_t pte;

		for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
			if (!strcmp(pgw_format_arch(format), table[n].arch))
				accessed = table[n].accessed;
		}
		assert_int_not_equal(accessed, 0);
		fixture_init(&f, format, 0);
		assert_int_equal(pgw_mm_fault(f.mm, START, VM_READ), 0);
		entry = pte_at(&f, START) & ~accessed;
		pte = entry;
		assert_false(pte_young(pte));
		assert_false(ptep_test_and_clear_young(NULL, START, &pte));
		pte = entry | accessed;
		assert_true(pte_young(pte));
		assert_true(ptep_test_and_clear_young(NULL, START, &pte));
		assert_true(pte_same(pte, entry));
		for (size_t n = 0; n < 2; n++) {
			pte = words[n];
			assert_false(ptep_test_and_clear_young(NULL, START, &pte));
			assert_true(pte_same(pte, words[n]));
		}
		fixture_fini(&f);
	}
}

static void test_linux_entries__absent_is_neither_none_nor_present(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		struct fixture f;
		pte_t pte;

		fixture_init(&f, format, 0);
		assert_int_equal(pgw_mm_fault(f.mm, START, VM_READ), 0);
		pte = pte_at(&f, START);
		assert_true(pte_present(pte) && !pte_none(pte) && !is_swap_pte(pte));
		assert_true(pte_user(pte));
		pte = 0x12340000;
		assert_true(!pte_present(pte) && !pte_none(pte) && is_swap_pte(pte));
		assert_true(is_swap_pmd(pte));
		pte = 0;
		assert_true(!pte_present(pte) && pte_none(pte) && !is_swap_pte(pte));
		fixture_fini(&f);
	}
}

/* riscv-sv39 has three levels, the highest of which is the pud: what Linux folds is not asked. */
static void test_linux_entries__folded_level_is_a_table_whatever_is_there(void **state)
{
	struct fixture f;
	uint64_t leaf;

	(void)state;
	fixture_init(&f, pgw_format_by_name("riscv-sv39"), 0);
	assert_int_equal(pgw_mm_fault(f.mm, START, VM_READ), 0);
	leaf = pte_at(&f, START) & 0x3ff; /* frame 0 is aligned to any size */
	assert_true(pud_leaf(leaf) && pud_present(leaf) && !pud_none(leaf) && pud_bad(leaf));
	assert_true(!p4d_leaf(leaf) && p4d_present(leaf) && !p4d_none(leaf) && !p4d_bad(leaf));
	assert_true(!pgd_leaf(leaf) && pgd_present(leaf) && !pgd_none(leaf) && !pgd_bad(leaf));
	assert_true(!pud_present(0) && pud_none(0));
	assert_true(p4d_present(0) && !p4d_none(0) && !p4d_bad(0));
	assert_true(pgd_present(0) && !pgd_none(0) && !pgd_bad(0));
	fixture_fini(&f);
}

static void test_linux_entries__spans_end_at_boundaries_and_at_the_top(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		unsigned long slots, top = 0;
		struct fixture f;

		fixture_init(&f, format, 0);
		assert_int_equal(pmd_addr_end(PMD_SIZE + 1, 4 * PMD_SIZE), 2 * PMD_SIZE);
		assert_int_equal(pmd_addr_end(PMD_SIZE, PMD_SIZE + 1), PMD_SIZE + 1);
		assert_int_equal(pmd_addr_end(PMD_SIZE, 2 * PMD_SIZE), 2 * PMD_SIZE);
		/* The end of the last span is 0, and UINT64_MAX is before it. */
		assert_int_equal(pmd_addr_end(-PMD_SIZE, top), top);
		assert_int_equal(pgd_addr_end(-PAGE_SIZE, UINT64_MAX), UINT64_MAX);
		slots = PTRS_PER_PTE;
		assert_int_equal(slots * PAGE_SIZE, PMD_SIZE);
		if (pgw_format_geometry(format)->top_level == 2)
			assert_int_equal(PTRS_PER_P4D, 1);
		assert_int_equal(PAGE_ALIGN(1), PAGE_SIZE);
		assert_int_equal(PAGE_ALIGN(PAGE_SIZE), PAGE_SIZE);
		fixture_fini(&f);
	}
}

static void test_linux_entries__iterator_ends_with_the_range(void **state)
{
	struct fixture f;
	struct vm_area_struct *vma;
	unsigned nr = 0;
	VMA_ITERATOR(vmi, NULL, START);

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"), 0);
	vmi.mm = f.mm;
	mmap_read_lock(f.mm);
	for_each_vma_range(vmi, vma, START) nr++;
	assert_int_equal(nr, 0);
	for_each_vma_range(vmi, vma, START + 1)
	{
		assert_int_equal(vma_pages(vma), 16);
		nr++;
	}
	assert_int_equal(nr, 1);
	mmap_read_unlock(f.mm);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_entries__dirty_is_what_was_written),
		cmocka_unit_test(test_linux_entries__clean_leaf_with_hd_may_be_written),
		cmocka_unit_test(test_linux_entries__accessed_bit_is_cleared_once),
		cmocka_unit_test(test_linux_entries__absent_is_neither_none_nor_present),
		cmocka_unit_test(test_linux_entries__folded_level_is_a_table_whatever_is_there),
		cmocka_unit_test(test_linux_entries__spans_end_at_boundaries_and_at_the_top),
		cmocka_unit_test(test_linux_entries__iterator_ends_with_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
