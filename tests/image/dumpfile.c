/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "image/dumpfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/hosted.h>

uint64_t dumpfile_add(struct dumpfile *file, const void *bytes, size_t size)
{
	uint64_t at = file->size;

	file->size += size;
	file->bytes = realloc(file->bytes, file->size);
	assert_non_null(file->bytes);
	if (bytes)
		memcpy(file->bytes + at, bytes, size);
	else
		memset(file->bytes + at, 0, size);
	return at;
}

uint64_t dumpfile_add_number(struct dumpfile *file, unsigned size, uint64_t value)
{
	uint64_t at = dumpfile_add(file, NULL, size);

	dumpfile_put(file, at, size, value);
	return at;
}

void dumpfile_fill(struct dumpfile *file, size_t size)
{
	assert_true(file->size <= size);
	dumpfile_add(file, NULL, size - file->size);
}

void dumpfile_put(struct dumpfile *file, uint64_t offset, unsigned size, uint64_t value)
{
	assert_true(offset + size <= file->size);
	for (unsigned i = 0; i < size; i++)
		file->bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

const char *dumpfile_save(struct dumpfile *file, const char *name)
{
	if (!*file->folder) {
		strcpy(file->folder, "/tmp/pagewalk-dump-XXXXXX");
		assert_non_null(mkdtemp(file->folder));
	}
	if (name || !*file->path)
		snprintf(file->path, sizeof(file->path), "%s/%s", file->folder,
			 name ? name : "dump");
	write_file(file->path, file->bytes, file->size);
	return file->path;
}

void dumpfile_save_beside(const struct dumpfile *file, const struct dumpfile *other,
			  const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", file->folder, name);
	write_file(path, other->bytes, other->size);
}

void dumpfile_fini(struct dumpfile *file)
{
	char command[128];

	if (*file->folder) {
		snprintf(command, sizeof(command), "rm -r %s", file->folder);
		assert_int_equal(system(command), 0);
	}
	free(file->bytes);
	*file = (struct dumpfile){ .size = 0 };
}

const char *dumpfile_open(struct dumpfile *file, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	if (pgw_image_open(dumpfile_save(file, NULL), NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

void dumpfile_check_part(struct pgw_image *image, const uint8_t *memory, uint64_t size)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	uint64_t nr = 0;

	assert_int_equal(info->truncated, info->said_size > info->file_size);
	for (uint64_t pa = 0; pa < size; pa++) {
		uint8_t byte;

		if (pgw_phys_read(pgw_image_phys(image), pa, &byte, 1))
			continue;
		assert_int_equal(byte, memory[pa]);
		nr++;
	}
	assert_int_equal(nr, info->readable_bytes);
}

void dumpfile_check_cuts(struct dumpfile *file, const uint64_t *sizes, size_t nr, uint64_t min_size,
			 const uint8_t *memory, uint64_t memory_size)
{
	size_t whole = file->size;

	for (size_t i = 0; i < nr; i++) {
		struct pgw_image *image;
		const char *said;

		assert_true(sizes[i] < whole);
		file->size = (size_t)sizes[i];
		said = dumpfile_open(file, &image);
		if (sizes[i] < min_size) {
			assert_string_not_equal(said, "");
		} else {
			assert_string_equal(said, "");
			dumpfile_check_part(image, memory, memory_size);
			pgw_image_close(image);
		}
	}
	file->size = whole;
}

static void go_over(struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last;
	uint8_t byte;

	while (phys->ops->next_range(phys, pa, &first, &last)) {
		assert_true(first <= last && last >= pa && last < UINT64_MAX);
		pgw_phys_read(phys, first, &byte, 1);
		pgw_phys_read(phys, last, &byte, 1);
		assert_int_equal(pgw_phys_read(phys, last + 1, &byte, 1), -PGW_EIO);
		pa = last + 1;
	}
}

void dumpfile_check_rows(void (*make)(struct dumpfile *ret), const struct dumpfile_row *rows,
			 size_t nr)
{
	bool is_right = true;

	for (size_t i = 0; i < nr; i++) {
		struct dumpfile file = { .size = 0 };
		struct pgw_image *image;
		const char *said;

		make(&file);
		dumpfile_put(&file, rows[i].offset, rows[i].size, rows[i].value);
		said = dumpfile_open(&file, &image);
		if (strcmp(said, rows[i].text) != 0) {
			print_error("%s:\n  %s, not\n  %s\n", rows[i].name, said, rows[i].text);
			is_right = false;
		}
		if (image)
			go_over(image);
		pgw_image_close(image);
		dumpfile_fini(&file);
	}
	assert_true(is_right);
}
