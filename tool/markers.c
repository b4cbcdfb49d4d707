/* SPDX-License-Identifier: BSD-2-Clause */
#include "markers.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "parse.h"

#define MAX_TEXT 65536
#define MAX_MARKERS 1024

static int markers_load(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len;
	bool failed;

	if (!file) {
		message("%s: %s", path, strerror(errno));
		return TOOL_UNREADABLE;
	}
	len = fread(text, 1, size, file);
	failed = ferror(file) != 0;
	if (failed)
		message("%s: %s", path, strerror(errno));
	fclose(file);
	if (failed)
		return TOOL_UNREADABLE;
	if (len == size || memchr(text, '\0', len)) {
		message("%s: not a list of markers", path);
		return TOOL_USAGE;
	}
	text[len] = '\0';
	return TOOL_DONE;
}

/* The next word of *line, ended in place; NULL if there is none. */
static char *take_word(char **line)
{
	char *word = *line + strspn(*line, " \t\r");
	size_t len = strcspn(word, " \t\r");

	if (!len)
		return NULL;
	*line = word + len;
	if (**line)
		*(*line)++ = '\0';
	return word;
}

static bool parse_marker(char *line, struct pgw_marker *ret)
{
	char *word = take_word(&line);
	size_t len;

	*ret = (struct pgw_marker){ 0 };
	if (!word || !parse_hex(word, &ret->va))
		return false;
	line += strspn(line, " \t");
	if (isdigit((unsigned char)*line)) {
		word = take_word(&line);
		if (!word || !parse_dec(word, &ret->max_lines))
			return false;
		line += strspn(line, " \t");
	}
	len = strlen(line);
	while (len && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	ret->name = line;
	return len > 0;
}

static bool markers_add(struct markers *markers, char *line)
{
	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return true;
	return markers->nr < MAX_MARKERS && parse_marker(line, &markers->list[markers->nr++]);
}

static int markers_parse(const char *path, struct markers *markers)
{
	char *line = markers->text;

	for (unsigned nr_line = 1; line; nr_line++) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		if (!markers_add(markers, line)) {
			message("%s: line %u is not ADDRESS [LINES] NAME", path, nr_line);
			return TOOL_USAGE;
		}
		line = next;
	}
	return TOOL_DONE;
}

int markers_read(const char *path, struct markers *ret)
{
	struct markers markers = {
		.list = calloc(MAX_MARKERS, sizeof(*markers.list)),
		.text = malloc(MAX_TEXT + 1),
	};
	int status;

	if (!markers.list || !markers.text) {
		message("%s: %s", path, strerror(ENOMEM));
		status = TOOL_UNREADABLE;
	} else {
		status = markers_load(path, markers.text, MAX_TEXT);
	}
	if (status == TOOL_DONE)
		status = markers_parse(path, &markers);
	if (status == TOOL_DONE)
		*ret = markers;
	else
		markers_free(&markers);
	return status;
}

void markers_free(struct markers *markers)
{
	free(markers->list);
	free(markers->text);
}
