/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * Machines on which no Linux runs, or not yet. UEFI (specification 2.10, 2.3.2
 * and 2.3.6) runs with memory mapped where it is, and is known by its system
 * table (4.3): a signature, and a CRC over 120 bytes. An operating system that
 * takes over calls ExitBootServices(), which empties the pointer to the boot
 * services (7.4.6): as long as that leads to their table (4.4), the machine is
 * the firmware's.
 */
#define EFI_SYSTEM_TABLE UINT64_C(0x5453595320494249)  /* "IBI SYST" */
#define EFI_BOOT_SERVICES UINT64_C(0x56524553544f4f42) /* "BOOTSERV" */
#define EFI_SYSTEM_TABLE_SIZE 120
/* Offsets in the header (4.2), and in the system table. */
#define EFI_HEADER_SIZE 12
#define EFI_HEADER_CRC32 16
#define EFI_SYSTEM_BOOT_SERVICES 96

/* Signatures, pages and tables that are looked at more closely. */
#define MAX_SIGNATURES 4096
#define MAX_CANDIDATES (1u << 16)
#define IDENTITY_BUDGET (UINT64_C(1) << 20)
/* So many runs of memory take as long as a table. */
#define RUNS_A_TABLE 64

/* As in the header of a table of UEFI: reflected, polynomial 0x04c11db7, the field itself 0. */
static uint32_t efi_crc32(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		bool is_field = i >= EFI_HEADER_CRC32 && i < EFI_HEADER_CRC32 + 4;

		crc ^= is_field ? 0 : bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

/* Is it the system table of firmware that still runs the machine? */
static bool is_system_table(const struct pgw_image *image, uint64_t pa)
{
	uint8_t table[EFI_SYSTEM_TABLE_SIZE];
	uint64_t boot;

	return !pgw_phys_read(&image->phys, pa, table, sizeof(table)) &&
	       load_le32(table + EFI_HEADER_SIZE) == sizeof(table) &&
	       load_le32(table + EFI_HEADER_CRC32) == efi_crc32(table, sizeof(table)) &&
	       !pgw_phys_read(&image->phys, load_le64(table + EFI_SYSTEM_BOOT_SERVICES), &boot,
			      sizeof(boot)) &&
	       load_le64(&boot) == EFI_BOOT_SERVICES;
}

struct efi_search {
	struct pgw_image *image;
	unsigned nr_signatures;
};

static int efi_window(const struct image_window *window, void *arg)
{
	struct efi_search *search = arg;
	struct pgw_image *image = search->image;

	for (size_t i = -window->pa & 7; i + 8 <= window->size; i += 8) {
		if (load_le64(window->bytes + i) != EFI_SYSTEM_TABLE)
			continue;
		if (search->nr_signatures++ == MAX_SIGNATURES)
			return 1;
		if (is_system_table(image, window->pa + i)) {
			image->efi_system_table = window->pa + i;
			image->has_efi = true;
			return 1;
		}
	}
	return 0;
}

int image_firmware_look(struct pgw_image *image)
{
	struct efi_search search = { .image = image };
	int status;

	if (image->firmware_searched)
		return 0;
	status = image_ram_scan(image, efi_window, &search);
	image->firmware_searched = status >= 0;
	return status < 0 ? status : 0;
}

/* An identity map, as far as it has been seen. */
struct identity {
	const struct pgw_image *image;
	uint64_t bytes;   /* of memory that it maps */
	uint64_t mapped;  /* of addresses, whether there is memory or not */
	uint64_t nr_runs; /* of memory that were looked at for that */
	uint64_t max_runs;
};

/* @return 0, or 1 if too many runs of memory would have to be looked at */
static int identity_add(struct identity *identity, uint64_t first, uint64_t last)
{
	const struct source *source = &identity->image->source;
	struct pgw_pa_range run;

	while (first <= last && source_next_range(source, SOURCE_READABLE, first, &run) &&
	       run.first <= last) {
		uint64_t from = run.first > first ? run.first : first;
		uint64_t to = run.last < last ? run.last : last;

		if (identity->nr_runs++ == identity->max_runs)
			return 1;
		identity->bytes += to - from + 1;
		/* No run reaches UINT64_MAX. */
		first = run.last + 1;
	}
	return 0;
}

static int identity_extent(const struct pgw_extent *extent, void *arg)
{
	struct identity *identity = arg;

	if (extent->kind == PGW_ENTRY_MALFORMED || extent->kind == PGW_ENTRY_UNREADABLE)
		return 1;
	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	if (extent->va_first != extent->pa)
		return 1;
	identity->mapped += extent->va_last - extent->va_first + 1;
	return identity_add(identity, extent->va_first, extent->va_last);
}

/*
 * Does the root map nothing but addresses to themselves, and itself among
 * them? If so, how much memory? The high half of addresses has no memory, and
 * of a root of one half it is not looked at.
 */
static bool root_is_identity(const struct pgw_image *image, struct pgw_root_info *root,
			     uint64_t *budget, uint64_t *ret_bytes)
{
	struct identity identity = { .image = image };
	struct pgw_translation self;
	int status = 0;

	if (!image_root_translate(image, root, root->root.pa, &self) || self.pa != root->root.pa)
		return false;
	for (const struct pgw_region *region = pgw_format_regions(root->format);
	     region->name && region->root == 0 && !status; region++) {
		struct pgw_scan_stats stats = { 0 };
		uint64_t spent;
		struct pt tree;

		identity.nr_runs = 0;
		identity.max_runs = *budget * RUNS_A_TABLE;
		image_tree(image, root, region, &tree);
		if (tree.budget > *budget)
			tree.budget = *budget;
		status = pt_ops(&tree)->scan(&tree, region->first, region->last, identity_extent,
					     &identity, &stats);
		spent = stats.nr_tables + identity.nr_runs / RUNS_A_TABLE;
		*budget -= spent < *budget ? spent : *budget;
	}
	*ret_bytes = identity.bytes;
	root->identity_bytes = status ? 0 : identity.mapped;
	return !status;
}

bool image_root_is_firmwares(const struct pgw_image *image, struct pgw_root_info *root,
			     uint64_t *budget)
{
	struct pgw_translation table;
	uint64_t bytes;

	/* Registers may be known of a machine that is not. */
	if (!image->arch || !image->has_efi ||
	    !image_root_translate(image, root, image->efi_system_table, &table) ||
	    table.pa != image->efi_system_table || !root_is_identity(image, root, budget, &bytes))
		return false;
	root->evidence = image->efi_system_table;
	if (image->arch->ops->firmware_control)
		image->arch->ops->firmware_control(table.entry, &root->control);
	return true;
}

struct identity_search {
	struct pgw_image *image;
	const struct pgw_format *formats[IMAGE_MAX_FORMATS]; /* deepest first */
	size_t nr_formats;
	unsigned nr_candidates;
	uint64_t budget;
	struct pgw_root_info best;
	uint64_t best_bytes; /* 0 if there is none */
};

/* On all architectures an entry is valid if bit 0 is set. */
static bool may_be_table(const uint8_t *page)
{
	uint64_t any = 0;

	for (size_t i = 0; i < IMAGE_PAGE; i += 8) {
		uint64_t word = load_le64(page + i);

		if (word && !(word & 1))
			return false;
		any |= word;
	}
	return any;
}

static bool is_better(const struct identity_search *search, const struct pgw_root_info *root,
		      uint64_t bytes)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format), *best;

	if (bytes < search->image->info.readable_bytes / 2 || !bytes)
		return false;
	if (!search->best_bytes)
		return true;
	best = pgw_format_geometry(search->best.format);
	/* Inner tables of a deep tree are the roots of a shallow one. */
	if (geo->top_level != best->top_level)
		return geo->top_level > best->top_level;
	if (bytes != search->best_bytes)
		return bytes > search->best_bytes;
	/* Of one root, all slots. */
	return root->root.pa == search->best.root.pa && geo->va_bits > best->va_bits;
}

