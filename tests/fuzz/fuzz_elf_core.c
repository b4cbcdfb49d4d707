/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole file: opened, and if that works, everything that can be asked of an image is asked. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/pagewalk.h>

#include "fuzz/fuzz.h"

#define MAX_SIZE ((size_t)128 << 10)
#define MAX_CORE ((size_t)1 << 20) /* that is written to be opened again */
#define MAX_RANGES 64
#define BUDGET 64 /* table visits */

struct core {
	uint8_t bytes[MAX_CORE];
	size_t size;
};

static int core_write(const void *bytes, size_t size, void *arg)
{
	struct core *core = arg;

	if (size > sizeof(core->bytes) - core->size)
		return 1;
	memcpy(core->bytes + core->size, bytes, size);
	core->size += size;
	return 0;
}

/* Readable memory: ascending, apart, as much as the image says; readable at both ends, not outside. */
static size_t check_memory(const struct pgw_image *image, struct pgw_pa_range *ranges)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last, bytes = 0, nr = 0;
	uint8_t byte;

	for (; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		FUZZ_CHECK(first <= last && last < UINT64_MAX && first >= pa &&
			   (!nr || first > pa));
		if (nr < MAX_RANGES) {
			ranges[nr] = (struct pgw_pa_range){ first, last };
			FUZZ_CHECK(pgw_phys_read(phys, first, &byte, 1) == 0);
			FUZZ_CHECK(pgw_phys_read(phys, last, &byte, 1) == 0);
			FUZZ_CHECK(pgw_phys_read(phys, last + 1, &byte, 1) == -PGW_EIO);
		}
		nr++;
		bytes += last - first + 1;
	}
	FUZZ_CHECK(nr == info->nr_ranges && bytes == info->readable_bytes);
	return nr < MAX_RANGES ? nr : MAX_RANGES;
}

static void check_described(const struct pgw_image *image)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	struct pgw_pa_range range;
	uint64_t bytes = 0;

	for (uint64_t pa = 0; pgw_image_next_described(image, pa, &range); pa = range.last + 1) {
		FUZZ_CHECK(range.first <= range.last && range.first >= pa);
		bytes += range.last - range.first + 1;
	}
	FUZZ_CHECK(bytes == info->readable_bytes + info->unreadable_bytes);
}

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	FUZZ_CHECK(extent->va_first <= extent->va_last);
	++*(uint64_t *)arg;
	return 0;
}

static void check_tree(const struct pgw_image *image, const struct pgw_root_info *root)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.region = PGW_REGION_KERNEL,
		.control = root->control,
		.budget = BUDGET,
	};
	struct pgw_integrity integrity;
	uint64_t first, last, nr = 0;
	struct pgw_mm *mm;
	int status = pgw_integrity(image, root, BUDGET, &integrity);

	FUZZ_CHECK(status <= 0 && integrity.truncated == (status == -PGW_E2BIG));
	if (pgw_mm_attach(&args, &mm))
		return;
	pgw_format_region_range(root->format, PGW_REGION_KERNEL, &first, &last);
	status = pgw_scan_extents(mm, first, last, count_extent, &nr);
	FUZZ_CHECK(status == 0 || status == -PGW_E2BIG);
	pgw_mm_free(mm);
}

static void check_roots(struct pgw_image *image)
{
	const struct pgw_marker *markers;
	const struct pgw_root_info *roots;
	struct pgw_root_info root;
	size_t nr, nr_markers;

	FUZZ_CHECK(pgw_image_roots(image, &roots, &nr) == 0);
	for (size_t i = 0; i < nr; i++) {
		FUZZ_CHECK(roots[i].format && roots[i].found);
		FUZZ_CHECK(i == 0 || roots[i].root.pa > roots[i - 1].root.pa);
		if (i < 4)
			check_tree(image, &roots[i]);
	}
	if (pgw_image_kernel_root(image, &root, NULL) == 0)
		FUZZ_CHECK(pgw_image_markers(image, &root, &markers, &nr_markers) == 0);
	for (unsigned i = 0; i < 4; i++)
		pgw_image_cpu_root(image, i, &root);
}

/* What was written opens, and says the same of the machine. */
static void check_written(const struct pgw_image_info *before, const struct core *core)
{
	const struct pgw_image_info *after;
	struct pgw_image *image;

	FUZZ_CHECK(pgw_image_open(fuzz_file(1, core->bytes, core->size), NULL, &image, NULL) == 0);
	after = pgw_image_get_info(image);
	FUZZ_CHECK(after->elf_machine == before->elf_machine && after->nr_cpus == before->nr_cpus);
	FUZZ_CHECK(after->readable_bytes + after->unreadable_bytes ==
		   before->readable_bytes + before->unreadable_bytes);
	FUZZ_CHECK(after->readable_bytes <= before->readable_bytes && after->nr_overlaps == 0);
	pgw_image_close(image);
}

static void check_write(struct pgw_image *image, const struct pgw_pa_range *ranges, size_t nr)
{
	static struct core core;
	int status;

	core.size = 0;
	status = pgw_image_write_core(image, ranges, nr, core_write, &core);
	FUZZ_CHECK(status == 0 || status == 1 || status == -PGW_ENOENT);
	if (status == 0)
		check_written(pgw_image_get_info(image), &core);
}

static void check_trim(struct pgw_image *image)
{
	static struct core core;
	struct pgw_trim_summary summary;

	core.size = 0;
	if (pgw_trim(image, core_write, &core, &summary) == 0)
		check_written(pgw_image_get_info(image), &core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pgw_pa_range ranges[MAX_RANGES];
	const struct pgw_vmcoreinfo *texts;
	struct pgw_image *image = NULL;
	struct pgw_error err;
	char text[256];
	size_t nr;
	int status;

	if (size > MAX_SIZE)
		return 0;
	status = pgw_image_open(fuzz_file(0, data, size), NULL, &image, &err);
	if (status) {
		FUZZ_CHECK(!image && err.status == status && err.expected);
		FUZZ_CHECK(pgw_error_format(&err, text, sizeof(text)) < (int)sizeof(text));
		return 0;
	}
	FUZZ_CHECK(pgw_image_get_info(image)->file_size == size);
	nr = check_memory(image, ranges);
	check_described(image);
	FUZZ_CHECK(pgw_image_vmcoreinfo(image, &texts, &(size_t){ 0 }) == 0);
	check_roots(image);
	check_write(image, ranges, nr);
	check_trim(image);
	pgw_image_close(image);
	return 0;
}
