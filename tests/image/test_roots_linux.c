/* SPDX-License-Identifier: BSD-2-Clause */
/* Roots of small made-up machines without registers: arm64 and riscv64, every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/find_root.h"
#include "system/system_priv.h"
#include "image/linux.h"

#define TABLE_AF DESC_AF /* in tables, as Linux 6.13 and later make them */

/* The kernel's root is there, on these grounds, alone and in the list. */
static void check_kernel(const struct linux_machine *m, uint32_t found)
{
	uint64_t pa = linux_pa(m, LINUX_SWAPPER);
	const struct pgw_root_info *root = find_root(m->image, pa);
	struct pgw_root_info alone;
	struct pgw_error err;

	if (pgw_image_kernel_root(m->image, &alone, &err))
		fail_msg("%s: no kernel root", pgw_format_name(m->format));
	assert_int_equal(alone.root.pa, pa);
	assert_non_null(root);
	assert_string_equal(pgw_format_name(root->format), pgw_format_name(m->format));
	assert_string_equal(pgw_format_name(alone.format), pgw_format_name(m->format));
	assert_int_equal(root->state, PGW_ROOT_KERNEL);
	assert_int_equal(root->proof, PGW_PROOF_PASSED);
	assert_int_equal(root->found, found | PGW_ROOT_FROM_SELF_MAP);
	assert_int_equal(alone.found, root->found);
	assert_int_equal(alone.state, root->state);
	assert_true(root->has_kernel && alone.has_kernel);
	assert_int_equal(root->has_user, !m->is_arm64);
	assert_int_equal(alone.has_user, !m->is_arm64);
}

static void check_process(const struct linux_machine *m, uint64_t pa)
{
	const struct pgw_root_info *root = find_root(m->image, pa);

	if (!root)
		fail_msg("%s: no root at 0x%" PRIx64, pgw_format_name(m->format), pa);
	assert_string_equal(pgw_format_name(root->format), pgw_format_name(m->format));
	assert_int_equal(root->state, PGW_ROOT_MAPPED);
	assert_int_equal(root->proof, m->is_arm64 ? PGW_PROOF_NONE : PGW_PROOF_PASSED);
	assert_int_equal(root->found,
			 m->is_arm64 ? PGW_ROOT_FROM_TABLE_BITS : PGW_ROOT_FROM_SELF_MAP);
	assert_true(root->has_user);
	assert_int_equal(root->has_kernel, !m->is_arm64);
	assert_false(root->has_twin || root->is_kpti_user || root->cpus);
}

static void check_all(const struct linux_machine *m, const uint64_t *processes, uint32_t found)
{
	check_kernel(m, found);
	check_process(m, processes[0]);
	check_process(m, processes[1]);
	assert_int_equal(nr_roots(m->image), 3);
}

/* As an ELF core, as raw memory at its place, and as raw memory somewhere. */
static void check_every_way(struct linux_machine *m, const uint64_t *processes, uint32_t found)
{
	struct pgw_image_options opts = { .nr_ram = 1 };
	struct pgw_image_ram ram = { .pa = m->base };
	const struct pgw_image_info *info;
	const struct pgw_phys *phys;
	uint64_t first, last;

	linux_open(m);
	check_all(m, processes, found);

	assert_int_equal(linux_open_raw(m, NULL, NULL), 0);
	info = pgw_image_get_info(m->image);
	phys = pgw_image_phys(m->image);
	assert_string_equal(info->kind, "raw");
	assert_string_equal(info->arch, m->is_arm64 ? "arm64" : "riscv64");
	assert_int_equal(info->placement, PGW_PLACEMENT_PROVED);
	assert_int_equal(info->elf_machine, m->is_arm64 ? 183 : 243);
	assert_int_equal(info->readable_bytes, LINUX_PAGES * m->page);
	assert_int_equal(info->file_size, LINUX_PAGES * m->page);
	assert_true(phys->ops->next_range(phys, 0, &first, &last));
	assert_int_equal(first, m->base);
	assert_int_equal(last, linux_pa(m, LINUX_PAGES) - 1);
	check_all(m, processes, found);

	ram.path = m->path;
	opts.ram = &ram;
	assert_int_equal(linux_open_raw(m, &opts, NULL), 0);
	assert_int_equal(pgw_image_get_info(m->image)->placement, PGW_PLACEMENT_GIVEN);
	assert_string_equal(pgw_image_get_info(m->image)->arch, m->is_arm64 ? "arm64" : "riscv64");
	check_all(m, processes, found);
}

