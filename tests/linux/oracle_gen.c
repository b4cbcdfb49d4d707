/* SPDX-License-Identifier: BSD-2-Clause */

/* A seed becomes a case. All of a case lies around one address, so that things meet. */

#include "base/bits.h"
#include "oracle_world.h"
#include "pt/pt.h"

struct gen {
	uint64_t state;
	struct oracle_case *c;
	const struct pgw_geometry *geo;
	const struct pgw_region *region;
	uint64_t pivot;
	uint64_t near; /* where the walk begins */
};

static uint64_t below(struct gen *g, uint64_t n)
{
	return (test_random(&g->state) >> 33) % n;
}

static bool chance(struct gen *g, unsigned percent)
{
	return below(g, 100) < percent;
}

static uint64_t span(const struct gen *g, unsigned level)
{
	return BIT(g->geo->span_lg2[level]);
}

/* A level, low ones more often. */
static unsigned some_level(struct gen *g)
{
	unsigned level = (unsigned)below(g, g->geo->top_level + 1u);

	return chance(g, 50) ? level : (unsigned)below(g, level + 1);
}

/* An address near the pivot, aligned to a page. */
static uint64_t point(struct gen *g)
{
	uint64_t va = g->pivot + below(g, 3) * span(g, some_level(g));

	if (chance(g, 60))
		va += below(g, 3) * span(g, 1);
	if (chance(g, 50))
		va += below(g, 5) * span(g, 0);
	return va;
}

static void choose_pivot(struct gen *g)
{
	uint64_t top = span(g, g->geo->top_level);

	g->pivot = g->region->first + below(g, 3) * top;
	if (chance(g, 50))
		g->pivot += top - 2 * span(g, (unsigned)below(g, g->geo->top_level));
	if (chance(g, 10))
		g->pivot = g->region->last + 1 - 3 * span(g, (unsigned)below(g, g->geo->top_level));
}

static void choose_call(struct gen *g, const struct case_limits *limits)
{
	struct oracle_case *c = g->c;

	do {
		c->entry_point = (enum oracle_entry_point)below(g, _CALL_MAX);
		if (chance(g, 30))
			c->entry_point = CALL_RANGE;
		else if (chance(g, 6))
			c->entry_point = CALL_DEBUG; /* a rule of its own, in few of its walks */
	} while (!(limits->entry_points & (1u << c->entry_point)));
	switch (c->entry_point) {
	case CALL_KERNEL:
	case CALL_KERNEL_LOCKLESS:
		c->of_kernel = true;
		break;
	case CALL_NOVMA:
	case CALL_DEBUG:
		c->of_kernel = chance(g, 50);
		c->has_kernel = !c->of_kernel && chance(g, 35);
		break;
	default:
		return;
	}
	c->has_other = chance(g, 20);
	c->is_snapshot = c->entry_point != CALL_DEBUG && chance(g, 25);
}

/* A debug walk of a user mm in the kernel's half, from another root. */
static bool is_other_half(struct gen *g)
{
	return g->c->entry_point == CALL_DEBUG && g->c->has_kernel && g->c->has_other &&
	       chance(g, 50);
}

static uint64_t kernel_first(const struct gen *g)
{
	return pgw_format_region(pgw_format_by_name(world_formats[g->c->format]), PGW_REGION_KERNEL)
		->first;
}

/* From the user's half into the kernel's. */
static void cross(struct gen *g)
{
	g->c->start = g->region->last + 1 - below(g, 4) * span(g, below(g, 2) ? 0 : 1);
	g->c->end = kernel_first(g) + (1 + below(g, 3)) * span(g, some_level(g));
}

static void choose_range(struct gen *g)
{
	struct oracle_case *c = g->c;
	uint64_t page = span(g, 0);

	c->start = point(g);
	c->end = c->start + (1 + below(g, 3)) * span(g, some_level(g));
	if (chance(g, 40))
		c->end = point(g);
	if (c->end - c->start > 64 * span(g, 1) && c->start < c->end && chance(g, 70))
		c->end = c->start + (1 + below(g, 4)) * span(g, 1);
	if (chance(g, 15)) {
		c->start += below(g, page);
		c->end -= below(g, page);
	}
	if (chance(g, 2)) {
		c->start = below(g, page);
		c->end = c->start + 1 + below(g, page - c->start);
	}
	if (c->start > c->end && c->end && chance(g, 90)) {
		uint64_t start = c->start;

		c->start = c->end;
		c->end = start;
	}
	if (c->of_kernel && chance(g, 5))
		c->end = UINT64_MAX;
	if (chance(g, 1))
		c->end = g->region->last + 1 + span(g, 0);
	if (chance(g, 3)) {
		c->start = g->region->last + 1 - (1 + below(g, 3)) * span(g, some_level(g));
		c->end = g->region->last + 1;
	}
	if (c->has_kernel && g->region->first < kernel_first(g) && chance(g, 60))
		cross(g);
}

