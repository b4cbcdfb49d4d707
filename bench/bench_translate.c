/* SPDX-License-Identifier: BSD-2-Clause */
/* Single addresses of leaves, in order and in no order. */
#include <stdio.h>

#include "harness.h"
#include "naive.h"
#include "subject.h"

struct job {
	const struct subject *subject;
	const uint64_t *addresses;
};

static uint64_t translate(const struct job *job, struct pgw_mm *mm)
{
	struct pgw_translation translation;
	uint64_t nr = 0;

	for (uint64_t i = 0; i < job->subject->nr_addresses; i++) {
		if (pgw_translate(mm, job->addresses[i], &translation))
			return 0;
		nr += translation.kind == PGW_ENTRY_LEAF;
	}
	return nr;
}

static uint64_t translate_attached(void *arg)
{
	const struct job *job = arg;

	return translate(job, job->subject->attached);
}

static uint64_t translate_owned(void *arg)
{
	const struct job *job = arg;

	return translate(job, job->subject->owned);
}

static uint64_t translate_by(const struct job *job, struct pgw_mm *mm)
{
	struct pgw_translate_cursor cursor;
	struct pgw_translation translation;
	uint64_t nr = 0;

	if (pgw_translate_cursor_init(&cursor, mm))
		return 0;
	for (uint64_t i = 0; i < job->subject->nr_addresses; i++) {
		if (pgw_translate_by(&cursor, job->addresses[i], &translation))
			return 0;
		nr += translation.kind == PGW_ENTRY_LEAF;
	}
	return nr;
}

static uint64_t translate_by_attached(void *arg)
{
	const struct job *job = arg;

	return translate_by(job, job->subject->attached);
}

static uint64_t translate_by_owned(void *arg)
{
	const struct job *job = arg;

	return translate_by(job, job->subject->owned);
}

static uint64_t translate_batch(void *arg)
{
	enum { BATCH = 256 };
	struct pgw_translation translations[BATCH];
	const struct job *job = arg;
	uint64_t nr = 0;

	for (uint64_t i = 0; i < job->subject->nr_addresses; i += BATCH) {
		uint64_t left = job->subject->nr_addresses - i;

		nr += pgw_translate_batch(job->subject->attached, job->addresses + i, translations,
					  left < BATCH ? left : BATCH);
	}
	return nr;
}

static uint64_t naive(void *arg)
{
	const struct job *job = arg;
	const struct subject *subject = job->subject;
	uint64_t nr = 0, pa;

	for (uint64_t i = 0; i < subject->nr_addresses; i++)
		nr += naive_translate(&subject->tree, job->addresses[i], &pa);
	return nr;
}

/* One word of the tables for each address: what no translation can beat. */
static uint64_t plain_read(void *arg)
{
	const struct job *job = arg;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < job->subject->nr_addresses; i++)
		sum += job->subject->tables[(job->addresses[i] >> 12) % job->subject->nr_words];
	*(volatile uint64_t *)&sum = sum;
	return job->subject->nr_addresses;
}

static void measure_order(struct bench *bench, struct job *job, bool in_order)
{
	bool is_made = job->subject->owned;
	double batch = is_made ? 0 : in_order ? 0.12 : 0.2;
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "address",
		.reference = 0,
		.nr_cases = 7,
		.cases = {
			{ "naive translation", naive, job },
			{ "translate, attached", translate_attached, job },
			{ "by a cursor, attached", translate_by_attached, job },
			{ "batch, attached", translate_batch, job },
			{ "translate, owned", is_made ? translate_owned : NULL, job },
			{ "by a cursor, owned", is_made ? translate_by_owned : NULL, job },
			{ "plain read of a word", plain_read, job },
		},
		.goal = { 0, 0.25, 0.25, batch, 0.25, 0.25, 0 },
	};

	snprintf(name, sizeof(name), "bench_translate_%s__%s", in_order ? "ascending" : "random",
		 job->subject->name);
	bench_run(bench, &set);
}

static void measure(struct subject *subject, void *arg)
{
	struct job job = { .subject = subject, .addresses = subject->addresses };

	measure_order(arg, &job, true);
	job.addresses = subject->shuffled;
	measure_order(arg, &job, false);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	subject_each(argv + first, argc - first, measure, &bench);
	return bench_done(&bench);
}
