/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that may be packed as a whole, in any of the packings: what is unpacked of it is bounded,
 * and if it is an image, it is one of the unpacked bytes. Inputs to begin with are the tools' own.
 */
#include <string.h>

#include <pagewalk/pagewalk.h>

#include "fuzz/fuzz.h"

#define MAX_SIZE ((size_t)64 << 10)
#define MAX_UNPACKED (UINT64_C(1) << 20)

static bool was_done;

static void unpacking(void *arg, const struct pgw_unpacking *now)
{
	(void)arg;
	FUZZ_CHECK(!was_done && now->size <= MAX_UNPACKED && now->disk_size <= now->size);
	FUZZ_CHECK(now->damage < _PGW_DAMAGE_MAX && now->damage_at <= MAX_SIZE * 1024);
	was_done = now->is_done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pgw_image_options options = {
		.temporary_folder = "/dev/shm",
		.unpack_max = MAX_UNPACKED,
		.unpacking = unpacking,
	};
	const struct pgw_image_info *info;
	struct pgw_error err = { 0 };
	struct pgw_image *image;

	if (size > MAX_SIZE)
		return 0;
	was_done = false;
	if (pgw_image_open(fuzz_file(0, data, size), &options, &image, &err)) {
		FUZZ_CHECK(err.status < 0);
		return 0;
	}
	info = pgw_image_get_info(image);
	FUZZ_CHECK(was_done == (info->unpacked != NULL));
	if (info->unpacked && !info->flattened)
		FUZZ_CHECK(info->file_size == info->unpacked->size);
	if (info->unpacked && info->unpacked->damage != PGW_DAMAGE_NONE)
		FUZZ_CHECK(info->truncated);
	pgw_image_close(image);
	return 0;
}