static void choose_ops(struct gen *g, const struct case_limits *limits)
{
	struct oracle_case *c = g->c;

	for (int i = 0; i < _EV_CALLBACKS; i++) {
		if (chance(g, i == EV_TEST ? 25 : 70))
			c->ops |= 1u << i;
	}
	/* A test that is there replaces what Linux does of itself. */
	if (chance(g, 25))
		c->ops = (1u << _EV_CALLBACKS) - 1 - (1u << EV_TEST);
	c->ops &= ~(1u << EV_INSTALL);
	if (chance(g, oracle_may_install(c->entry_point) ? 85 : 2))
		c->ops |= 1u << EV_INSTALL;
	/* It keeps large leaves if nobody looks below. */
	if ((c->ops & (1u << EV_INSTALL)) && chance(g, 25))
		c->ops &= ~(1u << EV_PTE | 1u << EV_PMD);
	c->ops &= limits->callbacks;
}

/* What is installed page by page is not to be too much; and there are several tables. */
static void shorten_install(struct gen *g)
{
	struct oracle_case *c = g->c;

	if (!(c->ops & (1u << EV_INSTALL)) || c->start >= c->end || chance(g, 10))
		return;
	if (chance(g, 40))
		c->start = (c->start | (span(g, 1) - 1)) + 1 - below(g, 6) * span(g, 0);
	if (c->start < c->end && c->end - c->start > 64 * span(g, 0))
		c->end = c->start + (1 + below(g, 40)) * span(g, 0);
}

/* Make a VMA one of large pages, if there is room: of a pmd or a pud each, or of a run of smaller ones. */
static void make_hugetlb(struct gen *g, struct case_vma *vma)
{
	static const uint8_t runs[] = { 4, 5, 7 }; /* of arm64's granules, and riscv's, log2 */
	unsigned level = g->geo->top_level > 1 && chance(g, 30) ? 2 : 1;
	unsigned lg2 = g->geo->span_lg2[level];
	uint64_t start, end;

	if (chance(g, 25))
		lg2 = g->geo->span_lg2[chance(g, 30)] + runs[below(g, 3)];
	if (!(g->geo->leaf_sizes & BIT(lg2)))
		return;
	end = (vma->end + low_bits(lg2)) & ~low_bits(lg2);
	if (chance(g, 50) || end - vma->start > BIT(lg2 + 6)) /* each page takes a step */
		end = vma->start + (1 + below(g, 6)) * BIT(lg2);
	start = (vma->start + low_bits(lg2)) & ~low_bits(lg2);
	end = (end + low_bits(lg2)) & ~low_bits(lg2);
	if (start >= end || end - 1 > g->region->last)
		return;
	vma->start = start;
	vma->end = end;
	vma->kind = VMA_HUGETLB;
	vma->page_lg2 = (uint8_t)lg2;
}

static void choose_vmas(struct gen *g)
{
	struct oracle_case *c = g->c;
	uint64_t from = c->start & ~(span(g, 0) - 1);

	if (chance(g, 40))
		from -= below(g, 4) * span(g, 0);
	for (unsigned i = 0; i < MAX_CASE_VMAS && from <= g->region->last; i++) {
		struct case_vma *vma = &c->vmas[c->nr_vmas];

		if (chance(g, 30))
			from += (1 + below(g, 3)) * span(g, some_level(g));
		vma->start = from;
		vma->end = from + (1 + below(g, 3)) * span(g, some_level(g)) +
			   below(g, 3) * span(g, 0);
		if (vma->end < vma->start || vma->end - 1 > g->region->last)
			break;
		vma->kind = chance(g, 20) ? VMA_PFNMAP : VMA_ANON;
		if (chance(g, 12))
			make_hugetlb(g, vma);
		from = vma->end;
		c->nr_vmas++;
		if (chance(g, 25))
			break;
	}
}

static void choose_vma_range(struct gen *g)
{
	struct oracle_case *c = g->c;
	const struct case_vma *vma;

	if (!oracle_of_vma(c->entry_point) || !c->nr_vmas)
		return;
	c->vma = (unsigned)below(g, c->nr_vmas);
	vma = &c->vmas[c->vma];
	if (c->entry_point == CALL_PAGE_VMA) {
		c->start = c->end = 0; /* not asked for */
	} else if (chance(g, 85)) {
		c->start = vma->start;
		if (chance(g, 50))
			c->start += below(g, 3) * span(g, 0);
		if (c->end > vma->end || c->end <= c->start)
			c->end = vma->end;
	}
}

