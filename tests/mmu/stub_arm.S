/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Starts in SVC mode with the MMU off; loads the control registers from the parameter page, runs
 * the commands in SVC mode, user loads and stores by ldrt and strt, and waits for ever. See guest.h.
 */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define MODE_SVC 0x13
#define PSR_SVC 0x1d3 /* exceptions masked */
#define PSR_USR 0x1d0

	.arch	armv7-a
	.arm
	.text
	.globl _start
_start:
	ldr	r8, =(GUEST_RAM_ARM + GUEST_PARAMS)
	ldr	r9, =(GUEST_RAM_ARM + GUEST_COMMANDS)
	ldr	r0, [r8, #REG(ARM_REG_TTBCR)]
	mcr	p15, 0, r0, c2, c0, 2
	ldrd	r0, r1, [r8, #REG(ARM_REG_TTBR0)]
	mcrr	p15, 0, r0, r1, c2
	ldrd	r0, r1, [r8, #REG(ARM_REG_TTBR1)]
	mcrr	p15, 1, r0, r1, c2
	ldr	r0, [r8, #REG(ARM_REG_DACR)]
	mcr	p15, 0, r0, c3, c0, 0
	ldrd	r0, r1, [r8, #REG(ARM_REG_MAIR)]
	mcr	p15, 0, r0, c10, c2, 0
	mcr	p15, 0, r1, c10, c2, 1
	adr	r0, vectors
	mcr	p15, 0, r0, c12, c0, 0		/* VBAR */
	mov	r0, #0
	mcr	p15, 0, r0, c8, c7, 0		/* TLBIALL */
	dsb
	isb
	ldr	r0, [r8, #REG(ARM_REG_SCTLR)]
	mcr	p15, 0, r0, c1, c0, 0
	isb

next:
	ldr	r0, [r8, #PARAM_END]
	cmp	r9, r0
	beq	finished
	ldr	r0, [r9, #COMMAND_VA]
	ldr	r1, [r9, #COMMAND_OP]
	ldrd	r2, r3, [r9, #COMMAND_VALUE]
	add	pc, pc, r1, lsl #4		/* 16 bytes an operation */
	nop
	ldr	r2, [r0]			/* OP_LOAD */
	ldr	r3, [r0, #4]
	b	completed
	nop
	str	r2, [r0]			/* OP_STORE */
	str	r3, [r0, #4]
	b	completed
	nop
	mov	r4, #(PSR_SVC & 0xff)		/* OP_EXEC */
	b	enter
	nop
	nop
	nop
	nop
	nop
	nop
	ldrt	r2, [r0], #4			/* the same with OP_USER */
	ldrt	r3, [r0]
	b	completed
	nop
	strt	r2, [r0], #4
	strt	r3, [r0]
	b	completed
	nop
	mov	r4, #(PSR_USR & 0xff)
enter:
	msr	spsr_cxsf, r4
	mov	lr, r0
	movs	pc, lr

trapped:
	mov	r4, #ARM_TRAP
	mov	r5, #0
	b	record
fetch_fault:
	cps	#MODE_SVC
	mrc	p15, 0, r4, c5, c0, 1		/* IFSR */
	mrc	p15, 0, r2, c6, c0, 2		/* IFAR */
	orr	r4, r4, #ARM_FETCH_FAULT
	b	fault
data_fault:
	cps	#MODE_SVC
	mrc	p15, 0, r4, c5, c0, 0		/* DFSR */
	mrc	p15, 0, r2, c6, c0, 0		/* DFAR */
	orr	r4, r4, #ARM_DATA_FAULT
fault:
	mov	r3, #0
	b	record
completed:
	mov	r4, #0
record:
	mov	r5, #0
	strd	r2, r3, [r9, #COMMAND_VALUE]
	strd	r4, r5, [r9, #COMMAND_FAULT]
	add	r9, r9, #COMMAND_SIZE
	b	next

finished:
	mov	r0, #1
	str	r0, [r8, #PARAM_DONE]
1:	wfi
	b	1b

	.ltorg
	.balign	32
vectors:
	b	.			/* reset */
	b	.			/* undefined instruction */
	b	trapped
	b	fetch_fault
	b	data_fault
