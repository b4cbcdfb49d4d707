/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "write_image.h"

static int trim_run(const struct options *opts)
{
	static const struct write_how how = {
		.form = PGW_IMAGE_ELF_CORE,
		.has_tables_only = true,
		.is_compact = true,
	};

	return write_image(opts, &how);
}

const struct command cmd_trim = {
	.name = "trim",
	.args = "IMAGE NEW",
	.summary = "make an image that holds the page tables and nothing else",
	.description =
		"Writes an ELF core to NEW that holds, of the memory, only the tables of all\n"
		"roots and the pages they are found by: info, roots and dump say of it what they\n"
		"say of IMAGE, and what the machine had in its memory is not in it. IMAGE stays\n"
		"as it is.\n",
	.examples =
		"  pagewalk trim vmcore vmcore.tables\n"
		"  pagewalk trim --force vmcore vmcore.tables  in place of the one that is there\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_MAX_PAUSE) | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.output = 1,
	.run = trim_run,
};
