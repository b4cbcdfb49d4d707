/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_OUT_H
#define REPORT_OUT_H

/*
 * Buffered output of text and numbers. Errors stick: after the first one
 * everything is swallowed, and out_failed() tells those who produce much.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is written at once: large, because each write of a file has its price. */
#define OUT_BLOCK 262144

struct out {
	int fd;
	bool color;   /**< write escape sequences for colours */
	int os_errno; /**< of the first write that failed, or 0 */
	size_t len;
	char buf[OUT_BLOCK];
};

enum out_color {
	OUT_PLAIN,
	OUT_RED,
	OUT_YELLOW,
	OUT_CYAN,
};

void out_init(struct out *out, int fd, bool color);
void out_flush(struct out *out);
bool out_failed(const struct out *out);

/** Room for len bytes in one piece, len at most OUT_BLOCK, to be filled in by hand; see out_end(). */
char *out_room(struct out *out, size_t len);
/** What was filled in ends here. */
static inline void out_end(struct out *out, const char *end)
{
	out->len = (size_t)(end - out->buf);
}

void out_bytes(struct out *out, const char *bytes, size_t len);
void out_str(struct out *out, const char *str);
void out_char(struct out *out, char c);
void out_spaces(struct out *out, size_t nr);
/** Left-aligned in width columns. */
void out_str_padded(struct out *out, const char *str, size_t width);
/** What a file says of itself: bytes that a terminal might take for commands come out as \xNN. */
void out_untrusted(struct out *out, const char *bytes, size_t len);

/** What out_hex() takes. */
#define OUT_HEX 18
/** Sixteen digits with 0x before them, into OUT_HEX bytes at a place. @return the place after them */
char *out_hex_at(char *to, uint64_t value);

/** Sixteen digits with 0x before them. */
void out_hex(struct out *out, uint64_t value);
/** As many digits as it takes, with 0x before them. */
void out_hex_short(struct out *out, uint64_t value);
void out_dec(struct out *out, uint64_t value);
/** Right-aligned in width columns. */
void out_dec_padded(struct out *out, uint64_t value, size_t width);
/** Bytes in the largest unit that leaves no remainder, right-aligned in width columns: "612K". */
void out_size(struct out *out, uint64_t bytes, size_t width);

void out_color(struct out *out, enum out_color color);

#endif
