/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MM_FILE_FIXTURE_H
#define TESTS_MM_FILE_FIXTURE_H

/*
 * A file for tests: its pages' frames, which it supplies to the faults of any VMA, and
 * an account of how often each page is mapped. Safe for many threads.
 *
 * A page that was forgotten gets another frame when it is next asked for: frames of
 * later generations are of higher addresses.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pagewalk/pagewalk.h>

#define FILE_PAGES UINT64_C(4096)     /* the most that a file can have */
#define FILE_BASE (UINT64_C(1) << 34) /* the frame of page 0, generation 0 */

struct test_file {
	struct pgw_mapping *mapping;
	unsigned page_lg2;
	uint64_t generation;          /* atomic */
	uint64_t born[FILE_PAGES];    /* each page's generation; atomic */
	int32_t mapcount[FILE_PAGES]; /* how often a frame of the page is out; atomic */
	uint32_t nr_asked, nr_bad;    /* atomic */
	bool want_large, want_read_only;
	/* Called by the next fault alone, when it has its frame. */
	void (*meanwhile)(struct test_file *file);
	void *arg; /* for the case */
};

void file_init(struct test_file *file, const struct pgw_platform *platform, unsigned page_lg2,
	       uint64_t nr_pages);
/** Nothing of it is mapped any more. */
void file_fini(struct test_file *file);

/** The file forgets pages, and gives new ones the frames of another generation. */
void file_forget(struct test_file *file, uint64_t first, uint64_t nr_pages);

/** The frame of a page, if it was asked for now. */
uint64_t file_pa(struct test_file *file, uint64_t page);
/** The page that a frame of the file is of. */
uint64_t file_page_of(const struct test_file *file, uint64_t pa);

/** The sum over all pages. */
long file_mapped(struct test_file *file);

#endif
