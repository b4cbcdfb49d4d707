/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/elf_file.h"

/* Linux's /proc/kcore: memory at a virtual address only (vmalloc, modules, vmemmap), since 4.11. */
#define PA_UNPLACED UINT64_MAX

#define NT_PRSTATUS 1
#define NT_AUXV 6

/* Where the program headers are. */
struct elf_table {
	struct elf_form form;
	uint64_t offset;
	uint32_t nr;
	uint64_t names_end; /* of the table of section names in the file, or 0 */
};

static bool elf_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[4];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) && memcmp(magic,
									"\x7f"
									"ELF",
									sizeof(magic)) == 0;
}

static int elf_check_core(const struct elf_form *form, const uint8_t *header, struct pgw_error *err)
{
	uint64_t type = elf_get(form, header, EH_TYPE);
	unsigned at = elf_at(form, EH_TYPE);

	if (type == ET_EXEC || type == ET_DYN || type == ET_REL)
		return source_fail_kind(
			err, at,
			type == ET_REL ? "an ELF object file"
				       : "an ELF executable (a vmlinux, say)",
			"it holds a program: give the dump of the machine's memory");
	if (type != ET_CORE)
		return source_fail_at(err, -PGW_EOPNOTSUPP, at, type, "a core file (4)");
	return 0;
}

/* The file header, and how it is to be read. What the file does not have of it are zeroes. */
static int elf_load_header(const struct source_map *map, uint8_t *header, struct elf_form *ret,
			   struct pgw_error *err)
{
	size_t n = map->size < EH_SIZE_MAX ? map->size : EH_SIZE_MAX;

	memset(header, 0, EH_SIZE_MAX);
	if (!source_map_read(map, 0, header, n))
		return source_fail_read(err, 0);
	if (n > ELF_DATA && header[ELF_CLASS] != ELFCLASS32 && header[ELF_CLASS] != ELFCLASS64)
		return source_fail_at(err, -PGW_EOPNOTSUPP, ELF_CLASS, header[ELF_CLASS],
				      "a 32-bit or a 64-bit ELF file (1, 2)");
	if (n > ELF_DATA && header[ELF_DATA] != ELFDATA2LSB && header[ELF_DATA] != ELFDATA2MSB)
		return source_fail_at(err, -PGW_EOPNOTSUPP, ELF_DATA, header[ELF_DATA],
				      "a little- or a big-endian ELF file (1, 2)");
	*ret = (struct elf_form){
		.is_32 = header[ELF_CLASS] == ELFCLASS32,
		.is_big_endian = header[ELF_DATA] == ELFDATA2MSB,
	};
	if (n < elf_eh_size(ret))
		return source_fail_at(err, -PGW_ENOEXEC, 0, n,
				      ret->is_32 ? "an ELF header of 52 bytes"
						 : "an ELF header of 64 bytes");
	return elf_check_core(ret, header, err);
}

/*
 * More program headers than fit into 16 bits: the number is elsewhere. QEMU writes section
 * headers in its own byte order, whatever the file's: the one that makes sense is meant.
 */
static int elf_find_nr_extended(const struct elf_file *file, uint32_t *ret, struct pgw_error *err)
{
	struct elf_form other = *file->form;
	uint64_t shoff = elf_file_get(file, EH_SHOFF);
	uint8_t section[SH_SIZE_MAX] = { 0 };

	if (shoff < elf_eh_size(file->form) ||
	    !source_map_read(file->map, shoff, section, elf_sh_size(file->form)))
		return source_fail_at(err, -PGW_EOVERFLOW, elf_at(file->form, EH_SHOFF), shoff,
				      "a section header inside the file");
	*ret = (uint32_t)elf_get(file->form, section, SH_INFO);
	other.is_big_endian = false;
	if (*ret == 0 || *ret > SOURCE_MAX_SEGMENTS)
		*ret = (uint32_t)elf_get(&other, section, SH_INFO);
	if (*ret == 0 || *ret > SOURCE_MAX_SEGMENTS)
		return source_fail_at(err, -PGW_EOVERFLOW, shoff + elf_at(file->form, SH_INFO),
				      *ret, "a number of program headers from 1 to 1048576");
	return 0;
}

/* Where the table of section names ends, which QEMU writes last; 0 if there is none. */
static uint64_t elf_names_end(const struct elf_file *file)
{
	uint8_t section[SH_SIZE_MAX];
	uint64_t end;

	return elf_file_names(file, section) &&
			       !add_overflows(elf_get(file->form, section, SH_OFFSET),
					      elf_get(file->form, section, SH_BYTES), &end)
		       ? end
		       : 0;
}

