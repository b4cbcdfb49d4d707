/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_MESSAGE_H
#define TOOL_MESSAGE_H

#include <pagewalk/base.h>

/** What the command's exit status says. */
enum tool_status {
	TOOL_DONE = 0,
	TOOL_FINDING = 1, /**< done, and something was found, not mapped, or cut short */
	TOOL_USAGE = 2,
	TOOL_UNREADABLE = 3, /**< the input cannot be read, or the output cannot be written */
	TOOL_SIGNAL = 128,   /**< and the signal's number: it ended the work before */
};

/** One line on standard error: "pagewalk: " and the text. Control characters come out as "?". */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The line for a failure of the library on a file. @return TOOL_UNREADABLE */
int message_error(const char *file, const struct pgw_error *err);

#endif
