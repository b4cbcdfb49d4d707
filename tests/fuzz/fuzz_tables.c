/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of any format through every algorithm. The input begins with choices
 * (see struct choices), the rest are items. Memory is 64 KiB that repeat
 * through all physical addresses, so that every pointer leads to a table; some
 * kinds of memory have holes.
 *
 * The oracle: what the algorithms say of the same address must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/pagewalk.h>

#include "base/bits.h"
#include "fuzz/fuzz.h"
#include "pt/pt.h"

#define MEMORY ((size_t)64 << 10)
#define MAX_ITEMS 8192 /* that an operation may look at, in whole tables */
#define MAX_SAMPLES 48

/* Physical memory: from first to last of each period, up to limit; bytes repeat. */
struct memory {
	struct pgw_phys phys, copied; /* that points, that only reads */
	uint64_t period, first, last, limit;
	uint8_t bytes[MEMORY];
};

struct choices {
	const struct pgw_format *format;
	enum pgw_region_kind region;
	struct pgw_control control;
	struct pgw_root root;
	uint64_t budget;
	uint64_t va_first, va_last;
	unsigned stride; /* of the items in memory that are not empty */
};

static bool memory_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			      uint64_t *ret_last)
{
	const struct memory *memory = phys->ctx;
	uint64_t base = pa - pa % memory->period;

	if (pa % memory->period > memory->last)
		base += memory->period;
	if (base < pa - pa % memory->period || memory->limit < memory->first ||
	    base > memory->limit - memory->first)
		return false;
	*ret_first = base + memory->first;
	*ret_last = memory->limit - base < memory->last ? memory->limit : base + memory->last;
	return *ret_last >= pa;
}

static bool memory_has(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	uint64_t first, last;

	return memory_next_range(phys, pa, &first, &last) && first <= pa && last - pa >= len - 1;
}

static int memory_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct memory *memory = phys->ctx;

	if (!memory_has(phys, pa, len))
		return -PGW_EIO;
	for (size_t done = 0, n; done < len; done += n, pa += n) {
		n = MEMORY - (size_t)(pa % MEMORY);
		n = n < len - done ? n : len - done;
		memcpy((uint8_t *)buf + done, memory->bytes + pa % MEMORY, n);
	}
	return 0;
}

static const void *memory_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	const struct memory *memory = phys->ctx;

	if (pa % MEMORY + len > MEMORY || !memory_has(phys, pa, len))
		return NULL;
	return memory->bytes + pa % MEMORY;
}

static const struct pgw_phys_ops map_ops = { .read = memory_read,
					     .map = memory_map,
					     .next_range = memory_next_range };
static const struct pgw_phys_ops copy_ops = { .read = memory_read,
					      .next_range = memory_next_range };

static void memory_init(struct memory *memory, unsigned kind)
{
	static const struct {
		uint64_t period, first, last, limit;
	} kinds[] = {
		{ UINT64_C(1) << 63, 0, INT64_MAX, UINT64_MAX - 1 },
		{ 128 << 10, 0, (112 << 10) - 1,
		  UINT64_MAX - 1 }, /* every eighth 16 KiB are missing */
		{ UINT64_C(1) << 63, 0, INT64_MAX,
		  (UINT64_C(1) << 40) + 3 },       /* ends inside an item */
		{ 8192, 5, 7001, UINT64_MAX - 1 }, /* begins and ends inside items */
	};

	memory->phys = (struct pgw_phys){ &map_ops, memory };
	memory->copied = (struct pgw_phys){ &copy_ops, memory };
	memory->period = kinds[kind % 4].period;
	memory->first = kinds[kind % 4].first;
	memory->last = kinds[kind % 4].last;
	memory->limit = kinds[kind % 4].limit;
}

static void memory_fill(struct memory *memory, unsigned stride, const struct fuzz_input *items)
{
	size_t nr = items->size / 8;

	memset(memory->bytes, 0, MEMORY);
	if (!nr)
		return;
	for (size_t i = 0; i < MEMORY / 8; i += stride)
		memcpy(memory->bytes + i * 8, items->data + i / stride % nr * 8, 8);
}

static size_t nr_formats(void)
{
	size_t nr = 0;

	while (pgw_format_at(nr))
		nr++;
	return nr;
}

