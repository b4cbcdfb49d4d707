/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_PT_CHAIN_H
#define TESTS_PT_CHAIN_H

/*
 * One way down: a chain of tables with one entry each, so that a test can put
 * any bits at any level and ask what the walkers make of them. Include after
 * cmocka's headers.
 */

#include <string.h>

#include "base/bits.h"
#include "pt/pt.h"

/* Table n, of level n, lies here; the largest granule is 64 KiB. */
#define CHAIN_TABLE(level) ((uint64_t)(level) << 16)
/* What a lowest leaf maps. */
#define CHAIN_PAGE UINT64_C(0x70000)

struct chain {
	struct pgw_phys_memory source;
	struct pt pt;
	uint64_t va; /* the first of its region */
};

static uint64_t chain_memory[PGW_MAX_LEVELS][8192];

static inline void chain_init(struct chain *chain, const char *format, enum pgw_region_kind kind)
{
	const struct pgw_region *region;

	memset(chain, 0, sizeof(*chain));
	memset(chain_memory, 0, sizeof(chain_memory));
	assert_int_equal(
		pgw_phys_memory_init(&chain->source, 0, chain_memory, sizeof(chain_memory)), 0);
	chain->pt.format = pgw_format_by_name(format);
	assert_non_null(chain->pt.format);
	chain->pt.root_pa = CHAIN_TABLE(pgw_format_geometry(chain->pt.format)->top_level);
	chain->pt.budget = 100;
	chain->pt.phys = &chain->source.phys;
	region = pgw_format_region(chain->pt.format, kind);
	assert_non_null(region);
	chain->pt.region = *region;
	chain->va = region->first;
}

/* The bits are those that an entry has beside its address. */
static inline void chain_put(struct chain *chain, unsigned level, uint64_t bits,
			     uint64_t address_bits)
{
	const struct pgw_geometry *geo = pgw_format_geometry(chain->pt.format);
	uint64_t slot = chain->va >> geo->span_lg2[level] & low_bits(geo->slots_lg2[level]);
	uint8_t *item = (uint8_t *)chain_memory[level] + (slot << geo->item_lg2);
	uint64_t entry = bits | address_bits;

	for (unsigned size = 1u << geo->item_lg2, i = 0; i < size; i++, entry >>= 8)
		item[geo->is_big_endian ? size - 1 - i : i] = (uint8_t)entry;
}

static inline int chain_keep(const struct pgw_extent *extent, void *arg)
{
	*(struct pgw_extent *)arg = *extent;
	return 0;
}

/* A translation, with which a scan of the same page must agree. */
static inline struct pgw_translation chain_translate(struct chain *chain,
						     const struct pgw_control *known)
{
	struct pgw_extent extent = { .kind = PGW_ENTRY_EMPTY };
	struct pgw_scan_stats stats = { 0 };
	struct pgw_translation got;

	chain->pt.control = pgw_control_assume(chain->pt.format, known);
	pt_prepare(&chain->pt);
	pt_ops(&chain->pt)->translate(&chain->pt, chain->va, &got, NULL);
	assert_int_equal(pt_ops(&chain->pt)
				 ->scan(&chain->pt, chain->va, chain->va + 0xfff, chain_keep,
					&extent, &stats),
			 0);
	assert_int_equal(extent.kind, got.kind);
	assert_int_equal(extent.rights, got.rights);
	assert_int_equal(extent.pa, got.pa);
	return got;
}

/** A pointer, and what the MMU makes of it. */
struct untag_row {
	const char *format;
	uint32_t set; /* all bits are known */
	uint64_t va, address, tag;
};

static inline void check_untag(const struct untag_row *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_format *format = pgw_format_by_name(rows[i].format);
		struct pgw_control known = { .known = UINT32_MAX, .set = rows[i].set };
		struct pgw_control control = pgw_control_assume(format, &known);
		uint64_t tag = 1, got = pgw_address_untag(format, &control, rows[i].va, &tag);

		if (got != rows[i].address || tag != rows[i].tag)
			fail_msg("row %zu: %#llx with tag %#llx", i, (unsigned long long)got,
				 (unsigned long long)tag);
	}
}

#endif
