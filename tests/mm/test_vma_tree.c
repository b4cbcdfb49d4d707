/* SPDX-License-Identifier: BSD-2-Clause */

/* The tree of VMAs. V1 to V5 are the guarantees of docs/locking.md. */

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "common/arena.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_tree.h"

/* ---- a tree, and a sorted array of what should be in it ---- */

struct world {
	struct arena arena;
	struct vma_node *root;
	struct pgw_vma **vma;
	size_t nr, max;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	arena_init(&w->arena, 65536);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vma_tree_free(&w->arena.platform, w->root);
	for (size_t i = 0; i < w->nr; i++)
		free(w->vma[i]);
	free(w->vma);
	arena_fini(&w->arena);
	free(w);
	return 0;
}

static struct pgw_vma *vma_make(uint64_t start, uint64_t end)
{
	struct pgw_vma *vma = calloc(1, sizeof(*vma));

	vma->start = start;
	vma->end = end;
	return vma;
}

/* The first in the array that ends above va. */
static size_t model_find(const struct world *w, uint64_t va)
{
	size_t low = 0, high = w->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->vma[middle]->end > va)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Put nr VMAs in the place of those from first to before last, which are freed. */
static void model_replace(struct world *w, size_t first, size_t last, struct pgw_vma *const *vma,
			  size_t nr)
{
	size_t behind = w->nr - last, result = first + nr + behind;

	if (result > w->max) {
		w->max = result * 2;
		w->vma = realloc(w->vma, w->max * sizeof(*w->vma));
	}
	for (size_t i = first; i < last; i++)
		free(w->vma[i]);
	if (behind)
		memmove(w->vma + first + nr, w->vma + last, behind * sizeof(*w->vma));
	if (nr)
		memcpy(w->vma + first, vma, nr * sizeof(*vma));
	w->nr = result;
}

static void assert_finds(const struct world *w, uint64_t va)
{
	size_t i = model_find(w, va);
	size_t before = i < w->nr && w->vma[i]->start < va ? i + 1 : i;

	assert_ptr_equal(vma_tree_find(w->root, va), i < w->nr ? w->vma[i] : NULL);
	assert_ptr_equal(vma_tree_find_before(w->root, va), before ? w->vma[before - 1] : NULL);
}

/* The tree is valid and holds what the array holds, in the same order. */
static void assert_same(const struct world *w)
{
	uint64_t va = 0;
	size_t nr;

	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, w->nr);
	for (size_t i = 0; i < w->nr; i++) {
		assert_ptr_equal(vma_tree_find(w->root, va), w->vma[i]);
		va = w->vma[i]->end;
	}
	assert_null(vma_tree_find(w->root, va));
	va = UINT64_MAX;
	for (size_t i = w->nr; i-- > 0;) {
		assert_ptr_equal(vma_tree_find_before(w->root, va), w->vma[i]);
		va = w->vma[i]->start;
	}
	assert_null(vma_tree_find_before(w->root, va));
}

/* One replacement as one change. */
static void tree_replace(struct world *w, uint64_t start, uint64_t end, struct pgw_vma *const *vma,
			 size_t nr)
{
	struct vma_tree_change change;

	vma_tree_begin(&change, &w->arena.platform, w->root);
	assert_int_equal(vma_tree_replace(&change, start, end, vma, nr), 0);
	vma_tree_commit(&change, &w->root);
}

/* The same in the tree and in the array. */
static void replace(struct world *w, uint64_t start, uint64_t end, struct pgw_vma *const *vma,
		    size_t nr)
{
	size_t first = model_find(w, start), last = first;

	tree_replace(w, start, end, vma, nr);
	while (last < w->nr && w->vma[last]->start < end)
		last++;
	model_replace(w, first, last, vma, nr);
}

static void insert(struct world *w, uint64_t start, uint64_t end)
{
	struct pgw_vma *vma = vma_make(start, end);

	replace(w, start, end, &vma, 1);
}

