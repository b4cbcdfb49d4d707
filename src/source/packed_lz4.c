/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

#ifdef PGW_WITH_LZ4
#include <lz4frame.h>

static struct {
	__typeof__(LZ4F_createDecompressionContext) *LZ4F_createDecompressionContext;
	__typeof__(LZ4F_freeDecompressionContext) *LZ4F_freeDecompressionContext;
	__typeof__(LZ4F_decompress) *LZ4F_decompress;
	__typeof__(LZ4F_isError) *LZ4F_isError;
	__typeof__(LZ4F_getErrorName) *LZ4F_getErrorName;
} lz4;

static const struct library_symbol lz4_symbols[] = {
	LIBRARY_SYMBOL(lz4, LZ4F_createDecompressionContext),
	LIBRARY_SYMBOL(lz4, LZ4F_freeDecompressionContext),
	LIBRARY_SYMBOL(lz4, LZ4F_decompress),
	LIBRARY_SYMBOL(lz4, LZ4F_isError),
	LIBRARY_SYMBOL(lz4, LZ4F_getErrorName),
};

static struct library lz4_library = {
	.soname = PGW_WITH_LZ4,
	.symbols = lz4_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(lz4_symbols),
};

/*
 * What a call that fails has unpacked before is lost. So each gets what the one
 * before asked for: a block, or the checksum, which is checked when all is there.
 */
struct lz4 {
	LZ4F_dctx *context;
	size_t wanted;
};

static bool lz4_restart(void *context)
{
	struct lz4 *own = context;

	own->wanted = LZ4F_MIN_SIZE_TO_KNOW_HEADER_LENGTH;
	return true;
}

static void *lz4_open(void)
{
	struct lz4 *own = calloc(1, sizeof(*own));

	if (!own ||
	    lz4.LZ4F_isError(lz4.LZ4F_createDecompressionContext(&own->context, LZ4F_VERSION))) {
		free(own);
		return NULL;
	}
	lz4_restart(own);
	return own;
}

static enum packed_result lz4_run(void *context, struct packed_io *io)
{
	struct lz4 *own = context;
	size_t nr_in = io->nr_in < own->wanted ? io->nr_in : own->wanted, nr_out = io->nr_out;
	size_t result = lz4.LZ4F_decompress(own->context, io->out, &nr_out, io->in, &nr_in, NULL);

	if (!lz4.LZ4F_isError(result)) {
		io->in += nr_in;
		io->nr_in -= nr_in;
		io->out += nr_out;
		io->nr_out -= nr_out;
		own->wanted = result;
		return result ? PACKED_GOES_ON : PACKED_ENDED;
	}
	/* The numbers of errors are not public. */
	return strcmp(lz4.LZ4F_getErrorName(result), "ERROR_contentChecksum_invalid") == 0
		       ? PACKED_BAD_CHECKSUM
		       : PACKED_BROKEN;
}

static void lz4_close(void *context)
{
	struct lz4 *own = context;

	lz4.LZ4F_freeDecompressionContext(own->context);
	free(own);
}
#endif

static bool lz4_probe(const uint8_t *start)
{
	return memcmp(start, "\x04\x22\x4d\x18", 4) == 0;
}

const struct packed_ops packed_lz4_ops = {
	.name = "lz4",
	.expected = "LZ4's blocks",
	.probe = lz4_probe,
#ifdef PGW_WITH_LZ4
	.missing = PACKED_NOT_LOADED(PGW_WITH_LZ4),
	.library = &lz4_library,
	.open = lz4_open,
	.restart = lz4_restart,
	.run = lz4_run,
	.close = lz4_close,
#else
	.missing = PACKED_NOT_BUILT("LZ4 (liblz4)"),
#endif
};
