/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_OUT_H
#define REPORT_OUT_H

/*
 * Buffered output of text and numbers. Errors stick: after the first one
 * everything is swallowed, and out_failed() tells those who produce much.
 */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * What is written at once: large, because each write of a file has its price, and whole pages,
 * because a page in two pieces costs more than twice one.
 */
#define OUT_BLOCK 131072
/** The same of the first OUT_FIRST bytes: of the buffer, no more is touched, and costs page faults. */
#define OUT_FIRST_BLOCK 32768
#define OUT_FIRST 524288
/** The most that out_room() has room for. */
#define OUT_ROOM 4096

struct out {
	int fd;
	bool color;   /**< write escape sequences for colours */
	int os_errno; /**< of the first write that failed, or 0 */
	size_t block; /**< what is written at once now */
	size_t nr_written;
	size_t len;
	char buf[OUT_BLOCK + OUT_ROOM];
};

enum out_color {
	OUT_PLAIN,
	OUT_RED,
	OUT_YELLOW,
	OUT_CYAN,
};

void out_init(struct out *out, int fd, bool color);
void out_flush(struct out *out);
static inline bool out_failed(const struct out *out)
{
	return out->os_errno != 0;
}

/** Write the first block. Pre: it is full. */
void out_write_block(struct out *out);

/** Room for len bytes in one piece, len at most OUT_ROOM, to be filled in by hand; see out_end(). */
static inline char *out_room(struct out *out, size_t len)
{
	if (out->block + OUT_ROOM - out->len < len)
		out_write_block(out);
	return out->buf + out->len;
}

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
#define OUT_HEX ((size_t)18)

/* Sixteen bytes at once, in a register where there are such. */
typedef uint64_t out_words __attribute__((vector_size(16)));
typedef int8_t out_chars __attribute__((vector_size(16)));

/** Sixteen digits with 0x before them, into OUT_HEX bytes at a place. @return the place after them */
static inline char *out_hex_at(char *to, uint64_t value)
{
	const out_words high = { htobe64(value >> 4 & 0x0f0f0f0f0f0f0f0f) };
	const out_words low = { htobe64(value & 0x0f0f0f0f0f0f0f0f) };
	out_chars digits = __builtin_shufflevector((out_chars)high, (out_chars)low, 0, 16, 1, 17, 2,
						   18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

	digits += '0';
	digits += (digits > '9') & ('a' - '9' - 1);
	to[0] = '0';
	to[1] = 'x';
	memcpy(to + 2, &digits, sizeof(digits));
	return to + OUT_HEX;
}

/** What out_copy_at() may touch behind what it copies. */
#define OUT_COPY 64

/** Copy text that is mostly short. Pre: from and to go on for OUT_COPY bytes. @return the place after */
static inline char *out_copy_at(char *to, const char *from, size_t len)
{
	memcpy(to, from, OUT_COPY);
	if (len > OUT_COPY)
		memcpy(to + OUT_COPY, from + OUT_COPY, len - OUT_COPY);
	return to + len;
}

/** The most that out_dec_at() writes. */
#define OUT_DEC ((size_t)20)

/** As many digits as it takes, into OUT_DEC bytes at a place. @return the place after them */
char *out_dec_at(char *to, uint64_t value);

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
