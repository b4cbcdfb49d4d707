/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/iommu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bits.h"

/* QEMU's docs/specs/edu. */
#define EDU_SOURCE 0x80
#define EDU_DESTINATION 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_RUN 1
#define EDU_TO_MEMORY 2
#define EDU_BUFFER 0x40000
#define EDU_REGISTERS_LG2 20

#define NR_DEVICES (IOMMU_DEVICE_LAST - IOMMU_DEVICE_FIRST + 1)
#define PATIENCE 1000000 /* looks whether a copy is done */

/* What the devices can always reach: what they loaded, each a word, and what they are to store. */
#define WORDS_LOADED GUEST_PARAMS
#define WORDS_TO_STORE (GUEST_PARAMS + 0x1000)
#define WORD_ZERO (GUEST_PARAMS + 0x2000)
#define PAGES_END (GUEST_PARAMS + 0x10000)

/* PCI: the command register, and BAR 0. */
#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY_MASTER 0x06
#define PCI_BAR0 0x10

unsigned iommu_support(const struct setting *setting, struct support *ret, uint64_t ram_pa,
		       uint8_t rights)
{
	(void)setting;
	ret[0] = (struct support){ ram_pa + WORDS_LOADED, ram_pa + PAGES_END - 1, rights };
	return 1;
}

struct outcome iommu_outcome(const struct pgw_translation *t, unsigned op)
{
	bool faults = t->kind != PGW_ENTRY_LEAF || !(t->rights & op_right(op));

	return (struct outcome){ .code = faults && op == OP_LOAD,
				 .mask = op == OP_LOAD,
				 .faults = faults };
}

void iommu_put(struct qemu *qemu, uint64_t offset, uint64_t word)
{
	for (unsigned i = 0; i < 8; i++)
		qemu->ram[offset + i] = (unsigned char)(word >> 8 * i);
}

static uint64_t get(const struct qemu *qemu, uint64_t offset)
{
	uint64_t word = 0;

	for (unsigned i = 8; i-- > 0;)
		word = word << 8 | qemu->ram[offset + i];
	return word;
}

static void config_write(struct qemu *qemu, const struct iommu *iommu, unsigned device, unsigned at,
			 uint64_t value)
{
	if (iommu->config_pa) {
		qtest_send(qemu, "writel 0x%llx 0x%llx",
			   (unsigned long long)iommu->config_pa + (device << 15) + at,
			   (unsigned long long)value);
		return;
	}
	qtest_send(qemu, "outl 0xcf8 0x%x", 0x80000000 | device << 11 | at);
	qtest_send(qemu, "outl 0xcfc 0x%llx", (unsigned long long)value);
}

/* The n-th device's register. */
static unsigned long long edu_register(const struct iommu *iommu, size_t n, unsigned at)
{
	return iommu->bar_pa + ((uint64_t)n << EDU_REGISTERS_LG2) + at;
}

static void edu_write(struct qemu *qemu, const struct iommu *iommu, size_t n, unsigned at,
		      uint64_t value)
{
	qtest_send(qemu, "writeq 0x%llx 0x%llx", edu_register(iommu, n, at),
		   (unsigned long long)value);
}

/* Let the n-th device begin to copy a word. */
static void copy_begin(struct qemu *qemu, const struct iommu *iommu, size_t n, uint64_t from,
		       uint64_t to, unsigned command)
{
	edu_write(qemu, iommu, n, EDU_SOURCE, from);
	edu_write(qemu, iommu, n, EDU_DESTINATION, to);
	edu_write(qemu, iommu, n, EDU_COMMAND, EDU_RUN | command);
}

/* The first nr devices have copied: each takes as long, so the last one ends last. */
static void copy_end(struct qemu *qemu, const struct iommu *iommu, size_t nr)
{
	char command[64];

	snprintf(command, sizeof(command), "readq 0x%llx",
		 edu_register(iommu, nr - 1, EDU_COMMAND));
	for (unsigned i = 0; qtest_ask(qemu, command) & EDU_RUN; i++)
		if (i == PATIENCE)
			fail_msg("a device does not come to an end");
}

