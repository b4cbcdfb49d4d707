/* SPDX-License-Identifier: BSD-2-Clause */
/* A look through memory by several threads finds what one finds, in the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/scan.h>

#include "base/bits.h"
#include "common/arena.h"
#include "system/system_priv.h"

#define NR_PAGES 3000
#define MAX_RUNS 200
#define BASE UINT64_C(0x7fe5000) /* not where a window begins */

/* Memory that is made up: runs of it, pages of which some cannot be read. */
struct world {
	uint8_t *bytes; /* from BASE on */
	struct pgw_pa_range runs[MAX_RUNS];
	size_t nr_runs;
	bool is_bad[NR_PAGES];
	struct pgw_image image;
};

static bool world_next(const struct source *source, enum source_extent extent, uint64_t pa,
		       struct pgw_pa_range *ret)
{
	const struct world *world = source->state;

	(void)extent;
	for (size_t i = 0; i < world->nr_runs; i++) {
		if (world->runs[i].last < pa)
			continue;
		*ret = world->runs[i];
		return true;
	}
	return false;
}

static int world_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	const struct world *world = source->state;

	for (uint64_t page = (pa - BASE) / IMAGE_PAGE; page <= (pa + len - 1 - BASE) / IMAGE_PAGE;
	     page++) {
		if (world->is_bad[page])
			return -PGW_EIO;
	}
	memcpy(buf, world->bytes + (pa - BASE), len);
	return 0;
}

static int phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	return world_read(phys->ctx, pa, buf, len);
}

static const struct source_ops ops = {
	.name = "made up",
	.read = world_read,
	.next_range = world_next,
};
static const struct pgw_phys_ops phys_ops = { .read = phys_read };

/* Values that items of tables have, and that come near them. */
static uint64_t random_item(uint64_t *seed)
{
	static const uint64_t values[] = { 1, 3, 0x21, 0x63, 0x67, 0x2003, 0x20, 0x3f, 0x5 };
	uint64_t value = values[test_random(seed) % PGW_ARRAY_SIZE(values)];

	if (test_random(seed) % 2)
		value |= test_random(seed) & BITS(40, 12);
	if (test_random(seed) % 4 == 0)
		value |= UINT64_C(1) << (test_random(seed) % 64);
	return test_random(seed) % 8 ? value : __builtin_bswap64(value);
}

static void make_note(uint8_t *page)
{
	static const char text[] = "OSRELEASE=6.1\nPAGESIZE=4096\n";

	memset(page, 0, IMAGE_PAGE);
	page[0] = 11;
	page[4] = sizeof(text) - 1;
	memcpy(page + 12, "VMCOREINFO", 11);
	memcpy(page + 24, text, sizeof(text) - 1);
}

static void make_page(uint8_t *page, uint64_t *seed)
{
	unsigned kind = test_random(seed) % 8;

	if (kind < 3)
		return;
	if (kind == 3) {
		make_note(page);
		return;
	}
	for (unsigned i = 0; i < (kind == 4 ? 512 : 6); i++) {
		uint64_t item = random_item(seed);

		memcpy(page + (kind == 4 ? i : test_random(seed) % 512) * 8, &item, 8);
	}
}

static void world_init(struct world *world, uint64_t *seed)
{
	uint64_t pa = BASE;

	*world = (struct world){ .bytes = calloc(NR_PAGES, IMAGE_PAGE) };
	assert_non_null(world->bytes);
	for (size_t i = 0; i < NR_PAGES; i++) {
		make_page(world->bytes + i * IMAGE_PAGE, seed);
		world->is_bad[i] = test_random(seed) % 64 == 0;
	}
	while (world->nr_runs < MAX_RUNS) {
		uint64_t first = pa + test_random(seed) % 8 * 2048 + 2048;
		uint64_t last = first + test_random(seed) % 64 * 2048 + 2047;

		if (last >= BASE + NR_PAGES * (uint64_t)IMAGE_PAGE)
			break;
		world->runs[world->nr_runs++] = (struct pgw_pa_range){ first, last };
		pa = last + 1;
	}
	world->image = (struct pgw_image){
		.source = { .ops = &ops, .state = world, .is_packed = true },
		.archs = image_archs,
		.search_left = IMAGE_SEARCH_BUDGET,
	};
	world->image.source.phys =
		(struct pgw_phys){ .ops = &phys_ops, .ctx = &world->image.source };
	world->image.phys = world->image.source.phys;
}

