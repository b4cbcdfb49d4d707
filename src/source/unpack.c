/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/unpack.h"

#include <pagewalk/image.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"
#include "source/source.h"

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

/* Contexts that wait for the next page; more threads at once make their own. */
#define MAX_SPARE 16

struct unpacker {
	pthread_mutex_t lock;
	void *spare[_PACKING_MAX][MAX_SPARE];
	unsigned nr_spare[_PACKING_MAX];
};

struct unpacking {
	const void *bytes;
	size_t size;
	void *page;
	size_t page_size;
};

struct packing_ops {
	const char *name;
	const char *missing;     /* what is expected where it cannot be unpacked */
	struct library *library; /* NULL: not in this build */
	int (*unpack)(void *context, const struct unpacking *what);
	/* Of kinds whose contexts are worth keeping; NULL if there is no memory. */
	void *(*new_context)(void);
	void (*free_context)(void *context);
};

#ifdef PGW_WITH_ZLIB
static struct {
	__typeof__(inflateInit_) *inflateInit_;
	__typeof__(inflateReset) *inflateReset;
	__typeof__(inflate) *inflate;
	__typeof__(inflateEnd) *inflateEnd;
} zlib;

static const struct library_symbol zlib_symbols[] = {
	LIBRARY_SYMBOL(zlib, inflateInit_),
	LIBRARY_SYMBOL(zlib, inflateReset),
	LIBRARY_SYMBOL(zlib, inflate),
	LIBRARY_SYMBOL(zlib, inflateEnd),
};

static struct library zlib_library = {
	.soname = PGW_WITH_ZLIB,
	.symbols = zlib_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(zlib_symbols),
};

static void *zlib_new(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (stream && zlib.inflateInit_(stream, ZLIB_VERSION, sizeof(*stream)) == Z_OK)
		return stream;
	free(stream);
	return NULL;
}

static void zlib_free(void *context)
{
	zlib.inflateEnd(context);
	free(context);
}

static int zlib_unpack(void *context, const struct unpacking *what)
{
	z_stream *stream = context;

	if (zlib.inflateReset(stream) != Z_OK)
		return -PGW_EIO;
	stream->next_in = (Bytef *)(uintptr_t)what->bytes;
	stream->avail_in = (uInt)what->size;
	stream->next_out = what->page;
	stream->avail_out = (uInt)what->page_size;
	return zlib.inflate(stream, Z_FINISH) == Z_STREAM_END && !stream->avail_out ? 0 : -PGW_EIO;
}
#endif

#ifdef PGW_WITH_LZO
static struct {
	__typeof__(lzo1x_decompress_safe) *lzo1x_decompress_safe;
} lzo;

static const struct library_symbol lzo_symbols[] = {
	LIBRARY_SYMBOL(lzo, lzo1x_decompress_safe),
};

static struct library lzo_library = {
	.soname = PGW_WITH_LZO,
	.symbols = lzo_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(lzo_symbols),
};

static int lzo_unpack(void *context, const struct unpacking *what)
{
	lzo_uint size = what->page_size;

	(void)context;
	return lzo.lzo1x_decompress_safe(what->bytes, what->size, what->page, &size, NULL) ==
				       LZO_E_OK &&
			       size == what->page_size
		       ? 0
		       : -PGW_EIO;
}
#endif

#ifdef PGW_WITH_SNAPPY
static struct {
	__typeof__(snappy_uncompress) *snappy_uncompress;
} snappy;

static const struct library_symbol snappy_symbols[] = {
	LIBRARY_SYMBOL(snappy, snappy_uncompress),
};

static struct library snappy_library = {
	.soname = PGW_WITH_SNAPPY,
	.symbols = snappy_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(snappy_symbols),
};

static int snappy_unpack(void *context, const struct unpacking *what)
{
	size_t size = what->page_size;

	(void)context;
	return snappy.snappy_uncompress(what->bytes, what->size, what->page, &size) == SNAPPY_OK &&
			       size == what->page_size
		       ? 0
		       : -PGW_EIO;
}
#endif

#ifdef PGW_WITH_ZSTD
static struct {
	__typeof__(ZSTD_createDCtx) *ZSTD_createDCtx;
	__typeof__(ZSTD_freeDCtx) *ZSTD_freeDCtx;
	__typeof__(ZSTD_decompressDCtx) *ZSTD_decompressDCtx;
} zstd;

static const struct library_symbol zstd_symbols[] = {
	LIBRARY_SYMBOL(zstd, ZSTD_createDCtx),
	LIBRARY_SYMBOL(zstd, ZSTD_freeDCtx),
	LIBRARY_SYMBOL(zstd, ZSTD_decompressDCtx),
};

static struct library zstd_library = {
	.soname = PGW_WITH_ZSTD,
	.symbols = zstd_symbols,
	.nr_symbols = PGW_ARRAY_SIZE(zstd_symbols),
};

static void *zstd_new(void)
{
	return zstd.ZSTD_createDCtx();
}

