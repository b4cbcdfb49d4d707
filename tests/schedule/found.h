/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_FOUND_H
#define TESTS_SCHEDULE_FOUND_H

/* Schedules that showed a fault of the library, which was mended; as --replay takes them. */
static const char *const found_lines[] = {
	/* munmap left the guards of what it unmapped together with a file's VMA. */
	"munmap/guard 2:1",
	/* An oracle's mistake: a fault that finds its page need not flush what is cleared later. */
	"fault-anon/fault-anon/dontneed/dontneed 1:2 26:d 155:3 187:1",
	0,
};

#endif
