/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "write_image.h"

static int snapshot_run(const struct options *opts)
{
	static const struct write_how how = {
		.form = PGW_IMAGE_ELF_CORE,
		.has_tables_only = true,
		.is_of_machine = true,
	};

	return write_image(opts, &how);
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.args = "MACHINE NEW",
	.summary = "write the page tables of a machine that runs, of one moment",
	.description =
		"Stops the machine, copies the tables of all roots and the pages that they are\n"
		"found by, lets the machine run again, and writes what it copied to NEW: an ELF\n"
		"core as trim writes it. Says for how long the machine stood still.\n",
	.examples = "  pagewalk snapshot qemu:monitor.sock vm.tables\n"
		    "  pagewalk snapshot --max-pause 20 qemu:monitor.sock vm.tables\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_MAX_PAUSE) | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.output = 1,
	.run = snapshot_run,
};
