/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_FORMAT_H
#define PAGEWALK_FORMAT_H

/**
 * @file
 * Formats: how entries are encoded, and the geometry of the tree.
 *
 * A format is constant data; all functions here are pure and may be called
 * from any thread, and in any environment (no allocation, no libc).
 */

#include <pagewalk/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A page-table format. Opaque; never freed. */
struct pgw_format;

/** The shape of a tree. Index arrays by level; level 0 holds the smallest leaves. */
struct pgw_geometry {
	uint8_t top_level;   /**< level of the root table: 3 for four-level tables */
	uint8_t granule_lg2; /**< smallest leaf */
	uint8_t va_bits; /**< bits of a virtual address that are translated, or select the region */
	uint8_t max_pa_bits; /**< the most physical address bits that an entry can hold */
	uint8_t item_lg2;    /**< log2 of the bytes of a slot: 3, or 2 */
	bool is_big_endian;  /**< a slot's first byte is the most significant one */
	/** log2 of what a root's address is a multiple of; 0: of the root table's size */
	uint8_t root_align_lg2;
	/**
	 * the root can be several tables side by side (arm64 stage 2: up to 16), and slots_lg2 has as
	 * many as there can be: struct pgw_root's nr_items says how many there are
	 */
	bool is_root_concatenated;
	/** log2 of what one slot of a table at this level spans, in bytes. */
	uint8_t span_lg2[PGW_MAX_LEVELS];
	/** log2 of the slots of a table at this level. */
	uint8_t slots_lg2[PGW_MAX_LEVELS];
	/** Bit n: leaves can have 2^n bytes, in one slot or in a contiguous run of slots. */
	uint64_t leaf_sizes;
};

/**
 * A range of input addresses with a root or a rule of its own: the two halves of x86-64, the two
 * TTBRs of arm64. An array of them ends with a NULL name. Regions of one root do not
 * overlap; those of different roots may.
 */
struct pgw_region {
	const char *name; /**< "user", "kernel", "guest" */
	uint64_t first;   /**< inclusive, as last */
	uint64_t last;
	enum pgw_region_kind kind; /**< a format has at most one of each kind */
	uint8_t root;              /**< which of the roots maps it, counting from 0 */
	/**
	 * Whom PGW_KERNEL_* and PGW_USER_* of enum pgw_right are for: "guest", "device", "el1" and "el0".
	 * NULL as the second: the second has no rights of its own. NULL as the first: kernel and user.
	 */
	const char *actor[2];
	/** the operating system chooses where it begins or ends (i386); this is what Linux does by default */
	bool is_chosen;
};

/** A named attribute of an entry, for printing. An array of them ends with a NULL name. */
struct pgw_attr {
	const char *name; /**< short, as in the architecture's manual, lower case */
	uint64_t mask;    /**< the attribute is present if (entry & mask) == value */
	uint64_t value;
	uint8_t level_first; /**< the levels at which the bits mean this, inclusive */
	uint8_t level_last;
	uint32_t needs; /**< the control bit that must be set for it to mean anything, or 0 */
};

/**
 * Bits of an entry that an edition of the manual calls reserved, ignored or software's, and that
 * a later extension took. An array of them ends with a NULL bits.
 */
struct pgw_later_bits {
	const char *bits;      /**< for printing: "60:59", "6 without 1" */
	const char *extension; /**< as the manual calls it, or more with commas: "FEAT_S1PIE" */
	const char *taken_for; /**< what is made of them: "ignored", "address" */
	uint64_t mask;         /**< all of the bits */
	uint64_t value;        /**< of these, a value that the extension has and others do not */
	bool in_tables;        /**< the bits of entries that are tables */
	bool in_leaves;        /**< ... and of leaves */
	uint8_t level_first;   /**< the levels at which the bits mean this, inclusive */
	uint8_t level_last;
	uint32_t control; /**< the control bit without which they are reserved; 0: none is known */
};

/*
 * Control bits of the CPU that change what entries mean, or what is an address. Each
 * architecture has its own, from bit 0 up; pgw_format_control_bits() lists a format's.
 */

