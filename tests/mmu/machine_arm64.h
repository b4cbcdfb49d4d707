/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MACHINE_ARM64_H
#define TESTS_MACHINE_ARM64_H

/* What both stages of translation have in common. */

#include "mmu/machine.h"

#define ARM64_ESR_EC_SHIFT 26
#define ARM64_ESR_EC BITS(31, 26)
#define ARM64_ESR_WNR BIT(6)
#define ARM64_ESR_FSC BITS(5, 0)

#define ARM64_FSC_ADDRESS_SIZE 0x00
#define ARM64_FSC_TRANSLATION 0x04

#define ARM64_AF BIT(10)
#define ARM64_DBM BIT(51)
#define ARM64_CONT BIT(52)

uint8_t arm64_pa_bits(const struct pgw_format *format, uint64_t dice);
/** TCR_EL1.IPS, VTCR_EL2.PS. */
uint64_t arm64_ips(const struct setting *setting);
/** FEAT_LPA2: addresses of 52 bits with 4K and 16K. */
bool arm64_has_lpa2(const struct pgw_format *format);
unsigned arm64_max_leaf_level(const struct setting *setting);
unsigned arm64_run_lg2(const struct setting *setting, unsigned level);
bool arm64_hardware_sets_af(const struct setting *setting);
/** The status code of a fault at one of our levels. */
uint64_t arm64_fsc(uint64_t what, unsigned level);
/** The status code of an access that comes to nothing. */
uint64_t arm64_fault_status(const struct setting *setting, const struct pgw_translation *t);
/** What a CPU says of an entry that is wrong in two ways is its choice. */
bool arm64_is_wrong_twice(const struct setting *setting, const struct pgw_translation *t);
/** A malformed entry that QEMU 7.2 does not take for one. */
bool arm64_qemu_takes(const struct setting *setting, const struct pgw_translation *t);

#endif
