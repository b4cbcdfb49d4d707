/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_KERNELS_H
#define SYSTEM_KERNELS_H

/* Which kernels there are, by what they are claimed, and which is meant; and all roots. */

#include <pagewalk/image.h>

#define IMAGE_MAX_KERNELS 32
#define IMAGE_SEARCH_BY_CPU_BUDGET                                                                 \
	(UINT64_C(1) << 18) /* the one that a CPU's tables tell where to begin */

/** The symbol swapper_pg_dir, or where else the kernel's root maps itself; and that root. */
struct image_swapper {
	uint64_t va;
	struct pgw_root_info root; /* all but state, cpus and twin is filled in */
	uint64_t lacks;            /* as image_root_lacks(), of a root whose proof is partial */
	bool is_other; /* a process's, which has to serve: the kernel's own cannot be read */
};

/* In rising order. What is found without a look through memory does not change with one. */
enum image_trust {
	TRUST_CLAIM,   /* not proved */
	TRUST_PARTIAL, /* as far as the image has the tables */
	TRUST_SEARCH,
	TRUST_TEXT,
	TRUST_TEXT_RUNNING, /* and a CPU runs with the kernel where the text has it */
	TRUST_CPU,
	TRUST_NOTE,
	TRUST_NOTE_RUNNING,
	TRUST_GIVEN, /* the options have the text */
};

/** A kernel that was found, or is claimed. */
struct image_kernel {
	struct image_swapper swapper;
	enum image_trust trust; /* the higher, the better the ground on which it was found */
	unsigned order;         /* of those that are trusted alike, the lowest is the first */
	size_t text;            /* that says the same: index + 1 in the image's texts, or 0 */
};

struct image_kernels {
	struct image_kernel list[IMAGE_MAX_KERNELS]; /* the best first; each root once */
	size_t nr;
};

/*
 * kernel_claim.c: where the kernel's root may be, by each means there is. A
 * claim has all of an image_swapper, its proof too, passed or not.
 */

/** What one text says. @return false if it does not say enough */
bool image_claim_of_text(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret);
/** What a root leads to that a CPU has loaded, of a KPTI pair the kernel's. Pre, here and below: the machine is known. */
bool image_claim_of_cpu(struct pgw_image *image, const struct pgw_root_info *cpu,
			struct image_swapper *ret);
/**
 * Pages that may be roots, against the symbol in a text that says no more: at most max of them. Pre,
 * here and below: image_survey()
 * @return how many
 */
size_t image_claims_by_symbol(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			      struct image_swapper *ret, size_t max);
/** Does the root hold other addresses than those that its kernel speaks of? */
bool image_root_is_paravirtual(const struct pgw_image *image, const struct pgw_root_info *root);
/**
 * Is a text a paravirtual guest's kernel's own? Of those in memory, the one that it maps: several
 * guests may have the same kernel, at the same virtual address.
 */
bool image_kernel_owns_text(struct pgw_image *image, const struct image_swapper *kernel,
			    const struct pgw_vmcoreinfo *info);
/** Pages that may be roots, by nothing but what they hold. */
bool image_claim_by_looks(struct pgw_image *image, struct image_swapper *ret);
/**
 * Where tables are missing: the root of which most can be read, if what there is speaks for it.
 * @param info what to begin with; NULL: nothing
 */
bool image_claim_partial(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret);

/* kernel_rank.c: several claims, as a value */

/** Is the root believed, and not only claimed? */
bool image_kernel_is_sound(const struct image_kernel *kernel);
/** Did the best of them, which are ranked, prove itself? */
bool image_kernels_are_proved(const struct image_kernels *kernels);
/**
 * Put one in. Several claims may be of one kernel: what the first says of it
 * stays, what is trusted most counts. Of claims that are not proved, the first is kept.
 */
void image_kernels_add(struct image_kernels *kernels, const struct image_kernel *kernel);
/** Leave out what is only claimed. */
void image_kernels_drop_claims(struct image_kernels *kernels);
/** Put the best first. Stable: of what is alike, the one that was found first stays first. */
void image_kernels_rank(struct image_kernels *kernels);

/* kernel_collect.c: claims by all grounds, proved and ranked */

/** By all that has been read; what is not needed to tell the best waits for a survey. */
void image_kernels_collect(struct pgw_image *image, struct image_kernels *kernels);
/** By notes and what CPUs have loaded only: what else was found must not change the answer. */
void image_kernels_without_a_look(struct pgw_image *image, struct image_kernels *ret);
/**
 * May a survey end? When no text that is yet to come could be trusted more, and the kernels that
 * were found are all that CPUs run: a crash kernel may have taken the dump.
 * @param arg struct image_kernels: those that were found until now
 */
bool image_texts_settle(struct pgw_image *image, void *arg);
/** A bit that no table has shows in the tree of a kernel that is found without it. */
void image_kernels_learn_encryption(struct pgw_image *image, struct image_kernels *kernels);

/* kernels.c: which of them is meant; what has been collected is kept here */

/** The kernels, by what has been read so far; the image's. */
const struct image_kernels *image_kernels(struct pgw_image *image);
/**
 * Where no kernel's root is proved: what a CPU has loaded; else an identity map. Pre: image_survey()
 * @return 0, -PGW_ENOENT, -PGW_EIO or -PGW_ENOMEM
 */
int image_other_root(struct pgw_image *image, struct pgw_root_info *ret);
/** The one that is meant unless another is named; its proof may have failed. @return false if there is none */
bool image_kernel_best(struct pgw_image *image, struct image_swapper *ret);
/** How many of them are more than claims: these come first. */
size_t image_kernels_sound(struct pgw_image *image);
/**
 * The number of the one that the options name, or of the best, sound or not; 0 = there is none.
 * @return 0 or -PGW_ENOENT (there is none of that name, or that the given text fits)
 */
int image_kernel_meant(struct pgw_image *image, unsigned *ret_number, struct pgw_error *err);

/* root_list.c: roots, as they are found */

struct image_roots {
	struct pgw_image *image;
	struct pgw_root_info *items;
	size_t nr;
};

/** @return 0 or -PGW_ENOMEM */
int image_roots_add(struct image_roots *roots, const struct pgw_root_info *root);
/** By address, of struct pgw_root_info: for qsort and bsearch. */
int image_roots_compare(const void *a, const void *b);
/** Sort by address, and make one of those that were found in several ways. */
void image_roots_merge(struct image_roots *roots);

#endif
