/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

/* Trees to measure on: made ones in memory, and the kernel's of an image. x86-64. */

#include <pagewalk/pagewalk.h>

#include "naive.h"

struct subject {
	const char *name;        /* "x86_64_dense" */
	struct pgw_mm *attached; /* as foreign tables */
	struct pgw_mm *owned;    /* the same tables as one's own; NULL: an image's */
	struct naive_tree tree;  /* the kernel's half */
	uint64_t va_first, va_last;
	uint64_t nr_leaves;
	uint64_t *tables;    /* a copy of all tables, one after the other */
	uint64_t nr_words;   /* in it */
	uint64_t *addresses; /* of leaves, in order */
	uint64_t *shuffled;  /* the same in no order */
	uint64_t nr_addresses;

	struct pgw_image *image;
	struct pgw_platform platform;
	struct pgw_phys_memory memory;
	uint8_t *block;
	struct pgw_ptdesc *descs; /* of the tables in it */
	size_t block_used, block_size;
};

/** What a made tree looks like; an array that ends with a NULL name. */
struct shape {
	const char *name;
	uint64_t nr_leaves;
	uint64_t va_step;  /* from leaf to leaf */
	uint64_t exchange; /* the index of leaf i's page is i ^ exchange */
};
extern const struct shape shapes[];

void subject_make(struct subject *subject, const struct shape *shape);
/** @return false, and a word on standard error, if it is not there or not x86-64 */
bool subject_open(struct subject *subject, const char *path);
void subject_free(struct subject *subject);

/** Reads the copy of its tables. @param arg the subject @return its leaves: a struct bench_case's fn */
uint64_t subject_read(void *arg);

/** Runs fn on each shape and on each image. */
typedef void subject_fn(struct subject *subject, void *arg);
void subject_each(char **images, int nr_images, subject_fn *fn, void *arg);

/** All of a program that measures subjects: fn is called with a struct bench. @return main()'s */
int subject_main(int argc, char **argv, subject_fn *fn);

#endif
