/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reading has several ways: plain and with vectors, tables pointed at and
 * copied, shared tables remembered or not, in one go or in parts, addresses
 * one by one or many at once, callbacks. For every format and random tables, all of them
 * say what the simplest one says: one translation after the other, by the long way.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/tap.h"

#define TABLES_PA UINT64_C(0x40000000)
#define NR_TABLES 24
#define NR_ITEMS 65536 /* of lowest tables, in the range that is scanned */
#define MAX_EXTENTS (2 * NR_ITEMS)
#define MAX_PARTS 7

struct list {
	struct pgw_extent *extent;
	size_t nr;
};

struct fixture {
	struct arena arena;
	struct pgw_phys_memory memory;
	struct pgw_phys_ops copy_ops; /* the same bytes, never pointed at */
	struct pgw_phys copy_phys;
	uint64_t *tables; /* NR_TABLES for each level but the top, then the roots */
	size_t table_size;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	uint64_t random, first, last;
	struct list want, got;
	struct pgw_scan_stats want_stats;
};

static uint64_t pick(struct fixture *f, uint64_t n)
{
	return test_random(&f->random) % n;
}

static uint64_t table_pa(const struct fixture *f, unsigned level, uint64_t n)
{
	return TABLES_PA + (level * NR_TABLES + n) * f->table_size;
}

static uint64_t *table_at(const struct fixture *f, uint64_t pa)
{
	return f->tables + (pa - TABLES_PA) / 8;
}

/* Foreign tables are little-endian: those of this level and above, that were filled just now. */
static void store_tables(struct fixture *f, unsigned level)
{
	uint64_t *end = table_at(f, table_pa(f, f->geo->top_level + 1u, 0));

	for (uint64_t *item = table_at(f, table_pa(f, level, 0)); item < end; item++)
		*item = load_le64(item);
}

static bool is_riscv(const struct fixture *f)
{
	return strcmp(pgw_format_arch(f->format), "riscv64") == 0;
}

static bool is_arm64(const struct fixture *f)
{
	return strcmp(pgw_format_arch(f->format), "arm64") == 0;
}

static uint64_t entry_of(const struct fixture *f, uint64_t pa, uint64_t flags)
{
	return (is_riscv(f) ? pa >> 2 : pa) | flags;
}

/* A leaf of a lowest table: two kinds of rights, now and then one of a contiguous run. */
static uint64_t random_leaf(struct fixture *f)
{
	static const uint64_t flags[3][3] = {
		{ 0x3, 0x8000000000000061, 0x5 },              /* x86-64 */
		{ 0x703, 0x60000000000783, 0x10000000000703 }, /* arm64 */
		{ 0xcf, 0x4b, 0x80000000000020cf },            /* riscv */
	};
	uint64_t pa = pick(f, 1 << 16) << f->geo->granule_lg2;

	return entry_of(f, pa, flags[is_riscv(f) ? 2 : is_arm64(f)][pick(f, 8) ? pick(f, 2) : 2]);
}

static void fill_lowest(struct fixture *f, uint64_t *table, unsigned nr_slots)
{
	static const uint64_t odd_bits[] = { BIT(8), BIT(12), BIT(49) };
	const uint64_t step = entry_of(f, UINT64_C(1) << f->geo->granule_lg2, 0);
	unsigned longest = 1u << pick(f, 10);

	for (unsigned i = 0; i < nr_slots;) {
		uint64_t kind = pick(f, 8), entry = random_leaf(f), by = step, flip = 0;
		unsigned n = 1 + (unsigned)pick(f, longest);

		if (kind == 0)
			entry = by = 0;
		else if (kind == 1)
			entry = test_random(&f->random) & ~UINT64_C(1); /* absent */
		else if (kind == 2)
			entry = test_random(&f->random); /* anything */
		else if (kind == 3)
			by = 0; /* one page again and again */
		/* The last page that an entry can name, and then the carry. */
		if (kind == 4 && pick(f, 4) == 0)
			entry |= entry_of(f,
					  ((UINT64_C(1) << f->geo->max_pa_bits) - 1) &
						  ~((UINT64_C(4) << f->geo->granule_lg2) - 1),
					  0);
		if (kind == 5) /* the top of the address, where arm64 keeps it, to and fro */
			flip = odd_bits[pick(f, 3)];
		for (; n && i < nr_slots; n--, i++, entry += by)
			table[i] = i & 1 ? entry ^ flip : entry;
	}
}

