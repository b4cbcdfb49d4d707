/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/crc32c.h"
#include "source/page_cache.h"
#include "source/unpack.h"

/*
 * AVML, version 2 (image.rs of AVML; little-endian): blocks of memory, each of them
 *
 *   0   "AVML"
 *   4   version, 2
 *   8   address of the first byte
 *   16  address of the last byte
 *   24  zeroes
 *   32  the bytes as a stream in snappy's framing format
 *   ..  how many bytes that stream has (8 bytes)
 *
 * A block has at most 16 MiB, and none is written that is nothing but zeroes. What AVML writes
 * without compression is LiME's format.
 *
 * Framing (framing_format.txt of snappy): chunks of {type, size of 3 bytes, the bytes}. Those
 * that have data (frames here) begin with a checksum and come to at most 64 KiB.
 */
#define MAGIC "AVML"
#define VERSION_AT 4
#define FIRST_AT 8
#define LAST_AT 16
#define HEADER_SIZE 32
#define TRAILER_SIZE 8

#define CHUNK_HEADER 4
#define CHUNK_PACKED 0x00
#define CHUNK_PLAIN 0x01
#define CHUNK_SKIPPED 0x80 /* and those above: they may be passed over */
#define CHUNK_START 0xff
#define START_TEXT "sNaPpY"
#define CHECKSUM_SIZE 4
#define FRAME_LG2 16
#define FRAME_SIZE (UINT32_C(1) << FRAME_LG2)
#define MAX_PACKED (FRAME_SIZE + FRAME_SIZE / 6 + 32) /* snappy's own bound */

/* A copy of at most 64 bytes takes 3: more memory than this is in no stream. */
#define MAX_RATIO 32

/* So that a frame's number, with its block's above it, is one for the page cache. */
#define FRAMES_LG2 26

struct frame {
	uint64_t start;  /* in the block, of the first byte */
	uint64_t offset; /* of the chunk in the file */
};

/* The frames of a block; made when it is first read. */
struct frames {
	struct frame *list;
	size_t nr;
	uint64_t end; /* in the block, of what they have */
};

struct block {
	uint64_t start;  /* of its bytes, were all blocks' one behind the other */
	uint64_t size;   /* of them */
	uint64_t offset; /* of the stream in the file */
	uint64_t end;    /* of the stream */
	struct frames frames;
	bool is_indexed;
};

struct avml {
	const struct source_map *map;
	struct block *blocks; /* ascending by start */
	size_t nr_blocks;
	uint64_t size; /* of all blocks */
	struct unpacker *unpacker;
	struct page_cache *cache; /* of frames */
	struct crc32c crc;
	pthread_mutex_t lock; /* of the blocks' frames and is_indexed, once the file is open */
};

static bool avml_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[4];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* One chunk of a stream. */
struct chunk {
	unsigned type;
	uint64_t offset; /* of its header in the file */
	uint32_t size;   /* behind the header */
	uint32_t frame;  /* bytes of memory that it comes to; 0: it has none */
};

