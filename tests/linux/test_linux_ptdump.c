/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * test_linux_ptdump --kernel SO --arch x86_64|arm64|riscv64 [--cases N] [--seed S] [--case S]
 *                   [--name VERSION]
 *
 * Linux's page-table dump of an architecture beside pgw_ptdump(), printed as the command does:
 * line by line the same. Trees are such as kernels make: what the MMU would refuse is not in
 * them, which Linux's dump takes for what it is not, and ours names. Prints TAP.
 */

#include <dlfcn.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <pagewalk/analysis.h>

#include "base/bits.h"
#include "oracle_world.h"
#include "pt/pt.h"
#include "report/ptdump_style.h"

#define MAX_MARKERS 6
#define TEXT_SIZE (OUT_BLOCK - 4096)

struct dump {
	struct world world;
	struct outcome outcome; /* of what the shim notes; not looked at */
	const struct oracle_dumper *dumper;
	const char *arch, *name;
	uint64_t seed; /* of the case that is dumped */
	struct oracle_marker markers[MAX_MARKERS];
	size_t nr_markers;
	char theirs[TEXT_SIZE];
	struct out ours; /* never flushed: what it holds is the text */
	uint64_t nr_lines;
	uint32_t switches; /* that are on */
	uint64_t differed[_SW_MAX];
};

static bool differs(struct dump *d, enum oracle_switch sw)
{
	d->differed[sw]++;
	return d->switches & (1u << sw);
}

/* ---- cases ---- */

static uint64_t below(uint64_t *state, uint64_t n)
{
	return (test_random(state) >> 33) % n;
}

static bool of_kernel(const struct dump *d)
{
	return strcmp(d->arch, "x86_64") != 0;
}

static unsigned some_format(const struct dump *d, uint64_t *state)
{
	for (;;) {
		unsigned i = (unsigned)below(state, NR_WORLD_FORMATS);

		if (strcmp(pgw_format_arch(pgw_format_by_name(world_formats[i])), d->arch) == 0)
			return i;
	}
}

/* Near the start of the half or of its last slot of the top table. */
static uint64_t some_va(const struct dump *d, const struct oracle_case *c, uint64_t *state)
{
	const struct pgw_format *format = pgw_format_by_name(world_formats[c->format]);
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	bool high = of_kernel(d) || below(state, 2);
	const struct pgw_region *region =
		pgw_format_region(format, high ? PGW_REGION_KERNEL : PGW_REGION_USER);
	uint64_t top = BIT(geo->span_lg2[geo->top_level]);
	/* What x86 leaves to hypervisors is not dumped, and nothing is there. */
	uint64_t va = region->first + (high && !of_kernel(d) ? 16 * top : 0);

	if (below(state, 3) == 0)
		va = region->last + 1 - top;
	for (unsigned level = 0; level <= geo->top_level; level++) {
		if (below(state, 2))
			va += below(state, 3) << geo->span_lg2[level];
	}
	return va >= region->first && va <= region->last ? va : region->first + 16 * top;
}

static struct case_put some_put(const struct dump *d, const struct oracle_case *c, uint64_t *state)
{
	static const enum word_kind words[] = { WORD_LEAF,     WORD_LEAF,    WORD_FULL,
						WORD_FULL,     WORD_ABSENT,  WORD_TABLE,
						WORD_RO_TABLE, WORD_NX_TABLE };
	const struct pgw_geometry *geo =
		pgw_format_geometry(pgw_format_by_name(world_formats[c->format]));
	struct case_put put = { .level = (uint8_t)below(state, geo->top_level + 1u),
				.word = (uint8_t)words[below(state, 8)],
				.variant = (uint8_t)below(state, 8) };

	/* Leaves and absent entries of p4d and pgd are another matter: Linux clears them. */
	if ((put.word == WORD_LEAF || put.word == WORD_ABSENT) && put.level > 2)
		put.level = 2;
	if (put.word == WORD_FULL && put.level > 3)
		put.level = 3;
	put.va = some_va(d, c, state) & ~low_bits(geo->span_lg2[put.level]);
	return put;
}

static void generate(struct dump *d, struct oracle_case *c, uint64_t seed)
{
	uint64_t state = seed;

	*c = (struct oracle_case){ .entry_point = CALL_DEBUG, .of_kernel = of_kernel(d) };
	c->format = some_format(d, &state);
	c->held[0] = c->held[1] = HELD_WRITE;
	for (uint64_t n = 1 + below(&state, 12); c->nr_puts < n;)
		c->puts[c->nr_puts++] = some_put(d, c, &state);
}

/* ---- what the case does not say: attributes and markers, by the seed ---- */