static int elf_find_table(const struct elf_file *file, struct elf_table *ret, struct pgw_error *err)
{
	const struct elf_form *form = file->form;
	uint64_t phentsize = elf_file_get(file, EH_PHENTSIZE);
	int status;

	ret->offset = elf_file_get(file, EH_PHOFF);
	ret->nr = (uint32_t)elf_file_get(file, EH_PHNUM);
	if (ret->nr == PN_XNUM) {
		status = elf_find_nr_extended(file, &ret->nr, err);
		if (status)
			return status;
	}
	if (ret->nr == 0)
		return source_fail_at(err, -PGW_EOVERFLOW, elf_at(form, EH_PHNUM), 0,
				      "at least one program header");
	if (phentsize != elf_ph_size(form))
		return source_fail_at(err, -PGW_EOVERFLOW, elf_at(form, EH_PHENTSIZE), phentsize,
				      form->is_32 ? "program headers of 32 bytes"
						  : "program headers of 56 bytes");
	if (ret->offset > file->map->size ||
	    (file->map->size - ret->offset) / elf_ph_size(form) < ret->nr)
		return source_fail_at(
			err, -PGW_EOVERFLOW, elf_at(form, EH_PHOFF), ret->offset,
			"all program headers inside the file, which may have been cut");
	return 0;
}

/* A program header, with where it is in the file. */
struct elf_program {
	uint64_t at;
	uint32_t type;
	uint64_t offset, va, pa, file_size, size;
};

static bool elf_read_program(const struct source_map *map, const struct elf_table *table,
			     uint32_t index, struct elf_program *ret)
{
	const struct elf_form *form = &table->form;
	uint8_t ph[PH_SIZE_MAX];

	ret->at = table->offset + (uint64_t)index * elf_ph_size(form);
	if (!source_map_read(map, ret->at, ph, elf_ph_size(form)))
		return false;
	ret->type = (uint32_t)elf_get(form, ph, PH_TYPE);
	ret->offset = elf_get(form, ph, PH_OFFSET);
	ret->va = elf_get(form, ph, PH_VADDR);
	ret->pa = elf_get(form, ph, PH_PADDR);
	ret->file_size = elf_get(form, ph, PH_FILESZ);
	ret->size = elf_get(form, ph, PH_MEMSZ);
	if (form->is_32 && ret->pa == UINT32_MAX)
		ret->pa = PA_UNPLACED;
	return true;
}

/* The part of offset..offset+size that the file holds. */
static uint64_t elf_clip(struct source *source, uint64_t offset, uint64_t size)
{
	uint64_t there = offset < source->files[0].size ? source->files[0].size - offset : 0, end;

	if (!size)
		return 0;
	if (add_overflows(offset, size, &end))
		end = UINT64_MAX;
	if (source->info.said_size < end)
		source->info.said_size = end;
	if (size <= there)
		return size;
	source->info.truncated = true;
	return there;
}

/* What the program headers say together, before any of it is believed. */
struct elf_layout {
	unsigned nr_notes;
	uint64_t notes; /* of the last PT_NOTE, where it is in the file */
	uint64_t notes_size;
	uint64_t first;       /* where the first segment's bytes begin in the file */
	uint64_t end;         /* where the last ones end, and the names of sections */
	uint64_t nr_loads;    /* segments that are not empty and have an address */
	uint64_t nr_at_0;     /* of these, at physical address 0 */
	uint64_t va;          /* of the last */
	uint64_t pa_field;    /* where the last one's address is in the file */
	bool has_several_vas; /* they are at different virtual addresses */
};

static void layout_add_load(struct elf_layout *layout, const struct elf_program *ph,
			    uint64_t pa_field)
{
	uint64_t end;

	if (ph->pa == PA_UNPLACED || !ph->size)
		return;
	layout->has_several_vas |= layout->nr_loads && ph->va != layout->va;
	layout->va = ph->va;
	layout->pa_field = pa_field;
	layout->nr_loads++;
	layout->nr_at_0 += ph->pa == 0;
	if (!ph->file_size)
		return;
	if (add_overflows(ph->offset, ph->file_size, &end))
		end = UINT64_MAX;
	if (end > layout->end)
		layout->end = end;
	if (ph->offset < layout->first)
		layout->first = ph->offset;
}

