/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BARE_METAL_METAL_H
#define BARE_METAL_METAL_H

/* What programs without an operating system need, whatever the machine. */

#include "machine.h"

#define PAGE_SIZE UINT64_C(4096)

/** %s a string, %u a decimal and %x a hexadecimal number, both of 64 bits. */
void print(const char *format, ...);
/** Print, and switch the machine off. */
_Noreturn void die(const char *why);
/** Die if status is not 0. */
void require(int status, const char *what);

/** Pages, all zero, aligned to their size (a power of two); NULL: there are none left. */
void *pages_alloc(size_t size);
void pages_free(void *pages, size_t size);
size_t pages_in_use(void);

/**
 * The platform: tables and objects are pages, there is nobody to wait for. Breaches of a rule are
 * counted and printed.
 */
const struct pgw_platform *metal_platform(void);
/** The program's: forget translations of these addresses. */
void metal_flush(uint64_t first, uint64_t last);
/** Breaches of a rule until now. */
unsigned metal_nr_violations(void);

/** Map what this program consists of, and its devices, where they are, for the kernel alone. */
void map_image(struct pgw_mm *mm);

/** The rights of enum pgw_right as "rwx", for the first actor. */
const char *rights_text(uint8_t rights);

#endif
