/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* asprintf */
#include "write_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "new_file.h"
#include "salvage.h"
#include "target.h"

/* The new file cannot be written, or the user wants to stop; the message is out. */
#define STOP_OUTPUT 1

#define MAP_SUFFIX ".map"

/* An image that is being written. */
struct writing {
	struct target target;
	const struct options *opts;
	const struct write_how *how;
	struct new_file file;
	struct new_file map; /* of raw memory, beside it */
	bool is_held;        /* the machine stands while it is written */
	char *map_path;
	bool has_keep;
	struct pgw_pa_range *keep;
	size_t nr_keep;
	uint64_t done; /* bytes of the file */
	struct report_written report;
};

static bool is_raw(const struct writing *writing)
{
	return writing->how->form == PGW_IMAGE_RAW;
}

static int write_bytes(const void *bytes, size_t size, void *arg)
{
	struct writing *writing = arg;

	if (writing->is_held && target_is_held_too_long(&writing->target, writing->opts))
		return STOP_OUTPUT;
	writing->done += size;
	target_progress(&writing->target, "writing", writing->done, writing->report.kept_bytes);
	return new_file_write(&writing->file, bytes, size) ? 0 : STOP_OUTPUT;
}

static int write_map_bytes(const void *bytes, size_t size, void *arg)
{
	struct writing *writing = arg;

	return new_file_write(&writing->map, bytes, size) ? 0 : STOP_OUTPUT;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int write_form(struct writing *writing)
{
	const struct pgw_image *image = writing->target.image;
	static const struct pgw_pa_range none;
	const struct pgw_pa_range *some = writing->keep ? writing->keep : &none;
	const struct pgw_pa_range *keep = writing->has_keep ? some : NULL;
	const struct pgw_image_writing what = {
		.form = writing->how->form,
		.keep = keep,
		.nr_keep = writing->nr_keep,
		.fn = write_bytes,
		.arg = writing,
	};
	int err;

	writing->done = 0;
	if (writing->how->is_compact)
		err = pgw_image_write_core(image, keep, writing->nr_keep, write_bytes, writing);
	else
		err = pgw_image_write(image, &what);
	if (!err && is_raw(writing))
		err = pgw_image_write_map(image, keep, writing->nr_keep,
					  file_name(writing->file.path), write_map_bytes, writing);
	target_progress_end(&writing->target);
	return err;
}

static void abandon(struct writing *writing)
{
	/* The map was begun last. */
	new_file_abandon(&writing->map);
	new_file_abandon(&writing->file);
}

static int keep_readable(struct writing *writing)
{
	struct pgw_pa_range *list;
	size_t nr;
	uint64_t lost;
	int err = salvage(pgw_image_phys(writing->target.image),
			  writing->has_keep ? writing->keep : NULL, writing->nr_keep, &list, &nr,
			  &lost);

	if (err)
		return err;
	if (!list)
		return -PGW_EIO;
	free(writing->keep);
	writing->keep = list;
	writing->nr_keep = nr;
	writing->has_keep = true;
	writing->report.lost_bytes += lost;
	writing->report.kept_bytes -= lost;
	return 0;
}

/* Of packed memory, that a page cannot be read shows when it is its turn: then it is left out. */
static int write_all(struct writing *writing)
{
	int err = write_form(writing);

	if (err != -PGW_EIO)
		return err;
	abandon(writing);
	err = keep_readable(writing);
	return err ? err : write_form(writing);
}

/* All of a machine's memory is of one moment only if it stands until all is written. */
static int write_standing(struct writing *writing)
{
	struct target *target = &writing->target;
	int err;

	if (!writing->report.image->is_live || !option_given(writing->opts, OPT_CONSISTENT)) {
		target_tell_running(target);
		return write_all(writing);
	}
	if (target_stop(target) != TOOL_DONE)
		return STOP_OUTPUT;
	writing->is_held = true;
	err = write_all(writing);
	writing->is_held = false;
	target_resume(target);
	return err;
}

static int choose_pages(struct writing *writing)
{
	struct target *target = &writing->target;
	const struct pgw_root_info *list;
	int err;

	writing->report.has_tables_only = writing->how->has_tables_only;
	writing->report.kept_bytes = writing->report.image->readable_bytes;
	if (!writing->how->has_tables_only) {
		if (writing->report.image->is_live && !writing->report.image->readable_bytes) {
			message("%s: where its memory is, is not known, so all of it cannot be "
				"written: --pages tables",
				target->file);
			return STOP_OUTPUT;
		}
		return 0;
	}
	/* Shows its progress; the library does not do it again. */
	err = target_roots(target, &list, &writing->report.tables.nr_roots);
	if (!err)
		err = pgw_trim_ranges(target->image, &writing->keep, &writing->nr_keep,
				      &writing->report.tables);
	writing->has_keep = true;
	writing->report.kept_bytes = writing->report.tables.kept_bytes;
	return err;
}

static int failed(const struct writing *writing, int err)
{
	const struct target *target = &writing->target;

	switch (err) {
	case STOP_OUTPUT:
		break;
	case -PGW_ENOENT:
		if (!writing->how->has_tables_only) {
			message("%s: none of its memory can be read, so nothing is written",
				target->file);
			break;
		}
		message("%s: no root of page tables is found in it, so nothing is written",
			target->file);
		target_explain_unreadable(target);
		return TOOL_FINDING;
	case -PGW_E2BIG:
		message("%s: more than 16777216 tables, so nothing is written", target->file);
		break;
	case -PGW_EOVERFLOW:
		message("%s: the %s more than 1048576 pieces, so nothing is written", target->file,
			writing->how->has_tables_only ? "tables lie in" : "memory is in");
		break;
	case -PGW_EOPNOTSUPP:
		message("%s: where its memory is, is a guess, which a LiME file cannot say: "
			"--format elf can",
			target->file);
		break;
	default:
		message("%s: %s", target->file, pgw_status_text(err));
	}
	return TOOL_UNREADABLE;
}

/* Did the image say what has no place in the new file? */
static bool loses_notes(const struct writing *writing)
{
	const struct pgw_image_info *image = writing->report.image;

	return writing->how->form != PGW_IMAGE_ELF_CORE &&
	       (image->nr_cpus || strcmp(image->writer, "unknown") != 0);
}

/* The new file does not say that the old one is cut short, so the status does. */
static int report_written(struct writing *writing)
{
	const struct target *target = &writing->target;
	struct report_written *written = &writing->report;
	bool lacks = written->image->truncated || written->lost_bytes;
	struct report report = {
		.renderer = option_given(writing->opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.is_guess = report_is_guess(target->image),
	};
	struct out out;

	written->loses_notes = loses_notes(writing);
	out_init(&out, STDOUT_FILENO, options_color(writing->opts, STDOUT_FILENO));
	report.out = &out;
	report.renderer->written_summary(&report, written);
	out_flush(&out);
	if (written->image->truncated)
		message("%s: the file is cut short, and what is missing is missing now too",
			target->file);
	if (written->lost_bytes)
		message("%s: %" PRIu64 " bytes of memory could not be read, and are missing now",
			target->file, written->lost_bytes);
	return target_finish(&out, lacks ? TOOL_FINDING : TOOL_DONE);
}

/* Two names cannot come at once: what can fail is done before, and signals wait for both. */
static bool commit(struct writing *writing)
{
	if (is_raw(writing) &&
	    (!new_file_finish(&writing->file) || !new_file_finish(&writing->map))) {
		abandon(writing);
		return false;
	}
	if (is_raw(writing) && !new_file_commit(&writing->map)) {
		abandon(writing);
		return false;
	}
	if (new_file_commit(&writing->file))
		return true;
	if (is_raw(writing))
		unlink(writing->map_path);
	return false;
}

static int write_target(struct writing *writing)
{
	int err;

	writing->report.image = pgw_image_get_info(writing->target.image);
	if (writing->report.image->is_live && writing->how->has_tables_only) {
		int status = target_hold(&writing->target, writing->opts, true);

		if (status != TOOL_DONE)
			return status;
	}
	err = choose_pages(writing);
	if (!err)
		err = write_standing(writing);
	if (err) {
		abandon(writing);
		return failed(writing, err);
	}
	if (!commit(writing))
		return TOOL_UNREADABLE;
	return report_written(writing);
}

bool write_spares_input(const struct target *target, const struct options *opts,
			const struct new_file *file)
{
	bool spares = new_file_spares_image(file, target->image) &&
		      new_file_spares(file, opts->args[0]);

	for (size_t i = 1; i < opts->nr_ram && spares; i++)
		spares = new_file_spares(file, opts->ram[i].path);
	for (size_t i = 0; i < opts->nr_parts && spares; i++)
		spares = new_file_spares(file, opts->parts[i]);
	return spares;
}

static bool spares_input(const struct writing *writing, const struct new_file *file)
{
	return write_spares_input(&writing->target, writing->opts, file);
}

static bool init_files(struct writing *writing)
{
	const char *path = writing->opts->args[1];
	bool replaces = option_given(writing->opts, OPT_FORCE);

	if (!new_file_init(&writing->file, path, replaces))
		return false;
	writing->file.is_sparse = !writing->how->is_compact;
	if (!is_raw(writing))
		return true;
	if (asprintf(&writing->map_path, "%s" MAP_SUFFIX, path) < 0) {
		writing->map_path = NULL;
		message("%s: %s", path, pgw_status_text(-PGW_ENOMEM));
		return false;
	}
	return new_file_init(&writing->map, writing->map_path, replaces);
}

int write_image(const struct options *opts, const struct write_how *how)
{
	struct writing *writing = calloc(1, sizeof(*writing));
	int status = TOOL_USAGE;

	if (!writing) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	writing->opts = opts;
	writing->how = how;
	if (init_files(writing)) {
		status = target_open(&writing->target, opts);
		if (status == TOOL_DONE &&
		    (!spares_input(writing, &writing->file) ||
		     (is_raw(writing) && !spares_input(writing, &writing->map))))
			status = TOOL_USAGE;
		if (status == TOOL_DONE && how->is_of_machine &&
		    !pgw_image_get_info(writing->target.image)->is_live) {
			message("snapshot: %s is no machine that runs; trim is for files",
				writing->target.file);
			status = TOOL_USAGE;
		}
		if (status == TOOL_DONE)
			status = write_target(writing);
		target_close(&writing->target);
	}
	free(writing->keep);
	free(writing->map_path);
	free(writing);
	return status;
}
