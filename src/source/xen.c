/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/xen.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Page tables of a PV guest hold machine frames, so it is these that memory is found by: its
 * physical addresses here are the machine's. Any other guest's are its own.
 */

/* Surer than that it is an ELF file. */
#define SCORE (SOURCE_SCORE_MAGIC + 1)

/* Notes of the name "Xen" (Xen's public/elfnote.h), and what is in the first of them. */
#define NOTE_NAME "Xen"
#define NOTE_HEADER 0x2000001u
#define NOTE_FORMAT 0x2000003u
#define HEADER_MAGIC 0
#define HEADER_PAGE_SIZE 24
#define HEADER_SIZE 32
#define MAGIC_PV UINT64_C(0xf00febed)
#define MAGIC_HVM UINT64_C(0xf00febee)
#define FORMAT_VERSION 1

/* Of a page that Xen counts as the guest's and xl found nowhere; these are the last. */
#define NO_FRAME UINT64_MAX
#define PA_BITS 52
/* Entries of the table of frames that are read at once. */
#define BLOCK_BYTES 4096u

static const char *const section_names[_XEN_SECTION_MAX] = {
	[XEN_NOTES] = ".note.Xen", [XEN_CPUS] = ".xen_prstatus", [XEN_PAGES] = ".xen_pages",
	[XEN_P2M] = ".xen_p2m",    [XEN_PFN] = ".xen_pfn",
};

/* A file that is being opened. */
struct xen {
	struct source *source;
	struct elf_form form;
	uint8_t header[EH_SIZE_MAX];
	struct xen_place places[_XEN_SECTION_MAX];
	uint64_t magic;
	unsigned page_lg2;
	struct source_segment *segments;
	size_t nr_segments;
	struct pgw_error *err;
};

static bool load_header(const struct source_map *map, uint8_t *header, struct elf_form *ret)
{
	static const uint8_t magic[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB };

	*ret = (struct elf_form){ .is_32 = false };
	return source_map_read(map, 0, header, EH_SIZE_MAX) &&
	       memcmp(header, magic, sizeof(magic)) == 0 &&
	       elf_get(ret, header, EH_TYPE) == ET_CORE && elf_get(ret, header, EH_PHNUM) == 0;
}

/* Does the section begin with a note of Xen's? The names are at the end, and may be cut off. */
static bool is_xens_note(const struct elf_file *file, const uint8_t *section)
{
	uint64_t offset = elf_get(file->form, section, SH_OFFSET);
	uint8_t note[16];

	return elf_get(file->form, section, SH_TYPE) == SHT_NOTE && offset <= file->map->size &&
	       source_map_read(file->map, offset, note, sizeof(note)) &&
	       load_le32(note) == sizeof(NOTE_NAME) &&
	       memcmp(note + 12, NOTE_NAME, sizeof(NOTE_NAME)) == 0;
}

static bool xen_probe(const struct source_map *map, struct source_guess *ret)
{
	uint8_t header[EH_SIZE_MAX], names[SH_SIZE_MAX], section[SH_SIZE_MAX];
	struct elf_form form;
	const struct elf_file file = { map, &form, header };
	bool has_names;

	ret->score = SCORE;
	if (!load_header(map, header, &form))
		return false;
	has_names = elf_file_names(&file, names);
	for (unsigned i = 0; elf_file_section(&file, i, section); i++) {
		if (is_xens_note(&file, section) ||
		    (has_names &&
		     elf_file_is_named(&file, names, section, section_names[XEN_PAGES])))
			return true;
	}
	return false;
}

static void find_section(struct xen *xen, const struct elf_file *file, const uint8_t *names,
			 unsigned index)
{
	uint8_t section[SH_SIZE_MAX];

	if (!elf_file_section(file, index, section))
		return;
	for (unsigned i = 0; i < _XEN_SECTION_MAX; i++) {
		struct xen_place *place = &xen->places[i];

		if (place->is_there || !elf_file_is_named(file, names, section, section_names[i]))
			continue;
		*place = (struct xen_place){
			.is_there = true,
			.at = elf_file_section_at(file, index),
			.offset = elf_get(&xen->form, section, SH_OFFSET),
			.size = elf_get(&xen->form, section, SH_BYTES),
			.entry_size = elf_get(&xen->form, section, SH_ENTSIZE),
		};
	}
}

