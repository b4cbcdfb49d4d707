/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * linux_users [FORMAT [SEED]]: an address space of the format, used at random, and what six
 * programs say of it that are written as for Linux's walker: smaps, pagemap_scan, mincore, damon,
 * ksm, ptdump.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux/world.h"

static int show_smaps(struct world *w)
{
	struct vm_area_struct *vma;
	int err = 0;
	VMA_ITERATOR(vmi, w->mm, 0);

	printf("smaps, in kB:    size    rss referenced  dirty   huge   swap\n");
	mmap_read_lock(w->mm);
	for_each_vma(vmi, vma)
	{
		const struct area *area = vma->vm_private_data;
		struct smaps s;

		err = smaps_vma(vma, &s);
		if (err)
			break;
		printf("  %-12s %6lu %6lu %10lu %6lu %6lu %6lu\n", area->name,
		       (vma->vm_end - vma->vm_start) >> 10, s.rss >> 10, s.referenced >> 10,
		       s.dirty >> 10, s.huge >> 10, s.swap >> 10);
	}
	mmap_read_unlock(w->mm);
	return err;
}

static void show_categories(unsigned categories)
{
	static const char *const names[] = { "present", "huge",    "writable", "young",
					     "dirty",   "swapped", "hole",     "gap" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (categories >> i & 1)
			printf(" %s", names[i]);
	}
	printf("\n");
}

/* The first few pages of the heap that changed or are not there, with a limit. */
static int show_scan(struct world *w)
{
	const struct area *heap = world_area(w, "heap");
	struct scan_range ranges[6];
	struct pagemap_scan scan = { .start = heap->start,
				     .end = heap->end,
				     .any = SCAN_DIRTY | SCAN_SWAPPED | SCAN_HOLE,
				     .show = SCAN_DIRTY | SCAN_SWAPPED | SCAN_HOLE,
				     .ranges = ranges,
				     .max_ranges = 6 };
	int err = pagemap_scan(w->mm, &scan);

	if (err)
		return err;
	printf("pagemap_scan of the heap, until page %lu:\n",
	       (scan.walk_end - heap->start) >> PAGE_SHIFT);
	for (size_t i = 0; i < scan.nr_ranges; i++) {
		printf("  %2lu to %2lu:", (ranges[i].start - heap->start) >> PAGE_SHIFT,
		       ((ranges[i].end - heap->start) >> PAGE_SHIFT) - 1);
		show_categories(ranges[i].categories);
	}
	return 0;
}

static int show_mincore(struct world *w)
{
	const struct area *text = world_area(w, "text");
	struct vm_area_struct *vma = lock_vma_under_rcu(w->mm, text->start);
	unsigned char vec[64];
	int err;

	if (!vma)
		return -PGW_EBUSY;
	err = mincore_vma(vma, text->start, text->end, vec);
	if (!err) {
		printf("mincore of the text: ");
		for (unsigned long i = 0; i < vma_pages(vma); i++)
			printf("%d", vec[i]);
		printf("\n");
	}
	vma_end_read(vma);
	return err;
}

/* Eight rounds, in which the program reads the whole stack, and every other time the huge pages. */
static int show_damon(struct world *w)
{
	const char *const names[] = { "text", "huge", "stack" };
	struct damon_region regions[3];
	struct damon damon = { .mm = w->mm, .regions = regions, .nr_regions = 3, .random = 1 };
	int err = 0;

	for (size_t i = 0; i < 3; i++) {
		const struct area *area = world_area(w, names[i]);

		regions[i] = (struct damon_region){ .start = area->start, .end = area->end };
	}
	for (unsigned round = 0; round < 8 && !err; round++) {
		err = damon_prepare(&damon);
		for (size_t i = 1; i < 3 && !err; i++) {
			if (i == 2 || round % 2)
				err = world_read_area(w, world_area(w, names[i]));
		}
		if (!err)
			err = damon_check(&damon);
	}
	for (size_t i = 0; i < 3 && !err; i++)
		printf("damon: %u of 8 samples of %s were used\n", regions[i].nr_accesses,
		       names[i]);
	return err;
}

static int show_ksm(struct world *w)
{
	const struct ksm_owner owner = world_ksm_owner(w);
	struct area *twins = world_area(w, "twins");
	struct ksm_pair *pairs;
	size_t nr;
	int err;

	world_fill(w, twins, 24);
	err = ksm_scan(w->mm, &owner, &pairs, &nr);
	if (err)
		return err;
	printf("ksm: %zu pages are like another one:", nr);
	for (size_t i = 0; i < nr; i++)
		printf(" %lu=%lu", (pairs[i].other - twins->start) >> PAGE_SHIFT,
		       (pairs[i].addr - twins->start) >> PAGE_SHIFT);
	printf("\n");
	free(pairs);
	return 0;
}

static void show_series(const struct ptdump_series *series, void *arg)
{
	static const char *const levels[] = { "pte", "pmd", "pud", "p4d", "pgd" };
	unsigned *nr = arg;

	if (++*nr <= 6)
		printf("  0x%016lx-0x%016lx %c%c%c/%c%c%c %s %s\n", series->first, series->last,
		       series->rights & PGW_KERNEL_R ? 'r' : '-',
		       series->rights & PGW_KERNEL_W ? 'w' : '-',
		       series->rights & PGW_KERNEL_X ? 'x' : '-',
		       series->rights & PGW_USER_R ? 'r' : '-',
		       series->rights & PGW_USER_W ? 'w' : '-',
		       series->rights & PGW_USER_X ? 'x' : '-', levels[series->level],
		       series->marker);
}

static int show_ptdump(struct world *w)
{
	const struct ptdump_marker markers[] = { { 0, "low" },
						 { world_area(w, "heap")->start, "heap" },
						 { world_area(w, "huge")->start, "high" },
						 { 0, NULL } };
	unsigned nr = 0;
	struct ptdump ptdump = { .markers = markers, .show = show_series, .arg = &nr };
	int err;

	printf("ptdump:\n");
	err = ptdump_walk(w->mm, pgw_mm_region(w->mm)->first, pgw_mm_region(w->mm)->last, &ptdump);
	if (!err)
		printf("  ... %u series; %lu pages are W+X\n", nr, ptdump.nr_wx);
	return err;
}

int main(int argc, char **argv)
{
	int (*const show[])(struct world *) = { show_smaps, show_scan, show_mincore,
						show_damon, show_ksm,  show_ptdump };
	const struct pgw_format *format = pgw_format_by_name(argc > 1 ? argv[1] : "x86_64-la48");
	struct world w;
	int err;

	if (!format) {
		fprintf(stderr, "linux_users: no such format\n");
		return 2;
	}
	err = world_open(&w, format, argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 1);
	if (!err)
		err = world_map(&w);
	if (!err)
		err = world_use(&w);
	for (size_t i = 0; i < sizeof(show) / sizeof(show[0]) && !err; i++)
		err = show[i](&w);
	world_close(&w);
	if (err)
		fprintf(stderr, "linux_users: %s\n", pgw_status_text(err));
	return err ? 1 : 0;
}
