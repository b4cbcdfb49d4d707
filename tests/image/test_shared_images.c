/* SPDX-License-Identifier: BSD-2-Clause */
/* Real dumps: what is found in them, against what QEMU and their own kernels said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/image.h>

#include "common/shared_images.h"

#define MAX_ROOTS 32

/* A root that must be there: the letter of its state, k r m e t. */
struct known_root {
	uint64_t pa;
	char state;
};

struct known_image {
	const char *name;
	const char *arch;
	const char *writer;
	uint64_t nr_segments, readable_bytes;
	const char *osrelease; /* NULL: no VMCOREINFO in it */
	uint64_t vmcoreinfo_pa;
	const char *format;
	uint64_t kernel_root;
	bool has_kpti;                      /* each root but the trampoline's is a pair */
	bool has_console;                   /* the guest printed its page tables */
	struct known_root roots[MAX_ROOTS]; /* by self-map */
	size_t nr_markers;
};

static const struct known_image la48_debian = {
	.name = "x86_64-la48-debian",
	.arch = "x86_64",
	.writer = "QEMU",
	.nr_segments = 4,
	.readable_bytes = 0x21020000,
	.osrelease = "6.1.0-56-amd64",
	.vmcoreinfo_pa = 0x11e8000,
	.format = "x86_64-la48",
	.kernel_root = 0x17010000,
	.roots = { { 0x9c000, 't' },
		   { 0x1064000, 'e' },
		   { 0x1104000, 'e' },
		   { 0x1834000, 'e' },
		   { 0x184c000, 'e' },
		   { 0x25fc000, 'm' },
		   { 0x25fe000, 'r' },
		   { 0x2618000, 'e' },
		   { 0x261a000, 'e' },
		   { 0x261c000, 'm' },
		   { 0x261e000, 'e' },
		   { 0x16402000, 'e' },
		   { 0x16f40000, 'e' },
		   { 0x17010000, 'k' },
		   { 0x1ff50000, 'e' } },
	.nr_markers = 13,
};

static const struct known_image la48_pti = {
	.name = "x86_64-la48-pti",
	.arch = "x86_64",
	.writer = "QEMU",
	.nr_segments = 4,
	.readable_bytes = 0x11020000,
	.osrelease = "6.1.192",
	.vmcoreinfo_pa = 0x1e6000,
	.format = "x86_64-la48",
	.kernel_root = 0xda0a000,
	.has_kpti = true,
	.has_console = true,
	.roots = { { 0x9c000, 't' },
		   { 0x148000, 'e' },
		   { 0x516000, 'm' },
		   { 0x52a000, 'm' },
		   { 0x52e000, 'r' },
		   { 0x6b6000, 'r' },
		   { 0xda0a000, 'k' } },
	.nr_markers = 10,
};

static const struct known_image la57_pti = {
	.name = "x86_64-la57-pti",
	.arch = "x86_64",
	.writer = "QEMU",
	.nr_segments = 4,
	.readable_bytes = 0x11020000,
	.osrelease = "6.1.192",
	.vmcoreinfo_pa = 0x1da000,
	.format = "x86_64-la57",
	.kernel_root = 0x940a000,
	.has_kpti = true,
	.has_console = true,
	.roots = { { 0x9c000, 't' },
		   { 0x13c000, 'e' },
		   { 0x6aa000, 'r' },
		   { 0x6ae000, 'm' },
		   { 0x6b2000, 'm' },
		   { 0x6b6000, 'r' },
		   { 0x940a000, 'k' } },
	.nr_markers = 10,
};