/* In three steps, each for all devices: nothing; the words; what came of them, to memory. */
static void load_some(struct qemu *qemu, const struct machine *machine, struct command *command,
		      size_t nr)
{
	const struct iommu *iommu = machine->iommu;

	for (size_t i = 0; i < nr; i++)
		copy_begin(qemu, iommu, i, machine->ram_pa + WORD_ZERO, EDU_BUFFER, 0);
	copy_end(qemu, iommu, nr);
	for (size_t i = 0; i < nr; i++)
		copy_begin(qemu, iommu, i, command[i].va, EDU_BUFFER, 0);
	copy_end(qemu, iommu, nr);
	for (size_t i = 0; i < nr; i++)
		copy_begin(qemu, iommu, i, EDU_BUFFER, machine->ram_pa + WORDS_LOADED + 8 * i,
			   EDU_TO_MEMORY);
	copy_end(qemu, iommu, nr);
	for (size_t i = 0; i < nr; i++) {
		command[i].value = get(qemu, WORDS_LOADED + 8 * i);
		/* No word of the target is 0. */
		command[i].fault = !command[i].value;
	}
}

static void store_some(struct qemu *qemu, const struct machine *machine,
		       const struct command *command, size_t nr)
{
	const struct iommu *iommu = machine->iommu;

	for (size_t i = 0; i < nr; i++) {
		iommu_put(qemu, WORDS_TO_STORE + 8 * i, command[i].value);
		copy_begin(qemu, iommu, i, machine->ram_pa + WORDS_TO_STORE + 8 * i, EDU_BUFFER, 0);
	}
	copy_end(qemu, iommu, nr);
	for (size_t i = 0; i < nr; i++)
		copy_begin(qemu, iommu, i, EDU_BUFFER, command[i].va, EDU_TO_MEMORY);
	copy_end(qemu, iommu, nr);
}

static void begin(struct qemu *qemu, const struct iommu *iommu, const struct setting *setting,
		  const uint64_t root[_PGW_REGION_MAX])
{
	static char device[NR_DEVICES][80];
	struct qtest_args args = iommu->qemu;
	unsigned nr = 0;

	while (args.options[nr])
		nr++;
	for (unsigned n = 0; n < NR_DEVICES; n++) {
		snprintf(device[n], sizeof(device[n]),
			 "edu,bus=pcie.0,addr=%02x.0,dma_mask=0xffffffffffffffff",
			 IOMMU_DEVICE_FIRST + n);
		args.options[nr++] = "-device";
		args.options[nr++] = device[n];
	}
	qtest_start(qemu, &args);
	for (unsigned n = 0; n < NR_DEVICES; n++) {
		config_write(qemu, iommu, IOMMU_DEVICE_FIRST + n, PCI_BAR0,
			     edu_register(iommu, n, 0));
		config_write(qemu, iommu, IOMMU_DEVICE_FIRST + n, PCI_COMMAND,
			     PCI_COMMAND_MEMORY_MASTER);
		edu_write(qemu, iommu, n, EDU_COUNT, 8);
	}
	iommu->attach(qemu, setting, root);
}

void iommu_run(struct qemu *qemu, const struct machine *machine, const struct setting *setting,
	       const uint64_t root[_PGW_REGION_MAX], struct command *command, size_t nr)
{
	size_t n;

	iommu_put(qemu, WORD_ZERO, 0);
	for (size_t i = 0; i < nr; i += n) {
		if (!i || command[i].op != command[i - 1].op) {
			qemu_stop(qemu);
			begin(qemu, machine->iommu, setting, root);
		}
		for (n = 1; i + n < nr && n < NR_DEVICES && command[i + n].op == command[i].op; n++)
			;
		if (command[i].op == OP_LOAD)
			load_some(qemu, machine, &command[i], n);
		else
			store_some(qemu, machine, &command[i], n);
	}
	qemu_stop(qemu);
}
