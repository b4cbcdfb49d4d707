/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/symbols.h"

#include "source/source.h"

#ifdef PGW_WITH_LIBELF

#include <gelf.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

static struct {
	unsigned (*version)(unsigned version);
	Elf *(*begin)(int fd, Elf_Cmd cmd, Elf *ref);
	int (*end)(Elf *elf);
	Elf_Scn *(*next_section)(Elf *elf, Elf_Scn *section);
	Elf_Scn *(*section)(Elf *elf, size_t index);
	GElf_Shdr *(*section_header)(Elf_Scn *section, GElf_Shdr *to);
	Elf_Data *(*data)(Elf_Scn *section, Elf_Data *data);
	GElf_Sym *(*symbol)(Elf_Data *data, int index, GElf_Sym *to);
	char *(*string)(Elf *elf, size_t section, size_t offset);
} lib;

static const struct library_symbol lib_symbols[] = {
	{ "elf_version", &lib.version }, { "elf_begin", &lib.begin },
	{ "elf_end", &lib.end },         { "elf_nextscn", &lib.next_section },
	{ "elf_getscn", &lib.section },  { "gelf_getshdr", &lib.section_header },
	{ "elf_getdata", &lib.data },    { "gelf_getsym", &lib.symbol },
	{ "elf_strptr", &lib.string },
};

static struct library library = {
	.soname = PGW_WITH_LIBELF,
	.symbols = lib_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(lib_symbols),
};

/* As nm has it: by what the symbol's section is for; upper case if others can use it. */
static char letter(Elf *elf, const GElf_Sym *symbol)
{
	Elf_Scn *section = lib.section(elf, symbol->st_shndx);
	GElf_Shdr header;
	char c = '?';

	if (symbol->st_shndx == SHN_ABS)
		c = 'a';
	else if (GELF_ST_BIND(symbol->st_info) == STB_WEAK)
		c = 'w';
	else if (section && lib.section_header(section, &header))
		c = header.sh_flags & SHF_EXECINSTR ? 't'
		    : header.sh_type == SHT_NOBITS  ? 'b'
		    : header.sh_flags & SHF_WRITE   ? 'd'
						    : 'r';
	return c != '?' && GELF_ST_BIND(symbol->st_info) != STB_LOCAL ? (char)(c & ~0x20) : c;
}

/* What scripts/kallsyms leaves out: files, sections, local labels of assemblers. */
static bool is_wanted(const GElf_Sym *symbol, const char *name)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && type != STT_FILE && type != STT_SECTION && name &&
	       name[0] && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

static int section_take(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			struct pgw_symbols *symbols)
{
	Elf_Data *data = lib.data(section, NULL);
	uint64_t nr = data && header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	int err = 0;

	for (uint64_t i = 0; i < nr && i < LINUX_SYMBOLS_MAX && !err; i++) {
		struct linux_symbol symbol = { 0 };
		const char *name;
		GElf_Sym from;

		if (!lib.symbol(data, (int)i, &from))
			break;
		name = lib.string(elf, header->sh_link, from.st_name);
		if (!is_wanted(&from, name))
			continue;
		symbol.va = from.st_value;
		symbol.letter = letter(elf, &from);
		err = linux_symbols_add_name(
			symbols, name, strnlen(name, LINUX_SYMBOL_NAME_MAX + 1), &symbol.name);
		if (!err)
			err = linux_symbols_add(symbols, &symbol);
	}
	return err;
}

/* All sections of a type. */
static int sections_take(Elf *elf, unsigned type, struct pgw_symbols *symbols)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int status = 0;

	while (!status && (section = lib.next_section(elf, section))) {
		if (lib.section_header(section, &header) && header.sh_type == type)
			status = section_take(elf, section, &header, symbols);
	}
	return status;
}

int linux_symbols_of_elf(int fd, struct pgw_symbols *symbols, struct pgw_error *err)
{
	int status;
	Elf *elf;

	if (!library_load(&library))
		return source_fail(err, -PGW_EOPNOTSUPP,
				   "the library libelf to be installed (Debian's libelf1)");
	lib.version(EV_CURRENT);
	elf = lib.begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return source_fail(err, -PGW_ENOEXEC, "an ELF file that libelf reads (--symbols)");
	status = sections_take(elf, SHT_SYMTAB, symbols);
	/* What was stripped may still have those that a loader needs. */
	if (!status && !symbols->nr)
		status = sections_take(elf, SHT_DYNSYM, symbols);
	lib.end(elf);
	if (status == -PGW_ENOMEM)
		return source_fail(err, status, NULL);
	if (status || !symbols->nr)
		return source_fail(err, -PGW_ENOEXEC,
				   "a table of symbols in the ELF file (--symbols); a bzImage, or "
				   "what was stripped, has none");
	return 0;
}

#else

int linux_symbols_of_elf(int fd, struct pgw_symbols *symbols, struct pgw_error *err)
{
	(void)fd;
	(void)symbols;
	return source_fail(err, -PGW_EOPNOTSUPP,
			   "a pagewalk that was built with libelf, or a System.map");
}

#endif
