/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_MAPPING_PRIV_H
#define MM_MAPPING_PRIV_H

/* A file's mapping, as this layer sees it. */

#include <pagewalk/mapping.h>

#include "base/bits.h"
#include "mm/lock.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_tree.h"
#include "mm/vma/vma_change.h"

struct pgw_mapping {
	const struct pgw_platform *platform;
	const struct pgw_vma_ops *ops;
	void *arg;
	uint8_t page_lg2;
	struct pgw_mmap_lock lock; /* the i_mmap lock */
	struct file_vma *root;     /* see mapping_tree.h; guarded by lock */
	size_t nr_vmas;            /* guarded by lock */
	uint64_t nr_pages;         /* atomic */
	/* How often pages were taken out; atomic. See mapping.c. */
	uint64_t nr_unmaps;
};

/* The whole of a VMA that has a mapping. */
static inline struct file_vma *file_vma_of(const struct pgw_vma *vma)
{
	return pgw_container_of((struct pgw_vma *)vma, struct file_vma, vma);
}

/* As mm_violation(), of the i_mmap lock. */
int mapping_violation(const struct pgw_mapping *mapping, enum pgw_rule rule, const char *function);

/* This thread holds the i_mmap lock in any mode, or a violation. */
int mapping_assert_locked(const struct pgw_mapping *mapping, const char *function);

/** May mms like this one have VMAs of the file? */
bool mapping_fits(const struct pgw_mapping *mapping, const struct pgw_mm *mm);

/* The addresses at which a VMA shows some of first..last, of which it shows one at least. The i_mmap lock is held. */
void mapping_clip(const struct file_vma *f, uint64_t first, uint64_t last, uint64_t *ret_start,
		  uint64_t *ret_end);

/* How often pages were taken out. Who has the number, and then looks at the size, sees no older one. */
uint64_t mapping_nr_unmaps(const struct pgw_mapping *mapping);
/*
 * With the lock of the table where a leaf is to go: is it still allowed?
 * @return false: since the number was had pages were taken out, perhaps this one; ask again
 */
bool mapping_may_map(const struct pgw_mapping *mapping, uint64_t nr_unmaps);

/*
 * A change of VMAs, in the trees of their files: the holder of the mmap lock for write
 * takes the i_mmap locks one by one. Whoever finds VMAs by the file sees, of each
 * run of neighbours of one file, all that was or all that comes.
 */

/*
 * Take the i_mmap lock of a file, or of none, for longer than mapping_apply_change(): who
 * looks through the file waits until pages are where the change says.
 * @return 0, or what the caller is to return
 */
int mapping_hold(struct vma_change *change, struct pgw_mapping *mapping);
void mapping_let_go(struct vma_change *change);

/* May this thread take the locks? @return 0, or what the caller is to return */
int mapping_check_change(const struct vma_change *change);
/*
 * Cannot fail after mapping_check_change(). Those that go are gone, and their holders of the
 * i_mmap lock have left; but for what is leaving, see struct vma_change.
 */
void mapping_apply_change(const struct vma_change *change);
/* All that go are gone now. */
void mapping_leave(const struct vma_change *change);

#endif