/* How many nodes a replacement allocates; it is given up. */
static long cost(struct world *w, uint64_t start, uint64_t end, struct pgw_vma *const *vma,
		 size_t nr)
{
	struct vma_tree_change change;
	long used;

	w->arena.fail_after = 1000000;
	vma_tree_begin(&change, &w->arena.platform, w->root);
	assert_int_equal(vma_tree_replace(&change, start, end, vma, nr), 0);
	used = 1000000 - w->arena.fail_after;
	w->arena.fail_after = -1;
	vma_tree_abort(&change);
	return used;
}

/* ---- shapes ---- */

static void test_vma_tree__empty_finds_nothing(void **state)
{
	struct world *w = *state;

	assert_same(w);
	for (unsigned i = 0; i <= 64; i++)
		assert_finds(w, i < 64 ? UINT64_C(1) << i : UINT64_MAX);
	replace(w, 5, 10, NULL, 0);
	assert_null(w->root);
}

static void test_vma_tree__ends_of_the_address_space_are_found(void **state)
{
	struct world *w = *state;
	const uint64_t probes[] = {
		0, 1, 2, 3, UINT64_MAX - 3, UINT64_MAX - 2, UINT64_MAX - 1, UINT64_MAX
	};

	insert(w, 0, 2);
	insert(w, UINT64_MAX - 2, UINT64_MAX);
	for (unsigned i = 0; i < 8; i++)
		assert_finds(w, probes[i]);
	for (uint64_t i = 1; i < 40; i++)
		insert(w, i * 100, i * 100 + 50);
	for (unsigned i = 0; i < 8; i++)
		assert_finds(w, probes[i]);
	assert_same(w);
	replace(w, 0, UINT64_MAX, NULL, 0);
	assert_null(w->root);
	assert_same(w);
}

/* The order in which n things are visited: up, down, inside out, or shuffled. */
static size_t visit(unsigned order, size_t i, size_t n)
{
	switch (order) {
	case 0:
		return i;
	case 1:
		return n - 1 - i;
	case 2:
		return i % 2 ? n / 2 + i / 2 : n / 2 - 1 - i / 2;
	default:
		return i * 7919 % n;
	}
}

static void test_vma_tree__every_order_of_inserts_and_removals_keeps_it_valid(void **state)
{
	enum { N = 600 };
	struct world *w = *state;

	for (unsigned order = 0; order < 16; order++) {
		for (size_t i = 0; i < N; i++) {
			size_t at = visit(order % 4, i, N);

			insert(w, at * 10, at * 10 + 1 + at % 10);
			if (i % 13 == 0)
				assert_same(w);
		}
		assert_int_equal(w->nr, N);
		for (size_t i = 0; i < N; i++) {
			size_t at = visit(order / 4, i, N);

			replace(w, at * 10, at * 10 + 1, NULL, 0);
			if (i % 13 == 0)
				assert_same(w);
		}
		assert_null(w->root);
	}
}

/* Every range of leaves and parts of leaves, out of a tree of three levels. */
static void test_vma_tree__every_removal_from_three_levels_keeps_it_valid(void **state)
{
	enum { N = 300 };
	struct world *w = *state;

	for (uint64_t i = 0; i < N; i++)
		insert(w, visit(3, i, N) * 10, visit(3, i, N) * 10 + 10);
	for (uint64_t first = 0; first < N; first += 3) {
		for (uint64_t last = first; last < N; last += 1 + last % 7) {
			uint64_t start = first * 10, end = last * 10 + 5;
			size_t removed = last - first + 1, nr;

			tree_replace(w, start, end, NULL, 0);
			assert_true(vma_tree_validate(w->root, &nr));
			assert_int_equal(nr, N - removed);
			assert_ptr_equal(vma_tree_find(w->root, start),
					 last + 1 < N ? w->vma[last + 1] : NULL);
			tree_replace(w, start, end, w->vma + first, removed);
		}
		assert_same(w);
	}
}

/* ---- V2: a change is seen as a whole, or not at all ---- */

