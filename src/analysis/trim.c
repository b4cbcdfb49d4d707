/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>
#include <string.h>

#include "analysis/ranges.h"
#include "system/roots/tree_tables.h"
#include "base/bits.h"

/* Distinct tables of all roots: at 4 KiB, 64 GiB of them. */
#define TRIM_BUDGET (UINT64_C(1) << 24)

/* Of pages that are not tables. */
#define TRIM_PAGE UINT64_C(4096)

/* What comes before the text of a VMCOREINFO in memory: the head of an ELF note. */
#define VMCOREINFO_TEXT_OFFSET 24

/* UEFI specification 4.3: the size of the system table, and where the pointer to boot services is. */
#define EFI_SYSTEM_TABLE 120
#define EFI_BOOT_SERVICES 96

/* Linux, Documentation/riscv/boot-image-header: the kernel's first page, at a multiple of 2 MiB. */
#define RISCV_IMAGE_ALIGN (UINT64_C(2) << 20)
#define RISCV_IMAGE_MAGIC 48
#define RISCV_IMAGE_MAGIC2 56

/* What is to be kept. */
struct keep {
	struct ranges set;
	uint64_t table_page; /* of the format at hand */
};

/* A root may be smaller than the page that it has to itself. */
static int keep_table(uint64_t pa, uint64_t size, void *arg)
{
	struct keep *keep = (struct keep *)arg;
	uint64_t in_page = keep->table_page - 1;

	return ranges_add(&keep->set, pa & ~in_page, (pa + size - 1) | in_page);
}

/* Are tables of the two read in the same way, so that one that was seen need not be seen again? */
static bool roots_read_alike(const struct pgw_root_info *a, const struct pgw_root_info *b)
{
	return a->format == b->format && a->control.known == b->control.known &&
	       a->control.set == b->control.set && a->control.pa_bits == b->control.pa_bits &&
	       a->control.memory_types == b->control.memory_types &&
	       a->control.domains == b->control.domains &&
	       a->control.encryption_bit == b->control.encryption_bit;
}

/* Of the roots from list[0] on, those that are read like it. */
static int trim_roots_alike(const struct pgw_image *image, const struct pgw_root_info *list,
			    size_t nr, struct keep *keep, struct pgw_trim_summary *summary)
{
	struct tables tables = {
		.phys = pgw_image_phys(image),
		.format = list->format,
		.control = pgw_control_assume(list->format, &list->control),
		.budget = TRIM_BUDGET - summary->nr_tables,
		.table = keep_table,
		.arg = keep,
	};
	int status = 0;

	keep->table_page = BIT(pgw_format_geometry(list->format)->granule_lg2);
	for (size_t i = 0; i < nr && !status; i++) {
		/* A guest's tables lie in the guest's memory, not where its root says. */
		if (list[i].state != PGW_ROOT_GUEST && roots_read_alike(list, &list[i]))
			status = tables_visit(&tables, list[i].root);
	}
	summary->nr_tables += tables.met.nr_tables;
	tables_fini(&tables);
	return status;
}

static int trim_roots(struct pgw_image *image, struct keep *keep, struct pgw_trim_summary *summary)
{
	const struct pgw_root_info *list;
	int status = pgw_image_roots(image, &list, &summary->nr_roots);

	for (size_t i = 0; i < summary->nr_roots && !status; i++) {
		size_t before = 0;

		while (before < i && !roots_read_alike(&list[before], &list[i]))
			before++;
		if (before == i)
			status = trim_roots_alike(image, &list[i], summary->nr_roots - i, keep,
						  summary);
	}
	return status;
}

/* The pages that hold size bytes; not 0, and they do not wrap. */
static int keep_pages(struct keep *keep, uint64_t pa, uint64_t size)
{
	return ranges_add(&keep->set, pa & ~(TRIM_PAGE - 1), (pa + size - 1) | (TRIM_PAGE - 1));
}

/* What tells that a root is a guest's or firmware's. */
static int trim_evidence(struct pgw_image *image, struct keep *keep)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	const struct pgw_root_info *list;
	size_t nr = 0;
	int status = pgw_image_roots(image, &list, &nr);

	for (size_t i = 0; i < nr && !status; i++) {
		uint64_t pa = list[i].evidence, boot;

		if (!pa)
			continue;
		status = keep_pages(keep, pa,
				    list[i].state == PGW_ROOT_GUEST ? TRIM_PAGE : EFI_SYSTEM_TABLE);
		if (!status && list[i].state == PGW_ROOT_FIRMWARE &&
		    !pgw_phys_read(phys, pa + EFI_BOOT_SERVICES, &boot, sizeof(boot)))
			status = keep_pages(keep, load_le64(&boot), sizeof(boot));
	}
	return status;
}

static int trim_vmcoreinfo(struct pgw_image *image, struct keep *keep)
{
	const struct pgw_vmcoreinfo *list;
	size_t nr = 0;
	int status = pgw_image_vmcoreinfo(image, &list, &nr);

	for (size_t i = 0; i < nr && !status; i++) {
		uint64_t last = list[i].pa + VMCOREINFO_TEXT_OFFSET + list[i].size - 1;

		if (list[i].source == PGW_VMCOREINFO_RAM)
			status = ranges_add(&keep->set, list[i].pa, last | (TRIM_PAGE - 1));
	}
	return status;
}

static bool is_riscv_image(const struct pgw_phys *phys, uint64_t pa)
{
	uint8_t header[RISCV_IMAGE_MAGIC2 + 4];

	return pgw_phys_read(phys, pa, header, sizeof(header)) == 0 &&
	       memcmp(header + RISCV_IMAGE_MAGIC, "RISCV\0\0", 8) == 0 &&
	       memcmp(header + RISCV_IMAGE_MAGIC2, "RSC\x05", 4) == 0;
}

