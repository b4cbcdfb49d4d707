/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_PT_DEFS_H
#define PT_PT_DEFS_H

/*
 * The words of this layer, and the interface between a format header and the
 * templates.
 *
 *   table   2^slots_lg2 items in a row, aligned to its size
 *   item    one slot of a table, as it lies in memory: 4 or 8 bytes, of either order
 *   entry   an item as a number of 64 bits, and what it means
 *   leaf    an entry that maps memory
 *   hole    addresses without a leaf
 *   level   0 = the table of smallest leaves
 *   reader  looks at foreign tables through a struct pgw_phys: bytes may be
 *           missing and are hostile
 *   owner   changes tables of its own through host pointers, with atomics
 *
 * To add a format:
 *   1. write pt/fmt/<format>.h: the bit table with manual sections, static
 *      asserts, the primitives below under mangled names (<format>_pt_x), the
 *      #defines that give them their template names, the geometries and
 *      attributes as data;
 *   2. write pt/read/inst_<format>.c: include pt/read/compile_small.h, the header and
 *      pt/read/template.h, define one struct pgw_format a geometry; and, if its
 *      tables can be owned, pt/edit/edit_<format>.c with pt/edit/template_edit.h,
 *      which defines its struct pt_edit_ops;
 *   3. add the formats to the table in pt/fmt/registry.c.
 * The generic suites in tests/pt then run on it.
 *
 * The primitives, all force-inlined; the prototypes in pt/primitives.h are
 * declared after the format's definitions, so the compiler checks them:
 *
 *   pt_env_init       control bits and geometry -> what the primitives want to know
 *   pt_entry_kind     what an entry is
 *   pt_table_pa       the table that a table entry points to
 *   pt_leaf_pa        where a leaf's item maps an address to
 *   pt_leaf_lg2       the size of the leaf: more than the item's span for one of
 *                     a contiguous run
 *   pt_addr_mask      the bits of a leaf that hold its address
 *   pt_item_step      what to add to an item to map the next one's span, if
 *                     nothing carries
 *   pt_entry_advance  the entry of the same kind so many bytes on
 *   pt_acc_root       rights before any entry was seen
 *   pt_acc_keep       all ones if tables change nothing about these, else 0
 *   pt_acc_table      ... after a table entry: acc & ((entry ^ env->acc_flip) | pt_acc_keep(acc))
 *   pt_rights         effective rights of a leaf
 *
 * these, where they are not what pt/primitives.h says:
 *
 *   PT_ITEM_LG2       log2 of the bytes of an item: 3
 *   PT_SPAN_LG2       log2 of what an item of a level spans
 *   pt_empty          the entry that stands for nothing at a level: 0
 *   pt_is_table       plainly a whole table, for looking at many; pt_entry_kind() says the rest
 *   PT_RUN_OF_COPIES  1: the items of a leaf of several are all the same
 *   PT_GUARD          what stands in the item of a guarded page, at level 0: not valid, not zero
 *   pt_table_slots    the slots that the table has which a table entry points to: all
 *   pt_table_level    the level of that table: the next lower one. Of a lower one, which has the first
 *                     of the addresses, pt_is_table is false, and pt_table_slots is defined
 *
 * and where tables can be changed, which a format that defines PT_READ_ONLY leaves out:
 *
 *   pt_table_encode   an entry that leads to a table of this level, and restricts nothing
 *   pt_leaf_encode    a leaf with these rights, if the format can say that
 *
 *   pt_contig_lg2     log2 of the items of a contiguous run at a level; 0: there are none
 *   pt_leaf_resize    the item for va, of a leaf or run of another size that maps va to where
 *                     this leaf does, with its rights and attributes; va is one that it maps
 *   pt_rights_mask    the bits of a leaf that say rights
 *   pt_leaf_protect   a leaf with these bits of pt_rights_mask(), as young and as dirty as before
 *   pt_entry_young    a leaf's accessed state
 *   pt_entry_dirty    a leaf's dirty state
 *   pt_entry_clear    a leaf without these states, as far as the format can say that
 *   pt_entry_combine  a leaf that is also as young and dirty as another
 *   pt_needs_break    hardware may not see one replace the other directly
 *   pt_frozen         what stands in an item meanwhile; 0: never
 */

#include "base/bits.h"

#include <pagewalk/format.h>

/** The regions of one root whose top bit chooses, of addresses that have so many bits. */
#define PT_REGIONS_BY_TOP_BIT(bits)                                                                \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = BITS((bits)-2, 0), .kind = PGW_REGION_USER },            \
		{ .name = "kernel",                                                                \
		  .first = BITS(63, (bits)-1),                                                     \
		  .last = UINT64_MAX,                                                              \
		  .kind = PGW_REGION_KERNEL },                                                     \
		{ .name = NULL } })

/** The regions of two roots, one for the lowest and one for the highest 2^bits addresses. */
#define PT_REGIONS_OF_TWO_ROOTS(bits)                                                              \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = BITS((bits)-1, 0), .kind = PGW_REGION_USER },            \
		{ .name = "kernel",                                                                \
		  .first = BITS(63, bits),                                                         \
		  .last = UINT64_MAX,                                                              \
		  .kind = PGW_REGION_KERNEL,                                                       \
		  .root = 1 },                                                                     \
		{ .name = NULL } })

/** What the primitives need of the control bits. */
struct pt_env {
	uint64_t reserved;    /* bits that no valid entry may have set, at any level */
	uint64_t table_mask;  /* above level 0: an entry is a table if these bits of it ... */
	uint64_t table_value; /* ... are these */
	/* level 0: what decides an entry's kind and rights, if it is a leaf of one item or absent */
	uint64_t kind_mask;
	/* What is plain to see, for looking at many entries at once; the primitives say the rest. */
	uint64_t leaf_mask;   /* level 0: an entry is a leaf of one item if these bits of it ... */
	uint64_t leaf_value;  /* ... are these; others may be leaves, too */
	uint64_t rights_mask; /* the bits of a leaf of one item that its rights depend on */
	uint64_t acc_flip;    /* see pt_acc_table */
	/* tables' and such leaves' address: these bits, or 0: not that simple, ... */
	uint64_t addr_mask;
	unsigned addr_shift;   /* ... so many up */
	const uint8_t *rights; /* x86-64: see x86_64_pt_rights() */
	uint32_t ctl;          /* control bits, complete */
	uint32_t domains;      /* arm-short: DACR */
	bool wide;             /* arm64: addresses have more than 48 bits */
};

/** Accumulated restrictions of the levels above; each format's own bits. */
typedef uint64_t pt_acc_t;

#endif
