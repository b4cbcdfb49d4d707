/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/memory_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/lime.h"

/* Files that have no headers, or next to none: LiME's, and raw memory. */

static void put_le(uint8_t *to, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8)
		to[i] = (uint8_t)value;
}

static int lime_header(const struct memory_write *write, const struct pgw_pa_range *range)
{
	uint8_t header[LIME_HEADER_SIZE] = LIME_MAGIC;

	put_le(header + LIME_VERSION_AT, 4, LIME_VERSION);
	put_le(header + LIME_FIRST_AT, 8, range->first);
	put_le(header + LIME_LAST_AT, 8, range->last);
	return write->fn(header, sizeof(header), write->arg);
}

int source_write_plain(const struct source *source, const struct source_writing *what, bool is_lime)
{
	struct memory_write write;
	struct pgw_pa_range range;
	int status = memory_write_init(&write, source, what);

	if (!status && !memory_write_next(&write, 0, &range))
		status = -PGW_ENOENT;
	/* No range reaches UINT64_MAX. */
	for (uint64_t pa = 0; !status && memory_write_next(&write, pa, &range);
	     pa = range.last + 1) {
		if (is_lime)
			status = lime_header(&write, &range);
		if (!status)
			status = memory_write_range(&write, range.first,
						    range.last - range.first + 1);
	}
	memory_write_fini(&write);
	return status;
}

/* raw_map.c has what the lines mean. */

static int map_head(const struct memory_write *write, unsigned elf_machine, bool is_guess)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%s", SOURCE_RAW_MAP_MAGIC);

	if (elf_machine)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "# machine %u\n", elf_machine);
	if (is_guess)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "# placement guessed\n");
	return write->fn(text, (size_t)n, write->arg);
}

static int map_line(const struct memory_write *write, const struct pgw_pa_range *range,
		    const char *name, uint64_t offset)
{
	char text[SOURCE_RAW_MAP_LINE + 1];
	int n = snprintf(text, sizeof(text), "0x%" PRIx64 "=%s@0x%" PRIx64 "+0x%" PRIx64 "\n",
			 range->first, name, offset, range->last - range->first + 1);

	return n < (int)sizeof(text) ? write->fn(text, (size_t)n, write->arg) : -PGW_EINVAL;
}

int source_write_map(const struct source *source, const struct source_writing *what,
		     const char *name, unsigned elf_machine, bool is_guess)
{
	static const char end[] = "# end\n";
	struct memory_write write;
	struct pgw_pa_range range;
	uint64_t offset = 0;
	int status = memory_write_init(&write, source, what);

	if (!status && (!*name || strpbrk(name, "/\n")))
		status = -PGW_EINVAL;
	if (!status)
		status = map_head(&write, elf_machine, is_guess);
	for (uint64_t pa = 0; !status && memory_write_next(&write, pa, &range);
	     pa = range.last + 1) {
		status = map_line(&write, &range, name, offset);
		offset += range.last - range.first + 1;
	}
	if (!status)
		status = write.fn(end, sizeof(end) - 1, write.arg);
	memory_write_fini(&write);
	return status;
}
