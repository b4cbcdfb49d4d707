/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_AUDIT_H
#define PAGEWALK_AUDIT_H

/**
 * @file
 * What should not be in page tables: rules over all roots of an image, each in a form that stays
 * silent on machines as they should be. Hosted only.
 *
 * A rule asks for what an address, a frame or a table is: which memory is the kernel's code, which
 * is RAM, where modules are. That comes from the image alone (symbols, VMCOREINFO, the resource
 * tree, the kernel's own tables); a rule whose facts an image lacks is reported as not checked. An
 * audit without findings means something only together with what was not checked.
 */

#include <pagewalk/image.h>
#include <pagewalk/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The rules. Names of findings (pgw_audit_rule_info()) are stable, these numbers are not. */
enum pgw_audit_rule {
	PGW_AUDIT_KERNEL_WX, /**< a leaf that the kernel may write and execute */
	PGW_AUDIT_X_OUTSIDE, /**< the kernel may execute what is not its code */
	PGW_AUDIT_TEXT_WRITABLE, /**< code or read-only data of the kernel is writable at some address */
	PGW_AUDIT_KERNEL_USER,  /**< programs have rights in the kernel's half */
	PGW_AUDIT_USER_TABLE,   /**< a program's memory is a page table */
	PGW_AUDIT_USER_KERNEL,  /**< a program's memory is the kernel's image */
	PGW_AUDIT_TABLE_ALIAS,  /**< a page table is writable at an unusual address */
	PGW_AUDIT_TABLE_RO,     /**< arm64: a table is writable that should be nowhere */
	PGW_AUDIT_NO_RAM,       /**< a leaf leads to what is no memory, where memory belongs */
	PGW_AUDIT_TABLE_SHARED, /**< two processes have a table in common */
	PGW_AUDIT_TABLE_TWICE,  /**< a root leads to a table twice */
	PGW_AUDIT_LOOP,         /**< a table leads back to itself */
	PGW_AUDIT_RESERVED,     /**< an entry that the MMU refuses: bits that must be zero */
	PGW_AUDIT_TABLE_MARK, /**< a process's table whose struct page does not say that it is one */
	PGW_AUDIT_TABLE_LOST, /**< a page whose struct page says that it is a table, of no root */
	PGW_AUDIT_NO_KPTI,    /**< the kernel is mapped while programs run */
	PGW_AUDIT_NO_SMEP,    /**< x86: the kernel may execute programs' memory */
	PGW_AUDIT_NO_NX,      /**< nothing is ever not executable */
	PGW_AUDIT_NO_WXN,     /**< arm64: what is writable may be executable */
	PGW_AUDIT_NO_WP,      /**< x86: read-only does not bind the kernel */
	PGW_AUDIT_FIRMWARE_WX, /**< tables of firmware have memory that is writable and executable */
	PGW_AUDIT_USER_WX,     /**< a program may write and execute a leaf */
	PGW_AUDIT_FOREIGN_CODE,   /**< a device or a virtual machine may write the kernel's code */
	PGW_AUDIT_FOREIGN_TABLE,  /**< ... or a page table of the host */
	PGW_AUDIT_FOREIGN_FREED,  /**< ... or memory that the kernel takes for free */
	PGW_AUDIT_FOREIGN_SHARED, /**< two virtual machines, or one and another's device, share memory */
	PGW_AUDIT_DEVICE_IDENTITY, /**< a device's addresses are physical ones, for all or most memory */
	_PGW_AUDIT_RULE_MAX,
};

/** How bad it is. */
enum pgw_audit_level {
	PGW_AUDIT_NOTE, /**< worth knowing: a choice, or of tables that may be nobody's any more */
	PGW_AUDIT_WARNING, /**< wrong under some circumstances, which the image does not tell */
	PGW_AUDIT_ERROR,   /**< wrong */
	_PGW_AUDIT_LEVEL_MAX,
};

/** What a rule is called and means. All strings are static. */
struct pgw_audit_rule_info {
	const char *id;             /**< stable: "kernel-wx" */
	const char *text;           /**< what was found, a few words */
	const char *why;            /**< why it matters, one sentence */
	const char *normal;         /**< what is normal, one sentence */
	enum pgw_audit_level level; /**< that its findings have, unless they say otherwise */
};

