/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_KDUMP_H
#define SOURCE_KDUMP_H

/*
 * kdump-compressed dumps, as makedumpfile and QEMU write them. Facts about the
 * format are from makedumpfile's and QEMU's headers (diskdump_mod.h, dump.h):
 *
 *   block 0                 header
 *   block 1                 sub-header, then notes, VMCOREINFO, what was erased
 *   1 + sub_hdr_size        bitmap 1: pages that the machine had
 *   ... + bitmap_blocks / 2 bitmap 2: of these, pages that are in the dump
 *   ... + bitmap_blocks     a descriptor for each page of bitmap 2, in order
 *   behind                  their bytes, wherever descriptors say
 *
 * A block is as large as a page of the dump, which need not be the machine's.
 */

#include <pthread.h>

#include "source/source_priv.h"
#include "source/unpack.h"

#define KDUMP_MAGIC "KDUMP   "

/* 2^48 bytes of memory with pages of 4 KiB: physical addresses of machines have gaps. */
#define KDUMP_MAX_PAGES (UINT64_C(1) << 36)
#define KDUMP_MIN_BLOCK_LG2 12
#define KDUMP_MAX_BLOCK_LG2 16

/* Of the header's status, and of a page's flags. */
#define KDUMP_ZLIB UINT32_C(0x01)
#define KDUMP_LZO UINT32_C(0x02)
#define KDUMP_SNAPPY UINT32_C(0x04)
#define KDUMP_INCOMPLETE UINT32_C(0x08) /* of the status alone: the disk was full */
#define KDUMP_ZSTD UINT32_C(0x20)
#define KDUMP_PACKED (KDUMP_ZLIB | KDUMP_LZO | KDUMP_SNAPPY | KDUMP_ZSTD)

/* kdump_header.c: what the first blocks say */

struct kdump_form {
	bool is_big_endian;
	bool is_32;     /* longs and times have 4 bytes */
	bool is_padded; /* and numbers of 8 bytes are aligned to 8, as on all 32-bit machines but x86 */
};

struct kdump_header {
	struct kdump_form form;
	uint32_t version; /* 1 to 6 */
	uint32_t status;
	unsigned block_lg2;
	uint64_t nr_pages;    /* bits in a bitmap, at most KDUMP_MAX_PAGES */
	uint64_t machine_map; /* bitmap 1, in the file; it has map_size bytes there, ... */
	uint64_t dump_map;    /* ... as has bitmap 2; the same if the dump has only one */
	uint64_t map_size;
	uint64_t descriptors; /* in the file, if it reaches so far */
	bool is_split;
	uint64_t first_page; /* that this file has, of a split dump; else all */
	uint64_t end_page;
	struct source_notes vmcoreinfo; /* the text; sizes are 0 if there is none */
	struct source_notes notes;
	struct source_notes erase_info;
	char machine[66]; /* utsname's */
};

/** Reads what the first blocks say and checks it all. Notes and texts may be cut. */
int kdump_header_load(const struct source_map *map, struct kdump_header *ret,
		      struct pgw_error *err);
/** A number of 2, 4 or 8 bytes as this dump has it. */
uint64_t kdump_number(const struct kdump_form *form, const uint8_t *bytes, unsigned size);

/* kdump_parts.c: the files of a split dump */

/** One file, with all pages of the dump or those of a range. */
struct kdump_part {
	unsigned file; /* of the source */
	const struct source_map *map;
	uint64_t first_page, end_page;
	uint64_t first_rank;  /* of first_page in the whole dump: here it has descriptor 0 */
	uint64_t descriptors; /* in the file */
	uint32_t status;      /* of its header */
	unsigned long number; /* in its name */
};

struct kdump_parts {
	struct kdump_part *list; /* ascending; they have no pages in common */
	size_t nr;
	char *missing; /* what a file is called that is not there, as far as is known; or NULL */
};

/**
 * List the file that is open, and if it is a part of a split dump, open the others: those of the
 * options, else those beside it. Sets of info: nr_parts, missing_part and its like; file_size.
 * @param ret all zero; to be let go of either way
 */
int kdump_parts_collect(struct source *source, const struct pgw_image_options *options,
			const struct kdump_header *header, struct kdump_parts *ret,
			struct pgw_error *err);
void kdump_parts_fini(struct kdump_parts *parts);

/* kdump_pages.c: which pages there are */

/** Of the bitmaps, one count for so many pages is kept in memory: 512 bytes of a bitmap. */
#define KDUMP_CHUNK_LG2 12
#define KDUMP_CHUNK_BYTES ((size_t)1 << (KDUMP_CHUNK_LG2 - 3))
#define KDUMP_CHUNK_WORDS (KDUMP_CHUNK_BYTES / 8)

struct kdump_counts {
	uint64_t nr_described; /* pages that the machine had */
	uint64_t nr_excluded;  /* of these, those that were left out on purpose */
	uint64_t nr_held;      /* pages whose bytes are here */
	uint64_t nr_held_runs;
	uint64_t nr_described_runs;
};

struct kdump_group;