/** x86: bits of CR0, CR3, CR4 and EFER. */
enum pgw_control_x86 {
	PGW_CTL_X86_WP = 1 << 0,   /**< CR0.WP: read-only binds the kernel too */
	PGW_CTL_X86_NXE = 1 << 1,  /**< EFER.NXE: bit 63 is execute-disable, else reserved */
	PGW_CTL_X86_SMEP = 1 << 2, /**< CR4.SMEP: the kernel never executes user pages */
	PGW_CTL_X86_PKE = 1 << 3,  /**< CR4.PKE: bits 62:59 of leaves are a protection key */
	/* These change what is an address, not what entries mean: see pgw_address_untag(). */
	PGW_CTL_X86_LAM_U48 = 1 << 4, /**< CR3.LAM_U48: bits 62:48 of user addresses are a tag */
	PGW_CTL_X86_LAM_U57 = 1 << 5, /**< CR3.LAM_U57: bits 62:57; it goes before LAM_U48 */
	/** CR4.LAM_SUP: bits 62:48, with LA57 62:57, of kernel addresses are a tag */
	PGW_CTL_X86_LAM_SUP = 1 << 6,
	PGW_CTL_X86_PSE = 1 << 7, /**< CR4.PSE, i386: leaves of 4 MiB, else bit 7 is ignored */
};

/** arm64: bits of SCTLR_EL1 and TCR_EL1, and of the same registers of EL2, for its tables. */
enum pgw_control_arm64 {
	PGW_CTL_ARM64_WXN = 1 << 0,  /**< SCTLR_EL1.WXN: nobody executes what he may write */
	PGW_CTL_ARM64_HPD0 = 1 << 1, /**< TCR_EL1.HPD0: the user region's tables restrict nothing */
	PGW_CTL_ARM64_HPD1 =
		1 << 2,            /**< TCR_EL1.HPD1: the kernel region's tables restrict nothing */
	PGW_CTL_ARM64_HD = 1 << 3, /**< TCR_EL1.HD: hardware makes clean leaves with DBM writable */
	/* These change what is an address. */
	PGW_CTL_ARM64_TBI0 = 1 << 4, /**< TCR_EL1.TBI0: bits 63:56 of user addresses are a tag */
	PGW_CTL_ARM64_TBI1 = 1 << 5, /**< TCR_EL1.TBI1: ... of kernel addresses */
	/* Of stage 2. */
	PGW_CTL_ARM64_FWB = 1 << 6, /**< HCR_EL2.FWB: MemAttr replaces stage 1's memory type */
	PGW_CTL_ARM64_XNX = 1 << 7, /**< FEAT_XNX: XN has two bits, for EL1 and for EL0 */
};

/** arm, 32 bits: bits of SCTLR. */
enum pgw_control_arm {
	PGW_CTL_ARM_WXN = 1 << 0,  /**< SCTLR.WXN: nobody executes what he may write */
	PGW_CTL_ARM_UWXN = 1 << 8, /**< SCTLR.UWXN: PL1 executes nothing that PL0 may write */
	PGW_CTL_ARM_AFE = 1 << 9,  /**< SCTLR.AFE: AP[0] of short descriptors is an access flag */
	PGW_CTL_ARM_TRE = 1 << 10, /**< SCTLR.TRE: TEX[0], C, B choose a type from PRRR and NMRR */
};

/** Intel's EPT: VM-execution controls, the EPTP, and what the CPU can. */
enum pgw_control_ept {
	PGW_CTL_EPT_XO = 1 << 0, /**< IA32_VMX_EPT_VPID_CAP: what may only be executed is no error */
	/** "mode-based execute control for EPT": bit 2 is for supervisors, bit 10 for users */
	PGW_CTL_EPT_MBEC = 1 << 1,
	PGW_CTL_EPT_AD = 1 << 2, /**< EPTP bit 6: bits 8 and 9 are accessed and dirty */
};

/** VT-d: of a scalable-mode PASID table entry. */
enum pgw_control_vtd {
	PGW_CTL_VTD_SSADE = 1 << 0, /**< bits 8 and 9 are accessed and dirty */
};

