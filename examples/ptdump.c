/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * ptdump [DUMP]: the kernel's page tables as ranges of equal level and rights, and
 * how many pages can be both written and executed. The tables are those of a
 * memory dump, or without one some that the program makes itself.
 *
 * The callbacks are written as for Linux's walker, with its names.
 */

#include <pagewalk/pagewalk.h>

#include <pagewalk/linux.h>

#include <stdio.h>

struct mm_struct *pgw_linux_init_mm;

/** Neighbours that look alike become one series. */
struct series {
	unsigned long start, end; /* end is exclusive; it wraps at the top of the addresses */
	int level;
	unsigned rights; /* effective; 0 = nothing is mapped */
};

struct ptdump {
	struct series series;
	unsigned long nr_wx; /* pages */
};

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

static void end_series(struct ptdump *st)
{
	const struct series *s = &st->series;

	if (!s->rights || s->start == s->end)
		return;
	printf("0x%016lx-0x%016lx", s->start, s->end - 1);
	print_size(s->end - s->start);
	printf(" %s %s %s\n", s->rights & PGW_KERNEL_W ? "RW" : "ro",
	       s->rights & PGW_KERNEL_X ? "x " : "NX", level_name[s->level]);
	if ((s->rights & PGW_KERNEL_W) && (s->rights & PGW_KERNEL_X))
		st->nr_wx += (s->end - s->start) >> PAGE_SHIFT;
}

static int note_page(struct mm_walk *walk, unsigned long addr, unsigned long next, int level,
		     unsigned rights)
{
	struct ptdump *st = walk->private;
	struct series *s = &st->series;

	if (s->end == addr && s->level == level && s->rights == rights) {
		s->end = next;
		return 0;
	}
	end_series(st);
	*s = (struct series){ addr, next, level, rights };
	return 0;
}

/* An upper entry may take away what a leaf gives: the library knows how they combine. */
static int note_leaf(struct mm_walk *walk, unsigned long addr, unsigned long next, int level)
{
	struct pgw_translation t;
	int err;

	pgw_mmap_assert_write_locked(walk->mm); /* by ptdump(), which the compiler cannot know */
	err = pgw_translate(walk->mm, addr, &t);
	return err ? err : note_page(walk, addr, next, level, t.rights);
}

static int ptdump_pgd_entry(pgd_t *pgd, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	return pgd_leaf(pgdp_get(pgd)) ? note_leaf(walk, addr, next, PGW_LINUX_PGD) : 0;
}

static int ptdump_p4d_entry(p4d_t *p4d, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	return p4d_leaf(p4dp_get(p4d)) ? note_leaf(walk, addr, next, PGW_LINUX_P4D) : 0;
}

static int ptdump_pud_entry(pud_t *pud, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	if (!pud_leaf(pudp_get(pud)))
		return 0;
	walk->action = ACTION_CONTINUE;
	return note_leaf(walk, addr, next, PGW_LINUX_PUD);
}

static int ptdump_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	if (!pmd_leaf(pmdp_get(pmd)))
		return 0;
	walk->action = ACTION_CONTINUE;
	return note_leaf(walk, addr, next, PGW_LINUX_PMD);
}

static int ptdump_pte_entry(pte_t *pte, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	if (!pte_present(ptep_get(pte)))
		return note_page(walk, addr, next, PGW_LINUX_PTE, 0);
	return note_leaf(walk, addr, next, PGW_LINUX_PTE);
}

static int ptdump_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	(void)depth;
	return note_page(walk, addr, next, PGW_LINUX_PTE, 0);
}

static const struct mm_walk_ops ptdump_ops = {
	.pgd_entry = ptdump_pgd_entry,
	.p4d_entry = ptdump_p4d_entry,
	.pud_entry = ptdump_pud_entry,
	.pmd_entry = ptdump_pmd_entry,
	.pte_entry = ptdump_pte_entry,
	.pte_hole = ptdump_hole,
};

/* The analysis of locks asks for those of the kernel mm beside it, and a kernel mm has none. */
PGW_NO_THREAD_SAFETY_ANALYSIS static int ptdump(struct mm_struct *mm)
{
	struct ptdump st = { .nr_wx = 0 };
	unsigned long first, last;
	int err;

	pgw_format_region_range(pgw_mm_format(mm), PGW_REGION_KERNEL, &first, &last);
	/* Ranges that others own: only the write lock keeps those away who free tables. */
	mmap_write_lock(mm);
	err = walk_page_range_debug(mm, first, last, &ptdump_ops, NULL, &st);
	mmap_write_unlock(mm);
	if (err)
		return err;
	end_series(&st);
	printf("%lu pages can be written and executed\n", st.nr_wx);
	return 0;
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
		err = ptdump(&init_mm);
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
		err = ptdump(&init_mm);
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
