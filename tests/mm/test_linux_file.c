/* SPDX-License-Identifier: BSD-2-Clause */

/* What linux.h calls files' mappings and single pages, used as a kernel would. */

#include "mm/file_fixture.h"

#include "common/arena.h"

#include <pagewalk/linux.h>

struct mm_struct *pgw_linux_init_mm;

static struct arena arena;
static struct test_file file;

/* Pages 8 to 11 of the mm show pages 4 to 7 of the file; the first two are mapped. */
static void setup_file(void)
{
	const struct pgw_format *format = pgw_format_by_name("x86_64-la48");
	const struct pgw_mm_new_args args = { .platform = &arena.platform, .format = format };
	struct pgw_mmap_args where = { .start = 8 * 4096, .end = 12 * 4096, .flags = VM_READ };

	arena_init(&arena, 1u << 20);
	assert_int_equal(pgw_mm_new(&args, &pgw_linux_init_mm), 0);
	file_init(&file, &arena.platform, 12, 100);
	where.pgoff = 4;
	where.mapping = file.mapping;
	assert_int_equal(pgw_mm_mmap(&init_mm, &where), 0);
	assert_int_equal(pgw_mm_populate(&init_mm, 8 * 4096, 10 * 4096), 0);
}

static void teardown_file(void)
{
	pgw_mm_free(&init_mm);
	file_fini(&file);
	arena_fini(&arena);
}

static int count_present(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	(void)addr, (void)next;
	*(unsigned *)walk->private += pte_present(ptep_get(pte));
	return 0;
}

static unsigned nr_present(struct address_space *mapping, uint64_t first, uint64_t nr)
{
	static const struct mm_walk_ops ops = { .pte_entry = count_present };
	unsigned count = 0;

	i_mmap_lock_read(mapping);
	i_mmap_assert_locked(mapping);
	assert_int_equal(walk_page_mapping(mapping, first, nr, &ops, &count), 0);
	i_mmap_unlock_read(mapping);
	return count;
}

static void test_linux_file__the_kernels_names_work(void **state)
{
	struct vm_area_struct *vma;
	struct folio_walk fw;

	(void)state;
	setup_file();
	assert_int_equal(nr_present(file.mapping, 0, 100), 2);
	assert_int_equal(nr_present(file.mapping, 5, 1), 1);
	mmap_read_lock(&init_mm);
	vma = vma_lookup(&init_mm, 9 * 4096);
	assert_non_null(folio_walk_start(&fw, vma, 9 * 4096 + 5, FW_ZEROPAGE));
	assert_int_equal(fw.level, FW_LEVEL_PTE);
	assert_int_equal(fw.page, file_pa(&file, 5));
	assert_int_equal(pte_val(fw.pte), pte_val(ptep_get(fw.ptep)));
	folio_walk_end(&fw, vma);
	assert_null(folio_walk_start(&fw, vma, 10 * 4096, FW_ZEROPAGE | FW_MIGRATION));
	mmap_read_unlock(&init_mm);
	assert_true(i_mmap_trylock_write(file.mapping));
	i_mmap_unlock_write(file.mapping);
	assert_true(i_mmap_trylock_read(file.mapping));
	assert_false(i_mmap_trylock_read(file.mapping));
	arena.nr_violations = 0;
	i_mmap_unlock_read(file.mapping);
	assert_int_equal(unmap_mapping_pages(file.mapping, 0, 5, true), 0);
	assert_int_equal(nr_present(file.mapping, 0, 100), 1);
	teardown_file();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_file__the_kernels_names_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
