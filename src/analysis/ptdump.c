/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/ptdump_priv.h"

#include <string.h>

#include "base/bits.h"

#define DEPTH_PGD 0
#define DEPTH_PTE 4

static const struct ptdump_arch *const ptdump_archs[] = {
	&ptdump_x86_64,
	&ptdump_arm64,
	&ptdump_riscv64,
};

/** What the walk shows at one place. */
struct ptdump_seen {
	uint64_t va;
	uint64_t next;
	int depth;
	enum pgw_ptdump_kind kind;
	uint64_t entry; /* 0 for holes */
};

/*
 * A series is a stretch of neighbours of the same depth, protection and
 * effective protection that no marker divides. It is printed when the first
 * neighbour comes that does not belong to it.
 */
struct ptdump_state {
	size_t next_marker;  /* the one after the one that addresses belong to now */
	uint64_t nr_lines;   /* since that one's banner */
	uint64_t nr_printed; /* series, in all */
	bool has_series;
	struct pgw_ptdump_line series; /* its end comes with the neighbour that does not fit */
	uint64_t series_effective;
	bool hole_is_known; /* the next hole was reported as a malformed entry */
};

/** An entry that leads to a table, and what was before it. */
struct ptdump_slot {
	uint64_t entry, effective;
	uint64_t va, next;
	struct ptdump_state before;
};

struct ptdump {
	const struct pgw_ptdump_args *args;
	const struct ptdump_arch *arch;
	unsigned top_level;
	uint64_t
		encryption; /* the bit that no address has, if there is one: Linux compares it, too */
	uint64_t effective[DEPTH_PTE + 1];  /* of the last entry at each depth */
	struct ptdump_slot slot[DEPTH_PTE]; /* the last one at each depth */
	struct ptdump_state now;
	uint64_t va_next; /* what has been seen ends here */
	int fn_value;     /* what fn ended the dump with */
};

static int ptdump_emit(struct ptdump *dump, const struct pgw_ptdump_line *line)
{
	dump->fn_value = dump->args->fn(line, dump->args->arg);
	return dump->fn_value;
}

static uint64_t ptdump_max_lines(const struct ptdump *dump)
{
	return dump->now.next_marker ? dump->args->markers[dump->now.next_marker - 1].max_lines : 0;
}

static bool ptdump_at_marker(const struct ptdump *dump, uint64_t va)
{
	return dump->now.next_marker < dump->args->nr_markers &&
	       va >= dump->args->markers[dump->now.next_marker].va;
}

static int ptdump_print_series(struct ptdump *dump, uint64_t end)
{
	uint64_t max_lines = ptdump_max_lines(dump);

	if (dump->now.series.kind == PGW_PTDUMP_SERIES && !dump->now.series.prot &&
	    dump->arch->skips_holes)
		return 0;
	if (max_lines && dump->now.nr_lines++ >= max_lines)
		return 0;
	dump->now.series.end = end;
	dump->now.nr_printed++;
	return ptdump_emit(dump, &dump->now.series);
}

static int ptdump_print_skipped(struct ptdump *dump)
{
	uint64_t max_lines = ptdump_max_lines(dump);
	struct pgw_ptdump_line line = { .kind = PGW_PTDUMP_SKIPPED };

	if (!max_lines || dump->now.nr_lines <= max_lines)
		return 0;
	line.nr_skipped = dump->now.nr_lines - max_lines;
	return ptdump_emit(dump, &line);
}

static int ptdump_print_banner(struct ptdump *dump)
{
	return ptdump_emit(dump,
			   &(struct pgw_ptdump_line){
				   .kind = PGW_PTDUMP_BANNER,
				   .name = dump->args->markers[dump->now.next_marker - 1].name,
			   });
}

/* The first banner is that of the last marker at or below the first address. */
static int ptdump_first_banner(struct ptdump *dump, uint64_t va)
{
	while (ptdump_at_marker(dump, va))
		dump->now.next_marker++;
	return dump->now.next_marker ? ptdump_print_banner(dump) : 0;
}

