/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/machine/page_items.h"

#define ADDRESS BITS(51, 12)

/*
 * Arm ARM D24 VTCR_EL2: T0SZ, SL0, IRGN0 and ORGN0 write-back, SH0 inner, TG0, bit 31 RES1; DS in bit 32.
 * Linux sets these; other words have all of them by accident only.
 */
#define VTCR_T0SZ BITS(5, 0)
#define VTCR_SL0_SHIFT 6
#define VTCR_CACHED (BITS(13, 12) | BIT(10) | BIT(8))
#define VTCR_CACHED_MASK BITS(13, 8)
#define VTCR_TG0_SHIFT 14
#define VTCR_RES1 BIT(31)
#define VTCR_VS BIT(19)
#define VTCR_DS BIT(32)
/* In struct kvm_s2_mmu VTCR stands so many words behind the root's address: 7.2, 6.1. */
static const unsigned vtcr_distance[] = { 2, 4 };

/* Arm IHI 0070 5.2: a stream table entry has eight words. */
#define STE_WORDS 8
#define STE_V BIT(0)
#define STE_CONFIG_SHIFT 1
#define STE_CONFIG_ABORT 0
#define STE_CONFIG_BYPASS 4
#define STE_CONFIG_S1 5
#define STE_CONFIG_S2 6
#define STE_CONTEXT BITS(51, 6)
#define STE_FORMAT BITS(5, 4)
#define STE_S2_T0SZ_SHIFT 32
#define STE_S2_SL0_SHIFT 38
#define STE_S2_TG_SHIFT 46
#define STE_S2_DS BIT(53)
#define STE_S2_TTB BITS(51, 4)
/* 5.1: a first-level descriptor. */
#define L1_TABLE BITS(51, 6)
#define STREAM_TABLE_SIZE (UINT64_C(64) << STREAM_SPLIT)
#define STREAM_SPLIT 8 /* of the stream id, as Linux has it; 6 and 10 exist, too */
/* 5.4: a context descriptor. */
#define CD_T0SZ BITS(5, 0)
#define CD_TG0_SHIFT 6
#define CD_EPD0 BIT(14)
#define CD_V BIT(31)
#define CD_AA64 BIT(41)
#define CD_TTB BITS(51, 4)

static unsigned ste_config(uint64_t word)
{
	return (unsigned)(word >> STE_CONFIG_SHIFT & 7);
}

static bool is_stream_page(const uint8_t *page)
{
	for (size_t at = 0; at < IMAGE_PAGE; at += sizeof(uint64_t) * STE_WORDS) {
		uint64_t word = load_le64(page + at);
		unsigned config = ste_config(word);

		if (!(word & STE_V) || (config && config != STE_CONFIG_BYPASS &&
					config != STE_CONFIG_S1 && config != STE_CONFIG_S2))
			return false;
		for (unsigned i = 4; i < STE_WORDS; i++) {
			if (load_le64(page + at + 8 * i))
				return false;
		}
	}
	return true;
}

static bool is_vtcr(uint64_t word)
{
	uint64_t t0sz = word & VTCR_T0SZ;

	return !(word >> 33) && (word & VTCR_RES1) && (word & VTCR_CACHED_MASK) == VTCR_CACHED &&
	       t0sz >= 12 && t0sz <= 39 && (word >> VTCR_TG0_SHIFT & 3) != 3;
}

/* Bits that are always the same: of a VTCR, and of a first-level descriptor, whose table is aligned to its size. */
#define VTCR_FIXED (BITS(63, 33) | VTCR_RES1 | VTCR_CACHED_MASK)
#define VTCR_FIXED_VALUE (VTCR_RES1 | VTCR_CACHED)
#define L1_FIXED (~L1_TABLE | (STREAM_TABLE_SIZE - 1))
#define L1_FIXED_VALUE (STREAM_SPLIT + 1)

/* A descriptor of no table at all is a small number, of which there are many. */
static PGW_ALWAYS_INLINE bool has_descriptor(const uint8_t *page)
{
	const uint64_t fixed = L1_FIXED, value = L1_FIXED_VALUE;
	uint64_t mask_le = load_le64(&fixed), value_le = load_le64(&value);
	page_items any[PAGE_VECTORS] = { 0 };

	for (size_t at = 0; at < IMAGE_PAGE; at += PAGE_STEP) {
		const page_items_in_memory *from = (const page_items_in_memory *)(page + at);

		for (unsigned i = 0; i < PAGE_VECTORS; i++)
			any[i] |= (page_items)((from[i] & mask_le) == value_le) &
				  (page_items)(from[i] != value_le);
	}
	return page_items_any(any);
}

