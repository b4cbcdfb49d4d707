/* SPDX-License-Identifier: BSD-2-Clause */
#include "oracle_switch.h"

#include <string.h>

const struct oracle_switch_info oracle_switches[_SW_MAX] = {
	[SW_BREACH_ENDS_WALK] = { .name = "breach-ends-walk",
				  .what = "a breach of a locking rule ends the walk" },
	[SW_ARGUMENTS_FIRST] = { .name = "arguments-first",
				 .only_of = "newest",
				 .what = "arguments are checked before locks" },
	[SW_INSIDE_REGION] = { .name = "inside-region",
			       .what = "the range has to lie inside the mm's region" },
	[SW_OTHER_ROOT_KEPT] = { .name = "other-root-kept",
				 .what = "nothing below an alternative root is cleared" },
	[SW_UNALIGNED] = { .name = "unaligned-ends",
			   .what = "addresses of walks that are not aligned" },
	[SW_TINY_END] = { .name = "tiny-end", .what = "an end of less than a page" },
	[SW_STORED_ACTION] = { .name = "stored-action",
			       .what = "actions that pte_entry and pte_hole leave behind" },
	[SW_MALFORMED_IS_HOLE] = { .name = "malformed-is-hole",
				   .what = "without a VMA, a malformed pud or pmd is a hole" },
	[SW_MALFORMED_BITS] = { .name = "malformed-bits",
				.what = "what the MMU would refuse is malformed" },
	[SW_READ_ONLY_TABLE] = { .name = "read-only-table",
				 .what = "tables may have fewer rights than all" },
	[SW_AD_BITS_ABSENT] = { .name = "ad-bits-absent",
				.what = "A and D alone are absent, not none" },
	[SW_ABSENT_PASSED_OVER] = { .name = "absent-passed-over",
				    .what = "under a VMA, nothing below what is absent" },
	[SW_SPLIT_ENOMEM] = { .name = "split-enomem",
			      .what = "a leaf that cannot be split ends the walk" },
	[SW_PUD_SPLIT] = { .name = "pud-split",
			   .what = "a pud leaf under a VMA is split, not dropped" },
	[SW_MAP_LOCK_AGAIN] = { .name = "map-lock-again",
				.what = "a pmd that changes during map-and-lock is shown again" },
	[SW_UPPER_LEAF] = { .name = "upper-leaf", .what = "leaves of p4d and pgd size are leaves" },
	[SW_VMA_LOCK_REFUSED] = { .name = "vma-lock-refused",
				  .only_of = "newest",
				  .what = "a VMA's lock is not enough for a walk of several" },
	[SW_HALVES_GAP] = { .name = "halves-gap",
			    .only_of = "newest",
			    .what = "between the user's half and the kernel's is one hole" },
	[SW_KERNEL_HALF] = { .name = "kernel-half",
			     .only_of = "newest",
			     .what = "the kernel's half is walked in the kernel mm's root" },
	[SW_SNAPSHOT_KEPT] = { .name = "snapshot-kept",
			       .what = "nothing in foreign tables is cleared" },
	[SW_SNAPSHOT_LOCKED] = { .name = "snapshot-locked",
				 .what = "a snapshot's lock counts as held" },
	[SW_INSTALL_ALONE] = { .name = "install-alone",
			       .only_of = "newest",
			       .what = "install_pte without pte_entry leaves filled slots" },
	[SW_INSTALL_NOTHING] = { .name = "install-nothing",
				 .only_of = "newest",
				 .what = "install_pte that leaves 0 leaves the slot alone" },
	[SW_FILE_WRAPS] = { .name = "file-wraps",
			    .what = "pages of a file that would wrap, or are none" },
	[SW_DUMP_SKIPPED_AT_END] = { .name = "dump-skipped-at-end",
				     .dump_of = "x86_64",
				     .what = "lines left out at the end of a dump are counted" },
	[SW_DUMP_FIRST_ABSENT] = { .name = "dump-first-absent",
				   .dump_of = "",
				   .what = "a dump begins where something is shown" },
	[SW_DUMP_RISCV_COLUMNS] = { .name = "dump-riscv-columns",
				    .dump_of = "riscv64",
				    .what = "columns and names of levels as in Linux 6.1" },
};

enum oracle_switch oracle_switch_by_name(const char *name)
{
	for (int i = 0; i < _SW_MAX; i++) {
		if (strcmp(oracle_switches[i].name, name) == 0)
			return (enum oracle_switch)i;
	}
	return _SW_MAX;
}