struct kdump_pages {
	const struct source_map *map; /* that has the bitmaps */
	const struct kdump_header *header;
	struct kdump_group *groups;
	uint64_t nr_groups, nr_chunks;
	/* Bitmaps of pages of bitmap 2; NULL if there are none, or that is not known. */
	uint8_t *lost;   /* their bytes are not here */
	uint8_t *zeroes; /* they share bytes, which are zeroes */
};

/** Count all pages. @return 0, -PGW_EIO, -PGW_ENOMEM; to be let go of either way */
int kdump_pages_init(struct kdump_pages *pages, const struct source_map *map,
		     const struct kdump_header *header);
void kdump_pages_fini(struct kdump_pages *pages);

/**
 * How many pages of bitmap 2 come before this one.
 * @param page at most nr_pages
 * @return 0, or -PGW_EIO
 */
int kdump_pages_rank(const struct kdump_pages *pages, uint64_t page, uint64_t *ret);
/** The same of a page that is held; -PGW_EIO if it is not. */
int kdump_pages_find(const struct kdump_pages *pages, uint64_t page, uint64_t *ret_rank);

/** The same of nr pages in a row, at least one: all of them are held, or -PGW_EIO. */
int kdump_pages_find_row(const struct kdump_pages *pages, uint64_t page, unsigned nr,
			 uint64_t *ret_rank);

/** Called for each page of bitmap 2, in order. @return is it one of them? */
typedef bool kdump_is_one_fn(void *arg, uint64_t page);
/**
 * Make a bitmap of some of these pages.
 * @param map pages->lost, or what will be pages->zeroes; NULL at first
 * @return 0, -PGW_EIO, -PGW_ENOMEM
 */
int kdump_pages_mark(const struct kdump_pages *pages, uint8_t **map, kdump_is_one_fn *is_one,
		     void *arg);

/** The sums. Call it when all is lost that is. */
int kdump_pages_count(struct kdump_pages *pages, struct kdump_counts *ret);
/** Which pages are meant. Each is a part of the next. */
enum kdump_which {
	KDUMP_SOUGHT, /* held, and not known to be zeroes */
	KDUMP_HELD,
	KDUMP_DESCRIBED,
};

/** As source_ops.next_range, by pages; first is not below page. Ends are inclusive. */
bool kdump_pages_next(const struct kdump_pages *pages, enum kdump_which which, uint64_t page,
		      struct pgw_pa_range *ret);

/* kdump_desc.c: one page */

#define KDUMP_DESCRIPTOR_SIZE 24

struct kdump_descriptor {
	uint64_t offset;
	uint32_t size;
	uint32_t flags;
};

/** What all files of this kind have in hand. */
struct kdump {
	struct kdump_header header;
	struct kdump_pages pages;
	struct kdump_parts parts;
	struct unpacker *unpacker;
	struct page_cache *cache;
	pthread_mutex_t lock;
	bool zeroes_are_known; /* under the lock; pages.zeroes does not change any more then */
};

/** The packing that a flag means; _PACKING_MAX if it does not mean one. */
enum packing kdump_packing(uint32_t flag);
/** The part that has a page; NULL if that was not given. */
const struct kdump_part *kdump_part_find(const struct kdump *kdump, uint64_t page);
void kdump_descriptor_decode(const struct kdump_form *form, const uint8_t *bytes,
			     struct kdump_descriptor *ret);
/** @param index of the part */
bool kdump_descriptor_read(const struct kdump *kdump, const struct kdump_part *part, uint64_t index,
			   struct kdump_descriptor *ret);

#define KDUMP_BLOCK_DESCRIPTORS 1024
/** Descriptors that are looked at in their order, or backwards; all zero at first. */
struct kdump_block {
	const struct kdump_part *part; /* NULL: nothing is read yet */
	uint64_t first, nr;            /* those that are here */
	uint8_t bytes[KDUMP_BLOCK_DESCRIPTORS * KDUMP_DESCRIPTOR_SIZE];
};
/** As kdump_descriptor_read(). */
bool kdump_block_read(struct kdump_block *block, const struct kdump *kdump,
		      const struct kdump_part *part, uint64_t index, struct kdump_descriptor *ret);

/** Are the bytes that it tells of, all of them, in the file? */
bool kdump_descriptor_is_sound(const struct kdump *kdump, const struct kdump_part *part,
			       const struct kdump_descriptor *descriptor);
/** Pre: it is sound. @return 0, -PGW_EIO, -PGW_ENOMEM */
int kdump_unpack(const struct kdump *kdump, const struct kdump_part *part,
		 const struct kdump_descriptor *descriptor, void *page);

/** The same, of bytes that were read: as many as the descriptor says. */
int kdump_unpack_bytes(const struct kdump *kdump, const struct kdump_descriptor *descriptor,
		       const uint8_t *bytes, void *page);

/* kdump_run.c: many pages in a row */

/**
 * Pages that are wanted once. Those that are in the cache are taken from there; none are put there.
 * @return 0, -PGW_EIO (one of them cannot be read), -PGW_ENOMEM
 */
int kdump_look(const struct kdump *kdump, uint64_t page, uint64_t nr, uint8_t *buf);

/* kdump_zeroes.c */

/** Find out which pages are zeroes, if that is not known yet. Without memory for it, none are. */
void kdump_zeroes_find(struct kdump *kdump);

#endif
