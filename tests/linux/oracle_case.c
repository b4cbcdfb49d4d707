/* SPDX-License-Identifier: BSD-2-Clause */

/* The text of cases. */

#include "oracle_case.h"

#include <inttypes.h>
#include <string.h>

#include "oracle_world.h"

const char *const oracle_what_names[_EV_MAX] = {
	[EV_PTE] = "pte",         [EV_PMD] = "pmd",         [EV_PUD] = "pud",
	[EV_P4D] = "p4d",         [EV_PGD] = "pgd",         [EV_HOLE] = "hole",
	[EV_TEST] = "test",       [EV_PRE] = "pre",         [EV_POST] = "post",
	[EV_BAD] = "malformed",   [EV_BREACH] = "breach",   [EV_SPIN] = "spin",
	[EV_HUGETLB] = "hugetlb", [EV_INSTALL] = "install", [EV_NO_CALLBACK] = "no-callback",
};

const char *const oracle_call_names[_CALL_MAX] = {
	[CALL_RANGE] = "range",
	[CALL_RANGE_VMA] = "range_vma",
	[CALL_PAGE_VMA] = "page_vma",
	[CALL_NOVMA] = "novma",
	[CALL_RANGE_UNSAFE] = "range_unsafe",
	[CALL_VMA_UNSAFE] = "range_vma_unsafe",
	[CALL_MAPPING] = "mapping",
	[CALL_KERNEL] = "kernel",
	[CALL_KERNEL_LOCKLESS] = "kernel_lockless",
	[CALL_DEBUG] = "debug",
};

static const char *const word_names[_WORD_MAX] = {
	[WORD_NONE] = "none",         [WORD_LEAF] = "leaf",         [WORD_TABLE] = "table",
	[WORD_ABSENT] = "absent",     [WORD_AD] = "ad-bits",        [WORD_RO_TABLE] = "ro-table",
	[WORD_NX_TABLE] = "nx-table", [WORD_RESERVED] = "reserved", [WORD_MISPLACED] = "misplaced",
	[WORD_FULL] = "full-table",
};

static const char *const lock_names[_HELD_MAX] = { "none", "read", "write" };
static const char *const vma_names[_VMA_KIND_MAX] = { "anon", "pfnmap", "hugetlb" };
static const char *const moment_names[_AT_MAX] = { "callback", "split", "mapped", "locked" };
static const char *const effect_names[_DO_MAX] = { "return",   "action",     "put",
						   "put-self", "fail-alloc", "install" };
static const char *const action_names[] = { "subtree", "continue", "again" };

static void print_put(FILE *file, const struct case_put *put, bool self)
{
	if (!self)
		fprintf(file, " level %u va %#" PRIx64, put->level, put->va);
	fprintf(file, " %s %u%s\n", word_names[put->word], put->variant,
		put->in_other ? " other" : "");
}

static void print_effect(FILE *file, const struct case_effect *effect)
{
	fprintf(file, "at %s %u %s", moment_names[effect->moment], effect->nth,
		effect_names[effect->what]);
	switch (effect->what) {
	case DO_RETURN:
		fprintf(file, " %d\n", effect->value);
		break;
	case DO_ACTION:
		fprintf(file, " %s\n", action_names[effect->value]);
		break;
	case DO_PUT:
	case DO_PUT_SELF:
	case DO_INSTALL:
		print_put(file, &effect->put, effect->what != DO_PUT);
		break;
	default:
		fputc('\n', file);
		break;
	}
}

static void print_vma(FILE *file, const struct case_vma *vma)
{
	fprintf(file, "vma %#" PRIx64 " %#" PRIx64 " %s %s", vma->start, vma->end,
		vma_names[vma->kind], lock_names[vma->held]);
	if (vma->kind == VMA_HUGETLB)
		fprintf(file, " pages %u", vma->page_lg2);
	if (vma->is_of_file)
		fprintf(file, " file %#" PRIx64, vma->pgoff);
	if (vma->in_second)
		fprintf(file, " second");
	fputc('\n', file);
}

void case_print(FILE *file, const struct oracle_case *c)
{
	fprintf(file, "walk %s %s %#" PRIx64 " %#" PRIx64 " %u\n", world_formats[c->format],
		oracle_call_names[c->entry_point], c->start, c->end, c->vma);
	if (c->of_kernel || c->is_snapshot || c->has_other || c->has_kernel)
		fprintf(file, "of%s%s%s%s\n", c->of_kernel ? " kernel" : "",
			c->is_snapshot ? " snapshot" : "", c->has_other ? " other-root" : "",
			c->has_kernel ? " both" : "");
	fprintf(file, "ops");
	for (int i = 0; i < _EV_CALLBACKS; i++) {
		if (c->ops & (1u << i))
			fprintf(file, " %s", oracle_what_names[i]);
	}
	fprintf(file, "\nlocks %s %s %u\n", lock_names[c->held[0]], lock_names[c->held[1]],
		c->walk_lock);
	for (size_t i = 0; i < c->nr_vmas; i++)
		print_vma(file, &c->vmas[i]);
	for (size_t i = 0; i < c->nr_puts; i++) {
		fprintf(file, "put");
		print_put(file, &c->puts[i], false);
	}
	for (size_t i = 0; i < c->nr_effects; i++)
		print_effect(file, &c->effects[i]);
}