/* The VMAs become such of the file, some of them of a second mm; and pages that they show. */
static void choose_pages(struct gen *g)
{
	struct oracle_case *c = g->c;
	uint64_t base = chance(g, 20) ? 0 : 1 + below(g, 1000);
	const struct case_vma *vma;

	c->has_other = chance(g, 50);
	for (size_t i = 0; i < c->nr_vmas; i++) {
		c->vmas[i].in_second =
			c->has_other && i && (c->vmas[i - 1].in_second || chance(g, 40));
		c->vmas[i].is_of_file = c->vmas[i].kind != VMA_HUGETLB && chance(g, 90);
		if (c->vmas[i].kind == VMA_PFNMAP && chance(g, 60))
			c->vmas[i].kind = VMA_ANON;
		if (!chance(g, 30))
			c->vmas[i].pgoff = base + below(g, 3) * below(g, 600);
	}
	c->start = base + below(g, 3) * below(g, 600);
	c->end = (1 + below(g, 3)) * span(g, some_level(g)) / span(g, 0);
	if (!c->nr_vmas)
		return;
	vma = &c->vmas[below(g, c->nr_vmas)];
	if (chance(g, 70)) {
		c->start =
			vma->pgoff + below(g, 4) * below(g, (vma->end - vma->start) / span(g, 0));
		if (chance(g, 20))
			c->start -= below(g, 3);
	}
	if (chance(g, 6))
		c->end = chance(g, 50) ? 0 : 0 - c->start - below(g, 3) + below(g, 900);
	g->near = vma->start;
	if (c->start - vma->pgoff < (vma->end - vma->start) / span(g, 0))
		g->near += (c->start - vma->pgoff) * span(g, 0);
	g->near &= ~(span(g, 0) - 1);
}

/* Locks as the walk wants them. */
static void right_locks(struct gen *g)
{
	struct oracle_case *c = g->c;

	c->held[0] = c->nr_vmas && !c->walk_lock && chance(g, 50) ? HELD_READ : HELD_WRITE;
	c->held[1] = c->entry_point != CALL_DEBUG && chance(g, 50) ? HELD_READ : HELD_WRITE;
	if (c->walk_lock == 3)
		c->held[0] = (enum oracle_lock)below(g, 2);
	for (size_t i = 0; i < c->nr_vmas; i++) {
		if (c->walk_lock >= 2 && chance(g, 95))
			c->vmas[i].held = c->walk_lock == 2 ? HELD_WRITE : HELD_READ;
		else if (c->walk_lock == 0 && c->held[0] == HELD_WRITE && chance(g, 10))
			c->vmas[i].held = HELD_WRITE;
	}
}

/* Only the i_mmap lock counts. */
static void file_locks(struct gen *g)
{
	struct oracle_case *c = g->c;

	c->held[0] = (enum oracle_lock)below(g, _HELD_MAX);
	c->held[1] = chance(g, 95) ? (enum oracle_lock)(HELD_READ + below(g, 2)) : HELD_NOT;
}

static void wrong_locks(struct gen *g)
{
	struct oracle_case *c = g->c;

	c->held[c->has_kernel && chance(g, 50)] = (enum oracle_lock)below(g, _HELD_MAX);
	if (c->of_kernel)
		c->held[1] = (enum oracle_lock)below(g, _HELD_MAX);
	if (chance(g, 10))
		c->end = c->start;
	for (size_t i = 0; i < c->nr_vmas && c->held[0] != HELD_WRITE; i++) {
		if (c->vmas[i].held == HELD_WRITE)
			c->vmas[i].held = HELD_NOT;
	}
}

static void choose_locks(struct gen *g, const struct case_limits *limits)
{
	struct oracle_case *c = g->c;
	unsigned percent = oracle_has_vmas(c->entry_point) ? 8 : 15;

	c->walk_lock = (unsigned)below(g, limits->nr_walk_locks);
	if (chance(g, 50))
		c->walk_lock = 0;
	if (c->entry_point == CALL_MAPPING) {
		file_locks(g);
		return;
	}
	right_locks(g);
	if (chance(g, c->is_snapshot || c->has_kernel ? 40 : percent))
		wrong_locks(g);
}

static enum word_kind some_word(struct gen *g)
{
	static const enum word_kind often[] = { WORD_LEAF, WORD_LEAF, WORD_TABLE, WORD_FULL,
						WORD_ABSENT };

	return chance(g, 65) ? often[below(g, 5)] : (enum word_kind)(1 + below(g, _WORD_MAX - 1));
}

/* Near where the walk begins, more often than not. */
static struct case_put some_put(struct gen *g)
{
	struct case_put put = { .level = (uint8_t)some_level(g),
				.word = (uint8_t)some_word(g),
				.variant = (uint8_t)below(g, 8),
				.in_other =
					g->c->has_other &&
					chance(g, g->c->entry_point == CALL_MAPPING ? 45 : 70) };
	uint64_t va = chance(g, 60) ? g->near : point(g);

