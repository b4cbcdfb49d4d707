/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/pack.h"

#include <stdlib.h>

#ifdef PGW_WITH_ZLIB
#include <zlib.h>
#endif
#ifdef PGW_WITH_LZO
#include <lzo/lzo1x.h>
#endif
#ifdef PGW_WITH_SNAPPY
#include <snappy-c.h>
#endif
#ifdef PGW_WITH_ZSTD
#include <zstd.h>
#endif

static size_t pack_zlib(const void *page, size_t page_size, void *ret)
{
#ifdef PGW_WITH_ZLIB
	uLongf size = PACK_MAX;

	if (compress2(ret, &size, page, page_size, Z_BEST_SPEED) == Z_OK)
		return size;
	abort();
#else
	(void)page, (void)page_size, (void)ret;
	return 0;
#endif
}

static size_t pack_lzo(const void *page, size_t page_size, void *ret)
{
#ifdef PGW_WITH_LZO
	void *work = malloc(LZO1X_1_MEM_COMPRESS);
	lzo_uint size = PACK_MAX;

	if (!work || lzo1x_1_compress(page, page_size, ret, &size, work) != LZO_E_OK)
		abort();
	free(work);
	return size;
#else
	(void)page, (void)page_size, (void)ret;
	return 0;
#endif
}

static size_t pack_snappy(const void *page, size_t page_size, void *ret)
{
#ifdef PGW_WITH_SNAPPY
	size_t size = PACK_MAX;

	if (snappy_compress(page, page_size, ret, &size) == SNAPPY_OK)
		return size;
	abort();
#else
	(void)page, (void)page_size, (void)ret;
	return 0;
#endif
}

static size_t pack_zstd(const void *page, size_t page_size, void *ret)
{
#ifdef PGW_WITH_ZSTD
	size_t size = ZSTD_compress(ret, PACK_MAX, page, page_size, 1);

	if (!ZSTD_isError(size))
		return size;
	abort();
#else
	(void)page, (void)page_size, (void)ret;
	return 0;
#endif
}

size_t pack(enum packing packing, const void *page, size_t page_size, void *ret)
{
	static size_t (*const packs[_PACKING_MAX])(const void *, size_t, void *) = {
		[PACKING_ZLIB] = pack_zlib,
		[PACKING_LZO] = pack_lzo,
		[PACKING_SNAPPY] = pack_snappy,
		[PACKING_ZSTD] = pack_zstd,
	};

	return packs[packing](page, page_size, ret);
}
