/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_ELF_H
#define SOURCE_ELF_H

/*
 * ELF, System V ABI chapters 4 and 5: fields and values. Files of 32-bit classes and of both
 * byte orders have the same fields, at other places and of other sizes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In every file's first bytes. */
#define ELF_CLASS 4
#define ELF_DATA 5
#define ELF_IDENT_VERSION 6

#define ELFCLASS32 1
#define ELFCLASS64 2
#define ELFDATA2LSB 1
#define ELFDATA2MSB 2
#define EV_CURRENT 1
#define ET_REL 1
#define ET_EXEC 2
#define ET_DYN 3
#define ET_CORE 4
#define PN_XNUM 0xffff /* the number is in section 0's sh_info */

#define SHT_NOTE 7

#define PT_LOAD 1
#define PT_NOTE 4
#define PF_R 4

/** How a file writes its headers. */
struct elf_form {
	bool is_32;
	bool is_big_endian;
};

/** Fields of the file header, of section headers, of program headers. */
enum elf_field {
	EH_TYPE,
	EH_MACHINE,
	EH_VERSION,
	EH_PHOFF,
	EH_SHOFF,
	EH_EHSIZE,
	EH_PHENTSIZE,
	EH_PHNUM,
	EH_SHENTSIZE,
	EH_SHNUM,
	EH_SHSTRNDX,
	SH_NAME,
	SH_TYPE,
	SH_OFFSET,
	SH_BYTES, /* sh_size */
	SH_INFO,
	SH_ENTSIZE,
	PH_TYPE,
	PH_FLAGS,
	PH_OFFSET,
	PH_VADDR,
	PH_PADDR,
	PH_FILESZ,
	PH_MEMSZ,
	_ELF_FIELD_MAX,
};

/* The largest of their sizes. */
#define EH_SIZE_MAX 64
#define SH_SIZE_MAX 64
#define PH_SIZE_MAX 56

/** Bytes of a file header, a section header, a program header. */
static inline size_t elf_eh_size(const struct elf_form *form)
{
	return form->is_32 ? 52 : 64;
}

static inline size_t elf_sh_size(const struct elf_form *form)
{
	return form->is_32 ? 40 : 64;
}

static inline size_t elf_ph_size(const struct elf_form *form)
{
	return form->is_32 ? 32 : 56;
}

/** Where the field is in its header. */
unsigned elf_at(const struct elf_form *form, enum elf_field field);
/** The field of a header. */
uint64_t elf_get(const struct elf_form *form, const uint8_t *header, enum elf_field field);
/** Write it; what does not fit is cut off. */
void elf_put(const struct elf_form *form, uint8_t *header, enum elf_field field, uint64_t value);

#endif
