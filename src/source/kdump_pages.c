/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Bitmaps stay in the file, where a machine with 64 GiB has 4 MiB of them.
 * In memory is what makes a look at one short: for each chunk of pages how many
 * of bitmap 2 come before it, and which chunks are full or empty.
 */

struct kdump_chunk {
	uint64_t before;       /* pages of bitmap 2 in earlier chunks */
	uint16_t nr_held;      /* of this chunk */
	uint16_t nr_described; /* the same, of both bitmaps together */
};

/*
 * Chunks in a row. A group without a page has no chunks in memory: a file of a few bytes may say
 * that it has bitmaps of any size, if these are a hole.
 */
#define GROUP_LG2 9
#define GROUP_CHUNKS BIT(GROUP_LG2)

struct kdump_group {
	uint64_t before;            /* pages of bitmap 2 in earlier groups */
	struct kdump_chunk *chunks; /* NULL: it has no page at all */
};

/* So many bytes of a bitmap are read at once by who needs all of it: not through the mapping. */
#define PASS_BLOCK ((size_t)64 << 10)

#define CHUNK_PAGES BIT(KDUMP_CHUNK_LG2)

/* Without an instruction for it, a call of the compiler's own costs more than this. */
static unsigned count_bits(uint64_t word)
{
	word -= word >> 1 & UINT64_C(0x5555555555555555);
	word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
}

/* The pages of one chunk, a bit each. */
struct page_bits {
	uint64_t word[KDUMP_CHUNK_WORDS];
};

static void take_bits(const struct kdump_pages *pages, uint64_t chunk, const uint8_t *bytes,
		      struct page_bits *ret)
{
	uint64_t nr_pages = pages->header->nr_pages - chunk * CHUNK_PAGES;

	for (size_t i = 0; i < KDUMP_CHUNK_WORDS; i++)
		ret->word[i] = load_le64(bytes + 8 * i);
	if (nr_pages < CHUNK_PAGES && nr_pages % 64)
		ret->word[nr_pages / 64] &= low_bits((unsigned)(nr_pages % 64));
}

/* What the bitmap does not reach any more is clear; so are bits behind the last page. */
static bool read_bits(const struct kdump_pages *pages, uint64_t map_at, uint64_t chunk,
		      struct page_bits *ret)
{
	uint64_t at = chunk * KDUMP_CHUNK_BYTES, left = pages->header->map_size - at;
	uint8_t bytes[KDUMP_CHUNK_BYTES] = { 0 };
	size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

	if (!source_map_read(pages->map, map_at + at, bytes, n))
		return false;
	take_bits(pages, chunk, bytes, ret);
	return true;
}

/* A bitmap that is gone over, by blocks. */
struct pass {
	const struct kdump_pages *pages;
	uint64_t map_at;
	uint64_t start; /* of the block, in the bitmap; UINT64_MAX: none is read yet */
	uint8_t block[PASS_BLOCK];
};

static bool pass_read(struct pass *pass, uint64_t start)
{
	uint64_t left = pass->pages->header->map_size - start;
	size_t n = left < PASS_BLOCK ? (size_t)left : PASS_BLOCK;

	memset(pass->block + n, 0, PASS_BLOCK - n);
	pass->start = start;
	return source_map_read(pass->pages->map, pass->map_at + start, pass->block, n);
}

static bool pass_bits(struct pass *pass, uint64_t chunk, struct page_bits *ret)
{
	uint64_t at = chunk * KDUMP_CHUNK_BYTES, start = at & ~((uint64_t)PASS_BLOCK - 1);

	if (start != pass->start && !pass_read(pass, start))
		return false;
	take_bits(pass->pages, chunk, pass->block + (at - start), ret);
	return true;
}

/* NULL if there is no memory. */
static struct pass *pass_new(const struct kdump_pages *pages, uint64_t map_at)
{
	struct pass *pass = malloc(sizeof(*pass));

