/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* SDM vol. 3A 2.5 (CR0, CR4), 2.2.1 (EFER), 4.7 (page-fault error code). */
#define CR0_PE_ET_NE (BIT(0) | BIT(4) | BIT(5))
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR3_PWT_PCD BITS(4, 3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_PGE BIT(7)
#define CR4_SMEP BIT(20)
#define EFER_NXE BIT(11)

#define ERROR_P BIT(0)
#define ERROR_W BIT(1)
#define ERROR_U BIT(2)
#define ERROR_RSVD BIT(3)
#define ERROR_I BIT(4)
#define PAGE_FAULT 14

#define P BIT(0)
#define RW BIT(1)
#define US BIT(2)
#define PS BIT(7)
#define XD BIT(63)

/* TCG's without long mode; of 32-bit paging it checks none of PSE-36's bits. */
#define QEMU_PAE_PA_BITS 36
#define QEMU_PSE_PA_BITS 40

static bool is_pae(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->top_level == 2;
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)dice;
	return is_pae(format) ? QEMU_PAE_PA_BITS : QEMU_PSE_PA_BITS;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting;
	/* PWT, PCD, A, D, G; PAT, in one of two places. */
	return dice & (BITS(6, 3) | BIT(8) | (level ? BIT(12) : BIT(7)));
}

static unsigned max_leaf_level(const struct setting *setting)
{
	return is_pae(setting->format) || setting_has(setting, PGW_CTL_X86_PSE) ? 1 : 0;
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

/* A PDPTE, the only entry of level 2, has no rights. */
static uint64_t table(unsigned level, uint64_t pa)
{
	return pa | P | (level == 1 ? RW | US : 0);
}

static bool leaf(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		 uint64_t *ret)
{
	/* Without NXE no leaf has XD. */
	if (!setting_has(setting, PGW_CTL_X86_NXE))
		bits &= ~XD;
	if (is_pae(setting->format)) {
		*ret = pa | bits | P | (level ? PS : 0);
		return true;
	}
	/* PSE-36: address bits 39:32 are bits 20:13 of a large leaf. */
	*ret = (pa & BITS(31, 12)) | (level ? PS | pa >> 32 << 13 : 0) | bits | P;
	return level || pa <= UINT32_MAX;
}

static bool leads_to(const struct setting *setting, unsigned level, uint64_t entry, uint64_t *ret)
{
	*ret = entry & BITS(is_pae(setting->format) ? 51 : 31, 12);
	return level == 2 || !(entry & PS);
}

static const struct encoder encoder = {
	.empty = empty, .table = table, .leaf = leaf, .leads_to = leads_to
};

static unsigned support(const struct setting *setting, struct support *ret)
{
	const uint64_t stub = GUEST_RAM_X86_64 + GUEST_STUB;

	(void)setting;
	ret[0] = (struct support){ .first = stub + GUEST_I386_USER_CODE,
				   .last = stub + GUEST_I386_USER_CODE + 0xfff,
				   .rights = US };
	ret[1] = (struct support){ .first = stub + GUEST_I386_KERNEL_CODE,
				   .last = stub + GUEST_I386_KERNEL_CODE + 0xfff,
				   .rights = RW };
	ret[2] = (struct support){ .first = GUEST_RAM_X86_64 + GUEST_PARAMS,
				   .last = GUEST_RAM_X86_64 + GUEST_TARGET - 1,
				   .rights = RW };
	return 3;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	bool pae = is_pae(setting->format);

	reg[X86_REG_CR0] = CR0_PE_ET_NE | CR0_PG;
	if (setting_has(setting, PGW_CTL_X86_WP))
		reg[X86_REG_CR0] |= CR0_WP;
	reg[X86_REG_CR3] = root[PGW_REGION_USER] | (setting->dice & CR3_PWT_PCD);
	/* PAE has leaves of 2 MiB with and without PSE, 32-bit paging never has XD. */
	reg[X86_REG_CR4] =
		(setting->dice & CR4_PGE) | (pae ? CR4_PAE | (setting->dice & CR4_PSE) : 0);
	if (setting_has(setting, PGW_CTL_X86_PSE))
		reg[X86_REG_CR4] |= CR4_PSE;
	if (setting_has(setting, PGW_CTL_X86_SMEP))
		reg[X86_REG_CR4] |= CR4_SMEP;
	reg[X86_REG_EFER] = pae ? 0 : setting->dice & EFER_NXE;
	if (setting_has(setting, PGW_CTL_X86_NXE))
		reg[X86_REG_EFER] |= EFER_NXE;
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	uint64_t error = op & OP_USER ? ERROR_U : 0;

	(void)canonical;
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

/* SDM table 4-8: bits 2:1 and 8:6 of a PDPTE are reserved; TCG lets them be. */
static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)setting, (void)op;
	return t->kind == PGW_ENTRY_MALFORMED && t->level == 2 &&
	       (t->entry & (BITS(8, 6) | BITS(2, 1)));
}

static const struct cpu cpus[] = {
	{ "max", 0, PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP | PGW_CTL_X86_PSE },
	{ NULL, 0, 0 },
};

const struct machine machine_i386 = {
	.arch = "i386",
	.emulator = "qemu-system-i386",
	.board = "pc",
	.stub_option = "-bios",
	.stub_prefix = "",
	.cpus = cpus,
	.encoder = &encoder,
	.ram_pa = GUEST_RAM_X86_64,
	.va_mask = UINT32_MAX,
	.trap = UINT64_C(0x30cd30cd30cd30cd), /* int 0x30 */
	.table_rights = RW | US | XD,
	.leaf_rights = RW | US | XD,
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
