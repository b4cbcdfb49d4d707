/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that are packed one by one: what was packed comes back, and what is broken is no page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <pagewalk/image.h>

#include "image/pack.h"
#include "source/library.h"

#define PAGE ((size_t)4096)
#define LARGE ((size_t)64 << 10)
#define NR_THREADS 4

static uint8_t page[LARGE], packed[PACK_MAX], out[LARGE + 1];

/* Of four bytes in a row one is any: it packs, but not to nothing. */
static void fill_page(size_t size)
{
	uint32_t random = 1;

	for (size_t i = 0; i < size; i++) {
		random = random * 1664525 + 1013904223;
		page[i] = i % 4 ? 0x5a : (uint8_t)(random >> 24);
	}
}

static void test_unpack__what_was_packed_comes_back(void **state)
{
	const size_t sizes[] = { PAGE, LARGE };
	struct unpacker *unpacker = unpacker_new();

	(void)state;
	assert_non_null(unpacker);
	for (unsigned i = 0; i < 2 * _PACKING_MAX; i++) {
		size_t size = sizes[i % 2], n;

		fill_page(size);
		n = pack(i / 2, page, size, packed);
		assert_int_equal(n != 0, packing_is_there(i / 2));
		memset(out, 0xee, sizeof(out));
		assert_int_equal(unpack(unpacker, i / 2, packed, n, out, size),
				 n ? 0 : -PGW_EOPNOTSUPP);
		if (n)
			assert_memory_equal(out, page, size);
		assert_int_equal(out[size], 0xee);
	}
	unpacker_free(unpacker);
}

/* Cut at every byte, and each byte changed: it may be a page still, but never more than one. */
static void test_unpack__what_is_broken_stays_in_its_page(void **state)
{
	struct unpacker *unpacker = unpacker_new();

	(void)state;
	fill_page(PAGE);
	for (unsigned packing = 0; packing < _PACKING_MAX; packing++) {
		size_t n = pack(packing, page, PAGE, packed);

		for (size_t i = 0; i < n; i++) {
			assert_int_equal(unpack(unpacker, packing, packed, i, out, PAGE), -PGW_EIO);
			packed[i] ^= 0x55;
			out[PAGE] = 0xee;
			unpack(unpacker, packing, packed, n, out, PAGE);
			assert_int_equal(out[PAGE], 0xee);
			packed[i] ^= 0x55;
		}
	}
	unpacker_free(unpacker);
}

/* A bomb: 64 KiB where a page is said to be; and less than a page. */
static void test_unpack__another_size_is_no_page(void **state)
{
	struct unpacker *unpacker = unpacker_new();

	(void)state;
	memset(page, 0, sizeof(page));
	for (unsigned packing = 0; packing < _PACKING_MAX; packing++) {
		size_t n = pack(packing, page, LARGE, packed);

		if (!n)
			continue;
		out[PAGE] = 0xee;
		assert_int_equal(unpack(unpacker, packing, packed, n, out, PAGE), -PGW_EIO);
		assert_int_equal(out[PAGE], 0xee);
		n = pack(packing, page, PAGE / 2, packed);
		assert_int_equal(unpack(unpacker, packing, packed, n, out, PAGE), -PGW_EIO);
	}
	unpacker_free(unpacker);
}

static void *unpack_many(void *arg)
{
	static const uint8_t zeroes[PAGE];
	uint8_t bytes[PAGE];
	uintptr_t nr_wrong = 0;

	for (unsigned i = 0; i < 400; i++) {
		for (unsigned packing = 0; packing < _PACKING_MAX; packing++) {
			static uint8_t of_zeroes[_PACKING_MAX][PACK_MAX];
			static size_t sizes[_PACKING_MAX];

			if (!arg) /* before there are threads */
				sizes[packing] = pack(packing, zeroes, PAGE, of_zeroes[packing]);
			else if (sizes[packing])
				nr_wrong += unpack(arg, packing, of_zeroes[packing], sizes[packing],
						   bytes, PAGE) != 0 ||
					    memcmp(bytes, zeroes, PAGE) != 0;
		}
	}
	return (void *)nr_wrong;
}

static void test_unpack__threads_do_not_meet(void **state)
{
	struct unpacker *unpacker = unpacker_new();
	pthread_t threads[NR_THREADS];

	(void)state;
	unpack_many(NULL);
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, unpack_many, unpacker), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		void *nr_wrong;

		assert_int_equal(pthread_join(threads[i], &nr_wrong), 0);
		assert_null(nr_wrong);
	}
	unpacker_free(unpacker);
}

static void test_compression__lists_what_is_there(void **state)
{
	size_t nr = 0;

	(void)state;
	for (unsigned packing = 0; packing < _PACKING_MAX; packing++) {
		if (packing_is_there(packing))
			assert_string_equal(pgw_image_compression(nr++), packing_name(packing));
	}
	assert_null(pgw_image_compression(nr));
}

/* A library without one of its functions is as none, and so it stays. */
static void test_library__all_or_nothing(void **state)
{
	size_t (*length)(const char *) = NULL;
	void *nothing = NULL;
	const struct library_symbol symbols[] = { { "strlen", &length },
						  { "no_such_function", &nothing } };
	struct library good = { .soname = "libc.so.6", .symbols = symbols, .nr_symbols = 1 };
	struct library half = { .soname = "libc.so.6", .symbols = symbols, .nr_symbols = 2 };
	struct library none = { .soname = "libnosuchlibrary.so.1" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(library_load(&good));
		assert_int_equal(length("four"), 4);
		assert_false(library_load(&half));
		assert_false(library_load(&none));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack__what_was_packed_comes_back),
		cmocka_unit_test(test_unpack__what_is_broken_stays_in_its_page),
		cmocka_unit_test(test_unpack__another_size_is_no_page),
		cmocka_unit_test(test_unpack__threads_do_not_meet),
		cmocka_unit_test(test_compression__lists_what_is_there),
		cmocka_unit_test(test_library__all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
