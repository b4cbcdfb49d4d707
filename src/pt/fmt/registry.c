/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/fmt/formats.h"

#include "base/bits.h"

static const struct pgw_format *const formats[] = {
	&pt_format_x86_64_la48,
	&pt_format_x86_64_la57,
	&pt_format_arm64_4k_36,
	&pt_format_arm64_4k_39,
	&pt_format_arm64_4k_42,
	&pt_format_arm64_4k_47,
	&pt_format_arm64_4k_48,
	&pt_format_arm64_4k_52_lpa2,
	&pt_format_arm64_16k_36,
	&pt_format_arm64_16k_47,
	&pt_format_arm64_16k_48,
	&pt_format_arm64_16k_52_lpa2,
	&pt_format_arm64_64k_42,
	&pt_format_arm64_64k_48,
	&pt_format_arm64_64k_52_lpa,
	&pt_format_riscv_sv39,
	&pt_format_riscv_sv48,
	&pt_format_riscv_sv57,
	&pt_format_i386,
	&pt_format_i386_pae,
	&pt_format_s390x_31,
	&pt_format_s390x_42,
	&pt_format_s390x_53,
	&pt_format_s390x_64,
	&pt_format_ppc64_radix,
	&pt_format_ppc64_radix_4k,
	&pt_format_loongarch64_4k_39,
	&pt_format_loongarch64_4k_48,
	&pt_format_loongarch64_16k_36,
	&pt_format_loongarch64_16k_47,
	&pt_format_loongarch64_64k_42,
	&pt_format_loongarch64_64k_55,
	&pt_format_npt_48,
	&pt_format_npt_57,
	&pt_format_ept_4,
	&pt_format_ept_5,
	&pt_format_riscv_sv39x4,
	&pt_format_riscv_sv48x4,
	&pt_format_riscv_sv57x4,
	&pt_format_arm64_s2_4k_l2,
	&pt_format_arm64_s2_4k_l1,
	&pt_format_arm64_s2_4k_l0,
	&pt_format_arm64_s2_4k_l2_lpa2,
	&pt_format_arm64_s2_4k_l1_lpa2,
	&pt_format_arm64_s2_4k_l0_lpa2,
	&pt_format_arm64_s2_4k_lm1_lpa2,
	&pt_format_arm64_s2_16k_l2,
	&pt_format_arm64_s2_16k_l1,
	&pt_format_arm64_s2_16k_l0,
	&pt_format_arm64_s2_16k_l2_lpa2,
	&pt_format_arm64_s2_16k_l1_lpa2,
	&pt_format_arm64_s2_16k_l0_lpa2,
	&pt_format_arm64_s2_64k_l2,
	&pt_format_arm64_s2_64k_l1,
	&pt_format_arm64_el2_4k_39,
	&pt_format_arm64_el2_4k_48,
	&pt_format_arm64_el2_4k_52_lpa2,
	&pt_format_arm64_el2_16k_47,
	&pt_format_arm64_el2_16k_48,
	&pt_format_arm64_el2_16k_52_lpa2,
	&pt_format_arm64_el2_64k_42,
	&pt_format_arm64_el2_64k_48,
	&pt_format_arm64_el2_64k_52_lpa,
	&pt_format_vtd_first_48,
	&pt_format_vtd_first_57,
	&pt_format_vtd_second_3,
	&pt_format_vtd_second_4,
	&pt_format_vtd_second_5,
	&pt_format_amdvi_1,
	&pt_format_amdvi_2,
	&pt_format_amdvi_3,
	&pt_format_amdvi_4,
	&pt_format_amdvi_5,
	&pt_format_amdvi_6,
	&pt_format_arm_short,
	&pt_format_arm_lpae,
	&pt_format_arm_lpae_31,
	&pt_format_arm_lpae_30,
	&pt_format_riscv_sv32,
};

const struct pgw_format *pgw_format_at(size_t index)
{
	return index < PGW_ARRAY_SIZE(formats) ? formats[index] : NULL;
}

static bool name_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

const struct pgw_format *pgw_format_by_name(const char *name)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(formats); i++) {
		if (name_equal(formats[i]->name, name) ||
		    (formats[i]->alias && name_equal(formats[i]->alias, name)))
			return formats[i];
	}
	return NULL;
}

const char *pgw_format_name(const struct pgw_format *format)
{
	return format->name;
}

const char *pgw_format_arch(const struct pgw_format *format)
{
	return format->arch;
}

const struct pgw_geometry *pgw_format_geometry(const struct pgw_format *format)
{
	return &format->geometry;
}

bool pgw_format_is_editable(const struct pgw_format *format)
{
	return format->edit;
}

const char *pgw_format_table_name(const struct pgw_format *format, unsigned level)
{
	return level <= format->geometry.top_level ? format->table_names[level] : NULL;
}

const struct pgw_control_bit *pgw_format_control_bits(const struct pgw_format *format)
{
	return format->controls;
}

