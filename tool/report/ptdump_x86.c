/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/ptdump_priv.h"

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

static void x86_series(struct out *out, const struct pgw_format *format,
		       const struct pgw_ptdump_line *line)
{
	static const char *const levels[] = { "pgd", "p4d", "pud", "pmd", "pte" };

	(void)format;
	ptdump_put_range(out, line);
	ptdump_put_size(out, line);
	out_char(out, ' ');
	if (line->kind == PGW_PTDUMP_SERIES)
		x86_flags(out, line->prot, line->depth);
	else
		out_str_padded(out, ptdump_odd_word(line), X86_WIDTH_FLAGS);
	out_str(out, levels[line->depth]);
}

const struct ptdump_style ptdump_style_x86_64 = {
	.arch = "x86_64",
	.series = x86_series,
};
