/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine_arm64.h"

#include "base/bits.h"

/*
 * Stage 2 alone: the stub is a hypervisor, at EL2, whose guest has no stage 1. What the guest does at
 * EL1 counts as the kernel's, at EL0 as the user's.
 */

/* Arm ARM D19.2: HCR_EL2, VTCR_EL2. */
#define HCR_VM BIT(0)
#define HCR_DC BIT(12)
#define HCR_RW BIT(31)

#define VTCR_SL0_SHIFT 6
#define VTCR_TG0_SHIFT 14
#define VTCR_PS_SHIFT 16
#define VTCR_HA BIT(21)
#define VTCR_HD BIT(22)
#define VTCR_RES1 BIT(31)
#define VTCR_DS BIT(32)
#define VTCR_SL2 BIT(33)

#define EC_BRK 0x3c
#define EC_FETCH_BELOW 0x20
#define EC_DATA_BELOW 0x24

#define GUEST_VA_BITS 32 /* the stub's page is in the lower half of that */

/* QEMU 7.2 begins at Arm's level 0 with 4K alone. */
static bool has_format(const struct pgw_format *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);

	return geo->granule_lg2 != 14 || geo->top_level < 3;
}

/* The least that a root maps: two items, and where the stub is; of QEMU at Arm's level -1 all. */
static unsigned min_ipa_bits(const struct pgw_format *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	unsigned bits = geo->span_lg2[geo->top_level] + 1u;

	if (geo->top_level == 4)
		return geo->va_bits;
	return bits < GUEST_VA_BITS ? GUEST_VA_BITS : bits;
}

/* D8.2.3: no more goes in than comes out; and of QEMU the first levels only if addresses want them. */
static unsigned min_pa_bits(const struct pgw_format *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);

	if (geo->granule_lg2 == 12 && geo->top_level == 3)
		return 44;
	if (geo->granule_lg2 == 14 && geo->top_level == 2)
		return 42;
	if (geo->granule_lg2 == 16 && geo->top_level == 2)
		return 44;
	return min_ipa_bits(format);
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	while (arm64_pa_bits(format, dice) < min_pa_bits(format))
		dice++;
	return arm64_pa_bits(format, dice);
}

/* ... and at most 16 tables. */
static uint32_t root_items(const struct setting *setting)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned min = min_ipa_bits(setting->format), max = setting->control.pa_bits;

	if (max > geo->va_bits)
		max = geo->va_bits;
	return 1u << (min + (setting->dice >> 8) % (max - min + 1) - geo->span_lg2[geo->top_level]);
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	/* MemAttr, FnXS, DBM; SH where it is not address; AF mostly. */
	uint64_t bits = BITS(5, 2) | BIT(11) | ARM64_DBM;

	(void)level;
	if (!arm64_has_lpa2(setting->format))
		bits |= BITS(9, 8);
	return (dice & bits) | (dice >> 56 ? ARM64_AF : 0);
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	(void)setting;
	ret[0] = (struct support){ GUEST_RAM_ARM64 + GUEST_STUB,
				   GUEST_RAM_ARM64 + GUEST_STUB + 0xffff,
				   PGW_KERNEL_R | PGW_KERNEL_X | PGW_USER_R | PGW_USER_X };
	return 1;
}

/* SL0, and with DS SL2: where the lookup begins. */
static uint64_t start_level(const struct setting *setting)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);

	if (geo->granule_lg2 == 12 && geo->top_level == 4)
		return VTCR_SL2;
	return (uint64_t)(geo->granule_lg2 == 12 ? geo->top_level - 1u : geo->top_level)
	       << VTCR_SL0_SHIFT;
}

