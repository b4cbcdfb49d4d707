/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * test_linux --kernel SO [--cases N] [--seed S] [--case S] [--replay FILE] [--without NAME]
 *            [--name VERSION] [--switches] [--no-shrink] [--list]
 *
 * Linux's walker beside ours. Prints TAP: one case for the comparison, one for each
 * switch, which has to have mattered. See README.md.
 */

#include <dlfcn.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "oracle_compare.h"

#define PATIENCE 20 /* seconds for a thousand cases, which take less than one */

struct options {
	const char *kernel, *name, *replay;
	uint64_t nr_cases, seed, one_case;
	bool has_seed, is_one;
	uint32_t without;
	bool wants_switches; /* a case for each */
	bool is_quiet;
	bool is_unshrunk;
};

static const struct oracle_kernel *load(const char *path)
{
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct oracle_kernel *kernel = so ? dlsym(so, ORACLE_KERNEL_SYMBOL) : NULL;

	if (!kernel) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return kernel;
}

static struct case_limits limits_of(const struct oracle_kernel *kernel)
{
	return (struct case_limits){ kernel->entry_points, kernel->callbacks,
				     kernel->nr_walk_locks };
}

/* The case that runs, and how many were before it. */
static volatile uint64_t running, nr_before;

/* One of the two walks does not end, or worse. Nothing is known to work any more, but most does. */
static void on_signal(int signal)
{
	const char *how = signal == SIGALRM ? "has no end" : "crashes";

	printf("# --case %#" PRIx64 " %s, after %" PRIu64 " cases\nnot ok 1 - %s\n1..1\n", running,
	       how, nr_before, how);
	fflush(stdout);
	_exit(1);
}

static bool still_fails(void *ctx, const struct oracle_case *c)
{
	return comparison_run(ctx, c, false) == DIFFERENT;
}

/* Show a case that failed: as a script, and what both did. */
static void show(struct comparison *cmp, const struct oracle_case *c)
{
	struct oracle_case small = *c;

	case_shrink(&small, still_fails, cmp);
	comparison_run(cmp, &small, false);
	fflush(stdout);
	printf("# ---- replay: ----\n");
	case_print(stdout, &small);
	printf("# ---- what they did: ----\n");
	comparison_print(cmp, stdout);
}

/* @return the number of cases that were compared; *ret_failed: one that was different */
static uint64_t compare_all(struct comparison *cmp, const struct options *options,
			    struct oracle_case *ret_failed, bool *ret_has_failed)
{
	struct case_limits limits = limits_of(cmp->kernel);
	uint64_t nr = 0;

	*ret_has_failed = false;
	for (uint64_t i = 0; nr < options->nr_cases; i++) {
		uint64_t seed = options->seed + i;
		enum verdict verdict;

		running = seed;
		nr_before = nr;
		if (i % 1024 == 0)
			alarm(PATIENCE);
		case_generate(ret_failed, seed, &limits);
		verdict = comparison_run(cmp, ret_failed, options->wants_switches);
		nr += verdict != IMPOSSIBLE;
		if (verdict == DIFFERENT) {
			if (!options->is_quiet)
				printf("# --case %#" PRIx64 " differs, after %" PRIu64 " cases\n",
				       seed, nr);
			*ret_has_failed = true;
			return nr;
		}
	}
	return nr;
}

/* With a switch left out, the comparison fails. @return at which case; 0: it does not */
static uint64_t fails_without(struct comparison *cmp, const struct options *options,
			      enum oracle_switch sw)
{
	static struct oracle_case c;
	struct options plain = *options;
	uint32_t all = cmp->switches;
	bool has_failed;
	uint64_t nr;

	plain.wants_switches = false;
	plain.is_quiet = true;
	plain.nr_cases *= 10; /* some are rare */
	cmp->switches &= ~(1u << sw);
	nr = compare_all(cmp, &plain, &c, &has_failed);
	cmp->switches = all;
	return has_failed ? nr : 0;
}

static int print_switches(struct comparison *cmp, const struct options *options, int nr)
{
	int nr_failed = 0;

	for (int sw = 0; sw < _SW_MAX; sw++) {
		const struct oracle_switch_info *info = &oracle_switches[sw];
		uint64_t at;

		if (info->dump_of || (info->only_of && strcmp(info->only_of, options->name) != 0))
			continue;
		at = fails_without(cmp, options, (enum oracle_switch)sw);
		nr_failed += !at;
		printf("%s %d - without %s Linux and we differ\n", at ? "ok" : "not ok", ++nr,
		       info->name);
		printf("# mattered in %" PRIu64 " cases, first in case %" PRIu64 ": %s%s\n",
		       cmp->mattered[sw], at, info->what,
		       info->is_fault ? " (a fault, to be mended)" : "");
	}
	printf("1..%d\n", nr);
	return nr_failed;
}

