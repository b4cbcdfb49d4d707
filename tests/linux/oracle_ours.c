/* SPDX-License-Identifier: BSD-2-Clause */

/* Both walks of a case: ours, and what Linux's is given. */

#include <pagewalk/vma.h>

#include "mm/mm_priv.h"
#include "mm/vma/vma_lock.h"
#include "oracle_world.h"
#include "pt/read/gather.h"

/* ---- ours ---- */

static int emit(struct oracle_event *event, struct pgw_mm_walk *walk)
{
	struct world *w = walk->arg;
	unsigned action = walk->action;
	int err;

	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		if (walk->vma == w->vmas[i])
			event->vma = (uint8_t)(i + 1);
	}
	if (walk->vma && walk->mm != walk->vma->mm)
		event->vma |= EVENT_OTHER_MM;
	err = world_callback(w, event, &action);
	walk->action = (enum pgw_walk_action)action;
	return err;
}

static int show(uint64_t *slot, enum oracle_what what, uint64_t addr, uint64_t next,
		struct pgw_mm_walk *walk)
{
	struct oracle_event event = {
		.what = (uint8_t)what,
		.addr = addr,
		.next = next,
		.action = what == EV_PUD || what == EV_PMD ? (uint8_t)walk->action : 0,
		.slot = world_physical(walk->arg, slot),
		.entry = pgw_item_load(slot),
	};

	return emit(&event, walk);
}

#define ENTRY(name, what)                                                                          \
	static int on_##name(uint64_t *slot, uint64_t addr, uint64_t next,                         \
			     struct pgw_mm_walk *walk)                                             \
	{                                                                                          \
		return show(slot, what, addr, next, walk);                                         \
	}
ENTRY(pgd, EV_PGD)
ENTRY(p4d, EV_P4D)
ENTRY(pud, EV_PUD)
ENTRY(pmd, EV_PMD)
ENTRY(pte, EV_PTE)

static int on_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct oracle_event event = {
		.what = EV_HOLE, .depth = (int8_t)depth, .addr = addr, .next = next
	};

	return emit(&event, walk);
}

static int on_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			struct pgw_mm_walk *walk)
{
	const struct oracle_event event = { .what = EV_BAD,
					    .depth = (int8_t)depth,
					    .entry = entry };

	(void)addr, (void)next;
	world_note(walk->arg, &event);
	return 0;
}

#define RANGE(name, id)                                                                            \
	static int on_##name(uint64_t start, uint64_t end, struct pgw_mm_walk *walk)               \
	{                                                                                          \
		struct oracle_event event = { .what = (id), .addr = start, .next = end };          \
                                                                                                   \
		return emit(&event, walk);                                                         \
	}
RANGE(test, EV_TEST)
RANGE(pre, EV_PRE)

static int on_hugetlb(uint64_t *slot, uint64_t hmask, uint64_t addr, uint64_t next,
		      struct pgw_mm_walk *walk)
{
	struct oracle_event event = {
		.what = EV_HUGETLB,
		.depth = walk->vma->hugetlb_lock != 0,
		.action = (uint8_t)__builtin_ctzll(hmask),
		.addr = addr,
		.next = next,
		.slot = world_physical(walk->arg, slot),
		.entry = pgw_item_load(slot),
	};

	return emit(&event, walk);
}

static int on_install(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	struct oracle_event event = { .what = EV_INSTALL, .addr = addr, .next = next };
	int err = emit(&event, walk);

	*ret = event.entry;
	return err;
}

static void on_post(struct pgw_mm_walk *walk)
{
	struct oracle_event event = { .what = EV_POST };

	emit(&event, walk);
}

