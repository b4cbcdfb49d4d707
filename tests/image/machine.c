/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/machine.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_TABLE UINT64_C(0x40000)
#define TABLE_FLAGS (PTE_P | PTE_W | PTE_U)
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define LAST_SLOT (8 * 511)
#define FIXMAP UINT64_C(0xffffffffff200000)
#define LEVEL3_FLAGS UINT64_C(0x63)

uint64_t machine_load(const struct machine *machine, uint64_t pa)
{
	uint64_t value;

	assert(pa + 8 <= sizeof(machine->ram));
	memcpy(&value, machine->ram + pa, 8);
	return value;
}

void machine_store(struct machine *machine, uint64_t pa, uint64_t value)
{
	assert(pa + 8 <= sizeof(machine->ram));
	memcpy(machine->ram + pa, &value, 8);
}

uint64_t machine_va(uint64_t pa)
{
	return pa - MACHINE_KERNEL_PA + MACHINE_KERNEL_VA;
}

void machine_map(struct machine *machine, uint64_t root, uint64_t va, uint64_t pa, uint64_t flags)
{
	uint64_t table = root;

	for (unsigned level = machine->nr_levels - 1; level > 0; level--) {
		uint64_t item = table + 8 * ((va >> (12 + 9 * level)) & 511);

		if (!machine_load(machine, item)) {
			machine_store(machine, item, machine->next_table | (flags & TABLE_FLAGS));
			machine->next_table += MACHINE_PAGE;
		}
		table = machine_load(machine, item) & ADDRESS;
	}
	machine_store(machine, table + 8 * ((va >> 12) & 511), pa | flags);
}

/* Where the pointer to that table is. */
static uint64_t level3_item(const struct machine *machine)
{
	uint64_t item = MACHINE_SWAPPER + LAST_SLOT;

	for (unsigned level = machine->nr_levels - 1; level > 3; level--)
		item = (machine_load(machine, item) & ADDRESS) + LAST_SLOT;
	return item;
}

uint64_t machine_level3(const struct machine *machine)
{
	return machine_load(machine, level3_item(machine)) & ADDRESS;
}

void machine_make_level3(struct machine *machine)
{
	uint64_t level3;

	machine_map(machine, MACHINE_SWAPPER, FIXMAP, MACHINE_IDT, PTE_P | PTE_W);
	level3 = machine_level3(machine);
	for (uint64_t item = level3 + LAST_SLOT - 8; item <= level3 + LAST_SLOT; item += 8)
		machine_store(machine, item,
			      (machine_load(machine, item) & ADDRESS) | LEVEL3_FLAGS);
}

void machine_move_level3(struct machine *machine)
{
	uint64_t from = machine_level3(machine), item = level3_item(machine);

	memcpy(machine->ram + MACHINE_NEAR_LEVEL3, machine->ram + from, MACHINE_PAGE);
	memset(machine->ram + from, 0, MACHINE_PAGE);
	machine_store(machine, item,
		      MACHINE_NEAR_LEVEL3 | (machine_load(machine, item) & ~ADDRESS));
}

const char *machine_text(const struct machine *machine)
{
	static char text[512];
	int64_t phys_base =
		(int64_t)(MACHINE_KERNEL_PA - (MACHINE_KERNEL_VA - UINT64_C(0xffffffff80000000)));

	snprintf(text, sizeof(text),
		 "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(phys_base)=%" PRId64 "\nNUMBER(pgtable_l5_enabled)=%d\n",
		 machine_va(MACHINE_SWAPPER), phys_base, machine->nr_levels == 5);
	return text;
}

void machine_note(struct machine *machine, uint64_t pa, const char *text)
{
	static const uint8_t header[24] = { 11, 0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
					    0,  'V', 'M', 'C', 'O', 'R', 'E', 'I', 'N', 'F', 'O' };
	uint32_t size = (uint32_t)strlen(text);

	assert(pa + sizeof(header) + size < sizeof(machine->ram));
	memcpy(machine->ram + pa, header, sizeof(header));
	memcpy(machine->ram + pa + 4, &size, 4);
	memcpy(machine->ram + pa + sizeof(header), text, size + 1);
}

void machine_init(struct machine *machine, unsigned nr_levels)
{
	uint64_t direct =
		nr_levels == 5 ? UINT64_C(0xff11000000000000) : UINT64_C(0xffff888000000000);

	memset(machine, 0, sizeof(*machine));
	machine->nr_levels = nr_levels;
	machine->next_table = FIRST_TABLE;
	mkelf_init(&machine->elf, MKELF_X86_64);
	for (uint64_t i = 0; i < 16; i++)
		machine_map(machine, MACHINE_SWAPPER, MACHINE_KERNEL_VA + i * MACHINE_PAGE,
			    MACHINE_KERNEL_PA + i * MACHINE_PAGE, PTE_P | PTE_W);
	machine_map(machine, MACHINE_SWAPPER, MACHINE_IDT_VA, MACHINE_IDT, PTE_P);
	machine_map(machine, MACHINE_SWAPPER, direct, 0, PTE_P | PTE_W | PTE_NX);
	machine_note(machine, MACHINE_VMCOREINFO, machine_text(machine));
}

void machine_fini(struct machine *machine)
{
	pgw_image_close(machine->image);
	mkelf_fini(&machine->elf);
}

void machine_process(struct machine *machine, uint64_t root)
{
	assert(root + MACHINE_PAGE <= FIRST_TABLE);
	memset(machine->ram + root, 0, 2048);
	memcpy(machine->ram + root + 2048, machine->ram + MACHINE_SWAPPER + 2048, 2048);
}

void machine_kpti(struct machine *machine, uint64_t root, uint64_t user)
{
	memset(machine->ram + user, 0, 4096);
	for (uint64_t at = 0; at < 2048; at += 8) {
		uint64_t entry = machine_load(machine, root + at);

		machine_store(machine, user + at, entry);
		if (entry & PTE_U)
			machine_store(machine, root + at, entry | PTE_NX);
	}
	machine_map(machine, user, MACHINE_IDT_VA, MACHINE_IDT, PTE_P);
}

void machine_cpu(struct machine *machine, uint64_t cr3)
{
	mkelf_qemu_cpu(&machine->elf, &(struct mkelf_cpu){
					      .cr0 = 0x80050033,
					      .cr3 = cr3,
					      .cr4 = machine->nr_levels == 5 ? 0x3516b0 : 0x3506b0,
					      .idt_base = MACHINE_IDT_VA,
					      .cs_flags = 0xaf9b00,
				      });
}

struct pgw_image *machine_open_with(struct machine *machine, const struct pgw_image_options *opts)
{
	mkelf_segment(&machine->elf, 0, machine->ram, sizeof(machine->ram), sizeof(machine->ram));
	if (pgw_image_open(mkelf_save(&machine->elf), opts, &machine->image, NULL))
		abort();
	return machine->image;
}

struct pgw_image *machine_open(struct machine *machine)
{
	return machine_open_with(machine, NULL);
}

struct pgw_image *machine_init_simple(struct machine *machine)
{
	machine_init(machine, 4);
	machine_process(machine, 0x20000);
	machine_map(machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	return machine_open(machine);
}

void machine_fini_image(struct machine *machine, struct pgw_image *image)
{
	pgw_image_close(image);
	machine->image = NULL;
	machine_fini(machine);
}
