/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "report/ptdump_priv.h"

#define WIDTH_SIZE 10

void ptdump_put_range(struct out *out, const struct pgw_ptdump_line *line)
{
	out_hex(out, line->start);
	out_char(out, '-');
	out_hex(out, line->end);
	out_spaces(out, 3);
}

void ptdump_put_size(struct out *out, const struct pgw_ptdump_line *line)
{
	out_size(out, line->end - line->start, WIDTH_SIZE);
}

const char *ptdump_odd_word(const struct pgw_ptdump_line *line)
{
	return line->kind == PGW_PTDUMP_MALFORMED ? "!malformed" : "!unreadable";
}

void ptdump_put_flags(struct out *out, const struct ptdump_flag *flags, uint64_t prot)
{
	for (; flags->set; flags++) {
		const char *text = (prot & flags->mask) == flags->value ? flags->set : flags->clear;

		if (!text)
			continue;
		out_char(out, ' ');
		out_str(out, text);
	}
}

static void skipped(struct out *out, uint64_t nr)
{
	out_str(out, "... ");
	out_dec(out, nr);
	out_str(out, nr == 1 ? " entry" : " entries");
	out_str(out, " skipped ... ");
}

static const struct ptdump_style *const styles[] = {
	&ptdump_style_x86_64,
	&ptdump_style_arm64,
	&ptdump_style_riscv64,
};

static const struct ptdump_style *style_of(const struct pgw_format *format)
{
	const char *arch = pgw_format_arch(format);

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (strcmp(styles[i]->arch, arch) == 0)
			return styles[i];
	return styles[0];
}

void ptdump_style_line(struct out *out, const struct pgw_format *format,
		       const struct pgw_ptdump_line *line)
{
	switch (line->kind) {
	case PGW_PTDUMP_BANNER:
		out_str(out, "---[ ");
		out_untrusted(out, line->name, strlen(line->name));
		out_str(out, " ]---");
		break;
	case PGW_PTDUMP_SKIPPED:
		skipped(out, line->nr_skipped);
		break;
	default:
		style_of(format)->series(out, format, line);
	}
	out_char(out, '\n');
}
