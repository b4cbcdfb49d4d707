/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

/* What gzip (RFC 1952) and zip have inside: deflate, by zlib. */

#ifdef PGW_WITH_ZLIB
#include <zlib.h>

static struct {
	__typeof__(inflateInit2_) *inflateInit2_;
	__typeof__(inflateReset) *inflateReset;
	__typeof__(inflate) *inflate;
	__typeof__(inflateEnd) *inflateEnd;
	__typeof__(crc32) *crc32;
} zlib;

static const struct library_symbol zlib_symbols[] = {
	LIBRARY_SYMBOL(zlib, inflateInit2_), LIBRARY_SYMBOL(zlib, inflateReset),
	LIBRARY_SYMBOL(zlib, inflate),       LIBRARY_SYMBOL(zlib, inflateEnd),
	LIBRARY_SYMBOL(zlib, crc32),
};

struct library packed_deflate_library = {
	.soname = PGW_WITH_ZLIB,
	.symbols = zlib_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(zlib_symbols),
};

struct packed_deflate {
	z_stream stream;
};

struct packed_deflate *packed_deflate_new(bool is_gzip)
{
	struct packed_deflate *deflate = calloc(1, sizeof(*deflate));
	int window = is_gzip ? 16 + MAX_WBITS : -MAX_WBITS;

	if (deflate && zlib.inflateInit2_(&deflate->stream, window, ZLIB_VERSION,
					  sizeof(deflate->stream)) == Z_OK)
		return deflate;
	free(deflate);
	return NULL;
}

void packed_deflate_free(struct packed_deflate *deflate)
{
	if (deflate)
		zlib.inflateEnd(&deflate->stream);
	free(deflate);
}

bool packed_deflate_restart(struct packed_deflate *deflate)
{
	return zlib.inflateReset(&deflate->stream) == Z_OK;
}

/* Of all that zlib finds wrong, these two show when everything is unpacked: inflate.c. */
static bool is_check(const char *message)
{
	return message && (strcmp(message, "incorrect data check") == 0 ||
			   strcmp(message, "incorrect length check") == 0);
}

enum packed_result packed_deflate_run(struct packed_deflate *deflate, struct packed_io *io)
{
	z_stream *stream = &deflate->stream;
	int result;

	stream->next_in = (Bytef *)(uintptr_t)io->in;
	stream->avail_in = (uInt)io->nr_in;
	stream->next_out = io->out;
	stream->avail_out = (uInt)io->nr_out;
	result = zlib.inflate(stream, Z_NO_FLUSH);
	io->in = stream->next_in;
	io->nr_in = stream->avail_in;
	io->out = stream->next_out;
	io->nr_out = stream->avail_out;
	if (result == Z_OK || result == Z_BUF_ERROR)
		return PACKED_GOES_ON;
	if (result == Z_STREAM_END)
		return PACKED_ENDED;
	return is_check(stream->msg) ? PACKED_BAD_CHECKSUM : PACKED_BROKEN;
}

uint32_t packed_crc32(uint32_t crc, const void *bytes, size_t size)
{
	return (uint32_t)zlib.crc32(crc, bytes, (uInt)size);
}

static void *gzip_open(void)
{
	return packed_deflate_new(true);
}

static bool gzip_restart(void *context)
{
	return packed_deflate_restart(context);
}

static enum packed_result gzip_run(void *context, struct packed_io *io)
{
	return packed_deflate_run(context, io);
}

static void gzip_close(void *context)
{
	packed_deflate_free(context);
}
#endif

static bool gzip_probe(const uint8_t *start)
{
	return memcmp(start, "\x1f\x8b\x08", 3) == 0;
}

const struct packed_ops packed_gzip_ops = {
	.name = "gzip",
	.expected = "gzip's deflated bytes",
	.probe = gzip_probe,
#ifdef PGW_WITH_ZLIB
	.missing = PACKED_NOT_LOADED(PGW_WITH_ZLIB),
	.library = &packed_deflate_library,
	.open = gzip_open,
	.restart = gzip_restart,
	.run = gzip_run,
	.close = gzip_close,
#else
	.missing = PACKED_NOT_BUILT("zlib"),
#endif
};
