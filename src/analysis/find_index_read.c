/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/find_index.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"

/* Entries on ways up that may be gone along, and addresses that are kept. */
#define MAX_VISITS (UINT64_C(1) << 20)
#define MAX_HITS (UINT64_C(1) << 16)

/* Leaves of one size in one run. */
struct index_class {
	uint64_t first, end; /* leaves */
	uint64_t max_bytes;  /* that one of them maps, at most */
	unsigned size_lg2;
};

/* Who has a root's table. */
struct index_owner {
	uint32_t table;
	uint32_t root;
};

struct pgw_find_index {
	uint64_t *words; /* of the file */
	size_t nr_words;
	uint64_t nr_leaves, nr_runs, nr_tables, nr_parents, nr_roots;
	/* In words. */
	const uint64_t *leaves, *run_ends, *tables, *parents, *roots, *tail;
	struct index_class *classes;
	size_t nr_classes, max_classes;
	struct index_owner *owners; /* by table */
	size_t nr_owners;
};

static int fail(struct pgw_error *err, int status, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = status, .expected = expected };
	return status;
}

static int fail_at(struct pgw_error *err, size_t word, uint64_t found, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = -PGW_ENOEXEC,
					   .has_offset = true,
					   .offset = word * sizeof(uint64_t),
					   .has_found = true,
					   .found = found,
					   .expected = expected };
	return -PGW_ENOEXEC;
}

static int fail_errno(struct pgw_error *err, const char *expected)
{
	int os_errno = errno;

	fail(err, os_errno == ENOENT ? -PGW_ENOENT : -PGW_EIO, expected);
	if (err)
		err->os_errno = os_errno;
	return os_errno == ENOENT ? -PGW_ENOENT : -PGW_EIO;
}

static const char no_index[] = "an index that pagewalk find wrote";

/* The whole file, in our byte order; what is no index is told by its first word. */
static int file_read(struct pgw_find_index *index, FILE *file, struct pgw_error *err)
{
	struct stat about;
	uint64_t magic;
	size_t nr;

	if (fstat(fileno(file), &about) || !S_ISREG(about.st_mode) ||
	    (uint64_t)about.st_size > SIZE_MAX / 2 || fread(&magic, sizeof(magic), 1, file) != 1)
		return fail(err, -PGW_ENOEXEC, no_index);
	magic = le64toh(magic);
	if (magic != INDEX_MAGIC)
		return fail_at(err, INDEX_HEAD_MAGIC, magic, no_index);
	nr = (size_t)about.st_size / sizeof(uint64_t);
	if (about.st_size % 8 || nr < 2 * INDEX_HEADER)
		return fail(err, -PGW_ENOEXEC, "a whole index: it was cut");
	index->words = calloc(nr, sizeof(uint64_t));
	if (!index->words)
		return fail(err, -PGW_ENOMEM, NULL);
	index->words[0] = magic;
	index->nr_words = 1 + fread(index->words + 1, sizeof(uint64_t), nr - 1, file);
	for (size_t i = 1; i < index->nr_words; i++)
		index->words[i] = le64toh(index->words[i]);
	return index->nr_words == nr ? 0
				     : fail(err, -PGW_ENOEXEC, "a whole index: it was cut");
}

static int words_read(struct pgw_find_index *index, const char *path, struct pgw_error *err)
{
	FILE *file = fopen(path, "re");
	int status;

	if (!file)
		return fail_errno(err, NULL);
	status = file_read(index, file, err);
	fclose(file);
	return status;
}

/* Sections take their words from the rest. @return false: they are not there */
static bool section(uint64_t *rest, uint64_t nr, uint64_t words_each)
{
	if (nr > *rest / words_each)
		return false;
	*rest -= nr * words_each;
	return true;
}

/* Where everything is, if it is all there, and as it was written. */
static int index_lay_out(struct pgw_find_index *index, struct pgw_error *err)
{
	const uint64_t *tail = index->words + index->nr_words - INDEX_HEADER;
	uint64_t rest = index->nr_words - 2 * INDEX_HEADER, checksum = INDEX_MIX_BASIS;

	for (size_t i = 0; i + 1 < index->nr_words; i++)
		checksum = index_mix(checksum, index->words[i]);
	if (index->words[INDEX_HEAD_VERSION] != INDEX_VERSION)
		return fail_at(err, INDEX_HEAD_VERSION, index->words[INDEX_HEAD_VERSION],
			       "an index of version 1");
	if (checksum != tail[INDEX_TAIL_CHECKSUM] ||
	    !section(&rest, tail[INDEX_TAIL_LEAVES], INDEX_LEAF_WORDS) ||
	    !section(&rest, tail[INDEX_TAIL_RUNS], 1) ||
	    !section(&rest, tail[INDEX_TAIL_TABLES], 1) ||
	    !section(&rest, tail[INDEX_TAIL_PARENTS], 1) ||
	    !section(&rest, tail[INDEX_TAIL_ROOTS], 1) || rest ||
	    tail[INDEX_TAIL_TABLES] > INT32_MAX)
		return fail(err, -PGW_ENOEXEC, "a whole index: it was cut, or changed");
	index->tail = tail;
	index->nr_leaves = tail[INDEX_TAIL_LEAVES];
	index->nr_runs = tail[INDEX_TAIL_RUNS];
	index->nr_tables = tail[INDEX_TAIL_TABLES];
	index->nr_parents = tail[INDEX_TAIL_PARENTS];
	index->nr_roots = tail[INDEX_TAIL_ROOTS];
	index->leaves = index->words + INDEX_HEADER;
	index->run_ends = index->leaves + INDEX_LEAF_WORDS * index->nr_leaves;
	index->tables = index->run_ends + index->nr_runs;
	index->parents = index->tables + index->nr_tables;
	index->roots = index->parents + index->nr_parents;
	return 0;
}

static unsigned table_level(const struct pgw_find_index *index, uint64_t table)
{
	return (unsigned)(index->tables[table] >> INDEX_LEVEL_SHIFT);
}

static uint64_t table_parent(const struct pgw_find_index *index, uint64_t table)
{
	return table < index->nr_tables ? index->tables[table] & low_bits(INDEX_LEVEL_SHIFT)
					: index->nr_parents;
}

/* Every way up ends: a parent is a level above. */
static bool tables_are_sound(const struct pgw_find_index *index)
{
	for (uint64_t table = 0; table < index->nr_tables; table++) {
		uint64_t parent = table_parent(index, table), end = table_parent(index, table + 1);

		if (table_level(index, table) >= PGW_MAX_LEVELS || parent > end ||
		    end > index->nr_parents || (!table && parent))
			return false;
		for (; parent < end; parent++) {
			uint32_t above = (uint32_t)index->parents[parent];

			if (above >= index->nr_tables ||
			    table_level(index, above) != table_level(index, table) + 1)
				return false;
		}
	}
	return index->nr_tables || !index->nr_parents;
}

/* Physical addresses that a leaf's slots map, inclusive. @return false: there are no such */
static bool leaf_range(const uint64_t *leaf, uint64_t *ret_first, uint64_t *ret_last)
{
	unsigned size_lg2 = (unsigned)(leaf[0] >> INDEX_SIZE_SHIFT);
	uint64_t nr = leaf[1] >> INDEX_NR_SHIFT;

	if (leaf[1] >> INDEX_SLOT_SHIFT & INDEX_IN_RUN)
		nr = 1;
	*ret_first = leaf[0] << INDEX_PA_SHIFT;
	if (!nr || nr - 1 > UINT64_MAX >> size_lg2 >> 1)
		return false;
	*ret_last = *ret_first + ((nr - 1) << size_lg2) + low_bits(size_lg2);
	return *ret_last >= *ret_first;
}

static int class_add(struct pgw_find_index *index, uint64_t leaf, unsigned size_lg2)
{
	if (index->nr_classes == index->max_classes) {
		size_t max = index->max_classes ? 2 * index->max_classes : 16;
		void *grown = reallocarray(index->classes, max, sizeof(index->classes[0]));

		if (!grown)
			return -PGW_ENOMEM;
		index->classes = grown;
		index->max_classes = max;
	}
	index->classes[index->nr_classes++] =
		(struct index_class){ .first = leaf, .end = leaf, .size_lg2 = size_lg2 };
	return 0;
}

