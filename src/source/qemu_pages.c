/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* strverscmp */
#include "source/qemu.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * A section of the memory is of records. Each begins with 8 bytes: the offset of a page in its
 * block, and flags in the bits that a page's offset does not have (migration/ram.c).
 */
#define FLAG_ZERO 0x02     /* a byte follows, of which the page is full */
#define FLAG_MEM_SIZE 0x04 /* not a page: the blocks follow, whose sizes come to the offset */
#define FLAG_PAGE 0x08     /* its bytes follow */
#define FLAG_EOS 0x10      /* no more in this section */
#define FLAG_CONTINUE 0x20 /* of the same block as the page before; else the block's name follows */
#define FLAG_XBZRLE 0x40
#define FLAG_HOOK 0x80
#define FLAG_COMPRESS 0x100
#define FLAG_MULTIFD 0x200

#define RECORD_SIZE 8

#define STREAM "a QEMU migration stream"
#define WITHOUT " (with migrate-set-capabilities), or use dump-guest-memory"

/* Ways to send pages that do not put them here as they are. */
static const struct {
	uint64_t flag;
	const char *kind;
	const char *advice;
} refused[] = {
	{ FLAG_XBZRLE, STREAM " with xbzrle", "migrate again with xbzrle off" WITHOUT },
	{ FLAG_COMPRESS, STREAM " with compress", "migrate again with compress off" WITHOUT },
	{ FLAG_MULTIFD, STREAM " with multifd, whose pages are in other streams",
	  "migrate again with multifd off" WITHOUT },
	{ FLAG_HOOK, STREAM " over RDMA", "migrate again to a file, or use dump-guest-memory" },
};

static int compare_names(const void *a, const void *b)
{
	const struct qemu_block *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

/*
 * With mapped-ram, a block's size is followed by version 1 (4 bytes), the size of a page, and
 * where its bitmap and its pages are in the file, 8 bytes each. What comes next is behind them.
 */
static int take_mapping(struct qemu_stream *stream, struct qemu_block *block)
{
	uint64_t at = stream->at, version, page_size, bitmap_end;
	uint64_t bitmap_size = ((block->size >> stream->ram->page_lg2) + 7) / 8;
	int status = qemu_take_number(stream, 4, &version);

	if (!status)
		status = qemu_take_number(stream, 8, &page_size);
	if (!status)
		status = qemu_take_number(stream, 8, &block->bitmap_at);
	if (!status)
		status = qemu_take_number(stream, 8, &block->pages_at);
	if (status)
		return status;
	if (version != 1)
		return source_fail_at(stream->err, -PGW_EOPNOTSUPP, at, version,
				      "mapped-ram of version 1");
	if (page_size != BIT(stream->ram->page_lg2))
		return source_fail_at(stream->err, -PGW_EOPNOTSUPP, at + 4, page_size,
				      "mapped-ram with the machine's pages");
	if (block->bitmap_at < stream->at ||
	    add_overflows(block->bitmap_at, bitmap_size, &bitmap_end) ||
	    block->pages_at < bitmap_end ||
	    add_overflows(block->pages_at, block->size, &stream->at))
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at + 12, block->pages_at,
				      "a bitmap and pages behind what says where they are");
	return 0;
}

static int take_block(struct qemu_stream *stream, uint64_t *left)
{
	struct qemu_ram *ram = stream->ram;
	struct qemu_block *block;
	uint64_t at = stream->at;
	int status;

	if (ram->nr_blocks == QEMU_MAX_BLOCKS)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, ram->nr_blocks,
				      "at most 4096 blocks of memory");
	if (source_array_grow((void **)&ram->blocks, ram->nr_blocks, sizeof(*ram->blocks)))
		return source_fail(stream->err, -PGW_ENOMEM, NULL);
	block = &ram->blocks[ram->nr_blocks];
	*block = (struct qemu_block){ .first = QEMU_NO_PLACE };
	status = qemu_take_name(stream, block->name);
	if (!status)
		status = qemu_take_number(stream, 8, &block->size);
	if (status)
		return status;
	if (!block->size || block->size > *left || block->size & (BIT(ram->page_lg2) - 1))
		return source_fail_at(
			stream->err, -PGW_EOVERFLOW, stream->at - 8, block->size,
			"the size of a block of memory, in pages, within that of all");
	ram->nr_blocks++;
	*left -= block->size;
	return stream->is_mapped ? take_mapping(stream, block) : 0;
}

