/* SPDX-License-Identifier: BSD-2-Clause */

/* Entered by QEMU at EL1, or EL2 where there is one, with the MMU off; and stays there. */

#define CURRENT_EL2 8
#define CPTR_EL2_RES1 0x33ff

#define SPSR_EL0 0x3c0 /* interrupts are off */
#define EC_SVC 0x15

	.section .text.start, "ax"
	.globl	_start
_start:
	adrp	x0, stack_end
	add	x0, x0, :lo12:stack_end
	mov	sp, x0
	mov	x0, #(3 << 20)		/* CPACR_EL1.FPEN: vector registers are for all */
	msr	cpacr_el1, x0
	adrp	x0, vectors
	add	x0, x0, :lo12:vectors
	mrs	x1, CurrentEL
	cmp	x1, #CURRENT_EL2
	b.eq	1f
	msr	vbar_el1, x0
	b	2f
1:	msr	vbar_el2, x0
	mov	x0, #CPTR_EL2_RES1	/* TFP is 0: here, too */
	msr	cptr_el2, x0
2:	isb
	bl	metal_main

	.text
	/* void machine_access(enum access, uint64_t va, uint64_t value, struct outcome *ret) */
	.globl	machine_access
machine_access:
	stp	x29, x30, [sp, #-32]!
	str	x3, [sp, #16]
	str	xzr, [x3]
	adrp	x4, access_stack
	add	x4, x4, :lo12:access_stack
	mov	x5, sp
	str	x5, [x4]
	cmp	w0, #1
	b.eq	1f
	b.hi	2f
	ldr	x2, [x1]
	b	3f
1:	str	x2, [x1]
	b	3f
2:	blr	x1
	ldr	x3, [sp, #16]
3:	str	x2, [x3, #24]
	adrp	x4, access_stack
	str	xzr, [x4, :lo12:access_stack]
	ldp	x29, x30, [sp], #32
	ret

	/*
	 * void machine_access_by_user(enum access, uint64_t va, uint64_t value, struct outcome *ret,
	 *			       uint64_t code, uint64_t stack)
	 */
	.globl	machine_access_by_user
machine_access_by_user:
	stp	x29, x30, [sp, #-32]!
	str	x3, [sp, #16]
	str	xzr, [x3]
	adrp	x6, access_stack
	mov	x7, sp
	str	x7, [x6, :lo12:access_stack]
	add	x4, x4, w0, uxtw #4	/* 16 bytes an access */
	msr	elr_el1, x4
	mov	x6, #SPSR_EL0
	msr	spsr_el1, x6
	msr	sp_el0, x5
	eret

	.balign	4096
	.globl	machine_user_code
machine_user_code:
	ldr	x2, [x1]
	svc	#0
	.balign	16
	str	x2, [x1]
	svc	#0
	.balign	16
	blr	x1
	svc	#0
	.balign	4096

	/* From EL0: that all is done, or a fault. */
user_trap:
	mrs	x0, esr_el1
	lsr	x0, x0, #26
	cmp	x0, #EC_SVC
	b.ne	fault
	adrp	x4, access_stack
	ldr	x5, [x4, :lo12:access_stack]
	mov	sp, x5
	ldr	x3, [sp, #16]
	b	3b

	/* Interrupts are off and nothing else goes on: back to who called machine_access(). */
fault:
	mrs	x0, CurrentEL
	cmp	x0, #CURRENT_EL2
	b.eq	4f
	mrs	x0, esr_el1
	mrs	x1, far_el1
	b	5f
4:	mrs	x0, esr_el2
	mrs	x1, far_el2
5:
	adrp	x4, access_stack
	add	x4, x4, :lo12:access_stack
	ldr	x5, [x4]
	cbz	x5, metal_unexpected
	mov	sp, x5
	ldr	x3, [sp, #16]
	mov	x5, #1
	stp	x5, x0, [x3]
	str	x1, [x3, #16]
	str	xzr, [x4]
	ldp	x29, x30, [sp], #32
	ret

	/* Synchronous exceptions of this level; of no other kind there are any. */
	.balign	2048
vectors:
	.org	vectors + 0x200
	b	fault
	.org	vectors + 0x400
	b	user_trap
	.org	vectors + 0x800

	.data
	.balign	8
access_stack:
	.quad	0

	.bss
	.balign	16
	.space	65536
stack_end:
