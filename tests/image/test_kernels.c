/* SPDX-License-Identifier: BSD-2-Clause */
/* Several kernels in one memory, texts that are given or do not fit, and memory that lacks tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shared_images.h"
#include "image/find_root.h"
#include "system/roots/root.h"
#include "system/system_priv.h"
#include "image/linux.h"
#include "image/machine.h"

#define RISCV_RWX 0xcf /* V R W X A D */
#define USER (PTE_P | PTE_W | PTE_U)

/* Of the second kernel in a machine: its image, its root, its process, its text. */
#define SECOND_PA UINT64_C(0x2e000)
#define SECOND_SWAPPER (SECOND_PA + MACHINE_SWAPPER - MACHINE_KERNEL_PA)
#define SECOND_PROCESS UINT64_C(0x3c000)
#define SECOND_NOTE UINT64_C(0x3e000)
#define FIRST_PROCESS UINT64_C(0x20000)
#define XEN_LINEAR_SLOT 258 /* of a PV guest's root: itself */

static uint64_t kernel_root(struct pgw_image *image)
{
	struct pgw_root_info root;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	return root.root.pa;
}

static const char *text_of(const char *release, uint64_t kernel_pa)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "OSRELEASE=%s\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(phys_base)=%" PRId64 "\nNUMBER(pgtable_l5_enabled)=0\n",
		 release, machine_va(MACHINE_SWAPPER),
		 (int64_t)(kernel_pa - (MACHINE_KERNEL_VA - UINT64_C(0xffffffff80000000))));
	return text;
}

/* Two kernels, linked at one address, and a process of each. */
static void make_two(struct machine *m)
{
	machine_init(m, 4);
	machine_note(m, MACHINE_VMCOREINFO, text_of("6.1.0-first", MACHINE_KERNEL_PA));
	for (uint64_t i = 0; i < 16; i++)
		machine_map(m, SECOND_SWAPPER, MACHINE_KERNEL_VA + i * MACHINE_PAGE,
			    SECOND_PA + i * MACHINE_PAGE, PTE_P | PTE_W);
	machine_note(m, SECOND_NOTE, text_of("6.1.0-second", SECOND_PA));
	machine_process(m, FIRST_PROCESS);
	machine_map(m, FIRST_PROCESS, 0x400000, MACHINE_USER_PAGE, USER);
	memcpy(m->ram + SECOND_PROCESS + 2048, m->ram + SECOND_SWAPPER + 2048, 2048);
	machine_map(m, SECOND_PROCESS, 0x400000, MACHINE_USER_PAGE, USER);
}

static struct pgw_image *reopen(struct machine *m, const struct pgw_image_options *opts)
{
	pgw_image_close(m->image);
	m->image = NULL;
	assert_int_equal(pgw_image_open(m->elf.path, opts, &m->image, NULL), 0);
	return m->image;
}

static void check_known(struct pgw_image *image, size_t expected, bool are_all)
{
	const struct pgw_kernel *list;
	bool is_all;
	size_t nr;

	assert_int_equal(pgw_image_kernels_known(image, &list, &nr, &is_all), 0);
	assert_int_equal(nr, expected);
	assert_int_equal(is_all, are_all);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(list[i].root.kernel, i + 1);
}

