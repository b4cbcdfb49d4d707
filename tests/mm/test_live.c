/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Live mms: tables of a machine that runs, over a source that changes them under the
 * reader, at a certain read or at every one. What is reported is what they were before
 * or after, or torn; a writer's lock stops the machine, and nothing is torn.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

struct machine {
	struct arena arena;
	struct pgw_phys phys;
	struct pgw_phys_ops ops;
	struct pgw_mm *owned, *live;
	int nr_pauses, nr_resumes; /* so far */
	int pause_status;          /* what pause() says */
	uint64_t generation;
	unsigned nr_reads;
	/* Before each read while the machine runs. */
	void (*run)(struct machine *machine);
	uint64_t *item; /* that run() changes */
	uint64_t before, after;
	unsigned nr_runs;
	uint64_t read_pa;  /* where is read */
	uint64_t table_pa; /* whose reads run() waits for */
};

static struct machine *machine_of(const struct pgw_phys *phys)
{
	return phys->ctx;
}

static bool is_paused(const struct machine *machine)
{
	return machine->nr_pauses > machine->nr_resumes;
}

/* Whole words, as others may be writing them. */
static int machine_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	struct machine *machine = machine_of(phys);
	const uint64_t *words;

	if (pa < ARENA_PA || pa - ARENA_PA > machine->arena.size - len)
		return -PGW_EIO;
	machine->read_pa = pa;
	if (machine->run && !is_paused(machine))
		machine->run(machine);
	machine->nr_reads++;
	words = (const uint64_t *)(void *)(machine->arena.block + (pa - ARENA_PA));
	for (size_t i = 0; i < len / 8; i++) {
		uint64_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

		memcpy((char *)buf + i * 8, &word, sizeof(word));
	}
	return 0;
}

static const void *machine_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	(void)phys, (void)pa, (void)len;
	fail_msg("a live machine's memory was pointed at");
	return NULL;
}

static bool machine_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			       uint64_t *ret_last)
{
	struct machine *machine = machine_of(phys);

	*ret_first = ARENA_PA;
	*ret_last = ARENA_PA + (machine->arena.size - 1);
	return pa <= *ret_last;
}

static int machine_pause(const struct pgw_phys *phys)
{
	struct machine *machine = machine_of(phys);

	if (!machine->pause_status)
		machine->nr_pauses++;
	return machine->pause_status;
}

static void machine_resume(const struct pgw_phys *phys)
{
	struct machine *machine = machine_of(phys);

	machine->nr_resumes++;
	assert_true(machine->nr_resumes <= machine->nr_pauses);
}

static uint64_t machine_generation(const struct pgw_phys *phys)
{
	return machine_of(phys)->generation;
}

static int map(struct machine *machine, uint64_t va, uint64_t size, uint64_t pa)
{
	struct pgw_map_args args = { .first = va,
				     .last = va + (size - 1),
				     .pa = pa,
				     .rights = PGW_KERNEL_R | PGW_KERNEL_W };

	return pgw_mm_map(machine->owned, &args);
}

static struct machine *machine_new(enum pgw_region_kind kind)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct pgw_mm_new_args args = { .format = pgw_format_by_name("x86_64-la48"),
					.region = kind };
	struct pgw_mm_attach_args attach = { .format = args.format,
					     .region = kind,
					     .is_live = true };

	assert_non_null(machine);
	arena_init(&machine->arena, 4 << 20);
	args.platform = attach.platform = &machine->arena.platform;
	machine->ops = (struct pgw_phys_ops){
		.read = machine_read,
		.map = machine_map,
		.next_range = machine_next_range,
		.pause = machine_pause,
		.resume = machine_resume,
	};
	machine->phys = (struct pgw_phys){ &machine->ops, machine };
	assert_int_equal(pgw_mm_new(&args, &machine->owned), 0);
	attach.phys = &machine->phys;
	attach.root = pgw_mm_root(machine->owned);
	assert_int_equal(pgw_mm_attach(&attach, &machine->live), 0);
	assert_int_equal(pgw_mm_get_kind(machine->live), PGW_MM_LIVE);
	return machine;
}

static void machine_free(struct machine *machine)
{
	assert_int_equal(machine->arena.nr_violations, 0);
	assert_int_equal(machine->nr_pauses, machine->nr_resumes);
	pgw_mm_free(machine->live);
	pgw_mm_free(machine->owned);
	arena_fini(&machine->arena);
	free(machine);
}

