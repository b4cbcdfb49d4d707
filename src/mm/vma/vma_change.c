/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/vma/vma_change.h"

#include "base/bits.h"
#include "base/epoch.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_lock.h"

/* Some kinds of VMAs are a part of more. */
static size_t vma_size(const struct pgw_vma *vma)
{
	return vma->mapping ? sizeof(struct file_vma) : sizeof(*vma);
}

static uint64_t pgoff_at(const struct pgw_vma *vma, uint64_t va)
{
	return vma->pgoff + ((va - vma->start) >> vma->mm->pt.format->geometry.granule_lg2);
}

bool vma_change_may_merge(const struct pgw_vma *a, const struct pgw_vma *b, uint32_t b_flags)
{
	return a->end == b->start && a->flags == b_flags && a->ops == b->ops &&
	       a->page_lg2 == b->page_lg2 && a->private_data == b->private_data &&
	       a->mapping == b->mapping && pgoff_at(a, a->end) == b->pgoff;
}

bool vma_change_has_file(const struct vma_change *change)
{
	const struct pgw_vma *vma = change->old;

	while (vma && !vma->mapping)
		vma = vma->next;
	return vma;
}

struct pgw_vma vma_like(const struct pgw_vma *like, uint64_t start, uint64_t end, uint32_t flags)
{
	return (struct pgw_vma){
		.start = start,
		.end = end,
		.flags = flags,
		.page_lg2 = like->page_lg2,
		.pgoff = pgoff_at(like, start),
		.ops = like->ops,
		.private_data = like->private_data,
		.mapping = like->mapping,
		.mm = like->mm,
	};
}

void vma_change_begin(struct vma_change *change, struct pgw_mm *mm)
{
	*change = (struct vma_change){ .mm = mm };
	vma_tree_begin(&change->tree, mm->platform, mm->vma_root);
}

void vma_change_take(struct vma_change *change, uint64_t start, uint64_t end)
{
	struct vma_node *root = change->mm->vma_root;
	struct pgw_vma *vma;

	for (vma = vma_tree_find(root, start); vma && vma->start < end;
	     vma = vma_tree_find(root, vma->end)) {
		vma_lock_write(vma);
		vma->next = NULL;
		vma->paired = false;
		if (change->old)
			change->old_last->next = vma;
		else
			change->old = vma;
		change->old_last = vma;
		change->nr_old++;
	}
}

int vma_change_put(struct vma_change *change, const struct pgw_vma *like, uint64_t start,
		   uint64_t end, uint32_t flags)
{
	const struct pgw_platform *platform = change->mm->platform;
	struct pgw_vma *last = change->fresh_last;
	struct pgw_vma piece = vma_like(like, start, end, flags);
	struct pgw_vma *vma;

	if (start == end)
		return 0;
	if (like->page_lg2 && ((start | end) & low_bits(like->page_lg2)))
		return -PGW_EINVAL;
	if (last && vma_change_may_merge(last, &piece, flags)) {
		last->end = end;
		return 0;
	}
	vma = platform->obj_alloc(platform->ctx, vma_size(&piece));
	if (!vma)
		return -PGW_ENOMEM;
	*vma = piece;
	if (last)
		last->next = vma;
	else
		change->fresh = vma;
	change->fresh_last = vma;
	change->nr_fresh++;
	return 0;
}

/* VMAs of a change that lie side by side: parts of its two lists. */
struct change_part {
	const struct pgw_vma *old, *old_last; /* NULL: none go */
	struct pgw_vma *fresh;
	const struct pgw_vma *fresh_end; /* behind the last one */
};

/*
 * The first new VMA takes the place of all old ones, the others come beside it:
 * where they lie, nothing is left.
 */
