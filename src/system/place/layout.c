/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

bool image_usual_layout(const struct pgw_image *file, struct image_layout *ret)
{
	const struct source *source = &file->source;

	*ret = (struct image_layout){ .nr = source->nr_usual };
	for (unsigned i = 0; i < source->nr_usual; i++)
		ret->piece[i] = (struct image_piece){
			.pa = source->usual[i].pa,
			.offset = source->usual[i].offset,
			.size = source->usual[i].size,
		};
	return ret->nr;
}

/* Give the source the layout's segments. @return 0 or -PGW_ENOMEM */
static int layout_map(const struct image_layout *layout, struct source *ret)
{
	struct source_segment segments[IMAGE_MAX_PIECES];

	for (unsigned i = 0; i < layout->nr; i++) {
		const struct image_piece *piece = &layout->piece[i];

		segments[i] = (struct source_segment){
			.pa = piece->pa,
			.size = piece->size,
			.file_size = piece->size,
			.offset = piece->offset,
		};
	}
	return source_place(ret, segments, layout->nr);
}

/* Pre: the layout has a place for the offset. */
static uint64_t layout_pa(const struct image_layout *layout, uint64_t offset)
{
	unsigned i = 0;

	while (i + 1 < layout->nr && layout->piece[i + 1].offset <= offset)
		i++;
	return layout->piece[i].pa + (offset - layout->piece[i].offset);
}

/* Make pages' offsets into addresses. Pieces ascend in both, so the pages stay sorted. */
static int pages_place(const struct image_pages *from, const struct image_layout *layout,
		       struct image_pages *ret)
{
	if (!from->nr)
		return 0;
	ret->pa = malloc(from->nr * sizeof(*ret->pa));
	if (!ret->pa)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < from->nr; i++)
		ret->pa[i] = layout_pa(layout, from->pa[i]);
	ret->nr = from->nr;
	ret->is_cut = from->is_cut;
	return 0;
}

/* Texts of notes and options have no place in memory: only those after them are moved. */
static void texts_place(const struct pgw_image *file, const struct image_layout *layout,
			struct pgw_image *ret)
{
	ret->nr_texts = file->nr_texts;
	ret->nr_note_texts = file->nr_note_texts;
	memcpy(ret->texts, file->texts, sizeof(ret->texts));
	for (size_t i = ret->nr_note_texts; i < ret->nr_texts; i++)
		ret->texts[i].pa = layout_pa(layout, ret->texts[i].pa);
}

int image_view_init(struct pgw_image *view, const struct pgw_image *file,
		    const struct image_arch *arch, const struct image_layout *layout)
{
	int status;

	*view = (struct pgw_image){
		.options = file->options,
		.archs = file->archs,
		.arch = arch,
		.is_surveyed = true,
		.search_left = IMAGE_SEARCH_BUDGET,
	};
	source_view_init(&view->source, &file->source);
	view->phys = view->source.phys;
	status = layout_map(layout, &view->source);
	view->info = view->source.info;
	for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX && !status; kind++)
		status = pages_place(&file->surveys[arch->id].pages[kind], layout,
				     &view->surveys[arch->id].pages[kind]);
	texts_place(file, layout, view);
	if (status)
		image_view_fini(view);
	return status;
}

void image_view_fini(struct pgw_image *view)
{
	image_survey_forget(view);
	source_view_fini(&view->source);
	*view = (struct pgw_image){ 0 };
}

void image_view_commit(struct pgw_image *view, struct pgw_image *file)
{
	unsigned id = view->arch->id;

	source_view_commit(&view->source, &file->source);
	image_survey_forget(file);
	file->arch = view->arch;
	file->surveys[id] = view->surveys[id];
	memcpy(file->texts, view->texts, sizeof(file->texts));
	file->kernels_known = false;
	file->info = file->source.info;
	*view = (struct pgw_image){ 0 };
}
