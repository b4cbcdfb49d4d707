/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/vtd_first.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

#define VTD_FIRST_FORMAT(format_name, other_name, top)                                             \
	{                                                                                          \
		.name = (format_name), .alias = (other_name), .arch = "vtd-first",                 \
		.geometry = X86_64_GEOMETRY(top),                                                  \
		.regions =                                                                         \
			PT_REGION_FOREIGN("device", X86_SPAN_LG2((top) + 1) - 1, "device", NULL),  \
		.table_names = x86_64_table_names, .attrs = vtd_first_attrs,                       \
		.later_bits = X86_64_LATER_BITS_NXE,                                               \
		.attr_mask = { VTD_FIRST_ATTR_MASK, VTD_FIRST_ATTR_MASK, VTD_FIRST_ATTR_MASK },    \
		.controls = foreign_no_controls, .control_bits = PGW_CTL_X86_NXE,                  \
		.control_assume = PGW_CTL_X86_NXE, .tag_bits = foreign_tag_bits,                   \
		.min_pa_bits = X86_MIN_PA_BITS, .decode = pt_decode, .advance = pt_advance,        \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = &pt_edit_vtd_first,        \
	}

const struct pgw_format pt_format_vtd_first_48 = VTD_FIRST_FORMAT("vtd-first-48", "vtd-first", 3);
const struct pgw_format pt_format_vtd_first_57 = VTD_FIRST_FORMAT("vtd-first-57", NULL, 4);
