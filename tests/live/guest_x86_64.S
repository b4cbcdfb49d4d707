/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Firmware of 64 KiB that ends at 4 GiB: makes page tables in RAM and changes them for ever. What
 * holds of them at any one moment, live.py says.
 */

#define ROM 0xffff0000
#define MSR_EFER 0xc0000080

#define ROOT 0x100000
#define LOW_PUD 0x101000
#define LOW_PMD 0x102000
#define ROM_PMD 0x103000
#define USER_PMD 0x104000
#define USER_PTE 0x105000 /* 1 GiB */
#define PUD 0x110000      /* 0xffff800000000000 */
#define PMD 0x111000
#define FIRST_PTE 0x112000
#define SECOND_PTE 0x113000 /* + 2 MiB */
#define GOING_PTE 0x114000  /* + 4 MiB: there at times */
#define FIXED_PTE 0x115000  /* + 6 MiB */
#define READY 0x10000

#define TABLE 0x7 /* user, writable, present */
#define LARGE 0xe3
#define PAGE 0x63
#define USER 0x4

	.text
	.globl _start
_start:
rom:
	.code16
enter16:
	lgdtl	%cs:(gdtr - rom)
	mov	$0x11, %eax		/* PE, ET */
	mov	%eax, %cr0
	ljmpl	$0x08, $(ROM + enter32 - rom)

	.code32
enter32:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	cld
	xor	%eax, %eax
	mov	$ROOT, %edi
	mov	$(0x16000 / 4), %ecx
	rep stosl
	movl	$(LOW_PUD + TABLE), ROOT
	movl	$(PUD + TABLE), ROOT + 256 * 8
	movl	$(LOW_PMD + TABLE), LOW_PUD
	movl	$(USER_PMD + TABLE), LOW_PUD + 8
	movl	$(ROM_PMD + TABLE), LOW_PUD + 3 * 8
	movl	$LARGE, LOW_PMD
	movl	$(0xffe00000 + LARGE), ROM_PMD + 511 * 8
	movl	$(USER_PTE + TABLE), USER_PMD
	movl	$(PMD + TABLE), PUD
	movl	$(FIRST_PTE + TABLE), PMD
	movl	$(SECOND_PTE + TABLE), PMD + 8
	movl	$(FIXED_PTE + TABLE), PMD + 3 * 8
	/* 0x200000 in the first slot, and so on. */
	mov	$0x200000 + PAGE, %eax
	xor	%ecx, %ecx
1:	mov	%eax, FIXED_PTE(, %ecx, 8)
	add	$0x1000, %eax
	inc	%ecx
	cmp	$512, %ecx
	jb	1b
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$ROOT, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	$0x900, %eax		/* LME, NXE */
	xor	%edx, %edx
	wrmsr
	mov	$0x80010011, %eax	/* PG, WP */
	mov	%eax, %cr0
	ljmp	$0x18, $(ROM + enter64 - rom)

	.code64
enter64:
	mov	$1, %ebx
	movl	$1, READY
again:
	inc	%ebx
	mov	%ebx, %eax
	and	$0xfff, %eax
	add	$0x1000, %eax
	shl	$12, %eax
	or	$PAGE, %eax
	mov	%rax, FIRST_PTE
	mov	%rax, SECOND_PTE + 511 * 8
	mov	%rax, GOING_PTE + 9 * 8
	or	$USER, %eax
	mov	%rax, USER_PTE + 7 * 8
	mov	$(GOING_PTE + TABLE), %eax
	test	$1, %bl
	jnz	1f
	xor	%eax, %eax
1:	mov	%rax, PMD + 2 * 8
	mov	%ebx, %ecx
	and	$0xfff, %ecx
2:	dec	%ecx
	jns	2b
	jmp	again

	.balign	16
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00af9b000000ffff
gdtr:
	.word	gdtr - gdt - 1
	.long	ROM + gdt - rom

	.org	0xfff0
	.code16
	jmp	enter16
	.org	0x10000
