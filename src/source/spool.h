/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_SPOOL_H
#define SOURCE_SPOOL_H

/*
 * A temporary file for what cannot be read in place. It has no name, so that
 * nothing of it is left when its last descriptor is closed, whatever ends the
 * program. Pages of zeroes are holes in it.
 */

#include <stddef.h>
#include <stdint.h>

struct pgw_error;

struct spool {
	int fd;
	const char *folder;
	uint64_t size;
	uint64_t max_size;
	uint64_t disk_size;     /* without holes */
	uint64_t max_disk_size; /* that leaves some of the disk to others */
	uint64_t next_look;     /* at the free space: when disk_size is so large */
};

/**
 * @param folder   NULL: /var/tmp
 * @param max_size in bytes; 0: 1 TiB
 * @return 0, -PGW_ENOENT, -PGW_EIO
 */
int spool_open(struct spool *spool, const char *folder, uint64_t max_size, struct pgw_error *err);
/**
 * Append bytes. Those that are zeroes are found page by page, so all calls but the last have
 * whole pages. @return 0, -PGW_EOVERFLOW (too large), -PGW_EIO (with os_errno ENOSPC: too little
 * space)
 */
int spool_write(struct spool *spool, const uint8_t *bytes, size_t size, struct pgw_error *err);
/** Give it the size that it has by now: zeroes at its end are not there yet. @return 0 or -PGW_EIO */
int spool_finish(struct spool *spool, struct pgw_error *err);

#endif
