/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memmem */
#include "source/qemu.h"

#include <ctype.h>
#include <string.h>

#include "base/bits.h"

/* What a section is (migration/savevm.h). */
enum section {
	SECTION_EOF = 0,
	SECTION_START = 1,
	SECTION_PART = 2,
	SECTION_END = 3,
	SECTION_FULL = 4,
	SECTION_SUBSECTION = 5,
	SECTION_DESCRIPTION = 6,
	SECTION_CONFIGURATION = 7,
	SECTION_COMMAND = 8,
	SECTION_FOOTER = 0x7e,
};

#define VERSION 3
#define RAM_VERSION 4
#define FOOTER_SIZE 5

/* Commands of a machine that goes on elsewhere before all of its memory has come. */
#define COMMAND_POSTCOPY_FIRST 3
#define COMMAND_POSTCOPY_LAST 6

#define WINDOW 65536

/* The page size if it is not said. */
#define PAGE_LG2 12
#define PAGE_LG2_MIN 10
#define PAGE_LG2_MAX 16

#define STREAM "a QEMU migration stream"

static int take_capability(struct qemu_stream *stream)
{
	char name[QEMU_MAX_NAME + 1];
	uint64_t at = stream->at;
	int status = qemu_take_name(stream, name);

	if (status)
		return status;
	if (strcmp(name, "x-ignore-shared") == 0)
		return source_fail_kind(stream->err, at,
					STREAM " without its shared memory (x-ignore-shared)",
					"the file behind that memory (mem-path=) is raw memory "
					"(--ram PA=FILE[@OFFSET[+SIZE]])");
	stream->is_mapped |= strcmp(name, "mapped-ram") == 0;
	return 0;
}

static int take_capabilities(struct qemu_stream *stream)
{
	uint64_t nr;
	int status = qemu_take_number(stream, 4, &nr);

	/* Each takes bytes of the file, which ends. */
	for (uint64_t i = 0; i < nr && !status; i++)
		status = take_capability(stream);
	return status;
}

static int take_page_bits(struct qemu_stream *stream)
{
	uint64_t bits;
	int status = qemu_take_number(stream, 4, &bits);

	if (status)
		return status;
	if (bits < PAGE_LG2_MIN || bits > PAGE_LG2_MAX)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, stream->at - 4, bits,
				      "pages of 2^10 to 2^16 bytes");
	stream->ram->page_lg2 = (unsigned)bits;
	return 0;
}

static int take_subsection(struct qemu_stream *stream)
{
	char name[QEMU_MAX_NAME + 1];
	uint64_t at = stream->at, version, skipped;
	int status = qemu_take_name(stream, name);

	if (!status)
		status = qemu_take_number(stream, 4, &version);
	if (status)
		return status;
	if (strcmp(name, "configuration/target-page-bits") == 0)
		return take_page_bits(stream);
	if (strcmp(name, "configuration/capabilities") == 0)
		return take_capabilities(stream);
	if (strcmp(name, "configuration/uuid") == 0) {
		status = qemu_take_number(stream, 8, &skipped);
		return status ? status : qemu_take_number(stream, 8, &skipped);
	}
	return source_fail_at(stream->err, -PGW_EOPNOTSUPP, at, strlen(name),
			      "a part of the configuration that is known");
}

static int take_configuration(struct qemu_stream *stream)
{
	uint64_t len, type;
	int status = qemu_take_number(stream, 4, &len);

	if (status)
		return status;
	if (len > QEMU_MAX_NAME)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, stream->at - 4, len,
				      "a machine's type, of at most 255 bytes");
	status = qemu_take(stream, stream->machine, len);
	stream->machine[status ? 0 : len] = 0;
	while (!status) {
		status = qemu_take_number(stream, 1, &type);
		if (!status && type != SECTION_SUBSECTION) {
			stream->at--;
			break;
		}
		if (!status)
			status = take_subsection(stream);
	}
	return status;
}

/* Could a section begin here, or the file end? */
static bool is_section(const struct qemu_stream *stream, uint64_t at)
{
	uint8_t head[7];

	if (!source_map_read(stream->map, at, head, sizeof(head)))
		return at == stream->map->size || source_map_has(stream->map, at, 1);
	if (head[0] == SECTION_START || head[0] == SECTION_FULL)
		return head[5] && isprint(head[6]);
	return head[0] <= SECTION_COMMAND && head[0] != SECTION_SUBSECTION;
}

/*
 * Of a section that is not the memory's only its end is looked for: nothing says how long it is,
 * but its footer says its number.
 */
