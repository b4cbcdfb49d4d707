/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memfd_create */
#include "image/mkqemu.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SECTION 2
#define FLAG_ZERO 0x02
#define FLAG_MEM_SIZE 0x04
#define FLAG_PAGE 0x08
#define FLAG_EOS 0x10
#define FLAG_CONTINUE 0x20

void mkqemu_fini(struct mkqemu *stream)
{
	free(stream->file);
	if (stream->path[0])
		close(stream->fd);
	*stream = (struct mkqemu){ 0 };
}

void mkqemu_bytes(struct mkqemu *stream, const void *bytes, size_t size)
{
	if (stream->size + size > stream->room) {
		stream->room = 2 * (stream->size + size);
		stream->file = realloc(stream->file, stream->room);
		assert(stream->file);
	}
	memcpy(stream->file + stream->size, bytes, size);
	stream->size += size;
}

void mkqemu_number(struct mkqemu *stream, unsigned size, uint64_t value)
{
	static const uint8_t none[8];

	mkqemu_bytes(stream, none, size);
	mkqemu_put(stream, stream->size - size, size, value);
}

void mkqemu_put(struct mkqemu *stream, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		stream->file[offset + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

void mkqemu_name(struct mkqemu *stream, const char *name)
{
	mkqemu_number(stream, 1, strlen(name));
	mkqemu_bytes(stream, name, strlen(name));
}

void mkqemu_begin(struct mkqemu *stream, const char *machine)
{
	mkqemu_bytes(stream, "QEVM", 4);
	mkqemu_number(stream, 4, 3);
	mkqemu_number(stream, 1, 7);
	mkqemu_number(stream, 4, strlen(machine));
	mkqemu_bytes(stream, machine, strlen(machine));
}

void mkqemu_section(struct mkqemu *stream, unsigned type, uint32_t number, const char *name,
		    uint32_t version)
{
	mkqemu_number(stream, 1, type);
	mkqemu_number(stream, 4, number);
	mkqemu_name(stream, name);
	mkqemu_number(stream, 4, 0);
	mkqemu_number(stream, 4, version);
}

void mkqemu_footer(struct mkqemu *stream, uint32_t number)
{
	mkqemu_number(stream, 1, 0x7e);
	mkqemu_number(stream, 4, number);
}

void mkqemu_part_end(struct mkqemu *stream)
{
	mkqemu_number(stream, 8, FLAG_EOS);
	mkqemu_footer(stream, RAM_SECTION);
}

void mkqemu_blocks(struct mkqemu *stream, const struct mkqemu_block *blocks, size_t nr)
{
	uint64_t size = 0;

	for (size_t i = 0; i < nr; i++)
		size += blocks[i].size;
	mkqemu_section(stream, 1, RAM_SECTION, "ram", 4);
	mkqemu_number(stream, 8, size | FLAG_MEM_SIZE);
	for (size_t i = 0; i < nr; i++) {
		mkqemu_name(stream, blocks[i].name);
		mkqemu_number(stream, 8, blocks[i].size);
	}
	mkqemu_part_end(stream);
}

void mkqemu_part(struct mkqemu *stream, unsigned type)
{
	mkqemu_number(stream, 1, type);
	mkqemu_number(stream, 4, RAM_SECTION);
}

static void record(struct mkqemu *stream, const char *block, uint64_t offset, unsigned flags)
{
	mkqemu_number(stream, 8, offset | flags | (block ? 0 : FLAG_CONTINUE));
	if (block)
		mkqemu_name(stream, block);
}

void mkqemu_fill(struct mkqemu *stream, const char *block, uint64_t offset, uint8_t fill)
{
	record(stream, block, offset, FLAG_ZERO);
	mkqemu_number(stream, 1, fill);
}

void mkqemu_page(struct mkqemu *stream, const char *block, uint64_t offset, const uint8_t *bytes)
{
	static const uint8_t zeroes[MKQEMU_PAGE];

	if (memcmp(bytes, zeroes, MKQEMU_PAGE) == 0) {
		mkqemu_fill(stream, block, offset, 0);
		return;
	}
	record(stream, block, offset, FLAG_PAGE);
	mkqemu_bytes(stream, bytes, MKQEMU_PAGE);
}

void mkqemu_devices(struct mkqemu *stream)
{
	mkqemu_section(stream, 4, 7, "timer", 2);
	for (unsigned i = 0; i < 3; i++)
		mkqemu_number(stream, 8, i);
	mkqemu_footer(stream, 7);
	mkqemu_number(stream, 1, 0);
}

const char *mkqemu_save(struct mkqemu *stream)
{
	if (!stream->path[0]) {
		stream->fd = memfd_create("stream", MFD_CLOEXEC);
		assert(stream->fd >= 0);
		snprintf(stream->path, sizeof(stream->path), "/proc/self/fd/%d", stream->fd);
	}
	if (ftruncate(stream->fd, 0))
		abort();
	for (size_t done = 0; done < stream->size;) {
		ssize_t n =
			pwrite(stream->fd, stream->file + done, stream->size - done, (off_t)done);

		assert(n > 0);
		done += (size_t)n;
	}
	return stream->path;
}