static void check_two(struct pgw_image *image, uint64_t first, uint64_t second)
{
	const struct pgw_kernel *list;
	size_t nr;

	assert_int_equal(pgw_image_kernels(image, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(list[0].root.root.pa, first);
	assert_int_equal(list[1].root.root.pa, second);
	assert_int_equal(kernel_root(image), first);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(list[i].root.kernel, i + 1);
		assert_int_equal(list[i].root.state, PGW_ROOT_KERNEL);
		assert_int_equal(list[i].root.proof, PGW_PROOF_PASSED);
		assert_int_equal(list[i].swapper_va, machine_va(MACHINE_SWAPPER));
		assert_non_null(list[i].vmcoreinfo);
		assert_int_equal(pgw_image_vmcoreinfo_fit(image, list[i].vmcoreinfo), PGW_FIT_YES);
	}
}

static void check_owner(struct pgw_image *image, uint64_t pa, unsigned kernel,
			enum pgw_root_state state)
{
	const struct pgw_root_info *root = find_root(image, pa);

	assert_non_null(root);
	assert_int_equal(root->kernel, kernel);
	assert_int_equal(root->state, state);
	assert_int_equal(root->proof, PGW_PROOF_PASSED);
}

static void test_kernels__both_are_listed_with_their_roots(void **state)
{
	static struct machine m;
	struct pgw_image *image;

	(void)state;
	make_two(&m);
	machine_cpu(&m, SECOND_PROCESS);
	machine_cpu(&m, FIRST_PROCESS);
	image = machine_open(&m);
	/* The answer is the same before all memory is known and after. */
	assert_int_equal(kernel_root(image), MACHINE_SWAPPER);
	check_two(image, MACHINE_SWAPPER, SECOND_SWAPPER);
	assert_int_equal(nr_roots(image), 4);
	check_owner(image, SECOND_SWAPPER, 2, PGW_ROOT_KERNEL);
	check_owner(image, SECOND_PROCESS, 2, PGW_ROOT_RUNNING);
	check_owner(image, MACHINE_SWAPPER, 1, PGW_ROOT_KERNEL);
	check_owner(image, FIRST_PROCESS, 1, PGW_ROOT_RUNNING);
	machine_fini(&m);
}

/*
 * The dump of a machine that runs Xen: texts of PV guests speak of the guests' own addresses,
 * which are somebody else's here. Xen's entry in roots tells; each text is that kernel's which
 * maps it.
 */
static void make_pv(struct machine *m, bool are_xens)
{
	static const uint64_t roots[] = { MACHINE_SWAPPER, FIRST_PROCESS, SECOND_SWAPPER,
					  SECOND_PROCESS };

	make_two(m);
	machine_note(m, MACHINE_VMCOREINFO, text_of("6.1.0-first", 0x1000000));
	machine_note(m, SECOND_NOTE, text_of("6.1.0-second", 0x1000000));
	for (uint64_t page = 0; page < 2 * MACHINE_PAGE; page += MACHINE_PAGE)
		machine_map(m, SECOND_SWAPPER, UINT64_C(0xffff888000000000) + page,
			    SECOND_NOTE + page, PTE_P | PTE_W);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(roots) && are_xens; i++)
		machine_store(m, roots[i] + 8 * XEN_LINEAR_SLOT, roots[i] | PTE_P);
}

static void test_kernels__of_pv_guests_are_where_their_texts_do_not_say(void **state)
{
	const struct pgw_kernel *list;
	static struct machine m;
	struct pgw_image *image;
	const char *release;
	size_t nr, size;

	(void)state;
	make_pv(&m, true);
	image = machine_open(&m);
	check_two(image, MACHINE_SWAPPER, SECOND_SWAPPER);
	assert_int_equal(pgw_image_kernels(image, &list, &nr), 0);
	assert_true(pgw_vmcoreinfo_get(list[0].vmcoreinfo, "OSRELEASE", &release, &size));
	assert_memory_equal(release, "6.1.0-first", size);
	assert_true(pgw_vmcoreinfo_get(list[1].vmcoreinfo, "OSRELEASE", &release, &size));
	assert_memory_equal(release, "6.1.0-second", size);
	/* Nothing is made of the address that texts name. */
	assert_int_equal(nr_roots(image), 4);
	check_owner(image, FIRST_PROCESS, 1, PGW_ROOT_MAPPED);
	check_owner(image, SECOND_PROCESS, 2, PGW_ROOT_MAPPED);
	machine_fini(&m);
}

static void test_kernels__elsewhere_than_a_text_says_are_none_without_xen(void **state)
{
	static struct machine m;
	struct pgw_root_info root;

	(void)state;
	make_pv(&m, false);
	assert_int_equal(pgw_image_kernel_root(machine_open(&m), &root, NULL), -PGW_ENOENT);
	machine_fini(&m);
}

static void test_kernels__the_options_name_one(void **state)
{
	static struct machine m;
	static const struct {
		const char *name;
		uint64_t root, process;
	} rows[] = {
		{ "1", MACHINE_SWAPPER, FIRST_PROCESS },
		{ "2", SECOND_SWAPPER, SECOND_PROCESS },
		{ "6.1.0-first", MACHINE_SWAPPER, FIRST_PROCESS },
		{ "6.1.0-second", SECOND_SWAPPER, SECOND_PROCESS },
	};
	static const char *const unknown[] = { "0", "3", "6.1.0", "6.1.0-second2", "", "1 " };
	const struct pgw_root_info *list;
	struct pgw_root_info root;
	struct pgw_error err;
	size_t nr;

	(void)state;
	make_two(&m);
	machine_open(&m);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_image *image =
			reopen(&m, &(struct pgw_image_options){ .kernel = rows[i].name });

		assert_int_equal(kernel_root(image), rows[i].root);
		assert_int_equal(nr_roots(image), 2);
		assert_non_null(find_root(image, rows[i].root));
		assert_non_null(find_root(image, rows[i].process));
	}
	for (size_t i = 0; i < PGW_ARRAY_SIZE(unknown); i++) {
		struct pgw_image *image =
			reopen(&m, &(struct pgw_image_options){ .kernel = unknown[i] });

		assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
		assert_non_null(err.expected);
		assert_int_equal(pgw_image_roots(image, &list, &nr), -PGW_ENOENT);
	}
	machine_fini(&m);
}

