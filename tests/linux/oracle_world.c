/* SPDX-License-Identifier: BSD-2-Clause */

/* Making what a case describes, and putting it back. */

#include "oracle_world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_lock.h"
#include "oracle_words.h"

#define WORLD_SIZE (16u << 20)
#define ZEROES_SIZE 65536u
#define PA_BITS 40 /* of the machine: what lies above is malformed on x86 */

const char *const world_formats[NR_WORLD_FORMATS] = {
	"x86_64-la57", "x86_64-la48", "riscv-sv39",  "arm64-64k-42",
	"riscv-sv57",  "arm64-4k-48", "arm64-4k-39", "riscv-sv48",
};

static const enum oracle_encoding encodings[NR_WORLD_FORMATS] = {
	ENC_X86, ENC_X86, ENC_RISCV, ENC_ARM64, ENC_RISCV, ENC_ARM64, ENC_ARM64, ENC_RISCV,
};

/* ---- what the library calls ---- */

static struct world *world_of(void *ctx)
{
	return pgw_container_of((struct arena *)ctx, struct world, arena);
}

static void on_step(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	struct world *w = world_of(ctx);

	(void)mm;
	if (!w->outcome)
		return;
	if (step == PGW_STEP_WALK_SPLIT)
		world_moment(w, AT_SPLIT, NULL);
	else if (step == PGW_STEP_PTE_MAPPED)
		world_moment(w, AT_MAPPED, NULL);
	else if (step == PGW_STEP_PTE_LOCKED)
		world_moment(w, AT_LOCKED, NULL);
}

static void on_violation(void *ctx, const struct pgw_violation *violation)
{
	struct world *w = world_of(ctx);
	struct oracle_event event = { .what = EV_BREACH };

	if (!w->outcome) {
		fprintf(stderr, "a case breaks %s outside of a walk\n", violation->rule_name);
		abort();
	}
	if (violation->rule == PGW_RULE_I_MMAP_LOCKED)
		event.depth = LOCK_OF_FILE;
	else if (violation->rule == PGW_RULE_VMA_LOCKED ||
		 violation->rule == PGW_RULE_VMA_WRITE_LOCKED)
		event.depth = LOCK_OF_VMA;
	else
		event.depth =
			violation->mm == w->mm[LOCK_OF_KERNEL] ? LOCK_OF_KERNEL : LOCK_OF_USER;
	world_note(w, &event);
}

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	arena_init(&w->arena, WORLD_SIZE);
	w->arena.platform.step = on_step;
	w->arena.platform.violation = on_violation;
	w->saved = malloc(WORLD_SIZE);
	w->saved_descs = malloc(WORLD_SIZE / ARENA_TABLE_MIN * sizeof(struct pgw_ptdesc));
	w->zeroes = calloc(1, ZEROES_SIZE);
	if (!w->saved || !w->saved_descs || !w->zeroes)
		abort();
}

void world_fini(struct world *w)
{
	free(w->saved);
	free(w->saved_descs);
	free(w->zeroes);
	arena_fini(&w->arena);
}

/* ---- tables ---- */

uint64_t *world_host(struct world *w, uint64_t pa)
{
	if (pa < ARENA_PA || pa - ARENA_PA >= w->arena.used)
		return w->zeroes;
	return (uint64_t *)(void *)(w->arena.block + (pa - ARENA_PA));
}

uint64_t world_physical(struct world *w, const uint64_t *slot)
{
	const unsigned char *at = (const unsigned char *)slot;

	if (at < w->arena.block || at >= w->arena.block + w->arena.used)
		return 0;
	return ARENA_PA + (uint64_t)(at - w->arena.block);
}

enum oracle_kind world_kind(struct world *w, uint64_t entry, unsigned level)
{
	static const enum oracle_kind kinds[] = {
		[PGW_ENTRY_EMPTY] = KIND_EMPTY,         [PGW_ENTRY_ABSENT] = KIND_ABSENT,
		[PGW_ENTRY_TABLE] = KIND_TABLE,         [PGW_ENTRY_LEAF] = KIND_LEAF,
		[PGW_ENTRY_MALFORMED] = KIND_MALFORMED,
	};
	struct pgw_entry decoded;

