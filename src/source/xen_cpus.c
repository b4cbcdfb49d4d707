/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/xen.h"

#include <stdlib.h>

#include "base/bits.h"

#define EM_X86_64 62

/*
 * struct vcpu_guest_context of x86-64 (Xen's public/arch-x86/xen.h). Of an HVM or PVH guest,
 * control registers 0, 2, 3 and 4 are the CPU's. Of a PV guest, which runs in ring 3 alone,
 * number 3 is the root that it runs its kernel on, number 1 the one for its user mode, both by
 * machine frame, and 0 and 4 are what it is told that it has.
 */
#define CPU_SIZE 5168
#define CPU_CR(n) (4984 + (n)*8)
#define CR0_PE BIT(0)
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)

static struct pgw_cpu cpu_registers(const uint8_t *state, bool is_pv)
{
	struct pgw_cpu cpu = {
		.known = PGW_CPU_X86_CR,
		.cr0 = load_le64(state + CPU_CR(0)),
		.cr3 = load_le64(state + CPU_CR(3)),
		.cr4 = load_le64(state + CPU_CR(4)),
	};

	if (!is_pv)
		return cpu;
	cpu.known |= PGW_CPU_XEN_PV;
	cpu.cr1 = load_le64(state + CPU_CR(1));
	return cpu;
}

int xen_take_cpus(struct source *source, const struct xen_place *place, bool is_pv)
{
	uint64_t size = source->files[0].size, nr;
	uint64_t left = place->offset < size ? size - place->offset : 0;

	if (!place->is_there || place->entry_size != CPU_SIZE ||
	    source->info.elf_machine != EM_X86_64)
		return 0;
	nr = (place->size < left ? place->size : left) / CPU_SIZE;
	for (uint64_t i = 0; i < nr; i++) {
		struct pgw_cpu cpu = { 0 };
		uint8_t state[CPU_SIZE];

		if (source_array_grow((void **)&source->cpus, source->nr_cpus, sizeof(cpu)))
			return -PGW_ENOMEM;
		if (source_read_file(source, place->offset + i * CPU_SIZE, state, sizeof(state)))
			cpu = cpu_registers(state, is_pv);
		source->cpus[source->nr_cpus++] = cpu;
	}
	return 0;
}
