/* SPDX-License-Identifier: BSD-2-Clause */

/* The platform, and the owners of frames and of pages of descriptors, of the world that is. */

#include "schedule/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "schedule/race.h"

#define FRAMES_SETUP 32u
#define FRAMES_EACH ((WORLD_FRAMES - FRAMES_SETUP) / SCHEDULE_THREADS)
#define ENTRY_ACCESSED (UINT64_C(1) << 10)

static struct world *world;

static void cpu_barrier(void *ctx)
{
	(void)ctx;
	schedule_cpu_barrier();
}

void world_use(struct world *w, bool has_barrier)
{
	world = w;
	world_platform.cpu_barrier = has_barrier ? cpu_barrier : NULL;
	world_platform.epoch = &w->epoch;
	world_platform.table_offset = memory_block() - MEMORY_PA;
}

static bool is_running(void)
{
	return schedule_thread() != SCHEDULE_NONE;
}

static unsigned who(void)
{
	return is_running() ? schedule_thread() : MEMORY_SETUP;
}

/* The world is too small: that is no fault of the library. */
static void *must_have(void *at, const char *what)
{
	if (!at) {
		fprintf(stderr, "world: no %s left\n", what);
		abort();
	}
	return at;
}

/* ---- memory ---- */

/* A table's descriptor lives as long as the table. */
static void mark_desc(const void *table, enum memory_state mark)
{
	memory_mark(&world->descs[memory_table_index(table)], sizeof(*world->descs), mark);
}

static void *table_alloc(void *ctx, size_t size)
{
	void *table = must_have(memory_alloc_table(who()), "table");

	(void)ctx;
	race_alloc(table, size);
	mark_desc(table, MEMORY_LIVE);
	world->descs[memory_table_index(table)] =
		(struct pgw_ptdesc){ .table = table, .size_lg2 = (uint8_t)__builtin_ctzl(size) };
	return table;
}

static void table_free(void *ctx, void *table, size_t size)
{
	(void)ctx;
	schedule_touch(table, size, true);
	if (memory_state(table) != MEMORY_LIVE) {
		schedule_fail("a table is freed twice");
		return;
	}
	race_free(table, size);
	if (is_running())
		mmu_check_table(world, MEMORY_PA + ((uintptr_t)table - memory_block()));
	memory_free(table, MEMORY_TABLE);
	mark_desc(table, MEMORY_FREED);
}

static struct pgw_ptdesc *table_desc(void *ctx, void *table)
{
	(void)ctx;
	return &world->descs[memory_table_index(table)];
}

static void *obj_alloc(void *ctx, size_t size)
{
	void *obj = must_have(memory_alloc_obj(who(), size), "memory");

	(void)ctx;
	race_alloc(obj, size);
	return obj;
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	(void)ctx;
	schedule_touch(obj, size, true);
	if (memory_state(obj) != MEMORY_LIVE) {
		schedule_fail("an object is freed twice");
		return;
	}
	race_free(obj, size);
	memory_free(obj, size);
}

/* ---- threads and the MMU ---- */

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	(void)ctx;
	schedule_fence(__ATOMIC_SEQ_CST);
	schedule_touch(world->tlb, sizeof(uint64_t), true);
	mmu_flush(world, mm, first, last);
}

static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	(void)ctx;
	schedule_park(word, expected);
}

static void wake(void *ctx, const uint32_t *word)
{
	(void)ctx;
	schedule_wake(word);
}

static struct pgw_thread *current(void *ctx)
{
	(void)ctx;
	return &world->thread[who()];
}

static void violation(void *ctx, const struct pgw_violation *v)
{
	(void)ctx;
	schedule_fail("%s breaks %s", v->function, v->rule_name);
}

struct pgw_platform world_platform = {
	.table_alloc = table_alloc,
	.table_free = table_free,
	.table_desc = table_desc,
	.obj_alloc = obj_alloc,
	.obj_free = obj_free,
	.tlb_flush = tlb_flush,
	.park = park,
	.wake = wake,
	.current = current,
	.violation = violation,
};

/* ---- frames ---- */

static uint64_t frame_new(void)
{
	unsigned owner = who();
	unsigned i = world->nr_frames[owner]++;

	if (i >= (owner == MEMORY_SETUP ? FRAMES_SETUP : FRAMES_EACH))
		must_have(NULL, "frame");
	if (owner != MEMORY_SETUP)
		i += FRAMES_SETUP + owner * FRAMES_EACH;
	world->frame[i] = FRAME_OUT;
	return WORLD_FRAME_PA + i * WORLD_PAGE;
}

static int fault(struct pgw_vma *vma, struct pgw_fault *f)
{
	(void)vma;
	if (!f->is_mapped) {
		f->pa = frame_new();
		if (is_running())
			world->deed[schedule_thread()].met_hole = true;
	}
	f->level = 0;
	f->attrs = ENTRY_ACCESSED;
	return 0;
}

static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	(void)vma;
	for (uint64_t at = 0; at < frames->size; at += WORLD_PAGE) {
		uint64_t pa = frames->pa + at, i = (pa - WORLD_FRAME_PA) / WORLD_PAGE;

		if (i >= WORLD_FRAMES || world->frame[i] != FRAME_OUT) {
			schedule_fail("a frame is released that is not out");
			return;
		}
		if (is_running())
			mmu_check_frame(world, pa);
		world->frame[i] = FRAME_RELEASED;
	}
}

const struct pgw_vma_ops world_vma_ops = { .fault = fault, .release = release };

/* ---- pages of descriptors ---- */

static int page_alloc(void *ctx, uint8_t size_lg2, uint64_t *ret_pa)
{
	void *page;

	(void)ctx;
	if (UINT64_C(1) << size_lg2 != WORLD_PAGE)
		return -PGW_ENOMEM;
	page = must_have(memory_alloc_table(who()), "table");
	race_alloc(page, WORLD_PAGE);
	*ret_pa = MEMORY_PA + ((uintptr_t)page - memory_block());
	world->nr_pages++;
	return 0;
}

static void *page_access(void *ctx, uint64_t pa)
{
	void *page =
		(void *)(memory_block() + (pa - MEMORY_PA)); // NOLINT(performance-no-int-to-ptr)

	(void)ctx;
	if (memory_state(page) != MEMORY_LIVE)
		schedule_fail("a page of descriptors is used that is free");
	return page;
}

static void page_free(void *ctx, uint64_t pa)
{
	void *page = page_access(ctx, pa);

	schedule_touch(page, WORLD_PAGE, true);
	if (is_running())
		mmu_check_frame(world, pa);
	world->nr_pages--;
	memory_free(page, MEMORY_TABLE);
}

const struct pgw_kernel_ops world_kernel_ops = { page_alloc, page_free, page_access };
