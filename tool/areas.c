/* SPDX-License-Identifier: BSD-2-Clause */
#include "areas.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tasks.h"

#define MAX_NAMES ((size_t)256 << 20) /* bytes of all names: one may stand in many areas */

static int areas_keep(const struct pgw_area *area, void *arg)
{
	struct areas *areas = (struct areas *)arg;
	size_t len = strlen(area->name);
	bool fits = len < MAX_NAMES - areas->name_bytes;
	char *name;

	if (tasks_area_is_kernels(area))
		return 0;
	name = strdup(fits ? area->name : "");
	if (name && areas->nr == areas->size) {
		size_t size = areas->size ? 2 * areas->size : 64;
		struct pgw_area *list =
			(struct pgw_area *)realloc(areas->list, size * sizeof(*list));

		if (list) {
			areas->list = list;
			areas->size = size;
		}
	}
	if (!name || areas->nr == areas->size) {
		free(name);
		return -PGW_ENOMEM;
	}
	areas->list[areas->nr] = *area;
	areas->list[areas->nr].name_is_broken |= !fits;
	areas->list[areas->nr++].name = name;
	areas->name_bytes += fits ? len : 0;
	areas->is_odd |= !fits;
	return 0;
}

static int areas_read(struct areas *areas, struct target *target, struct pgw_tasks *tasks,
		      struct options *opts)
{
	const struct pgw_task *task = tasks_choose(target, tasks, opts->pid);
	struct pgw_areas_met met;
	int err;

	if (!task)
		return TOOL_USAGE;
	task = pgw_tasks_with_mm(tasks, task);
	err = pgw_task_areas(tasks, task, false, areas_keep, areas, &met);
	areas->is_odd |= met.nr_torn || met.nr_unreadable || met.truncated;
	if (err == -PGW_ENOENT || (!err && !task->root_pa)) {
		message("%s: process %" PRIu32 " has no memory of its own, or none whose root is "
			"in the image",
			target->file, opts->pid);
		return TOOL_FINDING;
	}
	if (err) {
		message("%s: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	opts->root = ROOT_PA;
	opts->root_value = task->root_pa;
	opts->halves = REGION_BIT(PGW_REGION_USER);
	return TOOL_DONE;
}

int areas_open(struct areas *areas, struct target *target, struct options *opts)
{
	struct pgw_tasks *tasks = NULL;
	int status;

	*areas = (struct areas){ .pid = opts->pid };
	status = tasks_open(target, &tasks);
	if (status == TOOL_DONE)
		status = areas_read(areas, target, tasks, opts);
	pgw_tasks_close(tasks);
	return status;
}

void areas_close(struct areas *areas)
{
	for (size_t i = 0; i < areas->nr; i++)
		free((char *)(uintptr_t)areas->list[i].name);
	free(areas->list);
	*areas = (struct areas){ 0 };
}

int areas_give(const struct areas *areas, struct target *target)
{
	int err = 0;

	for (size_t i = 0; i < areas->nr && !err; i++) {
		const struct pgw_area *area = &areas->list[i];
		struct pgw_mmap_args args = {
			.start = area->start,
			.end = area->end,
			.flags = (area->flags & VM_READ ? (uint32_t)PGW_VMA_READ : 0) |
				 (area->flags & VM_WRITE ? (uint32_t)PGW_VMA_WRITE : 0) |
				 (area->flags & VM_EXEC ? (uint32_t)PGW_VMA_EXEC : 0) |
				 (area->flags & VM_MAYSHARE ? (uint32_t)PGW_VMA_SHARED : 0),
			.private_data = &areas->list[i],
		};

		err = pgw_mm_give_vma(target->mm[PGW_REGION_USER], &args);
	}
	return err;
}

/** One dump by areas. */
struct walk {
	const struct areas *areas;
	const struct report *report;
	struct pgw_dump_args args; /* of one area, or of one gap */
	struct pgw_dump_summary *summary;
	struct areas_met *met;
	pgw_extent_fn *fn; /* the caller's */
	void *arg;
	const struct pgw_vma *vma; /* NULL: a gap */
	bool is_named;             /* its line was printed */
	int err;                   /* what ended the walk */
};

static void head(struct walk *walk)
{
	struct out *out = walk->report->out;

	if (walk->is_named)
		return;
	walk->is_named = true;
	if (walk->report->renderer == &renderer_json) {
		if (walk->vma)
			tasks_area_json(out, walk->areas->pid,
					(const struct pgw_area *)walk->vma->private_data, false);
		return;
	}
	out_str(out, "# ");
	if (walk->vma)
		tasks_area_text(out, (const struct pgw_area *)walk->vma->private_data, false);
	else
		out_str(out, "in no area\n");
}

/* May it be written or executed, though the area may not? */
static bool is_beyond(const struct pgw_extent *extent, const struct pgw_vma *vma)
{
	return extent->kind == PGW_ENTRY_LEAF &&
	       (((extent->rights & PGW_USER_W) && !(vma->flags & PGW_VMA_WRITE)) ||
		((extent->rights & PGW_USER_X) && !(vma->flags & PGW_VMA_EXEC)));
}

static int each_extent(const struct pgw_extent *extent, void *arg)
{
	struct walk *walk = (struct walk *)arg;

	head(walk);
	if (!walk->vma)
		walk->met->nr_outside++;
	else
		walk->met->nr_beyond += is_beyond(extent, walk->vma);
	return walk->fn(extent, walk->arg);
}

static int dump_part(struct walk *walk, const struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	walk->vma = vma;
	walk->is_named = false;
	walk->args.first = start;
	walk->args.last = end - 1;
	if (vma)
		head(walk);
	walk->err = pgw_dump(&walk->args, walk->summary);
	return walk->err ? -PGW_EIO : 0;
}

/* The walk itself has nothing left to do in an area: the dump goes over whole tables. */
static int walk_area(uint64_t start, uint64_t end, struct pgw_mm_walk *mm_walk)
{
	int err = dump_part((struct walk *)mm_walk->arg, mm_walk->vma, start, end);

	return err ? err : 1;
}

static int walk_gap(uint64_t start, uint64_t end, int depth, struct pgw_mm_walk *mm_walk)
{
	(void)depth;
	return dump_part((struct walk *)mm_walk->arg, NULL, start, end);
}

int areas_dump(const struct areas *areas, const struct report *report,
	       const struct pgw_dump_args *args, struct pgw_dump_summary *summary,
	       struct areas_met *met)
{
	const struct pgw_mm_walk_ops ops = { .test_walk = walk_area, .pte_hole = walk_gap };
	struct walk walk = { .areas = areas,
			     .report = report,
			     .args = *args,
			     .summary = summary,
			     .met = met,
			     .fn = args->fn,
			     .arg = args->arg };
	int err;

	walk.args.fn = each_extent;
	walk.args.arg = &walk;
	walk.args.repeated_fn = NULL;
	err = pgw_walk_page_range(args->mm, args->first, args->last + 1, &ops, &walk);
	return walk.err ? walk.err : err;
}