/* Tables of each level point to a few of the next: shared, side by side and far apart. */
static void fill_tables(struct fixture *f)
{
	const uint64_t flags = is_riscv(f) ? 1 : is_arm64(f) ? 3 : 7;

	for (unsigned level = 0; level <= f->geo->top_level; level++) {
		unsigned nr_slots = 1u << f->geo->slots_lg2[level];

		for (unsigned n = 0; n < NR_TABLES; n++) {
			uint64_t *table = table_at(f, table_pa(f, level, n));
			uint64_t below = 0;

			if (level == 0)
				fill_lowest(f, table, nr_slots);
			for (unsigned i = 0; level && i < nr_slots; i++) {
				if (pick(f, 3))
					below = table_pa(f, level - 1, pick(f, NR_TABLES));
				table[i] = pick(f, 9) ? entry_of(f, below, flags) : 0;
				if (pick(f, 40) == 0)
					table[i] = test_random(&f->random) | 1;
				/* Where the halves begin. */
				if (level > 1 && (i == 0 || i == nr_slots / 2))
					table[i] =
						entry_of(f, table_pa(f, level - 1, i & 1), flags);
			}
		}
	}
	store_tables(f, 0);
}

static void fixture_init(struct fixture *f, const struct pgw_format *format,
			 enum pgw_region_kind half, uint64_t seed)
{
	uint64_t nr_bytes;
	size_t size;

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, 1 << 20);
	f->random = seed;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	f->table_size = (size_t)1 << f->geo->granule_lg2;
	size = (f->geo->top_level + 1u) * NR_TABLES * f->table_size;
	f->tables = aligned_alloc(65536, (size + 65535) & ~(size_t)65535);
	f->want.extent = calloc(MAX_EXTENTS, sizeof(struct pgw_extent));
	f->got.extent = calloc(MAX_EXTENTS, sizeof(struct pgw_extent));
	CHECK(f->tables && f->want.extent && f->got.extent);
	memset(f->tables, 0, size);
	CHECK_EQUAL(pgw_phys_memory_init(&f->memory, TABLES_PA, f->tables, size), 0);
	f->copy_ops = *f->memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ .ops = &f->copy_ops, .ctx = f->memory.phys.ctx };
	fill_tables(f);
	/* Some tables and a bit, from inside a page on. */
	pgw_format_region_range(format, half, &f->first, &f->last);
	nr_bytes = (uint64_t)NR_ITEMS << f->geo->granule_lg2;
	f->first += pick(f, 1 << 20);
	if (f->last - f->first > nr_bytes)
		f->last = f->first + nr_bytes;
}

static void fixture_fini(struct fixture *f)
{
	free(f->tables);
	free(f->want.extent);
	free(f->got.extent);
	arena_fini(&f->arena);
}

/* Way: bit 0 vectors, bit 1 no memo, bit 2 copied. */
#define NR_WAYS 8

static struct pgw_mm *attach(struct fixture *f, unsigned way, uint64_t root)
{
	struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.phys = way & 4 ? &f->copy_phys : &f->memory.phys,
		.root = { .pa = table_pa(f, f->geo->top_level, root) },
		.region = f->first >> 63 ? PGW_REGION_KERNEL : PGW_REGION_USER,
	};
	struct pgw_mm *mm;

	f->arena.platform.cpu_features = way & 1 ? test_vector_features() : 0;
	f->arena.platform.no_memo = way & 2;
	CHECK_EQUAL(pgw_mm_attach(&args, &mm), 0);
	return mm;
}

