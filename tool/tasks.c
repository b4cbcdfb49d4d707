/* SPDX-License-Identifier: BSD-2-Clause */
#include "tasks.h"

#include <inttypes.h>
#include <string.h>

int tasks_open(struct target *target, struct pgw_tasks **ret)
{
	struct pgw_error err = { 0 };
	int status = pgw_tasks_open(target->image, ret, &err);

	target_progress_end(target);
	return status ? message_error(target->file, &err) : TOOL_DONE;
}

const struct pgw_task *tasks_choose(const struct target *target, const struct pgw_tasks *tasks,
				    const struct options *opts)
{
	const struct pgw_task *task = pgw_tasks_find(tasks, opts->pid);

	if (!task)
		message("%s: there is no process %" PRIu32
			"; ps --threads lists all that there are",
			target->file, opts->pid);
	return task;
}

/* A tab is as it is, as the kernel has it; bytes of UTF-8 are, too. */
void tasks_text(struct out *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char octal[4] = { '\\', (char)('0' + (c >> 6)), (char)('0' + (c >> 3 & 7)),
				  (char)('0' + (c & 7)) };

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			out_bytes(out, octal, sizeof(octal));
		else
			out_char(out, *text);
	}
}
