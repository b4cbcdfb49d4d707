/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct pgw_symbols *linux_symbols_new(void)
{
	struct pgw_symbols *symbols = calloc(1, sizeof(*symbols));
	uint32_t empty;

	if (symbols && linux_symbols_add_name(symbols, "", 0, &empty)) {
		free(symbols);
		return NULL;
	}
	return symbols;
}

void linux_symbols_free(struct pgw_symbols *symbols)
{
	if (!symbols)
		return;
	free(symbols->list);
	free(symbols->names);
	free(symbols->by_va);
	free(symbols->by_name);
	free(symbols);
}

/* Room for one more of some bytes, or for so many bytes. */
static int array_room(void **array, size_t *room, size_t wanted, size_t size)
{
	size_t more = *room ? *room : 1024;
	void *grown;

	while (more < wanted)
		more *= 2;
	if (more == *room)
		return 0;
	grown = realloc(*array, more * size);
	if (!grown)
		return -PGW_ENOMEM;
	*array = grown;
	*room = more;
	return 0;
}

int linux_symbols_add_name(struct pgw_symbols *symbols, const char *name, size_t len, uint32_t *ret)
{
	int err;

	if (len > LINUX_SYMBOL_NAME_MAX || symbols->names_size > LINUX_SYMBOL_BYTES_MAX)
		return -PGW_EOVERFLOW;
	err = array_room((void **)&symbols->names, &symbols->names_room,
			 symbols->names_size + len + 1, 1);
	if (err)
		return err;
	memcpy(symbols->names + symbols->names_size, name, len);
	symbols->names[symbols->names_size + len] = '\0';
	*ret = (uint32_t)symbols->names_size;
	symbols->names_size += len + 1;
	return 0;
}

int linux_symbols_add(struct pgw_symbols *symbols, const struct linux_symbol *symbol)
{
	int err;

	if (symbols->nr == LINUX_SYMBOLS_MAX)
		return -PGW_EOVERFLOW;
	err = array_room((void **)&symbols->list, &symbols->room, symbols->nr + 1,
			 sizeof(*symbols->list));
	if (!err)
		symbols->list[symbols->nr++] = *symbol;
	return err;
}

static const char *name_of(const struct pgw_symbols *symbols, const struct linux_symbol *symbol)
{
	return symbols->names + symbol->name;
}

/* Bernstein's hash: names are short, and nobody gains by making them collide but more time. */
static uint32_t hash(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 ^ (uint8_t)*name++;
	return h * UINT32_C(0x9e3779b1);
}

/*
 * Only the first of equal names is put in. What does not find a place in so many steps, which takes
 * names that were made for it, is found by looking at all.
 */
#define MAX_PROBES 128
#define MAX_ALIASES 4096 /* symbols at one address of which the best is taken; Linux has dozens */

static void hash_add(struct pgw_symbols *symbols, size_t index)
{
	const char *name = name_of(symbols, &symbols->list[index]);
	uint32_t mask = (uint32_t)low_bits(symbols->by_name_lg2);
	uint32_t at = hash(name) >> (32 - symbols->by_name_lg2);

	for (unsigned i = 0; i < MAX_PROBES; i++) {
		uint32_t *slot = &symbols->by_name[(at + i) & mask];

		if (!*slot) {
			*slot = (uint32_t)index + 1;
			return;
		}
		if (strcmp(name_of(symbols, &symbols->list[*slot - 1]), name) == 0)
			return;
	}
}

static int names_index(struct pgw_symbols *symbols)
{
	symbols->by_name_lg2 = 4;
	while (BIT(symbols->by_name_lg2) < 3 * symbols->nr)
		symbols->by_name_lg2++;
	free(symbols->by_name);
	symbols->by_name = calloc(BIT(symbols->by_name_lg2), sizeof(*symbols->by_name));
	if (!symbols->by_name)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < symbols->nr; i++)
		hash_add(symbols, i);
	return 0;
}

struct by_va {
	uint64_t va;
	uint32_t index;
};

static int by_va_compare(const void *a, const void *b)
{
	const struct by_va *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* @return 0 or -PGW_ENOMEM */
static int addresses_sort(struct pgw_symbols *symbols)
{
	struct by_va *order = malloc((symbols->nr_by_va + 1) * sizeof(*order));

	if (!order)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < symbols->nr_by_va; i++)
		order[i] = (struct by_va){ symbols->list[symbols->by_va[i]].va, symbols->by_va[i] };
	qsort(order, symbols->nr_by_va, sizeof(*order), by_va_compare);
	for (size_t i = 0; i < symbols->nr_by_va; i++)
		symbols->by_va[i] = order[i].index;
	free(order);
	return 0;
}

/* Those that are not known from the table of exports alone. */
static size_t listed(const struct pgw_symbols *symbols)
{
	return symbols->nr - symbols->info.nr_exported;
}

/* Kernels have them in order; what is in an image need not be. */
static int addresses_index(struct pgw_symbols *symbols)
{
	bool is_sorted = true;
	uint64_t last = 0;
	size_t nr = 0;

	free(symbols->by_va);
	symbols->by_va = malloc((symbols->nr + 1) * sizeof(*symbols->by_va));
	if (!symbols->by_va)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < listed(symbols); i++) {
		if (symbols->list[i].is_offset)
			continue;
		is_sorted &= symbols->list[i].va >= last;
		last = symbols->list[i].va;
		symbols->by_va[nr++] = (uint32_t)i;
	}
	symbols->nr_by_va = nr;
	return is_sorted ? 0 : addresses_sort(symbols);
}

