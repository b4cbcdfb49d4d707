/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Entered by QEMU in M-mode, without firmware: lets S-mode have all memory and its own exceptions,
 * and goes there.
 */

#define MSTATUS_MPP_S (1 << 11)
#define MSTATUS_FS (1 << 13)
#define PMP_ALL 0x1f /* NAPOT, RWX */
#define SSTATUS_SPP (1 << 8)
#define CAUSE_ECALL_FROM_U 8

	.section .text.start, "ax"
	.globl	_start
_start:
	li	t0, -1
	csrw	pmpaddr0, t0
	li	t0, PMP_ALL
	csrw	pmpcfg0, t0
	li	t0, -1
	csrw	medeleg, t0		/* what cannot be delegated stays 0 */
	csrw	satp, zero
	li	t0, MSTATUS_MPP_S | MSTATUS_FS
	csrw	mstatus, t0
	lla	t0, trap
	csrw	stvec, t0
	lla	t0, metal_main
	csrw	mepc, t0
	lla	sp, stack_end
	mret

	.text
	/* void machine_access(enum access, uint64_t va, uint64_t value, struct outcome *ret) */
	.globl	machine_access
machine_access:
	addi	sp, sp, -16
	sd	ra, 0(sp)
	sd	a3, 8(sp)
	sd	zero, 0(a3)
	lla	t0, access_stack
	sd	sp, 0(t0)
	addi	a0, a0, -1
	beqz	a0, 1f
	bgtz	a0, 2f
	ld	a2, 0(a1)
	j	3f
1:	sd	a2, 0(a1)
	j	3f
2:	jalr	a1
	ld	a3, 8(sp)
3:	sd	a2, 24(a3)
	lla	t0, access_stack
	sd	zero, 0(t0)
	ld	ra, 0(sp)
	addi	sp, sp, 16
	ret

	/*
	 * void machine_access_by_user(enum access, uint64_t va, uint64_t value, struct outcome *ret,
	 *			       uint64_t code, uint64_t stack)
	 */
	.globl	machine_access_by_user
machine_access_by_user:
	addi	sp, sp, -16
	sd	ra, 0(sp)
	sd	a3, 8(sp)
	sd	zero, 0(a3)
	lla	t0, access_stack
	sd	sp, 0(t0)
	slli	a0, a0, 4		/* 16 bytes an access */
	add	a4, a4, a0
	csrw	sepc, a4
	li	t0, SSTATUS_SPP
	csrc	sstatus, t0
	sret

	.balign	4096
	.globl	machine_user_code
	.option	push
	.option	norvc
machine_user_code:
	ld	a2, 0(a1)
	ecall
	.balign	16
	sd	a2, 0(a1)
	ecall
	.balign	16
	jalr	a1
	ecall
	.balign	4096
	.option	pop

	/* Interrupts are off and nothing else goes on: back to who called machine_access(). */
	.balign	4
trap:
	csrr	a0, scause
	csrr	a1, stval
	lla	t0, access_stack
	ld	t1, 0(t0)
	bnez	t1, 1f
	j	metal_unexpected
1:	mv	sp, t1
	ld	a3, 8(sp)
	li	t1, CAUSE_ECALL_FROM_U
	beq	a0, t1, 3b		/* all is done */
	li	t1, 1
	sd	t1, 0(a3)
	sd	a0, 8(a3)
	sd	a1, 16(a3)
	sd	zero, 0(t0)
	ld	ra, 0(sp)
	addi	sp, sp, 16
	ret

	.data
	.balign	8
access_stack:
	.quad	0

	.bss
	.balign	16
	.space	65536
stack_end:
