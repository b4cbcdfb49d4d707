/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>

#include <pagewalk/hosted.h>

void message(const char *format, ...)
{
	char line[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "pagewalk: %s\n", line);
}

int message_error(const char *file, const struct pgw_error *err)
{
	char text[512];

	/* target_finish() says that a signal came. */
	if (err->status == -PGW_EINTR)
		return TOOL_FINDING;
	pgw_error_format(err, text, sizeof(text));
	message("%s: %s", err->file ? err->file : file, text);
	return TOOL_UNREADABLE;
}
