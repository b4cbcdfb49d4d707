/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/memory_write.h"

#include <string.h>

#include "base/bits.h"
#include "source/elf.h"

#define NOTE_HEADER 12

struct core {
	struct memory_write write;
	struct elf_form form; /* 64-bit: all addresses fit; in the byte order of the notes */
	const struct source_core *what;
	uint64_t nr_headers; /* program headers */
	uint64_t offset;     /* in the file, of the bytes that the next header speaks of */
};

/* Memory that becomes one PT_LOAD: at its start some that is kept, then some that is not. */
struct piece {
	uint64_t pa;
	uint64_t kept;
	uint64_t size;
};

typedef int piece_fn(struct core *core, const struct piece *piece);

/* Readable memory is a part of what is described, so nothing that is kept leaves the run. */
static int run_pieces(struct core *core, const struct pgw_pa_range *run, piece_fn *fn)
{
	uint64_t at = run->first, end;
	int status = 0;

	for (; at <= run->last && !status; at = end) {
		struct piece piece = { .pa = at };
		struct pgw_pa_range kept;
		bool has_kept = memory_write_next(&core->write, at, &kept);

		if (has_kept && kept.first == at) {
			piece.kept = kept.last - at + 1;
			has_kept = memory_write_next(&core->write, kept.last + 1, &kept);
		}
		end = has_kept && kept.first <= run->last ? kept.first : run->last + 1;
		piece.size = end - at;
		status = fn(core, &piece);
	}
	return status;
}

/* No run reaches UINT64_MAX, so pa does not wrap. */
static int each_piece(struct core *core, piece_fn *fn)
{
	struct pgw_pa_range run;
	uint64_t pa = 0;
	int status = 0;

	while (!status && source_next_range(core->write.source, SOURCE_DESCRIBED, pa, &run)) {
		status = run_pieces(core, &run, fn);
		pa = run.last + 1;
	}
	return status;
}

static int piece_count(struct core *core, const struct piece *piece)
{
	(void)piece;
	return core->nr_headers++ < SOURCE_MAX_SEGMENTS ? 0 : -PGW_EOVERFLOW;
}

static int program_header(struct core *core, uint32_t type, const struct piece *piece)
{
	const struct elf_form *form = &core->form;
	uint8_t ph[PH_SIZE_MAX] = { 0 };

	elf_put(form, ph, PH_TYPE, type);
	elf_put(form, ph, PH_FLAGS, PF_R);
	elf_put(form, ph, PH_OFFSET, core->offset);
	elf_put(form, ph, PH_VADDR, piece->pa);
	elf_put(form, ph, PH_PADDR, piece->pa);
	elf_put(form, ph, PH_FILESZ, piece->kept);
	elf_put(form, ph, PH_MEMSZ, piece->size);
	if (add_overflows(core->offset, piece->kept, &core->offset))
		return -PGW_EOVERFLOW;
	return core->write.fn(ph, elf_ph_size(form), core->write.arg);
}

/* Pages of memory are pages of the file: then what is zero can be a hole in it. */
static size_t piece_padding(const struct core *core, const struct piece *piece)
{
	if (!core->what->is_aligned || !piece->kept)
		return 0;
	return (piece->pa - core->offset) & (SOURCE_CORE_ALIGN - 1);
}

static int piece_header(struct core *core, const struct piece *piece)
{
	if (add_overflows(core->offset, piece_padding(core, piece), &core->offset))
		return -PGW_EOVERFLOW;
	return program_header(core, PT_LOAD, piece);
}

/* Goes over the same offsets, which did not overflow. */
static int piece_bytes(struct core *core, const struct piece *piece)
{
	size_t padding = piece_padding(core, piece);
	int status = memory_write_zeroes(&core->write, padding);

	core->offset += padding + piece->kept;
	return status ? status : memory_write_range(&core->write, piece->pa, piece->kept);
}

/* A new note: the name and what it says, each padded to 4 bytes (System V gABI, "Note Section"). */

static size_t note_padded(size_t size)
{
	return (size + 3) / 4 * 4;
}

static size_t note_size(const struct source_new_note *note)
{
	return NOTE_HEADER + note_padded(strlen(note->name) + 1) + note_padded(note->size);
}

static void put_word(const struct core *core, uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++, value >>= 8)
		to[core->form.is_big_endian ? 3 - i : i] = (uint8_t)value;
}