static void test_vma_tree__aborted_change_leaves_everything_as_it_was(void **state) /* V2 */
{
	struct world *w = *state;
	struct pgw_vma other = { .start = 105, .end = 106 }, *vma = &other;
	struct vma_tree_change change;
	struct vma_node *root;
	long nr_objs;

	for (uint64_t i = 0; i < 500; i++)
		insert(w, i * 10, i * 10 + 10);
	root = w->root;
	nr_objs = w->arena.nr_objs;
	vma_tree_begin(&change, &w->arena.platform, w->root);
	assert_int_equal(vma_tree_replace(&change, 100, 4000, NULL, 0), 0);
	assert_int_equal(vma_tree_replace(&change, 105, 106, &vma, 1), 0);
	assert_int_equal(vma_tree_replace(&change, 0, 5000, NULL, 0), 0);
	vma_tree_abort(&change);
	assert_ptr_equal(w->root, root);
	assert_int_equal(w->arena.nr_objs, nr_objs);
	assert_same(w);
}

static void test_vma_tree__change_is_invisible_until_its_commit(void **state) /* V2 */
{
	struct world *w = *state;
	struct pgw_vma *vma = vma_make(205, 206);
	struct vma_tree_change change;
	size_t first, nr;

	for (uint64_t i = 0; i < 500; i++)
		insert(w, i * 10, i * 10 + 10);
	vma_tree_begin(&change, &w->arena.platform, w->root);
	assert_int_equal(vma_tree_replace(&change, 100, 300, NULL, 0), 0);
	assert_same(w);
	assert_int_equal(vma_tree_replace(&change, 205, 206, &vma, 1), 0);
	assert_same(w);
	vma_tree_commit(&change, &w->root);
	first = model_find(w, 100);
	model_replace(w, first, first + 20, &vma, 1);
	assert_same(w);
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, 481);
}

/* ---- V1, V3: what readers look at stays ---- */

static void test_vma_tree__reader_keeps_the_old_tree(void **state) /* V1, V3 */
{
	struct world *w = *state;
	const struct pgw_platform *platform = &w->arena.platform;
	struct pgw_vma *old[500];
	struct vma_node *root;
	long nr_objs;
	size_t nr;

	for (uint64_t i = 0; i < 500; i++)
		insert(w, i * 10, i * 10 + 10);
	pgw_reclaim_barrier(platform);
	nr_objs = w->arena.nr_objs;
	memcpy(old, w->vma, sizeof(old));
	pgw_reader_enter(platform);
	root = w->root;
	tree_replace(w, 20, 4980, NULL, 0);
	for (uint64_t i = 0; i < 100; i++)
		tree_replace(w, 2000, 2010, &old[200], 1);
	/* The nodes of the reader's tree are the same, and all there. */
	assert_true(vma_tree_validate(root, &nr));
	assert_int_equal(nr, 500);
	for (uint64_t i = 0; i < 500; i++)
		assert_ptr_equal(vma_tree_find(root, i * 10), old[i]);
	assert_true(w->arena.nr_objs > nr_objs);
	pgw_reader_leave(platform);
	pgw_reclaim_barrier(platform);
	assert_true(w->arena.nr_objs < 3);
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, 5);
	tree_replace(w, 0, 5000, old, 500);
}

static struct pgw_deferred *deferred_list;
static unsigned nr_deferred;

static void count_defer(void *ctx, const struct pgw_platform *platform,
			struct pgw_deferred *deferred)
{
	(void)ctx, (void)platform;
	deferred->next = deferred_list;
	deferred_list = deferred;
	nr_deferred++;
}

static void ignore(void *ctx)
{
	(void)ctx;
}

/* With an embedder's own RCU, which counts. */
static void test_vma_tree__commit_defers_once_and_abort_never(void **state) /* V3 */
{
	struct world *w = *state;
	struct pgw_platform *platform = &w->arena.platform;
	struct vma_tree_change change;
	size_t nr;

	for (uint64_t i = 0; i < 5000; i++)
		insert(w, i * 10, i * 10 + 10);
	pgw_reclaim_barrier(platform);
	platform->reader_enter = platform->reader_leave = platform->barrier = ignore;
	platform->defer = count_defer;
	nr_deferred = 0;
	vma_tree_begin(&change, platform, w->root);
	assert_int_equal(vma_tree_replace(&change, 0, 40000, NULL, 0), 0);
	vma_tree_abort(&change);
	assert_int_equal(nr_deferred, 0);
	tree_replace(w, 0, 49990, NULL, 0);
	assert_int_equal(nr_deferred, 1);
	deferred_list->fn(platform, deferred_list);
	assert_int_equal(w->arena.nr_objs, 1);
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, 1);
	platform->reader_enter = platform->reader_leave = platform->barrier = NULL;
	platform->defer = NULL;
	tree_replace(w, 0, 50000, w->vma, w->nr);
}

