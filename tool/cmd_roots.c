/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "foreign.h"
#include "names.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"
#include "tasks.h"

/* Freed roots are empty, and nobody's: that is no finding. */
static bool is_unowned(const struct report *report, const struct pgw_root_info *root)
{
	struct pgw_root_owner owner;

	return report->tasks &&
	       (root->state == PGW_ROOT_RUNNING || root->state == PGW_ROOT_MAPPED) &&
	       !pgw_tasks_root_owner(report->tasks, root, &owner);
}

/* Whose roots are listed together, in this order; then those of virtual machines, and of devices. */
enum section { SECTION_CPUS, SECTION_PROCESSES, SECTION_VMS, SECTION_DEVICES, _SECTION_MAX };

static const char *const section_names[_SECTION_MAX] = { "CPUs", "processes", "virtual machines",
							 "devices" };

/* A process's, whether it runs or not; else the kernel's own, or whatever a CPU has loaded. */
static enum section section_of(const struct pgw_root_info *root)
{
	bool is_process = root->state == PGW_ROOT_RUNNING || root->state == PGW_ROOT_MAPPED ||
			  root->state == PGW_ROOT_EMPTY;

	return is_process ? SECTION_PROCESSES : SECTION_CPUS;
}

/* "# devices", before the first line of a section; in JSON each record tells by itself. */
static void section_begin(const struct report *report, enum section section)
{
	if (report->renderer != &renderer_text)
		return;
	out_str(report->out, "# ");
	out_str(report->out, section_names[section]);
	out_char(report->out, '\n');
}

static void roots_section(struct report *report, struct report_roots *sums,
			  const struct pgw_root_info *list, enum section section)
{
	bool is_begun = false;

	for (size_t i = 0; i < sums->nr_roots; i++) {
		if (section_of(&list[i]) != section)
			continue;
		if (!is_begun)
			section_begin(report, section);
		is_begun = true;
		report->renderer->root(report, &list[i]);
		sums->nr_lacking += list[i].nr_missing || list[i].missing_is_cut;
		sums->nr_unowned += is_unowned(report, &list[i]);
	}
}

