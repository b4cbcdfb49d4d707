/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/elf.h"

/* Linux's /proc/kcore: memory at a virtual address only (vmalloc, modules, vmemmap), since 4.11. */
#define PA_UNPLACED UINT64_MAX

#define NT_PRSTATUS 1
#define NT_AUXV 6

/* Where the program headers are. */
struct elf_table {
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

/* The file header's fields that 32-bit files have, too, in either byte order. */
static unsigned elf_load16(const uint8_t *header, unsigned at)
{
	return header[EH_DATA] == ELFDATA2MSB ? (unsigned)header[at] << 8 | header[at + 1]
					      : load_le16(header + at);
}

static int elf_check_core(const uint8_t *header, struct pgw_error *err)
{
	unsigned type = elf_load16(header, EH_TYPE);

	if (type == ET_EXEC || type == ET_DYN || type == ET_REL)
		return source_fail_kind(
			err, EH_TYPE,
			type == ET_REL ? "an ELF object file"
				       : "an ELF executable (a vmlinux, say)",
			"it holds a program: give the dump of the machine's memory");
	if (type != ET_CORE)
		return source_fail_at(err, -PGW_EOPNOTSUPP, EH_TYPE, type, "a core file (4)");
	return 0;
}

/* A core of a machine whose tables cannot be read, by its header. */
static int elf_check_class(const uint8_t *header, struct pgw_error *err)
{
	unsigned machine = elf_load16(header, SOURCE_ELF_MACHINE);
	const char *name = source_machine_name(machine);

	if (header[EH_CLASS] == ELFCLASS32 && machine == EM_386)
		return source_fail_kind(err, EH_CLASS, "a 32-bit ELF core of an Intel 80386",
					"QEMU writes one while the CPU is not in 64-bit mode "
					"(firmware, a boot loader, a 32-bit kernel): dump again "
					"when a 64-bit kernel runs");
	if (header[EH_CLASS] == ELFCLASS32)
		return source_fail_kind(err, SOURCE_ELF_MACHINE, name ? name : "an unknown machine",
					"a 32-bit ELF core; page tables of 32-bit machines cannot "
					"be read");
	if (header[EH_DATA] == ELFDATA2MSB)
		return source_fail_kind(err, SOURCE_ELF_MACHINE, name ? name : "an unknown machine",
					"a big-endian ELF core; page tables of big-endian machines "
					"cannot be read");
	return 0;
}

static int elf_check_kind(const uint8_t *header, struct pgw_error *err)
{
	int status;

	if (header[EH_CLASS] != ELFCLASS32 && header[EH_CLASS] != ELFCLASS64)
		return source_fail_at(err, -PGW_EOPNOTSUPP, EH_CLASS, header[EH_CLASS],
				      "a 64-bit ELF file (2)");
	if (header[EH_DATA] != ELFDATA2LSB && header[EH_DATA] != ELFDATA2MSB)
		return source_fail_at(err, -PGW_EOPNOTSUPP, EH_DATA, header[EH_DATA],
				      "a little-endian ELF file (1)");
	status = elf_check_core(header, err);
	return status ? status : elf_check_class(header, err);
}

/* More program headers than fit into 16 bits: the number is elsewhere. */
static int elf_find_nr_extended(const struct source_map *map, const uint8_t *header, uint32_t *ret,
				struct pgw_error *err)
{
	uint64_t shoff = load_le64(header + EH_SHOFF);
	uint8_t section[SH_SIZE];