static void world_forget(struct world *world)
{
	image_survey_forget(&world->image);
	image_vmcoreinfo_forget(&world->image);
	world->image.is_surveyed = false;
}

static void world_fini(struct world *world)
{
	world_forget(world);
	free(world->bytes);
}

/* What a survey has found, as numbers one after the other. */
struct found {
	uint64_t *list;
	size_t nr;
};

static void found_add(struct found *found, uint64_t value)
{
	assert_false(source_array_grow((void **)&found->list, found->nr, sizeof(*found->list)));
	found->list[found->nr++] = value;
}

static struct found found_of(struct world *world)
{
	struct found found = { 0 };

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++) {
			const struct image_pages *pages = &world->image.surveys[id].pages[kind];

			found_add(&found, pages->nr);
			found_add(&found, pages->is_cut);
			for (size_t i = 0; i < pages->nr; i++)
				found_add(&found, pages->pa[i]);
		}
	}
	for (size_t i = 0; i < world->image.nr_texts; i++)
		found_add(&found, world->image.texts[i].pa);
	return found;
}

/* All that is looked for, page by page, as the manuals say it. */
static bool is_whole(const struct world *world, uint64_t pa)
{
	for (size_t i = 0; i < world->nr_runs; i++) {
		if (world->runs[i].first <= pa && world->runs[i].last >= pa + IMAGE_PAGE - 1)
			return !world->is_bad[(pa - BASE) / IMAGE_PAGE];
	}
	return false;
}

static uint64_t item_at(const uint8_t *page, unsigned i)
{
	return load_le64(page + (size_t)8 * i);
}

static unsigned arm64_kinds(const uint8_t *page)
{
	unsigned kinds = 0;

	for (unsigned i = 0; i < 512; i++) {
		uint64_t item = item_at(page, i);

		/* A table, and no attribute but AF and the two that forbid to execute. */
		if ((item & 0xfff & ~BIT(10)) != 3 || item >> 61 || (item & BITS(58, 48)))
			continue;
		if (item & BIT(60))
			kinds |= 1u << IMAGE_PAGE_ROOT;
		else if (item & BIT(59))
			kinds |= 1u << IMAGE_PAGE_USER;
	}
	return kinds;
}

static bool is_pdpte(uint64_t item)
{
	return (item & 1) && !(item & (BITS(63, 36) | BITS(11, 6) | BITS(4, 1)));
}

static unsigned i386_kinds(const uint8_t *page)
{
	uint32_t first = load_le32(page + (size_t)4 * 768),
		 last = load_le32(page + (size_t)4 * 1023);
	bool is_root = (first & 1) && !(first & 4) && (last & 1) && !(last & 0x84);

	for (unsigned i = 0; i < 512; i += 4) {
		bool fits = is_pdpte(item_at(page, i + 3));

		for (unsigned j = 0; j < 3; j++)
			fits = fits && (!item_at(page, i + j) || is_pdpte(item_at(page, i + j)));
		is_root |= fits;
	}
	return is_root ? 1u << IMAGE_PAGE_ROOT : 0;
}

static void assert_kinds(const struct world *world, unsigned id, unsigned (*kinds)(const uint8_t *))
{
	struct pgw_image *image = (struct pgw_image *)(uintptr_t)&world->image;
	size_t nr[_IMAGE_PAGE_KIND_MAX] = { 0 };

	for (uint64_t pa = (BASE + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1);
	     pa < BASE + NR_PAGES * (uint64_t)IMAGE_PAGE; pa += IMAGE_PAGE) {
		unsigned found = is_whole(world, pa) ? kinds(world->bytes + (pa - BASE)) : 0;

		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++) {
			const struct image_pages *pages = &image->surveys[id].pages[kind];

			if (!(found >> kind & 1))
				continue;
			assert_true(nr[kind] < pages->nr);
			assert_int_equal(pages->pa[nr[kind]++], pa);
		}
	}
	for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++)
		assert_int_equal(nr[kind], image->surveys[id].pages[kind].nr);
}

