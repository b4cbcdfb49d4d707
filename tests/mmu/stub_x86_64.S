/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Firmware of 64 KiB that ends at 4 GiB: from reset to long mode under the
 * tables and control registers of the parameter page, then the commands, each
 * ended by a trap or a fault, then halt. See guest.h.
 */

#include "guest.h"

#define ROM 0xffff0000
#define REG(n) (PARAM_REGS + 8 * (n))
#define MSR_EFER 0xc0000080

#define SEL_CODE32 0x08
#define SEL_DATA 0x10
#define SEL_CODE 0x18
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_TSS 0x30

	.text
	.globl _start
_start:
rom:
	/* One page for ring 3; 16 bytes an operation. */
	.org GUEST_X86_USER_CODE - ROM
	.code64
user_ops:
	mov	(%rdi), %rax
	int	$X86_TRAP
	.balign	16
	mov	%rax, (%rdi)
	int	$X86_TRAP

	.org GUEST_X86_KERNEL_CODE - ROM
kernel_ops:
	mov	(%rdi), %rax
	int	$X86_TRAP
	.balign	16
	mov	%rax, (%rdi)
	int	$X86_TRAP

	.code16
enter16:
	lgdtl	%cs:(gdtr - rom)
	mov	$0x11, %eax		/* PE, ET */
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $(ROM + enter32 - rom)

	.code32
enter32:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	$(GUEST_RAM_X86_64 + GUEST_PARAMS), %ebp
	mov	REG(X86_REG_CR4)(%ebp), %eax
	mov	%eax, %cr4
	mov	REG(X86_REG_CR3)(%ebp), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	REG(X86_REG_EFER)(%ebp), %eax
	xor	%edx, %edx
	wrmsr
	mov	REG(X86_REG_CR0)(%ebp), %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE, $(ROM + enter64 - rom)

	.code64
enter64:
	lidt	idtr(%rip)
	mov	$SEL_TSS, %eax
	ltr	%ax
	mov	$(GUEST_RAM_X86_64 + GUEST_COMMANDS), %ebx

next:
	mov	$(GUEST_RAM_X86_64 + GUEST_STACK), %esp
	cmp	PARAM_END(%rbp), %rbx
	je	finished
	mov	COMMAND_VA(%rbx), %rdi
	mov	COMMAND_VALUE(%rbx), %rax
	mov	COMMAND_OP(%rbx), %ecx
	mov	$SEL_DATA, %edx
	mov	$SEL_CODE, %r8d
	lea	kernel_ops(%rip), %rsi
	btr	$2, %ecx		/* OP_USER */
	jnc	1f
	mov	$SEL_USER_DATA, %edx
	mov	$SEL_USER_CODE, %r8d
	lea	user_ops(%rip), %rsi
1:	push	%rdx			/* ss, rsp, rflags, cs, rip */
	push	$(GUEST_RAM_X86_64 + GUEST_STACK)
	push	$2
	push	%r8
	cmp	$OP_EXEC, %ecx
	je	2f
	shl	$4, %ecx
	add	%rcx, %rsi
	push	%rsi
	iretq
2:	push	%rdi
	iretq

trapped:
	mov	$X86_TRAP, %edx
	jmp	record
protection_fault:
	pop	%rdx
	shl	$8, %rdx
	mov	$13, %dl
	jmp	record
page_fault:
	pop	%rdx
	shl	$8, %rdx
	mov	$14, %dl
	mov	%cr2, %rax
record:
	mov	%rax, COMMAND_VALUE(%rbx)
	mov	%rdx, COMMAND_FAULT(%rbx)
	add	$COMMAND_SIZE, %rbx
	jmp	next

finished:
	movq	$1, PARAM_DONE(%rbp)
3:	hlt
	jmp	3b

	/* Descriptors have their accessed bits set, so that nobody writes to them. */
	.balign	16
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x00af9b000000ffff	/* SEL_CODE */
	.quad	0x00cff3000000ffff	/* SEL_USER_DATA */
	.quad	0x00affb000000ffff	/* SEL_USER_CODE */
	.word	0x67, tss - rom, 0x89ff, 0xff00	/* SEL_TSS: base = ROM + tss - rom */
	.quad	0
gdtr:
	.word	gdtr - gdt - 1
	.long	ROM + gdt - rom

	.balign	16
tss:
	.long	0
	.quad	GUEST_RAM_X86_64 + GUEST_STACK	/* rsp0 */
	.fill	0x68 - 12

	/* Interrupt gates; the trap's is for ring 3 too. */
	.macro	gate type, handler
	.word	\handler - rom, SEL_CODE, \type << 8, ROM >> 16
	.quad	0
	.endm
	.balign	16
idt:
	.fill	13 * 16
	gate	0x8e, protection_fault
	gate	0x8e, page_fault
	.fill	(X86_TRAP - 15) * 16
	gate	0xee, trapped
idtr:
	.word	idtr - idt - 1
	.quad	ROM + idt - rom

	.org	0xfff0
	.code16
	jmp	enter16
	.org	0x10000
