/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine_arm64.h"

#include <string.h>

#include "base/bits.h"

/* Arm ARM D19.2: SCTLR_EL1, TCR_EL1, ESR_EL1. */
#define SCTLR_RES1 UINT64_C(0x30d00800) /* SPAN among them: exceptions leave PAN alone */
#define SCTLR_M BIT(0)
#define SCTLR_C BIT(2)
#define SCTLR_I BIT(12)
#define SCTLR_WXN BIT(19)

#define TCR_T1SZ_SHIFT 16
#define TCR_TG0_SHIFT 14
#define TCR_TG1_SHIFT 30
#define TCR_IPS_SHIFT 32
#define TCR_AS BIT(36)
#define TCR_HA BIT(39)
#define TCR_HD BIT(40)
#define TCR_HPD0 BIT(41)
#define TCR_HPD1 BIT(42)
#define TCR_DS BIT(59)

#define EC_SVC 0x15
#define EC_FETCH_EL0 0x20
#define EC_FETCH_EL1 0x21
#define EC_DATA_EL1 0x25

#define FSC_ACCESS_FLAG 0x08
#define FSC_PERMISSION 0x0c

#define DESCRIPTOR_TABLE BIT(1)

static const uint8_t ips_bits[] = { 32, 36, 40, 42, 44, 48, 52 };

static bool is_wide(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->max_pa_bits > 48;
}

static bool is_64k(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->granule_lg2 == 16;
}

bool arm64_has_lpa2(const struct pgw_format *format)
{
	return is_wide(format) && !is_64k(format);
}

uint8_t arm64_pa_bits(const struct pgw_format *format, uint64_t dice)
{
	return ips_bits[dice % (is_wide(format) ? 7 : 6)];
}

/* Where an entry keeps the bits of an address from 50 on (LPA2), or from 48 on (64K). */
static uint64_t far_bits(const struct pgw_format *format)
{
	return !is_wide(format) ? 0 : is_64k(format) ? BITS(15, 12) : BITS(9, 8);
}

/* D8.3.1: the tables of block sizes. */
unsigned arm64_max_leaf_level(const struct setting *setting)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned level = (geo->granule_lg2 == 12 ? 2u : 1u) + is_wide(setting->format);

	return level < geo->top_level ? level : geo->top_level;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	/* AttrIndx, NS, nG, GP, ARM64_DBM; SH where it is not address; ARM64_AF mostly. */
	uint64_t bits = BITS(5, 2) | BIT(11) | BIT(50) | ARM64_DBM;

	(void)level;
	if (!arm64_has_lpa2(setting->format))
		bits |= BITS(9, 8);
	return (dice & bits) | (dice >> 56 ? ARM64_AF : 0);
}

/* D8.6.1: the table of contiguous sizes. */
unsigned arm64_run_lg2(const struct setting *setting, unsigned level)
{
	static const uint8_t sizes[3][PGW_MAX_LEVELS] = {
		{ 16, 25, 34 }, /* 4K: 64 KiB, 32 MiB, 16 GiB */
		{ 21, 30 },     /* 16K: 2 MiB, 1 GiB */
		{ 21, 34 },     /* 64K: 2 MiB, 16 GiB */
	};

	return sizes[(pgw_format_geometry(setting->format)->granule_lg2 - 12) / 2][level];
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	(void)setting;
	ret[0] = (struct support){ GUEST_RAM_ARM64 + GUEST_STUB,
				   GUEST_RAM_ARM64 + GUEST_STUB + 0xffff,
				   PGW_KERNEL_R | PGW_KERNEL_X };
	ret[1] =
		(struct support){ GUEST_RAM_ARM64 + GUEST_PARAMS,
				  GUEST_RAM_ARM64 + GUEST_TARGET - 1, PGW_KERNEL_R | PGW_KERNEL_W };
	return 2;
}

bool arm64_hardware_sets_af(const struct setting *setting)
{
	return setting_has(setting, PGW_CTL_ARM64_HD) || (setting->dice & 1);
}

