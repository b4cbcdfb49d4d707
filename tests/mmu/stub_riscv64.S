/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Stays in M-mode, whose own accesses are not translated: MPRV lends its loads
 * and stores the privilege of S- or U-mode, mret enters what is to be
 * executed. Waits for ever with MPRV set, as S-mode. See guest.h.
 */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define MSTATUS_MPP_S (1 << 11)
#define MSTATUS_MPRV (1 << 17)
#define CSR_MENVCFG 0x30a
#define PMP_ALL 0x1f /* NAPOT, RWX */

	.option	norvc
	.text
	.globl _start
_start:
	li	s0, GUEST_RAM_RISCV64 + GUEST_PARAMS
	li	s1, GUEST_RAM_RISCV64 + GUEST_COMMANDS
	li	s3, MSTATUS_MPRV
	li	t0, -1
	csrw	pmpaddr0, t0
	li	t0, PMP_ALL
	csrw	pmpcfg0, t0
	lla	t0, trap
	csrw	mtvec, t0
	ld	t0, REG(RISCV_REG_MENVCFG)(s0)
	csrw	CSR_MENVCFG, t0
	ld	t0, REG(RISCV_REG_SATP)(s0)
	csrw	satp, t0
	sfence.vma
	ld	s2, REG(RISCV_REG_MSTATUS)(s0)

next:
	ld	t0, PARAM_END(s0)
	beq	s1, t0, finished
	ld	a0, COMMAND_VA(s1)
	ld	a1, COMMAND_VALUE(s1)
	ld	t1, COMMAND_OP(s1)
	andi	t2, t1, OP_USER
	csrw	mstatus, s2		/* MPP = U */
	bnez	t2, 1f
	li	t0, MSTATUS_MPP_S
	csrs	mstatus, t0
1:	andi	t1, t1, 3
	addi	t1, t1, -OP_STORE
	li	a2, 0
	beqz	t1, store
	bgtz	t1, execute
	csrs	mstatus, s3
	ld	a1, (a0)
	csrc	mstatus, s3
	j	record
store:
	csrs	mstatus, s3
	sd	a1, (a0)
	csrc	mstatus, s3
	j	record
execute:
	csrw	mepc, a0
	mret

	.balign	4
trap:
	csrc	mstatus, s3
	csrr	a2, mcause
	csrr	a1, mtval
record:
	sd	a1, COMMAND_VALUE(s1)
	sd	a2, COMMAND_FAULT(s1)
	addi	s1, s1, COMMAND_SIZE
	j	next

	/* The tables map the parameter page where it is. */
finished:
	li	t0, MSTATUS_MPP_S
	or	t0, t0, s2
	or	t0, t0, s3
	csrw	mstatus, t0
	li	t0, 1
	sd	t0, PARAM_DONE(s0)
2:	wfi
	j	2b
