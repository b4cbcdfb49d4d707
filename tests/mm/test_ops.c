/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The operations on VMAs, one thread: each case of merging, splitting and
 * unmapping as a picture; what is refused; which tables and locks they leave. Random
 * operations against a model are in test_ops_random.c.
 */

#include "mm/ops_fixture.h"

/* ---- pictures ---- */

/*
 * One character is one page: '.' has no VMA; a run of one letter is one VMA.
 *	r, w, x  readable, writable too, executable too, of one kind
 *	s        as r, of another kind
 *	g        as r, growing down
 *	R        as r, but backed by other pages: does not go on where r ends
 */
struct picture {
	enum op op;
	const char *before;
	const char *range; /* where it is not ' '; for mmap, what is made; for mprotect r, w or x */
	const char *after;
	int err;
};

static const struct picture pictures[] = {
	/* mmap: alone, beside what is the same, beside what is not */
	{ OP_MMAP, "........", "  rrrr  ", "..rrrr..", 0 },
	{ OP_MMAP, "rr......", "  rrrr  ", "rrrrrr..", 0 },
	{ OP_MMAP, "......rr", "  rrrr  ", "..rrrrrr", 0 },
	{ OP_MMAP, "rr....rr", "  rrrr  ", "rrrrrrrr", 0 },
	{ OP_MMAP, "ww....rr", "  rrrr  ", "wwrrrrrr", 0 },
	{ OP_MMAP, "rr....ww", "  rrrr  ", "rrrrrrww", 0 },
	{ OP_MMAP, "ss....RR", "  rrrr  ", "ssrrrrRR", 0 },
	{ OP_MMAP, "rr..rr..", " rrrrr  ", "rr..rr..", -PGW_EEXIST },
	{ OP_MMAP, "....r...", "rrrrr   ", "....r...", -PGW_EEXIST },
	{ OP_MMAP, "rrrrrrrr", "  r     ", "rrrrrrrr", -PGW_EEXIST },
	/* munmap: all, an end, the middle, several, nothing */
	{ OP_MUNMAP, "..rrrr..", "  mmmm  ", "........", 0 },
	{ OP_MUNMAP, "..rrrr..", "mmmm    ", "....rr..", 0 },
	{ OP_MUNMAP, "..rrrr..", "    mmmm", "..rr....", 0 },
	{ OP_MUNMAP, "..rrrr..", "   mm   ", "..r..r..", 0 },
	{ OP_MUNMAP, "rrwwssrr", " mmmmmm ", "r......r", 0 },
	{ OP_MUNMAP, "rr..ss.r", " mmmmmm ", "r......r", 0 },
	{ OP_MUNMAP, "rrwwssrr", "  mmmm  ", "rr....rr", 0 },
	{ OP_MUNMAP, "rr....rr", "  mmmm  ", "rr....rr", 0 },
	{ OP_MUNMAP_LOCKED, "rrwwssrr", " mmmmmm ", "r......r", 0 },
	/* mprotect: all, an end, the middle; what it merges with */
	{ OP_MPROTECT, "..rrrr..", "  wwww  ", "..wwww..", 0 },
	{ OP_MPROTECT, "..rrrr..", "  ww    ", "..wwrr..", 0 },
	{ OP_MPROTECT, "..rrrr..", "    ww  ", "..rrww..", 0 },
	{ OP_MPROTECT, "..rrrr..", "   ww   ", "..rwwr..", 0 },
	{ OP_MPROTECT, "wwrrrr..", "  ww    ", "wwwwrr..", 0 },
	{ OP_MPROTECT, "..rrrrww", "    ww  ", "..rrwwww", 0 },
	{ OP_MPROTECT, "wwrrrrww", "  wwww  ", "wwwwwwww", 0 },
	{ OP_MPROTECT, "wwrrrrww", "   ww   ", "wwrwwrww", 0 },
	{ OP_MPROTECT, "rrwwxxrr", " wwwwww ", "rwwwwwwr", 0 },
	{ OP_MPROTECT, "wwrrxxrr", "  rrrr  ", "wwrrrrrr", 0 },
	{ OP_MPROTECT, "xxrrrrxx", "  wwww  ", "xxwwwwxx", 0 },
	{ OP_MPROTECT, "rrrrrrrr", "  rrrr  ", "rrrrrrrr", 0 },
	{ OP_MPROTECT, "rr..rrrr", "wwwwww  ", "rr..rrrr", -PGW_ENOENT },
	{ OP_MPROTECT, "..rrrrrr", "wwww    ", "..rrrrrr", -PGW_ENOENT },
	/* expand: into a hole, up to a neighbour, no hole, nothing that grows */
	{ OP_EXPAND, "......gg", "   e    ", "...ggggg", 0 },
	{ OP_EXPAND, "rr....gg", "  e     ", "rrgggggg", 0 },
	{ OP_EXPAND, "gg....gg", "  e     ", "gggggggg", 0 },
	{ OP_EXPAND, "rr....gg", " e      ", "rr....gg", 0 },
	{ OP_EXPAND, "......rr", "   e    ", "......rr", -PGW_ENOENT },
	{ OP_EXPAND, "gg..rr..", "   e    ", "gg..rr..", -PGW_ENOENT },
	{ OP_EXPAND, "gg......", "   e    ", "gg......", -PGW_ENOENT },
};