static void take_range(struct fuzz_input *input, bool is_whole, struct choices *choices)
{
	uint64_t first, last, a = fuzz_take(input, 8), b = fuzz_take(input, 8);

	pgw_format_region_range(choices->format, choices->region, &first, &last);
	choices->va_first = first;
	choices->va_last = last;
	if (is_whole)
		return;
	a = first + (a & (last - first));
	b = first + (b & (last - first));
	choices->va_first = a < b ? a : b;
	choices->va_last = a < b ? b : a;
}

static void take_choices(struct fuzz_input *input, struct memory *memory, struct choices *ret)
{
	static const unsigned strides[] = { 1, 2, 7, 8, 64, 129, 256, 511, 512, 513 };
	const struct pgw_geometry *geo;
	size_t nr = nr_formats();
	uint64_t flags, table;

	FUZZ_CHECK(nr > 0);
	ret->format = pgw_format_at((size_t)fuzz_take(input, 1) % nr);
	geo = pgw_format_geometry(ret->format);
	flags = fuzz_take(input, 1);
	ret->region = flags & 1 ? PGW_REGION_KERNEL : PGW_REGION_USER;
	if (pgw_format_region(ret->format, PGW_REGION_FOREIGN))
		ret->region = PGW_REGION_FOREIGN;
	memory_init(memory, (unsigned)(flags >> 1) % 4);
	ret->stride = strides[fuzz_take(input, 1) % 10];
	ret->budget = 1 + fuzz_take(input, 1) % (MAX_ITEMS >> geo->slots_lg2[0]);
	ret->control.known = (uint32_t)fuzz_take(input, 4);
	ret->control.set = (uint32_t)fuzz_take(input, 4) & ret->control.known;
	ret->control.pa_bits = (uint8_t)fuzz_take(input, 1);
	ret->control.memory_types = fuzz_take(input, 8);
	ret->control.domains = (uint32_t)ret->control.memory_types;
	table = geo->root_align_lg2 ? BIT(geo->root_align_lg2) : pt_table_size(geo, geo->top_level);
	ret->root.pa = fuzz_take(input, 8) & low_bits(geo->max_pa_bits) & -table;
	/* All of it must have addresses. */
	if (ret->root.pa > low_bits(geo->max_pa_bits) - pt_table_size(geo, geo->top_level))
		ret->root.pa = 0;
	take_range(input, flags & 8, ret);
	memory_fill(memory, ret->stride, input);
}

/* The scan: extents as they come, and some of them with the hole before each. */

struct sample {
	struct pgw_extent extent;
	uint64_t hole_first, hole_last; /* before it; first > last if there is none */
};

struct scan {
	const struct choices *choices;
	struct sample samples[MAX_SAMPLES];
	size_t nr_samples;
	uint64_t nr, hash, next_va;
	uint64_t nr_pages; /* leaves of the lowest level, counted in slots */
	uint64_t bytes, nr_malformed, nr_unreadable;
	struct pgw_extent before;
	struct pgw_scan_stats stats;
	int status;
};

static bool is_sampled(uint64_t n)
{
	return n < MAX_SAMPLES / 2 || (n & (n - 1)) == 0 || n % 1021 == 0;
}

static void check_extent(const struct scan *scan, const struct pgw_extent *extent)
{
	const struct pgw_extent *before = &scan->before;

	FUZZ_CHECK(extent->va_first >= scan->next_va && extent->va_first <= extent->va_last);
	FUZZ_CHECK(extent->va_last <= scan->choices->va_last);
	FUZZ_CHECK(extent->level <= pgw_format_geometry(scan->choices->format)->top_level);
	if (scan->nr && extent->kind == before->kind && extent->va_first == before->va_last + 1 &&
	    extent->level == before->level && extent->kind != PGW_ENTRY_LEAF)
		fuzz_fail("neighbours are one run", __FILE__, __LINE__);
}

