/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Real dumps of i386, s390x, ppc64, loongarch64 and arm machines, and of firmware, against QEMU's own
 * translations (gva2gpa, info tlb, info mem) and the guest's /proc/PID/pagemap, from roots that
 * QEMU's registers named.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>

#include "base/bits.h"
#include "common/shared_images.h"
#include "common/ways.h"

/* What lies beside an image, and what is known of it. README.md there has the numbers. */
struct known {
	const char *name;
	const char *format;
	uint64_t user_root, kernel_root;
	uint64_t prefix; /* s390x: of the CPU, whose real addresses from 0 on are there */
	unsigned nr_gva; /* answers of gva2gpa */
	unsigned nr_pages;
	/* pages of pagemap that the MMU does not see: old ones, and those of PROT_NONE */
	unsigned nr_kept;
	bool is_x86;
	const char *stop; /* of info tlb and info mem; NULL: "user" */
	bool is_cut;      /* the tables alone, in tests/data */
	/* gva2gpa reads as the CPU would: what the mode may not read is not mapped. */
	bool reads;
	bool is_closed; /* in the kernel's mode the AMR kept it from users' pages (gdbregs.txt) */
	const char *kernel_format;         /* NULL: the same */
	uint32_t domains[_PGW_REGION_MAX]; /* arm-short: DACR, by the mode */
	bool has_copies; /* arm-short: Linux's own entries lie 2 KiB before the hardware's */
};

static const struct known i386_pae = {
	.name = "arch/i386-pae",
	.format = "i386-pae",
	.user_root = 0x2212640,
	.kernel_root = 0x2212640,
	.nr_gva = 896,
	.nr_pages = 686,
	.nr_kept = 1,
	.is_x86 = true,
};

static const struct known i386_nopae = {
	.name = "arch/i386-nopae",
	.format = "i386",
	.user_root = 0x1cdc000,
	.kernel_root = 0x1cdc000,
	.nr_gva = 896,
	.nr_pages = 686,
	.nr_kept = 1,
	.is_x86 = true,
};

static const struct known s390x_61 = {
	.name = "arch/s390x-61",
	.format = "s390x-42",
	.user_root = 0x26c0000,
	.kernel_root = 0x1290000,
	.prefix = 0x197c000,
	.nr_gva = 1326,
	.nr_pages = 1073,
	.nr_kept = 12,
};

static const struct known ppc64_radix64k = {
	.name = "arch/ppc64-radix64k",
	.format = "ppc64-radix",
	.user_root = 0x4650000, /* entry 5 of the process table, by PIDR */
	.kernel_root = 0x2740000,
	.nr_gva = 958,
	.nr_pages = 302,
	.reads = true,
	.is_closed = true,
};

static const struct known ppc64_radix64k_cut = {
	.name = "arch/ppc64-radix64k",
	.format = "ppc64-radix",
	.user_root = 0x4650000,
	.kernel_root = 0x2740000,
	.nr_gva = 958,
	.nr_pages = 302,
	.reads = true,
	.is_closed = true,
	.is_cut = true,
};

static const struct known loong64 = {
	.name = "arch/loong64",
	.format = "loongarch64-16k-47",
	.user_root = 0x6ec4000, /* PGDL, PGDH */
	.kernel_root = 0x1b20000,
	.nr_gva = 1080,
	.nr_pages = 144,
	.nr_kept = 1,
	.reads = true,
};

static const struct known loong64_cut = {
	.name = "arch/loong64",
	.format = "loongarch64-16k-47",
	.user_root = 0x6ec4000,
	.kernel_root = 0x1b20000,
	.nr_gva = 1080,
	.nr_pages = 144,
	.nr_kept = 1,
	.reads = true,
	.is_cut = true,
};

/* TTBCR = 0xb5023500: TTBR0 has 32 bits, TTBR1 30. */
#define ARMHF_LPAE                                                                                 \
	.name = "arch/armhf-lpae", .format = "arm-lpae", .kernel_format = "arm-lpae-30",           \
	.user_root = 0x4250c240, .kernel_root = 0x40207000, .reads = true, .nr_gva = 1350,         \
	.nr_pages = 635, .nr_kept = 1

