/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "base/bits.h"
#include "mm/mm_priv.h"

/*
 * Two stages: a guest's own tables lead to its physical addresses, its host's lead from there on. The
 * way of both is in pgw_nested_path: each item of stage 1 is itself at an address of the guest's, which
 * stage 2 has somewhere or not; then what stage 1 led to.
 */

#define BATCH 64 /* addresses that are looked up side by side */
#define KERNEL_ALL (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X)
#define USER_ALL (PGW_USER_R | PGW_USER_W | PGW_USER_X)
#define USER_SHIFT 3

_Static_assert(KERNEL_ALL << USER_SHIFT == USER_ALL, "the same rights, for the other actor");

/* What stage 2 gives each actor of stage 1, of a page that stage 1 gives them so. */
static uint8_t rights_for_actors(const struct pgw_format *format, unsigned inner, unsigned outer)
{
	unsigned kernel = outer & KERNEL_ALL, user = outer & USER_ALL;

	if (!format->regions->actor[1])
		user = kernel << USER_SHIFT;
	/* SDM 29.3.3.2: by the linear address, and users have nothing of a supervisor's. */
	else if (format->is_user_by_page && (inner & USER_ALL))
		kernel = (kernel & ~(unsigned)PGW_KERNEL_X) |
			 (user & PGW_USER_X ? PGW_KERNEL_X : 0u);
	return (uint8_t)(inner & (kernel | user));
}

/* Stage 1 has no leaf for the address. */
static void end_in_stage1(uint64_t va, const struct pgw_translation *inner,
			  struct pgw_nested_translation *ret)
{
	*ret = (struct pgw_nested_translation){
		.kind = inner->kind,
		.stage = 1,
		.level = inner->level,
		.address = va,
	};
}

/* Stage 2 was asked for an address. */
static void end_in_stage2(uint64_t gpa, enum pgw_entry_kind kind,
			  const struct pgw_translation *outer, struct pgw_nested_translation *ret)
{
	*ret = (struct pgw_nested_translation){
		.kind = kind,
		.stage = 2,
		.level = outer->level,
		.address = gpa,
	};
}

/* Stage 1 has a leaf, and outer is what stage 2 has for its address. */
static void end_in_both(const struct pgw_mm *stage2, const struct pgw_translation *inner,
			const struct pgw_translation *outer, struct pgw_nested_translation *ret)
{
	end_in_stage2(inner->pa, outer->kind, outer, ret);
	if (outer->kind != PGW_ENTRY_LEAF)
		return;
	ret->leaf_lg2 = inner->leaf_lg2 < outer->leaf_lg2 ? inner->leaf_lg2 : outer->leaf_lg2;
	ret->rights = rights_for_actors(stage2->pt.format, inner->rights, outer->rights);
	ret->pa = outer->pa;
}

static bool is_readable(const struct pgw_translation *outer)
{
	return outer->kind == PGW_ENTRY_LEAF && (outer->rights & (PGW_KERNEL_R | PGW_USER_R));
}

static int ask_stage2(struct pgw_mm *stage2, uint64_t gpa, struct pgw_nested_path *path)
{
	struct pgw_nested_step *step = &path->step[path->nr_steps];
	int err;

	step->gpa = gpa;
	err = pgw_translate_path(stage2, gpa, &step->result, &step->path);
	if (!err)
		path->nr_steps++;
	return err;
}

static void nested_end(const struct pgw_mm *stage2, uint64_t va, const struct pgw_nested_path *path,
		       struct pgw_nested_translation *ret)
{
	const struct pgw_nested_step *last = path->nr_steps ? &path->step[path->nr_steps - 1] : NULL;

	if (path->stage1.kind == PGW_ENTRY_LEAF && last)
		end_in_both(stage2, &path->stage1, &last->result, ret);
	else if (path->stage1.kind == PGW_ENTRY_UNREADABLE && last && !is_readable(&last->result))
		end_in_stage2(last->gpa,
			      last->result.kind == PGW_ENTRY_LEAF ? PGW_ENTRY_UNREADABLE
								  : last->result.kind,
			      &last->result, ret);
	else
		end_in_stage1(va, &path->stage1, ret);
}

