/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_MM_PRIV_H
#define MM_MM_PRIV_H

/* An address space, as this layer sees it. */

#include <pagewalk/mm.h>

#include "mm/lock.h"
#include "pt/pt.h"

struct pgw_mm {
	const struct pgw_platform *platform;
	enum pgw_mm_kind kind;
	enum pgw_half half;
	struct pt pt;
	struct pgw_mm *kernel_mm; /* of a user mm, or NULL */
	struct pgw_mmap_lock lock;
};

/*
 * Report the breach of a rule to the platform.
 * @return -PGW_EPERM, or -PGW_EDEADLK for recursion
 */
int mm_violation(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);

/* This thread holds the lock in any mode, or a violation of rule. A snapshot always passes. */
int mm_assert_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);
/* ... for write; a downgraded lock does not count. */
int mm_assert_write_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);

/* The novma rule: a user mm needs its lock for write, a kernel mm at least for read. */
int mm_assert_novma(const struct pgw_mm *mm, const char *function);

/* first..last lies inside the mm's half. */
bool mm_covers(const struct pgw_mm *mm, uint64_t first, uint64_t last);

#endif