/* Where the kernel's image is: from the first of its symbols to _end, or to the last of them. */
static void image_bounds(struct pgw_symbols *symbols)
{
	struct pgw_symbol end;
	uint64_t first = UINT64_MAX, last = 0;

	for (size_t i = 0; i < symbols->nr_by_va; i++) {
		const struct linux_symbol *symbol = &symbols->list[symbols->by_va[i]];

		if (symbol->va < first)
			first = symbol->va;
		if (symbol->va > last)
			last = symbol->va;
	}
	/* What VMs and hypervisors have at the top of addresses is no part of the image. */
	if (pgw_symbols_find(symbols, "_end", &end) && end.va > first)
		last = end.va - 1;
	else
		last |= 0xfff;
	symbols->image_first = first;
	symbols->image_last = last;
}

static void percpu_find(struct pgw_symbols *symbols)
{
	static const char *const names[_LINUX_PERCPU_MAX] = {
		[LINUX_PERCPU_START] = "__per_cpu_start",   [LINUX_PERCPU_END] = "__per_cpu_end",
		[LINUX_PERCPU_OFFSET] = "__per_cpu_offset", [LINUX_PERCPU_LOAD] = "__per_cpu_load",
		[LINUX_PERCPU_NR_CPUS] = "nr_cpu_ids",
	};
	struct pgw_symbol symbol;

	for (unsigned i = 0; i < _LINUX_PERCPU_MAX; i++) {
		symbols->has_percpu[i] = pgw_symbols_find(symbols, names[i], &symbol);
		symbols->percpu[i] = symbols->has_percpu[i] ? symbol.va : 0;
	}
}

int linux_symbols_finish(struct pgw_symbols *symbols)
{
	int err = names_index(symbols);

	if (!err)
		err = addresses_index(symbols);
	if (err)
		return err;
	image_bounds(symbols);
	percpu_find(symbols);
	symbols->info.nr_symbols = listed(symbols);
	return 0;
}

const struct pgw_symbols_info *pgw_symbols_get_info(const struct pgw_symbols *symbols)
{
	return &symbols->info;
}

static void symbol_export(const struct pgw_symbols *symbols, const struct linux_symbol *symbol,
			  struct pgw_symbol *ret)
{
	*ret = (struct pgw_symbol){
		.va = symbol->va,
		.name = name_of(symbols, symbol),
		.letter = symbol->letter,
		.is_offset = symbol->is_offset,
	};
}

bool pgw_symbols_get(const struct pgw_symbols *symbols, size_t index, struct pgw_symbol *ret)
{
	if (index >= listed(symbols))
		return false;
	symbol_export(symbols, &symbols->list[index], ret);
	return true;
}

bool pgw_symbols_find(const struct pgw_symbols *symbols, const char *name, struct pgw_symbol *ret)
{
	uint32_t mask = (uint32_t)low_bits(symbols->by_name_lg2);
	uint32_t at = hash(name) >> (32 - symbols->by_name_lg2);

	for (unsigned i = 0; i < MAX_PROBES; i++) {
		uint32_t slot = symbols->by_name[(at + i) & mask];

		if (!slot)
			return false;
		if (strcmp(name_of(symbols, &symbols->list[slot - 1]), name) == 0) {
			symbol_export(symbols, &symbols->list[slot - 1], ret);
			return true;
		}
	}
	for (size_t i = 0; i < symbols->nr; i++) {
		if (strcmp(name_of(symbols, &symbols->list[i]), name) == 0) {
			symbol_export(symbols, &symbols->list[i], ret);
			return true;
		}
	}
	return false;
}

/* The lower, the rather a symbol names its address. */
static unsigned rank(const struct pgw_symbols *symbols, const struct linux_symbol *symbol)
{
	const char *name = name_of(symbols, symbol);

	if (name[0] == '$' || name[0] == '.' || !name[0])
		return 2;
	return symbol->letter >= 'A' && symbol->letter <= 'Z' ? 0 : 1;
}

/* The best of those at an address, of which this is the last. */
static const struct linux_symbol *best_at(const struct pgw_symbols *symbols, size_t last)
{
	const struct linux_symbol *best = &symbols->list[symbols->by_va[last]];
	const size_t end = last > MAX_ALIASES ? last - MAX_ALIASES : 0;
	const uint64_t va = best->va;

	for (size_t i = last; i-- > end && symbols->list[symbols->by_va[i]].va == va;) {
		const struct linux_symbol *other = &symbols->list[symbols->by_va[i]];

		if (rank(symbols, other) <= rank(symbols, best))
			best = other;
	}
	return best;
}

/* How many of by_va lie at or below va. */
static size_t count_up_to(const struct pgw_symbols *symbols, uint64_t va)
{
	size_t low = 0, high = symbols->nr_by_va;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (symbols->list[symbols->by_va[mid]].va <= va)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool pgw_symbols_at(const struct pgw_symbols *symbols, uint64_t va, struct pgw_symbol *ret,
		    uint64_t *ret_offset)
{
	const struct linux_symbol *symbol;
	size_t nr;

	if (va < symbols->image_first || va > symbols->image_last)
		return false;
	nr = count_up_to(symbols, va);
	if (!nr)
		return false;
	symbol = best_at(symbols, nr - 1);
	symbol_export(symbols, symbol, ret);
	*ret_offset = va - symbol->va;
	return true;
}
