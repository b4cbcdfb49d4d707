/* SPDX-License-Identifier: BSD-2-Clause */
#include "vm.h"

/*
 * Privileged Architecture, "H" Extension: hgatp, htval, hstatus, "Hypervisor Memory-Management Fence",
 * "Hypervisor Virtual-Machine Load and Store Instructions".
 */
#define HGATP_SV39X4 (UINT64_C(8) << 60)
#define HSTATUS_SPVP (UINT64_C(1) << 8) /* what is read for a guest is read as its VS-mode may */
#define CAUSE_ECALL_FROM_VS 10
#define CAUSE_GUEST_FETCH 20
#define CAUSE_GUEST_LOAD 21
#define CAUSE_GUEST_STORE 23

enum { RA = 1, A0 = 10, A7 = 17 };

static struct vcpu {
	uint64_t x[32];
	uint64_t pc;
	uint64_t host_sp; /* guest_riscv64.S's */
} vcpu;

_Static_assert(offsetof(struct vcpu, pc) == RISCV64_VCPU_PC &&
		       offsetof(struct vcpu, host_sp) == RISCV64_VCPU_HOST_SP,
	       "guest_riscv64.S knows them");

/* guest_riscv64.S */
void guest_run(struct vcpu *vcpu);

const char *const vm_format = "riscv-sv39x4";
const uint32_t vm_nr_root_items = 0;

struct pgw_control vm_control(void)
{
	return machine.control;
}

uint64_t vm_memory_attrs(void)
{
	return machine.memory_attrs;
}

/* HLV.D; the guest's own translation is off. */
static uint64_t load(uint64_t gpa)
{
	uint64_t ret;

	__asm__ volatile("csrs 0x600, %0" : : "r"(HSTATUS_SPVP)); /* hstatus */
	__asm__ volatile(".insn r 0x73, 4, 0x36, %0, %1, x0" : "=r"(ret) : "r"(gpa) : "memory");
	return ret;
}

uint64_t (*const vm_load)(uint64_t gpa) = load;

void vm_init(uint64_t root_pa)
{
	vcpu.pc = GUEST_CODE;
	__asm__ volatile("csrw 0x680, %0" : : "r"(HGATP_SV39X4 | root_pa >> 12)); /* hgatp */
	vm_flush();
}

enum vm_exit vm_run(uint64_t *ret_gpa)
{
	uint64_t cause, htval, stval;

	guest_run(&vcpu);
	__asm__ volatile("csrr %0, scause" : "=r"(cause));
	__asm__ volatile("csrr %0, 0x643" : "=r"(htval)); /* htval: the address, two bits down */
	__asm__ volatile("csrr %0, stval" : "=r"(stval));
	*ret_gpa = htval << 2 | (stval & 3);
	return cause == CAUSE_ECALL_FROM_VS ? VM_CALL
	       : cause == CAUSE_GUEST_LOAD  ? VM_LOAD
	       : cause == CAUSE_GUEST_STORE ? VM_STORE
	       : cause == CAUSE_GUEST_FETCH ? VM_FETCH
					    : VM_OTHER;
}

/* Of the guest all instructions have four bytes. */
unsigned vm_call(void)
{
	vcpu.pc += 4;
	return (unsigned)vcpu.x[A7];
}

char vm_stored_byte(void)
{
	vcpu.pc += 4;
	return (char)vcpu.x[A0];
}

void vm_return(void)
{
	vcpu.pc = vcpu.x[RA];
}

/* HFENCE.GVMA, of all guests. */
void vm_flush(void)
{
	__asm__ volatile(".4byte 0x62000073" : : : "memory");
}
