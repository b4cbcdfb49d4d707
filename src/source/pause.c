/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* A machine stands still while anybody wants it to: the first stops it, the last lets it run. */
struct source_pauses {
	const struct source_ops
		*ops; /* the kind's: those of a source that holds pages are others */
	pthread_mutex_t lock;
	unsigned nr;
	uint64_t start_ns; /* 0: it stood before */
	uint64_t last_ns;  /* how long the last pause was */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t since_start(const struct source_pauses *pauses)
{
	return pauses->start_ns ? now_ns() - pauses->start_ns : 0;
}

void source_pause_begins(const struct source *source)
{
	source->pauses->start_ns = source->stands_since_ns ? source->stands_since_ns : now_ns();
}

int source_pauses_init(struct source *source)
{
	if (!source->ops->pause)
		return 0;
	source->pauses = calloc(1, sizeof(*source->pauses));
	if (!source->pauses)
		return -PGW_ENOMEM;
	source->pauses->ops = source->ops;
	pthread_mutex_init(&source->pauses->lock, NULL);
	return 0;
}

void source_pauses_fini(struct source *source)
{
	struct source_pauses *pauses = source->pauses;

	if (!pauses)
		return;
	if (pauses->nr)
		pauses->ops->resume(source);
	pthread_mutex_destroy(&pauses->lock);
	free(pauses);
	source->pauses = NULL;
}

int source_pause(const struct source *source)
{
	struct source_pauses *pauses = source->pauses;
	int status = 0;

	if (!pauses)
		return -PGW_EOPNOTSUPP;
	pthread_mutex_lock(&pauses->lock);
	if (!pauses->nr) {
		pauses->start_ns = 0;
		status = pauses->ops->pause(source);
	}
	pauses->nr += !status;
	pthread_mutex_unlock(&pauses->lock);
	return status;
}

int source_resume(const struct source *source)
{
	struct source_pauses *pauses = source->pauses;
	int status = 0;

	pthread_mutex_lock(&pauses->lock);
	if (!--pauses->nr) {
		status = pauses->ops->resume(source);
		pauses->last_ns = since_start(pauses);
	}
	pthread_mutex_unlock(&pauses->lock);
	return status;
}

uint64_t source_paused_ns(const struct source *source)
{
	struct source_pauses *pauses = source->pauses;
	uint64_t ns;

	if (!pauses)
		return 0;
	pthread_mutex_lock(&pauses->lock);
	ns = pauses->nr                ? since_start(pauses)
	     : source->stands_since_ns ? now_ns() - source->stands_since_ns
				       : pauses->last_ns;
	pthread_mutex_unlock(&pauses->lock);
	return ns;
}

int source_refresh(struct source *source)
{
	const struct source_ops *ops = source->pauses ? source->pauses->ops : source->ops;

	return ops->refresh ? ops->refresh(source) : 0;
}
