/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "image/mkxen.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define ELF_HEADER 64
#define SECTION 64
#define NOTES (ELF_HEADER + SECTION * _MKXEN_SECTION_MAX)
#define NOTES_SIZE 0x568
#define XEN_NOTE_HEADER 16
#define VERSION_SIZE 0x500

static const char *name_of(const struct mkxen *xen, enum mkxen_section section)
{
	static const char *const names[_MKXEN_SECTION_MAX] = {
		[MKXEN_NAMES] = ".shstrtab",    [MKXEN_NOTES] = ".note.Xen",
		[MKXEN_CPUS] = ".xen_prstatus", [MKXEN_SHARED_INFO] = ".xen_shared_info",
		[MKXEN_PAGES] = ".xen_pages",   [MKXEN_TABLE] = ".xen_pfn",
	};

	return section == MKXEN_TABLE && xen->is_pv ? ".xen_p2m" : names[section];
}

void mkxen_put(struct mkxen *xen, uint64_t offset, unsigned size, uint64_t value)
{
	assert(offset + size <= xen->size);
	for (unsigned i = 0; i < size; i++, value >>= 8)
		xen->file[offset + i] = (uint8_t)value;
}

uint64_t mkxen_header(enum mkxen_section section)
{
	return ELF_HEADER + (uint64_t)section * SECTION;
}

uint64_t mkxen_offset(const struct mkxen *xen, enum mkxen_section section)
{
	uint64_t value;

	memcpy(&value, xen->file + mkxen_header(section) + 24, sizeof(value));
	return value;
}

static uint64_t entry_size(const struct mkxen *xen, enum mkxen_section section)
{
	switch (section) {
	case MKXEN_CPUS:
		return MKXEN_CPU_SIZE;
	case MKXEN_SHARED_INFO:
	case MKXEN_PAGES:
		return PAGE;
	case MKXEN_TABLE:
		return xen->is_pv ? 16 : 8;
	default:
		return 0;
	}
}

/* A section behind what the file has until now. @return where its bytes are */
static uint64_t add_section(struct mkxen *xen, enum mkxen_section section, uint64_t size)
{
	static const unsigned types[_MKXEN_SECTION_MAX] = {
		[MKXEN_NAMES] = 3,       [MKXEN_NOTES] = 7, [MKXEN_CPUS] = 1,
		[MKXEN_SHARED_INFO] = 1, [MKXEN_PAGES] = 1, [MKXEN_TABLE] = 1,
	};
	uint64_t offset = xen->size, at = mkxen_header(section);

	if (section == MKXEN_PAGES)
		offset = (offset + PAGE - 1) / PAGE * PAGE;
	xen->file = realloc(xen->file, offset + size);
	assert(xen->file);
	memset(xen->file + xen->size, 0, offset + size - xen->size);
	xen->size = offset + size;
	mkxen_put(xen, at + 4, 4, types[section]);
	mkxen_put(xen, at + 24, 8, offset);
	mkxen_put(xen, at + 32, 8, size);
	mkxen_put(xen, at + 56, 8, entry_size(xen, section));
	return offset;
}

static uint64_t put_note(struct mkxen *xen, uint64_t at, unsigned type, unsigned size)
{
	mkxen_put(xen, at, 4, 4);
	mkxen_put(xen, at + 4, 4, size);
	mkxen_put(xen, at + 8, 4, 0x2000000 + type);
	memcpy(xen->file + at + 12, "Xen", 4);
	return at + XEN_NOTE_HEADER;
}

/* None, header, version of Xen, version of the format. */
static void put_notes(struct mkxen *xen)
{
	uint64_t at = add_section(xen, MKXEN_NOTES, NOTES_SIZE);

	at = put_note(xen, at, 0, 0);
	at = put_note(xen, at, 1, 32);
	mkxen_put(xen, at, 8, xen->is_pv ? 0xf00febed : 0xf00febee);
	mkxen_put(xen, at + 8, 8, xen->nr_cpus);
	mkxen_put(xen, at + 16, 8, xen->nr_pages);
	mkxen_put(xen, at + 24, 8, PAGE);
	at = put_note(xen, at + 32, 2, VERSION_SIZE);
	mkxen_put(xen, at, 8, 4);
	mkxen_put(xen, at + 8, 8, 17);
	at = put_note(xen, at + VERSION_SIZE, 3, 8);
	mkxen_put(xen, at, 8, 1);
	assert(at + 8 == NOTES + NOTES_SIZE);
}