#define PICTURE_PAGES 8

static struct request picture_request(const struct fixture *f, enum op op, size_t from, size_t to,
				      char c)
{
	struct request r = {
		.op = op,
		.start = f->place[0] + (100 + from) * f->page,
		.end = f->place[0] + (100 + to) * f->page,
		.pgoff = 50 + from + (c == 'R' ? 1000 : 0),
		.kind = c == 's',
		.flags = PGW_VMA_READ,
	};

	r.flags |= c == 'w' ? PGW_VMA_WRITE : c == 'x' ? PGW_VMA_EXEC : 0;
	r.flags |= c == 'g' ? PGW_VMA_GROWSDOWN : 0;
	return r;
}

/* The next run of one letter from page *from on. */
static bool picture_run(const char *text, size_t *from, size_t *to)
{
	while (*from < PICTURE_PAGES && (text[*from] == '.' || text[*from] == ' '))
		++*from;
	*to = *from;
	while (*to < PICTURE_PAGES && text[*to] == text[*from])
		++*to;
	return *from < PICTURE_PAGES;
}

static void picture_before(struct fixture *f, const char *text)
{
	for (size_t from = 0, to; picture_run(text, &from, &to); from = to) {
		struct request r = picture_request(f, OP_MMAP, from, to, text[from]);

		assert_int_equal(run(f, &r), 0);
		/* so that leaves and tables are there as well */
		for (size_t i = from; i < to; i++)
			assert_int_equal(
				pgw_mm_fault(f->mm, r.start + (i - from) * f->page, PGW_VMA_READ),
				0);
	}
}

static void picture_check(struct fixture *f, const struct picture *p)
{
	uint64_t at = 0;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	for (size_t from = 0, to; picture_run(p->after, &from, &to); from = to) {
		struct request r = picture_request(f, OP_MMAP, from, to, p->after[from]);
		struct pgw_vma *vma = pgw_vma_find(f->mm, at);

		if (!vma || vma->start != r.start || vma->end != r.end || vma->flags != r.flags ||
		    vma->pgoff != r.pgoff || vma->private_data != &f->kind[r.kind])
			fail_msg("%s, %s: not %s", p->before, p->range, p->after);
		at = vma->end;
	}
	assert_null(pgw_vma_find(f->mm, at));
	assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static long picture_count(const char *text, char c)
{
	long nr = 0;

	for (size_t from = 0, to; picture_run(text, &from, &to); from = to)
		nr += (text[from] == 's') == (c == 's');
	return nr;
}

/* One VMA more is one open, one less is one close; a new one in the place of an old one is neither. */
static void picture_check_counts(const struct picture *p, const struct kind *before,
				 const struct kind *after, char c)
{
	long more = picture_count(p->after, c) - picture_count(p->before, c);

	if (after->nr_opens - before->nr_opens != (more > 0 ? more : 0) ||
	    after->nr_closes - before->nr_closes != (more < 0 ? -more : 0))
		fail_msg("%s, %s: opened or closed too often", p->before, p->range);
}

static void test_ops__vmas_merge_and_split_as_in_the_pictures(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		const struct picture *p = &pictures[i];
		struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
		size_t from = 0, to = PICTURE_PAGES;
		struct kind before[NR_KINDS];
		struct request r;

		f->want_small = true;
		picture_before(f, p->before);
		while (p->range[from] == ' ')
			from++;
		while (p->range[to - 1] == ' ')
			to--;
		memcpy(before, f->kind, sizeof(before));
		r = picture_request(f, p->op, from, to, p->range[from]);
		if (run(f, &r) != p->err)
			fail_msg("%s, %s: wrong status", p->before, p->range);
		picture_check(f, p);
		picture_check_counts(p, &before[0], &f->kind[0], 'r');
		picture_check_counts(p, &before[1], &f->kind[1], 's');
		fixture_free(f);
	}
}