	if (pass) {
		pass->pages = pages;
		pass->map_at = map_at;
		pass->start = UINT64_MAX;
	}
	return pass;
}

/* Pages of bitmap 2 before a chunk; pre: i is below nr_chunks. */
static uint64_t count_before_chunk(const struct kdump_pages *pages, uint64_t i)
{
	const struct kdump_group *group = &pages->groups[i >> GROUP_LG2];

	return group->chunks ? group->chunks[i & (GROUP_CHUNKS - 1)].before : group->before;
}

/* The first chunk from i on whose group has pages; at least nr_chunks if there is none. */
static uint64_t skip_groups(const struct kdump_pages *pages, uint64_t i)
{
	while (i < pages->nr_chunks && !pages->groups[i >> GROUP_LG2].chunks)
		i = (i | (GROUP_CHUNKS - 1)) + 1;
	return i;
}

/* Its chunk; pre: its group has some. */
static struct kdump_chunk *chunk_of(const struct kdump_pages *pages, uint64_t i)
{
	return &pages->groups[i >> GROUP_LG2].chunks[i & (GROUP_CHUNKS - 1)];
}

static bool read_dump_bits(const struct kdump_pages *pages, uint64_t chunk, struct page_bits *ret)
{
	return read_bits(pages, pages->header->dump_map, chunk, ret);
}

static void clear_bits(const uint8_t *map, uint64_t chunk, struct page_bits *bits)
{
	for (size_t i = 0; map && i < KDUMP_CHUNK_WORDS; i++)
		bits->word[i] &= ~load_le64(map + chunk * KDUMP_CHUNK_BYTES + 8 * i);
}

static bool read_held_bits(const struct kdump_pages *pages, uint64_t chunk, struct page_bits *ret)
{
	if (!read_dump_bits(pages, chunk, ret))
		return false;
	clear_bits(pages->lost, chunk, ret);
	return true;
}

static bool read_sought_bits(const struct kdump_pages *pages, uint64_t chunk, struct page_bits *ret)
{
	if (!read_held_bits(pages, chunk, ret))
		return false;
	clear_bits(pages->zeroes, chunk, ret);
	return true;
}

/* What the dump has, the machine had. */
static bool read_described_bits(const struct kdump_pages *pages, uint64_t chunk,
				struct page_bits *ret)
{
	struct page_bits dump;

	if (!read_dump_bits(pages, chunk, &dump) ||
	    !read_bits(pages, pages->header->machine_map, chunk, ret))
		return false;
	for (size_t i = 0; i < KDUMP_CHUNK_WORDS; i++)
		ret->word[i] |= dump.word[i];
	return true;
}

/* How many are set, of the first nr. */
static unsigned count(const struct page_bits *bits, unsigned nr)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < nr / 64; i++)
		sum += count_bits(bits->word[i]);
	return nr % 64 ? sum + count_bits(bits->word[nr / 64] & low_bits(nr % 64)) : sum;
}

/* How many runs of set bits begin; *carry is the bit before the first, and then the last. */
static unsigned count_runs(const struct page_bits *bits, uint64_t *carry)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < KDUMP_CHUNK_WORDS; i++) {
		sum += count_bits(bits->word[i] & ~(bits->word[i] << 1 | *carry));
		*carry = bits->word[i] >> 63;
	}
	return sum;
}

/* May this part of a bitmap have a bit that is set? */
static bool map_has_data(const struct kdump_pages *pages, uint64_t map_at, uint64_t group)
{
	uint64_t at = map_at + (group << GROUP_LG2) * KDUMP_CHUNK_BYTES, first, end;

	return source_map_next_data(pages->map, at, &first, &end) &&
	       first < at + GROUP_CHUNKS * KDUMP_CHUNK_BYTES;
}

