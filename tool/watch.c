/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* qsort_r, ppoll */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "report/out.h"

#define MAX_ANSWER ((size_t)256 << 20)
#define ROWS 24 /* of a terminal that does not say */

/* What a round printed. */
struct answer {
	char *text;
	size_t size, capacity;
	const char **lines; /* sorted; each ends with its newline, or with the text */
	size_t nr_lines;
};

struct watch {
	const struct command *command;
	const struct options *opts;
	bool is_by_lines;
	bool is_terminal;
	struct out *out;
	uint64_t round;
	uint64_t rows_left;       /* of a terminal */
	uint64_t nr_gone, nr_new; /* lines of this round */
	struct answer before, now;
};

static volatile sig_atomic_t is_ended;

static void end(int signal)
{
	(void)signal;
	is_ended = 1;
}

/* Without SA_RESTART: what waits is woken. One that is ignored stays so. */
static void catch (void (*handler)(int))
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = handler }, old;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

static void answer_free(struct answer *answer)
{
	free(answer->text);
	free(answer->lines);
	*answer = (struct answer){ 0 };
}

/* ---- one round ---- */

static bool answer_grow(struct answer *answer)
{
	size_t capacity = answer->capacity ? answer->capacity * 2 : 1 << 16;
	char *text = capacity > MAX_ANSWER ? NULL : realloc(answer->text, capacity);

	if (!text)
		return false;
	answer->text = text;
	answer->capacity = capacity;
	return true;
}

/* @return false: there is no room for all of it, or --watch is to end */
static bool answer_read(struct answer *answer, int fd)
{
	for (;;) {
		ssize_t n;

		if (is_ended || (answer->size == answer->capacity && !answer_grow(answer)))
			return false;
		n = read(fd, answer->text + answer->size, answer->capacity - answer->size);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		answer->size += n > 0 ? (size_t)n : 0;
	}
}

static _Noreturn void round_child(const struct watch *watch, const int pipe_ends[2])
{
	catch (SIG_DFL);
	close(pipe_ends[0]);
	if (dup2(pipe_ends[1], STDOUT_FILENO) < 0)
		_exit(TOOL_UNREADABLE);
	close(pipe_ends[1]);
	exit(watch->command->run(watch->opts));
}

/* @return enum tool_status; after one that is no answer, a message is out */
static int round_run(struct watch *watch)
{
	int pipe_ends[2], status = 0;
	bool is_read;
	pid_t child;

	if (pipe(pipe_ends)) {
		message("%s: %s", watch->command->name, strerror(errno));
		return TOOL_UNREADABLE;
	}
	child = fork();
	if (child == 0)
		round_child(watch, pipe_ends);
	if (child < 0)
		message("%s: %s", watch->command->name, strerror(errno));
	close(pipe_ends[1]);
	is_read = child > 0 && answer_read(&watch->now, pipe_ends[0]);
	close(pipe_ends[0]);
	if (child > 0 && !is_read)
		kill(child, SIGTERM);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (is_ended)
		return TOOL_DONE;
	if (is_read && WIFSIGNALED(status))
		message("%s: ended by signal %d", watch->command->name, WTERMSIG(status));
	if (child > 0 && !is_read)
		message("%s: there is no memory for its answer, or it is of more than 256 MiB",
			watch->command->name);
	return is_read && WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_UNREADABLE;
}

/* ---- what changed ---- */

static size_t line_size(const struct answer *answer, const char *line)
{
	const char *last = answer->text + answer->size;
	const char *newline = memchr(line, '\n', (size_t)(last - line));

	return (size_t)((newline ? newline : last) - line);
}

static int compare(const struct answer *a, const char *line, const struct answer *b,
		   const char *other)
{
	size_t n = line_size(a, line), m = line_size(b, other);
	int order = memcmp(line, other, n < m ? n : m);

	return order ? order : (n > m) - (n < m);
}

static int compare_lines(const void *a, const void *b, void *arg)
{
	return compare(arg, *(const char *const *)a, arg, *(const char *const *)b);
}

/* Lines begin with their address, so this is mostly their order already. */
static bool answer_sort(struct answer *answer)
{
	const char *last = answer->text + answer->size;
	size_t nr = 0;

	for (const char *at = answer->text; at < last; at += line_size(answer, at) + 1)
		nr++;
	answer->lines = calloc(nr + 1, sizeof(*answer->lines));
	if (!answer->lines)
		return false;
	for (const char *at = answer->text; at < last; at += line_size(answer, at) + 1)
		answer->lines[answer->nr_lines++] = at;
	qsort_r(answer->lines, nr, sizeof(*answer->lines), compare_lines, answer);
	return true;
}

typedef void line_fn(struct watch *watch, bool is_new, const char *line, size_t size);

/* Each line that one of the two answers has and the other has not, in order. */
static void each_change(struct watch *watch, line_fn *fn)
{
	const struct answer *a = &watch->before, *b = &watch->now;
	size_t i = 0, j = 0;

	while (i < a->nr_lines || j < b->nr_lines) {
		int order = i == a->nr_lines   ? 1
			    : j == b->nr_lines ? -1
					       : compare(a, a->lines[i], b, b->lines[j]);

		if (order < 0)
			fn(watch, false, a->lines[i], line_size(a, a->lines[i]));
		else if (order > 0)
			fn(watch, true, b->lines[j], line_size(b, b->lines[j]));
		i += order <= 0;
		j += order >= 0;
	}
}

static void count_change(struct watch *watch, bool is_new, const char *line, size_t size)
{
	(void)line, (void)size;
	watch->nr_new += is_new;
	watch->nr_gone += !is_new;
}