static int scan_extent(const struct pgw_extent *extent, void *arg)
{
	const unsigned page_lg2 =
		pgw_format_geometry(((struct scan *)arg)->choices->format)->span_lg2[0];
	struct scan *scan = arg;

	check_extent(scan, extent);
	if (is_sampled(scan->nr) && scan->nr_samples < MAX_SAMPLES)
		scan->samples[scan->nr_samples++] =
			(struct sample){ *extent, scan->next_va, extent->va_first - 1 };
	if (extent->kind == PGW_ENTRY_LEAF) {
		scan->bytes += extent->va_last - extent->va_first + 1;
		if (extent->level == 0)
			scan->nr_pages +=
				(extent->va_last >> page_lg2) - (extent->va_first >> page_lg2) + 1;
	}
	scan->nr_malformed += extent->kind == PGW_ENTRY_MALFORMED;
	scan->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	scan->hash = fuzz_hash(scan->hash, extent->va_first);
	scan->hash = fuzz_hash(scan->hash, extent->va_last);
	scan->hash = fuzz_hash(scan->hash, extent->pa);
	scan->hash = fuzz_hash(scan->hash, extent->entry);
	scan->hash =
		fuzz_hash(scan->hash, (uint64_t)extent->kind << 24 | (unsigned)extent->level << 16 |
					      (unsigned)extent->leaf_lg2 << 8 | extent->rights);
	scan->nr++;
	scan->before = *extent;
	scan->next_va = extent->va_last + 1; /* 0: no other may come */
	return 0;
}

static void run_scan(struct pgw_mm *mm, const struct choices *choices, struct scan *ret)
{
	*ret = (struct scan){ .choices = choices, .next_va = choices->va_first };
	ret->status =
		pgw_scan(mm, choices->va_first, choices->va_last, scan_extent, ret, &ret->stats);
	FUZZ_CHECK(ret->status == 0 || ret->status == -PGW_E2BIG);
	FUZZ_CHECK(ret->stats.truncated == (ret->status != 0));
	FUZZ_CHECK(ret->stats.nr_tables <= choices->budget);
	FUZZ_CHECK(ret->stats.nr_malformed >= ret->nr_malformed);
	FUZZ_CHECK(ret->stats.nr_unreadable == ret->nr_unreadable);
	FUZZ_CHECK(!ret->stats.truncated || !ret->nr ||
		   ret->before.va_last < ret->stats.truncated_va);
}

/* Translations of the same addresses. */

static void check_same(const struct pgw_translation *a, const struct pgw_translation *b)
{
	FUZZ_CHECK(a->kind == b->kind && a->level == b->level && a->entry == b->entry);
	FUZZ_CHECK(a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights && a->pa == b->pa);
	FUZZ_CHECK(a->va_first == b->va_first && a->va_last == b->va_last);
}

static void check_path(struct pgw_mm *mm, uint64_t va, const struct pgw_translation *expected)
{
	struct pgw_translation translation;
	struct pgw_entry entry = { 0 };
	struct pgw_path path;

	FUZZ_CHECK(pgw_translate_path(mm, va, &translation, &path) == 0);
	check_same(&translation, expected);
	FUZZ_CHECK(path.nr_steps >= 1 && path.nr_steps <= PGW_MAX_LEVELS);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		const struct pgw_step *step = &path.step[i];
		bool is_last = i + 1 == path.nr_steps;

		/* One level down, unless the entry skips some. */
		FUZZ_CHECK(step->level == (i ? entry.table_level : path.step[0].level));
		/* It may also lead to a table that has no slot for va. */
		FUZZ_CHECK(is_last && step->level == expected->level
				   ? step->kind == expected->kind
				   : step->kind == PGW_ENTRY_TABLE);
		FUZZ_CHECK(!is_last || step->level == expected->level ||
			   (step->level > expected->level && expected->kind == PGW_ENTRY_EMPTY));
		if (step->kind == PGW_ENTRY_UNREADABLE)
			continue;
		pgw_entry_decode(pgw_mm_format(mm), pgw_mm_control(mm), step->entry, step->level,
				 &entry);
		FUZZ_CHECK(entry.kind == step->kind);
		/* The hole is right below, or beside the table that some levels are skipped to. */
		FUZZ_CHECK(!is_last || step->level <= expected->level + 1 ||
			   expected->level > entry.table_level);
	}
}

/* Cursors that come from elsewhere say this of va, and again. */
static void check_cursors(struct pgw_mm *const mms[2], uint64_t va,
			  const struct pgw_translation *expected)
{
	const struct pgw_region *region = pgw_mm_region(mms[0]);
	const uint64_t far = va ^ UINT64_C(1) << 30, near = va ^ UINT64_C(1) << 21;

	for (unsigned i = 0; i < 2; i++) {
		struct pgw_translate_cursor cursor;
		struct pgw_translation at;

		FUZZ_CHECK(pgw_translate_cursor_init(&cursor, mms[i]) == 0);
		if (far >= region->first && far <= region->last)
			FUZZ_CHECK(pgw_translate_by(&cursor, far, &at) == 0);
		if (near >= region->first && near <= region->last)
			FUZZ_CHECK(pgw_translate_by(&cursor, near, &at) == 0);
		for (unsigned again = 0; again < 2; again++) {
			FUZZ_CHECK(pgw_translate_by(&cursor, va, &at) == 0);
			check_same(&at, expected);
		}
	}
}