static int ptdump_pass_marker(struct ptdump *dump)
{
	int err = ptdump_print_skipped(dump);

	if (err)
		return err;
	dump->now.next_marker++;
	dump->now.nr_lines = 0;
	return ptdump_print_banner(dump);
}

/*
 * As the kernel does it, a break passes as many markers as the architecture
 * has it, even where more lie inside one series; the next break goes on.
 */
static int ptdump_pass_markers(struct ptdump *dump, uint64_t va)
{
	int err = 0;

	for (size_t nr = 0; nr < dump->arch->max_markers && !err; nr++) {
		if (!ptdump_at_marker(dump, va))
			break;
		err = ptdump_pass_marker(dump);
	}
	return err;
}

static int ptdump_note(struct ptdump *dump, const struct ptdump_seen *seen)
{
	struct pgw_ptdump_line fresh = {
		.kind = seen->kind,
		.start = seen->va,
		.depth = seen->depth,
		.prot = dump->arch->prot(seen->entry) | (seen->entry & dump->encryption),
		.entry = seen->entry,
	};
	uint64_t effective = seen->entry ? dump->effective[seen->depth] : 0;
	const struct pgw_ptdump_line *series = &dump->now.series;
	int err;

	dump->va_next = seen->next;
	if (dump->now.has_series && series->kind == fresh.kind && series->depth == fresh.depth &&
	    series->prot == fresh.prot && dump->now.series_effective == effective &&
	    !ptdump_at_marker(dump, seen->va))
		return 0;

	if (!dump->now.has_series)
		err = ptdump_first_banner(dump, seen->va);
	else
		err = ptdump_print_series(dump, seen->va);
	if (!err && dump->now.has_series)
		err = ptdump_pass_markers(dump, seen->va);
	dump->now.series = fresh;
	dump->now.series_effective = effective;
	dump->now.has_series = true;
	return err;
}

static int ptdump_flush(struct ptdump *dump, uint64_t end)
{
	int err;

	if (!dump->now.has_series)
		return 0;
	err = ptdump_print_series(dump, end);
	return err ? err : ptdump_print_skipped(dump);
}

/* Linux folds the levels that the tables do not have right below the pgd. */
static bool ptdump_is_folded(const struct ptdump *dump, int depth)
{
	return depth > DEPTH_PGD && depth <= DEPTH_PTE - (int)dump->top_level;
}

static unsigned ptdump_level(const struct ptdump *dump, int depth)
{
	return depth == DEPTH_PGD ? dump->top_level : (unsigned)(DEPTH_PTE - depth);
}

static void ptdump_restrict(struct ptdump *dump, uint64_t entry, int depth)
{
	uint64_t prot = dump->arch->prot(entry);

	if (depth != DEPTH_PGD && dump->arch->effective)
		prot = dump->arch->effective(dump->effective[depth - 1], prot);
	dump->effective[depth] = prot;
}

static bool ptdump_is_malformed(const struct ptdump *dump, uint64_t entry, int depth)
{
	struct pgw_entry decoded;

	pgw_entry_decode(pgw_mm_format(dump->args->mm), pgw_mm_control(dump->args->mm), entry,
			 ptdump_level(dump, depth), &decoded);
	return decoded.kind == PGW_ENTRY_MALFORMED;
}

/* The entry again that was in the slot before, so that the same tables are below it. */
static bool ptdump_is_again(const struct ptdump *dump, const struct ptdump_slot *slot,
			    const struct ptdump_seen *seen)
{
	return slot->entry == seen->entry && slot->effective == dump->effective[seen->depth] &&
	       slot->next == seen->va && slot->next - slot->va == seen->next - seen->va;
}

/*
 * What the slot before did with the state is all that it did: it printed nothing, passed no marker,
 * and left a series as the one that it found, which either goes on or began one step later.
 */
