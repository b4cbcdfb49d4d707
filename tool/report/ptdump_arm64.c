/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/ptdump_priv.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Arm ARM D8.3, as src/pt/fmt/arm64.h has it. */
#define ARM64_VALID BIT(0)
#define ARM64_TABLE BIT(1)
#define ARM64_ATTRINDX (UINT64_C(7) << 2)
#define ARM64_AP_EL0 BIT(6)
#define ARM64_AP_RO BIT(7)
#define ARM64_SH_INNER (UINT64_C(3) << 8)
#define ARM64_AF BIT(10)
#define ARM64_NG BIT(11)
#define ARM64_GP BIT(50)
#define ARM64_CONT BIT(52)
#define ARM64_PXN BIT(53)
#define ARM64_UXN BIT(54)

#define FLAG(bits, set, clear)                                                                     \
	{                                                                                          \
		(bits), (bits), (set), (clear)                                                     \
	}
/* The kernel prints what its own order of memory types says, whatever MAIR_EL1 holds. */
#define MEMORY_TYPE(index, name)                                                                   \
	{                                                                                          \
		ARM64_ATTRINDX, UINT64_C(index) << 2, (name), NULL                                 \
	}

static const struct ptdump_flag arm64_flags[] = {
	FLAG(ARM64_VALID, " ", "F"),
	FLAG(ARM64_AP_EL0, "USR", "   "),
	FLAG(ARM64_AP_RO, "ro", "RW"),
	FLAG(ARM64_PXN, "NX", "x "),
	FLAG(ARM64_SH_INNER, "SHD", "   "),
	FLAG(ARM64_AF, "AF", "  "),
	FLAG(ARM64_NG, "NG", "  "),
	FLAG(ARM64_CONT, "CON", "   "),
	FLAG(ARM64_TABLE, "   ", "BLK"),
	FLAG(ARM64_UXN, "UXN", "   "),
	FLAG(ARM64_GP, "GP", "  "),
	MEMORY_TYPE(3, "DEVICE/nGnRnE"),
	MEMORY_TYPE(4, "DEVICE/nGnRE"),
	MEMORY_TYPE(2, "MEM/NORMAL-NC"),
	MEMORY_TYPE(0, "MEM/NORMAL"),
	MEMORY_TYPE(1, "MEM/NORMAL-TAGGED"),
	{ .set = NULL },
};

static void arm64_series(struct out *out, const struct pgw_format *format,
			 const struct pgw_ptdump_line *line)
{
	static const char *const levels[] = { "PGD", "P4D", "PUD", "PMD", "PTE" };
	/* Linux calls its pud so where that is folded; its pmd it does not. */
	bool is_folded = line->depth == 2 && pgw_format_geometry(format)->top_level == 2;

	ptdump_put_range(out, line);
	ptdump_put_size(out, line);
	out_char(out, ' ');
	out_str(out, is_folded ? levels[0] : levels[line->depth]);
	if (line->kind != PGW_PTDUMP_SERIES) {
		out_char(out, ' ');
		out_str(out, ptdump_odd_word(line));
	} else if (line->prot) {
		ptdump_put_flags(out, arm64_flags, line->prot);
	}
}

const struct ptdump_style ptdump_style_arm64 = {
	.arch = "arm64",
	.series = arm64_series,
};
