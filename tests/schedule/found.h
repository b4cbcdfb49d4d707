/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_FOUND_H
#define TESTS_SCHEDULE_FOUND_H

/* Schedules that showed a fault of the library, which was mended; as --replay takes them. */
static const char *const found_lines[] = {
	/* munmap left the guards of what it unmapped together with a file's VMA. */
	"munmap/guard 2:1",
	0,
};

#endif
