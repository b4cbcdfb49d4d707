/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/ops_fixture.h"

#include "common/ways.h"

static struct fixture *fixture_of(const struct pgw_vma *vma)
{
	return ((struct kind *)vma->private_data)->f;
}

uint64_t pick(struct fixture *f, uint64_t n)
{
	return test_random(&f->random) % n;
}

/* ---- the model of leaves ---- */

struct leaf_model *leaf_at(struct fixture *f, uint64_t va)
{
	for (size_t i = 0; i < f->nr_leaves; i++) {
		if (va >= f->leaf[i].va.first && va <= f->leaf[i].va.last)
			return &f->leaf[i];
	}
	return NULL;
}

static void leaf_insert(struct fixture *f, size_t at, struct leaf_model leaf)
{
	assert_true(f->nr_leaves < MAX_LEAVES);
	memmove(&f->leaf[at + 1], &f->leaf[at], (f->nr_leaves - at) * sizeof(leaf));
	f->leaf[at] = leaf;
	f->nr_leaves++;
}

void leaf_add(struct fixture *f, struct leaf_model leaf)
{
	size_t i = 0;

	while (i < f->nr_leaves && f->leaf[i].va.last < leaf.va.first)
		i++;
	assert_true(i == f->nr_leaves || f->leaf[i].va.first > leaf.va.last);
	leaf_insert(f, i, leaf);
}

void leaf_cut(struct fixture *f, uint64_t va)
{
	for (size_t i = 0; i < f->nr_leaves; i++) {
		struct leaf_model right = f->leaf[i];

		if (va <= right.va.first || va > right.va.last)
			continue;
		right.pa += va - right.va.first;
		right.va.first = va;
		f->leaf[i].va.last = va - 1;
		leaf_insert(f, i + 1, right);
		return;
	}
}

void leaf_remove(struct fixture *f, uint64_t start, uint64_t end)
{
	size_t kept = 0;

	leaf_cut(f, start);
	leaf_cut(f, end);
	for (size_t i = 0; i < f->nr_leaves; i++) {
		if (f->leaf[i].va.first < start || f->leaf[i].va.first >= end)
			f->leaf[kept++] = f->leaf[i];
	}
	f->nr_leaves = kept;
}

/* ---- the model of VMAs ---- */

struct vma_model *vma_at(struct fixture *f, uint64_t va)
{
	for (size_t i = 0; i < f->nr_vmas; i++) {
		if (va >= f->vma[i].start && va < f->vma[i].end)
			return &f->vma[i];
	}
	return NULL;
}

static uint64_t model_pgoff(const struct fixture *f, const struct vma_model *vma, uint64_t va)
{
	return vma->pgoff + (va - vma->start) / f->page;
}

void vma_insert(struct fixture *f, size_t at, struct vma_model vma)
{
	assert_true(f->nr_vmas < MAX_VMAS);
	memmove(&f->vma[at + 1], &f->vma[at], (f->nr_vmas - at) * sizeof(vma));
	f->vma[at] = vma;
	f->nr_vmas++;
}

void vma_cut(struct fixture *f, uint64_t va)
{
	struct vma_model *vma = vma_at(f, va);
	struct vma_model right;

	if (!vma || vma->start == va)
		return;
	right = *vma;
	right.pgoff = model_pgoff(f, vma, va);
	right.start = va;
	vma->end = va;
	vma_insert(f, (size_t)(vma - f->vma) + 1, right);
}

void vma_merge_all(struct fixture *f)
{
	size_t last = 0;

	for (size_t i = 1; i < f->nr_vmas; i++) {
		struct vma_model *a = &f->vma[last], *b = &f->vma[i];

		if (a->end == b->start && a->flags == b->flags && a->kind == b->kind &&
		    model_pgoff(f, a, a->end) == b->pgoff)
			a->end = b->end;
		else
			f->vma[++last] = *b;
	}
	if (f->nr_vmas)
		f->nr_vmas = last + 1;
}

void vma_remove(struct fixture *f, uint64_t start, uint64_t end)
{
	size_t kept = 0;

	vma_cut(f, start);
	vma_cut(f, end);
	for (size_t i = 0; i < f->nr_vmas; i++) {
		if (f->vma[i].start < start || f->vma[i].start >= end)
			f->vma[kept++] = f->vma[i];
	}
	f->nr_vmas = kept;
}

bool model_has_vma(struct fixture *f, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < f->nr_vmas; i++) {
		if (f->vma[i].start < end && f->vma[i].end > start)
			return true;
	}
	return false;
}

