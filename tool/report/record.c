/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/record.h"

void record_init(struct record *record, struct out *out, bool is_json)
{
	*record = (struct record){ .out = out, .is_json = is_json, .json = { .out = out } };
}

void record_begin(struct record *record, const char *kind)
{
	record->list = NULL;
	record->is_summary = false;
	if (record->is_json) {
		json_open(&record->json, NULL, '{');
		json_str(&record->json, "record", kind);
	} else {
		out_str(record->out, kind);
	}
}

void record_begin_summary(struct record *record)
{
	record->list = NULL;
	record->is_summary = true;
	if (record->is_json) {
		json_open(&record->json, NULL, '{');
		json_open(&record->json, "summary", '{');
	} else {
		out_char(record->out, '#');
	}
}

void record_end(struct record *record)
{
	if (!record->is_json) {
		out_char(record->out, '\n');
		return;
	}
	if (record->is_summary)
		json_close(&record->json, '}');
	json_end(&record->json);
}

void record_list(struct record *record, const char *key)
{
	record->list = key;
	if (record->is_json)
		json_open(&record->json, key, '[');
}

void record_list_end(struct record *record)
{
	record->list = NULL;
	if (record->is_json)
		json_close(&record->json, ']');
}

void record_item(struct record *record)
{
	if (record->is_json) {
		json_open(&record->json, NULL, '{');
		return;
	}
	out_str(record->out, "\n  ");
	out_str(record->out, record->list);
}

void record_item_end(struct record *record)
{
	if (record->is_json)
		json_close(&record->json, '}');
}

/* What comes before a value of a line. */
static void text_key(struct record *record, const char *key)
{
	out_str(record->out, "  ");
	out_str(record->out, key);
	out_char(record->out, '=');
}

void record_hex(struct record *record, const char *key, uint64_t value)
{
	if (record->is_json) {
		json_hex(&record->json, key, value);
		return;
	}
	text_key(record, key);
	out_hex(record->out, value);
}

void record_dec(struct record *record, const char *key, uint64_t value)
{
	if (record->is_json) {
		json_dec(&record->json, key, value);
		return;
	}
	text_key(record, key);
	out_dec(record->out, value);
}

void record_size(struct record *record, const char *key, uint64_t bytes)
{
	if (record->is_json) {
		json_dec(&record->json, key, bytes);
		return;
	}
	text_key(record, key);
	out_size(record->out, bytes, 0);
}

void record_str(struct record *record, const char *key, const char *value)
{
	if (record->is_json) {
		json_str(&record->json, key, value);
		return;
	}
	text_key(record, key);
	out_str(record->out, value ? value : "-");
}

void record_untrusted(struct record *record, const char *key, const char *text, size_t len)
{
	if (record->is_json) {
		json_untrusted(&record->json, key, text, len);
		return;
	}
	text_key(record, key);
	out_untrusted(record->out, text, len);
}

void record_bool(struct record *record, const char *key, bool value)
{
	if (record->is_json) {
		json_bool(&record->json, key, value);
	} else if (value) {
		out_str(record->out, "  ");
		out_str(record->out, key);
	}
}
