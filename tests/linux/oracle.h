/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

/*
 * What the comparison and Linux's walker, in a shared object, tell each other.
 * Included by both; knows neither Linux's types nor our walker.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oracle_switch.h"

/** Events of a trace. The first five are walkers' levels: pte to pgd. */
enum oracle_what {
	EV_PTE,
	EV_PMD,
	EV_PUD,
	EV_P4D,
	EV_PGD,
	EV_HOLE,
	EV_TEST,
	EV_PRE,
	EV_POST,
	EV_HUGETLB,    /* its action: log2 of the page's size; its depth: the second lock is held */
	EV_INSTALL,    /* its entry: what the callback leaves to be installed */
	_EV_CALLBACKS, /* those above are callbacks, and bits of the case's ops */
	EV_BAD = _EV_CALLBACKS, /* an entry was found malformed */
	EV_BREACH,              /* of a locking rule */
	EV_SPIN,                /* no end in sight */
	EV_NO_CALLBACK,         /* one that is not there is called */
	_EV_MAX,
};

enum oracle_entry_point {
	CALL_RANGE,
	CALL_RANGE_VMA,
	CALL_PAGE_VMA,
	CALL_RANGE_UNSAFE,
	CALL_VMA_UNSAFE,
	CALL_MAPPING,
	CALL_NOVMA, /* those before go through VMAs */
	CALL_KERNEL,
	CALL_KERNEL_LOCKLESS,
	CALL_DEBUG,
	_CALL_MAX,
};

static inline bool oracle_has_vmas(enum oracle_entry_point entry_point)
{
	return entry_point < CALL_NOVMA;
}

/** It walks one VMA. */
static inline bool oracle_of_vma(enum oracle_entry_point entry_point)
{
	return entry_point == CALL_RANGE_VMA || entry_point == CALL_PAGE_VMA ||
	       entry_point == CALL_VMA_UNSAFE;
}

/** It accepts install_pte. */
static inline bool oracle_may_install(enum oracle_entry_point entry_point)
{
	return entry_point == CALL_RANGE_UNSAFE || entry_point == CALL_VMA_UNSAFE;
}

enum oracle_vma_kind {
	VMA_ANON,
	VMA_PFNMAP,
	VMA_HUGETLB,
	_VMA_KIND_MAX,
};

/** Whose lock a breach is about. */
enum oracle_lock_of { LOCK_OF_USER, LOCK_OF_KERNEL, LOCK_OF_VMA, LOCK_OF_FILE };

/** How a lock is held. */
enum oracle_lock { HELD_NOT, HELD_READ, HELD_WRITE, _HELD_MAX };

/** Moments of a walk that effects can be at. */
enum oracle_moment { AT_CALLBACK, AT_SPLIT, AT_MAPPED, AT_LOCKED, _AT_MAX };

#define EVENT_OTHER_MM 0x80u

struct oracle_event {
	uint8_t what;
	int8_t depth; /* holes, bad entries; of breaches whose lock */
	uint8_t action;
	uint8_t vma; /* its index plus 1, or 0; EVENT_OTHER_MM: walk->mm is not the VMA's */
	uint64_t addr, next;
	uint64_t slot; /* the physical address of what the callback got a pointer to, or 0 */
	uint64_t entry;
};

/** How entries are encoded: what the shim needs to know of it. */
enum oracle_encoding { ENC_X86, ENC_RISCV, ENC_ARM64 };

struct oracle_shape {
	enum oracle_encoding encoding;
	unsigned top_level; /* as in struct pgw_geometry */
	unsigned page_lg2;
	uint8_t span_lg2[5];
	uint8_t slots_lg2[5];
	uint64_t task_size;
};

/** Our classification of an entry: enum pgw_entry_kind by other names. */
enum oracle_kind { KIND_EMPTY, KIND_ABSENT, KIND_TABLE, KIND_LEAF, KIND_MALFORMED };

/** What the comparison does for the shim. */
struct oracle_host {
	void *ctx;
	/** A callback: the trace, and the case's effects. @return what the callback returns */
	int (*callback)(void *ctx, struct oracle_event *event, unsigned *action);
	/** An event that is no callback. */
	void (*note)(void *ctx, const struct oracle_event *event);
	void (*moment)(void *ctx, enum oracle_moment moment, uint64_t *slot);
	enum oracle_kind (*kind)(void *ctx, uint64_t entry, unsigned table_level);
	/** The table that an entry points to; one of zeroes if that is nowhere. */
	uint64_t *(*table)(void *ctx, uint64_t entry, unsigned table_level);
	uint64_t (*physical)(void *ctx, const uint64_t *slot);
	/** @return 0 or -ENOMEM */
	int (*split)(void *ctx, uint64_t *slot, unsigned table_level, uint64_t va);
	/** An empty slot gets a table. @return 0 or -ENOMEM */
	int (*make_table)(void *ctx, uint64_t *slot, unsigned table_level);
	/** Linux and we differ here, by this name. @return do what we do */
	bool (*differs)(void *ctx, enum oracle_switch sw);
};

struct oracle_vma {
	uint64_t start, end;
	enum oracle_vma_kind kind;
	enum oracle_lock held;
	uint8_t page_lg2; /* of a hugetlb VMA */
	bool is_of_file, in_second;
	uint64_t pgoff;
};

/** One walk that Linux is to make. */
struct oracle_call {
	const struct oracle_host *host;
	const struct oracle_shape *shape;
	enum oracle_entry_point entry_point;
	bool of_kernel;   /* the kernel's mm is walked, not the user's */
	bool is_snapshot; /* for us it is one */
	uint64_t start, end;
	uint32_t ops; /* bits of enum oracle_what */
	unsigned walk_lock;
	enum oracle_lock held[2]; /* the user's mmap lock, the kernel's */
	uint64_t *root[2];
	uint64_t *other_root;    /* to start from, or NULL */
	uint64_t *second_root;   /* of a second user mm, or NULL */
	enum oracle_lock i_mmap; /* how the file's lock is held */
	uint64_t first, nr;      /* of a walk of the file: pages */
	struct oracle_vma *vmas; /* in order */
	size_t nr_vmas;
	size_t vma; /* of calls on one */
	/* A walk that takes more steps than this has no end; how many it took. */
	unsigned long max_ticks, ticks;
};

struct oracle_kernel {
	uint32_t entry_points; /* bits */
	uint32_t callbacks;    /* bits of enum oracle_what */
	unsigned nr_walk_locks;
	/** @return Linux's */
	int (*run)(struct oracle_call *call);
};

/** A marker of a page-table dump. */
struct oracle_marker {
	uint64_t va;
	const char *name;
	uint64_t max_lines; /* x86 */
};

/** What a dump prints. */
struct oracle_text {
	char *text;
	size_t len, size; /* len > size: it was too long */
};

/** Linux's page-table dump of an architecture. */
struct oracle_dumper {
	/** Of call, the roots count: x86 dumps the user's, both halves; others the kernel's. */
	void (*dump)(struct oracle_call *call, const struct oracle_marker *markers, size_t nr,
		     struct oracle_text *text);
};

#define ORACLE_DUMPER_SYMBOL "oracle_dumper"

/** The symbol in the shared object. */
#define ORACLE_KERNEL_SYMBOL "oracle_kernel"

#endif