	pgw_entry_decode(w->format, pgw_mm_control(w->mm[0] ? w->mm[0] : w->mm[1]), entry, level,
			 &decoded);
	return kinds[decoded.kind];
}

uint64_t world_table_pa(struct world *w, uint64_t entry, unsigned level)
{
	struct pgw_entry decoded;

	pgw_entry_decode(w->format, pgw_mm_control(w->mm[0] ? w->mm[0] : w->mm[1]), entry, level,
			 &decoded);
	return decoded.kind == PGW_ENTRY_TABLE ? decoded.pa : 0;
}

static uint64_t new_table(struct world *w)
{
	struct pgw_platform *platform = &w->arena.platform;
	void *table = platform->table_alloc(platform->ctx, pt_table_size(w->geo, 0));

	if (!table)
		abort();
	return world_physical(w, table);
}

static struct pgw_ptdesc *desc_of(struct world *w, uint64_t *slot)
{
	uintptr_t size = pt_table_size(w->geo, 0);

	return w->arena.platform.table_desc(&w->arena, (void *)((uintptr_t)slot & ~(size - 1)));
}

/* Change a slot, with what its table's desc counts. */
static void store(struct world *w, uint64_t *slot, uint64_t word)
{
	struct pgw_ptdesc *desc = desc_of(w, slot);

	desc->nr_live += (uint32_t)(word != 0) - (uint32_t)(*slot != 0);
	*slot = word;
}

/* Leaves in every slot of a table. */
static void fill(struct world *w, uint64_t pa, unsigned level, uint64_t va)
{
	uint64_t *table = world_host(w, pa);

	va &= ~low_bits(w->geo->span_lg2[level + 1]);
	for (unsigned i = 0; i < 1u << w->geo->slots_lg2[level]; i++) {
		const struct word_at at = { .va = va + ((uint64_t)i << w->geo->span_lg2[level]),
					    .level = level,
					    .word = WORD_LEAF,
					    .variant = i & 7 };
		uint64_t word;

		if (word_encode(w, &at, 0, &word))
			store(w, &table[i], word);
	}
}

/* Put a word into a slot; table_pa: of a fresh table, if it has one. */
static bool put_word(struct world *w, uint64_t *slot, const struct word_at *at, uint64_t table_pa)
{
	uint64_t word;

	if (!word_encode(w, at, table_pa, &word))
		return false;
	if (word_has_table(at->word)) {
		uint64_t *table = world_host(w, table_pa);

		desc_of(w, table)->level = (uint8_t)(at->level - 1);
		if (at->word == WORD_FULL)
			fill(w, table_pa, at->level - 1, at->va);
	}
	store(w, slot, word);
	return true;
}

static uint64_t root_of(const struct world *w, bool other)
{
	return other ? w->other_pa : pgw_mm_root(w->mm[w->c->of_kernel]).pa;
}

/* The slot of a put; tables on the way are made if may_make. NULL: something else is there. */
static uint64_t *find_slot(struct world *w, const struct case_put *put, bool may_make)
{
	uint64_t pa = root_of(w, put->in_other);

	for (unsigned level = w->geo->top_level;; level--) {
		uint64_t *slot = world_host(w, pa) + pt_index(w->geo, put->va, level);

		if (level == put->level)
			return slot;
		if (!*slot && may_make) {
			const struct word_at at = { put->va, level, WORD_TABLE, 0 };

			put_word(w, slot, &at, new_table(w));
		}
		if (world_kind(w, *slot, level) != KIND_TABLE)
			return NULL;
		pa = world_table_pa(w, *slot, level);
	}
}

static void make_put(struct world *w, const struct case_put *put)
{
	const struct word_at at = { put->va, put->level, put->word, put->variant };
	uint64_t *slot;

	if (put->level > w->geo->top_level)
		return;
	slot = find_slot(w, put, true);
	if (slot && (word_has_table(put->word) || *slot == 0))
		put_word(w, slot, &at, word_has_table(put->word) ? new_table(w) : 0);
}

/* ---- mms ---- */

static struct pgw_mm *new_mm(struct world *w, enum pgw_region_kind region, struct pgw_mm *kernel)
{
	const struct pgw_mm_new_args args = { .platform = &w->arena.platform,
					      .format = w->format,
					      .region = region,
					      .control.pa_bits = PA_BITS,
					      .kernel_mm = kernel };
	struct pgw_mm *mm;

