/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/tell.h"

#include "system/system_priv.h"

int image_tell_look(const struct pgw_image *image, const struct pgw_look *now)
{
	const struct pgw_image_options *options = &image->options;

	return options->look ? options->look(options->progress_arg, now) : 0;
}

int image_tell_memory(const struct pgw_image *image, uint64_t done)
{
	const struct pgw_image_options *options = &image->options;

	if (options->progress)
		options->progress(options->progress_arg, done, image->info.readable_bytes);
	return image_tell_look(image, &(struct pgw_look){ 0 }) ? -PGW_EINTR : 0;
}
