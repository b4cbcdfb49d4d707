/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/machine.h"

#include "base/bits.h"

/* z/Architecture Principles of Operation, chapter 3 "Control Registers", "Address-Space-Control
 * Element"; chapter 6 for the program-interruption codes. */
#define CR0_RESET 0xe0
#define CR0_EDAT BIT(63 - 40)
#define CR0_IEP BIT(63 - 43)
#define ASCE_S BIT(7)
#define ASCE_P BIT(8)
#define ASCE_DT_SHIFT 2
#define ASCE_TL BITS(1, 0) /* units of 512 items, less one */

#define PROTECTION 0x04
#define SEGMENT_TRANSLATION 0x10
#define PAGE_TRANSLATION 0x11
#define TRANSLATION_SPECIFICATION 0x12
#define ASCE_TYPE 0x38
#define REGION_FIRST_TRANSLATION 0x39
#define REGION_SECOND_TRANSLATION 0x3a
#define REGION_THIRD_TRANSLATION 0x3b

#define TL BITS(1, 0)
#define TF BITS(7, 6)
#define I BIT(5)
#define IEP BIT(8)
#define PROTECT BIT(9)
#define PAGE_I BIT(10)

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)dice;
	return pgw_format_geometry(format)->max_pa_bits;
}

/* What software may use. */
static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting, (void)level;
	return dice & BITS(7, 0);
}

/* TCG has no EDAT. */
static unsigned max_leaf_level(const struct setting *setting)
{
	(void)setting;
	return 0;
}

/* The kernel's and the user's are of one length. */
static uint32_t root_items(const struct setting *setting)
{
	return (uint32_t)((setting->dice & ASCE_TL) + 1) * 512;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	(void)setting, (void)level;
	return 0;
}

static uint64_t table_type(unsigned level)
{
	return (uint64_t)(level - 1) << 2;
}

static uint64_t empty(unsigned level)
{
	return level ? I | table_type(level) : PAGE_I;
}

static uint64_t table(unsigned level, uint64_t pa)
{
	return pa | table_type(level) | (level > 1 ? TL : 0);
}

static bool leaf(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		 uint64_t *ret)
{
	(void)setting;
	*ret = pa | bits;
	return level == 0;
}

/* Segments lead to page tables of 2 KiB. */
static bool leads_to(const struct setting *setting, unsigned level, uint64_t entry, uint64_t *ret)
{
	(void)setting;
	*ret = entry & ~low_bits(level == 1 ? 11 : 12);
	return true;
}

static const struct encoder encoder = {
	.empty = empty,
	.table = table,
	.leaf = leaf,
	.leads_to = leads_to,
};

static unsigned support(const struct setting *setting, struct support *ret)
{
	(void)setting;
	ret[0] = (struct support){ .first = GUEST_RAM_S390X + GUEST_S390X_OPS,
				   .last = GUEST_RAM_S390X + GUEST_S390X_OPS + 0xfff,
				   .rights = PROTECT };
	ret[1] = (struct support){ .first = GUEST_RAM_S390X + GUEST_PARAMS,
				   .last = GUEST_RAM_S390X + GUEST_PARAMS + 0xfff };
	return 2;
}

static void registers(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
		      uint64_t *reg)
{
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	uint64_t asce =
		(geo->top_level - 1u) << ASCE_DT_SHIFT | (setting->dice & (ASCE_TL | ASCE_S));

	/* A CPU without EDAT does not look at its bit. */
	reg[S390X_REG_CR0] = CR0_RESET | (setting->dice & CR0_EDAT);
	if (setting_has(setting, PGW_CTL_S390X_IEP))
		reg[S390X_REG_CR0] |= CR0_IEP;
	if (setting_has(setting, PGW_CTL_S390X_PRIVATE))
		asce |= ASCE_P;
	reg[S390X_REG_USER_ASCE] = root[PGW_REGION_USER] | asce;
	reg[S390X_REG_KERNEL_ASCE] = root[PGW_REGION_KERNEL] | asce;
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	static const uint8_t holes[PGW_MAX_LEVELS] = { PAGE_TRANSLATION, SEGMENT_TRANSLATION,
						       REGION_THIRD_TRANSLATION,
						       REGION_SECOND_TRANSLATION,
						       REGION_FIRST_TRANSLATION };

	(void)setting;
	if (!canonical)
		return (struct outcome){ ASCE_TYPE, UINT64_MAX, true, true };
	/* The one kind that leaves no address: QEMU 7.2 stores it all the same, QEMU 10 does not. */
	if (t->kind == PGW_ENTRY_MALFORMED)
		return (struct outcome){ TRANSLATION_SPECIFICATION, UINT64_MAX, true, false };
	if (t->kind != PGW_ENTRY_LEAF)
		return (struct outcome){ holes[t->level], UINT64_MAX, true, true };
	if (!(t->rights & op_right(op)))
		return (struct outcome){ PROTECTION, UINT64_MAX, true, true };
	return (struct outcome){ S390X_TRAP, UINT64_MAX, false, false };
}

/* Where there is no memory, an access is an addressing exception. */
static bool is_visible(const struct setting *setting, const struct pgw_translation *t)
{
	(void)setting;
	return t->kind == PGW_ENTRY_LEAF && t->pa < GUEST_RAM_S390X + GUEST_RAM_SIZE;
}

static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)setting, (void)t, (void)op;
	return false;
}

static const struct cpu cpus[] = {
	{ "max", 0, PGW_CTL_S390X_IEP | PGW_CTL_S390X_PRIVATE },
	{ NULL, 0, 0 },
};

const struct machine machine_s390x = {
	.arch = "s390x",
	.emulator = "qemu-system-s390x",
	.board = "s390-ccw-virtio",
	.stub_option = "-kernel",
	.stub_prefix = "",
	.cpus = cpus,
	.encoder = &encoder,
	.ram_pa = GUEST_RAM_S390X,
	.va_mask = UINT64_MAX,
	.trap = UINT64_C(0x0a000a000a000a00), /* svc 0 */
	.table_rights = PROTECT | TF | TL,
	.leaf_rights = PROTECT | IEP,
	.gva2gpa_is_the_mmu = true,
	.pa_bits = pa_bits,
	.max_leaf_level = max_leaf_level,
	.attrs = attrs,
	.run_lg2 = run_lg2,
	.root_items = root_items,
	.support = support,
	.registers = registers,
	.outcome = outcome,
	.is_visible = is_visible,
	.qemu_differs = qemu_differs,
};
