/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/ptdump_style.h"

#include <string.h>

#define X86_PRESENT (UINT64_C(1) << 0)
#define X86_WRITE (UINT64_C(1) << 1)
#define X86_USER (UINT64_C(1) << 2)
#define X86_WRITE_THROUGH (UINT64_C(1) << 3)
#define X86_CACHE_DISABLE (UINT64_C(1) << 4)
#define X86_PAGE_SIZE (UINT64_C(1) << 7)
#define X86_PAT (UINT64_C(1) << 7)
#define X86_GLOBAL (UINT64_C(1) << 8)
#define X86_NO_EXEC (UINT64_C(1) << 63)

#define DEPTH_PTE 4
#define X86_WIDTH_FLAGS 30
#define X86_WIDTH_SIZE 10

static void x86_flags(struct out *out, uint64_t prot, int depth)
{
	bool is_pte = depth == DEPTH_PTE;

	if (!(prot & X86_PRESENT)) {
		out_spaces(out, X86_WIDTH_FLAGS);
		return;
	}
	out_str(out, prot & X86_USER ? "USR " : "    ");
	out_str(out, prot & X86_WRITE ? "RW " : "ro ");
	out_str(out, prot & X86_WRITE_THROUGH ? "PWT " : "    ");
	out_str(out, prot & X86_CACHE_DISABLE ? "PCD " : "    ");
	out_str(out, !is_pte && (prot & X86_PAGE_SIZE) ? "PSE " : "    ");
	out_str(out, is_pte && (prot & X86_PAT) ? "PAT " : "    ");
	out_str(out, prot & X86_GLOBAL ? "GLB " : "    ");
	out_str(out, prot & X86_NO_EXEC ? "NX " : "x  ");
}

static void x86_series(struct out *out, const struct pgw_ptdump_line *line)
{
	static const char *const levels[] = { "pgd", "p4d", "pud", "pmd", "pte" };

	out_hex(out, line->start);
	out_char(out, '-');
	out_hex(out, line->end);
	out_spaces(out, 3);
	out_size(out, line->end - line->start, X86_WIDTH_SIZE);
	out_char(out, ' ');
	if (line->kind == PGW_PTDUMP_SERIES)
		x86_flags(out, line->prot, line->depth);
	else
		out_str_padded(out,
			       line->kind == PGW_PTDUMP_MALFORMED ? "!malformed" : "!unreadable",
			       X86_WIDTH_FLAGS);
	out_str(out, levels[line->depth]);
}

static void x86_skipped(struct out *out, uint64_t nr)
{
	out_str(out, "... ");
	out_dec(out, nr);
	out_str(out, nr == 1 ? " entry" : " entries");
	out_str(out, " skipped ... ");
}

/** How the kernel of one architecture prints. To add one, extend styles. */
struct ptdump_style {
	const char *arch; /**< as pgw_format_arch() */
	void (*series)(struct out *out, const struct pgw_ptdump_line *line);
	void (*skipped)(struct out *out, uint64_t nr);
};

static const struct ptdump_style styles[] = {
	{ "x86_64", x86_series, x86_skipped },
};

static const struct ptdump_style *style_of(const struct pgw_format *format)
{
	const char *arch = pgw_format_arch(format);

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (strcmp(styles[i].arch, arch) == 0)
			return &styles[i];
	return &styles[0];
}

void ptdump_style_line(struct out *out, const struct pgw_format *format,
		       const struct pgw_ptdump_line *line)
{
	const struct ptdump_style *style = style_of(format);

	switch (line->kind) {
	case PGW_PTDUMP_BANNER:
		out_str(out, "---[ ");
		out_untrusted(out, line->name, strlen(line->name));
		out_str(out, " ]---");
		break;
	case PGW_PTDUMP_SKIPPED:
		style->skipped(out, line->nr_skipped);
		break;
	default:
		style->series(out, line);
	}
	out_char(out, '\n');
}
