/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "names.h"
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

static int roots_report(struct target *target, const struct options *opts, struct out *out,
			void *arg)
{
	const struct pgw_image_info *image = pgw_image_get_info(target->image);
	struct report report = {
		.renderer = option_given(opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.out = out,
		.is_guess = report_is_guess(target->image),
	};
	struct report_roots sums = {
		.image = image,
	};
	const struct pgw_root_info *list;
	const struct pgw_kernel *kernels;
	int err;

	(void)arg;
	err = target_roots(target, &list, &sums.nr_roots);
	if (!err)
		err = target_kernels(target, &kernels, &sums.nr_kernels);
	if (err)
		return target_fail(target, err);
	report.nr_kernels = sums.nr_kernels;
	if (option_given(opts, OPT_OWNERS)) {
		int status = tasks_open(target, &report.tasks);

		if (status != TOOL_DONE)
			return status;
	}
	for (size_t i = 0; i < sums.nr_roots; i++) {
		report.renderer->root(&report, &list[i]);
		sums.nr_lacking += list[i].nr_missing || list[i].missing_is_cut;
		sums.nr_unowned += is_unowned(&report, &list[i]);
	}
	report.renderer->roots_summary(&report, &sums);
	pgw_tasks_close(report.tasks);
	return sums.nr_roots && !image->truncated && !sums.nr_unowned ? TOOL_DONE : TOOL_FINDING;
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
		"of a KPTI pair and the other one (twin), how it was found.\n",
	.examples = "  pagewalk roots vmcore\n"
		    "  pagewalk roots --owners vmcore            whose each of them is\n"
		    "  pagewalk dump --root 0x25fc000 vmcore     what one of them maps\n",
	.options = OPTIONS_LIVE | OPTIONS_WATCH | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_OWNERS) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = roots_run,
};
