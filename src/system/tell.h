/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_TELL_H
#define SYSTEM_TELL_H

/* How far a look at many tables, or at memory, is: for whoever opened the image, who may end it. */

#include <pagewalk/image.h>

/** @return 0, or what ends the look */
int image_tell_look(const struct pgw_image *image, const struct pgw_look *now);
/** Memory is looked through, and so many bytes of it were. @return 0 or -PGW_EINTR */
int image_tell_memory(const struct pgw_image *image, uint64_t done);

#endif
