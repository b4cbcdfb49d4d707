/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MKXEN_H
#define TESTS_MKXEN_H

/*
 * Xen cores, made to order, laid out as Xen 4.17's xl dump-core does: headers of sections, notes,
 * CPUs, shared info, pages, the table of frames, names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MKXEN_CPU_SIZE 5168

/** Sections as they are in the file: the first has no name. */
enum mkxen_section {
	MKXEN_NAMES = 1,
	MKXEN_NOTES,
	MKXEN_CPUS,
	MKXEN_SHARED_INFO,
	MKXEN_PAGES,
	MKXEN_TABLE,
	_MKXEN_SECTION_MAX,
};

struct mkxen_page {
	uint64_t pfn;
	uint64_t gmfn;        /* PV only */
	const uint8_t *bytes; /* 4096; borrowed until mkxen_build() */
};

struct mkxen_cpu {
	uint64_t cr0, cr1, cr3, cr4;
};

struct mkxen {
	bool is_pv;
	const struct mkxen_page *pages;
	size_t nr_pages;
	const struct mkxen_cpu *cpus;
	size_t nr_cpus;
	uint8_t *file; /* after mkxen_build() */
	size_t size;
	int fd; /* after mkxen_save() */
	char path[64];
};

void mkxen_build(struct mkxen *xen);
/** Where the section's header is. */
uint64_t mkxen_header(enum mkxen_section section);
/** Where its bytes are. */
uint64_t mkxen_offset(const struct mkxen *xen, enum mkxen_section section);
/** Overwrite size bytes at offset, little-endian. */
void mkxen_put(struct mkxen *xen, uint64_t offset, unsigned size, uint64_t value);
/** @return the path of a file with these bytes, the same every time */
const char *mkxen_save(struct mkxen *xen);
/** Frees all; the saved file goes. */
void mkxen_fini(struct mkxen *xen);

#endif