static int skip_section(struct qemu_stream *stream, uint32_t number)
{
	static const size_t keep = FOOTER_SIZE - 1;
	uint8_t window[WINDOW], footer[FOOTER_SIZE] = { SECTION_FOOTER };
	uint64_t size = stream->map->size;

	for (unsigned i = 0; i < 4; i++)
		footer[1 + i] = (uint8_t)(number >> (24 - 8 * i));
	while (size - stream->at >= FOOTER_SIZE) {
		size_t n = size - stream->at < WINDOW ? (size_t)(size - stream->at) : WINDOW;
		const uint8_t *found, *from = window;

		if (!source_map_read(stream->map, stream->at, window, n))
			return QEMU_CUT;
		while ((found = memmem(from, n - (size_t)(from - window), footer, FOOTER_SIZE))) {
			uint64_t end = stream->at + (uint64_t)(found - window) + FOOTER_SIZE;

			if (is_section(stream, end)) {
				stream->at = end;
				return 0;
			}
			from = found + 1;
		}
		stream->at += n - keep;
	}
	return QEMU_CUT;
}

static int take_footer(struct qemu_stream *stream)
{
	uint64_t type, number;
	int status = qemu_take_number(stream, 1, &type);

	if (!status)
		status = qemu_take_number(stream, 4, &number);
	if (!status && (type != SECTION_FOOTER || number != stream->section))
		return source_fail_at(stream->err, -PGW_EOVERFLOW, stream->at - FOOTER_SIZE,
				      type << 32 | number, "the end of a section of the memory");
	return status;
}

/* The first section of a kind, or one of what is sent at once. */
static int take_start(struct qemu_stream *stream, bool is_full)
{
	char name[QEMU_MAX_NAME + 1];
	uint64_t at = stream->at, number, instance, version;
	int status = qemu_take_number(stream, 4, &number);

	if (!status)
		status = qemu_take_name(stream, name);
	if (!status)
		status = qemu_take_number(stream, 4, &instance);
	if (!status)
		status = qemu_take_number(stream, 4, &version);
	if (status)
		return status;
	if (is_full || strcmp(name, "ram") != 0)
		return skip_section(stream, (uint32_t)number);
	if (stream->has_section)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, number,
				      "the memory's first section once");
	if (version != RAM_VERSION)
		return source_fail_at(stream->err, -PGW_EOPNOTSUPP, stream->at - 4, version,
				      "memory in version 4");
	stream->section = (uint32_t)number;
	stream->has_section = true;
	status = qemu_take_blocks(stream);
	if (!status)
		status = qemu_take_pages(stream);
	return status ? status : take_footer(stream);
}

static int take_part(struct qemu_stream *stream, bool is_end)
{
	uint64_t number;
	int status = qemu_take_number(stream, 4, &number);

	if (status)
		return status;
	if (!stream->has_section || number != stream->section)
		return skip_section(stream, (uint32_t)number);
	status = qemu_take_pages(stream);
	stream->is_whole = is_end && !status;
	return status ? status : take_footer(stream);
}

static int take_command(struct qemu_stream *stream)
{
	uint64_t at = stream->at, command, len;
	int status = qemu_take_number(stream, 2, &command);

	if (!status)
		status = qemu_take_number(stream, 2, &len);
	if (status)
		return status;
	if (command >= COMMAND_POSTCOPY_FIRST && command <= COMMAND_POSTCOPY_LAST)
		return source_fail_kind(stream->err, at, STREAM " for postcopy",
					"migrate again without postcopy-ram: some of the memory "
					"need not be in it");
	stream->at += len;
	return 0;
}

static int take_section(struct qemu_stream *stream)
{
	uint64_t at = stream->at, type;
	int status = qemu_take_number(stream, 1, &type);

	if (status)
		return status;
	switch (type) {
	case SECTION_CONFIGURATION:
		return take_configuration(stream);
	case SECTION_START:
	case SECTION_FULL:
		return take_start(stream, type == SECTION_FULL);
	case SECTION_PART:
	case SECTION_END:
		return take_part(stream, type == SECTION_END);
	case SECTION_COMMAND:
		return take_command(stream);
	default:
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, type,
				      "a section before the end of the memory");
	}
}

int qemu_stream_read(struct qemu_stream *stream)
{
	uint64_t at = stream->at, magic, version;
	int status = qemu_take_number(stream, 4, &magic);

	stream->ram->page_lg2 = PAGE_LG2;
	if (!status)
		status = qemu_take_number(stream, 4, &version);
	if (status)
		return status;
	if (magic != 0x5145564d)
		return source_fail_at(stream->err, -PGW_EOVERFLOW, at, magic, STREAM);
	if (version != VERSION)
		return source_fail_at(stream->err, -PGW_EOPNOTSUPP, at + 4, version,
				      STREAM " of version 3");
	while (!status && !stream->is_whole)
		status = take_section(stream);
	return !status && stream->is_mapped ? qemu_take_mapped(stream) : status;
}
