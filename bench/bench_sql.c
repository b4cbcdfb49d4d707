/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question: which leaves may the kernel write and execute? By `dump --perm k:wx`, which asks one root,
 * and by SQL, of the same root, and of all of them. These have to be found for that, where dump goes straight
 * to one if notes or registers name it; so all roots are also beside what the library takes to find and dump
 * them all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#include "wall.h"

#define QUESTION "select count(*) from leaves where kernel_w and kernel_x"
#define GOAL 2

enum { DUMP, ONE, ALL, ROOTS, LIBRARY, NR };

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	*(uint64_t *)arg += extent->kind == PGW_ENTRY_LEAF;
	return 0;
}

/* Of one half of a root. */
static void dump_half(const struct pgw_image *image, const struct pgw_root_info *root,
		      const struct pgw_region *region)
{
	const struct pgw_mm_attach_args attach = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.region = region->kind,
		.control = root->control,
	};
	struct pgw_dump_summary sums;
	uint64_t nr = 0;
	struct pgw_dump_args args = {
		.first = region->first,
		.last = region->last,
		.merge = PGW_DUMP_RUNS,
		.filter.rights_all = PGW_KERNEL_W | PGW_KERNEL_X,
		.fn = count_extent,
		.arg = &nr,
	};

	bench_require(!pgw_mm_attach(&attach, &args.mm) && !pgw_mmap_read_lock(args.mm),
		      "a root cannot be attached");
	bench_require(!pgw_dump(&args, &sums), "a dump failed");
	pgw_mmap_read_unlock(args.mm);
	pgw_mm_free(args.mm);
}

/* In this process, and without a word of output. */
static void library_all(const char *path)
{
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	size_t nr = 0;

	bench_require(!pgw_image_open(path, NULL, &image, NULL) &&
			      !pgw_image_roots(image, &roots, &nr),
		      "the image has no roots");
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_region *region = pgw_format_regions(roots[i].format);

		for (; region->name && roots[i].state != PGW_ROOT_GUEST; region++) {
			if (region->kind == PGW_REGION_USER ? roots[i].has_user : roots[i].has_kernel)
				dump_half(image, &roots[i], region);
		}
	}
	pgw_image_close(image);
}

static uint64_t kernel_root(const char *path)
{
	struct pgw_root_info root;
	struct pgw_image *image;

	bench_require(!pgw_image_open(path, NULL, &image, NULL) &&
			      pgw_image_kernel_root(image, &root, NULL) >= 0,
		      "the image has no kernel root");
	pgw_image_close(image);
	return root.root.pa;
}

static bool has_sql(const char *tool, const char *image)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		bool is_open = freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr);

		if (is_open)
			execl(tool, "pagewalk", "sql", image, "select 1", (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void measure(struct bench *bench, const char *image)
{
	static struct bench_times times[NR];
	const char *base = strrchr(image, '/') ? strrchr(image, '/') + 1 : image;
	char set[128], one[128];
	const char *const argvs[][6] = {
		[DUMP] = { "pagewalk", "dump", "--perm", "k:wx", image },
		[ONE] = { "pagewalk", "sql", image, one },
		[ALL] = { "pagewalk", "sql", image, QUESTION },
		[ROOTS] = { "pagewalk", "roots", image },
	};

	snprintf(one, sizeof(one), QUESTION " and root = 0x%" PRIx64, kernel_root(image));
	snprintf(set, sizeof(set), "bench_sql__%.*s", (int)strcspn(base, "."), base);
	for (unsigned round = 0; round < bench->nr_rounds; round++) {
		for (unsigned i = 0; i < LIBRARY; i++)
			bench_times_command(&times[i], round, argvs[i]);
		bench_times_begin(&times[LIBRARY], round);
		library_all(image);
		bench_times_end(&times[LIBRARY], round);
	}
	if (!bench->is_json)
		printf("%s: beside dump of one root\n", set);
	bench_times_print(bench, set, "dump --perm k:wx", &times[DUMP], &times[DUMP], 0);
	bench_times_print(bench, set, "sql, the same root", &times[ONE], &times[DUMP], GOAL);
	bench_times_print(bench, set, "sql, all roots", &times[ALL], &times[DUMP], GOAL);
	strcat(set, "_all");
	if (!bench->is_json)
		printf("%s: beside the library's dump of all roots\n", set);
	bench_times_print(bench, set, "library: find and dump all", &times[LIBRARY], &times[LIBRARY], 0);
	bench_times_print(bench, set, "roots", &times[ROOTS], &times[LIBRARY], 0);
	bench_times_print(bench, set, "sql, all roots", &times[ALL], &times[LIBRARY], GOAL);
}

int main(int argc, char **argv)
{
	const char *tool = getenv("PGW_TOOL");
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	bench_require(tool != NULL, "PGW_TOOL must be the command's path");
	if (first < argc && !has_sql(tool, argv[first])) {
		fprintf(stderr, "bench: %s has no SQL: bench_sql left out\n", tool);
		return 0;
	}
	for (int i = first; i < argc; i++)
		measure(&bench, argv[i]);
	return bench_done(&bench);
}
