/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/crc32c.h"

#include "base/bits.h"

/* The polynomial 0x1edc6f41, its bits reversed. */
#define POLYNOMIAL UINT32_C(0x82f63b78)

void crc32c_init(struct crc32c *crc)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t value = byte;

		for (unsigned bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		crc->table[0][byte] = value;
	}
	/* What a byte comes to with i bytes of zeroes behind it. */
	for (unsigned i = 1; i < 8; i++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint32_t before = crc->table[i - 1][byte];

			crc->table[i][byte] = before >> 8 ^ crc->table[0][before & 0xff];
		}
	}
}

uint32_t crc32c_of(const struct crc32c *crc, const void *bytes, size_t size)
{
	const uint32_t(*table)[256] = crc->table;
	const uint8_t *at = bytes;
	uint32_t value = UINT32_MAX;

	for (; size >= 8; size -= 8, at += 8) {
		uint32_t low = load_le32(at) ^ value, high = load_le32(at + 4);

		value = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
			table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][high & 0xff] ^
			table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^
			table[0][high >> 24];
	}
	for (; size; size--, at++)
		value = value >> 8 ^ table[0][(value ^ *at) & 0xff];
	return ~value;
}
