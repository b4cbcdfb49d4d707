/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Linux's walker, compiled as it is, and what stands between it and the
 * comparison: callbacks that are handed on, and the differences that are made
 * around a callback, not in what a macro answers.
 */

#include "shim.h"

#include "mm/pagewalk.c"

#define MAX_VMAS 16
#define CALLBACK(what) (1u << (what))

static struct vm_area_struct vmas[MAX_VMAS];
static struct mm_walk_ops ops;

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	(void)mm;
	shim_tick();
	for (size_t i = 0; i < shim.call->nr_vmas; i++) {
		if (vmas[i].vm_end > addr)
			return &vmas[i];
	}
	return NULL;
}

/* By their first pages; those of one first page in the order in which they were made. */
static bool is_behind(const struct vm_area_struct *vma, const struct vm_area_struct *other)
{
	return vma->vm_pgoff != other->vm_pgoff ? vma->vm_pgoff > other->vm_pgoff : vma > other;
}

struct vm_area_struct *shim_file_vma(const struct vm_area_struct *prev, unsigned long first,
				     unsigned long last)
{
	struct vm_area_struct *found = NULL;

	shim_tick();
	for (size_t i = 0; i < shim.call->nr_vmas; i++) {
		struct vm_area_struct *vma = &vmas[i];

		if (!vma->vma->is_of_file || vma->vm_pgoff > last ||
		    vma->vm_pgoff + vma_pages(vma) - 1 < first)
			continue;
		if ((!prev || is_behind(vma, prev)) && (!found || is_behind(found, vma)))
			found = vma;
	}
	return found;
}

/* ---- callbacks ---- */

/* What Linux was asked for more of than the case wants. */
static unsigned long clip_low(unsigned long addr)
{
	return addr < shim.call->start ? shim.call->start : addr;
}

static unsigned long clip_high(unsigned long next)
{
	return next > shim.call->end ? shim.call->end : next;
}

static int emit(struct oracle_event *event, struct mm_walk *walk)
{
	unsigned action = walk->action;
	int err;

	event->vma = walk->vma ? (uint8_t)(walk->vma - vmas + 1) : 0;
	if (walk->vma && walk->mm != walk->vma->vm_mm)
		event->vma |= EVENT_OTHER_MM;
	err = shim.host->callback(shim.host->ctx, event, &action);
	walk->action = action;
	return err;
}

/* Linux may keep what a callback left in action where it does not count. */
static void forget_action(struct mm_walk *walk)
{
	if (walk->action != ACTION_SUBTREE && shim_differs(SW_STORED_ACTION))
		walk->action = ACTION_SUBTREE;
}

static int on_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	struct oracle_event event = {
		.what = EV_HOLE,
		.depth = (int8_t)depth,
		.addr = clip_low(addr),
		.next = clip_high(next),
	};
	int err = 0;

	if (depth >= 0 && shim_is_mute(addr))
		return shim.enomem ? -ENOMEM : 0;
	forget_action(walk);
	if (shim_wants(EV_HOLE))
		err = emit(&event, walk);
	forget_action(walk);
	return err;
}

static int on_range(enum oracle_what what, unsigned long start, unsigned long end,
		    struct mm_walk *walk)
{
	struct oracle_event event = { .what = (uint8_t)what,
				      .addr = clip_low(start),
				      .next = clip_high(end) };

	return emit(&event, walk);
}

static int on_test(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	return on_range(EV_TEST, start, end, walk);
}

static int on_pre(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	return on_range(EV_PRE, start, end, walk);
}

static void on_post(struct mm_walk *walk)
{
	struct oracle_event event = { .what = EV_POST };

	emit(&event, walk);
}

static int show(uint64_t *slot, unsigned level, unsigned long addr, unsigned long next,
		struct mm_walk *walk)
{
	struct oracle_event event = {
		.what = (uint8_t)level,
		.addr = clip_low(addr),
		.next = level == SHIM_PTE ? clip_low(addr) + PAGE_SIZE : clip_high(next),
		.action = level == SHIM_PUD || level == SHIM_PMD ? (uint8_t)walk->action : 0,
		.slot = shim.host->physical(shim.host->ctx, slot),
		.entry = *slot,
	};

	return shim_wants(level) ? emit(&event, walk) : 0;
}

static int on_pmd(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk);
static int on_pte(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk);

/* Some callback wants what is below this level. */
static bool wants_below(unsigned level)
{
	return shim.call->ops & ((CALLBACK(level) - 1) | CALLBACK(EV_INSTALL));
}

/*
 * Linux goes into a table by which callbacks are there, and then calls those that are
 * there by then: so the glue's own come when that has been decided. Of a pmd_entry the puds'
 * table asks, of a pte_entry the puds' and the pmds'.
 */
static void own_callbacks_below(unsigned level)
{
	if (!shim_wants(EV_INSTALL))
		return;
	ops.pmd_entry =
		shim_wants(EV_PMD) || shim_wants(EV_PTE) || level <= SHIM_PUD ? on_pmd : NULL;
	ops.pte_entry = shim_wants(EV_PTE) || level <= SHIM_PMD ? on_pte : NULL;
}

/*
 * After pud_entry or pmd_entry said to go on: where Linux would go on, and we do not.
 * was: what the callback was shown
 */
static int before_descent(uint64_t *slot, enum oracle_kind was, unsigned level, unsigned long addr,
			  unsigned long next, struct mm_walk *walk)
{
	enum oracle_kind kind;

	if (walk->action != ACTION_SUBTREE || !shim_real(level) || !wants_below(level))
		return 0;
	kind = shim_kind(*slot, level);
	if (walk->vma && kind == KIND_ABSENT && was == KIND_ABSENT &&
	    shim_differs(SW_ABSENT_PASSED_OVER))
		walk->action = ACTION_CONTINUE;
	if (!walk->vma && kind == KIND_MALFORMED && shim_differs(SW_MALFORMED_IS_HOLE)) {
		const struct oracle_event event = { .what = EV_BAD,
						    .depth = (int8_t)shim_depth(level),
						    .entry = *slot };
		int err;

		shim.host->note(shim.host->ctx, &event);
		err = on_hole(addr, next, shim_depth(level), walk);
		walk->action = ACTION_CONTINUE;
		return err;
	}
	return 0;
}

static int on_middle(uint64_t *slot, unsigned level, unsigned long addr, unsigned long next,
		     struct mm_walk *walk)
{
	enum oracle_kind was = shim_kind(*slot, level);
	int err;

	if (shim.enomem)
		return -ENOMEM;
	if (shim_is_mute(addr)) {
		walk->action = ACTION_CONTINUE;
		return 0;
	}
	own_callbacks_below(level);
	err = show(slot, level, addr, next, walk);
	return err ? err : before_descent(slot, was, level, addr, next, walk);
}

static int on_pgd(pgd_t *pgd, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return show(&pgd->word, SHIM_PGD, addr, next, walk);
}

static int on_p4d(p4d_t *p4d, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	if (shim.enomem)
		return -ENOMEM;
	if (shim_is_mute(addr)) /* below a pgd's leaf */
		return 0;
	own_callbacks_below(SHIM_P4D);
	return show(&p4d->word, SHIM_P4D, addr, next, walk);
}

static int on_pud(pud_t *pud, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return on_middle(&pud->word, SHIM_PUD, addr, next, walk);
}

static int on_pmd(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return on_middle(&pmd->word, SHIM_PMD, addr, next, walk);
}

static int on_pte(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	int err = show(&pte->word, SHIM_PTE, addr, next, walk);

	if (!shim_wants(EV_PTE) && !shim_differs(SW_INSTALL_ALONE))
		longjmp(shim.out, 3);
	forget_action(walk);
	return err;
}

static int on_hugetlb(pte_t *pte, unsigned long hmask, unsigned long addr, unsigned long next,
		      struct mm_walk *walk)
{
	struct oracle_event event = {
		.what = EV_HUGETLB,
		.depth = shim.nr_second_locks != 0,
		.action = (uint8_t)__builtin_ctzl(hmask),
		.addr = clip_low(addr),
		.next = clip_high(next),
		.slot = shim.host->physical(shim.host->ctx, &pte->word),
		.entry = pte->word,
	};
	int err = emit(&event, walk);

