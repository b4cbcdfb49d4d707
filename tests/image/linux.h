/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_LINUX_H
#define TESTS_LINUX_H

/*
 * A small machine of any arm64 or riscv64 format that runs something like
 * Linux: 64 pages of RAM, the kernel's tables with its image and its linear
 * map, no registers. Tests make it, bend it, and dump it, as an ELF core or raw.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/image.h>

#include "image/mkelf.h"

#define LINUX_PAGES 64

/* Fixed places, in pages of the granule from the start of RAM. */
#define LINUX_KERNEL 2 /* the image, 8 pages */
#define LINUX_SWAPPER 4
#define LINUX_VMCOREINFO 6
#define LINUX_ROOTS 12 /* processes', 4 pages */
#define LINUX_TABLES 16
#define LINUX_USER_PAGE 63

#define DESC_AF (UINT64_C(1) << 10)
#define DESC_NG (UINT64_C(1) << 11)
#define DESC_PXN (UINT64_C(1) << 53)
#define DESC_UXN (UINT64_C(1) << 54)
#define DESC_PXNTABLE (UINT64_C(1) << 59)
#define DESC_UXNTABLE (UINT64_C(1) << 60)
#define DESC_USER (DESC_AF | DESC_NG | DESC_PXN | UINT64_C(0x40))

struct linux_machine {
	const struct pgw_format *format;
	bool is_arm64;
	uint64_t page;       /* bytes */
	uint64_t base;       /* of RAM */
	uint64_t kernel_va;  /* of the image */
	uint64_t table_bits; /* arm64: in entries of all tables that are made */
	uint64_t next_table; /* tables come from here on */
	struct mkelf elf;
	struct pgw_image *image;
	char path[64]; /* of the raw file */
	uint8_t *ram;
};

/** A machine with its kernel's root; no VMCOREINFO, no processes. */
void linux_init(struct linux_machine *m, const struct pgw_format *format, uint64_t table_bits);
/** The same, whose memory begins there. */
void linux_init_at(struct linux_machine *m, const struct pgw_format *format, uint64_t table_bits,
		   uint64_t base);
void linux_fini(struct linux_machine *m);

/** The physical address of a page of RAM. */
uint64_t linux_pa(const struct linux_machine *m, unsigned page);
/** The address of swapper_pg_dir. */
uint64_t linux_swapper_va(const struct linux_machine *m);
uint64_t *linux_word(const struct linux_machine *m, uint64_t pa);
/** The slot for va in the table at this level. */
uint64_t linux_slot(const struct linux_machine *m, uint64_t root, uint64_t va, unsigned level);

/** Map a page; bits of the entries, beside the address and what makes it a table or leaf. */
void linux_map(struct linux_machine *m, uint64_t root, uint64_t va, uint64_t pa,
	       uint64_t table_bits, uint64_t leaf_bits);
/**
 * The root of process number index, below 4, which maps a page at 0x400000.
 * arm64: roots that are smaller than a page share one.
 */
uint64_t linux_process(struct linux_machine *m, unsigned index);

/** Put a VMCOREINFO note into memory. */
void linux_note(struct linux_machine *m, const char *text);
/** Dump it, and open the dump. */
struct pgw_image *linux_open(struct linux_machine *m);
/** The same, raw. @return as pgw_image_open() */
int linux_open_raw(struct linux_machine *m, const struct pgw_image_options *opts,
		   struct pgw_error *err);

#endif
