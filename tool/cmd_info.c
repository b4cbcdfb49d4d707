/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "command.h"
#include "confine.h"
#include "report/report.h"
#include "target.h"

/* Tables of the kernel that are looked at: at 4 KiB, 256 MiB of them. */
#define INTEGRITY_BUDGET (UINT64_C(1) << 16)

static bool info_is_sound(const struct report_info *info)
{
	const struct pgw_integrity *integrity = &info->kernel.integrity;

	return info->kernel.is_found && !pgw_image_get_info(info->image)->truncated &&
	       !pgw_image_get_info(info->image)->lacks_part && !integrity->nr_malformed &&
	       !integrity->nr_loops && !integrity->nr_unreadable && !integrity->truncated;
}

/* Has the search for VMCOREINFO looked through all memory, or does an option want that? */
static bool info_is_looked_through(const struct report_info *info, const struct options *opts)
{
	return opts->kernel || !info->nr_vmcoreinfo ||
	       info->vmcoreinfo[0].source == PGW_VMCOREINFO_RAM;
}

/* The kernels and the default root. @return 0 or what is in the library's way */
static int info_find_kernel(struct target *target, const struct options *opts,
			    struct report_info *info)
{
	struct report_root *kernel = &info->kernel;
	int err = 0;

	/* A note saves the look through all memory. */
	if (info_is_looked_through(info, opts))
		err = target_kernels(target, &info->kernels, &info->nr_kernels);
	if (err)
		return err;
	kernel->is_found = target_kernel_root(target, &kernel->info, &kernel->err) == 0;
	if (kernel->is_found)
		target_use_format(&kernel->info, opts);
	kernel->encryption = pgw_image_encryption(target->image);
	err = pgw_image_kernels_known(target->image, &info->kernels, &info->nr_kernels,
				      &info->are_all);
	if (kernel->is_found && !err)
		err = pgw_integrity(target->image, &kernel->info, INTEGRITY_BUDGET,
				    &kernel->integrity);
	kernel->info.nr_missing = kernel->integrity.nr_unreadable;
	kernel->info.missing_is_cut = kernel->integrity.truncated;
	return err == -PGW_E2BIG ? 0 : err;
}

static int add_wx(const struct pgw_extent *extent, void *arg)
{
	const uint8_t wx = PGW_KERNEL_W | PGW_KERNEL_X;

	if (extent->kind == PGW_ENTRY_LEAF && (extent->rights & wx) == wx)
		*(uint64_t *)arg += extent->va_last - extent->va_first + 1;
	return 0;
}

/* Of a region that is mapped where it is. */
static int count_wx(struct pgw_mm *mm, const struct pgw_efi_region *region, uint64_t *bytes)
{
	const struct pgw_region *all = pgw_mm_region(mm);
	struct pgw_scan_stats stats;

	if (region->first < all->first || region->last > all->last)
		return 0;
	return pgw_scan(mm, region->first, region->last, add_wx, bytes, &stats);
}

/* Memory by type; of code that an operating system goes on to call, whether it is kept from change. */
static int info_efi_map(struct target *target, const struct pgw_root_info *root,
			struct report_firmware *ret)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(target->image),
		.root = root->root,
		.control = root->control,
		.region = PGW_REGION_USER,
	};
	const struct pgw_efi_region *list;
	size_t nr;
	struct pgw_mm *mm;
	int err = pgw_image_efi_map(target->image, &list, &nr);

	if (err)
		return err == -PGW_ENOENT ? 0 : err;
	err = pgw_mm_attach(&args, &mm);
	if (err)
		return err;
	ret->nr_regions = nr;
	for (size_t i = 0; i < nr && !err; i++) {
		bool is_named = list[i].type < REPORT_EFI_TYPES - 1;

		ret->bytes[is_named ? list[i].type : REPORT_EFI_TYPES - 1] +=
			list[i].last - list[i].first + 1;
		if (list[i].type == PGW_EFI_RUNTIME_CODE)
			err = count_wx(mm, &list[i], &ret->runtime_wx);
	}
	pgw_mm_free(mm);
	return err;
}

static int info_firmware(struct target *target, struct report_info *info)
{
	struct report_firmware *firmware = &info->firmware;
	int err;

	if (!info->kernel.is_found || info->kernel.info.state != PGW_ROOT_FIRMWARE)
		return 0;
	err = pgw_image_firmware(target->image, &firmware->says);
	if (err)
		return err == -PGW_ENOENT ? 0 : err;
	firmware->is_there = true;
	return info_efi_map(target, &info->kernel.info, firmware);
}

static int info_report(struct target *target, const struct options *opts, struct out *out,
		       void *arg)
{
	struct report report = {
		.renderer = option_given(opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.out = out,
		.is_guess = report_is_guess(target->image),
	};
	struct report_info info = { .file = target->file, .image = target->image,
				    .sandbox = confine_describe() };
	enum pgw_vmcoreinfo_fit *fit = NULL;
	int err;

	(void)arg;
	target_take_registers(target);
	err = target_vmcoreinfo(target, &info.vmcoreinfo, &info.nr_vmcoreinfo);
	if (!err) {
		fit = calloc(info.nr_vmcoreinfo + 1, sizeof(*fit));
		err = fit ? info_find_kernel(target, opts, &info) : -PGW_ENOMEM;
	}
	if (!err)
		err = info_firmware(target, &info);
	if (err) {
		free(fit);
		return target_fail(target, err);
	}
	if (info.kernel.is_found) {
		int status = target_use_mair(&info.kernel.info, opts);

		if (status != TOOL_DONE) {
			free(fit);
			return status;
		}
	}
	info.kernel.mair_is_given = option_given(opts, OPT_MAIR);
	for (size_t i = 0; i < info.nr_vmcoreinfo; i++)
		fit[i] = pgw_image_vmcoreinfo_fit(target->image, &info.vmcoreinfo[i]);
	info.fit = fit;
	report.renderer->info(&report, &info);
	if (info.kernel.integrity.nr_unreadable) {
		out_flush(out);
		target_explain_gaps(target);
	}
	free(fit);
	return info_is_sound(&info) ? TOOL_DONE : TOOL_FINDING;
}

static int info_run(const struct options *opts)
{
	const struct target_job job = { .holding = HOLD_IF_ASKED, .report = info_report };

	return target_run(opts, &job);
}

const struct command cmd_info = {
	.name = "info",
	.args = "IMAGE",
	.summary = "what is known of an image, its CPUs and its kernel, and how",
	.description =
		"Prints what the file says of itself, the ranges of memory it holds, the CPUs'\n"
		"registers, VMCOREINFO, the kernel's root and how it was found, and which control\n"
		"bits are known and which are assumed.\n",
	.examples = "  pagewalk info vmcore\n"
		    "  pagewalk info --json vmcore\n",
	.options = OPTIONS_LIVE | OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_MAIR) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = info_run,
};
