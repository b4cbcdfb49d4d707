/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The guest, in VS-mode, its own translation off, and how to get there and back.
 */

#include "guest.h"

#define CSR_VSATP 0x280
#define CSR_HSTATUS 0x600
#define HSTATUS_SPV (1 << 7)
#define HSTATUS_SPVP (1 << 8)
#define SSTATUS_SPP (1 << 8)

	/* void guest_run(struct vcpu *vcpu), until it traps */
	.option	norvc
	.text
	.globl	guest_run
guest_run:
	addi	sp, sp, -112
	sd	ra, 0(sp)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	sd	s\n, 8 + 8 * \n(sp)
	.endr
	csrr	t0, stvec
	sd	t0, 104(sp)
	sd	sp, RISCV64_VCPU_HOST_SP(a0)
	csrw	sscratch, a0
	lla	t0, guest_trap
	csrw	stvec, t0
	csrw	CSR_VSATP, zero
	li	t0, HSTATUS_SPV | HSTATUS_SPVP
	csrs	CSR_HSTATUS, t0
	li	t0, SSTATUS_SPP
	csrs	sstatus, t0
	ld	t0, RISCV64_VCPU_PC(a0)
	csrw	sepc, t0
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ld	x\n, 8 * \n(a0)
	.endr
	ld	a0, 8 * 10(a0)
	sret

	.balign	4
guest_trap:
	csrrw	a0, sscratch, a0
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, 8 * \n(a0)
	.endr
	csrr	t0, sscratch
	sd	t0, 8 * 10(a0)
	csrr	t0, sepc
	sd	t0, RISCV64_VCPU_PC(a0)
	ld	sp, RISCV64_VCPU_HOST_SP(a0)
	ld	t0, 104(sp)
	csrw	stvec, t0
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	ld	s\n, 8 + 8 * \n(sp)
	.endr
	ld	ra, 0(sp)
	addi	sp, sp, 112
	ret

	/* The guest's first page. */
	.balign	4096
	.globl	guest_code
guest_code:
	lla	s0, hello
	li	a1, GUEST_UART
1:	lbu	a0, 0(s0)
	beqz	a0, 2f
	sb	a0, 0(a1)
	addi	s0, s0, 1
	j	1b

	/* Each page of RAM gets its own address. */
2:	li	s0, GUEST_RAM
	li	s1, GUEST_RAM + GUEST_RAM_PAGES * 4096
	li	s2, 4096
3:	sd	s0, 0(s0)
	add	s0, s0, s2
	bltu	s0, s1, 3b

	li	a7, CALL_LOG
	ecall
	li	s0, GUEST_RAM + 3 * 4096
	sd	s0, 8(s0)
	sd	s0, 16(s0)
	li	s0, GUEST_BLOCK + 5 * 4096
	ld	s1, 0(s0)
	sd	s0, 8(s0)
	li	a7, CALL_LOGGED
	ecall

	li	s0, GUEST_RAM
	jalr	s0			/* data */
	li	a7, CALL_END
	ecall

hello:	.asciz	"guest: hello\n"
	.balign	4096
