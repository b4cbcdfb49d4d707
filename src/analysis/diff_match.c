/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Roots whose content is compared, each of one side with each of the other. */
#define MAX_BY_CONTENT 512

/* The entries of a root that are of a region, as they lie in memory; NULL: they cannot be read. */
static void *region_items(const struct pgw_image *image, const struct pgw_root_info *root,
			  const struct pgw_region *region, size_t *ret_size)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	unsigned span_lg2 = geo->span_lg2[geo->top_level];
	uint64_t in_root = low_bits(geo->slots_lg2[geo->top_level]);
	uint64_t first = region->first >> span_lg2 & in_root;
	uint64_t last = region->last >> span_lg2 & in_root;
	size_t size = (size_t)(last - first + 1) << geo->item_lg2;
	void *items = malloc(size);

	*ret_size = size;
	if (items && pgw_phys_read(pgw_image_phys(image), root->root.pa + (first << geo->item_lg2),
				   items, size) == 0)
		return items;
	free(items);
	return NULL;
}

static bool is_all_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* Do two roots begin the user's region with the same tables, and is there any? */
static bool have_same_content(const struct pgw_image *image_a, const struct pgw_root_info *a,
			      const struct pgw_image *image_b, const struct pgw_root_info *b)
{
	const struct pgw_region *region = pgw_format_region(a->format, PGW_REGION_USER);
	size_t size_a = 0, size_b = 0;
	void *items_a, *items_b;
	bool is_same;

	if (!region || a->format != b->format || !a->has_user || !b->has_user)
		return false;
	items_a = region_items(image_a, a, region, &size_a);
	items_b = region_items(image_b, b, region, &size_b);
	is_same = items_a && items_b && memcmp(items_a, items_b, size_a) == 0 &&
		  !is_all_zero(items_a, size_a);
	free(items_a);
	free(items_b);
	return is_same;
}

static bool are_kernels(const struct pgw_root_info *a, const struct pgw_root_info *b)
{
	return a->state == PGW_ROOT_KERNEL && b->state == PGW_ROOT_KERNEL && a->kernel == b->kernel;
}

static bool have_same_place(const struct pgw_root_info *a, const struct pgw_root_info *b)
{
	return a->root.pa == b->root.pa && a->state != PGW_ROOT_KERNEL &&
	       b->state != PGW_ROOT_KERNEL && a->is_kpti_user == b->is_kpti_user;
}

/* What was matched until now. */
struct matching {
	const struct pgw_diff_roots *before, *after;
	size_t *match; /* of before's roots */
	bool *taken;   /* of after's */
	/* If both sides know their processes: roots that one has, of either side. */
	bool *has_process[2];
	bool knows_all; /* ... and all processes */
};

static bool matching_try(struct matching *m, size_t i, size_t j, bool is_same)
{
	if (!is_same || m->taken[j] || m->before->list[i].format != m->after->list[j].format)
		return false;
	m->match[i] = j;
	m->taken[j] = true;
	return true;
}

static void match_kernels(struct matching *m)
{
	for (size_t i = 0; i < m->before->nr; i++) {
		const struct pgw_root_info *a = &m->before->list[i];

		if (a->state != PGW_ROOT_KERNEL)
			continue;
		for (size_t j = 0; j < m->after->nr; j++) {
			if (matching_try(m, i, j, are_kernels(a, &m->after->list[j])))
				break;
		}
	}
}

/* @return the index of the root at an address, or PGW_DIFF_NO_MATCH */
static size_t root_index(const struct pgw_diff_roots *roots, uint64_t pa)
{
	size_t low = 0, high = roots->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (roots->list[middle].root.pa < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low < roots->nr && roots->list[low].root.pa == pa ? low : PGW_DIFF_NO_MATCH;
}

/* The root of a process, if it is one of them. */
static size_t process_root(const struct pgw_diff_roots *roots, const struct pgw_task *task)
{
	uint64_t pa = task->is_kernel ? 0 : pgw_tasks_with_mm(roots->tasks, task)->root_pa;

	return pa ? root_index(roots, pa) : PGW_DIFF_NO_MATCH;
}

/* The other half of a KPTI pair, if it is one of them. */
static size_t twin_index(const struct pgw_diff_roots *roots, size_t i)
{
	return roots->list[i].has_twin ? root_index(roots, roots->list[i].twin.pa)
				       : PGW_DIFF_NO_MATCH;
}

static void mark_processes(const struct pgw_diff_roots *roots, bool *has_process)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(roots->tasks, &nr);

	for (size_t i = 0; i < nr; i++) {
		size_t root = list[i].is_leader ? process_root(roots, &list[i]) : PGW_DIFF_NO_MATCH;
		size_t twin = root == PGW_DIFF_NO_MATCH ? root : twin_index(roots, root);

		if (root != PGW_DIFF_NO_MATCH)
			has_process[root] = true;
		if (twin != PGW_DIFF_NO_MATCH)
			has_process[twin] = true;
	}
}