	/* What is wrong at the top is found by walks of foreign tables, too. */
	if (((g->c->has_other && g->c->entry_point != CALL_MAPPING) || g->c->is_snapshot) &&
	    chance(g, 15)) {
		put.level = g->geo->top_level;
		put.word = WORD_MISPLACED;
	}
	va += below(g, 3) * span(g, put.level);
	if (va < g->region->first || va > g->region->last)
		va = g->pivot;
	if (g->c->has_kernel && chance(g, 40))
		va = kernel_first(g) + below(g, 3) * span(g, put.level);
	put.va = va & ~(span(g, put.level) - 1);
	return put;
}

/* The effect before leaves nothing to be installed: at the same time something is put there. */
static bool put_what_is_not_installed(struct gen *g, struct case_effect *effect)
{
	const struct oracle_case *c = g->c;
	const struct case_effect *before = c->nr_effects ? &c->effects[c->nr_effects - 1] : NULL;

	if (!before || before->what != DO_INSTALL || before->put.word != WORD_NONE ||
	    !chance(g, 50))
		return false;
	*effect = (struct case_effect){ .nth = before->nth, .what = DO_PUT_SELF };
	effect->put.word = WORD_LEAF;
	return true;
}

static struct case_effect some_effect(struct gen *g)
{
	struct oracle_case *c = g->c;
	struct case_effect effect = { .moment = AT_CALLBACK, .nth = 1 + (uint32_t)below(g, 12) };
	unsigned kind = (unsigned)below(g, 100);

	if (put_what_is_not_installed(g, &effect))
		return effect;
	if (chance(g, 35)) {
		effect.moment = (enum oracle_moment)(1 + below(g, _AT_MAX - 1));
		effect.nth = 1 + (uint32_t)below(g, 2);
		kind = 99;
	} else if (chance(g, 30)) {
		effect.nth = 1 + (uint32_t)below(g, 100);
	}
	if (effect.moment == AT_CALLBACK && (c->ops & (1u << EV_INSTALL)) && chance(g, 40)) {
		effect.what = DO_INSTALL;
		effect.put.word = (uint8_t)(chance(g, 60) ? WORD_NONE : some_word(g));
		effect.put.variant = (uint8_t)below(g, 8);
	} else if (kind < 15) {
		effect.what = DO_RETURN;
		effect.value = (int)below(g, 9) - 4;
	} else if (kind < 55) {
		effect.what = DO_ACTION;
		effect.value = 1 + (int)below(g, 2);
	} else if (kind < 60) {
		effect.what = DO_FAIL_ALLOC;
	} else {
		effect.what = kind < 85 ? DO_PUT_SELF : DO_PUT;
		effect.put = some_put(g);
		if (c->nr_puts && chance(g, 80)) {
			const struct case_put *at = &c->puts[below(g, c->nr_puts)];

			effect.put.va = at->va;
			effect.put.level = at->level;
			effect.put.in_other = at->in_other;
		}
		if (chance(g, 25))
			effect.put.word = WORD_NONE;
		else if (effect.moment == AT_SPLIT && chance(g, 60))
			effect.put.word = WORD_ABSENT;
	}
	return effect;
}

void case_generate(struct oracle_case *c, uint64_t seed, const struct case_limits *limits)
{
	struct gen g = { .state = seed, .c = c };
	const struct pgw_format *format;
	bool through_vmas;

	*c = (struct oracle_case){ 0 };
	/* The first two, x86's, have the most that can be wrong with them. */
	c->format = (unsigned)below(&g, chance(&g, 20) ? 2 : NR_WORLD_FORMATS);
	format = pgw_format_by_name(world_formats[c->format]);
	g.geo = pgw_format_geometry(format);
	choose_call(&g, limits);
	g.region = pgw_format_region(format, c->of_kernel || is_other_half(&g) ? PGW_REGION_KERNEL
									       : PGW_REGION_USER);
	choose_pivot(&g);
	choose_range(&g);
	choose_ops(&g, limits);
	shorten_install(&g);
	through_vmas = oracle_has_vmas(c->entry_point);
	if (through_vmas)
		choose_vmas(&g);
	if (through_vmas)
		choose_vma_range(&g);
	if (oracle_of_vma(c->entry_point))
		shorten_install(&g);
	g.near = c->start;
	if (c->entry_point == CALL_MAPPING)
		choose_pages(&g);
	choose_locks(&g, limits);
	for (uint64_t n = 1 + below(&g, 8); c->nr_puts < n;)
		c->puts[c->nr_puts++] = some_put(&g);
	for (uint64_t n = below(&g, 4); c->nr_effects < n && !c->is_snapshot; c->nr_effects++)
		c->effects[c->nr_effects] = some_effect(&g);
}