/* How many pages of bitmap 2 come before each chunk of a group. */
static int count_group(struct kdump_pages *pages, struct pass *pass, uint64_t index,
		       uint64_t *before)
{
	struct kdump_group *group = &pages->groups[index];
	uint64_t first = index << GROUP_LG2;

	group->before = *before;
	if (!map_has_data(pages, pages->header->dump_map, index) &&
	    !map_has_data(pages, pages->header->machine_map, index))
		return 0;
	/* 16 bytes for each KiB of the bitmaps, which the file has. */
	group->chunks = calloc(GROUP_CHUNKS, sizeof(*group->chunks));
	if (!group->chunks)
		return -PGW_ENOMEM;
	for (uint64_t i = 0; i < GROUP_CHUNKS; i++) {
		struct page_bits bits;

		group->chunks[i].before = *before;
		if (first + i >= pages->nr_chunks)
			continue;
		if (!pass_bits(pass, first + i, &bits))
			return -PGW_EIO;
		*before += count(&bits, CHUNK_PAGES);
	}
	return 0;
}

int kdump_pages_init(struct kdump_pages *pages, const struct source_map *map,
		     const struct kdump_header *header)
{
	uint64_t before = 0;
	struct pass *pass;
	int status;

	*pages = (struct kdump_pages){
		.map = map,
		.header = header,
		.nr_chunks = (header->nr_pages + CHUNK_PAGES - 1) >> KDUMP_CHUNK_LG2,
	};
	pages->nr_groups = (pages->nr_chunks + GROUP_CHUNKS - 1) >> GROUP_LG2;
	pages->groups = calloc(pages->nr_groups, sizeof(*pages->groups));
	pass = pages->groups ? pass_new(pages, header->dump_map) : NULL;
	status = pass ? 0 : -PGW_ENOMEM;
	for (uint64_t i = 0; i < pages->nr_groups && !status; i++)
		status = count_group(pages, pass, i, &before);
	free(pass);
	return status;
}

void kdump_pages_fini(struct kdump_pages *pages)
{
	for (uint64_t i = 0; pages->groups && i < pages->nr_groups; i++)
		free(pages->groups[i].chunks);
	free(pages->groups);
	free(pages->lost);
	free(pages->zeroes);
	*pages = (struct kdump_pages){ 0 };
}

int kdump_pages_rank(const struct kdump_pages *pages, uint64_t page, uint64_t *ret)
{
	uint64_t chunk = page >> KDUMP_CHUNK_LG2;
	struct page_bits bits;

	/* Behind the last page, where that is a whole number of chunks. */
	if (chunk == pages->nr_chunks && chunk) {
		chunk--;
		if (!read_dump_bits(pages, chunk, &bits))
			return -PGW_EIO;
		*ret = count_before_chunk(pages, chunk) + count(&bits, CHUNK_PAGES);
		return 0;
	}
	if (!read_dump_bits(pages, chunk, &bits))
		return -PGW_EIO;
	*ret = count_before_chunk(pages, chunk) +
	       count(&bits, (unsigned)(page & (CHUNK_PAGES - 1)));
	return 0;
}

int kdump_pages_find(const struct kdump_pages *pages, uint64_t page, uint64_t *ret_rank)
{
	uint64_t chunk = page >> KDUMP_CHUNK_LG2;
	unsigned at = (unsigned)(page & (CHUNK_PAGES - 1));
	struct page_bits bits;

	if (page >= pages->header->nr_pages || !read_dump_bits(pages, chunk, &bits) ||
	    !(bits.word[at / 64] & BIT(at % 64)) ||
	    (pages->lost && pages->lost[page / 8] & BIT(page % 8)))
		return -PGW_EIO;
	*ret_rank = count_before_chunk(pages, chunk) + count(&bits, at);
	return 0;
}

/* Are nr bits from at on, which end in this chunk, all set? */
static bool are_set(const struct page_bits *bits, unsigned at, unsigned nr)
{
	for (unsigned end = at + nr; at < end; at = (at | 63) + 1) {
		uint64_t wanted = ~low_bits(at % 64);

		if (end - (at & ~63u) < 64)
			wanted &= low_bits(end % 64);
		if (~bits->word[at / 64] & wanted)
			return false;
	}
	return true;
}

