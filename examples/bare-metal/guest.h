/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BARE_METAL_GUEST_H
#define BARE_METAL_GUEST_H

/* What the hypervisor and its guest agree on; for assembly, too. */

#define GUEST_UART 0x10000000 /* one byte to write to, by sb from a0 */
#define GUEST_CODE 0x80000000 /* a page */
#define GUEST_RAM 0x80200000  /* pages that come when they are written to */
#define GUEST_RAM_PAGES 6
#define GUEST_BLOCK 0x80400000 /* 2 MiB, in one leaf */

/* Calls of the hypervisor, in a7. */
#define CALL_END 0
#define CALL_LOG 1    /* what is written to from now on? */
#define CALL_LOGGED 2 /* ... until now */

/* struct vcpu */
#define VCPU_PC 256
#define VCPU_HOST_SP 264

#endif
