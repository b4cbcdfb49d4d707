/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/vec.h"

#include <pagewalk/platform.h>

#include "base/bits.h"

/* What is left of a row once it is shorter than a vector, and all of it without vectors. */

static PGW_ALWAYS_INLINE unsigned zeros_from(const uint64_t *items, unsigned i, unsigned nr)
{
	while (i < nr && !__atomic_load_n(items + i, __ATOMIC_RELAXED))
		i++;
	return i;
}

static PGW_ALWAYS_INLINE unsigned run_from(const uint64_t *items, unsigned i, unsigned nr,
					   uint64_t entry, uint64_t step)
{
	while (i < nr && __atomic_load_n(items + i, __ATOMIC_RELAXED) == entry + i * step)
		i++;
	return i;
}

/* Four at a time: one branch for four items is half of the time. */

static PGW_ALWAYS_INLINE uint64_t differ(const uint64_t *item, uint64_t entry)
{
	return __atomic_load_n(item, __ATOMIC_RELAXED) ^ entry;
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
	uint64_t before = __atomic_load_n(items, __ATOMIC_RELAXED), breaks = 0;

	for (unsigned i = 0; i < 64; i++) {
		uint64_t item = __atomic_load_n(items + i + 1, __ATOMIC_RELAXED);
		bool follows = item - before == step && !((item ^ before) & mask);

		breaks |= (uint64_t)(!follows && (item | before)) << i;
		before = item;
	}
	return breaks;
}

static const struct pt_vec vec_plain = { zeros_plain, run_plain, breaks_plain };

/*
 * One body for both vector units. VEC_WORDS items are a vector; four vectors
 * are looked at for each branch.
 */
#if defined(__x86_64__)
#define VEC_FEATURE PGW_CPU_AVX2
#define VEC_TARGET __attribute__((target("avx2")))
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

static const struct pt_vec vec_vector = { zeros_vector, run_vector, breaks_vector };

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
