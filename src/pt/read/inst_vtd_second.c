/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/vtd_second.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

static const struct pgw_control_bit vtd_second_controls[] = {
	{ .name = "SSADE", .bit = PGW_CTL_VTD_SSADE, .is_of_root = true },
	{ .name = NULL },
};

#define VTD_SECOND_FORMAT(format_name, top)                                                        \
	{                                                                                          \
		.name = (format_name), .arch = "vtd-second", .geometry = X86_64_GEOMETRY(top),     \
		.regions = PT_REGION_FOREIGN("device", X86_SPAN_LG2((top) + 1), "device", NULL),   \
		.table_names = x86_64_table_names, .attrs = vtd_second_attrs,                      \
		.later_bits = foreign_no_later_bits,                                               \
		.attr_mask = { VTD_SECOND_ATTR_MASK, VTD_SECOND_ATTR_MASK, VTD_SECOND_ATTR_MASK }, \
		.controls = vtd_second_controls, .control_bits = PGW_CTL_VTD_SSADE,                \
		.tag_bits = foreign_tag_bits, .min_pa_bits = X86_MIN_PA_BITS, .decode = pt_decode, \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
		.edit = &pt_edit_vtd_second,                                                       \
	}

const struct pgw_format pt_format_vtd_second_3 = VTD_SECOND_FORMAT("vtd-second-3", 2);
const struct pgw_format pt_format_vtd_second_4 = VTD_SECOND_FORMAT("vtd-second-4", 3);
const struct pgw_format pt_format_vtd_second_5 = VTD_SECOND_FORMAT("vtd-second-5", 4);
