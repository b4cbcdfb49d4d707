/* SPDX-License-Identifier: BSD-2-Clause */
#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* What takes less is over before somebody wants to know. */
#define DELAY_MS 1000
#define AGAIN_MS 200

static volatile sig_atomic_t signal_that_came;

static uint64_t ms_between(const struct timespec *from, const struct timespec *to)
{
	return (uint64_t)((to->tv_sec - from->tv_sec) * 1000 +
			  (to->tv_nsec - from->tv_nsec) / 1000000);
}

static bool is_set(const struct timespec *time)
{
	return time->tv_sec || time->tv_nsec;
}

bool progress_is_due(struct progress *progress)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!is_set(&progress->start))
		progress->start = now;
	if (ms_between(&progress->start, &now) < DELAY_MS ||
	    (is_set(&progress->shown) && ms_between(&progress->shown, &now) < AGAIN_MS))
		return false;
	progress->shown = now;
	return true;
}

static void show_rate(const struct progress_step *step, uint64_t rate)
{
	if (step->unit)
		fprintf(stderr, ", %" PRIu64 " %s, %" PRIu64 "/s", step->nr, step->unit, rate);
	else
		fprintf(stderr, ", %" PRIu64 " MiB/s", rate >> 20);
}

void progress_show(struct progress *progress, const struct progress_step *step)
{
	uint64_t ms, done = step->done < step->total ? step->done : step->total;

	if (!isatty(STDERR_FILENO) || !progress_is_due(progress))
		return;
	progress->is_shown = true;
	ms = ms_between(&progress->start, &progress->shown);
	fprintf(stderr, "\r%s", step->what);
	if (step->total)
		fprintf(stderr, ": %u%%", (unsigned)((double)done * 100 / (double)step->total));
	show_rate(step, (uint64_t)((double)step->nr * 1000 / (double)ms));
	if (done)
		fprintf(stderr, ", %.0f s left",
			(double)ms / 1000 * (double)(step->total - done) / (double)done);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	*progress = (struct progress){ 0 };
}

/* One that is sent twice, to the program and to its group, is one; but whoever still waits is heard. */
static void keep(int number)
{
	static struct timespec first;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!signal_that_came) {
		first = now;
		signal_that_came = number;
	} else if (ms_between(&first, &now) > DELAY_MS) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

void interrupt_catch(void)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = keep }, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

int interrupt_signal(void)
{
	return signal_that_came;
}
