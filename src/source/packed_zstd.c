/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"

/* RFC 8878. Files of several frames, and with frames to be skipped: pzstd, the seekable format. */

#ifdef PGW_WITH_ZSTD
#include <zstd.h>
#include <zstd_errors.h>

static struct {
	__typeof__(ZSTD_createDCtx) *ZSTD_createDCtx;
	__typeof__(ZSTD_freeDCtx) *ZSTD_freeDCtx;
	__typeof__(ZSTD_decompressStream) *ZSTD_decompressStream;
	__typeof__(ZSTD_isError) *ZSTD_isError;
	__typeof__(ZSTD_getErrorCode) *ZSTD_getErrorCode;
} zstd;

static const struct library_symbol zstd_symbols[] = {
	LIBRARY_SYMBOL(zstd, ZSTD_createDCtx),       LIBRARY_SYMBOL(zstd, ZSTD_freeDCtx),
	LIBRARY_SYMBOL(zstd, ZSTD_decompressStream), LIBRARY_SYMBOL(zstd, ZSTD_isError),
	LIBRARY_SYMBOL(zstd, ZSTD_getErrorCode),
};

static struct library zstd_library = {
	.soname = PGW_WITH_ZSTD,
	.symbols = zstd_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(zstd_symbols),
};

/* The least that a frame's header has: zstd.h has this number in its unstable part. */
#define START 5

/*
 * What a call that fails has unpacked before is lost. So each gets what the one
 * before asked for: a block, or the checksum, which is checked when all is there.
 */
struct zstd {
	ZSTD_DCtx *context;
	size_t wanted;
};

static bool zstd_restart(void *context)
{
	struct zstd *own = context;

	own->wanted = START;
	return true;
}

static void *zstd_open(void)
{
	struct zstd *own = calloc(1, sizeof(*own));

	if (own)
		own->context = zstd.ZSTD_createDCtx();
	if (own && own->context && zstd_restart(own))
		return own;
	free(own);
	return NULL;
}

static enum packed_result zstd_run(void *context, struct packed_io *io)
{
	struct zstd *own = context;
	ZSTD_inBuffer in = { io->in, io->nr_in < own->wanted ? io->nr_in : own->wanted, 0 };
	ZSTD_outBuffer out = { io->out, io->nr_out, 0 };
	size_t result = zstd.ZSTD_decompressStream(own->context, &out, &in);

	io->in += in.pos;
	io->nr_in -= in.pos;
	io->out += out.pos;
	io->nr_out -= out.pos;
	own->wanted = result;
	if (!zstd.ZSTD_isError(result))
		return result ? PACKED_GOES_ON : PACKED_ENDED;
	switch (zstd.ZSTD_getErrorCode(result)) {
	case ZSTD_error_checksum_wrong:
		return PACKED_BAD_CHECKSUM;
	case ZSTD_error_frameParameter_windowTooLarge:
		io->expected = "a zstd file made without --long, or with one of at most 27: others "
			       "take too much memory (zstd -d --long=31 unpacks them)";
		return PACKED_REFUSED;
	case ZSTD_error_dictionary_wrong:
		io->expected = "a zstd file made without a dictionary (zstd -d -D unpacks them)";
		return PACKED_REFUSED;
	default:
		return PACKED_BROKEN;
	}
}

static void zstd_close(void *context)
{
	struct zstd *own = context;

	zstd.ZSTD_freeDCtx(own->context);
	free(own);
}
#endif

static bool zstd_probe(const uint8_t *start)
{
	return memcmp(start, "\x28\xb5\x2f\xfd", 4) == 0 ||
	       ((start[0] & 0xf0) == 0x50 && memcmp(start + 1, "\x2a\x4d\x18", 3) == 0);
}

const struct packed_ops packed_zstd_ops = {
	.name = "zstd",
	.expected = "zstd's compressed blocks",
	.probe = zstd_probe,
#ifdef PGW_WITH_ZSTD
	.missing = PACKED_NOT_LOADED(PGW_WITH_ZSTD),
	.library = &zstd_library,
	.open = zstd_open,
	.restart = zstd_restart,
	.run = zstd_run,
	.close = zstd_close,
#else
	.missing = PACKED_NOT_BUILT("zstd"),
#endif
};
