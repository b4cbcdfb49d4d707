/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <pagewalk/scan.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/bits.h"
#include "system/tell.h"

/*
 * A look at all pages by several threads. Each takes the next window, reads and looks at it alone;
 * what it has found waits in a slot until that of all windows before has been taken. So takers see
 * the same in the same order however many threads there are.
 */
#define MAX_SLOTS 64
/* Less memory than this is not worth a thread. */
#define MIN_PARALLEL_BYTES (UINT64_C(16) << 20)

struct slot {
	uint64_t pa;
	struct pgw_pa_range run; /* the first that it has a part of */
	uint64_t nr_bytes;
	int status;   /* of reading it */
	bool is_done; /* looked at */
	struct image_finding finding;
};

struct ram_look {
	struct pgw_image *image;
	const struct image_look *how;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	uint64_t next;           /* address from which on no window was given out */
	struct pgw_pa_range run; /* that was asked for last: asking may be dear */
	bool is_all_given;
	uint64_t nr_given, nr_taken;
	bool is_taking;    /* a thread does, without the lock */
	int status;        /* not 0: it ends */
	uint64_t nr_bytes; /* taken */
	uint64_t nr_told;  /* in progress; without the lock */
	unsigned nr_slots; /* one is enough for one thread */
	struct slot slots[];
};

/* The run in which the next window begins. Pre: the lock is held. */
static bool run_find(struct ram_look *look)
{
	bool is_known = look->nr_given && look->run.last >= look->next;

	return is_known ||
	       source_next_range(&look->image->source, SOURCE_HELD, look->next, &look->run);
}

/* Pre: the lock is held. NULL: there is no more to do. */
static struct slot *slot_give(struct ram_look *look)
{
	struct slot *slot;

	while (!look->status && look->nr_given - look->nr_taken == look->nr_slots)
		pthread_cond_wait(&look->changed, &look->lock);
	if (look->status || look->is_all_given || !run_find(look)) {
		look->is_all_given = true;
		return NULL;
	}
	slot = &look->slots[look->nr_given++ % look->nr_slots];
	*slot = (struct slot){
		.pa = (look->run.first > look->next ? look->run.first : look->next) &
		      ~(uint64_t)(IMAGE_WINDOW - 1),
		.run = look->run,
	};
	look->is_all_given = add_overflows(slot->pa, IMAGE_WINDOW, &look->next);
	return slot;
}

/* Pre: the lock is held. Take what is next in order; one thread at a time does. */
static void slots_take(struct ram_look *look)
{
	look->is_taking = true;
	while (!look->status && look->nr_taken < look->nr_given) {
		struct slot *slot = &look->slots[look->nr_taken % look->nr_slots];
		int status;

		if (!slot->is_done)
			break;
		status = slot->status;
		if (!status && slot->finding.is_any) {
			pthread_mutex_unlock(&look->lock);
			status = look->how->take(slot->pa, &slot->finding, look->how->arg);
			pthread_mutex_lock(&look->lock);
		}
		/* Meanwhile another thread may have been told to end. */
		if (!look->status)
			look->status = status;
		look->nr_bytes += slot->nr_bytes;
		look->nr_taken++;
		pthread_cond_broadcast(&look->changed);
	}
	look->is_taking = false;
}

/* Those that lie in [first, last], which is within the window. */
static uint32_t whole_pages(uint64_t window, uint64_t first, uint64_t last)
{
	unsigned from = (unsigned)((first - window + IMAGE_PAGE - 1) / IMAGE_PAGE);
	unsigned to = (unsigned)((last - window + 1) / IMAGE_PAGE);

	return from < to ? (uint32_t)(low_bits(to) & ~low_bits(from)) : 0;
}

/* One page that does not unpack says nothing of the others. */
static int read_by_pages(const struct pgw_image *image, const struct slot *slot, uint64_t first,
			 uint64_t last, uint8_t *buf, uint32_t *ret_whole)
{
	for (uint64_t pa = first, end; pa <= last; pa = end + 1) {
		int status;

		end = pa | (IMAGE_PAGE - 1);
		if (end > last)
			end = last;
		status = source_look(&image->source, pa, buf + (pa - slot->pa),
				     (size_t)(end - pa) + 1);
		if (!status)
			*ret_whole |= whole_pages(slot->pa, pa, end);
		else if (status != -PGW_EIO)
			return status;
	}
	return 0;
}

