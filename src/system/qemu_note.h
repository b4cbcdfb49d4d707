/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_QEMU_NOTE_H
#define SYSTEM_QEMU_NOTE_H

/*
 * QEMU's struct QEMUCPUState, version 1, little-endian. A segment is selector,
 * limit, flags, padding (4 bytes each) and base (8 bytes).
 */
#define QEMU_NOTE "QEMU" /* the note's name; its type is 0 */
#define QEMU_VERSION 0
#define QEMU_SIZE 4
#define QEMU_CS_FLAGS 160
#define QEMU_IDT_BASE 384
#define QEMU_CR0 392
#define QEMU_CR3 416
#define QEMU_CR4 424
#define QEMU_MIN_SIZE 432 /* kernel_gs_base came later, behind this */
#define QEMU_FULL_SIZE 440

#endif
