/* SPDX-License-Identifier: BSD-2-Clause */
/* make_dumps FOLDER: one machine's memory, in each format of dumps; see dumps.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/machine.h"
#include "image/mkkdump.h"

static const char *folder;
static uint64_t left_out; /* a page */

static void save(const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void save_kdump(const char *name, const struct mkelf *elf, const struct mkkdump_how *how,
		       bool is_flat)
{
	struct mkkdump kdump;

	mkkdump_build(&kdump, elf, how);
	if (is_flat)
		mkkdump_flatten(&kdump, 1);
	save(name, kdump.file, kdump.size);
	if (!is_flat && !how->is_split)
		save("cut.kdump", kdump.file, kdump.size - 4096);
	mkkdump_fini(&kdump);
}

static bool is_left_out(uint64_t page)
{
	return page == left_out;
}

static void save_parts(const struct mkelf *elf)
{
	static const uint64_t ends[] = { 0, 0x13, 0x70, MACHINE_PAGES };

	for (unsigned i = 0; i < 3; i++) {
		const struct mkkdump_how how = {
			.version = 6,
			.is_split = true,
			.first_page = ends[i],
			.end_page = ends[i + 1],
		};
		char name[16];

		snprintf(name, sizeof(name), "part.%u", i + 1);
		save_kdump(name, elf, &how, false);
	}
}

/* The upper half of the memory first. */
static void save_lime(const struct machine *machine)
{
	static uint8_t file[2 * 32 + sizeof(machine->ram)];
	uint64_t half = sizeof(machine->ram) / 2;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t *at = file + i * (32 + half);
		uint64_t first = i ? 0 : half;

		memcpy(at, "EMiL\1", 5);
		for (unsigned j = 0; j < 8; j++) {
			at[8 + j] = (uint8_t)(first >> (8 * j));
			at[16 + j] = (uint8_t)((first + half - 1) >> (8 * j));
		}
		memcpy(at + 32, machine->ram + first, half);
	}
	save("whole.lime", file, sizeof(file));
}

int main(int argc, char **argv)
{
	const struct mkkdump_how plain = { .version = 6 };
	struct mkkdump_how packed = { .version = 6, .is_packed = true };
	const struct mkkdump_how excluding = { .version = 6, .is_excluded = is_left_out };
	static struct machine machine;

	if (argc != 2)
		return 2;
	folder = argv[1];
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_cpu(&machine, 0x20000);
	machine_map(&machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	left_out = (machine.next_table - MACHINE_PAGE) / MACHINE_PAGE;
	mkelf_segment(&machine.elf, 0, machine.ram, sizeof(machine.ram), sizeof(machine.ram));
	mkelf_build(&machine.elf);
	save("core.elf", machine.elf.file, machine.elf.size);
	for (packed.packing = 0; packed.packing < _PACKING_MAX; packed.packing++) {
		char name[16];

		snprintf(name, sizeof(name), "%s.packed", packing_name(packed.packing));
		save_kdump(name, &machine.elf, &packed, false);
	}
	save_kdump("whole.kdump", &machine.elf, &plain, false);
	save_kdump("whole.flat", &machine.elf, &plain, true);
	save_kdump("excluding.kdump", &machine.elf, &excluding, false);
	save_parts(&machine.elf);
	save_lime(&machine);
	machine_fini(&machine);
	return 0;
}
