/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* SDM vol. 3A 2.5 (CR0, CR4), 2.2.1 (EFER), 4.7 (page-fault error code). */
#define CR0_PE_ET_NE (BIT(0) | BIT(4) | BIT(5))
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR3_PWT_PCD BITS(4, 3)
#define CR4_PAE BIT(5)
#define CR4_PGE BIT(7)
#define CR4_LA57 BIT(12)
#define CR4_SMEP BIT(20)
#define CR4_PKE BIT(22)
#define EFER_LME BIT(8)
#define EFER_NXE BIT(11)

#define ERROR_P BIT(0)
#define ERROR_W BIT(1)
#define ERROR_U BIT(2)
#define ERROR_RSVD BIT(3)
#define ERROR_I BIT(4)
#define PAGE_FAULT 14
#define PROTECTION_FAULT 13

#define QEMU_PA_BITS 40 /* TCG's */

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return QEMU_PA_BITS;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	/* PWT, PCD, A, D, G, a protection key; PAT, in one of two places. */
	uint64_t bits = BITS(6, 3) | BIT(8) | BITS(62, 59) | (level ? BIT(12) : BIT(7));

	(void)setting;
	return dice & bits;
}

static unsigned max_leaf_level(const struct setting *setting)
{
	(void)setting;
	return 2;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	(void)setting, (void)level;
	return 0;
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	uint8_t kernel = PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X;
	uint8_t user = PGW_KERNEL_R | PGW_USER_R | PGW_USER_X;

	if (!setting_has(setting, PGW_CTL_X86_WP))
		user |= PGW_KERNEL_W;
	if (!setting_has(setting, PGW_CTL_X86_SMEP))
		user |= PGW_KERNEL_X;
	ret[0] = (struct support){ GUEST_PARAMS, GUEST_TARGET - 1, kernel };
	ret[1] = (struct support){ GUEST_X86_USER_CODE, GUEST_X86_USER_CODE + 0xfff, user };
	ret[2] = (struct support){ GUEST_X86_KERNEL_CODE, GUEST_X86_KERNEL_CODE + 0xfff, kernel };
	return 3;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);

	reg[X86_REG_CR0] = CR0_PE_ET_NE | CR0_PG;
	if (setting_has(setting, PGW_CTL_X86_WP))
		reg[X86_REG_CR0] |= CR0_WP;
	reg[X86_REG_CR3] = root[PGW_REGION_USER] | (setting->dice & CR3_PWT_PCD);
	reg[X86_REG_CR4] = CR4_PAE | (setting->dice & CR4_PGE);
	if (geo->top_level == 4)
		reg[X86_REG_CR4] |= CR4_LA57;
	if (setting_has(setting, PGW_CTL_X86_SMEP))
		reg[X86_REG_CR4] |= CR4_SMEP;
	if (setting_has(setting, PGW_CTL_X86_PKE))
		reg[X86_REG_CR4] |= CR4_PKE;
	reg[X86_REG_EFER] = EFER_LME;
	if (setting_has(setting, PGW_CTL_X86_NXE))
		reg[X86_REG_EFER] |= EFER_NXE;
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	uint64_t error = op & OP_USER ? ERROR_U : 0;

	if (!canonical)
		return (struct outcome){ PROTECTION_FAULT, UINT64_MAX, true, false };
	if (t->kind == PGW_ENTRY_LEAF && (t->rights & op_right(op)))
		return (struct outcome){ X86_TRAP, UINT64_MAX, false, false };
	if ((op & 3) == OP_STORE)
		error |= ERROR_W;
	if ((op & 3) == OP_EXEC && setting_has(setting, PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP))
		error |= ERROR_I;
	if (t->kind == PGW_ENTRY_LEAF)
		error |= ERROR_P;
	/* SDM 4.7: RSVD comes with P. QEMU 7.2 leaves P out. */
	if (t->kind == PGW_ENTRY_MALFORMED)
		return (struct outcome){ PAGE_FAULT | (error | ERROR_RSVD) << 8, ~(ERROR_P << 8),
					 true, true };
	return (struct outcome){ PAGE_FAULT | error << 8, UINT64_MAX, true, true };
}

static bool is_visible(const struct setting *setting, const struct pgw_translation *t)
{
	(void)setting;
	return t->kind == PGW_ENTRY_LEAF;
}

static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)setting, (void)t, (void)op;
	return false;
}

static const struct cpu cpus[] = {
	{ "max", 0, PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP | PGW_CTL_X86_PKE },
	{ NULL, 0, 0 },
};

const struct machine machine_x86_64 = {
	.arch = "x86_64",
	.emulator = "qemu-system-x86_64",
	.board = "pc",
	.stub_option = "-bios",
	.stub_prefix = "",
	.cpus = cpus,
	.ram_pa = GUEST_RAM_X86_64,
	.trap = UINT64_C(0x30cd30cd30cd30cd), /* int 0x30 */
	.table_rights = BITS(2, 1) | BIT(63),
	.leaf_rights = BITS(2, 1) | BIT(63),
	.gva2gpa_is_the_mmu = false,
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

_Static_assert(X86_TRAP == 0x30, "the vector in the trap instruction");