/** AMD-Vi: of a device table entry, which restricts as any table does. */
enum pgw_control_amdvi {
	PGW_CTL_AMDVI_IR = 1 << 0, /**< DTE.IR: the device may read */
	PGW_CTL_AMDVI_IW = 1 << 1, /**< DTE.IW: the device may write */
};

/** riscv: extensions that the CPU has. */
enum pgw_control_riscv {
	/** Svnapot: bit 63 of leaves makes naturally aligned runs, else reserved */
	PGW_CTL_RISCV_SVNAPOT = 1 << 0,
	PGW_CTL_RISCV_SVPBMT = 1 << 1, /**< bits 62:61 of leaves are a memory type, else reserved */
	/** Svrsw60t59b: bits 60:59 of all entries are software's, else reserved */
	PGW_CTL_RISCV_SVRSW60T59B = 1 << 2,
	/** menvcfg.SSE (Zicfiss): a leaf with W, but neither R nor X, is a shadow stack, else reserved */
	PGW_CTL_RISCV_SSE = 1 << 3,
	/* These change what is an address. */
	PGW_CTL_RISCV_PMLEN7 = 1 << 4,  /**< Ssnpm, Smnpm: bits 63:57 are a tag */
	PGW_CTL_RISCV_PMLEN16 = 1 << 5, /**< ... bits 63:48; it goes before PMLEN7 */
};

/** s390x: bits of CR0, and one of the address-space-control element (ASCE). */
enum pgw_control_s390x {
	PGW_CTL_S390X_EDAT1 = 1 << 0, /**< CR0.EDAT: frames of 1 MiB; regions have P */
	/** enhanced-DAT facility 2, where EDAT is enabled: frames of 2 GiB */
	PGW_CTL_S390X_EDAT2 = 1 << 1,
	PGW_CTL_S390X_IEP = 1 << 2,     /**< CR0.IEP: bit 8 of leaves is execute-disable */
	PGW_CTL_S390X_PRIVATE = 1 << 3, /**< ASCE.P: no segment and no large frame may be common */
};

/** ppc64, radix trees: what is in registers beside the root. */
enum pgw_control_ppc64 {
	/** IAMR, key 0: the kernel never executes pages that are not privileged (Linux: KUEP) */
	PGW_CTL_PPC64_KUEP = 1 << 0,
};

/** loongarch64: bits of CSR.PWCH. */
enum pgw_control_loongarch {
	/** PWCH.HPTW_En: the CPU walks tables: P and W say what is valid and writable, not V and D */
	PGW_CTL_LOONGARCH_PTW = 1 << 0,
};

/** Which other members of struct pgw_control are meant: of every architecture that has them. */
enum pgw_control_member {
	PGW_CTL_ARM_DOMAINS = 1 << 27,  /**< domains */
	PGW_CTL_MEMORY_TYPES = 1 << 28, /**< memory_types */
	/** encryption_bit: it is known, be it that there is none */
	PGW_CTL_X86_ENCRYPTION = 1 << 29,
	/** encryption_bit is set in what is shared with the host (TDX), not in what is encrypted */
	PGW_CTL_X86_SHARED_BIT = 1 << 30,
};

/** A control bit of a format. An array of them ends with a NULL name. */
struct pgw_control_bit {
	const char *name; /**< as the manual calls it */
	uint32_t bit;     /**< of one of the enums above */
	bool is_tag;      /**< it says that bits of an address are a tag */
	bool is_of_root; /**< it is in the register that holds the root, so each root has its own */
};

/** What is known about the control bits and the physical address width. */
struct pgw_control {
	uint32_t known;        /**< the format's control bits whose state is known */
	uint32_t set;          /**< of these, the ones that are set; others must be 0 */
	uint8_t pa_bits;       /**< physical address width (x86 MAXPHYADDR), 0 = not known */
	/**
	 * arm64: MAIR_EL1; arm: MAIR0 and, 32 bits up, MAIR1, which short descriptors know as PRRR and
	 * NMRR. If PGW_CTL_MEMORY_TYPES is in known
	 */
	uint64_t memory_types;
	/**
	 * x86-64: the bit of an entry, PGW_ENCRYPTION_BIT_MIN to _MAX, that says whether memory is
	 * encrypted and is no part of its address: AMD's C-bit (APM vol. 2, 7.10 and 15.34) or Intel's shared
	 * bit of a TDX guest (TDX module specification, "Shared GPA"). 0 = none. CR3 may have it, too.
	 */
	uint8_t encryption_bit;
	uint32_t domains; /**< arm: DACR, if PGW_CTL_ARM_DOMAINS is in known */
};