	if (pgw_mm_new(&args, &mm))
		abort();
	return mm;
}

static void attach(struct world *w)
{
	const struct oracle_case *c = w->c;
	struct pgw_mm_attach_args args = {
		.platform = &w->arena.platform,
		.format = w->format,
		.phys = &w->arena.memory.phys,
		.root = pgw_mm_root(w->mm[c->of_kernel]),
		.region = c->of_kernel ? PGW_REGION_KERNEL : PGW_REGION_USER,
		.control.pa_bits = PA_BITS,
	};

	if (pgw_mm_attach(&args, &w->snapshot))
		abort();
}

static void make_shape(struct world *w)
{
	const struct pgw_region *user;

	w->format = pgw_format_by_name(world_formats[w->c->format]);
	w->geo = pgw_format_geometry(w->format);
	user = pgw_format_region(w->format, PGW_REGION_USER);
	w->shape = (struct oracle_shape){ .encoding = encodings[w->c->format],
					  .top_level = w->geo->top_level,
					  .page_lg2 = w->geo->granule_lg2,
					  .task_size = user->last + 1 };
	memcpy(w->shape.span_lg2, w->geo->span_lg2, sizeof(w->shape.span_lg2));
	memcpy(w->shape.slots_lg2, w->geo->slots_lg2, sizeof(w->shape.slots_lg2));
}

/* ---- VMAs and locks ---- */

static struct pgw_mm *mm_of_vma(const struct world *w, size_t i)
{
	return w->c->vmas[i].in_second ? w->second : w->mm[0];
}

/* Each has a private_data of its own, so that none merge. */
static bool make_vmas(struct world *w)
{
	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		const struct case_vma *vma = &w->c->vmas[i];
		const struct pgw_mmap_args args = {
			.start = vma->start,
			.end = vma->end,
			.flags = PGW_VMA_READ | PGW_VMA_WRITE |
				 (vma->kind == VMA_PFNMAP ? PGW_VMA_PFNMAP : 0u) |
				 (vma->kind == VMA_HUGETLB ? PGW_VMA_HUGETLB : 0u),
			.page_lg2 = vma->page_lg2,
			.pgoff = vma->pgoff,
			.mapping = vma->is_of_file ? w->mapping : NULL,
			.private_data = &w->vmas[i],
		};

		if (pgw_mm_mmap(mm_of_vma(w, i), &args))
			return false;
	}
	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		struct pgw_mm *mm = mm_of_vma(w, i);

		pgw_mmap_read_lock(mm);
		w->vmas[i] = pgw_vma_find(mm, w->c->vmas[i].start);
		pgw_mmap_read_unlock(mm);
		if (w->c->vmas[i].held == HELD_READ)
			pgw_vma_read_lock(mm, w->c->vmas[i].start);
	}
	return true;
}

static void lock_one(struct pgw_mm *mm, enum oracle_lock held)
{
	if (mm && held == HELD_READ)
		pgw_mmap_read_lock(mm);
	if (mm && held == HELD_WRITE)
		pgw_mmap_write_lock(mm);
}

static void unlock_one(struct pgw_mm *mm)
{
	if (mm && pgw_mmap_lock_mode(mm) == PGW_LOCK_READ)
		pgw_mmap_read_unlock(mm);
	if (mm && pgw_mmap_lock_mode(mm) == PGW_LOCK_WRITE)
		pgw_mmap_write_unlock(mm);
}

static void lock_mapping(struct world *w)
{
	if (w->c->entry_point != CALL_MAPPING)
		return;
	if (w->c->held[1] == HELD_READ)
		pgw_mapping_read_lock(w->mapping);
	if (w->c->held[1] == HELD_WRITE)
		pgw_mapping_write_lock(w->mapping);
}

static void unlock_mapping(struct world *w)
{
	if (w->c->entry_point != CALL_MAPPING)
		return;
	if (w->c->held[1] == HELD_READ)
		pgw_mapping_read_unlock(w->mapping);
	if (w->c->held[1] == HELD_WRITE)
		pgw_mapping_write_unlock(w->mapping);
}