/* ---- arguments ---- */

static int count_leaf(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)va, (void)pa, (void)size_lg2, (void)what;
	++*(int *)arg;
	return 0;
}

static void test_ops__wrong_arguments_are_refused(void **state)
{
	struct fixture *f = fixture_new(pgw_format_by_name("arm64-4k"), 1);
	struct pgw_mmap_args args = { .start = 0x1000, .end = 0x3000, .flags = PGW_VMA_READ };
	uint64_t first, last;
	int nr = 0;

	(void)state;
	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	assert_int_equal(pgw_mm_mmap(NULL, &args), -PGW_EINVAL);
	assert_int_equal(pgw_mm_mmap(f->mm, NULL), -PGW_EINVAL);
	args.flags = _PGW_VMA_ALL + 1;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args.flags = PGW_VMA_READ;
	args.pgoff = UINT64_MAX - 1; /* its last page is one too far */
	args.end = 0x4000;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	for (int i = 0; i < 5; i++) {
		const struct range bad[] = { { 0x1000, 0x1000 },
					     { 0x2000, 0x1000 },
					     { 0x1001, 0x3000 },
					     { 0x1000, 0x3001 },
					     { 0x1000, last + 0x1001 } };

		args = (struct pgw_mmap_args){ .start = bad[i].first, .end = bad[i].last };
		assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
		assert_int_equal(pgw_mm_munmap(f->mm, args.start, args.end), -PGW_EINVAL);
		assert_int_equal(pgw_mm_munmap_locked(f->mm, args.start, args.end), -PGW_EINVAL);
		assert_int_equal(pgw_mm_mprotect(f->mm, args.start, args.end, 0), -PGW_EINVAL);
		assert_int_equal(pgw_mm_populate(f->mm, args.start, args.end), -PGW_EINVAL);
		assert_int_equal(pgw_mm_dontneed(f->mm, args.start, args.end), -PGW_EINVAL);
		assert_int_equal(pgw_mm_harvest(f->mm, args.start, args.end, PGW_HARVEST_YOUNG,
						count_leaf, &nr),
				 -PGW_EINVAL);
	}
	assert_int_equal(pgw_mm_mprotect(f->mm, 0x1000, 0x2000, PGW_VMA_SHARED), -PGW_EINVAL);
	assert_int_equal(pgw_mm_fault(f->mm, 0x1000, 0), -PGW_EINVAL);
	assert_int_equal(pgw_mm_fault(f->mm, 0x1000, RWX), -PGW_EINVAL);
	assert_int_equal(pgw_mm_fault(f->mm, last + 1, PGW_VMA_READ), -PGW_EINVAL);
	assert_int_equal(pgw_mm_expand(f->mm, UINT64_MAX), -PGW_EINVAL);
	assert_int_equal(pgw_mm_harvest(f->mm, 0x1000, 0x2000, PGW_HARVEST_CLEAR, count_leaf, &nr),
			 -PGW_EINVAL);
	assert_int_equal(pgw_mm_harvest(f->mm, 0x1000, 0x2000, PGW_HARVEST_YOUNG, NULL, f),
			 -PGW_EINVAL);
	assert_int_equal(f->arena.nr_violations, 0);
	fixture_free(f);
}

static void test_ops__other_mms_have_no_vmas(void **state)
{
	struct fixture *f = fixture_new(pgw_format_by_name("riscv-sv39"), 1);
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = f->format,
					.region = PGW_REGION_KERNEL };
	struct pgw_mm *mm[2];

	(void)state;
	assert_int_equal(pgw_mm_new(&args, &mm[0]), 0);
	args.region = PGW_REGION_USER;
	args.policy = PGW_POLICY_SINGLE;
	assert_int_equal(pgw_mm_new(&args, &mm[1]), 0);
	for (int i = 0; i < 2; i++) {
		const struct pgw_mmap_args where = { .start = 0x1000, .end = 0x2000 };

		assert_int_equal(pgw_mm_mmap(mm[i], &where), -PGW_EOPNOTSUPP);
		assert_int_equal(pgw_mm_munmap(mm[i], 0x1000, 0x2000), -PGW_EOPNOTSUPP);
		assert_int_equal(pgw_mm_fault(mm[i], 0x1000, PGW_VMA_READ), -PGW_EOPNOTSUPP);
		pgw_mm_free(mm[i]);
	}
	fixture_free(f);
}

