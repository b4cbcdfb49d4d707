/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Random operations on VMAs, for every format, against the model of
 * ops_fixture.h. A part of them is run with each allocation failing once, and with
 * an owner that refuses another VMA: then nothing may have changed.
 */

#include "mm/ops_fixture.h"

static int model_mmap(struct fixture *f, const struct request *r)
{
	size_t i = 0;

	if (model_has_vma(f, r->start, r->end))
		return -PGW_EEXIST;
	while (i < f->nr_vmas && f->vma[i].start < r->start)
		i++;
	vma_insert(f, i, (struct vma_model){ r->start, r->end, r->pgoff, r->flags, r->kind });
	vma_merge_all(f);
	return 0;
}

static int model_mprotect(struct fixture *f, const struct request *r)
{
	uint32_t rwx = r->flags & RWX;

	if (model_has_hole(f, r->start, r->end))
		return -PGW_ENOENT;
	leaf_cut(f, r->start);
	leaf_cut(f, r->end);
	for (size_t i = 0; i < f->nr_leaves; i++) {
		struct leaf_model *leaf = &f->leaf[i];
		uint32_t old;

		if (leaf->va.first < r->start || leaf->va.first >= r->end)
			continue;
		old = vma_at(f, leaf->va.first)->flags & RWX;
		/* Write is taken at once and given by a fault; the others change at once. */
		if ((old ^ rwx) & ~(rwx & PGW_VMA_WRITE))
			leaf->wanted = (uint8_t)(rwx & ~(uint32_t)PGW_VMA_WRITE);
	}
	vma_cut(f, r->start);
	vma_cut(f, r->end);
	for (size_t i = 0; i < f->nr_vmas; i++) {
		if (f->vma[i].start >= r->start && f->vma[i].start < r->end)
			f->vma[i].flags = (f->vma[i].flags & ~RWX) | rwx;
	}
	vma_merge_all(f);
	return 0;
}

static int model_expand(struct fixture *f, const struct request *r)
{
	uint64_t start = r->start & ~(f->page - 1);

	if (vma_at(f, start))
		return 0;
	for (size_t i = 0; i < f->nr_vmas; i++) {
		uint64_t nr;

		if (f->vma[i].start <= start)
			continue;
		nr = (f->vma[i].start - start) / f->page;
		if (!(f->vma[i].flags & PGW_VMA_GROWSDOWN))
			return -PGW_ENOENT;
		if (nr > f->vma[i].pgoff)
			return -PGW_ENOMEM;
		f->vma[i].start = start;
		f->vma[i].pgoff -= nr;
		vma_merge_all(f);
		return 0;
	}
	return -PGW_ENOENT;
}

static int model_dontneed(struct fixture *f, const struct request *r)
{
	for (size_t i = 0; i < f->nr_vmas; i++) {
		if (f->vma[i].start < r->end && f->vma[i].end > r->start &&
		    (f->vma[i].flags & PGW_VMA_LOCKED))
			return -PGW_EINVAL;
	}
	leaf_remove(f, r->start, r->end);
	return model_has_hole(f, r->start, r->end) ? -PGW_ENOENT : 0;
}

/* What a fault at va did, by the answer that the callback gave. */
static void model_filled(struct fixture *f, uint64_t va)
{
	uint64_t span = (UINT64_C(1) << f->geo->span_lg2[f->answer.level]) - 1;
	uint32_t wanted = vma_at(f, va)->flags & RWX;

	if (f->answer.read_only)
		wanted &= ~(uint32_t)PGW_VMA_WRITE;
	leaf_remove(f, va & ~span, (va | span) + 1);
	leaf_add(f,
		 (struct leaf_model){ { va & ~span, va | span }, f->answer.pa, (uint8_t)wanted });
}

static int model_fault(struct fixture *f, const struct request *r)
{
	const struct vma_model *vma = vma_at(f, r->start);
	const struct leaf_model *leaf = leaf_at(f, r->start);
	bool allows = leaf && (wanted_rights(r->flags) & ~(wanted_rights(leaf->wanted) |
							   (leaf->wanted ? PGW_USER_R : 0))) == 0;

	if (!vma || (r->flags & ~vma->flags)) {
		assert_false(f->has_answered);
		return -PGW_EFAULT;
	}
	assert_int_equal(f->has_answered, !allows);
	if (allows)
		return 0;
	if (r->flags == PGW_VMA_WRITE && f->answer.read_only)
		return -PGW_EFAULT;
	model_filled(f, r->start & ~(f->page - 1));
	return 0;
}