/* Both ways to read, and the path, say this of va. */
static struct pgw_translation translate(struct pgw_mm *const mms[2], uint64_t va)
{
	struct pgw_translation one, other;

	FUZZ_CHECK(pgw_translate_batch(mms[0], &va, &one, 1) == 1);
	FUZZ_CHECK(pgw_translate(mms[1], va, &other) == 0);
	FUZZ_CHECK(one.va_first <= va && va <= one.va_last);
	check_same(&one, &other);
	check_cursors(mms, va, &one);
	check_path(mms[0], va, &one);
	return one;
}

/* Sixteen at once, near va at some level, are what each is alone. */
static void check_neighbours(struct pgw_mm *const mms[2], uint64_t va)
{
	enum { NR = 16 };
	const unsigned shift = 12u + 9u * (unsigned)(va >> 12 & 1) + 9u * (unsigned)(va >> 13 & 1);
	struct pgw_translation at[NR], one;
	uint64_t vas[NR];

	for (unsigned i = 0; i < NR; i++) {
		const struct pgw_region *region = pgw_mm_region(mms[0]);

		vas[i] = va ^ (uint64_t)i << shift;
		if (vas[i] < region->first || vas[i] > region->last)
			vas[i] = va;
	}
	FUZZ_CHECK(pgw_translate_batch(mms[0], vas, at, NR) == NR);
	for (unsigned i = 0; i < NR; i++) {
		FUZZ_CHECK(pgw_translate(mms[1], vas[i], &one) == 0);
		check_same(&at[i], &one);
	}
}

static void check_leaf(const struct pgw_format *format, const struct pgw_extent *extent,
		       uint64_t va, const struct pgw_translation *translation)
{
	uint64_t in_leaf = (UINT64_C(1) << extent->leaf_lg2) - 1;

	FUZZ_CHECK(translation->leaf_lg2 == extent->leaf_lg2);
	FUZZ_CHECK(translation->rights == extent->rights);
	FUZZ_CHECK(translation->pa == extent->pa + (va - extent->va_first));
	/* Where both are the first item of a leaf, the entry follows too. */
	if (!(va & in_leaf) && !(extent->va_first & in_leaf))
		FUZZ_CHECK(translation->entry == pgw_entry_advance(format, extent->entry,
								   extent->level,
								   va - extent->va_first));
}

static void check_at(struct pgw_mm *const mms[2], const struct pgw_extent *extent, uint64_t va)
{
	struct pgw_translation translation = translate(mms, va);

	FUZZ_CHECK(translation.kind == extent->kind && translation.level == extent->level);
	if (extent->kind == PGW_ENTRY_LEAF)
		check_leaf(pgw_mm_format(mms[0]), extent, va, &translation);
	else if (extent->kind == PGW_ENTRY_MALFORMED && va == extent->va_first)
		FUZZ_CHECK(translation.entry == extent->entry);
}

static void check_hole(struct pgw_mm *const mms[2], uint64_t va)
{
	enum pgw_entry_kind kind = translate(mms, va).kind;

	FUZZ_CHECK(kind == PGW_ENTRY_EMPTY || kind == PGW_ENTRY_ABSENT);
}

static void check_samples(struct pgw_mm *const mms[2], const struct scan *scan, uint64_t hash)
{
	for (size_t i = 0; i < scan->nr_samples; i++) {
		const struct sample *sample = &scan->samples[i];
		const struct pgw_extent *extent = &sample->extent;
		uint64_t size = extent->va_last - extent->va_first + 1, hole;

		hash = fuzz_hash(hash, extent->va_first);
		check_at(mms, extent, extent->va_first);
		check_at(mms, extent, extent->va_last);
		check_neighbours(mms, extent->va_first);
		check_at(mms, extent, extent->va_first + (size ? hash % size : hash));
		hole = extent->va_first - sample->hole_first;
		if (hole) {
			check_hole(mms, sample->hole_first);
			check_hole(mms, extent->va_first - 1);
			check_hole(mms, sample->hole_first + hash % hole);
		}
	}
	if (!scan->stats.truncated && scan->next_va && scan->next_va <= scan->choices->va_last) {
		check_hole(mms, scan->next_va);
		check_hole(mms, scan->choices->va_last);
	}
}

