/* SPDX-License-Identifier: BSD-2-Clause */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/utf8.h"

/* ---- text from anywhere ---- */

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~' || text[i] == '\\')
			return false;
	}
	return true;
}

static char *put_escaped(char *to, const char *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];
		const char escape[] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

		memcpy(to, escape, sizeof(escape));
		to += sizeof(escape);
	}
	return to;
}

/* Four for each byte, and a NUL. */
static bool has_room(struct export *export, size_t len)
{
	char *grown;

	if (export->text && len <= (export->text_size - 1) / 4)
		return true;
	grown = len <= SIZE_MAX / 8 ? realloc(export->text, 4 * len + 1) : NULL;
	if (!grown) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return false;
	}
	export->text = grown;
	export->text_size = 4 * len + 1;
	return true;
}

const char *export_text(struct export *export, const char *text, size_t *ret_len)
{
	size_t len = strlen(text);
	char *to;

	*ret_len = len;
	if (is_plain(text, len))
		return text;
	if (!has_room(export, len))
		return NULL;
	to = export->text;
	while (len) {
		uint32_t c = 0;
		size_t size;

		if (utf8_is_shown(text, len, &c, &size) && c != '\\') {
			memcpy(to, text, size);
			to += size;
		} else {
			to = put_escaped(to, text, size);
		}
		text += size;
		len -= size;
	}
	*to = '\0';
	*ret_len = (size_t)(to - export->text);
	return export->text;
}

/* ---- lines ---- */

static bool lines_failed(const struct export *export)
{
	message("%s: %s", export->path, strerror(export->out.os_errno));
	return false;
}

static bool lines_end(struct export *export)
{
	out_flush(&export->out);
	return !out_failed(&export->out) || lines_failed(export);
}

/* Does it look like the begin of a formula to a spreadsheet, or like what is put before one? */
static bool is_formula(const char *text)
{
	return *text && strchr("=+-@'", *text);
}

/* RFC 4180: in quotes, and a quote in it twice. */
static void csv_text(struct out *out, const char *text, size_t len)
{
	out_char(out, '"');
	if (is_formula(text))
		out_char(out, '\'');
	while (len) {
		const char *quote = memchr(text, '"', len);
		size_t n = quote ? (size_t)(quote - text) + 1 : len;

		out_bytes(out, text, n);
		if (quote)
			out_char(out, '"');
		text += n;
		len -= n;
	}
	out_char(out, '"');
}

/* A string of JSON. Pre: export_text() has made it, in which backslashes are but in \xNN, and no controls */
static void jsonl_text(struct out *out, const char *text, size_t len)
{
	out_char(out, '"');
	while (len) {
		size_t n = 0;

		while (n < len && text[n] != '"' && text[n] != '\\')
			n++;
		out_bytes(out, text, n);
		if (n < len) {
			out_char(out, '\\');
			out_char(out, text[n++]);
		}
		text += n;
		len -= n;
	}
	out_char(out, '"');
}

/* What is around values. */
struct lines {
	void (*text)(struct out *out, const char *text, size_t len);
	const char *begin; /* of a row */
	const char *quote; /* of addresses; at most one character */
	const char *null;
	const char *end;
};

/* What is before each value. */
static void put_before(struct export *export, const struct sql_table *table, const char *before,
		       bool has_key, const char *after)
{
	for (unsigned i = 0; table->columns[i].name; i++) {
		struct export_before *to = &export->before[i];

		to->len = (size_t)snprintf(to->text, sizeof(to->text), "%s%s%s", before,
					   has_key ? table->columns[i].name : "", after);
	}
}

/* A number, which takes little room. @return the place after it */
static char *number_at(char *to, const struct sql_value *value, const char *quote)
{
	if (value->kind == SQL_HEX) {
		*to = *quote;
		to = out_hex_at(to + (*quote != '\0'), value->number);
		*to = *quote;
		return to + (*quote != '\0');
	}
	if (value->number >= 10)
		return out_dec_at(to, value->number);
	*to = (char)('0' + value->number);
	return to + 1;
}

static bool put_text(struct export *export, const struct lines *lines, const char *text)
{
	size_t len;

	if (!text) {
		out_str(&export->out, lines->null);
		return true;
	}
	text = export_text(export, text, &len);
	if (text)
		lines->text(&export->out, text, len);
	return text;
}

static bool lines_row(struct export *export, struct sql_cursor *cursor, const struct lines *lines)
{
	const struct sql_table *table = cursor->table;
	const void *item = sql_cursor_item(cursor);
	struct out *out = &export->out;

	out_str(out, lines->begin);
	lines->text(out, export->machine, export->machine_len);
	for (unsigned i = 0; table->columns[i].name; i++) {
		char *to = out_room(out, sizeof(export->before[i].text) + OUT_HEX + 2);
		struct sql_value value = { 0 };

		table->value(cursor, item, i, &value);
		to = out_copy_at(to, export->before[i].text, export->before[i].len);
		if (value.kind == SQL_HEX || value.kind == SQL_INT)
			to = number_at(to, &value, lines->quote);
		out_end(out, to);
		if ((value.kind == SQL_TEXT || value.kind == SQL_NULL) &&
		    !put_text(export, lines, value.text))
			return false;
	}
	out_str(out, lines->end);
	return !out_failed(out) || lines_failed(export);
}

static bool csv_begin(struct export *export, const struct sql_table *table, int fd)
{
	out_init(&export->out, fd, false);
	out_str(&export->out, EXPORT_MACHINE);
	for (const struct sql_column *column = table->columns; column->name; column++) {
		out_char(&export->out, ',');
		out_str(&export->out, column->name);
	}
	out_char(&export->out, '\n');
	put_before(export, table, ",", false, "");
	return true;
}

static bool csv_row(struct export *export, struct sql_cursor *cursor)
{
	static const struct lines lines = { csv_text, "", "", "", "\n" };

	return lines_row(export, cursor, &lines);
}

const struct export_format export_csv = {
	.name = "csv",
	.begin = csv_begin,
	.row = csv_row,
	.end = lines_end,
};

static bool jsonl_begin(struct export *export, const struct sql_table *table, int fd)
{
	out_init(&export->out, fd, false);
	put_before(export, table, ",\"", true, "\":");
	return true;
}

static bool jsonl_row(struct export *export, struct sql_cursor *cursor)
{
	static const struct lines lines = { jsonl_text, "{\"" EXPORT_MACHINE "\":", "\"", "null",
					    "}\n" };

	return lines_row(export, cursor, &lines);
}

const struct export_format export_jsonl = {
	.name = "jsonl",
	.begin = jsonl_begin,
	.row = jsonl_row,
	.end = lines_end,
};
