/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define RISCV_XLEN 32
#define PT_READ_ONLY
#include "pt/fmt/formats.h"
#include "pt/fmt/riscv.h"
#include "pt/read/template.h"

static const struct pgw_control_bit sv32_controls[] = {
	{ .name = "SSE", .bit = PGW_CTL_RISCV_SSE },
	{ .name = NULL },
};

static const struct pgw_later_bits sv32_later_bits[] = {
	{ .bits = "2 without 1 and 3",
	  .extension = "Zicfiss",
	  .taken_for = "shadow stack",
	  .mask = RISCV_R | RISCV_W | RISCV_X,
	  .value = RISCV_W,
	  .in_leaves = true,
	  .level_last = 1,
	  .control = PGW_CTL_RISCV_SSE },
	{ .bits = NULL },
};

/* Those of riscv.h that have a place here. */
static const struct pgw_attr sv32_attrs[] = {
	{ .name = "g", .mask = RISCV_G, .value = RISCV_G, .level_last = 1 },
	{ .name = "a", .mask = RISCV_A, .value = RISCV_A, .level_last = 1 },
	{ .name = "d", .mask = RISCV_D, .value = RISCV_D, .level_last = 1 },
	{ .name = NULL },
};

/* One root has both; where Linux has PAGE_OFFSET. All of an address counts. */
static const struct pgw_region sv32_regions[] = {
	{ .name = "user", .last = 0xbfffffff, .kind = PGW_REGION_USER, .is_chosen = true },
	{ .name = "kernel",
	  .first = 0xc0000000,
	  .last = 0xffffffff,
	  .kind = PGW_REGION_KERNEL,
	  .is_chosen = true },
	{ .name = NULL },
};

static uint64_t sv32_tag_bits(const struct pgw_geometry *geo, const struct pgw_control *control,
			      uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

#define SV32_ATTR_MASK (RISCV_R | RISCV_W | RISCV_X | RISCV_U | RISCV_G | RISCV_A | RISCV_D)

const struct pgw_format pt_format_riscv_sv32 = {
	.name = "riscv-sv32",
	.arch = "riscv32",
	.geometry = {
		.top_level = 1, .granule_lg2 = RISCV_GRANULE_LG2, .va_bits = 32,
		.max_pa_bits = RISCV_PA_BITS, .item_lg2 = PT_ITEM_LG2,
		.span_lg2 = { RISCV_SPAN_LG2(0), RISCV_SPAN_LG2(1) },
		.slots_lg2 = { RISCV_SLOTS_LG2, RISCV_SLOTS_LG2 },
		.leaf_sizes = BIT(RISCV_SPAN_LG2(0)) | BIT(RISCV_SPAN_LG2(1)),
	},
	.regions = sv32_regions,
	.table_names = riscv_table_names,
	.attrs = sv32_attrs,
	.later_bits = sv32_later_bits,
	.attr_mask = { SV32_ATTR_MASK, SV32_ATTR_MASK },
	.controls = sv32_controls,
	.control_bits = PGW_CTL_RISCV_SSE,
	.control_assume = PGW_CTL_RISCV_SSE,
	.min_pa_bits = 32,
	.tag_bits = sv32_tag_bits,
	.decode = pt_decode,
	.advance = pt_advance,
	.env_init = pt_env_fill,
	.ops = &pt_format_ops,
};
