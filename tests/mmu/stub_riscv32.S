/* SPDX-License-Identifier: BSD-2-Clause */

/* As stub_riscv64.S, whose comment says how, for 32 bits: a word of 64 is two. See guest.h. */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define MSTATUS_MPP_S (1 << 11)
#define MSTATUS_MPRV (1 << 17)
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
	lw	t0, REG(RISCV_REG_SATP)(s0)
	csrw	satp, t0
	sfence.vma
	lw	s2, REG(RISCV_REG_MSTATUS)(s0)

next:
	lw	t0, PARAM_END(s0)
	beq	s1, t0, finished
	lw	a0, COMMAND_VA(s1)
	lw	a1, COMMAND_VALUE(s1)
	lw	a3, COMMAND_VALUE+4(s1)
	lw	t1, COMMAND_OP(s1)
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
	lw	a1, (a0)
	lw	a3, 4(a0)
	csrc	mstatus, s3
	j	record
store:
	csrs	mstatus, s3
	sw	a1, (a0)
	sw	a3, 4(a0)
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
	li	a3, 0
record:
	sw	a1, COMMAND_VALUE(s1)
	sw	a3, COMMAND_VALUE+4(s1)
	sw	a2, COMMAND_FAULT(s1)
	sw	zero, COMMAND_FAULT+4(s1)
	addi	s1, s1, COMMAND_SIZE
	j	next

	/* The tables map the parameter page where it is. */
finished:
	li	t0, MSTATUS_MPP_S
	or	t0, t0, s2
	or	t0, t0, s3
	csrw	mstatus, t0
	li	t0, 1
	sw	t0, PARAM_DONE(s0)
2:	wfi
	j	2b
