/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/formats.h"
#include "pt/fmt/riscv_g.h"
#include "pt/read/template.h"

/* All are assumed, as of riscv's own tables. */
#define RISCV_G_CONTROL (PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT | PGW_CTL_RISCV_SVRSW60T59B)

static const struct pgw_control_bit riscv_g_controls[] = {
	{ .name = "Svnapot", .bit = PGW_CTL_RISCV_SVNAPOT },
	{ .name = "Svpbmt", .bit = PGW_CTL_RISCV_SVPBMT },
	{ .name = "Svrsw60t59b", .bit = PGW_CTL_RISCV_SVRSW60T59B },
	{ .name = NULL },
};

#define RISCV_G_FORMAT(format_name, top)                                                           \
	{                                                                                          \
		.name = (format_name), .arch = "riscv-g", .geometry = RISCV_G_GEOMETRY(top),       \
		.regions = PT_REGION_FOREIGN("guest", RISCV_G_VA_BITS(top), "guest", NULL),        \
		.table_names = riscv_table_names, .attrs = riscv_attrs,                            \
		.later_bits = &riscv_later_bits[1],                                                \
		.attr_mask = { RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, \
			       RISCV_ATTR_MASK },                                                  \
		.controls = riscv_g_controls, .control_bits = RISCV_G_CONTROL,                     \
		.control_assume = RISCV_G_CONTROL, .tag_bits = foreign_tag_bits,                   \
		.min_pa_bits = 32, .memory_type = riscv_memory_type, .decode = pt_decode,          \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
		.edit = &pt_edit_riscv_g,                                                          \
	}

const struct pgw_format pt_format_riscv_sv39x4 = RISCV_G_FORMAT("riscv-sv39x4", 2);
const struct pgw_format pt_format_riscv_sv48x4 = RISCV_G_FORMAT("riscv-sv48x4", 3);
const struct pgw_format pt_format_riscv_sv57x4 = RISCV_G_FORMAT("riscv-sv57x4", 4);
