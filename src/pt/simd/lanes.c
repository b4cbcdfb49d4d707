/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/simd/lanes.h"

#include <pagewalk/platform.h>

#include "pt/read/loader.h"

#if defined(__x86_64__)
#define LANES_FEATURE PGW_CPU_AVX2
#define LANES_TARGET __attribute__((target("avx2")))
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LANES_FEATURE PGW_CPU_NEON
#define LANES_TARGET
#endif

#ifdef LANES_FEATURE

#define NR_WORDS 4 /* addresses in a vector; of shorter registers it takes two */
#define NR_VECTORS (PT_LANES / NR_WORDS)

typedef uint64_t words __attribute__((vector_size(8 * NR_WORDS)));
typedef uint64_t words_in_memory __attribute__((vector_size(8 * NR_WORDS), aligned(8), may_alias));

#define FOR_EACH_VECTOR(j) _Pragma("GCC unroll 4") for (unsigned j = 0; j < NR_VECTORS; j++)
#define WORDS_AT(array, j) (*(words_in_memory *)((array) + (size_t)(j)*NR_WORDS))
#define CONST_WORDS_AT(array, j) (*(const words_in_memory *)((array) + (size_t)(j)*NR_WORDS))
#define FIRST(vectors) ((vectors)[0][0])
#define LAST(vectors) ((vectors)[NR_VECTORS - 1][NR_WORDS - 1])
#define ANY_BITS(v) ((v)[0] | (v)[1] | (v)[2] | (v)[3])

#if defined(__x86_64__)
typedef long long signed_words __attribute__((vector_size(8 * NR_WORDS)));
typedef double double_words __attribute__((vector_size(8 * NR_WORDS)));
#define IS_ZERO(v) __builtin_ia32_ptestz256((signed_words)(v), (signed_words)(v))
#define HAS_TOP_BIT(v) (__builtin_ia32_movmskpd256((double_words)(v)) != 0)
#else
#define IS_ZERO(v) (!ANY_BITS(v))
#define HAS_TOP_BIT(v) (ANY_BITS(v) >> 63 != 0)
#endif

#define LANES_INLINE LANES_TARGET static PGW_ALWAYS_INLINE

/* What loads need of a tree. Passed by value, so that no store can make the compiler read it again. */
struct near {
	uint64_t first, last_offset, pointer_offset;
};

LANES_INLINE struct near near_of(const struct pt *pt)
{
	/* Valid offsets have bit 63 clear. */
	return (struct near){ pt->near_first, (pt->near_size - 8) & low_bits(63), pt->near_offset };
}

/* The bits in which addresses differ from one another; *ret_from: also from the way's. */
LANES_INLINE uint64_t differing_bits(const uint64_t *va, uint64_t from, uint64_t *ret_from)
{
	words differ = { 0 };

	FOR_EACH_VECTOR(j)
	differ |= CONST_WORDS_AT(va, j) ^ va[0];
	*ret_from = ANY_BITS(differ) | (va[0] ^ from);
	return ANY_BITS(differ);
}

/* Down to the lowest table that all addresses go through, if they differ in these bits only. */
static void way_descend(const struct pt *pt, struct pt_way *way, uint64_t va, uint64_t differ)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	const struct pt_env *env = &pt->env;

	while (way->level && !(differ >> geo->span_lg2[way->level])) {
		unsigned level = way->level;
		uint64_t item_pa = way->table_pa[level] + (uint64_t)pt_index(geo, va, level) * 8;
		uint64_t entry;

		if (!pt_is_near(pt, item_pa, 8))
			return;
		entry = pt_near_entry(pt_near_items(pt, item_pa));
		if ((entry & env->table_mask) != env->table_value)
			return;
		way->level = level - 1;
		way->table_pa[level - 1] = (entry & env->addr_mask) << env->addr_shift;
		way->acc[level - 1] = way->acc[level] & ((entry ^ env->acc_flip) | way->acc_keep);
	}
}

/* The items of a level; false: not all of them can be pointed at. */
LANES_INLINE bool find_items(const struct pgw_geometry *geo, struct near near, const uint64_t *va,
			     unsigned level, const words *table_pa, words *ret_pa)
{
	const unsigned shift = geo->span_lg2[level] - 3u;
	const uint64_t mask = low_bits(geo->slots_lg2[level]) << 3;
	words outside = { 0 };

	FOR_EACH_VECTOR(j)
	{
		words offset;

		ret_pa[j] = table_pa[j] + ((CONST_WORDS_AT(va, j) >> shift) & mask);
		offset = ret_pa[j] - near.first;
		outside |= offset | (near.last_offset - offset);
	}
	return !HAS_TOP_BIT(outside);
}

LANES_INLINE uint64_t load_item(uint64_t pointer)
{
	return pt_near_entry((const uint64_t *)(uintptr_t)pointer);
}

/* The items' entries; false: not all of them are value in the bits of mask. */
LANES_INLINE bool load_items(struct near near, const words *item_pa, uint64_t mask, uint64_t value,
			     words *ret_entry)
{
	words differ = { 0 };

	FOR_EACH_VECTOR(j)
	{
		words pointer = item_pa[j] + near.pointer_offset;

		ret_entry[j] = (words){ load_item(pointer[0]), load_item(pointer[1]),
					load_item(pointer[2]), load_item(pointer[3]) };
		differ |= (ret_entry[j] & mask) ^ value;
	}
	return IS_ZERO(differ);
}

