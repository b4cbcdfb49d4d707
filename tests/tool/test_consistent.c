/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Dumps without an oracle of their page tables: what the tables say must agree
 * with what the kernel says of itself in its VMCOREINFO and on its console.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/pagewalk.h>

#include "common/shared_images.h"

/* struct new_utsname: six arrays of this size, the third is the release. */
#define UTS_SIZE 65
#define UTS_RELEASE (2 * UTS_SIZE)

struct subject {
	const char *name;
	const char *format;

	struct pgw_image *image;
	struct pgw_mm *mm;
	const struct pgw_vmcoreinfo *info;
	uint64_t kimage_voffset, phys_offset, page_size;
	uint64_t linear_first, linear_last;
};

static struct subject lpa2 = {
	.name = "arm64-16k-52-lpa2-debian",
	.format = "arm64-16k-52-lpa2",
};

static struct subject debian_4k = {
	.name = "arm64-4k-48-debian",
	.format = "arm64-4k-48",
};

static uint64_t number(const struct subject *s, const char *name)
{
	uint64_t value;

	assert_true(pgw_vmcoreinfo_number(s->info, name, &value));
	return value;
}

static uint64_t decimal(const struct subject *s, const char *key)
{
	const char *value;
	size_t size;

	assert_true(pgw_vmcoreinfo_get(s->info, key, &value, &size));
	return strtoull(value, NULL, 10);
}

static void attach(struct subject *s)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name(s->format),
		.phys = pgw_image_phys(s->image),
		.region = PGW_REGION_KERNEL,
	};
	uint64_t swapper;

	assert_true(pgw_vmcoreinfo_symbol(s->info, "swapper_pg_dir", &swapper));
	args.root.pa = swapper - s->kimage_voffset;
	assert_int_equal(pgw_mm_attach(&args, &s->mm), 0);
}

static void open_subject(struct subject *s)
{
	char name[80];
	const char *path;
	size_t nr;

	if (s->mm)
		return;
	snprintf(name, sizeof(name), "%s.elf", s->name);
	path = shared_image(name);
	if (!path)
		skip();
	assert_int_equal(pgw_image_open(path, NULL, &s->image, NULL), 0);
	assert_int_equal(pgw_image_vmcoreinfo(s->image, &s->info, &nr), 0);
	assert_int_equal(nr, 1);
	s->kimage_voffset = number(s, "kimage_voffset");
	s->phys_offset = number(s, "PHYS_OFFSET");
	s->page_size = decimal(s, "PAGESIZE");
	s->linear_first = 0 - (UINT64_C(1) << number(s, "VA_BITS"));
	s->linear_last = 0 - (UINT64_C(1) << (number(s, "VA_BITS") - 1)) - 1;
	attach(s);
}

static bool is_memory(const struct subject *s, uint64_t pa_first, uint64_t pa_last)
{
	const struct pgw_phys *phys = pgw_image_phys(s->image);
	uint64_t first, last;

	return phys->ops->next_range(phys, pa_first, &first, &last) && first <= pa_first &&
	       last >= pa_last;
}

static bool is_linear(const struct subject *s, uint64_t va)
{
	return va >= s->linear_first && va <= s->linear_last;
}

/* What the kernel calculates an address of its image or of the linear map to be. */
static uint64_t expected_pa(const struct subject *s, uint64_t va)
{
	return is_linear(s, va) ? va - s->linear_first + s->phys_offset : va - s->kimage_voffset;
}

struct sums {
	const struct subject *subject;
	uint64_t linear_bytes;
	uint64_t nr_devices;
};

static int check_extent(const struct pgw_extent *extent, void *arg)
{
	struct sums *sums = (struct sums *)arg;
	const struct subject *s = sums->subject;
	uint64_t size = extent->va_last - extent->va_first + 1;
	const char *type;
	bool is_device;

	assert_int_equal(extent->kind, PGW_ENTRY_LEAF);
	type = pgw_format_memory_type(pgw_mm_format(s->mm), pgw_mm_control(s->mm), extent->entry,
				      extent->level);
	is_device = strncmp(type, "device", 6) == 0;
	/* Memory is mapped as memory, and nothing else is. */
	assert_int_equal(is_memory(s, extent->pa, extent->pa + size - 1), !is_device);
	sums->nr_devices += is_device;
	/* Nobody but the kernel gets at it, and nothing is both writable and executable. */
	assert_int_equal(extent->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X), 0);
	assert_int_not_equal(extent->rights & (PGW_KERNEL_W | PGW_KERNEL_X),
			     PGW_KERNEL_W | PGW_KERNEL_X);
	if (is_linear(s, extent->va_first)) {
		assert_true(is_linear(s, extent->va_last));
		assert_true(extent->pa == expected_pa(s, extent->va_first));
		sums->linear_bytes += size;
	}
	return 0;
}

