/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/find_index.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/forest.h"
#include "base/bits.h"

/* Leaves in a run: 32 MiB of them are sorted at once, whatever there is. */
#define MAX_RUN (UINT64_C(1) << 21)
/* Words that are written at once. */
#define BLOCK 8192

struct leaf {
	uint64_t key;
	uint64_t where;
};

struct writer {
	const struct pgw_find_args *args;
	struct forest forest;
	struct leaf *leaves; /* of the run that is being gathered */
	uint64_t nr_leaves, max_leaves;
	uint64_t *run_ends;
	uint64_t nr_runs, max_runs;
	uint64_t nr_written; /* leaves of runs before */
	uint64_t next_pa;    /* where the last leaf goes on, and in which slot */
	uint32_t next_table;
	unsigned next_slot;
	/* The file. */
	pgw_write_fn *fn;
	void *arg;
	uint64_t checksum;
	size_t nr_words;
	uint64_t words[BLOCK];
};

static int words_flush(struct writer *w)
{
	size_t nr = w->nr_words;

	w->nr_words = 0;
	return nr ? w->fn(w->words, nr * sizeof(w->words[0]), w->arg) : 0;
}

static int put(struct writer *w, uint64_t word)
{
	w->checksum = index_mix(w->checksum, word);
	w->words[w->nr_words++] = htole64(word);
	return w->nr_words == BLOCK ? words_flush(w) : 0;
}

static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = (const struct leaf *)a, *y = (const struct leaf *)b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->where > y->where) - (x->where < y->where);
}

/* Sort what was gathered, and write it. */
static int run_flush(struct writer *w)
{
	int status = 0;

	if (!w->nr_leaves)
		return 0;
	if (w->nr_runs == w->max_runs) {
		uint64_t max = w->max_runs ? 2 * w->max_runs : 16;
		void *grown = reallocarray(w->run_ends, max, sizeof(w->run_ends[0]));

		if (!grown)
			return -PGW_ENOMEM;
		w->run_ends = grown;
		w->max_runs = max;
	}
	qsort(w->leaves, w->nr_leaves, sizeof(w->leaves[0]), compare_leaves);
	for (uint64_t i = 0; i < w->nr_leaves && !status; i++) {
		status = put(w, w->leaves[i].key);
		if (!status)
			status = put(w, w->leaves[i].where);
	}
	w->nr_written += w->nr_leaves;
	w->run_ends[w->nr_runs++] = w->nr_written;
	w->nr_leaves = 0;
	return status;
}

/* Make room for one more leaf. */
static int leaves_grow(struct writer *w)
{
	uint64_t max = w->max_leaves ? 2 * w->max_leaves : 4096;
	void *grown;

	if (w->nr_leaves < w->max_leaves)
		return 0;
	if (w->max_leaves == MAX_RUN)
		return run_flush(w);
	grown = reallocarray(w->leaves, max, sizeof(w->leaves[0]));
	if (!grown)
		return -PGW_ENOMEM;
	w->leaves = grown;
	w->max_leaves = max;
	return 0;
}

static int write_item(uint32_t table, unsigned slot, uint64_t raw, const struct pgw_entry *entry,
		      void *arg)
{
	struct writer *w = (struct writer *)arg;
	const struct pgw_geometry *geo = forest_geometry(&w->forest, table);
	unsigned span_lg2 = geo->span_lg2[w->forest.tables[table].level];
	bool is_in_run = entry->size_lg2 > span_lg2;
	bool follows = w->nr_leaves && w->next_table == table && w->next_slot == slot &&
		       w->next_pa == entry->pa &&
		       w->leaves[w->nr_leaves - 1].key >> INDEX_SIZE_SHIFT == entry->size_lg2;
	int status;

	(void)raw;
	if (entry->kind != PGW_ENTRY_LEAF)
		return 0;
	/* Only a root of several tables side by side has so many. */
	if (slot >= INDEX_IN_RUN)
		return -PGW_E2BIG;
	if (!follows) {
		status = leaves_grow(w);
		if (status)
			return status;
		w->leaves[w->nr_leaves++] = (struct leaf){
			.key = index_key(entry->size_lg2, entry->pa),
			.where = table | (slot | (is_in_run ? INDEX_IN_RUN : 0))
						 << INDEX_SLOT_SHIFT,
		};
	}
	w->leaves[w->nr_leaves - 1].where += UINT64_C(1) << INDEX_NR_SHIFT;
	w->next_table = table;
	w->next_slot = slot + 1;
	/* At the end of all addresses nothing follows: a leaf begins at 0 only as a first one. */
	w->next_pa = is_in_run ? entry->pa : entry->pa + BIT(span_lg2);
	if (!w->next_pa)
		w->next_slot = 0;
	return 0;
}

