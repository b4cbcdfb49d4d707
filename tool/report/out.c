/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* No number takes more: 20 decimal digits, a unit, and what is left over of a pair. */
#define OUT_NUMBER 24

void out_init(struct out *out, int fd, bool color)
{
	out->fd = fd;
	out->color = color;
	out->os_errno = 0;
	out->block = OUT_FIRST_BLOCK;
	out->nr_written = 0;
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

void out_write_block(struct out *out)
{
	size_t size = out->block;

	out_write(out, out->buf, size);
	out->len -= size;
	memcpy(out->buf, out->buf + size, out->len);
	out->nr_written += size;
	if (out->nr_written >= OUT_FIRST)
		out->block = OUT_BLOCK;
}

void out_bytes(struct out *out, const char *bytes, size_t len)
{
	while (len) {
		size_t n = len < OUT_ROOM ? len : OUT_ROOM;

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

/* All pairs of digits, in order. */
#define DEC_ROW(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"

static const char dec_pairs[] = DEC_ROW("0") DEC_ROW("1") DEC_ROW("2") DEC_ROW("3") DEC_ROW("4")
	DEC_ROW("5") DEC_ROW("6") DEC_ROW("7") DEC_ROW("8") DEC_ROW("9");
#undef DEC_ROW

_Static_assert(sizeof(dec_pairs) == 2 * 100 + 1, "a pair for each number below a hundred");

void out_untrusted(struct out *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c < 0x7f) {
			out_char(out, (char)c);
		} else {
			char text[OUT_HEX];

			out_hex_at(text, c);
			out_bytes(out, "\\x", 2);
			out_bytes(out, text + OUT_HEX - 2, 2);
		}
	}
}

void out_hex(struct out *out, uint64_t value)
{
	out_end(out, out_hex_at(out_room(out, OUT_HEX), value));
}

void out_hex_short(struct out *out, uint64_t value)
{
	char text[OUT_HEX];
	unsigned nr = 16;

	out_hex_at(text, value);
	while (nr > 1 && !(value >> (4 * (nr - 1))))
		nr--;
	out_bytes(out, "0x", 2);
	out_bytes(out, text + OUT_HEX - nr, nr);
}

/* The digits end at end; returns where they begin. */
static char *dec_digits(uint64_t value, char *end)
{
	for (; value >= 100; value /= 100) {
		end -= 2;
		memcpy(end, dec_pairs + 2 * (value % 100), 2);
	}
	end -= 2;
	memcpy(end, dec_pairs + 2 * value, 2);
	return value < 10 ? end + 1 : end;
}

char *out_dec_at(char *to, uint64_t value)
{
	char text[OUT_NUMBER];
	char *end = text + sizeof(text);
	const char *start = dec_digits(value, end);

	memcpy(to, start, (size_t)(end - start));
	return to + (end - start);
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
