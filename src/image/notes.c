/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* A note: three words, then the name and the description, each padded to 4 bytes. */
#define NOTE_HEADER 12
#define NOTE_NAME_MAX 16 /* of names that mean something here */

#define NT_PRSTATUS 1
#define NT_AUXV 6

/*
 * QEMU's struct QEMUCPUState, version 1, little-endian. A segment is selector,
 * limit, flags, padding (4 bytes each) and base (8 bytes).
 */
#define QEMU_VERSION 0
#define QEMU_SIZE 4
#define QEMU_CS_FLAGS 160
#define QEMU_IDT_BASE 384
#define QEMU_CR0 392
#define QEMU_CR3 416
#define QEMU_CR4 424
#define QEMU_MIN_SIZE 432 /* kernel_gs_base came later, behind this */
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)

struct note {
	char name[NOTE_NAME_MAX + 1];
	uint32_t type;
	uint32_t desc_size;
	uint64_t offset; /* of the note in the file */
	uint64_t desc;   /* offset of the description */
};

static uint64_t note_pad(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

static uint64_t note_pad_total(uint64_t total, uint64_t size)
{
	total = note_pad(total);
	return total < size ? total : size;
}

static int note_add_qemu_cpu(struct pgw_image *image, const struct note *note)
{
	uint8_t state[QEMU_MIN_SIZE];
	struct pgw_cpu cpu = { 0 };

	if (note->desc_size < sizeof(state))
		return 0;
	image->info.writer = "QEMU";
	if (image_map_read(&image->map, note->desc, state, sizeof(state)) &&
	    load_le32(state + QEMU_VERSION) == 1 && load_le32(state + QEMU_SIZE) >= QEMU_MIN_SIZE &&
	    load_le32(state + QEMU_SIZE) <= note->desc_size)
		cpu = (struct pgw_cpu){
			.known = PGW_CPU_X86_CR,
			.cr0 = load_le64(state + QEMU_CR0),
			.cr3 = load_le64(state + QEMU_CR3),
			.cr4 = load_le64(state + QEMU_CR4),
			.idt_base = load_le64(state + QEMU_IDT_BASE),
			.cs_flags = load_le32(state + QEMU_CS_FLAGS),
		};
	if (image->nr_cpus == IMAGE_MAX_CPUS)
		return -PGW_EOVERFLOW;
	if (image_array_grow((void **)&image->cpus, image->nr_cpus, sizeof(cpu)))
		return -PGW_ENOMEM;
	image->cpus[image->nr_cpus++] = cpu;
	if (!image->idt_base && (cpu.cr0 & CR0_PG) && (cpu.cr4 & CR4_PAE) &&
	    (cpu.idt_base & BIT(63)))
		image->idt_base = cpu.idt_base;
	return 0;
}

static int note_add_vmcoreinfo(struct pgw_image *image, const struct note *note)
{
	char *text;

	if (!note->desc_size || note->desc_size > IMAGE_MAX_VMCOREINFO_SIZE ||
	    image->nr_texts == IMAGE_MAX_VMCOREINFO)
		return 0;
	if (image->nr_cpus == 0)
		image->info.writer = "kdump";
	text = malloc(note->desc_size);
	if (!text)
		return -PGW_ENOMEM;
	if (!image_map_read(&image->map, note->desc, text, note->desc_size)) {
		free(text);
		return 0;
	}
	return image_vmcoreinfo_add(image, PGW_VMCOREINFO_NOTE, note->desc, text, note->desc_size);
}

static int note_take(struct pgw_image *image, const struct note *note, struct pgw_error *err)
{
	int status = 0;

	if (strcmp(note->name, "QEMU") == 0 && note->type == 0)
		status = note_add_qemu_cpu(image, note);
	else if (strcmp(note->name, "VMCOREINFO") == 0 && note->type == 0)
		status = note_add_vmcoreinfo(image, note);
	else if (strcmp(note->name, IMAGE_NOTE_OWN) == 0 && note->type == IMAGE_NOTE_OWN_PLACEMENT)
		image->info.placement = PGW_PLACEMENT_GUESSED;
	else if ((strcmp(note->name, "CORE") == 0 && note->type == NT_AUXV) ||
		 (strcmp(note->name, "FreeBSD") == 0 && note->type == NT_PRSTATUS))
		return image_fail_kind(err, note->offset + 8, "the core of a process",
				       "it holds no page tables: give the dump of a machine's "
				       "whole memory");
	else if (strcmp(note->name, "CORE") == 0 && note->type == NT_PRSTATUS)
		image->info.nr_cpus++;
	if (status == -PGW_EOVERFLOW)
		return image_fail_at(err, status, note->offset, image->nr_cpus,
				     "at most 8192 CPU states in notes");
	return status ? image_fail(err, status, NULL) : 0;
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

uint64_t image_notes_end(const struct image_map *map, uint64_t offset)
{
	uint64_t end = offset;

	do {
		char name[NOTE_NAME_MAX + 1] = { 0 };
		uint8_t header[NOTE_HEADER];
		uint32_t name_size;

		if (!image_map_read(map, end, header, sizeof(header)))
			return end;
		name_size = load_le32(header);
		if (name_size > NOTE_NAME_MAX ||
		    !image_map_read(map, end + NOTE_HEADER, name, name_size) ||
		    !note_is_known(name))
			return end;
		end += NOTE_HEADER + note_pad(name_size) + note_pad(load_le32(header + 4));
	} while (end < map->size && end - offset < IMAGE_MAX_NOTE_BYTES);
	return end;
}

/*
 * Pre: offset + size lies inside the file as it was opened, or size is 0.
 * Stops at a note that reaches past the end, or has no name, as kernels do.
 */
int image_notes_parse(struct pgw_image *image, uint64_t offset, uint64_t size,
		      struct pgw_error *err)
{
	int status = 0;

	while (size >= NOTE_HEADER && !status) {
		struct note note = { .offset = offset };
		uint8_t header[NOTE_HEADER];
		uint32_t name_size;
		uint64_t total;

		if (!image_map_read(&image->map, offset, header, sizeof(header)))
			return image_fail(err, -PGW_EIO, NULL);
		name_size = load_le32(header);
		note.desc_size = load_le32(header + 4);
		note.type = load_le32(header + 8);
		note.desc = offset + NOTE_HEADER + note_pad(name_size);
		total = NOTE_HEADER + note_pad(name_size) + note.desc_size;
		if (!name_size)
			break;
		if (total > size) {
			image->info.truncated = true;
			break;
		}
		if (name_size <= NOTE_NAME_MAX &&
		    image_map_read(&image->map, offset + NOTE_HEADER, note.name, name_size))
			status = note_take(image, &note, err);
		/* The last description need not be padded. */
		total = note_pad_total(total, size);
		offset += total;
		size -= total;
	}
	return status;
}
