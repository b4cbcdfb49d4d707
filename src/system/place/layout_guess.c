/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include <string.h>

#include "base/bits.h"

/*
 * Derives the layouts that a file can have from the known memory and the file's size. A file
 * is often larger than the memory that the kernel maps. The rest is memory with another use, and
 * lies at the end of a piece (ACPI tables below the hole, a page that the kernel unmapped) or
 * before a piece (firmware).
 */

/* Memory ends at a multiple of this; what firmware takes of it does not. */
#define ROUND_LG2 24

/* The pieces of known memory. The slack is still to be given to one of them. */
struct pieces {
	struct source_run run[IMAGE_MAX_PIECES];
	unsigned nr;
	uint64_t slack; /* bytes of the file that are in no run */
};

static void guess_keep(struct image_guesses *guesses, const struct image_guess *guess)
{
	for (unsigned i = 0; i < guesses->nr; i++) {
		struct image_guess *other = &guesses->guess[i];

		if (memcmp(&other->layout, &guess->layout, sizeof(guess->layout)) == 0) {
			other->is_accounted |= guess->is_accounted;
			other->is_cut |= guess->is_cut;
			return;
		}
	}
	if (guesses->nr < IMAGE_MAX_GUESSES)
		guesses->guess[guesses->nr++] = *guess;
}

unsigned image_layout_roundness(const struct image_layout *layout)
{
	uint64_t bounds = 0;

	for (unsigned i = 0; i + 1 < layout->nr; i++)
		bounds |= (layout->piece[i].pa + layout->piece[i].size) | layout->piece[i + 1].pa;
	return bounds ? (unsigned)__builtin_ctzll(bounds) : 64;
}

void image_guess_add(struct image_guesses *guesses, const struct source_run *run, unsigned nr,
		     enum image_fit fit)
{
	struct image_guess guess = { .layout.nr = nr };
	uint64_t offset = 0;

	for (unsigned i = 0; i < nr; i++) {
		uint64_t size = run[i].last - run[i].first + 1, end;

		/* Nothing may reach the end of all addresses. */
		if (!size || add_overflows(run[i].first, size, &end))
			return;
		if (i && run[i].first <= run[i - 1].last)
			return;
		guess.layout.piece[i] = (struct image_piece){ run[i].first, offset, size };
		offset += size;
	}
	guess.is_accounted =
		fit == IMAGE_FIT_ALL ||
		(fit == IMAGE_FIT_END && image_layout_roundness(&guess.layout) >= ROUND_LG2);
	guess_keep(guesses, &guess);
}

/* The slack lies at the end of one piece, or before it. */
static void guess_at_one_place(struct image_guesses *guesses, const struct pieces *pieces,
			       unsigned at)
{
	struct source_run run[IMAGE_MAX_PIECES];
	bool is_last = at + 1 == pieces->nr;

	memcpy(run, pieces->run, sizeof(run));
	run[at].last += pieces->slack;
	if (run[at].last >= run[at].first)
		image_guess_add(guesses, run, pieces->nr, is_last ? IMAGE_FIT_NONE : IMAGE_FIT_END);
	run[at].last -= pieces->slack;
	if (!at || pieces->slack > run[at].first)
		return;
	run[at].first -= pieces->slack;
	image_guess_add(guesses, run, pieces->nr, IMAGE_FIT_END);
}

/* All pieces but the last end at a multiple of 2^lg2; what is left lies at the end of the last. */
static void guess_round(struct image_guesses *guesses, const struct pieces *pieces, unsigned lg2)
{
	struct source_run run[IMAGE_MAX_PIECES];
	uint64_t slack = pieces->slack;

	memcpy(run, pieces->run, sizeof(run));
	for (unsigned i = 0; i + 1 < pieces->nr; i++) {
		uint64_t last = run[i].last | (BIT(lg2) - 1);

		if (last - run[i].last > slack)
			return;
		slack -= last - run[i].last;
		run[i].last = last;
	}
	run[pieces->nr - 1].last += slack;
	if (run[pieces->nr - 1].last >= run[pieces->nr - 1].first)
		image_guess_add(guesses, run, pieces->nr, slack ? IMAGE_FIT_NONE : IMAGE_FIT_END);
}

/* Take the nr_holes largest gaps for holes. @return false: the pieces are larger than the file */
static bool pieces_cut(const struct image_ram_runs *ram, unsigned nr_holes, uint64_t size,
		       struct pieces *ret)
{
	bool is_hole[IMAGE_MAX_RAM_RUNS] = { false }; /* before run i */
	uint64_t total = 0;

	for (unsigned hole = 0; hole < nr_holes; hole++) {
		uint64_t most = 0;
		unsigned at = 0;

		for (unsigned i = 1; i < ram->nr; i++) {
			uint64_t gap = ram->run[i].first - ram->run[i - 1].last;

			if (!is_hole[i] && gap > most) {
				most = gap;
				at = i;
			}
		}
		is_hole[at] = true;
	}
	*ret = (struct pieces){ .nr = 0 };
	for (unsigned i = 0; i < ram->nr; i++) {
		if (!i || is_hole[i])
			ret->run[ret->nr++] = ram->run[i];
		ret->run[ret->nr - 1].last = ram->run[i].last;
	}
	for (unsigned i = 0; i < ret->nr; i++)
		total += ret->run[i].last - ret->run[i].first + 1;
	ret->slack = size - total;
	return total <= size;
}

/* The file ends before the known memory does: take the pieces that it has. */
static void guess_cut(struct image_guesses *guesses, const struct image_ram_runs *ram,
		      uint64_t size)
{
	struct image_guess guess = { .is_cut = true };
	uint64_t offset = 0;

	for (unsigned i = 0; i < ram->nr && offset < size && i < IMAGE_MAX_PIECES; i++) {
		uint64_t n = ram->run[i].last - ram->run[i].first + 1;

		if (n > size - offset)
			n = size - offset;
		guess.layout.piece[guess.layout.nr++] =
			(struct image_piece){ ram->run[i].first, offset, n };
		offset += n;
	}
	if (offset == size)
		guess_keep(guesses, &guess);
}

void image_guess_by_ram(struct image_guesses *guesses, const struct image_ram_runs *ram,
			uint64_t size)
{
	struct pieces pieces;
	unsigned nr_holes = 0;

	while (nr_holes < ram->nr && nr_holes < IMAGE_MAX_PIECES &&
	       !pieces_cut(ram, nr_holes, size, &pieces))
		nr_holes++;
	if (nr_holes == ram->nr || nr_holes == IMAGE_MAX_PIECES) {
		guess_cut(guesses, ram, size);
		return;
	}
	/* Each hole more would leave more of the file unexplained. */
	if (!pieces.slack)
		image_guess_add(guesses, pieces.run, pieces.nr, IMAGE_FIT_ALL);
	for (unsigned i = 0; i < pieces.nr && pieces.slack; i++)
		guess_at_one_place(guesses, &pieces, i);
	for (unsigned lg2 = 12; lg2 <= 30 && pieces.slack; lg2 += 2)
		guess_round(guesses, &pieces, lg2);
}