/* Where all the file should end is where the last of them does. */
static int check_place(struct xen *xen, const struct xen_place *place)
{
	struct pgw_image_info *info = &xen->source->info;
	uint64_t end;

	if (!place->is_there)
		return 0;
	if (add_overflows(place->offset, place->size, &end))
		return source_fail_at(xen->err, -PGW_EOVERFLOW,
				      place->at + elf_at(&xen->form, SH_BYTES), place->size,
				      "a section that ends below 2^64");
	if (info->said_size < end)
		info->said_size = end;
	info->truncated |= end > info->file_size;
	return 0;
}

static int find_sections(struct xen *xen)
{
	const struct source_map *map = &xen->source->files[0];
	const struct elf_file file = { map, &xen->form, xen->header };
	unsigned nr = (unsigned)elf_file_get(&file, EH_SHNUM);
	unsigned index = (unsigned)elf_file_get(&file, EH_SHSTRNDX);
	uint8_t names[SH_SIZE_MAX];
	uint64_t offset, size;
	int status = 0;

	if (!elf_file_names(&file, names))
		return source_fail_at(xen->err, -PGW_EOVERFLOW, elf_at(&xen->form, EH_SHSTRNDX),
				      index, "a section header inside the file");
	offset = elf_get(&xen->form, names, SH_OFFSET);
	size = elf_get(&xen->form, names, SH_BYTES);
	if (!source_map_has(map, offset, size))
		return source_fail_at(
			xen->err, -PGW_EOVERFLOW,
			elf_file_section_at(&file, index) + elf_at(&xen->form, SH_OFFSET), offset,
			"the names of sections inside the file, behind which Xen writes nothing: "
			"it was cut");
	for (unsigned i = 0; i < nr; i++)
		find_section(xen, &file, names, i);
	for (unsigned i = 0; i < _XEN_SECTION_MAX && !status; i++)
		status = check_place(xen, &xen->places[i]);
	return status;
}

/* The first note of each type counts. */
static int take_note(const struct source_note *note, void *arg)
{
	struct xen *xen = arg;
	uint8_t desc[HEADER_SIZE];
	uint64_t value;

	if (strcmp(note->name, NOTE_NAME) != 0)
		return 0;
	if (note->type == NOTE_FORMAT && note->desc_size >= 8 &&
	    source_read_file(xen->source, note->desc, desc, 8) && load_le64(desc) != FORMAT_VERSION)
		return source_fail_at(xen->err, -PGW_EOPNOTSUPP, note->desc, load_le64(desc),
				      "a Xen core of version 1");
	if (note->type != NOTE_HEADER || note->desc_size < HEADER_SIZE || xen->page_lg2 ||
	    !source_read_file(xen->source, note->desc, desc, sizeof(desc)))
		return 0;
	value = load_le64(desc + HEADER_PAGE_SIZE);
	if (value < UINT64_C(4096) || value > UINT64_C(65536) || value & (value - 1))
		return source_fail_at(xen->err, -PGW_EOVERFLOW, note->desc + HEADER_PAGE_SIZE,
				      value, "a page size of 4096 to 65536 bytes, a power of two");
	xen->page_lg2 = (unsigned)__builtin_ctzll(value);
	xen->magic = load_le64(desc + HEADER_MAGIC);
	if (xen->magic != MAGIC_PV && xen->magic != MAGIC_HVM)
		return source_fail_at(xen->err, -PGW_EOPNOTSUPP, note->desc, xen->magic,
				      "a PV (0xf00febed) or an HVM guest (0xf00febee)");
	return 0;
}

static int take_notes(struct xen *xen)
{
	struct source *source = xen->source;
	const struct xen_place *place = &xen->places[XEN_NOTES];
	struct source_notes notes = { place->offset, place->size };
	int status;

	if (!place->is_there || !source_map_has(&source->files[0], notes.offset, notes.size) ||
	    notes.size > SOURCE_MAX_NOTE_BYTES)
		return source_fail_at(xen->err, -PGW_EOVERFLOW,
				      place->is_there ? place->at : elf_at(&xen->form, EH_SHOFF),
				      notes.size,
				      "a section .note.Xen inside the file, of 64 MiB at most");
	if (source_array_grow((void **)&source->notes, source->nr_notes, sizeof(notes)))
		return source_fail(xen->err, -PGW_ENOMEM, NULL);
	source->notes[source->nr_notes++] = notes;
	status = source_notes_parse(source, &notes, take_note, xen, NULL, xen->err);
	if (!status && !xen->page_lg2)
		status = source_fail_at(xen->err, -PGW_EOVERFLOW, notes.offset, notes.size,
					"a Xen note of type 0x2000001 with 32 bytes");
	return status;
}

