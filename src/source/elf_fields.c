/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/elf.h"

/* By class: 64-bit first. */
struct field {
	uint8_t at[2];
	uint8_t size[2];
};

static const struct field fields[_ELF_FIELD_MAX] = {
	[EH_TYPE] = { { 16, 16 }, { 2, 2 } },      [EH_MACHINE] = { { 18, 18 }, { 2, 2 } },
	[EH_VERSION] = { { 20, 20 }, { 4, 4 } },   [EH_PHOFF] = { { 32, 28 }, { 8, 4 } },
	[EH_SHOFF] = { { 40, 32 }, { 8, 4 } },     [EH_EHSIZE] = { { 52, 40 }, { 2, 2 } },
	[EH_PHENTSIZE] = { { 54, 42 }, { 2, 2 } }, [EH_PHNUM] = { { 56, 44 }, { 2, 2 } },
	[EH_SHENTSIZE] = { { 58, 46 }, { 2, 2 } }, [EH_SHNUM] = { { 60, 48 }, { 2, 2 } },
	[EH_SHSTRNDX] = { { 62, 50 }, { 2, 2 } },  [SH_NAME] = { { 0, 0 }, { 4, 4 } },
	[SH_TYPE] = { { 4, 4 }, { 4, 4 } },        [SH_OFFSET] = { { 24, 16 }, { 8, 4 } },
	[SH_BYTES] = { { 32, 20 }, { 8, 4 } },     [SH_INFO] = { { 44, 28 }, { 4, 4 } },
	[SH_ENTSIZE] = { { 56, 36 }, { 8, 4 } },   [PH_TYPE] = { { 0, 0 }, { 4, 4 } },
	[PH_FLAGS] = { { 4, 24 }, { 4, 4 } },      [PH_OFFSET] = { { 8, 4 }, { 8, 4 } },
	[PH_VADDR] = { { 16, 8 }, { 8, 4 } },      [PH_PADDR] = { { 24, 12 }, { 8, 4 } },
	[PH_FILESZ] = { { 32, 16 }, { 8, 4 } },    [PH_MEMSZ] = { { 40, 20 }, { 8, 4 } },
};

unsigned elf_at(const struct elf_form *form, enum elf_field field)
{
	return fields[field].at[form->is_32];
}

uint64_t elf_get(const struct elf_form *form, const uint8_t *header, enum elf_field field)
{
	const uint8_t *at = header + elf_at(form, field);
	unsigned size = fields[field].size[form->is_32];
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[form->is_big_endian ? i : size - 1 - i];
	return value;
}

void elf_put(const struct elf_form *form, uint8_t *header, enum elf_field field, uint64_t value)
{
	uint8_t *at = header + elf_at(form, field);
	unsigned size = fields[field].size[form->is_32];

	for (unsigned i = 0; i < size; i++, value >>= 8)
		at[form->is_big_endian ? size - 1 - i : i] = (uint8_t)value;
}
