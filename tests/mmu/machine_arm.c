/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* ARMv7-A (DDI 0406C) B4.1.130 SCTLR, B4.1.153 TTBCR, B4.1.52 DFSR, B3.13 "Exception reporting". */
#define SCTLR_RES1 (BIT(23) | BIT(22) | BIT(18) | BIT(16) | BITS(6, 3))
#define SCTLR_M_C_I (BIT(0) | BIT(2) | BIT(12))
#define SCTLR_WXN BIT(19)
#define SCTLR_UWXN BIT(20)
#define SCTLR_TRE BIT(28)
#define SCTLR_AFE BIT(29)
#define TTBCR_EAE BIT(31)
#define TTBCR_T1SZ_SHIFT 16
#define FSR_LPAE BIT(9)
#define FSR_WNR BIT(11)
#define FSR_LONG_STATUS BITS(5, 0)
#define FSR_SHORT_STATUS (BIT(10) | BITS(3, 0))

/* Long descriptors' status codes count Arm's levels in bits 1:0. */
#define LONG_TRANSLATION 4
#define LONG_ACCESS_FLAG 8
#define LONG_PERMISSION 12

/* Short ones': of level 1; and of level 2. */
#define SHORT_TRANSLATION 5
#define SHORT_ACCESS_FLAG 3
#define SHORT_DOMAIN 9
#define SHORT_PERMISSION 13

/* B3.5, B3.6: descriptors. */
#define LONG_AF BIT(10)
#define LONG_CONT BIT(52)
#define SHORT_SUPER BIT(18)
#define SHORT_DOMAINS BITS(8, 5)
#define RUN BIT(40) /* of no item: that the leaf is to be a large one */

#define AP_KERNEL_RW 1 /* as AP[2:0]; with AFE too, as AP[0] is the access flag then */
#define AP_KERNEL_RO 5

static bool is_short(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->item_lg2 == 2;
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return 40;
}

/* Domain 0, which the stub is in, is a client's; others are what they are. */
static void control(const struct pgw_format *format, uint64_t dice, struct pgw_control *ret)
{
	(void)format;
	ret->domains = (uint32_t)(dice & ~UINT64_C(3)) | 1;
}

static unsigned max_leaf_level(const struct setting *setting)
{
	return pgw_format_geometry(setting->format)->top_level;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	if (is_short(setting->format))
		return level ? 24 : 16;
	return level == 0 ? 16 : level == 1 ? 25 : 0;
}

static uint64_t run_bit(const struct setting *setting)
{
	return is_short(setting->format) ? RUN : LONG_CONT;
}

/* AP[2:0] where a section has it, or a page. */
static uint64_t short_ap(unsigned level, uint64_t ap)
{
	return level ? (ap & 3) << 10 | ap >> 2 << 15 : (ap & 3) << 4 | ap >> 2 << 9;
}

static uint64_t rights(const struct setting *setting, unsigned level, bool is_leaf)
{
	if (!is_short(setting->format))
		return is_leaf ? BITS(7, 6) | BITS(54, 53) : BITS(62, 59);
	if (!is_leaf) /* PXN, and the domain */
		return BIT(2) | SHORT_DOMAINS;
	return short_ap(level, 7) | 1 | (level ? BIT(4) | SHORT_DOMAINS : 0);
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	/* B, C, TEX, S, nG; AttrIndx, NS, SH, nG, and AF mostly. */
	if (is_short(setting->format))
		return dice & (BITS(3, 2) |
			       (level ? BITS(14, 12) | BITS(17, 16) : BITS(8, 6) | BITS(11, 10)));
	return (dice & (BITS(5, 2) | BITS(9, 8) | BIT(11))) | (dice >> 56 ? LONG_AF : 0);
}

static uint64_t empty(unsigned level)
{
	(void)level;
	return 0;
}

static uint64_t long_table(unsigned level, uint64_t pa)
{
	(void)level;
	return pa | 3;
}

static uint64_t short_table(unsigned level, uint64_t pa)
{
	(void)level;
	return pa | 1;
}

static bool long_leads_to(const struct setting *setting, unsigned level, uint64_t entry,
			  uint64_t *ret)
{
	(void)setting, (void)level;
	*ret = entry & BITS(39, 12);
	return (entry & 3) == 3;
}

static bool short_leads_to(const struct setting *setting, unsigned level, uint64_t entry,
			   uint64_t *ret)
{
	(void)setting, (void)level;
	*ret = entry & BITS(31, 10);
	return (entry & 3) == 1;
}

static bool long_leaf(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		      uint64_t *ret)
{
	(void)setting;
	*ret = pa | bits | (level ? 1 : 3);
	return true;
}

