/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "names.h"
#include "parse.h"
#include "report/report.h"
#include "target.h"

/** A translation of many addresses on its way. */
struct translate {
	struct target *target;
	struct report report;
	struct report_translations sums;
	struct pgw_pages *pages; /* NULL: they are not wanted */
	bool has_linux;          /* report.kernel is filled in: memory may be searched for it */
};

/*
 * An address in neither half is so for both. NULL if it is in the half that is not attached, and
 * not in one that is: where each has a root, both may have all addresses.
 */
static struct pgw_mm *translate_mm(const struct target *target, uint64_t va)
{
	const struct pgw_region *elsewhere = NULL;

	for (const struct pgw_region *region = pgw_format_regions(target->root.format);
	     region->name; region++) {
		if (va < region->first || va > region->last)
			continue;
		if (target->mm[region->kind])
			return target->mm[region->kind];
		elsewhere = region;
	}
	if (elsewhere)
		return NULL;
	for (int half = _PGW_REGION_MAX - 1; half > 0; half--) {
		if (target->mm[half])
			return target->mm[half];
	}
	return target->mm[PGW_REGION_USER];
}

/* By the tables: inside a virtual machine by its own, and behind these by its host's. */
static int translate_tables(const struct translate *translate, struct pgw_mm *mm,
			    struct report_translation *now, struct report_nested *nested)
{
	struct pgw_mm *stage2 = translate->target->stage2;
	int err;

	if (!stage2)
		return pgw_translate_path(mm, now->looked_up, &now->result, &now->path);
	nested->format = pgw_mm_format(stage2);
	err = pgw_translate_nested(mm, stage2, now->looked_up, &nested->both, &nested->path);
	if (err)
		return err;
	nested->memory_type = pgw_nested_memory_type(mm, stage2, &nested->path);
	now->nested = nested;
	now->result = nested->path.stage1;
	now->path = nested->path.path;
	return 0;
}

/*
 * Inside a virtual machine a record of stage 2 follows: of what the guest's tables led to, or of the item
 * that could not be read.
 */
static void translate_stage2(struct translate *translate, const struct report_translation *inner)
{
	struct pgw_mm *stage2 = translate->target->stage2;
	const struct pgw_nested_path *path = &inner->nested->path;
	const struct pgw_nested_step *last = path->nr_steps ? &path->step[path->nr_steps - 1] : NULL;
	struct report report = translate->report;
	struct report_translation outer = { 0 };

	if (!last ||
	    (inner->result.kind != PGW_ENTRY_LEAF && inner->result.kind != PGW_ENTRY_UNREADABLE))
		return;
	outer.va = outer.looked_up = last->gpa;
	outer.result = last->result;
	outer.path = last->path;
	report.format = pgw_mm_format(stage2);
	report.control = pgw_mm_control(stage2);
	report.root_pa = pgw_mm_root(stage2).pa;
	report.attrs.is_valid = false;
	report.renderer->translation(&report, &outer);
}

/* An address that no table of the root could have, but a window of the CPU's. */
static bool translate_window(const struct translate *translate, struct report_translation *now)
{
	const struct target *target = translate->target;
	struct pgw_window *window = &now->window;

	if (pgw_format_region_of(target->root.format, now->looked_up))
		return false;
	for (size_t i = 0; pgw_image_window(target->image, i, window); i++) {
		if (!window->rights || now->looked_up < window->first ||
		    now->looked_up > window->last)
			continue;
		now->has_window = true;
		now->result = (struct pgw_translation){
			.kind = PGW_ENTRY_LEAF,
			.va_first = window->first,
			.va_last = window->last,
			.pa = now->looked_up & window->pa_mask,
			.rights = window->rights,
		};
		return true;
	}
	return false;
}

