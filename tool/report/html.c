/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/utf8.h"

bool html_begin(struct html *html)
{
	*html = (struct html){ 0 };
	html->to = open_memstream(&html->bytes, &html->size);
	return html->to != NULL;
}

bool html_done(struct html *html)
{
	bool is_whole = html->to && !ferror(html->to);

	if (html->to && fclose(html->to) != 0)
		is_whole = false;
	html->to = NULL;
	return is_whole;
}

void html_free(struct html *html)
{
	if (html->to)
		fclose(html->to);
	free(html->bytes);
	*html = (struct html){ 0 };
}

static void put_html(FILE *to, uint32_t c, const char *bytes, size_t size)
{
	if (c < 0x80 && strchr("<>&\"'", (int)c))
		fprintf(to, "&#%" PRIu32 ";", c);
	else
		fwrite(bytes, 1, size, to);
}

static void put_json(FILE *to, uint32_t c, const char *bytes, size_t size)
{
	(void)bytes;
	(void)size;
	if (c >= 0x10000)
		fprintf(to, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
	else if (c >= 0x7f || strchr("<>&\"'\\", (int)c))
		fprintf(to, "\\u%04" PRIx32, c);
	else
		fputc((int)c, to);
}

static void put_text(FILE *to, const char *text, size_t len, bool is_json)
{
	void (*put)(FILE *, uint32_t, const char *, size_t) = is_json ? put_json : put_html;

	while (len) {
		uint32_t c = 0;
		size_t size;

		if (utf8_is_shown(text, len, &c, &size)) {
			put(to, c, text, size);
		} else {
			for (size_t i = 0; i < size; i++)
				fprintf(to, is_json ? "\\\\x%02x" : "\\x%02x",
					(unsigned char)text[i]);
		}
		text += size;
		len -= size;
	}
}

void html_text(FILE *to, const char *text, size_t len)
{
	put_text(to, text, len, false);
}

void html_string(FILE *to, const char *text, size_t len)
{
	fputc('"', to);
	put_text(to, text, len, true);
	fputc('"', to);
}

void html_number(FILE *to, uint64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			fputs("&#8239;", to);
		fputc(digits[i], to);
	}
}

void html_size(FILE *to, uint64_t bytes)
{
	static const char units[][4] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned digits, scale = 1;
	size_t unit = 0;

	for (; value >= 999.5 && unit < sizeof(units) / sizeof(units[0]) - 1; unit++)
		value /= 1024;
	digits = unit && value < 9.995 ? 2 : unit && value < 99.95 ? 1 : 0;
	for (unsigned i = 0; i < digits; i++)
		scale *= 10;
	/* Halves go up, as the page's script has them, and not to even as printf() has them. */
	fprintf(to, "<data value=\"%" PRIu64 "\">%.*f&#160;%s</data>", bytes, (int)digits,
		(double)(uint64_t)(value * scale + 0.5) / scale, units[unit]);
}

