/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/linux/linux_facts.h"
#include "system/qemu_note.h"

/* What the notes of a dump say of the system inside: CPUs' registers, and Linux's VMCOREINFO. */

#define NT_PRSTATUS 1
#define EM_S390 22

/* Linux, elf.h: control registers 0 to 15; the prefix register. Each CPU's after its NT_PRSTATUS. */
#define NT_S390_CTRS 0x304
#define NT_S390_PREFIX 0x305
#define S390X_NR_CRS 16

#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)

/*
 * VirtualBox (dbgfcorefmt.h): one note says which version the others have; each of these is a CPU's.
 * Before, they had VirtualBox's own structure, which nothing describes.
 */
#define NT_VBOX_CORE 0xb00
#define NT_VBOX_CPU 0xb01
#define VBOX_MAGIC UINT32_C(0xc01ac0de)
#define VBOX_VERSION_OWN UINT32_C(0x00010000)
#define VBOX_CS_ATTRIBUTES 156
#define VBOX_CR0 288
#define VBOX_CR3 304
#define VBOX_CR4 312
#define VBOX_IDT_BASE 400
#define VBOX_EFER 488
#define VBOX_MIN_SIZE 496 /* the version decides what is behind */
#define EFER_KNOWN (BITS(21, 8) | BIT(0))

int image_cpus_add(struct pgw_image *image, const struct pgw_cpu *cpu)
{
	if (image->nr_cpus == IMAGE_MAX_CPUS)
		return -PGW_EOVERFLOW;
	if (source_array_grow((void **)&image->cpus, image->nr_cpus, sizeof(*cpu)))
		return -PGW_ENOMEM;
	image->cpus[image->nr_cpus++] = *cpu;
	return 0;
}

/*
 * The same with the IDT's address, by the first CPU that runs with paging and has it in the kernel
 * half: others may run a guest's code.
 */
static int add_cpu(struct pgw_image *image, const struct pgw_cpu *cpu)
{
	int status = image_cpus_add(image, cpu);

	if (!status && !image->idt_base && (cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE) &&
	    (cpu->idt_base & BIT(63)))
		image->idt_base = cpu->idt_base;
	return status;
}

/* The CPU whose NT_PRSTATUS came last; those before it whose registers are not there get none. */
static int note_last_cpu(struct pgw_image *image, struct pgw_cpu **ret)
{
	int status = 0;

	while (!status && image->nr_cpus < image->info.nr_cpus)
		status = image_cpus_add(image, &(struct pgw_cpu){ .known = 0 });
	*ret = image->nr_cpus ? &image->cpus[image->nr_cpus - 1] : NULL;
	return status;
}

static int note_take_s390x(struct pgw_image *image, const struct source_note *note)
{
	const struct source *source = &image->source;
	uint8_t words[8 * S390X_NR_CRS];
	bool is_prefix = note->type == NT_S390_PREFIX;
	size_t size = is_prefix ? 4 : sizeof(words);
	struct pgw_cpu *cpu;
	int status;

	if (image->info.elf_machine != EM_S390 || note->desc_size < size ||
	    !source_read_file(source, note->desc, words, size))
		return 0;
	status = note_last_cpu(image, &cpu);
	if (status || !cpu)
		return status;
	if (is_prefix) {
		cpu->prefix = source_number(source, words, 4);
		cpu->known |= PGW_CPU_S390X_PREFIX;
		return 0;
	}
	cpu->cr0 = source_number(source, words, 8);
	cpu->cr1 = source_number(source, words + (size_t)8 * 1, 8);
	cpu->cr7 = source_number(source, words + (size_t)8 * 7, 8);
	cpu->cr13 = source_number(source, words + (size_t)8 * 13, 8);
	cpu->known |= PGW_CPU_S390X_CR;
	return 0;
}

