/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/mkelf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *grow(void *block, size_t size)
{
	void *grown = realloc(block, size);

	assert(grown);
	return grown;
}

void mkelf_init(struct mkelf *elf, uint16_t machine)
{
	*elf = (struct mkelf){ .machine = machine, .fd = -1 };
}

void mkelf_fini(struct mkelf *elf)
{
	if (elf->fd >= 0) {
		close(elf->fd);
		unlink(elf->path);
	}
	free(elf->segments);
	free(elf->notes);
	free(elf->file);
	*elf = (struct mkelf){ .fd = -1 };
}

void mkelf_segment(struct mkelf *elf, uint64_t pa, const void *bytes, uint64_t file_size,
		   uint64_t mem_size)
{
	size_t nr = elf->nr_segments;

	/* Full when the number is a power of two. */
	if (!(nr & (nr - 1)))
		elf->segments = grow(elf->segments, (nr ? nr * 2 : 1) * sizeof(*elf->segments));
	elf->segments[elf->nr_segments++] = (struct mkelf_segment){
		.pa = pa, .mem_size = mem_size, .file_size = file_size, .bytes = bytes
	};
}

static void put(uint8_t *at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void mkelf_note(struct mkelf *elf, const char *name, uint32_t type, const void *desc, size_t size)
{
	size_t name_size = strlen(name) + 1, name_padded = (name_size + 3) & ~(size_t)3;
	size_t total = 12 + name_padded + ((size + 3) & ~(size_t)3);
	uint8_t *note;

	if (elf->notes_size + total > elf->notes_capacity) {
		elf->notes_capacity = 2 * (elf->notes_size + total);
		elf->notes = grow(elf->notes, elf->notes_capacity);
	}
	note = elf->notes + elf->notes_size;
	elf->notes_size += total;
	memset(note, 0, total);
	put(note, 4, name_size);
	put(note + 4, 4, size);
	put(note + 8, 4, type);
	memcpy(note + 12, name, name_size);
	if (size)
		memcpy(note + 12 + name_padded, desc, size);
}

void mkelf_qemu_cpu(struct mkelf *elf, const struct mkelf_cpu *cpu)
{
	uint8_t state[440] = { 0 };

	put(state, 4, 1);
	put(state + 4, 4, sizeof(state));
	put(state + 160, 4, cpu->cs_flags);
	put(state + 384, 8, cpu->idt_base);
	put(state + 392, 8, cpu->cr0);
	put(state + 416, 8, cpu->cr3);
	put(state + 424, 8, cpu->cr4);
	mkelf_note(elf, "QEMU", 0, state, sizeof(state));
}

uint64_t mkelf_ph(size_t index)
{
	return MKELF_HEADER + index * MKELF_PH;
}

/* One more program header than 16 bits hold: the number goes to a section header at the end. */
static bool is_extended(const struct mkelf *elf)
{
	return elf->nr_segments + 1 >= 0xffff;
}

uint64_t mkelf_notes_offset(const struct mkelf *elf)
{
	return mkelf_ph(elf->nr_segments + 1);
}

static void put_header(struct mkelf *elf, uint64_t section)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	uint8_t *file = elf->file;

	memcpy(file, ident, sizeof(ident));
	put(file + 16, 2, 4); /* ET_CORE */
	put(file + 18, 2, elf->machine);
	put(file + 20, 4, 1);
	put(file + 32, 8, MKELF_HEADER);
	put(file + 52, 2, MKELF_HEADER);
	put(file + 54, 2, MKELF_PH);
	put(file + 56, 2, is_extended(elf) ? 0xffff : elf->nr_segments + 1);
	if (is_extended(elf)) {
		put(file + 40, 8, section);
		put(file + 58, 2, 64);
		put(file + 60, 2, 1);
		put(file + section + 44, 4, elf->nr_segments + 1);
	}
}

static void put_ph(struct mkelf *elf, size_t index, uint32_t type,
		   const struct mkelf_segment *segment, uint64_t offset)
{
	uint8_t *ph = elf->file + mkelf_ph(index);

	put(ph, 4, type);
	put(ph + 8, 8, offset);
	put(ph + 24, 8, segment->pa);
	put(ph + 32, 8, segment->file_size);
	put(ph + 40, 8, segment->mem_size);
	if (segment->file_size)
		memcpy(elf->file + offset, segment->bytes, segment->file_size);
}

void mkelf_build(struct mkelf *elf)
{
	struct mkelf_segment notes = { .mem_size = elf->notes_size,
				       .file_size = elf->notes_size,
				       .bytes = elf->notes };
	uint64_t at = mkelf_notes_offset(elf), section;

	section = at + elf->notes_size;
	for (size_t i = 0; i < elf->nr_segments; i++)
		section += elf->segments[i].file_size;
	elf->size = section + (is_extended(elf) ? 64 : 0);
	elf->file = grow(elf->file, elf->size);
	memset(elf->file, 0, elf->size);
	put_header(elf, section);
	put_ph(elf, 0, 4, &notes, at);
	at += elf->notes_size;
	for (size_t i = 0; i < elf->nr_segments; i++) {
		put_ph(elf, i + 1, 1, &elf->segments[i], at);
		at += elf->segments[i].file_size;
	}
}

void mkelf_put(struct mkelf *elf, uint64_t offset, unsigned size, uint64_t value)
{
	assert(offset + size <= elf->size);
	put(elf->file + offset, size, value);
}

const char *mkelf_save(struct mkelf *elf)
{
	const char *folder = getenv("TMPDIR");
	size_t done = 0;

	if (!elf->file)
		mkelf_build(elf);
	if (elf->fd < 0) {
		snprintf(elf->path, sizeof(elf->path), "%s/pgw-test-XXXXXX",
			 folder && strlen(folder) < 40 ? folder : "/tmp");
		elf->fd = mkstemp(elf->path);
		assert(elf->fd >= 0);
	}
	if (ftruncate(elf->fd, 0))
		abort();
	while (done < elf->size) {
		ssize_t n = pwrite(elf->fd, elf->file + done, elf->size - done, (off_t)done);

		assert(n > 0);
		done += (size_t)n;
	}
	return elf->path;
}
