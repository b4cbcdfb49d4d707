/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SPACE_H
#define TESTS_SPACE_H

/*
 * Page tables in the guest's RAM: written by pagewalk's encoder through owned
 * mms, then changed behind its back, then read as foreign ones.
 */

#include "mmu/machine.h"

#define SPACE_MAX_LEAVES 512

struct space_leaf {
	enum pgw_region_kind region;
	uint64_t va, pa;
	uint64_t last; /* inclusive; of the whole run */
};

struct space {
	const struct machine *machine;
	const struct encoder *encoder; /* of tables of the format; NULL: pagewalk's own */
	struct setting setting;
	const struct pgw_geometry *geo;
	uint64_t *random;
	unsigned char *ram;
	size_t used;              /* of RAM, by tables and what comes before them */
	struct pgw_ptdesc *descs; /* of tables, by their place in RAM */
	struct pgw_platform platform;
	struct pgw_phys_memory memory;
	enum pgw_region_kind region[2]; /* the format's */
	size_t nr_regions;
	struct pgw_mm *owned[_PGW_REGION_MAX]; /* NULL where the machine has an encoder */
	struct pgw_mm *seen[_PGW_REGION_MAX];  /* the same tables as foreign ones */
	uint64_t root[_PGW_REGION_MAX];
	struct space_leaf leaf[SPACE_MAX_LEAVES];
	size_t nr_leaves;
	/* maps the target area; what is spread over tables is like its entries */
	uint64_t template_va;
	struct {
		uint64_t first, last;
	} kept[64]; /* physical addresses of items that the stub needs */
	size_t nr_kept;
};

/** An empty space with what the stub needs. Old tables in RAM are gone. */
void space_init(struct space *space, const struct machine *machine, const struct setting *setting,
		unsigned char *ram, uint64_t *random);
void space_fini(struct space *space);

/** Map random leaves: at least one of every size, and up to nr. */
void space_map_random(struct space *space, size_t nr);
/** End of mapping; space->seen can be used from here on. */
void space_seal(struct space *space);
/** Change random items: flip bits, copy items from elsewhere. */
void space_spoil(struct space *space, size_t nr);

/**
 * What an address means, by pgw_translate_path(); to user code, where both regions have it. Unreadable also where the
 * way leads through memory that is not tables': it may change meanwhile.
 */
void space_translate(const struct space *space, uint64_t va, bool is_user,
		     struct pgw_translation *ret, struct pgw_path *ret_path, bool *ret_canonical);

/**
 * Rights in every combination: map a leaf that covers the target area, then
 * fill each table on the way down to it with the same item, its rights bits
 * counting up.
 */
void space_spread_rights(struct space *space, enum pgw_region_kind half, unsigned leaf_level);

/** How many combinations a table of this level shows below such a leaf's level. */
unsigned space_nr_combinations(const struct space *space, unsigned level, unsigned leaf_level);

/**
 * An address of the target area, reached through these combinations.
 * @param combination by level, from leaf_level to the top
 */
uint64_t space_spread_va(const struct space *space, enum pgw_region_kind half, unsigned leaf_level,
			 const unsigned *combination);

/** The same with one bit flipped in each item, all in turn, and one that is a copy of the leaf's. */
void space_spread_flips(struct space *space, enum pgw_region_kind half, unsigned leaf_level);

/** How many items of a table these are. */
unsigned space_nr_flips(const struct space *space, unsigned level);

/** An address of the target area, reached through the n-th of them, from 1. */
uint64_t space_flip_va(const struct space *space, unsigned level, unsigned n);

#endif