int kdump_pages_find_row(const struct kdump_pages *pages, uint64_t page, unsigned nr,
			 uint64_t *ret_rank)
{
	bool is_first = true;

	while (nr) {
		uint64_t chunk = page >> KDUMP_CHUNK_LG2;
		unsigned at = (unsigned)(page & (CHUNK_PAGES - 1));
		unsigned n = CHUNK_PAGES - at < nr ? (unsigned)CHUNK_PAGES - at : nr;
		struct page_bits bits;

		if (page >= pages->header->nr_pages || !read_held_bits(pages, chunk, &bits) ||
		    !are_set(&bits, at, n))
			return -PGW_EIO;
		if (is_first) {
			/* Pages that are lost count: they have descriptors. */
			if (pages->lost && !read_dump_bits(pages, chunk, &bits))
				return -PGW_EIO;
			*ret_rank = count(&bits, at) + count_before_chunk(pages, chunk);
		}
		is_first = false;
		page += n;
		nr -= n;
	}
	return 0;
}

/* Does bitmap 2 have none of its pages, as far as is known without a look? */
static bool chunk_is_empty(const struct kdump_pages *pages, uint64_t i)
{
	return i + 1 < pages->nr_chunks &&
	       count_before_chunk(pages, i) == count_before_chunk(pages, i + 1);
}

static void mark_chunk(const struct page_bits *bits, uint64_t first, uint8_t *map,
		       kdump_is_one_fn *is_one, void *arg)
{
	for (unsigned i = 0; i < KDUMP_CHUNK_WORDS; i++) {
		for (uint64_t word = bits->word[i]; word; word &= word - 1) {
			uint64_t page = first + i * UINT64_C(64) + (unsigned)__builtin_ctzll(word);

			if (is_one(arg, page))
				map[page / 8] |= (uint8_t)BIT(page % 8);
		}
	}
}

int kdump_pages_mark(const struct kdump_pages *pages, uint8_t **map, kdump_is_one_fn *is_one,
		     void *arg)
{
	struct pass *pass = pass_new(pages, pages->header->dump_map);
	int status = 0;

	if (!*map)
		*map = calloc(pages->nr_chunks, KDUMP_CHUNK_BYTES);
	if (!*map || !pass)
		status = -PGW_ENOMEM;
	for (uint64_t i = 0; (i = skip_groups(pages, i)) < pages->nr_chunks && !status; i++) {
		struct page_bits bits;

		if (chunk_is_empty(pages, i))
			continue;
		if (pass_bits(pass, i, &bits))
			mark_chunk(&bits, i * CHUNK_PAGES, *map, is_one, arg);
		else
			status = -PGW_EIO;
	}
	free(pass);
	return status;
}

/* What is counted of one chunk after the other. */
struct counting {
	struct kdump_pages *pages;
	struct kdump_counts *counts;
	uint64_t held_carry, described_carry;
};

static void count_chunk(struct counting *counting, uint64_t i, const struct page_bits *dump,
			struct page_bits *described)
{
	struct kdump_chunk *chunk = chunk_of(counting->pages, i);
	struct kdump_counts *counts = counting->counts;
	struct page_bits held = *dump;

	clear_bits(counting->pages->lost, i, &held);
	for (size_t j = 0; j < KDUMP_CHUNK_WORDS; j++)
		described->word[j] |= dump->word[j];
	chunk->nr_held = (uint16_t)count(&held, CHUNK_PAGES);
	chunk->nr_described = (uint16_t)count(described, CHUNK_PAGES);
	counts->nr_held += chunk->nr_held;
	counts->nr_described += chunk->nr_described;
	counts->nr_excluded += chunk->nr_described - count(dump, CHUNK_PAGES);
	counts->nr_held_runs += count_runs(&held, &counting->held_carry);
	counts->nr_described_runs += count_runs(described, &counting->described_carry);
}

