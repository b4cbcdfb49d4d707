/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_PT_DEFS_H
#define PT_PT_DEFS_H

/*
 * The words of this layer, and the interface between a format header and the
 * templates.
 *
 *   table   2^slots_lg2 items in a row, aligned to its size
 *   item    one 8-byte slot of a table
 *   entry   what an item means
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
 *   2. write pt/inst_<format>.c: include the header and pt/template.h, define
 *      one struct pgw_format a geometry; and pt/edit_<format>.c with
 *      pt/template_edit.h, which defines its struct pt_edit_ops;
 *   3. add the formats to the table in pt/registry.c.
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
 *   pt_acc_table      ... after a table entry
 *   pt_rights         effective rights of a leaf
 *   pt_table_encode   a table entry that restricts nothing
 *   pt_leaf_encode    a leaf with these rights, if the format can say that
 */

#include "base/bits.h"

#include <pagewalk/format.h>

/** What the primitives need of the control bits. Made anew for each operation. */
struct pt_env {
	uint64_t reserved; /* bits that no valid entry may have set, at any level */
	uint32_t ctl;      /* enum pgw_control_bit, complete */
	bool wide;         /* arm64: addresses have more than 48 bits */
};

/** Accumulated restrictions of the levels above; each format's own bits. */
typedef uint64_t pt_acc_t;

#endif