/* The walk: every callback, and translations of some of the addresses. */

struct walk {
	struct pgw_mm *const *mms;
	uint64_t nr, nr_pages, hash;
	bool is_wild; /* skip, look again, and end at random */
	unsigned nr_again;
};

static int walk_page(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walk *w = walk->arg;
	struct pgw_entry entry;

	(void)next;
	pgw_entry_decode(pgw_mm_format(walk->mm), pgw_mm_control(walk->mm), *pte, 0, &entry);
	w->nr_pages += entry.kind == PGW_ENTRY_LEAF;
	w->hash = fuzz_hash(w->hash, *pte + addr);
	if (w->nr++ % 997 == 0) {
		struct pgw_translation translation = translate(w->mms, addr);

		FUZZ_CHECK(translation.level == 0 && translation.entry == *pte &&
			   translation.kind == entry.kind);
	}
	return w->is_wild && w->hash % 4099 == 0;
}

static int walk_entry(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walk *w = walk->arg;

	FUZZ_CHECK(next > addr || !next || next == UINT64_MAX);
	w->hash = fuzz_hash(w->hash, *item ^ addr);
	if (w->is_wild && w->hash % 13 == 0)
		walk->action = PGW_ACTION_CONTINUE;
	else if (w->is_wild && w->hash % 17 == 0 && w->nr_again++ < 100)
		walk->action = PGW_ACTION_AGAIN;
	return 0;
}

static int walk_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct walk *w = walk->arg;

	(void)next;
	FUZZ_CHECK(depth >= -1 && depth <= 3);
	if (depth >= 0 && w->nr++ % 499 == 0)
		FUZZ_CHECK(translate(w->mms, addr).kind != PGW_ENTRY_LEAF);
	return 0;
}

static int walk_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			  struct pgw_mm_walk *walk)
{
	struct walk *w = walk->arg;

	(void)next;
	if (w->nr++ % 199 == 0) {
		struct pgw_translation translation = translate(w->mms, addr);

		/* As to Linux, an absent entry at the top two levels is a bad one. */
		FUZZ_CHECK(translation.kind == PGW_ENTRY_MALFORMED ||
			   (translation.kind == PGW_ENTRY_ABSENT && depth < 2));
		FUZZ_CHECK(translation.entry == entry);
	}
	return 0;
}

static int walk_unreadable(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct walk *w = walk->arg;

	(void)next, (void)depth;
	if (w->nr++ % 199 == 0)
		FUZZ_CHECK(translate(w->mms, addr).kind == PGW_ENTRY_UNREADABLE);
	return 0;
}

static const struct pgw_mm_walk_ops walk_ops = {
	.pgd_entry = walk_entry,
	.p4d_entry = walk_entry,
	.pud_entry = walk_entry,
	.pmd_entry = walk_entry,
	.pte_entry = walk_page,
	.pte_hole = walk_hole,
	.malformed = walk_malformed,
	.unreadable = walk_unreadable,
};

static int run_walk(struct pgw_mm *const mms[2], struct pgw_mm *mm, const struct choices *choices,
		    struct walk *ret)
{
	uint64_t end = choices->va_last == UINT64_MAX ? UINT64_MAX : choices->va_last + 1;
	bool is_wild = ret->is_wild;
	int status;

	*ret = (struct walk){ .mms = mms, .is_wild = is_wild };
	/* The last byte of all has no half-open range of its own. */
	status =
		pgw_walk_page_range_novma(mm, choices->va_first - (choices->va_first == UINT64_MAX),
					  end, &walk_ops, NULL, ret);
	FUZZ_CHECK(status == 0 || status == -PGW_E2BIG || (is_wild && status == 1));
	return status;
}

static void check_walks(struct pgw_mm *const mms[2], const struct scan *scan)
{
	struct walk walk = { .is_wild = true }, copied;
	int status;

	run_walk(mms, mms[0], scan->choices, &walk);
	walk.is_wild = copied.is_wild = false;
	status = run_walk(mms, mms[0], scan->choices, &walk);
	FUZZ_CHECK(run_walk(mms, mms[1], scan->choices, &copied) == status);
	FUZZ_CHECK(walk.hash == copied.hash && walk.nr == copied.nr);
	if (!status && !scan->status)
		FUZZ_CHECK(walk.nr_pages == scan->nr_pages);
}

