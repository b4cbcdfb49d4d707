/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats_split.h"

#include <string.h>

#include "names.h"

/* Kinds of owners and the kernel's regions, times rights. */
#define MAX_SHARES 256

/* What somebody has of it. */
struct share {
	const char *who;
	const char *region; /* the kernel's name of it, or NULL */
	uint8_t rights;
	uint64_t nr_pieces;
	uint64_t bytes;
};

struct split {
	const struct pgw_symbols *symbols; /* or NULL */
	const struct pgw_modules *modules; /* or NULL */
	const struct pgw_marker *markers;  /* ascending */
	size_t nr_markers;
	struct share shares[MAX_SHARES];
	size_t nr_shares;
};

/* As /proc/kallsyms has letters. */
static const char *symbol_kind(char letter)
{
	switch (letter) {
	case 'T':
	case 't':
	case 'W':
	case 'w':
		return "text";
	case 'R':
	case 'r':
		return "rodata";
	default:
		return "data";
	}
}

/* Who has what the kernel maps at an address; region is told if nothing else is known. */
static struct share who_is_at(const struct split *split, uint64_t va)
{
	struct pgw_symbol symbol;
	struct share share = { .who = "unknown" };
	uint64_t offset;

	if (split->modules && pgw_modules_at(split->modules, va, NULL, NULL))
		return (struct share){ .who = "modules" };
	if (split->symbols && pgw_symbols_at(split->symbols, va, &symbol, &offset))
		return (struct share){ .who = symbol_kind(symbol.letter) };
	for (size_t i = 0; i < split->nr_markers && split->markers[i].va <= va; i++)
		share = (struct share){ .who = "region", .region = split->markers[i].name };
	return share;
}

static bool is_same_share(const struct share *a, const struct share *b)
{
	return strcmp(a->who, b->who) == 0 && a->region == b->region && a->rights == b->rights;
}

static int split_piece(const struct pgw_stats_piece *piece, void *arg)
{
	struct split *split = (struct split *)arg;
	struct share share = { .who = "unknown" };
	size_t i = 0;

	if (piece->has_other)
		share = who_is_at(split, piece->other_va);
	share.rights = piece->rights & 7;
	while (i < split->nr_shares && !is_same_share(&split->shares[i], &share))
		i++;
	if (i == MAX_SHARES)
		return -PGW_E2BIG;
	if (i == split->nr_shares)
		split->shares[split->nr_shares++] = share;
	split->shares[i].nr_pieces++;
	split->shares[i].bytes += piece->va_last - piece->va_first + 1;
	return 0;
}

int stats_split(struct target *target, struct pgw_mm *mm, const struct pgw_root_info *root,
		const struct pgw_stats_direct *direct, struct record *record)
{
	struct split split = { 0 };
	int err;

	if (pgw_image_symbols(target->image, &split.symbols, NULL))
		split.symbols = NULL;
	split.modules = names_modules(target, NULL);
	if (pgw_image_markers(target->image, root, &split.markers, &split.nr_markers))
		split.nr_markers = 0;
	target_progress_end(target);
	err = pgw_stats_direct_pieces(mm, direct, split_piece, &split);
	record_list(record, "who");
	for (size_t i = 0; i < split.nr_shares; i++) {
		const struct share *share = &split.shares[i];

		record_item(record);
		record_str(record, "who", share->who);
		if (share->region)
			record_untrusted(record, "region", share->region, strlen(share->region));
		record_str(record, "kernel", report_rights(share->rights));
		record_dec(record, "parts", share->nr_pieces);
		record_size(record, "bytes", share->bytes);
		record_item_end(record);
	}
	record_list_end(record);
	if (err == -PGW_E2BIG) {
		message("%s: the direct map has more parts of other rights than are looked at: who "
			"split it is not told whole",
			target->file);
		return STATS_SPLIT_CUT;
	}
	return err;
}
