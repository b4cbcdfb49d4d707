/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

/* A guest as an image of its own: its memory by its host's tables, its CPUs by what the hypervisor keeps. */

static int guest_open(struct pgw_image *image, struct pgw_image *host, const struct pgw_foreign *guest,
		      const struct pgw_nested *nested, struct pgw_error *err)
{
	struct source *source = &image->source;
	int status = source_open_lent(source, pgw_nested_phys(nested), false);

	if (status)
		return source_fail(err, status, NULL);
	image->host = host;
	source->has_machine = true;
	source->info.elf_machine = host->info.elf_machine;
	source->info.kind = "guest";
	source->info.writer = host->info.writer;
	source->info.file_size = host->info.file_size;
	source->info.unreadable_bytes = nested_missing(nested);
	source->is_guess = host->info.placement >= PGW_PLACEMENT_GUESSED;
	status = image_vmcoreinfo_add_given(image);
	if (!status && guest->source == PGW_FOREIGN_VMCB)
		status = virt_x86_guest_cpus(host, guest, source);
	if (status)
		return source_fail(err, status, NULL);
	status = image_take_source(image, err);
	if (!status)
		image_encryption_learn(image);
	return status;
}

int pgw_image_open_guest(struct pgw_image *host, const struct pgw_foreign *guest,
			 const struct pgw_nested *nested, const struct pgw_image_options *opts,
			 struct pgw_image **ret, struct pgw_error *err)
{
	struct pgw_image *image;
	int status;

	if (!host || !guest || !nested || !ret || !guest->is_guest ||
	    guest->domain != PGW_DOMAIN_TABLES)
		return source_fail(err, -PGW_EINVAL, "a virtual machine with tables");
	image = image_new(opts);
	if (!image)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = guest_open(image, host, guest, nested, err);
	if (status) {
		pgw_image_close(image);
		return status;
	}
	*ret = image;
	return 0;
}
