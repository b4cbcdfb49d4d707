/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_RACE_H
#define TESTS_SCHEDULE_RACE_H

/*
 * What happens before what, by the C11 memory model: a clock of each thread as every other one
 * knows it, joined where an acquire reads what a release wrote. So a schedule shows a missing
 * acquire or release although it ran in order. park and wake order nothing.
 *
 * Plain accesses are known by the calls that the compiler makes with -fsanitize=thread; tables
 * and objects in memory are looked at, stacks are not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A run begins: all that was before happened before it. */
void race_begin(void);

/** An atomic access: before it is made. */
void race_atomic(const volatile void *at, int order, int is_read, int is_write);
/** A fence that is more than an acquire. */
void race_fence(void);
/** New memory; memory that is freed, after the last access of anybody to it. */
void race_alloc(const void *at, size_t size);
void race_free(const void *at, size_t size);

/** A plain access of a test's own. */
void race_plain(const volatile void *at, size_t size, bool is_write);

#endif
