/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a leaf costs: 1 GiB of 4 KiB leaves, either one run or each a run of its
 * own, as tables of this program's (owned) and as foreign ones (attached).
 */

#include <pagewalk/pagewalk.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE UINT64_C(4096)
#define NR_LEAVES UINT64_C(262144)
#define VA_FIRST UINT64_C(0xffff800000000000)
#define VA_LAST (VA_FIRST + NR_LEAVES * PAGE - 1)
#define NR_ROUNDS 15

/* Foreign memory that is this program's: a physical address is a host address. */
static int host_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	(void)phys;
	memcpy(buf, (const void *)(uintptr_t)pa, len);
	return 0;
}

static const void *host_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	(void)phys, (void)len;
	return (const void *)(uintptr_t)pa;
}

static bool host_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	(void)phys, (void)pa;
	*ret_first = 0;
	*ret_last = UINT64_MAX - 1;
	return true;
}

static const struct pgw_phys_ops host_ops = { host_read, host_map, host_next_range };
static const struct pgw_phys host_phys = { .ops = &host_ops };

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	(void)extent;
	++*(uint64_t *)arg;
	return 0;
}

static int count_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)pte, (void)addr, (void)next;
	++*(uint64_t *)walk->arg;
	return 0;
}

/* Each goes over every leaf once. @return 0, or a status */
typedef int bench_fn(struct pgw_mm *mm);

static int bench_scan(struct pgw_mm *mm)
{
	uint64_t nr = 0;
	int err = pgw_scan_extents(mm, VA_FIRST, VA_LAST, count_extent, &nr);

	return err ? err : nr ? 0 : -PGW_ENOENT;
}

static int bench_walk(struct pgw_mm *mm)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_pte };
	uint64_t nr = 0;
	int err = pgw_walk_page_range_novma(mm, VA_FIRST, VA_LAST + 1, &ops, NULL, &nr);

	return err ? err : nr == NR_LEAVES ? 0 : -PGW_ENOENT;
}

static int bench_translate(struct pgw_mm *mm)
{
	struct pgw_translation translation;

	for (uint64_t va = VA_FIRST; va < VA_LAST; va += PAGE) {
		int err = pgw_translate(mm, va, &translation);

		if (err || translation.kind != PGW_ENTRY_LEAF)
			return err ? err : -PGW_ENOENT;
	}
	return 0;
}

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static int measure(const char *name, bench_fn *fn, struct pgw_mm *mm)
{
	double ns[NR_ROUNDS];

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		double start = now_ns();
		int err = fn(mm);

		if (err) {
			printf("%s: %s\n", name, pgw_status_text(err));
			return err;
		}
		ns[round] = (now_ns() - start) / (double)NR_LEAVES;
	}
	qsort(ns, NR_ROUNDS, sizeof(ns[0]), compare);
	printf("%-50s %7.2f ns a leaf (%.2f to %.2f)\n", name, ns[NR_ROUNDS / 2], ns[0],
	       ns[NR_ROUNDS - 1]);
	return 0;
}

/* Leaf i goes to page i, or to page i with neighbours exchanged. */
static int map_leaves(struct pgw_mm *mm, uint64_t exchange)
{
	for (uint64_t i = 0; i < NR_LEAVES; i++) {
		struct pgw_leaf leaf = { .va = VA_FIRST + i * PAGE,
					 .pa = (i ^ exchange) * PAGE,
					 .rights = PGW_KERNEL_R | PGW_KERNEL_W };
		int err = pgw_mm_map_leaf(mm, &leaf);

		if (err)
			return err;
	}
	return 0;
}

static int measure_all(struct pgw_mm *mm, const char *loader, const char *shape)
{
	static const struct {
		const char *name;
		bench_fn *fn;
	} benches[] = {
		{ "scan", bench_scan },
		{ "walk", bench_walk },
		{ "translate", bench_translate },
	};

	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		char name[64];
		int err;

		snprintf(name, sizeof(name), "bench_%s__x86_64_la48_%s_%s", benches[i].name, loader,
			 shape);
		err = measure(name, benches[i].fn, mm);
		if (err)
			return err;
	}
	return 0;
}

static int bench_shape(uint64_t exchange, const char *shape)
{
	struct pgw_mm_new_args new_args = { .platform = pgw_hosted_platform(),
					    .format = pgw_format_by_name("x86_64-la48"),
					    .half = PGW_HALF_KERNEL };
	struct pgw_mm_attach_args attach_args = { .platform = new_args.platform,
						  .format = new_args.format,
						  .half = PGW_HALF_KERNEL,
						  .phys = &host_phys };
	struct pgw_mm *owned, *attached = NULL;
	int err = pgw_mm_new(&new_args, &owned);

	if (err)
		return err;
	pgw_mmap_write_lock(owned);
	attach_args.root = pgw_mm_root(owned);
	err = map_leaves(owned, exchange);
	if (!err)
		err = measure_all(owned, "owned", shape);
	if (!err)
		err = pgw_mm_attach(&attach_args, &attached);
	if (!err)
		err = measure_all(attached, "attached", shape);
	pgw_mm_free(attached);
	pgw_mmap_write_unlock(owned);
	pgw_mm_free(owned);
	return err;
}

int main(void)
{
	return bench_shape(0, "run") || bench_shape(1, "scattered");
}
