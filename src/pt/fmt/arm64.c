/* SPDX-License-Identifier: BSD-2-Clause */
/* Any granule: what is here does not depend on it. */
#define ARM64_GRANULE_LG2 12
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_s2.h"

const struct pgw_control_bit arm64_controls[] = {
	{ .name = "WXN", .bit = PGW_CTL_ARM64_WXN },
	{ .name = "HPD0", .bit = PGW_CTL_ARM64_HPD0 },
	{ .name = "HPD1", .bit = PGW_CTL_ARM64_HPD1 },
	{ .name = "HD", .bit = PGW_CTL_ARM64_HD },
	{ .name = "TBI0", .bit = PGW_CTL_ARM64_TBI0, .is_tag = true },
	{ .name = "TBI1", .bit = PGW_CTL_ARM64_TBI1, .is_tag = true },
	{ .name = NULL },
};

/* D24 MAIR_EL1: the byte that AttrIndx chooses. */
const char *arm64_memory_type(const struct pgw_control *control, uint64_t entry, unsigned level)
{
	(void)level;
	unsigned index = (unsigned)((entry & ARM64_ATTRINDX) >> 2);
	uint8_t attr = (uint8_t)(control->memory_types >> (8 * index));

	switch (attr) {
	case 0x00:
		return "device-nGnRnE";
	case 0x04:
		return "device-nGnRE";
	case 0x08:
		return "device-nGRE";
	case 0x0c:
		return "device-GRE";
	case 0x44:
		return "normal-nc";
	case 0xf0:
		return "normal-tagged";
	case 0xff:
		return "normal";
	case 0xbb:
		return "normal-wt";
	default:
		return attr & 0xf0 ? "normal-other" : "device-other";
	}
}

/* D8.8 "Address tagging": bit 55 says of which half an address is. */
uint64_t arm64_tag_bits(const struct pgw_geometry *geo, const struct pgw_control *control,
			uint64_t va)
{
	(void)geo;
	return control->set & (va & BIT(55) ? PGW_CTL_ARM64_TBI1 : PGW_CTL_ARM64_TBI0)
		       ? BITS(63, 56)
		       : 0;
}

const struct pgw_control_bit arm64_el2_controls[] = {
	{ .name = "WXN", .bit = PGW_CTL_ARM64_WXN },
	{ .name = "HPD", .bit = PGW_CTL_ARM64_HPD0 },
	{ .name = "HD", .bit = PGW_CTL_ARM64_HD },
	{ .name = "TBI", .bit = PGW_CTL_ARM64_TBI0, .is_tag = true },
	{ .name = NULL },
};

const struct pgw_control_bit arm64_s2_controls[] = {
	{ .name = "HD", .bit = PGW_CTL_ARM64_HD },
	{ .name = "FWB", .bit = PGW_CTL_ARM64_FWB },
	{ .name = "XNX", .bit = PGW_CTL_ARM64_XNX },
	{ .name = NULL },
};

/*
 * D8.5.5: MemAttr[3] is 0 with FWB (but for FEAT_MTE_PERM), and without it 1 of all that is cached
 * within and outside. So where it is 1, it is read as without.
 */
const char *arm64_s2_memory_type(const struct pgw_control *control, uint64_t entry, unsigned level)
{
	(void)level;
	static const char *const device[] = { "device-nGnRnE", "device-nGnRE", "device-nGRE",
					      "device-GRE" };
	static const char *const forced[] = { "reserved", "normal-nc", "normal", "stage1" };
	unsigned attr = (unsigned)((entry & ARM64_S2_MEMATTR) >> ARM64_S2_MEMATTR_SHIFT);

	if (attr < 4)
		return device[attr];
	if ((control->set & PGW_CTL_ARM64_FWB) && attr < 8)
		return forced[attr - 4];
	return attr == 15   ? "normal"
	       : attr == 10 ? "normal-wt"
	       : attr == 5  ? "normal-nc"
			    : "normal-other";
}
