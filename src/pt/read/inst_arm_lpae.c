/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/formats.h"
#include "pt/fmt/arm_lpae.h"
#include "pt/read/template.h"

static const struct pgw_control_bit arm_lpae_controls[] = {
	{ .name = "WXN", .bit = PGW_CTL_ARM_WXN },
	{ .name = "UWXN", .bit = PGW_CTL_ARM_UWXN },
	{ .name = NULL },
};

static const struct pgw_later_bits arm_lpae_later_bits[] = {
	{ .bits = "62:59 of leaves",
	  .extension = "FEAT_AA32HPD",
	  .taken_for = "ignored",
	  .mask = BITS(62, 59),
	  .value = BITS(62, 59),
	  .in_leaves = true,
	  .level_last = 2 },
	{ .bits = NULL },
};

/* B4.1.104 MAIR0: the byte that AttrIndx chooses; what else an MAIR can say is a kind of normal. */
static const char *memory_type(const struct pgw_control *control, uint64_t entry, unsigned level)
{
	(void)level;
	unsigned index = (unsigned)((entry & ARM64_ATTRINDX) >> 2);
	uint8_t attr = (uint8_t)(control->memory_types >> (8 * index));

	switch (attr) {
	case 0x00:
		return "strongly-ordered";
	case 0x04:
		return "device";
	case 0x44:
		return "normal-nc";
	case 0xaa:
	case 0xbb:
		return "normal-wt";
	case 0xee:
	case 0xff:
		return "normal";
	default:
		return attr & 0xf0 ? "normal-other" : "device-other";
	}
}

/* Linux: arch/arm/include/asm/pgtable-3level-hwdef.h has this order of memory types. */
#define ARM_LPAE_FORMAT(format_name, bits, region_list)                                            \
	{                                                                                          \
		.name = (format_name), .arch = "arm",                                              \
		.geometry = ARM64_GEOMETRY(bits, ARM_LPAE_PA_BITS), .regions = (region_list),      \
		.table_names = arm64_table_names, .attrs = arm_lpae_attrs,                         \
		.later_bits = arm_lpae_later_bits,                                                 \
		.attr_mask = { ARM_LPAE_ATTR_MASK, ARM_LPAE_ATTR_MASK, ARM_LPAE_ATTR_MASK },       \
		.controls = arm_lpae_controls,                                                     \
		.control_bits = PGW_CTL_ARM_WXN | PGW_CTL_ARM_UWXN | PGW_CTL_MEMORY_TYPES,         \
		.assume_memory_types = UINT64_C(0xff000004eeaa4400), .min_pa_bits = 32,            \
		.tag_bits = arm_lpae_tag_bits, .memory_type = memory_type, .decode = pt_decode,    \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
	}

const struct pgw_format pt_format_arm_lpae = ARM_LPAE_FORMAT("arm-lpae", 32, ARM_LPAE_REGIONS);
const struct pgw_format pt_format_arm_lpae_31 =
	ARM_LPAE_FORMAT("arm-lpae-31", 31, ARM_LPAE_REGIONS_OF_TWO_ROOTS(31));
const struct pgw_format pt_format_arm_lpae_30 =
	ARM_LPAE_FORMAT("arm-lpae-30", 30, ARM_LPAE_REGIONS_OF_TWO_ROOTS(30));