static bool knows_all(const struct pgw_tasks *tasks)
{
	const struct pgw_tasks_met *met = pgw_tasks_get_met(tasks);

	return !met->nr_torn && !met->nr_unreadable && !met->truncated;
}

/* A pid is given anew to others; when a process was started, not. */
static bool is_same_process(const struct pgw_task *a, const struct pgw_task *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns &&
	       (a->start_ns || strcmp(a->name, b->name) == 0);
}

static void match_processes(struct matching *m)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(m->before->tasks, &nr);

	for (size_t k = 0; k < nr; k++) {
		const struct pgw_task *other = pgw_tasks_find(m->after->tasks, list[k].pid);
		size_t i, j;

		if (!list[k].is_leader || !other || !is_same_process(&list[k], other))
			continue;
		i = process_root(m->before, &list[k]);
		j = process_root(m->after, other);
		/* Of processes that share a root, the first one says which it is. */
		if (i != PGW_DIFF_NO_MATCH && j != PGW_DIFF_NO_MATCH &&
		    m->match[i] == PGW_DIFF_NO_MATCH)
			matching_try(m, i, j, true);
	}
	for (size_t i = 0; i < m->before->nr; i++) {
		size_t twin = twin_index(m->before, i), j = PGW_DIFF_NO_MATCH;

		if (m->match[i] != PGW_DIFF_NO_MATCH || !m->before->list[i].is_kpti_user)
			continue;
		if (twin != PGW_DIFF_NO_MATCH && m->match[twin] != PGW_DIFF_NO_MATCH)
			j = twin_index(m->after, m->match[twin]);
		if (j != PGW_DIFF_NO_MATCH)
			matching_try(m, i, j, m->after->list[j].is_kpti_user);
	}
}

/*
 * May two roots be the same one that are not one process's? Of two processes they are not; where all
 * are known, one that only one side has a process for was freed, and others' tables may be there now.
 */
static bool may_be_same(const struct matching *m, size_t i, size_t j)
{
	if (!m->has_process[0])
		return true;
	if (m->has_process[0][i] && m->has_process[1][j])
		return false;
	return !m->knows_all || m->has_process[0][i] == m->has_process[1][j];
}

/* Both lists ascend, so each is gone through once, however many roots a dump makes up. */
static void match_places(struct matching *m)
{
	size_t j = 0;

	for (size_t i = 0; i < m->before->nr; i++) {
		const struct pgw_root_info *a = &m->before->list[i];

		while (j < m->after->nr && m->after->list[j].root.pa < a->root.pa)
			j++;
		if (j < m->after->nr && m->match[i] == PGW_DIFF_NO_MATCH && may_be_same(m, i, j))
			matching_try(m, i, j, have_same_place(a, &m->after->list[j]));
	}
}

static void match_contents(struct matching *m)
{
	for (size_t i = 0; i < m->before->nr; i++) {
		const struct pgw_root_info *a = &m->before->list[i];

		for (size_t j = 0; m->match[i] == PGW_DIFF_NO_MATCH && j < m->after->nr; j++) {
			if (!m->taken[j] && may_be_same(m, i, j))
				matching_try(m, i, j,
					     have_same_content(m->before->image, a, m->after->image,
							       &m->after->list[j]));
		}
	}
}

