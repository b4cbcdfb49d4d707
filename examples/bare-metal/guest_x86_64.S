/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The guest, 32-bit code, its own paging off, and how to get there and back.
 */

#include "guest.h"

	/* void guest_run(struct vmcb *vmcb, struct vcpu *vcpu), until it is left */
	.text
	.globl	guest_run
guest_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	mov	%rdi, %rax
	mov	X86_64_VCPU_RBX(%rsi), %rbx
	mov	X86_64_VCPU_RCX(%rsi), %rcx
	mov	X86_64_VCPU_RDX(%rsi), %rdx
	mov	X86_64_VCPU_RSI(%rsi), %rsi
	vmrun	%rax
	xchg	%rsi, (%rsp)
	pop	%rdi
	mov	%rbx, X86_64_VCPU_RBX(%rsi)
	mov	%rcx, X86_64_VCPU_RCX(%rsi)
	mov	%rdx, X86_64_VCPU_RDX(%rsi)
	mov	%rdi, X86_64_VCPU_RSI(%rsi)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

#define HERE(label) (GUEST_CODE + (label - guest_code))

	/* The guest's first page. */
	.balign	4096
	.globl	guest_code
	.code32
guest_code:
	mov	$HERE(hello), %esi
	mov	$GUEST_UART, %ebx
1:	mov	(%esi), %al
	test	%al, %al
	jz	2f
	mov	%al, (%ebx)
	inc	%esi
	jmp	1b

	/* Each page of RAM gets its own address. */
2:	mov	$GUEST_RAM, %esi
3:	mov	%esi, (%esi)
	add	$4096, %esi
	cmp	$(GUEST_RAM + GUEST_RAM_PAGES * 4096), %esi
	jb	3b

	mov	$CALL_LOG, %eax
	vmmcall
	mov	$(GUEST_RAM + 3 * 4096), %esi
	mov	%esi, 8(%esi)
	mov	%esi, 16(%esi)
	mov	$(GUEST_BLOCK + 5 * 4096), %esi
	mov	(%esi), %ebx
	mov	%esi, 8(%esi)
	mov	$CALL_LOGGED, %eax
	vmmcall

	mov	$GUEST_RAM, %esi
	mov	$HERE(4f), %edx
	jmp	*%esi			/* data */
4:	mov	$CALL_END, %eax
	vmmcall

hello:	.asciz	"guest: hello\n"
	.balign	4096
