/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_VIRT_H
#define PAGEWALK_VIRT_H

/**
 * @file
 * Roots that no CPU's own register holds: those of virtual machines and of devices behind an IOMMU.
 * Hosted only.
 */

#include <pagewalk/image.h>
#include <pagewalk/mm.h>
#include <pagewalk/phys.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What says of a root in memory. */
enum pgw_foreign_source {
	PGW_FOREIGN_VMCB,        /**< AMD's control block of a virtual CPU */
	PGW_FOREIGN_KVM_ARM64,   /**< Linux's struct kvm_s2_mmu, by VTCR and the root's address */
	PGW_FOREIGN_KVM_RISCV64, /**< Linux's struct kvm_arch, by the root's two addresses */
	PGW_FOREIGN_VTD,         /**< VT-d's context tables, legacy mode */
	PGW_FOREIGN_VTD_PASID,   /**< ... and PASID tables, scalable mode */
	PGW_FOREIGN_AMDVI,       /**< AMD's device table */
	PGW_FOREIGN_SMMUV3,      /**< Arm's stream table */
	PGW_FOREIGN_VMCS,        /**< Intel's control structure, by a word that leads to such tables */
	_PGW_FOREIGN_SOURCE_MAX,
};

/** What a device's, or a guest's, addresses go through. */
enum pgw_domain {
	PGW_DOMAIN_TABLES,       /**< page tables: root and format are meant */
	PGW_DOMAIN_PASS_THROUGH, /**< nothing: they are physical addresses */
	PGW_DOMAIN_UNKNOWN,      /**< tables that are not read here */
	_PGW_DOMAIN_MAX,
};

/** A virtual machine or a device, and its tables. */
struct pgw_foreign {
	enum pgw_foreign_source source;
	enum pgw_domain domain;
	bool is_guest; /**< a virtual machine, else a device */
	/**
	 * Of a virtual machine: its number, counting from 0, ascending by root. Of a device: bus << 8 |
	 * device << 3 | function, or the stream id of an SMMU.
	 */
	uint32_t id;
	/** ASID, VMID, or the domain's number, as the hardware has it; 0 of a VMCS, whose place for it is not known */
	uint32_t domain_id;
	uint64_t
		evidence; /**< physical address of what says so: VMCB, table entry, field of a struct */
	uint64_t table; /**< of a device: of the table that has its entry; else 0 */
	/** as pgw_mm_attach() takes it, with PGW_REGION_FOREIGN; stage 1 of an SMMU: PGW_REGION_USER */
	const struct pgw_format *format;
	struct pgw_root root;
	struct pgw_control control;
};

/**
 * The virtual machines and devices of an image, found by what their hardware's structures look like, as
 * no register of an IOMMU, and of a hypervisor at best one, is in a dump. Virtual machines first,
 * ascending by id in each kind. Devices whose accesses are refused are counted, not listed: tables
 * hold an entry for each that could be there.
 *
 * Sources: AMD APM vol. 2 appendix B "VMCB Layout"; Intel SDM vol. 3C 25.2 "Format of the VMCS Region", which
 * leaves to the processor where a VMCS has its EPTP: a word of the page is believed that leads to extended
 * page tables which prove themselves, as far as it was written back; Intel VT-d chapter 9; AMD 48882 section 2.2.2 "Device
 * Table"; Arm IHI 0070 chapter 5; Linux 6.1 and 7.2 for kvm_s2_mmu.
 *
 * Searches memory at the first call. Not from several threads at once; not for a machine that runs.
 * @param ret_list       the image's, until it is closed
 * @param ret_nr_blocked devices whose accesses are refused
 * @return 0, -PGW_ENOMEM, -PGW_EIO, -PGW_EOPNOTSUPP: the machine runs, or -PGW_E2BIG: too much of memory
 *         looks like such structures
 */
PGW_API int pgw_image_foreign(struct pgw_image *image, const struct pgw_foreign **ret_list,
			      size_t *ret_nr, uint64_t *ret_nr_blocked);

/**
 * Was not each page tried that looks like a VMCS, because too many do? Then a virtual machine of Intel may
 * be missing in what pgw_image_foreign() gave, and nothing else.
 */
PGW_API bool pgw_image_foreign_is_cut(const struct pgw_image *image);

/** The most runs of memory that a guest can have here: what maps more is refused. */
#define PGW_NESTED_MAX_RUNS (UINT32_C(1) << 22)

struct pgw_nested;

/**
 * The physical memory of a guest, by tables that map it to the host's: stage 2, NPT, EPT, G stage, or a
 * device's. An mm attached to it is one of the guest inside. The tables are read once, here.
 *
 * @param stage2 an mm of such tables, which do not change; locked for read at least; not kept
 * @param host   the host's memory; borrowed until pgw_nested_free()
 * @param ret    owned by the caller
 * @return 0, -PGW_EINVAL, -PGW_ENOMEM, -PGW_E2BIG (more runs than PGW_NESTED_MAX_RUNS, or the mm's budget
 *         of table visits ran out), or another error of pgw_scan()
 */
PGW_API int pgw_nested_new(struct pgw_mm *stage2, const struct pgw_phys *host,
			   struct pgw_nested **ret);

/** NULL is fine. Nobody uses its memory any more. */
PGW_API void pgw_nested_free(struct pgw_nested *nested);

/**
 * The guest's memory, as it reads it: what stage 2 does not let it read is not there. It is nested's,
 * and may be used by several threads at once.
 */
PGW_API const struct pgw_phys *pgw_nested_phys(const struct pgw_nested *nested);

/**
 * Open the guest inside a host's image: an image like any other, whose memory is the guest's. No file is
 * written. The registers of its CPUs are known of x86 guests alone: those that its VMCBs keep, which may
 * be older than the image.
 *
 * Not while another thread asks the host's image for something that is found on a first call.
 * @param host   stays until the guest's image is closed
 * @param guest  of pgw_image_foreign(): a virtual machine with tables
 * @param nested its memory, by these tables in the host's; stays until the guest's image is closed
 * @param opts   as pgw_image_open() takes them; ram, parts and arch say nothing. Or NULL
 * @param ret    to be closed with pgw_image_close()
 * @param err    detail on failure; may be NULL
 * @return 0, -PGW_EINVAL (not a virtual machine, or one without tables), -PGW_ENOMEM, -PGW_EOVERFLOW
 *         (more than 8192 CPUs)
 */
PGW_API int pgw_image_open_guest(struct pgw_image *host, const struct pgw_foreign *guest,
				 const struct pgw_nested *nested,
				 const struct pgw_image_options *opts, struct pgw_image **ret,
				 struct pgw_error *err);

#ifdef __cplusplus
}
#endif

#endif
