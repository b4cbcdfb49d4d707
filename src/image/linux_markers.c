/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* An element of Linux's array of markers: start address, pointer to the name, line limit. */
#define MARKER_SIZE 24
#define MARKER_NAME 8
#define MARKER_MAX_LINES 16

/* The second element's start: where the kernel's part of the dump begins on x86_64. */
#define KERNEL_SPACE BIT(63)

struct search {
	struct pgw_image *image;
	const struct pgw_root_info *root;
	struct pgw_marker list[IMAGE_MAX_MARKERS];
	size_t nr;
};

/* A string through the root, page by page. False if it is not short and printable. */
static bool name_read(const struct search *search, uint64_t va, char *ret)
{
	size_t len = 0;

	while (len < IMAGE_MAX_MARKER_NAME) {
		size_t n = IMAGE_PAGE - (size_t)(va & (IMAGE_PAGE - 1));
		struct pgw_translation at;

		if (n > IMAGE_MAX_MARKER_NAME - len)
			n = IMAGE_MAX_MARKER_NAME - len;
		if (!image_root_translate(search->image, search->root, va, &at) ||
		    pgw_phys_read(&search->image->phys, at.pa, ret + len, n))
			return false;
		for (va += n; n; n--, len++) {
			if (ret[len] == '\0')
				return len > 0;
			if (ret[len] < ' ' || ret[len] > '~')
				return false;
		}
	}
	return false;
}

/* @return 1 if there is a marker, 0 at the end marker, negative if this is no marker or on failure
 */
static int marker_read(struct search *search, uint64_t pa, const char *expected_name,
		       struct pgw_marker *ret)
{
	uint8_t raw[MARKER_SIZE];
	char name[IMAGE_MAX_MARKER_NAME];
	uint64_t name_va;

	if (pgw_phys_read(&search->image->phys, pa, raw, sizeof(raw)))
		return -PGW_ENOENT;
	ret->va = load_le64(raw);
	ret->max_lines = load_le64(raw + MARKER_MAX_LINES);
	name_va = load_le64(raw + MARKER_NAME);
	if (ret->va == UINT64_MAX && !name_va)
		return 0;
	if (!name_read(search, name_va, name) ||
	    (expected_name && strcmp(name, expected_name) != 0))
		return -PGW_ENOENT;
	ret->name = strdup(name);
	return ret->name ? 1 : -PGW_ENOMEM;
}

static void search_forget(struct search *search)
{
	while (search->nr)
		free((char *)(uintptr_t)search->list[--search->nr].name);
}

/*
 * Read an array. Stops at the end marker, which must come.
 * @return 1, 0 if this is no array of markers, -PGW_ENOMEM
 */
static int array_read(struct search *search, uint64_t pa)
{
	static const char *const first_names[] = { "User Space", "Kernel Space" };
	int status = 1;

	while (search->nr < IMAGE_MAX_MARKERS && status > 0) {
		size_t i = search->nr;

		status = marker_read(search, pa + i * MARKER_SIZE,
				     i < PGW_ARRAY_SIZE(first_names) ? first_names[i] : NULL,
				     &search->list[i]);
		search->nr += status > 0;
	}
	if (status == 0 && search->nr >= PGW_ARRAY_SIZE(first_names))
		return 1;
	search_forget(search);
	return status == -PGW_ENOMEM ? status : 0;
}

static int window_search(const struct image_window *window, void *arg)
{
	struct search *search = arg;
	int status = 0;

	for (size_t i = (size_t)(-window->pa & 7); i + 8 <= window->size && !status; i += 8) {
		uint64_t pa = window->pa + i, first_va;

		if (pgw_likely(load_le64(window->bytes + i) != KERNEL_SPACE) || pa < MARKER_SIZE ||
		    pgw_phys_read(&search->image->phys, pa - MARKER_SIZE, &first_va,
				  sizeof(first_va)) ||
		    first_va != 0)
			continue;
		status = array_read(search, pa - MARKER_SIZE);
	}
	return status;
}

int pgw_image_markers(struct pgw_image *image, const struct pgw_root_info *kernel_root,
		      const struct pgw_marker **ret_list, size_t *ret_nr)
{
	struct search search = { .image = image, .root = kernel_root };
	struct pgw_marker *list;
	int status;

	if (!image->nr_markers) {
		status = image_ram_scan(image, window_search, &search);
		if (status < 0)
			return status;
		if (search.nr) {
			list = malloc(search.nr * sizeof(*list));
			if (!list) {
				search_forget(&search);
				return -PGW_ENOMEM;
			}
			memcpy(list, search.list, search.nr * sizeof(*list));
			image->markers = list;
			image->nr_markers = search.nr;
		}
	}
	*ret_list = image->markers;
	*ret_nr = image->nr_markers;
	return 0;
}
