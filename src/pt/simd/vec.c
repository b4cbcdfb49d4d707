/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/simd/vec.h"

#include <pagewalk/platform.h>

#include "base/bits.h"
#include "base/step.h"

/* What is left of a row once it is shorter than a vector, and all of it without vectors. */

static PGW_ALWAYS_INLINE unsigned zeros_from(const uint64_t *items, unsigned i, unsigned nr)
{
	while (i < nr && !step_load_n(items + i, __ATOMIC_RELAXED))
		i++;
	return i;
}

static PGW_ALWAYS_INLINE unsigned run_from(const uint64_t *items, unsigned i, unsigned nr,
					   uint64_t entry, uint64_t step)
{
	while (i < nr && step_load_n(items + i, __ATOMIC_RELAXED) == entry + i * step)
		i++;
	return i;
}

/* Four at a time: one branch for four items is half of the time. */

static PGW_ALWAYS_INLINE uint64_t differ(const uint64_t *item, uint64_t entry)
{
	return step_load_n(item, __ATOMIC_RELAXED) ^ entry;
}

static unsigned zeros_plain(const uint64_t *items, unsigned nr)
{
	unsigned i = 0;

	for (; i + 4 <= nr; i += 4) {
		if (differ(items + i, 0) | differ(items + i + 1, 0) | differ(items + i + 2, 0) |
		    differ(items + i + 3, 0))
			break;
	}
	return zeros_from(items, i, nr);
}

static unsigned run_plain(const uint64_t *items, unsigned nr, uint64_t entry, uint64_t step)
{
	uint64_t want = entry;
	unsigned i = 0;

	for (; i + 4 <= nr; i += 4, want += 4 * step) {
		if (differ(items + i, want) | differ(items + i + 1, want + step) |
		    differ(items + i + 2, want + 2 * step) | differ(items + i + 3, want + 3 * step))
			break;
	}
	return run_from(items, i, nr, entry, step);
}

static uint64_t breaks_plain(const uint64_t *items, uint64_t step, uint64_t mask)
{
	uint64_t before = step_load_n(items, __ATOMIC_RELAXED), breaks = 0;

	for (unsigned i = 0; i < 64; i++) {
		uint64_t item = step_load_n(items + i + 1, __ATOMIC_RELAXED);
		bool follows = item - before == step && !((item ^ before) & mask);

		breaks |= (uint64_t)(!follows && (item | before)) << i;
		before = item;
	}
	return breaks;
}

static const struct pt_vec vec_plain = { zeros_plain, run_plain, breaks_plain, NULL };

/*
 * One body for both vector units. VEC_WORDS items are a vector; four vectors
 * are looked at for each branch. Each function begins a cache line: where its loop lies in
 * one is a twentieth of the time, and would change with every change elsewhere.
 */
#if defined(__x86_64__)
#define VEC_FEATURE PGW_CPU_AVX2
#define VEC_TARGET __attribute__((target("avx2"), aligned(64)))
#define VEC_WORDS 4
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VEC_FEATURE PGW_CPU_NEON
#define VEC_TARGET
#define VEC_WORDS 2
#endif

#ifdef VEC_FEATURE

typedef uint64_t vec_words __attribute__((vector_size(8 * VEC_WORDS)));
typedef uint64_t vec_in_memory __attribute__((vector_size(8 * VEC_WORDS), aligned(8), may_alias));

#if defined(__x86_64__)
typedef long long vec_signed __attribute__((vector_size(8 * VEC_WORDS)));
typedef int vec_halves __attribute__((vector_size(8 * VEC_WORDS)));
typedef double vec_double __attribute__((vector_size(8 * VEC_WORDS)));
#define VEC_IS_ZERO(v) __builtin_ia32_ptestz256((vec_signed)(v), (vec_signed)(v))
/* The top bits of the words, as a number. */
#define VEC_TOP_BITS(v) ((uint64_t)(unsigned)__builtin_ia32_movmskpd256((vec_double)(v)))
#define VEC_STEPS(step)                                                                            \
	{                                                                                          \
		0, (step), 2 * (step), 3 * (step)                                                  \
	}
#else
#define VEC_IS_ZERO(v) (!((v)[0] | (v)[1]))
#define VEC_TOP_BITS(v) ((v)[0] >> 63 | (v)[1] >> 63 << 1)
#define VEC_STEPS(step)                                                                            \
	{                                                                                          \
		0, (step)                                                                          \
	}
#endif

#define VEC_AT(items, i) (*(const vec_in_memory *)((items) + (i)))

