/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/x86_64.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

#define X86_64_CONTROL                                                                             \
	(PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP | PGW_CTL_X86_PKE |                   \
	 PGW_CTL_X86_LAM_U48 | PGW_CTL_X86_LAM_U57 | PGW_CTL_X86_LAM_SUP |                         \
	 PGW_CTL_X86_ENCRYPTION | PGW_CTL_X86_SHARED_BIT)

static const struct pgw_control_bit x86_64_controls[] = {
	{ .name = "WP", .bit = PGW_CTL_X86_WP },
	{ .name = "NXE", .bit = PGW_CTL_X86_NXE },
	{ .name = "SMEP", .bit = PGW_CTL_X86_SMEP },
	{ .name = "PKE", .bit = PGW_CTL_X86_PKE },
	{ .name = "LAM_U48", .bit = PGW_CTL_X86_LAM_U48, .is_tag = true, .is_of_root = true },
	{ .name = "LAM_U57", .bit = PGW_CTL_X86_LAM_U57, .is_tag = true, .is_of_root = true },
	{ .name = "LAM_SUP", .bit = PGW_CTL_X86_LAM_SUP, .is_tag = true },
	{ .name = NULL },
};

#define X86_64_FORMAT(format_name, top)                                                            \
	{                                                                                          \
		.name = (format_name), .arch = "x86_64", .geometry = X86_64_GEOMETRY(top),         \
		.regions = PT_REGIONS_BY_TOP_BIT(X86_SPAN_LG2((top) + 1)),                         \
		.table_names = x86_64_table_names, .attrs = x86_64_attrs,                          \
		.later_bits = x86_64_later_bits,                                                   \
		.attr_mask = { X86_64_ATTR_MASK_SMALL, X86_64_ATTR_MASK_LARGE,                     \
			       X86_64_ATTR_MASK_LARGE },                                           \
		.controls = x86_64_controls, .control_bits = X86_64_CONTROL,                       \
		.tag_bits = x86_64_tag_bits,                                                       \
		.control_assume = PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP,             \
		.min_pa_bits = X86_MIN_PA_BITS, .decode = pt_decode, .advance = pt_advance,        \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = &pt_edit_x86_64,           \
	}

const struct pgw_format pt_format_x86_64_la48 = X86_64_FORMAT("x86_64-la48", 3);
const struct pgw_format pt_format_x86_64_la57 = X86_64_FORMAT("x86_64-la57", 4);
