/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This library, doing what peer_addrxlat does: translates the addresses that it is given, one a
 * line on standard input, prints "VA PA" for each, then the time from opening the image to the
 * last translation. peer_pagewalk FILE: by the root that CPU 0 runs on.
 */
#include <inttypes.h>
#include <pagewalk/pagewalk.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_ADDRESSES 1000000

static uint64_t va[MAX_ADDRESSES];
static struct pgw_translation at[MAX_ADDRESSES];

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

/* The addresses of one half follow each other. @return how many from the first on are done */
static size_t translate_half(const struct pgw_image *image, const struct pgw_root_info *root,
			     enum pgw_region_kind half, size_t first, size_t nr)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.control = root->control,
		.region = half,
	};
	struct pgw_mm *mm;
	size_t done;

	if (pgw_mm_attach(&args, &mm))
		die("cannot attach");
	done = pgw_translate_batch(mm, va + first, at + first, nr - first);
	pgw_mm_free(mm);
	return first + done;
}

int main(int argc, char **argv)
{
	struct pgw_root_info root;
	struct pgw_image *image;
	size_t nr = 0, done;
	double start;

	if (argc != 2)
		die("usage: peer_pagewalk FILE <ADDRESSES");
	while (nr < MAX_ADDRESSES && scanf("%" SCNx64, &va[nr]) == 1)
		nr++;
	start = now_ms();
	if (pgw_image_open(argv[1], NULL, &image, NULL) || pgw_image_cpu_root(image, 0, &root))
		die("cannot open the image");
	done = translate_half(image, &root, PGW_REGION_USER, 0, nr);
	done = translate_half(image, &root, PGW_REGION_KERNEL, done, nr);
	start = now_ms() - start;
	pgw_image_close(image);
	for (size_t i = 0; i < done; i++) {
		if (at[i].kind == PGW_ENTRY_LEAF)
			printf("%016" PRIx64 " %016" PRIx64 "\n", va[i], at[i].pa);
	}
	printf("time %.3f\n", start);
	return 0;
}
