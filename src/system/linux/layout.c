/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <stdlib.h>
#include <string.h>

#include "source/source.h"
#include "system/system_priv.h"

#define NONE SIZE_MAX
#define MAX_READS (UINT64_C(1) << 26)

/* Those that hold others come first; of equal ones, the one that is better known is inside. */
static int by_range(const void *a, const void *b)
{
	const struct pgw_layout_range *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->last != y->last)
		return x->last > y->last ? -1 : 1;
	return x->source < y->source ? -1 : x->source > y->source;
}

/*
 * Which range holds which. Two may overlap at their ends, as pieces of the image and the areas that
 * map them do: then the later one has what both have, and neither holds the other.
 */
static int layout_nest(struct pgw_layout *layout)
{
	struct pgw_layout_range *list = layout->list;

	layout->outer = malloc((layout->nr + 1) * sizeof(*layout->outer));
	if (!layout->outer)
		return -PGW_ENOMEM;
	if (layout->nr)
		qsort(list, layout->nr, sizeof(*list), by_range);
	for (size_t i = 0; i < layout->nr; i++) {
		size_t outer = i ? i - 1 : NONE;

		while (outer != NONE && list[outer].last < list[i].last) {
			layout->met.nr_torn += list[outer].last >= list[i].first &&
					       list[outer].source == list[i].source &&
					       list[i].source >= PGW_LAYOUT_VMALLOC;
			outer = layout->outer[outer];
		}
		layout->outer[i] = outer;
		list[i].depth = outer == NONE ? 0 : list[outer].depth + 1;
		if (!list[i].detail)
			list[i].detail = "";
	}
	return 0;
}

static const char *missing(const struct pgw_error *err)
{
	return err->expected ? err->expected : pgw_status_text(err->status);
}

/* What needs types: without them, the rest is there all the same. */
static int layout_of_structs(struct pgw_layout *layout, struct linux_inside *inside)
{
	struct pgw_modules *modules = NULL;
	struct pgw_error err = { 0 };
	int status = pgw_modules_open(inside->image, &modules, &err);

	if (status == -PGW_ENOMEM)
		return status;
	if (status)
		layout->met.no_modules = missing(&err);
	else
		status = layout_of_modules(layout, modules);
	if (!modules || !status)
		status = layout_of_vmalloc(layout, inside, modules);
	pgw_modules_close(modules);
	return status;
}

static int layout_read(struct pgw_layout *layout, struct pgw_image *image, struct pgw_error *err)
{
	struct linux_inside *inside = calloc(1, sizeof(*inside));
	struct pgw_error why = { 0 };
	struct pgw_root_info root;
	int status = inside ? pgw_image_kernel_root(image, &root, err)
			    : source_fail(err, -PGW_ENOMEM, NULL);
	bool has_types = false;

	if (!status) {
		layout->format = root.format;
		has_types = linux_inside_open(inside, image, &why) == 0;
		if (!has_types) {
			layout->met.no_vmalloc = layout->met.no_modules = missing(&why);
			layout->met.no_symbols = inside->symbols ? NULL : missing(&why);
			linux_memory_init(&inside->memory, image, &root);
			inside->image = image;
		}
		inside->memory.reads_left = MAX_READS;
		status = layout_of_arch(layout, inside);
	}
	if (!status && inside->symbols)
		status = layout_of_image(layout, inside);
	if (!status && has_types)
		status = layout_of_structs(layout, inside);
	if (!status)
		status = layout_nest(layout);
	free(inside);
	return status;
}

int pgw_layout_open(struct pgw_image *image, struct pgw_layout **ret, struct pgw_error *err)
{
	struct pgw_layout *layout = calloc(1, sizeof(*layout));
	int status;

	if (err)
		*err = (struct pgw_error){ 0 };
	if (!layout)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = layout_read(layout, image, err);
	if (status == -PGW_ENOMEM)
		source_fail(err, status, NULL);
	if (status) {
		pgw_layout_close(layout);
		return status;
	}
	*ret = layout;
	return 0;
}

void pgw_layout_close(struct pgw_layout *layout)
{
	if (!layout)
		return;
	for (size_t i = 0; i < layout->nr; i++) {
		if (layout->list[i].detail && *layout->list[i].detail)
			free((char *)(uintptr_t)layout->list[i].detail);
	}
	free(layout->list);
	free(layout->outer);
	free(layout);
}

const struct pgw_layout_range *pgw_layout_list(const struct pgw_layout *layout, size_t *ret_nr)
{
	*ret_nr = layout->nr;
	return layout->list;
}

const struct pgw_layout_met *pgw_layout_get_met(const struct pgw_layout *layout)
{
	return &layout->met;
}

const struct pgw_layout_range *pgw_layout_at(const struct pgw_layout *layout, uint64_t va)
{
	size_t first = 0, end = layout->nr;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (layout->list[middle].first <= va)
			first = middle + 1;
		else
			end = middle;
	}
	/* The last one that begins at or below va, or one that holds it. */
	for (size_t i = first ? first - 1 : NONE; i != NONE; i = layout->outer[i]) {
		if (layout->list[i].last >= va)
			return &layout->list[i];
	}
	return NULL;
}

const struct pgw_layout_range *pgw_layout_outer(const struct pgw_layout *layout,
						const struct pgw_layout_range *range)
{
	size_t outer = layout->outer[range - layout->list];

	return outer == NONE ? NULL : &layout->list[outer];
}
