/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"
#include "system/roots/root.h"
#include "system/roots/tree_tables.h"

/*
 * A machine that runs is stopped for as long as it takes to copy some of its page tables. What was
 * copied is the image from then on, as if it were a dump of that moment.
 */

/* Distinct tables: at 4 KiB, 4 GiB of them. */
#define HOLD_BUDGET (UINT64_C(1) << 20)

/* Room for tables that the machine makes until it stands. */
#define SPARE_PAGES 256

struct hold {
	struct pgw_image *image;
	const struct pgw_hold_args *args;
	bool is_counting; /* before the pause: nothing is copied */
	uint64_t nr_bytes;
	uint64_t nr_tables; /* of trees that are done */
};

static bool is_over(const struct hold *hold)
{
	return hold->args->max_pause_ns &&
	       source_paused_ns(&hold->image->source) > hold->args->max_pause_ns;
}

/* What is not there is unreadable in what was copied, too. */
static int hold_table(uint64_t pa, uint64_t size, void *arg)
{
	struct hold *hold = arg;
	int status;

	hold->nr_bytes += size;
	/* One that stands while it is read does so now, too. */
	if (is_over(hold))
		return -PGW_EBUSY;
	if (hold->is_counting)
		return 0;
	status = source_hold_range(&hold->image->source, pa, pa + (size - 1));
	return status == -PGW_EIO ? 0 : status;
}

/* Trees that share tables are looked at one by one: what was copied is not copied again. */
static int hold_tree(struct hold *hold, const struct pgw_root_info *root, struct pgw_root top)
{
	struct tables tables = {
		.phys = &hold->image->phys,
		.format = root->format,
		.control = pgw_control_assume(root->format, &root->control),
		.budget = HOLD_BUDGET - hold->nr_tables,
		.are_lowest_passed = true,
		.table = hold_table,
		.arg = hold,
	};
	int status = tables_visit(&tables, top);

	hold->nr_tables += tables.met.nr_tables;
	tables_fini(&tables);
	return status == -PGW_EINVAL ? 0 : status;
}

static int hold_root(struct hold *hold, const struct pgw_root_info *root)
{
	int status;

	/* A guest's tables lie in the guest's memory, not where its root says. */
	if (root->state == PGW_ROOT_GUEST)
		return 0;
	status = hold_tree(hold, root, root->root);
	return !status && root->has_twin ? hold_tree(hold, root, root->twin) : status;
}

/* By the registers that are known now. */
static int hold_cpus(struct hold *hold)
{
	int status = 0;

	for (size_t i = 0; i < hold->image->nr_cpus && !status; i++) {
		struct pgw_root_info root;

		if (image_cpu_kernel_root(hold->image, i, &root))
			status = hold_root(hold, &root);
		if (!status && image_cpu_user_loaded(hold->image, i, &root))
			status = hold_root(hold, &root);
	}
	return status;
}

static int hold_pages(struct hold *hold)
{
	const struct pgw_hold_args *args = hold->args;
	int status = 0;

	for (size_t i = 0; i < args->nr_pages && !status; i++) {
		hold->nr_bytes += args->pages[i].last - args->pages[i].first + 1;
		if (!hold->is_counting)
			status = source_hold_range(&hold->image->source, args->pages[i].first,
						   args->pages[i].last);
		status = status == -PGW_EIO ? 0 : status;
	}
	return status;
}

static int hold_all(struct hold *hold)
{
	const struct pgw_hold_args *args = hold->args;
	int status = hold_pages(hold);

	for (size_t i = 0; i < args->nr_roots && !status; i++)
		status = hold_root(hold, &args->roots[i]);
	return !status && args->has_cpus ? hold_cpus(hold) : status;
}

static int refresh(struct pgw_image *image)
{
	int status = source_refresh(&image->source);

	if (!status)
		status = image_cpus_take(image, NULL);
	return status ? status : image_registers_apply(image);
}

/* While the machine stands still. */
static int copy(struct hold *hold)
{
	struct pgw_image *image = hold->image;
	int status = hold->args->has_cpus ? refresh(image) : 0;

	if (!status)
		status = hold_all(hold);
	if (!status && is_over(hold))
		status = -PGW_EBUSY;
	return status;
}

static int count(struct pgw_image *image, const struct pgw_hold_args *args, size_t *ret_nr_pages)
{
	struct hold hold = { .image = image, .args = args, .is_counting = true };
	int status = hold_all(&hold);

	*ret_nr_pages = (size_t)(hold.nr_bytes / IMAGE_PAGE) + SPARE_PAGES;
	return status;
}

static void take_memory(struct pgw_image *image)
{
	image->phys = image->source.phys;
	image->info.is_live = image->source.is_live;
	image->info.readable_bytes = image->source.info.readable_bytes;
	image->info.unreadable_bytes = image->source.info.unreadable_bytes;
	image->info.nr_ranges = image->source.info.nr_ranges;
}

int pgw_image_hold(struct pgw_image *image, const struct pgw_hold_args *args)
{
	struct hold hold = { .image = image, .args = args };
	size_t nr_pages;
	int status, resumed;

	if (!args || (args->nr_roots && !args->roots) || (args->nr_pages && !args->pages) ||
	    !image->source.is_live)
		return -PGW_EINVAL;
	if (!image->source.pauses)
		return -PGW_EOPNOTSUPP;
	status = count(image, args, &nr_pages);
	if (!status)
		status = source_hold_begin(&image->source, nr_pages);
	if (status)
		return status;
	image->phys = image->source.phys;
	status = source_pause(&image->source);
	resumed = status;
	if (!status) {
		status = copy(&hold);
		resumed = source_resume(&image->source);
	}
	image->info.paused_ns = source_paused_ns(&image->source);
	if (!status)
		status = resumed;
	if (!status)
		status = source_hold_end(&image->source);
	if (status)
		source_hold_drop(&image->source);
	else
		image_forget(image);
	take_memory(image);
	return status;
}

void pgw_image_release(struct pgw_image *image)
{
	if (!image->source.hold)
		return;
	source_hold_drop(&image->source);
	image_forget(image);
	take_memory(image);
}

uint64_t pgw_image_stood_ns(const struct pgw_image *image)
{
	return source_paused_ns(&image->source);
}

int pgw_image_refresh_cpus(struct pgw_image *image)
{
	int status = image->source.is_live ? refresh(image) : -PGW_EINVAL;

	if (!status)
		image->info.paused_ns = source_paused_ns(&image->source);
	return status;
}
