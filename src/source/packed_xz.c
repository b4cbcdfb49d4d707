/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

#ifdef PGW_WITH_LZMA
#include <lzma.h>

/* xz -9 needs 65 MiB. */
#define MAX_MEMORY (UINT64_C(192) << 20)

static struct {
	__typeof__(lzma_stream_decoder) *lzma_stream_decoder;
	__typeof__(lzma_code) *lzma_code;
	__typeof__(lzma_end) *lzma_end;
} lzma;

static const struct library_symbol lzma_symbols[] = {
	LIBRARY_SYMBOL(lzma, lzma_stream_decoder),
	LIBRARY_SYMBOL(lzma, lzma_code),
	LIBRARY_SYMBOL(lzma, lzma_end),
};

static struct library lzma_library = {
	.soname = PGW_WITH_LZMA,
	.symbols = lzma_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(lzma_symbols),
};

static bool xz_restart(void *context)
{
	return lzma.lzma_stream_decoder(context, MAX_MEMORY, LZMA_TELL_UNSUPPORTED_CHECK) ==
	       LZMA_OK;
}

static void *xz_open(void)
{
	lzma_stream *stream = malloc(sizeof(*stream));

	if (!stream)
		return NULL;
	*stream = (lzma_stream)LZMA_STREAM_INIT;
	if (xz_restart(stream))
		return stream;
	free(stream);
	return NULL;
}

static enum packed_result xz_run(void *context, struct packed_io *io)
{
	lzma_stream *stream = context;
	lzma_ret result;

	stream->next_in = io->in;
	stream->avail_in = io->nr_in;
	stream->next_out = io->out;
	stream->avail_out = io->nr_out;
	result = lzma.lzma_code(stream, LZMA_RUN);
	io->in = stream->next_in;
	io->nr_in = stream->avail_in;
	io->out = stream->next_out;
	io->nr_out = stream->avail_out;
	switch (result) {
	case LZMA_OK:
	case LZMA_BUF_ERROR:
		return PACKED_GOES_ON;
	case LZMA_STREAM_END:
		return PACKED_ENDED;
	case LZMA_MEMLIMIT_ERROR:
		io->expected = "an xz file that takes less than 192 MiB of memory to unpack "
			       "(xz -d unpacks others)";
		return PACKED_REFUSED;
	case LZMA_OPTIONS_ERROR:
	case LZMA_UNSUPPORTED_CHECK:
		io->expected = "an xz file with filters and a check that liblzma has";
		return PACKED_REFUSED;
	default:
		return PACKED_BROKEN;
	}
}

static void xz_close(void *context)
{
	lzma.lzma_end(context);
	free(context);
}
#endif

static bool xz_probe(const uint8_t *start)
{
	return memcmp(start,
		      "\xfd"
		      "7zXZ",
		      6) == 0;
}

const struct packed_ops packed_xz_ops = {
	.name = "xz",
	.expected = "an xz file's blocks",
	.probe = xz_probe,
#ifdef PGW_WITH_LZMA
	.missing = PACKED_NOT_LOADED(PGW_WITH_LZMA),
	.library = &lzma_library,
	.open = xz_open,
	.restart = xz_restart,
	.run = xz_run,
	.close = xz_close,
#else
	.missing = PACKED_NOT_BUILT("liblzma"),
#endif
};
