/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_FOREIGN_H
#define TOOL_FOREIGN_H

/* Virtual machines and devices: their names, and the one that the options choose. */

#include "target.h"

#define FOREIGN_ID 16

/** "00:02.0", or a stream id as "0x10"; @return buf */
const char *foreign_id(const struct pgw_foreign *found, char buf[FOREIGN_ID]);
/** The same, and of a virtual machine its number; "" of NULL. @return buf */
const char *foreign_whose(const struct pgw_foreign *found, char buf[FOREIGN_ID]);
/** Where it was found: "vmcb", "vtd-context". */
const char *foreign_source(enum pgw_foreign_source source);
/** "tables", "pass-through". */
const char *foreign_domain(enum pgw_domain domain);
/** Says that a search for virtual machines was cut short, if it was. */
void foreign_tell_cut(const struct target *target);
/** All of an image; says so if that fails. @return as pgw_image_foreign() */
int foreign_ask(struct target *target, const struct pgw_foreign **ret_list, size_t *ret_nr,
		uint64_t *ret_nr_blocked);
/** The same. @return enum tool_status */
int foreign_list(struct target *target, const struct pgw_foreign **ret_list, size_t *ret_nr,
		 uint64_t *ret_nr_blocked);
/** What a guest or a device can reach. All zero without tables. */
struct foreign_reach {
	uint64_t readable, writable; /**< bytes of its addresses */
	bool is_one_to_one;          /**< each address is the physical one */
	bool is_cut;                 /**< not all of its tables could be looked at */
};

/**
 * Find that out.
 * @param found of one that has its tables where none can be, the domain becomes PGW_DOMAIN_UNKNOWN
 * @return 0, or negative: as pgw_mm_attach() and pgw_scan()
 */
int foreign_reach(const struct target *target, const struct options *opts,
		  struct pgw_foreign *found, struct foreign_reach *ret);
/** What its accesses go through: as foreign_domain(), or "identity". */
const char *foreign_through(const struct pgw_foreign *found, const struct foreign_reach *reach);
/** The root that --vm or --device chooses. */
int foreign_root(struct target *target, const struct options *opts, struct pgw_root_info *ret);

/**
 * Go on inside the virtual machine that --vm chooses: from now on the target's image is that of the guest.
 * @param image_opts of the guest's image
 */
int foreign_enter(struct target *target, const struct options *opts,
		  const struct pgw_image_options *image_opts);
/** Undo that, if it was done. The guest's image is closed already. */
void foreign_leave(struct target *target);

#endif
