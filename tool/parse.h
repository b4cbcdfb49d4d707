/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_PARSE_H
#define TOOL_PARSE_H

/*
 * The small languages of the command line. Each function takes the whole text
 * or refuses it; addresses are hexadecimal, with or without 0x.
 */

#include <pagewalk/format.h>

#include <stdbool.h>
#include <stdint.h>

/** Leaves by level, as they were asked for; what it means depends on the format. */
struct parse_levels {
	uint8_t levels; /**< bit n: level n */
	bool top;       /**< "pgd": the format's top level */
	uint64_t sizes; /**< bit n: leaves of 2^n bytes */
};

/** Six bits of rights that must be there, and that must not. */
struct parse_rights {
	uint8_t all; /**< enum pgw_right */
	uint8_t none;
};

bool parse_hex(const char *text, uint64_t *ret);
bool parse_dec(const char *text, uint64_t *ret);

/** FIRST-LAST (inclusive), or FIRST+SIZE with SIZE hexadecimal or decimal with K, M, G, T behind.
 */
bool parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last);

/** Hexadecimal, or decimal with K, M, G, T behind it; not 0. */
bool parse_size(const char *text, uint64_t *ret);

/** OFFSET[+SIZE], SIZE as in parse_range(), 0 if it is not there. */
bool parse_part(const char *text, uint64_t *ret_offset, uint64_t *ret_size);

/** BUS:DEVICE.FUNCTION in hexadecimal, or 0x and a stream id. */
bool parse_device(const char *text, uint32_t *ret_id, bool *ret_is_stream);

/**
 * NAME or NAME:BITS, 1 to 64 bits.
 * @param ret_bits 0: it has none
 * @return NULL: no format of that name, or no such number
 */
const struct pgw_format *parse_format(const char *text, unsigned *ret_bits);

/** WHO:FLAGS[,WHO:FLAGS]... with WHO k, u or ku, and FLAGS of r, w, x, each perhaps after "!". */
bool parse_rights(const char *text, struct parse_rights *ret);

/** A list of 0 to 5, pte, pmd, pud, p4d, pgd, or leaf sizes as 4K, 2M, 1G. */
bool parse_levels(const char *text, struct parse_levels *ret);

#endif
