/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

/* Does what a CPU runs on map the claimed kernel where it is claimed to be? */
static bool claim_is_running(const struct pgw_image *image, const struct image_swapper *claim)
{
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_loaded(image, i, &cpu))
			continue;
		image_root_use_kernel_twin(image, &cpu);
		if (image_root_prove(image, claim, &cpu) == PGW_PROOF_PASSED)
			return true;
	}
	return false;
}

/* In rising order. What is found without a look through memory does not change with one. */
enum trust {
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

static bool has_given_text(const struct pgw_image *image)
{
	return image->options.vmcoreinfo != NULL;
}

/* Is the root believed, and not only claimed? */
static bool is_sound(const struct image_kernel *kernel)
{
	return kernel->trust > TRUST_CLAIM;
}

static bool kernels_are_proved(const struct image_kernels *kernels)
{
	return kernels->nr && kernels->list[0].swapper.root.proof == PGW_PROOF_PASSED;
}

static bool comes_before(const struct image_kernel *a, const struct image_kernel *b)
{
	return a->trust != b->trust ? a->trust > b->trust : a->order < b->order;
}

/* Stable: of what is alike, the one that was found first stays first. */
static void kernels_rank(struct image_kernels *kernels)
{
	for (size_t i = 1; i < kernels->nr; i++) {
		struct image_kernel kernel = kernels->list[i];
		size_t at = i;

		for (; at && comes_before(&kernel, &kernels->list[at - 1]); at--)
			kernels->list[at] = kernels->list[at - 1];
		kernels->list[at] = kernel;
	}
}

/*
 * Several claims may be of one kernel: what the first says of it stays, what
 * is trusted most counts. Of claims that are not proved, the first is kept.
 */
static void kernels_add(struct image_kernels *kernels, const struct image_kernel *kernel)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		struct image_kernel *same = &kernels->list[i];

		if (same->swapper.root.root.pa != kernel->swapper.root.root.pa)
			continue;
		if (!is_sound(same) && is_sound(kernel))
			*same = *kernel;
		if (comes_before(kernel, same)) {
			same->trust = kernel->trust;
			same->order = kernel->order;
		}
		if (!same->text)
			same->text = kernel->text;
		return;
	}
	if (kernels->nr < IMAGE_MAX_KERNELS && (is_sound(kernel) || !kernels->nr))
		kernels->list[kernels->nr++] = *kernel;
}

/* A bit that no table has shows in the tree of a kernel that is found without it. */
static void kernels_learn_encryption(struct pgw_image *image, struct image_kernels *kernels)
{
	if (!kernels_are_proved(kernels))
		return;
	image_encryption_learn_shared(image, &kernels->list[0].swapper.root);
	for (size_t i = 0; i < kernels->nr; i++)
		image_encryption_control(image, &kernels->list[i].swapper.root.control);
}

static unsigned text_trust(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			   const struct image_swapper *claim)
{
	if (claim->root.proof != PGW_PROOF_PASSED)
		return TRUST_CLAIM;
	if (info->source == PGW_VMCOREINFO_GIVEN)
		return TRUST_GIVEN;
	if (info->source == PGW_VMCOREINFO_NOTE)
		return claim_is_running(image, claim) ? TRUST_NOTE_RUNNING : TRUST_NOTE;
	return claim_is_running(image, claim) ? TRUST_TEXT_RUNNING : TRUST_TEXT;
}

static void collect_by_texts(const struct pgw_image *image, size_t nr_texts,
			     struct image_kernels *kernels)
{
	for (size_t i = 0; i < nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];
		struct image_kernel kernel = { .order = (unsigned)i, .text = i + 1 };

		if (!image_claim_of_text(image, info, &kernel.swapper))
			continue;
		kernel.trust = text_trust(image, info, &kernel.swapper);
		kernels_add(kernels, &kernel);
	}
}

/* Does the root map one of the kernels where it is? */
static bool maps_one_of(const struct pgw_image *image, const struct image_kernels *kernels,
			const struct pgw_root_info *root)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		if (image_root_prove(image, &kernels->list[i].swapper, root) == PGW_PROOF_PASSED)
			return true;
	}
	return false;
}

