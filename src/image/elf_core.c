/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf.h"

/* Where the program headers are. */
struct elf_table {
	uint64_t offset;
	uint32_t nr;
};

static int elf_check_magic(const struct image_map *map, struct pgw_error *err)
{
	char start[EH_SIZE] = { 0 };
	size_t n = map->size < sizeof(start) ? map->size : sizeof(start);

	if (!image_map_read(map, 0, start, n))
		return image_fail(err, -PGW_EIO, NULL);
	if (memcmp(start,
		   "\x7f"
		   "ELF",
		   4) == 0) {
		if (n == EH_SIZE)
			return 0;
		return image_fail_at(err, -PGW_ENOEXEC, 0, n, "an ELF header of 64 bytes");
	}
	if (image_kind_check(map, err))
		return -PGW_EOPNOTSUPP;
	return image_fail_at(err, -PGW_ENOEXEC, 0, load_le32(start), "an ELF magic number");
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
		return image_fail_kind(err, EH_TYPE,
				       type == ET_REL ? "an ELF object file"
						      : "an ELF executable (a vmlinux, say)",
				       "it holds a program: give the dump of the machine's memory");
	if (type != ET_CORE)
		return image_fail_at(err, -PGW_EOPNOTSUPP, EH_TYPE, type, "a core file (4)");
	return 0;
}

/* A core of a machine whose tables cannot be read, by its header. */
static int elf_check_class(const uint8_t *header, struct pgw_error *err)
{
	unsigned machine = elf_load16(header, IMAGE_ELF_MACHINE);
	const char *name = image_machine_name(machine);

	if (header[EH_CLASS] == ELFCLASS32 && machine == EM_386)
		return image_fail_kind(err, EH_CLASS, "a 32-bit ELF core of an Intel 80386",
				       "QEMU writes one while the CPU is not in 64-bit mode "
				       "(firmware, a boot loader, a 32-bit kernel): dump again "
				       "when a 64-bit kernel runs");
	if (header[EH_CLASS] == ELFCLASS32)
		return image_fail_kind(err, IMAGE_ELF_MACHINE, name ? name : "an unknown machine",
				       "a 32-bit ELF core; page tables of 32-bit machines cannot "
				       "be read");
	if (header[EH_DATA] == ELFDATA2MSB)
		return image_fail_kind(err, IMAGE_ELF_MACHINE, name ? name : "an unknown machine",
				       "a big-endian ELF core; page tables of big-endian machines "
				       "cannot be read");
	return 0;
}

static int elf_check_kind(const uint8_t *header, struct pgw_error *err)
{
	int status;

	if (header[EH_CLASS] != ELFCLASS32 && header[EH_CLASS] != ELFCLASS64)
		return image_fail_at(err, -PGW_EOPNOTSUPP, EH_CLASS, header[EH_CLASS],
				     "a 64-bit ELF file (2)");
	if (header[EH_DATA] != ELFDATA2LSB && header[EH_DATA] != ELFDATA2MSB)
		return image_fail_at(err, -PGW_EOPNOTSUPP, EH_DATA, header[EH_DATA],
				     "a little-endian ELF file (1)");
	status = elf_check_core(header, err);
	return status ? status : elf_check_class(header, err);
}

/* More program headers than fit into 16 bits: the number is elsewhere. */
static int elf_find_nr_extended(const struct image_map *map, const uint8_t *header, uint32_t *ret,
				struct pgw_error *err)
{
	uint64_t shoff = load_le64(header + EH_SHOFF);
	uint8_t section[SH_SIZE];

	if (shoff < EH_SIZE || !image_map_read(map, shoff, section, sizeof(section)))
		return image_fail_at(err, -PGW_EOVERFLOW, EH_SHOFF, shoff,
				     "a section header inside the file");
	*ret = load_le32(section + SH_INFO);
	if (*ret == 0 || *ret > IMAGE_MAX_SEGMENTS)
		return image_fail_at(err, -PGW_EOVERFLOW, shoff + SH_INFO, *ret,
				     "a number of program headers from 1 to 1048576");
	return 0;
}

/* Xen's dump-core format: memory is in a section, and there are no program headers. */
static bool elf_is_xen(const struct image_map *map, const uint8_t *header)
{
	static const char pages[] = ".xen_pages";
	unsigned nr = load_le16(header + EH_SHNUM);
	uint64_t shoff = load_le64(header + EH_SHOFF);
	uint8_t section[SH_SIZE];
	uint64_t names, at;

	if (shoff > map->size || load_le16(header + EH_SHENTSIZE) != SH_SIZE)
		return false;
	at = shoff + (uint64_t)load_le16(header + EH_SHSTRNDX) * SH_SIZE;
	if (!image_map_read(map, at, section, sizeof(section)))
		return false;
	names = load_le64(section + SH_OFFSET);
	for (unsigned i = 0; i < nr && names <= map->size; i++) {
		char name[sizeof(pages)];

		at = shoff + (uint64_t)i * SH_SIZE;
		if (!image_map_read(map, at, section, sizeof(section)))
			return false;
		if (image_map_read(map, names + load_le32(section + SH_NAME), name, sizeof(name)) &&
		    memcmp(name, pages, sizeof(pages)) == 0)
			return true;
	}
	return false;
}

static int elf_find_table(const struct image_map *map, const uint8_t *header, struct elf_table *ret,
			  struct pgw_error *err)
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
		return image_fail_kind(err, EH_PHNUM, "a Xen core",
				       "only Xen's tools and crash read it; /proc/vmcore of the "
				       "guest's own kdump can be read");
	if (ret->nr == 0)
		return image_fail_at(err, -PGW_EOVERFLOW, EH_PHNUM, 0,
				     "at least one program header");
	if (phentsize != PH_SIZE)
		return image_fail_at(err, -PGW_EOVERFLOW, EH_PHENTSIZE, phentsize,
				     "program headers of 56 bytes");
	if (ret->offset > map->size || (map->size - ret->offset) / PH_SIZE < ret->nr)
		return image_fail_at(err, -PGW_EOVERFLOW, EH_PHOFF, ret->offset,
				     "program headers inside the file");
	return 0;
}

/* The part of offset..offset+size that the file holds. */
static uint64_t elf_clip(struct pgw_image *image, uint64_t offset, uint64_t size)
{
	uint64_t there = offset < image->map.size ? image->map.size - offset : 0;

	if (size <= there)
		return size;
	image->info.truncated = true;
	return there;
}

static int elf_load_segment(struct pgw_image *image, const uint8_t *ph, uint64_t ph_offset,
			    struct image_segment *ret, struct pgw_error *err)
{
	uint64_t file_size = load_le64(ph + PH_FILESZ), end;

	ret->pa = load_le64(ph + PH_PADDR);
	ret->size = load_le64(ph + PH_MEMSZ);
	ret->offset = load_le64(ph + PH_OFFSET);
	if (add_overflows(ret->pa, ret->size, &end))
		return image_fail_at(err, -PGW_EOVERFLOW, ph_offset + PH_MEMSZ, ret->size,
				     "a segment that ends below 2^64");
	if (file_size > ret->size)
		file_size = ret->size;
	ret->file_size = elf_clip(image, ret->offset, file_size);
	image->info.nr_segments++;
	return 0;
}

static int elf_load_notes(struct pgw_image *image, uint64_t offset, uint64_t size,
			  struct pgw_error *err)
{
	if (!size)
		return 0;
	if (image_array_grow((void **)&image->notes, image->nr_notes, sizeof(image->notes[0])))
		return image_fail(err, -PGW_ENOMEM, NULL);
	image->notes[image->nr_notes++] = (struct image_notes){ offset, size };
	return image_notes_parse(image, offset, size, err);
}

/* Pre: the program headers lie inside the file as it was opened. segments has room for all. */
static int elf_load_table(struct pgw_image *image, const struct elf_table *table,
			  struct image_segment *segments, struct pgw_error *err)
{
	uint64_t note_bytes = 0;
	int status = 0;

	for (uint32_t i = 0; i < table->nr && !status; i++) {
		uint64_t at = table->offset + (uint64_t)i * PH_SIZE, size;
		uint8_t ph[PH_SIZE];

		if (!image_map_read(&image->map, at, ph, sizeof(ph)))
			return image_fail(err, -PGW_EIO, NULL);
		if (load_le32(ph + PH_TYPE) == PT_LOAD) {
			status = elf_load_segment(image, ph, at, &segments[image->info.nr_segments],
						  err);
		} else if (load_le32(ph + PH_TYPE) == PT_NOTE) {
			size = elf_clip(image, load_le64(ph + PH_OFFSET),
					load_le64(ph + PH_FILESZ));
			if (size > IMAGE_MAX_NOTE_BYTES - note_bytes)
				return image_fail_at(err, -PGW_EOVERFLOW, at + PH_FILESZ,
						     load_le64(ph + PH_FILESZ),
						     "at most 64 MiB of notes");
			note_bytes += size;
			status = elf_load_notes(image, load_le64(ph + PH_OFFSET), size, err);
		}
	}
	return status;
}

/*
 * Searches look at all readable memory. Where many segments are the same bytes of the
 * file, that would take time by the square of the file's size.
 */
static int elf_sort_segments(struct pgw_image *image, const struct image_segment *segments,
			     struct pgw_error *err)
{
	if (image_segments_build(segments, image->info.nr_segments, &image->memory, &image->info))
		return image_fail(err, -PGW_ENOMEM, NULL);
	if (image->info.readable_bytes / IMAGE_MAX_ALIASES > image->map.size)
		return image_fail(err, -PGW_EOVERFLOW,
				  "segments that hold at most 16 times the bytes of the file");
	return 0;
}

static void elf_set_arch(struct pgw_image *image)
{
	const struct image_arch *arch = image_arch_find(image->info.elf_machine);
	const struct pgw_format *format;

	if (!arch)
		return;
	for (size_t i = 0; !image->arch && (format = pgw_format_at(i)); i++) {
		if (strcmp(pgw_format_arch(format), arch->name) == 0)
			image->arch = arch;
	}
	if (image->arch)
		image->info.arch = arch->name;
}

int image_elf_load(struct pgw_image *image, struct pgw_error *err)
{
	struct image_segment *segments;
	uint8_t header[EH_SIZE];
	struct elf_table table;
	int status;

	image->info.kind = "elf-core";
	image->info.writer = "unknown";
	image->info.file_size = image->map.size;
	status = elf_check_magic(&image->map, err);
	if (status)
		return status;
	if (!image_map_read(&image->map, 0, header, sizeof(header)))
		return image_fail(err, -PGW_EIO, NULL);
	status = elf_check_kind(header, err);
	if (!status)
		status = elf_find_table(&image->map, header, &table, err);
	if (status)
		return status;
	image->info.elf_machine = load_le16(header + IMAGE_ELF_MACHINE);
	elf_set_arch(image);
	/* Bounded by the size of the file, which holds the headers. */
	segments = calloc(table.nr, sizeof(*segments));
	if (!segments)
		return image_fail(err, -PGW_ENOMEM, NULL);
	status = elf_load_table(image, &table, segments, err);
	if (image->info.nr_cpus < image->nr_cpus)
		image->info.nr_cpus = (unsigned)image->nr_cpus;
	if (!status)
		status = elf_sort_segments(image, segments, err);
	free(segments);
	return status;
}
