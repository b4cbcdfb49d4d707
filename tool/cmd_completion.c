/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "message.h"
#include "target.h"

/*
 * What shells need to complete command lines, made of the tables that parse them: one script a
 * shell, in which each command is a branch, so that nothing is run while somebody types.
 */

/** How a shell is told all that. */
struct completion_shell {
	void (*begin)(struct out *out);
	/** Called for each command, in order. */
	void (*command)(struct out *out, const struct command *command);
	void (*end)(struct out *out);
};

/* Bytes of a text in single quotes; those that are in special get what is in before in front. */
static void put_escaped(struct out *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'') {
			out_str(out, "'\\''");
			continue;
		}
		if (strchr(special, *text))
			out_char(out, '\\');
		out_char(out, *text);
	}
}

/* Lines of help as one. */
static void put_help(struct out *out, const char *help, const char *special)
{
	for (const char *line = help; *line;) {
		size_t len = strcspn(line, "\n");
		char text[128];

		if (len >= sizeof(text))
			len = sizeof(text) - 1;
		memcpy(text, line, len);
		text[len] = '\0';
		if (line != help)
			out_char(out, ' ');
		put_escaped(out, text, special);
		line += len;
		line += strspn(line, "\n ");
	}
}

/* What an option's value can be, with spaces between. */
static void put_option_words(struct out *out, enum option_id id)
{
	const char *word;

	for (size_t i = 0; (word = option_word(id, i)); i++) {
		if (i)
			out_char(out, ' ');
		out_str(out, word);
	}
}

static void put_argument_words(struct out *out, const struct command *command)
{
	for (size_t i = 0; command->words[i]; i++) {
		if (i)
			out_char(out, ' ');
		out_str(out, command->words[i]);
	}
}

static bool has_option(const struct command *command, enum option_id id)
{
	return command->options & OPT_BIT(id);
}

static void bash_begin(struct out *out)
{
	out_str(out, "# bash completion for pagewalk, written by: pagewalk completion bash\n"
		     "_pagewalk()\n"
		     "{\n"
		     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		     "\tlocal options= words= files=\n"
		     "\n"
		     "\t# bash makes three words of --half=user.\n"
		     "\tif [[ $cur == = ]]; then\n"
		     "\t\tcur=\n"
		     "\telif [[ $prev == = ]]; then\n"
		     "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
		     "\tfi\n"
		     "\tCOMPREPLY=()\n"
		     "\tif ((COMP_CWORD == 1)); then\n"
		     "\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; commands[i]; i++) {
		out_str(out, commands[i]->name);
		out_char(out, ' ');
	}
	out_str(out, "--help --version' -- \"$cur\"))\n"
		     "\t\treturn\n"
		     "\tfi\n"
		     "\tcase ${COMP_WORDS[1]} in\n");
}

/* What follows an option with a value. */
static void bash_value(struct out *out, enum option_id id)
{
	struct option_about about = option_about(id);

	out_str(out, "\t\t--");
	out_str(out, about.name);
	out_str(out, ") ");
	if (option_word(id, 0)) {
		out_str(out, "words='");
		put_option_words(out, id);
		out_str(out, "' ");
	} else if (about.has_file) {
		out_str(out, "files=1 ");
	}
	out_str(out, ";;\n");
}

static void bash_command(struct out *out, const struct command *command)
{
	out_str(out, "\t");
	out_str(out, command->name);
	out_str(out, ")\n\t\toptions='");
	for (int id = 0; id < _OPT_MAX; id++) {
		if (!has_option(command, (enum option_id)id))
			continue;
		out_str(out, "--");
		out_str(out, option_about((enum option_id)id).name);
		out_char(out, ' ');
	}
	out_str(out, "'\n\t\tcase $prev in\n");
	for (int id = 0; id < _OPT_MAX; id++) {
		if (has_option(command, (enum option_id)id) &&
		    option_about((enum option_id)id).value)
			bash_value(out, (enum option_id)id);
	}
	out_str(out, "\t\t*)\n\t\t\t[[ $cur == -* ]] && words=$options");
	if (command->words) {
		out_str(out, " || words='");
		put_argument_words(out, command);
		out_str(out, "'\n");
	} else {
		out_str(out, " || files=1\n");
	}
	out_str(out, "\t\t\t;;\n\t\tesac\n\t\t;;\n");
}

