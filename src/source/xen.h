/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_XEN_H
#define SOURCE_XEN_H

/*
 * What `xl dump-core` writes of a guest (Xen's docs/misc/dump-core-format.txt): an ELF core
 * without program headers. Its sections have the names
 *
 *   .note.Xen         notes of the name "Xen": what guest it is, the size of a page, versions
 *   .xen_prstatus     struct vcpu_guest_context of each CPU (Xen's public/arch-x86/xen.h)
 *   .xen_shared_info
 *   .xen_pages        the pages, one behind the other
 *   .xen_p2m          of each of these, pseudo-physical and machine frame (PV), or
 *   .xen_pfn          its frame
 *   .shstrtab         the names
 *
 * and in the file this order, with the section headers in front of them.
 */

#include "source/elf_file.h"

enum xen_section {
	XEN_NOTES,
	XEN_CPUS,
	XEN_PAGES,
	XEN_P2M,
	XEN_PFN,
	_XEN_SECTION_MAX,
};

/** Where a section is. */
struct xen_place {
	bool is_there;
	uint64_t at;     /* of its header in the file */
	uint64_t offset; /* of its bytes; they may lie outside the file */
	uint64_t size;
	uint64_t entry_size;
};

/* xen_cpus.c */

/**
 * Take the CPUs' registers, as far as the file has them and they are a x86-64 CPU's.
 * @param is_pv the guest's tables hold machine frames, and it has a root for user mode beside
 *              the kernel's
 * @return 0 or -PGW_ENOMEM
 */
int xen_take_cpus(struct source *source, const struct xen_place *place, bool is_pv);

#endif
