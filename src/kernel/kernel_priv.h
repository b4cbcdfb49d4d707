/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KERNEL_KERNEL_PRIV_H
#define KERNEL_KERNEL_PRIV_H

#include <pagewalk/kernel.h>

#include "base/mutex.h"
#include "mm/mm_priv.h"

/** Memory that was added. */
struct kernel_block {
	struct kernel_block *next;
	uint64_t first, last; /* physical, inclusive */
	uint32_t flags;       /* enum pgw_hot_add_flag */
	/* The rest is guarded by the kernel's guard. */
	uint32_t nr_huge; /* huge pages that are not HUGE_PLAIN */
	uint8_t huge
		[]; /* enum huge_state or size_lg2, by as much memory as a page of descriptors describes */
};

/** What is known of a huge page: one of these, or its size_lg2 if it is optimised. */
enum huge_state {
	HUGE_PLAIN,
	HUGE_BUSY, /* a list has it */
};

struct pgw_kernel {
	struct pgw_kernel_args args;
	uint32_t nr_self_hosted; /* blocks; changed with the guard, atomic for who looks without */
	/* The page that tail descriptors share, by the huge page's size_lg2; see hvo.c. */
	struct {
		uint32_t exists; /* atomic */
		uint64_t pa;
	} shared[64];
	/* What is above is looked at by all threads, all the time: not in the guard's cache line. */
	uint8_t unused[64];
	uint32_t guard; /* of nr_self_hosted, shared and blocks; a leaf in the order of locks */
	struct kernel_block *blocks;
};

/** One change of kernel tables: what pt wants to know, and what is left to flush. */
struct kernel_edit {
	struct pt_gather gather;
	struct pt_edit pt;
	const struct pt_edit_ops *ops;
};

static inline void kernel_edit_begin(struct kernel_edit *edit, const struct pgw_mm *mm)
{
	gather_init(&edit->gather, &mm->pt, mm_policy(mm));
	edit->pt =
		(struct pt_edit){ .pt = &mm->pt, .policy = mm_policy(mm), .gather = &edit->gather };
	edit->ops = mm->pt.format->edit;
}

static inline const struct pgw_geometry *kernel_geometry(const struct pgw_kernel *kernel)
{
	return &kernel->args.kernel_mm->pt.format->geometry;
}

static inline uint64_t kernel_page_size(const struct pgw_kernel *kernel)
{
	return BIT(kernel_geometry(kernel)->granule_lg2);
}

/** Where the descriptor of a frame is mapped. */
static inline uint64_t kernel_desc_va(const struct pgw_kernel *kernel, uint64_t pa)
{
	return kernel->args.vmemmap_va +
	       ((pa >> kernel_geometry(kernel)->granule_lg2) << kernel->args.desc_lg2);
}

/** As much memory as a page of descriptors describes: log2. */
static inline unsigned kernel_unit_lg2(const struct pgw_kernel *kernel)
{
	return 2u * kernel_geometry(kernel)->granule_lg2 - kernel->args.desc_lg2;
}

/**
 * A range of an owned kernel mm that may change without its lock: aligned,
 * inside the region. @return 0, -PGW_EINVAL, or -PGW_EOPNOTSUPP (a leaf of the root that is shared)
 */
int kernel_check_range(const struct pgw_mm *mm, uint64_t first, uint64_t last);

/** Does a frame belong to memory that holds its own descriptors? Takes the guard if there is such memory. */
bool kernel_is_self_hosted(struct pgw_kernel *kernel, uint64_t pa);

/**
 * Take a huge page for a change. Until it is given back nobody else can take it, or
 * any of its memory, and that cannot be removed. Needs the guard: who has a list
 * takes it once, because other threads want it as often.
 * @param state what it must be: HUGE_PLAIN or its size_lg2
 * @return 0, -PGW_EINVAL (no such memory), -PGW_EBUSY (it is not in this state)
 */
int kernel_huge_take_locked(struct pgw_kernel *kernel, uint64_t pa, uint8_t size_lg2,
			    uint8_t state);
/** Give it back: HUGE_PLAIN or its size_lg2. Needs the guard. */
void kernel_huge_give_locked(struct pgw_kernel *kernel, uint64_t pa, uint8_t size_lg2,
			     uint8_t state);

#endif
