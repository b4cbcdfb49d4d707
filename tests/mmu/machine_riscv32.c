/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* Privileged ISA 4.1.11 (satp), 4.3 (Sv32), 3.1.6 (mstatus), 3.1.15 (mcause). */
#define SATP_MODE BIT(31)
#define SATP_ASID BITS(30, 22)
#define MSTATUS_SUM BIT(18)
#define MSTATUS_MXR BIT(19)
#define CAUSE_ECALL_U 8
#define CAUSE_ECALL_S 9
#define CAUSE_FETCH_PAGE_FAULT 12
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15

#define V BIT(0)
#define RWX BITS(3, 1)
#define A_D BITS(7, 6)

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return 34;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting, (void)level;
	return dice & (BITS(7, 5) | BITS(9, 8)); /* G, A, D; software's */
}

static unsigned max_leaf_level(const struct setting *setting)
{
	(void)setting;
	return 1;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	(void)setting, (void)level;
	return 0;
}

static uint64_t empty(unsigned level)
{
	(void)level;
	return 0;
}

static uint64_t table(unsigned level, uint64_t pa)
{
	(void)level;
	return pa >> 2 | V;
}

static bool leads_to(const struct setting *setting, unsigned level, uint64_t entry, uint64_t *ret)
{
	(void)setting, (void)level;
	*ret = (entry & BITS(31, 10)) << 2;
	return !(entry & RWX);
}

/* Without rights it would be a pointer; W without R is reserved. */
static bool leaf(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		 uint64_t *ret)
{
	(void)setting, (void)level;
	*ret = pa >> 2 | bits | V;
	return (bits & RWX) && (bits & RWX) != BIT(2) && (bits & RWX) != (BIT(2) | BIT(3));
}

static const struct encoder encoder = {
	.empty = empty, .table = table, .leaf = leaf, .leads_to = leads_to
};

static unsigned support(const struct setting *setting, struct support *ret)
{
	(void)setting;
	ret[0] = (struct support){ GUEST_RAM_RISCV64 + GUEST_PARAMS,
				   GUEST_RAM_RISCV64 + GUEST_PARAMS + 0xfff, BITS(2, 1) | A_D };
	return 1;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	reg[RISCV_REG_SATP] = SATP_MODE | (setting->dice & SATP_ASID) | root[PGW_REGION_USER] >> 12;
	reg[RISCV_REG_MSTATUS] = MSTATUS_SUM | MSTATUS_MXR;
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	static const uint8_t faults[] = { CAUSE_LOAD_PAGE_FAULT, CAUSE_STORE_PAGE_FAULT,
					  CAUSE_FETCH_PAGE_FAULT };

	(void)setting, (void)canonical;
	if (t->kind != PGW_ENTRY_LEAF || !(t->rights & op_right(op)))
		return (struct outcome){ faults[op & 3], UINT64_MAX, true, true };
	if ((op & 3) == OP_EXEC)
		return (struct outcome){ op & OP_USER ? CAUSE_ECALL_U : CAUSE_ECALL_S, UINT64_MAX,
					 false, false };
	return (struct outcome){ 0, UINT64_MAX, false, false };
}

static bool is_visible(const struct setting *setting, const struct pgw_translation *t)
{
	(void)setting;
	return t->kind == PGW_ENTRY_LEAF && (t->rights & PGW_KERNEL_R);
}

static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)setting, (void)t, (void)op;
	return false;
}

static const struct cpu cpus[] = {
	{ "rv32", 0, 0 },
	{ NULL, 0, 0 },
};

const struct machine machine_riscv32 = {
	.arch = "riscv32",
	.emulator = "qemu-system-riscv32",
	.board = "virt,firmware=none", /* Debian has none of 32 bits */
	.stub_option = "-device",
	.stub_prefix = "loader,cpu-num=0,file=",
	.cpus = cpus,
	.encoder = &encoder,
	.ram_pa = GUEST_RAM_RISCV64,
	.va_mask = UINT32_MAX,
	.trap = UINT64_C(0x0000007300000073), /* ecall */
	.table_rights = BITS(7, 4),           /* D, A, G, U: all but G are reserved here */
	.leaf_rights = BITS(4, 1),
	.gva2gpa_is_the_mmu = true,
	.pa_bits = pa_bits,
	.max_leaf_level = max_leaf_level,
	.attrs = attrs,
	.run_lg2 = run_lg2,
	.support = support,
	.registers = registers,
	.outcome = outcome,
	.is_visible = is_visible,
	.qemu_differs = qemu_differs,
};
