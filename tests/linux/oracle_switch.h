/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_SWITCH_H
#define TESTS_ORACLE_SWITCH_H

/*
 * The differences between Linux's walker and ours, one switch each. A switch that
 * is on makes Linux do what we do. docs/linux-differences.md has a row with its name.
 */

#include <stdbool.h>
#include <stdint.h>

enum oracle_switch {
	SW_BREACH_ENDS_WALK,
	SW_ARGUMENTS_FIRST,
	SW_INSIDE_REGION,
	SW_OTHER_ROOT_KEPT,
	SW_UNALIGNED,
	SW_TINY_END,
	SW_STORED_ACTION,
	SW_MALFORMED_IS_HOLE,
	SW_MALFORMED_BITS,
	SW_READ_ONLY_TABLE,
	SW_AD_BITS_ABSENT,
	SW_ABSENT_PASSED_OVER,
	SW_SPLIT_ENOMEM,
	SW_PUD_SPLIT,
	SW_MAP_LOCK_AGAIN,
	SW_UPPER_LEAF,
	SW_VMA_LOCK_REFUSED,
	SW_HALVES_GAP,
	SW_KERNEL_HALF,
	SW_SNAPSHOT_KEPT,
	SW_SNAPSHOT_LOCKED,
	SW_INSTALL_ALONE,
	SW_INSTALL_NOTHING,
	SW_FILE_WRAPS,
	/* Of page-table dumps. */
	SW_DUMP_SKIPPED_AT_END,
	SW_DUMP_FIRST_ABSENT,
	SW_DUMP_RISCV_COLUMNS,
	_SW_MAX,
};

struct oracle_switch_info {
	const char *name;
	const char *only_of; /* the one version that differs so, or NULL */
	bool is_fault;       /* of ours, to be mended */
	const char *dump_of; /* of page-table dumps, of this architecture; NULL: of walks */
	const char *what;
};

extern const struct oracle_switch_info oracle_switches[_SW_MAX];

/** @return _SW_MAX: there is none of this name */
enum oracle_switch oracle_switch_by_name(const char *name);

#endif
