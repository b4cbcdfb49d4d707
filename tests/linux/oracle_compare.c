/* SPDX-License-Identifier: BSD-2-Clause */

/* Both walks of a case, and whether they did the same. */

#include "oracle_compare.h"

#include <inttypes.h>
#include <string.h>

#include <pagewalk/base.h>

void comparison_init(struct comparison *cmp, const struct oracle_kernel *kernel)
{
	memset(cmp, 0, sizeof(*cmp));
	world_init(&cmp->world);
	cmp->kernel = kernel;
	cmp->switches = (1u << _SW_MAX) - 1;
	cmp->tables = malloc(cmp->world.arena.size);
	if (!cmp->tables)
		abort();
}

void comparison_fini(struct comparison *cmp)
{
	free(cmp->tables);
	world_fini(&cmp->world);
}

static bool same_event(const struct oracle_event *a, const struct oracle_event *b)
{
	return a->what == b->what && a->depth == b->depth && a->action == b->action &&
	       a->vma == b->vma && a->addr == b->addr && a->next == b->next && a->slot == b->slot &&
	       a->entry == b->entry;
}

static bool same_outcome(const struct world *w, const struct outcome *a, const struct outcome *b)
{
	if (a->ret != b->ret || a->nr_events != b->nr_events)
		return false;
	for (size_t i = 0; i < a->nr_events; i++) {
		if (!same_event(&a->events[i], &b->events[i]))
			return false;
	}
	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		if (a->vma_held[i] != b->vma_held[i])
			return false;
	}
	return true;
}

static bool same_tables(const struct comparison *cmp)
{
	const struct arena *arena = &cmp->world.arena;

	return arena->used == cmp->tables_used &&
	       memcmp(arena->block, cmp->tables, arena->used) == 0;
}

#define MAX_TICKS 1000000 /* large tables without callbacks take some */

static void walk_linux(struct comparison *cmp, struct outcome *outcome, uint32_t switches)
{
	struct world *w = &cmp->world;

	w->switches = switches;
	world_begin(w, outcome);
	outcome->ret = linux_walk(w, cmp->kernel);
}

/* Ours is what the tables hold now. Would Linux have done the same without a switch? */
static void count(struct comparison *cmp)
{
	struct world *w = &cmp->world;

	cmp->tables_used = w->arena.used;
	memcpy(cmp->tables, w->arena.block, w->arena.used);
	/* Without the switch it may have no end: it is not to take too long for that. */
	w->max_ticks = 20000 + 4 * cmp->theirs.ticks;
	for (int sw = 0; sw < _SW_MAX; sw++) {
		if (!(cmp->theirs.differed & cmp->switches & (1u << sw)))
			continue;
		world_restore(w);
		walk_linux(cmp, &cmp->again, cmp->switches & ~(1u << sw));
		if (!same_outcome(w, &cmp->again, &cmp->ours) || !same_tables(cmp))
			cmp->mattered[sw]++;
	}
}

enum verdict comparison_run(struct comparison *cmp, const struct oracle_case *c, bool counts)
{
	struct world *w = &cmp->world;
	bool same;

	if (!world_make(w, c))
		return IMPOSSIBLE;
	world_save(w);
	w->max_ticks = MAX_TICKS;
	walk_linux(cmp, &cmp->theirs, cmp->switches);
	cmp->tables_used = w->arena.used;
	memcpy(cmp->tables, w->arena.block, w->arena.used);
	world_restore(w);
	/* Linux's walk may have counted: a VMA's lock is the only thing outside of the tables. */
	world_begin(w, &cmp->ours);
	cmp->ours.ret = ours_walk(w);
	cmp->counts_are_right = world_counts_are_right(w);
	same = same_outcome(w, &cmp->theirs, &cmp->ours) && same_tables(cmp) &&
	       cmp->counts_are_right;
	cmp->nr_events += cmp->ours.nr_events;
	if (same && counts)
		count(cmp);
	world_unmake(w);
	return cmp->verdict = same ? SAME : DIFFERENT;
}

static void print_event(FILE *file, const struct oracle_event *e)
{
	static const char *const locks[] = { "user", "kernel", "vma", "file" };

	fprintf(file, "%s", oracle_what_names[e->what]);
	if (e->what == EV_BREACH)
		fprintf(file, " of %s lock", locks[e->depth]);
	else if (e->what == EV_BAD)
		fprintf(file, " depth %d entry %#" PRIx64, e->depth, e->entry);
	else if (e->what < _EV_CALLBACKS)
		fprintf(file, " %#" PRIx64 " %#" PRIx64, e->addr, e->next);
	if (e->what == EV_HOLE)
		fprintf(file, " depth %d", e->depth);
	if (e->what == EV_HUGETLB)
		fprintf(file, " slot %#" PRIx64 " entry %#" PRIx64 " page 2^%u%s", e->slot,
			e->entry, e->action, e->depth ? "" : " unlocked");
	if (e->what <= EV_PGD)
		fprintf(file, " slot %#" PRIx64 " entry %#" PRIx64 " action %u", e->slot, e->entry,
			e->action);
	if (e->vma)
		fprintf(file, " vma %u%s", (e->vma & ~EVENT_OTHER_MM) - 1u,
			e->vma & EVENT_OTHER_MM ? " in another mm" : "");
}

void comparison_print(const struct comparison *cmp, FILE *file)
{
	const struct outcome *a = &cmp->theirs, *b = &cmp->ours;
	size_t nr = a->nr_events > b->nr_events ? a->nr_events : b->nr_events, first = 0, shown = 0;

	while (first < a->nr_events && first < b->nr_events &&
	       same_event(&a->events[first], &b->events[first]))
		first++;
	if (first > 4)
		fprintf(file, "# ... %zu events alike\n", first - 4);
	for (size_t i = first > 4 ? first - 4 : 0; i < nr && shown < 16; i++, shown++) {
		fprintf(file, "# linux %3zu: ", i + 1);
		if (i < a->nr_events)
			print_event(file, &a->events[i]);
		fprintf(file, "\n# ours  %3zu: ", i + 1);
		if (i < b->nr_events)
			print_event(file, &b->events[i]);
		fputc('\n', file);
	}
	fprintf(file, "# linux: %d after %zu events; ours: %d after %zu\n", a->ret, a->nr_events,
		b->ret, b->nr_events);
	if (!cmp->counts_are_right)
		fprintf(file, "# ours counts live slots wrong\n");
	if (a->ret == b->ret && a->nr_events == b->nr_events && first == a->nr_events)
		fprintf(file, "# tables and locks of VMAs afterwards: %s\n",
			cmp->verdict == SAME ? "alike" : "they differ");
}
