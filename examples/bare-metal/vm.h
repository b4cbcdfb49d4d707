/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BARE_METAL_VM_H
#define BARE_METAL_VM_H

/* What the hypervisor knows of the machine: one virtual machine, with one CPU and one device. */

#include "guest.h"
#include "machine.h"

/** Why a guest was left. */
enum vm_exit {
	VM_CALL, /* it asks for something: vm_call() */
	VM_LOAD, /* these three: what the second stage does not allow, */
	VM_STORE,
	VM_FETCH,
	VM_OTHER,
};

/** Its second stage is in tables of this format. */
extern const char *const vm_format;
/** Of its root, if that is not the format's: struct pgw_mm_new_args. */
extern const uint32_t vm_nr_root_items;
/** What the CPU was told of the second stage, and of leaves of memory the bits beside their rights. */
struct pgw_control vm_control(void);
uint64_t vm_memory_attrs(void);
/** The guest's first page, which is to be at GUEST_CODE. */
extern unsigned char guest_code[];

/** The guest is to start at GUEST_CODE, by the tables with this root. */
void vm_init(uint64_t root_pa);
/** Until it is left. @param ret_gpa of a load, store or fetch: the address */
enum vm_exit vm_run(uint64_t *ret_gpa);
/** What it asks for, of guest.h; it goes on after that. */
unsigned vm_call(void);
/** What the device gets; the guest goes on after the store. */
char vm_stored_byte(void);
/** The guest goes back from where it cannot be. */
void vm_return(void);
/**
 * What the CPU itself reads at an address of the guest's, by its second stage; there 8 bytes can be read.
 * NULL: it has no instruction for that.
 */
extern uint64_t (*const vm_load)(uint64_t gpa);
/** Forget what is known of the guest's second stage. */
void vm_flush(void);

#endif