static bool is_arch(const struct pgw_format *format, const char *arch)
{
	return strcmp(pgw_format_arch(format), arch) == 0;
}

static void test_arm64__granule_width_and_levels_are_found(void **state)
{
	const struct pgw_format *format;
	unsigned nr = 0;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		struct linux_machine m;
		uint64_t processes[2];

		if (!is_arch(format, "arm64"))
			continue;
		linux_init(&m, format, nr % 2 ? TABLE_AF : 0);
		processes[0] = linux_process(&m, 0);
		processes[1] = linux_process(&m, 1);
		check_every_way(&m, processes, PGW_ROOT_FROM_TABLE_BITS);
		linux_fini(&m);
		nr++;
	}
	assert_int_equal(nr, 13);
}

static void arm64_text(const struct linux_machine *m, uint64_t voffset, char *text, size_t size)
{
	const struct pgw_geometry *geo = pgw_format_geometry(m->format);

	snprintf(text, size,
		 "OSRELEASE=6.1.0-test\nPAGESIZE=%" PRIu64 "\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(VA_BITS)=%u\nNUMBER(kimage_voffset)=0x%" PRIx64
		 "\nNUMBER(TCR_EL1_T1SZ)=0x%x\n",
		 m->page, linux_swapper_va(m), geo->va_bits, voffset, 64u - geo->va_bits);
}

static void test_arm64__vmcoreinfo_tells_the_format(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		struct linux_machine m;
		uint64_t processes[2];
		char text[512];

		if (!is_arch(format, "arm64"))
			continue;
		linux_init(&m, format, 0);
		processes[0] = linux_process(&m, 0);
		processes[1] = linux_process(&m, 1);
		arm64_text(&m, m.kernel_va - linux_pa(&m, LINUX_KERNEL), text, sizeof(text));
		linux_note(&m, text);
		check_every_way(&m, processes, PGW_ROOT_FROM_VMCOREINFO_RAM);
		linux_fini(&m);
	}
}

/*
 * What AttrIndx means changed with 5.10 and 5.14, and distributions take such changes into other
 * releases; the kernel's own image is normal memory, whatever its release.
 */