static void put_cpus(struct mkxen *xen)
{
	uint64_t at = add_section(xen, MKXEN_CPUS, xen->nr_cpus * MKXEN_CPU_SIZE);

	for (size_t i = 0; i < xen->nr_cpus; i++, at += MKXEN_CPU_SIZE) {
		mkxen_put(xen, at + 4984, 8, xen->cpus[i].cr0);
		mkxen_put(xen, at + 4992, 8, xen->cpus[i].cr1);
		mkxen_put(xen, at + 5008, 8, xen->cpus[i].cr3);
		mkxen_put(xen, at + 5016, 8, xen->cpus[i].cr4);
	}
}

static void put_pages(struct mkxen *xen)
{
	uint64_t pages = add_section(xen, MKXEN_PAGES, xen->nr_pages * PAGE);
	uint64_t at = add_section(xen, MKXEN_TABLE, xen->nr_pages * (xen->is_pv ? 16 : 8));

	for (size_t i = 0; i < xen->nr_pages; i++, at += 8) {
		memcpy(xen->file + pages + i * PAGE, xen->pages[i].bytes, PAGE);
		mkxen_put(xen, at, 8, xen->pages[i].pfn);
		if (!xen->is_pv)
			continue;
		at += 8;
		mkxen_put(xen, at, 8, xen->pages[i].gmfn);
	}
}

static void put_names(struct mkxen *xen)
{
	uint64_t size = 1, at;

	for (unsigned i = MKXEN_NAMES; i < _MKXEN_SECTION_MAX; i++)
		size += strlen(name_of(xen, i)) + 1;
	at = add_section(xen, MKXEN_NAMES, size);
	size = 1;
	for (unsigned i = MKXEN_NAMES; i < _MKXEN_SECTION_MAX; i++) {
		mkxen_put(xen, mkxen_header(i), 4, size);
		strcpy((char *)xen->file + at + size, name_of(xen, i));
		size += strlen(name_of(xen, i)) + 1;
	}
}

void mkxen_build(struct mkxen *xen)
{
	static const uint8_t header[ELF_HEADER] = { 0x7f,
						    'E',
						    'L',
						    'F',
						    2,
						    1,
						    1,
						    0,
						    1,
						    [16] = 4,
						    [18] = 62,
						    [20] = 1,
						    [40] = 64,
						    [52] = 64,
						    [54] = 56,
						    [58] = 64,
						    [60] = _MKXEN_SECTION_MAX,
						    [62] = MKXEN_NAMES };

	xen->file = calloc(1, NOTES);
	assert(xen->file);
	xen->size = NOTES;
	memcpy(xen->file, header, sizeof(header));
	put_notes(xen);
	put_cpus(xen);
	add_section(xen, MKXEN_SHARED_INFO, PAGE);
	put_pages(xen);
	put_names(xen);
}

const char *mkxen_save(struct mkxen *xen)
{
	size_t done = 0;

	if (!*xen->path) {
		xen->fd = memfd_create("xen", MFD_CLOEXEC);
		assert(xen->fd >= 0);
		snprintf(xen->path, sizeof(xen->path), "/proc/self/fd/%d", xen->fd);
	}
	if (ftruncate(xen->fd, 0))
		abort();
	while (done < xen->size) {
		ssize_t n = pwrite(xen->fd, xen->file + done, xen->size - done, (off_t)done);

		assert(n > 0);
		done += (size_t)n;
	}
	return xen->path;
}

void mkxen_fini(struct mkxen *xen)
{
	if (*xen->path)
		close(xen->fd);
	free(xen->file);
	*xen = (struct mkxen){ 0 };
}
