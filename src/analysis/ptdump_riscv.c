/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/ptdump_priv.h"

#include "base/bits.h"

/* RISC-V privileged architecture 4.3 to 4.6, as src/pt/fmt/riscv.h has it. */
#define RISCV_V BIT(0)
#define RISCV_RWX BITS(3, 1)
#define RISCV_FLAGS BITS(9, 0) /* with the two bits for software */
#define RISCV_PBMT BITS(62, 61)
#define RISCV_N BIT(63)

static uint64_t riscv_prot(uint64_t entry)
{
	return entry & (RISCV_FLAGS | RISCV_PBMT | RISCV_N);
}

static bool riscv_is_leaf(uint64_t entry, unsigned level)
{
	(void)level;
	return (entry & RISCV_V) && (entry & RISCV_RWX);
}

const struct ptdump_arch ptdump_riscv64 = {
	.name = "riscv64",
	.prot = riscv_prot,
	.is_leaf = riscv_is_leaf,
	.max_markers = SIZE_MAX,
	.skips_holes = true,
};
