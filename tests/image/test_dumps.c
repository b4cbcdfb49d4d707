/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real dumps in the formats of their makers: the leaves of each root are those that an
 * independent walker found in the same guest's plain memory, by the hash of their list.
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
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>

#include "common/shared_images.h"
#include "image/find_root.h"

#define MAX_ROOTS 8

struct known_root {
	uint64_t pa;
	uint64_t nr_leaves;
	const char *sha256;
};

struct guest {
	const char *format;
	uint64_t kernel_root;
	struct known_root roots[MAX_ROOTS];
};

static const struct guest a61 = {
	"arm64-4k-48",
	0x41853000,
	{ { 0x41853000, 33784, "ca74366d5e89d85a3941daae61dbc045136e01e09d814a1cf97911588041b6f3" },
	  { 0x43692000, 141, "9569de54120c8270b5ab4f9c593e5ba55de2cb6f5470440d1d380e6c081c1893" },
	  { 0x42f46000, 141, "1af11e6db0eb480782c2a70b7926593e38ad8d36fa2103ceace146feaeb7e431" },
	  { 0x436a0000, 141, "2063d88615219f7c812adcb913e0557fd26bcb5eb8483cd713a61c904b0f9553" } },
};

static const struct guest sm = {
	"x86_64-la48",
	0x5c09000,
	{ { 0x5c09000, 4441, "24f7af45c6e8375a6919fe6e75beef6cb800c0117dbeb6f9d3a2d5c4c29fd460" },
	  { 0x6b8000, 4614, "ff7cd048a0b05444b7e90c4e0ea099f709accce440baac6a2c3e08dd0cfb6637" } },
};

static const struct guest kdump61 = {
	"x86_64-la48",
	0x11210000,
	{ { 0x11210000, 75693, "872bb0cc13263439350a3d37ec0a48c9c04bd593452b413c4ca846083b9d6951" },
	  { 0x106e000, 75910, "ad63f484d6870f15dfb1a7001a5f9ba2ddd5fce88cf3631695f539d3196690e1" },
	  { 0x106f000, 66032, "684cfec0c3953e15428b29b2de6a9286cbca1ff217ac25c87585d7873fe66c3f" },
	  { 0x10602000, 75909, "45de125d474fed93670acc6ca2a24600ccd94dd538313537eee5e2016151c34c" },
	  { 0x10603000, 66031, "4f29c986da34b0695aee3c2fa2d5ca4ff5f0a210136c211bd2e3f609cd5afcb6" },
	  { 0x1f33a000, 75910, "f6c4e6e9eff85b3085bb87e60a16624069ab1670957af3801e850598b27b99ed" },
	  { 0x1f33b000, 66032,
	    "a4e0cf37ddb94f69e62ce50be0a5d7d5b1b7884202c28d9354ae4ede2d47af9f" } },
};

static const struct guest qemu72 = {
	"x86_64-la48",
	0x2a10000,
	{ { 0x2a10000, 74945, "b4d2526e1f63894d04eeb1dee065013e786c2e049931d0de0bba0bd8a0311d0f" },
	  { 0x60f8000, 75362, "bed1ca4c6f9946946be313aba20a83354df8a4a7f61a9e4d4fc412f71b120aee" },
	  { 0x62f8000, 75173, "d253be2a1161c47881f2b70129ccaaa94ef18e73c1408aefe5049e525d502800" },
	  { 0x6210000, 75162, "a2ac28688cbee225528d38f144a866a83f885213ee2deb94ebb455772695394b" },
	  { 0x62b0000, 75163, "c1b9c2b6ab5b4aac9b00b4f460d2bbee4a7eb9afb461c6c921d96b75d0aaf1c5" },
	  { 0x60fc000, 75162,
	    "5a7b60b431284f40aaaba49ae1ada108a9c38ce2fe3ec7025e1f6b08189e4bb8" } },
};

/* A list is sorted by address; its lines go to sha256sum as they come. */
struct list {
	FILE *to;
	const struct pgw_geometry *geometry;
	uint64_t nr;
};

static int list_leaves(const struct pgw_extent *extent, void *arg)
{
	struct list *list = arg;
	/* Each item of a contiguous run by itself. */
	uint64_t size = UINT64_C(1) << list->geometry->span_lg2[extent->level];
	uint64_t nr = (extent->va_last - extent->va_first) / size + 1;

	assert_int_not_equal(extent->kind, PGW_ENTRY_UNREADABLE);
	for (uint64_t i = 0; i < nr && extent->kind == PGW_ENTRY_LEAF; i++, list->nr++)
		fprintf(list->to, "%016" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
			extent->va_first + i * size, extent->pa + i * size, size);
	return 0;
}