/* The page by which the kernel of a riscv machine is found. */
static int trim_riscv_image(const struct pgw_image *image, struct keep *keep)
{
	const char *arch = pgw_image_get_info(image)->arch;
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last;
	int status = 0;

	if (!arch || strcmp(arch, "riscv64") != 0)
		return 0;
	while (!status && phys->ops->next_range(phys, pa, &first, &last)) {
		if (pa < first && add_overflows(first, RISCV_IMAGE_ALIGN - 1, &pa))
			break;
		pa &= ~(RISCV_IMAGE_ALIGN - 1);
		if (pa <= last && is_riscv_image(phys, pa))
			status = ranges_add(&keep->set, pa, pa + TRIM_PAGE - 1);
		if (add_overflows(pa, pa <= last ? RISCV_IMAGE_ALIGN : 0, &pa))
			break;
	}
	return status;
}

/* How much of what is to be kept is there. */
static uint64_t kept_bytes(const struct pgw_image *image, const struct keep *keep)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t bytes = 0;

	for (size_t i = 0; i < keep->set.nr; i++) {
		uint64_t pa = keep->set.list[i].first, first, last;

		while (pa <= keep->set.list[i].last &&
		       phys->ops->next_range(phys, pa, &first, &last) &&
		       first <= keep->set.list[i].last) {
			first = first < pa ? pa : first;
			last = last > keep->set.list[i].last ? keep->set.list[i].last : last;
			bytes += last - first + 1;
			pa = last + 1;
		}
	}
	return bytes;
}

int pgw_trim_ranges(struct pgw_image *image, struct pgw_pa_range **ret_list, size_t *ret_nr,
		    struct pgw_trim_summary *ret)
{
	struct pgw_trim_summary summary = { 0 };
	struct keep keep = { 0 };
	int status = trim_roots(image, &keep, &summary);

	if (!status && !summary.nr_roots)
		status = -PGW_ENOENT;
	if (!status)
		status = trim_evidence(image, &keep);
	if (!status)
		status = trim_vmcoreinfo(image, &keep);
	if (!status)
		status = trim_riscv_image(image, &keep);
	if (status) {
		free(keep.set.list);
		return status;
	}
	ranges_sort(&keep.set);
	summary.kept_bytes = kept_bytes(image, &keep);
	*ret_list = keep.set.list;
	*ret_nr = keep.set.nr;
	if (ret)
		*ret = summary;
	return 0;
}

int pgw_trim(struct pgw_image *image, pgw_write_fn *fn, void *arg, struct pgw_trim_summary *ret)
{
	struct pgw_trim_summary summary;
	struct pgw_pa_range *keep;
	size_t nr;
	int status = pgw_trim_ranges(image, &keep, &nr, &summary);

	if (status)
		return status;
	status = pgw_image_write_core(image, keep, nr, fn, arg);
	free(keep);
	if (!status && ret)
		*ret = summary;
	return status;
}

/* What is found of roots before the machine stands, and read again then. */
static int hold_evidence(struct pgw_image *image, struct keep *keep)
{
	const struct pgw_vmcoreinfo *texts;
	size_t nr;
	int status = pgw_image_vmcoreinfo(image, &texts, &nr);

	if (!status)
		status = trim_vmcoreinfo(image, keep);
	return status ? status : trim_riscv_image(image, keep);
}

/* A machine that waits for us is not looked through if the root is known that is asked for. */
static bool is_known_root(struct pgw_image *image, const struct pgw_hold_what *what)
{
	struct pgw_root_info cpu;

	if (!pgw_image_get_info(image)->stands_while_read || what->is_all)
		return false;
	/* Another root is read as a CPU's, if there is one. */
	return what->has_cpus || (what->root && what->is_root_enough) ||
	       (what->root && pgw_image_cpu_root(image, 0, &cpu) == 0 &&
		cpu.proof != PGW_PROOF_FAILED);
}

/* @param roots room for two */
static int hold_roots(struct pgw_image *image, const struct pgw_hold_what *what, struct keep *keep,
		      struct pgw_root_info *roots, struct pgw_hold_args *args)
{
	const struct pgw_kernel *kernels;
	size_t nr_kernels;
	bool are_all;
	int status = 0;

	args->roots = roots;
	if (what->is_all) {
		status = pgw_image_roots(image, &args->roots, &args->nr_roots);
		return status ? status : trim_evidence(image, keep);
	}
	if (is_known_root(image, what)) {
		status = pgw_image_kernels_known(image, &kernels, &nr_kernels, &are_all);
		if (!status && nr_kernels)
			roots[args->nr_roots++] = kernels[0].root;
	} else if (pgw_image_kernel_root(image, &roots[0], NULL) == 0) {
		args->nr_roots = 1;
	}
	if (what->root)
		roots[args->nr_roots++] = *what->root;
	return status;
}

int pgw_hold_tables(struct pgw_image *image, const struct pgw_hold_what *what)
{
	struct pgw_hold_args args = {
		.has_cpus = what->is_all || what->has_cpus,
		.max_pause_ns = what->max_pause_ns,
	};
	struct pgw_root_info roots[2];
	struct keep keep = { 0 };
	int status;

	args.has_cpus |= is_known_root(image, what);
	status = hold_roots(image, what, &keep, roots, &args);

	if (!status && !is_known_root(image, what))
		status = hold_evidence(image, &keep);
	args.pages = keep.set.list;
	args.nr_pages = keep.set.nr;
	if (!status)
		status = pgw_image_hold(image, &args);
	free(keep.set.list);
	return status;
}
