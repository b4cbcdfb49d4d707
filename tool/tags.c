/* SPDX-License-Identifier: BSD-2-Clause */
#include "tags.h"

#include <string.h>

const struct tags tags_list[] = {
	{ "none", NULL, 0 },
	{ "tbi", "arm64", PGW_CTL_ARM64_TBI0 | PGW_CTL_ARM64_TBI1 },
	{ "lam57", "x86_64", PGW_CTL_X86_LAM_U57 | PGW_CTL_X86_LAM_SUP },
	{ "lam48", "x86_64", PGW_CTL_X86_LAM_U48 | PGW_CTL_X86_LAM_SUP },
	{ "pmlen7", "riscv64", PGW_CTL_RISCV_PMLEN7 },
	{ "pmlen16", "riscv64", PGW_CTL_RISCV_PMLEN16 },
	{ NULL, NULL, 0 },
};

void tags_apply(const struct tags *tags, const struct pgw_format *format,
		struct pgw_control *control)
{
	const struct pgw_control_bit *bit;

	for (bit = pgw_format_control_bits(format); bit->name; bit++) {
		if (!bit->is_tag)
			continue;
		control->known |= bit->bit;
		control->set = (control->set & ~bit->bit) | (tags->set & bit->bit);
	}
}

static uint64_t untag(const struct pgw_format *format, const struct pgw_control *known, uint64_t va,
		      uint64_t *ret_tag)
{
	struct pgw_control control = pgw_control_assume(format, known);

	return pgw_address_untag(format, &control, va, ret_tag);
}

static bool is_canonical(const struct pgw_format *format, uint64_t va)
{
	return pgw_format_region_of(format, va) != NULL;
}

/* The bit that makes it a tag is the one without which it would be none. */
static void name_bit(const struct pgw_format *format, const struct pgw_control *known,
		     struct report_translation *translation)
{
	struct pgw_control all = pgw_control_assume(format, known);

	for (const struct pgw_control_bit *bit = pgw_format_control_bits(format); bit->name;
	     bit++) {
		struct pgw_control without = all;

		without.set &= ~bit->bit;
		if (!bit->is_tag || !(all.set & bit->bit) ||
		    pgw_address_untag(format, &without, translation->va, NULL) ==
			    translation->looked_up)
			continue;
		translation->tag_by = bit->name;
		translation->tag_is_assumed = !(known->known & bit->bit);
	}
}

/* Only where nothing is known: what is known to be off is no possibility. */
static void find_possible(const struct pgw_format *format, const struct pgw_control *known,
			  struct report_translation *translation)
{
	for (const struct tags *tags = tags_list; tags->name; tags++) {
		struct pgw_control control = *known;
		uint64_t va;

		if (!tags->arch || strcmp(tags->arch, pgw_format_arch(format)) != 0 ||
		    (known->known & tags->set) == tags->set)
			continue;
		tags_apply(tags, format, &control);
		va = untag(format, &control, translation->va, NULL);
		if (!is_canonical(format, va))
			continue;
		translation->possible = tags->name;
		translation->possible_va = va;
		return;
	}
}

void tags_look(const struct pgw_format *format, const struct pgw_control *control,
	       struct report_translation *translation)
{
	translation->looked_up = untag(format, control, translation->va, &translation->tag);
	if (translation->looked_up != translation->va)
		name_bit(format, control, translation);
	else if (!is_canonical(format, translation->va))
		find_possible(format, control, translation);
}