/* What the image has of a window, at its place in buf. */
static int window_read(const struct pgw_image *image, struct slot *slot, uint8_t *buf,
		       uint32_t *ret_whole)
{
	uint64_t pa = slot->pa, end = pa + (IMAGE_WINDOW - 1);
	struct pgw_pa_range run = slot->run;
	bool is_there = true;
	int status = 0;

	*ret_whole = 0;
	/* No run reaches UINT64_MAX, so pa does not wrap. */
	while (!status && is_there && run.first <= end) {
		uint64_t first = run.first > pa ? run.first : pa;
		uint64_t last = run.last < end ? run.last : end;

		status = source_look(&image->source, first, buf + (first - slot->pa),
				     (size_t)(last - first) + 1);
		if (!status)
			*ret_whole |= whole_pages(slot->pa, first, last);
		else if (status == -PGW_EIO && image->source.is_packed)
			status = read_by_pages(image, slot, first, last, buf, ret_whole);
		slot->nr_bytes += last - first + 1;
		pa = last + 1;
		is_there = pa <= end && source_next_range(&image->source, SOURCE_HELD, pa, &run);
	}
	return status;
}

static void window_look(const struct ram_look *look, struct slot *slot, uint8_t *buf)
{
	struct image_block block = { .pa = slot->pa, .bytes = buf };

	slot->status = window_read(look->image, slot, buf, &block.whole);
	if (!slot->status && block.whole)
		look->how->look(&block, &slot->finding, look->how->arg);
}

/* Only in the thread that asked for the look. @return 0 or -PGW_EINTR */
static int tell_progress(struct ram_look *look, uint64_t nr_bytes)
{
	if (nr_bytes == look->nr_told)
		return 0;
	look->nr_told = nr_bytes;
	return image_tell_memory(look->image, nr_bytes);
}

static void work(void *arg, unsigned index)
{
	struct ram_look *look = arg;
	uint8_t *buf = malloc(IMAGE_WINDOW);
	struct slot *slot;

	/* If no thread has memory, windows are left: image_ram_look() sees that. */
	if (!buf)
		return;
	pthread_mutex_lock(&look->lock);
	while ((slot = slot_give(look))) {
		uint64_t nr_bytes;
		int status;

		pthread_mutex_unlock(&look->lock);
		window_look(look, slot, buf);
		pthread_mutex_lock(&look->lock);
		slot->is_done = true;
		if (!look->is_taking)
			slots_take(look);
		nr_bytes = look->nr_bytes;
		pthread_mutex_unlock(&look->lock);
		status = index ? 0 : tell_progress(look, nr_bytes);
		pthread_mutex_lock(&look->lock);
		if (status && !look->status) {
			look->status = status;
			pthread_cond_broadcast(&look->changed);
		}
	}
	pthread_mutex_unlock(&look->lock);
	free(buf);
}

static bool is_worth_threads(const struct pgw_image *image)
{
	const struct pgw_scan_workers *workers = image->options.workers;

	return workers && workers->n > 1 &&
	       (workers->even_few || image->info.readable_bytes >= MIN_PARALLEL_BYTES);
}

int image_ram_look(struct pgw_image *image, const struct image_look *how)
{
	const struct pgw_scan_workers *workers = image->options.workers;
	unsigned nr_slots = is_worth_threads(image) ? MAX_SLOTS : 1;
	struct ram_look *look = calloc(1, sizeof(*look) + nr_slots * sizeof(look->slots[0]));
	int status;

	if (!look)
		return -PGW_ENOMEM;
	look->nr_slots = nr_slots;
	look->image = image;
	look->how = how;
	pthread_mutex_init(&look->lock, NULL);
	pthread_cond_init(&look->changed, NULL);
	if (nr_slots > 1)
		workers->run(workers->ctx, workers->n, work, look);
	else
		work(look, 0);
	status = look->status;
	if (!status && (!look->is_all_given || look->nr_taken < look->nr_given))
		status = -PGW_ENOMEM;
	if (!status)
		status = tell_progress(look, look->nr_bytes);
	pthread_cond_destroy(&look->changed);
	pthread_mutex_destroy(&look->lock);
	free(look);
	return status;
}
