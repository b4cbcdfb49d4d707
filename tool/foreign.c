/* SPDX-License-Identifier: BSD-2-Clause */
#include "foreign.h"

#include <inttypes.h>
#include <stdio.h>

const char *foreign_id(const struct pgw_foreign *found, char buf[FOREIGN_ID])
{
	unsigned id = found->id;

	if (found->source == PGW_FOREIGN_SMMUV3)
		snprintf(buf, FOREIGN_ID, "0x%x", id);
	else
		snprintf(buf, FOREIGN_ID, "%02x:%02x.%u", id >> 8 & 0xff, id >> 3 & 0x1f, id & 7);
	return buf;
}

const char *foreign_whose(const struct pgw_foreign *found, char buf[FOREIGN_ID])
{
	buf[0] = '\0';
	if (found && found->is_guest)
		snprintf(buf, FOREIGN_ID, "%" PRIu32, found->id);
	return found && !found->is_guest ? foreign_id(found, buf) : buf;
}

const char *foreign_source(enum pgw_foreign_source source)
{
	static const char *const names[_PGW_FOREIGN_SOURCE_MAX] = {
		[PGW_FOREIGN_VMCB] = "vmcb",
		[PGW_FOREIGN_KVM_ARM64] = "kvm-s2-mmu",
		[PGW_FOREIGN_KVM_RISCV64] = "kvm-arch",
		[PGW_FOREIGN_VTD] = "vtd-context",
		[PGW_FOREIGN_VTD_PASID] = "vtd-pasid",
		[PGW_FOREIGN_AMDVI] = "amdvi-dte",
		[PGW_FOREIGN_SMMUV3] = "smmuv3-ste",
		[PGW_FOREIGN_VMCS] = "vmcs",
	};

	return names[source];
}

const char *foreign_domain(enum pgw_domain domain)
{
	static const char *const names[_PGW_DOMAIN_MAX] = {
		[PGW_DOMAIN_TABLES] = "tables",
		[PGW_DOMAIN_PASS_THROUGH] = "pass-through",
		[PGW_DOMAIN_UNKNOWN] = "unknown",
	};

	return names[domain];
}

void foreign_tell_cut(const struct target *target)
{
	if (pgw_image_foreign_is_cut(target->image))
		message("%s: too much of memory looks like Intel's VMCSs: not all of it was tried for virtual "
			"machines",
			target->file);
}

int foreign_ask(struct target *target, const struct pgw_foreign **ret_list, size_t *ret_nr,
		uint64_t *ret_nr_blocked)
{
	int err = pgw_image_foreign(target->image, ret_list, ret_nr, ret_nr_blocked);

	target_progress_end(target);
	foreign_tell_cut(target);
	if (!err)
		return 0;
	if (err == -PGW_EOPNOTSUPP)
		message("%s: virtual machines and devices are not looked for while the machine "
			"runs",
			target->file);
	else if (err == -PGW_E2BIG)
		message("%s: too much of memory looks like structures of virtual machines and devices",
			target->file);
	else
		message("%s: %s", target->file, pgw_status_text(err));
	return err;
}

int foreign_list(struct target *target, const struct pgw_foreign **ret_list, size_t *ret_nr,
		 uint64_t *ret_nr_blocked)
{
	return foreign_ask(target, ret_list, ret_nr, ret_nr_blocked) ? TOOL_UNREADABLE : TOOL_DONE;
}

static int reach_extent(const struct pgw_extent *extent, void *arg)
{
	const uint8_t read = PGW_KERNEL_R | PGW_USER_R, write = PGW_KERNEL_W | PGW_USER_W;
	uint64_t bytes = extent->va_last - extent->va_first + 1;
	struct foreign_reach *reach = (struct foreign_reach *)arg;

	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	reach->readable += extent->rights & read ? bytes : 0;
	reach->writable += extent->rights & write ? bytes : 0;
	reach->is_one_to_one &= extent->pa == extent->va_first;
	return 0;
}

static int reach_scan(const struct target *target, const struct options *opts,
		      const struct pgw_foreign *found, struct foreign_reach *ret)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = found->format,
		.phys = pgw_image_phys(target->image),
		.root = found->root,
		.region = pgw_format_regions(found->format)->kind,
		.control = found->control,
		.budget = opts->budget,
	};
	struct pgw_scan_stats stats = { 0 };
	struct pgw_mm *mm;
	int err = pgw_mm_attach(&args, &mm);

	ret->is_one_to_one = true;
	if (err)
		return err;
	err = pgw_mmap_read_lock(mm);
	if (!err) {
		err = pgw_scan(mm, pgw_mm_region(mm)->first, pgw_mm_region(mm)->last, reach_extent,
			       ret, &stats);
		pgw_mmap_read_unlock(mm);
	}
	pgw_mm_free(mm);
	ret->is_cut = err == -PGW_E2BIG || stats.nr_unreadable;
	return err == -PGW_E2BIG ? 0 : err;
}

