/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_FACTS_H
#define SYSTEM_LINUX_FACTS_H

/* What Linux says of itself, in notes and in memory, and what its releases do. */

#include <pagewalk/image.h>
#include <pagewalk/linux_absent.h>

#define IMAGE_MAX_VMCOREINFO 16                        /* in notes, and in memory */
#define IMAGE_MAX_TEXTS (2 * IMAGE_MAX_VMCOREINFO + 1) /* with one that is given */
#define IMAGE_MAX_VMCOREINFO_SIZE (UINT32_C(128) << 10)
#define IMAGE_MAX_MARKERS 64     /* with the end marker */
#define IMAGE_MAX_MARKER_NAME 64 /* with its NUL */

struct image_swapper;

/* vmcoreinfo.c */

/** Keep a text: place is a physical address or a file offset. @return 0 or -PGW_ENOMEM */
int image_vmcoreinfo_add(struct pgw_image *image, enum pgw_vmcoreinfo_source source, uint64_t place,
			 char *text, size_t size);
/** A plain decimal KEY=VALUE. @return false if it is not there or not a number */
bool image_vmcoreinfo_dec(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret);
/** The same, hexadecimal. */
bool image_vmcoreinfo_hex(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret);
/** Does a note with such a text begin with this page? */
bool image_is_vmcoreinfo(const uint8_t *page);
/** Keep the text of the note that begins at pa, if it is one. @return 0 or -PGW_ENOMEM */
int image_vmcoreinfo_take(struct pgw_image *image, uint64_t pa);
/** Keep a copy of the text that the options have, if they do. @return 0 or -PGW_ENOMEM */
int image_vmcoreinfo_add_given(struct pgw_image *image);
/** Forget the texts in memory. */
void image_vmcoreinfo_forget(struct pgw_image *image);

/* linux_absent.c */

/** The release that a text tells; with NULL, that the first of those tells that are known so far. */
void image_linux_release(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct pgw_linux *ret);

/* arm64_mair.c */

/**
 * The MAIR_EL1 of a kernel's release, if a leaf that maps memory is normal memory by it;
 * else the only one of Linux's by which it is.
 * @return false if that does not tell
 */
bool image_arm64_memory_types(const struct pgw_linux *kernel, uint64_t leaf, uint64_t *ret);

#endif
