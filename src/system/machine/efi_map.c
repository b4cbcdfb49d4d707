/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"

/*
 * What UEFI firmware says of itself (specification 2.10, 4.3 "EFI System Table"), and of memory. That it
 * tells only who calls it (7.2.3, GetMemoryMap()), so it is read where EDK II keeps it: a ring of
 * MEMORY_MAP (MdeModulePkg/Core/Dxe/Mem/Imem.h), one a region, and its head.
 *
 *   system table                  MEMORY_MAP
 *    8  revision: major, minor     0  "mmap"
 *   24  vendor, UTF-16             8  next, at its offset 8
 *   32  vendor's revision         16  previous, the same
 *                                 28  type
 *                                 32  first address
 *                                 40  last address
 */
#define TABLE_REVISION 8
#define TABLE_VENDOR 24
#define TABLE_VENDOR_REVISION 32
#define TABLE_SIZE 120
#define MAP_SIGNATURE UINT64_C(0x70616d6d)
#define MAP_LINK 8
#define MAP_TYPE 28
#define MAP_FIRST 32
#define MAP_LAST 40
#define MAP_SIZE 48

/* Signatures that are looked at, and regions of one ring. */
#define MAX_ENTRIES 65536u

/* Printable ASCII of a text of UTF-16, others as '?', up to its end or what there is room for. */
static void read_text(const struct pgw_image *image, uint64_t pa, char *text, size_t size)
{
	size_t len = 0;
	uint8_t unit[2];

	for (; len + 1 < size; len++, pa += sizeof(unit)) {
		if (pgw_phys_read(&image->phys, pa, unit, sizeof(unit)) || !(unit[0] | unit[1]))
			break;
		text[len] = unit[1] || unit[0] < ' ' || unit[0] > '~' ? '?' : (char)unit[0];
	}
	text[len] = '\0';
}

int pgw_image_firmware(struct pgw_image *image, struct pgw_firmware *ret)
{
	uint8_t table[TABLE_SIZE];
	int status = image_firmware_look(image);

	if (status)
		return status;
	if (!image->has_efi ||
	    pgw_phys_read(&image->phys, image->efi_system_table, table, sizeof(table)))
		return -PGW_ENOENT;
	*ret = (struct pgw_firmware){
		.system_table = image->efi_system_table,
		.major = (uint16_t)(load_le32(table + TABLE_REVISION) >> 16),
		.minor = (uint16_t)load_le32(table + TABLE_REVISION),
		.revision = load_le32(table + TABLE_VENDOR_REVISION),
	};
	read_text(image, load_le64(table + TABLE_VENDOR), ret->vendor, sizeof(ret->vendor));
	return 0;
}

const char *pgw_efi_type_name(uint32_t type)
{
	/* UEFI specification, 7.2 "EFI_MEMORY_TYPE". */
	static const char *const names[] = {
		"reserved",        "loader-code",  "loader-data",  "boot-code",
		"boot-data",       "runtime-code", "runtime-data", "free",
		"unusable",        "acpi-reclaim", "acpi-nvs",     "mmio",
		"mmio-port-space", "pal-code",     "persistent",   "unaccepted",
	};

	return type < PGW_ARRAY_SIZE(names) ? names[type] : NULL;
}

/* The ring that is being followed. */
struct ring {
	struct pgw_efi_region *list;
	size_t nr;
	uint64_t bytes;
};

/* @return false: no such entry is there */
static bool read_entry(const struct pgw_image *image, uint64_t pa, uint8_t entry[MAP_SIZE])
{
	return !pgw_phys_read(&image->phys, pa, entry, MAP_SIZE) &&
	       load_le64(entry) == MAP_SIGNATURE;
}

static int ring_add(struct ring *ring, const uint8_t *entry)
{
	const struct pgw_efi_region region = {
		.first = load_le64(entry + MAP_FIRST),
		.last = load_le64(entry + MAP_LAST),
		.type = load_le32(entry + MAP_TYPE),
	};

	if (region.first >= region.last || (region.first & (IMAGE_PAGE - 1)) ||
	    (~region.last & (IMAGE_PAGE - 1)))
		return -PGW_ENOENT;
	if (source_array_grow((void **)&ring->list, ring->nr, sizeof(region)))
		return -PGW_ENOMEM;
	ring->list[ring->nr++] = region;
	ring->bytes += region.last - region.first + 1;
	return 0;
}

/*
 * Follow the links from an entry around. Each has to point back, and one node, the head, is no entry.
 * @return 0, -PGW_ENOENT (it is no such ring) or -PGW_ENOMEM
 */
static int ring_follow(const struct pgw_image *image, uint64_t start, struct ring *ring)
{
	uint64_t link = start + MAP_LINK, next;
	unsigned nr_heads = 0;
	int status = 0;

	do {
		uint8_t entry[MAP_SIZE], links[16], back[8];

		if (pgw_phys_read(&image->phys, link, links, sizeof(links)))
			return -PGW_ENOENT;
		if (read_entry(image, link - MAP_LINK, entry))
			status = ring_add(ring, entry);
		else if (nr_heads++)
			return -PGW_ENOENT;
		next = load_le64(links);
		if (pgw_phys_read(&image->phys, next + 8, back, sizeof(back)) ||
		    load_le64(back) != link)
			return -PGW_ENOENT;
		link = next;
	} while (!status && link != start + MAP_LINK && ring->nr < MAX_ENTRIES);
	return status || nr_heads == 1 ? status : -PGW_ENOENT;
}

static int compare_regions(const void *a, const void *b)
{
	const struct pgw_efi_region *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Entries that are free have a ring, too, and what they say overlaps. */
static bool ring_is_map(struct ring *ring)
{
	if (!ring->nr)
		return false;
	qsort(ring->list, ring->nr, sizeof(ring->list[0]), compare_regions);
	for (size_t i = 1; i < ring->nr; i++) {
		if (ring->list[i].first <= ring->list[i - 1].last)
			return false;
	}
	return true;
}

struct map_search {
	struct pgw_image *image;
	struct ring best;
	unsigned nr_tried;
};

static int map_window(const struct image_window *window, void *arg)
{
	struct map_search *search = arg;

	for (size_t i = -window->pa & 7; i + 8 <= window->size; i += 8) {
		struct ring ring = { .nr = 0 };
		int status;

		if (load_le64(window->bytes + i) != MAP_SIGNATURE)
			continue;
		if (search->nr_tried == MAX_ENTRIES)
			return 1;
		status = ring_follow(search->image, window->pa + i, &ring);
		search->nr_tried += 1 + (unsigned)ring.nr;
		if (!status && ring.bytes > search->best.bytes && ring_is_map(&ring)) {
			free(search->best.list);
			search->best = ring;
			continue;
		}
		free(ring.list);
		if (status == -PGW_ENOMEM)
			return status;
	}
	return 0;
}

int pgw_image_efi_map(struct pgw_image *image, const struct pgw_efi_region **ret_list,
		      size_t *ret_nr)
{
	struct map_search search = { .image = image };
	int status = image->efi_map ? 0 : image_firmware_look(image);

	if (!status && !image->efi_map && image->has_efi) {
		status = image_ram_scan(image, map_window, &search);
		image->efi_map = search.best.list;
		image->nr_efi_map = search.best.nr;
	}
	if (status < 0)
		return status;
	if (!image->efi_map)
		return -PGW_ENOENT;
	*ret_list = image->efi_map;
	*ret_nr = image->nr_efi_map;
	return 0;
}