static void test_ops__a_holder_of_the_lock_is_refused(void **state)
{
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la57"), 1);
	const struct pgw_mmap_args where = { .start = 0x1000, .end = 0x2000 };

	(void)state;
	assert_int_equal(pgw_mm_munmap_locked(f->mm, 0x1000, 0x2000), -PGW_EPERM);
	assert_int_equal(f->arena.violation.rule, PGW_RULE_MMAP_WRITE_LOCKED);
	assert_int_equal(pgw_mm_validate(f->mm, NULL), -PGW_EPERM);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	assert_int_equal(pgw_mm_mmap(f->mm, &where), -PGW_EDEADLK);
	assert_int_equal(pgw_mm_munmap(f->mm, 0x1000, 0x2000), -PGW_EDEADLK);
	assert_int_equal(pgw_mm_mprotect(f->mm, 0x1000, 0x2000, 0), -PGW_EDEADLK);
	assert_int_equal(pgw_mm_populate(f->mm, 0x1000, 0x2000), -PGW_EDEADLK);
	assert_int_equal(pgw_mm_dontneed(f->mm, 0x1000, 0x2000), -PGW_EDEADLK);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	fixture_free(f);
}

/* ---- faults ---- */

static void test_ops__a_locked_vma_is_populated_and_stays(void **state)
{
	struct fixture *f = fixture_new(pgw_format_by_name("arm64-16k"), 1);
	struct request r = { .op = OP_MMAP,
			     .start = 8 * f->page,
			     .end = 12 * f->page,
			     .flags = PGW_VMA_READ | PGW_VMA_LOCKED };
	struct pgw_translation t;

	(void)state;
	f->want_small = true;
	assert_int_equal(run(f, &r), 0);
	assert_int_equal(f->nr_frames, 4);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	for (uint64_t va = r.start; va < r.end; va += f->page) {
		assert_int_equal(pgw_translate(f->mm, va, &t), 0);
		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	}
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(pgw_mm_dontneed(f->mm, r.start, r.end), -PGW_EINVAL);
	assert_int_equal(f->nr_frames, 4);
	fixture_free(f);
}

static int bad_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	const struct pgw_fault *answer = vma->private_data;

	fault->pa = answer->pa;
	fault->level = answer->level;
	fault->attrs = answer->attrs;
	return answer->access ? -PGW_EIO : 0;
}

static unsigned nr_bad_released;

static void bad_release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	(void)vma;
	(void)frames;
	nr_bad_released++;
}

static void test_ops__a_wrong_answer_is_refused(void **state) /* M5 */
{
	static const struct pgw_vma_ops ops = { .fault = bad_fault, .release = bad_release };
	struct pgw_fault answer[] = {
		{ .pa = 0x1001 },             /* not aligned */
		{ .pa = 0x1000, .level = 1 }, /* not aligned to its leaf */
		{ .pa = 0, .level = 2 },      /* larger than the VMA */
		{ .pa = 0, .level = 200 },
		{ .pa = UINT64_C(1) << 60 }, /* no entry can say that */
		{ .pa = 0, .attrs = 2 },     /* a right, not an attribute */
		{ .access = 1 },             /* the owner's own status */
	};
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
	struct pgw_translation t;

	(void)state;
	nr_bad_released = 0;
	for (size_t i = 0; i < sizeof(answer) / sizeof(answer[0]); i++) {
		const struct pgw_mmap_args args = { .start = 0x400000,
						    .end = 0x800000,
						    .flags = PGW_VMA_READ,
						    .ops = &ops,
						    .private_data = &answer[i] };
		int err;

		assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
		err = pgw_mm_fault(f->mm, 0x400000, PGW_VMA_READ);
		if (answer[i].access)
			assert_int_equal(err, -PGW_EIO);
		else
			assert_true(err < 0);
		/* What is no frame of such a leaf is not given back as one. */
		if (i < 4)
			assert_int_equal(nr_bad_released, 0);
		assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
		assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
		assert_int_equal(pgw_translate(f->mm, 0x400000, &t), 0);
		assert_int_equal(t.kind, PGW_ENTRY_EMPTY);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
		assert_int_equal(pgw_mm_munmap(f->mm, 0x400000, 0x800000), 0);
	}
	fixture_free(f);
}

