/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/elf.h"

/* Bytes are handed on in blocks of at most this size. */
#define BLOCK ((size_t)64 << 10)

/* Our own note: the name and the text, each padded to 4 bytes (System V gABI, "Note Section"). */
#define GUESS_TEXT "placement=guessed\n"
#define GUESS_NAME_SIZE ((sizeof(SOURCE_NOTE_OWN) + 3) / 4 * 4)
#define GUESS_SIZE (12 + GUESS_NAME_SIZE + (sizeof(GUESS_TEXT) - 1 + 3) / 4 * 4)

struct core {
	const struct source *source;
	struct elf_form form; /* 64-bit: all addresses fit; in the byte order of the notes */
	const struct source_core *what;
	pgw_write_fn *fn;
	void *arg;
	uint64_t nr_headers; /* program headers */
	uint64_t offset;     /* in the file, of the bytes that the next header speaks of */
	uint8_t *block;
};

/* Memory that becomes one PT_LOAD: at its start some that is kept, then some that is not. */
struct piece {
	uint64_t pa;
	uint64_t kept;
	uint64_t size;
};

typedef int piece_fn(struct core *core, const struct piece *piece);

/* The first of the ranges to keep that ends at or above pa. */
static const struct pgw_pa_range *keep_next(const struct core *core, uint64_t pa)
{
	size_t low = 0, high = core->what->nr_keep;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (core->what->keep[middle].last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low < core->what->nr_keep ? &core->what->keep[low] : NULL;
}

/* The first memory from pa on that is to be kept and can be read. */
static bool kept_next(const struct core *core, uint64_t pa, struct pgw_pa_range *ret)
{
	const struct pgw_pa_range *keep;

	while ((keep = keep_next(core, pa))) {
		struct pgw_pa_range run;

		if (pa < keep->first)
			pa = keep->first;
		if (!source_next_range(core->source, SOURCE_READABLE, pa, &run))
			return false;
		if (pa < run.first)
			pa = run.first;
		if (pa > keep->last)
			continue;
		*ret = (struct pgw_pa_range){
			.first = pa,
			.last = keep->last < run.last ? keep->last : run.last,
		};
		return true;
	}
	return false;
}

/* Readable memory is a part of what is described, so nothing that is kept leaves the run. */
static int run_pieces(struct core *core, const struct pgw_pa_range *run, piece_fn *fn)
{
	uint64_t at = run->first, end;
	int status = 0;

	for (; at <= run->last && !status; at = end) {
		struct piece piece = { .pa = at };
		struct pgw_pa_range kept;
		bool has_kept = kept_next(core, at, &kept);

		if (has_kept && kept.first == at) {
			piece.kept = kept.last - at + 1;
			has_kept = kept_next(core, kept.last + 1, &kept);
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

	while (!status && source_next_range(core->source, SOURCE_DESCRIBED, pa, &run)) {
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
	return core->fn(ph, elf_ph_size(form), core->arg);
}

static int piece_header(struct core *core, const struct piece *piece)
{
	return program_header(core, PT_LOAD, piece);
}

static int piece_bytes(struct core *core, const struct piece *piece)
{
	int status = 0;

	for (uint64_t done = 0; done < piece->kept && !status;) {
		size_t n = piece->kept - done < BLOCK ? (size_t)(piece->kept - done) : BLOCK;

		status = pgw_phys_read(&core->source->phys, piece->pa + done, core->block, n);
		if (!status)
			status = core->fn(core->block, n, core->arg);
		done += n;
	}
	return status;
}

static int notes_bytes(struct core *core, const struct source_notes *notes)
{
	int status = 0;

	for (uint64_t done = 0; done < notes->size && !status;) {
		size_t n = notes->size - done < BLOCK ? (size_t)(notes->size - done) : BLOCK;

		if (!source_read_file(core->source, notes->offset + done, core->block, n))
			return -PGW_EIO;
		status = core->fn(core->block, n, core->arg);
		done += n;
	}
	return status;
}

/* Only headers say where memory is from here on: that they are a guess has to be said. */
static bool needs_guess(const struct core *core)
{
	return core->what->is_guess && !core->source->nr_notes;
}

static void put_word(const struct core *core, uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++, value >>= 8)
		to[core->form.is_big_endian ? 3 - i : i] = (uint8_t)value;
}

static int guess_bytes(struct core *core)
{
	uint8_t note[GUESS_SIZE] = { 0 };

	put_word(core, note, sizeof(SOURCE_NOTE_OWN));
	put_word(core, note + 4, sizeof(GUESS_TEXT) - 1);
	put_word(core, note + 8, SOURCE_NOTE_OWN_PLACEMENT);
	memcpy(note + 12, SOURCE_NOTE_OWN, sizeof(SOURCE_NOTE_OWN));
	memcpy(note + 12 + GUESS_NAME_SIZE, GUESS_TEXT, sizeof(GUESS_TEXT) - 1);
	return core->fn(note, sizeof(note), core->arg);
}

static int note_header(struct core *core, uint64_t size)
{
	return program_header(core, PT_NOTE, &(struct piece){ .kept = size, .size = size });
}

/* The file header; and where the program headers are too many for it, a section header that counts.
 */
static int core_headers(struct core *core)
{
	const struct source *source = core->source;
	const struct elf_form *form = &core->form;
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
	core->offset = headers_end + (is_extended ? elf_sh_size(form) : 0);

	status = core->fn(header, elf_eh_size(form), core->arg);
	for (size_t i = 0; i < source->nr_notes && !status; i++)
		status = note_header(core, source->notes[i].size);
	if (!status && needs_guess(core))
		status = note_header(core, GUESS_SIZE);
	if (!status)
		status = each_piece(core, piece_header);
	if (!status && is_extended)
		status = core->fn(section, elf_sh_size(form), core->arg);
	return status;
}

static int core_write(struct core *core)
{
	const struct source *source = core->source;
	int status = core_headers(core);

	for (size_t i = 0; i < source->nr_notes && !status; i++)
		status = notes_bytes(core, &source->notes[i]);
	if (!status && needs_guess(core))
		status = guess_bytes(core);
	return status ? status : each_piece(core, piece_bytes);
}

static bool keep_ascends(const struct pgw_pa_range *keep, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (keep[i].first > keep[i].last || (i && keep[i - 1].last >= keep[i].first))
			return false;
	}
	return true;
}

int source_write_core(const struct source *source, const struct source_core *what, pgw_write_fn *fn,
		      void *arg)
{
	struct core core = {
		.source = source,
		.form = { .is_big_endian = source->is_big_endian },
		.what = what,
		.fn = fn,
		.arg = arg,
	};
	int status;

	core.nr_headers = source->nr_notes + needs_guess(&core);
	if (!keep_ascends(what->keep, what->nr_keep))
		return -PGW_EINVAL;
	status = each_piece(&core, piece_count);
	if (status)
		return status;
	if (!core.nr_headers)
		return -PGW_ENOENT;
	core.block = malloc(BLOCK);
	if (!core.block)
		return -PGW_ENOMEM;
	status = core_write(&core);
	free(core.block);
	return status;
}