static int keep(const struct pgw_extent *extent, void *arg)
{
	struct list *list = arg;

	CHECK(list->nr < MAX_EXTENTS);
	list->extent[list->nr++] = *extent;
	return 0;
}

/* The same for extents of parts, whose runs may go on. */
static void keep_joined(const struct pgw_mm *mm, const struct pgw_extent *extent, struct list *list)
{
	struct pgw_extent *before = list->nr ? &list->extent[list->nr - 1] : NULL;

	if (before && pgw_extent_follows(mm, before, extent))
		before->va_last = extent->va_last;
	else
		keep(extent, list);
}

static void check_lists(const struct list *a, const struct list *b)
{
	CHECK_EQUAL(a->nr, b->nr);
	for (size_t i = 0; i < a->nr; i++) {
		const struct pgw_extent *x = &a->extent[i], *y = &b->extent[i];

		CHECK_EQUAL(x->va_first, y->va_first);
		CHECK_EQUAL(x->va_last, y->va_last);
		CHECK_EQUAL(x->pa, y->pa);
		CHECK_EQUAL(x->entry, y->entry);
		CHECK_EQUAL(x->kind, y->kind);
		CHECK(x->level == y->level && x->leaf_lg2 == y->leaf_lg2 && x->rights == y->rights);
	}
}

/* The oracle: what each address means, one after the other. */
static void list_by_translation(struct fixture *f, struct pgw_mm *mm)
{
	uint64_t va = f->first;

	f->want.nr = 0;
	for (;;) {
		struct pgw_translation at;
		struct pgw_path path;
		uint64_t slot_last;

		CHECK_EQUAL(pgw_translate_path(mm, va, &at, &path), 0);
		/* Items of a contiguous run are looked at one by one: it may be torn. */
		slot_last = va | ((UINT64_C(1) << f->geo->span_lg2[at.level]) - 1);
		if (slot_last > f->last)
			slot_last = f->last;
		if (at.kind != PGW_ENTRY_EMPTY && at.kind != PGW_ENTRY_ABSENT)
			keep_joined(
				mm,
				&(struct pgw_extent){
					.va_first = va,
					.va_last = slot_last,
					.pa = at.pa,
					.entry = at.kind == PGW_ENTRY_UNREADABLE
							 ? path.step[path.nr_steps - 1].item_pa &
								   ~(f->table_size - 1)
							 : at.entry,
					.kind = at.kind,
					.level = at.level,
					.leaf_lg2 = at.leaf_lg2,
					.rights = at.rights,
				},
				&f->want);
		if (slot_last == f->last)
			return;
		va = slot_last + 1;
	}
}

static void check_scan(struct fixture *f, struct pgw_mm *mm, bool is_first)
{
	struct pgw_scan_stats stats;

	f->got.nr = 0;
	CHECK_EQUAL(pgw_scan(mm, f->first, f->last, keep, &f->got, &stats), 0);
	check_lists(&f->got, &f->want);
	if (is_first)
		f->want_stats = stats;
	CHECK(memcmp(&stats, &f->want_stats, sizeof(stats)) == 0);
}

/** Takes so many extents, and refuses the last of them. */
struct refusing {
	struct list *list;
	size_t max;
};

#define REFUSED 7

static int keep_some(const struct pgw_extent *extent, void *arg)
{
	const struct refusing *refusing = arg;

	keep(extent, refusing->list);
	return refusing->list->nr >= refusing->max ? REFUSED : 0;
}

static int keep_some_blocks(const struct pgw_extent *extents, size_t nr, void *arg)
{
	int status = 0;

	for (size_t i = 0; i < nr; i++)
		status = keep_some(&extents[i], arg);
	return status;
}

