/* SPDX-License-Identifier: BSD-2-Clause */
#include "process.h"

#include <string.h>
#include <unistd.h>

#include <pagewalk/process.h>

#include "message.h"
#include "report/record.h"
#include "target.h"

#define STOP_OUTPUT 1

/* What a dump of pages can do; the rest is about tables. */
#define OPTIONS_PROCESS                                                                            \
	(OPTIONS_WATCH | OPT_BIT(OPT_RANGE) | OPT_BIT(OPT_LEAVES) | OPT_BIT(OPT_JSON) |            \
	 OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP))

static const char pid_scheme[] = "pid:";

static const char *const kinds[_PGW_PROCESS_PAGE_KIND_MAX] = {
	[PGW_PROCESS_PAGE_NONE] = "none",
	[PGW_PROCESS_PAGE_PRESENT] = "present",
	[PGW_PROCESS_PAGE_ZERO] = "zero",
	[PGW_PROCESS_PAGE_SWAP] = "swap",
	[PGW_PROCESS_PAGE_SWAP_OR_MARKER] = "swap_or_marker",
	[PGW_PROCESS_PAGE_GUARD] = "guard",
	[PGW_PROCESS_PAGE_MARKER] = "marker",
	[PGW_PROCESS_PAGE_SPECIAL] = "special",
	[PGW_PROCESS_PAGE_UNKNOWN] = "unknown",
};

/* A dump, and what it met. */
struct process_dump {
	struct pgw_process *process;
	struct out *out;
	struct record record;
	uint64_t page_size;
	uint64_t nr_areas;
	uint64_t last_area; /* its first address, and 1 */
	uint64_t bytes[_PGW_PROCESS_PAGE_KIND_MAX];
	uint64_t huge, file, exclusive;
};

bool process_is_named(const char *name)
{
	return strcmp(name, "self") == 0 || strncmp(name, pid_scheme, strlen(pid_scheme)) == 0;
}

static void count_pages(struct process_dump *dump, const struct pgw_process_area *area,
			const struct pgw_process_pages *pages)
{
	uint64_t bytes = pages->last - pages->first + 1;

	dump->nr_areas += dump->last_area != area->first + 1;
	dump->last_area = area->first + 1;
	dump->bytes[pages->kind] += bytes;
	dump->huge += pages->flags & PGW_PROCESS_PAGE_HUGE ? bytes : 0;
	dump->file += pages->flags & PGW_PROCESS_PAGE_FILE ? bytes : 0;
	dump->exclusive += pages->flags & PGW_PROCESS_PAGE_EXCLUSIVE ? bytes : 0;
}

static void put_frame(struct process_dump *dump, const struct pgw_process_pages *pages)
{
	uint64_t flags, count;

	if (!pages->frame)
		return;
	record_hex(&dump->record, "pa", pages->frame * dump->page_size);
	if (!pgw_process_frame(dump->process, pages->frame, &flags, &count))
		return;
	record_hex(&dump->record, "page_flags", flags);
	record_dec(&dump->record, "count", count);
}

static int put_pages(const struct pgw_process_area *area, const struct pgw_process_pages *pages,
		     void *arg)
{
	struct process_dump *dump = arg;
	struct record *record = &dump->record;

	count_pages(dump, area, pages);
	record_begin(record, "pages");
	record_hex(record, "first", pages->first);
	record_hex(record, "last", pages->last);
	record_size(record, "size", pages->last - pages->first + 1);
	record_str(record, "kind", kinds[pages->kind]);
	record_str(record, "area", area->rights);
	put_frame(dump, pages);
	record_bool(record, "huge", pages->flags & PGW_PROCESS_PAGE_HUGE);
	record_bool(record, "file", pages->flags & PGW_PROCESS_PAGE_FILE);
	record_bool(record, "exclusive", pages->flags & PGW_PROCESS_PAGE_EXCLUSIVE);
	record_bool(record, "soft_dirty", pages->flags & PGW_PROCESS_PAGE_SOFT_DIRTY);
	record_bool(record, "uffd_wp", pages->flags & PGW_PROCESS_PAGE_UFFD_WP);
	record_untrusted(record, "name", area->name, strlen(area->name));
	record_end(record);
	return out_failed(dump->out) ? STOP_OUTPUT : 0;
}

static void put_summary(struct process_dump *dump)
{
	struct record *record = &dump->record;

	record_begin_summary(record);
	record_dec(record, "areas", dump->nr_areas);
	for (unsigned kind = 0; kind < _PGW_PROCESS_PAGE_KIND_MAX; kind++)
		record_size(record, kinds[kind], dump->bytes[kind]);
	record_size(record, "huge", dump->huge);
	record_size(record, "file", dump->file);
	record_size(record, "exclusive", dump->exclusive);
	record_str(record, "tables", "not visible");
	record_end(record);
}

/* What may not be known, or is not by this kernel. */
static void tell_access(const char *name, const struct pgw_process *process)
{
	struct pgw_process_access access = pgw_process_get_access(process);

	if (!access.has_frames)
		message("%s: frames of pages, how often they are mapped, and what is in swap "
			"rather "
			"than a marker, are for CAP_SYS_ADMIN to see",
			name);
	else if (!access.has_counts)
		message("%s: how often pages are mapped is not shown: /proc/kpageflags and "
			"/proc/kpagecount cannot be read",
			name);
	if (!access.has_scan)
		message("%s: this kernel (before 6.7) does not tell huge pages and the page of "
			"zeroes from others",
			name);
	if (access.has_swap)
		message("%s: pages of shared memory that are in swap count as none: the kernel "
			"does "
			"not show them",
			name);
}

static int fail_process(const char *name, int err)
{
	switch (err) {
	case -PGW_ENOENT:
		message("%s: there is no such process, or not any more", name);
		break;
	case -PGW_EACCES:
		message("%s: the process may not be looked at: it takes its user, and the right to "
			"trace it",
			name);
		break;
	default:
		message("%s: %s", name, pgw_status_text(err));
	}
	return TOOL_UNREADABLE;
}

static bool check_options(const struct options *opts, uint32_t *ret_pid)
{
	const char *name = opts->args[0];
	uint64_t pid = 0;

	if (strcmp(name, "self") != 0 &&
	    (!parse_dec(name + strlen(pid_scheme), &pid) || !pid || pid > INT32_MAX)) {
		message("dump: '%s' is not pid: and a process's number", name);
		return false;
	}
	if (opts->given & ~OPTIONS_PROCESS) {
		message("dump: of a process of this machine, whose tables are not visible, there "
			"are --range, --leaves, --watch, --json");
		return false;
	}
	*ret_pid = (uint32_t)pid;
	return true;
}

int process_dump(const struct options *opts)
{
	struct process_dump dump = { .page_size = (uint64_t)sysconf(_SC_PAGESIZE) };
	struct out out;
	uint32_t pid;
	int err;

	if (!check_options(opts, &pid))
		return TOOL_USAGE;
	err = pgw_process_open(pid, &dump.process);
	if (err)
		return fail_process(opts->args[0], err);
	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	dump.out = &out;
	record_init(&dump.record, &out, option_given(opts, OPT_JSON));
	err = pgw_process_pages(dump.process, opts->first, opts->last,
				option_given(opts, OPT_LEAVES), put_pages, &dump);
	if (!err)
		put_summary(&dump);
	out_flush(&out);
	if (!err)
		tell_access(opts->args[0], dump.process);
	pgw_process_close(dump.process);
	return target_finish(&out, err < 0 ? fail_process(opts->args[0], err) : TOOL_DONE);
}
