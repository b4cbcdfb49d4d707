/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SHARED_IMAGES_H
#define TESTS_SHARED_IMAGES_H

/*
 * Real memory dumps, which lie outside the source tree. PGW_SHARED names the
 * folder (default: ../shared, from the current one); PGW_IMAGE_CACHE the one
 * for decompressed files (default: image-cache). Tests that are run side by
 * side may ask for the same file.
 */

/**
 * A file of PGW_SHARED/images, decompressed if only NAME.zst is there.
 * @param name e.g. "x86_64-la48-pti.elf", "arch/ovmf.elf"
 * @return its path, until the next call; NULL if it is not there or cannot be
 *         decompressed (says why on standard error)
 */
const char *shared_image(const char *name);

/** The same of tests/data in the source tree, which is always there. */
const char *data_image(const char *name);

#endif
