/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_MEMORY_H
#define TESTS_SCHEDULE_MEMORY_H

/*
 * The memory of a world: one block that tables and objects come from, put back to what it was
 * before each schedule. What is freed stays as it is and is never given out again in the same
 * schedule (a quarantine); each thread has a part of its own, so that an address does not
 * depend on who came first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_THREADS 4
#define MEMORY_SETUP MEMORY_THREADS /* who allocates before the threads run */
#define MEMORY_TABLE 4096u
#define MEMORY_PA (UINT64_C(1) << 30)
/* The unit that places are told apart by. */
#define MEMORY_GRAIN 8u

enum memory_state { MEMORY_FRESH, MEMORY_LIVE, MEMORY_FREED };

/** Forget everything. */
void memory_init(void);
/** What there is now is what every schedule starts from. */
void memory_keep(void);
void memory_restore(void);

/** Zeroed; NULL if there is none left. @param owner a thread, or MEMORY_SETUP */
void *memory_alloc_table(unsigned owner);
void *memory_alloc_obj(unsigned owner, size_t size);
void memory_free(void *at, size_t size);
/** A part of an object that lives as long as something else does. */
void memory_mark(const void *at, size_t size, enum memory_state state);

/** Bytes that are neither fresh nor freed, by kind. */
size_t memory_nr_tables(void);
size_t memory_nr_objs(void);

bool memory_has(const volatile void *at);
bool memory_is_table(const volatile void *at);
/** The number of a table's, to find its descriptor by. */
size_t memory_table_index(const volatile void *at);
size_t memory_max_tables(void);
/** The number of the grain; at must be in memory. */
uint32_t memory_grain(const volatile void *at);
uint32_t memory_nr_grains(void);
enum memory_state memory_state(const volatile void *at);
/** The address of the block: table_offset of the platform. */
uintptr_t memory_block(void);

#endif