/* What snappy's preamble says that it unpacks to; 0 if that is nothing or too much. */
static uint32_t packed_size(const struct source_map *map, uint64_t offset)
{
	uint32_t size = 0;
	uint8_t byte;

	for (unsigned i = 0; i < 3; i++) {
		if (!source_map_read(map, offset + i, &byte, 1))
			return 0;
		size |= (uint32_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return size <= FRAME_SIZE ? size : 0;
	}
	return 0;
}

/**
 * @param end of what may be read of it
 * @return 0, -PGW_EIO (it reaches past the end) or -PGW_EOVERFLOW (it is none)
 */
static int chunk_read(const struct source_map *map, uint64_t offset, uint64_t end,
		      struct chunk *ret)
{
	uint8_t bytes[CHUNK_HEADER];
	char start[sizeof(START_TEXT) - 1];

	if (end - offset < sizeof(bytes) || !source_map_read(map, offset, bytes, sizeof(bytes)))
		return -PGW_EIO;
	*ret = (struct chunk){
		.type = bytes[0],
		.offset = offset,
		.size = load_le32(bytes) >> 8,
	};
	if (ret->type == CHUNK_PACKED || ret->type == CHUNK_PLAIN) {
		if (ret->size <= CHECKSUM_SIZE || ret->size > MAX_PACKED + CHECKSUM_SIZE)
			return -PGW_EOVERFLOW;
	} else if (ret->type < CHUNK_SKIPPED) {
		return -PGW_EOVERFLOW;
	}
	if (ret->size > end - offset - sizeof(bytes))
		return -PGW_EIO;
	offset += sizeof(bytes);
	if (ret->type == CHUNK_START)
		return ret->size == sizeof(start) &&
				       source_map_read(map, offset, start, sizeof(start)) &&
				       memcmp(start, START_TEXT, sizeof(start)) == 0
			       ? 0
			       : -PGW_EOVERFLOW;
	if (ret->type == CHUNK_PACKED)
		ret->frame = packed_size(map, offset + CHECKSUM_SIZE);
	else if (ret->type == CHUNK_PLAIN)
		ret->frame = ret->size - CHECKSUM_SIZE;
	else
		return 0;
	return ret->frame && ret->frame <= FRAME_SIZE ? 0 : -PGW_EOVERFLOW;
}

/* Find a block's frames. What is behind a chunk that is none is not there. */
static int block_index(const struct avml *avml, struct block *block)
{
	struct frames *frames = &block->frames;
	struct chunk chunk;

	for (uint64_t at = block->offset; frames->end < block->size;
	     at += CHUNK_HEADER + chunk.size) {
		struct frame frame = { .start = frames->end, .offset = at };

		if (chunk_read(avml->map, at, block->end, &chunk))
			break;
		if (!chunk.frame)
			continue;
		if (frames->nr >> FRAMES_LG2)
			break;
		if (source_array_grow((void **)&frames->list, frames->nr, sizeof(frame))) {
			free(frames->list);
			*frames = (struct frames){ .nr = 0 };
			return -PGW_ENOMEM;
		}
		frames->list[frames->nr++] = frame;
		frames->end += chunk.frame;
	}
	block->is_indexed = true;
	return 0;
}

/* The frames of a block, which nobody changes any more. */
static int block_frames(struct avml *avml, struct block *block, const struct frames **ret)
{
	int status = 0;

	pthread_mutex_lock(&avml->lock);
	if (!block->is_indexed)
		status = block_index(avml, block);
	pthread_mutex_unlock(&avml->lock);
	*ret = &block->frames;
	return status;
}

static uint32_t mask_checksum(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* @param bytes what the chunk has behind its header */
static int frame_unpack(const struct avml *avml, const struct chunk *chunk, const uint8_t *bytes,
			uint8_t *ret)
{
	const uint8_t *data = bytes + CHECKSUM_SIZE;
	int status = 0;

	if (chunk->type == CHUNK_PACKED)
		status = unpack(avml->unpacker, PACKING_SNAPPY, data, chunk->size - CHECKSUM_SIZE,
				ret, chunk->frame);
	else
		memcpy(ret, data, chunk->frame);
	if (status)
		return status;
	memset(ret + chunk->frame, 0, FRAME_SIZE - chunk->frame);
	return mask_checksum(crc32c_of(&avml->crc, ret, chunk->frame)) == load_le32(bytes)
		       ? 0
		       : -PGW_EIO;
}

static int avml_load_frame(void *ctx, uint64_t page, void *buf)
{
	struct avml *avml = ctx;
	const struct block *block = &avml->blocks[page >> FRAMES_LG2];
	struct chunk chunk;
	uint8_t *bytes;
	int status;

	/* Who asks for a frame has found it: the list is there. */
	if (chunk_read(avml->map, block->frames.list[page & (BIT(FRAMES_LG2) - 1)].offset,
		       block->end, &chunk))
		return -PGW_EIO;
	bytes = malloc(chunk.size);
	if (!bytes)
		return -PGW_ENOMEM;
	status = source_map_read(avml->map, chunk.offset + CHUNK_HEADER, bytes, chunk.size)
			 ? frame_unpack(avml, &chunk, bytes, buf)
			 : -PGW_EIO;
	free(bytes);
	return status;
}

/* The last of nr elements, ascending by their first member, an offset, that begins at or before at. */
static size_t find_last(const void *list, size_t nr, size_t size, uint64_t at)
{
	size_t low = 0, high = nr - 1;

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;
		uint64_t start;

		memcpy(&start, (const char *)list + middle * size, sizeof(start));
		if (start <= at)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static size_t find_block(const struct avml *avml, uint64_t at)
{
	return find_last(avml->blocks, avml->nr_blocks, sizeof(*avml->blocks), at);
}

static size_t find_frame(const struct frames *frames, uint64_t at)
{
	return find_last(frames->list, frames->nr, sizeof(*frames->list), at);
}

/* Some of the bytes from at on, were all blocks' one behind the other. @return how many, or a status */
static int64_t read_frame(struct avml *avml, uint64_t at, void *buf, size_t len)
{
	size_t block = find_block(avml, at), frame;
	const struct frames *frames;
	uint64_t end, in_frame;
	int status = block_frames(avml, &avml->blocks[block], &frames);

	if (status)
		return status;
	at -= avml->blocks[block].start;
	if (at >= frames->end)
		return -PGW_EIO;
	frame = find_frame(frames, at);
	end = frame + 1 < frames->nr ? frames->list[frame + 1].start : frames->end;
	in_frame = at - frames->list[frame].start;
	if (len > end - at)
		len = (size_t)(end - at);
	status = page_cache_read(avml->cache,
				 (((uint64_t)block << FRAMES_LG2 | frame) << FRAME_LG2) + in_frame,
				 buf, len);
	return status ? status : (int64_t)len;
}

static int avml_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		const struct source_range *range = source_memory_find(&source->memory, pa);
		size_t n = len;
		int64_t read;

		if (!range)
			return -PGW_EIO;
		if (range->last - pa < n - 1)
			n = (size_t)(range->last - pa) + 1;
		read = read_frame(source->state, range->offset + (pa - range->first), to, n);
		if (read < 0)
			return read == -PGW_ENOMEM ? -PGW_ENOMEM : -PGW_EIO;
		to += read;
		pa += (uint64_t)read;
		len -= (size_t)read;
	}
	return 0;
}

/* A file that is being opened. */
struct opening {
	struct source *source;
	struct avml *avml;
	struct source_segment *segments; /* one a block, in their order */
	struct pgw_error *err;
};

/* @param held bytes of the block that the file has */
static int add_block(struct opening *opening, const uint8_t *header, const struct block *block,
		     uint64_t held)
{
	struct avml *avml = opening->avml;
	size_t nr = avml->nr_blocks;
	struct source_segment segment = {
		.pa = load_le64(header + FIRST_AT),
		.size = block->size,
		.file_size = held,
		.offset = avml->size,
	};

	if (nr == SOURCE_MAX_SEGMENTS)
		return source_fail_at(opening->err, -PGW_EOVERFLOW, block->offset - HEADER_SIZE, nr,
				      "at most 1048576 blocks");
	if (source_array_grow((void **)&avml->blocks, nr, sizeof(*block)) ||
	    source_array_grow((void **)&opening->segments, nr, sizeof(segment)))
		return source_fail(opening->err, -PGW_ENOMEM, NULL);
	avml->blocks[nr] = *block;
	avml->blocks[nr].start = avml->size;
	avml->blocks[nr].size = held;
	avml->size += held;
	opening->segments[nr] = segment;
	avml->nr_blocks++;
	return 0;
}

/* Is this the header of a block? */
static bool is_header(const uint8_t *header)
{
	return memcmp(header, MAGIC, 4) == 0 && load_le32(header + VERSION_AT) == 2;
}

static int check_header(const struct opening *opening, uint64_t at, const uint8_t *header)
{
	uint64_t first = load_le64(header + FIRST_AT), last = load_le64(header + LAST_AT);

	if (memcmp(header, MAGIC, 4) != 0)
		return source_fail_at(opening->err, -PGW_EOVERFLOW, at, load_le32(header),
				      "the header of an AVML block");
	if (load_le32(header + VERSION_AT) != 2)
		return source_fail_at(opening->err, -PGW_EOPNOTSUPP, at + VERSION_AT,
				      load_le32(header + VERSION_AT), "an AVML block of version 2");
	if (first > last || last == UINT64_MAX)
		return source_fail_at(opening->err, -PGW_EOVERFLOW, at + LAST_AT, last,
				      "the end of a block, behind its start, below 2^64");
	return 0;
}

/* A whole file: its blocks are found from its end on, by how many bytes each stream has. */
static int find_backward(struct opening *opening, uint64_t **ret_ends, size_t *ret_nr)
{
	const struct source_map *map = opening->avml->map;
	uint8_t trailer[TRAILER_SIZE], header[HEADER_SIZE];
	uint64_t at = map->size;

	while (at) {
		uint64_t size;

		if (at < HEADER_SIZE + TRAILER_SIZE || *ret_nr == SOURCE_MAX_SEGMENTS ||
		    !source_map_read(map, at - TRAILER_SIZE, trailer, sizeof(trailer)))
			return -PGW_ENOENT;
		if (source_array_grow((void **)ret_ends, *ret_nr, sizeof(at)))
			return source_fail(opening->err, -PGW_ENOMEM, NULL);
		(*ret_ends)[(*ret_nr)++] = at - TRAILER_SIZE;
		size = load_le64(trailer);
		if (size > at - HEADER_SIZE - TRAILER_SIZE)
			return -PGW_ENOENT;
		at -= size + HEADER_SIZE + TRAILER_SIZE;
		if (!source_map_read(map, at, header, sizeof(header)) || !is_header(header))
			return -PGW_ENOENT;
	}
	return 0;
}

/* Of blocks that were found so, how much memory each has is what its header says. */
static int take_whole(struct opening *opening, const uint64_t *ends, size_t nr)
{
	uint64_t at = 0;
	int status = 0;

	while (nr-- && !status) {
		struct block block = { .offset = at + HEADER_SIZE, .end = ends[nr] };
		uint8_t header[HEADER_SIZE];

		if (!source_map_read(opening->avml->map, at, header, sizeof(header)))
			return source_fail(opening->err, -PGW_EIO, NULL);
		status = check_header(opening, at, header);
		block.size = load_le64(header + LAST_AT) - load_le64(header + FIRST_AT) + 1;
		if (!status && block.size / MAX_RATIO > block.end - block.offset)
			status = source_fail_at(opening->err, -PGW_EOVERFLOW, at + LAST_AT,
						load_le64(header + LAST_AT),
						"a block of at most 32 times its bytes");
		if (!status)
			status = add_block(opening, header, &block, block.size);
		at = ends[nr] + TRAILER_SIZE;
	}
	return status;
}

/* How much the file has of a block, and where the last chunk ends or begins to be none. @return as chunk_read() */
static int measure_block(const struct source_map *map, struct block *block, uint64_t *ret_held)
{
	uint64_t at = block->offset, held = 0;
	int status = 0;

	while (held < block->size && !status) {
		struct chunk chunk = { .size = 0 };

		status = chunk_read(map, at, map->size, &chunk);
		if (status != -PGW_EOVERFLOW)
			at += CHUNK_HEADER + chunk.size;
		held += status ? 0 : chunk.frame;
	}
	block->end = at;
	*ret_held = held;
	return status;
}

/* The block whose header is at *at; which is moved to the next. */
static int take_block(struct opening *opening, uint64_t *at, const uint8_t *header)
{
	const struct source_map *map = opening->avml->map;
	struct block block = { .offset = *at + HEADER_SIZE };
	uint8_t trailer[TRAILER_SIZE];
	uint64_t held;
	int status = check_header(opening, *at, header);

	if (status)
		return status;
	block.size = load_le64(header + LAST_AT) - load_le64(header + FIRST_AT) + 1;
	status = measure_block(map, &block, &held);
	if (status == -PGW_EOVERFLOW || held > block.size)
		return source_fail_at(opening->err, -PGW_EOVERFLOW, block.end, held,
				      "snappy frames that come to all bytes of the block");
	*at = block.end + TRAILER_SIZE;
	opening->source->info.truncated |= *at > map->size;
	if (!opening->source->info.truncated &&
	    (!source_map_read(map, block.end, trailer, sizeof(trailer)) ||
	     load_le64(trailer) != block.end - block.offset))
		return source_fail_at(opening->err, -PGW_EOVERFLOW, block.end, load_le64(trailer),
				      "how many bytes the block's frames have");
	return add_block(opening, header, &block, held);
}

/* A file that was cut, or is not sound: what is there is found chunk by chunk. */
static int take_forward(struct opening *opening)
{
	struct source *source = opening->source;
	uint64_t size = opening->avml->map->size, at = 0;
	int status = 0;

	while (at < size && !source->info.truncated && !status) {
		uint8_t header[HEADER_SIZE];

		if (!source_map_read(opening->avml->map, at, header, sizeof(header))) {
			if (!at)
				return source_fail_at(opening->err, -PGW_EOVERFLOW, 0, size,
						      "the header of an AVML block, of 32 bytes");
			at += HEADER_SIZE;
			break;
		}
		status = take_block(opening, &at, header);
	}
	source->info.truncated = at > size;
	source->info.said_size = at;
	return status;
}

static int take_blocks(struct opening *opening)
{
	uint64_t *ends = NULL;
	size_t nr = 0;
	int status = find_backward(opening, &ends, &nr);

	if (!status) {
		opening->source->info.said_size = opening->avml->map->size;
		status = take_whole(opening, ends, nr);
	} else if (status == -PGW_ENOENT) {
		status = take_forward(opening);
	}
	free(ends);
	return status;
}

static int avml_prepare(struct source *source, struct avml *avml, struct pgw_error *err)
{
	int status = packing_check(PACKING_SNAPPY, err);

	if (status)
		return status;
	avml->map = &source->files[0];
	crc32c_init(&avml->crc);
	avml->unpacker = unpacker_new();
	avml->cache = page_cache_new(FRAME_SIZE, PAGE_CACHE_BYTES, avml_load_frame, avml);
	return avml->unpacker && avml->cache ? 0 : source_fail(err, -PGW_ENOMEM, NULL);
}

static int avml_open(struct source *source, const struct pgw_image_options *options,
		     struct pgw_error *err)
{
	struct avml *avml = source->state = calloc(1, sizeof(*avml));
	struct opening opening = { .source = source, .avml = avml, .err = err };
	int status;

	(void)options;
	if (!avml)
		return source_fail(err, -PGW_ENOMEM, NULL);
	pthread_mutex_init(&avml->lock, NULL);
	source->has_places = source->is_packed = true;
	source->info.lacks_zeroes = true;
	source->info.writer = "AVML";
	status = avml_prepare(source, avml, err);
	if (!status)
		status = take_blocks(&opening);
	if (!status && source_lay_out(source, opening.segments, avml->nr_blocks))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	free(opening.segments);
	return status;
}

static void avml_close(struct source *source)
{
	struct avml *avml = source->state;

	if (!avml)
		return;
	page_cache_free(avml->cache);
	unpacker_free(avml->unpacker);
	for (size_t i = 0; i < avml->nr_blocks; i++)
		free(avml->blocks[i].frames.list);
	free(avml->blocks);
	pthread_mutex_destroy(&avml->lock);
	free(avml);
}

const struct source_ops source_avml_ops = {
	.name = "avml",
	.probe = avml_probe,
	.open = avml_open,
	.close = avml_close,
	.read = avml_read,
	.next_range = source_file_next_range,
};
