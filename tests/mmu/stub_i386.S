/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Firmware of 64 KiB that ends at 4 GiB: copies its first two pages to GUEST_STUB
 * and goes on there, to paging under the tables and control registers of the
 * parameter page, then the commands, each ended by a trap or a fault, then
 * halt. See guest.h.
 */

#include "guest.h"

#define ROM 0xffff0000
#define AT(label) (GUEST_RAM_X86_64 + GUEST_STUB + label - rom)
#define REG(n) (PARAM_REGS + 8 * (n))
#define MSR_EFER 0xc0000080

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_USER_DATA 0x1b
#define SEL_USER_CODE 0x23
#define SEL_TSS 0x28

	.text
	.globl _start
_start:
rom:
	/* One page for ring 3; 16 bytes an operation. Words have 64 bits. */
	.org GUEST_I386_USER_CODE
	.code32
user_ops:
	mov	(%edi), %eax
	mov	4(%edi), %edx
	int	$X86_TRAP
	.balign	16
	mov	%eax, (%edi)
	mov	%edx, 4(%edi)
	int	$X86_TRAP

	.org GUEST_I386_KERNEL_CODE
kernel_ops:
	mov	(%edi), %eax
	mov	4(%edi), %edx
	int	$X86_TRAP
	.balign	16
	mov	%eax, (%edi)
	mov	%edx, 4(%edi)
	int	$X86_TRAP

	/* Data that users may use: no return to them clears it. */
enter:
	mov	$SEL_USER_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	$SEL_DATA, %eax
	mov	%eax, %ss
	lidt	AT(idtr)
	mov	$SEL_TSS, %eax
	ltr	%ax
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
	mov	$(GUEST_RAM_X86_64 + GUEST_COMMANDS), %ebx

next:
	mov	$(GUEST_RAM_X86_64 + GUEST_STACK), %esp
	cmp	PARAM_END(%ebp), %ebx
	je	finished
	mov	COMMAND_VA(%ebx), %edi
	mov	COMMAND_VALUE(%ebx), %eax
	mov	COMMAND_VALUE+4(%ebx), %edx
	mov	COMMAND_OP(%ebx), %ecx
	mov	$AT(kernel_ops), %esi
	btr	$2, %ecx		/* OP_USER */
	jnc	1f
	mov	$AT(user_ops), %esi
	push	$SEL_USER_DATA		/* ss, esp, eflags, cs, eip */
	push	$(GUEST_RAM_X86_64 + GUEST_STACK)
	push	$2
	push	$SEL_USER_CODE
	jmp	2f
1:	push	$2			/* eflags, cs, eip */
	push	$SEL_CODE
2:	cmp	$OP_EXEC, %ecx
	je	3f
	shl	$4, %ecx
	add	%ecx, %esi
	push	%esi
	iret
3:	push	%edi
	iret

trapped:
	mov	$X86_TRAP, %ecx
	jmp	record
protection_fault:
	pop	%ecx
	shl	$8, %ecx
	mov	$13, %cl
	jmp	record
page_fault:
	pop	%ecx
	shl	$8, %ecx
	mov	$14, %cl
	mov	%cr2, %eax
	xor	%edx, %edx
record:
	mov	%eax, COMMAND_VALUE(%ebx)
	mov	%edx, COMMAND_VALUE+4(%ebx)
	mov	%ecx, COMMAND_FAULT(%ebx)
	movl	$0, COMMAND_FAULT+4(%ebx)
	add	$COMMAND_SIZE, %ebx
	jmp	next

finished:
	movl	$1, PARAM_DONE(%ebp)
4:	hlt
	jmp	4b

	/* Descriptors have their accessed bits set; the TSS is not busy. */
	.balign	16
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x00cff3000000ffff	/* SEL_USER_DATA */
	.quad	0x00cffb000000ffff	/* SEL_USER_CODE */
	.word	0x67, AT(tss) & 0xffff, 0x8900 | AT(tss) >> 16, 0	/* SEL_TSS */
gdtr:
	.word	gdtr - gdt - 1
	.long	AT(gdt)

	.balign	16
tss:
	.long	0
	.long	GUEST_RAM_X86_64 + GUEST_STACK	/* esp0 */
	.long	SEL_DATA			/* ss0 */
	.fill	0x68 - 12

	/* Interrupt gates; the trap's is for ring 3 too. */
	.macro	gate type, handler
	.word	AT(\handler) & 0xffff, SEL_CODE, \type << 8, AT(\handler) >> 16
	.endm
	.balign	16
idt:
	.fill	13 * 8
	gate	0x8e, protection_fault
	gate	0x8e, page_fault
	.fill	(X86_TRAP - 15) * 8
	gate	0xee, trapped
idtr:
	.word	idtr - idt - 1
	.long	AT(idt)

	/* In the ROM only. */
	.org	0x8000
	.code16
enter16:
	lgdtl	%cs:(rom_gdtr - rom)
	mov	$0x11, %eax		/* PE, ET */
	mov	%eax, %cr0
	ljmpl	$SEL_CODE, $(ROM + enter32 - rom)

	.code32
enter32:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	$ROM, %esi
	mov	$(GUEST_RAM_X86_64 + GUEST_STUB), %edi
	mov	$(GUEST_I386_CODE_SIZE / 4), %ecx
	rep movsl
	lgdtl	AT(gdtr)
	ljmp	$SEL_CODE, $AT(enter)

rom_gdtr:
	.word	gdtr - gdt - 1
	.long	ROM + gdt - rom

	.org	0xfff0
	.code16
	jmp	enter16
	.org	0x10000
