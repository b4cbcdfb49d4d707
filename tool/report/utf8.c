/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/utf8.h"

/* The character that begins the bytes, by RFC 3629. @return its length, or 0: this is no UTF-8 */
static size_t utf8_read(const unsigned char *bytes, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = bytes[0];
	size_t size = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
	uint32_t value = size < 2 ? c : c & (0x7fu >> size);

	if (!size || size > len)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*ret = value;
	return size;
}

/*
 * Characters that a reader does not see, or that change what stands beside them: controls, what
 * Unicode has for directions (UAX 9) and for formatting, line and paragraph separators, tags,
 * variation selectors, private use and what is no character.
 */
static bool is_shown(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0, 0x1f },           { 0x7f, 0x9f },       { 0xad, 0xad },
		{ 0x34f, 0x34f },      { 0x61c, 0x61c },     { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },    { 0x180b, 0x180f },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e },    { 0x2060, 0x206f },   { 0x3164, 0x3164 },
		{ 0xe000, 0xf8ff },    { 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },    { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 },  { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
		{ 0xf0000, 0x10ffff },
	};

	if ((c & 0xfffe) == 0xfffe)
		return false;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	return true;
}

bool utf8_is_shown(const char *text, size_t len, uint32_t *ret, size_t *ret_size)
{
	size_t size = utf8_read((const unsigned char *)text, len, ret);

	*ret_size = size ? size : 1;
	return size && is_shown(*ret);
}
