/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* Privileged ISA 4.1.11 (satp), 3.1.6 (mstatus), 3.1.18 (menvcfg), 3.1.15 (mcause). */
#define SATP_MODE_SHIFT 60
#define SATP_MODE_SV39 8 /* Sv48 and Sv57 follow */
#define SATP_ASID BITS(59, 44)
#define MSTATUS_SUM BIT(18)
#define MSTATUS_MXR BIT(19)
#define MENVCFG_ADUE BIT(61)
#define MENVCFG_PBMTE BIT(62)
#define CAUSE_ECALL_U 8
#define CAUSE_ECALL_S 9
#define CAUSE_FETCH_PAGE_FAULT 12
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15

#define RESERVED BITS(60, 54)
#define PBMT BITS(62, 61)
#define NAPOT BIT(63)
#define NAPOT_LG2 16

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)dice;
	return pgw_format_geometry(format)->max_pa_bits;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	uint64_t bits = dice & BITS(7, 5); /* G, A, D */

	(void)level;
	if (setting_has(setting, PGW_CTL_RISCV_SVPBMT) && (dice & PBMT) != PBMT)
		bits |= dice & PBMT;
	return bits;
}

static unsigned max_leaf_level(const struct setting *setting)
{
	return pgw_format_geometry(setting->format)->top_level;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	return setting_has(setting, PGW_CTL_RISCV_SVNAPOT) && level == 0 ? NAPOT_LG2 : 0;
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	(void)setting;
	ret[0] = (struct support){ GUEST_RAM_RISCV64 + GUEST_PARAMS,
				   GUEST_RAM_RISCV64 + GUEST_PARAMS + 0xfff,
				   PGW_KERNEL_R | PGW_KERNEL_W };
	return 1;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	uint64_t mode = SATP_MODE_SV39 + geo->top_level - 2u;

	reg[RISCV_REG_SATP] =
		mode << SATP_MODE_SHIFT | (setting->dice & SATP_ASID) | root[PGW_REGION_USER] >> 12;
	/* An entry without A or D is no fault. QEMU 7.2 has no ADUE, and never makes it one. */
	reg[RISCV_REG_MENVCFG] = MENVCFG_ADUE;
	if (setting_has(setting, PGW_CTL_RISCV_SVPBMT))
		reg[RISCV_REG_MENVCFG] |= MENVCFG_PBMTE;
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

/* With Svnapot or Svpbmt, bits that are reserved all the same go unseen; so does PBMT = 3. */
static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	bool svnapot = setting_has(setting, PGW_CTL_RISCV_SVNAPOT);
	bool svpbmt = setting_has(setting, PGW_CTL_RISCV_SVPBMT);

	(void)op;
	if (t->kind != PGW_ENTRY_MALFORMED || !(svnapot || svpbmt))
		return false;
	return (t->entry & RESERVED) || ((t->entry & PBMT) == PBMT && svpbmt) ||
	       ((t->entry & NAPOT) && !svnapot);
}

/* QEMU 7.2 does not look at menvcfg.PBMTE, so having Svpbmt is up to the CPU. */
static const struct cpu cpus[] = {
	{ "rv64,svnapot=on,svpbmt=on", PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT, 0 },
	{ "rv64,svnapot=on,svpbmt=off", PGW_CTL_RISCV_SVNAPOT, 0 },
	{ "rv64,svnapot=off,svpbmt=on", PGW_CTL_RISCV_SVPBMT, 0 },
	{ "rv64,svnapot=off,svpbmt=off", 0, 0 },
	{ NULL, 0, 0 },
};

const struct machine machine_riscv64 = {
	.arch = "riscv64",
	.emulator = "qemu-system-riscv64",
	.board = "virt",
	.stub_option = "-device",
	.stub_prefix = "loader,cpu-num=0,file=",
	.cpus = cpus,
	.ram_pa = GUEST_RAM_RISCV64,
	.trap = UINT64_C(0x0000007300000073), /* ecall */
	.table_rights = BITS(7, 4),           /* D, A, G, U: all but G are reserved here */
	.leaf_rights = BITS(4, 1),
	.run_bit = NAPOT,
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