static int run_all(struct comparison *cmp, const struct options *options)
{
	static struct oracle_case failed;
	bool has_failed;
	uint64_t nr;

	printf("# --seed %#" PRIx64 "\n", options->seed);
	nr = compare_all(cmp, options, &failed, &has_failed);
	alarm(0);
	if (has_failed) {
		if (!options->is_unshrunk)
			show(cmp, &failed);
		printf("not ok 1 - Linux %s and we walk alike\n1..1\n", options->name);
		return 1;
	}
	printf("ok 1 - Linux %s and we walk alike\n# %" PRIu64 " cases, %" PRIu64 " events\n",
	       options->name, nr, cmp->nr_events);
	if (!options->wants_switches) {
		printf("1..1\n");
		return 0;
	}
	return print_switches(cmp, options, 1) ? 1 : 0;
}

static int run_one(struct comparison *cmp, const struct oracle_case *c, bool shrinks)
{
	enum verdict verdict = comparison_run(cmp, c, false);

	case_print(stdout, c);
	if (verdict == IMPOSSIBLE) {
		printf("# cannot be made\n");
		return 2;
	}
	comparison_print(cmp, stdout);
	printf("# %s\n", verdict == SAME ? "the same" : "DIFFERENT");
	if (verdict == DIFFERENT && shrinks)
		show(cmp, c);
	return verdict != SAME;
}

/* The release has such a call. */
static bool is_offered(const struct oracle_kernel *kernel, const struct oracle_case *c)
{
	return (kernel->entry_points & (1u << c->entry_point)) && !(c->ops & ~kernel->callbacks) &&
	       c->walk_lock < kernel->nr_walk_locks;
}

/* @return 0: the same, 1: not, 77: this release has no such call */
static int run_replay(struct comparison *cmp, const char *path, bool shrinks)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	static struct oracle_case c;

	if (!file) {
		perror(path);
		return 2;
	}
	if (!case_parse(file, &c))
		return 2;
	if (file != stdin)
		fclose(file);
	return is_offered(cmp->kernel, &c) ? run_one(cmp, &c, shrinks) : 77;
}

static void set_option(struct options *options, int option)
{
	enum oracle_switch sw;

	switch (option) {
	case 'k':
		options->kernel = optarg;
		break;
	case 'n':
		options->nr_cases = strtoull(optarg, NULL, 0);
		break;
	case 's':
		options->seed = strtoull(optarg, NULL, 0);
		options->has_seed = true;
		break;
	case 'c':
		options->one_case = strtoull(optarg, NULL, 0);
		options->is_one = true;
		break;
	case 'r':
		options->replay = optarg;
		break;
	case 'v':
		options->name = optarg;
		break;
	case 'l':
		for (sw = 0; sw < _SW_MAX; sw++)
			printf("%s\n", oracle_switches[sw].name);
		exit(0);
	case 'U':
		options->is_unshrunk = true;
		break;
	case 'S':
		options->wants_switches = true;
		break;
	case 'w':
		sw = oracle_switch_by_name(optarg);
		if (sw != _SW_MAX) {
			options->without |= 1u << sw;
			break;
		}
		fprintf(stderr, "no such switch: %s\n", optarg);
		exit(2);
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "kernel", 1, NULL, 'k' },
					       { "cases", 1, NULL, 'n' },
					       { "seed", 1, NULL, 's' },
					       { "case", 1, NULL, 'c' },
					       { "replay", 1, NULL, 'r' },
					       { "without", 1, NULL, 'w' },
					       { "name", 1, NULL, 'v' },
					       { "switches", 0, NULL, 'S' },
					       { "list", 0, NULL, 'l' },
					       { "no-shrink", 0, NULL, 'U' },
					       { 0 } };
	struct options options = { .nr_cases = 20000, .name = "" };
	struct comparison *cmp = malloc(sizeof(*cmp));
	struct oracle_case c;
	int option, status;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		set_option(&options, option);
	if (!cmp || !options.kernel)
		return 2;
	signal(SIGALRM, on_signal);
	comparison_init(cmp, load(options.kernel));
	cmp->switches &= ~options.without;
	if (options.is_unshrunk) {
		signal(SIGSEGV, on_signal);
		signal(SIGABRT, on_signal);
	}
	if (!options.has_seed)
		options.seed = test_seed();
	if (options.is_one) {
		struct case_limits limits = limits_of(cmp->kernel);

		case_generate(&c, options.one_case, &limits);
		status = run_one(cmp, &c, !options.is_unshrunk);
	} else if (options.replay) {
		status = run_replay(cmp, options.replay, !options.is_unshrunk);
	} else {
		status = run_all(cmp, &options);
	}
	comparison_fini(cmp);
	free(cmp);
	return status;
}