/* Four pages, two large leaves, far apart; they begin at va. @return va */
static uint64_t map_some(struct machine *machine)
{
	uint64_t va = pgw_mm_region(machine->owned)->first + GIB(1);

	assert_int_equal(pgw_mmap_write_lock(machine->owned), 0);
	assert_int_equal(map(machine, va, KIB(16), MIB(1)), 0);
	assert_int_equal(map(machine, va + GIB(2), MIB(4), MIB(8)), 0);
	assert_int_equal(pgw_mmap_write_unlock(machine->owned), 0);
	return va;
}

/* The live item of a level on the way to va. */
static uint64_t *item_at(struct machine *machine, uint64_t va, unsigned level)
{
	struct pgw_translation at;
	struct pgw_path path;

	assert_int_equal(pgw_mmap_write_lock(machine->owned), 0);
	assert_int_equal(pgw_translate_path(machine->owned, va, &at, &path), 0);
	assert_int_equal(pgw_mmap_write_unlock(machine->owned), 0);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		if (path.step[i].level == level)
			return (uint64_t *)(void *)(machine->arena.block +
						    (path.step[i].item_pa - ARENA_PA));
	}
	fail_msg("no table of level %u", level);
	return NULL;
}

/* The item leads to somewhere else at each read: seven places in turn, so not by every other read. */
static void run_restless(struct machine *machine)
{
	*machine->item = machine->before ^ (uint64_t)(++machine->nr_runs % 7) << 13;
}

/* It changes once, at the second read. */
static void run_once(struct machine *machine)
{
	if (machine->nr_reads == 1)
		*machine->item = machine->after;
}

static void make_restless(struct machine *machine, uint64_t va, unsigned level)
{
	machine->item = item_at(machine, va, level);
	machine->before = *machine->item;
	machine->run = run_restless;
}

static void settle(struct machine *machine)
{
	machine->run = NULL;
	*machine->item = machine->before;
}

/* ---- the lock ---- */

static void test_live_lock__for_write_stops_the_machine(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);

	(void)state;
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	assert_false(is_paused(machine));
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	assert_int_equal(pgw_mmap_write_lock(machine->live), 0);
	assert_true(is_paused(machine));
	assert_int_equal(pgw_mmap_write_unlock(machine->live), 0);
	assert_false(is_paused(machine));
	assert_int_equal(pgw_mmap_write_trylock(machine->live), 0);
	assert_true(is_paused(machine));
	assert_int_equal(pgw_mmap_write_downgrade(machine->live), 0);
	assert_false(is_paused(machine));
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	assert_int_equal(machine->nr_pauses, 2);
	/* Who does not hold it for write does not let the machine run. */
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	assert_int_equal(pgw_mmap_write_unlock(machine->live), -PGW_EPERM);
	assert_int_equal(machine->nr_resumes, 2);
	assert_int_equal(machine->arena.nr_violations, 1);
	machine->arena.nr_violations = 0;
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	machine_free(machine);
}

static void test_live_lock__of_a_machine_that_does_not_stop_is_not_held(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);

	(void)state;
	machine->pause_status = -PGW_EIO;
	assert_int_equal(pgw_mmap_write_lock(machine->live), -PGW_EIO);
	assert_int_equal(pgw_mmap_lock_mode(machine->live), PGW_LOCK_NONE);
	assert_int_equal(pgw_mmap_write_trylock(machine->live), -PGW_EIO);
	machine->ops.pause = NULL;
	machine->ops.resume = NULL;
	assert_int_equal(pgw_mmap_write_lock(machine->live), -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_mmap_lock_mode(machine->live), PGW_LOCK_NONE);
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	machine_free(machine);
}

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	(void)extent;
	++*(unsigned *)arg;
	return 0;
}

/* The rule: a user's tables are freed under the machine's own lock for read. */
static void test_live_rule__a_users_tables_want_the_lock_for_write(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_USER);
	struct pgw_translation at;
	unsigned nr = 0;

	(void)state;
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	assert_int_equal(pgw_scan_extents(machine->live, 0, GIB(4) - 1, count_extent, &nr),
			 -PGW_EPERM);
	assert_int_equal(pgw_translate(machine->live, GIB(1), &at), -PGW_EPERM);
	assert_int_equal(machine->arena.nr_violations, 2);
	assert_int_equal(machine->arena.violation.kind, PGW_MM_LIVE);
	machine->arena.nr_violations = 0;
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	assert_int_equal(pgw_mmap_write_lock(machine->live), 0);
	assert_int_equal(pgw_scan_extents(machine->live, 0, GIB(4) - 1, count_extent, &nr), 0);
	assert_int_equal(pgw_mmap_write_unlock(machine->live), 0);
	machine_free(machine);
}