/* What was got is where the list begins, and is what the stats say. */
static void check_got(const struct fixture *f, const struct pgw_scan_stats *stats)
{
	const struct list want = { f->want.extent, f->got.nr };
	uint64_t nr_leaves = 0, nr_unreadable = 0;

	CHECK(f->got.nr <= f->want.nr);
	check_lists(&f->got, &want);
	for (size_t i = 0; i < f->got.nr; i++) {
		const struct pgw_extent *e = &f->got.extent[i];

		if (e->kind == PGW_ENTRY_LEAF)
			nr_leaves += (e->va_last >> e->leaf_lg2) - (e->va_first >> e->leaf_lg2) + 1;
		nr_unreadable += e->kind == PGW_ENTRY_UNREADABLE;
	}
	CHECK_EQUAL(stats->nr_leaves, nr_leaves);
	CHECK_EQUAL(stats->nr_unreadable, nr_unreadable);
	CHECK(stats->truncated);
	CHECK_EQUAL(stats->truncated_va, f->got.extent[f->got.nr - 1].va_last + 1);
}

static void check_refusals(struct fixture *f, struct pgw_mm *mm)
{
	for (unsigned i = 0; i < 4 && f->want.nr; i++) {
		struct refusing refusing = { &f->got, 1 + pick(f, i % 2 ? f->want.nr : 70) };
		struct pgw_scan_stats stats;

		if (refusing.max > f->want.nr)
			continue;
		f->got.nr = 0;
		CHECK_EQUAL(pgw_scan(mm, f->first, f->last, keep_some, &refusing, &stats), REFUSED);
		CHECK_EQUAL(f->got.nr, refusing.max);
		check_got(f, &stats);
		f->got.nr = 0;
		CHECK_EQUAL(
			pgw_scan_blocks(mm, f->first, f->last, keep_some_blocks, &refusing, &stats),
			REFUSED);
		check_got(f, &stats);
	}
}

struct part_arg {
	const struct pgw_mm *mm;
	struct list *list;
};

static int keep_part(const struct pgw_extent *extent, void *arg)
{
	const struct part_arg *part = arg;

	keep_joined(part->mm, extent, part->list);
	return 0;
}

static void check_parts(struct fixture *f, struct pgw_mm *mm)
{
	struct pgw_scan_part parts[MAX_PARTS];
	struct part_arg arg = { mm, &f->got };
	uint64_t nr_tables = 0;
	size_t nr;

	f->got.nr = 0;
	CHECK_EQUAL(pgw_scan_split(mm, f->first, f->last, parts, MAX_PARTS, &nr), 0);
	CHECK(nr >= 1 && nr <= MAX_PARTS);
	if (f->geo->granule_lg2 == 12)
		CHECK(nr > 1);
	CHECK_EQUAL(parts[0].first, f->first);
	CHECK_EQUAL(parts[nr - 1].last, f->last);
	for (size_t i = 0; i < nr; i++) {
		struct pgw_scan_stats stats;

		CHECK(i == 0 || parts[i].first == parts[i - 1].last + 1);
		CHECK_EQUAL(pgw_scan_part(mm, &parts[i], UINT64_MAX, keep_part, &arg, &stats), 0);
		nr_tables += stats.nr_tables;
	}
	check_lists(&f->got, &f->want);
	CHECK_EQUAL(nr_tables, f->want_stats.nr_tables);
}

static void check_translations(const struct pgw_translation *a, const struct pgw_translation *b)
{
	CHECK_EQUAL(a->kind, b->kind);
	CHECK_EQUAL(a->pa, b->pa);
	CHECK_EQUAL(a->entry, b->entry);
	CHECK_EQUAL(a->va_first, b->va_first);
	CHECK_EQUAL(a->va_last, b->va_last);
	CHECK(a->level == b->level && a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights);
}