int qemu_take_blocks(struct qemu_stream *stream)
{
	struct qemu_ram *ram = stream->ram;
	uint64_t at = stream->at, record, left;
	int status = qemu_take_number(stream, 8, &record);

	if (status)
		return status;
	left = record & ~(BIT(ram->page_lg2) - 1);
	if ((record & (BIT(ram->page_lg2) - 1)) != FLAG_MEM_SIZE || !left || left > INT64_MAX)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, record,
				      "the size of the memory, below 2^63");
	while (left && !status)
		status = take_block(stream, &left);
	if (status)
		return status;
	qsort(ram->blocks, ram->nr_blocks, sizeof(*ram->blocks), compare_names);
	for (size_t i = 1; i < ram->nr_blocks; i++) {
		if (strcmp(ram->blocks[i - 1].name, ram->blocks[i].name) == 0)
			return source_fail_at(stream->err, -PGW_EOVERFLOW, at, i,
					      "blocks of memory with names of their own");
	}
	return qemu_board_find_ram(stream->machine, ram)
		       ? 0
		       : source_fail_at(stream->err, -PGW_EOPNOTSUPP, at, ram->nr_blocks,
					"a block of memory that is the machine's RAM");
}

/* The block of the page that comes. */
static int take_block_name(struct qemu_stream *stream, bool is_same)
{
	struct qemu_block key;
	uint64_t at = stream->at;
	int status;

	if (is_same)
		return stream->block ? 0
				     : source_fail_at(stream->err, -PGW_EOVERFLOW, at - RECORD_SIZE,
						      FLAG_CONTINUE, "the name of the first block");
	status = qemu_take_name(stream, key.name);
	if (status)
		return status;
	stream->block = bsearch(&key, stream->ram->blocks, stream->ram->nr_blocks, sizeof(key),
				compare_names);
	return stream->block ? 0
			     : source_fail_at(stream->err, -PGW_EOVERFLOW, at, strlen(key.name),
					      "the name of a block of memory that was listed");
}

static int take_page(struct qemu_stream *stream, uint64_t offset, uint64_t flags)
{
	uint64_t at = stream->at - RECORD_SIZE, size = BIT(stream->ram->page_lg2), fill;
	struct qemu_sent how = { .at = 0 };
	int status = take_block_name(stream, flags & FLAG_CONTINUE);

	if (status)
		return status;
	if (offset >= stream->block->size)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, offset,
				      "a page inside its block of memory");
	if (flags & FLAG_ZERO) {
		status = qemu_take_number(stream, 1, &fill);
		how.fill = (uint8_t)fill;
	} else {
		how.at = stream->at;
		how.step = size + RECORD_SIZE;
		if (source_map_has(stream->map, stream->at, size))
			stream->at += size;
		else
			status = QEMU_CUT;
	}
	if (!status && qemu_ram_add(stream->ram, stream->block, offset, &how))
		status = source_fail(stream->err, -PGW_ENOMEM, NULL);
	return status;
}

static int take_other(struct qemu_stream *stream, uint64_t record, uint64_t flags)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(refused); i++) {
		if (flags & refused[i].flag)
			return source_fail_kind(stream->err, stream->at - RECORD_SIZE,
						refused[i].kind, refused[i].advice);
	}
	return source_fail_at(stream->err, -PGW_EOVERFLOW, stream->at - RECORD_SIZE, record,
			      "a page of memory, or the end of a section");
}

int qemu_take_pages(struct qemu_stream *stream)
{
	uint64_t mask = BIT(stream->ram->page_lg2) - 1, record;
	int status;

	for (;;) {
		status = qemu_take_number(stream, RECORD_SIZE, &record);
		if (status || record == FLAG_EOS)
			return status;
		switch (record & mask & ~(uint64_t)FLAG_CONTINUE) {
		case FLAG_ZERO:
		case FLAG_PAGE:
			status = take_page(stream, record & ~mask, record & mask);
			break;
		default:
			status = take_other(stream, record, record & mask);
			break;
		}
		if (status)
			return status;
	}
}

/* Pages of a block that its bitmap has, or that are zeroes; bits come from the lowest on. */
static int add_mapped(struct qemu_stream *stream, const struct qemu_block *block)
{
	uint64_t nr = block->size >> stream->ram->page_lg2, size = BIT(stream->ram->page_lg2);
	uint8_t bits[1024];

	for (uint64_t page = 0; page < nr; page++) {
		size_t in_bits = page % (8 * sizeof(bits));
		uint64_t left = (nr - page + 7) / 8;
		struct qemu_sent how = { .at = 0 };

		if (!in_bits && !source_map_read(stream->map, block->bitmap_at + page / 8, bits,
						 left < sizeof(bits) ? left : sizeof(bits)))
			return QEMU_CUT;
		if (bits[in_bits / 8] >> in_bits % 8 & 1)
			how = (struct qemu_sent){ .at = block->pages_at + page * size,
						  .step = size };
		if (how.step && !source_map_has(stream->map, how.at, size))
			return QEMU_CUT;
		if (qemu_ram_add(stream->ram, block, page * size, &how))
			return source_fail(stream->err, -PGW_ENOMEM, NULL);
	}
	return 0;
}

int qemu_take_mapped(struct qemu_stream *stream)
{
	int status = 0;

	for (size_t i = 0; i < stream->ram->nr_blocks && !status; i++) {
		if (stream->ram->blocks[i].first != QEMU_NO_PLACE)
			status = add_mapped(stream, &stream->ram->blocks[i]);
	}
	stream->is_whole &= !status;
	return status;
}
