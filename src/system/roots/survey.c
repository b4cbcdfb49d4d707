/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

int image_pages_add(struct image_pages *pages, uint64_t pa)
{
	if (pages->nr == IMAGE_MAX_PAGES) {
		pages->is_cut = true;
		return 0;
	}
	if (source_array_grow((void **)&pages->pa, pages->nr, sizeof(pa)))
		return -PGW_ENOMEM;
	pages->pa[pages->nr++] = pa;
	return 0;
}

/* Keep a page under each kind that it may be of. */
static int page_look(struct image_survey *survey, const struct image_arch_ops *ops, uint64_t pa,
		     const uint8_t *page)
{
	unsigned kinds = ops->page_kinds(page);
	int status = 0;

	for (unsigned kind = 0; kinds >> kind && !status; kind++) {
		if (kinds >> kind & 1)
			status = image_pages_add(&survey->pages[kind], pa);
	}
	return status;
}

/* Tables of raw memory may be of any machine, until it is known which. */
static unsigned wanted_archs(const struct pgw_image *image)
{
	if (image->arch)
		return 1u << image->arch->id;
	return !image->source.has_machine ? (1u << _IMAGE_ARCH_MAX) - 1 : 0;
}

/* Memory is read once for all that is looked for: reading it costs more than looking. */
static int look_at_window(struct pgw_image *image, const struct image_window *window)
{
	unsigned archs = wanted_archs(image);
	int status = 0;

	for (size_t i = image_window_first_page(window); i + IMAGE_PAGE <= window->size && !status;
	     i += IMAGE_PAGE) {
		for (unsigned id = 0; archs >> id && !status; id++) {
			if (archs >> id & 1)
				status = page_look(&image->surveys[id], image->archs[id].ops,
						   window->pa + i, window->bytes + i);
		}
	}
	if (!status)
		status = image_vmcoreinfo_look(image, window);
	return status;
}

struct survey_until {
	struct pgw_image *image;
	image_survey_enough_fn *is_enough; /* or NULL */
	void *arg;
};

/* Only a new text can settle the question, so only then is it asked. */
static int survey_window(const struct image_window *window, void *arg)
{
	struct survey_until *until = arg;
	struct pgw_image *image = until->image;
	size_t nr_before = image->nr_texts;
	int status = look_at_window(image, window);

	return !status && until->is_enough && image->nr_texts > nr_before
		       ? until->is_enough(image, until->arg)
		       : status;
}

void image_survey_undo(struct pgw_image *image)
{
	image_survey_forget(image);
	image_vmcoreinfo_forget(image);
	image->is_surveyed = image->kernels_known = false;
}

int image_survey_until(struct pgw_image *image, image_survey_enough_fn *is_enough, void *arg)
{
	struct survey_until until = { image, is_enough, arg };
	int status;

	if (image->is_surveyed)
		return 0;
	status = image_ram_scan(image, survey_window, &until);
	/* An early stop leaves a partial survey. */
	if (status) {
		image_survey_undo(image);
		return status;
	}
	image->is_surveyed = true;
	image->kernels_known = false;
	return 0;
}

int image_survey(struct pgw_image *image)
{
	return image_survey_until(image, NULL, NULL);
}

int pgw_image_vmcoreinfo(struct pgw_image *image, const struct pgw_vmcoreinfo **ret_list,
			 size_t *ret_nr)
{
	int status = image->nr_note_texts ? 0 : image_survey(image);

	if (status)
		return status;
	*ret_list = image->texts;
	*ret_nr = image->nr_texts;
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
