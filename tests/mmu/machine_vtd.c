/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/iommu.h"

#include "base/bits.h"

/*
 * Intel's VT-d, legacy mode. Source: Intel Virtualization Technology for Directed I/O, Architecture
 * Specification, 9.1 "Root Entry", 9.3 "Context Entry", 11.4 "Register Descriptions".
 */

#define VTD_BASE 0xfed90000u
#define VTD_GCMD 0x18
#define VTD_GCMD_TE 0x80000000u
#define VTD_GCMD_SRTP 0x40000000u
#define VTD_RTADDR 0x20

#define ROOT_TABLE GUEST_STUB
#define CONTEXT_TABLE (GUEST_STUB + 0x1000)
#define DOMAIN_ID 2
#define HOST_ADDRESS_BITS 48 /* aw-bits of the machine */

/* What the emulated hardware lacks, it takes for reserved: SNP, TM. */
#define QEMU_RESERVED (BIT(11) | BIT(62))

static void attach(struct qemu *qemu, const struct setting *setting,
		   const uint64_t root[_PGW_REGION_MAX])
{
	uint64_t width = pgw_format_geometry(setting->format)->top_level - 1u; /* AW */

	iommu_put(qemu, ROOT_TABLE, CONTEXT_TABLE | 1);
	iommu_put(qemu, ROOT_TABLE + 8, 0);
	for (unsigned device = IOMMU_DEVICE_FIRST; device <= IOMMU_DEVICE_LAST; device++) {
		uint64_t entry = CONTEXT_TABLE + (device << 3) * 16;

		iommu_put(qemu, entry, root[PGW_REGION_FOREIGN] | 1);
		iommu_put(qemu, entry + 8, width | DOMAIN_ID << 8);
	}
	qtest_send(qemu, "writeq 0x%x 0x%x", VTD_BASE + VTD_RTADDR, ROOT_TABLE);
	qtest_send(qemu, "writel 0x%x 0x%x", VTD_BASE + VTD_GCMD, VTD_GCMD_SRTP);
	qtest_send(qemu, "writel 0x%x 0x%x", VTD_BASE + VTD_GCMD, VTD_GCMD_TE);
}

static bool has_format(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->va_bits <= HOST_ADDRESS_BITS;
}

static uint8_t pa_bits(const struct pgw_format *format, uint64_t dice)
{
	(void)format, (void)dice;
	return HOST_ADDRESS_BITS;
}

/* A and D, which are ignored. */
static uint64_t attrs(const struct setting *setting, unsigned level, uint64_t dice)
{
	(void)setting, (void)level;
	return dice & (BIT(8) | BIT(9));
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
	(void)t, (void)op;
	for (unsigned i = 0; i < setting->path->nr_steps; i++) {
		if (setting->path->step[i].entry & QEMU_RESERVED)
			return true;
	}
	return false;
}

static const struct iommu iommu = {
	.qemu = { .emulator = "qemu-system-x86_64",
		  .board = "q35",
		  .cpu = "max",
		  .halt = "\xf4\xeb\xfd", /* hlt; jmp back to it */
		  .options = { "-device", "intel-iommu,aw-bits=48" } },
	.bar_pa = 0xe0000000,
	.no_dma_first = 0xfee00000, /* 3.15: interrupts */
	.no_dma_last = 0xfeefffff,
	.attach = attach,
};

static const struct cpu modes[] = { { "legacy mode", 0, 0 }, { NULL, 0, 0 } };

const struct machine machine_vtd = {
	.arch = "vtd-second",
	.emulator = "qemu-system-x86_64",
	.iommu = &iommu,
	.cpus = modes,
	.table_rights = BITS(1, 0),
	.leaf_rights = BITS(1, 0),
	.has_no_gva2gpa = true,
	.has_format = has_format,
	.pa_bits = pa_bits,
	.max_leaf_level = max_leaf_level,
	.attrs = attrs,
	.run_lg2 = run_lg2,
	.support = support,
	.outcome = outcome,
	.qemu_differs = qemu_differs,
};
