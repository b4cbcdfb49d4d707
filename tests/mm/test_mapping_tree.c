/* SPDX-License-Identifier: BSD-2-Clause */

/* The interval tree of a file's VMAs, against a plain list of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "mm/vma/mapping_tree.h"

#define MAX_VMAS 400

/** A tree, and what should be in it, in no order; number i was the i-th put in. */
struct world {
	struct file_vma *root;
	struct file_vma *node[MAX_VMAS];
	size_t nr;
};

static void put(struct world *w, uint64_t first, uint64_t last)
{
	struct file_vma *node = calloc(1, sizeof(*node));

	assert_non_null(node);
	/* What was left behind in another tree is of no concern. */
	memset(node, 0xee, sizeof(*node));
	node->first = first;
	node->last = last;
	mapping_tree_insert(&w->root, node);
	assert_true(w->nr < MAX_VMAS);
	w->node[w->nr++] = node;
}

static void take(struct world *w, size_t i)
{
	mapping_tree_remove(&w->root, w->node[i]);
	free(w->node[i]);
	/* Those that stay keep their order. */
	memmove(&w->node[i], &w->node[i + 1], (--w->nr - i) * sizeof(w->node[0]));
}

static void take_all(struct world *w)
{
	while (w->nr)
		take(w, w->nr - 1);
	assert_null(w->root);
}

/* By first page, then by when it was put in, which is the order of the list. */
static struct file_vma *list_next(const struct world *w, const struct file_vma *after,
				  uint64_t first, uint64_t last)
{
	struct file_vma *best = NULL;
	bool is_behind = !after;

	for (size_t i = 0; i < w->nr; i++) {
		struct file_vma *node = w->node[i];
		bool is_later = !after || node->first > after->first ||
				(node->first == after->first && is_behind);

		is_behind |= node == after;
		if (!is_later || node->first > last || node->last < first)
			continue;
		if (!best || node->first < best->first)
			best = node;
	}
	return best;
}

static void assert_finds(const struct world *w, uint64_t first, uint64_t last)
{
	struct file_vma *node = mapping_tree_first(w->root, first, last);
	struct file_vma *expected = list_next(w, NULL, first, last);

	for (;;) {
		assert_ptr_equal(node, expected);
		if (!node)
			return;
		node = mapping_tree_next(node, first, last);
		expected = list_next(w, expected, first, last);
	}
}

static void assert_valid(struct world *w)
{
	size_t nr;

	assert_true(mapping_tree_validate(w->root, &nr));
	assert_int_equal(nr, w->nr);
	for (size_t i = 0; i < w->nr; i++)
		assert_true(mapping_tree_has(w->root, w->node[i]));
}

static void test_mapping_tree__empty_finds_nothing(void **state)
{
	struct world w = { 0 };

	(void)state;
	assert_valid(&w);
	assert_finds(&w, 0, UINT64_MAX);
	assert_finds(&w, 5, 4);
}

static void test_mapping_tree__ends_are_inclusive(void **state)
{
	struct world w = { 0 };

	(void)state;
	put(&w, 10, 19);
	put(&w, 20, 20);
	put(&w, 0, UINT64_MAX);
	put(&w, UINT64_MAX, UINT64_MAX);
	for (uint64_t first = 8; first < 24; first++) {
		for (uint64_t last = first; last < 24; last++)
			assert_finds(&w, first, last);
	}
	assert_finds(&w, 0, 0);
	assert_finds(&w, UINT64_MAX, UINT64_MAX);
	assert_finds(&w, 0, UINT64_MAX);
	/* An empty range is shown by those around it alone: by who asks, it is clipped away. */
	assert_finds(&w, 15, 14);
	assert_valid(&w);
	take_all(&w);
}