/* What analysis makes of it. */

struct dump {
	uint64_t nr, bytes;
};

static int dump_extent(const struct pgw_extent *extent, void *arg)
{
	struct dump *dump = arg;

	if (extent->kind == PGW_ENTRY_LEAF) {
		dump->nr++;
		dump->bytes += extent->va_last - extent->va_first + 1;
	}
	return 0;
}

static void check_dump(struct pgw_mm *mm, const struct scan *scan, enum pgw_dump_merge merge)
{
	struct dump dump = { 0 };
	struct pgw_dump_args args = {
		.mm = mm,
		.first = scan->choices->va_first,
		.last = scan->choices->va_last,
		.merge = merge,
		.fn = dump_extent,
		.arg = &dump,
	};
	struct pgw_dump_summary summary = { 0 };

	FUZZ_CHECK(pgw_dump(&args, &summary) == scan->status);
	FUZZ_CHECK(dump.nr == summary.nr_ranges && dump.bytes == summary.bytes);
	FUZZ_CHECK(dump.bytes == scan->bytes);
	/* A contiguous leaf of which only some items are right counts once in a range, and once a run. */
	FUZZ_CHECK(merge == PGW_DUMP_RUNS ? summary.nr_leaves == scan->stats.nr_leaves
					  : summary.nr_leaves <= scan->stats.nr_leaves);
	args.filter = (struct pgw_dump_filter){ .rights_all = PGW_KERNEL_W, .levels = 3 };
	summary = (struct pgw_dump_summary){ 0 };
	FUZZ_CHECK(pgw_dump(&args, &summary) == scan->status);
	FUZZ_CHECK(summary.bytes <= scan->bytes);
}

static int ptdump_line(const struct pgw_ptdump_line *line, void *arg)
{
	FUZZ_CHECK(line->kind != PGW_PTDUMP_SERIES || (line->depth >= 0 && line->depth <= 4));
	++*(uint64_t *)arg;
	return 0;
}

static void check_ptdump(struct pgw_mm *mm)
{
	static const struct pgw_marker markers[] = {
		{ 0, "low", 0 },
		{ UINT64_C(0x8000000000000000), "high", 16 },
		{ UINT64_C(0xffffffff80000000), "top", 0 },
	};
	uint64_t nr = 0;
	struct pgw_ptdump_args args = {
		.mm = mm, .markers = markers, .nr_markers = 3, .fn = ptdump_line, .arg = &nr
	};
	int status = pgw_ptdump(&args);

	FUZZ_CHECK(status == 0 || status == -PGW_E2BIG || status == -PGW_EOPNOTSUPP);
}

static struct pgw_mm *attach(const struct choices *choices, const struct pgw_phys *phys)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = choices->format,
		.phys = phys,
		.root = choices->root,
		.region = choices->region,
		.control = choices->control,
		.budget = choices->budget,
	};
	struct pgw_mm *mm;

	FUZZ_CHECK(pgw_mm_attach(&args, &mm) == 0);
	return mm;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory memory;
	static struct scan scan, copied;
	struct fuzz_input input = { data, size };
	struct choices choices = { 0 };
	struct pgw_mm *mms[2];

	take_choices(&input, &memory, &choices);
	mms[0] = attach(&choices, &memory.phys);
	mms[1] = attach(&choices, &memory.copied);
	run_scan(mms[0], &choices, &scan);
	run_scan(mms[1], &choices, &copied);
	FUZZ_CHECK(scan.hash == copied.hash && scan.nr == copied.nr &&
		   scan.status == copied.status);
	FUZZ_CHECK(scan.stats.nr_tables == copied.stats.nr_tables &&
		   scan.stats.truncated_va == copied.stats.truncated_va);
	check_samples(mms, &scan, choices.budget);
	check_walks(mms, &scan);
	check_dump(mms[0], &scan, PGW_DUMP_RANGES);
	check_dump(mms[1], &scan, PGW_DUMP_RUNS);
	check_ptdump(mms[0]);
	pgw_mm_free(mms[0]);
	pgw_mm_free(mms[1]);
	return 0;
}
