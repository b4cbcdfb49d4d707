/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCOREINFO: the first line of the input is a name to look for, the rest is the text. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/image.h>

#include "fuzz/fuzz.h"

#define MAX_NAME 64

/* A value is all of a line behind "key=", and no line before it has that key. */
static void check_value(const struct pgw_vmcoreinfo *info, const char *key, const char *value,
			size_t size)
{
	const char *end = info->text + info->size, *line = info->text, *newline;
	size_t key_size = strlen(key);

	FUZZ_CHECK(value >= info->text + key_size + 1 && size <= (size_t)(end - value));
	FUZZ_CHECK(!memchr(value, '\n', size));
	FUZZ_CHECK(value + size == end || value[size] == '\n');
	while ((newline = memchr(line, '\n', (size_t)(value - line)))) {
		FUZZ_CHECK((size_t)(newline - line) <= key_size || line[key_size] != '=' ||
			   memcmp(line, key, key_size) != 0);
		line = newline + 1;
	}
	FUZZ_CHECK(line + key_size + 1 == value && line[key_size] == '=' &&
		   memcmp(line, key, key_size) == 0);
}

/* What the C library makes of a number; false if it is none. */
static bool parse(const char *value, size_t size, bool is_symbol, uint64_t *ret)
{
	const char *allowed = "0123456789";
	char text[32] = { 0 };
	bool is_hex = is_symbol;
	size_t start = 0;

	if (size >= sizeof(text))
		return false;
	memcpy(text, value, size);
	if (!is_symbol && size > 2 && text[0] == '0' && text[1] == 'x')
		is_hex = true, start = 2;
	else if (!is_symbol && text[0] == '-')
		start = 1;
	if (is_hex)
		allowed = "0123456789abcdefABCDEF";
	if (start == size || strspn(text + start, allowed) != size - start)
		return false;
	errno = 0;
	*ret = strtoull(text + start, NULL, is_hex ? 16 : 10);
	if (errno || (start == 1 && *ret > UINT64_C(1) << 63))
		return false;
	*ret = start == 1 ? -*ret : *ret;
	return true;
}

static void check_number(const struct pgw_vmcoreinfo *info, const char *name, bool is_symbol)
{
	uint64_t number, expected;
	char key[MAX_NAME + 16];
	const char *value;
	bool found, has_number;
	size_t size;

	snprintf(key, sizeof(key), "%s(%s)", is_symbol ? "SYMBOL" : "NUMBER", name);
	found = pgw_vmcoreinfo_get(info, key, &value, &size);
	has_number = is_symbol ? pgw_vmcoreinfo_symbol(info, name, &number)
			       : pgw_vmcoreinfo_number(info, name, &number);
	FUZZ_CHECK(found || !has_number);
	/* Longer ones have leading zeroes. */
	if (found && size < 32) {
		FUZZ_CHECK(has_number == parse(value, size, is_symbol, &expected));
		FUZZ_CHECK(!has_number || number == expected);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pgw_vmcoreinfo info = { 0 };
	char name[MAX_NAME + 1] = { 0 };
	size_t name_size, value_size;
	const uint8_t *newline;
	const char *value;

	if (!size)
		return 0;
	newline = memchr(data, '\n', size);
	name_size = newline ? (size_t)(newline - data) : size;
	info.size = newline ? size - name_size - 1 : 0;
	info.text = (const char *)data + (size - info.size);
	memcpy(name, data, name_size < MAX_NAME ? name_size : MAX_NAME);
	if (pgw_vmcoreinfo_get(&info, name, &value, &value_size))
		check_value(&info, name, value, value_size);
	check_number(&info, name, true);
	check_number(&info, name, false);
	return 0;
}