/* ---- random changes ---- */

#define SPACE UINT64_C(16384)
#define MOST_NEW 40

/* A random change: which range, what comes into its place. */
struct plan {
	uint64_t start, end;
	size_t first, last; /* in the array: these go */
	struct pgw_vma *vma[MOST_NEW + 2];
	size_t nr;
};

/* VMAs that reach over the range's edges are cut off there, as munmap does. */
static void plan_make(struct plan *plan, const struct world *w, uint64_t *seed, bool does_grow)
{
	uint64_t most = does_grow ? 64 : test_random(seed) % 8 ? 200 : SPACE;
	unsigned density = does_grow ? 4 : 40;
	uint64_t va;

	*plan = (struct plan){ .start = test_random(seed) % SPACE };
	plan->end = plan->start + 1 + test_random(seed) % most;
	plan->first = plan->last = model_find(w, plan->start);
	while (plan->last < w->nr && w->vma[plan->last]->start < plan->end)
		plan->last++;
	if (plan->first < plan->last && w->vma[plan->first]->start < plan->start)
		plan->vma[plan->nr++] = vma_make(w->vma[plan->first]->start, plan->start);
	for (va = plan->start; va < plan->end && plan->nr <= MOST_NEW;) {
		uint64_t end = va + 1 + test_random(seed) % density;

		end = end < plan->end ? end : plan->end;
		if (test_random(seed) % density < 3)
			plan->vma[plan->nr++] = vma_make(va, end);
		va = end;
	}
	if (plan->first < plan->last && w->vma[plan->last - 1]->end > plan->end)
		plan->vma[plan->nr++] = vma_make(plan->end, w->vma[plan->last - 1]->end);
}

/* Do it at once, or in several steps of the same change. */
static int plan_apply(const struct plan *plan, struct vma_tree_change *change, unsigned way)
{
	int err;

	if (way == 0)
		return vma_tree_replace(change, plan->start, plan->end, plan->vma, plan->nr);
	err = vma_tree_replace(change, plan->start, plan->end, NULL, 0);
	for (size_t i = 0; !err && i < plan->nr; i++) {
		size_t at = way == 1 ? i : plan->nr - 1 - i;

		err = vma_tree_replace(change, plan->vma[at]->start, plan->vma[at]->end,
				       &plan->vma[at], 1);
	}
	return err;
}

/* Let the first allocation fail, then the second, and so on, until nothing fails. */
static void plan_try(const struct plan *plan, struct world *w, unsigned way,
		     struct vma_tree_change *change)
{
	struct vma_node *root = w->root;
	long nr_objs;
	size_t nr;

	pgw_reclaim_barrier(&w->arena.platform);
	nr_objs = w->arena.nr_objs;
	for (long n = 0;; n++) {
		int err;

		vma_tree_begin(change, &w->arena.platform, w->root);
		w->arena.fail_after = n;
		err = plan_apply(plan, change, way);
		w->arena.fail_after = -1;
		if (!err)
			return;
		assert_int_equal(err, -PGW_ENOMEM);
		vma_tree_abort(change);
		assert_int_equal(w->arena.nr_objs, nr_objs);
		assert_ptr_equal(w->root, root);
		assert_true(vma_tree_validate(root, &nr));
		assert_int_equal(nr, w->nr);
	}
}

static void test_vma_tree__random_changes_agree_with_a_sorted_array(void **state) /* V2, V4 */
{
	enum { ROUNDS = 1500, PHASE = 150 };
	struct world *w = *state;
	uint64_t seed = test_seed();
	size_t most = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct vma_tree_change change;
		struct plan plan;

		plan_make(&plan, w, &seed, round / PHASE % 2 == 0);
		plan_try(&plan, w, (unsigned)(test_random(&seed) % 3), &change);
		if (test_random(&seed) % 8 == 0) {
			vma_tree_abort(&change);
			for (size_t i = 0; i < plan.nr; i++)
				free(plan.vma[i]);
		} else {
			vma_tree_commit(&change, &w->root);
			model_replace(w, plan.first, plan.last, plan.vma, plan.nr);
		}
		assert_same(w);
		for (unsigned i = 0; i < 20; i++)
			assert_finds(w, test_random(&seed) % (SPACE + 100));
		most = w->nr > most ? w->nr : most;
	}
	assert_true(most > 16 * 16);
}