static void test_ops__a_stack_grows_no_further_than_what_backs_it(void **state)
{
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
	struct request r = { .op = OP_MMAP,
			     .start = 8 * f->page,
			     .end = 9 * f->page,
			     .pgoff = 2,
			     .flags = PGW_VMA_READ | PGW_VMA_GROWSDOWN };

	(void)state;
	assert_int_equal(run(f, &r), 0);
	assert_int_equal(pgw_mm_expand(f->mm, 5 * f->page), -PGW_ENOMEM);
	assert_int_equal(pgw_mm_expand(f->mm, 6 * f->page + 1), 0);
	assert_int_equal(pgw_mm_expand(f->mm, 8 * f->page), 0); /* there already */
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	assert_int_equal(pgw_vma_find(f->mm, 0)->start, 6 * f->page);
	assert_int_equal(pgw_vma_find(f->mm, 0)->pgoff, 0);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	fixture_free(f);
}

/* ---- tables ---- */

/* Pages that a VMA has. */
struct pages {
	uint64_t first, nr;
};

static struct request mmap_pages(const struct fixture *f, const struct pages *pages)
{
	return (struct request){
		.op = OP_MMAP,
		.start = pages->first * f->page,
		.end = (pages->first + pages->nr) * f->page,
		.pgoff = pages->first * 2, /* two that touch do not merge */
		.flags = PGW_VMA_READ,
	};
}

/* Two VMAs that have a part of one lowest table each; only the one that goes has a page there. */
static void one_neighbour_goes(const struct pages *gone, const struct pages *stays)
{
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
	struct request goes = mmap_pages(f, gone), remains = mmap_pages(f, stays);
	long nr_tables;

	assert_int_equal(run(f, &goes), 0);
	assert_int_equal(run(f, &remains), 0);
	assert_int_equal(pgw_mm_fault(f->mm, goes.start, PGW_VMA_READ), 0);
	nr_tables = f->arena.nr_tables;
	assert_int_equal(nr_tables, 4);
	/* Floor or ceiling: the table is the neighbour's too, who may be about to fault. */
	assert_int_equal(pgw_mm_munmap(f->mm, goes.start, goes.end), 0);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, nr_tables);
	/* With the last VMA go all tables but the root, also where it has no page. */
	assert_int_equal(pgw_mm_munmap(f->mm, remains.start, remains.end), 0);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, 1);
	fixture_free(f);
}