static int elf_measure(const struct source_map *map, const struct elf_table *table,
		       struct elf_layout *ret, struct pgw_error *err)
{
	*ret = (struct elf_layout){ .first = UINT64_MAX, .end = table->names_end };
	for (uint32_t i = 0; i < table->nr; i++) {
		struct elf_program ph;

		if (!elf_read_program(map, table, i, &ph))
			return source_fail_read(err, ph.at);
		if (ph.type == PT_LOAD) {
			layout_add_load(ret, &ph, ph.at + elf_at(&table->form, PH_PADDR));
		} else if (ph.type == PT_NOTE) {
			ret->nr_notes++;
			ret->notes = ph.offset;
			ret->notes_size = ph.file_size;
		}
	}
	return 0;
}

/*
 * QEMU writes headers, notes and memory one after another, and takes the
 * notes of all CPUs to be as large as the first one's. If they are not (arm64,
 * SVE vectors of different lengths), memory does not lie where the headers
 * say. Then the notes end elsewhere than they should, and the file does, too,
 * by the same number of bytes: only if both agree, it is believed.
 */
static void elf_find_shift(struct source *source, const struct elf_layout *layout,
			   const struct pgw_image_options *options)
{
	uint64_t size = source->info.file_size;
	uint64_t claimed = layout->notes + layout->notes_size, shift;

	if (options->has_shift) {
		source->info.shift = options->shift;
		return;
	}
	/* In a big-endian file QEMU's section headers do not say where it ends. */
	if (source->is_big_endian || layout->nr_notes != 1 || layout->first != claimed ||
	    layout->end == size)
		return;
	shift = source_notes_end(source, layout->notes) - claimed;
	if (layout->end + shift == size)
		source->info.shift = (int64_t)shift;
	else if (claimed <= size)
		source->info.possible_shift = (int64_t)shift;
}

/* Segments at different virtual addresses that are all at physical address 0 do not say where they are. */
static int elf_check_placed(const struct elf_layout *layout, struct pgw_error *err)
{
	if (layout->nr_loads < 2 || layout->nr_at_0 < layout->nr_loads || !layout->has_several_vas)
		return 0;
	return source_fail_kind(err, layout->pa_field, "a core without physical addresses",
				"all its segments are at 0 (the core of a process, or /proc/kcore "
				"before Linux 4.11); if it is a machine's, say with --ram "
				"PA=FILE@OFFSET+SIZE where each belongs");
}

/* A file that is being loaded. */
struct elf_load {
	struct source *source;
	struct elf_table table;
	struct elf_layout layout;
	struct source_segment *segments; /* has room for all of the table */
	bool zero_fill;
};

static int elf_load_segment(struct elf_load *load, const struct elf_program *ph,
			    struct pgw_error *err)
{
	struct source *source = load->source;
	struct source_segment *ret = &load->segments[source->info.nr_segments];
	uint64_t file_size = ph->file_size, end;

	ret->pa = ph->pa;
	ret->size = ph->size;
	ret->offset = ph->offset + (uint64_t)source->info.shift;
	if ((source->info.shift < 0) != (ret->offset < ph->offset) && source->info.shift)
		return source_fail_at(err, -PGW_EINVAL,
				      ph->at + elf_at(&load->table.form, PH_OFFSET), ph->offset,
				      "a shift by which segments begin in the file");
	if (ret->pa == PA_UNPLACED) {
		source->info.nr_unplaced++;
		return 0;
	}
	if (add_overflows(ret->pa, ret->size, &end))
		return source_fail_at(err, -PGW_EOVERFLOW,
				      ph->at + elf_at(&load->table.form, PH_MEMSZ), ret->size,
				      "a segment that ends below 2^64");
	if (file_size > ret->size)
		file_size = ret->size;
	ret->file_size = elf_clip(source, ret->offset, file_size);
	ret->zero_size = load->zero_fill ? ret->size - file_size : 0;
	source->info.nr_gaps += file_size < ret->size;
	source->info.nr_segments++;
	return 0;
}

/* A process's core has no page tables in it, and says in a note that it is one. */
static int elf_refuse_process(const struct source_note *note, void *arg)
{
	struct pgw_error *err = arg;

	if ((strcmp(note->name, "CORE") == 0 && note->type == NT_AUXV) ||
	    (strcmp(note->name, "FreeBSD") == 0 && note->type == NT_PRSTATUS))
		return source_fail_kind(err, note->offset + 8, "the core of a process",
					"it holds no page tables: give the dump of a machine's "
					"whole memory");
	return 0;
}

