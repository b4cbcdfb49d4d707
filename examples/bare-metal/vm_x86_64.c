/* SPDX-License-Identifier: BSD-2-Clause */
#include "vm.h"

/*
 * AMD's SVM. APM vol. 2: 15.5 "VMRUN", 15.25 "Nested Paging", appendix B "Layout of VMCB", appendix C
 * "SVM Intercept Exit Codes". The guest is 32-bit code, its own paging off.
 */
#define MSR_EFER 0xc0000080
#define MSR_VM_HSAVE_PA 0xc0010117
#define EFER_SVME (UINT64_C(1) << 12)

#define INTERCEPT_VMRUN (1u << 0)
#define INTERCEPT_VMMCALL (1u << 1)
#define INTERCEPT_SHUTDOWN (1u << 31)
#define TLB_CONTROL_FLUSH_ALL 1
#define NP_ENABLE 1
#define EXIT_VMMCALL 0x81
#define EXIT_NPF 0x400
#define NPF_WRITE (1u << 1)
#define NPF_FETCH (1u << 4)

#define CR0_PE 1
#define CR0_ET 16
#define CODE_32 0x0c9b /* the attributes of a descriptor: 4 GiB, present, accessed */
#define DATA_32 0x0c93
#define RFLAGS_1 2

struct segment {
	uint16_t selector, attributes;
	uint32_t limit;
	uint64_t base;
};

/* What is not named is not needed here. */
struct vmcb {
	uint32_t unnamed_000[3];
	uint32_t intercepts_3, intercepts_4;
	uint32_t unnamed_014[17];
	uint32_t asid;
	uint8_t tlb_control, unnamed_05d[19];
	uint64_t exit_code, exit_info_1, exit_info_2;
	uint64_t unnamed_088;
	uint64_t np_enable;
	uint64_t unnamed_098[3];
	uint64_t n_cr3;
	uint64_t unnamed_0b8[105];
	struct segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint64_t unnamed_4a0[6];
	uint64_t efer;
	uint64_t unnamed_4d8[16];
	uint64_t cr0;
	uint64_t unnamed_560[2];
	uint64_t rflags, rip;
	uint64_t unnamed_580[11];
	uint64_t rsp;
	uint64_t unnamed_5e0[3];
	uint64_t rax;
	uint64_t unnamed_600[320];
};

_Static_assert(offsetof(struct vmcb, intercepts_3) == 0xc && offsetof(struct vmcb, asid) == 0x58 &&
		       offsetof(struct vmcb, exit_code) == 0x70 &&
		       offsetof(struct vmcb, np_enable) == 0x90 &&
		       offsetof(struct vmcb, n_cr3) == 0xb0 && offsetof(struct vmcb, es) == 0x400 &&
		       offsetof(struct vmcb, efer) == 0x4d0 &&
		       offsetof(struct vmcb, cr0) == 0x558 &&
		       offsetof(struct vmcb, rflags) == 0x570 &&
		       offsetof(struct vmcb, rsp) == 0x5d8 && offsetof(struct vmcb, rax) == 0x5f8 &&
		       sizeof(struct vmcb) == 4096,
	       "the manual's offsets");

/* What the VMCB does not keep of what the guest uses. */
static struct vcpu {
	uint64_t rbx, rcx, rdx, rsi;
} vcpu;

_Static_assert(offsetof(struct vcpu, rbx) == X86_64_VCPU_RBX &&
		       offsetof(struct vcpu, rcx) == X86_64_VCPU_RCX &&
		       offsetof(struct vcpu, rdx) == X86_64_VCPU_RDX &&
		       offsetof(struct vcpu, rsi) == X86_64_VCPU_RSI,
	       "guest_x86_64.S knows them");

/* guest_x86_64.S */
void guest_run(struct vmcb *vmcb, struct vcpu *vcpu);

static struct vmcb vmcb __attribute__((aligned(4096)));
static unsigned char host_save_area[4096] __attribute__((aligned(4096)));

const char *const vm_format = "npt-48";
uint64_t (*const vm_load)(uint64_t gpa) = NULL;
const uint32_t vm_nr_root_items = 0;

struct pgw_control vm_control(void)
{
	return machine.control;
}

uint64_t vm_memory_attrs(void)
{
	return machine.memory_attrs;
}

static uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static void write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

void vm_init(uint64_t root_pa)
{
	const struct segment data = { .selector = 0x10,
				      .attributes = DATA_32,
				      .limit = UINT32_MAX };

	write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
	write_msr(MSR_VM_HSAVE_PA, (uintptr_t)host_save_area);
	vmcb.intercepts_3 = INTERCEPT_SHUTDOWN;
	vmcb.intercepts_4 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
	vmcb.asid = 1;
	vmcb.np_enable = NP_ENABLE;
	vmcb.n_cr3 = root_pa;
	vmcb.es = vmcb.ss = vmcb.ds = vmcb.fs = vmcb.gs = data;
	vmcb.cs = data;
	vmcb.cs.attributes = CODE_32;
	vmcb.efer = EFER_SVME;
	vmcb.cr0 = CR0_PE | CR0_ET;
	vmcb.rflags = RFLAGS_1;
	vmcb.rip = GUEST_CODE;
	vm_flush();
}

enum vm_exit vm_run(uint64_t *ret_gpa)
{
	guest_run(&vmcb, &vcpu);
	vmcb.tlb_control = 0;
	*ret_gpa = vmcb.exit_info_2;
	if (vmcb.exit_code == EXIT_VMMCALL)
		return VM_CALL;
	if (vmcb.exit_code != EXIT_NPF)
		return VM_OTHER;
	return vmcb.exit_info_1 & NPF_FETCH   ? VM_FETCH
	       : vmcb.exit_info_1 & NPF_WRITE ? VM_STORE
					      : VM_LOAD;
}

unsigned vm_call(void)
{
	vmcb.rip += 3; /* VMMCALL */
	return (unsigned)vmcb.rax;
}

char vm_stored_byte(void)
{
	vmcb.rip += 2; /* MOV of AL to what RBX points to */
	return (char)vmcb.rax;
}

void vm_return(void)
{
	vmcb.rip = vcpu.rdx;
}

void vm_flush(void)
{
	vmcb.tlb_control = TLB_CONTROL_FLUSH_ALL; /* when it is entered next */
}
