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

/* Tables of raw memory may be of any machine, until it is known which. */
static unsigned wanted_archs(const struct pgw_image *image)
{
	if (image->arch)
		return 1u << image->arch->id;
	return !image->source.has_machine ? (1u << _IMAGE_ARCH_MAX) - 1 : 0;
}

/* What a survey finds: pages of each kind of each machine, and texts. */
#define FINDING_OF(arch, kind) ((arch)*_IMAGE_PAGE_KIND_MAX + (kind))
#define FINDING_TEXT FINDING_OF(_IMAGE_ARCH_MAX, 0)
#define FINDING_FOREIGN (FINDING_TEXT + 1)
_Static_assert(FINDING_FOREIGN + IMAGE_FOREIGN_KINDS <= IMAGE_FINDINGS, "too many machines");

struct survey_until {
	struct pgw_image *image;
	image_survey_enough_fn *is_enough; /* or NULL */
	void *arg;
	unsigned archs; /* that pages are looked at for */
	image_foreign_look_fn *foreign; /* or NULL */
};

static void add_finding(struct image_finding *finding, unsigned which, unsigned page)
{
	finding->pages[which] |= UINT32_C(1) << page;
	finding->is_any = true;
}

static void look_at_page(const struct survey_until *until, const uint8_t *bytes, unsigned page,
			 struct image_finding *finding)
{
	if (image_is_vmcoreinfo(bytes))
		add_finding(finding, FINDING_TEXT, page);
	for (unsigned kinds = until->foreign ? until->foreign(bytes) : 0; kinds; kinds &= kinds - 1)
		add_finding(finding, FINDING_FOREIGN + (unsigned)__builtin_ctz(kinds), page);
	for (unsigned id = 0; until->archs >> id; id++) {
		unsigned kinds = 0;

		if (until->archs >> id & 1)
			kinds = until->image->archs[id].ops->page_kinds(bytes);
		for (unsigned kind = 0; kinds >> kind; kind++) {
			if (kinds >> kind & 1)
				add_finding(finding, FINDING_OF(id, kind), page);
		}
	}
}

/* Memory is read once for all that is looked for: reading it costs more than looking. */
static void survey_look(const struct image_block *block, struct image_finding *finding, void *arg)
{
	for (uint32_t left = block->whole; left; left &= left - 1) {
		unsigned page = (unsigned)__builtin_ctz(left);
		const uint8_t *bytes = block->bytes + (size_t)page * IMAGE_PAGE;

		/* No kind of page is zero, and many pages are. */
		if (!image_page_is_zero(bytes))
			look_at_page(arg, bytes, page, finding);
	}
}

/* Keep pages under the kind that they may be of. */
int image_pages_take(struct image_pages *pages, uint64_t pa, uint32_t found)
{
	int status = 0;

	for (; found && !status; found &= found - 1)
		status = image_pages_add(pages, pa + (uint64_t)(unsigned)__builtin_ctz(found) *
								IMAGE_PAGE);
	return status;
}

static int take_texts(struct pgw_image *image, uint64_t pa, uint32_t found)
{
	int status = 0;

	for (; found && !status; found &= found - 1)
		status = image_vmcoreinfo_take(
			image, pa + (uint64_t)(unsigned)__builtin_ctz(found) * IMAGE_PAGE);
	return status;
}

/* Only a new text can settle the question, so only then is it asked. */
static int survey_take(uint64_t pa, const struct image_finding *finding, void *arg)
{
	struct survey_until *until = arg;
	struct pgw_image *image = until->image;
	size_t nr_before = image->nr_texts;
	int status = 0;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX && !status; kind++)
			status = image_pages_take(&image->surveys[id].pages[kind], pa,
						  finding->pages[FINDING_OF(id, kind)]);
	}
	for (unsigned kind = 0; kind < IMAGE_FOREIGN_KINDS && !status; kind++)
		status = image_pages_take(&image->foreign_pages[kind], pa,
					  finding->pages[FINDING_FOREIGN + kind]);
	if (!status)
		status = take_texts(image, pa, finding->pages[FINDING_TEXT]);
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
	struct survey_until until = { image, is_enough, arg, wanted_archs(image), NULL };
	const struct image_look look = { survey_look, survey_take, &until };
	int status;

	if (image->is_surveyed)
		return 0;
	if (!image->has_foreign_pages)
		until.foreign = image->foreign_look;
	status = image_ram_look(image, &look);
	/* An early stop leaves a partial survey. */
	if (status) {
		image_survey_undo(image);
		return status;
	}
	image->is_surveyed = true;
	image->has_foreign_pages |= until.foreign != NULL;
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

void image_foreign_pages_forget(struct pgw_image *image)
{
	for (unsigned kind = 0; kind < IMAGE_FOREIGN_KINDS; kind++) {
		free(image->foreign_pages[kind].pa);
		image->foreign_pages[kind] = (struct image_pages){ 0 };
	}
	image->has_foreign_pages = false;
}

void image_survey_forget(struct pgw_image *image)
{
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++)
			free(image->surveys[id].pages[kind].pa);
		image->surveys[id] = (struct image_survey){ 0 };
	}
	image_foreign_pages_forget(image);
	image->identity_is_known = false;
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
