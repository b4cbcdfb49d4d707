/* SPDX-License-Identifier: BSD-2-Clause */

/* Entered by QEMU at EL1, with the MMU off. */

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
	msr	vbar_el1, x0
	isb
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

	/* Interrupts are off and nothing else goes on: back to who called machine_access(). */
fault:
	mrs	x0, esr_el1
	mrs	x1, far_el1
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
	.org	vectors + 0x800

	.data
	.balign	8
access_stack:
	.quad	0

	.bss
	.balign	16
	.space	65536
stack_end:
