/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The moments within vma_lock_read_try() at which a writer can come between,
 * one by one, in one thread. The lock's source is compiled here once more, with
 * a place to interfere before a reader adds itself and one before it looks
 * whether that was right. V7 to V10 are the guarantees of docs/locking.md.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bits.h"
#include "common/arena.h"

enum point { BEFORE_ADD, BEFORE_CHECK, NR_POINTS };

static struct arena arena;
static void (*at_point[NR_POINTS])(void);
static unsigned nr_reached[NR_POINTS];

static void reach(enum point point)
{
	nr_reached[point]++;
	if (at_point[point] && nr_reached[point] == 1)
		at_point[point]();
}

#undef pgw_likely
#define pgw_likely(x) (reach(BEFORE_CHECK), (x))
#define __atomic_compare_exchange_n(...)                                                           \
	(reach(BEFORE_ADD), __atomic_compare_exchange_n(__VA_ARGS__))
#include "mm/vma/vma_lock.c"
#undef __atomic_compare_exchange_n

static struct pgw_mm mm;
static struct pgw_vma vma;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 65536);
	mm = (struct pgw_mm){ .platform = &arena.platform,
			      .kind = PGW_MM_OWNED,
			      .pt.region.kind = PGW_REGION_USER };
	vma = (struct pgw_vma){ .start = 0x1000, .end = 0x2000, .mm = &mm };
	vma_lock_init(&vma);
	for (unsigned i = 0; i < NR_POINTS; i++) {
		at_point[i] = NULL;
		nr_reached[i] = 0;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void lock(void)
{
	assert_int_equal(pgw_mmap_write_lock(&mm), 0);
	vma_lock_write(&vma);
}

static void unlock(void)
{
	assert_int_equal(pgw_mmap_write_unlock(&mm), 0);
}

static void lock_and_unlock(void)
{
	lock();
	unlock();
}

static void detach_and_downgrade(void)
{
	vma_lock_detach(&vma);
	assert_int_equal(pgw_mmap_write_downgrade(&mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&mm), 0);
}

static void lock_detach_and_downgrade(void)
{
	lock();
	detach_and_downgrade();
}

static void mark(void)
{
	vma.lock |= VMA_LOCK_WRITER;
}

static void assert_refused(void)
{
	assert_false(vma_lock_read_try(&vma));
	assert_int_equal(nr_reached[BEFORE_ADD] > 0, 1);
	assert_false(vma_lock_is_read_locked(&vma));
}

static void test_vma_lock_race__nobody_between_is_granted(void **state)
{
	(void)state;
	assert_true(vma_lock_read_try(&vma));
	assert_int_equal(nr_reached[BEFORE_ADD], 1);
	assert_int_equal(nr_reached[BEFORE_CHECK], 1);
	vma_lock_read_unlock(&vma);
}

static void test_vma_lock_race__locked_before_adding_is_refused(void **state) /* V7 */
{
	(void)state;
	at_point[BEFORE_ADD] = lock;
	assert_refused();
	unlock();
	assert_true(vma_lock_read_try(&vma));
	vma_lock_read_unlock(&vma);
}

static void test_vma_lock_race__locked_and_unlocked_before_adding_is_granted(void **state) /* V9 */
{
	(void)state;
	at_point[BEFORE_ADD] = lock_and_unlock;
	assert_true(vma_lock_read_try(&vma));
	vma_lock_read_unlock(&vma);
}

static void test_vma_lock_race__unlocked_before_the_check_is_granted(void **state) /* V9 */
{
	(void)state;
	at_point[BEFORE_ADD] = lock;
	at_point[BEFORE_CHECK] = unlock;
	assert_true(vma_lock_read_try(&vma));
	vma_lock_read_unlock(&vma);
}

static void test_vma_lock_race__marked_before_adding_does_not_add(void **state) /* V7 */
{
	(void)state;
	at_point[BEFORE_ADD] = mark;
	assert_refused();
	assert_int_equal(nr_reached[BEFORE_CHECK], 0);
}

static void test_vma_lock_race__detached_before_adding_does_not_add(void **state) /* V10 */
{
	(void)state;
	at_point[BEFORE_ADD] = lock_detach_and_downgrade;
	assert_refused();
	assert_int_equal(nr_reached[BEFORE_CHECK], 0);
}

/* The numbers differ again when the reader looks at them: only the bit tells. */
static void test_vma_lock_race__detached_before_the_check_is_refused(void **state) /* V10 */
{
	(void)state;
	at_point[BEFORE_ADD] = lock;
	at_point[BEFORE_CHECK] = detach_and_downgrade;
	assert_refused();
	assert_int_equal(nr_reached[BEFORE_CHECK], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_vma_lock_race__##name, setup, teardown)
		TEST(nobody_between_is_granted),
		TEST(locked_before_adding_is_refused),
		TEST(locked_and_unlocked_before_adding_is_granted),
		TEST(unlocked_before_the_check_is_granted),
		TEST(marked_before_adding_does_not_add),
		TEST(detached_before_adding_does_not_add),
		TEST(detached_before_the_check_is_refused),
	};

	return cmocka_run_group_tests_name("vma_lock_race", tests, NULL, NULL);
}