uint64_t arm64_ips(const struct setting *setting)
{
	uint64_t ips = 0;

	while (ips_bits[ips] != setting->control.pa_bits)
		ips++;
	return ips;
}

static uint64_t tcr(const struct setting *setting)
{
	static const uint8_t tg0[] = { 0, 2, 1 }, tg1[] = { 2, 1, 3 };
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned granule = (geo->granule_lg2 - 12u) / 2;
	uint64_t size = 64u - geo->va_bits;
	uint64_t value = size | size << TCR_T1SZ_SHIFT | (uint64_t)tg0[granule] << TCR_TG0_SHIFT |
			 (uint64_t)tg1[granule] << TCR_TG1_SHIFT | TCR_AS;

	value |= arm64_ips(setting) << TCR_IPS_SHIFT;
	if (arm64_hardware_sets_af(setting))
		value |= TCR_HA;
	if (setting_has(setting, PGW_CTL_ARM64_HD))
		value |= TCR_HD;
	if (setting_has(setting, PGW_CTL_ARM64_HPD0))
		value |= TCR_HPD0;
	if (setting_has(setting, PGW_CTL_ARM64_HPD1))
		value |= TCR_HPD1;
	if (arm64_has_lpa2(setting->format))
		value |= TCR_DS;
	return value;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	/* An ASID. */
	reg[ARM64_REG_TTBR0] = root[PGW_REGION_USER] | (setting->dice & BITS(63, 48));
	reg[ARM64_REG_TTBR1] = root[PGW_REGION_KERNEL];
	reg[ARM64_REG_TCR] = tcr(setting);
	reg[ARM64_REG_MAIR] = setting->control.memory_types;
	reg[ARM64_REG_SCTLR] = SCTLR_RES1 | SCTLR_M | SCTLR_C | SCTLR_I;
	if (setting_has(setting, PGW_CTL_ARM64_WXN))
		reg[ARM64_REG_SCTLR] |= SCTLR_WXN;
}

uint64_t arm64_fsc(uint64_t what, unsigned level)
{
	if (level <= 3)
		return what | (3 - level);
	return what == ARM64_FSC_TRANSLATION ? 0x2b : 0x29;
}

/* Has a malformed entry an address that the CPU does not? At level 0, bit 1 comes first. */
static bool is_too_far(const struct setting *setting, const struct pgw_translation *t)
{
	uint64_t pa = t->entry & BITS(47, 12);

	if (is_64k(setting->format))
		pa = (t->entry & BITS(47, 16)) | (t->entry & BITS(15, 12)) << 36;
	if (arm64_has_lpa2(setting->format))
		pa |= (t->entry & BITS(49, 48)) | (t->entry & BITS(9, 8)) << 42;
	return (t->level || (t->entry & DESCRIPTOR_TABLE)) && pa >> setting->control.pa_bits;
}

/*
 * A block where none can be is a translation fault by QEMU 10, whatever its address is; QEMU 7.2
 * looks at the address first. What a CPU says of one that is wrong in both ways is its choice.
 */
bool arm64_is_wrong_twice(const struct setting *setting, const struct pgw_translation *t)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);

	return t->kind == PGW_ENTRY_MALFORMED && is_too_far(setting, t) &&
	       !(t->entry & DESCRIPTOR_TABLE) && !(geo->leaf_sizes & BIT(geo->span_lg2[t->level]));
}