/* What a CPU runs on that is known raises what is known; else it leads to a kernel that is not. */
static void collect_of_cpu(struct pgw_image *image, unsigned index, const struct pgw_root_info *cpu,
			   struct image_kernels *kernels)
{
	struct image_kernel found = { .trust = TRUST_CPU, .order = index };

	if (image_claim_of_cpu(image, cpu, &found.swapper) &&
	    found.swapper.root.proof == PGW_PROOF_PASSED)
		kernels_add(kernels, &found);
}

/*
 * Of CPUs that run on one kernel, the first stands for all, and none is needed to tell one that is
 * trusted more. A budget of their own: what others may spend does not depend on who was first.
 */
static void collect_by_cpus(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernels known = { 0 };
	uint64_t left = image->search_left;
	struct pgw_root_info cpu;

	for (size_t i = 0; i < kernels->nr; i++) {
		if (kernels->list[i].trust > TRUST_CPU)
			kernels_add(&known, &kernels->list[i]);
	}
	image->search_left = IMAGE_SEARCH_BY_CPU_BUDGET;
	for (size_t i = 0; i < image->nr_cpus && image->search_left; i++) {
		if (!image_cpu_loaded(image, i, &cpu))
			continue;
		image_root_use_kernel_twin(image, &cpu);
		if (!maps_one_of(image, &known, &cpu))
			collect_of_cpu(image, (unsigned)i, &cpu, &known);
	}
	image->search_left = left;
	for (size_t i = 0; i < known.nr; i++)
		kernels_add(kernels, &known.list[i]);
}

static bool has_va(const struct image_kernels *kernels, uint64_t va)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		if (kernels->list[i].swapper.va == va)
			return true;
	}
	return false;
}

/* Texts that have a symbol and no more. A search finds all kernels that have it at one address. */
static void collect_by_symbols(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_swapper list[IMAGE_MAX_KERNELS];

	for (size_t i = 0; i < image->nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];
		bool is_given = info->source == PGW_VMCOREINFO_GIVEN;
		size_t nr;

		if (!image->arch->ops->swapper(image, info, &list[0]) || list[0].root.format ||
		    has_va(kernels, list[0].va))
			continue;
		nr = image_claims_by_symbol(image, info, list, IMAGE_MAX_KERNELS);
		for (size_t j = 0; j < nr; j++)
			kernels_add(kernels, &(struct image_kernel){
						     .swapper = list[j],
						     .trust = is_given ? TRUST_GIVEN : TRUST_SEARCH,
						     .order = (unsigned)i,
						     .text = i + 1,
					     });
	}
}

static void collect_partial(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernel kernel = { .trust = TRUST_PARTIAL };
	bool is_found = false;

	for (size_t i = 0; i < image->nr_texts && !is_found; i++) {
		is_found = image_claim_partial(image, &image->texts[i], &kernel.swapper);
		kernel.text = i + 1;
	}
	if (!is_found) {
		is_found = image_claim_partial(image, NULL, &kernel.swapper);
		kernel.text = 0;
	}
	if (!is_found)
		return;
	kernels->nr = 0; /* what was only claimed */
	kernels_add(kernels, &kernel);
}

/* By all that has been read; what is not needed to tell the best waits for a survey. */
static void kernels_collect(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernel by_looks = { .trust = TRUST_SEARCH, .order = UINT32_MAX };

	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	kernels_rank(kernels);
	collect_by_cpus(image, kernels);
	if (image->is_surveyed)
		collect_by_symbols(image, kernels);
	kernels_rank(kernels);
	if (image->is_surveyed && !kernels_are_proved(kernels)) {
		if (image_claim_by_looks(image, &by_looks.swapper))
			kernels_add(kernels, &by_looks);
		else
			collect_partial(image, kernels);
		kernels_rank(kernels);
	}
	kernels_learn_encryption(image, kernels);
}

