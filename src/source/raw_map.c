/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * A text that says where the bytes of a file of raw memory belong, as `pagewalk convert --format
 * raw` writes it beside that file:
 *
 *   # pagewalk memory map 1
 *   # machine 62
 *   # placement guessed
 *   0x1000=NAME@0x0+0x9f000
 *   # end
 *
 * Lines of pieces are what --ram takes. NAME is the file's, the same in each line, in the folder
 * of the map. The machine is ELF's number for it; that line, and that of the placement, may be
 * missing. Without the last line, the map was cut.
 */

#define MACHINE "# machine "
#define GUESSED "# placement guessed"
#define END "# end"

/* A map that is being read. */
struct mapping {
	struct source *source;
	const char *path; /* of the map */
	struct source_segment *list;
	size_t nr;
	char name[SOURCE_RAW_MAP_LINE]; /* of the file; empty until it is open */
	char line[SOURCE_RAW_MAP_LINE];
	uint64_t at; /* where the line is in the map */
	bool has_end;
	struct pgw_error *err;
};

static bool raw_map_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[sizeof(SOURCE_RAW_MAP_MAGIC) - 1];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, SOURCE_RAW_MAP_MAGIC, sizeof(magic)) == 0;
}

static int fail_line(const struct mapping *mapping, const char *expected)
{
	source_fail(mapping->err, -PGW_EOVERFLOW, expected);
	if (mapping->err) {
		mapping->err->has_offset = true;
		mapping->err->offset = mapping->at;
	}
	return -PGW_EOVERFLOW;
}

/* The next line. @return its size with what ends it; 0: it is too long, or ends with the file */
static size_t take_line(struct mapping *mapping)
{
	const struct source_map *file = &mapping->source->files[0];
	uint64_t left = file->size - mapping->at;
	size_t n = left < sizeof(mapping->line) ? (size_t)left : sizeof(mapping->line);
	char *end;

	if (!source_map_read(file, mapping->at, mapping->line, n))
		return 0;
	end = memchr(mapping->line, '\n', n);
	if (!end || memchr(mapping->line, '\0', (size_t)(end - mapping->line)))
		return 0;
	*end = '\0';
	return (size_t)(end - mapping->line) + 1;
}

/* Moves *text behind the number, which begins with 0x. */
static bool take_hex(char **text, uint64_t *ret)
{
	char *end;

	if ((*text)[0] != '0' || (*text)[1] != 'x')
		return false;
	*text += 2;
	if (strspn(*text, "0123456789abcdefABCDEF") - 1 >= 16)
		return false;
	*ret = strtoull(*text, &end, 16);
	*text = end;
	return true;
}

