/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_JSON_PUT_H
#define REPORT_JSON_PUT_H

/*
 * Writes one JSON value a line. Values of 64 bits are strings of hexadecimal
 * digits, because many readers keep numbers as doubles; counts and sizes are
 * numbers. A NULL key is for elements of arrays.
 */

#include "report/out.h"

struct json {
	struct out *out;
	bool needs_comma;
};

/** Begin an object ('{') or an array ('['). */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
/** The end of the outermost object: close it and the line. */
void json_end(struct json *json);

void json_hex(struct json *json, const char *key, uint64_t value);
void json_dec(struct json *json, const char *key, uint64_t value);
void json_int(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/** A string of ours, or NULL for null. */
void json_str(struct json *json, const char *key, const char *value);
/** Text from anywhere. Bytes past ASCII are taken for Latin-1, so that any bytes give valid JSON.
 */
void json_untrusted(struct json *json, const char *key, const char *text, size_t len);
/**
 * Text that a person wrote, in UTF-8. Bytes that are no such text, or would not be seen for what they
 * are, are escaped as json_untrusted() does.
 */
void json_text(struct json *json, const char *key, const char *text, size_t len);
/** Text that is JSON already. */
void json_raw(struct json *json, const char *key, const char *text);

#endif