VEC_TARGET static unsigned zeros_vector(const uint64_t *items, unsigned nr)
{
	unsigned i = 0;

	for (; i + 4 * VEC_WORDS <= nr; i += 4 * VEC_WORDS) {
		vec_words any = VEC_AT(items, i) | VEC_AT(items, i + VEC_WORDS) |
				VEC_AT(items, i + 2 * VEC_WORDS) | VEC_AT(items, i + 3 * VEC_WORDS);

		if (!VEC_IS_ZERO(any))
			break;
	}
	for (; i + VEC_WORDS <= nr; i += VEC_WORDS) {
		vec_words any = VEC_AT(items, i);

		if (!VEC_IS_ZERO(any))
			break;
	}
	return zeros_from(items, i, nr);
}

VEC_TARGET static unsigned run_vector(const uint64_t *items, unsigned nr, uint64_t entry,
				      uint64_t step)
{
	const vec_words steps = VEC_STEPS(step);
	const uint64_t stride = VEC_WORDS * step;
	vec_words want = steps + entry;
	unsigned i = 0;

	for (; i + 4 * VEC_WORDS <= nr; i += 4 * VEC_WORDS, want += 4 * stride) {
		vec_words any = (VEC_AT(items, i) ^ want) |
				(VEC_AT(items, i + VEC_WORDS) ^ (want + stride)) |
				(VEC_AT(items, i + 2 * VEC_WORDS) ^ (want + 2 * stride)) |
				(VEC_AT(items, i + 3 * VEC_WORDS) ^ (want + 3 * stride));

		if (!VEC_IS_ZERO(any))
			break;
	}
	for (; i + VEC_WORDS <= nr; i += VEC_WORDS, want += stride) {
		vec_words any = VEC_AT(items, i) ^ want;

		if (!VEC_IS_ZERO(any))
			break;
	}
	return run_from(items, i, nr, entry, step);
}

VEC_TARGET static uint64_t breaks_vector(const uint64_t *items, uint64_t step, uint64_t mask)
{
	uint64_t same = 0;

	for (unsigned i = 0; i < 64; i += VEC_WORDS) {
		vec_words before = VEC_AT(items, i), item = VEC_AT(items, i + 1);
		vec_words follows = (vec_words)(item - before == step) &
				    (vec_words)(((item ^ before) & mask) == 0);
		vec_words zeros = (vec_words)((item | before) == 0);

		same |= VEC_TOP_BITS(follows | zeros) << i;
	}
	return ~same;
}

#if VEC_WORDS == 4

_Static_assert(offsetof(struct pgw_extent, va_last) == 8 && offsetof(struct pgw_extent, pa) == 16 &&
		       offsetof(struct pgw_extent, entry) == 24 &&
		       offsetof(struct pgw_extent, kind) == 32 && sizeof(struct pgw_extent) == 40,
	       "an extent is a vector and a word");

/* a, but the halves of words that mask has a bit for are those of b. */
#define VEC_BLEND(a, b, mask)                                                                      \
	((vec_words)__builtin_ia32_pblendd256((vec_halves)(a), (vec_halves)(b), (mask)))
#define VEC_ALL(word) ((vec_words){ 0 } + (word))

/*
 * Where do runs end in the 64 items from an index on?
 * @return 0 also if one of them, or the one after them, is not like known
 */
VEC_TARGET static uint64_t ends_alike(const struct pt_vec_row *row, unsigned from)
{
	const uint64_t *items = row->items + from;
	vec_words other = VEC_AT(items, 0) ^ row->known;
	uint64_t same = 0;
	unsigned nr = 64;

	/* Hides the constant: gcc would unroll the loop, load all items first and spill them. */
	__asm__("" : "+r"(nr));
	for (unsigned i = 0; i < nr; i += 4 * VEC_WORDS) {
		for (unsigned j = i; j < i + 4 * VEC_WORDS; j += VEC_WORDS) {
			vec_words item = VEC_AT(items, j + 1);

			other |= item ^ row->known;
			same |= VEC_TOP_BITS((vec_words)(item - VEC_AT(items, j) == row->step))
				<< j;
		}
	}
	other &= row->fixed;
	return VEC_IS_ZERO(other) ? ~same : 0;
}

/* Look at the next 64 items. @return false: they are not all alike, or no run ends in them */
VEC_TARGET static bool spread_look(const struct pt_vec_row *row, struct pt_vec_at *at)
{
	if (row->nr - at->i < 2)
		return false;
	at->from = at->i < row->nr - 65 ? at->i : row->nr - 65;
	at->ends = ends_alike(row, at->from) & ~low_bits(at->i - at->from);
	return at->ends != 0;
}