static void test_kernels__a_release_of_two_names_none(void **state)
{
	static struct machine m;
	struct pgw_root_info root;

	(void)state;
	make_two(&m);
	machine_note(&m, SECOND_NOTE, text_of("6.1.0-first", SECOND_PA));
	machine_open(&m);
	reopen(&m, &(struct pgw_image_options){ .kernel = "6.1.0-first" });
	assert_int_equal(pgw_image_kernel_root(m.image, &root, NULL), -PGW_ENOENT);
	machine_fini(&m);
}

static void test_kernels__a_note_of_one_does_not_hide_the_other(void **state)
{
	static struct machine m;
	struct pgw_image *image;
	const char *text;

	(void)state;
	make_two(&m);
	text = text_of("6.1.0-first", MACHINE_KERNEL_PA);
	mkelf_note(&m.elf, "VMCOREINFO", 0, text, strlen(text));
	machine_cpu(&m, SECOND_PROCESS);
	image = machine_open(&m);
	assert_int_equal(kernel_root(image), MACHINE_SWAPPER);
	assert_false(image->is_surveyed); /* a note is enough for the default */
	check_known(image, 1, false);
	check_two(image, MACHINE_SWAPPER, SECOND_SWAPPER);
	check_known(image, 2, true);
	machine_fini(&m);
}

/* A search for the default goes on until all are known that CPUs run. */
static void test_kernels__those_that_run_are_known_without_asking(void **state)
{
	static struct machine m;

	(void)state;
	make_two(&m);
	machine_cpu(&m, FIRST_PROCESS);
	machine_cpu(&m, SECOND_PROCESS);
	assert_int_equal(kernel_root(machine_open(&m)), MACHINE_SWAPPER);
	check_known(m.image, 2, false);
	machine_fini(&m);

	make_two(&m);
	machine_cpu(&m, FIRST_PROCESS);
	assert_int_equal(kernel_root(machine_open(&m)), MACHINE_SWAPPER);
	check_known(m.image, 1, false);
	machine_fini(&m);
}

static void test_kernels__a_given_text_chooses(void **state)
{
	static struct machine m;
	struct pgw_vmcoreinfo info;
	struct pgw_root_info root;
	struct pgw_image *image;
	struct pgw_error err;
	const char *text;

	(void)state;
	make_two(&m);
	memset(m.ram + SECOND_NOTE, 0, MACHINE_PAGE);
	machine_cpu(&m, FIRST_PROCESS);
	machine_open(&m);

	text = text_of("6.1.0-second", SECOND_PA);
	assert_int_equal(pgw_vmcoreinfo_read(text, strlen(text), &info), 0);
	image = reopen(&m, &(struct pgw_image_options){ .vmcoreinfo = &info });
	assert_int_equal(kernel_root(image), SECOND_SWAPPER);
	assert_false(image->is_surveyed);
	check_two(image, SECOND_SWAPPER, MACHINE_SWAPPER);
	assert_int_equal(nr_roots(image), 4);
	assert_int_equal(find_root(image, SECOND_SWAPPER)->found,
			 PGW_ROOT_FROM_VMCOREINFO_GIVEN | PGW_ROOT_FROM_SELF_MAP);

	text = text_of("6.1.0-none", SECOND_PA + 0x100000);
	assert_int_equal(pgw_vmcoreinfo_read(text, strlen(text), &info), 0);
	image = reopen(&m, &(struct pgw_image_options){ .vmcoreinfo = &info });
	assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
	assert_non_null(strstr(err.expected, "given VMCOREINFO"));
	machine_fini(&m);
}

static void test_vmcoreinfo__what_can_be_read(void **state)
{
	char note[64] = { 11, 0,   0,   0,   5,   0,   0,   0,   0,   0,   0,
			  0,  'V', 'M', 'C', 'O', 'R', 'E', 'I', 'N', 'F', 'O' };
	struct pgw_vmcoreinfo info;
	char *large = malloc((128 << 10) + 1);

	(void)state;
	assert_non_null(large);
	memset(large, 'A', (128 << 10) + 1);
	large[1] = '=';
	assert_int_equal(pgw_vmcoreinfo_read("A=1", 3, &info), 0);
	assert_int_equal(info.size, 3);
	assert_int_equal(info.source, PGW_VMCOREINFO_GIVEN);
	memcpy(note + 24, "AB=1\nCD", 7);
	assert_int_equal(pgw_vmcoreinfo_read(note, sizeof(note), &info), 0);
	assert_int_equal(info.size, 5);
	assert_memory_equal(info.text, "AB=1\n", 5);
	assert_int_equal(pgw_vmcoreinfo_read(note, 27, &info), -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read(note, 24, &info), -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read("", 0, &info), -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read("=1", 2, &info), -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read("no text", 7, &info), -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read("\x7f"
					     "ELF=",
					     5, &info),
			 -PGW_EINVAL);
	assert_int_equal(pgw_vmcoreinfo_read(large, 128 << 10, &info), 0);
	assert_int_equal(pgw_vmcoreinfo_read(large, (128 << 10) + 1, &info), -PGW_EINVAL);
	free(large);
}

