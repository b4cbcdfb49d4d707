/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu.h"

#include <string.h>

#include "base/bits.h"

/*
 * Where QEMU's machines have their RAM: hw/i386/pc_q35.c and pc_piix.c, hw/arm/virt.c,
 * hw/riscv/virt.c, hw/s390x/s390-virtio-ccw.c. Options can change it (max-ram-below-4g), and a
 * stream does not say so.
 */
static const struct board {
	const char *machine; /* its type begins so */
	const char *ram;     /* the block that is its RAM, unless that is made of backends */
	const char *mark;    /* a block that it has and others of this name do not; or NULL */
	uint64_t first;
	uint64_t low_max;  /* so much of it is below 4 GiB, if it is at least that_from; 0: all */
	uint64_t low_from; /* bytes */
} boards[] = {
	{ "pc-q35-", "pc.ram", NULL, 0, UINT64_C(0x80000000), UINT64_C(0xb0000000) },
	{ "pc-i440fx-", "pc.ram", NULL, 0, UINT64_C(0xc0000000), UINT64_C(0xe0000000) },
	{ "virt", "riscv_virt_board.ram", "riscv_virt_board.mrom", UINT64_C(0x80000000), 0, 0 },
	{ "virt", "mach-virt.ram", "virt.flash0", UINT64_C(0x40000000), 0, 0 },
	{ "s390-ccw-virtio", "s390.ram", NULL, 0, 0, 0 },
};

#define HIGH_FIRST (UINT64_C(4) << 30)

/* Parts of names of blocks that are a device's or firmware's. */
static const char *const not_ram[] = { "/rom@", "bios", ".rom", "mrom", "flash",
				       "vga",   "vram", "fdt",  "/dev" };

static struct qemu_block *find_block(const struct qemu_ram *ram, const char *name)
{
	for (size_t i = 0; i < ram->nr_blocks; i++) {
		if (strcmp(ram->blocks[i].name, name) == 0)
			return &ram->blocks[i];
	}
	return NULL;
}

static const struct board *find_board(const char *machine, const struct qemu_ram *ram)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(boards); i++) {
		const struct board *board = &boards[i];

		if (strncmp(machine, board->machine, strlen(board->machine)) == 0 &&
		    (!board->mark || find_block(ram, board->mark) || find_block(ram, board->ram)))
			return board;
	}
	return NULL;
}

static void take_block(struct qemu_ram *ram, struct qemu_block *block)
{
	block->first = ram->size;
	ram->size += block->size; /* of all blocks it is below 2^63 */
}

static bool is_device(const char *name)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(not_ram); i++) {
		if (strstr(name, not_ram[i]))
			return true;
	}
	return false;
}

bool qemu_board_find_ram(const char *machine, struct qemu_ram *ram)
{
	const struct board *board = find_board(machine, ram);
	struct qemu_block *block = board ? find_block(ram, board->ram) : NULL;

	if (block) {
		take_block(ram, block);
		return true;
	}
	/* Backends, one for each NUMA node, which have names by the node's number. */
	for (size_t i = 0; i < ram->nr_blocks; i++) {
		if (!is_device(ram->blocks[i].name))
			take_block(ram, &ram->blocks[i]);
	}
	return ram->size;
}

unsigned qemu_board_places(const char *machine, const struct qemu_ram *ram,
			   struct source_segment ret[SOURCE_MAX_USUAL])
{
	const struct board *board = find_board(machine, ram);
	uint64_t low = ram->size;

	if (!board)
		return 0;
	if (board->low_max && ram->size >= board->low_from)
		low = board->low_max;
	ret[0] = (struct source_segment){ .pa = board->first, .size = low, .file_size = low };
	if (low == ram->size)
		return 1;
	ret[1] = (struct source_segment){ .pa = HIGH_FIRST,
					  .size = ram->size - low,
					  .file_size = ram->size - low,
					  .offset = low };
	return 2;
}
