/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Zip archives with one file in them, read from front to back by their local
 * headers (APPNOTE.TXT 4.3.7): a library reads the directory at the end, which
 * a pipe does not have yet, and an archive that was cut not any more.
 *
 *   0   "PK\3\4"; 6: flags; 8: method; 14: CRC-32
 *   18  size packed, 22: unpacked (4 bytes each)
 *   26  size of the name, 28: of the extra field (2 bytes each)
 *   30  name, extra field, bytes; where flags say so, a descriptor:
 *       "PK\7\10" or nothing, CRC-32, two sizes of 4 or 8 bytes
 */
#define HEADER_SIZE 30
#define FLAG_ENCRYPTED 1u
#define FLAG_DESCRIPTOR 8u
#define STORED 0
#define DEFLATED 8
#define ZIP64 1

#ifdef PGW_WITH_ZLIB

enum state {
	IN_HEADER,
	IN_NAME, /* and the extra field */
	IN_FILE,
	IN_DESCRIPTOR,
	IN_REST,
};

/* A descriptor with its signature, sizes of 8 bytes, and the signature of what follows. */
#define DESCRIPTOR_MAX 28

struct zip {
	enum state state;
	uint8_t header[HEADER_SIZE];
	uint8_t *name; /* and the extra field */
	uint8_t descriptor[DESCRIPTOR_MAX];
	size_t nr; /* bytes of these that are there */
	unsigned flags, method;
	uint64_t left; /* of a file that is stored */
	uint32_t crc;
	bool has_file;
	struct packed_deflate *deflate;
};

static void *zip_open(void)
{
	struct zip *zip = calloc(1, sizeof(*zip));

	if (!zip)
		return NULL;
	zip->name = malloc(2 * (size_t)UINT16_MAX);
	zip->deflate = packed_deflate_new(false);
	if (zip->name && zip->deflate)
		return zip;
	packed_deflate_free(zip->deflate);
	free(zip->name);
	free(zip);
	return NULL;
}

static void zip_close(void *context)
{
	struct zip *zip = context;

	packed_deflate_free(zip->deflate);
	free(zip->name);
	free(zip);
}

/* All of an archive is one stream. */
static bool zip_restart(void *context)
{
	(void)context;
	return false;
}

/* @return are all size bytes there? */
static bool collect(struct zip *zip, uint8_t *bytes, size_t size, struct packed_io *io)
{
	size_t n = size - zip->nr < io->nr_in ? size - zip->nr : io->nr_in;

	memcpy(bytes + zip->nr, io->in, n);
	io->in += n;
	io->nr_in -= n;
	zip->nr += n;
	return zip->nr == size;
}

static enum packed_result refuse(struct packed_io *io, const char *expected)
{
	io->expected = expected;
	return PACKED_REFUSED;
}

static size_t name_size(const struct zip *zip)
{
	return load_le16(zip->header + 26);
}

static size_t extra_size(const struct zip *zip)
{
	return load_le16(zip->header + 28);
}

/* The packed size; of large files it is in the extra field, behind the other. */
static bool find_size(const struct zip *zip, uint64_t *ret)
{
	const uint8_t *at = zip->name + name_size(zip), *end = at + extra_size(zip);
	bool has_large = load_le32(zip->header + 22) == UINT32_MAX;

	*ret = load_le32(zip->header + 18);
	if (*ret != UINT32_MAX)
		return true;
	while (end - at >= 4) {
		size_t size = load_le16(at + 2);

		if (size > (size_t)(end - at) - 4)
			return false;
		if (load_le16(at) == ZIP64 && size >= (has_large ? 16 : 8)) {
			*ret = load_le64(at + 4 + (has_large ? 8 : 0));
			return true;
		}
		at += 4 + size;
	}
	return false;
}

static enum packed_result begin_file(struct zip *zip, struct packed_io *io)
{
	size_t nr_name = name_size(zip);
	bool has_size;

	zip->flags = load_le16(zip->header + 6);
	zip->method = load_le16(zip->header + 8);
	zip->nr = 0;
	if (zip->flags & FLAG_ENCRYPTED)
		return refuse(io, "a zip archive that is not encrypted (unzip -P unpacks others)");
	if (zip->method != STORED && zip->method != DEFLATED)
		return refuse(io, "a zip archive with a file that is stored or deflated");
	has_size = find_size(zip, &zip->left);
	/* A folder. */
	if (nr_name && zip->name[nr_name - 1] == '/' && has_size && !zip->left &&
	    !(zip->flags & FLAG_DESCRIPTOR)) {
		zip->state = IN_HEADER;
		return PACKED_GOES_ON;
	}
	if (!has_size || (zip->method == STORED && (zip->flags & FLAG_DESCRIPTOR) && !zip->left))
		return refuse(io, "a zip archive whose file has its size in front of it");
	if (zip->has_file)
		return refuse(io, "a zip archive with one file in it (unzip -p ARCHIVE FILE gives "
				  "one of several)");
	zip->has_file = true;
	zip->state = IN_FILE;
	return PACKED_GOES_ON;
}

