/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_QEMU_MONITOR_H
#define SOURCE_QEMU_MONITOR_H

/* What QEMU's monitor prints for people, read: QEMU 7.2 to 11 print it alike. */

#include "source/source.h"

/** Of the address space of the CPUs, a range that is memory. */
struct qemu_section {
	uint64_t first, last;
};

#define QEMU_MAX_SECTIONS 4096

/**
 * Read what "info mtree -f" prints.
 * @param ret QEMU_MAX_SECTIONS
 * @return how many there are; 0: the text is not that
 */
size_t qemu_sections_read(const char *text, struct qemu_section *ret);

/** Read what "gpa2hva" prints. @return false if there is no memory, or the text is not that */
bool qemu_hva_read(const char *text, uint64_t *ret);

/**
 * Add what "info registers -a" prints of each CPU to source->cpus.
 * @return 0, -PGW_EIO (the text is not that), -PGW_ENOMEM
 */
int qemu_registers_read(struct source *source, const char *text);

#endif
