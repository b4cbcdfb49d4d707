/* SPDX-License-Identifier: BSD-2-Clause */
#include "export.h"

#ifdef PGW_WITH_AVRO

#include <avro.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows that the library holds before it writes them: more than any row has. */
#define BLOCK ((size_t)1 << 20)
/* The most that a number takes: 7 of its 64 bits a byte. */
#define MAX_NUMBER 10

/* What is used of the library, which is loaded if it is there. */
static struct {
	int (*schema)(const char *json, size_t len, avro_schema_t *ret);
	avro_schema_t (*schema_unref)(avro_schema_t schema);
	int (*create)(FILE *file, const char *path, int should_close, avro_schema_t schema,
		      avro_file_writer_t *ret, const char *codec, size_t block);
	int (*append)(avro_file_writer_t writer, const void *row, int64_t len);
	int (*close)(avro_file_writer_t writer);
	const char *(*error)(void);
} lib;

struct state {
	FILE *file;
	avro_file_writer_t writer;
	/* A row, by Avro 1.11's specification, "Binary Encoding". */
	char *row;
	size_t len, size;
};

static bool library_load(void)
{
	const struct {
		const char *name;
		void *to;
	} symbols[] = {
		{ "avro_schema_from_json_length", &lib.schema },
		{ "avro_schema_decref", &lib.schema_unref },
		{ "avro_file_writer_create_with_codec_fp", &lib.create },
		{ "avro_file_writer_append_encoded", &lib.append },
		{ "avro_file_writer_close", &lib.close },
		{ "avro_strerror", &lib.error },
	};
	void *library = dlopen(PGW_WITH_AVRO, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return false;
		memcpy(symbols[i].to, &symbol, sizeof(symbol));
	}
	return library;
}

static bool avro_open(struct export *export, const char *path)
{
	(void)path;
	if (!library_load()) {
		message("export: the Avro library (libavro) is not there");
		return false;
	}
	export->state = calloc(1, sizeof(struct state));
	if (!export->state)
		message("%s", pgw_status_text(-PGW_ENOMEM));
	return export->state;
}

static bool avro_failed(const struct export *export, const char *why)
{
	message("%s: %s", export->path, why);
	return false;
}

static void put_field(FILE *to, const struct sql_column *column)
{
	fprintf(to, ",{\"name\":\"%s\",\"type\":[\"null\",\"%s\"],\"default\":null}", column->name,
		strcmp(column->type, "INTEGER") == 0 ? "long" : "string");
}

/* @return NULL after a message */
static avro_schema_t schema_of(const struct export *export, const struct sql_table *table)
{
	avro_schema_t schema = NULL;
	char *json = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&json, &len);

	if (to) {
		fprintf(to,
			"{\"type\":\"record\",\"name\":\"%s\",\"fields\":[{\"name\":"
			"\"" EXPORT_MACHINE "\",\"type\":\"string\"}",
			table->name);
		for (const struct sql_column *column = table->columns; column->name; column++)
			put_field(to, column);
		fputs("]}", to);
	}
	if (!to || fclose(to) != 0)
		avro_failed(export, pgw_status_text(-PGW_ENOMEM));
	else if (lib.schema(json, len, &schema) != 0)
		avro_failed(export, lib.error());
	free(json);
	return schema;
}

static bool avro_begin(struct export *export, const struct sql_table *table, int fd)
{
	struct state *state = export->state;
	avro_schema_t schema = schema_of(export, table);
	int copy, status;

	if (!schema)
		return false;
	copy = dup(fd);
	state->file = copy < 0 ? NULL : fdopen(copy, "wb");
	if (!state->file) {
		avro_failed(export, strerror(errno));
		if (copy >= 0)
			close(copy);
		lib.schema_unref(schema);
		return false;
	}
	status = lib.create(state->file, export->path, 0, schema, &state->writer, "null", BLOCK);
	lib.schema_unref(schema);
	if (status != 0) {
		state->writer = NULL;
		return avro_failed(export, lib.error());
	}
	return true;
}

/* ---- rows ---- */

static char *room(struct state *state, size_t len)
{
	size_t size = 2 * (state->len + len);
	char *grown;

	if (len <= state->size - state->len)
		return state->row + state->len;
	grown = realloc(state->row, size);
	if (!grown)
		return NULL;
	state->row = grown;
	state->size = size;
	return grown + state->len;
}

/* Zig-zag: the sign is the last bit. */
static bool put_long(struct state *state, int64_t value)
{
	uint64_t rest = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
	char *to = room(state, MAX_NUMBER);

	if (!to)
		return false;
	for (; rest >= 0x80; rest >>= 7)
		*to++ = (char)(0x80 | (rest & 0x7f));
	*to++ = (char)rest;
	state->len = (size_t)(to - state->row);
	return true;
}

static bool put_string(struct state *state, const char *text, size_t len)
{
	char *to = put_long(state, (int64_t)len) ? room(state, len) : NULL;

	if (!to)
		return false;
	memcpy(to, text, len);
	state->len += len;
	return true;
}

static bool put_hex(struct state *state, uint64_t value)
{
	char *to = put_long(state, OUT_HEX) ? room(state, OUT_HEX) : NULL;

	if (to)
		state->len = (size_t)(out_hex_at(to, value) - state->row);
	return to;
}

/* The index of its type in the union, null or another, and the value. */
static bool put_value(struct export *export, const struct sql_value *value)
{
	struct state *state = export->state;
	bool is_null = value->kind == SQL_NULL || (value->kind == SQL_TEXT && !value->text);
	const char *text;
	size_t len;

	if (!put_long(state, !is_null))
		return false;
	if (is_null)
		return true;
	if (value->kind == SQL_HEX)
		return put_hex(state, value->number);
	if (value->kind == SQL_INT)
		return put_long(state, (int64_t)value->number);
	text = export_text(export, value->text, &len);
	return text && put_string(state, text, len);
}

static bool avro_row(struct export *export)
{
	struct state *state = export->state;
	bool has_memory;

	state->len = 0;
	has_memory = put_string(state, export->machine, export->machine_len);
	for (unsigned i = 0; i < export->nr_columns && has_memory; i++)
		has_memory = put_value(export, &export->values[i]);
	if (!has_memory)
		return avro_failed(export, pgw_status_text(-PGW_ENOMEM));
	if (lib.append(state->writer, state->row, (int64_t)state->len) != 0)
		return avro_failed(export, lib.error());
	return true;
}

static bool avro_end(struct export *export)
{
	struct state *state = export->state;
	bool is_whole = state->writer && lib.close(state->writer) == 0;

	state->writer = NULL;
	if (state->file && fclose(state->file) != 0)
		is_whole = false;
	state->file = NULL;
	return is_whole || avro_failed(export, strerror(errno ? errno : EIO));
}

static bool avro_close(struct export *export, bool is_wanted)
{
	struct state *state = export->state;

	(void)is_wanted;
	if (state)
		free(state->row);
	free(state);
	export->state = NULL;
	return true;
}

#else

static bool avro_open(struct export *export, const char *path)
{
	(void)export;
	(void)path;
	message("export: the Avro library (libavro) is not in this build");
	return false;
}

#define avro_begin NULL
#define avro_row NULL
#define avro_end NULL
#define avro_close NULL

#endif

const struct export_format export_avro = {
	.name = "avro",
	.open = avro_open,
	.begin = avro_begin,
	.row = avro_row,
	.end = avro_end,
	.close = avro_close,
};
