/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_BITS_H
#define BASE_BITS_H

/* Bits, checked arithmetic, unaligned loads. Knows nothing of paging. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGW_ALWAYS_INLINE inline __attribute__((always_inline))
#define PGW_NOINLINE __attribute__((noinline))
/* One copy, whatever its arguments are known to be: for what has to stay small. */
#if __has_attribute(noclone)
#define PGW_ONE_COPY __attribute__((noinline, noclone))
#else
#define PGW_ONE_COPY __attribute__((noinline))
#endif
#define PGW_MAYBE_UNUSED __attribute__((unused))
#define PGW_FALLTHROUGH __attribute__((fallthrough))
#define pgw_likely(x) __builtin_expect(!!(x), 1)
#define pgw_unlikely(x) __builtin_expect(!!(x), 0)
#define PGW_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define pgw_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/** Bit n. */
#define BIT(n) (UINT64_C(1) << (n))
/** Bits h to l, inclusive, h <= 63. */
#define BITS(h, l) ((UINT64_MAX >> (63 - (h))) & (UINT64_MAX << (l)))

/** The low n bits, n <= 64. */
static PGW_ALWAYS_INLINE uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : BIT(n) - 1;
}

static PGW_ALWAYS_INLINE bool add_overflows(uint64_t a, uint64_t b, uint64_t *sum)
{
	return __builtin_add_overflow(a, b, sum);
}

static PGW_ALWAYS_INLINE bool mul_overflows(uint64_t a, uint64_t b, uint64_t *product)
{
	return __builtin_mul_overflow(a, b, product);
}

/** Little-endian loads from any address. */
static PGW_ALWAYS_INLINE uint64_t load_le64(const void *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static PGW_ALWAYS_INLINE uint32_t load_le32(const void *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

static PGW_ALWAYS_INLINE uint64_t load_be64(const void *p)
{
	return __builtin_bswap64(load_le64(p));
}

static PGW_ALWAYS_INLINE uint32_t load_be32(const void *p)
{
	return __builtin_bswap32(load_le32(p));
}

static PGW_ALWAYS_INLINE uint16_t load_le16(const void *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap16(v);
#endif
	return v;
}

#endif
