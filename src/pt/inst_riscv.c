/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/formats.h"
#include "pt/fmt/riscv.h"
#include "pt/template.h"

#define RISCV_FORMAT(format_name, top)                                                             \
	{                                                                                          \
		.name = (format_name), .arch = "riscv64", .geometry = RISCV_GEOMETRY(top),         \
		.table_names = riscv_table_names, .attrs = riscv_attrs,                            \
		.attr_mask = { RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, RISCV_ATTR_MASK, \
			       RISCV_ATTR_MASK },                                                  \
		.control_bits = PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT,                      \
		.control_assume = PGW_CTL_RISCV_SVNAPOT | PGW_CTL_RISCV_SVPBMT,                    \
		.min_pa_bits = 32, .memory_type = riscv_memory_type, .decode = pt_decode,          \
		.advance = pt_advance, .reader = &pt_reader_ops, .owner = &pt_owner_ops,           \
		.edit = &pt_edit_riscv,                                                              \
	}

const struct pgw_format pt_format_riscv_sv39 = RISCV_FORMAT("riscv-sv39", 2);
const struct pgw_format pt_format_riscv_sv48 = RISCV_FORMAT("riscv-sv48", 3);
const struct pgw_format pt_format_riscv_sv57 = RISCV_FORMAT("riscv-sv57", 4);
