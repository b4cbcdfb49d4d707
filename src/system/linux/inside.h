/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_INSIDE_H
#define SYSTEM_LINUX_INSIDE_H

/* What reading the kernel's own structs takes: its memory, its symbols, its types. */

#include "system/linux/symbols.h"
#include "system/linux/types.h"

struct linux_inside {
	struct pgw_image *image;
	struct linux_memory memory;
	const struct pgw_symbols *symbols;
	const struct linux_types *types; /* the image's; there until that is closed */
};

/**
 * Of the kernel that is meant. What was found is kept in the image.
 * @return 0, -PGW_ENOENT (no kernel's root, no symbols, no BTF), -PGW_ENOEXEC (its BTF does not hold
 *         together), -PGW_EIO, -PGW_ENOMEM
 */
int linux_inside_open(struct linux_inside *inside, struct pgw_image *image, struct pgw_error *err);

/** A symbol's address. @return 0: there is none */
uint64_t linux_inside_symbol(const struct linux_inside *inside, const char *name);

/**
 * The kernel's VMCOREINFO. If no note has it, all memory is looked through.
 * @param ret NULL: there is none
 * @return 0 or -PGW_ENOMEM
 */
int linux_inside_vmcoreinfo(const struct linux_inside *inside, const struct pgw_vmcoreinfo **ret);

/** A number where a member of a struct at va is; sizes of 1 to 8 bytes. @return 0 or -PGW_EIO */
int linux_inside_number(struct linux_inside *inside, uint64_t va, const struct linux_member *member,
			uint64_t *ret);

/** How a list ended. */
enum linux_list_end {
	LINUX_LIST_WHOLE,
	LINUX_LIST_TORN,       /* a link that does not lead back */
	LINUX_LIST_UNREADABLE, /* a link that is not in the image */
	LINUX_LIST_CUT,        /* there were no steps left */
};

/**
 * A struct list_head, from its head on. Each link has to be one back and forth, so that no loop but
 * the one through the head goes on, and steps are counted, too.
 * @param steps_left is counted down
 * @param fn         gets the address of each node; what is not 0 ends it, and is returned
 */
int linux_list_each(struct linux_memory *mem, uint64_t head, uint64_t *steps_left,
		    int (*fn)(void *arg, uint64_t node), void *arg, enum linux_list_end *ret_end);

#endif
