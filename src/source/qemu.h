/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_QEMU_H
#define SOURCE_QEMU_H

/*
 * Migration streams of QEMU (docs/devel/migration.rst, and the constants of migration/). They are
 * big-endian:
 *
 *   0   "QEVM", version 3 (4 bytes)
 *   8   sections, each of which begins with a byte that says what it is
 *
 * Those of the memory are called "ram". The first lists blocks of memory; in the others are pages
 * as they were sent: first all, and then those again that the running machine had changed, so
 * that of each page the last one counts. What devices and CPUs need comes behind the memory.
 */

#include "source/flat.h"
#include "source/source_priv.h"

/** The file ends: what came before is there. Not an error yet. */
#define QEMU_CUT 1

#define QEMU_MAX_BLOCKS 4096u
#define QEMU_MAX_NAME 255u
#define QEMU_NO_PLACE UINT64_MAX

/** A block of memory: the machine's RAM, or a device's. */
struct qemu_block {
	char name[QEMU_MAX_NAME + 1];
	uint64_t size;
	uint64_t first; /* where it is in the RAM, if it is a part of that; else QEMU_NO_PLACE */
	/* With mapped-ram: where the file has a bit for each page that is not zeroes, and the pages. */
	uint64_t bitmap_at, pages_at;
};

/**
 * Pages that came one behind the other in the same way, in order. All pages of the RAM have
 * numbers, in the order in which they came.
 */
struct qemu_sent {
	uint64_t first; /* number of the first */
	uint64_t at;    /* of that one's bytes in the file */
	uint64_t step;  /* from one to the next; 0: they are filled with a byte */
	uint8_t fill;
};

/** What of the memory is in the stream. */
struct qemu_ram {
	struct qemu_block *blocks; /* ascending by name */
	size_t nr_blocks;
	unsigned page_lg2;
	uint64_t size; /* of the machine's RAM: of those blocks that are parts of it */
	struct qemu_sent *sent;
	size_t nr_sent;
	uint64_t nr_pages; /* that have numbers */
	/* Stretches of pages that came in order, as they came: first to end have the numbers from at. */
	struct flat_piece *stretches;
	size_t nr_stretches;
	/* After qemu_ram_finish(): which page has which number, each the last one. */
	struct source_flat last;
	struct source_run *held; /* bytes of the RAM that are in the file; ascending, joined */
	size_t nr_held;
	struct source_run *readable; /* the same with zeroes */
	size_t nr_readable;
};

/** A stream that is being read. */
struct qemu_stream {
	const struct source_map *map;
	struct pgw_error *err;
	uint64_t at;                     /* what comes next */
	char machine[QEMU_MAX_NAME + 1]; /* its type: "pc-q35-7.2"; empty if it is not said */
	uint32_t section;                /* of the memory */
	bool has_section;
	bool is_mapped; /* mapped-ram: pages have their places in the file, and no records */
	bool is_whole;  /* all of the memory has come */
	const struct qemu_block *block; /* that the last page was of */
	struct qemu_ram *ram;
};

/* qemu_take.c */

/** Take what comes next. @return 0 or QEMU_CUT */
int qemu_take(struct qemu_stream *stream, void *buf, size_t len);
/** A number of 1, 2, 4 or 8 bytes. @return 0 or QEMU_CUT */
int qemu_take_number(struct qemu_stream *stream, unsigned size, uint64_t *ret);
/** A name behind its length of one byte. @return 0, QEMU_CUT or -PGW_EOVERFLOW */
int qemu_take_name(struct qemu_stream *stream, char name[QEMU_MAX_NAME + 1]);
/* qemu_stream.c */

/**
 * Read the stream that begins at stream->at up to the end of its memory.
 * @return 0, QEMU_CUT, -PGW_EOPNOTSUPP, -PGW_EOVERFLOW, -PGW_ENOMEM
 */
int qemu_stream_read(struct qemu_stream *stream);

/* qemu_pages.c: sections of the memory. @return as qemu_stream_read() */

int qemu_take_blocks(struct qemu_stream *stream);
int qemu_take_pages(struct qemu_stream *stream);
/** After the end of a stream with mapped-ram. */
int qemu_take_mapped(struct qemu_stream *stream);

/* qemu_ram.c */

/** A page of a block came: size bytes (step: up to the next page's), or a byte that fills it. */
int qemu_ram_add(struct qemu_ram *ram, const struct qemu_block *block, uint64_t offset,
		 const struct qemu_sent *how);
/** All have come. @return 0 or -PGW_ENOMEM */
int qemu_ram_finish(struct qemu_ram *ram);
/** All or nothing. */
bool qemu_ram_read(const struct qemu_ram *ram, const struct source_map *map, uint64_t offset,
		   uint8_t *buf, size_t len);
/** The first run that ends at or above offset; NULL: there is none. */
const struct source_run *qemu_ram_next(const struct qemu_ram *ram, enum source_extent extent,
				       uint64_t offset);
/** NULL is fine. */
void qemu_ram_free(struct qemu_ram *ram);

/* qemu_board.c */

/** Say which blocks are the machine's RAM, and in which order. @return false: none is */
bool qemu_board_find_ram(const char *machine, struct qemu_ram *ram);
/** Where a machine of this type has its RAM. @return how many pieces that are; 0: not known */
unsigned qemu_board_places(const char *machine, const struct qemu_ram *ram,
			   struct source_segment ret[SOURCE_MAX_USUAL]);

/* qemu.c */

/** Open the stream that begins there in file 0. */
int source_qemu_open_at(struct source *source, uint64_t offset, struct pgw_error *err);
void source_qemu_close(struct source *source);
int source_qemu_read(const struct source *source, uint64_t pa, void *buf, size_t len);
bool source_qemu_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret);
int source_qemu_lay_out(struct source *source, const struct source_segment *segments, size_t nr);

#endif