/* Some hypervisors write a text that is not true (osandov/drgn#350). */
static void test_vmcoreinfo__one_that_does_not_fit_is_told(void **state)
{
	static struct machine m;
	const struct pgw_vmcoreinfo *texts;
	struct pgw_image *image;
	const char *text = text_of("6.1.0-first", MACHINE_KERNEL_PA + 0x200000);
	size_t nr;

	(void)state;
	machine_init(&m, 4);
	mkelf_note(&m.elf, "VMCOREINFO", 0, text, strlen(text));
	image = machine_open(&m);
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(pgw_image_vmcoreinfo_fit(image, &texts[0]), PGW_FIT_UNKNOWN);
	/* The text in memory tells the truth. */
	assert_int_equal(kernel_root(image), MACHINE_SWAPPER);
	assert_int_equal(pgw_image_vmcoreinfo_fit(image, &texts[0]), PGW_FIT_NO);
	assert_int_equal(nr_roots(image), 2); /* what it claims, too */
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(pgw_image_vmcoreinfo_fit(image, &texts[0]), PGW_FIT_NO);
	assert_int_equal(pgw_image_vmcoreinfo_fit(image, &texts[1]), PGW_FIT_YES);
	machine_fini(&m);
}

/* Memory whose file lacks some pages, as one that was cut short, filtered or copied from a bad disk. */
static struct pgw_image *open_without(struct mkelf *elf, uint64_t base, const uint8_t *ram,
				      size_t size, uint64_t page, const uint64_t *holes)
{
	struct pgw_image *image;
	uint64_t at = 0;

	for (; at < size && *holes; at = *holes++ - base + page)
		mkelf_segment(elf, base + at, ram + at, *holes - base - at,
			      *holes - base - at + page);
	mkelf_segment(elf, base + at, ram + at, size - at, size - at);
	if (pgw_image_open(mkelf_save(elf), NULL, &image, NULL))
		abort();
	return image;
}

static struct pgw_image *machine_without(struct machine *m, const uint64_t *holes)
{
	m->image = open_without(&m->elf, 0, m->ram, sizeof(m->ram), MACHINE_PAGE, holes);
	return m->image;
}

static void check_partial(struct pgw_image *image, uint64_t pa, enum pgw_root_state state,
			  uint64_t nr_agree, uint64_t nr_missing)
{
	const struct pgw_root_info *root = find_root(image, pa);

	assert_non_null(root);
	assert_int_equal(root->proof, PGW_PROOF_PARTIAL);
	assert_int_equal(root->state, state);
	assert_int_equal(root->nr_agree, nr_agree);
	assert_int_equal(root->nr_missing, nr_missing);
	assert_int_equal(root->kernel, 1);
}

/* Two processes; the machine's level3 table is at MACHINE_NEAR_LEVEL3. */
static void make_processes(struct machine *m)
{
	machine_init(m, 4);
	machine_make_level3(m);
	machine_move_level3(m);
	machine_process(m, FIRST_PROCESS);
	machine_map(m, FIRST_PROCESS, 0x400000, MACHINE_USER_PAGE, USER);
	machine_process(m, SECOND_PROCESS);
	machine_map(m, SECOND_PROCESS, 0x400000, MACHINE_USER_PAGE, USER);
}

static void test_partial__x86_64_the_kernels_root_is_there(void **state)
{
	static struct machine m;
	struct pgw_root_info root;
	struct pgw_image *image;

	(void)state;
	make_processes(&m);
	machine_cpu(&m, FIRST_PROCESS);
	image = machine_without(&m, (uint64_t[]){ MACHINE_NEAR_LEVEL3, 0 });
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PARTIAL);
	assert_int_equal(root.state, PGW_ROOT_KERNEL);
	assert_int_equal(nr_roots(image), 3);
	check_partial(image, MACHINE_SWAPPER, PGW_ROOT_KERNEL, 3, 1);
	check_partial(image, FIRST_PROCESS, PGW_ROOT_RUNNING, 3, 1);
	check_partial(image, SECOND_PROCESS, PGW_ROOT_MAPPED, 3, 1);
	machine_fini(&m);
}

