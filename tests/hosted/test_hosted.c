/* SPDX-License-Identifier: BSD-2-Clause */

/* Texts, and the platform of ordinary programs. */

#include <pagewalk/hosted.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"

/* ---- texts ---- */

static void test_status_text__every_status_has_its_own(void **state)
{
	static const int statuses[] = {
		PGW_OK,      PGW_EPERM,     PGW_ENOENT,     PGW_EIO,    PGW_E2BIG,
		PGW_ENOEXEC, PGW_ENOMEM,    PGW_EBUSY,      PGW_EEXIST, PGW_EINVAL,
		PGW_EDEADLK, PGW_EOVERFLOW, PGW_EOPNOTSUPP,
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(statuses); i++) {
		const char *text = pgw_status_text(-statuses[i]);

		assert_string_equal(pgw_status_text(statuses[i]), text);
		assert_string_not_equal(text, pgw_status_text(4095));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(text, pgw_status_text(statuses[j]));
	}
	assert_string_equal(pgw_status_text(-PGW_ENOENT), "no such file or entry");
	assert_string_equal(pgw_status_text(INT_MIN), pgw_status_text(INT_MAX));
}

static void test_lock_mode_name__every_mode_has_its_own(void **state)
{
	(void)state;
	assert_string_equal(pgw_lock_mode_name(PGW_LOCK_NONE), "none");
	assert_string_equal(pgw_lock_mode_name(PGW_LOCK_READ), "read");
	assert_string_equal(pgw_lock_mode_name(PGW_LOCK_WRITE), "write");
	assert_string_equal(pgw_lock_mode_name(PGW_LOCK_DOWNGRADED), "downgraded");
	assert_string_equal(pgw_lock_mode_name(_PGW_LOCK_MODE_MAX), "unknown");
}

static void test_error_format__each_detail_shows_where_it_is_known(void **state)
{
	static const struct {
		struct pgw_error err;
		const char *text;
	} cases[] = {
		{ { .status = -PGW_ENOMEM }, "out of memory" },
		{ { .status = -PGW_EIO, .os_errno = EISDIR }, "Is a directory" },
		{ { .status = -PGW_EOVERFLOW,
		    .has_offset = true,
		    .offset = 32,
		    .has_found = true,
		    .found = UINT64_MAX },
		  "offset 0x20: a number is too large, found 0xffffffffffffffff" },
		{ { .status = -PGW_ENOEXEC,
		    .has_offset = true,
		    .offset = 0x12,
		    .has_found = true,
		    .expected = "an ELF magic number" },
		  "offset 0x12: expected an ELF magic number, found 0x0" },
		{ { .status = -PGW_EIO, .os_errno = EISDIR, .expected = "a regular file" },
		  "expected a regular file (Is a directory)" },
	};
	char buf[128];

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(cases); i++) {
		int length = pgw_error_format(&cases[i].err, buf, sizeof(buf));

		assert_string_equal(buf, cases[i].text);
		assert_int_equal(length, strlen(cases[i].text));
	}
}

static void test_error_format__small_buffer_is_cut_and_the_length_told(void **state)
{
	const struct pgw_error err = { .status = -PGW_ENOMEM };
	char buf[8] = "xxxxxxx";

	(void)state;
	assert_int_equal(pgw_error_format(&err, NULL, 0), strlen("out of memory"));
	assert_int_equal(pgw_error_format(&err, buf, 4), strlen("out of memory"));
	assert_string_equal(buf, "out");
	assert_int_equal(buf[4], 'x');
}

static void test_violation_format__kind_half_mode_and_others_show(void **state)
{
	struct pgw_violation v = {
		.rule_name = "novma-user-write",
		.rule_text = "a sentence",
		.function = "pgw_walk_page_range_novma",
		.kind = PGW_MM_OWNED,
		.half = PGW_HALF_USER,
		.mode = PGW_LOCK_READ,
		.lock_taken = true,
	};
	char buf[256];
	int length;

	(void)state;
	length = pgw_violation_format(&v, buf, sizeof(buf));
	assert_string_equal(buf, "locking rule novma-user-write broken in "
				 "pgw_walk_page_range_novma: a sentence "
				 "(owned user mm, lock held: read)");
	assert_int_equal(length, strlen(buf));

	v.half = PGW_HALF_KERNEL;
	v.mode = PGW_LOCK_NONE;
	pgw_violation_format(&v, buf, sizeof(buf));
	assert_non_null(strstr(buf, "(owned kernel mm, lock held: none; another thread holds it)"));
	v.lock_taken = false;
	v.kind = PGW_MM_SNAPSHOT;
	pgw_violation_format(&v, buf, sizeof(buf));
	assert_non_null(strstr(buf, "(snapshot kernel mm, lock held: none)"));
}

