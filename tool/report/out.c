/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* No number takes more: "0x" and 16 digits, or 20 decimal ones. */
#define OUT_NUMBER 24

void out_init(struct out *out, int fd, bool color)
{
	out->fd = fd;
	out->color = color;
	out->os_errno = 0;
	out->len = 0;
}

static void out_write(struct out *out, const char *bytes, size_t len)
{
	while (len && !out->os_errno) {
		ssize_t n = write(out->fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			out->os_errno = errno;
		}
	}
}

void out_flush(struct out *out)
{
	out_write(out, out->buf, out->len);
	out->len = 0;
}

bool out_failed(const struct out *out)
{
	return out->os_errno != 0;
}

/* Room for len bytes, len at most OUT_BLOCK; the caller fills it and adds to out->len. */
static char *out_room(struct out *out, size_t len)
{
	if (OUT_BLOCK - out->len < len)
		out_flush(out);
	return out->buf + out->len;
}

void out_bytes(struct out *out, const char *bytes, size_t len)
{
	while (len) {
		size_t n = len < OUT_BLOCK ? len : OUT_BLOCK;

		memcpy(out_room(out, n), bytes, n);
		out->len += n;
		bytes += n;
		len -= n;
	}
}

void out_str(struct out *out, const char *str)
{
	out_bytes(out, str, strlen(str));
}

void out_char(struct out *out, char c)
{
	*out_room(out, 1) = c;
	out->len++;
}

void out_spaces(struct out *out, size_t nr)
{
	while (nr--)
		out_char(out, ' ');
}

void out_str_padded(struct out *out, const char *str, size_t width)
{
	size_t len = strlen(str);

	out_bytes(out, str, len);
	if (len < width)
		out_spaces(out, width - len);
}

static const char hex_digits[] = "0123456789abcdef";

static void out_hex_digits(struct out *out, uint64_t value, unsigned nr)
{
	char *room = out_room(out, OUT_NUMBER);

	room[0] = '0';
	room[1] = 'x';
	for (unsigned i = 0; i < nr; i++)
		room[2 + i] = hex_digits[value >> (4 * (nr - 1 - i)) & 15];
	out->len += 2 + nr;
}

void out_untrusted(struct out *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c < 0x7f) {
			out_char(out, (char)c);
		} else {
			const char escape[4] = { '\\', 'x', hex_digits[c >> 4],
						 hex_digits[c & 15] };

			out_bytes(out, escape, sizeof(escape));
		}
	}
}

void out_hex(struct out *out, uint64_t value)
{
	out_hex_digits(out, value, 16);
}

void out_hex_short(struct out *out, uint64_t value)
{
	unsigned nr = 1;

	while (nr < 16 && value >> (4 * nr))
		nr++;
	out_hex_digits(out, value, nr);
}

/* The digits end at end; returns where they begin. */
static char *dec_digits(uint64_t value, char *end)
{
	do {
		*--end = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return end;
}

static void out_right(struct out *out, const char *text, size_t len, size_t width)
{
	if (len < width)
		out_spaces(out, width - len);
	out_bytes(out, text, len);
}

void out_dec_padded(struct out *out, uint64_t value, size_t width)
{
	char text[OUT_NUMBER];
	char *end = text + sizeof(text);
	char *start = dec_digits(value, end);

	out_right(out, start, (size_t)(end - start), width);
}

void out_dec(struct out *out, uint64_t value)
{
	out_dec_padded(out, value, 0);
}

void out_size(struct out *out, uint64_t bytes, size_t width)
{
	static const char units[] = "BKMGTPE";
	const char *unit = units;
	char text[OUT_NUMBER];
	char *end = text + sizeof(text);
	char *start;

	while (bytes && bytes % 1024 == 0 && unit[1]) {
		bytes /= 1024;
		unit++;
	}
	*--end = *unit;
	start = dec_digits(bytes, end);
	out_right(out, start, (size_t)(text + sizeof(text) - start), width);
}

void out_color(struct out *out, enum out_color color)
{
	static const char *const escapes[] = {
		[OUT_PLAIN] = "\033[0m",
		[OUT_RED] = "\033[1;31m",
		[OUT_YELLOW] = "\033[33m",
		[OUT_CYAN] = "\033[36m",
	};

	if (out->color)
		out_str(out, escapes[color]);
}