/* Holes that the tables had and now have leaves in; the callback's last answer is not enough here. */
static int model_populate(struct fixture *f, const struct request *r)
{
	for (uint64_t va = r->start; va < r->end; va += f->page) {
		const struct vma_model *vma = vma_at(f, va);
		struct pgw_translation t;
		uint32_t wanted;

		if (!vma)
			return -PGW_ENOENT;
		if (!(vma->flags & RWX))
			return -PGW_EFAULT;
		if (leaf_at(f, va))
			continue;
		wanted = vma->flags & RWX;
		if (f->want_read_only && (wanted & ~(uint32_t)PGW_VMA_WRITE) == 0)
			return -PGW_EFAULT; /* write only, without write */
		if (f->want_read_only)
			wanted &= ~(uint32_t)PGW_VMA_WRITE;
		assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
		assert_int_equal(pgw_translate(f->mm, va, &t), 0);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		leaf_add(f, (struct leaf_model){ { t.va_first, t.va_last },
						 t.pa - (va - t.va_first),
						 (uint8_t)wanted });
	}
	return 0;
}

/* What mremap refuses. */
static int model_mremap_check(struct fixture *f, const struct request *r)
{
	const struct vma_model *vma = vma_at(f, r->start);
	bool grows = r->new_end - r->new_start > r->end - r->start;
	bool stays = r->new_start == r->start;
	uint64_t first, last;

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	if (r->new_start >= r->new_end || r->new_end - 1 > last ||
	    (!stays && r->new_start < r->end && r->start < r->new_end))
		return -PGW_EINVAL;
	if (!vma)
		return -PGW_ENOENT;
	if (r->end > vma->end || (grows && (vma->flags & PGW_VMA_PFNMAP)))
		return -PGW_EINVAL;
	if (stays && grows && r->end != vma->end)
		return -PGW_EINVAL;
	if (stays)
		return grows && model_has_vma(f, r->end, r->new_end) ? -PGW_EEXIST : 0;
	return model_has_vma(f, r->new_start, r->new_end) ? -PGW_EEXIST : 0;
}

/* Leaves go along as far as both ranges go; what is behind goes away. */
static void model_mremap_leaves(struct fixture *f, const struct request *r)
{
	uint64_t size = r->new_end - r->new_start, end = r->end;
	static struct leaf_model moved[MAX_LEAVES];
	size_t nr = 0;

	if (size < r->end - r->start)
		end = r->start + size;
	leaf_cut(f, r->start);
	leaf_cut(f, end);
	for (size_t i = 0; i < f->nr_leaves; i++) {
		if (f->leaf[i].va.first >= r->start && f->leaf[i].va.first < end)
			moved[nr++] = f->leaf[i];
	}
	leaf_remove(f, r->start, r->end);
	for (size_t i = 0; i < nr; i++) {
		moved[i].va.first += r->new_start - r->start;
		moved[i].va.last += r->new_start - r->start;
		leaf_add(f, moved[i]);
	}
}

static int model_mremap(struct fixture *f, const struct request *r)
{
	int err = model_mremap_check(f, r);
	struct vma_model fresh;
	size_t i = 0;

	if (err)
		return err;
	fresh = *vma_at(f, r->start);
	fresh.pgoff += (r->start - fresh.start) / f->page;
	fresh.start = r->new_start;
	fresh.end = r->new_end;
	model_mremap_leaves(f, r);
	vma_remove(f, r->start, r->end);
	while (i < f->nr_vmas && f->vma[i].start < fresh.start)
		i++;
	vma_insert(f, i, fresh);
	vma_merge_all(f);
	return 0;
}

static int model(struct fixture *f, const struct request *r)
{
	switch (r->op) {
	case OP_MMAP:
		return model_mmap(f, r);
	case OP_MUNMAP:
	case OP_MUNMAP_LOCKED:
		vma_remove(f, r->start, r->end);
		leaf_remove(f, r->start, r->end);
		return 0;
	case OP_MPROTECT:
		return model_mprotect(f, r);
	case OP_FAULT:
		return model_fault(f, r);
	case OP_POPULATE:
		return model_populate(f, r);
	case OP_DONTNEED:
		return model_dontneed(f, r);
	case OP_EXPAND:
		return model_expand(f, r);
	case OP_MREMAP:
		return model_mremap(f, r);
	default:
		return 0;
	}
}

