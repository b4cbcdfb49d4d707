/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_CONSOLE_H
#define TESTS_CONSOLE_H

/*
 * What a guest printed of itself before its memory was dumped: the shared images linux/NAME.elf
 * have it in linux/NAME.oracle.txt, files of the guest one after the other between lines
 * "BEGIN PATH" and "END PATH ...".
 */

#include <stdbool.h>
#include <stdio.h>

struct pgw_image;

struct console {
	FILE *file;
	const char *path;
	char line[4096];
};

/** The guest's memory, to be closed; skips the test if it is not there. */
struct pgw_image *console_image(const char *name);

/** Go to the last copy of a file of the guest. @return is it there? */
bool console_open(struct console *console, const char *name, const char *path);
/** Its next line, without the newline; NULL behind the last. */
const char *console_line(struct console *console);
void console_close(struct console *console);

#endif
