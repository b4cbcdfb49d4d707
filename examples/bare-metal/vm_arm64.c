/* SPDX-License-Identifier: BSD-2-Clause */
#include "vm.h"

/* Arm ARM D19.2: HCR_EL2, VTCR_EL2, ESR_EL2, HPFAR_EL2; D8.3 for bits of descriptors. */
#define HCR_VM (UINT64_C(1) << 0)
#define HCR_DC (UINT64_C(1) << 12) /* memory is cached although stage 1 is off */
#define HCR_RW (UINT64_C(1) << 31)
#define VTCR_T0SZ (64 - UINT64_C(40))
#define VTCR_SL0_LEVEL_1 (UINT64_C(1) << 6)
#define VTCR_WALKS (UINT64_C(0x35) << 8) /* inner shareable, write-back */
#define VTCR_PS_40 (UINT64_C(2) << 16)
#define VTCR_RES1 (UINT64_C(1) << 31)
#define SCTLR_EL1_OFF UINT64_C(0x30d00800)

#define LEAF_MEMATTR_WRITE_BACK (UINT64_C(15) << 2)
#define LEAF_INNER_SHAREABLE (UINT64_C(3) << 8)
#define LEAF_AF (UINT64_C(1) << 10)

#define ESR_EC_SHIFT 26
#define ESR_WNR (UINT64_C(1) << 6)
#define EC_HVC 0x16
#define EC_FETCH 0x20
#define EC_DATA 0x24

enum { X0 = 0, LR = 30 };

static struct vcpu {
	uint64_t x[31];
	uint64_t pc;
	uint64_t host_sp; /* guest_arm64.S's */
} vcpu;

_Static_assert(offsetof(struct vcpu, pc) == ARM64_VCPU_PC &&
		       offsetof(struct vcpu, host_sp) == ARM64_VCPU_HOST_SP,
	       "guest_arm64.S knows them");

/* guest_arm64.S */
void guest_run(struct vcpu *vcpu);

/* The tables of a CPU that has neither FEAT_XNX nor FEAT_S2FWB. */
const char *const vm_format = "arm64-s2-4k-l1";
uint64_t (*const vm_load)(uint64_t gpa) = NULL;
const uint32_t vm_nr_root_items = 1024; /* 40 bits: two tables side by side */

struct pgw_control vm_control(void)
{
	return (struct pgw_control){
		.known = PGW_CTL_ARM64_HD | PGW_CTL_ARM64_FWB | PGW_CTL_ARM64_XNX, .pa_bits = 40
	};
}

uint64_t vm_memory_attrs(void)
{
	return LEAF_MEMATTR_WRITE_BACK | LEAF_INNER_SHAREABLE | LEAF_AF;
}

void vm_init(uint64_t root_pa)
{
	vcpu.pc = GUEST_CODE;
	__asm__ volatile("msr vttbr_el2, %0" : : "r"(root_pa));
	__asm__ volatile("msr vtcr_el2, %0"
			 :
			 : "r"(VTCR_T0SZ | VTCR_SL0_LEVEL_1 | VTCR_WALKS | VTCR_PS_40 | VTCR_RES1));
	__asm__ volatile("msr sctlr_el1, %0" : : "r"(SCTLR_EL1_OFF));
	__asm__ volatile("msr hcr_el2, %0\n\tisb" : : "r"(HCR_VM | HCR_DC | HCR_RW));
	vm_flush();
}

enum vm_exit vm_run(uint64_t *ret_gpa)
{
	uint64_t esr, far;

	guest_run(&vcpu);
	__asm__ volatile("mrs %0, esr_el2" : "=r"(esr));
	__asm__ volatile("mrs %0, far_el2" : "=r"(far));
	/* The guest's stage 1 is off. (HPFAR_EL2 says nothing of what stage 2 does not permit.) */
	*ret_gpa = far;
	switch (esr >> ESR_EC_SHIFT) {
	case EC_HVC:
		return VM_CALL;
	case EC_FETCH:
		return VM_FETCH;
	case EC_DATA:
		return esr & ESR_WNR ? VM_STORE : VM_LOAD;
	default:
		return VM_OTHER;
	}
}

/* The guest is behind its HVC already. */
unsigned vm_call(void)
{
	return (unsigned)vcpu.x[X0];
}

char vm_stored_byte(void)
{
	vcpu.pc += 4;
	return (char)vcpu.x[X0];
}

void vm_return(void)
{
	vcpu.pc = vcpu.x[LR];
}

/* D8.16: what was stored is seen by the walker, then both stages of this guest are forgotten. */
void vm_flush(void)
{
	__asm__ volatile("dsb ishst\n\ttlbi vmalls12e1is\n\tdsb ish\n\tisb" : : : "memory");
}
