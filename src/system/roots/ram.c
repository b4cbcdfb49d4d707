/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "system/tell.h"

struct ram_scan {
	struct pgw_image *image;
	image_window_fn *fn;
	void *arg;
	uint8_t *buf; /* IMAGE_WINDOW bytes */
	uint64_t done;
};

/* Not 0: these bytes are not there, or fn ended the scan. */
static int scan_bytes(struct ram_scan *scan, uint64_t pa, size_t size, bool *ret_is_there)
{
	const struct image_window window = { .pa = pa, .bytes = scan->buf, .size = size };
	int status = source_look(&scan->image->source, pa, scan->buf, size);

	*ret_is_there = !status;
	return status ? status : scan->fn(&window, scan->arg);
}

/* One page that does not unpack says nothing of the others. */
static int scan_window(struct ram_scan *scan, uint64_t pa, size_t size)
{
	uint64_t end = pa + size;
	bool is_there;
	int status = scan_bytes(scan, pa, size, &is_there);

	if (is_there || status != -PGW_EIO || !scan->image->source.is_packed)
		return status;
	for (status = 0; pa < end && !status; pa += size) {
		size = (size_t)(end - pa < IMAGE_PAGE ? end - pa : IMAGE_PAGE);
		status = scan_bytes(scan, pa, size, &is_there);
		if (!is_there && status == -PGW_EIO)
			status = 0;
	}
	return status;
}

/* No run reaches UINT64_MAX, so pa does not wrap. */
static int scan_run(struct ram_scan *scan, const struct pgw_pa_range *run)
{
	uint64_t pa = run->first;
	int status = 0;

	while (pa <= run->last && !status) {
		size_t size = IMAGE_WINDOW - (size_t)(pa & (IMAGE_WINDOW - 1));

		if (run->last - pa < size - 1)
			size = (size_t)(run->last - pa) + 1;
		status = scan_window(scan, pa, size);
		scan->done += size;
		if (!status)
			status = image_tell_memory(scan->image, scan->done);
		pa += size;
	}
	return status;
}

int image_ram_scan(struct pgw_image *image, image_window_fn *fn, void *arg)
{
	struct ram_scan scan = { .image = image, .fn = fn, .arg = arg };
	struct pgw_pa_range run;
	uint64_t pa = 0;
	int status = 0;

	scan.buf = malloc(IMAGE_WINDOW);
	if (!scan.buf)
		return -PGW_ENOMEM;
	while (!status && source_next_range(&image->source, SOURCE_HELD, pa, &run)) {
		status = scan_run(&scan, &run);
		pa = run.last + 1;
	}
	free(scan.buf);
	return status;
}
