/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Runs with real addresses: each command is a PSW that turns translation on, in the
 * primary space for user code and in the home space for the kernel's. An SVC or
 * a program interruption brings it back. Waits for ever in the home space.
 * See guest.h. Source: z/Architecture Principles of Operation, chapters 3 (Control
 * Registers, Assigned Storage Locations), 4 (Program-Status Word) and 6.
 */

#include "guest.h"

#define REG(n) (PARAM_REGS + 8 * (n))
#define PROGRAM_CODE 0x8e
#define TRANSLATION_EXCEPTION 0xa8
#define SVC_NEW_PSW 0x1c0
#define PROGRAM_NEW_PSW 0x1d0
#define PSW_64 0x0000000180000000
#define PSW_DAT 0x0400000000000000
#define PSW_PROBLEM 0x0001000000000000
#define PSW_HOME 0x0000c00000000000
/* Not disabled for all: QEMU takes that for a crash. Nothing comes. */
#define PSW_WAIT 0x0102000000000000

	.text
	.globl _start
_start:
	llilf	%r12, GUEST_RAM_S390X + GUEST_PARAMS
	llilf	%r13, GUEST_RAM_S390X + GUEST_COMMANDS
	larl	%r1, new_psws
	mvc	SVC_NEW_PSW(32, %r0), 0(%r1)
	lctlg	%c0, %c0, REG(S390X_REG_CR0)(%r12)
	lctlg	%c1, %c1, REG(S390X_REG_USER_ASCE)(%r12)
	lctlg	%c7, %c7, REG(S390X_REG_USER_ASCE)(%r12)
	lctlg	%c13, %c13, REG(S390X_REG_KERNEL_ASCE)(%r12)
	ptlb

next:
	larl	%r7, psw
	cg	%r13, PARAM_END(%r12)
	je	finished
	lg	%r3, COMMAND_VA(%r13)
	lg	%r2, COMMAND_VALUE(%r13)
	lg	%r4, COMMAND_OP(%r13)
	lg	%r5, user_mask - psw(%r7)
	tmll	%r4, OP_USER
	jo	1f
	lg	%r5, kernel_mask - psw(%r7)
1:	lgr	%r6, %r3
	nill	%r4, 3
	chi	%r4, OP_EXEC
	je	2f
	sllg	%r4, %r4, 4
	larl	%r6, ops
	agr	%r6, %r4
2:	stg	%r5, 0(%r7)
	stg	%r6, 8(%r7)
	lpswe	0(%r7)

trapped:
	lghi	%r1, S390X_TRAP
	j	record
program_check:
	llgh	%r1, PROGRAM_CODE(%r0)
	/* The page that it was in; where in it, is known. */
	lg	%r2, TRANSLATION_EXCEPTION(%r0)
	risbg	%r2, %r3, 52, 63, 0
record:
	stg	%r2, COMMAND_VALUE(%r13)
	stg	%r1, COMMAND_FAULT(%r13)
	aghi	%r13, COMMAND_SIZE
	j	next

finished:
	lpswe	finish_psw - psw(%r7)

	.balign	16
psw:
	.quad	0, 0
user_mask:
	.quad	PSW_DAT + PSW_PROBLEM + PSW_64
kernel_mask:
	.quad	PSW_DAT + PSW_HOME + PSW_64
finish_psw:
	.quad	PSW_DAT + PSW_HOME + PSW_64, finish
new_psws:
	.quad	PSW_64, trapped
	.quad	PSW_64, program_check

	/* A page that both spaces have where it is; 16 bytes an operation. */
	.org	_start + GUEST_S390X_OPS - GUEST_STUB
ops:
	lg	%r2, 0(%r3)
	svc	0
	.balign	16
	stg	%r2, 0(%r3)
	svc	0
	.balign	16
finish:
	lghi	%r1, 1
	larl	%r7, wait_psw
	stg	%r1, PARAM_DONE(%r12)
	lpswe	0(%r7)

	.balign	16
wait_psw:
	.quad	PSW_DAT + PSW_WAIT + PSW_HOME + PSW_64, finish