/* Jobs one after the other, the last first. */
static void run_backwards(void *ctx, unsigned n, void (*job)(void *arg, unsigned index), void *arg)
{
	(void)ctx;
	while (n--)
		job(arg, n);
}

static struct pgw_scan_workers workers_of(unsigned i)
{
	struct pgw_scan_workers workers = pgw_hosted_workers(i);

	workers.n = i ? i : 3;
	workers.even_few = true;
	if (!i)
		workers.run = run_backwards;
	return workers;
}

static void assert_survey_is(struct world *world, const struct found *wanted)
{
	struct found found;

	assert_int_equal(image_survey(&world->image), 0);
	found = found_of(world);
	assert_int_equal(found.nr, wanted->nr);
	assert_memory_equal(found.list, wanted->list, wanted->nr * sizeof(*found.list));
	free(found.list);
	world_forget(world);
}

static void test_survey__any_threads_same(void **state)
{
	uint64_t seed = test_seed();
	struct world *world = malloc(sizeof(*world));

	(void)state;
	assert_non_null(world);
	for (unsigned round = 0; round < 8; round++) {
		struct found found;

		world_init(world, &seed);
		assert_int_equal(image_survey(&world->image), 0);
		assert_kinds(world, IMAGE_ARCH_ARM64, arm64_kinds);
		assert_kinds(world, IMAGE_ARCH_I386, i386_kinds);
		assert_int_equal(world->image.nr_texts, IMAGE_MAX_VMCOREINFO);
		found = found_of(world);
		world_forget(world);
		for (unsigned i = 0; i <= 7; i++) {
			const struct pgw_scan_workers workers = workers_of(i);

			world->image.options.workers = &workers;
			assert_survey_is(world, &found);
			world->image.options.workers = NULL;
		}
		free(found.list);
		world_fini(world);
	}
	free(world);
}

/* Enough is what the fourth text says, if only those before it are there. */
static bool is_enough(struct pgw_image *image, void *arg)
{
	uint64_t *pa = arg;

	*pa = image->texts[image->nr_texts - 1].pa;
	return image->nr_texts >= 4;
}

static void test_survey__any_threads_end_at_the_same_text(void **state)
{
	uint64_t seed = test_seed(), wanted, pa;
	struct world *world = malloc(sizeof(*world));

	(void)state;
	assert_non_null(world);
	world_init(world, &seed);
	assert_int_equal(image_survey_until(&world->image, is_enough, &wanted), 1);
	for (unsigned i = 0; i <= 7; i++) {
		const struct pgw_scan_workers workers = workers_of(i);

		world->image.options.workers = &workers;
		assert_int_equal(image_survey_until(&world->image, is_enough, &pa), 1);
		assert_int_equal(pa, wanted);
		assert_int_equal(world->image.nr_texts, 0);
		assert_false(world->image.is_surveyed);
	}
	world->image.options.workers = NULL;
	world_fini(world);
	free(world);
}

/* Only where pages are packed does one that cannot be read leave the others. */
static void test_survey__unreadable_is_an_error_if_not_packed(void **state)
{
	uint64_t seed = test_seed();
	struct world *world = malloc(sizeof(*world));

	(void)state;
	assert_non_null(world);
	world_init(world, &seed);
	world->image.source.is_packed = false;
	for (unsigned i = 0; i <= 3; i++) {
		const struct pgw_scan_workers workers = workers_of(i);

		world->image.options.workers = &workers;
		assert_int_equal(image_survey(&world->image), -PGW_EIO);
		assert_false(world->image.is_surveyed);
	}
	world->image.options.workers = NULL;
	world_fini(world);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_survey__any_threads_same),
		cmocka_unit_test(test_survey__any_threads_end_at_the_same_text),
		cmocka_unit_test(test_survey__unreadable_is_an_error_if_not_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
