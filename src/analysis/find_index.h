/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_FIND_INDEX_H
#define ANALYSIS_FIND_INDEX_H

/*
 * The index of pgw_find(): which slots of which distinct tables map what, in runs that are sorted
 * by physical address, and which entries lead to each table. docs/find-index.md has the file; all
 * of it is words of 64 bits, little-endian.
 *
 * It says where to look and nothing else: each address that it gives is translated in the image, so
 * that an index that lies makes nothing up. It may still leave out what there is.
 */

#include <pagewalk/analysis.h>

#define INDEX_MAGIC UINT64_C(0x58444e4957474150) /* "PAGWINDX" */
#define INDEX_VERSION 1
#define INDEX_HEADER 8 /* words; as many at the end */

/* Words of the header. */
enum index_head {
	INDEX_HEAD_MAGIC,
	INDEX_HEAD_VERSION,
	INDEX_HEAD_SIZE,   /* of the image's files */
	INDEX_HEAD_MTIME,  /* of the one that was written last, nanoseconds since 1970 */
	INDEX_HEAD_DIGEST, /* index_digest() */
};

/* Words at the end. */
enum index_tail {
	INDEX_TAIL_LEAVES,
	INDEX_TAIL_RUNS,
	INDEX_TAIL_TABLES,
	INDEX_TAIL_PARENTS,
	INDEX_TAIL_ROOTS,
	INDEX_TAIL_UNREADABLE, /* of the tables */
	INDEX_TAIL_LOOKED,     /* roots that were looked at */
	INDEX_TAIL_CHECKSUM,   /* index_mix() of all words before it */
};

/*
 * A leaf is two words: its key, by which a run is sorted, and INDEX_TABLE | INDEX_SLOT | INDEX_NR. Slots
 * that follow each other in a table and in memory are one: leaves of 2^size_lg2 bytes from pa on. If
 * INDEX_IN_RUN is set they are slots of one leaf of that size instead, which begins at pa.
 */
#define INDEX_LEAF_WORDS 2
#define INDEX_SIZE_SHIFT 58 /* of a key: size_lg2, then pa without its six lowest bits */
#define INDEX_PA_SHIFT 6
#define INDEX_SLOT_SHIFT 32
#define INDEX_NR_SHIFT 48
#define INDEX_IN_RUN UINT64_C(0x8000) /* of the slot's 16 bits */

/* A table is a word: its first parent, and above INDEX_LEVEL_SHIFT its level. */
#define INDEX_LEVEL_SHIFT 56

static inline uint64_t index_key(unsigned size_lg2, uint64_t pa)
{
	return (uint64_t)size_lg2 << INDEX_SIZE_SHIFT | pa >> INDEX_PA_SHIFT;
}

/* FNV-1a over words. */
#define INDEX_MIX_BASIS UINT64_C(0xcbf29ce484222325)

static inline uint64_t index_mix(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * UINT64_C(0x100000001b3);
}

/* Of what says which tables there are and how they are read. @return 0 or negative */
int index_digest(const struct pgw_find_args *args, uint64_t *ret);

/* An address of a root, perhaps, that maps some of what is looked for. */
struct index_hit {
	uint32_t root;   /* in the list */
	uint32_t region; /* in the format's list */
	uint64_t va;     /* of the slot */
};

struct index_hits {
	struct index_hit *list; /* by root, region and va; to be freed */
	size_t nr;
	size_t max;
};

/*
 * All that the index knows of some memory.
 * @return 0, -PGW_E2BIG (more than is kept: whoever looks without the index needs no memory for
 *         it), -PGW_ENOMEM
 */
int index_look(const struct pgw_find_args *args, struct index_hits *ret);

/* What the index says of the look that made it. */
void index_sums(const struct pgw_find_index *index, struct pgw_find_sums *sums);

#endif
