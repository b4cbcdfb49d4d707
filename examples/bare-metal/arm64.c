/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"

/* Arm ARM D19.2: TCR_EL1, MAIR_EL1, SCTLR_EL1, ESR_EL1; D8.3 for bits of descriptors. */
#define TCR_T0SZ UINT64_C(16) /* 48 bits of address, as the format has */
#define TCR_T1SZ (UINT64_C(16) << 16)
#define TCR_TG0_4K UINT64_C(0)
#define TCR_TG1_4K (UINT64_C(2) << 30)
#define TCR_WALKS (UINT64_C(0x35) << 8) /* inner shareable, write-back; << 16 for TTBR1 */
#define TCR_IPS_40 (UINT64_C(2) << 32)
#define MAIR UINT64_C(0x00ff) /* 0: write-back memory, 1: device-nGnRnE */
#define SCTLR_M (UINT64_C(1) << 0)
#define SCTLR_C (UINT64_C(1) << 2)
#define SCTLR_I (UINT64_C(1) << 12)
#define SCTLR_SPAN (UINT64_C(1) << 23)

#define LEAF_AF (UINT64_C(1) << 10)
#define LEAF_INNER_SHAREABLE (UINT64_C(3) << 8)
#define LEAF_ATTRINDX_1 (UINT64_C(1) << 2)

#define ESR_EC (UINT64_C(0x3f) << 26)
#define ESR_WNR (UINT64_C(1) << 6)
#define ESR_FSC UINT64_C(0x3f)
#define EC_FETCH (UINT64_C(0x20) << 26) /* an abort from EL0 */
#define EC_DATA (UINT64_C(0x24) << 26)
#define EC_SAME (UINT64_C(1) << 26) /* ... or, with this, from EL1 itself */
#define FSC_TRANSLATION 0x04
#define FSC_PERMISSION 0x0c

#define UART 0x09000000
#define PSCI_SYSTEM_OFF 0x84000008
#define CURRENT_EL2 8 /* who is at EL2 asks EL3, others ask EL2 */

static const struct device devices[] = { { UART, UART + 0xfff }, { .last = 0 } };

const struct machine machine = {
	.format = "arm64-4k-48",
	.control = { .known = PGW_CTL_ARM64_WXN | PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1 |
			      PGW_CTL_ARM64_HD,
		     .pa_bits = 40 },
	.memory_attrs = LEAF_AF | LEAF_INNER_SHAREABLE,
	.device_attrs = LEAF_AF | LEAF_ATTRINDX_1,
	.devices = devices,
	.ret = UINT64_C(0xd65f03c0d65f03c0),
};

void machine_put(char c)
{
	*(volatile uint32_t *)UART = (uint8_t)c;
}

_Noreturn void machine_off(void)
{
	register uint64_t function __asm__("x0") = PSCI_SYSTEM_OFF;
	uint64_t level;

	__asm__ volatile("mrs %0, CurrentEL" : "=r"(level));
	for (;;) {
		if (level == CURRENT_EL2)
			__asm__ volatile("smc #0" : : "r"(function));
		else
			__asm__ volatile("hvc #0" : : "r"(function));
	}
}

void machine_mmu_on(uint64_t user_root, uint64_t kernel_root)
{
	uint64_t sctlr;

	__asm__ volatile("msr mair_el1, %0" : : "r"(MAIR));
	__asm__ volatile("msr tcr_el1, %0"
			 :
			 : "r"(TCR_T0SZ | TCR_T1SZ | TCR_TG0_4K | TCR_TG1_4K | TCR_WALKS |
			       TCR_WALKS << 16 | TCR_IPS_40));
	__asm__ volatile("msr ttbr0_el1, %0" : : "r"(user_root));
	__asm__ volatile("msr ttbr1_el1, %0" : : "r"(kernel_root));
	__asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" : : : "memory");
	__asm__ volatile("mrs %0, sctlr_el1" : "=r"(sctlr));
	sctlr |= SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SPAN;
	__asm__ volatile("msr sctlr_el1, %0\n\tisb" : : "r"(sctlr) : "memory");
}

/* D8.16: what was stored is seen by the walker, then all is forgotten. */
void machine_flush(uint64_t first, uint64_t last)
{
	(void)first, (void)last;
	__asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" : : : "memory");
}

void machine_sync_code(void)
{
	__asm__ volatile("dsb ish\n\tic ialluis\n\tdsb ish\n\tisb" : : : "memory");
}

uint64_t machine_code(uint64_t code)
{
	return code & (ESR_EC | ESR_WNR | ESR_FSC);
}

/* The status has the level, which Arm counts from the root: the leaves' is 3. */
uint64_t machine_expected_code(enum access access, bool is_user, const struct pgw_translation *t)
{
	return (access == ACCESS_EXECUTE ? EC_FETCH : EC_DATA) | (is_user ? 0 : EC_SAME) |
	       (access == ACCESS_WRITE ? ESR_WNR : 0) | (3u - t->level) |
	       (t->kind == PGW_ENTRY_LEAF ? FSC_PERMISSION : FSC_TRANSLATION);
}
