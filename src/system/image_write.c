/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

/* What is known of the system inside goes into the notes of a core that is written. */

#define GUESS_TEXT "placement=guessed\n"

#define MAX_NEW_NOTES 2

struct new_notes {
	struct source_new_note list[MAX_NEW_NOTES];
	size_t nr;
};

static void add_note(struct new_notes *notes, const char *name, uint32_t type, const void *desc,
		     size_t size)
{
	notes->list[notes->nr++] = (struct source_new_note){
		.name = name,
		.type = type,
		.size = (uint32_t)size,
		.desc = desc,
	};
}

static bool is_guess(const struct pgw_image *image)
{
	return image->info.placement >= PGW_PLACEMENT_GUESSED;
}

static bool is_in_notes(const struct source *source, uint64_t offset)
{
	for (size_t i = 0; i < source->nr_notes; i++) {
		const struct source_notes *notes = &source->notes[i];

		if (offset >= notes->offset && offset - notes->offset < notes->size)
			return true;
	}
	return false;
}

/* Only headers say where memory is from here on: that they are a guess has to be said. */
static void add_guess(const struct pgw_image *image, struct new_notes *notes)
{
	if (is_guess(image) && !image->source.nr_notes)
		add_note(notes, SOURCE_NOTE_OWN, SOURCE_NOTE_OWN_PLACEMENT, GUESS_TEXT,
			 sizeof(GUESS_TEXT) - 1);
}

/* Dumps may have the text alone. */
static void add_text(const struct pgw_image *image, struct new_notes *notes)
{
	for (size_t i = 0; i < image->nr_note_texts; i++) {
		const struct pgw_vmcoreinfo *text = &image->texts[i];

		if (text->source != PGW_VMCOREINFO_NOTE ||
		    is_in_notes(&image->source, text->offset))
			continue;
		add_note(notes, "VMCOREINFO", 0, text->text, text->size);
		return;
	}
}

static int write_core(const struct pgw_image *image, const struct source_writing *what,
		      bool is_aligned)
{
	struct new_notes notes = { .nr = 0 };
	struct source_core core = {
		.elf_machine = image->info.elf_machine,
		.is_aligned = is_aligned,
		.notes = notes.list,
	};

	add_guess(image, &notes);
	add_text(image, &notes);
	core.nr_notes = notes.nr;
	return source_write_core(&image->source, what, &core);
}

int pgw_image_write_core(const struct pgw_image *image, const struct pgw_pa_range *keep, size_t nr,
			 pgw_write_fn *fn, void *arg)
{
	const struct source_writing what = {
		.keep = keep,
		.nr_keep = nr,
		.fn = fn,
		.arg = arg,
	};

	return write_core(image, &what, false);
}

/* By what memory a file is made, and how its bytes are handed on. */
static struct source_writing writing_of(const struct pgw_pa_range *keep, size_t nr_keep,
					pgw_write_fn *fn, void *arg)
{
	static const struct pgw_pa_range all = { 0, UINT64_MAX };

	return (struct source_writing){
		.keep = keep ? keep : &all,
		.nr_keep = keep ? nr_keep : 1,
		.fn = fn,
		.arg = arg,
	};
}

int pgw_image_write(const struct pgw_image *image, const struct pgw_image_writing *what)
{
	const struct source_writing writing =
		writing_of(what->keep, what->nr_keep, what->fn, what->arg);

	switch (what->form) {
	case PGW_IMAGE_ELF_CORE:
		return write_core(image, &writing, true);
	case PGW_IMAGE_LIME:
		if (is_guess(image))
			return -PGW_EOPNOTSUPP;
		return source_write_plain(&image->source, &writing, true);
	case PGW_IMAGE_RAW:
		return source_write_plain(&image->source, &writing, false);
	default:
		return -PGW_EINVAL;
	}
}

int pgw_image_write_map(const struct pgw_image *image, const struct pgw_pa_range *keep,
			size_t nr_keep, const char *name, pgw_write_fn *fn, void *arg)
{
	const struct source_writing writing = writing_of(keep, nr_keep, fn, arg);

	return source_write_map(&image->source, &writing, name, image->info.elf_machine,
				is_guess(image));
}

bool pgw_image_reads_file(const struct pgw_image *image, uint64_t device, uint64_t inode)
{
	return source_reads_file(&image->source, device, inode);
}