/* With registers the default is what a CPU runs on; without, and without a text, what agrees. */
static void test_partial__x86_64_the_kernels_root_is_not(void **state)
{
	static struct machine m;
	struct pgw_root_info root;
	struct pgw_image *image;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		make_processes(&m);
		if (i == 0) {
			machine_cpu(&m, MACHINE_SWAPPER);
			machine_cpu(&m, SECOND_PROCESS);
		}
		if (i == 2)
			memset(m.ram + MACHINE_VMCOREINFO, 0, MACHINE_PAGE);
		image = machine_without(&m,
					(uint64_t[]){ MACHINE_SWAPPER, MACHINE_NEAR_LEVEL3, 0 });
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, i ? FIRST_PROCESS : SECOND_PROCESS);
		assert_int_equal(root.proof, PGW_PROOF_PARTIAL);
		assert_int_equal(root.state, i ? PGW_ROOT_MAPPED : PGW_ROOT_RUNNING);
		check_partial(image, FIRST_PROCESS, PGW_ROOT_MAPPED, 2, 1);
		check_partial(image, SECOND_PROCESS, i ? PGW_ROOT_MAPPED : PGW_ROOT_RUNNING, 2, 1);
		/* What is named and is not there has no proof for or against it. */
		assert_int_equal(nr_roots(image), i < 2 ? 3 : 2);
		if (i < 2)
			assert_int_equal(find_root(image, MACHINE_SWAPPER)->proof, PGW_PROOF_NONE);
		machine_fini(&m);
	}
}

/* What maps itself all the same stays a whole proof; what is missing is counted. */
static void test_partial__a_whole_proof_stays_whole(void **state)
{
	static struct machine m;
	struct pgw_image *image;
	uint64_t direct;

	(void)state;
	make_processes(&m);
	direct = machine_load(&m, MACHINE_SWAPPER + UINT64_C(8) * 0x111) & ~UINT64_C(0xfff);
	image = machine_without(&m, (uint64_t[]){ direct, 0 });
	assert_int_equal(kernel_root(image), MACHINE_SWAPPER);
	assert_int_equal(find_root(image, MACHINE_SWAPPER)->proof, PGW_PROOF_PASSED);
	assert_int_equal(find_root(image, MACHINE_SWAPPER)->nr_missing, 1);
	assert_int_equal(find_root(image, FIRST_PROCESS)->nr_missing, 1);
	machine_fini(&m);
}

/* A lone page that leads nowhere is no root. */
static void test_partial__one_root_does_not_agree_with_itself(void **state)
{
	static struct machine m;
	struct pgw_root_info root;

	(void)state;
	machine_init(&m, 4);
	machine_make_level3(&m);
	machine_move_level3(&m);
	memset(m.ram + MACHINE_VMCOREINFO, 0, MACHINE_PAGE);
	machine_without(&m, (uint64_t[]){ MACHINE_NEAR_LEVEL3, 0 });
	assert_int_equal(pgw_image_kernel_root(m.image, &root, NULL), -PGW_ENOENT);
	assert_int_equal(nr_roots(m.image), 0);
	machine_fini(&m);
}

static const char *linux_text(const struct linux_machine *m)
{
	static char text[512];
	const struct pgw_geometry *geo = pgw_format_geometry(m->format);
	uint64_t offset = m->kernel_va - linux_pa(m, LINUX_KERNEL);

	if (!m->is_arm64)
		snprintf(text, sizeof(text), "OSRELEASE=6.1\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\n",
			 linux_swapper_va(m));
	else
		snprintf(text, sizeof(text),
			 "OSRELEASE=6.1\nPAGESIZE=%" PRIu64 "\nSYMBOL(swapper_pg_dir)=%" PRIx64
			 "\nNUMBER(VA_BITS)=%u\nNUMBER(TCR_EL1_T1SZ)=0x%x\n"
			 "NUMBER(kimage_voffset)=0x%" PRIx64 "\n",
			 m->page, linux_swapper_va(m), geo->va_bits, 64u - geo->va_bits, offset);
	return text;
}

/* The table of the level below the root's that an address is mapped by. */
static uint64_t table_below(struct linux_machine *m, uint64_t va)
{
	unsigned top = pgw_format_geometry(m->format)->top_level;

	return linux_slot(m, linux_pa(m, LINUX_SWAPPER), va, top - 1) & ~(m->page - 1);
}

/* Those of the kernel's image and the linear map, as where Linux takes them from the end of memory. */
static void find_holes(struct linux_machine *m, uint64_t *ret)
{
	uint64_t first, last;

	pgw_format_region_range(m->format, PGW_REGION_KERNEL, &first, &last);
	ret[0] = table_below(m, first);
	ret[1] = table_below(m, m->kernel_va);
	if (ret[0] > ret[1]) {
		ret[0] = ret[1];
		ret[1] = table_below(m, first);
	}
	ret[2] = 0;
}