/* DACR differs by the mode: the kernel keeps itself off users' pages. */
#define ARMHF_SHORT                                                                                \
	.name = "arch/armhf-short", .format = "arm-short", .user_root = 0x41d08000,                \
	.kernel_root = 0x41d08000, .reads = true, .domains = { 0x55, 0x51 }, .has_copies = true,   \
	.nr_gva = 1346, .nr_pages = 505, .nr_kept = 6

static const struct known armhf_lpae = { ARMHF_LPAE };
static const struct known armhf_lpae_cut = { ARMHF_LPAE, .is_cut = true };
static const struct known armhf_short = { ARMHF_SHORT };
static const struct known armhf_short_cut = { ARMHF_SHORT, .is_cut = true };

/* EDK II at the shell: one identity map. */
static const struct known ovmf = {
	.name = "arch/ovmf",
	.format = "x86_64-la48",
	.user_root = 0x7801000,
	.kernel_root = 0x7801000,
	.nr_gva = 442,
	.is_x86 = true,
	.stop = "any",
};

struct state {
	const struct known *known;
	struct pgw_image *image;
	struct pgw_mm *mm[_PGW_REGION_MAX];
	struct pgw_translate_cursor cursor[_PGW_REGION_MAX];
};

static const char *find_file(const struct known *known, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", known->name, suffix);
	return known->is_cut ? data_image(name) : shared_image(name);
}

static FILE *open_beside(const struct known *known, const char *suffix)
{
	const char *path = find_file(known, suffix);
	FILE *file;

	assert_non_null(path);
	file = fopen(path, "r");
	assert_non_null(file);
	return file;
}

static void attach(struct state *state, enum pgw_region_kind region, uint64_t root)
{
	const struct known *known = state->known;
	bool is_kernel = region == PGW_REGION_KERNEL && known->kernel_format;
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name(is_kernel ? known->kernel_format : known->format),
		.phys = pgw_image_phys(state->image),
		.root = { .pa = root },
		.region = region,
	};

	assert_int_equal(pgw_mm_attach(&args, &state->mm[region]), 0);
	assert_int_equal(pgw_translate_cursor_init(&state->cursor[region], state->mm[region]), 0);
}

static int setup(void **arg)
{
	struct state *state = calloc(1, sizeof(*state));
	const char *path;

	if (!state)
		return -1;
	state->known = *arg;
	*arg = state;
	path = find_file(state->known, ".elf");
	if (!path)
		return 0;
	assert_int_equal(pgw_image_open(path, NULL, &state->image, NULL), 0);
	attach(state, PGW_REGION_USER, state->known->user_root);
	attach(state, PGW_REGION_KERNEL, state->known->kernel_root);
	return 0;
}

static int teardown(void **arg)
{
	struct state *state = *arg;

	for (size_t i = 0; i < _PGW_REGION_MAX; i++)
		pgw_mm_free(state->mm[i]);
	pgw_image_close(state->image);
	free(state);
	return 0;
}

static struct state *state_of(void **arg)
{
	struct state *state = *arg;

	if (!state->image)
		skip();
	return state;
}

/* Addresses that are in no table: as Linux sets up windows, and as the registers beside it say. */
static bool translate_window(const struct state *state, uint64_t va, struct pgw_translation *ret)
{
	struct pgw_window window;

	for (size_t i = 0; pgw_image_window(state->image, i, &window); i++) {
		if (!window.rights || va < window.first || va > window.last)
			continue;
		*ret = (struct pgw_translation){
			.kind = PGW_ENTRY_LEAF,
			.pa = va & window.pa_mask,
			.rights = window.rights,
		};
		return true;
	}
	return false;
}

/* What va means in a mode. False: no region has it. */
static bool translate(struct state *state, enum pgw_region_kind mode, uint64_t va,
		      struct pgw_translation *ret)
{
	const enum pgw_region_kind kinds[] = { mode, mode == PGW_REGION_USER ? PGW_REGION_KERNEL
									     : PGW_REGION_USER };

	/* Where each region has a root, the mode says which counts. */
	for (size_t i = 0; i < (state->known->is_x86 || state->known->reads ? 2 : 1); i++) {
		const struct pgw_region *region = pgw_mm_region(state->mm[kinds[i]]);

		if (va < region->first || va > region->last)
			continue;
		assert_true(ways_agree(state->mm[kinds[i]], &state->cursor[kinds[i]], va, ret));
		return true;
	}
	return translate_window(state, va, ret);
}

/* "Prefixing" swaps the first 8 KiB of real addresses with those at the CPU's prefix. */
static uint64_t absolute(const struct known *known, uint64_t real)
{
	if (real < 0x2000)
		return real + known->prefix;
	return known->prefix && real - known->prefix < 0x2000 ? real - known->prefix : real;
}

static bool may_read(const struct known *known, enum pgw_region_kind mode,
		     const struct pgw_translation *t)
{
	if (!known->reads || mode == PGW_REGION_USER)
		return !known->reads || (t->rights & PGW_USER_R);
	return (t->rights & PGW_KERNEL_R) && !(known->is_closed && (t->rights & PGW_USER_R));
}

/* Short descriptors: a domain whose DACR is not the mode's takes all away. */
static void set_domains(struct state *state, enum pgw_region_kind mode)
{
	static const enum pgw_region_kind kinds[] = { PGW_REGION_USER, PGW_REGION_KERNEL };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(kinds) && state->known->domains[mode]; i++) {
		const struct pgw_mm_attach_args args = {
			.platform = pgw_hosted_platform(),
			.format = pgw_format_by_name(state->known->format),
			.phys = pgw_image_phys(state->image),
			.root = { .pa = state->known->user_root },
			.region = kinds[i],
			.control = { .known = PGW_CTL_ARM_DOMAINS,
				     .domains = state->known->domains[mode] },
		};

		pgw_mm_free(state->mm[kinds[i]]);
		assert_int_equal(pgw_mm_attach(&args, &state->mm[kinds[i]]), 0);
		assert_int_equal(
			pgw_translate_cursor_init(&state->cursor[kinds[i]], state->mm[kinds[i]]),
			0);
	}
}

static void test_arch_images__gva2gpa(void **arg)
{
	struct state *state = state_of(arg);
	FILE *file = open_beside(state->known, ".gva2gpa.txt");
	unsigned nr = 0, nr_mapped = 0;
	char mode[16], answer[32];
	enum pgw_region_kind before = _PGW_REGION_MAX;
	uint64_t va;

	while (fscanf(file, " GVA %15s %" SCNx64 " %31s", mode, &va, answer) == 3) {
		enum pgw_region_kind region =
			strcmp(mode, "user") == 0 ? PGW_REGION_USER : PGW_REGION_KERNEL;
		struct pgw_translation t;
		bool is_mapped, expected = strcmp(answer, "unmapped") != 0;

		if (region != before)
			set_domains(state, region);
		before = region;
		is_mapped = translate(state, region, va, &t) && t.kind == PGW_ENTRY_LEAF &&
			    may_read(state->known, region, &t);

		if (is_mapped != expected ||
		    (is_mapped && absolute(state->known, t.pa) != strtoull(answer, NULL, 0)))
			fail_msg("%s mode, 0x%" PRIx64 ": %s", mode, va, answer);
		nr++;
		nr_mapped += is_mapped;
	}
	fclose(file);
	assert_int_equal(nr, state->known->nr_gva);
	assert_true(nr_mapped > nr / 8);
}

/* Of an entry that is not valid: does it keep the frame that the kernel says? PAE inverts it. */
static bool keeps_frame(uint64_t entry, uint64_t frame, unsigned page_lg2)
{
	const uint64_t field = BITS(35, page_lg2);

	return (entry & field) == frame << page_lg2 || (~entry & field) == frame << page_lg2;
}

/*
 * Short descriptors: of a page that is old, or may not be used, the hardware's entry is 0, and Linux's
 * copy has the frame (arch/arm/include/asm/pgtable-2level.h).
 */
static bool copy_keeps_frame(struct state *state, uint64_t va, uint64_t frame)
{
	struct pgw_translation t;
	struct pgw_path path = { 0 };
	uint8_t copy[4];
	uint64_t at;

	assert_int_equal(pgw_translate_path(state->mm[PGW_REGION_USER], va, &t, &path), 0);
	assert_int_equal(t.kind, PGW_ENTRY_EMPTY);
	assert_int_equal(t.level, 0);
	at = path.step[path.nr_steps - 1].item_pa - 2048;
	assert_int_equal(pgw_phys_read(pgw_image_phys(state->image), at, copy, sizeof(copy)), 0);
	return load_le32(copy) >> 12 == frame;
}

/* The process whose tables are loaded says so: "SPIN 79". */
static unsigned process_of(FILE *file)
{
	char line[4096];
	unsigned pid = 0;

	while (!pid && fgets(line, sizeof(line), file))
		sscanf(line, "SPIN %u", &pid);
	assert_true(pid);
	rewind(file);
	return pid;
}

/* Linux, Documentation/admin-guide/mm/pagemap.rst: bit 63 is "present", bits 54:0 the frame. */
static void test_arch_images__pagemap(void **arg)
{
	struct state *state = state_of(arg);
	FILE *file = open_beside(state->known, ".guest.txt");
	unsigned nr = 0, nr_kept = 0, pid, spin = process_of(file);
	unsigned page_lg2 =
		pgw_format_geometry(pgw_mm_format(state->mm[PGW_REGION_USER]))->granule_lg2;
	char line[4096];
	uint64_t va, entry;

	while (fgets(line, sizeof(line), file)) {
		struct pgw_translation t;

		if (sscanf(line, "PM %u %" SCNx64 " %" SCNx64, &pid, &va, &entry) != 3 ||
		    pid != spin)
			continue;
		nr++;
		assert_true(translate(state, PGW_REGION_USER, va, &t));
		if (!(entry >> 63)) {
			assert_int_not_equal(t.kind, PGW_ENTRY_LEAF);
			continue;
		}
		if (t.kind == PGW_ENTRY_LEAF) {
			assert_int_equal(t.pa >> page_lg2, entry & low_bits(55));
			continue;
		}
		if (state->known->has_copies) {
			assert_true(copy_keeps_frame(state, va, entry & low_bits(55)));
		} else {
			assert_int_equal(t.kind, PGW_ENTRY_ABSENT);
			assert_true(keeps_frame(t.entry, entry & low_bits(55), page_lg2));
		}
		nr_kept++;
	}
	fclose(file);
	assert_int_equal(nr, state->known->nr_pages);
	assert_int_equal(nr_kept, state->known->nr_kept);
}

static int add_bytes(const struct pgw_extent *extent, void *arg)
{
	assert_int_equal(extent->kind, PGW_ENTRY_LEAF);
	*(uint64_t *)arg += extent->va_last - extent->va_first + 1;
	return 0;
}

static uint64_t count_leaves(struct state *state, uint64_t *ret_bytes)
{
	static const enum pgw_region_kind kinds[] = { PGW_REGION_USER, PGW_REGION_KERNEL };
	uint64_t nr = 0;

	*ret_bytes = 0;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(kinds); i++) {
		const struct pgw_region *region = pgw_mm_region(state->mm[kinds[i]]);
		struct pgw_scan_stats stats;

		assert_int_equal(pgw_scan(state->mm[kinds[i]], region->first, region->last,
					  add_bytes, ret_bytes, &stats),
				 0);
		nr += stats.nr_leaves;
	}
	return nr;
}

/* The letters of `info tlb` from a raw entry: NX is bit 63 of the address, too. */
static void check_tlb_flags(const struct pgw_translation *t, const char *flags)
{
	static const struct {
		char letter;
		uint64_t bit;
	} letters[] = { { 'X', BIT(63) }, { 'G', BIT(8) }, { 'P', BIT(7) },
			{ 'D', BIT(6) },  { 'A', BIT(5) }, { 'C', BIT(4) },
			{ 'T', BIT(3) },  { 'U', BIT(2) }, { 'W', BIT(1) } };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(letters); i++) {
		bool is_set = t->entry & letters[i].bit;

		/* Of a small page bit 7 is PAT. */
		if (letters[i].letter == 'P' && t->level == 0)
			is_set = flags[i] == 'P';
		assert_int_equal(flags[i], is_set ? letters[i].letter : '-');
	}
}

