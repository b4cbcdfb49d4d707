/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "names.h"
#include "new_file.h"
#include "report/record.h"
#include "report/report.h"
#include "sought.h"
#include "spaces.h"
#include "target.h"

/* Distinct tables: at 4 KiB, 16 GiB of them. */
#define FIND_TABLES (UINT64_C(1) << 22)

#define STOP_OUTPUT 1

struct find {
	struct spaces spaces; /* without --root */
	const struct pgw_root_info *roots;
	struct record record;
};

static int find_found(const struct pgw_found *found, void *arg)
{
	struct find *find = (struct find *)arg;
	const struct pgw_root_info *root = &find->roots[found->root];
	struct record *record = &find->record;

	record_begin(record, "mapping");
	record_hex(record, "first", found->va_first);
	record_hex(record, "last", found->va_last);
	record_size(record, "bytes", found->va_last - found->va_first + 1);
	record_hex(record, "pa", found->pa);
	record_size(record, "leaf", UINT64_C(1) << found->leaf_lg2);
	record_str(record, "kernel", report_rights(found->rights));
	record_str(record, "user", report_rights(found->rights >> 3));
	record_hex(record, "entry", found->entry);
	record_hex(record, "root", root->root.pa);
	if (find->spaces.nr && spaces_whose(&find->spaces, found->root))
		spaces_record(&find->spaces, found->root, record);
	else
		record_str(record, "state", report_root_state(root->state));
	record_str(record, "region", found->region->name);
	record_end(record);
	return out_failed(record->out) ? STOP_OUTPUT : 0;
}

static void find_summary(const struct target *target, struct find *find,
			 const struct pgw_find_sums *sums, bool truncated)
{
	struct record *record = &find->record;

	record_begin_summary(record);
	record_dec(record, "roots", sums->nr_roots);
	record_dec(record, "tables", sums->nr_tables);
	record_dec(record, "mappings", sums->nr_found);
	record_size(record, "bytes", sums->bytes);
	record_dec(record, "pass_through", find->spaces.nr_pass_through);
	record_bool(record, "placement_guessed", report_is_guess(target->image));
	record_bool(record, "truncated", truncated);
	record_dec(record, "unreadable", sums->nr_unreadable);
	record_end(record);
}

/* An address that was asked for, and the memory that it leads to. */
static void find_address(struct record *record, const struct sought *sought)
{
	record_begin(record, "address");
	record_untrusted(record, "text", sought->text, strlen(sought->text));
	record_hex(record, "va", sought->va);
	record_hex(record, "root", sought->root_pa);
	record_hex(record, "pa", sought->pa_first);
	record_end(record);
}

static void find_explain(const struct target *target, const struct pgw_find_sums *sums,
			 uint64_t max_found, bool truncated)
{
	if (truncated)
		message("%s: cut short: more than %" PRIu64 " tables, or %" PRIu64
			" mappings (--budget)",
			target->file, FIND_TABLES, max_found);
	if (sums->nr_unreadable) {
		message("%s: %" PRIu64 " tables are not in the image: there may be more mappings",
			target->file, sums->nr_unreadable);
		target_explain_unreadable(target);
	} else if (!sums->nr_roots && !interrupt_signal()) {
		target_explain_no_root(target);
	}
}

/* The files that the image is read from. @return false: it is not in files that stay as they are */
static bool find_files(const struct target *target, const struct options *opts,
		       struct pgw_find_index_of *ret)
{
	const char *paths[1 + OPTIONS_MAX_RAM + OPTIONS_MAX_PARTS] = { opts->args[0] };
	size_t nr = 1;

	*ret = (struct pgw_find_index_of){ 0 };
	for (size_t i = 1; i < opts->nr_ram; i++)
		paths[nr++] = opts->ram[i].path;
	for (size_t i = 0; i < opts->nr_parts; i++)
		paths[nr++] = opts->parts[i];
	for (size_t i = 0; i < nr; i++) {
		struct stat file;
		uint64_t mtime_ns;

		if (pgw_image_get_info(target->image)->is_live || stat(paths[i], &file) ||
		    !S_ISREG(file.st_mode))
			return false;
		mtime_ns =
			(uint64_t)file.st_mtim.tv_sec * 1000000000 + (uint64_t)file.st_mtim.tv_nsec;
		ret->size += (uint64_t)file.st_size;
		if (mtime_ns > ret->mtime_ns)
			ret->mtime_ns = mtime_ns;
	}
	return true;
}

static int find_index_bytes(const void *bytes, size_t size, void *arg)
{
	struct new_file *file = (struct new_file *)arg;

	return new_file_write(file, bytes, size) ? 0 : STOP_OUTPUT;
}

static int find_index_make(struct target *target, const struct options *opts,
			   const struct pgw_find_args *args, const struct pgw_find_index_of *of,
			   bool replaces)
{
	struct new_file *file = malloc(sizeof(*file));
	int err;

	if (!file)
		return target_fail(target, -PGW_ENOMEM);
	if (!new_file_init(file, opts->index, replaces)) {
		free(file);
		return TOOL_UNREADABLE;
	}
	err = pgw_find_index_write(args, of, find_index_bytes, file);
	target_progress_end(target);
	if (err < 0)
		target_fail(target, err);
	if (err)
		new_file_abandon(file);
	else if (!new_file_commit(file))
		err = STOP_OUTPUT;
	free(file);
	return err ? TOOL_UNREADABLE : TOOL_DONE;
}

