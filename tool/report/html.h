/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

/*
 * Parts of a page of HTML, each kept in memory until all of them are known. What is not ours goes
 * through html_text() or html_string(): no byte of it becomes markup, ends a script, or changes how
 * text is shown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** A part. */
struct html {
	FILE *to; /**< NULL: there was no memory */
	char *bytes;
	size_t size; /**< of bytes, after html_done() */
};

/** @return false: there is no memory */
bool html_begin(struct html *html);
/** All is written. @return false: there was no memory for it */
bool html_done(struct html *html);
/** All zero is fine. */
void html_free(struct html *html);

/**
 * Text from anywhere, between tags or in a quoted attribute. UTF-8 stays as it is; what is none,
 * controls (C0, C1), what turns the direction of text or is invisible come out as \xNN a byte.
 */
void html_text(FILE *to, const char *text, size_t len);
/** The same text as a JSON string in ASCII, which holds no "<": it may stand in a script element. */
void html_string(FILE *to, const char *text, size_t len);
/** Bytes for people: "612 KiB", with three digits that count; and exactly, in an attribute. */
void html_size(FILE *to, uint64_t bytes);
/** A number with a thin space between groups of three digits. */
void html_number(FILE *to, uint64_t value);
/** Bytes as base64. */
void html_base64(FILE *to, const uint8_t *bytes, size_t size);

enum html_kind {
	HTML_WORD, /**< of ours */
	HTML_NAME, /**< from anywhere */
	HTML_TEXT, /**< of ours, some words */
	HTML_ADDRESS,
	HTML_COUNT,
	HTML_BYTES,
};

struct html_column {
	const char *key;
	const char *label;
	enum html_kind kind;
};

#define HTML_MAX_COLUMNS 15

/** What a table is; all strings are ours. */
struct html_about {
	const char *id; /**< the element's */
	const char *caption;
	uint64_t max_shown; /**< rows that are there without a script */
	struct html_column columns[HTML_MAX_COLUMNS + 1]; /**< a NULL key ends them */
};

/**
 * A table, twice: its first rows as HTML, and all of them as JSON in a script element behind it:
 * {"caption":"Processes","columns":[["pid","PID","count"],...],"rows":[[812,"init"],...]}. Addresses
 * are strings of sixteen digits with 0x before them, counts and bytes numbers, or strings of digits
 * past 2^53; what is not known is null.
 */
struct html_table {
	FILE *to;
	const struct html_about *about;
	size_t column; /**< the next cell's */
	uint64_t nr_rows;
	struct html rows;
};

/**
 * @param about stays until html_table_end()
 * @return false: there is no memory, and nothing may be put into it
 */
bool html_table_begin(struct html_table *table, FILE *to, const struct html_about *about);
/** @return false: there was no memory, also for its begin */
bool html_table_end(struct html_table *table);
void html_row(struct html_table *table);
void html_row_end(struct html_table *table);
/** A cell each, of the next column's kind. */
void html_cell(struct html_table *table, uint64_t value);
void html_cell_text(struct html_table *table, const char *text);
void html_cell_none(struct html_table *table);

#endif