static struct pgw_mm_walk_ops ours_ops(const struct oracle_case *c)
{
#define IF(what, fn) (c->ops & (1u << (what)) ? (fn) : NULL)
	return (struct pgw_mm_walk_ops){
		.pgd_entry = IF(EV_PGD, on_pgd),
		.p4d_entry = IF(EV_P4D, on_p4d),
		.pud_entry = IF(EV_PUD, on_pud),
		.pmd_entry = IF(EV_PMD, on_pmd),
		.pte_entry = IF(EV_PTE, on_pte),
		.hugetlb_entry = IF(EV_HUGETLB, on_hugetlb),
		.pte_hole = IF(EV_HOLE, on_hole),
		.malformed = on_malformed,
		.test_walk = IF(EV_TEST, on_test),
		.pre_vma = IF(EV_PRE, on_pre),
		.post_vma = IF(EV_POST, on_post),
		.install_pte = IF(EV_INSTALL, on_install),
		.walk_lock = (enum pgw_walk_lock)c->walk_lock,
	};
#undef IF
}

static int ours_call(struct world *w, const struct pgw_mm_walk_ops *ops)
{
	const struct oracle_case *c = w->c;
	struct pgw_mm *mm = c->is_snapshot ? w->snapshot : w->mm[c->of_kernel];
	const struct pgw_root other = { .pa = w->other_pa };
	const struct pgw_root *root = c->has_other ? &other : NULL;

	switch (c->entry_point) {
	case CALL_RANGE:
		return pgw_walk_page_range(mm, c->start, c->end, ops, w);
	case CALL_RANGE_VMA:
		return pgw_walk_page_range_vma(w->vmas[c->vma], c->start, c->end, ops, w);
	case CALL_PAGE_VMA:
		return pgw_walk_page_vma(w->vmas[c->vma], ops, w);
	case CALL_RANGE_UNSAFE:
		return pgw_walk_page_range_mm_unsafe(mm, c->start, c->end, ops, w);
	case CALL_VMA_UNSAFE:
		return pgw_walk_page_range_vma_unsafe(w->vmas[c->vma], c->start, c->end, ops, w);
	case CALL_MAPPING:
		return pgw_walk_page_mapping(w->mapping, c->start, c->end, ops, w);
	case CALL_NOVMA:
		return pgw_walk_page_range_novma(mm, c->start, c->end, ops, root, w);
	case CALL_KERNEL:
		return pgw_walk_kernel_page_table_range(mm, c->start, c->end, ops, root, w);
	case CALL_KERNEL_LOCKLESS:
		return pgw_walk_kernel_page_table_range_lockless(mm, c->start, c->end, ops, root,
								 w);
	case CALL_DEBUG:
		return pgw_walk_page_range_debug(mm, c->start, c->end, ops, root, w);
	default:
		abort();
	}
}

int ours_walk(struct world *w)
{
	const struct pgw_mm_walk_ops ops = ours_ops(w->c);
	int ret = ours_call(w, &ops);

	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		if (w->c->vmas[i].held != HELD_READ)
			w->outcome->vma_held[i] =
				vma_lock_is_write_locked(w->vmas[i]) ? HELD_WRITE : HELD_NOT;
		else
			w->outcome->vma_held[i] = HELD_READ;
	}
	return ret;
}

/* ---- Linux's ---- */

static int host_callback(void *ctx, struct oracle_event *event, unsigned *action)
{
	return world_callback(ctx, event, action);
}

static void host_note(void *ctx, const struct oracle_event *event)
{
	world_note(ctx, event);
}

static void host_moment(void *ctx, enum oracle_moment moment, uint64_t *slot)
{
	world_moment(ctx, moment, slot);
}

static enum oracle_kind host_kind(void *ctx, uint64_t entry, unsigned level)
{
	return world_kind(ctx, entry, level);
}

static uint64_t *host_table(void *ctx, uint64_t entry, unsigned level)
{
	return world_host(ctx, world_table_pa(ctx, entry, level));
}

static uint64_t host_physical(void *ctx, const uint64_t *slot)
{
	return world_physical(ctx, slot);
}

static int host_split(void *ctx, uint64_t *slot, unsigned level, uint64_t va)
{
	struct world *w = ctx;
	const struct pt *pt = &w->mm[w->c->of_kernel]->pt;
	uintptr_t size = pt_table_size(w->geo, level);
	uint64_t *table = (uint64_t *)((uintptr_t)slot & ~(size - 1));
	struct pt_gather gather;
	int err;

	gather_init(&gather, pt, PT_SHARED);
	err = pt->format->edit->split_item(
		&(struct pt_edit){ .pt = pt, .policy = PT_SHARED, .gather = &gather }, table, level,
		va);
	gather_flush(&gather);
	return err;
}