static int new_note_bytes(const struct core *core, const struct source_new_note *note)
{
	const struct memory_write *write = &core->write;
	size_t name = strlen(note->name) + 1;
	uint8_t head[NOTE_HEADER + SOURCE_NOTE_NAME_MAX + 4] = { 0 };
	int status;

	put_word(core, head, (uint32_t)name);
	put_word(core, head + 4, note->size);
	put_word(core, head + 8, note->type);
	memcpy(head + NOTE_HEADER, note->name, name);
	status = write->fn(head, NOTE_HEADER + note_padded(name), write->arg);
	if (!status && note->size)
		status = write->fn(note->desc, note->size, write->arg);
	return status ? status : memory_write_zeroes(write, note_padded(note->size) - note->size);
}

static uint64_t new_notes_size(const struct core *core)
{
	uint64_t size = 0;

	for (size_t i = 0; i < core->what->nr_notes; i++)
		size += note_size(&core->what->notes[i]);
	return size;
}

static int note_header(struct core *core, uint64_t size)
{
	return program_header(core, PT_NOTE, &(struct piece){ .kept = size, .size = size });
}

static int notes_headers(struct core *core)
{
	const struct source *source = core->write.source;
	int status = 0;

	for (size_t i = 0; i < source->nr_notes && !status; i++)
		status = note_header(core, source->notes[i].size);
	if (!status && core->what->nr_notes)
		status = note_header(core, new_notes_size(core));
	return status;
}

static int notes_bytes(struct core *core)
{
	const struct source *source = core->write.source;
	int status = 0;

	for (size_t i = 0; i < source->nr_notes && !status; i++) {
		core->offset += source->notes[i].size;
		status = memory_write_file(&core->write, source->notes[i].offset,
					   source->notes[i].size);
	}
	for (size_t i = 0; i < core->what->nr_notes && !status; i++)
		status = new_note_bytes(core, &core->what->notes[i]);
	core->offset += new_notes_size(core);
	return status;
}

/* The file header; and where the program headers are too many for it, a section header that counts.
 */
static int core_headers(struct core *core, uint64_t *ret_end)
{
	const struct elf_form *form = &core->form;
	const struct memory_write *write = &core->write;
	uint64_t headers_end = elf_eh_size(form) + core->nr_headers * elf_ph_size(form);
	bool is_extended = core->nr_headers >= PN_XNUM;
	uint8_t header[EH_SIZE_MAX] = "\x7f"
				      "ELF",
		section[SH_SIZE_MAX] = { 0 };
	int status;

	header[ELF_CLASS] = ELFCLASS64;
	header[ELF_DATA] = form->is_big_endian ? ELFDATA2MSB : ELFDATA2LSB;
	header[ELF_IDENT_VERSION] = EV_CURRENT;
	elf_put(form, header, EH_TYPE, ET_CORE);
	elf_put(form, header, EH_MACHINE, core->what->elf_machine);
	elf_put(form, header, EH_VERSION, EV_CURRENT);
	elf_put(form, header, EH_PHOFF, elf_eh_size(form));
	elf_put(form, header, EH_EHSIZE, elf_eh_size(form));
	elf_put(form, header, EH_PHENTSIZE, elf_ph_size(form));
	elf_put(form, header, EH_PHNUM, is_extended ? PN_XNUM : core->nr_headers);
	if (is_extended) {
		elf_put(form, header, EH_SHOFF, headers_end);
		elf_put(form, header, EH_SHENTSIZE, elf_sh_size(form));
		elf_put(form, header, EH_SHNUM, 1);
		elf_put(form, section, SH_INFO, core->nr_headers);
	}
	*ret_end = headers_end + (is_extended ? elf_sh_size(form) : 0);
	core->offset = *ret_end;

	status = write->fn(header, elf_eh_size(form), write->arg);
	if (!status)
		status = notes_headers(core);
	if (!status)
		status = each_piece(core, piece_header);
	if (!status && is_extended)
		status = write->fn(section, elf_sh_size(form), write->arg);
	return status;
}

static int core_write(struct core *core)
{
	int status = each_piece(core, piece_count);
	uint64_t headers_end;

	if (status)
		return status;
	if (!core->nr_headers)
		return -PGW_ENOENT;
	status = core_headers(core, &headers_end);
	core->offset = headers_end;
	if (!status)
		status = notes_bytes(core);
	return status ? status : each_piece(core, piece_bytes);
}

int source_write_core(const struct source *source, const struct source_writing *what,
		      const struct source_core *core_is)
{
	struct core core = {
		.form = { .is_big_endian = source->is_big_endian },
		.what = core_is,
		.nr_headers = source->nr_notes + (core_is->nr_notes != 0),
	};
	int status = memory_write_init(&core.write, source, what);

	if (!status)
		status = core_write(&core);
	memory_write_fini(&core.write);
	return status;
}
