/* SPDX-License-Identifier: BSD-2-Clause */
#include "parse.h"

#include <string.h>

#include <pagewalk/base.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes as many digits as there are, at least one; moves *text behind them. */
static bool take_digits(const char **text, unsigned base, uint64_t *ret)
{
	const char *c = *text;
	uint64_t value = 0;
	int digit;

	for (; (digit = digit_value(*c)) >= 0 && (unsigned)digit < base; c++)
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	if (c == *text)
		return false;
	*text = c;
	*ret = value;
	return true;
}

static bool take_hex(const char **text, uint64_t *ret)
{
	const char *c = *text;

	if (c[0] == '0' && (c[1] == 'x' || c[1] == 'X'))
		c += 2;
	if (!take_digits(&c, 16, ret))
		return false;
	*text = c;
	return true;
}

/* Decimal, with a unit behind it. */
static bool take_with_unit(const char **text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *c = *text, *unit;
	uint64_t value;

	if (!take_digits(&c, 10, &value) || !*c)
		return false;
	unit = strchr(units, *c);
	if (!unit || __builtin_mul_overflow(value, UINT64_C(1024) << (10 * (unit - units)), ret))
		return false;
	*text = c + 1;
	return true;
}

bool parse_hex(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!take_hex(&text, &value) || *text)
		return false;
	*ret = value;
	return true;
}

bool parse_dec(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!take_digits(&text, 10, &value) || *text)
		return false;
	*ret = value;
	return true;
}

bool parse_size(const char *text, uint64_t *ret)
{
	uint64_t size;

	if ((!take_with_unit(&text, &size) && !take_hex(&text, &size)) || *text || !size)
		return false;
	*ret = size;
	return true;
}

bool parse_part(const char *text, uint64_t *ret_offset, uint64_t *ret_size)
{
	uint64_t offset, size = 0, end;

	if (!take_hex(&text, &offset))
		return false;
	if (*text && (*text != '+' || !parse_size(text + 1, &size) ||
		      __builtin_add_overflow(offset, size, &end)))
		return false;
	*ret_offset = offset;
	*ret_size = size;
	return true;
}

bool parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first, last, size;

	if (!take_hex(&text, &first))
		return false;
	if (*text == '-') {
		if (!parse_hex(text + 1, &last))
			return false;
	} else if (*text == '+') {
		if (!parse_size(text + 1, &size) || __builtin_add_overflow(first, size - 1, &last))
			return false;
	} else {
		return false;
	}
	if (first > last)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

/* The rights of one side as the three low bits: r, w, x. */
static bool take_flags(const char **text, uint8_t *ret_all, uint8_t *ret_none)
{
	static const char flags[] = "rwx";
	const char *c = *text;

	*ret_all = *ret_none = 0;
	while (*c && *c != ',') {
		bool negated = *c == '!';
		const char *flag;

		c += negated;
		flag = *c ? strchr(flags, *c) : NULL;
		if (!flag)
			return false;
		*(negated ? ret_none : ret_all) |= (uint8_t)(1u << (flag - flags));
		c++;
	}
	if (c == *text || (*ret_all & *ret_none))
		return false;
	*text = c;
	return true;
}

static bool take_rights(const char **text, struct parse_rights *rights)
{
	const char *c = *text;
	bool kernel = *c == 'k';
	bool user = c[kernel] == 'u';
	uint8_t all, none;

	_Static_assert(PGW_KERNEL_R == 1 && PGW_USER_R == 8, "three bits a side");
	c += kernel + user;
	if ((!kernel && !user) || *c++ != ':' || !take_flags(&c, &all, &none))
		return false;
	rights->all |= (uint8_t)((kernel ? all : 0) | (user ? all << 3 : 0));
	rights->none |= (uint8_t)((kernel ? none : 0) | (user ? none << 3 : 0));
	*text = c;
	return true;
}

/* A part of an id, of digits alone, and the character that ends it. */
static bool take_part(const char **text, uint64_t max, char end, uint64_t *ret)
{
	const char *c = *text;

	if (!take_digits(&c, 16, ret) || *ret > max || *c != end)
		return false;
	*text = end ? c + 1 : c;
	return true;
}

bool parse_device(const char *text, uint32_t *ret_id, bool *ret_is_stream)
{
	uint64_t bus, device, function;

	*ret_is_stream = text[0] == '0' && text[1] == 'x';
	if (*ret_is_stream) {
		if (!parse_hex(text, &bus) || bus > UINT32_MAX)
			return false;
		*ret_id = (uint32_t)bus;
		return true;
	}
	if (!take_part(&text, 0xff, ':', &bus) || !take_part(&text, 0x1f, '.', &device) ||
	    !take_part(&text, 7, '\0', &function))
		return false;
	*ret_id = (uint32_t)(bus << 8 | device << 3 | function);
	return true;
}

const struct pgw_format *parse_format(const char *text, unsigned *ret_bits)
{
	const char *colon = strchr(text, ':');
	char name[64];
	uint64_t bits = 0;

	if (colon && (colon - text >= (ptrdiff_t)sizeof(name) || !parse_dec(colon + 1, &bits) ||
		      bits < 1 || bits > 64))
		return NULL;
	*ret_bits = (unsigned)bits;
	if (!colon)
		return pgw_format_by_name(text);
	memcpy(name, text, (size_t)(colon - text));
	name[colon - text] = '\0';
	return pgw_format_by_name(name);
}

bool parse_rights(const char *text, struct parse_rights *ret)
{
	struct parse_rights rights = { 0 };

	for (;;) {
		if (!take_rights(&text, &rights))
			return false;
		if (!*text)
			break;
		text++;
	}
	if (rights.all & rights.none)
		return false;
	*ret = rights;
	return true;
}

static bool parse_level(const char *text, struct parse_levels *levels)
{
	static const char *const names[] = { "pte", "pmd", "pud", "p4d" };
	uint64_t value;

	for (unsigned level = 0; level < sizeof(names) / sizeof(names[0]); level++) {
		if (strcmp(text, names[level]) == 0) {
			levels->levels |= (uint8_t)(1u << level);
			return true;
		}
	}
	if (strcmp(text, "pgd") == 0) {
		levels->top = true;
		return true;
	}
	if (parse_dec(text, &value) && value < PGW_MAX_LEVELS) {
		levels->levels |= (uint8_t)(1u << value);
		return true;
	}
	if (!take_with_unit(&text, &value) || *text || !value || (value & (value - 1)))
		return false;
	levels->sizes |= value; /* 2^n is bit n */
	return true;
}

bool parse_levels(const char *text, struct parse_levels *ret)
{
	struct parse_levels levels = { 0 };
	char item[24];

	for (;;) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(item))
			return false;
		memcpy(item, text, len);
		item[len] = '\0';
		if (!parse_level(item, &levels))
			return false;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = levels;
	return true;
}
