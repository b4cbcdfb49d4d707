/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

/*
 * Where a machine has memory, by what is in memory. Gaps below 1 MiB are taken
 * for memory that is in use otherwise (the BIOS's below 1 MiB, ACPI tables,
 * a page that the kernel has unmapped): the holes that machines leave for
 * devices are larger.
 */
#define MIN_GAP (UINT64_C(1) << 20)

/* Runs come in any order; one more than there is room for joins its neighbour. */
void image_ram_runs_add(struct image_ram_runs *runs, uint64_t first, uint64_t last)
{
	struct source_run *run = runs->run;
	unsigned at = 0, end;

	while (at < runs->nr && run[at].last < first && first - run[at].last > MIN_GAP)
		at++;
	for (end = at;
	     end < runs->nr && (run[end].first <= last || run[end].first - last <= MIN_GAP);
	     end++) {
		first = run[end].first < first ? run[end].first : first;
		last = run[end].last > last ? run[end].last : last;
	}
	if (end == at && runs->nr == IMAGE_MAX_RAM_RUNS) {
		at -= at == runs->nr;
		end = at + 1;
		first = run[at].first < first ? run[at].first : first;
		last = run[at].last > last ? run[at].last : last;
	}
	/* [at, end) become one. */
	if (end == at) {
		for (unsigned i = runs->nr++; i > at; i--)
			run[i] = run[i - 1];
	} else {
		for (unsigned i = end; i < runs->nr; i++)
			run[at + 1 + i - end] = run[i];
		runs->nr -= end - at - 1;
	}
	run[at] = (struct source_run){ first, last };
}