	if (shoff < EH_SIZE || !source_map_read(map, shoff, section, sizeof(section)))
		return source_fail_at(err, -PGW_EOVERFLOW, EH_SHOFF, shoff,
				      "a section header inside the file");
	*ret = load_le32(section + SH_INFO);
	if (*ret == 0 || *ret > SOURCE_MAX_SEGMENTS)
		return source_fail_at(err, -PGW_EOVERFLOW, shoff + SH_INFO, *ret,
				      "a number of program headers from 1 to 1048576");
	return 0;
}

static bool elf_read_section(const struct source_map *map, const uint8_t *header, unsigned index,
			     uint8_t *section)
{
	uint64_t shoff = load_le64(header + EH_SHOFF);

	return index < load_le16(header + EH_SHNUM) && shoff <= map->size &&
	       load_le16(header + EH_SHENTSIZE) == SH_SIZE &&
	       source_map_read(map, shoff + (uint64_t)index * SH_SIZE, section, SH_SIZE);
}

/* Xen's dump-core format: memory is in a section, and there are no program headers. */
static bool elf_is_xen(const struct source_map *map, const uint8_t *header)
{
	static const char pages[] = ".xen_pages";
	uint8_t section[SH_SIZE];
	uint64_t names;

	if (!elf_read_section(map, header, load_le16(header + EH_SHSTRNDX), section))
		return false;
	names = load_le64(section + SH_OFFSET);
	for (unsigned i = 0; names <= map->size; i++) {
		char name[sizeof(pages)];

		if (!elf_read_section(map, header, i, section))
			return false;
		if (source_map_read(map, names + load_le32(section + SH_NAME), name,
				    sizeof(name)) &&
		    memcmp(name, pages, sizeof(pages)) == 0)
			return true;
	}
	return false;
}

/* Where the table of section names ends, which QEMU writes last; 0 if there is none. */
static uint64_t elf_names_end(const struct source_map *map, const uint8_t *header)
{
	uint8_t section[SH_SIZE];
	uint64_t end;

	return elf_read_section(map, header, load_le16(header + EH_SHSTRNDX), section) &&
			       !add_overflows(load_le64(section + SH_OFFSET),
					      load_le64(section + SH_BYTES), &end)
		       ? end
		       : 0;
}

static int elf_find_table(const struct source_map *map, const uint8_t *header,
			  struct elf_table *ret, struct pgw_error *err)
{
	uint64_t phentsize = load_le16(header + EH_PHENTSIZE);
	int status;

