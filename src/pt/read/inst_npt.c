/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/npt.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

static const struct pgw_control_bit npt_controls[] = {
	{ .name = "NXE", .bit = PGW_CTL_X86_NXE },
	{ .name = NULL },
};

#define NPT_FORMAT(format_name, top)                                                               \
	{                                                                                          \
		.name = (format_name), .arch = "npt", .geometry = X86_64_GEOMETRY(top),            \
		.regions = PT_REGION_FOREIGN("guest", X86_SPAN_LG2((top) + 1), "guest", NULL),     \
		.table_names = x86_64_table_names, .attrs = npt_attrs,                             \
		.later_bits = X86_64_LATER_BITS_NXE,                                               \
		.attr_mask = { NPT_ATTR_MASK | X86_PAT_SMALL, NPT_ATTR_MASK | X86_PAT_LARGE,       \
			       NPT_ATTR_MASK | X86_PAT_LARGE },                                    \
		.controls = npt_controls,                                                          \
		.control_bits = PGW_CTL_X86_NXE | PGW_CTL_X86_ENCRYPTION | PGW_CTL_X86_SHARED_BIT, \
		.control_assume = PGW_CTL_X86_NXE, .tag_bits = foreign_tag_bits,                   \
		.min_pa_bits = X86_MIN_PA_BITS, .assume_pa_bits = NPT_ASSUME_PA_BITS,              \
		.decode = pt_decode, .advance = pt_advance, .env_init = pt_env_fill,               \
		.ops = &pt_format_ops, .edit = &pt_edit_npt,                                       \
	}

const struct pgw_format pt_format_npt_48 = NPT_FORMAT("npt-48", 3);
const struct pgw_format pt_format_npt_57 = NPT_FORMAT("npt-57", 4);
