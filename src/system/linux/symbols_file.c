/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/source.h"
#include "system/roots/root.h"

/*
 * Names from a file: System.map has lines as "ffffffff81000000 T _stext", and so has a copy of
 * /proc/kallsyms, where those of modules end with "\t[module]". The kernel runs where the file has
 * it, or all of it is moved (KASLR): how far is told by symbols whose address the image knows.
 */

#define TEXT_MAX (UINT32_C(1) << 28) /* bytes; kernels' have 10 million */
#define READ_SIZE ((size_t)1 << 20)
#define MIN_SYMBOLS 16

static int fail_errno(struct pgw_error *err, int os_errno)
{
	source_fail(err, -PGW_EIO, "a file with the kernel's symbols (--symbols)");
	if (err)
		err->os_errno = os_errno;
	return -PGW_EIO;
}

/* All of it, ended by NUL. */
static int text_read(int fd, char **ret, size_t *ret_size, struct pgw_error *err)
{
	size_t size = 0, room = 0;
	char *text = NULL;
	ssize_t n;

	do {
		if (room - size < READ_SIZE + 1) {
			char *grown = realloc(text, room = 2 * room + 2 * READ_SIZE);

			if (!grown) {
				free(text);
				return source_fail(err, -PGW_ENOMEM, NULL);
			}
			text = grown;
		}
		n = read(fd, text + size, READ_SIZE);
		size += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && size <= TEXT_MAX) || (n < 0 && errno == EINTR));
	if (n) {
		n < 0 ? fail_errno(err, errno)
		      : source_fail(err, -PGW_ENOEXEC, "symbols of at most 256 MiB");
		free(text);
		return n < 0 ? -PGW_EIO : -PGW_ENOEXEC;
	}
	text[size] = '\0';
	*ret = text;
	*ret_size = size;
	return 0;
}

/* Digits up to a blank. @return behind it, NULL: that is no address */
static const char *address_parse(const char *at, const char *end, uint64_t *ret)
{
	const char *const start = at;

	*ret = 0;
	for (; at < end && at - start <= 16; at++) {
		char c = *at;

		if (c == ' ' && at != start)
			return at + 1;
		if (c >= '0' && c <= '9')
			*ret = *ret << 4 | (uint64_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*ret = *ret << 4 | (uint64_t)((c | 0x20) - 'a' + 10);
		else
			return NULL;
	}
	return NULL;
}

/* @return 0, or what linux_symbols_add() does; *ret_is_line: it has the form of a symbol's */
static int line_take(struct pgw_symbols *symbols, const char *line, const char *end,
		     bool *ret_is_line)
{
	struct linux_symbol symbol = { 0 };
	const char *at = address_parse(line, end, &symbol.va), *name_end;
	int err;

	*ret_is_line = at && end - at >= 3 && at[1] == ' ' && at[0] > ' ' && at[0] < 0x7f;
	if (!*ret_is_line)
		return 0;
	symbol.letter = at[0];
	at += 2;
	name_end = memchr(at, '\t', (size_t)(end - at));
	/* A module's. */
	if (name_end || !(end - at))
		return 0;
	err = linux_symbols_add_name(symbols, at, (size_t)(end - at), &symbol.name);
	return err ? err : linux_symbols_add(symbols, &symbol);
}

static int text_take(struct pgw_symbols *symbols, const char *text, size_t size,
		     struct pgw_error *err)
{
	const char *const end = text + size;

	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;
		bool is_line;
		int status;

		if (line_end > line && line_end[-1] == '\r')
			line_end--;
		status = line_take(symbols, line, line_end, &is_line);
		if (status == -PGW_ENOMEM)
			return source_fail(err, status, NULL);
		if (status || (!is_line && line_end > line))
			return source_fail_at(err, -PGW_ENOEXEC, (uint64_t)(line - text), 0,
					      "lines ADDRESS LETTER NAME, as System.map has them, "
					      "or an ELF file (--symbols)");
		line = (newline ? newline : line_end) + 1;
	}
	return 0;
}