void html_base64(FILE *to, const uint8_t *bytes, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[4 * 1024];
	size_t len = 0;

	for (size_t i = 0; i < size; i += 3) {
		size_t n = size - i < 3 ? size - i : 3;
		uint32_t word = (uint32_t)bytes[i] << 16 |
				(n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				(n > 2 ? bytes[i + 2] : 0);

		for (size_t digit = 0; digit < 4; digit++)
			text[len++] =
				(char)(digit <= n ? digits[word >> (18 - 6 * digit) & 63] : '=');
		if (len == sizeof(text)) {
			fwrite(text, 1, len, to);
			len = 0;
		}
	}
	fwrite(text, 1, len, to);
}

static const char *const kind_names[] = {
	[HTML_WORD] = "word",       [HTML_NAME] = "name",   [HTML_TEXT] = "text",
	[HTML_ADDRESS] = "address", [HTML_COUNT] = "count", [HTML_BYTES] = "bytes",
};

bool html_table_begin(struct html_table *table, FILE *to, const struct html_about *about)
{
	const struct html_column *column;

	*table = (struct html_table){ .to = to, .about = about };
	if (!html_begin(&table->rows))
		return false;
	fprintf(to, "<div class=\"table\" id=\"%s\"><table><caption>%s</caption><thead><tr>",
		about->id, about->caption);
	fprintf(table->rows.to, "{\"caption\":\"%s\",\"columns\":[", about->caption);
	for (column = about->columns; column->key; column++) {
		const char *kind = kind_names[column->kind];

		fprintf(to, "<th scope=\"col\" class=\"%s\">%s</th>", kind, column->label);
		fprintf(table->rows.to, "%s[\"%s\",\"%s\",\"%s\"]",
			column == about->columns ? "" : ",", column->key, column->label, kind);
	}
	fputs("</tr></thead><tbody>\n", to);
	fputs("],\"rows\":[", table->rows.to);
	return true;
}

bool html_table_end(struct html_table *table)
{
	const struct html_about *about = table->about;
	bool is_whole;

	if (!table->rows.to)
		return false;
	fputs("]}", table->rows.to);
	is_whole = html_done(&table->rows);
	fputs("</tbody></table>", table->to);
	if (table->nr_rows > about->max_shown)
		fprintf(table->to,
			"<p class=\"more\">These are the first %" PRIu64 " rows of %" PRIu64
			". All are in this page, and its script shows them.</p>",
			about->max_shown, table->nr_rows);
	fprintf(table->to, "<script type=\"application/json\" class=\"rows\" data-for=\"%s\">",
		about->id);
	if (is_whole)
		fwrite(table->rows.bytes, 1, table->rows.size, table->to);
	fputs("</script></div>\n", table->to);
	html_free(&table->rows);
	return is_whole;
}

static bool is_row_shown(const struct html_table *table)
{
	return table->nr_rows <= table->about->max_shown;
}

void html_row(struct html_table *table)
{
	table->column = 0;
	fputs(table->nr_rows++ ? ",\n[" : "\n[", table->rows.to);
	if (is_row_shown(table))
		fputs("<tr>", table->to);
}

void html_row_end(struct html_table *table)
{
	fputc(']', table->rows.to);
	if (is_row_shown(table))
		fputs("</tr>\n", table->to);
}

static enum html_kind cell_begin(struct html_table *table)
{
	const struct html_column *column = &table->about->columns[table->column];

	if (table->column)
		fputc(',', table->rows.to);
	/* The label is what the cell goes by where rows are stacked. */
	if (is_row_shown(table))
		fprintf(table->to, "<td class=\"%s\" data-label=\"%s\">", kind_names[column->kind],
			column->label);
	table->column++;
	return column->kind;
}

static void cell_end(struct html_table *table)
{
	if (is_row_shown(table))
		fputs("</td>", table->to);
}

void html_cell(struct html_table *table, uint64_t value)
{
	enum html_kind kind = cell_begin(table);
	bool is_string = kind == HTML_ADDRESS || value >> 53;

	fprintf(table->rows.to,
		kind == HTML_ADDRESS ? "\"0x%016" PRIx64 "\""
		: is_string          ? "\"%" PRIu64 "\""
				     : "%" PRIu64,
		value);
	if (!is_row_shown(table))
		return;
	if (kind == HTML_ADDRESS)
		fprintf(table->to, "0x%016" PRIx64, value);
	else if (kind == HTML_BYTES)
		html_size(table->to, value);
	else
		html_number(table->to, value);
	cell_end(table);
}

void html_cell_text(struct html_table *table, const char *text)
{
	if (!text) {
		html_cell_none(table);
		return;
	}
	cell_begin(table);
	html_string(table->rows.to, text, strlen(text));
	if (is_row_shown(table)) {
		fputs("<bdi>", table->to);
		html_text(table->to, text, strlen(text));
		fputs("</bdi>", table->to);
	}
	cell_end(table);
}

void html_cell_none(struct html_table *table)
{
	cell_begin(table);
	fputs("null", table->rows.to);
	if (is_row_shown(table))
		fputs("&#8211;", table->to);
	cell_end(table);
}
