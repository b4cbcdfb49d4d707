/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * ptdump [DUMP]: the kernel's page tables as ranges of equal level and rights, and
 * how many pages can be both written and executed. The tables are those of a
 * memory dump, or without one some that the program makes itself.
 *
 * The walk is that of linux/ptdump_walk.c, written as for Linux's walker, with its names.
 */

#include <stdio.h>

#include "linux/users.h"

struct mm_struct *pgw_linux_init_mm;

static const char *const level_name[] = { "pte", "pmd", "pud", "p4d", "pgd" };

static void print_size(unsigned long size)
{
	const char *unit = "BKMGTPE";

	while (!(size & 1023) && unit[1]) {
		size >>= 10;
		unit++;
	}
	printf("%9lu%c", size, *unit);
}

static void show_series(const struct ptdump_series *series, void *arg)
{
	(void)arg;
	printf("0x%016lx-0x%016lx", series->first, series->last);
	print_size(series->last - series->first + 1);
	printf(" %s %s %s\n", series->rights & PGW_KERNEL_W ? "RW" : "ro",
	       series->rights & PGW_KERNEL_X ? "x " : "NX", level_name[series->level]);
}

static int dump_kernel(struct mm_struct *mm)
{
	struct ptdump ptdump = { .show = show_series };
	unsigned long first, last;
	int err;

	pgw_format_region_range(pgw_mm_format(mm), PGW_REGION_KERNEL, &first, &last);
	err = ptdump_walk(mm, first, last, &ptdump);
	if (!err)
		printf("%lu pages can be written and executed\n", ptdump.nr_wx);
	return err;
}

static const struct pgw_leaf leaves[] = {
	{ .va = 0xffff888000000000, .pa = 0, .level = 2, .rights = PGW_KERNEL_R | PGW_KERNEL_W },
	{ .va = 0xffff888040000000,
	  .pa = 0x40000000,
	  .level = 2,
	  .rights = PGW_KERNEL_R | PGW_KERNEL_W },
	{ .va = 0xffffffff81000000,
	  .pa = 0x1000000,
	  .level = 1,
	  .rights = PGW_KERNEL_R | PGW_KERNEL_X },
	{ .va = 0xffffffff81200000,
	  .pa = 0x1200000,
	  .level = 1,
	  .rights = PGW_KERNEL_R | PGW_KERNEL_X },
	{ .va = 0xffffffff81400000, .pa = 0x1400000, .rights = PGW_KERNEL_R },
	{ .va = 0xffffffff81401000, .pa = 0x1401000, .rights = PGW_KERNEL_R | PGW_KERNEL_W },
	{ .va = 0xffffffff81402000, .pa = 0x9000, .rights = PGW_KERNEL_R | PGW_KERNEL_W },
	{ .va = 0xffffffff81404000,
	  .pa = 0xa000,
	  .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X },
	{ .va = 0xfffffffffffff000, .pa = 0xb000, .rights = PGW_KERNEL_R },
};

/* Tables of the program's own. */
static int dump_own(void)
{
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_KERNEL };
	int err = pgw_mm_new(&args, &pgw_linux_init_mm);

	if (err)
		return err;
	mmap_read_lock(&init_mm);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]) && !err; i++)
		err = pgw_mm_map_leaf(&init_mm, &leaves[i]);
	mmap_read_unlock(&init_mm);
	if (!err)
		err = dump_kernel(&init_mm);
	pgw_mm_free(&init_mm);
	return err;
}

/* The tables of the kernel in a memory dump. */
static int dump_file(const char *name)
{
	const struct pgw_image_options opts = { .arch = NULL };
	struct pgw_error error = { 0 };
	struct pgw_root_info kernel;
	struct pgw_image *image;
	char text[256];
	int err = pgw_image_open(name, &opts, &image, &error);

	if (err) {
		pgw_error_format(&error, text, sizeof(text));
		fprintf(stderr, "%s: %s\n", name, text);
		return err;
	}
	err = pgw_image_kernel_root(image, &kernel, &error);
	if (!err) {
		const struct pgw_mm_attach_args args = {
			.platform = pgw_hosted_platform(),
			.format = kernel.format,
			.phys = pgw_image_phys(image),
			.root = kernel.root,
			.region = PGW_REGION_KERNEL,
			.control = kernel.control,
		};

		err = pgw_mm_attach(&args, &pgw_linux_init_mm);
	}
	if (!err) {
		err = dump_kernel(&init_mm);
		pgw_mm_free(&init_mm);
	}
	pgw_image_close(image);
	return err;
}

int main(int argc, char **argv)
{
	int err = argc > 1 ? dump_file(argv[1]) : dump_own();

	if (err)
		fprintf(stderr, "ptdump: %s\n", pgw_status_text(err));
	return err ? 1 : 0;
}