/* What stays readable: half way up the half, in a slot of its own. */
static void map_middle(struct linux_machine *m)
{
	uint64_t first, last;

	pgw_format_region_range(m->format, PGW_REGION_KERNEL, &first, &last);
	for (unsigned i = 0; i < 4; i++)
		linux_map(m, linux_pa(m, LINUX_SWAPPER),
			  first + (last - first) / 2 + 1 + i * m->page,
			  linux_pa(m, LINUX_USER_PAGE - 8 + i), DESC_UXNTABLE,
			  m->is_arm64 ? DESC_AF | DESC_UXN : RISCV_RWX);
}

/* Has the root slots for three ranges? */
static bool has_room(const struct pgw_format *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);

	return geo->slots_lg2[geo->top_level] > 2;
}

static void run_linux(const struct pgw_format *format, bool has_text)
{
	struct linux_machine m;
	struct pgw_root_info root;
	uint64_t holes[3];

	linux_init(&m, format, 0);
	if (has_text)
		linux_note(&m, linux_text(&m));
	if (!m.is_arm64) {
		memcpy(m.ram + LINUX_KERNEL * m.page + 0x30, "RISCV\0\0\0", 8);
		memcpy(m.ram + LINUX_KERNEL * m.page + 0x38, "RSC\x05", 4);
	}
	map_middle(&m);
	for (unsigned i = 0; i < 2; i++)
		linux_process(&m, i);
	find_holes(&m, holes);
	m.image = open_without(&m.elf, m.base, m.ram, LINUX_PAGES * m.page, m.page, holes);
	if (pgw_image_kernel_root(m.image, &root, NULL))
		fail_msg("%s: no kernel root", pgw_format_name(format));
	assert_int_equal(root.root.pa, linux_pa(&m, LINUX_SWAPPER));
	assert_string_equal(pgw_format_name(root.format), pgw_format_name(format));
	assert_int_equal(root.proof, PGW_PROOF_PARTIAL);
	assert_int_equal(root.state, PGW_ROOT_KERNEL);
	assert_int_equal(nr_roots(m.image), 3);
	check_partial(m.image, root.root.pa, PGW_ROOT_KERNEL, m.is_arm64 ? 1 : 3, 2);
	linux_fini(&m);
}

static void test_partial__arm64_and_riscv64_each_format(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		if ((strcmp(pgw_format_arch(format), "arm64") != 0 &&
		     strcmp(pgw_format_arch(format), "riscv64") != 0) ||
		    !has_room(format))
			continue;
		run_linux(format, true);
		run_linux(format, false);
	}
}

/* The processes are there, the kernel's root is not. */
static void test_partial__arm64_without_the_kernels_root(void **state)
{
	struct linux_machine m;
	struct pgw_root_info root;
	struct pgw_error err;
	uint64_t process;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	linux_note(&m, linux_text(&m));
	process = linux_process(&m, 0);
	m.image = open_without(&m.elf, m.base, m.ram, LINUX_PAGES * m.page, m.page,
			       (uint64_t[]){ linux_pa(&m, LINUX_SWAPPER), 0 });
	assert_int_equal(nr_roots(m.image), 2);
	assert_int_equal(find_root(m.image, process)->state, PGW_ROOT_MAPPED);
	assert_int_equal(find_root(m.image, linux_pa(&m, LINUX_SWAPPER))->proof, PGW_PROOF_NONE);
	assert_int_equal(pgw_image_kernel_root(m.image, &root, &err), -PGW_ENOENT);
	assert_non_null(strstr(err.expected, "the image lacks it"));
	linux_fini(&m);
}

/* What a filter leaves of the kernel's root: nothing, or zeroes. */
static void lose_kernels_root(struct linux_machine *m, bool is_zeroed)
{
	uint64_t holes[2] = { linux_pa(m, LINUX_SWAPPER), 0 };

	if (is_zeroed) {
		memset(linux_word(m, holes[0]), 0, m->page);
		holes[0] = 0;
	}
	m->image = open_without(&m->elf, m->base, m->ram, LINUX_PAGES * m->page, m->page, holes);
}

/* A root that reads as zeroes is as lost as one that cannot be read. */
static void test_partial__arm64_the_kernels_root_is_zeroes(void **state)
{
	struct linux_machine m;
	struct pgw_root_info root;
	struct pgw_error err;
	uint64_t process;

	(void)state;
	linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
	linux_note(&m, linux_text(&m));
	process = linux_process(&m, 0);
	lose_kernels_root(&m, true);
	assert_int_equal(nr_roots(m.image), 2);
	assert_int_equal(find_root(m.image, process)->state, PGW_ROOT_MAPPED);
	assert_int_equal(pgw_image_kernel_root(m.image, &root, &err), -PGW_ENOENT);
	assert_non_null(strstr(err.expected, "the image has zeroes there"));
	linux_fini(&m);
}

