/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The case that runs, counted from 1. */
static struct {
	const struct tap_case *at;
	size_t nr;
} running;

void tap_fail(const char *file, int line, const char *what)
{
	printf("not ok %zu - %s\n# %s:%d: not so: %s\n", running.nr, running.at->name, file, line,
	       what);
	exit(1);
}

void tap_check_equal(const char *file, int line, const char *what, uint64_t a, uint64_t b)
{
	if (a == b)
		return;
	printf("# %#" PRIx64 ", %#" PRIx64 "\n", a, b);
	tap_fail(file, line, what);
}

int tap_run(const struct tap_case *cases, size_t nr)
{
	printf("1..%zu\n", nr);
	for (size_t i = 0; i < nr; i++) {
		running.at = &cases[i];
		running.nr = i + 1;
		cases[i].run();
		printf("ok %zu - %s\n", running.nr, running.at->name);
	}
	return 0;
}