const struct image_kernels *image_kernels(struct pgw_image *image)
{
	if (!image->kernels_known) {
		image->kernels = (struct image_kernels){ 0 };
		if (image->arch)
			kernels_collect(image, &image->kernels);
		image->kernels_known = true;
	}
	return &image->kernels;
}

bool image_kernel_best(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_kernels *kernels = image_kernels(image);

	if (kernels->nr)
		*ret = kernels->list[0].swapper;
	return kernels->nr > 0;
}

size_t image_kernels_sound(struct pgw_image *image)
{
	const struct image_kernels *kernels = image_kernels(image);
	size_t nr = 0;

	while (nr < kernels->nr && is_sound(&kernels->list[nr]))
		nr++;
	return nr;
}

static bool has_release(const struct pgw_image *image, const struct image_kernel *kernel,
			const char *release)
{
	const char *value;
	size_t size;

	return kernel->text &&
	       pgw_vmcoreinfo_get(&image->texts[kernel->text - 1], "OSRELEASE", &value, &size) &&
	       size == strlen(release) && memcmp(value, release, size) == 0;
}

/* By its number, or by its release, if that is one's only. @return the number, or 0 */
static unsigned kernel_by_name(struct pgw_image *image, const char *name)
{
	size_t nr = image_kernels_sound(image);
	unsigned found = 0;

	for (unsigned i = 0; i < nr; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%u", i + 1);
		if (strcmp(name, number) == 0)
			return i + 1;
		if (!has_release(image, &image->kernels.list[i], name))
			continue;
		if (found)
			return 0;
		found = i + 1;
	}
	return found;
}

int image_kernel_meant(struct pgw_image *image, unsigned *ret_number, struct pgw_error *err)
{
	const struct image_kernels *kernels = image_kernels(image);
	unsigned number = 1;

	if (image->options.kernel) {
		number = kernel_by_name(image, image->options.kernel);
		if (!number)
			return source_fail(err, -PGW_ENOENT,
					   "a kernel of this number, or of this release and no "
					   "other of the same (roots lists them)");
	} else if (has_given_text(image) &&
		   (!image_kernels_sound(image) || kernels->list[0].text != 1)) {
		return source_fail(err, -PGW_ENOENT,
				   "a kernel that the given VMCOREINFO fits: its swapper_pg_dir is "
				   "no root that maps itself");
	}
	*ret_number = number <= kernels->nr ? number : 0;
	return 0;
}

/*
 * A survey may end when no text that is yet to come could be trusted more, and the kernels that
 * were found are all that CPUs run: a crash kernel may have taken the dump.
 */
static bool texts_settle(struct pgw_image *image, void *arg)
{
	struct image_kernels *kernels = arg;
	struct pgw_root_info cpu;

	*kernels = (struct image_kernels){ 0 };
	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	kernels_rank(kernels);
	if (!kernels->nr || kernels->list[0].trust < TRUST_TEXT)
		return false;
	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_loaded(image, i, &cpu))
			continue;
		image_root_use_kernel_twin(image, &cpu);
		if (!maps_one_of(image, kernels, &cpu))
			return false;
	}
	return true;
}

/* As much of memory is looked through as the kernel that is meant takes. */
static int kernels_look(struct pgw_image *image)
{
	const struct image_kernels *known;
	struct image_kernels settled;
	int status;

	if (image->is_surveyed)
		return 0;
	if (image->options.kernel)
		return image_survey(image);
	known = image_kernels(image);
	if (kernels_are_proved(known) &&
	    (!has_given_text(image) || known->list[0].trust == TRUST_GIVEN))
		return 0;
	if (has_given_text(image))
		return image_survey(image);
	status = image_survey_until(image, texts_settle, &settled);
	if (status <= 0)
		return status;
	kernels_learn_encryption(image, &settled);
	/* The texts in memory are forgotten again. */
	for (size_t i = 0; i < settled.nr; i++)
		settled.list[i].text = 0;
	image->kernels = settled;
	image->kernels_known = true;
	return 0;
}

