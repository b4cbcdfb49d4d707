/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_ABSENT_H
#define PAGEWALK_LINUX_ABSENT_H

/**
 * @file
 * What Linux keeps in entries that are not valid. The MMU ignores these words;
 * their layout is the kernel's own, and changed over its releases. Hosted only.
 *
 * Known are x86_64, arm64 and riscv64. docs/images.md has the tables, with the
 * releases and the headers of Linux that they come from.
 */

#include <pagewalk/format.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_image;

/** The Linux whose tables are looked at. All zero: nothing is known of it. */
struct pgw_linux {
	bool is_known;  /**< the release is; else the newest layouts are assumed */
	unsigned major; /**< 6 of 6.12 */
	unsigned minor; /**< 12 of 6.12 */
	/** Tells a device's frames, which are not in it, from those of memory; may be NULL. */
	const struct pgw_image *memory;
};

/** What an entry is for. */
enum pgw_absent_kind {
	PGW_ABSENT_UNKNOWN, /**< nothing that Linux is known to keep in such an entry */
	/**
	 * Mapped, and nobody may use it: mprotect(PROT_NONE), or a hint of NUMA
	 * balancing, which differs from that in nothing but the rights of the VMA.
	 */
	PGW_ABSENT_PROT_NONE,
	/** Mapped, and made invalid: a huge page that is being split or changed; a page of the kernel's. */
	PGW_ABSENT_INVALID,
	PGW_ABSENT_SWAP,             /**< swapped out: type and offset */
	PGW_ABSENT_MIGRATION,        /**< the page is on its way to another frame */
	PGW_ABSENT_DEVICE_PRIVATE,   /**< in memory of a device that the CPU cannot reach */
	PGW_ABSENT_DEVICE_EXCLUSIVE, /**< in memory, a device has it for itself */
	PGW_ABSENT_HWPOISON,         /**< the frame's hardware has failed */
	PGW_ABSENT_MARKER,           /**< no page: a note that is in the flags */
	PGW_ABSENT_MMIO, /**< KVM's nested tables: MMIO to be emulated; the guest's address is in the entry */
	_PGW_ABSENT_KIND_MAX,
};

/** What more is known. Which of them an entry can have depends on its kind. */
enum pgw_absent_flag {
	PGW_ABSENT_HAS_PA = 1 << 0,    /**< pa is meant */
	PGW_ABSENT_IS_SWAP = 1 << 1,   /**< type and offset are meant */
	PGW_ABSENT_WRITABLE = 1 << 2,  /**< the page was mapped writable */
	PGW_ABSENT_EXCLUSIVE = 1 << 3, /**< an anonymous page of this process alone */
	PGW_ABSENT_YOUNG = 1 << 4,     /**< it was accessed */
	PGW_ABSENT_DIRTY = 1 << 5,     /**< it was written to */
	PGW_ABSENT_SOFT_DIRTY = 1 << 6,
	PGW_ABSENT_UFFD_WP = 1 << 7, /**< write-protected by userfaultfd */
	PGW_ABSENT_POISONED =
		1 << 8, /**< marker: an access ends in SIGBUS, as after a failed swap-in */
	PGW_ABSENT_GUARD =
		1 << 9, /**< marker: a guard page (MADV_GUARD_INSTALL), an access ends in SIGSEGV */
	/**
	 * The meaning rests on an assumption: on the newest layout because the
	 * release is not known or too old to be told; or on how the kernel was configured, which
	 * moves the numbers of the special swap types.
	 */
	PGW_ABSENT_ASSUMED = 1 << 10,
};

/** One entry, decoded. */
struct pgw_absent {
	enum pgw_absent_kind kind;
	uint32_t flags;  /**< enum pgw_absent_flag */
	unsigned type;   /**< of the swap entry: a swap area's number, or a special one */
	uint64_t offset; /**< in pages of the format's granule; of special types what they hold */
	uint64_t pa;     /**< of the page's first byte */
};

/**
 * Say what an absent entry means.
 *
 * @param kernel NULL: as all zero
 * @param region in which the entry is: the kernel swaps nothing of its own, and nothing of guests'
 * @param level  of the table that holds it
 * @param entry  the raw word; not 0, and not valid for the MMU
 */
PGW_API void pgw_linux_absent(const struct pgw_linux *kernel, const struct pgw_format *format,
			      enum pgw_region_kind region, unsigned level, uint64_t entry,
			      struct pgw_absent *ret);

/**
 * Does b go on where a ends: is it of the same kind, and the next in memory or in
 * the swap area, or the same marker?
 * @param bytes how far b's first address is from a's
 */
PGW_API bool pgw_absent_continues(const struct pgw_format *format, const struct pgw_absent *a,
				  const struct pgw_absent *b, uint64_t bytes);

/**
 * The Linux in an image, by its VMCOREINFO, and the image as its memory.
 * @return 0 (also if there is none: is_known says so), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_linux(struct pgw_image *image, struct pgw_linux *ret);

#ifdef __cplusplus
}
#endif

#endif
