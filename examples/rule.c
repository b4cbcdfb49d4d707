/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The rule in twenty lines: a walk of user tables that does not follow VMAs
 * needs the mmap lock for write, a walk of kernel tables only for read.
 */

#include <pagewalk/pagewalk.h>
#include <stdio.h>

static void report(void *ctx, const struct pgw_violation *violation)
{
	char text[256];

	(void)ctx;
	pgw_violation_format(violation, text, sizeof(text));
	printf("  %s\n", text);
}

static int pte(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)item, (void)next, (void)walk;
	printf("  pte at %#llx\n", (unsigned long long)addr);
	return 0;
}

/* It breaks the rule on purpose; clang -Wthread-safety would tell before it is run. */
PGW_NO_THREAD_SAFETY_ANALYSIS int main(void)
{
	struct pgw_platform platform = *pgw_hosted_platform();
	struct pgw_mm_new_args args = { .platform = &platform,
					.region = PGW_REGION_KERNEL,
					.format = pgw_format_by_name("x86_64-la48") };
	const struct pgw_mm_walk_ops ops = { .pte_entry = pte };
	const struct pgw_leaf user_page = { .va = 0x1000,
					    .pa = 0x5000,
					    .rights = PGW_KERNEL_R | PGW_USER_R };
	const struct pgw_leaf kernel_page = { .va = UINT64_MAX - 0xfff,
					      .pa = 0x6000,
					      .rights = PGW_KERNEL_R };
	struct pgw_mm *kernel, *user;
	int err;

	platform.violation = report; /* the default prints this and aborts */
	if (pgw_mm_new(&args, &kernel))
		return 1;
	args.region = PGW_REGION_USER;
	args.kernel_mm = kernel;
	if (pgw_mm_new(&args, &user))
		return 1;

	pgw_mmap_write_lock(user);
	pgw_mm_map_leaf(user, &user_page);
	err = pgw_walk_page_range_novma(user, 0x1000, 0x2000, &ops, NULL, NULL);
	printf("user tables, write lock: %d\n", err);
	pgw_mmap_write_downgrade(user);
	err = pgw_walk_page_range_novma(user, 0x1000, 0x2000, &ops, NULL, NULL);
	printf("user tables, downgraded to read: %d\n", err);
	pgw_mmap_read_unlock(user);

	pgw_mmap_read_lock(kernel);
	pgw_mm_map_leaf(kernel, &kernel_page);
	err = pgw_walk_page_range_novma(kernel, UINT64_MAX - 0xfff, UINT64_MAX, &ops, NULL, NULL);
	printf("kernel tables, read lock: %d\n", err);
	pgw_mmap_read_unlock(kernel);
	err = pgw_walk_page_range_novma(kernel, UINT64_MAX - 0xfff, UINT64_MAX, &ops, NULL, NULL);
	printf("kernel tables, no lock: %d\n", err);

	pgw_mm_free(user);
	pgw_mm_free(kernel);
	return 0;
}
