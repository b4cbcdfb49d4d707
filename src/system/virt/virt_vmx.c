/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include "base/bits.h"

/*
 * Intel's VMX. Of a VMCS the manual gives the first eight bytes, and leaves where all else is to the processor
 * (SDM vol. 3C, 25.2 "Format of the VMCS Region"): it may even keep it to itself until VMCLEAR. So a page is
 * believed to be one, and a word in it to be its EPT pointer (25.6.11), if that leads to extended page tables
 * that prove themselves: nothing of the root, nor of what is looked at below it, is malformed, no table is
 * outside memory, and there is a leaf of memory. (A device that is passed through has leaves elsewhere.)
 */
#define VMCS_SHADOW BIT(31) /* of the revision identifier; this one has no guest */
#define EPTP_TYPE BITS(2, 0)
#define EPTP_TYPE_WB 6
#define EPTP_LENGTH BITS(5, 3) /* of a walk, less 1 */
#define EPTP_LENGTH_SHIFT 3
#define EPTP_AD BIT(6)
#define EPTP_RESERVED (BITS(11, 8) | BITS(63, 52))
#define EPTP_ADDRESS BITS(51, 12)
#define MAX_TABLES 256 /* of a tree, that are looked at */
#define MAX_READS (UINT64_C(1) << 18) /* for all of them: memory of any kind may look like a VMCS */

static bool is_eptp(uint64_t word)
{
	uint64_t type = word & EPTP_TYPE, length = (word & EPTP_LENGTH) >> EPTP_LENGTH_SHIFT;

	return (type == 0 || type == EPTP_TYPE_WB) && (length == 3 || length == 4) &&
	       !(word & EPTP_RESERVED) && (word & EPTP_ADDRESS);
}

unsigned virt_vmx_look(const uint8_t *page)
{
	uint64_t head = load_le64(page);

	/* The revision identifier, which is some number, and above it the abort indicator: 0, but for a crash. */
	if (!head || head >> 32 || (head & VMCS_SHADOW))
		return 0;
	for (size_t at = 8; at < IMAGE_PAGE; at += 8) {
		if (is_eptp(load_le64(page + at)))
			return 1u << VIRT_PAGE_VMCS;
	}
	return 0;
}

enum proof { PROOF_ODD, PROOF_NOTHING, PROOF_LEAF };

/** A tree that is to prove itself. */
struct ept {
	struct virt *virt;
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
	unsigned nr_left;           /* tables */
};

/* Depth is bounded by the levels, work by the number of tables. */
static enum proof prove_table(struct ept *ept, uint64_t pa, unsigned level)
{
	enum proof ret = PROOF_NOTHING;
	struct pgw_entry entry;
	uint64_t words[512];

	if (!ept->nr_left)
		return PROOF_NOTHING;
	ept->nr_left--;
	if (!virt_page_read(ept->virt, pa, words))
		return PROOF_ODD;
	for (unsigned i = 0; i < 512; i++) {
		enum proof below = PROOF_NOTHING;
		bool is_memory;

		pgw_entry_decode(ept->format, &ept->control, words[i], level, &entry);
		is_memory = (entry.kind == PGW_ENTRY_LEAF || entry.kind == PGW_ENTRY_TABLE) &&
			    virt_is_described(ept->virt, entry.pa);
		if (entry.kind == PGW_ENTRY_MALFORMED || (entry.kind == PGW_ENTRY_ABSENT && level) ||
		    (entry.kind == PGW_ENTRY_TABLE && !is_memory))
			return PROOF_ODD;
		if (entry.kind == PGW_ENTRY_LEAF && is_memory)
			below = PROOF_LEAF;
		else if (entry.kind == PGW_ENTRY_TABLE && ret != PROOF_LEAF)
			below = prove_table(ept, entry.pa, level - 1);
		if (below == PROOF_ODD)
			return below;
		if (below == PROOF_LEAF)
			ret = below;
	}
	return ret;
}

static int add_eptp(struct virt *virt, uint64_t evidence, uint64_t eptp)
{
	unsigned top_level = (unsigned)((eptp & EPTP_LENGTH) >> EPTP_LENGTH_SHIFT);
	struct pgw_foreign found = {
		.source = PGW_FOREIGN_VMCS,
		.domain = PGW_DOMAIN_TABLES,
		.is_guest = true,
		.evidence = evidence,
		.format = pgw_format_by_name(top_level == 4 ? "ept-5" : "ept-4"),
		.root.pa = eptp & EPTP_ADDRESS,
		.control = { .known = PGW_CTL_EPT_AD,
			     .set = eptp & EPTP_AD ? PGW_CTL_EPT_AD : 0 },
	};
	struct ept ept = { .virt = virt, .format = found.format, .nr_left = MAX_TABLES };

	ept.control = pgw_control_assume(found.format, &found.control);
	if (prove_table(&ept, found.root.pa, top_level) != PROOF_LEAF)
		return 0;
	return virt_add(virt, &found);
}

/* Words of a page that could be EPT pointers; one that was tried already is not tried again. */
static int collect_page(struct virt *virt, uint64_t pa, const uint64_t words[512])
{
	uint64_t tried = 0;
	int status = 0;

	for (unsigned at = 1; at < 512 && !status && virt->nr_reads < MAX_READS; at++) {
		if (words[at] == tried || !is_eptp(words[at]) ||
		    !virt_is_described(virt, words[at] & EPTP_ADDRESS))
			continue;
		tried = words[at];
		status = add_eptp(virt, pa, tried);
	}
	return status;
}

/* Reads are counted apart: what looks like a VMCS is not to keep others from being found. */
int virt_vmx_collect(struct virt *virt)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_VMCS];
	uint64_t words[512], nr_reads = virt->nr_reads;
	int status = 0;

	virt->nr_reads = 0;
	for (size_t i = 0; i < pages->nr && !status && virt->nr_reads < MAX_READS; i++) {
		if (virt_page_read(virt, pages->pa[i], words))
			status = collect_page(virt, pages->pa[i], words);
	}
	virt->is_vmx_cut = virt->nr_reads >= MAX_READS;
	virt->nr_reads = nr_reads;
	return status;
}