static void test_arm64__memory_types_by_release_and_by_memory(void **state)
{
	static const struct {
		const char *release;
		unsigned index; /* of the leaf that maps swapper_pg_dir */
		uint64_t mair;  /* 0: not known */
	} rows[] = {
		{ "OSRELEASE=4.14.0\n", 4, 0x0000bbff440c0400 },
		{ "OSRELEASE=5.9.16\n", 4, 0x0000bbff440c0400 },
		{ "OSRELEASE=5.10.0\n", 0, 0x000c0400bb44f0ff },
		{ "OSRELEASE=5.13.19\n", 1, 0x000c0400bb44f0ff },
		{ "OSRELEASE=5.14.0\n", 0, 0x000000040044f0ff },
		{ "OSRELEASE=6.12.4\n", 1, 0x000000040044f0ff },
		/* Not by this release's order: by the only one that fits. */
		{ "OSRELEASE=5.10.0\n", 4, 0x0000bbff440c0400 },
		{ "OSRELEASE=6.1.0\n", 4, 0x0000bbff440c0400 },
		{ "", 4, 0x0000bbff440c0400 },
		/* Two fit, or none. */
		{ "OSRELEASE=4.14.0\n", 0, 0 },
		{ "", 0, 0 },
		{ "OSRELEASE=6.1.0\n", 3, 0 },
		{ "OSRELEASE=6.1.0\n", 7, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pgw_control *control;
		struct pgw_root_info root;
		struct linux_machine m;
		char text[512];

		linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
		linux_process(&m, 0);
		*linux_word(&m, linux_slot(&m, linux_pa(&m, LINUX_SWAPPER), linux_swapper_va(&m),
					   0)) |= rows[i].index << 2;
		arm64_text(&m, m.kernel_va - linux_pa(&m, LINUX_KERNEL), text, sizeof(text));
		/* Another release in the place of the text's first line. */
		memmove(text + strlen(rows[i].release), strchr(text, '\n') + 1,
			strlen(strchr(text, '\n') + 1) + 1);
		memcpy(text, rows[i].release, strlen(rows[i].release));
		linux_note(&m, text);
		assert_int_equal(pgw_image_kernel_root(linux_open(&m), &root, NULL), 0);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		assert_int_equal(root.control.known & PGW_CTL_MEMORY_TYPES,
				 rows[i].mair ? PGW_CTL_MEMORY_TYPES : 0);
		assert_int_equal(root.control.memory_types, rows[i].mair);
		/* The processes' are read alike. */
		control = &find_root(m.image, linux_pa(&m, LINUX_ROOTS))->control;
		assert_int_equal(control->known, root.control.known);
		assert_int_equal(control->memory_types, rows[i].mair);
		linux_fini(&m);
	}
}

/* Before 5.13 tables have no bits that tell whose they are: what they lead to does. */
static void test_arm64__processes_of_early_kernels(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		struct linux_machine m;
		uint64_t processes[2];
		char text[512];

		if (strcmp(pgw_format_arch(format), "arm64") != 0)
			continue;
		linux_init(&m, format, 0);
		processes[0] = linux_process(&m, 0);
		processes[1] = linux_process(&m, 1);
		for (uint64_t pa = m.base; pa < linux_pa(&m, LINUX_PAGES); pa += 8) {
			if ((*linux_word(&m, pa) & 0xfff) == 3)
				*linux_word(&m, pa) &= ~(DESC_PXNTABLE | DESC_UXNTABLE);
		}
		arm64_text(&m, m.kernel_va - linux_pa(&m, LINUX_KERNEL), text, sizeof(text));
		linux_note(&m, text);
		linux_open(&m);
		assert_int_equal(nr_roots(m.image), 3);
		for (unsigned n = 0; n < 2; n++) {
			const struct pgw_root_info *root = find_root(m.image, processes[n]);

			assert_non_null(root);
			assert_int_equal(root->state, PGW_ROOT_MAPPED);
			assert_true(root->has_user && !root->has_kernel);
		}
		linux_fini(&m);
	}
}

/* The hardware cannot do the 52 bits that the kernel was built for: TCR_EL1 says so. */
static void test_arm64__t1sz_counts_for_small_granules(void **state)
{
	struct linux_machine m;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-16k-47"), 0);
	char text[512];

	snprintf(text, sizeof(text),
		 "OSRELEASE=6.9\nPAGESIZE=16384\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(VA_BITS)=52\nNUMBER(kimage_voffset)=0x%" PRIx64
		 "\nNUMBER(TCR_EL1_T1SZ)=17\n",
		 linux_swapper_va(&m), m.kernel_va - linux_pa(&m, LINUX_KERNEL));
	linux_note(&m, text);
	linux_open(&m);
	check_kernel(&m, PGW_ROOT_FROM_VMCOREINFO_RAM);
	linux_fini(&m);
}