static PGW_ALWAYS_INLINE unsigned words_any(const uint8_t *page)
{
	return (page_has_item(page, VTCR_FIXED, VTCR_FIXED_VALUE) ? 1u << VIRT_PAGE_VTCR : 0) |
	       (has_descriptor(page) ? 1u << VIRT_PAGE_L1 : 0);
}

PAGE_LOOK_BY_CPU(unsigned, words)

unsigned virt_arm64_look(const uint8_t *page)
{
	return words(page) | (is_stream_page(page) ? 1u << VIRT_PAGE_STREAM : 0);
}

/** What says of stage 2 tables: granule by TG0's encoding, SL0, bits of addresses, DS. */
struct stage2 {
	unsigned tg, sl0, bits;
	bool ds;
};

/* D8.2.3, "Translation table base address register", by SL0. @return false: no such tables */
static bool stage2_format(const struct stage2 *s2, struct pgw_foreign *ret)
{
	static const char *const granules[] = { "4k", "64k", "16k" };
	const struct pgw_geometry *geo;
	unsigned span_lg2, first = s2->tg ? 3 : 2;
	char name[40];

	if (s2->tg > 2 || s2->sl0 > first)
		return false;
	snprintf(name, sizeof(name), "arm64-s2-%s-l%u%s", granules[s2->tg], first - s2->sl0,
		 s2->ds && s2->tg != 1 ? "-lpa2" : "");
	ret->format = pgw_format_by_name(name);
	if (!ret->format)
		return false;
	geo = pgw_format_geometry(ret->format);
	span_lg2 = geo->span_lg2[geo->top_level];
	if (s2->bits <= span_lg2 || s2->bits > span_lg2 + geo->slots_lg2[geo->top_level])
		return false;
	ret->root.nr_items = UINT32_C(1) << (s2->bits - span_lg2);
	ret->domain = PGW_DOMAIN_TABLES;
	return true;
}

/* A VTCR in a page; the root stands before it. */
static int add_kvm(struct virt *virt, uint64_t page, const uint64_t words[512], unsigned at)
{
	struct stage2 s2 = {
		.tg = (unsigned)(words[at] >> VTCR_TG0_SHIFT & 3),
		.sl0 = (unsigned)(words[at] >> VTCR_SL0_SHIFT & 3),
		.bits = 64 - (unsigned)(words[at] & VTCR_T0SZ),
		.ds = words[at] & VTCR_DS,
	};

	for (size_t i = 0; i < PGW_ARRAY_SIZE(vtcr_distance); i++) {
		unsigned distance = vtcr_distance[i];
		struct pgw_foreign found = { .source = PGW_FOREIGN_KVM_ARM64, .is_guest = true };

		if (at < distance + 1 || !stage2_format(&s2, &found))
			continue;
		found.root.pa = words[at - distance];
		/* Of 8 or 16 bits; Linux counts above them how often all were used up. */
		found.domain_id = (uint32_t)(words[at - distance - 1] &
					     (words[at] & VTCR_VS ? 0xffff : 0xff));
		found.evidence = page + 8 * (uint64_t)(at - distance);
		if (found.root.pa && !(found.root.pa & ~ADDRESS) &&
		    virt_root_entries(virt, &found) > 0)
			return virt_add(virt, &found);
	}
	return 0;
}

static int collect_kvm(struct virt *virt)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_VTCR];
	uint64_t words[512];
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!virt_page_read(virt, pages->pa[i], words))
			continue;
		for (unsigned at = 0; at < 512 && !status; at++) {
			if (is_vtcr(words[at]))
				status = add_kvm(virt, pages->pa[i], words, at);
		}
	}
	return status;
}

/* The tables of stage 1, by the context descriptor. */
static void context_domain(struct virt *virt, uint64_t pa, struct pgw_foreign *found)
{
	static const char *const formats[] = { "arm64-4k-48", "arm64-64k-48", "arm64-16k-48" };
	const struct pgw_geometry *geo;
	uint64_t words[512];
	const uint64_t *cd = words + pa % IMAGE_PAGE / 8;
	unsigned bits, span_lg2, tg;

	found->domain = PGW_DOMAIN_UNKNOWN;
	if (!virt_page_read(virt, pa & ~UINT64_C(0xfff), words) || !(cd[0] & CD_V) ||
	    !(cd[0] & CD_AA64) || (cd[0] & CD_EPD0))
		return;
	bits = 64 - (unsigned)(cd[0] & CD_T0SZ);
	tg = (unsigned)(cd[0] >> CD_TG0_SHIFT & 3);
	if (tg > 2)
		return;
	found->format = pgw_format_by_name(formats[tg]);
	geo = pgw_format_geometry(found->format);
	span_lg2 = geo->span_lg2[geo->top_level];
	if (bits <= span_lg2 || bits > geo->va_bits) {
		found->format = NULL;
		return;
	}
	found->domain = PGW_DOMAIN_TABLES;
	found->root.pa = cd[1] & CD_TTB;
	found->root.nr_items = UINT32_C(1) << (bits - span_lg2);
	found->domain_id = (uint32_t)(cd[0] >> 48);
	found->control.known = PGW_CTL_MEMORY_TYPES;
	found->control.memory_types = cd[3];
}

