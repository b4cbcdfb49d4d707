/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include "base/bits.h"

/* To add a kind: one file, and one line here. */
const struct source_ops *const source_kinds[] = {
	&source_elf_ops,
	&source_kdump_ops,
	&source_libvirt_ops,
	&source_avml_ops,
	&source_lime_ops,
	&source_qemu_ops,
	&source_qemu_live_ops,
	&source_gdb_ops,
	&source_raw_map_ops,
	&source_kdumpfile_ops,
	&source_minidump_ops,
	&source_vmware_ops,
	&source_windows_ops,
	&source_unreadable_ops,
	&source_raw_ops,
	&source_xen_ops,
};

const size_t source_nr_kinds = PGW_ARRAY_SIZE(source_kinds);