/* What a text claims is listed for what it is, and the search goes on. */
static void test_arm64__a_text_that_lies_is_not_believed(void **state)
{
	const struct pgw_root_info *liar;
	struct linux_machine m;
	char text[512];

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	linux_process(&m, 0);
	arm64_text(&m, m.kernel_va - linux_pa(&m, LINUX_KERNEL) - m.page, text, sizeof(text));
	linux_note(&m, text);
	linux_open(&m);
	check_kernel(&m, PGW_ROOT_FROM_TABLE_BITS);
	assert_int_equal(nr_roots(m.image), 3);
	liar = find_root(m.image, linux_pa(&m, LINUX_SWAPPER + 1));
	assert_non_null(liar);
	assert_int_equal(liar->state, PGW_ROOT_UNKNOWN);
	assert_int_equal(liar->proof, PGW_PROOF_FAILED);
	assert_int_equal(liar->found, PGW_ROOT_FROM_VMCOREINFO_RAM);
	linux_fini(&m);
}

static void test_arm64__a_symbol_alone_will_do(void **state)
{
	struct linux_machine m;
	char text[128];

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-39"), 0);
	snprintf(text, sizeof(text), "A=B\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\n",
		 linux_swapper_va(&m));
	linux_note(&m, text);
	linux_open(&m);
	check_kernel(&m, PGW_ROOT_FROM_VMCOREINFO_RAM);
	linux_fini(&m);
}

/* Each trait of the kernel's top table is needed. */
static void test_arm64__what_is_not_quite_the_kernels_root_is_none(void **state)
{
	(void)state;
	for (int bend = 0; bend < 5; bend++) {
		struct pgw_root_info root;
		struct linux_machine m;
		struct pgw_error err;
		uint64_t swapper, process, *item;

		linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
		process = linux_process(&m, 0);
		swapper = linux_pa(&m, LINUX_SWAPPER);
		item = linux_word(&m, linux_slot(&m, swapper, m.kernel_va, 3));
		switch (bend) {
		case 0: /* an entry that is none of a top table */
			*linux_word(&m, swapper + 8 * 300) = 0xdeadbeef;
			break;
		case 1: /* nothing but the linear map: no kernel */
			*item = 0;
			break;
		case 2: /* no UXNTable at all */
			*item &= ~DESC_UXNTABLE;
			*linux_word(&m, swapper) &= ~DESC_UXNTABLE;
			break;
		case 3: /* no linear map: it maps itself all the same, in the image */
			*linux_word(&m, swapper) = 0;
			break;
		case 4: /* does not map itself */
			*linux_word(&m, linux_slot(&m, swapper, linux_swapper_va(&m), 0)) = 0;
			*linux_word(&m, swapper) = m.next_table | DESC_UXNTABLE | 3;
			break;
		}
		linux_open(&m);
		if (pgw_image_kernel_root(m.image, &root, &err) != -PGW_ENOENT)
			fail_msg("bend %d: 0x%" PRIx64 " %s", bend, root.root.pa,
				 pgw_format_name(root.format));
		/* The process is one all the same. */
		assert_int_equal(nr_roots(m.image), 1);
		assert_non_null(find_root(m.image, process));
		assert_string_equal(err.expected, "a VMCOREINFO in a note or in memory, or a table "
						  "like Linux's that maps itself");
		linux_fini(&m);
	}
}

