/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The six users of examples/linux while others fault, drop, protect and unmap pages. Of the
 * areas that nobody changes they say what is so; of the one that changes, nothing impossible.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "linux/world.h"

#define NR_LOOKS 60

/** The VMA that is busy, and the threads at it. */
struct busy {
	struct world w;
	struct area area; /* what the users find as the VMA's private data */
	struct pgw_mmap_args args;
	bool is_over;        /* atomic, as nr_started */
	uint64_t nr_started; /* threads, each of which has another seed by it */
};

/* A frame for each page and each huge page: its number is the page's. */
static int busy_fault(struct vm_area_struct *vma, struct pgw_fault *fault)
{
	uint64_t va = fault->va;

	(void)vma;
	fault->level = va >> PAGE_SHIFT & 1 ? fault->max_level : 0;
	fault->pa = (UINT64_C(1) << 36) + (va & (fault->level ? PMD_MASK : PAGE_MASK));
	return 0;
}

static const struct pgw_vma_ops busy_ops = { .fault = busy_fault };

static uint64_t pick(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % below;
}

static void change_something(struct busy *b, uint64_t *random)
{
	struct mm_struct *mm = b->w.mm;
	unsigned long nr = (b->area.end - b->area.start) >> PAGE_SHIFT;
	unsigned long start = b->area.start + (pick(random, nr) << PAGE_SHIFT);
	unsigned long left = (b->area.end - start) >> PAGE_SHIFT;
	unsigned long end = start + ((pick(random, left) + 1) << PAGE_SHIFT);
	struct pgw_mmap_args args = b->args;

	switch (pick(random, 12)) {
	case 0:
		pgw_mm_dontneed(mm, start, end);
		break;
	case 1:
		pgw_mm_munmap(mm, start, end);
		args.start = start;
		args.end = end;
		args.pgoff = (start - b->area.start) >> PAGE_SHIFT;
		pgw_mm_mmap(mm, &args); /* or the other thread was first */
		break;
	case 2:
		pgw_mm_mprotect(mm, start, end, pick(random, 2) ? VM_READ : VM_READ | VM_WRITE);
		break;
	default:
		pgw_mm_fault(mm, start, pick(random, 2) ? VM_READ : VM_WRITE);
		break;
	}
}

static void *busy_thread(void *arg)
{
	struct busy *b = arg;
	uint64_t random = __atomic_add_fetch(&b->nr_started, 1, __ATOMIC_RELAXED);

	while (!__atomic_load_n(&b->is_over, __ATOMIC_RELAXED))
		change_something(b, &random);
	return NULL;
}

/* ---- looking ---- */

static unsigned long nr_true(struct area *area)
{
	unsigned long nr = 0;

	for (unsigned long va = area->start; va != area->end; va += PAGE_SIZE)
		nr += area_page(area, va)->present;
	return nr;
}

static void look_at_vmas(struct busy *b)
{
	struct area *stack = world_area(&b->w, "stack");
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, b->w.mm, 0);

	mmap_read_lock(b->w.mm);
	for_each_vma(vmi, vma)
	{
		struct smaps s;

		assert_int_equal(smaps_vma(vma, &s), 0);
		assert_true(s.rss <= vma->vm_end - vma->vm_start && s.huge <= s.rss);
		if (vma->vm_private_data == stack)
			assert_int_equal(s.rss >> PAGE_SHIFT, nr_true(stack));
	}
	mmap_read_unlock(b->w.mm);
}

/* All pages of the range are told of, once each. */
static void look_at_pages(struct busy *b)
{
	static struct scan_range ranges[1 << 16];
	struct pagemap_scan scan = { .start = b->area.start - PMD_SIZE,
				     .end = b->area.end + PMD_SIZE,
				     .show = ~0u,
				     .ranges = ranges,
				     .max_ranges = 1 << 16 };
	unsigned long at = scan.start;

	assert_int_equal(pagemap_scan(b->w.mm, &scan), 0);
	for (size_t i = 0; i < scan.nr_ranges; i++) {
		assert_int_equal(ranges[i].start, at);
		at = ranges[i].end;
	}
	assert_int_equal(at, scan.end);
}