/* ---- size ---- */

#define MANY 100000

static void test_vma_tree__changes_cost_a_path_at_100000(void **state) /* V5 */
{
	struct world *w = *state;
	struct pgw_vma **all = calloc(MANY, sizeof(*all));
	struct pgw_vma *one;
	size_t nr;

	for (uint64_t i = 0; i < MANY; i++) {
		all[i] = vma_make(i * 10, i * 10 + 5);
		tree_replace(w, i * 10, i * 10 + 5, &all[i], 1);
	}
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		assert_ptr_equal(vma_tree_find(w->root, i * 10), all[i]);
	/* Each level splits into two at most: one VMA or nearly all, the same. */
	one = vma_make(5000005, 5000007);
	assert_in_range(cost(w, 5000005, 5000007, &one, 1), 3, 10);
	assert_in_range(cost(w, 5000000, 5000005, NULL, 0), 3, 10);
	assert_in_range(cost(w, 55, MANY * 10 - 60, NULL, 0), 1, 10);
	/* And all that is put in, in nodes that are nearly full. */
	assert_in_range(cost(w, 0, MANY * 10, all, MANY), MANY / 16, MANY / 16 + MANY / 200);

	pgw_reclaim_barrier(&w->arena.platform);
	tree_replace(w, 55, MANY * 10 - 60, NULL, 0);
	pgw_reclaim_barrier(&w->arena.platform);
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, 12);
	assert_int_equal(w->arena.nr_objs, 1);
	tree_replace(w, 0, MANY * 10, all, MANY);
	assert_true(vma_tree_validate(w->root, &nr));
	assert_int_equal(nr, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		assert_ptr_equal(vma_tree_find(w->root, i * 10 + 4), all[i]);
	for (uint64_t i = 0; i < MANY; i++)
		free(all[i]);
	free(one);
	free(all);
}

/* ---- readers while it changes ---- */

/*
 * In the middle of the tree lies a window; change v puts as many VMAs as v says
 * into it, each with v as its pgoff. So a reader knows from what it sees which
 * change that was, and whether it saw all of it.
 */
#define SIDE 200
#define WINDOW (SIDE * UINT64_C(100))
#define WINDOW_END (WINDOW + 10000)
#define NR_READERS 2
#define FREED 0xee

struct side {
	uint64_t start;
	struct pgw_vma *vma[SIDE]; /* they stay, all the time */
};

struct race {
	struct pgw_platform platform;
	struct pgw_epoch epoch;
	struct pgw_mm mm;
	struct side left, right;
	uint64_t started, finished;     /* changes; atomic */
	uint32_t nr_wrong, is_done;     /* atomic */
	uint64_t nr_rounds[NR_READERS]; /* atomic */
	uint32_t lock;                  /* of the quarantine; a spinlock */
	void **freed;                   /* what was freed, with poison in it */
	size_t nr_freed, max_freed;
	uint64_t nr_freed_vmas; /* atomic */
};

struct reader {
	pthread_t thread;
	struct race *race;
	unsigned number;
};

static _Thread_local struct pgw_thread race_thread;

static struct pgw_thread *race_current(void *ctx)
{
	(void)ctx;
	return &race_thread;
}