/* Does the text say what is true of the kernel? */
static bool text_fits(const struct pgw_image *image, const struct image_swapper *claim,
		      const struct image_swapper *kernel)
{
	struct image_swapper said = *kernel;

	said.va = claim->va;
	return (!claim->root.format || claim->root.root.pa == kernel->root.root.pa) &&
	       image_root_prove(image, &said, &kernel->root) == PGW_PROOF_PASSED;
}

enum pgw_vmcoreinfo_fit pgw_image_vmcoreinfo_fit(struct pgw_image *image,
						 const struct pgw_vmcoreinfo *info)
{
	const struct image_kernels *kernels = image_kernels(image);
	struct image_swapper claim;

	if (!kernels_are_proved(kernels) || !image->arch->ops->swapper(image, info, &claim))
		return PGW_FIT_UNKNOWN;
	for (size_t i = 0; i < kernels->nr; i++) {
		if (text_fits(image, &claim, &kernels->list[i].swapper))
			return PGW_FIT_YES;
	}
	return PGW_FIT_NO;
}

/* The text of a kernel that was found without one. */
static size_t kernel_text(const struct pgw_image *image, const struct image_kernel *kernel)
{
	struct image_swapper claim;

	for (size_t i = 0; i < image->nr_texts && !kernel->text; i++) {
		if (image->arch->ops->swapper(image, &image->texts[i], &claim) &&
		    text_fits(image, &claim, &kernel->swapper))
			return i + 1;
	}
	return kernel->text;
}

static void kernel_describe(struct pgw_image *image, unsigned number, struct pgw_root_info *ret)
{
	const struct image_swapper *swapper = &image->kernels.list[number - 1].swapper;

	*ret = swapper->root;
	image_root_find_twin(image, ret);
	image_root_describe(image, swapper, ret);
	ret->kernel = number;
}

/* As the public has them. @return NULL if there is no memory */
static struct pgw_kernel *kernels_describe(struct pgw_image *image, size_t nr)
{
	struct pgw_kernel *list = calloc(nr, sizeof(*list));

	for (unsigned i = 0; i < nr && list; i++) {
		struct image_kernel *kernel = &image->kernels.list[i];

		kernel_describe(image, i + 1, &list[i].root);
		list[i].swapper_va = kernel->swapper.va;
		kernel->text = kernel_text(image, kernel);
		if (kernel->text)
			list[i].vmcoreinfo = &image->texts[kernel->text - 1];
	}
	return list;
}

int pgw_image_kernels_known(struct pgw_image *image, const struct pgw_kernel **ret_list,
			    size_t *ret_nr, bool *ret_is_all)
{
	size_t nr = image_kernels_sound(image);
	struct pgw_kernel **list = &image->kernel_list[image->is_surveyed];

	/* What is known does not change but by a survey. */
	if (nr && !*list) {
		*list = kernels_describe(image, nr);
		if (!*list)
			return -PGW_ENOMEM;
	}
	*ret_list = *list;
	*ret_nr = nr;
	*ret_is_all = image->is_surveyed;
	return 0;
}

int pgw_image_kernels(struct pgw_image *image, const struct pgw_kernel **ret_list, size_t *ret_nr)
{
	int status = image_survey(image);
	bool is_all;

	return status ? status : pgw_image_kernels_known(image, ret_list, ret_nr, &is_all);
}

/* By notes and what CPUs have loaded only: what else was found must not change the answer. */
static void kernels_without_a_look(struct pgw_image *image, struct image_kernels *ret)
{
	*ret = (struct image_kernels){ 0 };
	collect_by_texts(image, image->nr_note_texts, ret);
	kernels_rank(ret);
	collect_by_cpus(image, ret);
	kernels_rank(ret);
}

/* The one that the root maps, else the best; NULL if there is none. */
static const struct image_swapper *kernel_of(const struct pgw_image *image,
					     const struct image_kernels *kernels,
					     const struct pgw_root_info *root)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		const struct image_swapper *kernel = &kernels->list[i].swapper;

		if (is_sound(&kernels->list[i]) &&
		    image_root_prove(image, kernel, root) == PGW_PROOF_PASSED)
			return kernel;
	}
	return kernels->nr ? &kernels->list[0].swapper : NULL;
}

