/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/formats.h"
#include "pt/fmt/riscv.h"
#include "pt/read/template.h"

/* All are assumed: what an older CPU calls reserved no kernel sets by accident. */
#define RISCV_CONTROL                                                                              \
	(PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT | PGW_CTL_RISCV_SVRSW60T59B |                \
	 PGW_CTL_RISCV_SSE)

static const struct pgw_control_bit riscv_controls[] = {
	{ .name = "Svnapot", .bit = PGW_CTL_RISCV_SVNAPOT },
	{ .name = "Svpbmt", .bit = PGW_CTL_RISCV_SVPBMT },
	{ .name = "Svrsw60t59b", .bit = PGW_CTL_RISCV_SVRSW60T59B },
	{ .name = "SSE", .bit = PGW_CTL_RISCV_SSE },
	{ .name = "PMLEN7", .bit = PGW_CTL_RISCV_PMLEN7, .is_tag = true },
	{ .name = "PMLEN16", .bit = PGW_CTL_RISCV_PMLEN16, .is_tag = true },
	{ .name = NULL },
};

#define RISCV_FORMAT(format_name, top)                                                             \
	{                                                                                          \
		.name = (format_name), .arch = "riscv64", .geometry = RISCV_GEOMETRY(top),         \
		.regions = PT_REGIONS_BY_TOP_BIT(RISCV_SPAN_LG2((top) + 1)),                       \
		.table_names = riscv_table_names, .attrs = riscv_attrs,                            \
		.later_bits = riscv_later_bits,                                                    \
		.attr_mask = { RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, \
			       RISCV_ATTR_MASK },                                                  \
		.controls = riscv_controls,                                                        \
		.control_bits = RISCV_CONTROL | PGW_CTL_RISCV_PMLEN7 | PGW_CTL_RISCV_PMLEN16,      \
		.control_assume = RISCV_CONTROL, .tag_bits = riscv_tag_bits, .min_pa_bits = 32,    \
		.memory_type = riscv_memory_type, .decode = pt_decode, .advance = pt_advance,      \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = &pt_edit_riscv,            \
	}

const struct pgw_format pt_format_riscv_sv39 = RISCV_FORMAT("riscv-sv39", 2);
const struct pgw_format pt_format_riscv_sv48 = RISCV_FORMAT("riscv-sv48", 3);
const struct pgw_format pt_format_riscv_sv57 = RISCV_FORMAT("riscv-sv57", 4);
