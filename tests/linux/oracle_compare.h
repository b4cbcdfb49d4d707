/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_COMPARE_H
#define TESTS_ORACLE_COMPARE_H

#include "oracle_world.h"

enum verdict { SAME, DIFFERENT, IMPOSSIBLE };

/** Where the two walks of a case are put. */
struct comparison {
	struct world world;
	const struct oracle_kernel *kernel;
	uint32_t switches; /* that are on */
	struct outcome theirs, ours, again;
	unsigned char *tables; /* after Linux's walk */
	size_t tables_used;
	enum verdict verdict;  /* of the last case */
	bool counts_are_right; /* of ours */
	uint64_t nr_events;    /* of all cases */
	uint64_t mattered[_SW_MAX];
};

void comparison_init(struct comparison *cmp, const struct oracle_kernel *kernel);
void comparison_fini(struct comparison *cmp);

/** Walk a case twice. If counts: for each switch that was asked, whether it mattered. */
enum verdict comparison_run(struct comparison *cmp, const struct oracle_case *c, bool counts);

/** Print both traces of the last case, as far as they are of interest. */
void comparison_print(const struct comparison *cmp, FILE *file);

#endif
