/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Starts at EL2 with the MMU off; loads the registers of stage 2 from the
 * parameter page, runs the commands as a guest at EL1, with OP_USER at EL0, without
 * stage 1, and waits for ever. See guest.h.
 */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define SPSR_EL1H 0x3c5 /* exceptions masked */
#define SPSR_EL0T 0x3c0
#define MDCR_TDE (1 << 8) /* a breakpoint instruction leaves the guest */
#define EC_BRK 0x3c

	.text
	.globl _start
_start:
	movz	x19, #((GUEST_RAM_ARM64 + GUEST_PARAMS) >> 16), lsl #16
	movz	x20, #((GUEST_RAM_ARM64 + GUEST_COMMANDS) >> 16), lsl #16
	ldr	x0, [x19, #REG(ARM64_S2_REG_VTTBR)]
	msr	vttbr_el2, x0
	ldr	x0, [x19, #REG(ARM64_S2_REG_VTCR)]
	msr	vtcr_el2, x0
	ldr	x0, [x19, #REG(ARM64_S2_REG_HCR)]
	msr	hcr_el2, x0
	mov	x0, #MDCR_TDE
	msr	mdcr_el2, x0
	movz	x0, #0x30d0, lsl #16	/* RES1: stage 1 is off */
	movk	x0, #0x0800
	msr	sctlr_el1, x0
	adr	x0, vectors
	msr	vbar_el2, x0
	isb
	tlbi	alle1
	dsb	sy
	isb

next:
	ldr	x0, [x19, #PARAM_END]
	cmp	x20, x0
	b.eq	finished
	ldp	x0, x1, [x20, #COMMAND_VA]
	ldr	x2, [x20, #COMMAND_VALUE]
	mov	x3, #SPSR_EL1H
	mov	x4, #SPSR_EL0T
	tst	x1, #OP_USER
	csel	x3, x3, x4, eq
	msr	spsr_el2, x3
	and	x3, x1, #3
	adr	x4, guest_load
	adr	x5, guest_store
	cmp	x3, #OP_STORE
	csel	x4, x5, x4, eq
	cmp	x3, #OP_EXEC
	csel	x4, x0, x4, eq
	msr	elr_el2, x4
	eret

	/* The guest's: it has these registers. */
guest_load:
	ldr	x2, [x0]
	brk	#0
guest_store:
	str	x2, [x0]
	brk	#0

left:
	mrs	x3, esr_el2
	lsr	x4, x3, #26
	cmp	x4, #EC_BRK
	b.ne	fault
	tst	x1, #OP_EXEC
	csel	x3, xzr, x3, eq
	b	record
fault:
	mrs	x2, far_el2
record:
	stp	x2, x3, [x20, #COMMAND_VALUE]
	add	x20, x20, #COMMAND_SIZE
	b	next

finished:
	mov	x0, #1
	str	x0, [x19, #PARAM_DONE]
1:	wfi
	b	1b

	/* Synchronous exceptions of the levels below. */
	.balign	2048
vectors:
	.org	vectors + 0x400
	b	left
