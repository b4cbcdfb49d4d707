/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_ELF_FILE_H
#define SOURCE_ELF_FILE_H

/* An ELF file's header and its sections. */

#include "source/elf.h"
#include "source/source_priv.h"

/** A file header, and the file that it is of. */
struct elf_file {
	const struct source_map *map;
	const struct elf_form *form;
	const uint8_t *header; /* EH_SIZE_MAX bytes */
};

static inline uint64_t elf_file_get(const struct elf_file *file, enum elf_field field)
{
	return elf_get(file->form, file->header, field);
}

/** Where this section's header is in the file. Pre: elf_file_section() was true of it. */
uint64_t elf_file_section_at(const struct elf_file *file, unsigned index);
/** @param section gets a section's header @return false if the file has none of this number */
bool elf_file_section(const struct elf_file *file, unsigned index, uint8_t *section);
/** The same of the section that has the names of the others. */
bool elf_file_names(const struct elf_file *file, uint8_t *section);
/** Is this the section's name? @param names the header of the section that has the names */
bool elf_file_is_named(const struct elf_file *file, const uint8_t *names, const uint8_t *section,
		       const char *name);

#endif