/* Without registers. All their roots are in tests/data/roots, and are looked at there. */
static const struct known_image others[] = {
	{ .name = "arm64-4k-48",
	  .arch = "arm64",
	  .writer = "unknown",
	  .nr_segments = 1,
	  .readable_bytes = 1 << 28,
	  .format = "arm64-4k-48",
	  .kernel_root = 0x404bc000 },
	{ .name = "arm64-16k-47",
	  .arch = "arm64",
	  .writer = "unknown",
	  .nr_segments = 1,
	  .readable_bytes = 1 << 28,
	  .format = "arm64-16k-47",
	  .kernel_root = 0x404c8000 },
	{ .name = "arm64-4k-48-debian",
	  .arch = "arm64",
	  .writer = "unknown",
	  .nr_segments = 1,
	  .readable_bytes = 1 << 29,
	  .osrelease = "6.1.0-56-arm64",
	  .vmcoreinfo_pa = 0x4270c000,
	  .format = "arm64-4k-48",
	  .kernel_root = 0x41858000 },
	{ .name = "arm64-16k-52-lpa2-debian",
	  .arch = "arm64",
	  .writer = "unknown",
	  .nr_segments = 1,
	  .readable_bytes = 1 << 29,
	  .osrelease = "7.2.13+deb14-arm64-16k",
	  .vmcoreinfo_pa = 0x448e8000,
	  .format = "arm64-16k-52-lpa2",
	  .kernel_root = 0x42738000 },
	{ .name = "riscv64-sv57",
	  .arch = "riscv64",
	  .writer = "unknown",
	  .nr_segments = 2,
	  .readable_bytes = (1 << 28) + 0xf000,
	  .osrelease = "6.1.192",
	  .vmcoreinfo_pa = 0x81058000,
	  .format = "riscv-sv57",
	  .kernel_root = 0x80c9e000 },
};

static const char *shared_file(const char *image, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", image, suffix);
	return shared_image(name);
}

/* NULL: the dump is not there. */
static struct pgw_image *open_shared(const char *name)
{
	const char *path = shared_file(name, ".elf");
	struct pgw_image *image;

	if (!path)
		return NULL;
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	return image;
}

static void check_info(struct pgw_image *image, const struct known_image *known)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);

	assert_string_equal(info->kind, "elf-core");
	assert_string_equal(info->arch, known->arch);
	assert_string_equal(info->writer, known->writer);
	assert_int_equal(info->nr_segments, known->nr_segments);
	assert_int_equal(info->nr_ranges, known->nr_segments);
	assert_int_equal(info->readable_bytes, known->readable_bytes);
	assert_int_equal(info->unreadable_bytes, 0);
	assert_int_equal(info->nr_overlaps, 0);
	assert_false(info->truncated);
	assert_int_equal(info->nr_cpus, 2);
}

static void check_vmcoreinfo(struct pgw_image *image, const struct known_image *known)
{
	const struct pgw_vmcoreinfo *texts;
	const char *value;
	size_t nr, size;

	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, known->osrelease ? 1 : 0);
	if (!known->osrelease)
		return;
	assert_int_equal(texts[0].source, PGW_VMCOREINFO_RAM);
	assert_int_equal(texts[0].pa, known->vmcoreinfo_pa);
	assert_true(pgw_vmcoreinfo_get(&texts[0], "OSRELEASE", &value, &size));
	assert_int_equal(size, strlen(known->osrelease));
	assert_memory_equal(value, known->osrelease, size);
	assert_int_equal(texts[0].text[texts[0].size - 1], '\n');
}

/* The value behind NAME= in a line of QEMU's "info registers". */
static uint64_t register_in(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 16);
}

static void check_registers(struct pgw_image *image, const struct known_image *known)
{
	const char *path = shared_file(known->name, ".registers.txt");
	FILE *file = path ? fopen(path, "r") : NULL;
	struct pgw_cpu cpu = { 0 };
	unsigned index = 0, nr_checked = 0, selector, limit, flags;
	char line[512];
	uint64_t base;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CPU#%u", &index) == 1) {
			assert_int_equal(pgw_image_cpu(image, index, &cpu), 0);
			assert_int_equal(cpu.known, PGW_CPU_X86_CR);
		} else if (sscanf(line, "CS =%x %" SCNx64 " %x %x", &selector, &base, &limit,
				  &flags) == 4) {
			assert_int_equal(cpu.cs_flags, flags);
			nr_checked++;
		} else if (strncmp(line, "IDT=", 4) == 0) {
			assert_int_equal(cpu.idt_base, register_in(line, "IDT="));
			nr_checked++;
		} else if (strncmp(line, "CR0=", 4) == 0) {
			assert_int_equal(cpu.cr0, register_in(line, "CR0="));
			assert_int_equal(cpu.cr3, register_in(line, "CR3="));
			assert_int_equal(cpu.cr4, register_in(line, "CR4="));
			nr_checked++;
		}
	}
	fclose(file);
	assert_int_equal(nr_checked, 3 * 2);
}

static void check_kernel_root(struct pgw_image *image, const struct known_image *known,
			      uint32_t found)
{
	struct pgw_root_info root;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, known->kernel_root);
	assert_string_equal(pgw_format_name(root.format), known->format);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(root.state, PGW_ROOT_KERNEL);
	assert_int_equal(root.found & ~(uint32_t)PGW_ROOT_FROM_CPU, found | PGW_ROOT_FROM_SELF_MAP);
	assert_int_equal(root.has_twin, known->has_kpti);
	if (known->has_kpti)
		assert_int_equal(root.twin.pa, known->kernel_root + 0x1000);
}

