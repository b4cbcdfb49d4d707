/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SANDBOX_H
#define TOOL_SANDBOX_H

/*
 * What a process gives up for ever: it reads files that it does not trust, and needs little else.
 *
 * Landlock (Linux's Documentation/userspace-api/landlock.rst) decides about files, TCP and signals by what
 * the kernel knows of it: older ones know less, and some nothing. seccomp refuses system calls that no command
 * makes. What was opened before stays as it is. Only the calling thread and those that it makes are bound:
 * there are no others yet.
 */

#include <stdbool.h>
#include <stddef.h>

enum sandbox_access {
	SANDBOX_READ,  /**< a file, or all below a folder */
	SANDBOX_WRITE, /**< new files in a folder, and those that are there; reading too */
	SANDBOX_MAKE,  /**< the same, and new folders */
};

/** What stays allowed. */
struct sandbox_rule {
	const char *path; /**< what is not there is passed over */
	enum sandbox_access access;
};

/** What is in force. */
struct sandbox_state {
	int landlock; /**< the version that is in force; 0: none */
	bool seccomp;
};

/**
 * Open no files from now on but these, run no programs, reach no network and no other process. Called again,
 * what both calls allow stays allowed.
 * @return what is in force now
 */
struct sandbox_state sandbox_enter(const struct sandbox_rule *rules, size_t nr);

#endif
