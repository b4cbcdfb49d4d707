/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Starts at EL1 with the MMU off; loads the control registers from the
 * parameter page, runs the commands at EL1, user loads and stores by ldtr and
 * sttr, and waits for ever. See guest.h.
 */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define SPSR_EL1H 0x3c5 /* exceptions masked */
#define SPSR_EL0T 0x3c0

	.text
	.globl _start
_start:
	movz	x19, #((GUEST_RAM_ARM64 + GUEST_PARAMS) >> 16), lsl #16
	movz	x20, #((GUEST_RAM_ARM64 + GUEST_COMMANDS) >> 16), lsl #16
	ldr	x0, [x19, #REG(ARM64_REG_TTBR0)]
	msr	ttbr0_el1, x0
	ldr	x0, [x19, #REG(ARM64_REG_TTBR1)]
	msr	ttbr1_el1, x0
	ldr	x0, [x19, #REG(ARM64_REG_TCR)]
	msr	tcr_el1, x0
	ldr	x0, [x19, #REG(ARM64_REG_MAIR)]
	msr	mair_el1, x0
	adr	x0, vectors
	msr	vbar_el1, x0
	tlbi	vmalle1
	dsb	sy
	isb
	ldr	x0, [x19, #REG(ARM64_REG_SCTLR)]
	msr	sctlr_el1, x0
	isb

next:
	ldr	x0, [x19, #PARAM_END]
	cmp	x20, x0
	b.eq	finished
	ldp	x0, x1, [x20, #COMMAND_VA]
	ldr	x2, [x20, #COMMAND_VALUE]
	adr	x3, ops
	add	x3, x3, x1, lsl #3
	br	x3
ops:
	ldr	x2, [x0]	/* OP_LOAD */
	b	completed
	str	x2, [x0]	/* OP_STORE */
	b	completed
	mov	x3, #SPSR_EL1H	/* OP_EXEC */
	b	enter
	.space	8
	ldtr	x2, [x0]	/* the same with OP_USER */
	b	completed
	sttr	x2, [x0]
	b	completed
	mov	x3, #SPSR_EL0T
enter:
	msr	spsr_el1, x3
	msr	elr_el1, x0
	eret

fault:
	mrs	x3, esr_el1
	mrs	x2, far_el1
	b	record
completed:
	mov	x3, #0
record:
	stp	x2, x3, [x20, #COMMAND_VALUE]
	add	x20, x20, #COMMAND_SIZE
	b	next

finished:
	mov	x0, #1
	str	x0, [x19, #PARAM_DONE]
1:	wfi
	b	1b

	/* Synchronous exceptions of this level and of EL0. */
	.balign	2048
vectors:
	.org	vectors + 0x200
	b	fault
	.org	vectors + 0x400
	b	fault