/* @return 0, -PGW_ENOEXEC (it is no sorted run), -PGW_ENOMEM */
static int run_classify(struct pgw_find_index *index, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		const uint64_t *leaf = index->leaves + INDEX_LEAF_WORDS * i;
		unsigned size_lg2 = (unsigned)(leaf[0] >> INDEX_SIZE_SHIFT);
		uint64_t pa_first, pa_last;
		struct index_class *class;

		if ((i > first && leaf[0] < leaf[-INDEX_LEAF_WORDS]) ||
		    (uint32_t)leaf[1] >= index->nr_tables || !leaf_range(leaf, &pa_first, &pa_last))
			return -PGW_ENOEXEC;
		class = index->nr_classes ? &index->classes[index->nr_classes - 1] : NULL;
		if (i == first || class->size_lg2 != size_lg2) {
			if (class_add(index, i, size_lg2))
				return -PGW_ENOMEM;
			class = &index->classes[index->nr_classes - 1];
		}
		class->end = i + 1;
		if (pa_last - pa_first >= class->max_bytes)
			class->max_bytes = pa_last - pa_first + 1;
	}
	return 0;
}

static int leaves_classify(struct pgw_find_index *index)
{
	uint64_t first = 0;
	int status = 0;

	for (uint64_t run = 0; run < index->nr_runs && !status; run++) {
		if (index->run_ends[run] <= first || index->run_ends[run] > index->nr_leaves)
			return -PGW_ENOEXEC;
		status = run_classify(index, first, index->run_ends[run]);
		first = index->run_ends[run];
	}
	return status ? status : first == index->nr_leaves ? 0 : -PGW_ENOEXEC;
}

static int compare_owners(const void *a, const void *b)
{
	const struct index_owner *x = (const struct index_owner *)a;
	const struct index_owner *y = (const struct index_owner *)b;

	return (x->table > y->table) - (x->table < y->table);
}

static int owners_gather(struct pgw_find_index *index)
{
	index->owners = calloc(index->nr_roots + 1, sizeof(index->owners[0]));
	if (!index->owners)
		return -PGW_ENOMEM;
	for (uint64_t i = 0; i < index->nr_roots; i++) {
		if (index->roots[i] == UINT32_MAX)
			continue;
		if (index->roots[i] >= index->nr_tables)
			return -PGW_ENOEXEC;
		index->owners[index->nr_owners++] =
			(struct index_owner){ (uint32_t)index->roots[i], (uint32_t)i };
	}
	qsort(index->owners, index->nr_owners, sizeof(index->owners[0]), compare_owners);
	return 0;
}

int index_digest(const struct pgw_find_args *args, uint64_t *ret)
{
	const struct pgw_vmcoreinfo *notes;
	uint64_t hash = INDEX_MIX_BASIS;
	size_t nr;
	/* Looking for a text does not change the image. */
	int status = pgw_image_vmcoreinfo((struct pgw_image *)(uintptr_t)args->image, &notes, &nr);

	if (status)
		return status;
	for (size_t i = 0; i < nr; i++) {
		for (size_t at = 0; at < notes[i].size; at++)
			hash = index_mix(hash, (unsigned char)notes[i].text[at]);
	}
	for (size_t i = 0; i < args->nr_roots; i++) {
		const struct pgw_root_info *root = &args->roots[i];
		const uint64_t words[] = { root->root.pa,
					   root->root.nr_items,
					   root->control.known,
					   root->control.set,
					   root->control.pa_bits,
					   root->control.memory_types,
					   root->control.encryption_bit,
					   (uint64_t)root->has_user |
						   (uint64_t)root->has_kernel << 1 |
						   (uint64_t)(root->state == PGW_ROOT_GUEST) << 2 };

		for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++)
			hash = index_mix(hash, words[word]);
		for (const char *c = pgw_format_name(root->format); *c; c++)
			hash = index_mix(hash, (unsigned char)*c);
	}
	*ret = hash;
	return 0;
}

