/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"

/* Privileged Architecture: "Supervisor-Level ISA", satp, sstatus, scause. */
#define SATP_SV48 (UINT64_C(9) << 60)
#define SSTATUS_SUM (UINT64_C(1) << 18)
#define SSTATUS_MXR (UINT64_C(1) << 19)
#define CAUSE_FETCH_PAGE_FAULT 12
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15

#define LEAF_A (UINT64_C(1) << 6)
#define LEAF_D (UINT64_C(1) << 7)

#define UART 0x10000000
#define TEST_DEVICE 0x100000
#define TEST_DEVICE_OFF 0x5555

static const struct device devices[] = { { UART, UART + 0xfff },
					 { TEST_DEVICE, TEST_DEVICE + 0xfff },
					 { .last = 0 } };

/* QEMU's plain rv64 has none of the extensions. */
const struct machine machine = {
	.format = "riscv-sv48",
	.control = { .known = PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT |
			      PGW_CTL_RISCV_SVRSW60T59B | PGW_CTL_RISCV_SSE },
	.memory_attrs = LEAF_A | LEAF_D,
	.device_attrs = LEAF_A | LEAF_D,
	.devices = devices,
	.ret = UINT64_C(0x0000806700008067),
};

void machine_put(char c)
{
	*(volatile uint8_t *)UART = (uint8_t)c;
}

_Noreturn void machine_off(void)
{
	for (;;)
		*(volatile uint32_t *)TEST_DEVICE = TEST_DEVICE_OFF;
}

/* One root has both regions. The library counts SUM and MXR as set. */
void machine_mmu_on(uint64_t user_root, uint64_t kernel_root)
{
	(void)kernel_root;
	__asm__ volatile("csrs sstatus, %0" : : "r"(SSTATUS_SUM | SSTATUS_MXR));
	__asm__ volatile("csrw satp, %0\n\tsfence.vma"
			 :
			 : "r"(SATP_SV48 | user_root >> 12)
			 : "memory");
}

void machine_flush(uint64_t first, uint64_t last)
{
	(void)first, (void)last;
	__asm__ volatile("sfence.vma" : : : "memory");
}

void machine_sync_code(void)
{
	__asm__ volatile("fence.i" : : : "memory");
}

uint64_t machine_code(uint64_t code)
{
	return code;
}

/* Holes and what is not allowed are the same fault, whoever it was. */
uint64_t machine_expected_code(enum access access, bool is_user, const struct pgw_translation *t)
{
	(void)is_user, (void)t;
	return access == ACCESS_READ    ? CAUSE_LOAD_PAGE_FAULT
	       : access == ACCESS_WRITE ? CAUSE_STORE_PAGE_FAULT
					: CAUSE_FETCH_PAGE_FAULT;
}
