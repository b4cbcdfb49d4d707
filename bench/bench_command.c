/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole command, started anew each time: `pagewalk dump --leaves` into a file. The
 * naive walk knows the root; the command finds it, or is told it. Then what it saves to tell
 * once what repeats, and what a filter takes where 2^32 leaves are on a few tables: near what
 * any process takes to start.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "naive.h"
#include "rawfile.h"
#include "subject.h"

extern char **environ;

#define PEAK_GOAL_KIB 16384

struct job {
	const struct subject *subject;
	const char *tool; /* the command */
	char *image;
	char root[32];  /* its address, for --root */
	const char *to; /* where the output goes */
	char *output;   /* what the command printed */
	size_t size;
};

#define MAX_WORDS 16

/*
 * The words, and --no-sandbox if $BENCH_NO_SANDBOX is set: to compare with a command that had none.
 * What does no more than start has no options.
 */
static char **words_of(char **argv, char *words[MAX_WORDS + 1])
{
	int nr = 0;

	if (!getenv("BENCH_NO_SANDBOX") || argv[1][0] == '-')
		return argv;
	for (; argv[nr]; nr++) {
		bench_require(nr < MAX_WORDS - 1, "too many words");
		words[nr] = argv[nr];
	}
	words[nr++] = "--no-sandbox";
	words[nr] = NULL;
	return words;
}

/* @return its peak of resident memory in KiB, 0 = it failed */
static uint64_t run(const struct job *job, char **argv)
{
	posix_spawn_file_actions_t actions;
	char *words[MAX_WORDS + 1];
	struct rusage usage;
	int status;
	pid_t pid;

	argv = words_of(argv, words);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, job->to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	status = posix_spawn(&pid, job->tool, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > 1)
		return 0;
	return (uint64_t)usage.ru_maxrss;
}

static uint64_t run_command(void *arg)
{
	struct job *job = arg;
	char *argv[] = { "pagewalk", "dump", "--leaves", "--half", "kernel", job->image, NULL };

	return run(job, argv) ? job->subject->nr_leaves : 0;
}

static uint64_t run_with_root(void *arg)
{
	struct job *job = arg;
	char *argv[] = { "pagewalk", "dump",    "--leaves", "--half", "kernel",
			 "--root",   job->root, job->image, NULL };

	return run(job, argv) ? job->subject->nr_leaves : 0;
}

static void print_leaf(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg)
{
	static const char *const sizes[] = { "4K", "2M", "1G" };

	fprintf(arg, "%016" PRIx64 "-%016" PRIx64 "  %010" PRIx64 "  %s %" PRIx64 "\n", va,
		va + (UINT64_C(4096) << 9 * level) - 1, pa, sizes[level], entry & 0xfff);
}

/* What the file costs is left out. */
static uint64_t run_to_nowhere(void *arg)
{
	struct job job = *(struct job *)arg;

	job.to = "/dev/null";
	return run_with_root(&job);
}

/* What starting a process costs. */
static uint64_t run_version(void *arg)
{
	struct job job = *(struct job *)arg;
	char *argv[] = { "pagewalk", "--version", NULL };

	job.to = "/dev/null";
	return run(&job, argv) ? job.subject->nr_leaves : 0;
}

/* Open, walk, print; in this process. */
static uint64_t run_naive(void *arg)
{
	struct job *job = arg;
	struct naive_tree tree = job->subject->tree;
	FILE *file = fopen(job->to, "w");
	struct pgw_image *image;

	if (!file || pgw_image_open(job->image, NULL, &image, NULL))
		return 0;
	tree.phys = pgw_image_phys(image);
	naive_walk(&tree, print_leaf, file);
	pgw_image_close(image);
	return fclose(file) ? 0 : job->subject->nr_leaves;
}

/* No more than the bytes of the command's output. */
static uint64_t run_plain(void *arg)
{
	struct job *job = arg;
	int fd = open(job->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;
	ssize_t n = 1;

	while (fd >= 0 && done < job->size && n > 0) {
		n = write(fd, job->output + done, job->size - done);
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return done == job->size ? job->subject->nr_leaves : 0;
}

static void keep_output(struct job *job)
{
	FILE *file;

	bench_require(run_command(job), "the command failed");
	file = fopen(job->to, "r");
	bench_require(file && fseek(file, 0, SEEK_END) == 0, "no output");
	job->size = (size_t)ftell(file);
	rewind(file);
	job->output = malloc(job->size);
	bench_require(job->output && fread(job->output, 1, job->size, file) == job->size,
		      "no output");
	fclose(file);
}

/*
 * Of a command that is started by a program that is itself small: what a child is before it
 * is another program counts too.
 */
static uint64_t measure_peak(const char *tool, char *image)
{
	struct job job = { .tool = tool, .image = image, .to = "/dev/null" };
	char *argv[] = { "pagewalk", "dump", "--leaves", "--half", "kernel", image, NULL };

	return run(&job, argv);
}

static void measure(struct bench *bench, const char *tool, char *image, uint64_t peak_kib)
{
	static struct subject subject;
	struct job job = { .subject = &subject, .tool = tool, .image = image };
	char name[128], path[64];
	struct bench_set set = {
		.name = name,
		.unit = "leaf",
		.has_children = true,
		.reference = 0,
		.nr_cases = 6,
		.cases = {
			{ "naive walk with fprintf", run_naive, &job },
			{ "the command", run_command, &job },
			{ "the command, --root given", run_with_root, &job },
			{ "the same into /dev/null", run_to_nowhere, &job },
			{ "the command, --version", run_version, &job },
			{ "plain write of its output", run_plain, &job },
		},
	};

	if (!subject_open(&subject, image))
		return;
	/* In few leaves, the start of a process weighs more than the walk. */
	if (subject.nr_leaves > 50000)
		set.goal[1] = set.goal[2] = 0.4;
	job.to = path;
	snprintf(path, sizeof(path), "/tmp/pagewalk-bench.%d", (int)getpid());
	snprintf(job.root, sizeof(job.root), "0x%" PRIx64, subject.tree.root);
	snprintf(name, sizeof(name), "bench_command__%s", subject.name);
	keep_output(&job);
	bench_run(bench, &set);
	bench_print_peak(bench, name, "the command", peak_kib, PEAK_GOAL_KIB);
	unlink(path);
	free(job.output);
	subject_free(&subject);
}

/* ---- what repeats ---- */

/** Arguments, and the number that the other cases return, too. */
struct call {
	const struct job *job;
	char **argv;
	uint64_t nr_units;
};

static uint64_t run_call(void *arg)
{
	const struct call *call = arg;

	return run(call->job, call->argv) ? call->nr_units : 0;
}

/* A revision that this one is compared with may be older. */
static bool can_fold(const char *tool)
{
	const struct job job = { .tool = tool, .to = "/dev/null" };
	char *argv[] = { "pagewalk", "dump", "--no-fold", "--help", NULL };

	if (run(&job, argv))
		return true;
	fprintf(stderr, "bench: %s folds nothing: bench_dump left out\n", tool);
	return false;
}

/* Without options: all that an image's kernel maps. */
static void measure_dump(struct bench *bench, const char *tool, char *image)
{
	static struct subject subject;
	struct job job = { .tool = tool, .to = "/dev/null" };
	char *each_argv[] = { "pagewalk", "dump", "--no-fold", image, NULL };
	char *once_argv[] = { "pagewalk", "dump", image, NULL };
	char *start_argv[] = { "pagewalk", "--version", NULL };
	struct call each = { &job, each_argv, 1 }, once = { &job, once_argv, 1 };
	struct call start = { &job, start_argv, 1 };
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "run",
		.has_children = true,
		.reference = 0,
		.nr_cases = 3,
		.cases = {
			{ "dump --no-fold", run_call, &each },
			{ "dump", run_call, &once },
			{ "--version", run_call, &start },
		},
	};

	if (!subject_open(&subject, image))
		return;
	if (subject.nr_leaves > 50000)
		set.goal[1] = 0.3;
	snprintf(name, sizeof(name), "bench_dump__%s", subject.name);
	bench_run(bench, &set);
	subject_free(&subject);
}

/* As KASAN's early shadow: 32 slots of the root and all below lead to one page; one leaf is W+X. */
static void make_shadow(struct rawfile *file)
{
	enum { ROOT, PUD, PMD, PTE, OTHER_PUD, NR };
	static uint64_t page[NR][512];

	for (unsigned i = 0; i < 512; i++) {
		page[PUD][i] = PMD << 12 | 0x63;
		page[PMD][i] = PTE << 12 | 0x63;
		page[PTE][i] = UINT64_C(0x8000000000005161);
	}
	for (unsigned i = 0x1d8; i < 0x1f8; i++)
		page[ROOT][i] = PUD << 12 | 0x63;
	page[ROOT][511] = OTHER_PUD << 12 | 0x63;
	page[OTHER_PUD][510] = 0x400001e3;
	rawfile_make(file, sizeof(page));
	rawfile_put(file, 0, page, sizeof(page));
}

static void measure_shadow(struct bench *bench, const char *tool)
{
	struct job job = { .tool = tool, .to = "/dev/null" };
	struct rawfile file;
	char ram[80];
#define SHADOW "pagewalk", "dump", "--root", "0", "--format", "x86_64-la48", "--ram", ram
	char *once_argv[] = { SHADOW, "--perm", "k:wx", NULL };
	char *each_argv[] = { SHADOW, "--perm", "k:wx", "--leaves", NULL };
	char *absent_argv[] = { SHADOW, "--perm", "k:wx", "--absent", "--no-fold", NULL };
	char *start_argv[] = { "pagewalk", "--version", NULL };
	struct call start = { &job, start_argv, 1 }, once = { &job, once_argv, 1 };
	struct call each = { &job, each_argv, 1 }, absent = { &job, absent_argv, 1 };
	const struct bench_set set = {
		.name = "bench_dump__kasan_shadow",
		.unit = "run",
		.has_children = true,
		.reference = 0,
		.nr_cases = 4,
		.cases = {
			{ "--version", run_call, &start },
			{ "--perm k:wx", run_call, &once },
			{ "the same, --leaves", run_call, &each },
			{ "... --absent --no-fold", run_call, &absent },
		},
		.goal = { 0, 3, 3, 3 },
	};

	make_shadow(&file);
	snprintf(ram, sizeof(ram), "0=%s", file.path);
	bench_run(bench, &set);
	rawfile_remove(&file);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);
	const char *tool = getenv("PGW_TOOL");
	uint64_t *peaks = calloc((size_t)argc, sizeof(*peaks));

	bench_require(tool != NULL, "PGW_TOOL must be the command's path");
	bench_require(peaks != NULL, "no memory");
	for (int i = first; i < argc; i++)
		peaks[i] = measure_peak(tool, argv[i]);
	for (int i = first; i < argc; i++)
		measure(&bench, tool, argv[i], peaks[i]);
	if (can_fold(tool)) {
		for (int i = first; i < argc; i++)
			measure_dump(&bench, tool, argv[i]);
		measure_shadow(&bench, tool);
	}
	free(peaks);
	return bench_done(&bench);
}