static uint64_t attr_bits(const struct dump *d, unsigned level)
{
	switch (d->world.shape.encoding) {
	case ENC_X86:
		return BIT(63) | (level ? 0xf7e : 0xffe);
	case ENC_RISCV:
		return 0x3f8;
	case ENC_ARM64:
		break;
	}
	return BITS(54, 53) | BIT(50) | 0xfdc;
}

/* What nobody may access, but Linux shows: x86's PROT_NONE, large pages of it too. */
static uint64_t numb_bits(const struct dump *d, unsigned level)
{
	if (d->world.shape.encoding != ENC_X86)
		return 0;
	return level == 1 ? 0x180 : level == 0 ? 0x162 : 0;
}

/* Other attributes, alike in short rows of neighbours. */
static void dress_table(struct dump *d, uint64_t *table, unsigned level, uint64_t *state)
{
	struct world *w = &d->world;
	uint64_t bits = 0;

	for (unsigned i = 0; i < 1u << w->geo->slots_lg2[level]; i++) {
		enum oracle_kind kind = table[i] ? world_kind(w, table[i], level) : KIND_EMPTY;
		uint64_t word;

		if (below(state, 6) == 0)
			bits = test_random(state) & test_random(state);
		word = table[i] ^ (bits & attr_bits(d, level));
		if (kind == KIND_LEAF && world_kind(w, word, level) == KIND_LEAF)
			table[i] = word;
		if (kind == KIND_ABSENT && bits & 1)
			table[i] |= numb_bits(d, level);
	}
}

static void dress(struct dump *d)
{
	struct world *w = &d->world;
	size_t size = pt_table_size(w->geo, 0);
	uint64_t state = ~d->seed;

	for (size_t at = 0; at < w->arena.used; at += size) {
		uint64_t *table = (uint64_t *)(void *)(w->arena.block + at);
		unsigned level = w->arena.platform.table_desc(&w->arena, table)->level;

		/* The first is the root, whose desc says nothing. */
		dress_table(d, table, at ? level : w->geo->top_level, &state);
	}
}

static void place_markers(struct dump *d)
{
	static const char *const names[MAX_MARKERS] = { "zero",  "one",  "two",
							"three", "four", "five" };
	uint64_t state = d->seed + 1;
	const struct pgw_region *kernel = pgw_format_region(d->world.format, PGW_REGION_KERNEL);
	size_t nr = below(&state, MAX_MARKERS);

	d->markers[0] = (struct oracle_marker){ of_kernel(d) ? kernel->first : 0, names[0],
						below(&state, 3) };
	d->nr_markers = 1;
	for (size_t i = 0; i < nr; i++) {
		uint64_t va = some_va(d, d->world.c, &state);

		if (va <= d->markers[d->nr_markers - 1].va)
			continue;
		d->markers[d->nr_markers] =
			(struct oracle_marker){ va, names[d->nr_markers], below(&state, 20) };
		d->nr_markers++;
	}
	if (of_kernel(d)) {
		for (size_t i = 0; i < d->nr_markers; i++)
			d->markers[i].max_lines = 0;
	}
}

/* ---- both dumps ---- */

static size_t dump_theirs(struct dump *d)
{
	struct world *w = &d->world;
	const struct oracle_host host = host_of_world(w);
	struct oracle_text text = { .text = d->theirs, .size = sizeof(d->theirs) };
	uint64_t *root = world_host(w, pgw_mm_root(w->mm[w->c->of_kernel]).pa);
	struct oracle_call call = {
		.host = &host,
		.shape = &w->shape,
		.entry_point = CALL_DEBUG,
		.of_kernel = w->c->of_kernel,
		.is_snapshot = true,
		.end = UINT64_MAX,
		.max_ticks = 10000000,
		.root = { root, root },
	};

	w->switches = (1u << _SW_MAX) - 1;
	world_begin(w, &d->outcome);
	d->dumper->dump(&call, d->markers, d->nr_markers, &text);
	w->outcome = NULL;
	return text.len;
}

static int put_line(const struct pgw_ptdump_line *line, void *arg)
{
	struct dump *d = arg;

	ptdump_style_line(&d->ours, d->world.format, line);
	return d->ours.len > TEXT_SIZE;
}

static struct pgw_mm *attach(struct dump *d, enum pgw_region_kind region, struct pgw_mm *kernel)
{
	struct world *w = &d->world;
	const struct pgw_mm_attach_args args = {
		.platform = &w->arena.platform,
		.format = w->format,
		.phys = &w->arena.memory.phys,
		.root = pgw_mm_root(w->mm[w->c->of_kernel]),
		.region = region,
		.kernel_mm = kernel,
	};
	struct pgw_mm *mm;

	if (pgw_mm_attach(&args, &mm))
		abort();
	return mm;
}