/* Each trait of a process's tables is needed. */
static void test_arm64__what_is_not_quite_a_process_is_none(void **state)
{
	const uint64_t va = 0x400000;

	(void)state;
	for (int bend = 0; bend < 8; bend++) {
		struct linux_machine m;
		uint64_t root, *page, *top;

		linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
		root = linux_process(&m, 0);
		top = linux_word(&m, linux_slot(&m, root, va, 3));
		page = linux_word(&m, linux_slot(&m, root, va, 0));
		switch (bend) {
		case 0: /* as it was: this one is */
			break;
		case 1: /* no page was touched, but one is swapped out: not a way down */
			*page = 0x123456780;
			break;
		case 2: /* the kernel may execute the page */
			*page &= ~DESC_PXN;
			break;
		case 3: /* global */
			*page &= ~DESC_NG;
			break;
		case 4: /* the kernel's table bits */
			*top |= DESC_UXNTABLE;
			break;
		case 5: /* something else in the root */
			*linux_word(&m, root + 8 * 77) = 0x1000;
			break;
		case 6: /* something else in a table below */
			*linux_word(&m, linux_slot(&m, root, va, 2) + 8 * 77) = 0x80000003;
			break;
		case 7: /* a table below is elsewhere than in memory */
			*top = UINT64_C(0x7fff0000) | DESC_PXNTABLE | 3;
			break;
		}
		linux_open(&m);
		check_kernel(&m, PGW_ROOT_FROM_TABLE_BITS);
		assert_int_equal(nr_roots(m.image), bend ? 1 : 2);
		linux_fini(&m);
	}
}

/* Swapped-out pages, old pages and large pages beside others are all right. */
static void test_arm64__what_processes_tables_hold_fits(void **state)
{
	struct linux_machine m;
	uint64_t root;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	root = linux_process(&m, 0);
	*linux_word(&m, linux_slot(&m, root, 0x401000, 0)) = 0x123456780;
	*linux_word(&m, linux_slot(&m, root, 0x402000, 0)) =
		linux_pa(&m, LINUX_USER_PAGE) | (DESC_USER & ~DESC_AF) | 3;
	*linux_word(&m, linux_slot(&m, root, 0x600000, 1)) = m.base | DESC_USER | 1;
	*linux_word(&m, linux_slot(&m, root, 0x800000, 1)) = 0x123456780;
	linux_open(&m);
	check_process(&m, root);
	assert_int_equal(nr_roots(m.image), 2);
	linux_fini(&m);
}

/*
 * Below the root's second entry is a table of tables of nothing but a huge
 * block, at a multiple of 1 GiB: it would do as a root of its own.
 */
static void test_arm64__a_table_below_a_root_is_no_root(void **state)
{
	struct linux_machine m;
	uint64_t root, inner;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	root = linux_process(&m, 0);
	linux_map(&m, root, UINT64_C(0x8000400000), m.base, DESC_PXNTABLE, DESC_USER);
	*linux_word(&m, linux_slot(&m, root, UINT64_C(0x8000400000), 1)) = m.base | DESC_USER | 1;
	inner = linux_slot(&m, root, UINT64_C(0x8000000000), 2);
	assert_int_equal(inner % m.page, 0);
	linux_open(&m);
	check_process(&m, root);
	assert_null(find_root(m.image, inner));
	assert_int_equal(nr_roots(m.image), 2);
	/* Without the root above it, it passes for one. */
	pgw_image_close(m.image);
	m.image = NULL;
	*linux_word(&m, linux_slot(&m, root, UINT64_C(0x8000000000), 3)) = 0;
	assert_int_equal(linux_open_raw(&m, NULL, NULL), 0);
	assert_non_null(find_root(m.image, inner));
	linux_fini(&m);
}

/* Tables that point to themselves and to each other: an end in time. */
static void test_arm64__loops_end(void **state)
{
	struct linux_machine m;
	const struct pgw_root_info *list;
	size_t nr;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-52-lpa2"), 0);
	for (unsigned page = LINUX_PAGES - 8; page < LINUX_PAGES; page++) {
		for (unsigned i = 0; i < 512; i++)
			*linux_word(&m, linux_pa(&m, page) + 8 * i) =
				linux_pa(&m, LINUX_PAGES - 8 + i % 8) | DESC_PXNTABLE | 3;
	}
	linux_open(&m);
	check_kernel(&m, PGW_ROOT_FROM_TABLE_BITS);
	assert_int_equal(pgw_image_roots(m.image, &list, &nr), 0);
	assert_int_equal(nr, 1);
	linux_fini(&m);
}

