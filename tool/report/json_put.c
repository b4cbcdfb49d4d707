/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json_put.h"

#include "report/utf8.h"

static void json_begin(struct json *json, const char *key)
{
	if (json->needs_comma)
		out_char(json->out, ',');
	json->needs_comma = true;
	if (key) {
		out_char(json->out, '"');
		out_str(json->out, key);
		out_bytes(json->out, "\":", 2);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	json_begin(json, key);
	out_char(json->out, bracket);
	json->needs_comma = false;
}

void json_close(struct json *json, char bracket)
{
	out_char(json->out, bracket);
	json->needs_comma = true;
}

void json_end(struct json *json)
{
	out_bytes(json->out, "}\n", 2);
	json->needs_comma = false;
}

void json_hex(struct json *json, const char *key, uint64_t value)
{
	json_begin(json, key);
	out_char(json->out, '"');
	out_hex(json->out, value);
	out_char(json->out, '"');
}

void json_dec(struct json *json, const char *key, uint64_t value)
{
	json_begin(json, key);
	out_dec(json->out, value);
}

void json_int(struct json *json, const char *key, int64_t value)
{
	json_begin(json, key);
	if (value < 0)
		out_char(json->out, '-');
	out_dec(json->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_raw(struct json *json, const char *key, const char *text)
{
	json_begin(json, key);
	out_str(json->out, text);
}

void json_bool(struct json *json, const char *key, bool value)
{
	json_raw(json, key, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
	json_raw(json, key, "null");
}

void json_str(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	json_begin(json, key);
	out_char(json->out, '"');
	out_str(json->out, value);
	out_char(json->out, '"');
}

/* Inside a string: as it is if it is printable ASCII, else as of Latin-1. */
static void json_byte(struct json *json, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	if (c < 0x20 || c >= 0x7f) {
		const char escape[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

		out_bytes(json->out, escape, sizeof(escape));
		return;
	}
	if (c == '"' || c == '\\')
		out_char(json->out, '\\');
	out_char(json->out, (char)c);
}

void json_untrusted(struct json *json, const char *key, const char *text, size_t len)
{
	json_begin(json, key);
	out_char(json->out, '"');
	for (size_t i = 0; i < len; i++)
		json_byte(json, (unsigned char)text[i]);
	out_char(json->out, '"');
}

void json_text(struct json *json, const char *key, const char *text, size_t len)
{
	json_begin(json, key);
	out_char(json->out, '"');
	while (len) {
		uint32_t character;
		size_t size;

		if (utf8_is_shown(text, len, &character, &size) && size > 1)
			out_bytes(json->out, text, size);
		else
			for (size_t i = 0; i < size; i++)
				json_byte(json, (unsigned char)text[i]);
		text += size;
		len -= size;
	}
	out_char(json->out, '"');
}
