/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

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

#define ESR_EC_SHIFT 26
#define ESR_EC BITS(31, 26)
#define ESR_WNR BIT(6)
#define ESR_FSC BITS(5, 0)
#define EC_SVC 0x15
#define EC_FETCH_EL0 0x20
#define EC_FETCH_EL1 0x21
#define EC_DATA_EL1 0x25

#define FSC_ADDRESS_SIZE 0x00
#define FSC_TRANSLATION 0x04
#define FSC_ACCESS_FLAG 0x08
#define FSC_PERMISSION 0x0c

#define DESCRIPTOR_TABLE BIT(1)
#define AF BIT(10)
#define DBM BIT(51)
#define CONT BIT(52)

static const uint8_t ips_bits[] = { 32, 36, 40, 42, 44, 48, 52 };

static bool is_wide(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->max_pa_bits > 48;
}

static bool is_64k(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->granule_lg2 == 16;
}

static bool has_lpa2(const struct pgw_format *format)
{
	return is_wide(format) && !is_64k(format);
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	return ips_bits[dice % (is_wide(format) ? 7 : 6)];
}

/* Where an entry keeps the bits of an address from 50 on (LPA2), or from 48 on (64K). */
static uint64_t far_bits(const struct pgw_format *format)
{
	return !is_wide(format) ? 0 : is_64k(format) ? BITS(15, 12) : BITS(9, 8);
}

/* D8.3.1: the tables of block sizes. */
static unsigned max_leaf_level(const struct setting *setting)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned level = (geo->granule_lg2 == 12 ? 2u : 1u) + is_wide(setting->format);

	return level < geo->top_level ? level : geo->top_level;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	/* AttrIndx, NS, nG, GP, DBM; SH where it is not address; AF mostly. */
	uint64_t bits = BITS(5, 2) | BIT(11) | BIT(50) | DBM;

	(void)level;
	if (!has_lpa2(setting->format))
		bits |= BITS(9, 8);
	return (dice & bits) | (dice >> 56 ? AF : 0);
}

/* D8.6.1: the table of contiguous sizes. */
static unsigned run_lg2(const struct setting *setting, unsigned level)
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

static bool hardware_sets_af(const struct setting *setting)
{
	return setting_has(setting, PGW_CTL_ARM64_HD) || (setting->dice & 1);
}

static uint64_t tcr(const struct setting *setting)
{
	static const uint8_t tg0[] = { 0, 2, 1 }, tg1[] = { 2, 1, 3 };
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned granule = (geo->granule_lg2 - 12u) / 2;
	uint64_t size = 64u - geo->va_bits, ips = 0;
	uint64_t value = size | size << TCR_T1SZ_SHIFT | (uint64_t)tg0[granule] << TCR_TG0_SHIFT |
			 (uint64_t)tg1[granule] << TCR_TG1_SHIFT | TCR_AS;

	while (ips_bits[ips] != setting->control.pa_bits)
		ips++;
	value |= ips << TCR_IPS_SHIFT;
	if (hardware_sets_af(setting))
		value |= TCR_HA;
	if (setting_has(setting, PGW_CTL_ARM64_HD))
		value |= TCR_HD;
	if (setting_has(setting, PGW_CTL_ARM64_HPD0))
		value |= TCR_HPD0;
	if (setting_has(setting, PGW_CTL_ARM64_HPD1))
		value |= TCR_HPD1;
	if (has_lpa2(setting->format))
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

/* The status code of a fault at one of our levels. */
static uint64_t fsc(uint64_t what, unsigned level)
{
	if (level <= 3)
		return what | (3 - level);
	return what == FSC_TRANSLATION ? 0x2b : 0x29;
}

/* Has a malformed entry an address that the CPU does not? At level 0, bit 1 comes first. */
static bool is_too_far(const struct setting *setting, const struct pgw_translation *t)
{
	uint64_t pa = t->entry & BITS(47, 12);

	if (is_64k(setting->format))
		pa = (t->entry & BITS(47, 16)) | (t->entry & BITS(15, 12)) << 36;
	if (has_lpa2(setting->format))
		pa |= (t->entry & BITS(49, 48)) | (t->entry & BITS(9, 8)) << 42;
	return (t->level || (t->entry & DESCRIPTOR_TABLE)) && pa >> setting->control.pa_bits;
}

/*
 * A block where none can be is a translation fault by QEMU 10, whatever its address is; QEMU 7.2
 * looks at the address first. What a CPU says of one that is wrong in both ways is its choice.
 */
static bool is_wrong_twice(const struct setting *setting, const struct pgw_translation *t)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);

	return t->kind == PGW_ENTRY_MALFORMED && is_too_far(setting, t) &&
	       !(t->entry & DESCRIPTOR_TABLE) && !(geo->leaf_sizes & BIT(geo->span_lg2[t->level]));
}

static uint64_t fault_status(const struct setting *setting, const struct pgw_translation *t)
{
	if (t->kind == PGW_ENTRY_MALFORMED && is_too_far(setting, t))
		return fsc(FSC_ADDRESS_SIZE, t->level);
	if (t->kind != PGW_ENTRY_LEAF)
		return fsc(FSC_TRANSLATION, t->level);
	if (!(t->entry & AF) && !hardware_sets_af(setting))
		return fsc(FSC_ACCESS_FLAG, t->level);
	return fsc(FSC_PERMISSION, t->level);
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	struct outcome ret = { .mask = ESR_EC | ESR_FSC, .faults = true, .names_va = true };
	uint64_t ec = (op & 3) != OP_EXEC ? EC_DATA_EL1
		      : op & OP_USER      ? EC_FETCH_EL0
					  : EC_FETCH_EL1;

	if (t->kind == PGW_ENTRY_LEAF && (t->rights & op_right(op)) &&
	    ((t->entry & AF) || hardware_sets_af(setting))) {
		if ((op & 3) == OP_EXEC)
			return (struct outcome){ (uint64_t)EC_SVC << ESR_EC_SHIFT, ESR_EC, false,
						 false };
		return (struct outcome){ 0, UINT64_MAX, false, false };
	}
	ret.code = ec << ESR_EC_SHIFT | fault_status(setting, t);
	if (ec == EC_DATA_EL1) {
		ret.mask |= ESR_WNR;
		ret.code |= (op & 3) == OP_STORE ? ESR_WNR : 0;
	}
	/* An address that no table covers counts as level 0, whatever the top level is. */
	if (!canonical)
		ret.code = (ret.code & ~ESR_FSC) | FSC_TRANSLATION;
	else if (is_wrong_twice(setting, t))
		ret.mask &= ~(fsc(FSC_ADDRESS_SIZE, t->level) ^ fsc(FSC_TRANSLATION, t->level));
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
 * highest bits of addresses go unseen unless IPS says 52 bits. A leaf that
 * hardware may make dirty does not count as writable yet when it is executed
 * (D8.4.6: its effective AP[2] is 0).
 */
static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	if (t->kind == PGW_ENTRY_MALFORMED && t->level && !(t->entry & DESCRIPTOR_TABLE) &&
	    !is_too_far(setting, t))
		return true;
	if (t->kind == PGW_ENTRY_MALFORMED)
		return setting->control.pa_bits < 52 && (t->entry & far_bits(setting->format));
	return t->kind == PGW_ENTRY_LEAF && (op & 3) == OP_EXEC && (t->entry & DBM) &&
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
	.leaf_rights = BITS(7, 6) | DBM | BITS(54, 53),
	.leaf_needs = AF,
	.run_bit = CONT,
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
