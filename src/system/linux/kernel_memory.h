/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_KERNEL_MEMORY_H
#define SYSTEM_LINUX_KERNEL_MEMORY_H

/* The kernel's own virtual memory, read through its root. */

#include <pagewalk/image.h>

#define LINUX_SPANS 256

/** Addresses that one leaf maps. */
struct linux_span {
	uint64_t first, last; /* inclusive; last 0: none */
	uint64_t pa;
};

struct linux_memory {
	const struct pgw_image *image;
	struct pgw_root_info root;
	bool is_big;                          /* the machine's byte order */
	uint64_t reads_left;                  /* at 0 nothing can be read any more */
	struct linux_span spans[LINUX_SPANS]; /* those used last, by page */
};

void linux_memory_init(struct linux_memory *mem, const struct pgw_image *image,
		       const struct pgw_root_info *kernel_root);

/** The physical address of va. @return is it mapped? */
bool linux_memory_pa(struct linux_memory *mem, uint64_t va, uint64_t *ret_pa);

/** All or nothing. @return 0, or -PGW_EIO: not mapped, not in the image, or it would wrap */
int linux_memory_read(struct linux_memory *mem, uint64_t va, void *buf, size_t len);

/** An unsigned number of 1, 2, 4 or 8 bytes in the machine's order. @return as linux_memory_read() */
int linux_memory_number(struct linux_memory *mem, uint64_t va, unsigned size, uint64_t *ret);

/** A pointer, or an unsigned long. */
static inline int linux_memory_word(struct linux_memory *mem, uint64_t va, uint64_t *ret)
{
	return linux_memory_number(mem, va, 8, ret);
}

/**
 * Bytes up to a NUL, of which size are looked at, at most. @return as linux_memory_read(), or
 * -PGW_E2BIG: no NUL is among them
 */
int linux_memory_string(struct linux_memory *mem, uint64_t va, char *buf, size_t size);

#endif
