/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "foreign.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"

#define STOP_OUTPUT 1

static void devices_root(struct record *record, const struct pgw_foreign *found,
			 const struct foreign_reach *reach)
{
	if (found->domain == PGW_DOMAIN_TABLES) {
		record_hex(record, "root", found->root.pa);
		record_str(record, "format", pgw_format_name(found->format));
		record_dec(record, "items", found->root.nr_items);
		record_size(record, "readable", reach->readable);
		record_size(record, "writable", reach->writable);
	} else {
		record_str(record, "root", NULL);
		record_str(record, "format", NULL);
	}
	record_str(record, "found", foreign_source(found->source));
	record_hex(record, "evidence", found->evidence);
	record_bool(record, "truncated", reach->is_cut);
}

static int devices_one(const struct target *target, const struct options *opts,
		       struct record *record, const struct pgw_foreign *found, bool *is_cut)
{
	struct foreign_reach reach;
	struct pgw_foreign known = *found;
	int err = foreign_reach(target, opts, &known, &reach);

	found = &known;
	if (err)
		return err;
	*is_cut |= reach.is_cut;
	record_begin(record, found->is_guest ? "vm" : "device");
	if (found->is_guest) {
		record_dec(record, "vm", found->id);
	} else {
		char id[FOREIGN_ID];

		record_str(record, "device", foreign_id(found, id));
		record_str(record, "through", foreign_through(found, &reach));
	}
	record_dec(record, "domain", found->domain_id);
	devices_root(record, found, &reach);
	record_end(record);
	return out_failed(record->out) ? STOP_OUTPUT : 0;
}

static int devices_report(struct target *target, const struct options *opts, struct out *out)
{
	const struct pgw_foreign *list = NULL;
	uint64_t nr_blocked = 0, nr_vms = 0;
	struct record record;
	bool is_cut = false;
	size_t nr = 0;
	int err = 0, status = foreign_list(target, &list, &nr, &nr_blocked);

	if (status != TOOL_DONE)
		return status;
	record_init(&record, out, option_given(opts, OPT_JSON));
	for (size_t i = 0; i < nr && !err; i++) {
		err = devices_one(target, opts, &record, &list[i], &is_cut);
		nr_vms += list[i].is_guest;
	}
	if (err && err != STOP_OUTPUT) {
		message("%s: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	record_begin_summary(&record);
	record_dec(&record, "vms", nr_vms);
	record_dec(&record, "devices", nr - nr_vms);
	record_dec(&record, "blocked", nr_blocked);
	record_bool(&record, "truncated", is_cut);
	record_end(&record);
	out_flush(out);
	if (!nr)
		message("%s: no tables of an IOMMU and no virtual machine were found by their "
			"looks",
			target->file);
	/* What is not in the file was not looked at. */
	if (report_is_cut(pgw_image_get_info(target->image))) {
		target_explain_unreadable(target);
		return TOOL_FINDING;
	}
	return is_cut ? TOOL_FINDING : TOOL_DONE;
}

static int devices_run(const struct options *opts)
{
	struct target target;
	struct out out;
	int status;

	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	status = target_open(&target, opts);
	if (status == TOOL_DONE)
		status = target_finish(&out, devices_report(&target, opts, &out));
	target_close(&target);
	return status;
}

const struct command cmd_devices = {
	.name = "devices",
	.args = "IMAGE",
	.summary = "virtual machines, and devices behind an IOMMU",
	.description =
		"Prints each virtual machine and each device that tables of an IOMMU name: what\n"
		"its accesses go through, its domain, the root and format of its tables, and how\n"
		"much it can read and write. Found by what VMCBs, KVM's structs and VT-d's,\n"
		"AMD-Vi's and SMMUv3's tables look like, as a dump has no register of theirs.\n"
		"Devices whose accesses are all refused are counted. Status 1: not all of their\n"
		"tables could be looked at.\n",
	.examples = "  pagewalk devices vmcore                 who is there\n"
		    "  pagewalk dump --device 00:02.0 vmcore   what that device can reach\n"
		    "  pagewalk dump --vm 0 vmcore             the memory of a virtual machine\n"
		    "  pagewalk devices --json vmcore          for programs\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = devices_run,
};
