/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats_tasks.h"

#include <stdlib.h>
#include <string.h>

#include "tasks.h"

struct stats_tasks {
	const struct target *target;
	struct owners *owners;
	uint64_t visits_left; /* of tables, for all processes together */
	bool is_cut;
	/* Of the process that is looked at. */
	struct pgw_stats_area *areas;
	size_t nr_areas, max_areas;
};

static const char *const bar_names[_PGW_HUGE_BAR_MAX] = {
	[PGW_HUGE_POSSIBLE] = "possible",   [PGW_HUGE_HOLES] = "holes",
	[PGW_HUGE_RIGHTS] = "rights",       [PGW_HUGE_SCATTERED] = "scattered",
	[PGW_HUGE_ALIGNMENT] = "alignment", [PGW_HUGE_AREA] = "area",
};

void stats_bars(struct record *record, uint64_t size, const struct pgw_stats_bar *bars)
{
	for (int bar = 0; bar < _PGW_HUGE_BAR_MAX; bar++) {
		if (!bars[bar].nr_tables)
			continue;
		record_item(record);
		record_size(record, "size", size);
		record_str(record, "bar", bar_names[bar]);
		record_dec(record, "slots", bars[bar].nr_tables);
		record_size(record, "bytes", bars[bar].bytes);
		record_item_end(record);
	}
}

struct stats_tasks *stats_tasks_open(struct target *target, uint64_t budget)
{
	struct stats_tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks)
		tasks->owners = owners_open(target);
	if (!tasks || !tasks->owners) {
		stats_tasks_close(tasks);
		return NULL;
	}
	tasks->target = target;
	tasks->visits_left = budget;
	return tasks;
}

bool stats_tasks_cut(const struct stats_tasks *tasks)
{
	return tasks && tasks->is_cut;
}

const struct owners *stats_tasks_owners(const struct stats_tasks *tasks)
{
	return tasks ? tasks->owners : NULL;
}

void stats_tasks_close(struct stats_tasks *tasks)
{
	if (!tasks)
		return;
	owners_close(tasks->owners);
	free(tasks->areas);
	free(tasks);
}

void stats_tasks_name(const struct stats_tasks *tasks, const struct pgw_root_info *root,
		      struct record *record)
{
	if (tasks && !root->is_kpti_user)
		owners_name(tasks->owners, root, record);
}

static int area_keep(const struct pgw_area *area, void *arg)
{
	struct stats_tasks *tasks = (struct stats_tasks *)arg;

	if (tasks_area_is_kernels(area))
		return 0;
	if (tasks->nr_areas == tasks->max_areas) {
		size_t max = tasks->max_areas ? 2 * tasks->max_areas : 64;
		void *grown = reallocarray(tasks->areas, max, sizeof(tasks->areas[0]));

		if (!grown)
			return -PGW_ENOMEM;
		tasks->areas = grown;
		tasks->max_areas = max;
	}
	tasks->areas[tasks->nr_areas++] =
		(struct pgw_stats_area){ area->start, area->end, area->has_file, area->offset };
	return 0;
}

/* What is mapped in the areas of a process. @return 0 or negative */
static int areas_count(struct stats_tasks *tasks, const struct pgw_root_info *root,
		       const struct pgw_task *task, struct pgw_stats_areas *ret)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(tasks->target->image),
		.root = root->root,
		.region = PGW_REGION_USER,
		.control = root->control,
		.budget = tasks->visits_left,
	};
	struct pgw_areas_met met;
	struct pgw_mm *mm;
	int err;

	tasks->nr_areas = 0;
	err = pgw_task_areas(owners_tasks(tasks->owners),
			     pgw_tasks_with_mm(owners_tasks(tasks->owners), task), false, area_keep,
			     tasks, &met);
	if (!err && (met.nr_torn || met.nr_unreadable || met.truncated))
		err = -PGW_EIO;
	/* None left: an mm would take 0 for the default. */
	if (!err && !tasks->visits_left)
		err = -PGW_E2BIG;
	if (!err)
		err = pgw_mm_attach(&args, &mm);
	if (!err) {
		err = pgw_stats_areas(mm, tasks->areas, tasks->nr_areas, ret);
		tasks->visits_left -= ret->nr_visits;
		pgw_mm_free(mm);
	}
	tasks->is_cut |= err == -PGW_E2BIG;
	return err;
}

static uint64_t table_bytes(const struct pgw_stats_root *root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->info->format);
	uint64_t bytes = 0;

	for (unsigned level = 0; level <= geo->top_level; level++)
		bytes += root->region[PGW_REGION_USER].nr_tables[level]
			 << (geo->slots_lg2[level] + geo->item_lg2);
	return bytes;
}

void stats_tasks_record(struct stats_tasks *tasks, const struct pgw_stats_root *root,
			struct record *record)
{
	uint64_t nr = 0;
	const struct pgw_task *task =
		tasks && !root->info->is_kpti_user ? owners_find(tasks->owners, root->info, &nr) : NULL;
	struct pgw_stats_areas areas = { 0 };
	int err;

	if (!task)
		return;
	err = areas_count(tasks, root->info, task, &areas);
	record_begin(record, "process");
	record_dec(record, "pid", task->pid);
	record_untrusted(record, "name", task->name, strlen(task->name));
	record_hex(record, "root", root->info->root.pa);
	record_dec(record, "processes", nr);
	record_size(record, "table_bytes", table_bytes(root));
	record_bool(record, "areas_incomplete", err != 0);
	record_dec(record, "areas", tasks->nr_areas);
	record_size(record, "area_bytes", areas.bytes);
	record_size(record, "mapped", areas.mapped_bytes);
	record_size(record, "huge", areas.huge_bytes);
	record_list(record, "bars");
	stats_bars(record, areas.huge_size, areas.bar);
	record_list_end(record);
	record_end(record);
}