static void take_locks(struct world *w)
{
	lock_one(w->mm[0], w->c->held[0]);
	lock_one(w->mm[1], w->c->held[1]);
	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		if (w->c->vmas[i].held == HELD_WRITE)
			pgw_vma_write_lock(w->vmas[i]);
	}
	lock_mapping(w);
}

/* What nobody could hold, or would wait for himself. */
static bool locks_are_possible(const struct oracle_case *c)
{
	for (size_t i = 0; i < c->nr_vmas; i++) {
		if (c->vmas[i].held == HELD_WRITE && c->held[0] != HELD_WRITE)
			return false;
		if (c->vmas[i].held == HELD_READ && c->walk_lock == 1)
			return false;
		if (c->vmas[i].held != HELD_NOT && c->vmas[i].in_second)
			return false;
		if (i && c->vmas[i].in_second == c->vmas[i - 1].in_second &&
		    c->vmas[i].start < c->vmas[i - 1].end)
			return false;
	}
	return true;
}

/* The second mm's VMAs come last, and are there for walks of files. */
static bool is_second_possible(const struct oracle_case *c)
{
	bool has_second = c->entry_point == CALL_MAPPING && c->has_other;

	for (size_t i = 0; i < c->nr_vmas; i++) {
		if (c->vmas[i].in_second && !has_second)
			return false;
		if (i && c->vmas[i].in_second < c->vmas[i - 1].in_second)
			return false;
	}
	return true;
}

/* Is it a call that can be made? */
static bool is_possible(const struct oracle_case *c)
{
	bool of_vma = oracle_of_vma(c->entry_point);
	bool through_vmas = oracle_has_vmas(c->entry_point);
	bool of_kernel = c->entry_point == CALL_KERNEL || c->entry_point == CALL_KERNEL_LOCKLESS;

	if (of_vma && c->vma >= c->nr_vmas)
		return false;
	if (through_vmas &&
	    (c->of_kernel || c->is_snapshot || (c->has_other && c->entry_point != CALL_MAPPING)))
		return false;
	if (of_kernel && !c->of_kernel)
		return false;
	if (c->of_kernel && c->nr_vmas)
		return false;
	/* A copy is not what others change. */
	if (c->is_snapshot && (c->nr_effects || c->entry_point == CALL_DEBUG))
		return false;
	return is_second_possible(c) && locks_are_possible(c);
}

static void make_mapping(struct world *w)
{
	const struct pgw_mapping_args args = {
		.platform = &w->arena.platform,
		.page_lg2 = (uint8_t)w->geo->granule_lg2,
	};

	if (pgw_mapping_new(&args, &w->mapping))
		abort();
}

static bool make_tables(struct world *w)
{
	const struct oracle_case *c = w->c;

	if (c->of_kernel || c->has_kernel)
		w->mm[1] = new_mm(w, PGW_REGION_KERNEL, NULL);
	if (!c->of_kernel)
		w->mm[0] = new_mm(w, PGW_REGION_USER, w->mm[1]);
	if (c->has_other && c->entry_point == CALL_MAPPING)
		w->second = new_mm(w, PGW_REGION_USER, NULL);
	if (c->has_other)
		w->other_pa = w->second ? pgw_mm_root(w->second).pa : new_table(w);
	if (!c->of_kernel)
		make_mapping(w);
	for (size_t i = 0; i < c->nr_puts; i++) {
		if (!c->puts[i].in_other || c->has_other)
			make_put(w, &c->puts[i]);
	}
	for (size_t i = 0; i < c->nr_effects; i++) {
		bool has_table = c->effects[i].what == DO_PUT || c->effects[i].what == DO_PUT_SELF;

		if (has_table && word_has_table(c->effects[i].put.word))
			w->effect_tables[i] = new_table(w);
	}
	if (c->is_snapshot)
		attach(w);
	return !c->nr_vmas || make_vmas(w);
}

static void unmake(struct world *w, bool has_locks);

bool world_make(struct world *w, const struct oracle_case *c)
{
	w->c = c;
	if (!is_possible(c))
		return false;
	make_shape(w);
	if (!make_tables(w)) {
		unmake(w, false);
		return false;
	}
	take_locks(w);
	return true;
}

