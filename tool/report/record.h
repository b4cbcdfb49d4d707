/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_RECORD_H
#define REPORT_RECORD_H

/*
 * One way to write an answer, which comes out as text or as JSON Lines. A command says what a
 * record holds, once:
 *
 *	record_begin(&record, "root");
 *	record_hex(&record, "pa", pa);
 *	record_list(&record, "tables");
 *	record_item(&record);
 *	record_dec(&record, "level", 0);
 *	record_item_end(&record);
 *	record_list_end(&record);
 *	record_end(&record);
 *
 * As JSON this is {"record":"root","pa":"0x...","tables":[{"level":0}]}. As text it is a line
 *
 *	root  pa=0x...
 *	  tables  level=0
 *
 * and one more, indented, for each item of its lists. A record's own values come before its lists.
 */

#include "report/json_put.h"

struct record {
	struct out *out;
	bool is_json;
	/* The rest is its own. */
	struct json json;
	const char *list;
	bool is_summary;
};

void record_init(struct record *record, struct out *out, bool is_json);

void record_begin(struct record *record, const char *kind);
/** The last record: as text a line after #, as JSON an object "summary". It has no lists. */
void record_begin_summary(struct record *record);
void record_end(struct record *record);

/** Neither a list nor an item is inside another. */
void record_list(struct record *record, const char *key);
void record_list_end(struct record *record);
void record_item(struct record *record);
void record_item_end(struct record *record);

/** An address or an entry: sixteen digits, in JSON a string of them. */
void record_hex(struct record *record, const char *key, uint64_t value);
void record_dec(struct record *record, const char *key, uint64_t value);
/** Bytes: as text 612K, in JSON their number. */
void record_size(struct record *record, const char *key, uint64_t bytes);
/** A word of ours; NULL: as text a dash, in JSON null. */
void record_str(struct record *record, const char *key, const char *value);
/** Text from anywhere. */
void record_untrusted(struct record *record, const char *key, const char *text, size_t len);
/** As text the key if it is true, else nothing; in JSON true or false. */
void record_bool(struct record *record, const char *key, bool value);

#endif