/* ---- what changes under the reader ---- */

struct found {
	struct pgw_extent extents[8];
	unsigned nr;
};

static int keep_extent(const struct pgw_extent *extent, void *arg)
{
	struct found *found = arg;

	assert_true(found->nr < 8);
	found->extents[found->nr++] = *extent;
	return 0;
}

static void scan(struct machine *machine, struct found *found, struct pgw_scan_stats *stats)
{
	const struct pgw_region *region = pgw_mm_region(machine->live);

	found->nr = 0;
	machine->nr_reads = 0;
	assert_int_equal(
		pgw_scan(machine->live, region->first, region->last, keep_extent, found, stats), 0);
}

static void check_extent(const struct pgw_extent *extent, enum pgw_entry_kind kind, uint64_t va,
			 uint64_t size, uint64_t pa)
{
	assert_int_equal(extent->kind, kind);
	assert_int_equal(extent->va_first, va);
	assert_int_equal(extent->va_last, va + (size - 1));
	assert_int_equal(extent->pa, pa);
}

static void test_live_scan__finds_what_holds_still(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine);
	struct pgw_scan_stats stats;
	struct found found;

	(void)state;
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	scan(machine, &found, &stats);
	assert_int_equal(found.nr, 2);
	check_extent(&found.extents[0], PGW_ENTRY_LEAF, va, KIB(16), MIB(1));
	check_extent(&found.extents[1], PGW_ENTRY_LEAF, va + GIB(2), MIB(4), MIB(8));
	assert_int_equal(stats.nr_torn, 0);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	machine_free(machine);
}

/* One that changes once is read again; with the generation it is known that nothing has. */
static void test_live_scan__reads_again_what_has_changed(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine);
	struct pgw_scan_stats stats;
	struct found found;
	unsigned nr_reads;

	(void)state;
	make_restless(machine, va, 3);
	machine->after = machine->before | UINT64_C(1) << 5; /* accessed */
	machine->run = run_once;
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	scan(machine, &found, &stats);
	assert_int_equal(stats.nr_torn, 0);
	assert_int_equal(found.nr, 2);
	settle(machine);
	scan(machine, &found, &stats);
	nr_reads = machine->nr_reads;
	machine->ops.generation = machine_generation;
	scan(machine, &found, &stats);
	assert_int_equal(found.nr, 2);
	/* Not looked at again: the tables' parents are. */
	assert_in_range(machine->nr_reads, nr_reads / 2, nr_reads * 3 / 4);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	machine_free(machine);
}

/* A lowest table, whose one item never is the same twice: its slots are torn, the others right. */
static void test_live_scan__calls_torn_what_does_not_hold_still(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine);
	struct pgw_scan_stats stats;
	struct found found;

	(void)state;
	make_restless(machine, va, 0);
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	scan(machine, &found, &stats);
	assert_int_equal(found.nr, 2);
	check_extent(&found.extents[0], PGW_ENTRY_TORN, va, MIB(2), 0);
	check_extent(&found.extents[1], PGW_ENTRY_LEAF, va + GIB(2), MIB(4), MIB(8));
	assert_int_equal(stats.nr_torn, 1);
	assert_int_equal(stats.nr_unreadable, 0);
	assert_int_equal(stats.nr_leaves, 2);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	/* The machine stands: nothing is torn. */
	assert_int_equal(pgw_mmap_write_lock(machine->live), 0);
	scan(machine, &found, &stats);
	assert_int_equal(stats.nr_torn, 0);
	assert_int_equal(stats.nr_leaves, 6);
	assert_int_equal(pgw_mmap_write_unlock(machine->live), 0);
	settle(machine);
	machine_free(machine);
}

/* While the table is read, its parent's item is taken away: whose table it is now, nobody knows. */
static void run_take_away(struct machine *machine)
{
	if (machine->read_pa - machine->table_pa < KIB(4))
		*machine->item = 0;
}