static void test_tables__are_whole_and_the_linear_map_is_memory(void **state)
{
	struct subject *s = (struct subject *)*state;
	struct sums sums = { .subject = s };
	struct pgw_dump_args args = {
		.fn = check_extent,
		.arg = &sums,
		.merge = PGW_DUMP_RUNS,
	};
	struct pgw_dump_summary summary = { 0 };

	open_subject(s);
	args.mm = s->mm;
	pgw_format_region_range(pgw_mm_format(s->mm), PGW_REGION_KERNEL, &args.first, &args.last);
	assert_int_equal(pgw_dump(&args, &summary), 0);
	assert_false(summary.scan.truncated);
	assert_int_equal(summary.scan.nr_malformed, 0);
	assert_int_equal(summary.scan.nr_unreadable, 0);
	/* Every byte of memory once. */
	assert_true(sums.linear_bytes == pgw_image_get_info(s->image)->readable_bytes);
	assert_true(sums.nr_devices > 0);
}

static void assert_at(const struct subject *s, uint64_t va, uint64_t pa)
{
	struct pgw_translation at;

	assert_int_equal(pgw_translate(s->mm, va, &at), 0);
	assert_int_equal(at.kind, PGW_ENTRY_LEAF);
	assert_true(at.pa == pa);
}

/*
 * SYMBOL(vmemmap) is not where anything is, but where the descriptor of frame
 * 0 would be; that of the first frame of memory is there.
 */
static void check_vmemmap(const struct subject *s, uint64_t vmemmap)
{
	uint64_t frame = s->phys_offset / s->page_size;
	uint64_t va = vmemmap + frame * decimal(s, "SIZE(page)");
	struct pgw_translation at;

	assert_true(va == number(s, "VMEMMAP_START"));
	assert_int_equal(pgw_translate(s->mm, va, &at), 0);
	assert_int_equal(at.kind, PGW_ENTRY_LEAF);
	assert_true(is_memory(s, at.pa, at.pa));
}

static void test_tables__map_every_symbol_of_vmcoreinfo_where_the_kernel_does(void **state)
{
	struct subject *s = (struct subject *)*state;
	const char *line, *end;
	unsigned nr = 0;

	open_subject(s);
	line = s->info->text;
	end = line + s->info->size;
	for (; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
		char name[64];
		unsigned long long va;

		if (!memchr(line, '\n', (size_t)(end - line)))
			break;
		if (sscanf(line, "SYMBOL(%63[^)])=%llx", name, &va) != 2)
			continue;
		nr++;
		if (strcmp(name, "vmemmap") == 0)
			check_vmemmap(s, va);
		else
			assert_at(s, va, expected_pa(s, va));
	}
	assert_in_range(nr, 10, 100);
}

static void test_tables__map_every_symbol_of_the_console_where_the_kernel_does(void **state)
{
	struct subject *s = (struct subject *)*state;
	unsigned long long va;
	char name[80], line[4096];
	const char *path;
	unsigned nr = 0;
	FILE *console;

	open_subject(s);
	snprintf(name, sizeof(name), "%s.guest-console.txt", s->name);
	path = shared_image(name);
	assert_non_null(path);
	console = fopen(path, "re");
	assert_non_null(console);
	while (fgets(line, sizeof(line), console)) {
		if (sscanf(line, "SYM %llx", &va) != 1)
			continue;
		nr++;
		assert_at(s, va, expected_pa(s, va));
	}
	fclose(console);
	assert_int_equal(nr, 4);
}

/* What lies at a symbol is what ought to be there. */
static void test_tables__lead_to_the_kernels_release(void **state)
{
	struct subject *s = (struct subject *)*state;
	const char *release;
	struct pgw_translation at;
	char found[UTS_SIZE];
	uint64_t va;
	size_t size;

	open_subject(s);
	assert_true(pgw_vmcoreinfo_get(s->info, "OSRELEASE", &release, &size));
	assert_true(size < sizeof(found));
	assert_true(pgw_vmcoreinfo_symbol(s->info, "init_uts_ns", &va));
	va += decimal(s, "OFFSET(uts_namespace.name)") + UTS_RELEASE;
	assert_int_equal(pgw_translate(s->mm, va, &at), 0);
	assert_int_equal(pgw_phys_read(pgw_image_phys(s->image), at.pa, found, sizeof(found)), 0);
	assert_memory_equal(found, release, size);
	assert_int_equal(found[size], 0);
}

static int close_subjects(void **state)
{
	struct subject *all[] = { &lpa2, &debian_4k };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		pgw_mm_free(all[i]->mm);
		pgw_image_close(all[i]->image);
	}
	return 0;
}

#define TEST(function, subject)                                                                    \
	{                                                                                          \
#function " " #subject, function, NULL, NULL, &(subject)                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tables__are_whole_and_the_linear_map_is_memory, lpa2),
		TEST(test_tables__are_whole_and_the_linear_map_is_memory, debian_4k),
		TEST(test_tables__map_every_symbol_of_vmcoreinfo_where_the_kernel_does, lpa2),
		TEST(test_tables__map_every_symbol_of_vmcoreinfo_where_the_kernel_does, debian_4k),
		TEST(test_tables__map_every_symbol_of_the_console_where_the_kernel_does, lpa2),
		TEST(test_tables__lead_to_the_kernels_release, lpa2),
		TEST(test_tables__lead_to_the_kernels_release, debian_4k),
	};

	return cmocka_run_group_tests(tests, NULL, close_subjects);
}
