/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"
#include "system/qemu_note.h"

/* What is known of the system inside goes into the notes of a core that is written. */

#define GUESS_TEXT "placement=guessed\n"

/* A guess, a text; each CPU's comes after them. */
#define MAX_OTHER_NOTES 2

struct new_notes {
	struct source_new_note *list;
	size_t nr;
	uint8_t (*states)[QEMU_FULL_SIZE];
};

/* @return 0 or -PGW_ENOMEM; to be ended either way */
static int new_notes_init(struct new_notes *notes, const struct source *source)
{
	*notes = (struct new_notes){
		.list = calloc(MAX_OTHER_NOTES + source->nr_cpus, sizeof(*notes->list)),
		.states = calloc(source->nr_cpus + 1, sizeof(*notes->states)),
	};
	return notes->list && notes->states ? 0 : -PGW_ENOMEM;
}

static void new_notes_fini(struct new_notes *notes)
{
	free(notes->list);
	free(notes->states);
}

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

static void put(uint8_t *to, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8)
		to[i] = (uint8_t)value;
}

/* CPUs of which the source has the registers in a form of its own: as QEMU has them. */
static void add_cpus(const struct pgw_image *image, struct new_notes *notes)
{
	const struct source *source = &image->source;

	for (size_t i = 0; i < source->nr_cpus; i++) {
		const struct pgw_cpu *cpu = &source->cpus[i];
		uint8_t *state = notes->states[i];

		add_note(notes, QEMU_NOTE, 0, state, QEMU_FULL_SIZE);
		/* Of version 0, nothing is believed: the CPU is counted. */
		if (!(cpu->known & PGW_CPU_X86_CR))
			continue;
		put(state + QEMU_VERSION, 4, 1);
		put(state + QEMU_SIZE, 4, QEMU_FULL_SIZE);
		put(state + QEMU_CS_FLAGS, 4, cpu->cs_flags);
		put(state + QEMU_IDT_BASE, 8, cpu->idt_base);
		put(state + QEMU_CR0, 8, cpu->cr0);
		put(state + QEMU_CR3, 8, cpu->cr3);
		put(state + QEMU_CR4, 8, cpu->cr4);
	}
}

static int write_core(const struct pgw_image *image, const struct source_writing *what,
		      bool is_aligned)
{
	struct new_notes notes;
	struct source_core core = {
		.elf_machine = image->info.elf_machine,
		.is_aligned = is_aligned,
	};
	int status = new_notes_init(&notes, &image->source);

	if (!status) {
		add_guess(image, &notes);
		add_cpus(image, &notes);
		add_text(image, &notes);
		core.notes = notes.list;
		core.nr_notes = notes.nr;
		status = source_write_core(&image->source, what, &core);
	}
	new_notes_fini(&notes);
	return status;
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
	return source_reads_file(&image->source, device, inode) ||
	       (image->host && pgw_image_reads_file(image->host, device, inode));
}
