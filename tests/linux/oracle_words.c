/* SPDX-License-Identifier: BSD-2-Clause */

/* Entries of each format, right and wrong ones. */

#include "oracle_words.h"

#include "base/bits.h"

/* A frame that no table is in, of this many bytes. */
static uint64_t frame(const struct world *w, uint64_t va, unsigned level)
{
	uint64_t hash = (va >> w->geo->granule_lg2) * UINT64_C(0x9e3779b97f4a7c15);

	return (BIT(38) | (hash & (BIT(37) - 1))) & ~low_bits(w->geo->span_lg2[level]);
}

static uint64_t x86_word(const struct world *w, const struct word_at *at, uint64_t table_pa)
{
	uint64_t table = table_pa | 0x27;
	uint64_t leaf = frame(w, at->va, at->level) | 5 | (at->level ? 0x80 : 0);

	switch (at->word) {
	case WORD_LEAF:
		return leaf | (at->variant & 1 ? 2 : 0) | (at->variant & 2 ? 0x60 : 0) |
		       (at->variant & 4 ? BIT(63) : 0);
	case WORD_AD:
		return (uint64_t)(at->variant % 3 + 1) << 5;
	case WORD_RO_TABLE:
		return table & ~UINT64_C(2);
	case WORD_NX_TABLE:
		return table | BIT(63);
	case WORD_RESERVED:
		return table | BIT(45);
	case WORD_MISPLACED:
		return at->level > 2 ? table | 0x80 : leaf | BIT(13);
	default:
		return table;
	}
}

static uint64_t riscv_word(const struct world *w, const struct word_at *at, uint64_t table_pa)
{
	uint64_t table = table_pa >> 2 | 1;
	uint64_t leaf = frame(w, at->va, at->level) >> 2 | 0x13;

	switch (at->word) {
	case WORD_LEAF:
		return leaf | (at->variant & 1 ? 4 : 0) | (at->variant & 2 ? 0xc0 : 0x40) |
		       (at->variant & 4 ? 8 : 0);
	case WORD_RESERVED:
		return table | 0x80;
	case WORD_MISPLACED:
		return leaf | BIT(10);
	default:
		return table;
	}
}

static uint64_t arm64_word(const struct world *w, const struct word_at *at, uint64_t table_pa)
{
	uint64_t leaf = frame(w, at->va, at->level) | 0x441 | (at->level ? 0 : 2);

	switch (at->word) {
	case WORD_LEAF:
		return leaf | (at->variant & 1 ? 0x80 : 0) | (at->variant & 4 ? BIT(54) : 0);
	case WORD_RESERVED:
		return table_pa | BIT(45) | 3;
	case WORD_MISPLACED:
		return leaf | BIT(20);
	default:
		return table_pa | 3;
	}
}

static enum oracle_kind wanted_kind(enum word_kind word)
{
	static const enum oracle_kind kinds[_WORD_MAX] = {
		[WORD_NONE] = KIND_EMPTY,          [WORD_LEAF] = KIND_LEAF,
		[WORD_TABLE] = KIND_TABLE,         [WORD_ABSENT] = KIND_ABSENT,
		[WORD_AD] = KIND_ABSENT,           [WORD_RO_TABLE] = KIND_TABLE,
		[WORD_NX_TABLE] = KIND_TABLE,      [WORD_RESERVED] = KIND_MALFORMED,
		[WORD_MISPLACED] = KIND_MALFORMED, [WORD_FULL] = KIND_TABLE,
	};

	return kinds[word];
}

bool word_has_table(enum word_kind word)
{
	return word == WORD_RESERVED || wanted_kind(word) == KIND_TABLE;
}

static uint64_t encode(const struct world *w, const struct word_at *at, uint64_t table_pa)
{
	if (at->word == WORD_NONE)
		return 0;
	if (at->word == WORD_ABSENT)
		return UINT64_C(0x7654000) + ((uint64_t)at->variant << 16);
	switch (w->shape.encoding) {
	case ENC_X86:
		return x86_word(w, at, table_pa);
	case ENC_RISCV:
		return riscv_word(w, at, table_pa);
	case ENC_ARM64:
		break;
	}
	return arm64_word(w, at, table_pa);
}

bool word_encode(struct world *w, const struct word_at *at, uint64_t table_pa, uint64_t *ret)
{
	uint64_t word;
	bool is_x86_only =
		at->word == WORD_AD || at->word == WORD_RO_TABLE || at->word == WORD_NX_TABLE;

	if (is_x86_only && w->shape.encoding != ENC_X86)
		return false;
	if (word_has_table(at->word) && !at->level)
		return false;
	word = encode(w, at, table_pa);
	if (world_kind(w, word, at->level) != wanted_kind(at->word))
		return false;
	*ret = word;
	return true;
}