/* The tables are forgotten, not freed one by one: they may be anything by now. */
static void forget(struct world *w, struct pgw_mm *mm)
{
	uint64_t *root;

	if (!mm)
		return;
	root = world_host(w, pgw_mm_root(mm).pa);
	memset(root, 0, pt_table_size(w->geo, w->geo->top_level));
	desc_of(w, root)->nr_live = 0;
}

static void unmake(struct world *w, bool has_locks)
{
	w->outcome = NULL;
	if (has_locks)
		unlock_mapping(w);
	for (size_t i = 0; i < w->c->nr_vmas; i++) {
		if (w->vmas[i] && w->c->vmas[i].held == HELD_READ)
			pgw_vma_read_unlock(w->vmas[i]);
		w->vmas[i] = NULL;
	}
	unlock_one(w->mm[1]);
	unlock_one(w->mm[0]);
	forget(w, w->mm[0]);
	forget(w, w->mm[1]);
	forget(w, w->second);
	pgw_mm_free(w->snapshot);
	pgw_mm_free(w->mm[0]);
	pgw_mm_free(w->mm[1]);
	pgw_mm_free(w->second);
	pgw_reclaim_barrier(&w->arena.platform);
	pgw_mapping_free(w->mapping);
	w->snapshot = w->mm[0] = w->mm[1] = w->second = NULL;
	w->mapping = NULL;
	w->other_pa = 0;
	memset(w->effect_tables, 0, sizeof(w->effect_tables));
	memset(w->arena.block, 0, w->arena.used);
	memset(w->arena.free_list, 0, sizeof(w->arena.free_list));
	w->arena.used = 0;
	w->arena.nr_tables = 0;
	w->arena.fail_after = -1;
}

void world_unmake(struct world *w)
{
	unmake(w, true);
}

/* ---- twice the same ---- */

static size_t nr_descs(size_t bytes)
{
	return bytes / ARENA_TABLE_MIN;
}

void world_save(struct world *w)
{
	w->saved_used = w->arena.used;
	memcpy(w->saved, w->arena.block, w->saved_used);
	memcpy(w->saved_descs, w->arena.descs, nr_descs(w->saved_used) * sizeof(*w->saved_descs));
}

void world_restore(struct world *w)
{
	memcpy(w->arena.block, w->saved, w->saved_used);
	if (w->arena.used > w->saved_used)
		memset(w->arena.block + w->saved_used, 0, w->arena.used - w->saved_used);
	memcpy(w->arena.descs, w->saved_descs, nr_descs(w->saved_used) * sizeof(*w->saved_descs));
	memset(w->arena.free_list, 0, sizeof(w->arena.free_list));
	w->arena.used = w->saved_used;
	w->arena.fail_after = -1;
}

void world_begin(struct world *w, struct outcome *outcome)
{
	outcome->nr_events = 0;
	outcome->differed = 0;
	outcome->ret = 0;
	w->outcome = outcome;
	w->nr_callbacks = 0;
	memset(w->nr_moments, 0, sizeof(w->nr_moments));
	memset(w->zeroes, 0, ZEROES_SIZE);
}

/* A callback that changes a slot which is being filled is counted twice: callers must not. */
static bool is_counted(const struct oracle_case *c)
{
	for (size_t i = 0; i < c->nr_effects; i++) {
		if (c->effects[i].what == DO_PUT || c->effects[i].what == DO_PUT_SELF)
			return false;
	}
	return !c->of_kernel && !c->has_kernel && !c->is_snapshot;
}

bool world_counts_are_right(const struct world *w)
{
	unsigned size_lg2 = (unsigned)__builtin_ctzll(pt_table_size(w->geo, 0));

	for (size_t i = 0; i < nr_descs(w->arena.used) && is_counted(w->c); i++) {
		const struct pgw_ptdesc *desc = &w->arena.descs[i];
		const uint64_t *table =
			(const uint64_t *)(void *)(w->arena.block + i * ARENA_TABLE_MIN);
		uint32_t nr_live = 0;

		/* A small root is not where desc_of() looks. */
		if (desc->table != table || desc->size_lg2 != size_lg2)
			continue;
		for (size_t slot = 0; slot < (size_t)1 << desc->size_lg2 >> 3; slot++)
			nr_live += table[slot] != 0;
		if (nr_live != desc->nr_live)
			return false;
	}
	return true;
}

