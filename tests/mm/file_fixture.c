/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/file_fixture.h"

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t frame_pa(const struct test_file *file, uint64_t page, uint64_t generation)
{
	return FILE_BASE + (((generation * FILE_PAGES) + page) << file->page_lg2);
}

uint64_t file_pa(struct test_file *file, uint64_t page)
{
	return frame_pa(file, page, load(&file->born[page]));
}

uint64_t file_page_of(const struct test_file *file, uint64_t pa)
{
	return ((pa - FILE_BASE) >> file->page_lg2) % FILE_PAGES;
}

static void count(struct test_file *file, uint64_t page, uint64_t nr, int by)
{
	for (uint64_t i = page; i < page + nr; i++) {
		if (__atomic_add_fetch(&file->mapcount[i], by, __ATOMIC_RELAXED) < 0)
			__atomic_fetch_add(&file->nr_bad, 1, __ATOMIC_RELAXED);
	}
}

/* One frame for all of a large leaf's pages: of one generation. */
static bool is_one_run(struct test_file *file, uint64_t page, uint64_t nr)
{
	if ((page & (nr - 1)) || page + nr > FILE_PAGES)
		return false;
	for (uint64_t i = 1; i < nr; i++) {
		if (load(&file->born[page + i]) != load(&file->born[page]))
			return false;
	}
	return true;
}

static int file_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	struct test_file *file = pgw_mapping_arg(vma->mapping);
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_mm_format(vma->mm));
	uint64_t nr = UINT64_C(1) << (geo->span_lg2[fault->max_level] - file->page_lg2), page;
	bool has_answered;

	__atomic_fetch_add(&file->nr_asked, 1, __ATOMIC_RELAXED);
	page = fault->pgoff & ~(nr - 1);
	if (file->want_large && fault->max_level && is_one_run(file, page, nr) &&
	    !((fault->va >> file->page_lg2 ^ fault->pgoff) & (nr - 1))) {
		fault->level = fault->max_level;
	} else {
		page = fault->pgoff;
		nr = 1;
	}
	has_answered = fault->is_mapped &&
		       (fault->pa & ~((nr << file->page_lg2) - 1)) == file_pa(file, page);
	fault->pa = file_pa(file, page);
	fault->read_only = file->want_read_only && fault->access != PGW_VMA_WRITE;
	if (!has_answered)
		count(file, page, nr, 1);
	if (file->meanwhile) {
		void (*meanwhile)(struct test_file *) = file->meanwhile;

		file->meanwhile = NULL;
		meanwhile(file);
	}
	return 0;
}

static void file_release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	struct test_file *file = pgw_mapping_arg(vma->mapping);

	count(file, file_page_of(file, frames->pa), frames->size >> file->page_lg2, -1);
}

static const struct pgw_vma_ops file_ops = { .fault = file_fault, .release = file_release };

void file_init(struct test_file *file, const struct pgw_platform *platform, unsigned page_lg2,
	       uint64_t nr_pages)
{
	const struct pgw_mapping_args args = { .platform = platform,
					       .page_lg2 = (uint8_t)page_lg2,
					       .nr_pages = nr_pages,
					       .ops = &file_ops,
					       .arg = file };

	memset(file, 0, sizeof(*file));
	file->page_lg2 = page_lg2;
	assert_int_equal(pgw_mapping_new(&args, &file->mapping), 0);
}

void file_fini(struct test_file *file)
{
	assert_int_equal(file->nr_bad, 0);
	for (size_t i = 0; i < FILE_PAGES; i++)
		assert_int_equal(file->mapcount[i], 0);
	pgw_mapping_free(file->mapping);
}

void file_forget(struct test_file *file, uint64_t first, uint64_t nr_pages)
{
	uint64_t generation = __atomic_add_fetch(&file->generation, 1, __ATOMIC_RELAXED);

	for (uint64_t i = first; i < first + nr_pages && i < FILE_PAGES; i++)
		__atomic_store_n(&file->born[i], generation % 64, __ATOMIC_RELEASE);
}

long file_mapped(struct test_file *file)
{
	long sum = 0;

	for (size_t i = 0; i < FILE_PAGES; i++)
		sum += __atomic_load_n(&file->mapcount[i], __ATOMIC_RELAXED);
	return sum;
}