/* ---- parsing: the words of a line ---- */

#define MAX_WORDS 16

struct line {
	char *word[MAX_WORDS];
	size_t nr, at;
	bool bad;
};

static const char *next_word(struct line *line)
{
	if (line->at == line->nr) {
		line->bad = true;
		return "";
	}
	return line->word[line->at++];
}

static bool is_next(struct line *line, const char *word)
{
	if (line->at == line->nr || strcmp(line->word[line->at], word) != 0)
		return false;
	line->at++;
	return true;
}

static uint64_t next_number(struct line *line)
{
	return strtoull(next_word(line), NULL, 0);
}

static unsigned next_name(struct line *line, const char *const *names, unsigned nr)
{
	const char *word = next_word(line);

	for (unsigned i = 0; i < nr; i++) {
		if (names[i] && strcmp(names[i], word) == 0)
			return i;
	}
	line->bad = true;
	return 0;
}

static struct case_put next_put(struct line *line, bool self)
{
	struct case_put put = { 0 };

	if (!self) {
		line->bad |= !is_next(line, "level");
		put.level = (uint8_t)next_number(line);
		line->bad |= !is_next(line, "va");
		put.va = next_number(line);
	}
	put.word = (uint8_t)next_name(line, word_names, _WORD_MAX);
	put.variant = (uint8_t)next_number(line);
	put.in_other = is_next(line, "other");
	return put;
}

static struct case_effect next_effect(struct line *line)
{
	struct case_effect effect = { 0 };

	effect.moment = next_name(line, moment_names, _AT_MAX);
	effect.nth = (uint32_t)next_number(line);
	effect.what = next_name(line, effect_names, _DO_MAX);
	if (effect.what == DO_RETURN)
		effect.value = (int)strtol(next_word(line), NULL, 0);
	else if (effect.what == DO_ACTION)
		effect.value = (int)next_name(line, action_names, 3);
	else if (effect.what != DO_FAIL_ALLOC)
		effect.put = next_put(line, effect.what != DO_PUT);
	return effect;
}

static struct case_vma next_vma(struct line *line)
{
	struct case_vma vma = { 0 };

	vma.start = next_number(line);
	vma.end = next_number(line);
	vma.kind = next_name(line, vma_names, _VMA_KIND_MAX);
	vma.held = next_name(line, lock_names, _HELD_MAX);
	if (is_next(line, "pages"))
		vma.page_lg2 = (uint8_t)next_number(line);
	vma.is_of_file = is_next(line, "file");
	if (vma.is_of_file)
		vma.pgoff = next_number(line);
	vma.in_second = is_next(line, "second");
	return vma;
}

static void parse_header(struct line *line, struct oracle_case *c)
{
	c->format = next_name(line, world_formats, NR_WORLD_FORMATS);
	c->entry_point = next_name(line, oracle_call_names, _CALL_MAX);
	c->start = next_number(line);
	c->end = next_number(line);
	c->vma = (unsigned)next_number(line);
}

static void parse_line(struct line *line, struct oracle_case *c)
{
	if (is_next(line, "walk")) {
		parse_header(line, c);
	} else if (is_next(line, "of")) {
		c->of_kernel = is_next(line, "kernel");
		c->is_snapshot = is_next(line, "snapshot");
		c->has_other = is_next(line, "other-root");
		c->has_kernel = is_next(line, "both");
	} else if (is_next(line, "ops")) {
		while (line->at < line->nr)
			c->ops |= 1u << next_name(line, oracle_what_names, _EV_CALLBACKS);
	} else if (is_next(line, "locks")) {
		c->held[0] = next_name(line, lock_names, _HELD_MAX);
		c->held[1] = next_name(line, lock_names, _HELD_MAX);
		c->walk_lock = (unsigned)next_number(line);
	} else if (is_next(line, "vma") && c->nr_vmas < MAX_CASE_VMAS) {
		c->vmas[c->nr_vmas++] = next_vma(line);
	} else if (is_next(line, "put") && c->nr_puts < MAX_PUTS) {
		c->puts[c->nr_puts++] = next_put(line, false);
	} else if (is_next(line, "at") && c->nr_effects < MAX_EFFECTS) {
		c->effects[c->nr_effects++] = next_effect(line);
	} else {
		line->bad = true;
	}
}

bool case_parse(FILE *file, struct oracle_case *c)
{
	char text[512], copy[512];

	*c = (struct oracle_case){ 0 };
	while (fgets(text, sizeof(text), file)) {
		struct line line = { .nr = 0 };

		strcpy(copy, text);
		for (char *word = strtok(text, " \t\n"); word && line.nr < MAX_WORDS;
		     word = strtok(NULL, " \t\n"))
			line.word[line.nr++] = word;
		if (!line.nr || line.word[0][0] == '#')
			continue;
		parse_line(&line, c);
		if (line.bad || line.at != line.nr) {
			fprintf(stderr, "not understood: %s", copy);
			return false;
		}
	}
	return true;
}
