/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/process.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bits.h"

#define NR_WORDS 4096 /* that are read at once */
#define NR_REGIONS 512

/* Documentation/admin-guide/mm/pagemap.rst: words of /proc/PID/pagemap. */
#define WORD_FRAME low_bits(55)
#define WORD_SOFT_DIRTY BIT(55)
#define WORD_EXCLUSIVE BIT(56)
#define WORD_UFFD_WP BIT(57)
#define WORD_GUARD BIT(58)
#define WORD_FILE BIT(61)
#define WORD_SWAP BIT(62)
#define WORD_PRESENT BIT(63)
/* Of what is swapped, the type, and above it the offset. Markers have the last type. */
#define SWAP_TYPE low_bits(5)
#define SWAP_TYPE_MARKER 31

/* The same: PAGEMAP_SCAN, include/uapi/linux/fs.h. */
struct scan {
	uint64_t size, flags, start, end, walk_end, regions, nr_regions, max_pages;
	uint64_t inverted, all_of, any_of, wanted;
};

struct region {
	uint64_t start, end, categories;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct scan)
#define CATEGORY_PRESENT BIT(3)
#define CATEGORY_SWAPPED BIT(4)
#define CATEGORY_ZERO BIT(5)
#define CATEGORY_HUGE BIT(6)

struct pgw_process {
	uint32_t pid;
	int pagemap;
	int flags, counts; /* of frames; -1: may not be read */
	uint64_t page_size;
	struct pgw_process_access access;
	unsigned nr_swap; /* devices */
	char *name;       /* of the area */
	uint64_t words[NR_WORDS];
	struct region regions[NR_REGIONS];
	size_t nr_regions, at_region;
	uint64_t scanned; /* up to here, exclusive, regions tells what there is */
};

/* A walk over pages, of which those that are alike are reported together. */
struct walk {
	struct pgw_process *process;
	const struct pgw_process_area *area;
	bool is_each;
	struct pgw_process_pages run;
	bool has_run;
	pgw_process_pages_fn *fn;
	void *arg;
};

static int open_proc(uint32_t pid, const char *file, int flags)
{
	char path[64];

	if (pid)
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, file);
	else
		snprintf(path, sizeof(path), "/proc/self/%s", file);
	return open(path, flags | O_CLOEXEC);
}

static int status_of(int os_errno)
{
	return os_errno == ENOENT || os_errno == ESRCH   ? -PGW_ENOENT
	       : os_errno == EACCES || os_errno == EPERM ? -PGW_EACCES
							 : -PGW_EIO;
}

/* Lines of /proc/swaps behind the first. */
static unsigned count_swap(void)
{
	FILE *file = fopen("/proc/swaps", "re");
	unsigned nr = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		nr += c == '\n';
	if (file)
		fclose(file);
	return nr ? nr - 1 : 0;
}

/* Of a page of ours that is there: without the right its frame is 0. */
static bool may_see_frames(const struct pgw_process *process)
{
	uint64_t here = (uintptr_t)&process->words / process->page_size, word = 0;
	int own = open_proc(0, "pagemap", O_RDONLY);
	bool may = own >= 0 &&
		   pread(own, &word, sizeof(word), (off_t)(here * sizeof(word))) ==
			   (ssize_t)sizeof(word) &&
		   (word & WORD_FRAME);

	if (own >= 0)
		close(own);
	return may;
}

static bool may_scan(const struct pgw_process *process)
{
	struct scan scan = { .size = sizeof(scan), .wanted = CATEGORY_HUGE };

	return ioctl(process->pagemap, PAGEMAP_SCAN, &scan) >= 0;
}

int pgw_process_open(uint32_t pid, struct pgw_process **ret)
{
	struct pgw_process *process = calloc(1, sizeof(*process));
	int status;

	if (!process)
		return -PGW_ENOMEM;
	process->pid = pid;
	process->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	process->pagemap = open_proc(pid, "pagemap", O_RDONLY);
	if (process->pagemap < 0) {
		status = status_of(errno);
		free(process);
		return status;
	}
	process->flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	process->counts = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	process->nr_swap = count_swap();
	memset(process->words, 0xff, sizeof(process->words)); /* so that it is there */
	process->access = (struct pgw_process_access){
		.has_frames = may_see_frames(process),
		.has_scan = may_scan(process),
		.has_swap = process->nr_swap,
	};
	process->access.has_counts =
		process->access.has_frames && process->flags >= 0 && process->counts >= 0;
	*ret = process;
	return 0;
}

