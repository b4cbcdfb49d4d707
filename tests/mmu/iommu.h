/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_IOMMU_H
#define TESTS_IOMMU_H

/*
 * Accesses of a device, through an IOMMU: what a machine that has one has in the place of a stub. Its
 * loads and stores are DMA of QEMU's device "edu", which has 4 KiB of its own and copies to and from
 * there; several of them, side by side. Loads and stores of each run have QEMUs of their own, so that nothing is remembered of the
 * tables before, and of loads nothing for stores.
 */

#include "mmu/machine.h"
#include "mmu/qtest.h"

/* The devices, of bus 0, function 0 each. */
#define IOMMU_DEVICE_FIRST 2
#define IOMMU_DEVICE_LAST 17

struct iommu {
	struct qtest_args qemu;
	uint64_t bar_pa;       /* where the devices' registers can be put */
	uint64_t config_pa;    /* of the configuration space, mapped; 0: by ports */
	uint64_t no_dma_first; /* what is no memory to devices, inclusive; 1 to 0: nothing */
	uint64_t no_dma_last;
	/**
	 * Let the devices go by the tables with these roots: fill in what leads there, in the guest's RAM
	 * from GUEST_STUB to GUEST_PARAMS, and turn the IOMMU on.
	 */
	void (*attach)(struct qemu *qemu, const struct setting *setting,
		       const uint64_t root[_PGW_REGION_MAX]);
};

/** What the devices must be able to reach, at the same address: struct machine's support(). */
unsigned iommu_support(const struct setting *setting, struct support *ret, uint64_t ram_pa,
		       uint8_t rights);

/** The end of an access that pagewalk translates so. Of a store only memory tells. */
struct outcome iommu_outcome(const struct pgw_translation *t, unsigned op);

/**
 * Let the devices load and store, as if in this order.
 * @param command value: what was loaded; fault: 1 of a load of nothing
 */
void iommu_run(struct qemu *qemu, const struct machine *machine, const struct setting *setting,
	       const uint64_t root[_PGW_REGION_MAX], struct command *command, size_t nr);

/** Put a word into the guest's RAM, little-endian. */
void iommu_put(struct qemu *qemu, uint64_t offset, uint64_t word);

#endif
