/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/amdvi.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

#define AMDVI_CONTROL (PGW_CTL_AMDVI_IR | PGW_CTL_AMDVI_IW)

static const struct pgw_control_bit amdvi_controls[] = {
	{ .name = "IR", .bit = PGW_CTL_AMDVI_IR, .is_of_root = true },
	{ .name = "IW", .bit = PGW_CTL_AMDVI_IW, .is_of_root = true },
	{ .name = NULL },
};

/* Of the six levels that there can be, the highest has the bits that are left. */
#define AMDVI_VA_BITS(mode) ((mode) == 6 ? 64 : X86_SPAN_LG2(mode))
#define AMDVI_TOP_SLOTS_LG2 7

/* Leaves can have any size from a page up to half of what the root maps. */
#define AMDVI_GEOMETRY(top)                                                                        \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = X86_GRANULE_LG2,                                \
		.va_bits = AMDVI_VA_BITS((top) + 1), .max_pa_bits = X86_MAX_PA_BITS,               \
		.item_lg2 = 3, .span_lg2 = { X86_SPAN_LG2(0), X86_SPAN_LG2(1), X86_SPAN_LG2(2),    \
					     X86_SPAN_LG2(3), X86_SPAN_LG2(4), X86_SPAN_LG2(5) },  \
		.slots_lg2 = { X86_SLOTS_LG2, X86_SLOTS_LG2, X86_SLOTS_LG2,                        \
			       X86_SLOTS_LG2, X86_SLOTS_LG2, AMDVI_TOP_SLOTS_LG2 },                \
		.leaf_sizes =                                                                      \
			BITS((X86_SPAN_LG2((top) + 1) < X86_MAX_PA_BITS ? X86_SPAN_LG2((top) + 1)  \
									: X86_MAX_PA_BITS + 1) -   \
				     1,                                                            \
			     X86_GRANULE_LG2),                                                     \
	}

/* Owners' ways down have two to five levels. */
#define AMDVI_FORMAT(format_name, mode, edit_ops)                                                  \
	{                                                                                          \
		.name = (format_name), .arch = "amdvi", .geometry = AMDVI_GEOMETRY((mode)-1),      \
		.regions = PT_REGION_FOREIGN("device", AMDVI_VA_BITS(mode), "device", NULL),       \
		.table_names = amdvi_table_names, .attrs = amdvi_attrs,                            \
		.later_bits = foreign_no_later_bits,                                               \
		.attr_mask = { AMDVI_ATTR_MASK, AMDVI_ATTR_MASK, AMDVI_ATTR_MASK,                  \
			       AMDVI_ATTR_MASK, AMDVI_ATTR_MASK, AMDVI_ATTR_MASK },                \
		.controls = amdvi_controls, .control_bits = AMDVI_CONTROL,                         \
		.control_assume = AMDVI_CONTROL, .tag_bits = foreign_tag_bits,                     \
		.min_pa_bits = X86_MIN_PA_BITS, .decode = pt_decode, .advance = pt_advance,        \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = (edit_ops),                \
	}

const struct pgw_format pt_format_amdvi_1 = AMDVI_FORMAT("amdvi-1", 1, NULL);
const struct pgw_format pt_format_amdvi_2 = AMDVI_FORMAT("amdvi-2", 2, &pt_edit_amdvi);
const struct pgw_format pt_format_amdvi_3 = AMDVI_FORMAT("amdvi-3", 3, &pt_edit_amdvi);
const struct pgw_format pt_format_amdvi_4 = AMDVI_FORMAT("amdvi-4", 4, &pt_edit_amdvi);
const struct pgw_format pt_format_amdvi_5 = AMDVI_FORMAT("amdvi-5", 5, &pt_edit_amdvi);
const struct pgw_format pt_format_amdvi_6 = AMDVI_FORMAT("amdvi-6", 6, NULL);