/** What spread_ends() has in registers between two extents of its 64 items. */
struct spread {
	const uint64_t *items; /* the second of the 64 */
	uint64_t ends;         /* of runs that are left */
	uint64_t last;         /* item of the run before, or -1 */
	vec_words lasts;       /* that four times */
	vec_words entries;     /* the entry after it four times */
	vec_words base,
		shift; /* an extent is (last before, last, entry, entry) << shift, and base */
	vec_words known, other; /* other: the bits in which an entry was not like known */
	uint64_t tail;
};

/*
 * The lowest bit that is set; word is not 0. As __builtin_ctzll(), but a word: gcc spends two more
 * instructions for each extent on the int.
 */
static PGW_ALWAYS_INLINE uint64_t lowest_bit(uint64_t word)
{
	uint64_t bit;

	__asm__("rep bsf %1, %0" : "=r"(bit) : "r"(word) : "cc");
	return bit;
}

/* One vector's store, because five stores of a word would take longer than all the rest. */
VEC_TARGET static PGW_ALWAYS_INLINE void spread_one(struct spread *run, struct pgw_extent *ret)
{
	vec_words extent = VEC_BLEND(run->lasts, run->entries, 0xf0);

	run->other |= run->entries ^ run->known;
	run->last = lowest_bit(run->ends);
	run->lasts = VEC_ALL(run->last);
	run->entries = VEC_ALL(run->items[run->last]);
	extent = (VEC_BLEND(extent, run->lasts, 0x0c) << run->shift) + run->base;
	*(vec_in_memory *)&ret->va_first = extent;
	__builtin_memcpy(&ret->kind, &run->tail, 8);
	run->ends &= run->ends - 1;
}

/*
 * Extents of the next runs that end at at->ends, at most max, which is not 0.
 * @return 0: an item is not like known any more, so that the 64 have to be looked at anew
 */
VEC_TARGET static PGW_ALWAYS_INLINE unsigned spread_ends(const struct pt_vec_row *row,
							 struct pt_vec_at *at,
							 struct pgw_extent *ret, unsigned max,
							 vec_words base, vec_words shift)
{
	const unsigned from = at->from;
	struct spread run = {
		.items = row->items + from + 1,
		.ends = at->ends,
		.last = (uint64_t)at->i - from - 1,
		.base = base +
			VEC_BLEND(VEC_ALL(0ull), VEC_ALL((uint64_t)from << row->granule_lg2), 0x0f),
		.shift = shift,
		.known = VEC_ALL(row->known),
		.other = VEC_ALL(0ull),
		.tail = row->tail,
	};
	unsigned nr = (unsigned)__builtin_popcountll(run.ends);
	struct pgw_extent *end;

	/* Hides that it is four times one word: gcc would compare words and copy the result to a vector. */
	__asm__("" : "+x"(run.known));
	run.lasts = VEC_ALL(run.last);
	run.entries = VEC_ALL(row->items[at->i]);
	nr = nr < max ? nr : max;
	end = ret + nr;
	if (nr & 1)
		spread_one(&run, ret++);
	for (; ret != end; ret += 2) {
		spread_one(&run, ret);
		spread_one(&run, ret + 1);
	}
	run.other &= row->fixed;
	if (pgw_unlikely(!VEC_IS_ZERO(run.other))) {
		at->ends = 0;
		return 0;
	}
	at->i = from + (unsigned)run.last + 1;
	at->ends = run.ends;
	return nr;
}

VEC_TARGET static unsigned spread_vector(const struct pt_vec_row *row, struct pt_vec_at *at,
					 struct pgw_extent *ret, unsigned max)
{
	const vec_words shift = { row->granule_lg2, row->granule_lg2, row->pa_shift, 0 };
	const uint64_t next = row->va + (UINT64_C(1) << row->granule_lg2);
	const vec_words base = { next, next - 1, row->pa, 0 };
	unsigned nr = 0;

	while (nr < max && (at->ends || spread_look(row, at))) {
		unsigned more = spread_ends(row, at, ret + nr, max - nr, base, shift);

		if (pgw_unlikely(!more))
			break;
		nr += more;
	}
	return nr;
}

#else
#define spread_vector NULL
#endif

static const struct pt_vec vec_vector = { zeros_vector, run_vector, breaks_vector, spread_vector };

#endif

const struct pt_vec *pt_vec_choose(uint32_t cpu_features)
{
#ifdef VEC_FEATURE
	if (cpu_features & VEC_FEATURE)
		return &vec_vector;
#endif
	(void)cpu_features;
	return &vec_plain;
}
