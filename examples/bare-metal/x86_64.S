/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Entered by QEMU as PVH wants it: 32-bit code, no paging. 64-bit code cannot run without, so a map
 * of the first GiB is there until the library's tables are.
 */

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_USER_DATA 0x1b
#define SEL_USER_CODE 0x23
#define SEL_TSS 0x28
#define USER_DONE 0x80 /* an interrupt that users may ask for */
#define MSR_EFER 0xc0000080

	.section .note.Xen, "a", @note
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start

	.section .text.start, "ax"
	.code32
	.globl	_start
_start:
	mov	$0x620, %eax		/* CR4: PAE, OSFXSR, OSXMMEXCPT */
	mov	%eax, %cr4
	mov	$boot_pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	$0x900, %eax		/* LME, NXE */
	xor	%edx, %edx
	wrmsr
	mov	$0x80010033, %eax	/* CR0: PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	lgdt	gdtr
	ljmp	$SEL_CODE, $start64

	.code64
start64:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	lea	stack_end(%rip), %rsp
	/* Gates of 16 bytes; addresses are below 4 GiB. */
	lea	page_fault(%rip), %rax
	mov	%ax, idt + 14 * 16(%rip)
	shr	$16, %rax
	mov	%ax, idt + 14 * 16 + 6(%rip)
	lea	user_done(%rip), %rax
	mov	%ax, idt + USER_DONE * 16(%rip)
	shr	$16, %rax
	mov	%ax, idt + USER_DONE * 16 + 6(%rip)
	lidt	idtr(%rip)
	/* Its address is in a descriptor in three pieces. */
	lea	tss(%rip), %rax
	mov	%ax, gdt + SEL_TSS + 2(%rip)
	shr	$16, %rax
	mov	%al, gdt + SEL_TSS + 4(%rip)
	mov	%ah, gdt + SEL_TSS + 7(%rip)
	mov	$SEL_TSS, %eax
	ltr	%ax
	call	metal_main

	.text
	/* void machine_access(enum access, uint64_t va, uint64_t value, struct outcome *ret) */
	.globl	machine_access
machine_access:
	movq	$0, (%rcx)
	mov	%rcx, access_outcome(%rip)
	mov	%rsp, access_stack(%rip)
	cmp	$1, %edi
	je	1f
	ja	2f
	mov	(%rsi), %rdx
	mov	%rdx, 24(%rcx)
	jmp	3f
1:	mov	%rdx, (%rsi)
	mov	%rdx, 24(%rcx)
	jmp	3f
2:	call	*%rsi
3:	movq	$0, access_stack(%rip)
	ret

	/*
	 * void machine_access_by_user(enum access, uint64_t va, uint64_t value, struct outcome *ret,
	 *			       uint64_t code, uint64_t stack)
	 */
	.globl	machine_access_by_user
machine_access_by_user:
	movq	$0, (%rcx)
	mov	%rcx, access_outcome(%rip)
	mov	%rsp, access_stack(%rip)
	mov	%rsp, tss + 4(%rip)	/* where traps from ring 3 begin */
	shl	$4, %edi		/* 16 bytes an access */
	add	%rdi, %r8
	push	$SEL_USER_DATA
	push	%r9
	push	$2			/* RFLAGS: interrupts are off */
	push	$SEL_USER_CODE
	push	%r8
	iretq

user_done:
	mov	access_stack(%rip), %rsp
	mov	access_outcome(%rip), %rcx
	mov	%rdx, 24(%rcx)
	movq	$0, access_stack(%rip)
	ret

	.balign	4096
	.globl	machine_user_code
machine_user_code:
	mov	(%rsi), %rdx
	int	$USER_DONE
	.balign	16
	mov	%rdx, (%rsi)
	int	$USER_DONE
	.balign	16
	call	*%rsi
	int	$USER_DONE
	.balign	4096

	/* Interrupts are off and nothing else goes on: back to who called machine_access(). */
page_fault:
	pop	%rax
	mov	%cr2, %rdx
	mov	%rax, %rdi
	mov	%rdx, %rsi
	cmpq	$0, access_stack(%rip)
	je	metal_unexpected
	mov	access_stack(%rip), %rsp
	mov	access_outcome(%rip), %rcx
	movq	$1, (%rcx)
	mov	%rax, 8(%rcx)
	mov	%rdx, 16(%rcx)
	movq	$0, access_stack(%rip)
	ret

	.section .rodata
	.balign	8
gdtr:
	.word	gdt_end - gdt - 1
	.quad	gdt
idtr:
	.word	(USER_DONE + 1) * 16 - 1
	.quad	idt

	.data
	.balign	8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* SEL_CODE */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x00cff3000000ffff	/* SEL_USER_DATA */
	.quad	0x00affb000000ffff	/* SEL_USER_CODE */
	.quad	0x0000890000000067, 0	/* SEL_TSS */
gdt_end:
tss:
	.fill	104
	.balign	4096
boot_pml4:
	.quad	boot_pdpt + 3		/* present, writable */
	.fill	511, 8, 0
boot_pdpt:
	.quad	0x83			/* ... and 1 GiB large */
	.fill	511, 8, 0
	.balign	16
idt:
	.fill	14 * 16
	.word	0, SEL_CODE, 0x8e00, 0
	.quad	0
	.fill	(USER_DONE - 15) * 16
	.word	0, SEL_CODE, 0xee00, 0	/* for users */
	.quad	0
access_stack:
	.quad	0
access_outcome:
	.quad	0

	.bss
	.balign	16
	.space	65536
stack_end:
