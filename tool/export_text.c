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

/* Text that is copied without a look at how long it is. */
#define MAX_SHORT 32

/* Does it look like the begin of a formula to a spreadsheet, or like what is put before one? */
static bool is_formula(const char *text)
{
	return *text == '=' || *text == '+' || *text == '-' || *text == '@' || *text == '\'';
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
	bool has_keys; /* before values */
};

/* What each row begins with, and what is before each value. */
static void lines_begin(struct export *export, const struct sql_table *table, int fd,
			const struct lines *lines)
{
	struct out *out = &export->out;

	out_init(out, fd, false);
	out_str(out, lines->begin);
	lines->text(out, export->machine, export->machine_len);
	/* No more than EXPORT_ROW, which is not written before there is a block. */
	memcpy(export->row, out->buf, out->len);
	export->row_len = out->len;
	out->len = 0;
	for (unsigned i = 0; i < export->nr_columns; i++) {
		struct export_before *to = &export->before[i];
		int len = lines->has_keys ? snprintf(to->text, sizeof(to->text),
						     ",\"%s\":", table->columns[i].name)
					  : snprintf(to->text, sizeof(to->text), ",");

		to->len = (size_t)len;
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

/* Text that is short and is the same in all forms. @return the place after it; NULL: it is none */
static char *short_at(char *to, const char *text)
{
	if (is_formula(text))
		return NULL;
	*to++ = '"';
	for (unsigned i = 0; i < MAX_SHORT; i++) {
		if (!text[i]) {
			*to = '"';
			return to + 1;
		}
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return NULL;
		*to++ = text[i];
	}
	return NULL;
}

/* Sixteen bytes are one register. */
static inline char *before_at(char *to, const struct export_before *before)
{
	if (before->len > 16)
		return out_copy_at(to, before->text, before->len);
	memcpy(to, before->text, 16);
	return to + before->len;
}

static inline bool lines_row(struct export *export, const struct lines *lines)
{
	struct out *out = &export->out;

	memcpy(out_room(out, EXPORT_ROW), export->row, export->row_len);
	out->len += export->row_len;
	for (unsigned i = 0; i < export->nr_columns; i++) {
		const struct sql_value *value = &export->values[i];
		char *to = out_room(out, OUT_COPY + MAX_SHORT + OUT_DEC), *end = NULL;

		to = before_at(to, &export->before[i]);
		if (value->kind == SQL_HEX || value->kind == SQL_INT)
			end = number_at(to, value, lines->quote);
		else if (value->text)
			end = short_at(to, value->text);
		out_end(out, end ? end : to);
		if (!end && !put_text(export, lines, value->text))
			return false;
	}
	out_str(out, lines->end);
	return !out_failed(out) || lines_failed(export);
}

static const struct lines csv = { csv_text, "", "", "", "\n", false };

static bool csv_begin(struct export *export, const struct sql_table *table, int fd)
{
	lines_begin(export, table, fd, &csv);
	out_str(&export->out, EXPORT_MACHINE);
	for (unsigned i = 0; i < export->nr_columns; i++) {
		out_char(&export->out, ',');
		out_str(&export->out, table->columns[i].name);
	}
	out_char(&export->out, '\n');
	return true;
}

static bool csv_row(struct export *export)
{
	return lines_row(export, &csv);
}

const struct export_format export_csv = {
	.name = "csv",
	.begin = csv_begin,
	.row = csv_row,
	.end = lines_end,
};

static const struct lines jsonl = { jsonl_text, "{\"" EXPORT_MACHINE "\":", "\"", "null", "}\n",
				    true };

static bool jsonl_begin(struct export *export, const struct sql_table *table, int fd)
{
	lines_begin(export, table, fd, &jsonl);
	return true;
}

static bool jsonl_row(struct export *export)
{
	return lines_row(export, &jsonl);
}

const struct export_format export_jsonl = {
	.name = "jsonl",
	.begin = jsonl_begin,
	.row = jsonl_row,
	.end = lines_end,
};