static void dump_ours(struct dump *d)
{
	struct pgw_mm *kernel = attach(d, PGW_REGION_KERNEL, NULL);
	struct pgw_mm *user = of_kernel(d) ? NULL : attach(d, PGW_REGION_USER, kernel);
	struct pgw_marker markers[MAX_MARKERS];
	const struct pgw_ptdump_args args = { .mm = user ? user : kernel,
					      .markers = markers,
					      .nr_markers = d->nr_markers,
					      .fn = put_line,
					      .arg = d };

	for (size_t i = 0; i < d->nr_markers; i++)
		markers[i] = (struct pgw_marker){ d->markers[i].va, d->markers[i].name,
						  d->markers[i].max_lines };
	out_init(&d->ours, -1, false);
	d->ours.block = OUT_BLOCK;
	pgw_ptdump(&args);
	pgw_mm_free(user);
	pgw_mm_free(kernel);
}

/* ---- comparing ---- */

/* The last columns of a riscv line, which all releases have: those before differ. */
#define RISCV_FLAGS 16
#define RISCV_HEAD 80

struct line {
	const char *text;
	size_t len;
};

static bool next_line(struct line *line, const char *end)
{
	const char *from = line->text + line->len + (line->len || line->text[0] == '\n');
	const char *to = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;

	line->text = from;
	line->len = to ? (size_t)(to - from) : 0;
	return to;
}

/* riscv: but for the columns that come and go with the release. */
static bool same_but_columns(const struct line *a, const struct line *b)
{
	const char *word_a = memchr(a->text, 'P', a->len), *word_b = memchr(b->text, 'P', b->len);

	if (!word_a || !word_b || word_a - a->text != word_b - b->text || a->len < RISCV_HEAD ||
	    b->len < RISCV_HEAD)
		return false;
	return memcmp(a->text, b->text, (size_t)(word_a - a->text)) == 0 &&
	       memcmp(a->text + a->len - RISCV_FLAGS, b->text + b->len - RISCV_FLAGS,
		      RISCV_FLAGS) == 0;
}

static bool same_line(struct dump *d, const struct line *a, const struct line *b)
{
	if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
		return true;
	return d->world.shape.encoding == ENC_RISCV && same_but_columns(a, b) &&
	       differs(d, SW_DUMP_RISCV_COLUMNS);
}

/* The last line, and it says how many were left out. */
static bool is_last_count(const struct line *line, const char *end)
{
	struct line next = *line;

	return strncmp(line->text, "... ", 4) == 0 && !next_line(&next, end);
}

/* @return false: they differ, here */
static bool same_text(struct dump *d, size_t theirs_len, struct line *theirs, struct line *ours)
{
	const char *theirs_end = d->theirs + theirs_len, *ours_end = d->ours.buf + d->ours.len;

	*theirs = (struct line){ d->theirs, 0 };
	*ours = (struct line){ d->ours.buf, 0 };
	for (;;) {
		bool more = next_line(theirs, theirs_end);

		if (next_line(ours, ours_end) != more)
			return !more && is_last_count(ours, ours_end) &&
			       differs(d, SW_DUMP_SKIPPED_AT_END);
		if (!more)
			return true;
		d->nr_lines++;
		if (!same_line(d, theirs, ours))
			return false;
	}
}

enum verdict { SAME, DIFFERENT, IMPOSSIBLE };

/* The first address that is dumped has an entry that is not shown, nor a hole. */
static bool begins_silently(struct dump *d)
{
	struct world *w = &d->world;
	uint64_t va = d->markers[0].va, pa = pgw_mm_root(w->mm[w->c->of_kernel]).pa;

	for (unsigned level = w->geo->top_level; level > 0; level--) {
		uint64_t word = world_host(w, pa)[pt_index(w->geo, va, level)];
		enum oracle_kind kind = word ? world_kind(w, word, level) : KIND_EMPTY;

		if (kind != KIND_TABLE)
			return kind == KIND_ABSENT;
		pa = world_table_pa(w, word, level);
	}
	return false;
}

/* What one of both does otherwise, so that there is nothing to compare. */
static bool is_left_out(struct dump *d)
{
	return begins_silently(d) && differs(d, SW_DUMP_FIRST_ABSENT);
}

static enum verdict compare(struct dump *d, const struct oracle_case *c, bool shows)
{
	struct line theirs, ours;
	enum verdict verdict = IMPOSSIBLE;
	size_t len;