static void bash_end(struct out *out)
{
	out_str(out, "\tesac\n"
		     "\tif [[ $files ]]; then\n"
		     "\t\tcompopt -o default\n"
		     "\telse\n"
		     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		     "\tfi\n"
		     "}\n"
		     "complete -F _pagewalk pagewalk\n");
}

/* What is not plain text to _arguments and _describe. */
#define ZSH_SPECIAL "[]:\\"

static void zsh_begin(struct out *out)
{
	out_str(out, "#compdef pagewalk\n"
		     "# zsh completion for pagewalk, written by: pagewalk completion zsh\n"
		     "_pagewalk() {\n"
		     "\tlocal -a commands\n"
		     "\n"
		     "\tif (( CURRENT == 2 )); then\n"
		     "\t\tcommands=(\n");
	for (size_t i = 0; commands[i]; i++) {
		out_str(out, "\t\t\t'");
		out_str(out, commands[i]->name);
		out_char(out, ':');
		put_escaped(out, commands[i]->summary, ZSH_SPECIAL);
		out_str(out, "'\n");
	}
	out_str(out, "\t\t\t'--help:print what there is and end'\n"
		     "\t\t\t'--version:print the version and end'\n"
		     "\t\t)\n"
		     "\t\t_describe command commands\n"
		     "\t\treturn\n"
		     "\tfi\n"
		     "\tshift words\n"
		     "\t(( CURRENT-- ))\n"
		     "\tcase $words[1] in\n");
}

static void zsh_option(struct out *out, enum option_id id)
{
	struct option_about about = option_about(id);

	out_str(out, about.is_many ? "\t\t\t'*--" : "\t\t\t'--");
	out_str(out, about.name);
	if (about.value)
		out_str(out, about.is_optional ? "=-" : "=");
	out_char(out, '[');
	put_help(out, about.help, ZSH_SPECIAL);
	out_char(out, ']');
	if (about.value) {
		out_str(out, about.is_optional ? "::" : ":");
		put_escaped(out, about.value, ZSH_SPECIAL);
		out_char(out, ':');
	}
	if (option_word(id, 0)) {
		out_char(out, '(');
		put_option_words(out, id);
		out_char(out, ')');
	} else if (about.has_file) {
		out_str(out, strchr(about.value, '=') ? "{compset -P \"*=\"; _files}" : "_files");
	}
	out_str(out, "' \\\n");
}

static void zsh_command(struct out *out, const struct command *command)
{
	out_char(out, '\t');
	out_str(out, command->name);
	out_str(out, ")\n\t\t_arguments \\\n");
	for (int id = 0; id < _OPT_MAX; id++) {
		if (has_option(command, (enum option_id)id))
			zsh_option(out, (enum option_id)id);
	}
	out_str(out, "\t\t\t'*:");
	put_escaped(out, command->args, ZSH_SPECIAL);
	if (command->words) {
		out_str(out, ":(");
		put_argument_words(out, command);
		out_str(out, ")'\n");
	} else {
		out_str(out, ":_files'\n");
	}
	out_str(out, "\t\t;;\n");
}

/* It is read as a file of functions, or as a script. */
static void zsh_end(struct out *out)
{
	out_str(out, "\tesac\n"
		     "}\n"
		     "if [[ $funcstack[1] == _pagewalk ]]; then\n"
		     "\t_pagewalk \"$@\"\n"
		     "else\n"
		     "\tcompdef _pagewalk pagewalk\n"
		     "fi\n");
}

#define FISH_SPECIAL "\\"

