/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "message.h"
#include "progress.h"

/* Options of a comparison of two files of tables; the others are of the machine. */
#define OF_COMPARISON                                                                              \
	(OPT_BIT(OPT_RANGE) | OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_JSON) |        \
	 OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_NO_SANDBOX))

struct watched {
	const struct options *opts;
	char folder[4096];
	char file[2][4096 + 8]; /* before and after, in turn */
};

/* A command in a process of its own, as each of them ends with all that it has open. */
static int run_apart(const struct command *command, struct options *opts,
		     const char *const *args, int nr, bool is_silent)
{
	int status = 0;
	pid_t child;

	opts->args = args;
	opts->nr_args = nr;
	child = fork();
	if (child == 0) {
		if (is_silent && !freopen("/dev/null", "w", stdout))
			_exit(TOOL_UNREADABLE);
		exit(command->run(opts));
	}
	if (child < 0) {
		message("%s: %s", command->name, strerror(errno));
		return TOOL_UNREADABLE;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_UNREADABLE;
}

static int copy_tables(struct watched *watched, unsigned turn)
{
	struct options opts = *watched->opts;
	const char *const args[] = { watched->opts->args[0], watched->file[turn], NULL };

	opts.given &= ~OF_COMPARISON;
	return run_apart(&cmd_snapshot, &opts, args, 2, true);
}

static int compare(struct watched *watched, unsigned turn)
{
	struct options opts = *watched->opts;
	const char *const args[] = { watched->file[!turn], watched->file[turn], NULL };

	opts.given &= OF_COMPARISON;
	return run_apart(&cmd_diff, &opts, args, 2, false);
}

/* @return false: a signal came */
static bool wait_for_next(uint64_t seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };

	while (!interrupt_signal() && nanosleep(&left, &left) && errno == EINTR)
		;
	return !interrupt_signal();
}

static int rounds(struct watched *watched)
{
	const struct options *opts = watched->opts;
	int status = copy_tables(watched, 0);
	unsigned turn = 0;

	for (uint64_t round = 1; status <= TOOL_FINDING; round++) {
		if (!wait_for_next(opts->watch_seconds))
			return status;
		turn = !turn;
		status = copy_tables(watched, turn);
		if (status <= TOOL_FINDING)
			status = compare(watched, turn);
		unlink(watched->file[!turn]);
		if (opts->watch_count && round == opts->watch_count)
			break;
	}
	return status;
}

int diff_watch(const struct options *opts)
{
	const char *temporary = getenv("TMPDIR");
	struct watched *watched = calloc(1, sizeof(*watched));
	int status;

	if (!watched) {
		message("diff: %s", strerror(ENOMEM));
		return TOOL_UNREADABLE;
	}
	watched->opts = opts;
	snprintf(watched->folder, sizeof(watched->folder), "%s/pagewalk-diff-XXXXXX",
		 temporary && *temporary ? temporary : "/var/tmp");
	if (!mkdtemp(watched->folder)) {
		message("%s: %s", watched->folder, strerror(errno));
		free(watched);
		return TOOL_UNREADABLE;
	}
	for (unsigned i = 0; i < 2; i++)
		snprintf(watched->file[i], sizeof(watched->file[i]), "%s/%u", watched->folder, i);
	interrupt_catch();
	status = rounds(watched);
	unlink(watched->file[0]);
	unlink(watched->file[1]);
	rmdir(watched->folder);
	free(watched);
	return status;
}