	if (!world_make(&d->world, c))
		return IMPOSSIBLE;
	dress(d);
	place_markers(d);
	world_save(&d->world);
	len = dump_theirs(d);
	world_restore(&d->world);
	dump_ours(d);
	if (len < sizeof(d->theirs) && d->ours.len < TEXT_SIZE && !is_left_out(d))
		verdict = same_text(d, len, &theirs, &ours) ? SAME : DIFFERENT;
	if (shows && verdict == DIFFERENT)
		printf("# linux: %.*s\n# ours:  %.*s\n", (int)theirs.len, theirs.text,
		       (int)ours.len, ours.text);
	if (shows && verdict != IMPOSSIBLE && d->nr_markers > 1)
		printf("# %zu markers\n", d->nr_markers);
	world_unmake(&d->world);
	return verdict;
}

static bool still_fails(void *ctx, const struct oracle_case *c)
{
	return compare(ctx, c, false) == DIFFERENT;
}

static bool run(struct dump *d, uint64_t seed, bool shows)
{
	static struct oracle_case c;
	enum verdict verdict;

	d->seed = seed;
	generate(d, &c, seed);
	verdict = compare(d, &c, false);
	if (verdict == DIFFERENT) {
		case_shrink(&c, still_fails, d);
		printf("# --case %#" PRIx64 " differs:\n", seed);
		case_print(stdout, &c);
		compare(d, &c, true);
	} else if (shows) {
		case_print(stdout, &c);
		printf("# the same:\n%.*s", (int)d->ours.len, d->ours.buf);
	}
	return verdict != DIFFERENT;
}

struct options {
	const char *kernel;
	uint64_t nr_cases, seed, one_case;
	bool has_seed, is_one;
};

static void set_option(struct dump *d, struct options *options, int option)
{
	switch (option) {
	case 'k':
		options->kernel = optarg;
		break;
	case 'a':
		d->arch = optarg;
		break;
	case 'v':
		d->name = optarg;
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
	default:
		exit(2);
	}
}

/* With a switch left out, some case differs. */
static bool fails_without(struct dump *d, const struct options *options, int sw)
{
	static struct oracle_case c;
	bool differs = false;

	d->switches &= ~(1u << sw);
	for (uint64_t i = 0; i < 10 * options->nr_cases && !differs; i++) {
		d->seed = options->seed + i;
		generate(d, &c, d->seed);
		differs = compare(d, &c, false) == DIFFERENT;
	}
	d->switches |= 1u << sw;
	return differs;
}

static int print_switches(struct dump *d, const struct options *options)
{
	int nr = 1, nr_failed = 0;

	for (int sw = 0; sw < _SW_MAX; sw++) {
		const struct oracle_switch_info *info = &oracle_switches[sw];
		uint64_t nr_differed = d->differed[sw];
		bool fails;

		if (!info->dump_of || (*info->dump_of && strcmp(info->dump_of, d->arch) != 0))
			continue;
		fails = fails_without(d, options, sw);
		nr_failed += !fails;
		printf("%s %d - without %s Linux and we differ\n# mattered %" PRIu64
		       " times: %s%s\n",
		       fails ? "ok" : "not ok", ++nr, info->name, nr_differed, info->what,
		       info->is_fault ? " (a fault, to be mended)" : "");
	}
	printf("1..%d\n", nr);
	return nr_failed;
}

static int run_all(struct dump *d, struct options *options)
{
	bool same = true;

	if (!options->has_seed)
		options->seed = test_seed();
	printf("# --seed %#" PRIx64 "\n", options->seed);
	for (uint64_t i = 0; i < options->nr_cases && same; i++)
		same = run(d, options->seed + i, false);
	printf("%s 1 - Linux %s and we dump %s alike\n# %" PRIu64 " lines\n",
	       same ? "ok" : "not ok", d->name, d->arch, d->nr_lines);
	if (same)
		return print_switches(d, options) ? 1 : 0;
	printf("1..1\n");
	return 1;
}

static void load(struct dump *d, const char *path)
{
	void *so = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

	d->dumper = so ? dlsym(so, ORACLE_DUMPER_SYMBOL) : NULL;
	if (d->dumper && d->arch)
		return;
	fprintf(stderr, "no --kernel, or no --arch\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "kernel", 1, NULL, 'k' },
					       { "cases", 1, NULL, 'n' },
					       { "seed", 1, NULL, 's' },
					       { "case", 1, NULL, 'c' },
					       { "name", 1, NULL, 'v' },
					       { "arch", 1, NULL, 'a' },
					       { 0 } };
	struct options options = { .nr_cases = 2000 };
	struct dump *d = calloc(1, sizeof(*d));
	int option, status;

	if (!d)
		return 2;
	d->name = "";
	d->switches = (1u << _SW_MAX) - 1;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		set_option(d, &options, option);
	load(d, options.kernel);
	world_init(&d->world);
	if (options.is_one)
		status = !run(d, options.one_case, true);
	else
		status = run_all(d, &options);
	world_fini(&d->world);
	free(d);
	return status;
}