static uint64_t vtcr(const struct setting *setting)
{
	static const uint8_t tg0[] = { 0, 2, 1 };
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned ipa_bits =
		geo->span_lg2[geo->top_level] + (unsigned)__builtin_ctz(root_items(setting));
	uint64_t value = VTCR_RES1 | (64u - ipa_bits) | start_level(setting) |
			 (uint64_t)tg0[(geo->granule_lg2 - 12u) / 2] << VTCR_TG0_SHIFT |
			 arm64_ips(setting) << VTCR_PS_SHIFT;

	if (arm64_hardware_sets_af(setting))
		value |= VTCR_HA;
	if (setting_has(setting, PGW_CTL_ARM64_HD))
		value |= VTCR_HD;
	if (arm64_has_lpa2(setting->format))
		value |= VTCR_DS;
	return value;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	/* A VMID. */
	reg[ARM64_S2_REG_VTTBR] = root[PGW_REGION_FOREIGN] | (setting->dice & BITS(55, 48));
	reg[ARM64_S2_REG_VTCR] = vtcr(setting);
	reg[ARM64_S2_REG_HCR] = HCR_VM | HCR_DC | HCR_RW;
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	struct outcome ret = { .mask = ARM64_ESR_EC | ARM64_ESR_FSC,
			       .faults = true,
			       .names_va = true };
	uint64_t ec = (op & 3) == OP_EXEC ? EC_FETCH_BELOW : EC_DATA_BELOW;

	if (t->kind == PGW_ENTRY_LEAF && (t->rights & op_right(op)) &&
	    ((t->entry & ARM64_AF) || arm64_hardware_sets_af(setting))) {
		if ((op & 3) == OP_EXEC)
			return (struct outcome){ (uint64_t)EC_BRK << ARM64_ESR_EC_SHIFT,
						 ARM64_ESR_EC, false, false };
		return (struct outcome){ 0, UINT64_MAX, false, false };
	}
	ret.code = ec << ARM64_ESR_EC_SHIFT | arm64_fault_status(setting, t);
	if (ec == EC_DATA_BELOW) {
		ret.mask |= ARM64_ESR_WNR;
		ret.code |= (op & 3) == OP_STORE ? ARM64_ESR_WNR : 0;
	}
	/* An address that no table covers counts as level 0, whatever the top level is. */
	if (!canonical || !setting->path->nr_steps)
		ret.code = (ret.code & ~ARM64_ESR_FSC) | ARM64_FSC_TRANSLATION;
	else if (arm64_is_wrong_twice(setting, t))
		ret.mask &= ~(arm64_fsc(ARM64_FSC_ADDRESS_SIZE, t->level) ^
			      arm64_fsc(ARM64_FSC_TRANSLATION, t->level));
	ret.code &= ret.mask;
	return ret;
}

static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)op;
	return arm64_qemu_takes(setting, t);
}

/* FWB changes what memory types are, not what is mapped: it is left off. */
static const struct cpu cpus[] = {
	{ "max", PGW_CTL_ARM64_XNX, PGW_CTL_ARM64_HD },
	{ NULL, 0, 0 },
};

const struct machine machine_arm64_s2 = {
	.arch = "arm64-s2",
	.emulator = "qemu-system-aarch64",
	.board = "virt,virtualization=on",
	.stub_option = "-device",
	.stub_prefix = "loader,cpu-num=0,file=",
	.cpus = cpus,
	.ram_pa = GUEST_RAM_ARM64,
	.va_mask = BITS(51, 0),               /* above that stage 1 faults */
	.trap = UINT64_C(0xd4200000d4200000), /* brk 0 */
	.leaf_rights = BITS(7, 6) | ARM64_DBM | BITS(54, 53),
	.leaf_needs = ARM64_AF,
	.run_bit = ARM64_CONT,
	.has_no_gva2gpa = true,
	.has_format = has_format,
	.pa_bits = pa_bits,
	.max_leaf_level = arm64_max_leaf_level,
	.attrs = attrs,
	.run_lg2 = arm64_run_lg2,
	.root_items = root_items,
	.support = support,
	.registers = registers,
	.outcome = outcome,
	.qemu_differs = qemu_differs,
};
