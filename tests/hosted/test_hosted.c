/* SPDX-License-Identifier: BSD-2-Clause */

/* Texts, and the platform of ordinary programs. */

#include <pagewalk/hosted.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"
#include "hosted/tables.h"

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
		.region = PGW_REGION_USER,
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

	v.region = PGW_REGION_KERNEL;
	v.mode = PGW_LOCK_NONE;
	pgw_violation_format(&v, buf, sizeof(buf));
	assert_non_null(strstr(buf, "(owned kernel mm, lock held: none; another thread holds it)"));
	v.lock_taken = false;
	v.kind = PGW_MM_SNAPSHOT;
	pgw_violation_format(&v, buf, sizeof(buf));
	assert_non_null(strstr(buf, "(snapshot kernel mm, lock held: none)"));

	v.mapping = (const struct pgw_mapping *)&v; /* is not looked at */
	pgw_violation_format(&v, buf, sizeof(buf));
	assert_non_null(strstr(buf, "(file mapping, lock held: none)"));
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

/* ---- tables ---- */

/** A table with its ptdesc as it should be: all zero but for what says which table it is. */
static void *table_new(size_t size)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	unsigned char *table = p->table_alloc(p->ctx, size);
	struct pgw_ptdesc *desc = p->table_desc(p->ctx, table);
	struct pgw_ptdesc expected;

	memset(&expected, 0, sizeof(expected));
	expected.table = table;
	expected.size_lg2 = (uint8_t)__builtin_ctzl(size);
	assert_true(table && (uintptr_t)table % size == 0 && is_zero(table, size));
	assert_int_equal((uintptr_t)desc % 64, 0);
	assert_memory_equal(desc, &expected, sizeof(expected));
	/* So that overlaps show, and that what is used again has to be zeroed. */
	memset(table, 0xa5, size);
	memset(desc, 0xa5, sizeof(*desc));
	desc->table = table;
	return table;
}

static void table_drop(void *table, size_t size)
{
	const struct pgw_platform *p = pgw_hosted_platform();
	const unsigned char *bytes = table;

	assert_ptr_equal(p->table_desc(p->ctx, table)->table, table);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], 0xa5);
	p->table_free(p->ctx, table, size);
}

#define NR_TABLES 1200

static void test_hosted_platform__tables_of_all_sizes_have_a_ptdesc_each(void **state)
{
	static void *tables[NR_TABLES];
	size_t before, nr_tables, nr_chunks;

	(void)state;
	tables_count(&before, &nr_chunks);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < NR_TABLES; i++)
			tables[i] = table_new((size_t)16 << i % 13);
		tables_count(&nr_tables, &nr_chunks);
		assert_int_equal(nr_tables, before + NR_TABLES);
		for (size_t i = 0; i < NR_TABLES; i++)
			table_drop(tables[i], (size_t)16 << i % 13);
	}
	tables_count(&nr_tables, &nr_chunks);
	assert_int_equal(nr_tables, before);
}

static void test_hosted_platform__empty_chunks_are_given_back_but_one(void **state)
{
	static void *tables[NR_TABLES];
	size_t nr_tables, before, full, empty, again;

	(void)state;
	tables[0] = table_new(8192); /* from here on there is a chunk of these */
	tables_count(&nr_tables, &before);
	table_drop(tables[0], 8192);
	for (size_t i = 0; i < NR_TABLES; i++)
		tables[i] = table_new(8192);
	tables_count(&nr_tables, &full);
	assert_in_range(full - before, NR_TABLES * 8192 / (2u << 20),
			NR_TABLES * 8192 / (2u << 20) + 1);
	/* Every other one first, so that no chunk is empty for long. */
	for (size_t i = 0; i < NR_TABLES; i += 2)
		table_drop(tables[i], 8192);
	tables_count(&nr_tables, &again);
	assert_int_equal(again, full);
	for (size_t i = 1; i < NR_TABLES; i += 2)
		table_drop(tables[i], 8192);
	tables_count(&nr_tables, &empty);
	assert_int_equal(empty, before);
	/* Back and forth over the edge of a chunk: the empty one is used. */
	table_drop(table_new(8192), 8192);
	tables_count(&nr_tables, &again);
	assert_int_equal(again, before);
}

struct table_worker {
	pthread_t thread;
	unsigned random;
};

static void *table_worker_main(void *arg)
{
	struct table_worker *w = arg;
	void *tables[64] = { NULL };

	for (int i = 0; i < 20000; i++) {
		void **table = &tables[rand_r(&w->random) % 64];

		if (*table)
			table_drop(*table, 512);
		*table = *table ? NULL : table_new(512);
	}
	for (size_t i = 0; i < PGW_ARRAY_SIZE(tables); i++) {
		if (tables[i])
			table_drop(tables[i], 512);
	}
	return NULL;
}

static void test_hosted_platform__threads_get_tables_of_their_own(void **state)
{
	struct table_worker workers[3];

	(void)state;
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(workers); i++) {
		workers[i].random = i;
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, table_worker_main, &workers[i]),
			0);
	}
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(workers); i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

/* ---- threads that end ---- */

static bool is_known(const struct pgw_thread *thread)
{
	const struct pgw_thread *t = pgw_hosted_platform()->epoch->threads;

	while (t && t != thread)
		t = t->next;
	return t;
}

static void *short_reader_main(void *arg)
{
	const struct pgw_platform *p = pgw_hosted_platform();

	pgw_reader_enter(p);
	pgw_reader_leave(p);
	*(struct pgw_thread **)arg = p->current(p->ctx);
	return is_known(p->current(p->ctx)) ? arg : NULL;
}

/* E6 */
static void test_hosted_platform__thread_that_ends_is_forgotten(void **state)
{
	struct pgw_thread *self;
	pthread_t thread;
	void *was_known;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, short_reader_main, &self), 0);
		assert_int_equal(pthread_join(thread, &was_known), 0);
		assert_non_null(was_known);
		assert_false(is_known(self));
	}
	pgw_reclaim_barrier(pgw_hosted_platform());
}

static pthread_key_t late_key;

static void late_reader(void *value)
{
	short_reader_main(value);
}

static void *late_reader_main(void *arg)
{
	short_reader_main(arg);
	return pthread_setspecific(late_key, arg) ? NULL : arg;
}

/* E6: destructors run in an order that nobody knows, and again as long as one says so. */
static void test_hosted_platform__thread_that_reads_while_it_ends_is_forgotten(void **state)
{
	struct pgw_thread *self;
	pthread_t thread;
	void *was_set;

	(void)state;
	assert_int_equal(pthread_key_create(&late_key, late_reader), 0);
	assert_int_equal(pthread_create(&thread, NULL, late_reader_main, &self), 0);
	assert_int_equal(pthread_join(thread, &was_set), 0);
	assert_non_null(was_set);
	assert_false(is_known(self));
	assert_int_equal(pthread_key_delete(late_key), 0);
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
		cmocka_unit_test(test_hosted_platform__tables_of_all_sizes_have_a_ptdesc_each),
		cmocka_unit_test(test_hosted_platform__empty_chunks_are_given_back_but_one),
		cmocka_unit_test(test_hosted_platform__threads_get_tables_of_their_own),
		cmocka_unit_test(test_hosted_platform__thread_that_ends_is_forgotten),
		cmocka_unit_test(
			test_hosted_platform__thread_that_reads_while_it_ends_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
