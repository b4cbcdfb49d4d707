/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>

static int pages_add(struct image_pages *pages, uint64_t pa)
{
	if (pages->nr == IMAGE_MAX_PAGES) {
		pages->is_cut = true;
		return 0;
	}
	if (image_array_grow((void **)&pages->pa, pages->nr, sizeof(pa)))
		return -PGW_ENOMEM;
	pages->pa[pages->nr++] = pa;
	return 0;
}

static int page_look(struct image_survey *survey, const struct image_arch_ops *ops, uint64_t pa,
		     const uint8_t *page)
{
	unsigned kinds = ops->page_kinds(page);
	int status = 0;

	for (unsigned kind = 0; kinds >> kind && !status; kind++) {
		if (kinds >> kind & 1)
			status = pages_add(&survey->pages[kind], pa);
	}
	return status;
}

/* Tables of raw memory may be of any machine, until it is known which. */
static bool is_wanted(const struct pgw_image *image, const struct image_arch *arch)
{
	return image->arch ? image->arch == arch : image->is_raw;
}

static int survey_window(const struct image_window *window, void *arg)
{
	struct pgw_image *image = arg;
	int status = 0;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		const struct image_arch *arch = image_arch_at(id);

		if (!is_wanted(image, arch))
			continue;
		for (size_t i = image_window_first_page(window);
		     i + IMAGE_PAGE <= window->size && !status; i += IMAGE_PAGE)
			status = page_look(&image->surveys[id], arch->ops, window->pa + i,
					   window->bytes + i);
	}
	if (!status && !image->texts_searched)
		status = image_vmcoreinfo_look(image, window);
	return status;
}

int image_survey(struct pgw_image *image)
{
	int status;

	if (image->is_surveyed)
		return 0;
	status = image_ram_scan(image, survey_window, image);
	if (status) {
		/* What was found before the failure is not all: begin anew next time. */
		image_survey_forget(image);
		if (!image->texts_searched)
			image_vmcoreinfo_forget(image);
		return status;
	}
	image->is_surveyed = true;
	image->texts_searched = true;
	return 0;
}

void image_survey_forget(struct pgw_image *image)
{
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++)
			free(image->surveys[id].pages[kind].pa);
		image->surveys[id] = (struct image_survey){ 0 };
	}
}

const struct image_pages *image_pages(const struct pgw_image *image, enum image_page_kind kind)
{
	return &image->surveys[image->arch->id].pages[kind];
}

bool image_search_spend(struct pgw_image *image, uint64_t nr)
{
	if (image->search_left < nr) {
		image->search_left = 0;
		return false;
	}
	image->search_left -= nr;
	return true;
}
