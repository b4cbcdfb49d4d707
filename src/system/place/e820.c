/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include <string.h>

#include "base/bits.h"

/*
 * x86 Linux keeps the firmware's map of memory in up to three copies (struct
 * e820_table in arch/x86/include/asm/e820/types.h): a count of 32 bits, then
 * packed entries of address, size and type, sorted and without overlap.
 */
#define ENTRY_SIZE 20
#define ENTRY_TYPE 16
#define MAX_ENTRIES 128
#define TABLE_SIZE (4 + MAX_ENTRIES * ENTRY_SIZE)

#define TYPE_RAM 1
#define TYPE_ACPI 3
#define TYPE_NVS 4

/* The first entry is memory from address 0 on, which ends in the first GiB. */
#define FIRST_WORD 16
#define FIRST_WORD_VALUE ((uint64_t)TYPE_RAM << 32)

struct search {
	struct pgw_image *image;
	struct image_e820 *ret;
};

static bool table_read(const uint8_t *table, struct image_ram_runs *ret)
{
	uint32_t nr = load_le32(table);
	uint64_t next = 0;

	if (!nr || nr > MAX_ENTRIES)
		return false;
	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *entry = table + 4 + (size_t)i * ENTRY_SIZE;
		uint64_t first = load_le64(entry), size = load_le64(entry + 8), end;
		uint32_t type = load_le32(entry + ENTRY_TYPE);

		if (!size || !type || first < next || add_overflows(first, size, &end))
			return false;
		if (type == TYPE_RAM || type == TYPE_ACPI || type == TYPE_NVS)
			image_ram_runs_add(ret, first, end - 1);
		next = end;
	}
	return true;
}

static void table_keep(struct image_e820 *e820, const struct image_ram_runs *ram)
{
	for (unsigned i = 0; i < e820->nr; i++) {
		if (memcmp(&e820->table[i], ram, sizeof(*ram)) == 0)
			return;
	}
	if (e820->nr < IMAGE_MAX_E820)
		e820->table[e820->nr++] = *ram;
}

/* Out of line: the loop over all of memory is to hold nothing but its comparison. */
static PGW_NOINLINE void candidate_look(struct search *search, uint64_t pa, const uint8_t *start)
{
	struct image_ram_runs ram = { 0 };
	uint8_t table[TABLE_SIZE];
	uint32_t nr = load_le32(start);

	if (nr && nr <= MAX_ENTRIES && !load_le64(start + 4) &&
	    !pgw_phys_read(&search->image->phys, pa, table, 4 + (size_t)nr * ENTRY_SIZE) &&
	    table_read(table, &ram))
		table_keep(search->ret, &ram);
}

/* The kernel's allocator aligns copies to 8 and more, and the first entry does not cross a page. */
static int search_window(const struct image_window *window, void *arg)
{
	for (size_t i = FIRST_WORD; i + 8 <= window->size; i += 8) {
		if (pgw_unlikely(load_le64(window->bytes + i) == FIRST_WORD_VALUE))
			candidate_look(arg, window->pa + i - FIRST_WORD,
				       window->bytes + i - FIRST_WORD);
	}
	return 0;
}

int image_e820_find(struct pgw_image *image, struct image_e820 *ret)
{
	struct search search = { image, ret };

	ret->nr = 0;
	return image_ram_scan(image, search_window, &search);
}