static int index_fits(const struct pgw_find_index *index, const struct pgw_find_args *args,
		      const struct pgw_find_index_of *of, struct pgw_error *err)
{
	uint64_t digest = 0;
	int status = index_digest(args, &digest);

	if (status)
		return fail(err, status, NULL);
	if (index->words[INDEX_HEAD_SIZE] != of->size)
		return fail(err, -PGW_EINVAL,
			    "an index of this image: it is of one of another size");
	if (index->words[INDEX_HEAD_MTIME] != of->mtime_ns)
		return fail(err, -PGW_EINVAL,
			    "an index of this image: the image was written at another time");
	if (index->words[INDEX_HEAD_DIGEST] != digest || index->nr_roots != args->nr_roots)
		return fail(err, -PGW_EINVAL,
			    "an index of this image: it is of one with other roots or another "
			    "VMCOREINFO");
	return 0;
}

int pgw_find_index_open(const char *path, const struct pgw_find_args *args,
			const struct pgw_find_index_of *of, struct pgw_find_index **ret,
			struct pgw_error *err)
{
	struct pgw_find_index *index = calloc(1, sizeof(*index));
	int status;

	if (!index)
		return fail(err, -PGW_ENOMEM, NULL);
	status = words_read(index, path, err);
	if (!status)
		status = index_lay_out(index, err);
	if (!status)
		status = index_fits(index, args, of, err);
	if (!status) {
		status = tables_are_sound(index) ? leaves_classify(index) : -PGW_ENOEXEC;
		if (!status)
			status = owners_gather(index);
		if (status)
			fail(err, status, "an index that holds together");
	}
	if (status) {
		pgw_find_index_close(index);
		return status;
	}
	*ret = index;
	return 0;
}

void pgw_find_index_close(struct pgw_find_index *index)
{
	if (!index)
		return;
	free(index->words);
	free(index->classes);
	free(index->owners);
	free(index);
}

/* A look for some memory. */
struct look {
	const struct pgw_find_index *index;
	const struct pgw_find_args *args;
	struct index_hits *hits;
	uint64_t nr_visits;            /* that are left */
	unsigned slot[PGW_MAX_LEVELS]; /* of the way from a root, by level */
	unsigned bottom;               /* where it ends */
};

static int hit_add(struct index_hits *hits, const struct index_hit *hit)
{
	if (hits->nr == hits->max) {
		size_t max = hits->max ? 2 * hits->max : 64;
		void *grown;

		if (hits->max >= MAX_HITS)
			return -PGW_E2BIG;
		grown = reallocarray(hits->list, max, sizeof(hits->list[0]));
		if (!grown)
			return -PGW_ENOMEM;
		hits->list = grown;
		hits->max = max;
	}
	hits->list[hits->nr++] = *hit;
	return 0;
}

/* The way leads up to this root's table: where is that, in each of its regions? */
static int root_add(struct look *look, uint32_t number, unsigned top)
{
	const struct pgw_root_info *root = &look->args->roots[number];
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	const struct pgw_region *regions = pgw_format_regions(root->format);
	uint64_t below = 0;
	int status = 0;

	if (geo->top_level != top)
		return 0; /* the index lies */
	for (unsigned level = look->bottom; level < top; level++)
		below += (uint64_t)look->slot[level] << geo->span_lg2[level];
	for (unsigned i = 0; regions[i].name && !status; i++) {
		const struct pgw_region *region = &regions[i];
		unsigned first = (unsigned)(region->first >> geo->span_lg2[top] &
					    low_bits(geo->slots_lg2[top]));
		uint64_t va = (uint64_t)(look->slot[top] - first) << geo->span_lg2[top];

		if (look->slot[top] >= first && va <= region->last - region->first)
			status = hit_add(look->hits, &(struct index_hit){
							     .root = number,
							     .region = i,
							     .va = region->first + va + below,
						     });
	}
	return status;
}

/* All roots that have the table. */
static int roots_add(struct look *look, uint32_t table, unsigned level)
{
	const struct pgw_find_index *index = look->index;
	size_t low = 0, high = index->nr_owners;
	int status = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->owners[middle].table < table)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < index->nr_owners && index->owners[low].table == table && !status; low++)
		status = root_add(look, index->owners[low].root, level);
	return status;
}

