/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole file that begins as those of one kind of dump (FUZZ_MAGIC): opened, and if that
 * works, its memory is gone over and looked through. What it says of a page may be a lie that
 * only shows when the page is unpacked.
 */
#include <string.h>

#include <pagewalk/pagewalk.h>

#include "fuzz/fuzz.h"

#define MAGIC_AVML "AVML\2\0\0\0"
#define MAGIC_FLAT "makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1"
#define MAGIC_KDUMP "KDUMP   "
#define MAGIC_LIBVIRT "LibvirtQemudSave\2\0\0\0"
#define MAGIC_LIME "EMiL\1\0\0"
#define MAGIC_QEMU "QEVM\0\0\0\3"
/* An ELF core, of x86-64. */
#define MAGIC_XEN                                                                                  \
	"\x7f"                                                                                     \
	"ELF\2\1\1\0\1\0\0\0\0\0\0\0\4\0\76\0"

#define MAGIC_RAW_MAP "# pagewalk memory map 1\n"
#define MAGIC_MINIDUMP "minidump FreeBSD/a"
#define MAGIC_VMWARE "\xd2\xbe\xd2\xbe"
#define MAGIC_WINDOWS "PAGEDU"

#define MAX_SIZE ((size_t)128 << 10)
#define MAX_RANGES 64
#define BUDGET 64 /* table visits */

/* Nor of what is written of it. */
#define MAX_WRITTEN (UINT64_C(1) << 20)

/* Not so much of it that looking through it takes long: unpacked, 128 KiB may be a machine. */
#define MAX_MEMORY (UINT64_C(16) << 20)

static void read_end(const struct pgw_phys *phys, uint64_t pa)
{
	uint8_t bytes[16];
	int status = pgw_phys_read(phys, pa, bytes, 1);

	FUZZ_CHECK(status == 0 || status == -PGW_EIO);
	status = pgw_phys_read(phys, pa, bytes, sizeof(bytes));
	FUZZ_CHECK(status == 0 || status == -PGW_EIO);
}

/* Ascending, apart, as much as the image says; nothing between them can be read. */
static void check_memory(const struct pgw_image *image)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last, bytes = 0, nr = 0;
	uint8_t byte;

	for (; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		FUZZ_CHECK(first <= last && last < UINT64_MAX && first >= pa &&
			   (!nr || first > pa));
		if (nr++ < MAX_RANGES) {
			read_end(phys, first);
			read_end(phys, last);
			FUZZ_CHECK(pgw_phys_read(phys, last + 1, &byte, 1) == -PGW_EIO);
		}
		bytes += last - first + 1;
	}
	FUZZ_CHECK(nr == info->nr_ranges && bytes == info->readable_bytes);
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
	FUZZ_CHECK(info->excluded_bytes <= info->unreadable_bytes);
}

static void check_roots(struct pgw_image *image)
{
	const struct pgw_root_info *roots;
	struct pgw_integrity integrity;
	struct pgw_root_info root;
	size_t nr;

	FUZZ_CHECK(pgw_image_roots(image, &roots, &nr) == 0);
	for (size_t i = 0; i < nr; i++)
		FUZZ_CHECK(i == 0 || roots[i].root.pa > roots[i - 1].root.pa);
	if (pgw_image_kernel_root(image, &root, NULL) == 0)
		FUZZ_CHECK(pgw_integrity(image, &root, BUDGET, &integrity) <= 0);
}

static int count_bytes(const void *bytes, size_t size, void *arg)
{
	FUZZ_CHECK(bytes && size);
	*(uint64_t *)arg += size;
	return 0;
}

/* In each form there is: headers that agree with the bytes behind them are the tests' matter. */
static void check_written(const struct pgw_image *image)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	uint64_t size = 0;
	struct pgw_image_writing what = { .fn = count_bytes, .arg = &size };

	for (what.form = 0; what.form < _PGW_IMAGE_FORM_MAX; what.form++) {
		int status = pgw_image_write(image, &what);

		FUZZ_CHECK(status == 0 || status == -PGW_EIO || status == -PGW_ENOENT ||
			   status == -PGW_EOPNOTSUPP || status == -PGW_EOVERFLOW);
		FUZZ_CHECK(status || size >= info->readable_bytes);
		size = 0;
	}
	FUZZ_CHECK(pgw_image_write_map(image, NULL, 0, "name", count_bytes, &size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char magic[] = FUZZ_MAGIC;
	static uint8_t bytes[MAX_SIZE];
	struct pgw_image *image;

	if (size > MAX_SIZE || size < sizeof(magic) - 1)
		return 0;
	memcpy(bytes, data, size);
	memcpy(bytes, magic, sizeof(magic) - 1);
	if (pgw_image_open(fuzz_file(0, bytes, size), NULL, &image, NULL))
		return 0;
	if (pgw_image_get_info(image)->readable_bytes <= MAX_MEMORY) {
		check_memory(image);
		check_described(image);
		check_roots(image);
		if (pgw_image_get_info(image)->readable_bytes <= MAX_WRITTEN)
			check_written(image);
	}
	pgw_image_close(image);
	return 0;
}