static int add_stream(struct virt *virt, uint64_t table, uint32_t id, const uint64_t *ste)
{
	struct pgw_foreign found = {
		.source = PGW_FOREIGN_SMMUV3,
		.domain = PGW_DOMAIN_UNKNOWN,
		.id = id,
		.evidence = table + 8 * STE_WORDS * (uint64_t)(id & low_bits(STREAM_SPLIT)),
		.table = table,
	};
	struct stage2 s2 = {
		.tg = (unsigned)(ste[2] >> STE_S2_TG_SHIFT & 3),
		.sl0 = (unsigned)(ste[2] >> STE_S2_SL0_SHIFT & 3),
		.bits = 64 - (unsigned)(ste[2] >> STE_S2_T0SZ_SHIFT & 63),
		.ds = ste[3] & STE_S2_DS,
	};

	switch (ste_config(ste[0])) {
	case STE_CONFIG_ABORT:
		virt->nr_blocked++;
		return 0;
	case STE_CONFIG_BYPASS:
		found.domain = PGW_DOMAIN_PASS_THROUGH;
		break;
	case STE_CONFIG_S1:
		if (!(ste[0] & STE_FORMAT))
			context_domain(virt, ste[0] & STE_CONTEXT, &found);
		break;
	case STE_CONFIG_S2:
		if (stage2_format(&s2, &found)) {
			found.root.pa = ste[3] & STE_S2_TTB;
			found.domain_id = (uint32_t)(ste[2] & 0xffff);
		}
		break;
	default:
		break;
	}
	return virt_add(virt, &found);
}

/* The first level of a stream table says which stream ids a table of the second level has. */
struct first_level {
	const struct image_pages *pages; /* of the second level */
	uint32_t *first;                 /* of each: the first stream id, + 1; 0: not known */
};

static void take_descriptor(const struct first_level *l1, uint64_t word, uint64_t index)
{
	const struct image_pages *pages = l1->pages;
	size_t low = 0, high = pages->nr;

	if ((word & ~L1_TABLE) != STREAM_SPLIT + 1)
		return;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pages->pa[middle] < (word & L1_TABLE))
			low = middle + 1;
		else
			high = middle;
	}
	if (low < pages->nr && pages->pa[low] == (word & L1_TABLE) && !l1->first[low])
		l1->first[low] = (uint32_t)(index << STREAM_SPLIT) + 1;
}

static void look_for_descriptors(struct virt *virt, const struct first_level *l1)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_L1];
	uint64_t words[512];

	for (size_t i = 0; i < pages->nr; i++) {
		if (!virt_page_read(virt, pages->pa[i], words))
			continue;
		for (unsigned at = 0; at < 512; at++)
			take_descriptor(l1, words[at], at);
	}
}

/* Pages that follow each other are tables of 2^split entries each. */
static int add_streams(struct virt *virt, const struct first_level *l1)
{
	const struct image_pages *pages = l1->pages;
	uint64_t words[512], table = 0;
	uint32_t first = 0;
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		uint64_t pa = pages->pa[i];

		if (!i || pages->pa[i - 1] + IMAGE_PAGE != pa || pa - table == STREAM_TABLE_SIZE) {
			table = pa;
			first = l1->first[i] ? l1->first[i] - 1 : 0;
		}
		if (!virt_page_read(virt, pa, words))
			continue;
		for (unsigned at = 0; at < 512 && !status; at += STE_WORDS)
			status = add_stream(virt, table,
					    first + (uint32_t)((pa - table) / 64) + at / STE_WORDS,
					    words + at);
	}
	return status;
}

static int collect_smmu(struct virt *virt)
{
	struct first_level l1 = { .pages = &virt->pages[VIRT_PAGE_STREAM] };
	int status;

	if (!l1.pages->nr)
		return 0;
	l1.first = calloc(l1.pages->nr, sizeof(*l1.first));
	if (!l1.first)
		return -PGW_ENOMEM;
	look_for_descriptors(virt, &l1);
	status = add_streams(virt, &l1);
	free(l1.first);
	return status;
}

int virt_arm64_collect(struct virt *virt)
{
	int status = collect_kvm(virt);

	return status ? status : collect_smmu(virt);
}