int foreign_reach(const struct target *target, const struct options *opts,
		  struct pgw_foreign *found, struct foreign_reach *ret)
{
	int err = 0;

	*ret = (struct foreign_reach){ 0 };
	if (found->domain == PGW_DOMAIN_TABLES)
		err = reach_scan(target, opts, found, ret);
	/* No tables can be where it says. That says nothing of the next one. */
	if (err == -PGW_EINVAL) {
		found->domain = PGW_DOMAIN_UNKNOWN;
		err = 0;
	}
	return err;
}

const char *foreign_through(const struct pgw_foreign *found, const struct foreign_reach *reach)
{
	bool is_identity = found->domain == PGW_DOMAIN_TABLES && reach->readable &&
			   reach->is_one_to_one && !reach->is_cut;

	return is_identity ? "identity" : foreign_domain(found->domain);
}

/* @return NULL: there is none, or not one alone */
static const struct pgw_foreign *choose(const struct options *opts, const struct pgw_foreign *list,
					size_t nr, size_t *ret_nr)
{
	const struct pgw_foreign *found = NULL;

	*ret_nr = 0;
	for (size_t i = 0; i < nr; i++) {
		bool is_stream = list[i].source == PGW_FOREIGN_SMMUV3;

		if (list[i].is_guest != option_given(opts, OPT_VM) ||
		    list[i].id != opts->foreign_id ||
		    (!list[i].is_guest && is_stream != opts->is_stream))
			continue;
		found = &list[i];
		++*ret_nr;
	}
	return *ret_nr == 1 ? found : NULL;
}

/* The virtual machine or device that --vm or --device says, which has tables. */
static int find(struct target *target, const struct options *opts, const struct pgw_foreign **ret)
{
	const char *what = option_given(opts, OPT_VM) ? "--vm" : "--device";
	const struct pgw_foreign *list, *found;
	uint64_t nr_blocked;
	size_t nr;
	int status;

	if (option_given(opts, OPT_VM) && option_given(opts, OPT_DEVICE)) {
		message("--vm and --device: one of them says which root");
		return TOOL_USAGE;
	}
	status = foreign_list(target, &list, &nr, &nr_blocked);
	if (status != TOOL_DONE)
		return status;
	found = choose(opts, list, nr, &nr);
	if (!found) {
		message("%s: %s: %s (devices lists them)", target->file, what,
			nr ? "several have this id" : "there is none of this id");
		return TOOL_USAGE;
	}
	if (found->domain != PGW_DOMAIN_TABLES) {
		message("%s: %s: %s", target->file, what,
			found->domain == PGW_DOMAIN_PASS_THROUGH
				? "it passes through: its addresses are physical ones, without "
				  "tables"
				: "its tables are not of a kind that is read");
		return TOOL_USAGE;
	}
	*ret = found;
	return TOOL_DONE;
}

int foreign_root(struct target *target, const struct options *opts, struct pgw_root_info *ret)
{
	const struct pgw_foreign *found;
	int status;

	if (option_given(opts, OPT_ROOT)) {
		message("--root does not go with --device, which has a root of its own");
		return TOOL_USAGE;
	}
	status = find(target, opts, &found);
	if (status == TOOL_DONE)
		*ret = (struct pgw_root_info){
			.root = found->root,
			.format = found->format,
			.control = found->control,
			.has_user = pgw_format_is_split(found->format),
		};
	return status;
}

static int attach_stage2(struct target *target, const struct options *opts,
			 const struct pgw_foreign *guest)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = guest->format,
		.phys = pgw_image_phys(target->image),
		.root = guest->root,
		.region = PGW_REGION_FOREIGN,
		.control = guest->control,
		.budget = opts->budget,
	};
	int err = pgw_mm_attach(&args, &target->stage2);

	if (err)
		return err;
	err = pgw_mmap_read_lock(target->stage2);
	if (!err)
		return pgw_nested_new(target->stage2, args.phys, &target->nested);
	pgw_mm_free(target->stage2);
	target->stage2 = NULL;
	return err;
}

int foreign_enter(struct target *target, const struct options *opts,
		  const struct pgw_image_options *image_opts)
{
	struct pgw_image_options guest_opts = *image_opts;
	const struct pgw_foreign *found;
	struct pgw_image *guest;
	int status = find(target, opts, &found), err;

	if (status != TOOL_DONE)
		return status;
	err = attach_stage2(target, opts, found);
	guest_opts.encryption = (struct pgw_encryption){ 0 }; /* --encryption-bit is of the host's */
	if (!err)
		err = pgw_image_open_guest(target->image, found, target->nested, &guest_opts, &guest,
					   NULL);
	progress_end(&target->progress);
	if (err) {
		message("%s: the guest's memory: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	target->host = target->image;
	target->image = guest;
	return TOOL_DONE;
}

void foreign_leave(struct target *target)
{
	pgw_nested_free(target->nested);
	if (target->stage2)
		pgw_mmap_read_unlock(target->stage2);
	pgw_mm_free(target->stage2);
	pgw_image_close(target->host);
}
