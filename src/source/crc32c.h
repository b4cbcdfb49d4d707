/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_CRC32C_H
#define SOURCE_CRC32C_H

/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4 has test values): what snappy's framing format
 * has. No library that Debian 12 has a C interface of computes it.
 */

#include <stddef.h>
#include <stdint.h>

/** Tables for eight bytes at a time. */
struct crc32c {
	uint32_t table[8][256];
};

void crc32c_init(struct crc32c *crc);
uint32_t crc32c_of(const struct crc32c *crc, const void *bytes, size_t size);

#endif
