/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_PAGE_CACHE_H
#define SOURCE_PAGE_CACHE_H

/*
 * The pages that were read last of a source that cannot be pointed at: one that
 * is compressed, or elsewhere. It holds no more bytes than it is told, and any
 * threads may read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** For sources that have no reason to say another number of bytes. */
#define PAGE_CACHE_BYTES ((size_t)64 << 20)

struct page_cache;

/**
 * Fill buf with all of a page. Called without a lock, by several threads at once for different
 * pages; must not read through the cache.
 * @return 0, or a negative status: buf is not used then
 */
typedef int page_load_fn(void *ctx, uint64_t page, void *buf);

/**
 * @param page_size a power of two
 * @param bytes     of pages that are kept; room for one page at least is taken
 * @return NULL if there is no memory
 */
struct page_cache *page_cache_new(size_t page_size, size_t bytes, page_load_fn *load, void *ctx);
/** Nobody reads any more. NULL is fine. */
void page_cache_free(struct page_cache *cache);

/**
 * Copy len bytes from offset on; page n has those from n * page_size on. A page is loaded once
 * however many wait for it. If that fails, all that wait get the status, and the next read tries
 * again.
 * @return 0, what load returned, -PGW_EOVERFLOW (offset + len wraps), or -PGW_ENOMEM
 */
int page_cache_read(struct page_cache *cache, uint64_t offset, void *buf, size_t len);

/**
 * The same for a look through memory: what no page_cache_read() wanted is given up before what one
 * did, and not kept at all where there is no room. So a page may be loaded again.
 */
int page_cache_look(struct page_cache *cache, uint64_t offset, void *buf, size_t len);

/** Copy a page to buf if it is here. For those who can load many pages at once. */
bool page_cache_peek(struct page_cache *cache, uint64_t page, void *buf);

/** Bytes of pages that it holds now. */
size_t page_cache_held(struct page_cache *cache);

#endif
