/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_OVERLAY_H
#define TESTS_OVERLAY_H

#include <pagewalk/phys.h>

#define MAX_PATCHES 8
#define MAX_SEEN 4096

/** Memory that is another's, but for some words, or for the nth read, or for many. */
struct overlay {
	struct pgw_phys phys;
	struct pgw_phys inner;
	struct {
		uint64_t pa, value;
	} patches[MAX_PATCHES];
	unsigned nr_patches;
	struct pgw_phys_fault fault;
	uint64_t seed;           /* 0: no words are mixed up */
	uint64_t seen[MAX_SEEN]; /* words that were read */
	unsigned nr_seen;
};

/** Lay it over memory, which is replaced by it. */
void overlay_init(struct overlay *overlay, struct pgw_phys *phys);
/** Let this word be another one. */
void overlay_patch(struct overlay *overlay, uint64_t pa, uint64_t value);

#endif