/* Up, down, inside out and shuffled; the height stays that of an AVL tree. */
static void test_mapping_tree__every_order_stays_balanced(void **state)
{
	enum { N = 377 };
	struct world w = { 0 };

	(void)state;
	for (unsigned order = 0; order < 4; order++) {
		for (uint64_t i = 0; i < N; i++) {
			const uint64_t at[] = { i, N - 1 - i, i % 2 ? N / 2 + i / 2 : N / 2 - i / 2,
						i * 211 % N };

			put(&w, at[order] * 10, at[order] * 10 + 9);
			assert_valid(&w);
		}
		/* 1.44 log2 of N + 2 */
		assert_true(w.root->height <= 12);
		for (uint64_t i = 0; i < N; i++)
			assert_finds(&w, i * 10 + 9, i * 10 + 10);
		while (w.nr) {
			const size_t at[] = { 0, w.nr - 1, w.nr / 2, w.nr * 7 / 11 };

			take(&w, at[order]);
			assert_valid(&w);
		}
		assert_null(w.root);
	}
}

static void test_mapping_tree__one_that_is_not_in_it_is_told(void **state)
{
	struct world w = { 0 }, other = { 0 };

	(void)state;
	put(&w, 1, 2);
	put(&w, 2, 3);
	put(&other, 1, 2);
	put(&other, 3, 3);
	for (size_t i = 0; i < 2; i++) {
		assert_false(mapping_tree_has(w.root, other.node[i]));
		assert_false(mapping_tree_has(other.root, w.node[i]));
	}
	take_all(&w);
	take_all(&other);
}

/* Validation is of use only if it finds something. */
static void test_mapping_tree__what_is_wrong_is_found(void **state)
{
	struct world w = { 0 };
	struct file_vma *root, *leaf;
	size_t nr;

	(void)state;
	for (uint64_t i = 0; i < 7; i++)
		put(&w, i * 10, i * 10 + 5);
	root = w.root;
	leaf = root->child[1]->child[1];
	leaf->max++;
	assert_false(mapping_tree_validate(root, &nr));
	leaf->max--;
	leaf->height++;
	assert_false(mapping_tree_validate(root, &nr));
	leaf->height--;
	leaf->first = 0;
	assert_false(mapping_tree_validate(root, &nr));
	leaf->first = 60;
	root->child[0]->child[0]->up = root;
	assert_false(mapping_tree_validate(root, &nr));
	root->child[0]->child[0]->up = root->child[0];
	assert_valid(&w);
	take_all(&w);
}

static void random_range(uint64_t *random, uint64_t *first, uint64_t *last)
{
	/* Few pages, so that many share a first page; now and then the whole file. */
	*first = test_random(random) % 200;
	*last = *first + test_random(random) % (test_random(random) % 4 ? 8 : 200);
	if (test_random(random) % 64 == 0)
		*last = UINT64_MAX;
}

static void test_mapping_tree__random_changes_agree_with_a_list(void **state)
{
	struct world w = { 0 };
	uint64_t random = test_seed(), first, last;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		/* It grows and shrinks in turn. */
		uint64_t target = round / 500 % 2 ? 20 : MAX_VMAS - 20;

		random_range(&random, &first, &last);
		if (w.nr && (w.nr >= MAX_VMAS || test_random(&random) % MAX_VMAS > target))
			take(&w, test_random(&random) % w.nr);
		else if (w.nr < MAX_VMAS)
			put(&w, first, last);
		random_range(&random, &first, &last);
		assert_finds(&w, first, last);
		if (round % 16 == 0)
			assert_valid(&w);
	}
	assert_valid(&w);
	take_all(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping_tree__empty_finds_nothing),
		cmocka_unit_test(test_mapping_tree__ends_are_inclusive),
		cmocka_unit_test(test_mapping_tree__every_order_stays_balanced),
		cmocka_unit_test(test_mapping_tree__one_that_is_not_in_it_is_told),
		cmocka_unit_test(test_mapping_tree__what_is_wrong_is_found),
		cmocka_unit_test(test_mapping_tree__random_changes_agree_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