void pgw_process_close(struct pgw_process *process)
{
	if (!process)
		return;
	close(process->pagemap);
	if (process->flags >= 0)
		close(process->flags);
	if (process->counts >= 0)
		close(process->counts);
	free(process->name);
	free(process);
}

struct pgw_process_access pgw_process_get_access(const struct pgw_process *process)
{
	return process->access;
}

bool pgw_process_frame(const struct pgw_process *process, uint64_t frame, uint64_t *ret_flags,
		       uint64_t *ret_count)
{
	off_t at = (off_t)(frame * sizeof(uint64_t));

	return process->access.has_counts && frame &&
	       pread(process->flags, ret_flags, sizeof(*ret_flags), at) == sizeof(*ret_flags) &&
	       pread(process->counts, ret_count, sizeof(*ret_count), at) == sizeof(*ret_count);
}

/* ---- words ---- */

/*
 * "Swapped" is all that is not empty and not present. What a frame's number would be is then the
 * type and the offset, which are 0 for those who may not know frames.
 */
static enum pgw_process_page_kind kind_of_swapped(const struct pgw_process *process, uint64_t word)
{
	uint64_t type = word & SWAP_TYPE;

	if (word & WORD_GUARD)
		return PGW_PROCESS_PAGE_GUARD;
	if (!process->access.has_frames)
		return process->nr_swap ? PGW_PROCESS_PAGE_SWAP_OR_MARKER : PGW_PROCESS_PAGE_MARKER;
	if (type == SWAP_TYPE_MARKER)
		return PGW_PROCESS_PAGE_MARKER;
	return type < process->nr_swap ? PGW_PROCESS_PAGE_SWAP : PGW_PROCESS_PAGE_SPECIAL;
}

static struct pgw_process_pages decode(const struct pgw_process *process, uint64_t word,
				       uint64_t categories)
{
	bool is_present = word & WORD_PRESENT;
	struct pgw_process_pages pages = {
		.kind = !is_present && !(word & WORD_SWAP) ? PGW_PROCESS_PAGE_NONE
			: !is_present                      ? kind_of_swapped(process, word)
			: categories & CATEGORY_ZERO       ? PGW_PROCESS_PAGE_ZERO
							   : PGW_PROCESS_PAGE_PRESENT,
		.frame = is_present ? word & WORD_FRAME : 0,
	};

	if (pages.kind == PGW_PROCESS_PAGE_NONE)
		return pages;
	pages.flags = (word & WORD_FILE ? PGW_PROCESS_PAGE_FILE : 0u) |
		      (word & WORD_EXCLUSIVE ? PGW_PROCESS_PAGE_EXCLUSIVE : 0u) |
		      (word & WORD_SOFT_DIRTY ? PGW_PROCESS_PAGE_SOFT_DIRTY : 0u) |
		      (word & WORD_UFFD_WP ? PGW_PROCESS_PAGE_UFFD_WP : 0u) |
		      (is_present && categories & CATEGORY_HUGE ? PGW_PROCESS_PAGE_HUGE : 0u);
	return pages;
}

/* ---- runs ---- */

static int flush_run(struct walk *walk)
{
	bool has_run = walk->has_run;

	walk->has_run = false;
	return has_run ? walk->fn(walk->area, &walk->run, walk->arg) : 0;
}

/* Pre: first follows what was added before. */
static int add_pages(struct walk *walk, const struct pgw_process_pages *pages)
{
	bool is_single = walk->is_each && pages->frame;
	int status;

	if (walk->has_run && !is_single && !walk->run.frame && walk->run.kind == pages->kind &&
	    walk->run.flags == pages->flags) {
		walk->run.last = pages->last;
		return 0;
	}
	status = flush_run(walk);
	walk->run = *pages;
	if (!is_single)
		walk->run.frame = 0;
	walk->has_run = true;
	return status;
}

static int add_kind(struct walk *walk, uint64_t first, uint64_t last,
		    enum pgw_process_page_kind kind)
{
	const struct pgw_process_pages pages = { .first = first, .last = last, .kind = kind };

	return first <= last ? add_pages(walk, &pages) : 0;
}

