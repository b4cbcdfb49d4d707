/* SPDX-License-Identifier: BSD-2-Clause */
#include "sought.h"

#include <inttypes.h>
#include <string.h>

#include "names.h"
#include "parse.h"
#include "tasks.h"

/* PID:VA */
static bool parse_process(const char *text, struct sought *ret)
{
	const char *colon = strchr(text, ':');
	char number[12];
	uint64_t pid;

	if (!colon || (size_t)(colon - text) >= sizeof(number))
		return false;
	memcpy(number, text, (size_t)(colon - text));
	number[colon - text] = '\0';
	if (!parse_dec(number, &pid) || pid > UINT32_MAX || !parse_hex(colon + 1, &ret->va))
		return false;
	ret->is_address = ret->has_pid = true;
	ret->pid = (uint32_t)pid;
	return true;
}

bool sought_parse(const char *text, struct sought *ret)
{
	*ret = (struct sought){ .text = text, .is_address = names_is_name(text) };
	if (ret->is_address || parse_process(text, ret) ||
	    parse_range(text, &ret->pa_first, &ret->pa_last))
		return true;
	if (parse_hex(text, &ret->pa_first)) {
		ret->pa_last = ret->pa_first;
		return true;
	}
	message("find: '%s' is not a hexadecimal address, FIRST-LAST, FIRST+SIZE, PID:ADDRESS or "
		"@NAME",
		text);
	return false;
}

/* The root that maps a process's own memory. */
static int process_root(const struct sought *sought, struct target *target,
			const struct options *opts, struct pgw_root_info *ret)
{
	const struct pgw_task *task;
	struct pgw_tasks *tasks = NULL;
	struct options own = *opts; /* its tables are the machine's own, whatever those looked through are */
	uint64_t root_pa = 0;
	int status = tasks_open(target, &tasks);

	if (own.format && pgw_format_region(own.format, PGW_REGION_FOREIGN))
		own.format = NULL;
	if (status != TOOL_DONE)
		return status;
	task = tasks_choose(target, tasks, sought->pid);
	if (task)
		root_pa = pgw_tasks_with_mm(tasks, task)->root_pa;
	pgw_tasks_close(tasks);
	if (!task)
		return TOOL_USAGE;
	if (root_pa)
		return target_root_at(target, &own, root_pa, ret);
	message("%s: process %" PRIu32 " has no memory of its own, or none whose root is in the "
		"image",
		target->file, sought->pid);
	return TOOL_FINDING;
}

static int kernel_root(struct target *target, struct pgw_root_info *ret)
{
	struct pgw_error err = { 0 };

	return target_kernel_root(target, ret, &err) < 0 ? message_error(target->file, &err)
							 : TOOL_DONE;
}

/* Where the address is looked up: a format whose halves have roots of their own needs the other one
 * for the kernel's addresses. */
static int sought_root(struct sought *sought, struct target *target, const struct options *opts,
		       struct pgw_root_info *ret)
{
	const struct pgw_region *region;
	int status;

	if (!sought->has_pid) {
		status = names_address(target, sought->text, &sought->va);
		return status == TOOL_DONE ? kernel_root(target, ret) : status;
	}
	status = process_root(sought, target, opts, ret);
	if (status != TOOL_DONE)
		return status;
	region = pgw_format_region_of(ret->format, sought->va);
	if (region && region->kind == PGW_REGION_KERNEL && pgw_format_is_split(ret->format))
		return kernel_root(target, ret);
	return TOOL_DONE;
}

static int sought_translate(const struct sought *sought, const struct target *target,
			    const struct pgw_root_info *root, struct pgw_translation *ret)
{
	const struct pgw_region *region = pgw_format_region_of(root->format, sought->va);
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(target->image),
		.root = root->root,
		.region = region ? region->kind : PGW_REGION_USER,
		.control = root->control,
	};
	struct pgw_mm *mm;
	int err;

	*ret = (struct pgw_translation){ .kind = PGW_ENTRY_EMPTY };
	if (!region)
		return 0;
	err = pgw_mm_attach(&args, &mm);
	if (err)
		return err;
	err = pgw_translate(mm, sought->va, ret);
	pgw_mm_free(mm);
	return err;
}

int sought_resolve(struct sought *sought, struct target *target, const struct options *opts)
{
	struct pgw_translation translation;
	struct pgw_root_info root;
	int status, err;

	if (!sought->is_address)
		return TOOL_DONE;
	status = sought_root(sought, target, opts, &root);
	if (status != TOOL_DONE)
		return status;
	err = sought_translate(sought, target, &root, &translation);
	if (err)
		return target_fail(target, err);
	if (translation.kind != PGW_ENTRY_LEAF) {
		message("%s: '%s': root 0x%" PRIx64 " maps nothing at 0x%" PRIx64 ": %s",
			target->file, sought->text, root.root.pa, sought->va,
			report_kind(translation.kind));
		return TOOL_FINDING;
	}
	sought->root_pa = root.root.pa;
	sought->pa_first = sought->pa_last = translation.pa;
	return TOOL_DONE;
}