/* Before 5.13 nothing marks their tables; without the kernel's the release says that it is so. */
static void test_partial__arm64_early_without_the_kernels_root(void **state)
{
	struct linux_machine m;
	char text[512];

	(void)state;
	for (unsigned minor = 12; minor <= 13; minor++) {
		uint64_t process;

		linux_init(&m, pgw_format_by_name("arm64-4k-48"), 0);
		process = linux_process(&m, 0);
		for (uint64_t pa = m.base; pa < linux_pa(&m, LINUX_PAGES); pa += 8) {
			if ((*linux_word(&m, pa) & 0xfff) == 3)
				*linux_word(&m, pa) &= ~(DESC_PXNTABLE | DESC_UXNTABLE);
		}
		snprintf(text, sizeof(text), "OSRELEASE=5.%u.0\n%s", minor,
			 strchr(linux_text(&m), '\n') + 1);
		linux_note(&m, text);
		lose_kernels_root(&m, false);
		assert_int_equal(nr_roots(m.image), minor == 12 ? 2 : 1);
		assert_int_equal(find_root(m.image, process) != NULL, minor == 12);
		linux_fini(&m);
	}
}

/* Neither the kernel's root nor a text: their own looks tell the processes, and the format. */
static void test_partial__arm64_nothing_but_processes(void **state)
{
	/* Those that Linux has. One of 52 bits is read like this where the hardware has 48. */
	static const char *const formats[] = {
		"arm64-4k-39",  "arm64-4k-48",       "arm64-4k-52-lpa2", "arm64-16k-36",
		"arm64-16k-47", "arm64-16k-52-lpa2", "arm64-64k-42",     "arm64-64k-52-lpa",
	};

	(void)state;
	for (size_t i = 0; i < 2 * PGW_ARRAY_SIZE(formats); i++) {
		struct linux_machine m;
		uint64_t processes[2];

		linux_init(&m, pgw_format_by_name(formats[i / 2]), 0);
		for (unsigned n = 0; n < 2; n++)
			processes[n] = linux_process(&m, n);
		lose_kernels_root(&m, i % 2);
		if (nr_roots(m.image) != 2)
			fail_msg("%s: %zu roots", formats[i / 2], nr_roots(m.image));
		for (unsigned n = 0; n < 2; n++) {
			const struct pgw_root_info *root = find_root(m.image, processes[n]);

			assert_non_null(root);
			assert_string_equal(pgw_format_name(root->format), formats[i / 2]);
			assert_int_equal(root->proof, PGW_PROOF_NONE);
			assert_true(root->has_user && !root->has_kernel);
		}
		linux_fini(&m);
	}
}

/* A real dump, of which the file has no more than its first bytes. */
struct cut_root {
	uint64_t pa;
	uint64_t nr_leaves; /* in both halves, if it has both; counted at each place */
	uint64_t nr_missing;
};

struct cut_image {
	const char *name;
	uint64_t size;
	uint64_t kernel, nr_leaves, nr_missing; /* the default: its kernel half */
	const char *format;
	struct cut_root roots[12];
};

#define CUT_ARM64                                                                                  \
	0x41858000, 4656, 3, "arm64-4k-48",                                                        \
	{                                                                                          \
		{ 0x41858000, 4656, 3 }, { 0x42e56000, 313, 0 }, { 0x42e9d000, 307, 0 },           \
			{ 0x48032000, 173, 0 },                                                    \
	}
#define CUT_RISCV64                                                                                \
	0x80c9e000, 1667, 2, "riscv-sv57",                                                         \
	{                                                                                          \
		{ 0x80c9e000, 1667, 2 }, { 0x812aa000, 1780, 2 }, { 0x812bc000, 1753, 2 },         \
			{ 0x812de000, 1753, 2 }, { 0x812ef000, 1753, 2 },                          \
	}

/* By a walker that shares no code with ours, over what is in the file. */
static const struct cut_image cut_images[] = {
	{ "x86_64-la48-debian.elf",
	  314572800,
	  0x25fe000,
	  920,
	  6,
	  "x86_64-la48",
	  { { 0x25fe000, 920, 8 },
	    { 0x25fc000, 1096, 8 },
	    { 0x261c000, 920, 8 },
	    { 0x1064000, 920, 6 },
	    { 0x1104000, 920, 6 },
	    { 0x1834000, 920, 6 },
	    { 0x184c000, 920, 6 },
	    { 0x2618000, 920, 6 },
	    { 0x261a000, 920, 6 },
	    { 0x261e000, 920, 6 } } },
	{ "arm64-4k-48-debian.elf", 429502108, CUT_ARM64 },
	{ "arm64-4k-48-debian.elf", 268438817, CUT_ARM64 },
	{ "riscv64-sv57.elf", 214798447, CUT_RISCV64 },
	{ "riscv64-sv57.elf", 134249029, CUT_RISCV64 },
};

