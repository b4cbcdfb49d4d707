/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

#define MARKER_NAME 8
#define MARKER_MAX_LINES 16 /* where elements have it */
#define MARKER_MAX_SIZE 24

#define KERNEL_PAGE (BIT(63) | BITS(11, 0))

/** A word of the array that is looked for. */
struct pattern {
	uint64_t mask;
	uint64_t value;
};

/*
 * Linux's array of markers: start address, pointer to the name, and on x86 a
 * limit of lines. Each architecture's begins with markers of its own. To add
 * one, extend layouts.
 */
struct layout {
	const char *arch; /* as pgw_format_arch() */
	size_t size;      /* of an element */
	struct pattern start[2];
	const char *name[2];
};

static const struct layout layouts[] = {
	{ "x86_64",
	  24,
	  { { UINT64_MAX, 0 }, { UINT64_MAX, BIT(63) } },
	  { "User Space", "Kernel Space" } },
	{ "arm64",
	  16,
	  { { KERNEL_PAGE, BIT(63) }, { KERNEL_PAGE, BIT(63) } },
	  { "Linear Mapping start", "Linear Mapping end" } },
	{ "riscv64",
	  16,
	  { { KERNEL_PAGE, BIT(63) }, { KERNEL_PAGE, BIT(63) } },
	  { "Fixmap start", "Fixmap end" } },
};

struct search {
	struct pgw_image *image;
	const struct pgw_root_info *root;
	const struct layout *layout;
	struct pgw_marker list[IMAGE_MAX_MARKERS];
	size_t nr;
};

static const struct layout *layout_find(const struct pgw_format *format)
{
	const char *arch = pgw_format_arch(format);

	for (size_t i = 0; i < PGW_ARRAY_SIZE(layouts); i++)
		if (strcmp(layouts[i].arch, arch) == 0)
			return &layouts[i];
	return NULL;
}

static bool pattern_fits(const struct pattern *pattern, uint64_t word)
{
	return (word & pattern->mask) == pattern->value;
}

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
	uint8_t raw[MARKER_MAX_SIZE];
	size_t size = search->layout->size;
	char name[IMAGE_MAX_MARKER_NAME];
	uint64_t name_va;

	if (pgw_phys_read(&search->image->phys, pa, raw, size))
		return -PGW_ENOENT;
	ret->va = load_le64(raw);
	ret->max_lines = size > MARKER_MAX_LINES ? load_le64(raw + MARKER_MAX_LINES) : 0;
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
	const struct layout *layout = search->layout;
	const size_t nr_names = PGW_ARRAY_SIZE(layout->name);
	int status = 1;

	while (search->nr < IMAGE_MAX_MARKERS && status > 0) {
		size_t i = search->nr;

		status = marker_read(search, pa + i * layout->size,
				     i < nr_names ? layout->name[i] : NULL, &search->list[i]);
		search->nr += status > 0;
	}
	if (status == 0 && search->nr >= nr_names)
		return 1;
	search_forget(search);
	return status == -PGW_ENOMEM ? status : 0;
}

static bool word_fits(struct search *search, uint64_t pa, const struct pattern *pattern)
{
	uint8_t word[8];

	return pgw_phys_read(&search->image->phys, pa, word, sizeof(word)) == 0 &&
	       pattern_fits(pattern, load_le64(word));
}

/* Looks for the start of the second marker, which on x86_64 says more than the first one's. */
static int window_search(const struct image_window *window, void *arg)
{
	struct search *search = arg;
	const struct layout *layout = search->layout;
	int status = 0;

	for (size_t i = (size_t)(-window->pa & 7); i + 8 <= window->size && !status; i += 8) {
		uint64_t pa = window->pa + i;

		if (pgw_likely(!pattern_fits(&layout->start[1], load_le64(window->bytes + i))) ||
		    pa < layout->size || !word_fits(search, pa - layout->size, &layout->start[0]))
			continue;
		status = array_read(search, pa - layout->size);
	}
	return status;
}

static int markers_keep(struct pgw_image *image, struct search *search)
{
	struct pgw_marker *list = malloc(search->nr * sizeof(*list));

	if (!list) {
		search_forget(search);
		return -PGW_ENOMEM;
	}
	memcpy(list, search->list, search->nr * sizeof(*list));
	image->markers = list;
	image->nr_markers = search->nr;
	return 0;
}

int pgw_image_markers(struct pgw_image *image, const struct pgw_root_info *kernel_root,
		      const struct pgw_marker **ret_list, size_t *ret_nr)
{
	struct search search = {
		.image = image,
		.root = kernel_root,
		.layout = layout_find(kernel_root->format),
	};
	int status = 0;

	if (!image->nr_markers && search.layout)
		status = image_ram_scan(image, window_search, &search);
	if (status >= 0 && search.nr)
		status = markers_keep(image, &search);
	if (status < 0)
		return status;
	*ret_list = image->markers;
	*ret_nr = image->nr_markers;
	return 0;
}