const struct pgw_attr *pgw_format_attrs(const struct pgw_format *format)
{
	return format->attrs;
}

const struct pgw_later_bits *pgw_format_later_bits(const struct pgw_format *format)
{
	return format->later_bits;
}

uint64_t pgw_format_attr_mask(const struct pgw_format *format, unsigned level)
{
	return level < PGW_MAX_LEVELS ? format->attr_mask[level] : 0;
}

const struct pgw_region *pgw_format_regions(const struct pgw_format *format)
{
	return format->regions;
}

const struct pgw_region *pgw_format_region(const struct pgw_format *format,
					   enum pgw_region_kind kind)
{
	for (const struct pgw_region *region = format->regions; region->name; region++) {
		if (region->kind == kind)
			return region;
	}
	return NULL;
}

void pgw_format_region_range(const struct pgw_format *format, enum pgw_region_kind kind,
			     uint64_t *ret_first, uint64_t *ret_last)
{
	const struct pgw_region *region = pgw_format_region(format, kind);

	*ret_first = region ? region->first : 1;
	*ret_last = region ? region->last : 0;
}

const struct pgw_region *pgw_format_region_of(const struct pgw_format *format, uint64_t va)
{
	for (const struct pgw_region *region = format->regions; region->name; region++) {
		if (va >= region->first && va <= region->last)
			return region;
	}
	return NULL;
}

bool pgw_format_is_split(const struct pgw_format *format)
{
	for (const struct pgw_region *region = format->regions; region->name; region++) {
		if (region->root != format->regions->root)
			return true;
	}
	return false;
}

uint64_t pgw_format_attr_mask_with(const struct pgw_format *format,
				   const struct pgw_control *control, unsigned level)
{
	uint64_t encryption = control->encryption_bit ? BIT(control->encryption_bit) : 0;

	return pgw_format_attr_mask(format, level) | encryption;
}

const char *pgw_format_encryption(const struct pgw_format *format,
				  const struct pgw_control *control, uint64_t entry)
{
	bool is_set = control->encryption_bit && (entry & BIT(control->encryption_bit));

	(void)format;
	if (!control->encryption_bit)
		return NULL;
	return is_set == !(control->set & PGW_CTL_X86_SHARED_BIT) ? "encrypted" : "shared";
}

const char *pgw_format_memory_type(const struct pgw_format *format,
				   const struct pgw_control *control, uint64_t entry,
				   unsigned level)
{
	return format->memory_type ? format->memory_type(control, entry, level) : NULL;
}

uint64_t pgw_address_untag(const struct pgw_format *format, const struct pgw_control *control,
			   uint64_t va, uint64_t *ret_tag)
{
	uint64_t tag = format->tag_bits(&format->geometry, control, va);
	unsigned shift = tag ? (unsigned)__builtin_ctzll(tag) : 0;
	uint64_t ret = tag && (va >> (shift - 1) & 1) ? va | tag : va & ~tag;

	if (ret_tag)
		*ret_tag = ret == va ? 0 : (va & tag) >> shift;
	return ret;
}

struct pgw_control pgw_control_assume(const struct pgw_format *format,
				      const struct pgw_control *control)
{
	uint32_t known = control->known & format->control_bits;
	uint8_t max = format->geometry.max_pa_bits, min = format->min_pa_bits;
	uint8_t assumed = format->assume_pa_bits ? format->assume_pa_bits : max;
	struct pgw_control ret = {
		.known = format->control_bits,
		.set = (control->set & known) | (format->control_assume & ~known),
		.pa_bits = control->pa_bits ? control->pa_bits : assumed,
	};

	if (known & PGW_CTL_MEMORY_TYPES)
		ret.memory_types = control->memory_types;
	else
		ret.memory_types = format->assume_memory_types;
	ret.domains = known & PGW_CTL_ARM_DOMAINS ? control->domains : format->assume_domains;
	/* Of a number that cannot be, nothing is kept. */
	if ((known & PGW_CTL_X86_ENCRYPTION) && control->encryption_bit >= PGW_ENCRYPTION_BIT_MIN &&
	    control->encryption_bit <= PGW_ENCRYPTION_BIT_MAX)
		ret.encryption_bit = control->encryption_bit;
	ret.pa_bits = ret.pa_bits > max ? max : ret.pa_bits < min ? min : ret.pa_bits;
	return ret;
}

void pgw_entry_decode(const struct pgw_format *format, const struct pgw_control *control,
		      uint64_t entry, unsigned level, struct pgw_entry *ret)
{
	struct pt_env env;

	format->env_init(format, control, &env);
	format->decode(&env, entry, level, ret);
}

uint64_t pgw_entry_advance(const struct pgw_format *format, uint64_t entry, unsigned level,
			   uint64_t bytes)
{
	return format->advance(format, entry, level, bytes);
}