static void fish_begin(struct out *out)
{
	out_str(out, "# fish completion for pagewalk, written by: pagewalk completion fish\n"
		     "function __pagewalk_command\n"
		     "\tset -l words (commandline -opc)\n"
		     "\ttest (count $words) -ge 2; and test $words[2] = $argv[1]\n"
		     "end\n"
		     "function __pagewalk_no_command\n"
		     "\tset -l words (commandline -opc)\n"
		     "\ttest (count $words) -eq 1\n"
		     "end\n"
		     "complete -c pagewalk -f\n"
		     "complete -c pagewalk -n __pagewalk_no_command -l help -d 'print what there "
		     "is and end'\n"
		     "complete -c pagewalk -n __pagewalk_no_command -l version -d 'print the "
		     "version and end'\n");
}

/* The beginning of a line that is for a command. */
static void fish_line(struct out *out, const struct command *command)
{
	out_str(out, "complete -c pagewalk -n '__pagewalk_command ");
	out_str(out, command->name);
	out_str(out, "'");
}

static void fish_option(struct out *out, const struct command *command, enum option_id id)
{
	struct option_about about = option_about(id);

	fish_line(out, command);
	out_str(out, " -l ");
	out_str(out, about.name);
	if (option_word(id, 0)) {
		out_str(out, " -x -a '");
		put_option_words(out, id);
		out_char(out, '\'');
	} else if (about.value) {
		out_str(out, about.is_optional ? " -F" : about.has_file ? " -r -F" : " -x");
	}
	out_str(out, " -d '");
	put_help(out, about.help, FISH_SPECIAL);
	out_str(out, "'\n");
}

static void fish_command(struct out *out, const struct command *command)
{
	out_str(out, "complete -c pagewalk -n __pagewalk_no_command -a ");
	out_str(out, command->name);
	out_str(out, " -d '");
	put_escaped(out, command->summary, FISH_SPECIAL);
	out_str(out, "'\n");
	fish_line(out, command);
	if (command->words) {
		out_str(out, " -a '");
		put_argument_words(out, command);
		out_str(out, "'\n");
	} else {
		out_str(out, " -F\n");
	}
	for (int id = 0; id < _OPT_MAX; id++) {
		if (has_option(command, (enum option_id)id))
			fish_option(out, command, (enum option_id)id);
	}
}

static void fish_end(struct out *out)
{
	(void)out;
}

static const char *const shell_names[] = { "bash", "zsh", "fish", NULL };

static const struct completion_shell shells[] = {
	{ bash_begin, bash_command, bash_end },
	{ zsh_begin, zsh_command, zsh_end },
	{ fish_begin, fish_command, fish_end },
};

static int completion_run(const struct options *opts)
{
	const struct completion_shell *shell = NULL;
	struct out out;

	for (size_t i = 0; shell_names[i]; i++) {
		if (strcmp(opts->args[0], shell_names[i]) == 0)
			shell = &shells[i];
	}
	if (!shell) {
		message("completion: '%s' is not bash, zsh or fish", opts->args[0]);
		return TOOL_USAGE;
	}
	out_init(&out, STDOUT_FILENO, false);
	shell->begin(&out);
	for (size_t i = 0; commands[i]; i++)
		shell->command(&out, commands[i]);
	shell->end(&out);
	return target_finish(&out, TOOL_DONE);
}

const struct command cmd_completion = {
	.name = "completion",
	.args = "SHELL",
	.summary = "what bash, zsh or fish need to complete command lines",
	.description =
		"Prints a script with which bash, zsh or fish complete commands, options, their\n"
		"values and names of files. An installation has them where these look for them.\n",
	.examples =
		"  pagewalk completion bash     to be read by: eval \"$(...)\"\n"
		"  pagewalk completion zsh      a file _pagewalk in a folder of $fpath\n"
		"  pagewalk completion fish     to be read by: pagewalk completion fish | source\n",
	.options = OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.words = shell_names,
	.run = completion_run,
};