/* The image as if its file ended there; without a copy of it. */
static void cut(struct pgw_image *image, uint64_t size)
{
	struct source_segment segments[16];
	size_t nr = image->source.memory.nr_ranges;

	assert_true(nr <= PGW_ARRAY_SIZE(segments));
	for (size_t i = 0; i < nr; i++) {
		const struct source_range *range = &image->source.memory.ranges[i];
		uint64_t claimed = range->last - range->first + 1;
		uint64_t left = range->offset < size ? size - range->offset : 0;

		segments[i] = (struct source_segment){
			.pa = range->first,
			.size = claimed,
			.file_size = left < claimed ? left : claimed,
			.offset = range->offset,
		};
	}
	assert_int_equal(source_lay_out(&image->source, segments, nr), 0);
	image->info.readable_bytes = image->source.info.readable_bytes;
	image->info.unreadable_bytes = image->source.info.unreadable_bytes;
	image->info.truncated = true;
}

static int count_nothing(const struct pgw_extent *extent, void *arg)
{
	(void)extent;
	(void)arg;
	return 0;
}

static uint64_t count_leaves(struct pgw_image *image, const struct pgw_root_info *root,
			     enum pgw_region_kind kind)
{
	const struct pgw_region *region = pgw_format_region(root->format, kind);
	struct pgw_scan_stats stats = { 0 };
	struct pt tree;

	image_tree(image, root, region, &tree);
	assert_int_equal(pt_ops(&tree)->scan(&tree, region->first, region->last, count_nothing,
					     NULL, &stats),
			 0);
	return stats.nr_leaves;
}

static void check_cut(struct pgw_image *image, const struct cut_image *known)
{
	struct pgw_root_info root;
	uint64_t nr;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, known->kernel);
	assert_int_equal(root.proof, PGW_PROOF_PARTIAL);
	assert_string_equal(pgw_format_name(root.format), known->format);
	assert_int_equal(count_leaves(image, &root, PGW_REGION_KERNEL), known->nr_leaves);
	assert_int_equal(pgw_image_missing_tables(image, &root, 1 << PGW_REGION_KERNEL, &nr), 0);
	assert_int_equal(nr, known->nr_missing);
	for (const struct cut_root *want = known->roots; want->pa; want++) {
		const struct pgw_root_info *found = find_root(image, want->pa);

		assert_non_null(found);
		nr = found->has_user ? count_leaves(image, found, PGW_REGION_USER) : 0;
		nr += found->has_kernel ? count_leaves(image, found, PGW_REGION_KERNEL) : 0;
		assert_int_equal(nr, want->nr_leaves);
		assert_int_equal(found->nr_missing, want->nr_missing);
	}
}

static void test_partial__real_dumps_that_were_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(cut_images); i++) {
		const char *path = shared_image(cut_images[i].name);
		struct pgw_image *image;

		if (!path)
			skip();
		assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
		cut(image, cut_images[i].size);
		check_cut(image, &cut_images[i]);
		pgw_image_close(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels__both_are_listed_with_their_roots),
		cmocka_unit_test(test_kernels__of_pv_guests_are_where_their_texts_do_not_say),
		cmocka_unit_test(test_kernels__elsewhere_than_a_text_says_are_none_without_xen),
		cmocka_unit_test(test_kernels__the_options_name_one),
		cmocka_unit_test(test_kernels__a_release_of_two_names_none),
		cmocka_unit_test(test_kernels__a_note_of_one_does_not_hide_the_other),
		cmocka_unit_test(test_kernels__those_that_run_are_known_without_asking),
		cmocka_unit_test(test_kernels__a_given_text_chooses),
		cmocka_unit_test(test_vmcoreinfo__what_can_be_read),
		cmocka_unit_test(test_vmcoreinfo__one_that_does_not_fit_is_told),
		cmocka_unit_test(test_partial__x86_64_the_kernels_root_is_there),
		cmocka_unit_test(test_partial__x86_64_the_kernels_root_is_not),
		cmocka_unit_test(test_partial__a_whole_proof_stays_whole),
		cmocka_unit_test(test_partial__one_root_does_not_agree_with_itself),
		cmocka_unit_test(test_partial__arm64_and_riscv64_each_format),
		cmocka_unit_test(test_partial__arm64_without_the_kernels_root),
		cmocka_unit_test(test_partial__arm64_the_kernels_root_is_zeroes),
		cmocka_unit_test(test_partial__arm64_early_without_the_kernels_root),
		cmocka_unit_test(test_partial__arm64_nothing_but_processes),
		cmocka_unit_test(test_partial__real_dumps_that_were_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
