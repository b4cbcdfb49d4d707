/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "watch.h"

#define SECONDS 2

static int top_run(const struct options *opts)
{
	struct options every = *opts;

	if (!every.watch_seconds)
		every.watch_seconds = SECONDS;
	return watch_run(&cmd_stats, &every, false);
}

const struct command cmd_top = {
	.name = "top",
	.args = "IMAGE",
	.summary = "what stats says of a machine that runs, again and again",
	.description =
		"Prints what pagewalk stats does, every two seconds, on a terminal in place of\n"
		"what it printed before; elsewhere when something changed. It ends by SIGINT\n"
		"(Ctrl-C).\n",
	.examples = "  pagewalk top qemu:monitor.sock\n"
		    "  pagewalk top --root cpu0 --watch 10 qemu:monitor.sock\n",
	.options = OPTIONS_IMAGE | OPTIONS_WATCH | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = top_run,
};