static int translate_one(struct translate *translate, uint64_t va)
{
	struct report_translation translation = { .va = va };
	struct report_translations *sums = &translate->sums;
	struct report *report = &translate->report;
	const struct pgw_root_info *root = &translate->target->root;
	struct report_nested nested;
	struct pgw_mm *mm;
	int err;

	tags_look(root->format, &root->control, &translation);
	mm = translate_mm(translate->target, translation.looked_up);
	if (!mm) {
		message("translate: 0x%016" PRIx64 " is not in the half that root 0x%" PRIx64
			" is of; see --half",
			va, report->root_pa);
		return TOOL_USAGE;
	}
	err = translate_window(translate, &translation)
		      ? 0
		      : translate_tables(translate, mm, &translation, &nested);
	if (err) {
		message("%s: %s", translate->target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	if (translation.result.kind == PGW_ENTRY_ABSENT && !translate->has_linux) {
		err = target_linux(translate->target, &report->kernel);
		if (err != TOOL_DONE)
			return err;
		translate->has_linux = true;
	}
	report_name_find(report, translation.looked_up, &translation.name);
	translation.has_page =
		translate->pages && translation.result.kind == PGW_ENTRY_LEAF &&
		pgw_page_get(translate->pages, translation.result.pa, &translation.page) == 0;
	sums->nr_asked++;
	sums->nr_mapped += translation.result.kind == PGW_ENTRY_LEAF &&
			   (!translation.nested || translation.nested->both.kind == PGW_ENTRY_LEAF);
	sums->nr_malformed += translation.result.kind == PGW_ENTRY_MALFORMED;
	sums->nr_unreadable += translation.result.kind == PGW_ENTRY_UNREADABLE;
	report->renderer->translation(report, &translation);
	if (translation.nested)
		translate_stage2(translate, &translation);
	return TOOL_DONE;
}

static bool translate_read_stdin(const struct options *opts)
{
	return opts->nr_args == 1 || (opts->nr_args == 2 && strcmp(opts->args[1], "-") == 0);
}

/* An address, in hexadecimal or by a name. @return enum tool_status */
static int translate_parse(struct target *target, const char *text, uint64_t *ret)
{
	if (names_is_name(text))
		return names_address(target, text, ret);
	if (parse_hex(text, ret))
		return TOOL_DONE;
	message("translate: '%s' is not an address in hexadecimal", text);
	return TOOL_USAGE;
}

/* Nothing is printed if one of the arguments is wrong. */
static bool translate_check_args(const struct options *opts)
{
	uint64_t va;

	if (translate_read_stdin(opts)) {
		if (strcmp(opts->args[0], "-") != 0)
			return true;
		message("translate: standard input is the image, so addresses have to be "
			"arguments");
		return false;
	}
	for (int i = 1; i < opts->nr_args; i++) {
		if (!names_is_name(opts->args[i]) && !parse_hex(opts->args[i], &va)) {
			message("translate: '%s' is not an address in hexadecimal", opts->args[i]);
			return false;
		}
	}
	return true;
}

static int translate_args(struct translate *translate, const struct options *opts)
{
	int status = TOOL_DONE;
	uint64_t va = 0;

	for (int i = 1; i < opts->nr_args && status == TOOL_DONE; i++) {
		status = translate_parse(translate->target, opts->args[i], &va);
		if (status == TOOL_DONE)
			status = translate_one(translate, va);
	}
	return status;
}

/* The word on a line, which is changed; empty if there is none or a # is before it. */
static char *line_word(char *line)
{
	char *word = line + strspn(line, " \t\r\n");
	size_t len = strcspn(word, "\r\n");

	while (len && (word[len - 1] == ' ' || word[len - 1] == '\t'))
		len--;
	word[*word == '#' ? 0 : len] = '\0';
	return word;
}

/* A program on the other end of a pipe may wait for each answer before it asks on. */
static bool stdin_is_interactive(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode);
}

static int translate_stdin(struct translate *translate)
{
	bool flush = stdin_is_interactive();
	struct out *out = translate->report.out;
	int status = TOOL_DONE;
	char line[256];

	while (status == TOOL_DONE && !out_failed(out) && fgets(line, sizeof(line), stdin)) {
		char *word = line_word(line);
		uint64_t va;

		if (!*word)
			continue;
		status = translate_parse(translate->target, word, &va);
		if (status != TOOL_DONE)
			return status;
		status = translate_one(translate, va);
		if (flush)
			out_flush(out);
	}
	if (ferror(stdin)) {
		message("standard input cannot be read");
		return TOOL_UNREADABLE;
	}
	return status;
}

static int translate_pages(struct translate *translate)
{
	struct pgw_error err = { 0 };

	if (pgw_pages_open(translate->target->image, &translate->pages, &err) < 0)
		return message_error(translate->target->file, &err);
	translate->report.pages = translate->pages;
	return TOOL_DONE;
}

static int translate_report(struct target *target, const struct options *opts, struct out *out)
{
	struct translate translate = {
		.target = target,
		.report = target_report(target, opts, out),
	};
	int status = TOOL_DONE;

	if (option_given(opts, OPT_SYMBOLS))
		status = names_for_report(target, &translate.report);
	if (status == TOOL_DONE && option_given(opts, OPT_PAGE_STRUCTS))
		status = translate_pages(&translate);
	if (status != TOOL_DONE)
		return status;
	status = translate_read_stdin(opts) ? translate_stdin(&translate)
					    : translate_args(&translate, opts);
	pgw_pages_close(translate.pages);
	if (status != TOOL_DONE)
		return status;
	translate.report.renderer->translate_summary(&translate.report, &translate.sums);
	if (translate.sums.nr_unreadable) {
		out_flush(out);
		target_explain_unreadable(target);
	}
	return translate.sums.nr_mapped == translate.sums.nr_asked ? TOOL_DONE : TOOL_FINDING;
}

static int translate_run(const struct options *opts)
{
	unsigned halves = 0;
	struct target target;
	struct out out;
	int status;

	if (!translate_check_args(opts))
		return TOOL_USAGE;
	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	status = target_open(&target, opts);
	if (status == TOOL_DONE)
		status = target_choose_root(&target, opts);
	if (status == TOOL_DONE)
		status = target_choose_halves(&target, opts, ALL_REGIONS, &halves);
	if (status == TOOL_DONE)
		status = target_hold_halves(&target, opts, halves);
	if (status == TOOL_DONE)
		status = target_attach(&target, opts, halves);
	if (status == TOOL_DONE)
		status = target_finish(&out, translate_report(&target, opts, &out));
	target_close(&target);
	return status;
}

const struct command cmd_translate = {
	.name = "translate",
	.args = "IMAGE [VA]...",
	.summary = "what single virtual addresses map to, level by level",
	.description =
		"Prints for each address what it maps to, and below it every level's entry:\n"
		"table, physical address of the slot, raw entry, kind. Addresses are hexadecimal;\n"
		"with none, or with -, they are read from standard input, one a line. One may\n"
		"also be a name of the kernel's: @NAME[+OFFSET][:cpuN], see pagewalk symbols.\n"
		"An address with a tag, which the CPU ignores, is looked up without it: --tags.\n"
		"The exit status is 1 if any address is not mapped.\n",
	.examples = "  pagewalk translate vmcore ffffffff81000000\n"
		    "  pagewalk translate --root cpu0 vmcore 0x400000 0x401000\n"
		    "  pagewalk translate --json vmcore < addresses\n",
	.options = OPTIONS_LIVE | OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_DEVICE) | OPT_BIT(OPT_HALF) |
		   OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_MAIR) | OPT_BIT(OPT_TAGS) |
		   OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_PAGE_STRUCTS) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = -1,
	.run = translate_run,
};
