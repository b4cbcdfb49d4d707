/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_WRITE_IMAGE_H
#define TOOL_WRITE_IMAGE_H

/* Commands that write an image in another form, or less of it. */

#include "new_file.h"
#include "options.h"
#include "report/report.h"
#include "target.h"

/** What becomes of the image. */
struct write_how {
	enum pgw_image_form form;
	bool has_tables_only; /**< what pgw_trim_ranges() keeps; else all that can be read */
	/** Without gaps: an ELF core as pgw_trim() writes it. Else pages of zeroes are holes. */
	bool is_of_machine; /**< a file is refused */
	bool is_compact;
};

/**
 * Refuse a new file that is one of those that the image is read from, or that were named for it.
 * @return false after a message
 */
bool write_spares_input(const struct target *target, const struct options *opts,
			const struct new_file *file);

/**
 * Write the image of the options, args[0], to args[1].
 * @return enum tool_status; the messages are out
 */
int write_image(const struct options *opts, const struct write_how *how);

#endif
