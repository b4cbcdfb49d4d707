/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

/*
 * A small x86-64 machine that runs something like Linux: half a MiB of RAM at
 * physical address 0, tables, a VMCOREINFO note in memory. Tests make it, bend
 * it, and dump it as an ELF core.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/image.h>

#include "image/mkelf.h"

#define MACHINE_PAGES 128
#define MACHINE_PAGE UINT64_C(4096)

/* Fixed places. The kernel's image is 16 pages at KERNEL_PA. */
#define MACHINE_KERNEL_PA UINT64_C(0x10000)
#define MACHINE_KERNEL_VA UINT64_C(0xffffffff81000000)
#define MACHINE_SWAPPER UINT64_C(0x12000)
#define MACHINE_VMCOREINFO UINT64_C(0x14000)
#define MACHINE_IDT UINT64_C(0x1f000)
#define MACHINE_IDT_VA UINT64_C(0xfffffe0000000000)
#define MACHINE_USER_PAGE UINT64_C(0x7f000)

/* Beside the kernel's root, in the kernel's image. */
#define MACHINE_NEAR_LEVEL3 UINT64_C(0x16000)

#define PTE_P UINT64_C(1)
#define PTE_W UINT64_C(2)
#define PTE_U UINT64_C(4)
#define PTE_NX (UINT64_C(1) << 63)

struct machine {
	unsigned nr_levels;
	uint64_t next_table; /* tables come from here on */
	struct mkelf elf;
	struct pgw_image *image;
	uint8_t ram[MACHINE_PAGES * 4096];
};

/** A machine with its kernel's root and a VMCOREINFO note in memory. */
void machine_init(struct machine *machine, unsigned nr_levels);
void machine_fini(struct machine *machine);

uint64_t machine_load(const struct machine *machine, uint64_t pa);
void machine_store(struct machine *machine, uint64_t pa, uint64_t value);
/** Where the kernel maps a page of its image. */
uint64_t machine_va(uint64_t pa);

/** Map a page; tables on the way get P, W and U of flags. */
void machine_map(struct machine *machine, uint64_t root, uint64_t va, uint64_t pa, uint64_t flags);
/** Make root a process's: the kernel's half of swapper, an empty user half. */
void machine_process(struct machine *machine, uint64_t root);
/** Make user the user's half of a KPTI pair with root. */
void machine_kpti(struct machine *machine, uint64_t root, uint64_t user);

/** The table that the last slots of all levels above lead to. */
uint64_t machine_level3(const struct machine *machine);
/** Make it look like Linux's level3_kernel_pgt. Before there are processes. */
void machine_make_level3(struct machine *machine);
/** Put it where the linker has it: to MACHINE_NEAR_LEVEL3. Before there are processes. */
void machine_move_level3(struct machine *machine);

/** Put a VMCOREINFO note into a page. */
void machine_note(struct machine *machine, uint64_t pa, const char *text);
/** The text that tells the truth. */
const char *machine_text(const struct machine *machine);

/** Add a CPU in long mode with this CR3. */
void machine_cpu(struct machine *machine, uint64_t cr3);
/** Dump it and open the dump. */
struct pgw_image *machine_open(struct machine *machine);
/** A machine with a process, whose root is at 0x20000, of one page, and its dump. */
struct pgw_image *machine_init_simple(struct machine *machine);
/** Close the dump, which is the caller's, and be done with the machine. */
void machine_fini_image(struct machine *machine, struct pgw_image *image);
/** As machine_open(), with options. */
struct pgw_image *machine_open_with(struct machine *machine, const struct pgw_image_options *opts);

#endif
