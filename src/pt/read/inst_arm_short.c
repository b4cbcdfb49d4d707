/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/arm_short.h"
#include "pt/fmt/formats.h"
#include "pt/read/template.h"

static const struct pgw_control_bit arm_short_controls[] = {
	{ .name = "WXN", .bit = PGW_CTL_ARM_WXN },
	{ .name = "UWXN", .bit = PGW_CTL_ARM_UWXN },
	{ .name = "AFE", .bit = PGW_CTL_ARM_AFE },
	{ .name = "TRE", .bit = PGW_CTL_ARM_TRE },
	{ .name = NULL },
};

/* Without TRE, table B3-10: by TEX, C, B. */
static const char *plain_type(unsigned tex, unsigned cb)
{
	static const char *const types[2][4] = {
		{ "strongly-ordered", "device", "normal-wt", "normal" },
		{ "normal-nc", "reserved", "normal-other", "normal" },
	};

	if (tex & 4)
		return tex == 4 && !cb ? "normal-nc" : "normal-other";
	if (tex == 2)
		return cb ? "reserved" : "device";
	return tex < 2 ? types[tex][cb] : "reserved";
}

/* With TRE, B3.8.3: TEX[0], C and B choose a field of PRRR, and of NMRR the cache policy. */
static const char *remapped_type(uint64_t prrr_nmrr, unsigned n)
{
	static const char *const normal[] = { "normal-nc", "normal", "normal-wt", "normal" };

	switch (prrr_nmrr >> 2 * n & 3) {
	case 0:
		return "strongly-ordered";
	case 1:
		return "device";
	case 2:
		return normal[prrr_nmrr >> (32 + 2 * n) & 3];
	default:
		return "reserved";
	}
}

static const char *memory_type(const struct pgw_control *control, uint64_t entry, unsigned level)
{
	unsigned tex = (unsigned)(entry >> (level ? 12 : 6) & 7);
	unsigned cb = (unsigned)(entry >> 2 & 3);

	/* A large page's TEX is where a small one has its address: it is no attribute. */
	if (!level && !(entry & ARM_SHORT_LEAF))
		return NULL;
	return control->set & PGW_CTL_ARM_TRE
		       ? remapped_type(control->memory_types, (tex & 1) << 2 | cb)
		       : plain_type(tex, cb);
}

/*
 * Assumed is what Linux has (arch/arm/mm/proc-v7-2level.S): PRRR, NMRR, TRE, no AFE; all domains
 * that it uses are those of clients, but for a process's while the kernel keeps itself off them.
 */
const struct pgw_format pt_format_arm_short = {
	.name = "arm-short",
	.arch = "arm",
	.geometry = ARM_SHORT_GEOMETRY,
	.regions = ARM_SHORT_REGIONS,
	.table_names = arm_short_table_names,
	.attrs = arm_short_attrs,
	.later_bits = arm_short_later_bits,
	.attr_mask = { ARM_SHORT_ATTR_MASK_SMALL, ARM_SHORT_ATTR_MASK_LARGE },
	.controls = arm_short_controls,
	.control_bits = PGW_CTL_ARM_WXN | PGW_CTL_ARM_UWXN | PGW_CTL_ARM_AFE | PGW_CTL_ARM_TRE |
			PGW_CTL_ARM_DOMAINS | PGW_CTL_MEMORY_TYPES,
	.control_assume = PGW_CTL_ARM_TRE,
	.assume_memory_types = UINT64_C(0x40e040e0ff0a81a8),
	.assume_domains = UINT32_C(0x55555555),
	.min_pa_bits = 32,
	.tag_bits = arm_short_tag_bits,
	.memory_type = memory_type,
	.decode = pt_decode,
	.advance = pt_advance,
	.env_init = pt_env_fill,
	.ops = &pt_format_ops,
};
