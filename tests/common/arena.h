/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ARENA_H
#define TESTS_ARENA_H

/*
 * A platform for tests of one thread: tables come from one block that starts
 * at a made-up physical address, so that the same tables can be owned and
 * attached; violations are recorded, not fatal.
 */

#include <pagewalk/pagewalk.h>

#define ARENA_PA UINT64_C(0x123400000)

/** Smaller tables get as much. */
#define ARENA_TABLE_MIN 128

struct arena {
	struct pgw_platform platform;
	struct pgw_phys_memory memory; /* the block as a source */
	struct pgw_thread thread;
	struct pgw_epoch epoch;
	unsigned char *mapping; /* with the block in it */
	unsigned char *block;
	struct pgw_ptdesc *descs; /* one for every ARENA_TABLE_MIN bytes of the block */
	size_t size, used;
	void *free_list[24];     /* by log2 of the size */
	long nr_tables, nr_objs; /* live */
	long fail_after;         /* the allocation that fails, counting from 0; -1 = none */
	unsigned nr_violations;
	struct pgw_violation violation; /* the last one */
	unsigned nr_flushes;
	uint64_t flush_first, flush_last;
};

/** @param size bytes for tables, a multiple of 64 KiB */
void arena_init(struct arena *arena, size_t size);
/** Asserts that nothing was left behind, after what is deferred is done. */
void arena_fini(struct arena *arena);

/**
 * The format with this index among those whose tables can be owned, and that have a user's and
 * a kernel's region; NULL past the last.
 */
const struct pgw_format *test_editable_format(size_t index);

/** The region with this index, of all formats whose tables can be owned; NULL past the last. */
const struct pgw_region *test_owned_region(size_t index, const struct pgw_format **ret_format);

/** Of these rights, those of whom the region has: not every one has a second actor. */
uint8_t test_region_rights(const struct pgw_region *region, uint8_t rights);

/** A 64-bit pseudo-random number; the seed is printed once by test_seed(). */
uint64_t test_random(uint64_t *state);
/** PGW_TEST_SEED or a new seed; prints it. */
uint64_t test_seed(void);

/** The vector registers that this machine has, as struct pgw_platform.cpu_features; or 0. */
uint32_t test_vector_features(void);

#endif