static int elf_load_notes(struct source *source, uint64_t offset, uint64_t size,
			  struct pgw_error *err)
{
	struct source_notes notes = { offset, size };

	if (!size)
		return 0;
	if (source_array_grow((void **)&source->notes, source->nr_notes, sizeof(notes)))
		return source_fail(err, -PGW_ENOMEM, NULL);
	source->notes[source->nr_notes++] = notes;
	return source_notes_parse(source, &notes, elf_refuse_process, err, &source->info.truncated,
				  err);
}

/* They end where memory begins. */
static uint64_t elf_notes_size(const struct source *source, const struct elf_program *ph)
{
	uint64_t shift =
		(uint64_t)source->info.shift; /* or, negated, less: the most negative one, too */

	return source->info.shift >= 0 || ph->file_size > 0 - shift ? ph->file_size + shift
								    : ph->file_size;
}

/* Pre: the program headers lie inside the file as it was opened. */
static int elf_load_table(struct elf_load *load, struct pgw_error *err)
{
	struct source *source = load->source;
	uint64_t note_bytes = 0;
	int status = 0;

	for (uint32_t i = 0; i < load->table.nr && !status; i++) {
		struct elf_program ph;
		uint64_t size;

		if (!elf_read_program(&source->files[0], &load->table, i, &ph))
			return source_fail_read(err, ph.at);
		if (ph.type == PT_LOAD) {
			status = elf_load_segment(load, &ph, err);
		} else if (ph.type == PT_NOTE) {
			size = elf_clip(source, ph.offset, elf_notes_size(source, &ph));
			if (size > SOURCE_MAX_NOTE_BYTES - note_bytes)
				return source_fail_at(err, -PGW_EOVERFLOW,
						      ph.at + elf_at(&load->table.form, PH_FILESZ),
						      ph.file_size, "at most 64 MiB of notes");
			note_bytes += size;
			status = elf_load_notes(source, ph.offset, size, err);
		}
	}
	return status;
}

/*
 * Searches look at all readable memory. Where many segments are the same bytes of the
 * file, that would take time by the square of the file's size.
 */
static int elf_sort_segments(struct elf_load *load, struct pgw_error *err)
{
	struct source *source = load->source;
	const struct pgw_image_info *info = &source->info;

	if (source_lay_out(source, load->segments, info->nr_segments))
		return source_fail(err, -PGW_ENOMEM, NULL);
	if ((info->readable_bytes - info->zero_bytes) / SOURCE_MAX_ALIASES > source->files[0].size)
		return source_fail(err, -PGW_EOVERFLOW,
				   "segments that hold at most 16 times the bytes of the file");
	return 0;
}

static int elf_load_headers(struct source *source, struct elf_table *ret, struct pgw_error *err)
{
	const struct source_map *map = &source->files[0];
	uint8_t header[EH_SIZE_MAX];
	const struct elf_file file = { map, &ret->form, header };
	int status = elf_load_header(map, header, &ret->form, err);

	if (!status)
		status = elf_find_table(&file, ret, err);
	if (status)
		return status;
	ret->names_end = elf_names_end(&file);
	source->is_big_endian = ret->form.is_big_endian;
	source->info.elf_machine = (unsigned)elf_file_get(&file, EH_MACHINE);
	source->info.machine = source_machine_name(source->info.elf_machine);
	return 0;
}

static int elf_open(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	struct elf_load load = { .source = source, .zero_fill = options->zero_fill };
	int status;

	status = elf_load_headers(source, &load.table, err);
	if (!status)
		status = elf_measure(&source->files[0], &load.table, &load.layout, err);
	if (status)
		return status;
	source->has_machine = source->has_places = true;
	source->is_32 = load.table.form.is_32;
	elf_find_shift(source, &load.layout, options);
	/* Bounded by the size of the file, which holds the headers. */
	load.segments = calloc(load.table.nr, sizeof(*load.segments));
	if (!load.segments)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = elf_load_table(&load, err);
	if (!status)
		status = elf_check_placed(&load.layout, err);
	if (!status)
		status = elf_sort_segments(&load, err);
	free(load.segments);
	return status;
}

const struct source_ops source_elf_ops = {
	.name = "elf-core",
	.probe = elf_probe,
	.open = elf_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