static void check_info_tlb(struct state *state, const char *suffix)
{
	FILE *file = open_beside(state->known, suffix);
	uint64_t va, pa, nr = 0, bytes;
	char flags[32];

	while (fscanf(file, " %" SCNx64 ": %" SCNx64 " %31s", &va, &pa, flags) == 3) {
		struct pgw_translation t;

		assert_true(translate(state, PGW_REGION_USER, va, &t));
		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		assert_int_equal(t.va_first, va);
		assert_int_equal(t.pa, pa & ~BIT(63));
		/* qemu-system-i386 prints it so, qemu-system-x86_64 does not. */
		if (strncmp(state->known->format, "i386", 4) == 0)
			assert_int_equal(pa >> 63, t.entry >> 63);
		check_tlb_flags(&t, flags);
		nr++;
	}
	fclose(file);
	assert_int_equal(nr, count_leaves(state, &bytes));
}

/* What QEMU said of the CPU at the stop that the dump is of. */
static void test_arch_images__info_tlb(void **arg)
{
	struct state *state = state_of(arg);
	const char *stop = state->known->stop;
	char suffix[32];

	snprintf(suffix, sizeof(suffix), ".info_tlb.%s.txt", stop ? stop : "user");
	check_info_tlb(state, suffix);
}

/* Each page of the ranges is mapped with the rights that QEMU's walker combined, and no other is. */
static void test_arch_images__info_mem(void **arg)
{
	struct state *state = state_of(arg);
	FILE *file = open_beside(state->known, ".info_mem.user.txt");
	uint64_t first, end, size, bytes = 0, mapped;
	char rights[8];

	while (fscanf(file, " %" SCNx64 "-%" SCNx64 " %" SCNx64 " %7s", &first, &end, &size,
		      rights) == 4) {
		for (uint64_t va = first; va < end; va += 4096) {
			struct pgw_translation t;
			bool is_user, may_write;

			assert_true(translate(state, PGW_REGION_USER, va, &t));
			assert_int_equal(t.kind, PGW_ENTRY_LEAF);
			is_user = t.rights & PGW_USER_R;
			may_write = t.rights & (is_user ? PGW_USER_W : PGW_KERNEL_W);
			assert_int_equal(rights[0], is_user ? 'u' : '-');
			assert_int_equal(rights[2], may_write ? 'w' : '-');
		}
		bytes += size;
	}
	fclose(file);
	count_leaves(state, &mapped);
	assert_true(bytes > 64 << 20);
	assert_int_equal(bytes, mapped);
}

#define CASE(test, image)                                                                          \
	{                                                                                          \
		.name = #test " " #image, .test_func = test, .setup_func = setup,                  \
		.teardown_func = teardown, .initial_state = (void *)(size_t) & (image)             \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_arch_images__gva2gpa, i386_pae),
		CASE(test_arch_images__gva2gpa, i386_nopae),
		CASE(test_arch_images__gva2gpa, s390x_61),
		CASE(test_arch_images__gva2gpa, ppc64_radix64k),
		CASE(test_arch_images__gva2gpa, ppc64_radix64k_cut),
		CASE(test_arch_images__gva2gpa, loong64),
		CASE(test_arch_images__gva2gpa, loong64_cut),
		CASE(test_arch_images__gva2gpa, armhf_lpae),
		CASE(test_arch_images__gva2gpa, armhf_lpae_cut),
		CASE(test_arch_images__gva2gpa, armhf_short),
		CASE(test_arch_images__gva2gpa, armhf_short_cut),
		CASE(test_arch_images__pagemap, i386_pae),
		CASE(test_arch_images__pagemap, i386_nopae),
		CASE(test_arch_images__pagemap, s390x_61),
		CASE(test_arch_images__pagemap, ppc64_radix64k),
		CASE(test_arch_images__pagemap, ppc64_radix64k_cut),
		CASE(test_arch_images__pagemap, loong64),
		CASE(test_arch_images__pagemap, loong64_cut),
		CASE(test_arch_images__pagemap, armhf_lpae),
		CASE(test_arch_images__pagemap, armhf_lpae_cut),
		CASE(test_arch_images__pagemap, armhf_short),
		CASE(test_arch_images__pagemap, armhf_short_cut),
		CASE(test_arch_images__info_tlb, i386_pae),
		CASE(test_arch_images__info_tlb, i386_nopae),
		CASE(test_arch_images__gva2gpa, ovmf),
		CASE(test_arch_images__info_tlb, ovmf),
		CASE(test_arch_images__info_mem, i386_pae),
		CASE(test_arch_images__info_mem, i386_nopae),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