/* Page number index of the file is this frame. Neighbours are joined. */
static int add_page(struct xen *xen, uint64_t index, uint64_t frame)
{
	const struct xen_place *pages = &xen->places[XEN_PAGES];
	uint64_t size = UINT64_C(1) << xen->page_lg2, at = index << xen->page_lg2;
	uint64_t file_size = xen->source->info.file_size, left;
	struct source_segment page = { .pa = frame << xen->page_lg2,
				       .size = size,
				       .offset = pages->offset + at };
	struct source_segment *last =
		xen->nr_segments ? &xen->segments[xen->nr_segments - 1] : NULL;

	if (frame == NO_FRAME)
		return 0;
	if (frame >> (PA_BITS - xen->page_lg2)) {
		xen->source->info.nr_unplaced++;
		return 0;
	}
	left = page.offset < file_size ? file_size - page.offset : 0;
	page.file_size = left < size ? left : size;
	if (last && last->pa + last->size == page.pa && last->offset + last->size == page.offset &&
	    last->file_size == last->size) {
		last->size += size;
		last->file_size += page.file_size;
		return 0;
	}
	if (source_array_grow((void **)&xen->segments, xen->nr_segments, sizeof(page)))
		return source_fail(xen->err, -PGW_ENOMEM, NULL);
	xen->segments[xen->nr_segments++] = page;
	return 0;
}

/* Entries of the table, of which the frame is the last word. */
static int add_pages(struct xen *xen, const struct xen_place *table, unsigned entry_size)
{
	uint64_t size = xen->source->info.file_size, nr, nr_pages;
	uint8_t block[BLOCK_BYTES];
	int status = 0;

	size = table->offset < size ? size - table->offset : 0;
	nr = (table->size < size ? table->size : size) / entry_size;
	nr_pages = xen->places[XEN_PAGES].size >> xen->page_lg2;
	if (nr > nr_pages)
		nr = nr_pages;
	for (uint64_t i = 0; i < nr && !status; i++) {
		uint64_t first = i * entry_size % BLOCK_BYTES;
		uint64_t bytes = (nr - i) * entry_size;

		if (!first && !source_read_file(xen->source, table->offset + i * entry_size, block,
						bytes < BLOCK_BYTES ? bytes : BLOCK_BYTES))
			return source_fail(xen->err, -PGW_EIO, NULL);
		status = add_page(xen, i, load_le64(block + first + entry_size - 8));
	}
	return status;
}

static int find_pages(struct xen *xen)
{
	bool is_pv = xen->places[XEN_P2M].is_there;
	const struct xen_place *table = &xen->places[is_pv ? XEN_P2M : XEN_PFN];
	unsigned entry_size = is_pv ? 16 : 8;
	int status;

	if (!xen->places[XEN_PAGES].is_there || !table->is_there)
		return source_fail_at(xen->err, -PGW_EOVERFLOW, elf_at(&xen->form, EH_SHNUM),
				      elf_get(&xen->form, xen->header, EH_SHNUM),
				      "sections .xen_pages and .xen_p2m or .xen_pfn");
	if (table->entry_size != entry_size)
		return source_fail_at(xen->err, -PGW_EOVERFLOW,
				      table->at + elf_at(&xen->form, SH_ENTSIZE), table->entry_size,
				      is_pv ? "entries of .xen_p2m of 16 bytes"
					    : "entries of .xen_pfn of 8 bytes");
	status = add_pages(xen, table, entry_size);
	if (!status && source_lay_out(xen->source, xen->segments, xen->nr_segments))
		status = source_fail(xen->err, -PGW_ENOMEM, NULL);
	return status;
}

static int xen_open(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	struct xen xen = { .source = source, .err = err };
	bool is_pv;
	int status;

	(void)options;
	if (!load_header(&source->files[0], xen.header, &xen.form))
		return source_fail(err, -PGW_EIO, NULL);
	source->info.elf_machine = (unsigned)elf_get(&xen.form, xen.header, EH_MACHINE);
	source->info.machine = source_machine_name(source->info.elf_machine);
	source->info.writer = "Xen";
	source->has_machine = source->has_places = true;
	status = find_sections(&xen);
	if (!status)
		status = take_notes(&xen);
	if (!status)
		status = find_pages(&xen);
	free(xen.segments);
	is_pv = xen.places[XEN_P2M].is_there;
	source->info.xen_pv = is_pv;
	if (!status && xen_take_cpus(source, &xen.places[XEN_CPUS], is_pv))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	return status;
}

const struct source_ops source_xen_ops = {
	.name = "xen",
	.probe = xen_probe,
	.open = xen_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