/* By this library, as a split is: what a table entry looks like is not compared. */
static int host_make_table(void *ctx, uint64_t *slot, unsigned level)
{
	struct world *w = ctx;
	const struct pt *pt = &w->mm[0]->pt;
	uintptr_t in_table = (uintptr_t)slot & (pt_table_size(w->geo, level) - 1);
	uint64_t *table = (uint64_t *)((uintptr_t)slot - in_table);
	uint64_t va = (uint64_t)(in_table / sizeof(*slot)) << w->geo->span_lg2[level];

	/* What is nowhere, and must stay of zeroes. */
	if (!world_physical(w, slot))
		return 0;
	return pt->format->edit->make_table(&(struct pt_edit){ .pt = pt, .policy = PT_SHARED },
					    table, level, va);
}

static bool host_differs(void *ctx, enum oracle_switch sw)
{
	struct world *w = ctx;

	w->outcome->differed |= 1u << sw;
	return w->switches & (1u << sw);
}

/* Is the range where the mm is? */
static bool is_inside(struct world *w)
{
	const struct oracle_case *c = w->c;
	const struct pgw_region *region =
		pgw_format_region(w->format, c->of_kernel ? PGW_REGION_KERNEL : PGW_REGION_USER);
	uint64_t last = c->end == UINT64_MAX ? c->end : c->end - 1;

	return c->start >= region->first && last <= region->last;
}

/* What Linux has no such answer to. @return 1: it is to walk */
static int refuse(struct world *w)
{
	const struct oracle_case *c = w->c;
	bool crosses = c->entry_point == CALL_DEBUG && c->has_kernel;

	if (c->entry_point == CALL_MAPPING)
		return 1;
	if (c->entry_point != CALL_PAGE_VMA && c->start < c->end && !crosses && !is_inside(w) &&
	    host_differs(w, SW_INSIDE_REGION))
		return -PGW_EINVAL;
	if ((c->entry_point == CALL_RANGE || c->entry_point == CALL_RANGE_UNSAFE) &&
	    c->walk_lock == PGW_WALK_VMA_RDLOCK_VERIFY && host_differs(w, SW_VMA_LOCK_REFUSED))
		return -PGW_EINVAL;
	return 1;
}

static uint64_t *host_root(struct world *w, int which)
{
	return w->mm[which] ? world_host(w, pgw_mm_root(w->mm[which]).pa) : w->zeroes;
}

/* ---- a debug walk of a user mm with its kernel mm, which may go through both halves ---- */

struct part {
	uint64_t first, last; /* inclusive */
};

static bool clip(const struct oracle_case *c, const struct part *part, struct oracle_call *call)
{
	uint64_t last = c->end == UINT64_MAX ? c->end : c->end - 1;

	call->start = c->start > part->first ? c->start : part->first;
	call->end = last > part->last ? part->last + 1 : c->end;
	return c->start <= part->last && last >= part->first;
}

static int gap_hole(struct world *w, const struct oracle_call *call)
{
	struct oracle_event event = {
		.what = EV_HOLE, .depth = -1, .addr = call->start, .next = call->end
	};
	unsigned action = 0;

	return w->c->ops & (1u << EV_HOLE) ? world_callback(w, &event, &action) : 0;
}

/* What Linux asserts before a walk, which the gap alone is not. */
static int gap_locks(struct world *w, const struct oracle_call *call)
{
	for (int who = LOCK_OF_USER; who <= LOCK_OF_KERNEL; who++) {
		const struct oracle_event event = { .what = EV_BREACH, .depth = (int8_t)who };

		if (call->held[who] == HELD_WRITE)
			continue;
		world_note(w, &event);
		if (host_differs(w, SW_BREACH_ENDS_WALK))
			return -PGW_EPERM;
	}
	return 0;
}

static void enter_kernel_half(struct world *w, struct oracle_call *call)
{
	if (!w->c->has_other && host_differs(w, SW_KERNEL_HALF))
		call->root[0] = call->root[1];
}