static bool ptdump_is_steady(const struct ptdump *dump, const struct ptdump_slot *slot)
{
	const struct ptdump_state *was = &slot->before, *now = &dump->now;
	uint64_t moved = now->series.start - was->series.start;

	return was->has_series && was->nr_printed == now->nr_printed &&
	       was->next_marker == now->next_marker && !was->hole_is_known && !now->hole_is_known &&
	       was->series.kind == now->series.kind && was->series.depth == now->series.depth &&
	       was->series.prot == now->series.prot && was->series.entry == now->series.entry &&
	       was->series_effective == now->series_effective &&
	       (!moved || moved == slot->next - slot->va);
}

/*
 * Tables may repeat: in the shadow that KASAN has for memory that is not there, 2^32 entries on
 * three tables. Linux's dump knows these and passes them; here any table is passed whose like, in the
 * slot before, changed nothing that the next one would not change in the same way: a series that goes on, or
 * lines past the marker's max_lines, which are only counted.
 */
static bool ptdump_pass_repeat(struct ptdump *dump, const struct ptdump_seen *seen)
{
	struct ptdump_slot *slot = &dump->slot[seen->depth];
	const struct ptdump_state was = slot->before;
	bool passes = ptdump_is_again(dump, slot, seen) && ptdump_is_steady(dump, slot) &&
		      !ptdump_at_marker(dump, seen->next - 1);

	*slot = (struct ptdump_slot){
		.entry = seen->entry,
		.effective = dump->effective[seen->depth],
		.va = seen->va,
		.next = seen->next,
		.before = dump->now,
	};
	if (passes) {
		dump->now.nr_lines += dump->now.nr_lines - was.nr_lines;
		dump->now.series.start += dump->now.series.start - was.series.start;
		dump->va_next = seen->next;
	}
	return passes;
}

static int ptdump_upper(struct pgw_mm_walk *walk, const uint64_t *item, struct ptdump_seen seen)
{
	struct ptdump *dump = (struct ptdump *)walk->arg;
	unsigned level = ptdump_level(dump, seen.depth);

	if (ptdump_is_folded(dump, seen.depth)) {
		dump->effective[seen.depth] = dump->effective[seen.depth - 1];
		return 0;
	}
	seen.entry = pgw_item_load(item);
	ptdump_restrict(dump, seen.entry, seen.depth);
	if (!dump->arch->is_leaf(seen.entry, level) ||
	    ptdump_is_malformed(dump, seen.entry, seen.depth)) {
		if (ptdump_pass_repeat(dump, &seen))
			walk->action = PGW_ACTION_CONTINUE;
		return 0;
	}
	walk->action = PGW_ACTION_CONTINUE;
	if (dump->arch->unfolds_leaves && seen.depth == DEPTH_PGD) {
		seen.depth = DEPTH_PTE - (int)level;
		dump->effective[seen.depth] = dump->effective[DEPTH_PGD];
	}
	return ptdump_note(dump, &seen);
}

static int ptdump_pgd(uint64_t *pgd, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	return ptdump_upper(walk, pgd, (struct ptdump_seen){ va, next, 0, PGW_PTDUMP_SERIES, 0 });
}

static int ptdump_p4d(uint64_t *p4d, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	return ptdump_upper(walk, p4d, (struct ptdump_seen){ va, next, 1, PGW_PTDUMP_SERIES, 0 });
}

static int ptdump_pud(uint64_t *pud, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	return ptdump_upper(walk, pud, (struct ptdump_seen){ va, next, 2, PGW_PTDUMP_SERIES, 0 });
}

static int ptdump_pmd(uint64_t *pmd, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	return ptdump_upper(walk, pmd, (struct ptdump_seen){ va, next, 3, PGW_PTDUMP_SERIES, 0 });
}

static int ptdump_pte(uint64_t *pte, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	struct ptdump *dump = (struct ptdump *)walk->arg;
	struct ptdump_seen seen = { va, next, DEPTH_PTE, PGW_PTDUMP_SERIES, pgw_item_load(pte) };

	ptdump_restrict(dump, seen.entry, DEPTH_PTE);
	return ptdump_note(dump, &seen);
}

static int ptdump_hole(uint64_t va, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct ptdump *dump = (struct ptdump *)walk->arg;

	if (depth < 0 || dump->now.hole_is_known) {
		dump->now.hole_is_known = false;
		return 0;
	}
	return ptdump_note(dump, &(struct ptdump_seen){ va, next, depth, PGW_PTDUMP_SERIES, 0 });
}

