/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_UNPACK_H
#define SOURCE_UNPACK_H

/*
 * Pages that are compressed one by one. Which compressions can be read is a
 * matter of the libraries that were there when this was built; they are loaded
 * when the first page needs them.
 */

#include <stdbool.h>
#include <stddef.h>

enum packing {
	PACKING_ZLIB,
	PACKING_LZO,
	PACKING_SNAPPY,
	PACKING_ZSTD,
	_PACKING_MAX,
};

/** What it is called: "zlib". */
const char *packing_name(enum packing packing);
/** Can this build read it? */
bool packing_is_there(enum packing packing);

struct pgw_error;

/** Is its library here, too? @return 0 or -PGW_EOPNOTSUPP: err names what is missing */
int packing_check(enum packing packing, struct pgw_error *err);

/** What is kept from one page to the next. Any threads may use it. */
struct unpacker;

/** NULL if there is no memory. */
struct unpacker *unpacker_new(void);
/** Nobody uses it any more. NULL is fine. */
void unpacker_free(struct unpacker *unpacker);

/**
 * Unpack all of a page; never writes more than it.
 * @param page_size what it must come to
 * @return 0, -PGW_EIO (these bytes do not make a page), -PGW_EOPNOTSUPP
 *         (packing_check() says why), -PGW_ENOMEM
 */
int unpack(struct unpacker *unpacker, enum packing packing, const void *bytes, size_t size,
	   void *page, size_t page_size);

#endif