	ret->offset = load_le64(header + EH_PHOFF);
	ret->nr = load_le16(header + EH_PHNUM);
	if (ret->nr == PN_XNUM) {
		status = elf_find_nr_extended(map, header, &ret->nr, err);
		if (status)
			return status;
	}
	if (ret->nr == 0 && elf_is_xen(map, header))
		return source_fail_kind(err, EH_PHNUM, "a Xen core",
					"only Xen's tools and crash read it; /proc/vmcore of the "
					"guest's own kdump can be read");
	if (ret->nr == 0)
		return source_fail_at(err, -PGW_EOVERFLOW, EH_PHNUM, 0,
				      "at least one program header");
	if (phentsize != PH_SIZE)
		return source_fail_at(err, -PGW_EOVERFLOW, EH_PHENTSIZE, phentsize,
				      "program headers of 56 bytes");
	if (ret->offset > map->size || (map->size - ret->offset) / PH_SIZE < ret->nr)
		return source_fail_at(
			err, -PGW_EOVERFLOW, EH_PHOFF, ret->offset,
			"all program headers inside the file, which may have been cut");
	return 0;
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

static void layout_add_load(struct elf_layout *layout, const uint8_t *ph, uint64_t at)
{
	uint64_t offset = load_le64(ph + PH_OFFSET), size = load_le64(ph + PH_FILESZ);
	uint64_t pa = load_le64(ph + PH_PADDR), va = load_le64(ph + PH_VADDR), end;

	if (pa == PA_UNPLACED || !load_le64(ph + PH_MEMSZ))
		return;
	layout->has_several_vas |= layout->nr_loads && va != layout->va;
	layout->va = va;
	layout->pa_field = at + PH_PADDR;
	layout->nr_loads++;
	layout->nr_at_0 += pa == 0;
	if (!size)
		return;
	if (add_overflows(offset, size, &end))
		end = UINT64_MAX;
	if (end > layout->end)
		layout->end = end;
	if (offset < layout->first)
		layout->first = offset;
}

static int elf_measure(const struct source_map *map, const struct elf_table *table,
		       struct elf_layout *ret, struct pgw_error *err)
{
	*ret = (struct elf_layout){ .first = UINT64_MAX, .end = table->names_end };
	for (uint32_t i = 0; i < table->nr; i++) {
		uint64_t at = table->offset + (uint64_t)i * PH_SIZE;
		uint8_t ph[PH_SIZE];

		if (!source_map_read(map, at, ph, sizeof(ph)))
			return source_fail(err, -PGW_EIO, NULL);
		if (load_le32(ph + PH_TYPE) == PT_LOAD) {
			layout_add_load(ret, ph, at);
		} else if (load_le32(ph + PH_TYPE) == PT_NOTE) {
			ret->nr_notes++;
			ret->notes = load_le64(ph + PH_OFFSET);
			ret->notes_size = load_le64(ph + PH_FILESZ);
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
static uint64_t elf_find_shift(const struct source *source, const struct elf_layout *layout)
{
	uint64_t size = source->info.file_size;
	uint64_t claimed = layout->notes + layout->notes_size, shift;

	if (layout->nr_notes != 1 || layout->first != claimed || layout->end == size)
		return 0;
	shift = source_notes_end(source, layout->notes) - claimed;
	return layout->end + shift == size ? shift : 0;
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

static int elf_load_segment(struct elf_load *load, const uint8_t *ph, uint64_t ph_offset,
			    struct pgw_error *err)
{
	struct source *source = load->source;
	struct source_segment *ret = &load->segments[source->info.nr_segments];
	uint64_t file_size = load_le64(ph + PH_FILESZ), end;

	ret->pa = load_le64(ph + PH_PADDR);
	ret->size = load_le64(ph + PH_MEMSZ);
	ret->offset = load_le64(ph + PH_OFFSET) + (uint64_t)source->info.shift;
	if (ret->pa == PA_UNPLACED) {
		source->info.nr_unplaced++;
		return 0;
	}
	if (add_overflows(ret->pa, ret->size, &end))
		return source_fail_at(err, -PGW_EOVERFLOW, ph_offset + PH_MEMSZ, ret->size,
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

/* Pre: the program headers lie inside the file as it was opened. */
static int elf_load_table(struct elf_load *load, struct pgw_error *err)
{
	struct source *source = load->source;
	uint64_t note_bytes = 0;
	int status = 0;

	for (uint32_t i = 0; i < load->table.nr && !status; i++) {
		uint64_t at = load->table.offset + (uint64_t)i * PH_SIZE, size;
		uint8_t ph[PH_SIZE];

		if (!source_map_read(&source->files[0], at, ph, sizeof(ph)))
			return source_fail(err, -PGW_EIO, NULL);
		if (load_le32(ph + PH_TYPE) == PT_LOAD) {
			status = elf_load_segment(load, ph, at, err);
		} else if (load_le32(ph + PH_TYPE) == PT_NOTE) {
			size = elf_clip(source, load_le64(ph + PH_OFFSET),
					load_le64(ph + PH_FILESZ) + (uint64_t)source->info.shift);
			if (size > SOURCE_MAX_NOTE_BYTES - note_bytes)
				return source_fail_at(err, -PGW_EOVERFLOW, at + PH_FILESZ,
						      load_le64(ph + PH_FILESZ),
						      "at most 64 MiB of notes");
			note_bytes += size;
			status = elf_load_notes(source, load_le64(ph + PH_OFFSET), size, err);
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
	uint8_t header[EH_SIZE];
	int status;

	if (map->size < sizeof(header))
		return source_fail_at(err, -PGW_ENOEXEC, 0, map->size, "an ELF header of 64 bytes");
	if (!source_map_read(map, 0, header, sizeof(header)))
		return source_fail(err, -PGW_EIO, NULL);
	status = elf_check_kind(header, err);
	if (!status)
		status = elf_find_table(map, header, ret, err);
	ret->names_end = elf_names_end(map, header);
	source->info.elf_machine = load_le16(header + SOURCE_ELF_MACHINE);
	source->info.machine = source_machine_name(source->info.elf_machine);
	return status;
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
	source->info.shift = (int64_t)elf_find_shift(source, &load.layout);
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