/* Near each other, far apart, in neither half; and one of the other half ends it. */
static void check_batch(struct fixture *f, struct pgw_mm *mm)
{
	enum { NR = 100 };
	struct pgw_translation got[NR], one, by_path;
	struct pgw_path path;
	uint64_t va[NR], first, last;

	pgw_format_region_range(f->format, pgw_mm_region(mm)->kind, &first, &last);
	for (unsigned i = 0; i < NR; i++) {
		va[i] = first + (test_random(&f->random) & (last - first));
		if (i && pick(f, 4))
			va[i] = first + ((va[i - 1] - first + pick(f, 1 << 14)) & (last - first));
		if (pick(f, 30) == 0)
			va[i] = UINT64_C(0x4000000000000000);
	}
	CHECK_EQUAL(pgw_translate_batch(mm, va, got, NR), NR);
	for (unsigned i = 0; i < NR; i++) {
		CHECK_EQUAL(pgw_translate(mm, va[i], &one), 0);
		CHECK_EQUAL(pgw_translate_path(mm, va[i], &by_path, &path), 0);
		check_translations(&one, &by_path);
		check_translations(&one, &got[i]);
	}
	va[37] = ~first;
	CHECK_EQUAL(pgw_translate_batch(mm, va, got, NR), 37);
}

struct walk_arg {
	struct pgw_mm *mm;
	uint64_t nr;
};

/* The item of the lowest table that translates va; or NULL, none is reached. */
static const struct pgw_step *lowest_step(struct pgw_mm *mm, uint64_t va, struct pgw_path *path)
{
	const struct pgw_step *step;
	struct pgw_translation at;

	CHECK_EQUAL(pgw_translate_path(mm, va, &at, path), 0);
	step = &path->step[path->nr_steps - 1];
	return step->level == 0 && at.kind != PGW_ENTRY_UNREADABLE ? step : NULL;
}

static int walk_item(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walk_arg *arg = walk->arg;
	struct pgw_path path;
	const struct pgw_step *step = lowest_step(arg->mm, addr, &path);

	(void)next;
	CHECK(step && step->entry == pgw_item_load(item));
	arg->nr++;
	return 0;
}

/* The callback walker comes to the same lowest items. */
static void check_walk(struct fixture *f, struct pgw_mm *mm)
{
	enum { NR = 3000 };
	static const struct pgw_mm_walk_ops ops = { .pte_entry = walk_item };
	const uint64_t page = UINT64_C(1) << f->geo->granule_lg2, start = f->first & ~(page - 1);
	struct walk_arg arg = { .mm = mm };
	uint64_t nr = 0;

	CHECK_EQUAL(pgw_walk_page_range_novma(mm, start, start + NR * page, &ops, NULL, &arg), 0);
	for (unsigned i = 0; i < NR; i++) {
		struct pgw_path path;

		nr += lowest_step(mm, start + i * page, &path) != NULL;
	}
	CHECK_EQUAL(arg.nr, nr);
}

/* $PGW_TEST_FORMATS_EVERY=N: every Nth format, by the seed which; where an instruction takes long. */
static void for_each_format(uint64_t seed, void (*fn)(struct fixture *f))
{
	const char *asked = getenv("PGW_TEST_FORMATS_EVERY");
	size_t every = asked ? strtoul(asked, NULL, 10) : 1;
	const struct pgw_format *format;

	CHECK(every > 0);
	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		if ((i + seed) % every)
			continue;
		for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
			struct fixture f;

			fixture_init(&f, format, (enum pgw_region_kind)half, seed + i);
			fn(&f);
			fixture_fini(&f);
		}
	}
}

static void check_ways(struct fixture *f)
{
	for (unsigned way = 0; way < NR_WAYS; way++) {
		struct pgw_mm *mm = attach(f, way, 0);

		if (way == 0)
			list_by_translation(f, mm);
		check_scan(f, mm, way == 0);
		check_refusals(f, mm);
		check_parts(f, mm);
		check_batch(f, mm);
		check_walk(f, mm);
		pgw_mm_free(mm);
	}
}

static void test_scan_paths__every_way_says_the_same(void)
{
	for_each_format(test_seed(), check_ways);
}

/* ---- many roots ---- */

#define NR_ROOTS 5

struct many {
	struct fixture *f;
	struct pgw_mm *mms[NR_ROOTS];
	size_t index; /* whose extents are in f->got */
	size_t nr_shared, nr_checked;
};

