/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/audit_priv.h"

#include <stdlib.h>

#include <pagewalk/linux_tasks.h>

/* A task's root that does not look like one: what was written to its tables may be why. */
static struct pgw_root_info task_root(const struct audit *a, uint64_t pa)
{
	const struct pgw_root_info *kernel = &a->facts.kernel;

	return (struct pgw_root_info){
		.root = { .pa = pa },
		.format = kernel->format,
		.control = kernel->control,
		.has_user = true,
		.has_kernel = !pgw_format_is_split(kernel->format),
		.state = PGW_ROOT_MAPPED,
		.kernel = kernel->kernel,
	};
}

static bool has_address(const struct ranges *roots, uint64_t pa)
{
	return ranges_cover(roots, pa, pa);
}

/* The roots that are known to be some, and those of tasks beside them. */
static int list_make(struct audit *a, const struct ranges *of_tasks)
{
	struct ranges known = { 0 };
	int status = 0;

	a->list = calloc(a->args->nr_roots + of_tasks->nr + 1, sizeof(a->list[0]));
	a->roots = calloc(a->args->nr_roots + of_tasks->nr + 1, sizeof(a->roots[0]));
	if (!a->list || !a->roots)
		return -PGW_ENOMEM;
	for (; a->nr_list < a->args->nr_roots && !status; a->nr_list++) {
		a->list[a->nr_list] = a->args->roots[a->nr_list];
		status = ranges_add(&known, a->list[a->nr_list].root.pa,
				    a->list[a->nr_list].root.pa);
	}
	ranges_sort(&known);
	for (size_t i = 0; i < of_tasks->nr && !status; i++) {
		if (!has_address(&known, of_tasks->list[i].first))
			a->list[a->nr_list++] = task_root(a, of_tasks->list[i].first);
	}
	ranges_fini(&known);
	return status;
}

static enum audit_trust trust_of(const struct pgw_root_info *root, const struct ranges *of_tasks)
{
	if (root->cpus || root->found & PGW_ROOT_FROM_CPU || root->state == PGW_ROOT_KERNEL ||
	    root->state == PGW_ROOT_TRAMPOLINE || root->state == PGW_ROOT_FIRMWARE ||
	    has_address(of_tasks, root->root.pa) ||
	    (root->has_twin && has_address(of_tasks, root->twin.pa)))
		return AUDIT_SURE;
	return root->state == PGW_ROOT_MAPPED ? AUDIT_LOOKS : AUDIT_STALE;
}

/* The roots of all tasks; none if the image does not say. */
static int task_roots(const struct audit *a, struct ranges *ret)
{
	const struct pgw_task *list;
	struct pgw_tasks *tasks;
	int status = 0;
	size_t nr;

	if (!a->facts.has_kernel || pgw_tasks_open(a->args->image, &tasks, NULL))
		return 0;
	list = pgw_tasks_list(tasks, &nr);
	for (size_t i = 0; i < nr && !status; i++) {
		if (list[i].root_pa)
			status = ranges_add(ret, list[i].root_pa, list[i].root_pa);
	}
	ranges_sort(ret);
	pgw_tasks_close(tasks);
	return status;
}

/* What the kernel calls firmware by: its pgd is among the first members of efi_mm. */
static void efi_find(struct audit *a)
{
	struct audit_facts *facts = &a->facts;
	struct pgw_symbol symbol;
	uint64_t word;

	if (!facts->symbols || !facts->direct.is_known ||
	    !pgw_symbols_find(facts->symbols, "efi_mm", &symbol))
		return;
	for (uint64_t at = 0; at < 512; at += 8) {
		if (linux_memory_word(&facts->memory, symbol.va + at, &word))
			return;
		for (size_t i = 0; i < a->nr_list; i++) {
			const struct pgw_root_info *root = &a->list[i];

			if (root->root.pa == word - facts->direct_distance &&
			    root->root.pa != facts->kernel.root.pa)
				a->roots[i].is_efi = true;
		}
	}
}

static int roots_find(struct audit *a)
{
	struct ranges of_tasks = { 0 };
	int status = task_roots(a, &of_tasks);

	if (!status)
		status = list_make(a, &of_tasks);
	for (size_t i = 0; i < a->nr_list && !status; i++) {
		const struct pgw_root_info *root = &a->list[i];

		a->roots[i].trust = (uint8_t)trust_of(root, &of_tasks);
		a->roots[i].user = forest_root_user(a->list, a->nr_list, i);
		a->roots[i].is_out =
			root->state == PGW_ROOT_GUEST || (a->facts.has_kernel && root->kernel &&
							  root->kernel != a->facts.kernel.kernel);
	}
	ranges_fini(&of_tasks);
	if (!status)
		efi_find(a);
	return status;
}

int pgw_audit(const struct pgw_audit_args *args, struct pgw_audit_sums *ret)
{
	struct audit a = { .args = args, .sums = ret, .visits_left = args->max_tables };
	int status;

	*ret = (struct pgw_audit_sums){ 0 };
	status = audit_facts_find(&a.facts, args);
	ret->truncated = a.facts.is_cut;
	if (!status)
		status = roots_find(&a);
	if (!status)
		status = audit_tables(&a);
	if (!status)
		status = audit_leaves(&a);
	if (!status)
		status = audit_machine(&a);
	if (!status)
		status = audit_foreign(&a);
	/* Last, as it reads tables more. */
	if (!status)
		status = audit_lost(&a);
	/* Ended from outside: what was found until then is told. */
	if (status > 0 || status == -PGW_EINTR)
		ret->truncated = true;
	if (status >= 0 || status == -PGW_EINTR) {
		int told = audit_tell(&a);

		status = told ? told : status;
	}
	free(a.findings);
	free(a.foreign_trees);
	free(a.tables);
	free(a.marks);
	free(a.roots);
	free(a.list);
	ranges_fini(&a.sure_tables);
	ranges_fini(&a.looks_tables);
	forest_fini(&a.forest);
	audit_facts_fini(&a.facts);
	return status;
}