/* ---- the platform ---- */

static bool is_zero(const unsigned char *bytes, size_t size)
{
	while (size && !*bytes) {
		bytes++;
		size--;
	}
	return !size;
}

static void test_hosted_platform__tables_and_objects_come_aligned_and_zeroed(void **state)
{
	const struct pgw_platform *p = pgw_hosted_platform();

	(void)state;
	for (size_t size = 64; size <= 65536; size *= 2) {
		/* Twice, so that the second may be the first, given back dirty. */
		for (int pass = 0; pass < 2; pass++) {
			unsigned char *table = p->table_alloc(p->ctx, size);
			unsigned char *obj = p->obj_alloc(p->ctx, size);

			assert_non_null(table);
			assert_non_null(obj);
			assert_int_equal((uintptr_t)table % size, 0);
			assert_int_equal((uintptr_t)obj % _Alignof(max_align_t), 0);
			assert_true(is_zero(table, size) && is_zero(obj, size));
			memset(table, 0xff, size);
			memset(obj, 0xff, size);
			p->table_free(p->ctx, table, size);
			p->obj_free(p->ctx, obj, size);
		}
	}
	assert_int_equal(p->table_offset, 0);
}

static void test_hosted_platform__park_returns_when_the_word_has_changed(void **state)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	uint32_t word = 1;

	(void)state;
	errno = 0;
	p->park(p->ctx, &word, 0);
	assert_int_equal(errno, 0);
}

/* What a lock does when the waiter was faster: its stack, and the word on it, are gone. */
static void test_hosted_platform__wake_of_a_word_that_is_gone_is_harmless(void **state)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(page != MAP_FAILED);
	assert_int_equal(munmap(page, size), 0);
	errno = 0;
	p->wake(p->ctx, page);
	assert_int_equal(errno, 0);
}

struct sleeper {
	_Atomic uint32_t word;
	struct pgw_thread *other;
	bool has_own_thread;
};

/** Sleep until word is 1; note whether this thread has a pgw_thread of its own, all zero. */
static void *sleeper_main(void *arg)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	struct pgw_thread *thread = p->current(p->ctx);
	struct sleeper *s = arg;

	s->has_own_thread = thread != s->other && p->current(p->ctx) == thread &&
			    is_zero((const unsigned char *)thread, sizeof(*thread));
	while (!s->word)
		p->park(p->ctx, (const uint32_t *)&s->word, 0);
	return NULL;
}

static void test_hosted_platform__wake_ends_park_in_threads_of_their_own(void **state)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	struct sleeper s = { .other = p->current(p->ctx) };
	pthread_t thread;

	(void)state;
	assert_ptr_equal(p->current(p->ctx), s.other);
	assert_int_equal(pthread_create(&thread, NULL, sleeper_main, &s), 0);
	s.word = 1;
	p->wake(p->ctx, (const uint32_t *)&s.word);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(s.has_own_thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_text__every_status_has_its_own),
		cmocka_unit_test(test_lock_mode_name__every_mode_has_its_own),
		cmocka_unit_test(test_error_format__each_detail_shows_where_it_is_known),
		cmocka_unit_test(test_error_format__small_buffer_is_cut_and_the_length_told),
		cmocka_unit_test(test_violation_format__kind_half_mode_and_others_show),
		cmocka_unit_test(test_hosted_platform__tables_and_objects_come_aligned_and_zeroed),
		cmocka_unit_test(test_hosted_platform__park_returns_when_the_word_has_changed),
		cmocka_unit_test(test_hosted_platform__wake_of_a_word_that_is_gone_is_harmless),
		cmocka_unit_test(test_hosted_platform__wake_ends_park_in_threads_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
