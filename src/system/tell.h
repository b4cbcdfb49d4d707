/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_TELL_H
#define SYSTEM_TELL_H

/* How far a look at many tables is: for whoever opened the image, who may end it. */

#include <pagewalk/image.h>

/** @return 0, or what ends the look */
int image_tell_look(const struct pgw_image *image, const struct pgw_look *now);

#endif