static bool take_char(char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

/* In the folder of the map, and nowhere else. */
static int open_file(struct mapping *mapping, const char *name)
{
	const char *slash = strrchr(mapping->path, '/');
	size_t folder = slash ? (size_t)(slash - mapping->path) + 1 : 0;
	struct source *source = mapping->source;
	struct source_map *files;
	char *path;
	int status;

	if (!*name || strchr(name, '/'))
		return fail_line(mapping, "the name of a file in the folder of the map");
	path = malloc(folder + strlen(name) + 1);
	files = reallocarray(source->files, 2, sizeof(*files));
	if (files)
		source->files = files;
	if (!path || !files) {
		free(path);
		return source_fail(mapping->err, -PGW_ENOMEM, NULL);
	}
	memcpy(path, mapping->path, folder);
	strcpy(path + folder, name);
	status = source_map_open(path, &source->files[1], mapping->err);
	free(path);
	if (status)
		return mapping->err && mapping->err->os_errno
			       ? fail_line(mapping,
					   "a file of this name beside the map, that can be "
					   "read")
			       : status;
	source->nr_files = 2;
	source->info.file_size = source->files[1].size;
	strcpy(mapping->name, name);
	return 0;
}

static int add_segment(struct mapping *mapping, uint64_t pa, uint64_t offset, uint64_t size)
{
	uint64_t held = mapping->source->files[1].size, end;
	struct source_segment segment = { .file = 1, .pa = pa, .size = size, .offset = offset };

	if (!size || add_overflows(pa, size, &end))
		return fail_line(mapping,
				 "a piece of memory that is not empty and ends below 2^64");
	if (add_overflows(offset, size, &end))
		return fail_line(mapping, "a piece of the file that ends below 2^64");
	if (mapping->nr == SOURCE_MAX_SEGMENTS)
		return fail_line(mapping, "at most 1048576 pieces");
	segment.file_size = offset >= held ? 0 : size < held - offset ? size : held - offset;
	if (mapping->source->info.said_size < end)
		mapping->source->info.said_size = end;
	if (source_array_grow((void **)&mapping->list, mapping->nr, sizeof(segment)))
		return source_fail(mapping->err, -PGW_ENOMEM, NULL);
	mapping->list[mapping->nr++] = segment;
	return 0;
}

/* PA=NAME@OFFSET+SIZE */
static int take_piece(struct mapping *mapping)
{
	char *text = mapping->line, *name, *at = strrchr(text, '@');
	uint64_t pa, offset, size;
	int status = 0;

	if (!take_hex(&text, &pa) || !take_char(&text, '=') || !at || at < text)
		return fail_line(mapping, "PA=NAME@OFFSET+SIZE, the numbers hexadecimal with 0x");
	name = text;
	*at = '\0';
	text = at + 1;
	if (!take_hex(&text, &offset) || !take_char(&text, '+') || !take_hex(&text, &size) || *text)
		return fail_line(mapping, "PA=NAME@OFFSET+SIZE, the numbers hexadecimal with 0x");
	if (!*mapping->name)
		status = open_file(mapping, name);
	else if (strcmp(mapping->name, name) != 0)
		status = fail_line(mapping, "the same file in each line");
	return status ? status : add_segment(mapping, pa, offset, size);
}

static int take_remark(struct mapping *mapping)
{
	struct source *source = mapping->source;
	const char *line = mapping->line;
	unsigned long machine;
	char *end;

	if (strcmp(line, GUESSED) == 0) {
		source->is_guess = true;
	} else if (strcmp(line, END) == 0) {
		mapping->has_end = true;
	} else if (strncmp(line, MACHINE, strlen(MACHINE)) == 0) {
		machine = strtoul(line + strlen(MACHINE), &end, 10);
		if (*end || machine > UINT16_MAX)
			return fail_line(mapping, "ELF's number of a machine");
		source->has_machine = machine;
		source->info.elf_machine = (unsigned)machine;
		source->info.machine = source_machine_name((unsigned)machine);
	}
	return 0;
}

static int read_lines(struct mapping *mapping)
{
	uint64_t size = mapping->source->files[0].size;
	int status = 0;

	while (!status && mapping->at < size && !mapping->has_end) {
		size_t n = take_line(mapping);

		/* A line that the end of the map has cut says nothing. */
		if (!n && size - mapping->at < SOURCE_RAW_MAP_LINE)
			return 0;
		if (!n)
			return fail_line(mapping, "a line of at most 319 bytes");
		status = mapping->line[0] == '#' ? take_remark(mapping) : take_piece(mapping);
		mapping->at += n;
	}
	return status;
}

static int raw_map_open(struct source *source, const struct pgw_image_options *options,
			struct pgw_error *err)
{
	struct mapping mapping = {
		.source = source,
		.path = source->path,
		.at = sizeof(SOURCE_RAW_MAP_MAGIC) - 1,
		.err = err,
	};
	int status = read_lines(&mapping);

	(void)options;
	source->has_places = true;
	source->info.truncated =
		!mapping.has_end || source->info.said_size > source->info.file_size;
	if (!status && source_lay_out(source, mapping.list, mapping.nr))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	free(mapping.list);
	return status;
}

const struct source_ops source_raw_map_ops = {
	.name = "raw-map",
	.probe = raw_map_probe,
	.open = raw_map_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
