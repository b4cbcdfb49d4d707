/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_ROOT_H
#define SYSTEM_ROOT_H

/* One root: what it maps, whether it proves itself, and what it is for. */

#include <pagewalk/image.h>

#include "pt/pt.h"

struct image_swapper;

/* root_walk.c: a root, read as the MMU would */

#define IMAGE_TREE_BUDGET (UINT64_C(1) << 16)  /* table visits to look through one tree */
#define IMAGE_COUNT_BUDGET (UINT64_C(1) << 20) /* tables of one tree that are counted */
#define IMAGE_MAX_FORMATS 16                   /* of one architecture */
#define IMAGE_MAX_TABLE ((size_t)64 << 10)

/** The formats of the image's architecture, deepest first. @return how many */
size_t image_formats(const struct pgw_image *image, const struct pgw_format **ret);
/** The format of the image's architecture with this many levels, or NULL. */
const struct pgw_format *image_format(const struct pgw_image *image, unsigned nr_levels);
/** The format of the image's architecture with this granule and width, or NULL. */
const struct pgw_format *image_format_of(const struct pgw_image *image, unsigned granule_lg2,
					 unsigned va_bits);
/** Does the image lack the root's own table, or a part of it? Not if the machine had no memory there. */
bool image_root_is_missing(const struct pgw_image *image, const struct pgw_root_info *root);
/** Is it missing, or nothing but zeroes? A filter that leaves out the kernel's image may do either. */
bool image_root_is_lost(const struct pgw_image *image, const struct pgw_root_info *root);
/** Is it where a root of its format can be? */
bool image_root_is_aligned(const struct pgw_root_info *root);
/** A tree of the image, to be walked. */
void image_tree(const struct pgw_image *image, const struct pgw_root_info *root,
		const struct pgw_region *region, struct pt *ret);
/** Where a root maps va to; a leaf or nothing. @return is it mapped? */
bool image_root_translate(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va, struct pgw_translation *ret);
/**
 * An address from first on in the kernel's region, that a root maps to pa.
 * @return false if none is found
 */
bool image_root_find_va(struct pgw_image *image, const struct pgw_root_info *root, uint64_t pa,
			uint64_t first, uint64_t *ret_va);

/**
 * The items of a root that are not 0, in each region of its format.
 * @return false: not all of them can be read
 */
bool image_root_count_slots(const struct pgw_image *image, const struct pgw_root_info *root,
			    unsigned ret[_PGW_REGION_MAX]);

/* root_state.c: a root, beside the kernel's */

#define IMAGE_REGION(kind) (1u << (kind))
#define IMAGE_ALL_REGIONS (IMAGE_REGION(PGW_REGION_USER) | IMAGE_REGION(PGW_REGION_KERNEL))

/** The kernel's region of the tree, or the user's, or both, counted. */
struct image_count {
	uint64_t nr_leaves; /* in each table once */
	uint64_t nr_malformed;
	uint64_t nr_missing; /* tables that cannot be read */
	uint64_t nr_outside; /* of these, such as the machine's memory does not hold whole */
};

/**
 * @param halves of a root that covers both: bits IMAGE_REGION()
 * @param budget tables that may be met; lowered by those that were
 * @return 0, -PGW_EINVAL, -PGW_E2BIG (ret has what was met), -PGW_ENOMEM
 */
int image_root_count(const struct pgw_image *image, const struct pgw_root_info *root,
		     unsigned halves, uint64_t *budget, struct image_count *ret);
/**
 * Does the way from the root to va end at a table that the image lacks?
 * @return that table, and its level in the lowest bits; 0 if it does not, or the root itself cannot be read
 */
uint64_t image_root_lacks(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va);
/** Does the root map swapper_pg_dir to where it is? */
enum pgw_root_proof image_root_prove(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     const struct pgw_root_info *root);
/** What a proof that has passed adds to found. Pre: the machine is known. */
uint32_t image_root_proved_by(const struct pgw_image *image);
/** Which halves the root covers, by its format and by what it was found as. */
void image_root_set_halves(struct pgw_root_info *root);
/**
 * What the root is for. Pre: found, cpus, proof are filled in; it is not a KPTI user half.
 * @param swapper the kernel's, or NULL
 * @param root    evidence is set, and of firmware control bits
 * @param budget  table visits that are left; lowered by those made
 */
enum pgw_root_state image_root_state(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     struct pgw_root_info *root, bool is_running, uint64_t *budget);
/** Fill in halves, cpus, proof and state of a root that stands alone. */
void image_root_describe(const struct pgw_image *image, const struct image_swapper *swapper,
			 struct pgw_root_info *root);

#endif
