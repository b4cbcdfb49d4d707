/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_SYSTEM_PRIV_H
#define SYSTEM_SYSTEM_PRIV_H

/* The image: a source, and what is known of the system inside. docs/images.md tells the whole. */

#include <pagewalk/image.h>

#include "source/source.h"
#include "system/linux/linux_facts.h"
#include "system/machine/machine.h"
#include "system/roots/kernels.h"
#include "system/roots/survey.h"

/* The image. Constant once open, but for what is found on a first call. */

struct pgw_image {
	struct source source;
	struct pgw_phys phys; /* the source's */
	struct pgw_image_options options;
	struct pgw_image_info info;     /* the source's, and what is known of the system */
	const struct image_arch *archs; /* all that there are, by image_arch_id */
	const struct image_arch *arch;  /* NULL if the machine is not known */

	struct pgw_cpu *cpus; /* those whose registers are in notes; info.nr_cpus may be more */
	size_t nr_cpus;
	/* What was given of the first CPU's registers, by their place in image_arch_ops.registers. */
	uint64_t given[IMAGE_MAX_REGISTERS];
	uint32_t given_known; /* bit n: given[n] */
	bool has_vbox_cpus;   /* VirtualBox's notes of CPUs are of a version that is known */
	uint64_t
		idt_base; /* x86_64: of the first with paging and an IDT in the kernel half, or 0 */

	struct pgw_vmcoreinfo
		texts[IMAGE_MAX_TEXTS]; /* those in memory last; they stay where they are */
	size_t nr_texts;
	size_t nr_note_texts; /* and the one of the options, which is the first */

	struct image_survey surveys[_IMAGE_ARCH_MAX];
	bool is_surveyed;
	struct pgw_encryption encryption;
	uint64_t search_left; /* of IMAGE_SEARCH_BUDGET */
	struct image_kernels kernels;
	bool kernels_known;                /* of what has been read so far */
	struct pgw_kernel *kernel_list[2]; /* as the public has it, by is_surveyed */

	uint64_t efi_system_table; /* if firmware runs the machine */
	struct pgw_efi_region *efi_map; /* of firmware that runs, or NULL */
	size_t nr_efi_map;
	bool has_efi;
	bool firmware_searched;

	struct pgw_root_info *roots;
	size_t nr_roots;
	bool roots_searched;

	const struct pgw_image *host; /* of a guest: whose image it is in; or NULL */

	struct pgw_foreign *foreign; /* virtual machines and devices */
	size_t nr_foreign;
	uint64_t nr_blocked;
	bool foreign_searched;
	bool foreign_is_cut; /* as pgw_image_foreign_is_cut() */
	/* not NULL: a survey looks for what they have, too */
	image_foreign_look_fn *foreign_look;
	/* The identity map that was found, or that there is none: who asks for a kernel asks again. */
	bool identity_is_known;
	int identity_status;
	struct pgw_root_info identity;
	bool has_foreign_pages; /* it did: */
	struct image_pages foreign_pages[IMAGE_FOREIGN_KINDS];

	struct pgw_marker *markers;
	size_t nr_markers;

	struct pgw_symbols *symbols; /* NULL: not looked for yet, or not there */
	struct linux_types *types;   /* the same, of the kernel's BTF */
	void *btf;                   /* the bytes of types */
};

/* image.c */

/** Kinds of sources that a path may lead to. */
struct image_kinds {
	const struct source_ops *const *list;
	size_t nr;
};

/** As pgw_image_open(), which knows the kinds of src/source/registry.c. */
int image_open(const struct image_kinds *kinds, const char *path,
	       const struct pgw_image_options *opts, struct pgw_image **ret, struct pgw_error *err);

/** One that has no source yet. @return NULL: no memory */
struct pgw_image *image_new(const struct pgw_image_options *opts);
/** Let what its source knows be known of an image. @return 0, or as pgw_image_open() */
int image_take_source(struct pgw_image *image, struct pgw_error *err);

/** What was found in memory is to be found again, in what there is of it now. */
void image_forget(struct pgw_image *image);

/* core_notes.c */

/** Keep what the source's notes say of the system. */
int image_notes_take(struct pgw_image *image, struct pgw_error *err);
/** One more CPU in the list; info.nr_cpus is left as it is. @return 0, -PGW_EOVERFLOW, -PGW_ENOMEM */
int image_cpus_add(struct pgw_image *image, const struct pgw_cpu *cpu);
/** Of a source without notes: its CPUs' registers instead of those that were there before. */
int image_cpus_take(struct pgw_image *image, struct pgw_error *err);

#endif