static enum pgw_root_state state_of(char letter)
{
	return letter == 'k'   ? PGW_ROOT_KERNEL
	       : letter == 'r' ? PGW_ROOT_RUNNING
	       : letter == 'm' ? PGW_ROOT_MAPPED
	       : letter == 'e' ? PGW_ROOT_EMPTY
			       : PGW_ROOT_TRAMPOLINE;
}

static void check_twin(const struct pgw_root_info *root, const struct pgw_root_info *twin)
{
	assert_true(root->has_twin && twin->has_twin);
	assert_int_equal(twin->root.pa, root->root.pa + 0x1000);
	assert_int_equal(root->twin.pa, twin->root.pa);
	assert_int_equal(twin->twin.pa, root->root.pa);
	assert_true(twin->is_kpti_user && !root->is_kpti_user);
	assert_int_equal(twin->found, PGW_ROOT_FROM_KPTI);
	assert_int_equal(twin->state, root->state);
	assert_int_equal(twin->cpus, root->cpus);
	assert_int_equal(twin->proof, PGW_PROOF_NONE);
}

static void check_roots(struct pgw_image *image, const struct known_image *known)
{
	const struct pgw_root_info *list;
	size_t nr, at = 0;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	for (size_t i = 0; i < MAX_ROOTS && known->roots[i].state; i++, at++) {
		const struct pgw_root_info *root = &list[at];

		assert_true(at < nr);
		assert_int_equal(root->root.pa, known->roots[i].pa);
		assert_int_equal(root->state, state_of(known->roots[i].state));
		assert_int_equal(root->proof, PGW_PROOF_PASSED);
		assert_true(root->found & PGW_ROOT_FROM_SELF_MAP);
		assert_string_equal(pgw_format_name(root->format), known->format);
		if (known->has_kpti && root->state != PGW_ROOT_TRAMPOLINE)
			check_twin(root, &list[++at]);
		else
			assert_false(root->has_twin || root->is_kpti_user);
	}
	assert_int_equal(at, nr);
}

/* Each CPU's root: CR3 as QEMU printed it, and marked as running in the list. */
static void check_cpu_roots(struct pgw_image *image)
{
	const struct pgw_root_info *list;
	size_t nr;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct pgw_root_info root;
		struct pgw_cpu cpu;
		unsigned nr_running = 0;

		assert_int_equal(pgw_image_cpu(image, i, &cpu), 0);
		assert_int_equal(pgw_image_cpu_root(image, i, &root), 0);
		assert_int_equal(root.root.pa, cpu.cr3);
		for (size_t j = 0; j < nr; j++) {
			if (!(list[j].cpus >> i & 1))
				continue;
			nr_running++;
			assert_true(list[j].root.pa == cpu.cr3 || list[j].twin.pa == cpu.cr3);
			assert_int_equal(list[j].found & PGW_ROOT_FROM_CPU ? 1 : 0,
					 list[j].root.pa == cpu.cr3);
		}
		assert_int_equal(nr_running, root.has_twin ? 2 : 1);
	}
}

/* The kernel printed a banner at each marker: the same names in the same order. */
static void check_banners(const struct known_image *known, const struct pgw_marker *list, size_t nr)
{
	const char *path = shared_file(known->name, ".guest-console.txt");
	FILE *file = path ? fopen(path, "r") : NULL;
	char line[512], banner[128];
	bool is_inside = false;
	size_t at = 0;

	assert_int_equal(file != NULL, known->has_console);
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "BEGIN ", 6) == 0)
			is_inside = strstr(line, "page_tables/kernel") != NULL;
		else if (strncmp(line, "END ", 4) == 0)
			is_inside = false;
		if (!is_inside || sscanf(line, "---[ %127[^]] ]---", banner) != 1)
			continue;
		banner[strlen(banner) - 1] = 0; /* the blank before the bracket */
		assert_true(at < nr);
		assert_string_equal(list[at++].name, banner);
	}
	fclose(file);
	assert_int_equal(at, nr);
}

