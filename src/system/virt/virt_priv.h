/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VIRT_PRIV_H
#define VIRT_PRIV_H

/* Finding the roots of virtual machines and devices: pages by their looks, then what they lead to. */

#include <pagewalk/virt.h>

#include "system/system_priv.h"

#define VIRT_MAX_FOUND 65536               /* virtual machines and devices */
#define VIRT_MAX_READS (UINT64_C(1) << 20) /* pages that are looked at again, all together */

/** What a page may be; each is looked at again. */
enum virt_page {
	VIRT_PAGE_VTD,    /* a root table of VT-d */
	VIRT_PAGE_VMCS,   /* it begins as a VMCS, and holds a word that could be an EPTP */
	VIRT_PAGE_DEVICE, /* a part of AMD's device table */
	VIRT_PAGE_STREAM, /* a part of an SMMU's stream table, of its second level */
	VIRT_PAGE_L1,     /* it holds a word that could lead to such a table, of the first level */
	VIRT_PAGE_VTCR,   /* it holds a word that could be a VTCR_EL2 */
	VIRT_PAGE_HGATP,  /* it holds what could be a VMID and a root of KVM on riscv */
	_VIRT_PAGE_MAX,
};

struct virt {
	struct pgw_image *image;
	struct image_pages *pages; /* the image's, by enum virt_page */
	struct pgw_foreign *found;
	size_t nr, capacity;
	uint64_t nr_blocked;
	uint64_t nr_reads; /* VIRT_MAX_READS: the search is cut short, and fails */
	bool is_vmx_cut;   /* not all that looks like a VMCS was tried: memory of any kind may */
};

/** A page as words of the machine, little-endian, as all these structures are. @return false: it cannot be read */
bool virt_page_read(struct virt *virt, uint64_t pa, uint64_t words[512]);
/** Can memory at pa be read? */
bool virt_is_memory(const struct virt *virt, uint64_t pa);
/** Does the machine have memory at pa, in the image or not? */
bool virt_is_described(const struct virt *virt, uint64_t pa);
/** Is it nothing, or does it lead to the machine's memory? */
bool virt_entry_is_fine(const struct virt *virt, const struct pgw_entry *entry);
/**
 * Is the root aligned to its size, and are all its items empty, or tables and leaves in the machine's memory?
 * (What is absent, but is somebody's mark, is that of a page, which no root has.)
 * @return how many of the latter it has; -1: it is no root
 */
int virt_root_entries(struct virt *virt, const struct pgw_foreign *found);
/** @return 0, -PGW_ENOMEM or -PGW_E2BIG */
int virt_add(struct virt *virt, const struct pgw_foreign *found);

/** Bytes that a guest has by its tables, and its host has no memory for. */
uint64_t nested_missing(const struct pgw_nested *nested);
/** Let the source have the CPUs that VMCBs of the host keep of a guest. @return 0 or -PGW_ENOMEM */
int virt_x86_guest_cpus(struct pgw_image *host, const struct pgw_foreign *guest,
			struct source *source);

/** What page n, which is not zero, of this machine may be: bits of enum virt_page. */
unsigned virt_x86_look(const uint8_t *page);
unsigned virt_vmx_look(const uint8_t *page); /* of x86, too */
unsigned virt_arm64_look(const uint8_t *page);
unsigned virt_riscv64_look(const uint8_t *page);
/** Add what the pages lead to. @return 0, or as virt_add() */
int virt_x86_collect(struct virt *virt);
int virt_vmx_collect(struct virt *virt);
int virt_arm64_collect(struct virt *virt);
int virt_riscv64_collect(struct virt *virt);

#endif