/* @return 0 or -PGW_ENOMEM */
static int matching_know(struct matching *m)
{
	if (!m->before->tasks || !m->after->tasks)
		return 0;
	m->has_process[0] = calloc(m->before->nr + 1, sizeof(bool));
	m->has_process[1] = calloc(m->after->nr + 1, sizeof(bool));
	if (!m->has_process[0] || !m->has_process[1])
		return -PGW_ENOMEM;
	mark_processes(m->before, m->has_process[0]);
	mark_processes(m->after, m->has_process[1]);
	m->knows_all = knows_all(m->before->tasks) && knows_all(m->after->tasks);
	return 0;
}

int pgw_diff_match(const struct pgw_diff_roots *before, const struct pgw_diff_roots *after,
		   size_t *ret_match)
{
	struct matching m = { .before = before, .after = after, .match = ret_match };
	int status = matching_know(&m);

	m.taken = calloc(after->nr + 1, sizeof(*m.taken));
	if (!m.taken)
		status = -PGW_ENOMEM;
	for (size_t i = 0; i < before->nr; i++)
		ret_match[i] = PGW_DIFF_NO_MATCH;
	if (!status) {
		match_kernels(&m);
		if (m.has_process[0])
			match_processes(&m);
		match_places(&m);
	}
	if (!status && before->nr <= MAX_BY_CONTENT && after->nr <= MAX_BY_CONTENT)
		match_contents(&m);
	free(m.has_process[0]);
	free(m.has_process[1]);
	free(m.taken);
	return status;
}

/* Devices keep their number; a virtual machine is counted, and its root stays as a rule. */
static bool is_same_foreign(const struct pgw_foreign *a, const struct pgw_foreign *b)
{
	return a->is_guest == b->is_guest && a->source == b->source && a->format == b->format &&
	       (a->is_guest ? a->root.pa == b->root.pa : a->id == b->id);
}

static bool may_be_matched(const struct pgw_foreign *foreign)
{
	return foreign->domain == PGW_DOMAIN_TABLES;
}

/* The only one of the virtual machines that is left, or PGW_DIFF_NO_MATCH. */
static size_t guest_left(const struct pgw_foreign *list, size_t nr, const bool *is_matched)
{
	size_t found = PGW_DIFF_NO_MATCH;

	for (size_t i = 0; i < nr; i++) {
		if (!list[i].is_guest || is_matched[i] || !may_be_matched(&list[i]))
			continue;
		if (found != PGW_DIFF_NO_MATCH)
			return PGW_DIFF_NO_MATCH;
		found = i;
	}
	return found;
}

static void match_foreign(const struct pgw_foreign *before, size_t nr_before,
			  const struct pgw_foreign *after, size_t nr_after, size_t *match,
			  bool *is_matched[2])
{
	size_t i, j, next = 0;

	/* Both lists are in the same order, so the next one is mostly where the last one was found. */
	for (i = 0; i < nr_before; i++) {
		for (size_t tried = 0; may_be_matched(&before[i]) && tried < nr_after; tried++) {
			j = (next + tried) % nr_after;
			if (is_matched[1][j] || !may_be_matched(&after[j]) ||
			    !is_same_foreign(&before[i], &after[j]))
				continue;
			match[i] = j;
			is_matched[0][i] = is_matched[1][j] = true;
			next = j + 1;
			break;
		}
	}
	i = guest_left(before, nr_before, is_matched[0]);
	j = guest_left(after, nr_after, is_matched[1]);
	if (i != PGW_DIFF_NO_MATCH && j != PGW_DIFF_NO_MATCH &&
	    before[i].source == after[j].source && before[i].format == after[j].format)
		match[i] = j;
}

int pgw_diff_match_foreign(const struct pgw_foreign *before, size_t nr_before,
			   const struct pgw_foreign *after, size_t nr_after, size_t *ret_match)
{
	bool *is_matched[2] = { calloc(nr_before + 1, sizeof(bool)),
				calloc(nr_after + 1, sizeof(bool)) };
	int status = is_matched[0] && is_matched[1] ? 0 : -PGW_ENOMEM;

	for (size_t i = 0; i < nr_before; i++)
		ret_match[i] = PGW_DIFF_NO_MATCH;
	if (!status)
		match_foreign(before, nr_before, after, nr_after, ret_match, is_matched);
	free(is_matched[0]);
	free(is_matched[1]);
	return status;
}