/* Behind the file: what it must have come to. */
static enum packed_result check_crc(struct zip *zip, const uint8_t *crc)
{
	zip->state = zip->state == IN_DESCRIPTOR ? IN_REST : IN_HEADER;
	zip->nr = 0;
	return load_le32(crc) == zip->crc ? PACKED_GOES_ON : PACKED_BAD_CHECKSUM;
}

static enum packed_result end_file(struct zip *zip)
{
	if (!(zip->flags & FLAG_DESCRIPTOR))
		return check_crc(zip, zip->header + 14);
	zip->state = IN_DESCRIPTOR;
	return PACKED_GOES_ON;
}

static enum packed_result run_stored(struct zip *zip, struct packed_io *io)
{
	size_t n = io->nr_in < io->nr_out ? io->nr_in : io->nr_out;

	n = zip->left < n ? (size_t)zip->left : n;
	memcpy(io->out, io->in, n);
	io->in += n;
	io->nr_in -= n;
	io->out += n;
	io->nr_out -= n;
	zip->left -= n;
	return zip->left ? PACKED_GOES_ON : PACKED_ENDED;
}

static enum packed_result run_file(struct zip *zip, struct packed_io *io)
{
	uint8_t *out = io->out;
	enum packed_result result =
		zip->method == STORED ? run_stored(zip, io) : packed_deflate_run(zip->deflate, io);

	zip->crc = packed_crc32(zip->crc, out, (size_t)(io->out - out));
	return result == PACKED_ENDED ? end_file(zip) : result;
}

static bool is_signature(const uint8_t *bytes)
{
	return memcmp(bytes, "PK\1\2", 4) == 0 || memcmp(bytes, "PK\3\4", 4) == 0;
}

/* How large its sizes are shows by what follows. */
static enum packed_result run_descriptor(struct zip *zip, struct packed_io *io)
{
	bool is_all = collect(zip, zip->descriptor, DESCRIPTOR_MAX, io);
	size_t at = memcmp(zip->descriptor, "PK\7\10", 4) == 0 ? 4 : 0;
	size_t nr = zip->nr;
	enum packed_result result;

	if (!is_all && !io->is_end)
		return PACKED_GOES_ON;
	if (nr < at + 4)
		return PACKED_GOES_ON; /* and on to nothing: it is cut */
	result = check_crc(zip, zip->descriptor + at);
	for (at += 4 + 8; at + 4 <= nr; at += 8) {
		if (!is_signature(zip->descriptor + at))
			continue;
		zip->state = memcmp(zip->descriptor + at, "PK\3\4", 4) == 0 ? IN_HEADER : IN_REST;
		zip->nr = nr - at;
		memcpy(zip->header, zip->descriptor + at, zip->nr);
		break;
	}
	return result;
}

static enum packed_result run_header(struct zip *zip, struct packed_io *io)
{
	bool is_all = collect(zip, zip->header, HEADER_SIZE, io);

	/* The archive's directory: the files are behind us. */
	if (zip->has_file && zip->nr >= 4 && memcmp(zip->header, "PK\3\4", 4) != 0) {
		zip->state = IN_REST;
		return PACKED_GOES_ON;
	}
	if (!is_all)
		return PACKED_GOES_ON;
	if (memcmp(zip->header, "PK\3\4", 4) != 0)
		return refuse(io, "a zip archive with a file in it");
	zip->nr = 0;
	zip->state = IN_NAME;
	return PACKED_GOES_ON;
}

static enum packed_result run_state(struct zip *zip, struct packed_io *io)
{
	switch (zip->state) {
	case IN_HEADER:
		/* A file whose directory was cut off is whole. */
		if (zip->has_file && io->is_end && !io->nr_in)
			return PACKED_ENDED;
		return run_header(zip, io);
	case IN_NAME:
		return collect(zip, zip->name, name_size(zip) + extra_size(zip), io)
			       ? begin_file(zip, io)
			       : PACKED_GOES_ON;
	case IN_FILE:
		return run_file(zip, io);
	case IN_DESCRIPTOR:
		return run_descriptor(zip, io);
	default:
		io->in += io->nr_in;
		io->nr_in = 0;
		return io->is_end ? PACKED_ENDED : PACKED_GOES_ON;
	}
}

static enum packed_result zip_run(void *context, struct packed_io *io)
{
	struct zip *zip = context;
	enum packed_result result;
	enum state before;

	do {
		before = zip->state;
		result = run_state(zip, io);
	} while (result == PACKED_GOES_ON && zip->state != before);
	return result;
}
#endif

static bool zip_probe(const uint8_t *start)
{
	return memcmp(start, "PK\3\4", 4) == 0;
}

const struct packed_ops packed_zip_ops = {
	.name = "zip",
	.expected = "a zip archive's file",
	.probe = zip_probe,
#ifdef PGW_WITH_ZLIB
	.missing = PACKED_NOT_LOADED(PGW_WITH_ZLIB),
	.library = &packed_deflate_library,
	.open = zip_open,
	.restart = zip_restart,
	.run = zip_run,
	.close = zip_close,
#else
	.missing = PACKED_NOT_BUILT("zlib"),
#endif
};