int pgw_translate_nested(struct pgw_mm *stage1, struct pgw_mm *stage2, uint64_t va,
			 struct pgw_nested_translation *ret, struct pgw_nested_path *ret_path)
{
	struct pgw_nested_path path;
	int err;

	if (!stage1 || !stage2 || !ret)
		return -PGW_EINVAL;
	if (!ret_path)
		ret_path = &path;
	ret_path->path.nr_steps = ret_path->nr_steps = 0;
	err = pgw_translate_path(stage1, va, &ret_path->stage1, &ret_path->path);
	for (unsigned i = 0; i < ret_path->path.nr_steps && !err; i++)
		err = ask_stage2(stage2, ret_path->path.step[i].item_pa, ret_path);
	if (!err && ret_path->stage1.kind == PGW_ENTRY_LEAF)
		err = ask_stage2(stage2, ret_path->stage1.pa, ret_path);
	if (!err)
		nested_end(stage2, va, ret_path, ret);
	return err;
}

/** Addresses on their way through both stages. */
struct nested_batch {
	struct pgw_mm *stage1, *stage2;
	const uint64_t *va;
	struct pgw_nested_translation *ret;
	struct pgw_translation inner[BATCH], outer[BATCH];
	uint64_t gpa[BATCH];
};

/* Stage 2 of what stage 1 has leaves for. @return how many of n are done, from the first on */
static size_t batch_stage2(struct nested_batch *batch, size_t n)
{
	size_t nr, at;

	/* Others are at no address: they are asked for all the same, so that all stay in their places. */
	for (size_t i = 0; i < n; i++)
		batch->gpa[i] = batch->inner[i].pa;
	nr = pgw_translate_batch(batch->stage2, batch->gpa, batch->outer, n);
	for (at = 0; at < nr; at++) {
		const struct pgw_translation *inner = &batch->inner[at];

		if (pgw_likely(inner->kind == PGW_ENTRY_LEAF))
			end_in_both(batch->stage2, inner, &batch->outer[at], &batch->ret[at]);
		else if (inner->kind != PGW_ENTRY_UNREADABLE)
			end_in_stage1(batch->va[at], inner, &batch->ret[at]);
		else if (pgw_translate_nested(batch->stage1, batch->stage2, batch->va[at],
					      &batch->ret[at], NULL))
			break;
	}
	return at;
}

size_t pgw_translate_nested_batch(struct pgw_mm *stage1, struct pgw_mm *stage2, const uint64_t *va,
				  struct pgw_nested_translation *ret, size_t n)
{
	struct nested_batch batch; /* large: filled in as far as it is needed */
	size_t done = 0;

	if (!stage1 || !stage2 || !va || !ret)
		return 0;
	batch.stage1 = stage1;
	batch.stage2 = stage2;
	while (done < n) {
		size_t wanted = n - done < BATCH ? n - done : BATCH, nr;

		batch.va = va + done;
		batch.ret = ret + done;
		nr = pgw_translate_batch(stage1, batch.va, batch.inner, wanted);
		nr = nr ? batch_stage2(&batch, nr) : 0;
		done += nr;
		if (nr < wanted)
			break;
	}
	return done;
}

const char *pgw_nested_memory_type(const struct pgw_mm *stage1, const struct pgw_mm *stage2,
				   const struct pgw_nested_path *path)
{
	const struct pgw_nested_step *last = path->nr_steps ? &path->step[path->nr_steps - 1] : NULL;
	const struct pgw_format *format = stage2->pt.format;

	if (!format->combined_type || path->stage1.kind != PGW_ENTRY_LEAF || !last ||
	    last->result.kind != PGW_ENTRY_LEAF)
		return NULL;
	return format->combined_type(
		&(struct pt_typed){ stage1->pt.format, &stage1->pt.control, path->stage1.entry },
		&(struct pt_typed){ format, &stage2->pt.control, last->result.entry });
}