/* ---- how it is shown ---- */

static void put_time(struct out *out)
{
	time_t now = time(NULL);
	struct tm utc;
	char text[32];

	gmtime_r(&now, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	out_str(out, text);
}

static void put_json_change(struct watch *watch, bool is_new, const char *line, size_t size)
{
	out_str(watch->out, is_new ? "{\"new\":" : "{\"gone\":");
	out_bytes(watch->out, line, size);
	out_str(watch->out, "}\n");
}

static void put_line(struct watch *watch, const char *before, const char *line, size_t size)
{
	if (watch->is_terminal && !watch->rows_left)
		return;
	watch->rows_left -= watch->is_terminal;
	out_str(watch->out, before);
	out_bytes(watch->out, line, size);
	out_char(watch->out, '\n');
}

static void put_text_change(struct watch *watch, bool is_new, const char *line, size_t size)
{
	put_line(watch, is_new ? "+" : "-", line, size);
}

static void put_answer(struct watch *watch)
{
	const struct answer *now = &watch->now;
	const char *last = now->text + now->size;

	for (const char *at = now->text; at < last; at += line_size(now, at) + 1)
		put_line(watch, "", at, line_size(now, at));
}

static void put_json(struct watch *watch)
{
	struct out *out = watch->out;

	out_str(out, "{\"watch\":{\"time\":\"");
	put_time(out);
	out_str(out, "\",\"round\":");
	out_dec(out, watch->round);
	out_str(out, ",\"gone\":");
	out_dec(out, watch->nr_gone);
	out_str(out, ",\"new\":");
	out_dec(out, watch->nr_new);
	out_str(out, "}}\n");
	each_change(watch, put_json_change);
}

/* Rows for what follows the first line. */
static uint64_t terminal_rows(void)
{
	struct winsize size = { 0 };

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 3 ? ROWS - 2
									  : size.ws_row - 2u;
}

static void put_text(struct watch *watch)
{
	struct out *out = watch->out;

	if (watch->is_terminal) {
		watch->rows_left = terminal_rows();
		out_str(out, "\033[H\033[J"); /* to the first row; clear what follows */
	}
	out_str(out, "# ");
	put_time(out);
	out_str(out, "  ");
	out_str(out, watch->command->name);
	out_str(out, ", round ");
	out_dec(out, watch->round);
	out_str(out, ": ");
	out_dec(out, watch->nr_gone);
	out_str(out, " lines gone, ");
	out_dec(out, watch->nr_new);
	out_str(out, " new\n");
	if (watch->is_by_lines)
		each_change(watch, put_text_change);
	else
		put_answer(watch);
}

/* The first answer comes whole; then what changed; on a terminal also that nothing did. */
static void show(struct watch *watch)
{
	watch->nr_gone = watch->nr_new = 0;
	each_change(watch, count_change);
	if (watch->round == 1 && (!watch->is_terminal || watch->is_by_lines))
		out_bytes(watch->out, watch->now.text, watch->now.size);
	else if (option_given(watch->opts, OPT_JSON))
		put_json(watch);
	else if (watch->nr_gone || watch->nr_new || watch->is_terminal)
		put_text(watch);
	out_flush(watch->out);
}

/* @return is there another round? */
static bool wait_for_next(const struct watch *watch, const struct timespec *began)
{
	struct timespec left, now;
	sigset_t ours, before;
	int64_t ms;

	if (is_ended || (watch->opts->watch_count && watch->round == watch->opts->watch_count))
		return false;
	/* A signal that comes between the question and the wait has to end the wait. */
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &before);
	while (!is_ended) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		ms = (began->tv_sec - now.tv_sec) * INT64_C(1000) +
		     (began->tv_nsec - now.tv_nsec) / 1000000 +
		     (int64_t)watch->opts->watch_seconds * 1000;
		if (ms <= 0)
			break;
		left = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
		ppoll(NULL, 0, &left, &before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return !is_ended;
}

static int watch_rounds(struct watch *watch)
{
	struct timespec began;
	int status;

	do {
		clock_gettime(CLOCK_MONOTONIC, &began);
		watch->round++;
		status = round_run(watch);
		if (is_ended || status > TOOL_FINDING)
			return status;
		if (!answer_sort(&watch->now)) {
			message("%s: %s", watch->command->name, strerror(ENOMEM));
			return TOOL_UNREADABLE;
		}
		show(watch);
		answer_free(&watch->before);
		watch->before = watch->now;
		watch->now = (struct answer){ 0 };
		if (out_failed(watch->out)) {
			if (watch->out->os_errno == EPIPE)
				return TOOL_DONE;
			message("standard output: %s", strerror(watch->out->os_errno));
			return TOOL_UNREADABLE;
		}
	} while (wait_for_next(watch, &began));
	return status;
}

int watch_run(const struct command *command, const struct options *opts, bool is_by_lines)
{
	struct out *out = malloc(sizeof(*out));
	struct watch watch = {
		.command = command,
		.opts = opts,
		.is_by_lines = is_by_lines || option_given(opts, OPT_JSON),
		.is_terminal = isatty(STDOUT_FILENO) && !option_given(opts, OPT_JSON),
		.out = out,
	};
	int status;

	if (!out) {
		message("%s: %s", command->name, strerror(ENOMEM));
		return TOOL_UNREADABLE;
	}
	out_init(out, STDOUT_FILENO, false);
	catch (end);
	status = watch_rounds(&watch);
	answer_free(&watch.before);
	answer_free(&watch.now);
	free(out);
	return status;
}
