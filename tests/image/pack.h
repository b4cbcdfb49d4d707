/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_PACK_H
#define TESTS_PACK_H

/* Pages, packed as the makers of dumps do it. */

#include <stddef.h>

#include "source/unpack.h"

/** Room that is enough for any page of 64 KiB, however badly it packs. */
#define PACK_MAX ((size_t)96 << 10)

/** @param ret PACK_MAX bytes @return how many of them, 0 if this build has no such compression */
size_t pack(enum packing packing, const void *page, size_t page_size, void *ret);

#endif
