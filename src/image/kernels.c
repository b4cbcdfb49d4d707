/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include "base/bits.h"

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
	TRUST_CLAIM, /* not proved */
	TRUST_SEARCH,
	TRUST_TEXT,
	TRUST_TEXT_RUNNING, /* and a CPU runs with the kernel where the text has it */
	TRUST_CPU,
	TRUST_NOTE,
	TRUST_NOTE_RUNNING,
};

static bool is_proved(const struct image_kernel *kernel)
{
	return kernel->swapper.root.proof == PGW_PROOF_PASSED;
}

static struct image_kernel *kernels_same(struct image_kernels *kernels,
					 const struct image_swapper *claim)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		if (kernels->list[i].swapper.root.root.pa == claim->root.root.pa)
			return &kernels->list[i];
	}
	return NULL;
}

/*
 * Several claims may be of one kernel: what the first says of it stays, what
 * is trusted most counts. Of claims that are not proved, the first is kept.
 */
static void kernels_add(struct image_kernels *kernels, const struct image_swapper *claim,
			unsigned trust)
{
	struct image_kernel *same = kernels_same(kernels, claim);

	if (same && trust > same->trust)
		same->trust = trust;
	if (same || kernels->nr == IMAGE_MAX_KERNELS || (trust == TRUST_CLAIM && kernels->nr))
		return;
	kernels->list[kernels->nr++] = (struct image_kernel){ .swapper = *claim, .trust = trust };
}

static unsigned text_trust(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			   const struct image_swapper *claim)
{
	unsigned trust = info->source == PGW_VMCOREINFO_NOTE ? TRUST_NOTE : TRUST_TEXT;

	if (claim->root.proof != PGW_PROOF_PASSED)
		return TRUST_CLAIM;
	return trust + claim_is_running(image, claim);
}

static void collect_by_texts(const struct pgw_image *image, size_t nr_texts,
			     struct image_kernels *kernels)
{
	struct image_swapper claim;

	for (size_t i = 0; i < nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];

		if (image_claim_of_text(image, info, &claim))
			kernels_add(kernels, &claim, text_trust(image, info, &claim));
	}
}

/* Stable: of equal trust, the one that was found first stays first. */
static void kernels_rank(struct image_kernels *kernels)
{
	for (size_t i = 1; i < kernels->nr; i++) {
		struct image_kernel kernel = kernels->list[i];
		size_t at = i;

		for (; at && kernels->list[at - 1].trust < kernel.trust; at--)
			kernels->list[at] = kernels->list[at - 1];
		kernels->list[at] = kernel;
	}
}

static bool kernels_are_proved(const struct image_kernels *kernels)
{
	return kernels->nr && is_proved(&kernels->list[0]);
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

static void kernels_collect(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_swapper claim;

	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	kernels_rank(kernels);
	if ((!kernels->nr || kernels->list[0].trust < TRUST_NOTE) &&
	    image_claim_of_cpu(image, &claim) && claim.root.proof == PGW_PROOF_PASSED)
		kernels_add(kernels, &claim, TRUST_CPU);
	kernels_rank(kernels);
	if (!kernels_are_proved(kernels) && image->is_surveyed &&
	    (image_claim_by_symbols(image, &claim) || image_claim_by_looks(image, &claim)))
		kernels_add(kernels, &claim, TRUST_SEARCH);
	kernels_rank(kernels);
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

/* A survey may end when no text that is yet to come could be trusted more. */
static bool texts_settle(struct pgw_image *image, void *arg)
{
	struct image_kernels *kernels = arg;
	unsigned most = TRUST_TEXT;
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (image_cpu_loaded(image, i, &cpu))
			most = TRUST_TEXT_RUNNING;
	}
	*kernels = (struct image_kernels){ 0 };
	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	kernels_rank(kernels);
	return kernels->nr && kernels->list[0].trust >= most;
}

/* As much of memory is looked through as the best kernel takes. */
static int kernels_look(struct pgw_image *image)
{
	struct image_kernels settled;
	int status;

	if (image->is_surveyed || kernels_are_proved(image_kernels(image)))
		return 0;
	status = image_survey_until(image, texts_settle, &settled);
	if (status <= 0)
		return status;
	kernels_learn_encryption(image, &settled);
	image->kernels = settled;
	image->kernels_known = true;
	return 0;
}

int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret)
{
	struct image_kernels kernels = { 0 };
	struct pgw_root_info root;

	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	if (!image_cpu_loaded(image, index, &root))
		return -PGW_ENOENT;
	image_root_use_kernel_twin(image, &root);
	/* Notes only: what else was found must not change the answer. */
	collect_by_texts(image, image->nr_note_texts, &kernels);
	kernels_rank(&kernels);
	image_root_describe(image, kernels.nr ? &kernels.list[0].swapper : NULL, &root);
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
	return image_fail(err, -PGW_ENOENT,
			  "a CPU that uses page tables: on all of them paging is off (CR0.PG; "
			  "firmware or a boot loader runs)");
}

static int fail_unknown_machine(const struct pgw_image *image, struct pgw_error *err)
{
	if (image->is_raw)
		return image_fail(err, -PGW_ENOENT,
				  "memory of a machine whose kernel's root proves itself");
	if (cpus_are_unpaged(image))
		return fail_unpaged(err);
	if (image->info.machine) {
		image_fail_kind(err, IMAGE_ELF_MACHINE, image->info.machine,
				"the roots of x86_64, arm64 and riscv64 machines can be found");
		if (err)
			err->status = -PGW_ENOENT;
		return -PGW_ENOENT;
	}
	return image_fail_at(err, -PGW_ENOENT, IMAGE_ELF_MACHINE, image->info.elf_machine,
			     "a machine whose roots can be found: x86_64 (62), arm64 (183), "
			     "riscv64 (243)");
}

int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret, struct pgw_error *err)
{
	struct image_swapper swapper;
	struct pgw_root_info root;
	bool has_swapper;
	int status;

	if (!image->arch)
		return fail_unknown_machine(image, err);
	status = kernels_look(image);
	if (status)
		return image_fail(err, status, NULL);
	has_swapper = image_kernel_best(image, &swapper);
	if (has_swapper && swapper.root.proof == PGW_PROOF_PASSED) {
		root = swapper.root;
		image_root_find_twin(image, &root);
	} else if (!has_swapper && cpus_are_unpaged(image)) {
		return fail_unpaged(err);
	} else if (!image_cpu_first_root(image, &root)) {
		return image_fail(err, -PGW_ENOENT,
				  has_swapper ? "a VMCOREINFO whose swapper_pg_dir maps itself"
					      : image->arch->ops->sought);
	}
	image_root_describe(image, has_swapper ? &swapper : NULL, &root);
	*ret = root;
	return 0;
}
