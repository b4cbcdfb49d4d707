/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MM_QUARANTINE_H
#define TESTS_MM_QUARANTINE_H

/*
 * A platform for tests of threads, in which no access to a freed table goes
 * unnoticed and none does harm: a freed table is filled with poison, by relaxed
 * atomics, and stays mapped until the test ends. It is used again only after
 * thousands of others were freed. Callbacks look at items with
 * quarantine_look(), which counts the poison that it sees.
 *
 * Threads sleep as in hosted programs. Tables have 4 KiB at most.
 */

#include <pagewalk/hosted.h>
#include <pagewalk/pagewalk.h>

#include <pthread.h>

/** To every format an entry that is not valid and not empty. */
#define QUARANTINE_POISON UINT64_C(0x5eadbeef5eadbe00)

struct quarantine {
	struct pgw_platform platform; /* hosted, with these tables and objects */
	unsigned char *block;
	struct pgw_ptdesc *descs;
	size_t nr_tables; /* of the block */
	pthread_mutex_t lock;
	size_t nr_fresh;  /* tables that were handed out at least once */
	size_t *freed;    /* ring of freed tables, by number, oldest first */
	size_t first, nr; /* of the ring */
	long nr_live, nr_objs, nr_freed;
	uint64_t nr_poison; /* seen; atomic */
};

void quarantine_init(struct quarantine *q, size_t nr_tables);
/** After a barrier: asserts that all tables and objects came back. */
void quarantine_fini(struct quarantine *q);

/** Read an item that was found by a walk. */
uint64_t quarantine_look(struct quarantine *q, const uint64_t *item);
uint64_t quarantine_nr_poison(struct quarantine *q);

/** Walk ops that look at every item of every level; walk->arg is the quarantine. */
extern const struct pgw_mm_walk_ops quarantine_walk_ops;

#endif
