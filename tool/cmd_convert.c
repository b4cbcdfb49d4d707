/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "write_image.h"

static int convert_run(const struct options *opts)
{
	const struct write_how how = {
		.form = opts->form,
		.has_tables_only = opts->pages == PAGES_TABLES,
	};

	return write_image(opts, &how);
}

const struct command cmd_convert = {
	.name = "convert",
	.args = "IMAGE NEW",
	.summary = "write the memory of an image to a file of another kind",
	.description =
		"Writes what can be read of IMAGE's memory to NEW: as an ELF core, with the notes\n"
		"of IMAGE, as LiME writes it, or byte for byte, with a map beside it (NEW.map),\n"
		"from which pagewalk reads it again. What was left out of IMAGE is left out of\n"
		"NEW, and pages of zeroes are holes in the file. IMAGE stays as it is. A machine\n"
		"that runs goes on with that, and what is written of it is of no one moment;\n"
		"--consistent lets it stand until all is written.\n",
	.examples = "  pagewalk convert vmcore vmcore.elf            for gdb, crash, drgn\n"
		    "  pagewalk convert --format lime vmcore mem.lime\n"
		    "  pagewalk convert --format raw --pages tables vmcore tables.raw\n"
		    "  pagewalk roots tables.raw.map                 what it holds\n",
	.options = OPTIONS_LIVE | OPT_BIT(OPT_FORM) | OPT_BIT(OPT_PAGES) | OPT_BIT(OPT_FORCE) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.output = 1,
	.run = convert_run,
};
