/* SPDX-License-Identifier: BSD-2-Clause */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "naive.h"

#define PAGE UINT64_C(4096)
#define MADE_VA UINT64_C(0xffff800000000000)
#define MADE_BLOCK ((size_t)32 << 20)
#define MAX_ADDRESSES 65536

const struct shape shapes[] = {
	{ "x86_64_la48_dense", 262144, PAGE, 0 },      /* 1 GiB, one run */
	{ "x86_64_la48_broken", 262144, PAGE, 1 },     /* the same, every leaf a run of its own */
	{ "x86_64_la48_sparse", 4096, 512 * PAGE, 0 }, /* one leaf in each lowest table */
	{ NULL, 0, 0, 0 },
};

static struct pgw_ptdesc *block_desc(void *ctx, void *table)
{
	struct subject *subject = ctx;

	return &subject->descs[(size_t)((uint8_t *)table - subject->block) / PAGE];
}

/* Tables from one block, so that they are a struct pgw_phys_memory too. All are pages. */
static void *block_alloc(void *ctx, size_t size)
{
	struct subject *subject = ctx;
	void *table = subject->block + subject->block_used;

	if (size > subject->block_size - subject->block_used)
		return NULL;
	subject->block_used += size;
	*block_desc(subject, table) = (struct pgw_ptdesc){
		.table = table,
		.size_lg2 = (uint8_t)__builtin_ctzl(size),
	};
	return table;
}

static void block_free(void *ctx, void *table, size_t size)
{
	(void)ctx, (void)table, (void)size;
}

static void add_table(uint64_t pa, void *arg)
{
	struct subject *subject = arg;
	const size_t nr = PAGE / 8, nr_tables = subject->nr_words / nr;

	/* Full when the number is a power of two, or 0. */
	if (!(nr_tables & (nr_tables - 1)))
		subject->tables = realloc(subject->tables, (nr_tables ? 2 * nr_tables : 1) * PAGE);
	bench_require(subject->tables, "no memory");
	bench_require(
		!pgw_phys_read(subject->tree.phys, pa, subject->tables + subject->nr_words, PAGE),
		"cannot read a table");
	subject->nr_words += nr;
}

struct addresses {
	struct subject *subject;
	uint64_t step, next; /* every so many leaves */
};

static void add_address(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg)
{
	struct addresses *addresses = arg;
	struct subject *subject = addresses->subject;

	(void)pa, (void)level, (void)entry;
	if (addresses->next++ % addresses->step == 0 && subject->nr_addresses < MAX_ADDRESSES)
		subject->addresses[subject->nr_addresses++] = va + 8;
}

static void shuffle(struct subject *subject)
{
	uint64_t state = 1;

	memcpy(subject->shuffled, subject->addresses, subject->nr_addresses * 8);
	for (uint64_t i = subject->nr_addresses; i > 1; i--) {
		uint64_t other, t = subject->shuffled[i - 1];

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		other = (state >> 33) % i;
		subject->shuffled[i - 1] = subject->shuffled[other];
		subject->shuffled[other] = t;
	}
}

static int ignore_extent(const struct pgw_extent *extent, void *arg)
{
	(void)extent, (void)arg;
	return 0;
}

/* What all subjects have, once the attached mm is there. */
static void subject_look(struct subject *subject)
{
	const struct pgw_format *format = pgw_mm_format(subject->attached);
	struct addresses addresses = { .subject = subject };
	struct pgw_scan_stats stats;

	subject->tree.root = pgw_mm_root(subject->attached).pa;
	subject->tree.top_level = pgw_format_geometry(format)->top_level;
	subject->tree.first = 256;
	subject->tree.last = 511;
	pgw_format_region_range(format, PGW_REGION_KERNEL, &subject->va_first, &subject->va_last);
	bench_require(!pgw_scan(subject->attached, subject->va_first, subject->va_last,
				ignore_extent, NULL, &stats),
		      "cannot scan");
	subject->nr_leaves = stats.nr_leaves;
	naive_tables(&subject->tree, add_table, subject);
	subject->addresses = calloc(MAX_ADDRESSES, 8);
	subject->shuffled = calloc(MAX_ADDRESSES, 8);
	bench_require(subject->addresses && subject->shuffled, "no memory");
	addresses.step = subject->nr_leaves / MAX_ADDRESSES + 1;
	naive_walk(&subject->tree, add_address, &addresses);
	shuffle(subject);
}