static void put_header(const struct linux_machine *m)
{
	uint8_t *header = m->ram + LINUX_KERNEL * m->page;

	memcpy(header + 0x30, "RISCV\0\0\0", 8);
	memcpy(header + 0x38, "RSC\x05", 4);
}

static const char *const riscv_formats[] = { "riscv-sv39", "riscv-sv48", "riscv-sv57" };

static void test_riscv64__levels_are_found(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int ground = 0; ground < 3; ground++) {
			struct linux_machine m;
			uint64_t processes[2];
			char text[256];

			linux_init(&m, pgw_format_by_name(riscv_formats[i]), 0);
			processes[0] = linux_process(&m, 0);
			processes[1] = linux_process(&m, 1);
			snprintf(text, sizeof(text),
				 "OSRELEASE=6.1\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\n%s%" PRIu64
				 "\nNUMBER(VA_BITS)=%u\n",
				 linux_swapper_va(&m),
				 ground == 1 ? "NUMBER(va_kernel_pa_offset)=" : "X=",
				 m.kernel_va - linux_pa(&m, LINUX_KERNEL),
				 pgw_format_geometry(m.format)->va_bits);
			if (ground == 2)
				put_header(&m);
			else
				linux_note(&m, text);
			check_every_way(&m, processes,
					ground == 2 ? PGW_ROOT_FROM_IMAGE_HEADER
						    : PGW_ROOT_FROM_VMCOREINFO_RAM);
			linux_fini(&m);
		}
	}
}

/* An early table in the kernel's image maps the header too, but less of the kernel. */
static void test_riscv64__the_early_table_is_not_taken(void **state)
{
	struct linux_machine m;
	uint64_t swapper, early;

	(void)state;
	linux_init(&m, pgw_format_by_name("riscv-sv57"), 0);
	put_header(&m);
	swapper = linux_pa(&m, LINUX_SWAPPER);
	early = linux_pa(&m, LINUX_SWAPPER - 1);
	*linux_word(&m, early + 8 * 511) = *linux_word(&m, swapper + 8 * 511);
	linux_open(&m);
	check_kernel(&m, PGW_ROOT_FROM_IMAGE_HEADER);
	assert_int_equal(find_root(m.image, early)->state, PGW_ROOT_EMPTY);
	assert_int_equal(nr_roots(m.image), 2);
	linux_fini(&m);
}

static void test_riscv64__nothing_to_go_by_is_said(void **state)
{
	struct pgw_root_info root;
	struct linux_machine m;
	struct pgw_error err;

	(void)state;
	linux_init(&m, pgw_format_by_name("riscv-sv39"), 0);
	linux_process(&m, 0);
	linux_open(&m);
	assert_int_equal(pgw_image_kernel_root(m.image, &root, &err), -PGW_ENOENT);
	assert_string_equal(err.expected,
			    "a VMCOREINFO in a note or in memory, or the kernel's Image header");
	assert_int_equal(nr_roots(m.image), 0);
	pgw_image_close(m.image);
	m.image = NULL;
	assert_int_equal(linux_open_raw(&m, NULL, &err), -PGW_ENOEXEC);
	assert_null(m.image);
	assert_non_null(strstr(err.expected, "--ram PA=FILE"));
	linux_fini(&m);
}

/* By the definition, one item after the other. */
static unsigned kinds_of(uint64_t item)
{
	uint64_t xn = item & (DESC_PXNTABLE | DESC_UXNTABLE);

	if ((item & UINT64_C(0xe7ff000000000bff)) != 3)
		return 0;
	return xn & DESC_UXNTABLE ? 1u << IMAGE_PAGE_ROOT : xn ? 1u << IMAGE_PAGE_USER : 0;
}