/* Of a VMA that nobody can take away meanwhile: its lock is held. */
static void look_at_one_vma(struct busy *b)
{
	struct vm_area_struct *vma = lock_vma_under_rcu(b->w.mm, b->area.start);
	unsigned char *vec;
	unsigned long nr;

	if (!vma)
		return; /* somebody changes it */
	nr = vma_pages(vma);
	vec = malloc(nr);
	assert_non_null(vec);
	memset(vec, 0xee, nr);
	assert_int_equal(mincore_vma(vma, vma->vm_start, vma->vm_end, vec), 0);
	vma_end_read(vma);
	for (unsigned long i = 0; i < nr; i++)
		assert_true(vec[i] <= 1);
	free(vec);
}

static void look_at_accesses(struct busy *b)
{
	struct area *stack = world_area(&b->w, "stack");
	struct damon_region regions[] = { { .start = b->area.start, .end = b->area.end },
					  { .start = stack->start, .end = stack->end } };
	struct damon damon = { .mm = b->w.mm, .regions = regions, .nr_regions = 2, .random = 5 };

	assert_int_equal(damon_prepare(&damon), 0);
	assert_int_equal(damon_check(&damon), 0);
	assert_int_equal(regions[0].nr_accesses, 0); /* no MMU works here */
	assert_int_equal(regions[1].nr_accesses, 0);
}

static void look_at_contents(struct busy *b)
{
	const struct ksm_owner owner = world_ksm_owner(&b->w);
	struct ksm_pair *pairs;
	size_t nr;

	assert_int_equal(ksm_scan(b->w.mm, &owner, &pairs, &nr), 0);
	assert_int_equal(nr, nr_true(world_area(&b->w, "twins")) - 1); /* all are zero */
	free(pairs);
}

static void note_series(const struct ptdump_series *series, void *arg)
{
	unsigned long *at = arg;

	assert_true(series->first >= *at && series->last > series->first);
	*at = series->last;
}

static void look_at_tables(struct busy *b)
{
	unsigned long at = 0;
	struct ptdump ptdump = { .show = note_series, .arg = &at };

	assert_int_equal(ptdump_walk(b->w.mm, pgw_mm_region(b->w.mm)->first, UINT64_MAX, &ptdump),
			 0);
	assert_int_equal(ptdump.nr_wx, 0);
}

static void set_up(struct busy *b, const char *format)
{
	assert_int_equal(world_open(&b->w, pgw_format_by_name(format), 3), 0);
	assert_int_equal(world_map(&b->w), 0);
	assert_int_equal(world_use(&b->w), 0);
	b->area = (struct area){
		.world = &b->w, .name = "busy", .start = 64 * PMD_SIZE, .end = 67 * PMD_SIZE
	};
	b->args = (struct pgw_mmap_args){ .start = b->area.start,
					  .end = b->area.end,
					  .flags = VM_READ | VM_WRITE,
					  .ops = &busy_ops,
					  .private_data = &b->area };
	assert_int_equal(pgw_mm_mmap(b->w.mm, &b->args), 0);
}

static void look_while_others_change(const char *format)
{
	static struct busy b;
	pthread_t threads[2];
	const char *what = NULL;

	memset(&b, 0, sizeof(b));
	set_up(&b, format);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, busy_thread, &b), 0);
	for (unsigned i = 0; i < NR_LOOKS; i++) {
		look_at_vmas(&b);
		look_at_pages(&b);
		look_at_one_vma(&b);
		look_at_accesses(&b);
		look_at_contents(&b);
		look_at_tables(&b);
	}
	__atomic_store_n(&b.is_over, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	mmap_write_lock(b.w.mm);
	if (pgw_mm_validate(b.w.mm, &what))
		fail_msg("%s: %s", format, what);
	mmap_write_unlock(b.w.mm);
	assert_null(b.w.broken_rule);
	world_close(&b.w);
}

static void test_linux_users_threads__others_change_what_is_looked_at(void **state)
{
	(void)state;
	look_while_others_change("x86_64-la48");
	look_while_others_change("arm64-4k-48");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_users_threads__others_change_what_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