	forget_action(walk);
	return err;
}

#ifndef KERNEL_HAS_NOVMA
static int on_install(unsigned long addr, unsigned long next, pte_t *ret, struct mm_walk *walk)
{
	struct oracle_event event = { .what = EV_INSTALL,
				      .addr = clip_low(addr),
				      .next = clip_low(addr) + PAGE_SIZE };
	int err = emit(&event, walk);

	forget_action(walk);
	ret->word = event.entry;
	return err;
}
#endif

/*
 * A pud_entry and pmd_entry of the glue's own, where the case has none but wants
 * what is below: Linux walks as it would without. So does a pte_hole.
 */
static void fill_ops(void)
{
	ops = (struct mm_walk_ops){
		.pgd_entry = shim_wants(EV_PGD) ? on_pgd : NULL,
		.p4d_entry = shim_wants(EV_P4D) || shim_wants(EV_INSTALL) ? on_p4d : NULL,
		.pud_entry = shim_wants(EV_PUD) || wants_below(SHIM_PUD) ? on_pud : NULL,
		.pmd_entry = shim_wants(EV_PMD) || wants_below(SHIM_PMD) ? on_pmd : NULL,
		.pte_entry = shim_wants(EV_PTE) ? on_pte : NULL,
		.hugetlb_entry = shim_wants(EV_HUGETLB) ? on_hugetlb : NULL,
		.pte_hole = on_hole,
		.test_walk = shim_wants(EV_TEST) ? on_test : NULL,
		.pre_vma = shim_wants(EV_PRE) ? on_pre : NULL,
		.post_vma = shim_wants(EV_POST) ? on_post : NULL,
#ifndef KERNEL_HAS_NOVMA
		.install_pte = shim_wants(EV_INSTALL) ? on_install : NULL,
#endif
		.walk_lock = shim.call->walk_lock,
	};
}

/* ---- entry points ---- */

/** A walk's range, as Linux gets it. */
struct range {
	unsigned long start, end;
	const struct mm_walk_ops *ops;
	struct mm_struct *mm;
	pgd_t *pgd;
};

typedef int walk_fn(const struct range *range);

static int call_range(const struct range *r)
{
	return walk_page_range(r->mm, r->start, r->end, r->ops, NULL);
}

static int call_range_vma(const struct range *r)
{
	return walk_page_range_vma(&vmas[shim.call->vma], r->start, r->end, r->ops, NULL);
}

/* Where ours goes to the last page there is, or nowhere. */
static int call_mapping(const struct range *r)
{
	static struct address_space mapping;
	unsigned long first = shim.call->first, nr = shim.call->nr;
	bool wraps = first + nr < first;

	if ((wraps || !nr) && shim_differs(SW_FILE_WRAPS)) {
		first = wraps ? first : ~0ul - 1;
		nr = wraps ? ~0ul - first : 1;
	}
	return walk_page_mapping(&mapping, first, nr, r->ops, NULL);
}

static int call_page_vma(const struct range *r)
{
	return walk_page_vma(&vmas[shim.call->vma], r->ops, NULL);
}

#ifdef KERNEL_HAS_NOVMA
static int call_novma(const struct range *r)
{
	return walk_page_range_novma(r->mm, r->start, r->end, r->ops, r->pgd, NULL);
}
#else
static int call_range_unsafe(const struct range *r)
{
	return walk_page_range_mm_unsafe(r->mm, r->start, r->end, r->ops, NULL);
}

static int call_vma_unsafe(const struct range *r)
{
	return walk_page_range_vma_unsafe(&vmas[shim.call->vma], r->start, r->end, r->ops, NULL);
}

static int call_kernel(const struct range *r)
{
	return walk_kernel_page_table_range(r->start, r->end, r->ops, r->pgd, NULL);
}

static int call_lockless(const struct range *r)
{
	return walk_kernel_page_table_range_lockless(r->start, r->end, r->ops, r->pgd, NULL);
}

static int call_debug(const struct range *r)
{
	return walk_page_range_debug(r->mm, r->start, r->end, r->ops, r->pgd, NULL);
}
#endif

