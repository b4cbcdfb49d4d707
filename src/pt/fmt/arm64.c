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

static uint8_t attr_byte(const struct pgw_control *control, uint64_t entry)
{
	unsigned index = (unsigned)((entry & ARM64_ATTRINDX) >> 2);

	return (uint8_t)(control->memory_types >> (8 * index));
}

static const char *attr_name(uint8_t attr)
{
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

/* D24 MAIR_EL1: the byte that AttrIndx chooses. */
const char *arm64_memory_type(const struct pgw_control *control, uint64_t entry, unsigned level)
{
	(void)level;
	return attr_name(attr_byte(control, entry));
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

/* How far memory may be cached, ascending. */
enum cached { CACHED_NOT, CACHED_THROUGH, CACHED_BACK };

/* MAIR_EL1: four bits of a byte for normal memory, which is not cached, or 0bTtRW, of which T and R, W are hints. */
static enum cached cached_by_attr(unsigned nibble)
{
	return nibble == 4 ? CACHED_NOT : nibble & 4 ? CACHED_BACK : CACHED_THROUGH;
}

/* MemAttr: two bits; 0 is reserved. */
static enum cached cached_by_memattr(unsigned bits)
{
	return bits == 3 ? CACHED_BACK : bits == 2 ? CACHED_THROUGH : CACHED_NOT;
}

/* What both let the memory be cached, of normal memory. Hints are stage 1's. */
static const char *combine_normal(uint8_t attr, enum cached outer, enum cached inner)
{
	/* Bytes that are no two times four bits: 0x40 and 0xa0 are not cached and through, with XS 0. */
	bool is_tagged = attr == 0xf0, is_xs = attr == 0x40 || attr == 0xa0;
	enum cached outer1 = attr == 0xa0 ? CACHED_THROUGH : cached_by_attr(attr >> 4);
	enum cached inner1 = is_tagged || is_xs ? outer1 : cached_by_attr(attr & 15);
	static const char *const names[] = { "normal-nc", "normal-wt", "normal" };

	if (outer >= outer1 && inner >= inner1)
		return attr_name(attr);
	outer = outer < outer1 ? outer : outer1;
	inner = inner < inner1 ? inner : inner1;
	return outer == inner ? names[outer] : "normal-other";
}

/*
 * D8.6 "Stage 2 memory type and cacheability attributes". Without FWB the stricter of both: device before
 * normal, no gathering before gathering, less cached before more. With FWB a device's type goes with
 * stage 1's alike; 5 is "not cached" beside it, 6 write-back whatever stage 1 says, 7 stage 1's.
 */
const char *arm64_s2_combined_type(const struct pt_typed *stage1, const struct pt_typed *stage2)
{
	unsigned memattr = (unsigned)((stage2->entry & ARM64_S2_MEMATTR) >> ARM64_S2_MEMATTR_SHIFT);
	bool is_forced = (stage2->control->set & PGW_CTL_ARM64_FWB) && memattr >= 4 && memattr < 8;
	uint8_t attr, device;

	if (stage1->format->memory_type != arm64_memory_type)
		return NULL;
	attr = attr_byte(stage1->control, stage1->entry);
	if (is_forced && memattr == 4)
		return "reserved";
	if (is_forced && memattr == 6)
		return attr == 0xf0 ? attr_name(attr) : attr_name(0xff);
	if (is_forced && memattr == 7)
		return attr_name(attr);
	device = (uint8_t)(memattr << 2);
	if (!(attr & 0xf0))
		return attr_name(memattr < 4 && device < attr ? device : attr);
	if (memattr < 4)
		return attr_name(device);
	return combine_normal(attr, is_forced ? CACHED_NOT : cached_by_memattr(memattr >> 2),
			      is_forced ? CACHED_NOT : cached_by_memattr(memattr & 3));
}