static void check_markers(struct pgw_image *image, const struct known_image *known)
{
	const struct pgw_marker *list;
	struct pgw_root_info root;
	size_t nr;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(pgw_image_markers(image, &root, &list, &nr), 0);
	assert_int_equal(nr, known->nr_markers);
	assert_string_equal(list[0].name, "User Space");
	assert_int_equal(list[1].va, UINT64_C(0x8000000000000000));
	assert_string_equal(list[nr - 1].name, "Fixmap Area");
	check_banners(known, list, nr);
}

static void check_x86_64(const struct known_image *known)
{
	struct pgw_image *image = open_shared(known->name);

	if (!image)
		skip();
	check_info(image, known);
	/* At first by what a CPU has loaded; once memory was looked through, by what it says. */
	check_kernel_root(image, known, PGW_ROOT_FROM_LEVEL3);
	check_registers(image, known);
	check_vmcoreinfo(image, known);
	check_kernel_root(image, known, PGW_ROOT_FROM_VMCOREINFO_RAM);
	check_roots(image, known);
	check_cpu_roots(image);
	check_markers(image, known);
	pgw_image_close(image);
}

static void test_shared__x86_64_la48_debian(void **state)
{
	(void)state;
	check_x86_64(&la48_debian);
}

static void test_shared__x86_64_la48_pti(void **state)
{
	(void)state;
	check_x86_64(&la48_pti);
}

static void test_shared__x86_64_la57_pti(void **state)
{
	(void)state;
	check_x86_64(&la57_pti);
}

static void check_other(const struct known_image *known)
{
	struct pgw_image *image = open_shared(known->name);

	if (!image)
		skip();
	check_info(image, known);
	check_vmcoreinfo(image, known);
	check_kernel_root(image, known,
			  known->osrelease ? PGW_ROOT_FROM_VMCOREINFO_RAM
					   : PGW_ROOT_FROM_TABLE_BITS);
	pgw_image_close(image);
}

static void test_shared__arm64_4k_48(void **state)
{
	(void)state;
	check_other(&others[0]);
}

static void test_shared__arm64_16k_47(void **state)
{
	(void)state;
	check_other(&others[1]);
}

static void test_shared__arm64_4k_48_debian(void **state)
{
	(void)state;
	check_other(&others[2]);
}

static void test_shared__arm64_16k_52_lpa2_debian(void **state)
{
	(void)state;
	check_other(&others[3]);
}

static void test_shared__riscv64_sv57(void **state)
{
	(void)state;
	check_other(&others[4]);
}

/* Resident memory, in KiB. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size, pages;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &size, &pages), 2);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Searching all memory of the largest image must not make it resident. */
static void test_shared__searches_keep_memory_small(void **state)
{
	const struct pgw_root_info *list;
	const struct pgw_marker *markers;
	struct pgw_image *image;
	long before;
	size_t nr;

	(void)state;
	image = open_shared(la48_debian.name);
	if (!image)
		skip();
	before = resident();
	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	assert_true(nr > 0);
	assert_int_equal(pgw_image_markers(image, &list[0], &markers, &nr), 0);
	print_message("%ld KiB more\n", resident() - before);
	assert_true(resident() - before < 32 << 10);
	pgw_image_close(image);
}

/* The small image in the tree, cut from la48-pti: same roots, less memory. */
static void test_bundled__small_image_has_the_roots(void **state)
{
	const char *tree = getenv("PGW_SOURCE_ROOT");
	struct pgw_image *image;
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/data/x86_64-la48-pti.small.elf", tree ? tree : ".");
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	assert_true(pgw_image_get_info(image)->unreadable_bytes > 0);
	check_kernel_root(image, &la48_pti, PGW_ROOT_FROM_LEVEL3);
	check_vmcoreinfo(image, &la48_pti);
	check_kernel_root(image, &la48_pti, PGW_ROOT_FROM_VMCOREINFO_RAM);
	check_roots(image, &la48_pti);
	check_cpu_roots(image);
	pgw_image_close(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bundled__small_image_has_the_roots),
		cmocka_unit_test(test_shared__x86_64_la48_debian),
		cmocka_unit_test(test_shared__x86_64_la48_pti),
		cmocka_unit_test(test_shared__x86_64_la57_pti),
		cmocka_unit_test(test_shared__arm64_4k_48),
		cmocka_unit_test(test_shared__arm64_16k_47),
		cmocka_unit_test(test_shared__arm64_4k_48_debian),
		cmocka_unit_test(test_shared__arm64_16k_52_lpa2_debian),
		cmocka_unit_test(test_shared__riscv64_sv57),
		cmocka_unit_test(test_shared__searches_keep_memory_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