static walk_fn *const walks[_CALL_MAX] = {
	[CALL_RANGE] = call_range,       [CALL_RANGE_VMA] = call_range_vma,
	[CALL_PAGE_VMA] = call_page_vma, [CALL_MAPPING] = call_mapping,
#ifdef KERNEL_HAS_NOVMA
	[CALL_NOVMA] = call_novma,
#else
	[CALL_RANGE_UNSAFE] = call_range_unsafe,
	[CALL_VMA_UNSAFE] = call_vma_unsafe,
	[CALL_KERNEL] = call_kernel,
	[CALL_KERNEL_LOCKLESS] = call_lockless,
	[CALL_DEBUG] = call_debug,
#endif
};

/* Ours is the aligned walk, clipped. */
static void align(struct range *range)
{
	unsigned long in_page = PAGE_SIZE - 1;
	unsigned long end = range->end;

	if (range->start >= end || !((range->start | end) & in_page))
		return;
	if (end == ~0ul && !(range->start & in_page))
		return;
	if (!shim_differs(end < PAGE_SIZE ? SW_TINY_END : SW_UNALIGNED))
		return;
	range->start &= ~in_page;
	if (end != ~0ul)
		range->end = (end + in_page) & ~in_page;
	if (!range->end) /* the last page of all */
		range->end = ~0ul;
}

static void set_up(struct oracle_call *call)
{
	shim = (struct shim){ .call = call,
			      .host = call->host,
			      .shape = call->shape,
			      .has_vma = oracle_has_vmas(call->entry_point) };
	shim_second_mm.pgd = (pgd_t *)call->second_root;
	shim_user_mm.pgd = (pgd_t *)call->root[LOCK_OF_USER];
	init_mm.pgd = (pgd_t *)call->root[LOCK_OF_KERNEL];
	for (size_t i = 0; i < call->nr_vmas; i++) {
		vmas[i] = (struct vm_area_struct){
			.vm_start = call->vmas[i].start,
			.vm_end = call->vmas[i].end,
			.vm_mm = call->vmas[i].in_second ? &shim_second_mm : &shim_user_mm,
			.vm_pgoff = call->vmas[i].pgoff,
			.vm_flags = call->vmas[i].kind == VMA_PFNMAP ? VM_PFNMAP : 0,
			.vma = &call->vmas[i],
		};
	}
}

static int run(struct oracle_call *call)
{
	static struct range range;
	static const struct oracle_event spin = { .what = EV_SPIN };
	static const struct oracle_event no_callback = { .what = EV_NO_CALLBACK };

	set_up(call);
	fill_ops();
	range = (struct range){
		.start = call->start,
		.end = call->end,
		.ops = &ops,
		.mm = call->of_kernel ? &init_mm : &shim_user_mm,
		.pgd = (pgd_t *)call->other_root,
	};
	align(&range);
	switch (setjmp(shim.out)) {
	case 0:
		return walks[call->entry_point](&range);
	case 2:
		return -EPERM;
	case 3:
		call->host->note(call->host->ctx, &no_callback);
		return 0;
	}
	call->host->note(call->host->ctx, &spin);
	return 0;
}

__attribute__((visibility("default"))) extern const struct oracle_kernel oracle_kernel;
const struct oracle_kernel oracle_kernel = {
#ifdef KERNEL_HAS_NOVMA
	.entry_points = 1u << CALL_RANGE | 1u << CALL_RANGE_VMA | 1u << CALL_PAGE_VMA |
			1u << CALL_MAPPING | 1u << CALL_NOVMA,
	.callbacks = (CALLBACK(_EV_CALLBACKS) - 1) & ~CALLBACK(EV_INSTALL),
	.nr_walk_locks = 3,
#else
	.entry_points = 1u << CALL_RANGE | 1u << CALL_RANGE_VMA | 1u << CALL_PAGE_VMA |
			1u << CALL_MAPPING | 1u << CALL_RANGE_UNSAFE | 1u << CALL_VMA_UNSAFE |
			1u << CALL_KERNEL | 1u << CALL_KERNEL_LOCKLESS | 1u << CALL_DEBUG,
	.callbacks = CALLBACK(_EV_CALLBACKS) - 1,
	.nr_walk_locks = 4,
#endif
	.run = run,
};