static void list_half(struct pgw_image *image, const struct pgw_root_info *root,
		      enum pgw_region_kind kind, struct list *list)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.region = kind,
		.control = root->control,
	};
	uint64_t first, last;
	struct pgw_mm *mm;

	list->geometry = pgw_format_geometry(root->format);
	pgw_format_region_range(root->format, kind, &first, &last);
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_scan_extents(mm, first, last, list_leaves, list), 0);
	pgw_mm_free(mm);
}

static void check_root(struct pgw_image *image, const struct known_root *known)
{
	const struct pgw_root_info *root = find_root(image, known->pa);
	char path[] = "/tmp/pgw-leaves-XXXXXX", command[64], sum[65] = "";
	struct list list = { 0 };
	bool is_split;
	FILE *from;
	int fd;

	assert_non_null(root);
	is_split = pgw_format_is_split(root->format);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	list.to = fdopen(fd, "w");
	assert_non_null(list.to);
	if (!is_split || root->has_user)
		list_half(image, root, PGW_REGION_USER, &list);
	if (!is_split || root->has_kernel)
		list_half(image, root, PGW_REGION_KERNEL, &list);
	assert_int_equal(fclose(list.to), 0);
	snprintf(command, sizeof(command), "sha256sum %s", path);
	from = popen(command, "r");
	assert_non_null(from);
	assert_non_null(fgets(sum, sizeof(sum), from));
	pclose(from);
	unlink(path);
	assert_int_equal(list.nr, known->nr_leaves);
	assert_string_equal(sum, known->sha256);
}

static void check_dump(const char *name, const char *kind, const struct guest *guest)
{
	const char *path = shared_image(name);
	struct pgw_root_info root;
	struct pgw_image *image;
	struct pgw_error err;
	int status;

	if (!path)
		skip();
	status = pgw_image_open(path, NULL, &image, &err);
	/* In a build without the library that packed it. */
	if (status == -PGW_EOPNOTSUPP && strstr(err.expected, "a build with"))
		skip();
	assert_int_equal(status, 0);
	assert_string_equal(pgw_image_get_info(image)->kind, kind);
	assert_false(pgw_image_get_info(image)->truncated);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, guest->kernel_root);
	assert_string_equal(pgw_format_name(root.format), guest->format);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	for (const struct known_root *known = guest->roots; known->sha256; known++)
		check_root(image, known);
	pgw_image_close(image);
}

static void test_dumps__elf_of_qemu(void **state)
{
	(void)state;
	check_dump("dumps/a61-qemu72.elf", "elf-core", &a61);
}

static void test_dumps__makedumpfile_zstd(void **state)
{
	(void)state;
	check_dump("dumps/a61-mdf178-z-d31.kdump", "kdump", &a61);
}

static void test_dumps__makedumpfile_lzo(void **state)
{
	(void)state;
	check_dump("dumps/sm-mdf172-l-d31.kdump", "kdump", &sm);
}

static void test_dumps__makedumpfile_zlib_of_a_crash(void **state)
{
	(void)state;
	check_dump("dumps/x86-kdump61-c-d31.kdump", "kdump", &kdump61);
}

static void test_dumps__lime(void **state)
{
	(void)state;
	check_dump("dumps/a61.lime", "lime", &a61);
}

/* Each of the parts leads to the others. */
static void test_dumps__split(void **state)
{
	(void)state;
	check_dump("dumps/a61-mdf172-split16-c-d31.1", "kdump", &a61);
	check_dump("dumps/a61-mdf172-split16-c-d31.2", "kdump", &a61);
	check_dump("dumps/a61-mdf172-split16-c-d31.3", "kdump", &a61);
}

static void test_dumps__flattened_of_qemu(void **state)
{
	(void)state;
	check_dump("dumps/x86-61-qemu72-zlib.flat", "kdump", &qemu72);
}

static void test_dumps__flattened_snappy(void **state)
{
	(void)state;
	check_dump("dumps/a61-transcoded.kdump-snappy.flat", "kdump", &a61);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dumps__elf_of_qemu),
		cmocka_unit_test(test_dumps__makedumpfile_zstd),
		cmocka_unit_test(test_dumps__makedumpfile_lzo),
		cmocka_unit_test(test_dumps__makedumpfile_zlib_of_a_crash),
		cmocka_unit_test(test_dumps__lime),
		cmocka_unit_test(test_dumps__split),
		cmocka_unit_test(test_dumps__flattened_of_qemu),
		cmocka_unit_test(test_dumps__flattened_snappy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
