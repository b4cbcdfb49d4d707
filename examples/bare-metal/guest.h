/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BARE_METAL_GUEST_H
#define BARE_METAL_GUEST_H

/* What the hypervisor and its guest agree on; for assembly, too. */

#define GUEST_UART 0x10000000 /* a byte to write to */
#define GUEST_CODE 0x80000000 /* a page */
#define GUEST_RAM 0x80200000  /* pages that come when they are written to */
#define GUEST_RAM_PAGES 6
#define GUEST_BLOCK 0x80400000 /* 2 MiB, in one leaf */

/* Calls of the hypervisor. */
#define CALL_END 0
#define CALL_LOG 1    /* what is written to from now on? */
#define CALL_LOGGED 2 /* ... until now */

/* struct vcpu of vm_arm64.c, of vm_riscv64.c and of vm_x86_64.c */
#define ARM64_VCPU_PC 248
#define ARM64_VCPU_HOST_SP 256
#define RISCV64_VCPU_PC 256
#define RISCV64_VCPU_HOST_SP 264
#define X86_64_VCPU_RBX 0
#define X86_64_VCPU_RCX 8
#define X86_64_VCPU_RDX 16
#define X86_64_VCPU_RSI 24

#endif
