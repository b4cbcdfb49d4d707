/* SPDX-License-Identifier: BSD-2-Clause */
#include "confine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox.h"

/* Images, parts, pieces and named files, each with its folder, outputs, and what libraries want. */
#define MAX_RULES (2 * (2 + OPTIONS_MAX_RAM + OPTIONS_MAX_PARTS) + 16)

struct rules {
	struct sandbox_rule list[MAX_RULES];
	char *owned[MAX_RULES]; /* names that are not from the command line */
	size_t nr;
	size_t nr_owned;
};

static struct {
	bool is_on;
	unsigned nr_images; /* that are still to be opened */
	const struct command *command;
	char text[64];
} confined = { .text = "none" };

/* A report of a sanitizer needs another program and another process. */
static bool is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	return true;
#endif
#endif
	return false;
}

static void add(struct rules *rules, const char *path, enum sandbox_access access)
{
	if (path && rules->nr < MAX_RULES)
		rules->list[rules->nr++] = (struct sandbox_rule){ path, access };
}

/* The first LEN bytes of a name. What there is no memory for stays forbidden. */
static void add_part(struct rules *rules, const char *name, size_t len, enum sandbox_access access)
{
	char *part = rules->nr < MAX_RULES ? strndup(name, len) : NULL;

	if (!part)
		return;
	rules->owned[rules->nr_owned++] = part;
	add(rules, part, access);
}

static void add_folder(struct rules *rules, const char *path, enum sandbox_access access)
{
	size_t len = path ? strlen(path) : 0;

	while (len > 1 && path[len - 1] == '/') /* "a/b/" is the folder "b" */
		len--;
	while (len && path[len - 1] != '/')
		len--;
	if (len)
		add_part(rules, path, len, access);
	else if (path)
		add(rules, ".", access);
}

/* Folders that the user has the loader look into. */
static void add_library_path(struct rules *rules)
{
	const char *path = getenv("LD_LIBRARY_PATH");

	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len)
			add_part(rules, path, len, SANDBOX_READ);
		path += len + (path[len] == ':');
	}
}

/* What a command opens only when it comes to it. */
static void add_named(struct rules *rules, const struct options *opts)
{
	add(rules, opts->symbols, SANDBOX_READ);
	add(rules, opts->markers, SANDBOX_READ);
	add(rules, opts->policy, SANDBOX_READ);
	add(rules, opts->baseline, SANDBOX_READ);
	add(rules, opts->vmcoreinfo, SANDBOX_READ);
	add(rules, opts->index, SANDBOX_READ);
	/* Libraries that are loaded if they are there. */
	add(rules, "/usr/lib", SANDBOX_READ);
	add(rules, "/usr/local/lib", SANDBOX_READ);
	add(rules, "/lib", SANDBOX_READ);
	add(rules, "/lib64", SANDBOX_READ);
	add(rules, "/etc/ld.so.cache", SANDBOX_READ);
	/* How much of what is mapped is resident: source/resident.c asks. */
	add(rules, "/proc/self/statm", SANDBOX_READ);
	add_library_path(rules);
	/* What libedit knows terminals by; also /lib/terminfo. */
	if (confined.command == &cmd_sql) {
		add(rules, "/usr/share/terminfo", SANDBOX_READ);
		add(rules, "/etc/terminfo", SANDBOX_READ);
	}
}

/* A new file is written under another name beside its own. */
static void add_outputs(struct rules *rules, const struct options *opts)
{
	if (confined.command->output)
		add_folder(rules, opts->args[confined.command->output], SANDBOX_WRITE);
	add_folder(rules, opts->output,
		   confined.command->makes_folders ? SANDBOX_MAKE : SANDBOX_WRITE);
	add_folder(rules, opts->write_baseline, SANDBOX_WRITE);
	add_folder(rules, opts->index, SANDBOX_WRITE);
}

static void add_inputs(struct rules *rules, const struct options *opts)
{
	const char *temporary = getenv("TMPDIR");

	for (unsigned i = 0; i < confined.nr_images; i++) {
		add(rules, opts->args[i], SANDBOX_READ);
		add_folder(rules, opts->args[i], SANDBOX_READ);
	}
	for (size_t i = 0; i < opts->nr_ram; i++)
		add(rules, opts->ram[i].path, SANDBOX_READ);
	for (size_t i = 0; i < opts->nr_parts; i++)
		add(rules, opts->parts[i], SANDBOX_READ);
	add(rules, temporary ? temporary : "/var/tmp", SANDBOX_WRITE);
	add(rules, "/sys/devices/system/cpu", SANDBOX_READ);
}

static void enter(const struct options *opts, bool has_inputs)
{
	struct rules rules = { .nr = 0 };
	struct sandbox_state state;

	add_named(&rules, opts);
	add_outputs(&rules, opts);
	if (has_inputs)
		add_inputs(&rules, opts);
	state = sandbox_enter(rules.list, rules.nr);
	while (rules.nr_owned)
		free(rules.owned[--rules.nr_owned]);
	if (state.landlock)
		snprintf(confined.text, sizeof(confined.text), "Landlock (version %d)%s",
			 state.landlock, state.seccomp ? " and seccomp" : "");
	else
		snprintf(confined.text, sizeof(confined.text), "%s; this kernel has no Landlock",
			 state.seccomp ? "seccomp" : "none");
}

/* As qemu:PATH; a file of such a name is "./qemu:PATH". */
static bool is_machine(const char *name)
{
	static const char *const schemes[] = { "qemu:", "gdb:", "pid:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(name, schemes[i], strlen(schemes[i])) == 0)
			return true;
	}
	return strcmp(name, "self") == 0;
}

static const char *why_not(const struct command *command, const struct options *opts)
{
	if (option_given(opts, OPT_NO_SANDBOX))
		return "none (--no-sandbox)";
	/* Each answer is a process's of its own. */
	if (option_given(opts, OPT_WATCH) || command == &cmd_top)
		return "none (it asks again and again)";
	for (unsigned i = 0; i <= command->nr_more_images && (int)i < opts->nr_args; i++) {
		if (is_machine(opts->args[i]))
			return "none (a machine or a process that runs)";
	}
	return is_instrumented() ? "none (a build with sanitizers)" : NULL;
}

void confine_begin(const struct command *command, const struct options *opts)
{
	const char *reason = why_not(command, opts);

	if (!(command->options & OPT_BIT(OPT_NO_SANDBOX)))
		return;
	if (reason) {
		snprintf(confined.text, sizeof(confined.text), "%s", reason);
		return;
	}
	confined.is_on = true;
	confined.command = command;
	confined.nr_images = 1 + command->nr_more_images;
	if (opts->nr_args < (int)confined.nr_images)
		confined.nr_images = (unsigned)opts->nr_args;
	enter(opts, true);
}

void confine_image_opened(const struct options *opts)
{
	if (!confined.is_on || !confined.nr_images || --confined.nr_images)
		return;
	enter(opts, false);
}

const char *confine_describe(void)
{
	return confined.text;
}