static int file_read(const char *path, struct pgw_symbols *symbols, struct pgw_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status;
	char magic[4] = { 0 }, *text = NULL;
	struct stat st;
	size_t size = 0;

	if (fd < 0)
		return fail_errno(err, errno);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	    memcmp(magic, "\177ELF", sizeof(magic)) == 0) {
		symbols->info.source = PGW_SYMBOLS_ELF;
		status = linux_symbols_of_elf(fd, symbols, err);
	} else {
		symbols->info.source = PGW_SYMBOLS_SYSTEM_MAP;
		status = text_read(fd, &text, &size, err);
		if (!status) {
			status = text_take(symbols, text, size, err);
			free(text);
		}
	}
	close(fd);
	return status;
}

/* How far the file's addresses are from the image's; false: not all by the same. */
static bool slide_find(const struct pgw_symbols *symbols, const struct linux_known *known,
		       uint64_t *ret)
{
	struct linux_known_symbol list[LINUX_KNOWN_MAX];
	unsigned nr = linux_known_symbols(known, list), nr_agree = 0;

	for (unsigned i = 0; i < nr; i++) {
		struct pgw_symbol symbol;
		uint64_t slide;

		if (!pgw_symbols_find(symbols, list[i].name, &symbol))
			continue;
		slide = list[i].va - symbol.va;
		/* The weak ones are last: they decide only where nothing else does. */
		if (nr_agree && slide != *ret && !list[i].is_weak)
			return false;
		if (!nr_agree++)
			*ret = slide;
	}
	return nr_agree != 0;
}

/*
 * What is no address does not move: offsets of per-CPU variables (x86 before 6.15), which lie below
 * the kernel, and absolute numbers.
 */
static void slide_apply(struct pgw_symbols *symbols, const struct pgw_format *format,
			uint64_t slide)
{
	symbols->info.slide = slide;
	symbols->info.lacks_data = true;
	for (size_t i = 0; i < symbols->nr; i++) {
		struct linux_symbol *symbol = &symbols->list[i];
		const struct pgw_region *region = pgw_format_region_of(format, symbol->va);

		symbol->is_offset = !region || region->kind != PGW_REGION_KERNEL;
		if (!symbol->is_offset && (symbol->letter | 0x20) != 'a')
			symbol->va += slide;
		if ((symbol->letter | 0x20) == 'b')
			symbols->info.lacks_data = false;
	}
}

/* The kernel's code begins there, if it is this kernel. */
static bool is_code_there(const struct linux_memory *mem, const struct pgw_symbols *symbols,
			  uint64_t slide)
{
	struct pgw_translation at;
	struct pgw_symbol stext;

	return !pgw_symbols_find(symbols, "_stext", &stext) ||
	       (image_root_translate(mem->image, &mem->root, stext.va + slide, &at) &&
		(at.rights & PGW_KERNEL_X));
}

int linux_symbols_of_file(struct linux_memory *mem, const char *path,
			  const struct linux_known *known, struct pgw_symbols *symbols,
			  struct pgw_error *err)
{
	int status = file_read(path, symbols, err);
	uint64_t slide = 0;

	if (!status && symbols->nr < MIN_SYMBOLS)
		status = source_fail(err, -PGW_ENOEXEC,
				     "at least 16 symbols in the file (--symbols)");
	if (!status)
		status = linux_symbols_finish(symbols);
	if (!status && (!slide_find(symbols, known, &slide) || !is_code_there(mem, symbols, slide)))
		status = source_fail(err, -PGW_ENOEXEC,
				     "symbols of the kernel in the image (--symbols): those of the "
				     "file are not where it says that some are");
	if (!status)
		slide_apply(symbols, mem->root.format, slide);
	else if (err)
		err->file = path;
	return status;
}
