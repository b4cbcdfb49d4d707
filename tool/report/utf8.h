/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_UTF8_H
#define REPORT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The first character of text from anywhere, and whether a reader sees it as what it is: it is UTF-8 and no
 * control, does not turn the direction of text and is not invisible.
 * @param len at least 1
 * @param ret_size its bytes, at least 1: what is shown as \xNN a byte, if this is false
 */
bool utf8_is_shown(const char *text, size_t len, uint32_t *ret, size_t *ret_size);

#endif