static int ptdump_malformed(uint64_t entry, uint64_t va, uint64_t next, int depth,
			    struct pgw_mm_walk *walk)
{
	struct ptdump *dump = (struct ptdump *)walk->arg;

	(void)entry;
	dump->now.hole_is_known = true;
	return ptdump_note(dump, &(struct ptdump_seen){ va, next, depth, PGW_PTDUMP_MALFORMED, 0 });
}

static int ptdump_unreadable(uint64_t va, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct ptdump *dump = (struct ptdump *)walk->arg;

	return ptdump_note(dump,
			   &(struct ptdump_seen){ va, next, depth, PGW_PTDUMP_UNREADABLE, 0 });
}

static const struct pgw_mm_walk_ops ptdump_ops = {
	.pgd_entry = ptdump_pgd,
	.p4d_entry = ptdump_p4d,
	.pud_entry = ptdump_pud,
	.pmd_entry = ptdump_pmd,
	.pte_entry = ptdump_pte,
	.pte_hole = ptdump_hole,
	.malformed = ptdump_malformed,
	.unreadable = ptdump_unreadable,
};

/* What Linux's dump walks of a half, half-open as the walker takes it. */
static void ptdump_range(const struct ptdump *dump, const struct pgw_mm *mm, uint64_t *ret_start,
			 uint64_t *ret_end)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_mm_format(mm));
	uint64_t first, last;

	pgw_format_region_range(pgw_mm_format(mm), pgw_mm_region(mm)->kind, &first, &last);
	if (pgw_mm_region(mm)->kind == PGW_REGION_KERNEL)
		first += (uint64_t)dump->arch->nr_guard_slots << geo->span_lg2[geo->top_level];
	*ret_start = first;
	*ret_end = last == UINT64_MAX ? UINT64_MAX : last + 1;
}

/* After a walk that failed, *ret_end is as far as it came. */
static int ptdump_walk(struct ptdump *dump, struct pgw_mm *mm, uint64_t *ret_end)
{
	uint64_t start, end;
	int err;

	ptdump_range(dump, mm, &start, &end);
	err = pgw_walk_page_range_debug(mm, start, end, &ptdump_ops, NULL, dump);
	if (err)
		*ret_end = dump->va_next;
	else
		*ret_end = end == UINT64_MAX ? 0 : end;
	return err;
}

static const struct ptdump_arch *ptdump_find_arch(const struct pgw_format *format)
{
	const char *name = pgw_format_arch(format);

	for (size_t i = 0; i < PGW_ARRAY_SIZE(ptdump_archs); i++)
		if (strcmp(ptdump_archs[i]->name, name) == 0)
			return ptdump_archs[i];
	return NULL;
}

/* Unlike the kernel, which ignores errors of a walk, this ends there, with what was seen before. */
int pgw_ptdump(const struct pgw_ptdump_args *args)
{
	struct ptdump dump = { .args = args };
	struct pgw_mm *kernel_mm;
	int err, flush_err;
	uint64_t end;

	if (!args || !args->mm || !args->fn || (args->nr_markers && !args->markers))
		return -PGW_EINVAL;
	dump.arch = ptdump_find_arch(pgw_mm_format(args->mm));
	if (pgw_mm_control(args->mm)->encryption_bit)
		dump.encryption = BIT(pgw_mm_control(args->mm)->encryption_bit);
	if (!dump.arch)
		return -PGW_EOPNOTSUPP;
	dump.top_level = pgw_format_geometry(pgw_mm_format(args->mm))->top_level;
	kernel_mm = pgw_mm_kernel_mm(args->mm);

	err = ptdump_walk(&dump, args->mm, &end);
	if (!err && kernel_mm)
		err = ptdump_walk(&dump, kernel_mm, &end);
	if (dump.fn_value)
		return dump.fn_value;
	flush_err = ptdump_flush(&dump, end);
	return flush_err ? flush_err : err;
}
