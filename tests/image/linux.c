/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/linux.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RISCV_MACHINE 243
#define RISCV_KERNEL UINT64_C(0xffffffff80000000)
#define RISCV_RWX 0xcf /* V R W X A D */
#define RISCV_USER 0xdf

uint64_t linux_pa(const struct linux_machine *m, unsigned page)
{
	return m->base + page * m->page;
}

uint64_t linux_swapper_va(const struct linux_machine *m)
{
	return m->kernel_va + (LINUX_SWAPPER - LINUX_KERNEL) * m->page;
}

uint64_t *linux_word(const struct linux_machine *m, uint64_t pa)
{
	assert(pa >= m->base && pa + 8 <= linux_pa(m, LINUX_PAGES) && pa % 8 == 0);
	return (uint64_t *)(void *)(m->ram + (pa - m->base));
}

static uint64_t entry_pa(const struct linux_machine *m, uint64_t entry)
{
	return m->is_arm64 ? entry & ((UINT64_C(1) << 48) - m->page) : entry << 2 >> 12 << 12;
}

static uint64_t entry_make(const struct linux_machine *m, uint64_t pa, uint64_t bits)
{
	return m->is_arm64 ? pa | bits | 3 : pa >> 2 | bits | 1;
}

static uint64_t slot_in(const struct linux_machine *m, uint64_t table, uint64_t va, unsigned level)
{
	const struct pgw_geometry *geo = pgw_format_geometry(m->format);
	uint64_t index = va >> geo->span_lg2[level] & ((UINT64_C(1) << geo->slots_lg2[level]) - 1);

	return table + 8 * index;
}

uint64_t linux_slot(const struct linux_machine *m, uint64_t root, uint64_t va, unsigned level)
{
	uint64_t table = root;

	for (unsigned l = pgw_format_geometry(m->format)->top_level; l > level; l--)
		table = entry_pa(m, *linux_word(m, slot_in(m, table, va, l)));
	return slot_in(m, table, va, level);
}

void linux_map(struct linux_machine *m, uint64_t root, uint64_t va, uint64_t pa,
	       uint64_t table_bits, uint64_t leaf_bits)
{
	uint64_t table = root;

	for (unsigned level = pgw_format_geometry(m->format)->top_level; level; level--) {
		uint64_t *item = linux_word(m, slot_in(m, table, va, level));

		if (!*item) {
			*item = entry_make(m, m->next_table,
					   m->is_arm64 ? table_bits | m->table_bits : 0);
			m->next_table += m->page;
		}
		table = entry_pa(m, *item);
	}
	*linux_word(m, slot_in(m, table, va, 0)) = entry_make(m, pa, leaf_bits);
}

static void map_kernel(struct linux_machine *m, uint64_t linear)
{
	uint64_t swapper = linux_pa(m, LINUX_SWAPPER);

	for (unsigned i = 0; i < LINUX_PAGES; i++)
		linux_map(m, swapper, linear + i * m->page, linux_pa(m, i),
			  DESC_UXNTABLE | DESC_PXNTABLE,
			  m->is_arm64 ? DESC_AF | DESC_UXN | DESC_PXN : RISCV_RWX);
	for (unsigned i = 0; i < 8; i++)
		linux_map(m, swapper, m->kernel_va + i * m->page, linux_pa(m, LINUX_KERNEL + i),
			  DESC_UXNTABLE, m->is_arm64 ? DESC_AF | DESC_UXN : RISCV_RWX);
}

void linux_init(struct linux_machine *m, const struct pgw_format *format, uint64_t table_bits)
{
	linux_init_at(m, format, table_bits,
		      pgw_format_is_split(format) ? UINT64_C(0x40000000) : UINT64_C(0x80000000));
}

void linux_init_at(struct linux_machine *m, const struct pgw_format *format, uint64_t table_bits,
		   uint64_t base)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	uint64_t first, last;

	*m = (struct linux_machine){
		.format = format,
		.is_arm64 = pgw_format_is_split(format),
		.page = UINT64_C(1) << geo->granule_lg2,
		.base = base,
		.table_bits = table_bits,
	};
	m->ram = calloc(LINUX_PAGES, m->page);
	if (!m->ram)
		abort();
	m->next_table = linux_pa(m, LINUX_TABLES);
	pgw_format_region_range(format, PGW_REGION_KERNEL, &first, &last);
	/* Three quarters up the half; in the last 2 GiB. */
	m->kernel_va = m->is_arm64 ? last - (last - first) / 4 : RISCV_KERNEL;
	mkelf_init(&m->elf, m->is_arm64 ? MKELF_AARCH64 : RISCV_MACHINE);
	map_kernel(m, first);
}

void linux_fini(struct linux_machine *m)
{
	pgw_image_close(m->image);
	mkelf_fini(&m->elf);
	if (m->path[0])
		unlink(m->path);
	free(m->ram);
}

uint64_t linux_process(struct linux_machine *m, unsigned index)
{
	const struct pgw_geometry *geo = pgw_format_geometry(m->format);
	uint64_t size = UINT64_C(8) << geo->slots_lg2[geo->top_level];
	uint64_t root = linux_pa(m, LINUX_ROOTS), swapper = linux_pa(m, LINUX_SWAPPER);

	if (size < 64)
		size = 64;
	/* Every other one is free, and says where the next free one is. */
	root += index * (size < m->page ? 2 * size : size);
	if (size < m->page)
		*linux_word(m, root + size) = UINT64_C(0xffff000012345680);
	if (!m->is_arm64)
		memcpy(linux_word(m, root + size / 2), linux_word(m, swapper + size / 2), size / 2);
	linux_map(m, root, 0x400000, linux_pa(m, LINUX_USER_PAGE), DESC_PXNTABLE,
		  m->is_arm64 ? DESC_USER : RISCV_USER);
	return root;
}

void linux_note(struct linux_machine *m, const char *text)
{
	static const uint8_t header[24] = { 11, 0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
					    0,  'V', 'M', 'C', 'O', 'R', 'E', 'I', 'N', 'F', 'O' };
	uint8_t *at = m->ram + LINUX_VMCOREINFO * m->page;
	uint32_t size = (uint32_t)strlen(text);

	assert(sizeof(header) + size <= m->page);
	memcpy(at, header, sizeof(header));
	memcpy(at + 4, &size, 4);
	memcpy(at + sizeof(header), text, size);
}

struct pgw_image *linux_open(struct linux_machine *m)
{
	mkelf_segment(&m->elf, m->base, m->ram, LINUX_PAGES * m->page, LINUX_PAGES * m->page);
	if (pgw_image_open(mkelf_save(&m->elf), NULL, &m->image, NULL))
		abort();
	return m->image;
}

int linux_open_raw(struct linux_machine *m, const struct pgw_image_options *opts,
		   struct pgw_error *err)
{
	size_t size = LINUX_PAGES * m->page;
	int fd;

	pgw_image_close(m->image);
	m->image = NULL;
	if (!m->path[0]) {
		snprintf(m->path, sizeof(m->path), "/tmp/pagewalk-test-XXXXXX");
		fd = mkstemp(m->path);
		if (fd < 0 || write(fd, m->ram, size) != (ssize_t)size || close(fd))
			abort();
	}
	return pgw_image_open(m->path, opts, &m->image, err);
}
