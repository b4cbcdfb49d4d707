/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_NEW_FILE_H
#define TOOL_NEW_FILE_H

/*
 * A file that is there when it is complete, and else not at all: written under
 * another name in its folder, and renamed. Functions that fail have written
 * their message, unless it is that a signal wants to end the program.
 */

#include <signal.h>

#include <pagewalk/image.h>

#include "report/out.h"

struct new_file {
	const char *path;
	bool replaces; /**< may take the place of a file that is there */
	bool is_open;
	bool is_sparse;     /**< pages of zeroes become holes; may be set after new_file_init() */
	char *temp;         /**< path of what is written */
	sigset_t unblocked; /**< the signals before; while there is a temporary file they wait */
	uint64_t size;      /**< of what was written */
	uint64_t hole;      /**< of these, zeroes at the end that are not in the file yet */
	struct out out;
};

/**
 * Say what is to be written, and refuse what is clear now: something is there
 * that may not be replaced, or is no regular file.
 */
bool new_file_init(struct new_file *file, const char *path, bool replaces);
/** Refuse to replace a file that is read from. @return true if it is another one */
bool new_file_spares(const struct new_file *file, const char *input);
/** Add bytes; the first ones make the temporary file. @return false: abandon it */
bool new_file_write(struct new_file *file, const void *bytes, size_t size);
/** The same for all files that an image is read from. */
bool new_file_spares_image(const struct new_file *file, const struct pgw_image *image);
/** Have all that was written on the disk. @return false: abandon it */
bool new_file_finish(struct new_file *file);
/** Give what was written its name. @return false: it is abandoned */
bool new_file_commit(struct new_file *file);
/** Leave nothing behind. A signal that waited takes effect here. */
void new_file_abandon(struct new_file *file);

#endif