/* A lowest table has 512 pages: those from 512 on are the second one's. */
static void test_ops__munmap_leaves_tables_that_a_neighbour_needs(void **state) /* M3, M4 */
{
	static const struct {
		struct pages gone, stays;
	} cases[] = {
		{ { 100, 1 }, { 101, 1 } },
		{ { 101, 1 }, { 100, 1 } },
		{ { 3, 1 }, { 500, 1 } },
		{ { 500, 1 }, { 3, 1 } },
		/* The neighbour comes from the table before, or goes on in the one after. */
		{ { 712, 1 }, { 100, 512 } },
		{ { 712, 1 }, { 200, 512 } },
		{ { 712, 1 }, { 713, 1000 } },
		{ { 712, 1 }, { 900, 512 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		one_neighbour_goes(&cases[i].gone, &cases[i].stays);
}

static void test_ops__dontneed_frees_empty_lowest_tables(void **state) /* M3, T2 */
{
	struct fixture *f = fixture_new(pgw_format_by_name("riscv-sv39"), 1);
	struct request r = { .op = OP_MMAP, .flags = PGW_VMA_READ };
	uint64_t table = UINT64_C(1) << f->geo->span_lg2[1];

	(void)state;
	f->want_small = true;
	r.start = table;
	r.end = 4 * table;
	assert_int_equal(run(f, &r), 0);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(pgw_mm_fault(f->mm, i * table, PGW_VMA_READ), 0);
	assert_int_equal(f->arena.nr_tables, 5);
	assert_int_equal(pgw_mm_dontneed(f->mm, table, 3 * table - f->page), 0);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, 3);
	assert_int_equal(pgw_mm_fault(f->mm, 2 * table, PGW_VMA_READ), 0);
	assert_int_equal(f->arena.nr_tables, 4);
	assert_int_equal(pgw_mm_dontneed(f->mm, table, 4 * table), 0);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, 2);
	fixture_free(f);
}

/* What another thread drops between two steps of a fault, at its nth look for a table's desc. */
static struct {
	struct fixture *f;
	struct pgw_ptdesc *(*table_desc)(void *ctx, void *table); /* the arena's */
	struct request drop;
	long nth;
} interloper;

static struct pgw_ptdesc *desc_after_a_drop(void *ctx, void *table)
{
	if (interloper.nth-- == 0) {
		assert_int_equal(run(interloper.f, &interloper.drop), 0);
		if (!interloper.f->arena.thread.nr_readers)
			pgw_reclaim_barrier(&interloper.f->arena.platform);
	}
	return interloper.table_desc(ctx, table);
}

/* The table that a fault has made, or found empty, is unlinked before its leaf is in it. */
static void test_ops__a_fault_outlives_the_table_that_it_found(void **state) /* M3 */
{
	struct fixture *f = fixture_new(pgw_format_by_name("riscv-sv39"), 1);
	const uint64_t table = UINT64_C(1) << f->geo->span_lg2[1];
	struct request r = {
		.op = OP_MMAP, .start = table, .end = 2 * table, .flags = PGW_VMA_READ
	};
	uint64_t nr_freed = 0;

	(void)state;
	f->want_small = true;
	assert_int_equal(run(f, &r), 0);
	interloper.f = f;
	interloper.drop = r;
	interloper.drop.op = OP_DONTNEED;
	interloper.table_desc = f->arena.platform.table_desc;
	for (long nth = 0; nth < 8; nth++) {
		f->arena.platform.table_desc = desc_after_a_drop;
		interloper.nth = nth;
		assert_int_equal(pgw_mm_fault(f->mm, table + 5 * f->page, PGW_VMA_READ), 0);
		f->arena.platform.table_desc = interloper.table_desc;
		nr_freed += interloper.nth < 0;
		assert_int_equal(run(f, &interloper.drop), 0);
		assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
		assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	}
	assert_true(nr_freed > 1);
	fixture_free(f);
}

/* ---- validation ---- */

static void expect_wrong(struct fixture *f, const char *expected)
{
	const char *what = "nothing";

	assert_int_equal(pgw_mm_validate(f->mm, &what), -PGW_EIO);
	assert_string_equal(what, expected);
}

static void test_ops__validation_finds_what_is_planted(void **state) /* M4, T2 */
{
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
	struct request r = { .op = OP_MMAP,
			     .start = UINT64_C(0x200000),
			     .end = UINT64_C(0x300000),
			     .flags = PGW_VMA_READ };
	struct pgw_leaf leaf = { .va = UINT64_C(0x40000000), .rights = PGW_USER_R | PGW_KERNEL_R };
	struct pgw_ptdesc *root;

	(void)state;
	f->want_small = true;
	assert_int_equal(run(f, &r), 0);
	assert_int_equal(pgw_mm_fault(f->mm, r.start, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
	assert_int_equal(pgw_mm_map_leaf(f->mm, &leaf), 0);
	expect_wrong(f, "a leaf outside every VMA");
	assert_int_equal(pgw_mm_unmap_leaf(f->mm, leaf.va), 0);
	expect_wrong(f, "a table without a VMA that needs it");
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	/* A VMA that is mapped there and goes again takes the table along. */
	r.start = leaf.va;
	r.end = leaf.va + f->page;
	assert_int_equal(run(f, &r), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, r.start, r.end), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
	assert_int_equal(pgw_mm_protect(f->mm, UINT64_C(0x200000), UINT64_C(0x200fff),
					PGW_USER_R | PGW_USER_W | PGW_KERNEL_R | PGW_KERNEL_W),
			 0);
	expect_wrong(f, "a leaf with more rights than its VMA");
	assert_int_equal(pgw_mm_protect(f->mm, UINT64_C(0x200000), UINT64_C(0x200fff),
					PGW_USER_R | PGW_KERNEL_R),
			 0);
	assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
	root = f->arena.platform.table_desc(&f->arena,
					    f->arena.block + (pgw_mm_root(f->mm).pa - ARENA_PA));
	root->nr_live++;
	expect_wrong(f, "a live count is wrong, or an entry is frozen");
	root->nr_live--;
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	/* A large leaf that reaches behind its VMA. */
	assert_int_equal(pgw_mm_munmap(f->mm, UINT64_C(0x200000), UINT64_C(0x300000)), 0);
	r.start = UINT64_C(0x200000);
	r.end = UINT64_C(0x300000);
	assert_int_equal(run(f, &r), 0);
	leaf = (struct pgw_leaf){ .va = r.start, .level = 1, .rights = PGW_USER_R | PGW_KERNEL_R };
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_map_leaf(f->mm, &leaf), 0);
	expect_wrong(f, "a leaf that sticks out of its VMA");
	assert_int_equal(pgw_mm_unmap_leaf(f->mm, leaf.va), 0);
	assert_int_equal(pgw_mm_validate(f->mm, NULL), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	fixture_free(f);
}

/* ---- locks on the way ---- */

static struct {
	struct fixture *f;
	unsigned nr; /* of the steps that came, in this order */
} steps;

/* What is left of a VMA that munmap cut is found at once, but nobody gets it before the downgrade. */
static void check_step(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	static const enum pgw_step_point order[] = { PGW_STEP_MUNMAP_DETACHED,
						     PGW_STEP_MUNMAP_DOWNGRADED,
						     PGW_STEP_MUNMAP_FREED };
	struct fixture *f = steps.f;
	struct pgw_translation t;
	struct pgw_vma *vma;

	(void)ctx;
	if (step != PGW_STEP_MUNMAP_DETACHED && step != PGW_STEP_MUNMAP_DOWNGRADED &&
	    step != PGW_STEP_MUNMAP_FREED)
		return;
	assert_int_equal(step, order[steps.nr++]);
	assert_int_equal(pgw_mmap_lock_mode(mm),
			 step == PGW_STEP_MUNMAP_DETACHED ? PGW_LOCK_WRITE : PGW_LOCK_DOWNGRADED);
	assert_null(pgw_vma_lookup(f->mm, 5 * f->page));
	assert_null(pgw_vma_read_lock(f->mm, 5 * f->page));
	assert_non_null(pgw_vma_lookup(f->mm, 4 * f->page));
	vma = pgw_vma_read_lock(f->mm, 4 * f->page);
	assert_int_equal(vma != NULL, step != PGW_STEP_MUNMAP_DETACHED);
	if (vma)
		pgw_vma_read_unlock(vma);
	if (step == PGW_STEP_MUNMAP_DETACHED) {
		/* Detached first, then zapped. */
		assert_int_equal(pgw_translate(f->mm, 5 * f->page, &t), 0);
		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	}
}

static void test_ops__munmap_detaches_downgrades_and_then_frees(void **state) /* M2, M5 */
{
	struct fixture *f = fixture_new(pgw_format_by_name("x86_64-la48"), 1);
	struct request r = {
		.op = OP_MMAP, .start = 4 * f->page, .end = 8 * f->page, .flags = PGW_VMA_READ
	};

	(void)state;
	steps.f = f;
	steps.nr = 0;
	f->want_small = true;
	assert_int_equal(run(f, &r), 0);
	assert_int_equal(pgw_mm_populate(f->mm, r.start, r.end), 0);
	f->arena.platform.step = check_step;
	assert_int_equal(pgw_mm_munmap(f->mm, 5 * f->page, 7 * f->page), 0);
	f->arena.platform.step = NULL;
	assert_int_equal(steps.nr, 3);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops__vmas_merge_and_split_as_in_the_pictures),
		cmocka_unit_test(test_ops__wrong_arguments_are_refused),
		cmocka_unit_test(test_ops__other_mms_have_no_vmas),
		cmocka_unit_test(test_ops__a_holder_of_the_lock_is_refused),
		cmocka_unit_test(test_ops__a_locked_vma_is_populated_and_stays),
		cmocka_unit_test(test_ops__a_wrong_answer_is_refused),
		cmocka_unit_test(test_ops__a_stack_grows_no_further_than_what_backs_it),
		cmocka_unit_test(test_ops__validation_finds_what_is_planted),
		cmocka_unit_test(test_ops__munmap_leaves_tables_that_a_neighbour_needs),
		cmocka_unit_test(test_ops__dontneed_frees_empty_lowest_tables),
		cmocka_unit_test(test_ops__a_fault_outlives_the_table_that_it_found),
		cmocka_unit_test(test_ops__munmap_detaches_downgrades_and_then_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
