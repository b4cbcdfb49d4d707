/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/image.h>

#include "common/shared_images.h"

/* Does the line say that the file begins, or ends? */
static bool is_mark(const struct console *console, const char *mark)
{
	size_t len = strlen(mark), path_len = strlen(console->path);
	const char *behind = console->line + len + path_len;

	return strncmp(console->line, mark, len) == 0 &&
	       strncmp(console->line + len, console->path, path_len) == 0 &&
	       (*behind == ' ' || *behind == '\0');
}

/* A line without its end; a carriage return belongs to the console. */
static bool read_line(struct console *console)
{
	if (!fgets(console->line, sizeof(console->line), console->file))
		return false;
	console->line[strcspn(console->line, "\r\n")] = '\0';
	return true;
}

struct pgw_image *console_image(const char *name)
{
	char file[128];
	struct pgw_image *image;
	const char *path;

	snprintf(file, sizeof(file), "linux/%s.elf", name);
	path = shared_image(file);
	if (!path)
		skip();
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	return image;
}

bool console_open(struct console *console, const char *name, const char *path)
{
	char file[256];
	const char *found;
	long start = -1;

	snprintf(file, sizeof(file), "linux/%s.oracle.txt", name);
	found = shared_image(file);
	*console = (struct console){ .path = path };
	console->file = found ? fopen(found, "r") : NULL;
	if (!console->file)
		return false;
	while (read_line(console)) {
		if (is_mark(console, "BEGIN "))
			start = ftell(console->file);
	}
	if (start >= 0 && fseek(console->file, start, SEEK_SET) == 0)
		return true;
	console_close(console);
	return false;
}

const char *console_line(struct console *console)
{
	return read_line(console) && !is_mark(console, "END ") ? console->line : NULL;
}

void console_close(struct console *console)
{
	if (console->file)
		fclose(console->file);
	console->file = NULL;
}