/* Which entries lead to each table: those of the table before end where its begin. */
static int write_parents(struct writer *w)
{
	const struct forest *f = &w->forest;
	uint64_t *first = calloc(f->nr_tables + 2, sizeof(*first));
	uint64_t *parents = calloc(f->nr_edges + 1, sizeof(*parents));
	int status = first && parents ? 0 : -PGW_ENOMEM;

	for (uint64_t i = 0; !status && i < f->nr_edges; i++)
		first[f->edges[i].table + 2]++;
	for (uint64_t i = 2; !status && i < f->nr_tables + 2; i++)
		first[i] += first[i - 1];
	/* first[table + 1] is where its next one goes. */
	for (uint64_t i = 0; !status && i < f->nr_tables; i++) {
		uint64_t end = forest_edges_end(f, (uint32_t)i);

		for (uint64_t edge = f->tables[i].edge; edge < end; edge++)
			parents[first[f->edges[edge].table + 1]++] =
				i | (uint64_t)f->edges[edge].slot << INDEX_SLOT_SHIFT;
	}
	for (uint64_t i = 0; !status && i < f->nr_tables; i++)
		status = put(w, first[i] | (uint64_t)f->tables[i].level << INDEX_LEVEL_SHIFT);
	for (uint64_t i = 0; !status && i < f->nr_edges; i++)
		status = put(w, parents[i]);
	free(first);
	free(parents);
	return status;
}

static int write_head(struct writer *w, const struct pgw_find_index_of *of)
{
	uint64_t head[INDEX_HEADER] = {
		[INDEX_HEAD_MAGIC] = INDEX_MAGIC,
		[INDEX_HEAD_VERSION] = INDEX_VERSION,
		[INDEX_HEAD_SIZE] = of->size,
		[INDEX_HEAD_MTIME] = of->mtime_ns,
	};
	int status = index_digest(w->args, &head[INDEX_HEAD_DIGEST]);

	for (unsigned i = 0; i < INDEX_HEADER && !status; i++)
		status = put(w, head[i]);
	return status;
}

static int write_roots(struct writer *w, uint64_t *ret_looked)
{
	const struct pgw_find_args *args = w->args;
	uint64_t *tables = malloc((args->nr_roots + 1) * sizeof(*tables));
	int status = tables ? 0 : -PGW_ENOMEM;

	*ret_looked = 0;
	for (size_t i = 0; i < args->nr_roots && !status; i++) {
		uint32_t table = UINT32_MAX;

		if (args->roots[i].state != PGW_ROOT_GUEST) {
			status = forest_add(&w->forest, &args->roots[i], &table);
			++*ret_looked;
		}
		tables[i] = table;
	}
	if (!status)
		status = run_flush(w);
	for (uint64_t i = 0; i < w->nr_runs && !status; i++)
		status = put(w, w->run_ends[i]);
	if (!status)
		status = write_parents(w);
	for (size_t i = 0; i < args->nr_roots && !status; i++)
		status = put(w, tables[i]);
	free(tables);
	return status;
}

static int write_tail(struct writer *w, uint64_t nr_looked)
{
	uint64_t tail[INDEX_HEADER] = {
		[INDEX_TAIL_LEAVES] = w->nr_written,
		[INDEX_TAIL_RUNS] = w->nr_runs,
		[INDEX_TAIL_TABLES] = w->forest.nr_tables,
		[INDEX_TAIL_PARENTS] = w->forest.nr_edges,
		[INDEX_TAIL_ROOTS] = w->args->nr_roots,
		[INDEX_TAIL_LOOKED] = nr_looked,
	};
	int status = 0;

	for (uint64_t i = 0; i < w->forest.nr_tables; i++)
		tail[INDEX_TAIL_UNREADABLE] +=
			w->forest.tables[i].flags & FOREST_UNREADABLE ? 1 : 0;
	for (unsigned i = 0; i < INDEX_HEADER && !status; i++)
		status = put(w, i == INDEX_TAIL_CHECKSUM ? w->checksum : tail[i]);
	return status ? status : words_flush(w);
}

int pgw_find_index_write(const struct pgw_find_args *args, const struct pgw_find_index_of *of,
			 pgw_write_fn *fn, void *arg)
{
	struct writer *w = malloc(sizeof(*w));
	uint64_t nr_looked;
	int status;

	if (!w)
		return -PGW_ENOMEM;
	/* Not an initializer: the block needs no zeroes. */
	memset(w, 0, offsetof(struct writer, words));
	w->args = args;
	w->fn = fn;
	w->arg = arg;
	w->checksum = INDEX_MIX_BASIS;
	w->forest = (struct forest){ .image = args->image,
				     .phys = pgw_image_phys(args->image),
				     .look.nr_all = args->nr_roots,
				     .budget = args->max_tables,
				     .item = write_item,
				     .arg = w };
	status = write_head(w, of);
	if (!status)
		status = write_roots(w, &nr_looked);
	if (!status)
		status = write_tail(w, nr_looked);
	forest_fini(&w->forest);
	free(w->leaves);
	free(w->run_ends);
	free(w);
	return status;
}