static void many_check(struct many *many)
{
	struct fixture *f = many->f;

	f->want.nr = 0;
	CHECK_EQUAL(pgw_scan_extents(many->mms[many->index], f->first, f->last, keep, &f->want), 0);
	check_lists(&f->got, &f->want);
	f->got.nr = 0;
	many->nr_checked++;
}

static void many_go_to(struct many *many, size_t index)
{
	for (; many->index < index; many->index++)
		many_check(many);
}

static int many_extent(size_t index, const struct pgw_extent *extent, void *arg)
{
	struct many *many = arg;

	many_go_to(many, index);
	keep_joined(many->mms[index], extent, &many->f->got);
	return 0;
}

/* As a consumer would: what another mm has there. */
static int many_shared(size_t index, uint64_t first, uint64_t last, size_t same, void *arg)
{
	struct many *many = arg;
	struct part_arg part = { many->mms[same], &many->f->got };

	CHECK(same < index);
	many_go_to(many, index);
	many->nr_shared++;
	return pgw_scan_extents(many->mms[same], first, last, keep_part, &part);
}

/* Roots with few entries, so that a whole half can be scanned; most of them shared. */
static void make_roots(struct fixture *f)
{
	unsigned top = f->geo->top_level, nr_slots = 1u << f->geo->slots_lg2[top];
	const uint64_t flags = is_riscv(f) ? 1 : is_arm64(f) ? 3 : 7;
	unsigned slots[4];

	for (unsigned i = 0; i < 4; i++)
		slots[i] = (unsigned)pick(f, nr_slots);
	for (unsigned level = 1; level <= top; level++) {
		for (unsigned n = 0; n < NR_TABLES; n++) {
			uint64_t *table = table_at(f, table_pa(f, level, n));

			memset(table, 0, f->table_size);
			for (unsigned i = 0; i < 4; i++) {
				uint64_t below = level == top && i ? i : pick(f, NR_TABLES);
				unsigned slot =
					level == top
						? slots[i]
						: (unsigned)pick(f, 1u << f->geo->slots_lg2[level]);

				table[slot] = entry_of(f, table_pa(f, level - 1, below), flags);
			}
		}
	}
	store_tables(f, 1);
}

static void check_many(struct fixture *f)
{
	static const struct pgw_scan_many_ops ops = { many_extent, many_shared };
	static const struct pgw_scan_many_ops again = { many_extent, NULL };
	struct pgw_scan_stats shared, all;
	struct many many = { .f = f };

	pgw_format_region_range(f->format, f->first >> 63 ? PGW_REGION_KERNEL : PGW_REGION_USER,
				&f->first, &f->last);
	make_roots(f);
	for (unsigned i = 0; i < NR_ROOTS; i++)
		many.mms[i] = attach(f, 1, i == 4 ? 0 : i);
	CHECK_EQUAL(pgw_scan_many(many.mms, NR_ROOTS, &ops, &many, &shared), 0);
	many_go_to(&many, NR_ROOTS);
	many.index = 0;
	CHECK_EQUAL(pgw_scan_many(many.mms, NR_ROOTS, &again, &many, &all), 0);
	many_go_to(&many, NR_ROOTS);
	CHECK_EQUAL(many.nr_checked, 2 * NR_ROOTS);
	CHECK(shared.nr_tables <= all.nr_tables);
	if (many.nr_shared)
		CHECK(shared.nr_tables < all.nr_tables);
	for (unsigned i = 0; i < NR_ROOTS; i++)
		pgw_mm_free(many.mms[i]);
}

static void test_scan_paths__many_roots_are_each_complete(void)
{
	for_each_format(test_seed(), check_many);
}

int main(void)
{
	static const struct tap_case cases[] = {
		TAP_CASE(test_scan_paths__every_way_says_the_same),
		TAP_CASE(test_scan_paths__many_roots_are_each_complete),
	};

	return tap_run(cases, PGW_ARRAY_SIZE(cases));
}
