/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SAMPLES_H
#define TESTS_SAMPLES_H

/*
 * One machine's memory in a file of each kind: what is tried with every kind of file is tried
 * with these. A new kind is a line in samples.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/mkelf.h"
#include "image/mkkdump.h"

#define SAMPLE_MARKS 64

/** A file in memory. */
struct sample_file {
	struct mkkdump bytes; /* of any kind: file and size count, mkkdump_save() has its path */
	uint64_t marks[SAMPLE_MARKS]; /* where structures begin */
	size_t nr_marks;
	uint64_t silent
		[SAMPLE_MARKS]; /* sizes that a whole file may have as well: nothing shows a cut */
	size_t nr_silent;
};

struct sample {
	const char *name;
	const char *kind; /* as pgw_image_info has it */
	bool lacks_notes; /* files of this kind have no place for them */
	bool needs_all;   /* the memory is one piece, from 0 on */
	bool has_drafts;  /* what comes later in the file replaces what came before */
	/** @return false if this build does not read it */
	bool (*make)(struct sample_file *file, const struct mkelf *elf);
};

extern const struct sample samples[];
extern const size_t nr_samples;

/** Also when make() returned false. */
void sample_fini(struct sample_file *file);

#endif