LANES_INLINE bool are_rights_same(const struct pt_env *env, const words *entry, const words *acc)
{
	words differ = { 0 };

	FOR_EACH_VECTOR(j)
	differ |= ((entry[j] ^ FIRST(entry)) & env->rights_mask) | (acc[j] ^ FIRST(acc));
	return IS_ZERO(differ);
}

LANES_TARGET static void descend_vector(const struct pt *pt, const uint64_t *va, struct pt_way *way,
					struct pt_lanes *ret)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	const struct pt_env *env = &pt->env;
	const struct near near = near_of(pt);
	words table_pa[NR_VECTORS], acc[NR_VECTORS], item_pa[NR_VECTORS], entry[NR_VECTORS];
	uint64_t from_way, differ = differing_bits(va, way->va, &from_way);
	unsigned level;
	bool is_plain;

	pt_way_shorten(pt, way, from_way);
	way_descend(pt, way, va[0], differ);
	way->va = va[PT_LANES - 1];
	level = way->level;
	FOR_EACH_VECTOR(j)
	{
		table_pa[j] = (words){ 0 } + way->table_pa[level];
		acc[j] = (words){ 0 } + way->acc[level];
	}
	for (;;) {
		is_plain = find_items(geo, near, va, level, table_pa, item_pa);
		if (!is_plain || !level)
			break;
		is_plain = load_items(near, item_pa, env->table_mask, env->table_value, entry);
		if (!is_plain)
			break;
		FOR_EACH_VECTOR(j)
		{
			acc[j] &= (entry[j] ^ env->acc_flip) | way->acc_keep;
			table_pa[j] = (entry[j] & env->addr_mask) << env->addr_shift;
		}
		way->level = --level;
		way->table_pa[level] = LAST(table_pa);
		way->acc[level] = LAST(acc);
	}
	ret->level = level;
	ret->is_done =
		is_plain && load_items(near, item_pa, env->leaf_mask, env->leaf_value, entry);
	ret->same_rights = ret->is_done && are_rights_same(env, entry, acc);
	FOR_EACH_VECTOR(j)
	{
		WORDS_AT(ret->acc, j) = acc[j];
		if (ret->is_done)
			WORDS_AT(ret->entry, j) = entry[j];
		else
			WORDS_AT(ret->item_pa, j) = item_pa[j];
	}
}

/* All but the head of a result is its last four words. */
#define RESULT_WORDS offsetof(struct pgw_translation, pa)

_Static_assert(RESULT_WORDS == 8 && offsetof(struct pgw_translation, entry) == 16 &&
		       offsetof(struct pgw_translation, va_first) == 24 &&
		       offsetof(struct pgw_translation, va_last) == 32 &&
		       sizeof(struct pgw_translation) == 40,
	       "pa, entry, va_first, va_last");

/* A macro, as functions would pass vectors in registers that others do not have. */
#define STORE_RESULT(ret, head, four_words)                                                        \
	do {                                                                                       \
		__builtin_memcpy((ret), (head), RESULT_WORDS);                                     \
		WORDS_AT(&(ret)->pa, 0) = (four_words);                                            \
	} while (0)

LANES_TARGET static void store_vector(const struct pt *pt, const uint64_t *va,
				      const struct pt_lanes *lanes, const uint64_t *head,
				      struct pgw_translation *ret)
{
	const uint64_t addr_mask = pt->env.addr_mask;
	const unsigned addr_shift = pt->env.addr_shift;
	const uint64_t page = low_bits(pt->format->geometry.granule_lg2);
	const size_t next_head = lanes->same_rights ? 0 : 1;

	for (unsigned i = 0; i < PT_LANES; i += NR_WORDS) {
		words at = CONST_WORDS_AT(va + i, 0);
		words entry = CONST_WORDS_AT(lanes->entry + i, 0);
		words pa = (entry & addr_mask) << addr_shift | (at & page);
		words first = at & ~page, last = at | page;
		/* Rows of what were columns. */
		words ab02 = __builtin_shufflevector(pa, entry, 0, 4, 2, 6);
		words ab13 = __builtin_shufflevector(pa, entry, 1, 5, 3, 7);
		words cd02 = __builtin_shufflevector(first, last, 0, 4, 2, 6);
		words cd13 = __builtin_shufflevector(first, last, 1, 5, 3, 7);
		STORE_RESULT(ret + i, head, __builtin_shufflevector(ab02, cd02, 0, 1, 4, 5));
		head += next_head;
		STORE_RESULT(ret + i + 1, head, __builtin_shufflevector(ab13, cd13, 0, 1, 4, 5));
		head += next_head;
		STORE_RESULT(ret + i + 2, head, __builtin_shufflevector(ab02, cd02, 2, 3, 6, 7));
		head += next_head;
		STORE_RESULT(ret + i + 3, head, __builtin_shufflevector(ab13, cd13, 2, 3, 6, 7));
		head += next_head;
	}
}

static const struct pt_lanes_ops lanes_vector = { descend_vector, store_vector };

#endif

const struct pt_lanes_ops *pt_lanes_choose(const struct pt *pt, uint32_t cpu_features)
{
#ifdef LANES_FEATURE
	if ((cpu_features & LANES_FEATURE) && pt->near_size && pt->env.addr_mask)
		return &lanes_vector;
#endif
	(void)pt, (void)cpu_features;
	return NULL;
}