/* Go up from a slot to all roots that lead there. */
static int ascend(struct look *look, uint32_t table, unsigned slot)
{
	const struct pgw_find_index *index = look->index;
	uint64_t at[PGW_MAX_LEVELS], end[PGW_MAX_LEVELS];
	unsigned level = table_level(index, table);
	int status;

	/* Each way counts, also one that leads nowhere. */
	if (!look->nr_visits--)
		return -PGW_E2BIG;
	look->bottom = level;
	for (;;) {
		look->slot[level] = slot;
		at[level] = table_parent(index, table);
		end[level] = table_parent(index, table + UINT64_C(1));
		status = roots_add(look, table, level);
		if (status)
			return status;
		while (at[level] == end[level]) {
			if (level == look->bottom)
				return 0;
			level--;
		}
		if (!look->nr_visits--)
			return -PGW_E2BIG;
		table = (uint32_t)index->parents[at[level]];
		slot = (unsigned)(index->parents[at[level]++] >> INDEX_SLOT_SHIFT);
		level++;
	}
}

/* The slots of a leaf that map some of what is looked for. */
static int leaf_add(struct look *look, const uint64_t *leaf)
{
	unsigned size_lg2 = (unsigned)(leaf[0] >> INDEX_SIZE_SHIFT);
	unsigned slot = leaf[1] >> INDEX_SLOT_SHIFT & (INDEX_IN_RUN - 1);
	uint64_t from = 0, to = (leaf[1] >> INDEX_NR_SHIFT) - 1;
	uint64_t first, last;
	int status = 0;

	if (!leaf_range(leaf, &first, &last) || last < look->args->pa_first ||
	    first > look->args->pa_last)
		return 0;
	if (!(leaf[1] >> INDEX_SLOT_SHIFT & INDEX_IN_RUN)) {
		if (look->args->pa_first > first)
			from = (look->args->pa_first - first) >> size_lg2;
		if (look->args->pa_last < last)
			to = (look->args->pa_last - first) >> size_lg2;
	}
	for (; from <= to && !status; from++)
		status = ascend(look, (uint32_t)leaf[1], slot + (unsigned)from);
	return status;
}

static int class_look(struct look *look, const struct index_class *class)
{
	const uint64_t *leaves = look->index->leaves;
	uint64_t from = look->args->pa_first >= class->max_bytes
				? look->args->pa_first - class->max_bytes + 1
				: 0;
	uint64_t key = index_key(class->size_lg2, from);
	uint64_t last = index_key(class->size_lg2, look->args->pa_last);
	uint64_t low = class->first, high = class->end;
	int status = 0;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (leaves[INDEX_LEAF_WORDS * middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < class->end && leaves[INDEX_LEAF_WORDS * low] <= last && !status; low++)
		status = leaf_add(look, leaves + INDEX_LEAF_WORDS * low);
	return status;
}

static int compare_hits(const void *a, const void *b)
{
	const struct index_hit *x = (const struct index_hit *)a;
	const struct index_hit *y = (const struct index_hit *)b;

	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	if (x->region != y->region)
		return x->region < y->region ? -1 : 1;
	return (x->va > y->va) - (x->va < y->va);
}

int index_look(const struct pgw_find_args *args, struct index_hits *ret)
{
	struct look look = {
		.index = args->index,
		.args = args,
		.hits = ret,
		.nr_visits = MAX_VISITS,
	};
	int status = 0;

	for (size_t i = 0; i < args->index->nr_classes && !status; i++)
		status = class_look(&look, &args->index->classes[i]);
	if (ret->nr)
		qsort(ret->list, ret->nr, sizeof(ret->list[0]), compare_hits);
	return status;
}

void index_sums(const struct pgw_find_index *index, struct pgw_find_sums *sums)
{
	sums->nr_roots = index->tail[INDEX_TAIL_LOOKED];
	sums->nr_tables = index->nr_tables;
	sums->nr_unreadable = index->tail[INDEX_TAIL_UNREADABLE];
}
