/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/iommu.h"
#include "mmu/machine_arm64.h"

#include "base/bits.h"

/*
 * Arm's SMMUv3, stage 1: tables of a CPU's stage 1, which the device sees as its kernel. Source: Arm
 * System Memory Management Unit Architecture Specification, version 3 (IHI 0070), 5.2 "Stream Table
 * Entry", 5.4 "Context Descriptor", 6.3 "Register formats".
 */

#define SMMU_BASE 0x9050000u
#define SMMU_CR0 0x20
#define SMMU_CR0_SMMUEN 1
#define SMMU_STRTAB_BASE 0x80
#define SMMU_STRTAB_BASE_CFG 0x88
#define SMMU_STRTAB_LOG2SIZE 8 /* linear: of bus 0 */

#define STREAM_TABLE GUEST_STUB /* 16 KiB */
#define CONTEXT_DESCRIPTOR (GUEST_STUB + 0x4000)
#define STE_V BIT(0)
#define STE_CONFIG_STAGE1 (UINT64_C(5) << 1)
#define STE_WORD1 0xd6 /* S1CIR, S1COR, S1CSH: cached, shared; S1DSS: no substream is needed */

#define CD_TG0_SHIFT 6
#define CD_CACHED (BIT(8) | BIT(10) | BITS(13, 12)) /* IR0, OR0, SH0 */
#define CD_T1SZ_SHIFT 16
#define CD_TG1_SHIFT 22
#define CD_V BIT(31)
#define CD_IPS_SHIFT 32
#define CD_AFFD BIT(35) /* the access flag is not looked at */
#define CD_AA64 BIT(41)
#define CD_R_A_ASET BITS(47, 45)
#define CD_ASID_SHIFT 48
#define CD_HAD BIT(1) /* of TTB0, TTB1 */

#define OUTPUT_BITS 44 /* of the emulated SMMU */

static uint64_t context(const struct setting *setting)
{
	static const uint8_t tg0[] = { 0, 2, 1 }, tg1[] = { 2, 1, 3 };
	const struct pgw_geometry *geo = pgw_format_geometry(setting->format);
	unsigned granule = (geo->granule_lg2 - 12u) / 2;
	uint64_t size = 64u - geo->va_bits;

	return size | size << CD_T1SZ_SHIFT | (uint64_t)tg0[granule] << CD_TG0_SHIFT |
	       (uint64_t)tg1[granule] << CD_TG1_SHIFT | CD_CACHED | CD_V |
	       arm64_ips(setting) << CD_IPS_SHIFT | CD_AFFD | CD_AA64 | CD_R_A_ASET |
	       UINT64_C(1) << CD_ASID_SHIFT;
}

static void attach(struct qemu *qemu, const struct setting *setting,
		   const uint64_t root[_PGW_REGION_MAX])
{
	for (unsigned device = IOMMU_DEVICE_FIRST; device <= IOMMU_DEVICE_LAST; device++) {
		uint64_t entry = STREAM_TABLE + (device << 3) * 64;

		iommu_put(qemu, entry,
			  (GUEST_RAM_ARM64 + CONTEXT_DESCRIPTOR) | STE_V | STE_CONFIG_STAGE1);
		iommu_put(qemu, entry + 8, STE_WORD1);
		for (unsigned i = 2; i < 8; i++)
			iommu_put(qemu, entry + 8 * i, 0);
	}
	iommu_put(qemu, CONTEXT_DESCRIPTOR, context(setting));
	iommu_put(qemu, CONTEXT_DESCRIPTOR + 8,
		  root[PGW_REGION_USER] | (setting_has(setting, PGW_CTL_ARM64_HPD0) ? CD_HAD : 0));
	iommu_put(qemu, CONTEXT_DESCRIPTOR + 16,
		  root[PGW_REGION_KERNEL] |
			  (setting_has(setting, PGW_CTL_ARM64_HPD1) ? CD_HAD : 0));
	iommu_put(qemu, CONTEXT_DESCRIPTOR + 24, setting->control.memory_types);
	for (unsigned i = 4; i < 8; i++)
		iommu_put(qemu, CONTEXT_DESCRIPTOR + 8 * i, 0);
	qtest_send(qemu, "writeq 0x%x 0x%x", SMMU_BASE + SMMU_STRTAB_BASE,
		   GUEST_RAM_ARM64 + STREAM_TABLE);
	qtest_send(qemu, "writel 0x%x 0x%x", SMMU_BASE + SMMU_STRTAB_BASE_CFG,
		   SMMU_STRTAB_LOG2SIZE);
	qtest_send(qemu, "writel 0x%x 0x%x", SMMU_BASE + SMMU_CR0, SMMU_CR0_SMMUEN);
}

/* The same tables as a CPU's, whose own test has them all: here one of each granule, and two of 4K. */
static bool has_format(const struct pgw_format *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);

	return geo->max_pa_bits <= 48 &&
	       geo->va_bits == (geo->granule_lg2 == 12   ? geo->top_level == 2 ? 39 : 48
				: geo->granule_lg2 == 14 ? 47
							 : 48);
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return OUTPUT_BITS;
}

static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting, (void)level;
	/* AttrIndx, SH, AF, nG. */
	return dice & (BITS(4, 2) | BITS(11, 8));
}

static unsigned support(const struct setting *setting, struct support *ret)
{
	return iommu_support(setting, ret, GUEST_RAM_ARM64, PGW_KERNEL_R | PGW_KERNEL_W);
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
	.qemu = { .emulator = "qemu-system-aarch64",
		  .board = "virt,iommu=smmuv3,highmem=off",
		  .cpu = "max",
		  .options = { "-global", "max-arm-cpu.start-powered-off=on" } },
	.bar_pa = 0x10000000,
	.config_pa = 0x3f000000,
	.no_dma_first = BIT(63), /* QEMU 7.2 does not take these for TTB1's (select_tt()) */
	.no_dma_last = UINT64_MAX,
	.attach = attach,
};

static const struct cpu modes[] = {
	{ "stage 1", PGW_CTL_MEMORY_TYPES, PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1 },
	{ NULL, 0, 0 },
};

const struct machine machine_smmuv3 = {
	.name = "smmuv3",
	.arch = "arm64",
	.emulator = "qemu-system-aarch64",
	.iommu = &iommu,
	.cpus = modes,
	.ram_pa = GUEST_RAM_ARM64,
	.table_rights = BITS(62, 59),
	.leaf_rights = BITS(7, 6) | BITS(54, 53),
	.leaf_needs = ARM64_AF,
	.run_bit = ARM64_CONT,
	.has_no_gva2gpa = true,
	.takes_malformed = true,
	.has_format = has_format,
	.pa_bits = pa_bits,
	.max_leaf_level = arm64_max_leaf_level,
	.attrs = attrs,
	.run_lg2 = arm64_run_lg2,
	.support = support,
	.outcome = outcome,
	.qemu_differs = qemu_differs,
};