static void identity_page(struct identity_search *search, uint64_t pa)
{
	for (size_t i = 0; i < search->nr_formats; i++) {
		struct pgw_root_info root = {
			.root = { .pa = pa },
			.format = search->formats[i],
			.found = PGW_ROOT_FROM_IDENTITY_MAP,
			.has_user = true,
		};
		uint64_t bytes;

		image_encryption_control(search->image, &root.control);
		if (image_root_is_aligned(&root) &&
		    root_is_identity(search->image, &root, &search->budget, &bytes) &&
		    is_better(search, &root, bytes)) {
			search->best = root;
			search->best_bytes = bytes;
		}
	}
}

static int identity_window(const struct image_window *window, void *arg)
{
	struct identity_search *search = arg;

	for (size_t i = image_window_first_page(window); i + IMAGE_PAGE <= window->size;
	     i += IMAGE_PAGE) {
		if (!may_be_table(window->bytes + i))
			continue;
		if (search->nr_candidates++ == MAX_CANDIDATES || !search->budget)
			return 1;
		identity_page(search, window->pa + i);
	}
	return 0;
}

int image_identity_search(struct pgw_image *image, struct pgw_root_info *ret)
{
	struct identity_search search = { .image = image, .budget = IDENTITY_BUDGET };

	if (!image->identity_is_known) {
		int status;

		search.nr_formats = image_formats(image, search.formats);
		status = image_ram_scan(image, identity_window, &search);
		if (status < 0)
			return status;
		image->identity = search.best;
		image->identity_status = search.best_bytes ? 0 : -PGW_ENOENT;
		image->identity_is_known = true;
	}
	*ret = image->identity;
	return image->identity_status;
}
