/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"

/* SDM vol. 3A: 2.5 (CR3, CR4), 4.7 (the error code of page faults). */
#define CR4_SMEP (UINT64_C(1) << 20)
#define ERROR_P 1
#define ERROR_W 2
#define ERROR_U 4
#define ERROR_I 16
#define COM1 0x3f8
#define KEYBOARD 0x64

static const struct device no_devices[] = { { .last = 0 } };

const struct machine machine = {
	.format = "x86_64-la48",
	.control = { .known = PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP,
		     .set = PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP },
	.devices = no_devices,
	.ret = UINT64_C(0xc3c3c3c3c3c3c3c3),
};

static void out(uint16_t port, uint8_t byte)
{
	__asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

void machine_put(char c)
{
	out(COM1, (uint8_t)c);
}

_Noreturn void machine_off(void)
{
	for (;;)
		out(KEYBOARD, 0xfe); /* reset, which ends QEMU with -no-reboot */
}

/* One root has both regions. */
void machine_mmu_on(uint64_t user_root, uint64_t kernel_root)
{
	uint64_t cr4;

	(void)kernel_root;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr3" : : "r"(user_root) : "memory");
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_SMEP) : "memory");
}

/* 4.10.4: INVLPG also forgets all that is known of tables. */
void machine_flush(uint64_t first, uint64_t last)
{
	uint64_t cr3;

	if (last - first < 4096) {
		__asm__ volatile("invlpg (%0)" : : "r"(first) : "memory");
		return;
	}
	__asm__ volatile("mov %%cr3, %0\n\tmov %0, %%cr3" : "=&r"(cr3) : : "memory");
}

void machine_sync_code(void)
{
}

uint64_t machine_code(uint64_t code)
{
	return code;
}

uint64_t machine_expected_code(enum access access, bool is_user, const struct pgw_translation *t)
{
	return (t->kind == PGW_ENTRY_LEAF ? ERROR_P : 0u) | (is_user ? ERROR_U : 0u) |
	       (access == ACCESS_WRITE ? ERROR_W : 0u) | (access == ACCESS_EXECUTE ? ERROR_I : 0u);
}
