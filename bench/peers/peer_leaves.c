/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This library, finding what other programs are given: all leaves of a root. Prints "VA PA" for
 * each, then the time from opening the image to the last leaf. peer_leaves FILE ROOT (of the
 * kernel's format)
 */
#include <inttypes.h>
#include <pagewalk/pagewalk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LEAVES 1000000

static uint64_t va[MAX_LEAVES], pa[MAX_LEAVES];
static size_t nr_leaves;

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int take(const struct pgw_extent *extents, size_t nr, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_extent *extent = &extents[i];
		uint64_t size = UINT64_C(1) << extent->leaf_lg2;

		if (extent->kind != PGW_ENTRY_LEAF)
			continue;
		for (uint64_t at = 0; at <= extent->va_last - extent->va_first; at += size) {
			if (nr_leaves == MAX_LEAVES)
				die("too many leaves");
			va[nr_leaves] = extent->va_first + at;
			pa[nr_leaves++] = extent->pa + at;
		}
	}
	return 0;
}

static void scan_half(struct pgw_mm_attach_args *args, enum pgw_region_kind half, uint64_t first,
		      uint64_t last)
{
	struct pgw_mm *mm;

	args->region = half;
	if (pgw_mm_attach(args, &mm) || pgw_scan_blocks(mm, first, last, take, NULL, NULL))
		die("cannot scan");
	pgw_mm_free(mm);
}

int main(int argc, char **argv)
{
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform() };
	struct pgw_root_info root;
	struct pgw_image *image;
	double start;

	if (argc != 3)
		die("usage: peer_leaves FILE ROOT");
	/* Bytes that were never written are brought in at the first: not this library's time. */
	memset(va, 0xff, sizeof(va));
	memset(pa, 0xff, sizeof(pa));
	start = now_ms();
	if (pgw_image_open(argv[1], NULL, &image, NULL) ||
	    pgw_image_kernel_root(image, &root, NULL))
		die("cannot open the image");
	args.format = root.format;
	args.phys = pgw_image_phys(image);
	args.root.pa = strtoull(argv[2], NULL, 16);
	args.control = root.control;
	scan_half(&args, PGW_REGION_USER, 0, UINT64_C(0x00007fffffffffff));
	scan_half(&args, PGW_REGION_KERNEL, UINT64_C(0xffff800000000000), UINT64_MAX);
	start = now_ms() - start;
	pgw_image_close(image);
	for (size_t i = 0; i < nr_leaves; i++)
		printf("%016" PRIx64 " %016" PRIx64 "\n", va[i], pa[i]);
	printf("time %.3f\n", start);
	return 0;
}