/* Wherever in a page it stands, and whatever else does. */
static void test_arm64__each_item_of_a_page_counts(void **state)
{
	const uint64_t items[] = {
		0,
		3,
		0x40001003,
		0x40001403,
		0x40001c03,
		UINT64_MAX,
		DESC_UXNTABLE | 0x40001003,
		DESC_UXNTABLE | DESC_PXNTABLE | 0x40001003,
		DESC_UXNTABLE | 0x40001403,
		DESC_UXNTABLE | 0x40001001,
		DESC_PXNTABLE | 0x40001003,
		DESC_PXNTABLE | 0x40001403,
		DESC_PXNTABLE | 0x40001803,
		DESC_PXNTABLE | (UINT64_C(1) << 61) | 0x40001003,
		DESC_PXNTABLE | DESC_PXN | 0x40001003,
	};
	const size_t nr = sizeof(items) / sizeof(items[0]);
	unsigned (*page_kinds)(const uint8_t *) = image_arm64_ops.page_kinds;
	uint64_t page[IMAGE_PAGE / 8] = { 0 };

	(void)state;
	for (size_t at = 0; at < IMAGE_PAGE / 8; at++) {
		for (size_t i = 0; i < nr * nr; i++) {
			uint64_t one = items[i % nr], other = items[i / nr];

			page[at] = one;
			page[(at + 77) % (IMAGE_PAGE / 8)] = other;
			assert_int_equal(page_kinds((const uint8_t *)page),
					 kinds_of(one) | kinds_of(other));
			page[at] = page[(at + 77) % (IMAGE_PAGE / 8)] = 0;
		}
	}
}

/* No list has the address; the text has that of the kernel's root. */
static void test_arm64__raw_memory_may_begin_anywhere(void **state)
{
	struct linux_machine m;
	uint64_t first, last, process;
	const struct pgw_phys *phys;
	char text[512];

	(void)state;
	linux_init_at(&m, pgw_format_by_name("arm64-4k-48"), 0, UINT64_C(0x602771000000));
	process = linux_process(&m, 0);
	assert_int_equal(linux_open_raw(&m, NULL, NULL), -PGW_ENOEXEC);
	unlink(m.path);
	m.path[0] = '\0';
	arm64_text(&m, m.kernel_va - linux_pa(&m, LINUX_KERNEL), text, sizeof(text));
	linux_note(&m, text);
	assert_int_equal(linux_open_raw(&m, NULL, NULL), 0);
	phys = pgw_image_phys(m.image);
	assert_true(phys->ops->next_range(phys, 0, &first, &last));
	assert_int_equal(first, m.base);
	assert_int_equal(pgw_image_get_info(m.image)->placement, PGW_PLACEMENT_PROVED);
	assert_non_null(find_root(m.image, process));
	linux_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm64__granule_width_and_levels_are_found),
		cmocka_unit_test(test_arm64__vmcoreinfo_tells_the_format),
		cmocka_unit_test(test_arm64__memory_types_by_release_and_by_memory),
		cmocka_unit_test(test_arm64__processes_of_early_kernels),
		cmocka_unit_test(test_arm64__raw_memory_may_begin_anywhere),
		cmocka_unit_test(test_arm64__t1sz_counts_for_small_granules),
		cmocka_unit_test(test_arm64__a_text_that_lies_is_not_believed),
		cmocka_unit_test(test_arm64__a_symbol_alone_will_do),
		cmocka_unit_test(test_arm64__what_is_not_quite_the_kernels_root_is_none),
		cmocka_unit_test(test_arm64__what_is_not_quite_a_process_is_none),
		cmocka_unit_test(test_arm64__what_processes_tables_hold_fits),
		cmocka_unit_test(test_arm64__a_table_below_a_root_is_no_root),
		cmocka_unit_test(test_arm64__loops_end),
		cmocka_unit_test(test_arm64__each_item_of_a_page_counts),
		cmocka_unit_test(test_riscv64__levels_are_found),
		cmocka_unit_test(test_riscv64__the_early_table_is_not_taken),
		cmocka_unit_test(test_riscv64__nothing_to_go_by_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