bool model_has_hole(struct fixture *f, uint64_t start, uint64_t end)
{
	while (start < end) {
		struct vma_model *vma = vma_at(f, start);

		if (!vma)
			return true;
		start = vma->end;
	}
	return false;
}

/* ---- frames ---- */

static uint64_t frame_new(struct fixture *f, uint64_t size, bool is_counted)
{
	uint64_t pa = (f->next_pa + size - 1) & ~(size - 1);

	f->next_pa = pa + size;
	if (is_counted) {
		assert_true(f->nr_frames < MAX_FRAMES);
		f->frames[f->nr_frames++] = (struct range){ pa, pa + size - 1 };
	}
	return pa;
}

/* A part of the frames that are out comes back: once. */
static void frame_free(struct fixture *f, uint64_t first, uint64_t last)
{
	while (first <= last) {
		struct range frame = { 1, 0 };
		size_t i;

		for (i = 0; i < f->nr_frames; i++) {
			frame = f->frames[i];
			if (first >= frame.first && first <= frame.last)
				break;
		}
		assert_true(i < f->nr_frames); /* else it was released twice, or never supplied */
		f->frames[i] = f->frames[--f->nr_frames];
		if (frame.first < first)
			f->frames[f->nr_frames++] = (struct range){ frame.first, first - 1 };
		if (frame.last > last)
			f->frames[f->nr_frames++] = (struct range){ last + 1, frame.last };
		if (frame.last >= last)
			return;
		first = frame.last + 1;
	}
}

static int ops_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	struct fixture *f = fixture_of(vma);
	struct leaf_model *there = leaf_at(f, fault->va);
	uint64_t span = (UINT64_C(1) << f->geo->span_lg2[fault->max_level]) - 1;

	assert_true((fault->va & ~span) >= vma->start && (fault->va | span) < vma->end);
	assert_int_equal(fault->pgoff, vma->pgoff + (fault->va - vma->start) / f->page);
	if (!there) {
		assert_null(leaf_at(f, fault->va & ~span));
		assert_null(leaf_at(f, fault->va | span));
	}
	fault->level = f->want_small ? 0 : fault->max_level;
	while (!(f->geo->leaf_sizes >> f->geo->span_lg2[fault->level] & 1))
		fault->level--;
	span = (UINT64_C(1) << f->geo->span_lg2[fault->level]) - 1;
	if (there && f->want_same)
		fault->pa = there->pa + ((fault->va & ~span) - there->va.first);
	if (!there || !f->want_same || (fault->pa & span))
		fault->pa = frame_new(f, span + 1, !(vma->flags & PGW_VMA_PFNMAP));
	/* Who may put another frame in the place of one does so alone. */
	if (there)
		assert_int_equal(pgw_mmap_lock_mode(f->mm), PGW_LOCK_WRITE);
	f->replaces = there != NULL;
	fault->read_only = f->want_read_only;
	fault->attrs = f->young_bit;
	f->answer = *fault;
	f->has_answered = true;
	return 0;
}

static void ops_release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	struct fixture *f = fixture_of(vma);

	assert_false(vma->flags & PGW_VMA_PFNMAP);
	assert_true(frames->va >= vma->start && frames->va + frames->size <= vma->end);
	/* Break, then make: the frame that comes in its place is not there yet. */
	if (f->replaces && frames->pa != f->answer.pa) {
		struct pgw_translation t;

		assert_int_equal(pgw_translate(f->mm, frames->va, &t), 0);
		assert_int_equal(t.kind, PGW_ENTRY_EMPTY);
	}
	/* The frames may be used for something else from here on: no TLB may know them. */
	for (size_t i = 0; i < TLB_SIZE; i++) {
		const struct tlb_entry *e = &f->tlb[i];

		assert_false(e->is_valid && e->pa >= frames->pa &&
			     e->pa - frames->pa < frames->size);
	}
	frame_free(f, frames->pa, frames->pa + (frames->size - 1));
}

static int ops_open(struct pgw_vma *vma)
{
	struct fixture *f = fixture_of(vma);

	if (f->open_fail_after >= 0 && f->open_fail_after-- == 0)
		return -PGW_EBUSY;
	((struct kind *)vma->private_data)->nr_opens++;
	return 0;
}

static void ops_close(struct pgw_vma *vma)
{
	((struct kind *)vma->private_data)->nr_closes++;
}

static const struct pgw_vma_ops vma_ops = {
	.fault = ops_fault,
	.release = ops_release,
	.open = ops_open,
	.close = ops_close,
};

/* ---- the software TLB ---- */

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct fixture *f = ctx;

	assert_ptr_equal(mm, f->mm);
	assert_true(first <= last);
	for (size_t i = 0; i < TLB_SIZE; i++) {
		if (f->tlb[i].va >= first && f->tlb[i].va <= last)
			f->tlb[i].is_valid = false;
	}
}

