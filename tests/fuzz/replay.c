/* SPDX-License-Identifier: BSD-2-Clause */
/* replay FOLDER: run a fuzz target on every file of a corpus, and on no bytes at all. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

/* A block of exactly the file's size, so that a sanitizer sees every byte too many. */
static uint8_t *load(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
	size = ftell(file);
	FUZZ_CHECK(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
	bytes = malloc((size_t)size);
	FUZZ_CHECK((bytes || !size) && fread(bytes, 1, (size_t)size, file) == (size_t)size);
	fclose(file);
	*ret_size = (size_t)size;
	return bytes;
}

static int compare(const struct dirent **a, const struct dirent **b)
{
	return alphasort(a, b);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int nr = argc == 2 ? scandir(argv[1], &entries, is_input, compare) : -1;

	if (nr <= 0) {
		fprintf(stderr, "usage: %s FOLDER, with files in it\n", argv[0]);
		return 99;
	}
	LLVMFuzzerTestOneInput(NULL, 0);
	for (int i = 0; i < nr; i++) {
		uint8_t *bytes;
		char path[4096];
		size_t size;

		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		/* The last line before a crash says which. */
		printf("# %s\n", path);
		fflush(stdout);
		bytes = load(path, &size);
		LLVMFuzzerTestOneInput(bytes, size);
		free(bytes);
		free(entries[i]);
	}
	free(entries);
	printf("ok 1 - %d inputs do no harm\n1..1\n", nr);
	return 0;
}
