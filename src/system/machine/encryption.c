/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * Which bit of an x86-64 entry says that memory is encrypted. Nothing in the tables names it,
 * but it gives itself away: it is no part of an address, so what has it leads to no memory, and
 * what lacks it does.
 *
 * - AMD (SME, SEV): set in CR3 and in all that leads to a table; Linux keeps its tables encrypted.
 *   Linux names it in VMCOREINFO since 5.3: NUMBER(sme_mask), 0 if there is none.
 * - Intel's TDX: set in what is shared with the host, which tables never are. Linux maps the
 *   registers of the I/O APIC so, in the fixmap. sme_mask is 0 there, so it does not say "none".
 */
#define ENTRY_P BIT(0)
#define ENTRY_ADDRESS BITS(51, 12)
#define ENTRY_POSSIBLE BITS(PGW_ENCRYPTION_BIT_MAX, PGW_ENCRYPTION_BIT_MIN)
#define TABLE_ITEMS 512

/* The last items of level3_kernel_pgt, which are its only ones. */
#define LEVEL3_FIRST_ITEM 510

/* The fixmap is at the top of all addresses; below 16 MiB of them in every kernel so far. */
#define LINUX_FIXMAP UINT64_C(0xffffffffff000000)
/* The width of a TDX guest's addresses is 48 or 52: the highest bit is the shared bit. */
#define TDX_SHARED_BITS (BIT(47) | BIT(51))

static bool is_x86_64(const struct pgw_image *image)
{
	return image->arch && strcmp(image->arch->name, "x86_64") == 0;
}

/* The address bits that can be no address, because all memory lies below. */
static uint64_t bits_above_memory(const struct pgw_image *image)
{
	uint64_t last = source_last(&image->source);

	return ENTRY_POSSIBLE & ~low_bits(last ? 64 - (unsigned)__builtin_clzll(last) : 0);
}

/* Exactly one of the bits that may say it is set in all that led here. @return its number or 0 */
static uint8_t only_bit(uint64_t bits)
{
	return bits && !(bits & (bits - 1)) ? (uint8_t)__builtin_ctzll(bits) : 0;
}

static void set_bit(struct pgw_image *image, enum pgw_encryption_found found, uint8_t bit,
		    bool is_shared_bit)
{
	image->encryption = (struct pgw_encryption){ found, bit, is_shared_bit };
}

/* NUMBER(sme_mask) of a text; 0 if it says nothing that can be used. */
static uint8_t bit_of_text(const struct pgw_vmcoreinfo *text)
{
	uint64_t mask;

	if (!pgw_vmcoreinfo_number(text, "sme_mask", &mask) || (mask & ~ENTRY_POSSIBLE))
		return 0;
	return only_bit(mask);
}

/* The bit that a root's address has, and all items of its table that are in use. */
static uint8_t bit_of_root(const struct pgw_image *image, uint64_t cr3)
{
	uint64_t items[TABLE_ITEMS], all = cr3 & bits_above_memory(image);

	if (!all || pgw_phys_read(&image->phys, cr3 & ENTRY_ADDRESS & ~all, items, sizeof(items)))
		return 0;
	for (unsigned i = 0; i < TABLE_ITEMS; i++) {
		uint64_t item = load_le64(&items[i]);

		if (item & ENTRY_P)
			all &= item;
	}
	return only_bit(all);
}

/* The bit that both items of what looks like level3_kernel_pgt have. */
static uint8_t bit_of_level3(const struct pgw_image *image, uint64_t pa)
{
	uint64_t items[TABLE_ITEMS - LEVEL3_FIRST_ITEM];

	if (pgw_phys_read(&image->phys, pa + sizeof(uint64_t) * LEVEL3_FIRST_ITEM, items,
			  sizeof(items)))
		return 0;
	return only_bit(load_le64(&items[0]) & load_le64(&items[1]) & bits_above_memory(image));
}

static uint8_t bit_of_tables(const struct pgw_image *image)
{
	const struct image_pages *anchors = image_pages(image, IMAGE_PAGE_ANCHOR);
	uint8_t bit = 0;

	for (size_t i = 0; i < image->nr_cpus && !bit; i++) {
		if (image->cpus[i].known & (PGW_CPU_X86_CR | PGW_CPU_X86_CR3))
			bit = bit_of_root(image, image->cpus[i].cr3);
	}
	for (size_t i = 0; i < anchors->nr && i < IMAGE_MAX_ANCHORS && !bit; i++)
		bit = bit_of_level3(image, anchors->pa[i]);
	return bit;
}

void image_encryption_learn(struct pgw_image *image)
{
	uint8_t bit = 0;

	if (!is_x86_64(image) || image->encryption.found)
		return;
	if (image->options.encryption.found) {
		image->encryption = image->options.encryption;
		image->encryption.found = PGW_ENCRYPTION_FROM_OPTION;
		return;
	}
	for (size_t i = 0; i < image->nr_texts && !bit; i++)
		bit = bit_of_text(&image->texts[i]);
	if (bit) {
		set_bit(image, PGW_ENCRYPTION_FROM_VMCOREINFO, bit, false);
		return;
	}
	bit = bit_of_tables(image);
	if (bit)
		set_bit(image, PGW_ENCRYPTION_FROM_TABLES, bit, false);
}

struct fixmap_search {
	uint64_t possible;
	uint8_t bit;
};

static int fixmap_extent(const struct pgw_extent *extent, void *arg)
{
	struct fixmap_search *search = arg;

	if (extent->kind == PGW_ENTRY_LEAF)
		search->bit = only_bit(extent->pa & search->possible);
	return search->bit != 0;
}

void image_encryption_learn_shared(struct pgw_image *image, const struct pgw_root_info *kernel)
{
	struct fixmap_search search = { .possible = bits_above_memory(image) & TDX_SHARED_BITS };
	struct pgw_scan_stats stats = { 0 };
	struct pt tree;

	if (!is_x86_64(image) || image->encryption.found)
		return;
	image_tree(image, kernel, pgw_format_region(kernel->format, PGW_REGION_KERNEL), &tree);
	pt_ops(&tree)->scan(&tree, LINUX_FIXMAP, UINT64_MAX, fixmap_extent, &search, &stats);
	if (search.bit)
		set_bit(image, PGW_ENCRYPTION_FROM_TABLES, search.bit, true);
}

uint64_t image_encryption_mask(const struct pgw_image *image)
{
	return image->encryption.bit ? BIT(image->encryption.bit) : 0;
}

void image_encryption_control(const struct pgw_image *image, struct pgw_control *control)
{
	const struct pgw_encryption *encryption = &image->encryption;

	if (!encryption->found)
		return;
	control->known |= PGW_CTL_X86_ENCRYPTION | PGW_CTL_X86_SHARED_BIT;
	control->encryption_bit = encryption->bit;
	control->set &= ~(uint32_t)PGW_CTL_X86_SHARED_BIT;
	if (encryption->is_shared_bit)
		control->set |= PGW_CTL_X86_SHARED_BIT;
}

struct pgw_encryption pgw_image_encryption(const struct pgw_image *image)
{
	return image->encryption;
}
