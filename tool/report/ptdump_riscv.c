/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/ptdump_priv.h"

#define BIT(n) (UINT64_C(1) << (n))

/* RISC-V privileged architecture 4.3 to 4.6, as src/pt/fmt/riscv.h has it. */
#define RISCV_V BIT(0)
#define RISCV_R BIT(1)
#define RISCV_W BIT(2)
#define RISCV_X BIT(3)
#define RISCV_U BIT(4)
#define RISCV_G BIT(5)
#define RISCV_A BIT(6)
#define RISCV_D BIT(7)
#define RISCV_RSW (UINT64_C(3) << 8)
#define RISCV_PPN (((UINT64_C(1) << 44) - 1) << 10)
#define RISCV_PPN_SHIFT 2
#define RISCV_PBMT (UINT64_C(3) << 61)
#define RISCV_N BIT(63)

#define DEPTH_PTE 4

#define FLAG(bits, set)                                                                            \
	{                                                                                          \
		(bits), (bits), (set), "."                                                         \
	}
#define MEMORY_TYPE(value, name)                                                                   \
	{                                                                                          \
		RISCV_PBMT, UINT64_C(value) << 61, (name), NULL                                    \
	}

/*
 * The columns of Linux 6.1, which has none for N and the memory type. Later
 * ones have; here they are printed where they are set.
 */
static const struct ptdump_flag riscv_flags[] = {
	{ RISCV_N, RISCV_N, "N", NULL },
	MEMORY_TYPE(1, "MT(NC)"),
	MEMORY_TYPE(2, "MT(IO)"),
	MEMORY_TYPE(3, "MT(3)"),
	{ RISCV_RSW, 0, "   ", "RSW" },
	FLAG(RISCV_D, "D"),
	FLAG(RISCV_A, "A"),
	FLAG(RISCV_G, "G"),
	FLAG(RISCV_U, "U"),
	FLAG(RISCV_X, "X"),
	FLAG(RISCV_W, "W"),
	FLAG(RISCV_R, "R"),
	FLAG(RISCV_V, "V"),
	{ .set = NULL },
};

/* A table's name does not change with the number of levels in use. */
static const char *riscv_level(const struct pgw_format *format, int depth)
{
	static const char *const levels[PGW_MAX_LEVELS] = { "PTE", "PMD", "PUD", "P4D", "PGD" };

	return levels[depth ? DEPTH_PTE - depth : pgw_format_geometry(format)->top_level];
}

static void riscv_series(struct out *out, const struct pgw_format *format,
			 const struct pgw_ptdump_line *line)
{
	ptdump_put_range(out, line);
	out_char(out, ' ');
	out_hex(out, (line->entry & RISCV_PPN) << RISCV_PPN_SHIFT);
	out_char(out, ' ');
	ptdump_put_size(out, line);
	out_char(out, ' ');
	out_str(out, riscv_level(format, line->depth));
	if (line->kind != PGW_PTDUMP_SERIES) {
		out_char(out, ' ');
		out_str(out, ptdump_odd_word(line));
		return;
	}
	ptdump_put_flags(out, riscv_flags, line->prot);
}

const struct ptdump_style ptdump_style_riscv64 = {
	.arch = "riscv64",
	.series = riscv_series,
};