/* @return 0, fn's value, or a negative status */
static int add_words(struct walk *walk, uint64_t first, uint64_t last, uint64_t categories)
{
	struct pgw_process *process = walk->process;
	uint64_t size = process->page_size;
	int status = 0;

	while (first <= last && !status) {
		uint64_t nr = (last - first) / size + 1;
		ssize_t got;

		nr = nr < NR_WORDS ? nr : NR_WORDS;
		got = pread(process->pagemap, process->words, (size_t)nr * sizeof(uint64_t),
			    (off_t)(first / size * sizeof(uint64_t)));
		if (got < (ssize_t)sizeof(uint64_t))
			return add_kind(walk, first, last, PGW_PROCESS_PAGE_UNKNOWN);
		nr = (uint64_t)got / sizeof(uint64_t);
		for (uint64_t i = 0; i < nr && !status; i++) {
			struct pgw_process_pages pages =
				decode(process, process->words[i], categories);

			pages.first = first + i * size;
			pages.last = pages.first + (size - 1);
			status = add_pages(walk, &pages);
		}
		first += nr * size;
	}
	return status;
}

/* ---- areas ---- */

/* More of where there is something, from here on. @return false: the kernel does not say */
static bool scan_on(struct pgw_process *process, uint64_t first, uint64_t last)
{
	struct scan scan = {
		.size = sizeof(scan),
		.start = first,
		.end = last + 1,
		.regions = (uintptr_t)process->regions,
		.nr_regions = NR_REGIONS,
		.any_of = CATEGORY_PRESENT | CATEGORY_SWAPPED,
		.wanted = CATEGORY_PRESENT | CATEGORY_SWAPPED | CATEGORY_ZERO | CATEGORY_HUGE,
	};
	long nr = ioctl(process->pagemap, PAGEMAP_SCAN, &scan);

	if (nr < 0 || nr > NR_REGIONS || scan.walk_end <= first || scan.walk_end > last + 1)
		return false;
	process->nr_regions = (size_t)nr;
	process->scanned = scan.walk_end;
	return true;
}

static int walk_scanned(struct walk *walk, uint64_t first, uint64_t last)
{
	struct pgw_process *process = walk->process;
	int status = 0;

	while (first <= last && !status) {
		if (!scan_on(process, first, last))
			return add_words(walk, first, last, 0);
		for (size_t i = 0; i < process->nr_regions && !status; i++) {
			struct region region = process->regions[i];

			if (region.start < first || region.end <= region.start ||
			    region.end > process->scanned)
				return -PGW_EIO;
			if (region.start > first)
				status = add_kind(walk, first, region.start - 1,
						  PGW_PROCESS_PAGE_NONE);
			if (!status)
				status = add_words(walk, region.start, region.end - 1,
						   region.categories);
			first = region.end;
		}
		if (!status && first < process->scanned)
			status = add_kind(walk, first, process->scanned - 1, PGW_PROCESS_PAGE_NONE);
		first = process->scanned;
	}
	return status;
}

/* "7f9e6bfff000-7f9e6ffff000 rw-s 00000000 00:01 19138     /memfd:ram (deleted)" */
static bool read_area(struct pgw_process *process, char *line, struct pgw_process_area *ret)
{
	uint64_t end;
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %*u %n", &ret->first, &end,
		   ret->rights, &name) < 3 ||
	    end <= ret->first || !name)
		return false;
	ret->last = end - 1;
	line[strcspn(line, "\n")] = '\0';
	free(process->name);
	process->name = strdup(line + name);
	ret->name = process->name ? process->name : "";
	return true;
}

static int walk_area(struct walk *walk, const struct pgw_process_area *area, uint64_t first,
		     uint64_t last)
{
	int status;

	walk->area = area;
	first = first > area->first ? first & ~(walk->process->page_size - 1) : area->first;
	last = last < area->last ? last | (walk->process->page_size - 1) : area->last;
	status = walk->process->access.has_scan ? walk_scanned(walk, first, last)
						: add_words(walk, first, last, 0);
	return status ? status : flush_run(walk);
}

int pgw_process_pages(struct pgw_process *process, uint64_t first, uint64_t last, bool is_each,
		      pgw_process_pages_fn *fn, void *arg)
{
	struct walk walk = { .process = process, .is_each = is_each, .fn = fn, .arg = arg };
	int fd = open_proc(process->pid, "maps", O_RDONLY), status = 0;
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
	struct pgw_process_area area;
	char *line = NULL;
	size_t size = 0;

	if (!maps) {
		status = status_of(errno);
		if (fd >= 0)
			close(fd);
		return status;
	}
	while (!status && getline(&line, &size, maps) > 0) {
		if (!read_area(process, line, &area))
			status = -PGW_EIO;
		else if (area.last >= first && area.first <= last)
			status = walk_area(&walk, &area, first, last);
	}
	free(line);
	fclose(maps);
	/* Of one that has ended, each read of its pages was empty. */
	if (status)
		return status;
	fd = open_proc(process->pid, "maps", O_RDONLY);
	if (fd < 0)
		return status_of(errno);
	close(fd);
	return 0;
}
