/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* The note as it lies in memory: three words, "VMCOREINFO" with its NUL, a byte of padding, the
 * text. */
#define VMCOREINFO_NAME "VMCOREINFO"
#define VMCOREINFO_NAME_OFFSET 12
#define VMCOREINFO_TEXT_OFFSET 24

int image_vmcoreinfo_add(struct pgw_image *image, enum pgw_vmcoreinfo_source source, uint64_t place,
			 char *text, size_t size)
{
	struct pgw_vmcoreinfo info = { .source = source, .text = text, .size = size };

	if (image->nr_texts == IMAGE_MAX_TEXTS) {
		free(text);
		return 0;
	}
	if (source == PGW_VMCOREINFO_RAM)
		info.pa = place;
	else
		image->nr_note_texts++;
	if (source == PGW_VMCOREINFO_NOTE)
		info.offset = place;
	image->texts[image->nr_texts++] = info;
	return 0;
}

/* Does the text begin with a line KEY=VALUE? */
static bool text_is_plausible(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '=')
			return i > 0;
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return false;
}

/* A note's words are in the machine's byte order: that of the name's size says which. */
static bool is_note(const uint8_t *note, uint32_t *ret_size)
{
	uint32_t name_size = load_le32(note), size = load_le32(note + 4);

	if (name_size == __builtin_bswap32(sizeof(VMCOREINFO_NAME))) {
		name_size = __builtin_bswap32(name_size);
		size = __builtin_bswap32(size);
	}
	*ret_size = size;
	return name_size == sizeof(VMCOREINFO_NAME) && load_le32(note + 8) == 0 &&
	       memcmp(note + VMCOREINFO_NAME_OFFSET, VMCOREINFO_NAME, sizeof(VMCOREINFO_NAME)) == 0;
}

bool image_is_vmcoreinfo(const uint8_t *page)
{
	uint32_t size;

	return is_note(page, &size) && size > 0 && size <= IMAGE_MAX_VMCOREINFO_SIZE;
}

int image_vmcoreinfo_take(struct pgw_image *image, uint64_t pa)
{
	uint8_t note[VMCOREINFO_TEXT_OFFSET];
	uint32_t size;
	char *text;

	if (image->nr_texts - image->nr_note_texts == IMAGE_MAX_VMCOREINFO ||
	    pgw_phys_read(&image->phys, pa, note, sizeof(note)) || !is_note(note, &size) || !size ||
	    size > IMAGE_MAX_VMCOREINFO_SIZE)
		return 0;
	text = malloc(size);
	if (!text)
		return -PGW_ENOMEM;
	if (pgw_phys_read(&image->phys, pa + VMCOREINFO_TEXT_OFFSET, text, size) ||
	    !text_is_plausible(text, size)) {
		free(text);
		return 0;
	}
	return image_vmcoreinfo_add(image, PGW_VMCOREINFO_RAM, pa, text, size);
}

void image_vmcoreinfo_forget(struct pgw_image *image)
{
	for (; image->nr_texts > image->nr_note_texts; image->nr_texts--)
		free((char *)(uintptr_t)image->texts[image->nr_texts - 1].text);
}

int pgw_vmcoreinfo_read(const void *bytes, size_t size, struct pgw_vmcoreinfo *ret)
{
	const char *text = bytes;
	uint32_t text_size;

	if (size > VMCOREINFO_TEXT_OFFSET && is_note(bytes, &text_size)) {
		if (text_size > size - VMCOREINFO_TEXT_OFFSET)
			return -PGW_EINVAL;
		size = text_size;
		text += VMCOREINFO_TEXT_OFFSET;
	}
	if (!size || size > IMAGE_MAX_VMCOREINFO_SIZE || !text_is_plausible(text, size))
		return -PGW_EINVAL;
	*ret = (struct pgw_vmcoreinfo){ .source = PGW_VMCOREINFO_GIVEN,
					.text = text,
					.size = size };
	return 0;
}