static int run_halves(struct world *w, const struct oracle_kernel *kernel, struct oracle_call *call)
{
	const struct pgw_region *user = pgw_format_region(w->format, PGW_REGION_USER);
	const struct pgw_region *top = pgw_format_region(w->format, PGW_REGION_KERNEL);
	const struct part parts[] = { { user->first, user->last },
				      { user->last + 1, top->first - 1 },
				      { top->first, top->last } };
	int ret = 0;

	if (w->c->end - 1 > user->last && w->c->start < top->first &&
	    !host_differs(w, SW_HALVES_GAP))
		return kernel->run(call);
	for (int i = 0; i < 3 && !ret; i++) {
		if (!clip(w->c, &parts[i], call))
			continue;
		if (i == 1) {
			ret = w->c->start > user->last ? gap_locks(w, call) : 0;
			ret = ret ? ret : gap_hole(w, call);
			continue;
		}
		if (i == 2)
			enter_kernel_half(w, call);
		ret = kernel->run(call);
	}
	return ret;
}

static int run(struct world *w, const struct oracle_kernel *kernel, struct oracle_call *call)
{
	const struct oracle_case *c = w->c;
	int ret = refuse(w);

	if (ret != 1)
		return ret;
	if (c->entry_point == CALL_DEBUG && c->has_kernel && c->start < c->end &&
	    !(c->ops & (1u << EV_INSTALL)))
		return run_halves(w, kernel, call);
	if (c->entry_point == CALL_PAGE_VMA) {
		call->start = c->vmas[c->vma].start;
		call->end = c->vmas[c->vma].end;
	}
	if (c->entry_point == CALL_MAPPING) {
		call->start = 0;
		call->end = UINT64_MAX;
	}
	return kernel->run(call);
}

static const struct oracle_host host_template = {
	.callback = host_callback,
	.note = host_note,
	.moment = host_moment,
	.kind = host_kind,
	.table = host_table,
	.physical = host_physical,
	.split = host_split,
	.make_table = host_make_table,
	.differs = host_differs,
};

struct oracle_host host_of_world(struct world *w)
{
	struct oracle_host host = host_template;

	host.ctx = w;
	return host;
}

static struct oracle_vma vma_of_case(const struct case_vma *vma)
{
	return (struct oracle_vma){
		.start = vma->start,
		.end = vma->end,
		.kind = vma->kind,
		.held = vma->held,
		.page_lg2 = vma->page_lg2,
		.is_of_file = vma->is_of_file,
		.in_second = vma->in_second,
		.pgoff = vma->pgoff,
	};
}

int linux_walk(struct world *w, const struct oracle_kernel *kernel)
{
	const struct oracle_case *c = w->c;
	struct oracle_vma vmas[MAX_CASE_VMAS];
	const struct oracle_host host = host_of_world(w);
	struct oracle_call call = {
		.host = &host,
		.shape = &w->shape,
		.entry_point = c->entry_point,
		.of_kernel = c->of_kernel,
		.is_snapshot = c->is_snapshot,
		.start = c->start,
		.end = c->end,
		.ops = c->ops,
		.walk_lock = c->walk_lock,
		/* Where there is no kernel mm, nobody else is at its tables. */
		.held = { c->held[0], w->mm[1] ? c->held[1] : HELD_WRITE },
		.root = { host_root(w, 0), host_root(w, 1) },
		.other_root = c->has_other && !w->second ? world_host(w, w->other_pa) : NULL,
		.second_root = w->second ? world_host(w, w->other_pa) : NULL,
		.i_mmap = c->held[1],
		.first = c->start,
		.nr = c->end,
		.vmas = vmas,
		.nr_vmas = c->nr_vmas,
		.vma = c->vma,
		.max_ticks = w->max_ticks,
	};
	int ret;

	for (size_t i = 0; i < c->nr_vmas; i++)
		vmas[i] = vma_of_case(&c->vmas[i]);
	ret = run(w, kernel, &call);
	w->outcome->ticks = call.ticks;
	for (size_t i = 0; i < c->nr_vmas; i++)
		w->outcome->vma_held[i] = vmas[i].held;
	return ret;
}