static bool is_young(const struct fixture *f, const struct pgw_translation *t)
{
	return (t->entry & f->young_bit) == f->young_bit;
}

void tlb_access(struct fixture *f, uint64_t va)
{
	struct tlb_entry *e = &f->tlb[pick(f, TLB_SIZE)];
	struct pgw_translation t;

	va &= ~(f->page - 1);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_translate(f->mm, va, &t), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	if (t.kind == PGW_ENTRY_LEAF)
		*e = (struct tlb_entry){ true, va, t.pa, t.rights & USER_RIGHTS, is_young(f, &t) };
}

/* ---- comparing ---- */

uint8_t wanted_rights(uint32_t flags)
{
	uint8_t rights = 0;

	rights |= flags & PGW_VMA_READ ? PGW_USER_R : 0;
	rights |= flags & PGW_VMA_WRITE ? PGW_USER_W : 0;
	rights |= flags & PGW_VMA_EXEC ? PGW_USER_X : 0;
	return rights;
}

static void check_va(struct fixture *f, uint64_t va)
{
	const struct leaf_model *leaf = leaf_at(f, va);
	struct pgw_translation t;
	uint64_t first, last;
	uint8_t wanted;

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	if (va > last)
		return;
	assert_true(ways_agree(f->mm, &f->cursor, va, &t));
	if (!leaf) {
		assert_int_equal(t.kind, PGW_ENTRY_EMPTY);
		return;
	}
	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	assert_int_equal(t.pa, leaf->pa + (va - leaf->va.first));
	wanted = wanted_rights(leaf->wanted);
	assert_int_equal(t.rights & wanted, wanted);
	assert_int_equal(t.rights & USER_RIGHTS & ~(wanted | (wanted ? PGW_USER_R : 0)), 0);
}

static void check_tlb(struct fixture *f)
{
	for (size_t i = 0; i < TLB_SIZE; i++) {
		const struct tlb_entry *e = &f->tlb[i];
		struct pgw_translation t;

		if (!e->is_valid)
			continue;
		assert_int_equal(pgw_translate(f->mm, e->va, &t), 0);
		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		assert_int_equal(t.pa, e->pa);
		assert_int_equal(e->rights & ~t.rights, 0);
		assert_true(!e->young || is_young(f, &t));
	}
}

static void check_vmas(struct fixture *f)
{
	uint64_t at = 0;
	long nr[NR_KINDS] = { 0 };

	assert_int_equal(pgw_vma_count(f->mm), f->nr_vmas);
	for (size_t i = 0; i < f->nr_vmas; i++) {
		const struct vma_model *model = &f->vma[i];
		struct pgw_vma *vma = pgw_vma_find(f->mm, at);

		assert_non_null(vma);
		assert_int_equal(vma->start, model->start);
		assert_int_equal(vma->end, model->end);
		assert_int_equal(vma->flags, model->flags);
		assert_int_equal(vma->pgoff, model->pgoff);
		assert_ptr_equal(vma->private_data, &f->kind[model->kind]);
		assert_ptr_equal(pgw_vma_lookup(f->mm, vma->start), vma);
		assert_ptr_equal(pgw_vma_lookup(f->mm, vma->end - 1), vma);
		if (vma->start > at)
			assert_null(pgw_vma_lookup(f->mm, vma->start - 1));
		nr[model->kind]++;
		at = vma->end;
	}
	assert_null(pgw_vma_find(f->mm, at));
	for (size_t i = 0; i < NR_KINDS; i++)
		assert_int_equal(f->kind[i].nr_opens - f->kind[i].nr_closes, nr[i]);
}

static void check_frames(struct fixture *f)
{
	uint64_t mapped = 0, out = 0;

	for (size_t i = 0; i < f->nr_leaves; i++) {
		if (!(vma_at(f, f->leaf[i].va.first)->flags & PGW_VMA_PFNMAP))
			mapped += f->leaf[i].va.last - f->leaf[i].va.first + 1;
	}
	for (size_t i = 0; i < f->nr_frames; i++)
		out += f->frames[i].last - f->frames[i].first + 1;
	assert_int_equal(mapped, out);
}

void check_all(struct fixture *f)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	check_vmas(f);
	for (size_t i = 0; i < f->nr_leaves; i++) {
		check_va(f, f->leaf[i].va.first);
		check_va(f, f->leaf[i].va.last);
		check_va(f, f->leaf[i].va.last + 1);
		if (f->leaf[i].va.first)
			check_va(f, f->leaf[i].va.first - 1);
	}
	for (size_t i = 0; i < f->nr_places; i++)
		check_va(f, f->place[i]);
	check_tlb(f);
	check_frames(f);
	if (pgw_mm_validate(f->mm, &what))
		fail_msg("%s: %s", pgw_format_name(f->format), what);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(f->arena.nr_violations, 0);
}