/* Whoever looks at it from now on sees poison, or is told by a sanitizer. */
static void race_free(void *ctx, void *obj, size_t size)
{
	struct race *race = ctx;

	memset(obj, FREED, size);
	while (__atomic_exchange_n(&race->lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	if (race->nr_freed == race->max_freed) {
		race->max_freed = race->max_freed * 2 + 1024;
		race->freed = realloc(race->freed, race->max_freed * sizeof(*race->freed));
	}
	race->freed[race->nr_freed++] = obj;
	__atomic_fetch_add(&race->nr_freed_vmas, size == sizeof(struct pgw_vma), __ATOMIC_RELAXED);
	__atomic_store_n(&race->lock, 0, __ATOMIC_RELEASE);
}

static void race_free_vma(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	char *vma = (char *)deferred - offsetof(struct pgw_vma, deferred);

	platform->obj_free(platform->ctx, vma, sizeof(struct pgw_vma));
}

static size_t window_count(uint64_t change)
{
	return 1 + change * 37 % 100;
}

static void expect(struct race *race, bool is_right, const char *what)
{
	if (is_right)
		return;
	if (__atomic_fetch_add(&race->nr_wrong, 1, __ATOMIC_RELAXED) == 0)
		print_error("a reader saw %s\n", what);
}

/* All of the window, out of one root. */
static void read_window(struct race *race)
{
	uint64_t least = __atomic_load_n(&race->finished, __ATOMIC_ACQUIRE);
	struct vma_node *root = __atomic_load_n(&race->mm.vma_root, __ATOMIC_ACQUIRE);
	uint64_t most = __atomic_load_n(&race->started, __ATOMIC_ACQUIRE);
	struct pgw_vma *vma = vma_tree_find(root, WINDOW);
	uint64_t change = vma->pgoff;
	size_t nr = 0;

	expect(race, change >= least && change <= most, "a change too old or too new");
	while (vma->start < WINDOW_END && nr <= 100) {
		expect(race, vma->start == WINDOW + nr * 100 && vma->pgoff == change,
		       "parts of two changes");
		vma = vma_tree_find(root, vma->end);
		nr++;
	}
	expect(race, nr == window_count(change), "a part of a change");
	expect(race, vma == race->right.vma[0], "something else behind the window");
	expect(race, vma_tree_find_before(root, WINDOW) == race->left.vma[SIDE - 1],
	       "something else before the window");
}

/* Single lookups, each out of the root that is there now. */
static void read_singles(struct race *race, uint64_t *seed)
{
	uint64_t i = test_random(seed) % SIDE, least, most;
	const struct pgw_vma *vma;

	vma = pgw_vma_lookup(&race->mm, race->left.start + i * 100);
	expect(race, vma == race->left.vma[i], "a VMA that stays, elsewhere");
	vma = pgw_vma_lookup(&race->mm, race->right.start + i * 100);
	expect(race, vma == race->right.vma[i], "a VMA that stays, elsewhere");
	least = __atomic_load_n(&race->finished, __ATOMIC_ACQUIRE);
	vma = pgw_vma_lookup(&race->mm, WINDOW + 49);
	most = __atomic_load_n(&race->started, __ATOMIC_ACQUIRE);
	expect(race, vma && vma->pgoff >= least && vma->pgoff <= most, "a wrong VMA");
}

static void *reader_main(void *arg)
{
	const struct reader *reader = arg;
	struct race *race = reader->race;
	uint64_t seed = reader->number;

	while (!__atomic_load_n(&race->is_done, __ATOMIC_ACQUIRE)) {
		pgw_reader_enter(&race->platform);
		read_window(race);
		read_singles(race, &seed);
		pgw_reader_leave(&race->platform);
		__atomic_fetch_add(&race->nr_rounds[reader->number], 1, __ATOMIC_RELAXED);
	}
	pgw_thread_exit(&race->platform);
	return NULL;
}

static void side_fill(struct race *race, struct side *side)
{
	struct vma_tree_change change;

	for (uint64_t i = 0; i < SIDE; i++)
		side->vma[i] = vma_make(side->start + i * 100, side->start + i * 100 + 50);
	vma_tree_begin(&change, &race->platform, race->mm.vma_root);
	assert_int_equal(
		vma_tree_replace(&change, side->start, side->start + SIDE * 100, side->vma, SIDE),
		0);
	vma_tree_commit(&change, &race->mm.vma_root);
}

static void change_window(struct race *race, uint64_t v)
{
	struct pgw_vma *vma[100], *old[100];
	struct vma_tree_change change;
	size_t nr_old = v > 1 ? window_count(v - 1) : 0;

	for (uint64_t i = 0; i < window_count(v); i++) {
		vma[i] = vma_make(WINDOW + i * 100, WINDOW + i * 100 + 50);
		vma[i]->pgoff = v;
	}
	for (uint64_t i = 0; i < nr_old; i++)
		old[i] = vma_tree_find(race->mm.vma_root, WINDOW + i * 100);
	vma_tree_begin(&change, &race->platform, race->mm.vma_root);
	assert_int_equal(vma_tree_replace(&change, WINDOW, WINDOW_END, vma, window_count(v)), 0);
	__atomic_store_n(&race->started, v, __ATOMIC_RELEASE);
	vma_tree_commit(&change, &race->mm.vma_root);
	__atomic_store_n(&race->finished, v, __ATOMIC_RELEASE);
	for (uint64_t i = 0; i < nr_old; i++)
		epoch_defer(&race->platform, &old[i]->deferred, race_free_vma);
}

static bool is_enough(struct race *race, uint64_t v)
{
	for (unsigned i = 0; i < NR_READERS; i++) {
		if (__atomic_load_n(&race->nr_rounds[i], __ATOMIC_RELAXED) < 500)
			return false;
	}
	/* Sooner or later no reader stays for long enough to keep all; if not, that is the fault. */
	return v > 2000 &&
	       (__atomic_load_n(&race->nr_freed_vmas, __ATOMIC_RELAXED) > 0 || v > 2000000);
}

static void race_fini(struct race *race)
{
	struct pgw_vma *vma;

	pgw_reclaim_barrier(&race->platform);
	for (uint64_t va = 0; (vma = vma_tree_find(race->mm.vma_root, va));) {
		va = vma->end;
		free(vma);
	}
	vma_tree_free(&race->platform, race->mm.vma_root);
	for (size_t i = 0; i < race->nr_freed; i++)
		free(race->freed[i]);
	free(race->freed);
	pgw_thread_exit(&race->platform);
}

static void
test_vma_tree__readers_see_changes_as_a_whole_and_nothing_freed(void **state) /* V1-V3 */
{
	struct race race = { .platform = *pgw_hosted_platform() };
	struct reader reader[NR_READERS];
	uint64_t v = 0;

	(void)state;
	race.platform.ctx = &race;
	race.platform.current = race_current;
	race.platform.epoch = &race.epoch;
	race.platform.obj_free = race_free;
	race.mm = (struct pgw_mm){ .platform = &race.platform,
				   .kind = PGW_MM_OWNED,
				   .pt.region.kind = PGW_REGION_USER };
	race.left.start = 0;
	race.right.start = WINDOW_END;
	side_fill(&race, &race.left);
	side_fill(&race, &race.right);
	change_window(&race, ++v);
	for (unsigned i = 0; i < NR_READERS; i++) {
		reader[i] = (struct reader){ .race = &race, .number = i };
		assert_int_equal(pthread_create(&reader[i].thread, NULL, reader_main, &reader[i]),
				 0);
	}
	while (!is_enough(&race, v))
		change_window(&race, ++v);
	__atomic_store_n(&race.is_done, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < NR_READERS; i++)
		pthread_join(reader[i].thread, NULL);
	assert_int_equal(race.nr_wrong, 0);
	/* Things were freed while readers looked on, not at the end only. */
	assert_true(race.nr_freed_vmas > 0);
	race_fini(&race);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_vma_tree__##name, setup, teardown)
		TEST(empty_finds_nothing),
		TEST(ends_of_the_address_space_are_found),
		TEST(every_order_of_inserts_and_removals_keeps_it_valid),
		TEST(every_removal_from_three_levels_keeps_it_valid),
		TEST(aborted_change_leaves_everything_as_it_was),
		TEST(change_is_invisible_until_its_commit),
		TEST(reader_keeps_the_old_tree),
		TEST(commit_defers_once_and_abort_never),
		TEST(random_changes_agree_with_a_sorted_array),
		TEST(changes_cost_a_path_at_100000),
		cmocka_unit_test(test_vma_tree__readers_see_changes_as_a_whole_and_nothing_freed),
	};

	return cmocka_run_group_tests_name("vma_tree", tests, NULL, NULL);
}
