/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The guest, at EL1, its own translation off, and how to get there and back.
 */

#include "guest.h"

#define SPSR_EL1H 0x3c5 /* exceptions masked */

	/* void guest_run(struct vcpu *vcpu), until it is left */
	.text
	.globl	guest_run
guest_run:
	stp	x29, x30, [sp, #-112]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	mrs	x1, vbar_el2
	str	x1, [sp, #96]
	mov	x1, sp
	str	x1, [x0, #ARM64_VCPU_HOST_SP]
	msr	tpidr_el2, x0
	adrp	x1, guest_vectors
	add	x1, x1, :lo12:guest_vectors
	msr	vbar_el2, x1
	ldr	x1, [x0, #ARM64_VCPU_PC]
	msr	elr_el2, x1
	mov	x1, #SPSR_EL1H
	msr	spsr_el2, x1
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	ldr	x\n, [x0, #8 * \n]
	.endr
	ldp	x0, x1, [x0]
	eret

guest_left:
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_el2
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	str	x\n, [x0, #8 * \n]
	.endr
	ldp	x1, x2, [sp], #16
	stp	x1, x2, [x0]
	mrs	x1, elr_el2
	str	x1, [x0, #ARM64_VCPU_PC]
	ldr	x1, [x0, #ARM64_VCPU_HOST_SP]
	mov	sp, x1
	ldr	x1, [sp, #96]
	msr	vbar_el2, x1
	isb
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #112
	ret

	/* Synchronous exceptions of the level below; of no other kind there are any. */
	.balign	2048
guest_vectors:
	.org	guest_vectors + 0x400
	b	guest_left
	.org	guest_vectors + 0x800

	/* The guest's first page. */
	.balign	4096
	.globl	guest_code
guest_code:
	adr	x2, hello
	movz	x1, #(GUEST_UART >> 16), lsl #16
1:	ldrb	w0, [x2], #1
	cbz	w0, 2f
	strb	w0, [x1]
	b	1b

	/* Each page of RAM gets its own address. */
2:	movz	x2, #(GUEST_RAM >> 16), lsl #16
	add	x3, x2, #(GUEST_RAM_PAGES * 4096)
3:	str	x2, [x2]
	add	x2, x2, #4096
	cmp	x2, x3
	b.lo	3b

	mov	x0, #CALL_LOG
	hvc	#0
	movz	x2, #(GUEST_RAM >> 16), lsl #16
	add	x2, x2, #(3 * 4096)
	str	x2, [x2, #8]
	str	x2, [x2, #16]
	movz	x2, #(GUEST_BLOCK >> 16), lsl #16
	add	x2, x2, #(5 * 4096)
	ldr	x3, [x2]
	str	x2, [x2, #8]
	mov	x0, #CALL_LOGGED
	hvc	#0

	movz	x2, #(GUEST_RAM >> 16), lsl #16
	blr	x2			/* data */
	mov	x0, #CALL_END
	hvc	#0

hello:	.asciz	"guest: hello\n"
	.balign	4096
