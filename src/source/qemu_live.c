/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/process.h"
#include "source/qemu_find.h"
#include "source/qemu_monitor.h"
#include "source/qemu_stub.h"
#include "source/qmp.h"
#include "source/watchdog.h"

/*
 * A machine that QEMU runs, by the socket of its monitor. QEMU says where the guest's memory is in its
 * own; where that is a file that it shares, we map the file; else it is read through
 * /proc/PID/mem; else QEMU writes what is wanted into a file of ours.
 */

/* Instead of the number of a file that is mapped. */
#define IN_PROCESS (SOURCE_NO_FILE - 1)
#define IN_QEMU (SOURCE_NO_FILE - 2)

#define MAX_FILES 64
#define MAX_SECONDS 30 /* for all that is asked of where memory is */
/* A look through memory has QEMU write so much at once. */
#define LOOK_BYTES (UINT64_C(4) << 20)

#define EM_AARCH64 183 /* Linux, elf-em.h */

struct qemu_live {
	int64_t began_s; /* when the look for memory began */
	struct qmp *qmp;
	pid_t pid;  /* 0: not known, or we may not look at it */
	int memory; /* of the process, or -1 */
	struct watchdog *dog;
	bool is_stopped;           /* by us */
	bool has_stub;             /* it was told to open its gdb stub */
	char *folder;              /* for temporary files, or NULL */
	pthread_mutex_t save_lock; /* of the file that QEMU writes */
	char save_path[256];
	int save_fd;       /* -1: there is none */
	uint64_t saved_pa; /* what is in the file, for looks */
	uint64_t nr_saved; /* bytes; 0: nothing that may be used again */
	struct source_segment *segments;
	size_t nr_segments;
	uint64_t nr_bytes[3]; /* that are in files, in the process, in QEMU */
};

static const struct {
	const char *arch; /* of query-target */
	uint16_t elf_machine;
} machines[] = {
	{ "x86_64", 62 }, { "aarch64", EM_AARCH64 }, { "riscv64", 243 }, { "s390x", 22 }, { "i386", 3 },
};

static int fail_answer(struct pgw_error *err, int status, const char *expected)
{
	return source_fail(err, status, status == -PGW_ENOMEM ? NULL : expected);
}

static int find_machine(struct source *source, struct qemu_live *live, struct pgw_error *err)
{
	char arch[32];
	int status = qmp_text(live->qmp, "query-target", "arch", arch, sizeof(arch));

	if (status)
		return fail_answer(err, status, "QEMU's monitor to name its architecture");
	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		if (strcmp(arch, machines[i].arch) == 0)
			source->info.elf_machine = machines[i].elf_machine;
	}
	if (!source->info.elf_machine)
		return source_fail(err, -PGW_EOPNOTSUPP,
				   "a machine of x86, arm64, riscv64 or s390x");
	source->info.machine = source_machine_name(source->info.elf_machine);
	source->has_machine = true;
	return 0;
}

/* The number of the file in source->files, mapped now if it was not. @return -1: it cannot be had */
static int find_file(struct source *source, const struct qemu_live *live,
		     const struct process_area *area)
{
	struct source_map *files;
	int fd;

	/* What is written to memory that is not shared is not in the file. */
	if (!area->inode || !area->is_shared)
		return -1;
	for (unsigned i = 0; i < source->nr_files; i++) {
		if (source_map_is_file(&source->files[i], area->device, area->inode))
			return (int)i;
	}
	fd = process_open_file(live->pid, area->device, area->inode);
	if (fd < 0)
		return -1;
	if (source->nr_files == MAX_FILES) {
		close(fd);
		return -1;
	}
	files = reallocarray(source->files, source->nr_files + 1, sizeof(*files));
	if (!files) {
		close(fd);
		return -1;
	}
	source->files = files;
	if (source_map_take(fd, &files[source->nr_files], NULL))
		return -1;
	return (int)source->nr_files++;
}

static int add_segment(struct qemu_live *live, const struct source_segment *segment)
{
	unsigned kind = segment->file == IN_PROCESS ? 1 : segment->file == IN_QEMU ? 2 : 0;

	if (live->nr_segments == SOURCE_MAX_SEGMENTS)
		return -PGW_EIO;
	if (source_array_grow((void **)&live->segments, live->nr_segments, sizeof(*segment)))
		return -PGW_ENOMEM;
	live->segments[live->nr_segments++] = *segment;
	live->nr_bytes[kind] += segment->size;
	return 0;
}

/* Memory from pa on, as far as one area of the process has it. @param size how much; less on return */
static int add_area(struct source *source, uint64_t pa, uint64_t hva, uint64_t *size)
{
	struct qemu_live *live = source->state;
	struct source_segment segment = { .file = IN_QEMU, .pa = pa };
	struct process_area area;
	int file;

	if (live->pid && hva && !process_area_at(live->pid, hva, &area)) {
		if (area.last - hva < *size - 1)
			*size = area.last - hva + 1;
		file = find_file(source, live, &area);
		if (file >= 0 &&
		    source_map_has(&source->files[file], area.offset + (hva - area.first), *size)) {
			segment.file = (unsigned)file;
			segment.offset = area.offset + (hva - area.first);
		} else if (live->memory >= 0) {
			segment.file = IN_PROCESS;
			segment.offset = hva;
		}
	}
	segment.size = segment.file_size = *size;
	return add_segment(live, &segment);
}

/* Each area is looked for in the list of all areas of the process. */
static bool is_late(const struct qemu_live *live)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - live->began_s > MAX_SECONDS;
}

static int add_section(struct source *source, const struct qemu_section *section)
{
	struct qemu_live *live = source->state;
	uint64_t pa = section->first, hva = 0, size;
	char line[64], *text = NULL;
	int status;

	if (section->last == UINT64_MAX)
		return 0; /* no machine has memory there */
	snprintf(line, sizeof(line), "gpa2hva 0x%" PRIx64, pa);
	status = qmp_monitor(live->qmp, line, &text);
	if (status && status != -PGW_EIO)
		return status;
	if (status || !qemu_hva_read(text, &hva) || hva > UINT64_MAX - (section->last - pa))
		hva = 0;
	free(text);
	status = 0;
	while (pa <= section->last && !status) {
		size = section->last - pa + 1;
		status = is_late(live) ? -PGW_EIO : add_area(source, pa, hva, &size);
		pa += size;
		hva += hva ? size : 0;
	}
	return status;
}

static const char *access_text(const struct qemu_live *live)
{
	static const char *const texts[] = {
		"mapped in place, from the file that QEMU has it in",
		"read from the memory of QEMU's process",
		"copied by QEMU into a file, piece by piece, which is slow",
	};
	unsigned most = 0;

	for (unsigned i = 1; i < PGW_ARRAY_SIZE(texts); i++)
		most = live->nr_bytes[i] > live->nr_bytes[most] ? i : most;
	return texts[most];
}

static int add_sections(struct source *source, const struct qemu_section *sections, size_t nr)
{
	struct qemu_live *live = source->state;
	struct timespec start;
	int status = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	live->began_s = start.tv_sec;
	for (size_t i = 0; i < nr && !status; i++)
		status = is_late(live) ? -PGW_EIO : add_section(source, &sections[i]);
	return status;
}

static int find_memory(struct source *source, struct qemu_live *live, struct pgw_error *err)
{
	struct qemu_section *sections = calloc(QEMU_MAX_SECTIONS + 1, sizeof(*sections));
	char *text = NULL;
	size_t nr = 0;
	int status = sections ? qmp_monitor(live->qmp, "info mtree -f", &text) : -PGW_ENOMEM;

	if (!status)
		nr = qemu_sections_read(text, sections);
	if (!status && !nr)
		status = -PGW_EIO;
	free(text);
	if (!status)
		status = add_sections(source, sections, nr);
	free(sections);
	if (!status)
		status = source_lay_out(source, live->segments, live->nr_segments);
	if (status)
		return fail_answer(
			err, status,
			"QEMU's monitor to say within 30 seconds where memory is (info mtree -f)");
	source->has_places = true;
	source->info.access = access_text(live);
	return 0;
}

static int read_registers(struct source *source)
{
	struct qemu_live *live = source->state;
	char *text;
	int status = qmp_monitor(live->qmp, "info registers -a", &text);

	if (status)
		return status;
	free(source->cpus);
	source->cpus = NULL;
	source->nr_cpus = 0;
	status = qemu_registers_read(source, text);
	free(text);
	return status;
}

/* What the watchdog says by what is to be put back now. */
static void arm(struct qemu_live *live)
{
	watchdog_arm(live->dog, live->is_stopped && live->has_stub ? QMP_RUN QMP_CLOSE_STUB
				: live->has_stub                   ? QMP_CLOSE_STUB
				: live->is_stopped                 ? QMP_RUN
								   : NULL);
}

static int start_watchdog(struct qemu_live *live)
{
	return live->dog ? 0 : watchdog_start(qmp_fd(live->qmp), &live->dog);
}

/* A stub that the user has stays open. */
static int take_from_stub(struct source *source)
{
	struct qemu_live *live = source->state;
	int status = qemu_stub_registers(source, live->qmp, live->pid);

	if (status != -PGW_ENOENT)
		return status;
	live->has_stub = true;
	arm(live);
	status = qemu_stub_open_registers(source, live->qmp, live->folder);
	live->has_stub = false;
	arm(live);
	return status;
}

/* The monitor does not print what arm64 translates by. What the stub does not say is not known. */
static int read_arm64_registers(struct source *source)
{
	struct qemu_live *live = source->state;
	int status = start_watchdog(live);

	if (status)
		return status;
	status = source_pause(source);
	if (status)
		return status;
	status = take_from_stub(source);
	if (source_resume(source))
		return -PGW_EIO;
	return status == -PGW_ENOMEM ? status : 0;
}

static int qemu_live_refresh(struct source *source)
{
	int status = read_registers(source);

	return status || source->info.elf_machine != EM_AARCH64 ? status
								: read_arm64_registers(source);
}

/* The file is ours, so nobody but us and QEMU sees what is in it, and it has no name when we end. */
static int open_save_file(struct qemu_live *live, const char *folder)
{
	if ((size_t)snprintf(live->save_path, sizeof(live->save_path), "%s/pagewalk-XXXXXX",
			     source_temporary(folder)) >= sizeof(live->save_path))
		return -PGW_EIO;
	live->save_fd = mkstemp(live->save_path);
	return live->save_fd < 0 ? -PGW_EIO : 0;
}

/* A number is a process's; ./7 is a path. */
static int open_monitor(const char *name, struct qmp **ret, struct pgw_error *err)
{
	char path[PATH_MAX];
	int status;

	if (!*name || strspn(name, "0123456789") != strlen(name) || strlen(name) > 9)
		return qmp_open(name, ret, err);
	status = qemu_find_monitor((pid_t)strtol(name, NULL, 10), path, sizeof(path));
	if (status)
		return source_fail(err, status,
				   "a process whose command line names a Unix socket of QEMU's "
				   "monitor (-qmp unix:PATH)");
	return qmp_open(path, ret, err);
}

static int qemu_live_open(struct source *source, const struct pgw_image_options *options,
			  struct pgw_error *err)
{
	struct qemu_live *live = source->state = calloc(1, sizeof(*live));
	int status;

	if (!live)
		return source_fail(err, -PGW_ENOMEM, NULL);
	live->memory = live->save_fd = -1;
	live->folder = options->temporary_folder ? strdup(options->temporary_folder) : NULL;
	pthread_mutex_init(&live->save_lock, NULL);
	status = open_monitor(source->path, &live->qmp, err);
	if (status)
		return status;
	source->is_live = true;
	source->info.writer = "QEMU";
	live->pid = qmp_peer(live->qmp);
	/* Whoever listens may pass all on: QEMU's addresses mean other memory in that process. */
	if (live->pid && !process_is_qemu(live->pid))
		live->pid = qemu_find_peer(qmp_fd(live->qmp));
	if (live->pid)
		live->memory = process_open_memory(live->pid);
	status = find_machine(source, live, err);
	if (!status && qmp_bool(live->qmp, "query-status", "running", &source->info.runs))
		status = source_fail(err, -PGW_EIO, "QEMU's monitor to say whether the machine runs");
	if (!status)
		status = find_memory(source, live, err);
	if (status)
		return status;
	if (live->nr_bytes[2] && open_save_file(live, options->temporary_folder))
		return source_fail(err, -PGW_EIO, "a folder for temporary files");
	status = read_registers(source);
	if (status)
		return fail_answer(err, status,
				   "QEMU's monitor to say its CPUs' registers (info registers -a)");
	return 0;
}

static void qemu_live_close(struct source *source)
{
	struct qemu_live *live = source->state;

	if (!live)
		return;
	watchdog_end(live->dog);
	qmp_close(live->qmp);
	if (live->memory >= 0)
		close(live->memory);
	if (live->save_fd >= 0) {
		close(live->save_fd);
		unlink(live->save_path);
	}
	pthread_mutex_destroy(&live->save_lock);
	free(live->folder);
	free(live->segments);
	free(live);
}

/* Pre: save_lock is held. */
static bool save(struct qemu_live *live, uint64_t pa, uint64_t size)
{
	live->nr_saved = 0;
	if (qmp_save(live->qmp, pa, size, live->save_path))
		return false;
	live->saved_pa = pa;
	live->nr_saved = size;
	return true;
}

/*
 * Bytes that QEMU writes to the file now; or for a look, did before: it reads them in order, and looks at
 * what it found again. Pre: the range has them.
 */
static bool read_saved(struct qemu_live *live, const struct source_range *range, uint64_t pa,
		       void *buf, size_t len, bool is_look)
{
	uint64_t size = len;
	bool is_there;

	if (is_look && size < LOOK_BYTES)
		size = range->last - pa < LOOK_BYTES - 1 ? range->last - pa + 1 : LOOK_BYTES;
	pthread_mutex_lock(&live->save_lock);
	is_there = is_look && pa >= live->saved_pa && pa - live->saved_pa < live->nr_saved &&
		   len <= live->nr_saved - (pa - live->saved_pa);
	is_there = (is_there || save(live, pa, size)) &&
		   process_read(live->save_fd, pa - live->saved_pa, buf, len);
	if (!is_look)
		live->nr_saved = 0;
	pthread_mutex_unlock(&live->save_lock);
	return is_there;
}

static int read_memory(const struct source *source, uint64_t pa, void *buf, size_t len,
		       bool is_look)
{
	struct qemu_live *live = source->state;
	uint8_t *to = buf;

	while (len) {
		const struct source_range *range = source_memory_find(&source->memory, pa);
		size_t n = len;
		uint64_t offset;
		bool is_read;

		if (!range)
			return -PGW_EIO;
		if (range->last - pa < n - 1)
			n = (size_t)(range->last - pa) + 1;
		offset = range->offset + (pa - range->first);
		if (range->file == IN_PROCESS)
			is_read = process_read(live->memory, offset, to, n);
		else if (range->file == IN_QEMU)
			is_read = read_saved(live, range, pa, to, n, is_look);
		else
			is_read = source_map_read(&source->files[range->file], offset, to, n);
		if (!is_read)
			return -PGW_EIO;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static int qemu_live_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return read_memory(source, pa, buf, len, false);
}

static int qemu_live_look(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return read_memory(source, pa, buf, len, true);
}

/* One that stands already stays as it is, now and later. */
static int qemu_live_pause(const struct source *source)
{
	struct qemu_live *live = source->state;
	bool runs;
	int status = qmp_bool(live->qmp, "query-status", "running", &runs);

	if (status || !runs)
		return status;
	status = start_watchdog(live);
	if (status)
		return status;
	live->is_stopped = true;
	arm(live);
	source_pause_begins(source);
	status = qmp_do(live->qmp, "stop");
	if (status) {
		/* It may stand all the same. */
		live->is_stopped = false;
		if (!qmp_do(live->qmp, "cont"))
			arm(live);
		else
			qmp_run(live->qmp);
	}
	return status;
}

static int qemu_live_resume(const struct source *source)
{
	struct qemu_live *live = source->state;
	int status;

	if (!live->is_stopped)
		return 0;
	status = qmp_do(live->qmp, "cont");
	if (!status) {
		live->is_stopped = false;
		arm(live);
	} else {
		qmp_run(live->qmp);
	}
	return status;
}

const struct source_ops source_qemu_live_ops = {
	.name = "qemu",
	.scheme = "qemu",
	.open = qemu_live_open,
	.close = qemu_live_close,
	.read = qemu_live_read,
	.look = qemu_live_look,
	.next_range = source_file_next_range,
	.pause = qemu_live_pause,
	.resume = qemu_live_resume,
	.refresh = qemu_live_refresh,
};