static int prepare_part(struct vma_change *change, const struct change_part *part)
{
	struct pgw_vma *vma = part->fresh != part->fresh_end ? part->fresh : NULL;
	uint64_t start, end;
	int err;

	if (!part->old && !vma)
		return 0;
	start = part->old ? part->old->start : vma->start;
	end = part->old ? part->old_last->end : vma->end;
	if (vma && vma->start < start)
		start = vma->start;
	if (vma && vma->end > end)
		end = vma->end;
	err = vma_tree_replace(&change->tree, start, end, &vma, vma ? 1 : 0);
	while (!err && vma && (vma = vma->next) != part->fresh_end)
		err = vma_tree_replace(&change->tree, vma->start, vma->end, &vma, 1);
	return err;
}

static int prepare_tree(struct vma_change *change)
{
	struct change_part low = { .fresh = change->fresh },
			   high = { .old_last = change->old_last };
	struct pgw_vma *vma = change->old;
	int err;

	if (!change->apart) {
		low.old = change->old;
		low.old_last = change->old_last;
		return prepare_part(change, &low);
	}
	for (; vma && vma->start < change->apart; vma = vma->next)
		low.old_last = vma;
	low.old = low.old_last ? change->old : NULL;
	high.old = vma;
	for (vma = change->fresh; vma && vma->start < change->apart; vma = vma->next)
		;
	high.fresh = vma;
	low.fresh_end = vma;
	err = prepare_part(change, &low);
	return err ? err : prepare_part(change, &high);
}

static void make_pairs(struct vma_change *change)
{
	struct pgw_vma *fresh = change->fresh;

	for (struct pgw_vma *old = change->old; old; old = old->next) {
		while (fresh && fresh->end <= old->start)
			fresh = fresh->next;
		if (!fresh || fresh->start >= old->end)
			continue;
		old->paired = fresh->paired = true;
		fresh = fresh->next;
	}
}

static void close_vma(struct pgw_vma *vma)
{
	if (!vma->paired && vma->ops && vma->ops->close)
		vma->ops->close(vma);
}

static int open_fresh(struct vma_change *change)
{
	for (struct pgw_vma *vma = change->fresh; vma; vma = vma->next) {
		int err = 0;

		if (!vma->paired && vma->ops && vma->ops->open)
			err = vma->ops->open(vma);
		if (!err)
			continue;
		for (struct pgw_vma *opened = change->fresh; opened != vma; opened = opened->next)
			close_vma(opened);
		return err;
	}
	return 0;
}

int vma_change_prepare(struct vma_change *change)
{
	int err = prepare_tree(change);

	if (!err)
		err = mapping_check_change(change);
	make_pairs(change);
	return err ? err : open_fresh(change);
}

void vma_change_abort(struct vma_change *change)
{
	const struct pgw_platform *platform = change->mm->platform;
	struct pgw_vma *vma;

	vma_tree_abort(&change->tree);
	while ((vma = change->fresh)) {
		change->fresh = vma->next;
		platform->obj_free(platform->ctx, vma, vma_size(vma));
	}
}

void vma_change_commit(struct vma_change *change)
{
	struct pgw_mm *mm = change->mm;

	/* Who finds a new VMA must not fault in it before the mmap lock says so. */
	for (struct pgw_vma *vma = change->fresh; vma; vma = vma->next) {
		vma_lock_init(vma);
		vma_lock_write(vma);
	}
	vma_tree_commit(&change->tree, &mm->vma_root);
	mm->nr_vmas = mm->nr_vmas - change->nr_old + change->nr_fresh;
	for (struct pgw_vma *vma = change->old; vma; vma = vma->next)
		vma_lock_detach(vma);
	/* The mmap lock still is held: nobody has faulted in the new ones, and who looks through the file finds all. */
	mapping_apply_change(change);
}

static void free_deferred(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	struct pgw_vma *vma = pgw_container_of(deferred, struct pgw_vma, deferred);

	platform->obj_free(platform->ctx, vma, vma_size(vma));
}

void vma_change_finish(struct vma_change *change)
{
	struct pgw_vma *vma;

	while ((vma = change->old)) {
		change->old = vma->next;
		close_vma(vma);
		/* Readers that found it in the old tree may still look at its lock. */
		epoch_defer(change->mm->platform, &vma->deferred, free_deferred);
	}
}
