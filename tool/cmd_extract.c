/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "message.h"
#include "write_image.h"

static int extract_run(const struct options *opts)
{
	const struct write_how how = { .form = opts->form };

	if (!option_given(opts, OPT_VM)) {
		message("extract: say with --vm which virtual machine (devices lists them)");
		return TOOL_USAGE;
	}
	return write_image(opts, &how);
}

const struct command cmd_extract = {
	.name = "extract",
	.args = "--vm N IMAGE NEW",
	.summary = "write the memory of a guest in a host's image to a file of its own",
	.description =
		"Writes the memory that virtual machine N of IMAGE has, by its host's tables, to\n"
		"NEW: as an ELF core, for other tools, as LiME writes it, or byte for byte. Pages\n"
		"that the host had not mapped for it when IMAGE was made, as of memory that it\n"
		"never used, are not in NEW. IMAGE stays as it is. pagewalk itself needs no such\n"
		"file: its other commands take --vm, too.\n",
	.examples = "  pagewalk devices host.elf                     which there are\n"
		    "  pagewalk extract --vm 0 host.elf guest.elf    for gdb, crash, drgn\n"
		    "  pagewalk roots --vm 0 host.elf                the same, without a file\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_FORM) | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.output = 1,
	.run = extract_run,
};
