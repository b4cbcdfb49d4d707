/* SPDX-License-Identifier: BSD-2-Clause */

/* What the shim's names do. */

#include "shim.h"

struct shim shim;
struct mm_struct shim_user_mm = { .who = LOCK_OF_USER };
struct mm_struct shim_second_mm = { .who = LOCK_OF_USER };
struct mm_struct init_mm = { .who = LOCK_OF_KERNEL };

/* ---- what an entry is ---- */

#define X86_P 0x1u
#define X86_RW 0x2u
#define X86_US 0x4u
#define X86_A 0x20u
#define X86_D 0x40u
#define X86_PS 0x80u
#define X86_FLAGS UINT64_C(0xfff0000000000fff)

/* x86: a CPU with an erratum sets A and D in what is not present. Not at the top of five levels. */
static bool rule_none(uint64_t word, unsigned level)
{
	if (shim.shape->encoding != ENC_X86 || level == SHIM_PGD)
		return word == 0;
	return (word & ~(uint64_t)(X86_A | X86_D)) == 0;
}

/* What an architecture's kernel would never write where a table is to be. */
static bool rule_bad(uint64_t word)
{
	switch (shim.shape->encoding) {
	case ENC_X86:
		return (word & X86_FLAGS & ~(uint64_t)(X86_A | X86_D | X86_US)) != (X86_P | X86_RW);
	case ENC_RISCV:
		return (word & 0xf) != 1; /* V without R, W, X */
	case ENC_ARM64:
		break;
	}
	return (word & 3) != 3;
}

/* x86: a pmd leaf that nobody may access is not present to the MMU. */
static bool rule_leaf(uint64_t word, unsigned level)
{
	switch (shim.shape->encoding) {
	case ENC_X86:
		if (level == SHIM_PMD)
			return word & X86_PS;
		return (word & (X86_P | X86_PS)) == (X86_P | X86_PS);
	case ENC_RISCV:
		return (word & 1) && (word & 0xe);
	case ENC_ARM64:
		break;
	}
	return (word & 3) == 1;
}

bool shim_none(uint64_t word, unsigned level)
{
	bool none;

	shim_tick();
	if (!shim_real(level))
		return false;
	none = rule_none(word, level);
	if (none && word && shim_differs(SW_AD_BITS_ABSENT))
		return false;
	return none;
}

bool shim_present(uint64_t word, unsigned level)
{
	return !shim_real(level) || (word & 1);
}

bool shim_leaf(uint64_t word, unsigned level)
{
	if (!shim_real(level) || !rule_leaf(word, level))
		return false;
	return shim_kind(word, level) != KIND_MALFORMED || !shim_differs(SW_MALFORMED_BITS);
}

static bool shim_bad(uint64_t word, unsigned level)
{
	bool bad = rule_bad(word);
	enum oracle_kind kind = shim_kind(word, level);

	if (bad && kind == KIND_LEAF && level >= SHIM_P4D)
		return !shim_differs(SW_UPPER_LEAF);
	if (bad && kind == KIND_TABLE)
		return !shim_differs(SW_READ_ONLY_TABLE);
	if (!bad && kind == KIND_MALFORMED)
		return shim_differs(SW_MALFORMED_BITS);
	return bad;
}

void shim_clear_bad(uint64_t *slot, unsigned level)
{
	const struct oracle_event event = {
		.what = EV_BAD,
		.depth = (int8_t)shim_depth(level),
		.entry = *slot,
	};

	shim.host->note(shim.host->ctx, &event);
	if (shim.call->is_snapshot && shim_differs(SW_SNAPSHOT_KEPT))
		return;
	if (shim.call->other_root && shim_differs(SW_OTHER_ROOT_KEPT))
		return;
	*slot = 0;
}

bool shim_none_or_clear_bad(uint64_t *slot, unsigned level)
{
	shim_tick();
	if (level == SHIM_PGD)
		shim.mute_first = shim.mute_last = 0;
	if (!shim_real(level))
		return false;
	if (shim_none(*slot, level))
		return true;
	if (!shim_bad(*slot, level))
		return false;
	shim_clear_bad(slot, level);
	return true;
}

/* ---- tables ---- */

/*
 * Linux goes below a p4d or pgd whatever is in it by now. A leaf there is split; or, without
 * a VMA, or if no callback for entries is below, passed over: its table is one of zeroes, and
 * what is said of these is not heard.
 */
static void upper_leaf(uint64_t *slot, unsigned long addr, unsigned level)
{
	unsigned long in_leaf = shim_span(level) - 1;
	bool splits = shim.has_vma && (shim.call->ops & ((1u << level) - 1));

	if (splits && !shim.host->split(shim.host->ctx, slot, shim_table_level(level), addr)) {
		shim.host->moment(shim.host->ctx, AT_SPLIT, slot);
		return;
	}
	shim.enomem = splits && shim_differs(SW_SPLIT_ENOMEM);
	shim.mute_first = addr & ~in_leaf;
	shim.mute_last = addr | in_leaf;
}

