/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_KERNEL_FRAMES_H
#define TESTS_KERNEL_FRAMES_H

/*
 * The page allocator of a make-believe kernel: struct pgw_kernel_ops. Aborts
 * when a page comes back that it did not hand out, and poisons what comes back.
 * Any thread may call it.
 */

#include <pagewalk/pagewalk.h>

#include <pthread.h>

/** Where its memory lies. */
#define FRAMES_PA (UINT64_C(1) << 45)

struct frames {
	unsigned char *memory;
	bool *is_taken; /* by page */
	uint8_t page_lg2;
	size_t nr_pages, next;
	pthread_mutex_t lock;
	uint8_t max_lg2; /* larger ones are refused */
	long fail_after; /* the allocation that fails, counting from 0; -1 = none */
	long nr_taken;   /* pages that are out */
	long max_taken;  /* of these at most so many */
	/* A page comes back: nobody may know it any more. Before it is free. Optional. */
	void (*on_free)(void *arg, uint64_t pa);
	/* The library is about to look at memory. Optional. */
	void (*on_access)(void *arg);
	void *arg;
};

extern const struct pgw_kernel_ops frames_ops; /* ctx: struct frames */

/** Memory is touched only where it is used. */
void frames_init(struct frames *frames, uint8_t page_lg2, size_t nr_pages);
/** Asserts that all pages came back. */
void frames_fini(struct frames *frames);

/** The bytes of a page that is out. */
void *frames_page(struct frames *frames, uint64_t pa);

#endif