/* Mostly of one VMA, and often so far away that tables can be moved. */
static void random_mremap(struct fixture *f, struct request *r)
{
	const struct vma_model *vma = f->nr_vmas ? &f->vma[pick(f, f->nr_vmas)] : NULL;
	uint64_t table = UINT64_C(1) << f->geo->span_lg2[1], size, align;

	if (vma && pick(f, 8)) {
		uint64_t nr = (vma->end - vma->start) / f->page, from = pick(f, nr);

		r->start = vma->start + (pick(f, 2) ? 0 : from) * f->page;
		r->end = vma->end;
		if (pick(f, 2))
			r->end = r->start + (1 + pick(f, (r->end - r->start) / f->page)) * f->page;
	}
	size = r->end - r->start;
	if (pick(f, 4) == 0 && size / f->page <= 40)
		size = (1 + pick(f, size / f->page + 4)) * f->page;
	r->new_start = f->place[pick(f, f->nr_places - 1)];
	if (pick(f, 2))
		r->new_start = pick(f, 12) * table + (r->start & (table - 1));
	if (pick(f, 8) == 0)
		r->new_start = r->start;
	/* Large leaves become as small as the distance is aligned: many tables, if it is far more than that. */
	align = (r->new_start - r->start) & (0 - (r->new_start - r->start));
	if (align && size / align > 64) {
		size = 64 * align;
		r->end = r->start + size;
	}
	r->new_end = r->new_start + size;
}

static struct request random_request(struct fixture *f)
{
	static const uint32_t access[] = { PGW_VMA_READ, PGW_VMA_WRITE, PGW_VMA_EXEC };
	struct request r = { .op = (enum op)pick(f, _OP_MAX), .kind = (unsigned)pick(f, NR_KINDS) };
	size_t i = pick(f, f->nr_places - 1);
	size_t n = pick(f, 3) ? 12 : f->nr_places;
	size_t j = i + 1 + pick(f, n);

	/* Mapping and faulting are more frequent than their opposites, or nothing is ever there. */
	if (pick(f, 3) == 0)
		r.op = pick(f, 2) ? OP_MMAP : OP_FAULT;
	r.start = f->place[i];
	r.end = f->place[j < f->nr_places ? j : f->nr_places - 1];
	/* Many pages one by one take long; and a VMA would have to be one with a small range. */
	if (r.op == OP_POPULATE && (r.end - r.start) / f->page > 40)
		r.end = r.start + 40 * f->page;
	r.flags = (uint32_t)pick(f, 8);
	r.pgoff = r.start / f->page + (pick(f, 4) ? 0 : 1000);
	if (r.op == OP_MMAP && pick(f, 3) == 0)
		r.flags |= PGW_VMA_GROWSDOWN;
	if (r.op == OP_MMAP && pick(f, 8) == 0)
		r.flags |= PGW_VMA_PFNMAP;
	if (r.op == OP_MMAP && pick(f, 8) == 0)
		r.flags |= PGW_VMA_SHARED;
	if (r.op == OP_FAULT)
		r.flags = access[pick(f, 3)];
	if (r.op == OP_MREMAP)
		random_mremap(f, &r);
	f->want_small = pick(f, 2);
	f->want_read_only = pick(f, 3) == 0;
	f->want_same = pick(f, 2);
	return r;
}

/* Every allocation fails once, then every open; each time nothing has changed. */
static int run_failing(struct fixture *f, const struct request *r)
{
	for (long n = 0;; n++) {
		long nr_objs;
		int err;

		pgw_reclaim_barrier(&f->arena.platform);
		nr_objs = f->arena.nr_objs;
		f->arena.fail_after = n;
		err = run(f, r);
		if (f->arena.fail_after >= 0) {
			f->arena.fail_after = -1;
			return err;
		}
		f->arena.fail_after = -1;
		/* Populating gives up half way; best effort may not show at all. */
		assert_int_equal(err, -PGW_ENOMEM);
		pgw_reclaim_barrier(&f->arena.platform);
		assert_int_equal(f->arena.nr_objs, nr_objs);
		check_all(f);
	}
}

static void random_step(struct fixture *f)
{
	struct request r = random_request(f);
	bool fails = pick(f, 4) == 0 && r.op != OP_POPULATE;
	int err;

	if (!fails && pick(f, 4) == 0) {
		f->open_fail_after = (long)pick(f, 3);
		err = run(f, &r);
		if (err == -PGW_EBUSY) {
			f->open_fail_after = -1;
			check_all(f);
			err = run(f, &r);
		}
		f->open_fail_after = -1;
	} else {
		err = fails ? run_failing(f, &r) : run(f, &r);
	}
	assert_int_equal(err, model(f, &r));
	for (int i = 0; i < 8; i++)
		tlb_access(f, f->nr_leaves ? f->leaf[pick(f, f->nr_leaves)].va.first : 0);
	check_all(f);
}

static void test_ops__random_operations_agree_with_the_model(void **state) /* M1, M3 to M7 */
{
	uint64_t seed = test_seed();
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		struct fixture *f = fixture_new(format, seed + i);

		for (int step = 0; step < 1000; step++)
			random_step(f);
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops__random_operations_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
