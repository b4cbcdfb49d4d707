/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/flat.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/source_priv.h"

#define MAGIC "makedumpfile\0\0\0"
#define TYPE_AT 16
#define VERSION_AT 24
#define HEADER_SIZE 4096
#define RECORD_SIZE 16

/* Records of a file that is being opened. */
struct records {
	const struct source_map *map;
	struct pgw_error *err;
	struct flat_piece *list;
	size_t nr;
	uint64_t at;  /* of the next */
	uint64_t end; /* of all that came yet, in the whole file */
	bool is_cut;
};

static int add_record(struct records *records, uint64_t offset, uint64_t size)
{
	uint64_t left = records->map->size - (records->at + RECORD_SIZE), end;
	struct flat_piece record = { .first = offset, .at = records->at + RECORD_SIZE };

	if (!size || size > INT64_MAX)
		return source_fail_at(records->err, -PGW_EOVERFLOW, records->at + 8, size,
				      "a record of a byte or more");
	if (add_overflows(offset, size, &end) || end > INT64_MAX)
		return source_fail_at(records->err, -PGW_EOVERFLOW, records->at, offset,
				      "a record that ends below 2^63");
	records->is_cut = size > left;
	if (size > left)
		size = left;
	record.end = offset + size;
	records->at += RECORD_SIZE + size;
	if (!size)
		return 0;
	if (records->end < record.end)
		records->end = record.end;
	if (source_array_grow((void **)&records->list, records->nr, sizeof(record)))
		return source_fail(records->err, -PGW_ENOMEM, NULL);
	records->list[records->nr++] = record;
	return 0;
}

/* One pass over the file: of each record only its numbers are looked at. */
static int read_records(struct records *records)
{
	int status = 0;

	while (!status && !records->is_cut) {
		uint8_t numbers[RECORD_SIZE];
		uint64_t offset, size;

		if (!source_map_read(records->map, records->at, numbers, sizeof(numbers))) {
			records->is_cut = true;
			return 0;
		}
		offset = load_be64(numbers);
		size = load_be64(numbers + 8);
		if (offset == UINT64_MAX && size == UINT64_MAX)
			return 0;
		status = add_record(records, offset, size);
	}
	return status;
}

static bool is_flat(const struct source_map *map)
{
	char magic[sizeof(MAGIC)];

	return source_map_read(map, 0, magic, sizeof(magic)) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

static int check_header(const struct source_map *map, struct pgw_error *err)
{
	uint8_t header[VERSION_AT + 8];

	if (map->size < HEADER_SIZE || !source_map_read(map, 0, header, sizeof(header)))
		return source_fail_at(err, -PGW_EOVERFLOW, 0, map->size,
				      "a flattened file's header of 4096 bytes");
	if (load_be64(header + TYPE_AT) != 1)
		return source_fail_at(err, -PGW_EOPNOTSUPP, TYPE_AT, load_be64(header + TYPE_AT),
				      "a flattened file of type 1");
	if (load_be64(header + VERSION_AT) != 1)
		return source_fail_at(err, -PGW_EOPNOTSUPP, VERSION_AT,
				      load_be64(header + VERSION_AT),
				      "a flattened file of version 1");
	return 0;
}

int source_flat_open(struct source_map *map, struct pgw_error *err)
{
	struct records records = { .map = map, .err = err, .at = HEADER_SIZE };
	struct source_flat *flat;
	int status;

	if (!is_flat(map))
		return 0;
	status = check_header(map, err);
	if (!status)
		status = read_records(&records);
	if (!status && !records.end)
		status = source_fail_at(err, -PGW_EOVERFLOW, HEADER_SIZE, 0,
					"records in the flattened file");
	flat = status ? NULL : calloc(1, sizeof(*flat));
	if (!flat) {
		free(records.list);
		return status ? status : source_fail(err, -PGW_ENOMEM, NULL);
	}
	flat->is_cut = records.is_cut;
	if (source_flat_sort(flat, records.list, records.nr)) {
		source_flat_free(flat);
		return source_fail(err, -PGW_ENOMEM, NULL);
	}
	map->flat = flat;
	map->size = records.end;
	return 0;
}
