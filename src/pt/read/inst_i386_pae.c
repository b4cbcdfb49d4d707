/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define I386_PAE 1
#include "pt/fmt/i386.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

static const struct pgw_control_bit i386_controls[] = {
	{ .name = "WP", .bit = PGW_CTL_X86_WP },
	{ .name = "SMEP", .bit = PGW_CTL_X86_SMEP },
	{ .name = "NXE", .bit = PGW_CTL_X86_NXE },
	{ .name = NULL },
};

const struct pgw_format pt_format_i386_pae = {
	.name = "i386-pae",
	.arch = "i386",
	.geometry = I386_GEOMETRY,
	.regions = I386_REGIONS,
	.table_names = i386_table_names,
	.attrs = i386_attrs,
	.later_bits = i386_later_bits,
	.attr_mask = { I386_ATTR_MASK_SMALL, I386_ATTR_MASK_LARGE },
	.controls = i386_controls,
	.control_bits = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_NXE,
	.control_assume = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_NXE,
	.min_pa_bits = I386_MIN_PA_BITS,
	.tag_bits = i386_tag_bits,
	.decode = pt_decode,
	.advance = pt_advance,
	.env_init = pt_env_fill,
	.ops = &pt_format_ops,
};