/* A supersection has address bits where a section has its domain. A large page has XN and TEX higher. */
static bool short_leaf(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		       uint64_t *ret)
{
	bool is_run = bits & RUN;

	(void)setting;
	bits &= ~RUN;
	if (level && is_run) {
		*ret = (pa & BITS(31, 24)) | (pa >> 12 & BITS(23, 20)) | (pa >> 31 & BITS(8, 5)) |
		       SHORT_SUPER | (bits & ~SHORT_DOMAINS) | 2;
		return true;
	}
	if (is_run)
		*ret = (pa & BITS(31, 16)) | (bits & ~(BIT(0) | BITS(8, 6))) |
		       (bits & BITS(8, 6)) << 6 | (bits & 1) << 15 | 1;
	else
		*ret = pa | bits | 2;
	return pa <= UINT32_MAX;
}

static const struct encoder long_encoder = {
	.empty = empty, .table = long_table, .leaf = long_leaf, .leads_to = long_leads_to
};

static const struct encoder short_encoder = {
	.empty = empty, .table = short_table, .leaf = short_leaf, .leads_to = short_leads_to
};

static const struct encoder *encoder_of(const struct pgw_format *format)
{
	return is_short(format) ? &short_encoder : &long_encoder;
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	const uint64_t ram = GUEST_RAM_ARM;
	bool is_long = !is_short(setting->format);

	/* Read-only, so that WXN lets it be executed; AF. */
	ret[0] = (struct support){ .first = ram + GUEST_STUB,
				   .last = ram + GUEST_STUB + 0xfff,
				   .rights =
					   is_long ? BIT(7) | LONG_AF : short_ap(0, AP_KERNEL_RO) };
	ret[1] = (struct support){ .first = ram + GUEST_PARAMS,
				   .last = ram + GUEST_TARGET - 1,
				   .rights = is_long ? LONG_AF : short_ap(0, AP_KERNEL_RW) };
	return 2;
}

/*
 * Of short descriptors, any N with the same table in both registers is as none. Of long ones, both
 * halves have as many bits as the format.
 */
static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	uint64_t size = 32u - pgw_format_geometry(setting->format)->va_bits;
	bool is_long = !is_short(setting->format);

	reg[ARM_REG_TTBR0] = root[PGW_REGION_USER];
	reg[ARM_REG_TTBR1] = root[PGW_REGION_KERNEL];
	reg[ARM_REG_TTBCR] =
		is_long ? TTBCR_EAE | size | size << TTBCR_T1SZ_SHIFT : setting->dice & 7;
	if (is_long) /* an ASID */
		reg[ARM_REG_TTBR0] |= setting->dice & BITS(55, 48);
	reg[ARM_REG_DACR] = setting->control.domains;
	reg[ARM_REG_MAIR] = setting->control.memory_types;
	reg[ARM_REG_SCTLR] = SCTLR_RES1 | SCTLR_M_C_I;
	if (setting_has(setting, PGW_CTL_ARM_WXN))
		reg[ARM_REG_SCTLR] |= SCTLR_WXN;
	if (setting_has(setting, PGW_CTL_ARM_UWXN))
		reg[ARM_REG_SCTLR] |= SCTLR_UWXN;
	if (setting_has(setting, PGW_CTL_ARM_AFE))
		reg[ARM_REG_SCTLR] |= SCTLR_AFE;
	if (setting_has(setting, PGW_CTL_ARM_TRE))
		reg[ARM_REG_SCTLR] |= SCTLR_TRE;
}

/* Of a leaf of short descriptors: what its domain's DACR says. */
static unsigned domain_state(const struct setting *setting, const struct pgw_translation *t)
{
	uint64_t entry = setting->path->step[0].entry;
	bool is_super = t->level && (entry & SHORT_SUPER);
	unsigned domain = is_super ? 0 : (unsigned)(entry >> 5 & 15);

	return setting->control.domains >> 2 * domain & 3;
}

/* With AFE, of a client's leaf: AP[0] is its access flag. */
static bool is_old(const struct setting *setting, const struct pgw_translation *t)
{
	if (!is_short(setting->format))
		return !(t->entry & LONG_AF);
	return setting_has(setting, PGW_CTL_ARM_AFE) && !(t->entry & short_ap(t->level, 1));
}

static uint64_t short_status(const struct setting *setting, const struct pgw_translation *t,
			     unsigned domain)
{
	unsigned page = t->level ? 0 : 2;

	if (t->kind != PGW_ENTRY_LEAF)
		return SHORT_TRANSLATION + page;
	if (domain != 1)
		return SHORT_DOMAIN + page;
	if (is_old(setting, t))
		return t->level ? SHORT_ACCESS_FLAG : 6;
	return SHORT_PERMISSION + page;
}

