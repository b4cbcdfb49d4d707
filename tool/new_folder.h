/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_NEW_FOLDER_H
#define TOOL_NEW_FOLDER_H

/*
 * A folder of files that is there when all of them are, and else not at all: made under another name beside
 * its own, and renamed. It takes nothing's place. Functions that fail have written their message.
 */

#include <signal.h>
#include <stdbool.h>

struct new_folder {
	const char *path;
	char *temp;         /**< path of what is made; NULL: nothing is there yet */
	sigset_t unblocked; /**< the signals before; SIGHUP waits until nothing is left behind */
};

/** Say what is to be made, and refuse what is there already. Pre: SIGINT and SIGTERM are caught. */
bool new_folder_init(struct new_folder *folder, const char *path);
/** Make a folder in it, unless it is there, and, with the first, itself. @param name of ours */
bool new_folder_add(struct new_folder *folder, const char *name);
/** Make a file in it. @param name "roots/part-0.csv" @return open for writing, or -1 */
int new_folder_open(struct new_folder *folder, const char *name);
/** Let what was written so far go to the disk meanwhile, so that new_folder_close() waits for less. */
void new_folder_push(int fd);
/** Have a file on the disk, and close it. */
bool new_folder_close(const struct new_folder *folder, int fd);
/** Give it its name. @return false: it is abandoned */
bool new_folder_commit(struct new_folder *folder);
/** Leave nothing behind. Fine before the first folder, and after new_folder_commit(). */
void new_folder_abandon(struct new_folder *folder);

#endif