static void zstd_free(void *context)
{
	zstd.ZSTD_freeDCtx(context);
}

static int zstd_unpack(void *context, const struct unpacking *what)
{
	return zstd.ZSTD_decompressDCtx(context, what->page, what->page_size, what->bytes,
					what->size) == what->page_size
		       ? 0
		       : -PGW_EIO;
}
#endif

#define IN_BUILD(name) "a build with " name ", which compressed the pages of this dump"
#define AT_RUN_TIME(soname)                                                                        \
	"the library " soname ", which unpacks the pages of this dump and cannot be loaded"

static const struct packing_ops packings[_PACKING_MAX] = {
	[PACKING_ZLIB] = { .name = "zlib",
#ifdef PGW_WITH_ZLIB
			   .missing = AT_RUN_TIME(PGW_WITH_ZLIB),
			   .library = &zlib_library,
			   .unpack = zlib_unpack,
			   .new_context = zlib_new,
			   .free_context = zlib_free,
#else
			   .missing = IN_BUILD("zlib"),
#endif
	},
	[PACKING_LZO] = { .name = "lzo",
#ifdef PGW_WITH_LZO
			  .missing = AT_RUN_TIME(PGW_WITH_LZO),
			  .library = &lzo_library,
			  .unpack = lzo_unpack,
#else
			  .missing = IN_BUILD("LZO (liblzo2)"),
#endif
	},
	[PACKING_SNAPPY] = { .name = "snappy",
#ifdef PGW_WITH_SNAPPY
			     .missing = AT_RUN_TIME(PGW_WITH_SNAPPY),
			     .library = &snappy_library,
			     .unpack = snappy_unpack,
#else
			     .missing = IN_BUILD("snappy"),
#endif
	},
	[PACKING_ZSTD] = { .name = "zstd",
#ifdef PGW_WITH_ZSTD
			   .missing = AT_RUN_TIME(PGW_WITH_ZSTD),
			   .library = &zstd_library,
			   .unpack = zstd_unpack,
			   .new_context = zstd_new,
			   .free_context = zstd_free,
#else
			   .missing = IN_BUILD("zstd"),
#endif
	},
};

const char *packing_name(enum packing packing)
{
	return packings[packing].name;
}

bool packing_is_there(enum packing packing)
{
	return packings[packing].library;
}

static bool packing_load(const struct packing_ops *ops)
{
	return ops->library && library_load(ops->library);
}

int packing_check(enum packing packing, struct pgw_error *err)
{
	const struct packing_ops *ops = &packings[packing];

	return packing_load(ops) ? 0 : source_fail(err, -PGW_EOPNOTSUPP, ops->missing);
}

const char *pgw_image_compression(size_t index)
{
	for (size_t i = 0; i < _PACKING_MAX; i++) {
		if (packings[i].library && index-- == 0)
			return packings[i].name;
	}
	return NULL;
}

struct unpacker *unpacker_new(void)
{
	struct unpacker *unpacker = calloc(1, sizeof(*unpacker));

	if (unpacker)
		pthread_mutex_init(&unpacker->lock, NULL);
	return unpacker;
}

void unpacker_free(struct unpacker *unpacker)
{
	if (!unpacker)
		return;
	for (unsigned i = 0; i < _PACKING_MAX; i++) {
		while (unpacker->nr_spare[i])
			packings[i].free_context(unpacker->spare[i][--unpacker->nr_spare[i]]);
	}
	pthread_mutex_destroy(&unpacker->lock);
	free(unpacker);
}

static void *context_take(struct unpacker *unpacker, enum packing packing)
{
	void *context = NULL;

	pthread_mutex_lock(&unpacker->lock);
	if (unpacker->nr_spare[packing])
		context = unpacker->spare[packing][--unpacker->nr_spare[packing]];
	pthread_mutex_unlock(&unpacker->lock);
	return context ? context : packings[packing].new_context();
}

static void context_put(struct unpacker *unpacker, enum packing packing, void *context)
{
	pthread_mutex_lock(&unpacker->lock);
	if (unpacker->nr_spare[packing] < MAX_SPARE) {
		unpacker->spare[packing][unpacker->nr_spare[packing]++] = context;
		context = NULL;
	}
	pthread_mutex_unlock(&unpacker->lock);
	if (context)
		packings[packing].free_context(context);
}

int unpack(struct unpacker *unpacker, enum packing packing, const void *bytes, size_t size,
	   void *page, size_t page_size)
{
	const struct unpacking what = { bytes, size, page, page_size };
	const struct packing_ops *ops = &packings[packing];
	void *context;
	int status;

	if (!packing_load(ops))
		return -PGW_EOPNOTSUPP;
	if (!ops->new_context)
		return ops->unpack(NULL, &what);
	context = context_take(unpacker, packing);
	if (!context)
		return -PGW_ENOMEM;
	status = ops->unpack(context, &what);
	context_put(unpacker, packing, context);
	return status;
}
