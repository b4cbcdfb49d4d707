/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_LAYOUT_H
#define SYSTEM_LINUX_LAYOUT_H

/* What the kernel uses its addresses for: inside of struct pgw_layout. */

#include <pagewalk/linux_layout.h>
#include <pagewalk/linux_modules.h>

#include "system/linux/inside.h"

struct pgw_layout {
	const struct pgw_format *format;
	struct pgw_layout_range *list;
	size_t *outer; /* of each, the one that holds it; SIZE_MAX: none */
	size_t nr, size;
	struct pgw_layout_met met;
};

/* layout_list.c */

/**
 * @param last   below first: nothing is added; what is not the kernel's half is counted as torn
 * @param detail is copied
 * @return 0 or -PGW_ENOMEM
 */
int layout_add(struct pgw_layout *layout, uint64_t first, uint64_t last, const char *name,
	       const char *detail, enum pgw_layout_source source);

/* layout_arch.c */

/** What is documented for the architecture, and what VMCOREINFO and variables say of it. */
int layout_of_arch(struct pgw_layout *layout, struct linux_inside *inside);

/* layout_image.c */

/** The kernel's image and the areas of CPUs. Pre: inside->symbols */
int layout_of_image(struct pgw_layout *layout, struct linux_inside *inside);

/* layout_vmalloc.c */

/** Areas of vmalloc(). Pre: inside->types. @param modules which name callers, too; or NULL */
int layout_of_vmalloc(struct pgw_layout *layout, struct linux_inside *inside,
		      const struct pgw_modules *modules);

/* layout_modules.c */

int layout_of_modules(struct pgw_layout *layout, const struct pgw_modules *modules);

#endif
