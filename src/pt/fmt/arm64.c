/* SPDX-License-Identifier: BSD-2-Clause */
/* Any granule: what is here does not depend on it. */
#define ARM64_GRANULE_LG2 12
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64.h"

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
const char *arm64_memory_type(const struct pgw_control *control, uint64_t entry)
{
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