static void make_leaves(struct subject *subject, const struct shape *shape)
{
	for (uint64_t i = 0; i < shape->nr_leaves; i++) {
		struct pgw_leaf leaf = { .va = MADE_VA + i * shape->va_step,
					 .pa = (i ^ shape->exchange) * PAGE,
					 .rights = PGW_KERNEL_R | PGW_KERNEL_W };

		bench_require(!pgw_mm_map_leaf(subject->owned, &leaf), "cannot map");
	}
}

void subject_make(struct subject *subject, const struct shape *shape)
{
	const struct pgw_format *format = pgw_format_by_name("x86_64-la48");
	struct pgw_mm_new_args args = { .platform = &subject->platform,
					.format = format,
					.region = PGW_REGION_KERNEL };
	struct pgw_mm_attach_args attach = { .platform = &subject->platform,
					     .format = format,
					     .region = PGW_REGION_KERNEL };

	*subject = (struct subject){ .name = shape->name,
				     .platform = *pgw_hosted_platform(),
				     .block_size = MADE_BLOCK };
	subject->block = aligned_alloc(PAGE, MADE_BLOCK);
	subject->descs =
		aligned_alloc(sizeof(*subject->descs), MADE_BLOCK / PAGE * sizeof(*subject->descs));
	bench_require(subject->block && subject->descs, "no memory");
	memset(subject->block, 0, MADE_BLOCK);
	bench_require(!pgw_phys_memory_init(&subject->memory, 0, subject->block, MADE_BLOCK),
		      "memory");
	subject->tree.phys = &subject->memory.phys;
	subject->platform.ctx = subject;
	subject->platform.table_alloc = block_alloc;
	subject->platform.table_free = block_free;
	subject->platform.table_desc = block_desc;
	subject->platform.table_offset = (uint64_t)(uintptr_t)subject->block;
	bench_require(!pgw_mm_new(&args, &subject->owned), "cannot make an mm");
	pgw_mmap_write_lock(subject->owned);
	make_leaves(subject, shape);
	attach.phys = subject->tree.phys;
	attach.root = pgw_mm_root(subject->owned);
	bench_require(!pgw_mm_attach(&attach, &subject->attached), "cannot attach");
	subject_look(subject);
}

bool subject_open(struct subject *subject, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
					   .region = PGW_REGION_KERNEL };
	struct pgw_root_info root = { 0 };
	char text[256] = "not an x86_64 image";
	struct pgw_error err;

	*subject = (struct subject){ .name = slash ? slash + 1 : path };
	if (pgw_image_open(path, NULL, &subject->image, &err) ||
	    pgw_image_kernel_root(subject->image, &root, &err))
		pgw_error_format(&err, text, sizeof(text));
	else if (strcmp(pgw_format_arch(root.format), "x86_64") == 0)
		text[0] = '\0';
	if (text[0]) {
		fprintf(stderr, "bench: left out: %s: %s\n", path, text);
		pgw_image_close(subject->image);
		return false;
	}
	args.phys = subject->tree.phys = pgw_image_phys(subject->image);
	args.format = root.format;
	args.root = root.root;
	args.control = root.control;
	bench_require(!pgw_mm_attach(&args, &subject->attached), "cannot attach");
	subject_look(subject);
	return true;
}

void subject_free(struct subject *subject)
{
	pgw_mm_free(subject->attached);
	if (subject->owned) {
		pgw_mmap_write_unlock(subject->owned);
		pgw_mm_free(subject->owned);
	}
	pgw_image_close(subject->image);
	free(subject->tables);
	free(subject->addresses);
	free(subject->shuffled);
	free(subject->block);
	free(subject->descs);
}

uint64_t subject_read(void *arg)
{
	const struct subject *subject = arg;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < subject->nr_words; i++)
		sum += subject->tables[i];
	*(volatile uint64_t *)&sum = sum;
	return subject->nr_leaves;
}

void subject_each(char **images, int nr_images, subject_fn *fn, void *arg)
{
	static struct subject subject;

	for (const struct shape *shape = shapes; shape->name; shape++) {
		subject_make(&subject, shape);
		fn(&subject, arg);
		subject_free(&subject);
	}
	for (int i = 0; i < nr_images; i++) {
		if (!subject_open(&subject, images[i]))
			continue;
		fn(&subject, arg);
		subject_free(&subject);
	}
}

int subject_main(int argc, char **argv, subject_fn *fn)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	subject_each(argv + first, argc - first, fn, &bench);
	return bench_done(&bench);
}