uint64_t arm64_fault_status(const struct setting *setting, const struct pgw_translation *t)
{
	if (t->kind == PGW_ENTRY_MALFORMED && is_too_far(setting, t))
		return arm64_fsc(ARM64_FSC_ADDRESS_SIZE, t->level);
	if (t->kind != PGW_ENTRY_LEAF)
		return arm64_fsc(ARM64_FSC_TRANSLATION, t->level);
	if (!(t->entry & ARM64_AF) && !arm64_hardware_sets_af(setting))
		return arm64_fsc(FSC_ACCESS_FLAG, t->level);
	return arm64_fsc(FSC_PERMISSION, t->level);
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	struct outcome ret = { .mask = ARM64_ESR_EC | ARM64_ESR_FSC,
			       .faults = true,
			       .names_va = true };
	uint64_t ec = (op & 3) != OP_EXEC ? EC_DATA_EL1
		      : op & OP_USER      ? EC_FETCH_EL0
					  : EC_FETCH_EL1;

	if (t->kind == PGW_ENTRY_LEAF && (t->rights & op_right(op)) &&
	    ((t->entry & ARM64_AF) || arm64_hardware_sets_af(setting))) {
		if ((op & 3) == OP_EXEC)
			return (struct outcome){ (uint64_t)EC_SVC << ARM64_ESR_EC_SHIFT,
						 ARM64_ESR_EC, false, false };
		return (struct outcome){ 0, UINT64_MAX, false, false };
	}
	ret.code = ec << ARM64_ESR_EC_SHIFT | arm64_fault_status(setting, t);
	if (ec == EC_DATA_EL1) {
		ret.mask |= ARM64_ESR_WNR;
		ret.code |= (op & 3) == OP_STORE ? ARM64_ESR_WNR : 0;
	}
	/* An address that no table covers counts as level 0, whatever the top level is. */
	if (!canonical)
		ret.code = (ret.code & ~ARM64_ESR_FSC) | ARM64_FSC_TRANSLATION;
	else if (arm64_is_wrong_twice(setting, t))
		ret.mask &= ~(arm64_fsc(ARM64_FSC_ADDRESS_SIZE, t->level) ^
			      arm64_fsc(ARM64_FSC_TRANSLATION, t->level));
	ret.code &= ret.mask;
	return ret;
}

/* It does not care for the access flag. */
static bool is_visible(const struct setting *setting, const struct pgw_translation *t)
{
	(void)setting;
	return t->kind == PGW_ENTRY_LEAF;
}

/*
 * A block is taken at any level, also where the granule has none (D8.3.1). The
 * highest bits of addresses go unseen unless IPS says 52 bits.
 */
bool arm64_qemu_takes(const struct setting *setting, const struct pgw_translation *t)
{
	if (t->kind != PGW_ENTRY_MALFORMED)
		return false;
	if (t->level && !(t->entry & DESCRIPTOR_TABLE) && !is_too_far(setting, t))
		return true;
	return setting->control.pa_bits < 52 && (t->entry & far_bits(setting->format));
}

/*
 * A leaf that hardware may make dirty does not count as writable yet when it is executed
 * (D8.4.6: its effective AP[2] is 0).
 */
static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	if (t->kind == PGW_ENTRY_MALFORMED)
		return arm64_qemu_takes(setting, t);
	return t->kind == PGW_ENTRY_LEAF && (op & 3) == OP_EXEC && (t->entry & ARM64_DBM) &&
	       setting_has(setting, PGW_CTL_ARM64_HD);
}

static const struct cpu cpus[] = {
	{ "max", PGW_CTL_MEMORY_TYPES,
	  PGW_CTL_ARM64_WXN | PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1 | PGW_CTL_ARM64_HD },
	{ NULL, 0, 0 },
};

const struct machine machine_arm64 = {
	.arch = "arm64",
	.emulator = "qemu-system-aarch64",
	.board = "virt",
	.stub_option = "-device",
	.stub_prefix = "loader,cpu-num=0,file=",
	.cpus = cpus,
	.ram_pa = GUEST_RAM_ARM64,
	.trap = UINT64_C(0xd4000001d4000001), /* svc 0 */
	.table_rights = BITS(62, 59),
	.leaf_rights = BITS(7, 6) | ARM64_DBM | BITS(54, 53),
	.leaf_needs = ARM64_AF,
	.run_bit = ARM64_CONT,
	.gva2gpa_is_the_mmu = true,
	.pa_bits = arm64_pa_bits,
	.max_leaf_level = arm64_max_leaf_level,
	.attrs = attrs,
	.run_lg2 = arm64_run_lg2,
	.support = support,
	.registers = registers,
	.outcome = outcome,
	.is_visible = is_visible,
	.qemu_differs = qemu_differs,
};