int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret)
{
	const struct image_swapper *kernel;
	struct image_kernels kernels;
	struct pgw_root_info root;
	int status = 0;

	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	if (!image_cpu_loaded(image, index, &root))
		return -PGW_ENOENT;
	image_root_use_kernel_twin(image, &root);
	kernels_without_a_look(image, &kernels);
	kernel = kernel_of(image, &kernels, &root);
	if (!kernels_are_proved(&kernels))
		status = image_firmware_look(image);
	else if (image_root_prove(image, kernel, &root) == PGW_PROOF_FAILED)
		status = image_survey(image); /* for what tells of guests */
	if (status)
		return status;
	image_root_describe(image, kernel, &root);
	*ret = root;
	return 0;
}

/* CR0, Intel SDM 3A 2.5: without PG there are no tables that count. */
static bool cpus_are_unpaged(const struct pgw_image *image)
{
	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!(image->cpus[i].known & PGW_CPU_X86_CR) || (image->cpus[i].cr0 & BIT(31)))
			return false;
	}
	return image->nr_cpus;
}

static int fail_unpaged(struct pgw_error *err)
{
	return source_fail(err, -PGW_ENOENT,
			   "a CPU that uses page tables: on all of them paging is off (CR0.PG; "
			   "firmware or a boot loader runs)");
}

static int fail_unknown_machine(const struct pgw_image *image, struct pgw_error *err)
{
	if (!image->source.has_machine)
		return source_fail(err, -PGW_ENOENT,
				   "memory of a machine whose kernel's root proves itself");
	if (cpus_are_unpaged(image))
		return fail_unpaged(err);
	if (image->info.machine) {
		source_fail_kind(err, SOURCE_ELF_MACHINE, image->info.machine,
				 "the roots of x86_64, i386, arm64, riscv64 and s390x machines can be "
				 "found");
		if (err)
			err->status = -PGW_ENOENT;
		return -PGW_ENOENT;
	}
	return source_fail_at(err, -PGW_ENOENT, SOURCE_ELF_MACHINE, image->info.elf_machine,
			      "a machine whose roots can be found: x86_64 (62), i386 (3), arm64 "
			      "(183), riscv64 (243), s390x (22)");
}

static const char *sought(struct pgw_image *image)
{
	const struct image_kernels *kernels = image_kernels(image);
	const struct pgw_root_info *root = &kernels->list[0].swapper.root;

	if (!kernels->nr)
		return image->nr_texts ? "a root that maps swapper_pg_dir where VMCOREINFO has it"
				       : image->arch->ops->sought;
	if (image_root_is_missing(image, root))
		return "the table that VMCOREINFO says is swapper_pg_dir: the image lacks it";
	if (image_root_is_lost(image, root))
		return "the table that VMCOREINFO says is swapper_pg_dir: the image has zeroes "
		       "there";
	return "a VMCOREINFO whose swapper_pg_dir maps itself";
}

int image_other_root(struct pgw_image *image, struct pgw_root_info *ret)
{
	int status = image_firmware_look(image);

	if (status || image_cpu_first_root(image, ret))
		return status;
	/* Linux was here, though its root was not found. */
	if (image->nr_texts)
		return -PGW_ENOENT;
	return image_identity_search(image, ret);
}

int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret, struct pgw_error *err)
{
	struct pgw_root_info root;
	unsigned number;
	int status;

	if (!image->arch)
		return fail_unknown_machine(image, err);
	status = kernels_look(image);
	if (status)
		return source_fail(err, status, NULL);
	status = image_kernel_meant(image, &number, err);
	if (status)
		return status;
	if (number && is_sound(&image->kernels.list[number - 1])) {
		kernel_describe(image, number, ret);
		return 0;
	}
	if (!number && cpus_are_unpaged(image))
		return fail_unpaged(err);
	status = image_other_root(image, &root);
	if (status)
		return source_fail(err, status, sought(image));
	image_root_describe(image, number ? &image->kernels.list[number - 1].swapper : NULL, &root);
	*ret = root;
	return 0;
}
