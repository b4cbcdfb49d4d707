/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MMU_GUEST_H
#define TESTS_MMU_GUEST_H

/*
 * The guest's memory, for the test and for the stubs, which are assembly.
 * Addresses count from the start of RAM.
 */

#define GUEST_RAM_SIZE 0x4000000
#define GUEST_STUB 0x200000     /* code, but x86_64's */
#define GUEST_PARAMS 0x210000   /* what to load into the control registers */
#define GUEST_STACK 0x21fff0    /* grows down */
#define GUEST_COMMANDS 0x220000 /* what to do then */
#define GUEST_TARGET 0x400000   /* what is accessed */
#define GUEST_TARGET_SIZE 0x400000
#define GUEST_TABLES 0x800000 /* to the end of RAM */

#define GUEST_RAM_X86_64 0
#define GUEST_RAM_ARM64 0x40000000
#define GUEST_RAM_RISCV64 0x80000000
#define GUEST_RAM_S390X 0
#define GUEST_RAM_ARM 0

/* The x86 stub is the firmware: two pages of it run under the tables. */
#define GUEST_X86_USER_CODE 0xffffe000
#define GUEST_X86_KERNEL_CODE 0xfffff000

/* The i386 stub is so, too, and copies these two pages to GUEST_STUB. */
#define GUEST_I386_USER_CODE 0x0000
#define GUEST_I386_KERNEL_CODE 0x1000
#define GUEST_I386_CODE_SIZE 0x2000

/* Of the s390x stub, the page that runs under the tables. */
#define GUEST_S390X_OPS 0x201000

/* struct params */
#define PARAM_DONE 0 /* the stub writes 1 when it halts */
#define PARAM_END 8  /* physical address of the end of the commands */
#define PARAM_REGS 16

/* struct command */
#define COMMAND_VA 0
#define COMMAND_OP 8
#define COMMAND_VALUE 16
#define COMMAND_FAULT 24
#define COMMAND_SIZE 32

/* Operations. Bit 2 says: as user code. */
#define OP_LOAD 0
#define OP_STORE 1
#define OP_EXEC 2
#define OP_USER 4

/* Registers, by their place after PARAM_REGS. */
#define X86_REG_CR0 0
#define X86_REG_CR3 1
#define X86_REG_CR4 2
#define X86_REG_EFER 3
#define ARM64_REG_TTBR0 0
#define ARM64_REG_TTBR1 1
#define ARM64_REG_TCR 2
#define ARM64_REG_MAIR 3
#define ARM64_REG_SCTLR 4
#define ARM64_S2_REG_VTTBR 0
#define ARM64_S2_REG_VTCR 1
#define ARM64_S2_REG_HCR 2
#define ARM_REG_TTBR0 0
#define ARM_REG_TTBR1 1
#define ARM_REG_TTBCR 2
#define ARM_REG_DACR 3
#define ARM_REG_MAIR 4 /* MAIR0, and above it MAIR1 */
#define ARM_REG_SCTLR 5
#define RISCV_REG_SATP 0
#define RISCV_REG_MENVCFG 1
#define RISCV_REG_MSTATUS 2
#define S390X_REG_CR0 0
#define S390X_REG_USER_ASCE 1   /* CR1, the primary space */
#define S390X_REG_KERNEL_ASCE 2 /* CR13, the home space */

/* The vector of the trap that ends what the x86 stubs were told to do. */
#define X86_TRAP 0x30

/* Above the status of a fault, which of two it is; and what an SVC comes to. */
#define ARM_FETCH_FAULT 0x10000
#define ARM_DATA_FAULT 0x20000
#define ARM_TRAP 0x30000

/* No program-interruption code: an SVC. */
#define S390X_TRAP 0x100

#endif
