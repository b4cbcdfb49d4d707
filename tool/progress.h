/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

/*
 * How far long work is: on standard error, if that is a terminal and the work takes more than a
 * second. And how it ends before: SIGINT and SIGTERM end what was begun, and what was found until
 * then is told.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	bool is_shown;
	bool is_announced; /**< that a file is unpacked, which is said wherever standard error goes */
	struct timespec start; /**< of the work; 0 = none */
	struct timespec shown; /**< when it was shown last */
};

/** Where the work is. */
struct progress_step {
	const char *what; /**< is done */
	const char *unit; /**< of nr, "tables"; NULL: bytes */
	uint64_t nr;      /**< that were done, for the rate */
	uint64_t done;    /**< of total, for the percentage and the time that is left */
	uint64_t total;   /**< 0: not known */
};

/** Show it, if it is time to. */
void progress_show(struct progress *progress, const struct progress_step *step);
/** Has the work gone on for a second, or was it shown long ago? Then it was shown now. */
bool progress_is_due(struct progress *progress);
/** The work has ended: what was shown goes away. */
void progress_end(struct progress *progress);

/** From here on SIGINT and SIGTERM, if they are not ignored, are kept. One that comes
 * more than a second later ends the program. */
void interrupt_catch(void);
/** @return the signal that came, or 0 */
int interrupt_signal(void);

#endif
