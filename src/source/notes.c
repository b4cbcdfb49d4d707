/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <string.h>

#include "base/bits.h"

/* A note: three words, then the name and the description, each padded to 4 bytes. */
#define NOTE_HEADER 12

static uint64_t note_pad(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

static uint64_t note_pad_total(uint64_t total, uint64_t size)
{
	total = note_pad(total);
	return total < size ? total : size;
}

/* Notes of QEMU's dump-guest-memory: CPUs', then the guest's VMCOREINFO. */
static bool note_is_known(const char *name)
{
	static const char *const names[] = { "CORE", "LINUX", "QEMU", "VMCOREINFO" };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

uint64_t source_notes_end(const struct source *source, uint64_t offset)
{
	uint64_t end = offset;

	do {
		char name[SOURCE_NOTE_NAME_MAX + 1] = { 0 };
		uint8_t header[NOTE_HEADER];
		uint32_t name_size;

		if (!source_read_file(source, end, header, sizeof(header)))
			return end;
		name_size = load_le32(header);
		if (name_size > SOURCE_NOTE_NAME_MAX ||
		    !source_read_file(source, end + NOTE_HEADER, name, name_size) ||
		    !note_is_known(name))
			return end;
		end += NOTE_HEADER + note_pad(name_size) + note_pad(load_le32(header + 4));
	} while (end < source->info.file_size && end - offset < SOURCE_MAX_NOTE_BYTES);
	return end;
}

uint64_t source_number(const struct source *source, const void *bytes, unsigned size)
{
	const uint8_t *at = bytes;
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[source->is_big_endian ? i : size - 1 - i];
	return value;
}

int source_notes_parse(const struct source *source, const struct source_notes *notes,
		       source_note_fn *fn, void *arg, bool *ret_is_cut, struct pgw_error *err)
{
	uint64_t offset = notes->offset, size = notes->size;
	int status = 0;

	while (size >= NOTE_HEADER && !status) {
		struct source_note note = { .offset = offset };
		uint8_t header[NOTE_HEADER];
		uint32_t name_size;
		uint64_t total;

		if (!source_read_file(source, offset, header, sizeof(header)))
			return source_fail_read(err, offset);
		name_size = (uint32_t)source_number(source, header, 4);
		note.desc_size = (uint32_t)source_number(source, header + 4, 4);
		note.type = (uint32_t)source_number(source, header + 8, 4);
		note.desc = offset + NOTE_HEADER + note_pad(name_size);
		total = NOTE_HEADER + note_pad(name_size) + note.desc_size;
		if (!name_size)
			break;
		if (total > size) {
			if (ret_is_cut)
				*ret_is_cut = true;
			break;
		}
		if (name_size <= SOURCE_NOTE_NAME_MAX &&
		    source_read_file(source, offset + NOTE_HEADER, note.name, name_size))
			status = fn(&note, arg);
		/* The last description need not be padded. */
		total = note_pad_total(total, size);
		offset += total;
		size -= total;
	}
	return status;
}

int source_each_note(const struct source *source, source_note_fn *fn, void *arg,
		     struct pgw_error *err)
{
	int status = 0;

	for (size_t i = 0; i < source->nr_notes && !status; i++)
		status = source_notes_parse(source, &source->notes[i], fn, arg, NULL, err);
	return status;
}