/* ---- set up ---- */

/* A few pages around every boundary between tables where several VMAs may share one. */
static void make_places(struct fixture *f)
{
	uint64_t table = UINT64_C(1) << f->geo->span_lg2[1];
	uint64_t upper = UINT64_C(1) << f->geo->span_lg2[f->geo->top_level > 1 ? 2 : 1];
	uint64_t first, last;
	uint64_t around[6];

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	around[0] = table;
	around[1] = 2 * table;
	around[2] = upper + 4 * table;
	around[3] = 2 * upper + 8 * table;
	around[4] = last / 2 + 1;
	around[5] = last + 1;
	f->place[f->nr_places++] = 0;
	f->place[f->nr_places++] = f->page;
	for (size_t i = 0; i < 6; i++) {
		for (int page = -8; page <= (i == 5 ? 0 : 8); page++)
			f->place[f->nr_places++] = around[i] + (uint64_t)page * f->page;
	}
}

struct fixture *fixture_new(const struct pgw_format *format, uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = { .format = format, .region = PGW_REGION_USER };

	assert_non_null(f);
	arena_init(&f->arena, 64 << 20);
	f->arena.platform.tlb_flush = tlb_flush;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	f->random = seed;
	f->page = UINT64_C(1) << f->geo->granule_lg2;
	f->next_pa = UINT64_C(1) << 32;
	f->open_fail_after = -1;
	for (const struct pgw_attr *a = pgw_format_attrs(format); a->name; a++) {
		if (!strcmp(a->name, "a") || !strcmp(a->name, "af"))
			f->young_bit = a->mask;
	}
	for (size_t i = 0; i < NR_KINDS; i++)
		f->kind[i].f = f;
	make_places(f);
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	assert_int_equal(pgw_translate_cursor_init(&f->cursor, f->mm), 0);
	return f;
}

void fixture_free(struct fixture *f)
{
	f->replaces = false; /* the last operation may have been such a fault */
	pgw_mm_free(f->mm);
	assert_int_equal(f->nr_frames, 0);
	for (size_t i = 0; i < NR_KINDS; i++)
		assert_int_equal(f->kind[i].nr_opens, f->kind[i].nr_closes);
	arena_fini(&f->arena);
	free(f);
}

static int count_young(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	struct fixture *f = arg;
	const struct leaf_model *leaf = leaf_at(f, va);

	(void)size_lg2;
	assert_non_null(leaf);
	assert_int_equal(pa, leaf->pa + (va - leaf->va.first));
	assert_true(what & PGW_HARVEST_YOUNG);
	return 0;
}

int run(struct fixture *f, const struct request *r)
{
	const struct pgw_mmap_args args = { .start = r->start,
					    .end = r->end,
					    .flags = r->flags,
					    .pgoff = r->pgoff,
					    .ops = &vma_ops,
					    .private_data = &f->kind[r->kind] };
	const struct pgw_mremap_args mremap = { r->start, r->end, r->new_start, r->new_end };
	int err;

	f->has_answered = f->replaces = false;
	switch (r->op) {
	case OP_MMAP:
		return pgw_mm_mmap(f->mm, &args);
	case OP_MUNMAP:
		return pgw_mm_munmap(f->mm, r->start, r->end);
	case OP_MUNMAP_LOCKED:
		assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
		err = pgw_mm_munmap_locked(f->mm, r->start, r->end);
		assert_int_equal(pgw_mmap_lock_mode(f->mm), PGW_LOCK_WRITE);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
		return err;
	case OP_MPROTECT:
		return pgw_mm_mprotect(f->mm, r->start, r->end, r->flags & RWX);
	case OP_FAULT:
		return pgw_mm_fault(f->mm, r->start, r->flags);
	case OP_POPULATE:
		return pgw_mm_populate(f->mm, r->start, r->end);
	case OP_DONTNEED:
		return pgw_mm_dontneed(f->mm, r->start, r->end);
	case OP_EXPAND:
		return pgw_mm_expand(f->mm, r->start);
	case OP_MREMAP:
		return pgw_mm_mremap(f->mm, &mremap);
	default:
		return pgw_mm_harvest(f->mm, r->start, r->end,
				      PGW_HARVEST_YOUNG | PGW_HARVEST_CLEAR, count_young, f);
	}
}