static uint64_t long_status(const struct setting *setting, const struct pgw_translation *t)
{
	if (t->kind != PGW_ENTRY_LEAF)
		return LONG_TRANSLATION | (3 - t->level);
	return (is_old(setting, t) ? LONG_ACCESS_FLAG : LONG_PERMISSION) | (3 - t->level);
}

/*
 * What differs between two faults of which the CPU chooses one here: of what may not be executed and
 * is old; and of a domain that QEMU looks at before there is a page.
 */
static uint64_t any_order(const struct setting *setting, const struct pgw_translation *t,
			  unsigned op)
{
	if (!is_short(setting->format))
		return 0;
	if (t->kind != PGW_ENTRY_LEAF)
		return t->level ? 0 : SHORT_TRANSLATION ^ SHORT_DOMAIN;
	if ((op & 3) != OP_EXEC || !is_old(setting, t))
		return 0;
	return t->level ? SHORT_ACCESS_FLAG ^ SHORT_PERMISSION : 6 ^ (SHORT_PERMISSION + 2);
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	bool is_long = !is_short(setting->format), is_exec = (op & 3) == OP_EXEC;
	unsigned domain = !is_long && t->kind == PGW_ENTRY_LEAF ? domain_state(setting, t) : 1;
	struct outcome ret = { .faults = true, .names_va = true };

	if (t->kind == PGW_ENTRY_LEAF && (t->rights & op_right(op)) &&
	    (domain == 3 || !is_old(setting, t)))
		return (struct outcome){ is_exec ? ARM_TRAP : 0, UINT64_MAX, false, false };
	ret.code = is_exec ? ARM_FETCH_FAULT : ARM_DATA_FAULT;
	ret.mask = ARM_FETCH_FAULT | ARM_DATA_FAULT | FSR_LPAE |
		   (is_long ? FSR_LONG_STATUS : FSR_SHORT_STATUS);
	ret.code |= is_long ? FSR_LPAE | long_status(setting, t) : short_status(setting, t, domain);
	ret.mask &= ~any_order(setting, t, op);
	if (!is_exec) {
		ret.mask |= FSR_WNR;
		ret.code |= (op & 3) == OP_STORE ? FSR_WNR : 0;
	}
	/* An address that no table covers: the level is the CPU's choice. */
	if (!canonical)
		ret.mask &= ~UINT64_C(3);
	ret.code &= ret.mask;
	return ret;
}

/* It does not care for the access flag of long descriptors. */
static bool is_visible(const struct setting *setting, const struct pgw_translation *t)
{
	if (t->kind != PGW_ENTRY_LEAF || !(t->rights & PGW_KERNEL_R))
		return false;
	return !is_short(setting->format) || domain_state(setting, t) == 3 || !is_old(setting, t);
}

/*
 * Of long descriptors, QEMU does not look at bits 47:40 of addresses. Of short ones, it knows no
 * WXN and UWXN.
 */
static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	if (is_short(setting->format))
		return (op & 3) == OP_EXEC && t->kind == PGW_ENTRY_LEAF &&
		       setting_has(setting, PGW_CTL_ARM_WXN | PGW_CTL_ARM_UWXN);
	return t->kind == PGW_ENTRY_MALFORMED && (t->entry & BITS(47, 40));
}

static const struct cpu cpus[] = {
	{ "cortex-a15", 0, PGW_CTL_ARM_WXN | PGW_CTL_ARM_UWXN | PGW_CTL_ARM_AFE | PGW_CTL_ARM_TRE },
	{ NULL, 0, 0 },
};

const struct machine machine_arm = {
	.arch = "arm",
	.emulator = "qemu-system-arm",
	.board = "midway",
	.stub_option = "-device",
	.stub_prefix = "loader,cpu-num=0,file=",
	.cpus = cpus,
	.encoder_of = encoder_of,
	.has_whole_roots = true,
	.ram_pa = GUEST_RAM_ARM,
	.va_mask = UINT32_MAX,
	.trap = UINT64_C(0xef000000ef000000), /* svc 0 */
	.rights = rights,
	.run_bit_of = run_bit,
	.gva2gpa_is_the_mmu = true,
	.pa_bits = pa_bits,
	.control = control,
	.max_leaf_level = max_leaf_level,
	.attrs = attrs,
	.run_lg2 = run_lg2,
	.support = support,
	.registers = registers,
	.outcome = outcome,
	.is_visible = is_visible,
	.qemu_differs = qemu_differs,
};