/** @return NULL if there is no such rule */
PGW_API const struct pgw_audit_rule_info *pgw_audit_rule_info(enum pgw_audit_rule rule);

struct pgw_foreign; /* pagewalk/virt.h */

/** Something that a rule found. */
struct pgw_audit_finding {
	enum pgw_audit_rule rule;
	enum pgw_audit_level level;
	const struct pgw_root_info *root; /**< the first one that has it; there during the call */
	/**
	 * NULL: it is about the host's own tables. Else a virtual machine or device of
	 * pgw_image_foreign() that has it, the first one if several have its tables: root is its root, of
	 * PGW_ROOT_UNKNOWN, and addresses are those that it uses.
	 */
	const struct pgw_foreign *foreign;
	const struct pgw_region *region;  /**< NULL: of no region, but of the root as a whole */
	uint64_t va_first;                /**< 0 to 0 without a region */
	uint64_t va_last;                 /**< inclusive */
	uint64_t pa;                      /**< of the first leaf, table or frame that it is about */
	uint64_t entry;                   /**< the first one, raw; 0: there is none */
	uint64_t count;  /**< how many leaves, entries or frames from va_first to va_last are so */
	size_t nr_roots; /**< roots that have it, or virtual machines and devices; at least 1 */
	const char *detail; /**< what more is known, a static text; or NULL */
	/** It is about tables that only look like a process's: no CPU, task or symbol names them. */
	bool is_suspect;
};

/** Not 0 ends the audit, which returns the value. */
typedef int pgw_audit_fn(const struct pgw_audit_finding *finding, void *arg);

/** A rule, or a part of what it covers, was not checked: why is a static text. */
typedef int pgw_audit_unchecked_fn(enum pgw_audit_rule rule, const char *why, void *arg);

/** What to look at. Fields not named are 0. */
struct pgw_audit_args {
	const struct pgw_platform *platform;
	struct pgw_image *image;
	/** All of them, as pgw_image_roots() has them; those of tasks are looked at beside them. */
	const struct pgw_root_info *roots;
	size_t nr_roots;
	/** Distinct tables that may be read, at most 2^31, and as many visits of them beside. */
	uint64_t max_tables;
	uint64_t max_findings; /**< that are kept, at least 1 */
	pgw_audit_fn *finding;
	pgw_audit_unchecked_fn *unchecked; /**< called before any finding; may be NULL */
	void *arg;
};

/** What an audit met. */
struct pgw_audit_sums {
	uint64_t nr_roots;      /**< that were looked at */
	uint64_t nr_suspects;   /**< of these, roots that are known by their looks alone */
	uint64_t nr_foreign;    /**< tables of virtual machines and devices, and domains without any */
	uint64_t nr_tables;     /**< distinct ones */
	uint64_t nr_unreadable; /**< of these, tables of which the image lacks bytes; and roots where none can be */
	uint64_t nr_findings;   /**< calls of finding */
	uint64_t nr_unchecked;  /**< calls of unchecked, or what they would be */
	bool truncated;         /**< a budget of tables ran out: there may be more */
	uint32_t full_rules; /**< by 1 << rule: those that found more than max_findings, and it is not told */
};

/**
 * Audit the roots of an image. A table is read once for each rule's needs, whatever number of
 * roots has it; a half that processes have in common with the kernel's root is looked at there. A
 * guest's root (PGW_ROOT_GUEST) and roots of other kernels than the one that is meant are passed
 * over. Virtual machines and devices that the image has (pgw_image_foreign()) are looked at for what they
 * can reach of the host. Findings come in the order of rules, then of addresses; what several roots have is one.
 *
 * Locks: none; the image must stand still (a file, or held by pgw_image_hold()).
 * @param ret set also on failure
 * @return 0 (also if a budget ran out: ret->truncated), a callback's value, that of the image's look()
 *         (what was found until then was told), -PGW_EINVAL (no root can be there), -PGW_ENOMEM
 */
PGW_API int pgw_audit(const struct pgw_audit_args *args, struct pgw_audit_sums *ret);

#ifdef __cplusplus
}
#endif

#endif