static void test_live_scan__calls_torn_what_its_parent_left(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine);
	struct pgw_scan_stats stats;
	struct found found;

	(void)state;
	machine->item = item_at(machine, va, 1);
	machine->before = *machine->item;
	machine->table_pa = machine->before & UINT64_C(0x000ffffffffff000);
	machine->run = run_take_away;
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	scan(machine, &found, &stats);
	assert_int_equal(*machine->item, 0);
	assert_int_equal(found.nr, 2);
	check_extent(&found.extents[0], PGW_ENTRY_TORN, va, MIB(2), 0);
	check_extent(&found.extents[1], PGW_ENTRY_LEAF, va + GIB(2), MIB(4), MIB(8));
	assert_int_equal(stats.nr_torn, 1);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	settle(machine);
	machine_free(machine);
}

static void test_live_translate__wants_the_way_to_hold(void **state)
{
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine), both[2] = { va, va + GIB(2) };
	struct pgw_translation at, batch[2];
	struct pgw_translate_cursor cursor;
	struct pgw_path path;

	(void)state;
	assert_int_equal(pgw_translate_cursor_init(&cursor, machine->live), 0);
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	for (unsigned level = 0; level < 4; level++) {
		make_restless(machine, va, level);
		assert_int_equal(pgw_translate(machine->live, va, &at), 0);
		assert_int_equal(at.kind, PGW_ENTRY_TORN);
		assert_int_equal(at.pa, 0);
		assert_int_equal(pgw_translate_path(machine->live, va, &at, &path), 0);
		assert_int_equal(at.kind, PGW_ENTRY_TORN);
		assert_int_equal(pgw_translate_by(&cursor, va, &at), 0);
		assert_int_equal(at.kind, PGW_ENTRY_TORN);
		if (level < 2) {
			assert_int_equal(pgw_translate_batch(machine->live, both, batch, 2), 2);
			assert_int_equal(batch[0].kind, PGW_ENTRY_TORN);
			assert_int_equal(batch[1].kind, PGW_ENTRY_LEAF);
			assert_int_equal(batch[1].pa, MIB(8));
		}
		settle(machine);
	}
	assert_int_equal(pgw_translate(machine->live, va + KIB(4) + 5, &at), 0);
	assert_int_equal(at.pa, MIB(1) + KIB(4) + 5);
	assert_int_equal(pgw_translate_by(&cursor, va + KIB(4) + 5, &at), 0);
	assert_int_equal(at.pa, MIB(1) + KIB(4) + 5);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	machine_free(machine);
}

struct walked {
	uint64_t torn_first, torn_last;
	unsigned nr_torn, nr_leaves;
};

static int walk_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	(void)addr, (void)next;
	walked->nr_leaves += *pte & 1;
	return 0;
}

static int walk_torn(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	assert_int_equal(depth, 4);
	if (!walked->nr_torn++)
		walked->torn_first = addr;
	walked->torn_last = next - 1;
	assert_int_equal(walk->nr_torn, walked->nr_torn);
	return 0;
}

/* The walker reads a table in windows: the one with the restless item is torn, the others are not. */
static void test_live_walk__shows_what_is_torn(void **state)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = walk_pte, .torn = walk_torn };
	struct machine *machine = machine_new(PGW_REGION_KERNEL);
	uint64_t va = map_some(machine);
	struct walked walked = { 0 };

	(void)state;
	make_restless(machine, va, 0);
	assert_int_equal(pgw_mmap_read_lock(machine->live), 0);
	assert_int_equal(
		pgw_walk_page_range_novma(machine->live, va, va + MIB(2), &ops, NULL, &walked), 0);
	assert_int_equal(walked.nr_torn, 1);
	assert_int_equal(walked.torn_first, va);
	assert_in_range(walked.torn_last, va + KIB(4) - 1, va + MIB(2) - 1);
	assert_int_equal(walked.nr_leaves, 0);
	assert_int_equal(pgw_mmap_read_unlock(machine->live), 0);
	settle(machine);
	machine_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_lock__for_write_stops_the_machine),
		cmocka_unit_test(test_live_lock__of_a_machine_that_does_not_stop_is_not_held),
		cmocka_unit_test(test_live_rule__a_users_tables_want_the_lock_for_write),
		cmocka_unit_test(test_live_scan__finds_what_holds_still),
		cmocka_unit_test(test_live_scan__reads_again_what_has_changed),
		cmocka_unit_test(test_live_scan__calls_torn_what_does_not_hold_still),
		cmocka_unit_test(test_live_scan__calls_torn_what_its_parent_left),
		cmocka_unit_test(test_live_translate__wants_the_way_to_hold),
		cmocka_unit_test(test_live_walk__shows_what_is_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
