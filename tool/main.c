/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#include "command.h"
#include "confine.h"
#include "target.h"
#include "watch.h"

const struct command *const commands[] = {
	&cmd_info,    &cmd_roots,   &cmd_ps,       &cmd_maps,       &cmd_dump,
	&cmd_devices, &cmd_find,    &cmd_stats,    &cmd_top,        &cmd_audit,
	&cmd_report,  &cmd_diff,    &cmd_symbols,  &cmd_sql,
	&cmd_export,  &cmd_translate, &cmd_trim,
	&cmd_convert, &cmd_extract, &cmd_snapshot, &cmd_completion, NULL,
};

static const char help_intro[] =
	"Usage: pagewalk COMMAND [OPTION]... IMAGE [ARGUMENT]...\n"
	"\n"
	"Reads page tables inside a memory dump: what every virtual address maps to, and\n"
	"with which rights. IMAGE is an ELF core or a kdump-compressed dump, as QEMU's\n"
	"dump-guest-memory, kdump and makedumpfile write them, or raw memory, each also\n"
	"packed by zstd, gzip, xz, bzip2, lz4 or zip; - is standard input. --ram PA=FILE\n"
	"instead of it says where memory is.\n"
	"\n"
	"Commands:\n";

static const char help_end[] =
	"\n"
	"pagewalk COMMAND --help tells more of each; pagewalk --version the version.\n"
	"\n"
	"Examples:\n"
	"  pagewalk info vmcore                    what is known of the machine\n"
	"  pagewalk dump vmcore                    the kernel's mappings\n"
	"  pagewalk dump --perm k:wx vmcore        ... that it may write and execute\n"
	"  pagewalk dump --root cpu0 --json vmcore all that CPU 0 could see, for programs\n"
	"  pagewalk translate vmcore ffffffff81000000\n"
	"\n"
	"Exit status: 0 done; 1 something was found that should not be there, is not\n"
	"mapped, or cut the result short; 2 wrong usage; 3 the image cannot be read.\n";

static void help(struct out *out)
{
	out_str(out, help_intro);
	for (size_t i = 0; commands[i]; i++) {
		out_str(out, "  ");
		out_str_padded(out, commands[i]->name, 12);
		out_str(out, commands[i]->summary);
		out_char(out, '\n');
	}
	out_str(out, help_end);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int print_command_help(const struct command *command)
{
	struct out out;

	out_init(&out, STDOUT_FILENO, false);
	options_help(command, &out);
	return target_finish(&out, TOOL_DONE);
}

static int command_run(const struct command *command, int argc, char **argv)
{
	struct options opts;

	if (!options_parse(command, argc, argv, &opts))
		return TOOL_USAGE;
	if (option_given(&opts, OPT_WATCH_COUNT) && !option_given(&opts, OPT_WATCH) &&
	    command != &cmd_top) {
		message("%s: --watch-count goes with --watch", command->name);
		return TOOL_USAGE;
	}
	if (option_given(&opts, OPT_HELP))
		return print_command_help(command);
	confine_begin(command, &opts);
	/* Lines of stats belong to the line that is above them. */
	if (option_given(&opts, OPT_WATCH) && command != &cmd_top && command != &cmd_diff)
		return watch_run(command, &opts, command != &cmd_stats);
	return command->run(&opts);
}

static int print_help(void)
{
	struct out out;

	out_init(&out, STDOUT_FILENO, false);
	help(&out);
	return target_finish(&out, TOOL_DONE);
}

static int print_version(void)
{
	struct out out;

	out_init(&out, STDOUT_FILENO, false);
	out_str(&out, "pagewalk " PGW_VERSION "\n");
	return target_finish(&out, TOOL_DONE);
}

int main(int argc, char **argv)
{
	const struct command *command;

	/* A reader that goes away is seen as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		message("no command is given; see pagewalk --help");
		return TOOL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	command = command_find(argv[1]);
	if (!command) {
		message("no such command: '%s'; see pagewalk --help", argv[1]);
		return TOOL_USAGE;
	}
	return command_run(command, argc - 1, argv + 1);
}