/** The bits that can be struct pgw_control's encryption_bit. */
#define PGW_ENCRYPTION_BIT_MIN 32
#define PGW_ENCRYPTION_BIT_MAX 51

/** One entry, decoded on its own: rights of this level only, not effective ones. */
struct pgw_entry {
	enum pgw_entry_kind kind;
	uint8_t size_lg2; /**< of a leaf: log2 of the bytes it maps */
	uint8_t rights; /**< enum pgw_right that this entry would give if all other levels gave everything */
	uint64_t pa; /**< of the leaf's first byte or of the table; 0 for other kinds */
	/** Of a table: its first and last slot that there are, inclusive (s390x: table offset and length). */
	uint16_t slot_first, slot_last;
	/**
	 * Of a table: its level, which is the next lower one unless levels are skipped (AMD-Vi). The table
	 * then has the first addresses of the slot, and the others are a hole.
	 */
	uint8_t table_level;
};

/** What a new leaf is to be. */
struct pgw_leaf {
	uint64_t va;    /**< aligned to the leaf's size, inside a region of the format */
	uint64_t pa;    /**< aligned to the leaf's size */
	uint8_t level;  /**< one at which the format has leaves */
	uint8_t rights; /**< enum pgw_right; the format must be able to express them */
	/** further bits of the entry, within pgw_format_attr_mask(); rights do not belong here */
	uint64_t attrs;
};

/**
 * Find a format by name, e.g. "x86_64-la48", "arm64-16k-47", "riscv-sv57".
 * "arm64-4k", "arm64-16k" and "arm64-64k" mean the ones with 48 bits.
 * @return the format, or NULL
 */
PGW_API const struct pgw_format *pgw_format_by_name(const char *name);

/** The format with this index, counting from 0; NULL past the last. */
PGW_API const struct pgw_format *pgw_format_at(size_t index);

/** The format's name, e.g. "x86_64-la57"; static. */
PGW_API const char *pgw_format_name(const struct pgw_format *format);

/** The name of the encoding that formats may share, e.g. "x86_64"; static. */
PGW_API const char *pgw_format_arch(const struct pgw_format *format);

/** The shape of the tree; static. */
PGW_API const struct pgw_geometry *pgw_format_geometry(const struct pgw_format *format);

/** Can tables of this format be owned and changed, and not only looked at? */
PGW_API bool pgw_format_is_editable(const struct pgw_format *format);

/** The manual's name of a table at this level, e.g. "PML4"; static; NULL above the top level. */
PGW_API const char *pgw_format_table_name(const struct pgw_format *format, unsigned level);

/** The control bits that change the format's meaning, in a fixed order, ended by a NULL name; static. */
PGW_API const struct pgw_control_bit *pgw_format_control_bits(const struct pgw_format *format);

/** The attributes that entries can show, ended by a NULL name; static. */
PGW_API const struct pgw_attr *pgw_format_attrs(const struct pgw_format *format);

/**
 * The bits that later extensions took: nothing is refused that one uses, unless the control
 * bits say that the CPU lacks it. Ended by NULL bits; static. docs/bits.md has the reasons.
 */
PGW_API const struct pgw_later_bits *pgw_format_later_bits(const struct pgw_format *format);

/**
 * The bits of a leaf at this level that pgw_format_attrs() or the rights speak
 * of: the attributes that the MMU sees, without address and software bits.
 */
PGW_API uint64_t pgw_format_attr_mask(const struct pgw_format *format, unsigned level);

/**
 * The same with the bit that says whether memory is encrypted, where the control bits name one.
 * @param control a complete one, see pgw_control_assume()
 */
