/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MKELF_H
#define TESTS_MKELF_H

/*
 * ELF64 cores, made to order. First everything is said, then mkelf_build()
 * lays it out: file header, program headers (notes first), notes, segments'
 * bytes one after another without padding. After that any field can be overwritten.
 */

#include <stddef.h>
#include <stdint.h>

#define MKELF_X86_64 62
#define MKELF_AARCH64 183
#define MKELF_HEADER 64 /* size of the file header: where program headers begin */
#define MKELF_PH 56     /* size of a program header */

struct mkelf_segment {
	uint64_t pa;
	uint64_t mem_size;
	uint64_t file_size;
	const void *bytes; /* file_size of them; borrowed until mkelf_build() */
};

struct mkelf {
	uint16_t machine;
	struct mkelf_segment *segments;
	size_t nr_segments;
	uint8_t *notes;
	size_t notes_size, notes_capacity;
	uint8_t *file; /* after mkelf_build() */
	size_t size;
	int fd; /* after mkelf_save(): the file, open for writing */
	char path[64];
};

/** Made-up or copied registers for a QEMU note. */
struct mkelf_cpu {
	uint64_t cr0, cr3, cr4, idt_base;
	uint32_t cs_flags;
};

/** An empty core. */
void mkelf_init(struct mkelf *elf, uint16_t machine);
/** Frees all; the saved file goes. */
void mkelf_fini(struct mkelf *elf);

void mkelf_segment(struct mkelf *elf, uint64_t pa, const void *bytes, uint64_t file_size,
		   uint64_t mem_size);
void mkelf_note(struct mkelf *elf, const char *name, uint32_t type, const void *desc, size_t size);
/** A QEMU note of version 1 with 440 bytes of state. */
void mkelf_qemu_cpu(struct mkelf *elf, const struct mkelf_cpu *cpu);

/** Lay the file out in memory. */
void mkelf_build(struct mkelf *elf);
/** Where the program header with this index is: 0 the notes', then the segments'. */
uint64_t mkelf_ph(size_t index);
/** Where the notes are. */
uint64_t mkelf_notes_offset(const struct mkelf *elf);
/** Overwrite size bytes at offset, little-endian. */
void mkelf_put(struct mkelf *elf, uint64_t offset, unsigned size, uint64_t value);
/** Put it in a file, built or not before. @return its path */
const char *mkelf_save(struct mkelf *elf);

#endif
