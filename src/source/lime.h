/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_LIME_H
#define SOURCE_LIME_H

/*
 * LiME: ranges of memory, each behind a header (lime.h; little-endian):
 *
 *   0   "EMiL"
 *   4   version, 1
 *   8   address of the first byte
 *   16  address of the last byte
 *   24  zeroes
 *
 * They are in the order of the machine's resources, which need not be that of addresses, and
 * need not end where pages do.
 */

#define LIME_MAGIC "EMiL"
#define LIME_VERSION 1
#define LIME_VERSION_AT 4
#define LIME_FIRST_AT 8
#define LIME_LAST_AT 16
#define LIME_HEADER_SIZE 32

#endif