PGW_API uint64_t pgw_format_attr_mask_with(const struct pgw_format *format,
					   const struct pgw_control *control, unsigned level);

/** The regions of the format's addresses, ended by a NULL name; static. */
PGW_API const struct pgw_region *pgw_format_regions(const struct pgw_format *format);

/** The region of that kind; static. NULL if the format has none. */
PGW_API const struct pgw_region *pgw_format_region(const struct pgw_format *format,
						   enum pgw_region_kind kind);

/** The addresses of the region of that kind, inclusive; 1 to 0 if the format has none. */
PGW_API void pgw_format_region_range(const struct pgw_format *format, enum pgw_region_kind kind,
				     uint64_t *ret_first, uint64_t *ret_last);

/** The first region that has the address; static. NULL if none has it. */
PGW_API const struct pgw_region *pgw_format_region_of(const struct pgw_format *format, uint64_t va);

/** Does each region have a root of its own (arm64), and not one root all of them? */
PGW_API bool pgw_format_is_split(const struct pgw_format *format);

/**
 * The memory type of a leaf, e.g. "device-nGnRE" (arm64, by MAIR_EL1) or "io"
 * (riscv Svpbmt); static. NULL if the entry, the format or the control bits do not say.
 * @param control a complete one, see pgw_control_assume()
 * @param level   of the table that holds it
 */
PGW_API const char *pgw_format_memory_type(const struct pgw_format *format,
					   const struct pgw_control *control, uint64_t entry,
					   unsigned level);

/**
 * Whether what an entry leads to is encrypted: "encrypted" or "shared", by the bit that the
 * control bits name; static. NULL if they name none.
 */
PGW_API const char *pgw_format_encryption(const struct pgw_format *format,
					  const struct pgw_control *control, uint64_t entry);

/**
 * Fill in what is not known: x86 WP=1, NXE=1, SMEP=1, PKE=0; arm64 WXN=0,
 * HPD=0, HD=0, TBI0=1 as Linux has it, TBI1=1 as Linux with KASAN by tags has
 * it (without, such an address would be none at all), memory types in Linux's
 * order; riscv Svnapot, Svpbmt and Svrsw60t59b present, SSE=1, so that nothing is
 * reserved that an extension uses; no tags on x86 and riscv;
 * pa_bits = the most that the format can hold. Bits that the format does not
 * have become 0.
 * @return a control in which everything counts as known; compare with what
 *         went in to see what was assumed
 */
PGW_API struct pgw_control pgw_control_assume(const struct pgw_format *format,
					      const struct pgw_control *control);

/**
 * The address that the MMU looks up for a pointer: without its tag, if the
 * control bits say that it may have one. The other functions take addresses,
 * and call one with a tag PGW_ENTRY_NONCANONICAL.
 *
 * Sources: Arm ARM D8.8 "Address tagging"; Intel SDM vol. 1 "Linear-Address
 * Masking"; RISC-V Instruction Set Manual, vol. II "Pointer Masking".
 * @param control a complete one, see pgw_control_assume()
 * @param ret_tag the bits that were ignored, shifted to bit 0; only if the
 *                address differs from va, else 0. May be NULL
 */
PGW_API uint64_t pgw_address_untag(const struct pgw_format *format,
				   const struct pgw_control *control, uint64_t va,
				   uint64_t *ret_tag);

/**
 * Decode one entry on its own.
 *
 * @param control a complete one, see pgw_control_assume()
 * @param entry   the raw word
 * @param level   of the table that holds it; at most the format's top level
 */
PGW_API void pgw_entry_decode(const struct pgw_format *format, const struct pgw_control *control,
			      uint64_t entry, unsigned level, struct pgw_entry *ret);

/**
 * The raw entry of a leaf in a run, which differs from the run's first in
 * nothing but the address.
 *
 * @param entry the first leaf's
 * @param level of the table that holds it
 * @param bytes how far on the leaf is, in the addresses that it maps
 */
PGW_API uint64_t pgw_entry_advance(const struct pgw_format *format, uint64_t entry, unsigned level,
				   uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