static int note_add_qemu_cpu(struct pgw_image *image, const struct source_note *note)
{
	uint8_t state[QEMU_MIN_SIZE];
	struct pgw_cpu cpu = { 0 };

	if (note->desc_size < sizeof(state))
		return 0;
	image->info.writer = "QEMU";
	if (source_read_file(&image->source, note->desc, state, sizeof(state)) &&
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
	return add_cpu(image, &cpu);
}

static void note_take_vbox(struct pgw_image *image, const struct source_note *note)
{
	uint8_t core[8];

	if (note->desc_size < sizeof(core) ||
	    !source_read_file(&image->source, note->desc, core, sizeof(core)) ||
	    load_le32(core) != VBOX_MAGIC)
		return;
	image->info.writer = "VirtualBox";
	image->has_vbox_cpus = load_le32(core + 4) > VBOX_VERSION_OWN;
}

/* QEMU has a segment's attributes 8 bits higher: CS.L is bit 21 of its flags, 13 of these. */
static int note_add_vbox_cpu(struct pgw_image *image, const struct source_note *note)
{
	uint8_t state[VBOX_MIN_SIZE];
	struct pgw_cpu cpu = { .known = 0 };

	if (!image->has_vbox_cpus || note->desc_size < sizeof(state) ||
	    !source_read_file(&image->source, note->desc, state, sizeof(state)) ||
	    load_le64(state + VBOX_CR0) >> 32 || (load_le64(state + VBOX_EFER) & ~EFER_KNOWN))
		return add_cpu(image, &cpu);
	cpu = (struct pgw_cpu){
		.known = PGW_CPU_X86_CR | PGW_CPU_X86_EFER,
		.cr0 = load_le64(state + VBOX_CR0),
		.cr3 = load_le64(state + VBOX_CR3),
		.cr4 = load_le64(state + VBOX_CR4),
		.idt_base = load_le64(state + VBOX_IDT_BASE),
		.cs_flags = load_le32(state + VBOX_CS_ATTRIBUTES) << 8,
		.efer = load_le64(state + VBOX_EFER),
	};
	return add_cpu(image, &cpu);
}

static int add_vmcoreinfo(struct pgw_image *image, const struct source_notes *place)
{
	char *text;

	if (!place->size || place->size > IMAGE_MAX_VMCOREINFO_SIZE ||
	    image->nr_texts == IMAGE_MAX_VMCOREINFO)
		return 0;
	if (image->nr_cpus == 0)
		image->info.writer = "kdump";
	text = malloc(place->size);
	if (!text)
		return -PGW_ENOMEM;
	if (!source_read_file(&image->source, place->offset, text, place->size)) {
		free(text);
		return 0;
	}
	return image_vmcoreinfo_add(image, PGW_VMCOREINFO_NOTE, place->offset, text, place->size);
}

static int note_add_vmcoreinfo(struct pgw_image *image, const struct source_note *note)
{
	const struct source_notes place = { note->desc, note->desc_size };

	return add_vmcoreinfo(image, &place);
}

struct taking {
	struct pgw_image *image;
	struct pgw_error *err;
};

static int note_take(const struct source_note *note, void *arg)
{
	const struct taking *taking = arg;
	struct pgw_image *image = taking->image;
	int status = 0;

	if (strcmp(note->name, QEMU_NOTE) == 0 && note->type == 0)
		status = note_add_qemu_cpu(image, note);
	else if (strcmp(note->name, "VBCORE") == 0 && note->type == NT_VBOX_CORE)
		note_take_vbox(image, note);
	else if (strcmp(note->name, "VBCPU") == 0 && note->type == NT_VBOX_CPU)
		status = note_add_vbox_cpu(image, note);
	else if (strcmp(note->name, "VMCOREINFO") == 0 && note->type == 0)
		status = note_add_vmcoreinfo(image, note);
	else if (strcmp(note->name, SOURCE_NOTE_OWN) == 0 &&
		 note->type == SOURCE_NOTE_OWN_PLACEMENT)
		image->info.placement = PGW_PLACEMENT_GUESSED;
	else if (strcmp(note->name, "CORE") == 0 && note->type == NT_PRSTATUS)
		image->info.nr_cpus++;
	else if (strcmp(note->name, "LINUX") == 0 &&
		 (note->type == NT_S390_CTRS || note->type == NT_S390_PREFIX))
		status = note_take_s390x(image, note);
	if (status == -PGW_EOVERFLOW)
		return source_fail_at(taking->err, status, note->offset, image->nr_cpus,
				      "at most 8192 CPU states in notes");
	return status ? source_fail(taking->err, status, NULL) : 0;
}

/* What a kind of file has in a form of its own. */
static int take_cpus(struct pgw_image *image, struct pgw_error *err)
{
	const struct source *source = &image->source;
	int status = 0;

	for (size_t i = 0; i < source->nr_cpus && !status; i++)
		status = add_cpu(image, &source->cpus[i]);
	return status ? source_fail(err, status, "at most 8192 CPUs") : 0;
}

int image_notes_take(struct pgw_image *image, struct pgw_error *err)
{
	struct taking taking = { image, err };
	size_t nr_texts = image->nr_texts;
	int status = take_cpus(image, err);

	if (!status)
		status = source_each_note(&image->source, note_take, &taking, err);

	/* Dumps may have the text alone, and those that have notes point into them. */
	if (!status && image->nr_texts == nr_texts)
		status = add_vmcoreinfo(image, &image->source.vmcoreinfo);
	if (image->info.nr_cpus < image->nr_cpus)
		image->info.nr_cpus = (unsigned)image->nr_cpus;
	return status;
}

int image_cpus_take(struct pgw_image *image, struct pgw_error *err)
{
	free(image->cpus);
	image->cpus = NULL;
	image->nr_cpus = image->info.nr_cpus = 0;
	image->idt_base = 0;
	return image_notes_take(image, err);
}