/* ---- the walk that runs ---- */

/* An item of a contiguous run: who changes one has to make single ones of all first. */
static bool is_in_run(const struct world *w, uint64_t word)
{
	return w->shape.encoding == ENC_ARM64 && (word & 1) && (word & BIT(52));
}

static void do_put(struct world *w, const struct case_effect *effect, uint64_t *slot,
		   unsigned level, uint64_t va)
{
	const struct word_at at = { va, level, effect->put.word, effect->put.variant };

	if (slot && world_physical(w, slot) && !is_in_run(w, *slot))
		put_word(w, slot, &at, w->effect_tables[effect - w->c->effects]);
}

static unsigned table_level(const struct world *w, unsigned level)
{
	return level < w->geo->top_level ? level : w->geo->top_level;
}

/* What nobody may change while it is walked: slots of p4d and pgd. */
static bool may_change(unsigned level)
{
	return level <= 2;
}

/* What install_pte leaves: a leaf, unless an effect says otherwise. Not everything is an entry there. */
static uint64_t install_word(struct world *w, const struct case_put *put, uint64_t addr)
{
	const struct word_at at = { .va = addr,
				    .word = put ? put->word : WORD_LEAF,
				    .variant =
					    put ? put->variant : addr >> w->geo->granule_lg2 & 7 };
	uint64_t word;

	return word_encode(w, &at, 0, &word) ? word : 0;
}

static void apply(struct world *w, const struct case_effect *effect,
		  const struct oracle_event *event)
{
	if (effect->what == DO_FAIL_ALLOC) {
		w->arena.fail_after = 0;
	} else if (effect->what == DO_PUT && may_change(effect->put.level) &&
		   effect->put.level <= w->geo->top_level) {
		do_put(w, effect, find_slot(w, &effect->put, false), effect->put.level,
		       effect->put.va);
	} else if (effect->what == DO_PUT_SELF && event && event->what == EV_INSTALL) {
		const struct case_put at = { .va = event->addr };

		do_put(w, effect, find_slot(w, &at, false), 0, event->addr);
	} else if (effect->what == DO_PUT_SELF && event && event->what <= EV_PGD && event->slot) {
		unsigned level = table_level(w, event->what);

		if (may_change(level))
			do_put(w, effect, world_host(w, event->slot), level, event->addr);
	}
}

int world_callback(struct world *w, struct oracle_event *event, unsigned *action)
{
	struct outcome *outcome = w->outcome;
	int ret = 0;

	if (outcome->nr_events == MAX_EVENTS)
		return TRACE_FULL;
	outcome->events[outcome->nr_events] = *event;
	if (w->c->is_snapshot)
		outcome->events[outcome->nr_events].slot = 0;
	outcome->nr_events++;
	w->nr_callbacks++;
	if (event->what == EV_INSTALL)
		event->entry = install_word(w, NULL, event->addr);
	for (size_t i = 0; i < w->c->nr_effects; i++) {
		const struct case_effect *effect = &w->c->effects[i];

		if (effect->moment != AT_CALLBACK || effect->nth != w->nr_callbacks)
			continue;
		if (effect->what == DO_RETURN)
			ret = effect->value;
		else if (effect->what == DO_ACTION)
			*action = (unsigned)effect->value;
		else if (effect->what == DO_INSTALL && event->what == EV_INSTALL)
			event->entry = install_word(w, &effect->put, event->addr);
		else
			apply(w, effect, event);
	}
	return ret;
}

void world_note(struct world *w, const struct oracle_event *event)
{
	if (w->outcome->nr_events < MAX_EVENTS)
		w->outcome->events[w->outcome->nr_events++] = *event;
}

void world_moment(struct world *w, enum oracle_moment moment, uint64_t *slot)
{
	(void)slot;
	w->nr_moments[moment]++;
	for (size_t i = 0; i < w->c->nr_effects; i++) {
		const struct case_effect *effect = &w->c->effects[i];

		if (effect->moment == moment && effect->nth == w->nr_moments[moment])
			apply(w, effect, NULL);
	}
}