uint64_t *shim_below(uint64_t *slot, unsigned long addr, unsigned level)
{
	shim_tick();
	if (shim_folded(level - 1))
		return slot;
	if (level >= SHIM_P4D && shim_kind(*slot, level) == KIND_LEAF)
		upper_leaf(slot, addr, level);
	return shim.host->table(shim.host->ctx, *slot, shim_table_level(level)) +
	       shim_index(addr, level - 1);
}

uint64_t *shim_hugetlb_slot(struct mm_struct *mm, unsigned long addr, unsigned long size)
{
	unsigned level = shim.shape->top_level;
	uint64_t *slot = &mm->pgd->word + shim_index(addr, level);

	for (; 1ul << shim.shape->span_lg2[level] > size; level--) {
		shim_tick();
		if (shim.host->kind(shim.host->ctx, *slot, level) != KIND_TABLE)
			return NULL;
		slot = shim.host->table(shim.host->ctx, *slot, level) + shim_index(addr, level - 1);
	}
	return slot;
}

int shim_make_table(uint64_t *slot, unsigned level)
{
	shim_tick();
	return shim.host->make_table(shim.host->ctx, slot, shim_table_level(level));
}

/* ---- lowest tables, leaves ---- */

/* May a lowest table be looked for below what was read in a slot? */
static bool can_map(pmd_t *pmd, uint64_t word)
{
	shim_tick();
	if (shim_none(word, SHIM_PMD) || !(word & 1) || shim_leaf(word, SHIM_PMD))
		return false;
	if (!shim_bad(word, SHIM_PMD))
		return true;
	shim_clear_bad(&pmd->word, SHIM_PMD);
	return false;
}

pte_t *pte_offset_map(pmd_t *pmd, unsigned long addr)
{
	return can_map(pmd, pmd->word) ? pte_offset_kernel(pmd, addr) : NULL;
}

pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ret)
{
	(void)mm;
	for (;;) {
		pmd_t seen = *pmd;

		if (!can_map(pmd, seen.word))
			return NULL;
		shim.host->moment(shim.host->ctx, AT_MAPPED, &pmd->word);
		shim.host->moment(shim.host->ctx, AT_LOCKED, &pmd->word);
		*ret = shim_lock();
		if (pmd->word == seen.word)
			return pte_offset_kernel(pmd, addr);
		if (shim_differs(SW_MAP_LOCK_AGAIN))
			return NULL;
	}
}

/* Split, or drop, what is a leaf. @return it was, and no longer is */
static bool split_leaf(uint64_t *slot, unsigned level, unsigned long addr)
{
	if (shim_kind(*slot, level) != KIND_LEAF)
		return false;
	if (level == SHIM_PUD && !shim_differs(SW_PUD_SPLIT)) {
		*slot = 0;
		return false;
	}
	if (!shim.host->split(shim.host->ctx, slot, shim_table_level(level), addr))
		return true;
	shim.enomem = shim_differs(SW_SPLIT_ENOMEM);
	return false;
}

void shim_split(uint64_t *slot, unsigned level, unsigned long addr)
{
	shim_tick();
	if (!shim_real(level))
		return;
	if (split_leaf(slot, level, addr))
		shim.host->moment(shim.host->ctx, AT_SPLIT, slot);
	/* A pmd is looked at once more when its table is mapped; a pud is not. */
	if (level == SHIM_PUD && shim_kind(*slot, level) == KIND_MALFORMED &&
	    shim_differs(SW_MALFORMED_BITS))
		shim_clear_bad(slot, level);
}

/* ---- locks ---- */

static void breach(enum oracle_lock_of who)
{
	const struct oracle_event event = { .what = EV_BREACH, .depth = (int8_t)who };

	if ((shim.call->start >= shim.call->end || shim_refuses_ops()) &&
	    shim_differs(SW_ARGUMENTS_FIRST))
		return;
	if (shim.call->is_snapshot && shim_differs(SW_SNAPSHOT_LOCKED))
		return;
	shim.host->note(shim.host->ctx, &event);
	if (shim_differs(SW_BREACH_ENDS_WALK))
		longjmp(shim.out, 2);
}

void mmap_assert_locked(struct mm_struct *mm)
{
	if (shim.call->held[mm->who] == HELD_NOT)
		breach(mm->who);
}

void mmap_assert_write_locked(struct mm_struct *mm)
{
	if (shim.call->held[mm->who] != HELD_WRITE)
		breach(mm->who);
}

void shim_assert_i_mmap(void)
{
	if (shim.call->i_mmap == HELD_NOT)
		breach(LOCK_OF_FILE);
}

void vma_start_write(struct vm_area_struct *vma)
{
	vma->vma->held = HELD_WRITE;
}

void vma_assert_write_locked(struct vm_area_struct *vma)
{
	if (vma->vma->held != HELD_WRITE)
		breach(LOCK_OF_VMA);
}

void vma_assert_locked(struct vm_area_struct *vma)
{
	if (vma->vma->held == HELD_NOT)
		breach(LOCK_OF_VMA);
}
