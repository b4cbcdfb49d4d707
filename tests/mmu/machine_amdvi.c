/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/iommu.h"

#include "base/bits.h"

/*
 * AMD's IOMMU. Source: AMD I/O Virtualization Technology (IOMMU) Specification (48882), 2.2.2.1
 * "Device Table Entry Format", 3.4 "MMIO Registers".
 */

#define AMDVI_BASE 0xfed80000u
#define AMDVI_DEVICE_TABLE 0x00
#define AMDVI_CONTROL 0x18
#define AMDVI_CONTROL_ENABLE 1

#define DEVICE_TABLE GUEST_STUB /* 8 KiB: of bus 0 */
#define DEVICE_TABLE_SIZE 1
#define DTE_V BIT(0)
#define DTE_TV BIT(1)
#define DTE_MODE_SHIFT 9
#define DTE_IR BIT(61)
#define DTE_IW BIT(62)
#define DOMAIN_ID 2

#define RUN_BITS BITS(11, 9) /* next level 7 */
#define RUN_LG2 4            /* the items of runs that owners make */

static void attach(struct qemu *qemu, const struct setting *setting,
		   const uint64_t root[_PGW_REGION_MAX])
{
	uint64_t mode = pgw_format_geometry(setting->format)->top_level + 1u;

	for (unsigned device = IOMMU_DEVICE_FIRST; device <= IOMMU_DEVICE_LAST; device++) {
		uint64_t entry = DEVICE_TABLE + (device << 3) * 32;

		iommu_put(qemu, entry,
			  DTE_V | DTE_TV | mode << DTE_MODE_SHIFT | root[PGW_REGION_FOREIGN] |
				  (setting_has(setting, PGW_CTL_AMDVI_IR) ? DTE_IR : 0) |
				  (setting_has(setting, PGW_CTL_AMDVI_IW) ? DTE_IW : 0));
		iommu_put(qemu, entry + 8, DOMAIN_ID);
		iommu_put(qemu, entry + 16, 0);
		iommu_put(qemu, entry + 24, 0);
	}
	qtest_send(qemu, "writeq 0x%x 0x%x", AMDVI_BASE + AMDVI_DEVICE_TABLE,
		   DEVICE_TABLE | DEVICE_TABLE_SIZE);
	qtest_send(qemu, "writeq 0x%x 0x%x", AMDVI_BASE + AMDVI_CONTROL, AMDVI_CONTROL_ENABLE);
}

/* Of one level or six nobody makes tables. */
static bool has_format(const struct pgw_format *format)
{
	return pgw_format_is_editable(format);
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return 52;
}

/* A, D, U, FC. */
static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting, (void)level;
	return dice & (BITS(6, 5) | BITS(60, 59));
}

static unsigned max_leaf_level(const struct setting *setting)
{
	return pgw_format_geometry(setting->format)->top_level;
}

static unsigned run_lg2(const struct setting *setting, unsigned level)
{
	return level <= 2 ? pgw_format_geometry(setting->format)->span_lg2[level] + RUN_LG2 : 0;
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	return iommu_support(setting, ret, 0, PGW_KERNEL_R | PGW_KERNEL_W);
}

static struct outcome outcome(const struct setting *setting, const struct pgw_translation *t,
			      unsigned op, bool canonical)
{
	(void)setting, (void)canonical;
	return iommu_outcome(t, op);
}

static bool qemu_differs(const struct setting *setting, const struct pgw_translation *t,
			 unsigned op)
{
	(void)setting, (void)t, (void)op;
	return false;
}

static const struct iommu iommu = {
	.qemu = { .emulator = "qemu-system-x86_64",
		  .board = "q35",
		  .cpu = "max",
		  .halt = "\xf4\xeb\xfd", /* hlt; jmp back to it */
		  .options = { "-device", "amd-iommu" } },
	.bar_pa = 0xe0000000,
	.no_dma_first = 0xfee00000, /* interrupts */
	.no_dma_last = 0xfeefffff,
	.attach = attach,
};

static const struct cpu modes[] = {
	{ "read and write", PGW_CTL_AMDVI_IR | PGW_CTL_AMDVI_IW, 0 },
	{ NULL, 0, 0 },
};

const struct machine machine_amdvi = {
	.arch = "amdvi",
	.emulator = "qemu-system-x86_64",
	.iommu = &iommu,
	.cpus = modes,
	.table_rights = BITS(62, 61),
	.leaf_rights = BITS(62, 61),
	.run_bit = RUN_BITS,
	.has_no_gva2gpa = true,
	.takes_malformed = true,
	.has_format = has_format,
	.pa_bits = pa_bits,
	.max_leaf_level = max_leaf_level,
	.attrs = attrs,
	.run_lg2 = run_lg2,
	.support = support,
	.outcome = outcome,
	.qemu_differs = qemu_differs,
};