/* The index that --index names, made if it is not there. */
static int find_index_open(struct target *target, const struct options *opts,
			   const struct pgw_find_args *args, struct pgw_find_index **ret)
{
	struct pgw_find_index_of of;
	struct pgw_error error = { 0 };
	bool is_other;
	int err, status;

	if (!find_files(target, opts, &of)) {
		message("--index: %s: an index is of an image in files; this one would be another "
			"the next time",
			target->file);
		return TOOL_USAGE;
	}
	err = pgw_find_index_open(opts->index, args, &of, ret, &error);
	is_other = err == -PGW_EINVAL && option_given(opts, OPT_FORCE);
	if (err == -PGW_ENOENT || is_other) {
		status = find_index_make(target, opts, args, &of, is_other);
		if (status != TOOL_DONE)
			return status;
		err = pgw_find_index_open(opts->index, args, &of, ret, &error);
	}
	return err ? message_error(opts->index, &error) : TOOL_DONE;
}

static int find_mappings(struct target *target, const struct sought *sought,
			 struct pgw_find_args *args)
{
	struct find *find = (struct find *)args->arg;
	struct pgw_find_sums sums = { 0 };
	int err;

	if (sought->is_address)
		find_address(&find->record, sought);
	args->pa_first = sought->pa_first;
	args->pa_last = sought->pa_last;
	err = pgw_find(args, &sums);
	target_progress_end(target);
	if (err < 0 && err != -PGW_E2BIG)
		return target_fail(target, err);
	find_summary(target, find, &sums,
		     err == -PGW_E2BIG || err == TARGET_STOPPED || find->spaces.is_incomplete);
	out_flush(find->record.out);
	find_explain(target, &sums, args->max_found, err == -PGW_E2BIG);
	return err || sums.nr_unreadable || !sums.nr_found || find->spaces.is_incomplete
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

/* All roots, and all that virtual machines and devices go by. @return 0 or negative */
static int find_spaces(struct target *target, struct find *find, struct pgw_find_args *args)
{
	int err = spaces_open(target, true, &find->spaces);

	args->roots = find->spaces.roots;
	args->nr_roots = find->spaces.nr;
	return err;
}

static int find_report(struct target *target, const struct options *opts, struct out *out,
		       void *arg)
{
	struct sought *sought = (struct sought *)arg;
	struct pgw_find_index *index = NULL;
	struct find find = { 0 };
	struct pgw_find_args args = {
		.platform = pgw_hosted_platform(),
		.image = target->image,
		.roots = &target->root,
		.nr_roots = 1,
		.max_tables = FIND_TABLES,
		.max_found = opts->budget ? opts->budget : PGW_BUDGET_DEFAULT,
		.fn = find_found,
		.arg = &find,
	};
	int err, status;

	interrupt_catch();
	record_init(&find.record, out, option_given(opts, OPT_JSON));
	status = sought_resolve(sought, target, opts);
	if (status != TOOL_DONE)
		return status;
	err = option_given(opts, OPT_ROOT) ? 0 : find_spaces(target, &find, &args);
	if (err) {
		if (err == -PGW_EINTR)
			find_summary(target, &find, &(struct pgw_find_sums){ 0 }, true);
		spaces_close(&find.spaces);
		return target_fail(target, err);
	}
	find.roots = args.roots;
	if (opts->index)
		status = find_index_open(target, opts, &args, &index);
	args.index = index;
	if (status == TOOL_DONE)
		status = find_mappings(target, sought, &args);
	pgw_find_index_close(index);
	spaces_close(&find.spaces);
	return status;
}

static int find_run(const struct options *opts)
{
	struct sought sought;
	const struct target_job job = {
		.holding = HOLD_IF_LIVE, .has_root = true, .report = find_report, .arg = &sought
	};
	int status = names_check(opts);

	if (status != TOOL_DONE)
		return status;
	if (opts->index && (option_given(opts, OPT_ROOT) || option_given(opts, OPT_FORMAT))) {
		message("find: --index is of all roots: it goes with neither --root nor --format");
		return TOOL_USAGE;
	}
	return sought_parse(opts->args[1], &sought) ? target_run(opts, &job) : TOOL_USAGE;
}

const struct command cmd_find = {
	.name = "find",
	.args = "IMAGE WHAT",
	.summary = "which addresses of which roots map some memory",
	.description =
		"Prints every virtual address of every root, virtual machine and device that maps\n"
		"a physical one, or some of a range: with rights, the leaf's size and the entry.\n"
		"WHAT is hexadecimal:\n"
		"an address, FIRST-LAST (inclusive) or FIRST+SIZE (SIZE also as 64K, 2M, 1G);\n"
		"or it is PID:ADDRESS, what a process has there, or @NAME[+OFFSET][:cpuN], what a\n"
		"symbol of the kernel lies in. Status 1: nothing maps it, or there may be more.\n",
	.examples = "  pagewalk find vmcore 1000                  who maps this address\n"
		    "  pagewalk find vmcore 0+1M                   ... or any of this memory\n"
		    "  pagewalk find --root cpu0 vmcore 100000+4K  in one root\n"
		    "  pagewalk find --index vmcore.index vmcore 1000   ... when asked often\n"
		    "  pagewalk find vmcore @init_task             ... the first task\n"
		    "  pagewalk find vmcore 1:400000               ... what process 1 has there\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_FORMAT) |
		   OPT_BIT(OPT_INDEX) | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_MAX_PAUSE) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.run = find_run,
};
