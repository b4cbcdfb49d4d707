/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_PLACE_H
#define SYSTEM_PLACE_H

/* Where the bytes of raw memory belong. */

#include "source/source.h"
#include "system/system_priv.h"

/* layout.c: a layout of a raw file, and the image that it makes of it */

#define IMAGE_MAX_PIECES 8

/** A part of the file. */
struct image_piece {
	uint64_t pa;     /* of its first byte; pa + size does not wrap */
	uint64_t offset; /* in the file */
	uint64_t size;
};

/** Pieces ascend both by address and by offset, and cover the file. */
struct image_layout {
	struct image_piece piece[IMAGE_MAX_PIECES];
	unsigned nr;
};

/**
 * Make an image of the file in this layout: everything that works on an image works on it. It
 * borrows the file's bytes and texts.
 * @param file surveyed; its addresses are offsets in the file
 * @return 0 or -PGW_ENOMEM
 */
int image_view_init(struct pgw_image *view, const struct pgw_image *file,
		    const struct image_arch *arch, const struct image_layout *layout);
/** One that is all zero is fine. */
void image_view_fini(struct pgw_image *view);
/** Make the file what the view shows. The view must not be used after this. */
void image_view_commit(struct pgw_image *view, struct pgw_image *file);
/** The layout that machines usually have of the kind that the file names. @return false: it names none */
bool image_usual_layout(const struct pgw_image *file, struct image_layout *ret);

/* ram_runs.c: where there is memory, as far as something in memory says so */

#define IMAGE_MAX_RAM_RUNS 64

/** Ascending; neighbours with less than 1 MiB between them are one. */
struct image_ram_runs {
	struct source_run run[IMAGE_MAX_RAM_RUNS];
	unsigned nr;
};

void image_ram_runs_add(struct image_ram_runs *runs, uint64_t first, uint64_t last);

/* direct_map.c: where the kernel maps all of memory */

struct image_direct_map {
	struct image_ram_runs ram; /* that it maps */
	bool is_complete;          /* it was found, and none of the kernel's tables is missing */
	bool is_odd;               /* it maps something else where memory should be */
};

/** budget: table visits that are left; lowered by those made. */
void image_direct_map_find(const struct pgw_image *view, const struct image_swapper *kernel,
			   uint64_t *budget, struct image_direct_map *ret);

/* e820.c: the firmware's map of memory, as x86 Linux keeps it */

#define IMAGE_MAX_E820 8

struct image_e820 {
	struct image_ram_runs table[IMAGE_MAX_E820];
	unsigned nr;
};

/** Those in memory, each once. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_e820_find(struct pgw_image *image, struct image_e820 *ret);

/* layout_guess.c: layouts that a file can have */

#define IMAGE_MAX_GUESSES 128

struct image_guess {
	struct image_layout layout;
	bool is_accounted; /* every byte of the file is explained, see enum image_fit */
	bool is_cut;       /* the file ends before the known memory does */
};

struct image_guesses {
	struct image_guess guess[IMAGE_MAX_GUESSES]; /* each layout once */
	unsigned nr;
};

/** How well a layout explains the file's size. */
enum image_fit {
	IMAGE_FIT_NONE, /* some of the file is not explained */
	IMAGE_FIT_END,  /* all of it, if the holes are at round addresses */
	IMAGE_FIT_ALL,  /* known memory is all that the file has */
};

/** Add a layout of runs of memory that follow each other in the file. */
void image_guess_add(struct image_guesses *guesses, const struct source_run *run, unsigned nr,
		     enum image_fit fit);
/** Add the layouts that a file of this size can have, if memory is at least where ram says. */
void image_guess_by_ram(struct image_guesses *guesses, const struct image_ram_runs *ram,
			uint64_t size);
/** log2 of what all holes begin and end at multiples of; 64 if there is none. */
unsigned image_layout_roundness(const struct image_layout *layout);

/* layout_tables.c: do tables read as tables? */

struct image_table_count {
	unsigned nr_good[IMAGE_MAX_PIECES]; /* by piece; the kernel's has none */
	unsigned nr_bad; /* tables that are none, and entries that lead to no memory */
};

/** @return 0 or -PGW_ENOMEM */
int image_layout_look_at_tables(struct pgw_image *view, const struct image_layout *layout,
				const struct image_swapper *kernel, struct image_table_count *ret);

/* raw_place.c */

/**
 * Find out where the file's memory belongs, if it is of this kind of machine, and lay it out.
 * @return 1; 0 if no kernel's root proves itself; -PGW_ENOEXEC if the rest of memory
 * contradicts it wherever it lies; -PGW_EIO, -PGW_ENOMEM
 */
int image_raw_place(struct pgw_image *file, const struct image_arch *arch);

/* raw_machine.c */

/** Is the architecture that the options name, if they do, one that is known? */
bool image_arch_exists(const struct pgw_image *image);
/** Find out what machine's memory a raw file is, and where that is. */
int image_raw_find(struct pgw_image *image, struct pgw_error *err);
/** Find out what machine's memory the files of the options are. */
int image_ram_find(struct pgw_image *image, struct pgw_error *err);

#endif
