/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/bitmap_runs.h"

#include "base/bits.h"

#define CHUNK 4096

/* The first bit from bit on, below nr_bits, that is set or not; nr_bits if there is none. */
static uint64_t find_bit(const uint8_t *bytes, uint64_t bit, uint64_t nr_bits, bool is_set)
{
	while (bit < nr_bits) {
		uint64_t word = load_le64(bytes + bit / 64 * 8);

		word = (is_set ? word : ~word) >> (bit % 64);
		if (word)
			return bit + (uint64_t)__builtin_ctzll(word);
		bit = (bit | 63) + 1;
	}
	return nr_bits;
}

/* A run that may go on in the next chunk. */
struct run {
	uint64_t first, nr;
};

struct running {
	struct run run;
	source_bitmap_fn *fn;
	void *arg;
};

static int add_run(struct running *running, uint64_t first, uint64_t nr)
{
	struct run run = running->run;

	if (run.nr && run.first + run.nr == first) {
		running->run.nr += nr;
		return 0;
	}
	running->run = (struct run){ first, nr };
	return run.nr ? running->fn(run.first, run.nr, running->arg) : 0;
}

int source_bitmap_runs(const struct source_map *map, uint64_t offset, uint64_t nr_bits,
		       source_bitmap_fn *fn, void *arg)
{
	struct running running = { .fn = fn, .arg = arg };
	int status = 0;

	for (uint64_t at = 0; at < nr_bits && !status; at += CHUNK * 8) {
		uint64_t left = nr_bits - at < CHUNK * 8 ? nr_bits - at : CHUNK * 8, bit = 0, end;
		uint8_t bytes[CHUNK] = { 0 };

		if (!source_map_read(map, offset + at / 8, bytes, (size_t)(left + 7) / 8))
			return -PGW_EIO;
		while (!status && (bit = find_bit(bytes, bit, left, true)) < left) {
			end = find_bit(bytes, bit, left, false);
			if (end > left)
				end = left;
			status = add_run(&running, at + bit, end - bit);
			bit = end;
		}
	}
	if (!status && running.run.nr)
		status = fn(running.run.first, running.run.nr, arg);
	return status;
}
