/* SPDX-License-Identifier: BSD-2-Clause */
#include "walk_fixture.h"

#include "base/bits.h"

/* ---- recording ---- */

int record_event(struct pgw_mm_walk *walk, struct event event)
{
	struct record *record = walk->arg;

	assert_true(record->nr < MAX_EVENTS);
	event.vma = walk->vma;
	record->event[record->nr++] = event;
	return record->nr == record->stop_at ? record->stop_value : 0;
}

#define RECORD_ENTRY(name, lvl)                                                                    \
	int record_##name(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)  \
	{                                                                                          \
		assert_non_null(walk->vma);                                                        \
		return record_event(walk, (struct event){ .level = (lvl),                          \
							  .addr = addr,                            \
							  .next = next,                            \
							  .entry = pgw_item_load(item) });         \
	}
static RECORD_ENTRY(pgd, 4) static RECORD_ENTRY(p4d, 3) RECORD_ENTRY(pud, 2)
	RECORD_ENTRY(pmd, 1) static RECORD_ENTRY(pte, 0)

		int record_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	assert_in_range(depth + 1, 0, 4);
	return record_event(
		walk, (struct event){ .level = HOLE, .depth = depth, .addr = addr, .next = next });
}

static int record_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			    struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ .level = MALFORMED,
						  .depth = depth,
						  .addr = addr,
						  .next = next,
						  .entry = entry });
}

int record_test(uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ .level = TEST, .addr = addr, .next = next });
}

int record_pre(uint64_t start, uint64_t end, struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ .level = PRE, .addr = start, .next = end });
}

void record_post(struct pgw_mm_walk *walk)
{
	record_event(walk, (struct event){ .level = POST });
}

const struct pgw_mm_walk_ops all_ops = {
	.pgd_entry = record_pgd,
	.p4d_entry = record_p4d,
	.pud_entry = record_pud,
	.pmd_entry = record_pmd,
	.pte_entry = record_pte,
	.pte_hole = record_hole,
	.malformed = record_malformed,
	.pre_vma = record_pre,
	.post_vma = record_post,
};

size_t count_level(const struct fixture *f, int level)
{
	size_t n = 0;

	for (size_t i = 0; i < f->record.nr; i++)
		n += f->record.event[i].level == level;
	return n;
}

const struct event *nth_of_level(const struct fixture *f, int level, size_t n)
{
	for (size_t i = 0; i < f->record.nr; i++) {
		if (f->record.event[i].level == level && n-- == 0)
			return &f->record.event[i];
	}
	fail_msg("no such event");
	return NULL;
}

/* ---- the fixture ---- */

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	struct fixture *f = pgw_container_of((struct arena *)ctx, struct fixture, arena);

	assert_ptr_equal(mm, f->mm);
	f->nr_steps[point]++;
	if (f->on_step)
		f->on_step(f, point);
}

/* What is freed does not look like anything afterwards. */
static void poison_and_free(void *ctx, void *obj, size_t size)
{
	struct fixture *f = pgw_container_of((struct arena *)ctx, struct fixture, arena);

	for (size_t i = 0; i < size; i++)
		((volatile unsigned char *)obj)[i] = 0xee;
	f->obj_free(ctx, obj, size);
}

static struct fixture *fixture_new(const struct pgw_format *format)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = { .format = format,
					.region = PGW_REGION_USER,
					.control.pa_bits = PA_BITS };

	assert_non_null(f);
	arena_init(&f->arena, ARENA_SIZE);
	f->arena.platform.step = step;
	f->obj_free = f->arena.platform.obj_free;
	f->arena.platform.obj_free = poison_and_free;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	return f;
}

static void fixture_free(struct fixture *f)
{
	assert_int_equal(f->arena.nr_violations, 0);
	/* Every way out of a walk leaves what it entered. */
	assert_int_equal(f->arena.thread.nr_readers, 0);
	pgw_mm_free(f->mm);
	arena_fini(&f->arena);
	free(f);
}

void for_each_format(void (*run)(struct fixture *f))
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		struct fixture *f = fixture_new(format);

		run(f);
		fixture_free(f);
	}
}

uint64_t span(const struct fixture *f, unsigned level)
{
	return UINT64_C(1) << f->geo->span_lg2[level];
}

uint64_t page(const struct fixture *f)
{
	return span(f, 0);
}

size_t nr_slots(const struct fixture *f, unsigned level)
{
	return (size_t)1 << f->geo->slots_lg2[level];
}

void make_vma(struct fixture *f, uint64_t start, uint64_t end, uint32_t flags)
{
	const struct pgw_mmap_args args = { .start = start,
					    .end = end,
					    .flags = flags | PGW_VMA_READ | PGW_VMA_WRITE };

	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
}

void map(struct fixture *f, uint64_t va, unsigned level)
{
	const struct pgw_leaf leaf = { .va = va,
				       .pa = level < 2 ? span(f, level) : 0,
				       .level = (uint8_t)level,
				       .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R |
						 PGW_USER_W };

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_map_leaf(f->mm, &leaf), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

bool has_leaf(const struct fixture *f, unsigned level)
{
	/* arm64's largest sizes are there with 52 bits only. */
	return level <= f->geo->top_level && f->geo->span_lg2[level] < PA_BITS &&
	       (f->geo->leaf_sizes >> f->geo->span_lg2[level] & 1);
}

static void *host(struct fixture *f, uint64_t pa)
{
	return f->arena.block + (pa - ARENA_PA);
}

uint64_t *slot_at(struct fixture *f, uint64_t va, unsigned level)
{
	struct pgw_translation translation;
	struct pgw_path path;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_translate_path(f->mm, va, &translation, &path), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		if (path.step[i].level == level)
			return host(f, path.step[i].item_pa);
	}
	fail_msg("no table of level %u", level);
	return NULL;
}

struct pgw_ptdesc *desc_of(struct fixture *f, const uint64_t *item, unsigned level)
{
	uintptr_t table = (uintptr_t)item & ~(uintptr_t)(8 * nr_slots(f, level) - 1);

	return f->arena.platform.table_desc(&f->arena, (void *)table);
}

struct pgw_ptdesc *desc_below(struct fixture *f, uint64_t entry, unsigned level)
{
	struct pgw_entry decoded;

	pgw_entry_decode(f->format, pgw_mm_control(f->mm), entry, level, &decoded);
	assert_int_equal(decoded.kind, PGW_ENTRY_TABLE);
	return f->arena.platform.table_desc(&f->arena, host(f, decoded.pa));
}

enum pgw_entry_kind kind_of(const struct fixture *f, uint64_t entry, unsigned level)
{
	struct pgw_entry decoded;

	pgw_entry_decode(f->format, pgw_mm_control(f->mm), entry, level, &decoded);
	return decoded.kind;
}

void begin(struct fixture *f)
{
	f->record.nr = 0;
	memset(f->nr_steps, 0, sizeof(f->nr_steps));
}

int walk(struct fixture *f, uint64_t start, uint64_t end, const struct pgw_mm_walk_ops *ops)
{
	int err;

	begin(f);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	err = pgw_walk_page_range(f->mm, start, end, ops, &f->record);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	return err;
}

struct pgw_vma *vma_at(struct fixture *f, uint64_t va)
{
	struct pgw_vma *vma;

	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	vma = pgw_vma_lookup(f->mm, va);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	assert_non_null(vma);
	return vma;
}

uint64_t pa_of(struct fixture *f, uint64_t va)
{
	struct pgw_translation translation;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_translate(f->mm, va, &translation), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(translation.kind, PGW_ENTRY_LEAF);
	return translation.pa;
}
