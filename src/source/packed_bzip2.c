/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

#ifdef PGW_WITH_BZIP2
#include <bzlib.h>

static struct {
	__typeof__(BZ2_bzDecompressInit) *BZ2_bzDecompressInit;
	__typeof__(BZ2_bzDecompress) *BZ2_bzDecompress;
	__typeof__(BZ2_bzDecompressEnd) *BZ2_bzDecompressEnd;
} bzip2;

static const struct library_symbol bzip2_symbols[] = {
	LIBRARY_SYMBOL(bzip2, BZ2_bzDecompressInit),
	LIBRARY_SYMBOL(bzip2, BZ2_bzDecompress),
	LIBRARY_SYMBOL(bzip2, BZ2_bzDecompressEnd),
};

static struct library bzip2_library = {
	.soname = PGW_WITH_BZIP2,
	.symbols = bzip2_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(bzip2_symbols),
};

struct bzip2 {
	bz_stream stream;
	bool is_open;
};

static bool bzip2_restart(void *context)
{
	struct bzip2 *own = context;

	if (own->is_open)
		bzip2.BZ2_bzDecompressEnd(&own->stream);
	own->stream = (bz_stream){ 0 };
	own->is_open = bzip2.BZ2_bzDecompressInit(&own->stream, 0, 0) == BZ_OK;
	return own->is_open;
}

static void *bzip2_open(void)
{
	struct bzip2 *own = calloc(1, sizeof(*own));

	if (own && bzip2_restart(own))
		return own;
	free(own);
	return NULL;
}

static enum packed_result bzip2_run(void *context, struct packed_io *io)
{
	struct bzip2 *own = context;
	bz_stream *stream = &own->stream;
	int result;

	stream->next_in = (char *)(uintptr_t)io->in;
	stream->avail_in = (unsigned)io->nr_in;
	stream->next_out = (char *)io->out;
	stream->avail_out = (unsigned)io->nr_out;
	result = bzip2.BZ2_bzDecompress(stream);
	io->in = (const uint8_t *)stream->next_in;
	io->nr_in = stream->avail_in;
	io->out = (uint8_t *)stream->next_out;
	io->nr_out = stream->avail_out;
	if (result == BZ_OK)
		return PACKED_GOES_ON;
	return result == BZ_STREAM_END ? PACKED_ENDED : PACKED_BROKEN;
}

static void bzip2_close(void *context)
{
	struct bzip2 *own = context;

	if (own->is_open)
		bzip2.BZ2_bzDecompressEnd(&own->stream);
	free(own);
}
#endif

/* A block, or the end of a stream that has none. */
static bool bzip2_probe(const uint8_t *start)
{
	return memcmp(start, "BZh", 3) == 0 && start[3] >= '1' && start[3] <= '9' &&
	       (memcmp(start + 4, "1AY&SY", 6) == 0 ||
		memcmp(start + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

const struct packed_ops packed_bzip2_ops = {
	.name = "bzip2",
	.expected = "bzip2's blocks",
	.probe = bzip2_probe,
#ifdef PGW_WITH_BZIP2
	.missing = PACKED_NOT_LOADED(PGW_WITH_BZIP2),
	.library = &bzip2_library,
	.open = bzip2_open,
	.restart = bzip2_restart,
	.run = bzip2_run,
	.close = bzip2_close,
#else
	.missing = PACKED_NOT_BUILT("bzip2 (libbz2)"),
#endif
};
