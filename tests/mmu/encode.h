/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ENCODE_H
#define TESTS_ENCODE_H

/*
 * Items in the guest's RAM, in the machine's width and byte order; and, for formats
 * that pagewalk only reads, tables written by the machine's own encoder.
 */

#include "mmu/space.h"

uint64_t item_get(const struct space *space, uint64_t item_pa);
void item_set(const struct space *space, uint64_t item_pa, uint64_t entry);

/** The item of va in a table of this level. */
uint64_t item_pa_of(const struct space *space, uint64_t table_pa, uint64_t va, unsigned level);

/**
 * An empty table of this level, aligned as little as the CPU wants it.
 * @return its address; 0: there is no room
 */
uint64_t encode_table(struct space *space, unsigned level);

/**
 * Map a leaf, whose rights are bits here.
 * @return 0, -PGW_EEXIST, -PGW_ENOMEM, or -PGW_EOPNOTSUPP: no such leaf can be written
 */
int encode_leaf(struct space *space, uint64_t root_pa, const struct pgw_leaf *leaf, uint64_t bits);

#endif
