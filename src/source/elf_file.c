/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/elf_file.h"

#include <string.h>

#define NAME_MAX_SIZE 32 /* of names that mean something here, with their end */

uint64_t elf_file_section_at(const struct elf_file *file, unsigned index)
{
	return elf_file_get(file, EH_SHOFF) + (uint64_t)index * elf_sh_size(file->form);
}

bool elf_file_section(const struct elf_file *file, unsigned index, uint8_t *section)
{
	size_t size = elf_sh_size(file->form);

	return index < elf_file_get(file, EH_SHNUM) &&
	       elf_file_get(file, EH_SHOFF) <= file->map->size &&
	       elf_file_get(file, EH_SHENTSIZE) == size &&
	       source_map_read(file->map, elf_file_section_at(file, index), section, size);
}

bool elf_file_names(const struct elf_file *file, uint8_t *section)
{
	return elf_file_section(file, (unsigned)elf_file_get(file, EH_SHSTRNDX), section);
}

bool elf_file_is_named(const struct elf_file *file, const uint8_t *names, const uint8_t *section,
		       const char *name)
{
	uint64_t offset = elf_get(file->form, names, SH_OFFSET);
	char found[NAME_MAX_SIZE];
	size_t size = strlen(name) + 1;

	return size <= sizeof(found) && offset <= file->map->size &&
	       source_map_read(file->map, offset + elf_get(file->form, section, SH_NAME), found,
			       size) &&
	       memcmp(found, name, size) == 0;
}