int kdump_pages_count(struct kdump_pages *pages, struct kdump_counts *ret)
{
	struct pass *of_dump = pass_new(pages, pages->header->dump_map);
	struct pass *of_machine = pass_new(pages, pages->header->machine_map);
	struct counting counting = { .pages = pages, .counts = ret };
	int status = of_dump && of_machine ? 0 : -PGW_ENOMEM;

	*ret = (struct kdump_counts){ 0 };
	for (uint64_t i = 0, next = 0; (i = skip_groups(pages, i)) < pages->nr_chunks && !status;
	     next = ++i) {
		struct page_bits dump = { { 0 } }, described;

		if (i != next) /* groups without pages end a run */
			counting.held_carry = counting.described_carry = 0;

		if ((chunk_is_empty(pages, i) || pass_bits(of_dump, i, &dump)) &&
		    pass_bits(of_machine, i, &described))
			count_chunk(&counting, i, &dump, &described);
		else
			status = -PGW_EIO;
	}
	free(of_dump);
	free(of_machine);
	return status;
}

typedef bool read_bits_fn(const struct kdump_pages *pages, uint64_t chunk, struct page_bits *ret);

static read_bits_fn *const readers[] = {
	[KDUMP_SOUGHT] = read_sought_bits,
	[KDUMP_HELD] = read_held_bits,
	[KDUMP_DESCRIBED] = read_described_bits,
};

/* Is the whole chunk not what is looked for? Of pages that are sought only an empty one tells. */
static bool chunk_is_over(const struct kdump_chunk *chunk, enum kdump_which which, bool is_set)
{
	unsigned nr = which == KDUMP_DESCRIBED ? chunk->nr_described : chunk->nr_held;

	return is_set ? nr == 0 : nr == CHUNK_PAGES && which != KDUMP_SOUGHT;
}

/* In one chunk; CHUNK_PAGES if there is none from at on. */
static unsigned find_in_chunk(const struct page_bits *bits, bool is_set, unsigned at)
{
	for (; at < CHUNK_PAGES; at = (at | 63) + 1) {
		uint64_t word = is_set ? bits->word[at / 64] : ~bits->word[at / 64];

		word &= ~low_bits(at % 64);
		if (word)
			return (at & ~63u) + (unsigned)__builtin_ctzll(word);
	}
	return CHUNK_PAGES;
}

/* The first page from page on that is or is not one of these; nr_pages if there is none. */
static uint64_t find_next(const struct kdump_pages *pages, enum kdump_which which, bool is_set,
			  uint64_t page)
{
	uint64_t nr_pages = pages->header->nr_pages;

	while (page < nr_pages) {
		uint64_t chunk = page >> KDUMP_CHUNK_LG2;
		unsigned at = (unsigned)(page & (CHUNK_PAGES - 1));
		struct page_bits bits;

		if (!pages->groups[chunk >> GROUP_LG2].chunks) {
			if (!is_set)
				break;
			page = skip_groups(pages, chunk) << KDUMP_CHUNK_LG2;
			continue;
		}
		page = chunk << KDUMP_CHUNK_LG2;
		if (chunk_is_over(chunk_of(pages, chunk), which, is_set) ||
		    !readers[which](pages, chunk, &bits))
			at = CHUNK_PAGES;
		else
			at = find_in_chunk(&bits, is_set, at);
		page += at;
		if (at < CHUNK_PAGES)
			break;
	}
	return page < nr_pages ? page : nr_pages;
}

bool kdump_pages_next(const struct kdump_pages *pages, enum kdump_which which, uint64_t page,
		      struct pgw_pa_range *ret)
{
	uint64_t first = find_next(pages, which, true, page);

	if (first >= pages->header->nr_pages)
		return false;
	*ret = (struct pgw_pa_range){ first, find_next(pages, which, false, first) - 1 };
	return true;
}
