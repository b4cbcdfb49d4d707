/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_CONFINE_H
#define TOOL_CONFINE_H

/*
 * When a command goes into the sandbox, and with what. Before anything is opened: it may read what the options
 * name and what lies beside (parts, maps, saved states), and write to the folders of its outputs and of
 * temporary files; packed files are unpacked then. When its images are open, what lies beside goes, too.
 * Machines that run and processes are looked at without: each step of theirs is one that is refused here.
 */

#include "command.h"

void confine_begin(const struct command *command, const struct options *opts);

/** An image of the command's is open. When the last is, the rest is given up. */
void confine_image_opened(const struct options *opts);

/** What is in force, for info: "Landlock (version 7) and seccomp", "none (--no-sandbox)". */
const char *confine_describe(void);

#endif