int image_vmcoreinfo_add_given(struct pgw_image *image)
{
	const struct pgw_vmcoreinfo *given = image->options.vmcoreinfo;
	char *text;

	if (!given)
		return 0;
	text = malloc(given->size);
	if (!text)
		return -PGW_ENOMEM;
	memcpy(text, given->text, given->size);
	return image_vmcoreinfo_add(image, PGW_VMCOREINFO_GIVEN, 0, text, given->size);
}

/* A line "KEY=" or "KIND(name)=": kind may be NULL. */
static bool line_match(const char *line, size_t size, const char *kind, const char *name,
		       size_t *ret_value)
{
	size_t kind_size = kind ? strlen(kind) : 0, name_size = strlen(name);
	size_t at = kind ? kind_size + 1 : 0;
	const char *end = kind ? ")=" : "=";

	if (size < at + name_size + strlen(end))
		return false;
	if (kind && (memcmp(line, kind, kind_size) != 0 || line[kind_size] != '('))
		return false;
	*ret_value = at + name_size + strlen(end);
	return memcmp(line + at, name, name_size) == 0 &&
	       memcmp(line + at + name_size, end, strlen(end)) == 0;
}

static bool text_find(const struct pgw_vmcoreinfo *info, const char *kind, const char *name,
		      const char **ret_value, size_t *ret_size)
{
	const char *line = info->text;
	size_t left = info->size, value;

	while (left) {
		const char *newline = memchr(line, '\n', left);
		size_t size = newline ? (size_t)(newline - line) : left;

		if (line_match(line, size, kind, name, &value)) {
			*ret_value = line + value;
			*ret_size = size - value;
			return true;
		}
		left -= newline ? size + 1 : size;
		line += newline ? size + 1 : size;
	}
	return false;
}

bool pgw_vmcoreinfo_get(const struct pgw_vmcoreinfo *info, const char *key, const char **ret_value,
			size_t *ret_size)
{
	return text_find(info, NULL, key, ret_value, ret_size);
}

static bool digit_parse(char c, unsigned base, unsigned *ret)
{
	if (c >= '0' && c <= '9')
		*ret = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*ret = (unsigned)(c - 'a') + 10;
	else if (c >= 'A' && c <= 'F')
		*ret = (unsigned)(c - 'A') + 10;
	else
		return false;
	return *ret < base;
}

/* All of the text must be digits. */
static bool number_parse(const char *text, size_t size, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned digit;

	for (size_t i = 0; i < size; i++) {
		if (!digit_parse(text[i], base, &digit) || mul_overflows(value, base, &value) ||
		    add_overflows(value, digit, &value))
			return false;
	}
	if (size)
		*ret = value;
	return size > 0;
}

bool image_vmcoreinfo_dec(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret)
{
	const char *value;
	size_t size;

	return pgw_vmcoreinfo_get(info, key, &value, &size) && number_parse(value, size, 10, ret);
}

bool image_vmcoreinfo_hex(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret)
{
	const char *value;
	size_t size;

	return pgw_vmcoreinfo_get(info, key, &value, &size) && number_parse(value, size, 16, ret);
}

bool pgw_vmcoreinfo_symbol(const struct pgw_vmcoreinfo *info, const char *name, uint64_t *ret)
{
	const char *value;
	size_t size;

	return text_find(info, "SYMBOL", name, &value, &size) && number_parse(value, size, 16, ret);
}

bool pgw_vmcoreinfo_number(const struct pgw_vmcoreinfo *info, const char *name, uint64_t *ret)
{
	const char *value;
	uint64_t number;
	size_t size;
	bool is_negative;

	if (!text_find(info, "NUMBER", name, &value, &size))
		return false;
	if (size > 2 && value[0] == '0' && value[1] == 'x')
		return number_parse(value + 2, size - 2, 16, ret);
	is_negative = size > 0 && value[0] == '-';
	if (!number_parse(value + is_negative, size - is_negative, 10, &number))
		return false;
	if (is_negative && number > BIT(63))
		return false;
	*ret = is_negative ? -number : number;
	return true;
}
