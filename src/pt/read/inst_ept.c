/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/ept.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

#define EPT_CONTROL (PGW_CTL_EPT_XO | PGW_CTL_EPT_MBEC | PGW_CTL_EPT_AD)

static const struct pgw_control_bit ept_controls[] = {
	{ .name = "XO", .bit = PGW_CTL_EPT_XO },
	{ .name = "MBEC", .bit = PGW_CTL_EPT_MBEC },
	{ .name = "AD", .bit = PGW_CTL_EPT_AD, .is_of_root = true },
	{ .name = NULL },
};

static const struct pgw_later_bits ept_later_bits[] = {
	{ .bits = "2 without 0",
	  .extension = "execute-only",
	  .taken_for = "executable",
	  .mask = EPT_RWX | EPT_XU,
	  .value = EPT_X,
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 4,
	  .control = PGW_CTL_EPT_XO },
	{ .bits = NULL },
};

#define EPT_FORMAT(format_name, top)                                                               \
	{                                                                                          \
		.name = (format_name), .arch = "ept", .geometry = X86_64_GEOMETRY(top),            \
		.regions =                                                                         \
			PT_REGION_FOREIGN("guest", X86_SPAN_LG2((top) + 1), "supervisor", "user"), \
		.table_names = x86_64_table_names, .attrs = ept_attrs,                             \
		.later_bits = ept_later_bits,                                                      \
		.attr_mask = { EPT_ATTR_MASK, EPT_ATTR_MASK & ~EPT_SPP,                            \
			       EPT_ATTR_MASK & ~EPT_SPP },                                         \
		.controls = ept_controls, .control_bits = EPT_CONTROL,                             \
		.control_assume = PGW_CTL_EPT_XO | PGW_CTL_EPT_AD, .tag_bits = foreign_tag_bits,   \
		.min_pa_bits = X86_MIN_PA_BITS, .memory_type = ept_memory_type,                    \
		.is_user_by_page = true, .decode = pt_decode, .advance = pt_advance,               \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = &pt_edit_ept,              \
	}

const struct pgw_format pt_format_ept_4 = EPT_FORMAT("ept-4", 3);
const struct pgw_format pt_format_ept_5 = EPT_FORMAT("ept-5", 4);