/** Roots that no CPU's own register holds, each once. */
struct foreign_roots {
	struct target *target;
	const struct options *opts;
	struct record record;
	const struct pgw_foreign **users; /* those of one root are neighbours */
	size_t nr;
	uint64_t nr_blocked;
	bool is_incomplete; /* too much of memory looks like them */
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* 0: they go through the very same tables, or both through none of the same kind. */
static int root_compare(const struct pgw_foreign *a, const struct pgw_foreign *b)
{
	int ret = compare_numbers(a->domain, b->domain);

	if (!ret)
		ret = compare_numbers(a->root.pa, b->root.pa);
	if (!ret)
		ret = compare_numbers(a->root.nr_items, b->root.nr_items);
	if (!ret && a->format != b->format)
		ret = !a->format || !b->format ? compare_numbers(a->format != NULL, b->format != NULL)
					       : strcmp(pgw_format_name(a->format),
							pgw_format_name(b->format));
	return ret;
}

/* Virtual machines first, then by root; of one root in the list's order. */
static int user_compare(const void *a, const void *b)
{
	const struct pgw_foreign *x = *(const struct pgw_foreign *const *)a;
	const struct pgw_foreign *y = *(const struct pgw_foreign *const *)b;
	int ret = compare_numbers(!x->is_guest, !y->is_guest);

	if (!ret)
		ret = root_compare(x, y);
	return ret ? ret : (x > y) - (x < y);
}

static void foreign_user(struct record *record, const struct pgw_foreign *user)
{
	char id[FOREIGN_ID];

	record_item(record);
	if (user->is_guest)
		record_dec(record, "vm", user->id);
	else
		record_str(record, "device", foreign_id(user, id));
	record_dec(record, "domain", user->domain_id);
	record_str(record, "found", foreign_source(user->source));
	record_hex(record, "evidence", user->evidence);
	record_item_end(record);
}

/* The root of those from the first on. @param ret_nr how many it is of */
static int foreign_root_report(struct foreign_roots *roots, size_t first, size_t *ret_nr)
{
	struct pgw_foreign known = *roots->users[first];
	struct record *record = &roots->record;
	struct foreign_reach reach = { 0 };
	size_t i = first;
	int err = 0;

	/* A machine's addresses are its own: nobody asks whether they are the host's. */
	if (!known.is_guest)
		err = foreign_reach(roots->target, roots->opts, &known, &reach);
	if (err)
		return err;
	record_begin(record, known.is_guest ? "vm" : "device");
	record_str(record, "through", foreign_through(&known, &reach));
	if (known.format) {
		record_hex(record, "tables", known.root.pa);
		record_str(record, "format", pgw_format_name(known.format));
		record_dec(record, "items", known.root.nr_items);
	} else {
		record_str(record, "tables", NULL);
		record_str(record, "format", NULL);
	}
	record_list(record, "users");
	do
		foreign_user(record, roots->users[i++]);
	while (i < roots->nr && roots->users[i]->is_guest == roots->users[first]->is_guest &&
	       root_compare(roots->users[first], roots->users[i]) == 0);
	record_list_end(record);
	record_end(record);
	*ret_nr = i - first;
	return 0;
}

static int foreign_sections(struct foreign_roots *roots, const struct report *report)
{
	enum section section = _SECTION_MAX, before = _SECTION_MAX;
	size_t nr = 0;
	int err = 0;

	for (size_t i = 0; i < roots->nr && !err; i += nr) {
		section = roots->users[i]->is_guest ? SECTION_VMS : SECTION_DEVICES;
		if (section != before)
			section_begin(report, section);
		before = section;
		err = foreign_root_report(roots, i, &nr);
	}
	if (err || !roots->nr_blocked)
		return err;
	if (before != SECTION_DEVICES)
		section_begin(report, SECTION_DEVICES);
	record_begin(&roots->record, "blocked");
	record_dec(&roots->record, "devices", roots->nr_blocked);
	record_end(&roots->record);
	return 0;
}

/*
 * Look for them, before all else: so memory is looked through once. Those of machines that run are not
 * looked for. @return enum tool_status
 */
static int foreign_roots_find(struct foreign_roots *roots)
{
	const struct pgw_foreign *list = NULL;
	int err;

	if (pgw_image_get_info(roots->target->image)->is_live)
		return TOOL_DONE;
	err = foreign_ask(roots->target, &list, &roots->nr, &roots->nr_blocked);
	/* The others are there all the same. */
	roots->is_incomplete = err == -PGW_E2BIG;
	if (roots->is_incomplete)
		roots->nr = 0;
	else if (err)
		return TOOL_UNREADABLE;
	roots->users = calloc(roots->nr + 1, sizeof(*roots->users));
	if (!roots->users)
		return target_fail(roots->target, -PGW_ENOMEM);
	for (size_t i = 0; i < roots->nr; i++)
		roots->users[i] = &list[i];
	qsort(roots->users, roots->nr, sizeof(*roots->users), user_compare);
	return TOOL_DONE;
}

/* All of them in the image. @return enum tool_status */
static int roots_list(struct foreign_roots *foreign, struct report *report, struct report_roots *sums)
{
	struct target *target = foreign->target;
	const struct pgw_root_info *list;
	const struct pgw_kernel *kernels;
	int err = target_roots(target, &list, &sums->nr_roots);

	if (!err)
		err = target_kernels(target, &kernels, &sums->nr_kernels);
	if (err)
		return target_fail(target, err);
	report->nr_kernels = sums->nr_kernels;
	if (option_given(foreign->opts, OPT_OWNERS)) {
		int status = tasks_open(target, &report->tasks);

		if (status != TOOL_DONE)
			return status;
	}
	roots_section(report, sums, list, SECTION_CPUS);
	roots_section(report, sums, list, SECTION_PROCESSES);
	err = foreign_sections(foreign, report);
	if (!err)
		report->renderer->roots_summary(report, sums);
	pgw_tasks_close(report->tasks);
	return err ? target_fail(target, err) : TOOL_DONE;
}

static int roots_report(struct target *target, const struct options *opts, struct out *out,
			void *arg)
{
	const struct pgw_image_info *image = pgw_image_get_info(target->image);
	struct foreign_roots foreign = { .target = target, .opts = opts };
	struct report report = {
		.renderer = option_given(opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.out = out,
		.is_guess = report_is_guess(target->image),
	};
	struct report_roots sums = {
		.image = image,
	};
	int status = foreign_roots_find(&foreign);

	(void)arg;
	record_init(&foreign.record, out, option_given(opts, OPT_JSON));
	if (status == TOOL_DONE)
		status = roots_list(&foreign, &report, &sums);
	free(foreign.users);
	if (status != TOOL_DONE)
		return status;
	return sums.nr_roots && !image->truncated && !sums.nr_unowned && !foreign.is_incomplete
		       ? TOOL_DONE
		       : TOOL_FINDING;
}

static int roots_run(const struct options *opts)
{
	const struct target_job job = { .holding = HOLD_IF_ASKED, .report = roots_report };
	int status = names_check(opts);

	return status == TOOL_DONE ? target_run(opts, &job) : status;
}

const struct command cmd_roots = {
	.name = "roots",
	.args = "IMAGE",
	.summary = "the page-table roots in an image",
	.description =
		"Prints one root a line: physical address, format, what it is for, whether it\n"
		"maps the kernel's root where that is (proof), the CPUs that run on it, its half\n"
		"of a KPTI pair and the other one (twin), how it was found. First the kernel's\n"
		"and what else CPUs have loaded, then processes'; then each root of virtual\n"
		"machines and of devices behind an IOMMU once, with who uses it, as devices\n"
		"lists them.\n",
	.examples = "  pagewalk roots vmcore\n"
		    "  pagewalk roots --owners vmcore            whose each of them is\n"
		    "  pagewalk dump --root 0x25fc000 vmcore     what one of them maps\n",
	.options = OPTIONS_LIVE | OPTIONS_WATCH | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_OWNERS) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = roots_run,
};
