/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memmem */
#include "source/qemu_monitor.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 8192
#define MAX_LINE 256 /* bytes of a line of ranges that are looked at: names stand behind */

/* Linux, elf-em.h */
#define EM_386 3
#define EM_X86_64 62
#define EM_RISCV 243

/* A hexadecimal number of at most 16 digits. @return what follows it, or NULL */
static const char *read_hex(const char *text, uint64_t *ret)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF");

	if (!n || n > 16)
		return NULL;
	*ret = strtoull(text, NULL, 16);
	return text + n;
}

/*
 * "  0000000000100000-0000000003ffffff (prio 0, ram): m0 @0000000000100000". RAM that is seen
 * read-only is of type rom; what else there is, is not memory, or a device's.
 */
static bool read_section(const char *line, struct qemu_section *ret)
{
	const char *at = read_hex(line + strspn(line, " "), &ret->first);

	if (!at || *at != '-')
		return false;
	at = read_hex(at + 1, &ret->last);
	if (!at || strncmp(at, " (prio ", 7) != 0 || ret->last < ret->first)
		return false;
	return strstr(at, ", ram):") || strstr(at, ", rom):") || strstr(at, ", nv-ram):");
}

size_t qemu_sections_read(const char *text, struct qemu_section *ret)
{
	const char *end = text + strlen(text);
	size_t nr = 0;

	/* The view that has the address space of this name; a blank line ends it. */
	text = strstr(text, " AS \"memory\"");
	while (text && text < end && *text != '\n' && *text != '\r') {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((next ? next : end) - text);
		char line
			[MAX_LINE]; /* a copy, so that nothing looks on to the end of a long text */

		if (nr == QEMU_MAX_SECTIONS)
			return 0;
		size = size < sizeof(line) ? size : sizeof(line) - 1;
		memcpy(line, text, size);
		line[size] = '\0';
		nr += read_section(line, &ret[nr]);
		text = next ? next + 1 : end;
	}
	return nr;
}

/* "Host virtual address for 0x100000 (m0) is 0x7f9e6c0ff000" */
bool qemu_hva_read(const char *text, uint64_t *ret)
{
	static const char before[] = ") is 0x";
	const char *at = strstr(text, before);

	return at && read_hex(at + strlen(before), ret);
}

/* Of one CPU's part of the text. @return what follows the name, or NULL */
static const char *find_register(const char *text, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *from = text, *at; from < end; from = at + 1) {
		at = memmem(from, (size_t)(end - from), name, n);
		if (!at)
			return NULL;
		if (at == text || strchr(" \r\n", at[-1]))
			return at + n;
	}
	return NULL;
}

static bool read_register(const char *text, const char *end, const char *name, uint64_t *ret)
{
	const char *at = find_register(text, end, name);

	return at && read_hex(at + strspn(at, " "), ret);
}

/* "CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]": selector, base, limit, flags */
static uint32_t read_cs_flags(const char *text, const char *end)
{
	const char *at = find_register(text, end, "CS =");
	uint64_t word = 0;

	for (unsigned i = 0; i < 4 && at; i++)
		at = read_hex(at + strspn(at, " "), &word);
	return at ? (uint32_t)word : 0;
}

static void read_x86(const char *text, const char *end, struct pgw_cpu *ret)
{
	if (!read_register(text, end, "CR0=", &ret->cr0) ||
	    !read_register(text, end, "CR3=", &ret->cr3) ||
	    !read_register(text, end, "CR4=", &ret->cr4))
		return;
	ret->known = PGW_CPU_X86_CR;
	if (read_register(text, end, "EFER=", &ret->efer))
		ret->known |= PGW_CPU_X86_EFER;
	if (!read_register(text, end, "IDT=", &ret->idt_base))
		ret->idt_base = 0;
	ret->cs_flags = read_cs_flags(text, end);
}

/* Where the part of the next CPU begins, or NULL. */
static const char *next_cpu(const char *text, const char *end)
{
	return memmem(text, (size_t)(end - text), "CPU#", 4);
}

int qemu_registers_read(struct source *source, const char *text)
{
	unsigned machine = source->info.elf_machine;
	const char *last = text + strlen(text);
	const char *at = next_cpu(text, last);
	int status = at ? 0 : -PGW_EIO;

	while (at && !status) {
		const char *next = next_cpu(at + 1, last);
		const char *end = next ? next : last;
		struct pgw_cpu cpu = { 0 };

		if (source->nr_cpus == MAX_CPUS)
			return -PGW_EIO;
		if (machine == EM_X86_64 || machine == EM_386)
			read_x86(at, end, &cpu);
		else if (machine == EM_RISCV && read_register(at, end, "satp", &cpu.satp))
			cpu.known = PGW_CPU_RISCV_SATP;
		status = source_add_cpu(source, &cpu);
		at = next;
	}
	return status;
}
