/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Enough of a page to notice. */
#define POISON_SIZE 512u

static void broken(const char *what, uint64_t pa)
{
	fprintf(stderr, "frames: %s: %#llx\n", what, (unsigned long long)pa);
	abort();
}

static size_t page_index(const struct frames *f, uint64_t pa)
{
	size_t i = (size_t)((pa - FRAMES_PA) >> f->page_lg2);

	if (pa < FRAMES_PA || i >= f->nr_pages || (pa & ((UINT64_C(1) << f->page_lg2) - 1)))
		broken("no page of ours", pa);
	return i;
}

static bool is_free_run(const struct frames *f, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++) {
		if (f->is_taken[i])
			return false;
	}
	return true;
}

/* Round and round, so that what came back is not handed out again at once. */
static int take_run_locked(struct frames *f, size_t nr, size_t *ret)
{
	size_t i = (f->next + nr - 1) & ~(nr - 1);

	for (size_t tries = 0; tries <= f->nr_pages / nr; tries++, i += nr) {
		if (i + nr > f->nr_pages)
			i = 0;
		if (!is_free_run(f, i, nr))
			continue;
		memset(&f->is_taken[i], true, nr);
		f->next = i + nr;
		f->nr_taken += (long)nr;
		*ret = i;
		return 0;
	}
	return -PGW_ENOMEM;
}

static int page_alloc(void *ctx, uint8_t size_lg2, uint64_t *ret_pa)
{
	struct frames *f = ctx;
	int err = -PGW_ENOMEM;
	size_t i = 0;

	if (f->on_access)
		f->on_access(f->arg);
	pthread_mutex_lock(&f->lock);
	if (size_lg2 <= f->max_lg2 && f->nr_taken < f->max_taken &&
	    !(f->fail_after >= 0 && f->fail_after-- == 0))
		err = take_run_locked(f, (size_t)1 << (size_lg2 - f->page_lg2), &i);
	pthread_mutex_unlock(&f->lock);
	if (!err)
		*ret_pa = FRAMES_PA + ((uint64_t)i << f->page_lg2);
	return err;
}

static void page_free(void *ctx, uint64_t pa)
{
	struct frames *f = ctx;
	size_t i = page_index(f, pa);

	if (f->on_free)
		f->on_free(f->arg, pa);
	pthread_mutex_lock(&f->lock);
	if (!f->is_taken[i])
		broken("a page comes back twice", pa);
	memset(f->memory + (i << f->page_lg2), 0xdd, POISON_SIZE);
	f->is_taken[i] = false;
	f->nr_taken--;
	pthread_mutex_unlock(&f->lock);
}

void *frames_page(struct frames *f, uint64_t pa)
{
	size_t i = page_index(f, pa);
	bool is_taken;

	pthread_mutex_lock(&f->lock);
	is_taken = f->is_taken[i];
	pthread_mutex_unlock(&f->lock);
	if (!is_taken)
		broken("a free page is looked at", pa);
	return f->memory + (i << f->page_lg2);
}

static void *page_access(void *ctx, uint64_t pa)
{
	struct frames *f = ctx;

	if (f->on_access)
		f->on_access(f->arg);
	return frames_page(f, pa);
}

const struct pgw_kernel_ops frames_ops = {
	.page_alloc = page_alloc,
	.page_free = page_free,
	.page_access = page_access,
};

void frames_init(struct frames *f, uint8_t page_lg2, size_t nr_pages)
{
	*f = (struct frames){
		.page_lg2 = page_lg2,
		.nr_pages = nr_pages,
		.max_lg2 = 63,
		.max_taken = (long)nr_pages,
		.fail_after = -1,
	};
	f->memory = mmap(NULL, nr_pages << page_lg2, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	f->is_taken = calloc(nr_pages, sizeof(*f->is_taken));
	if (f->memory == MAP_FAILED || !f->is_taken)
		abort();
	pthread_mutex_init(&f->lock, NULL);
}

void frames_fini(struct frames *f)
{
	if (f->nr_taken) {
		fprintf(stderr, "left behind: %ld pages\n", f->nr_taken);
		abort();
	}
	munmap(f->memory, f->nr_pages << f->page_lg2);
	free(f->is_taken);
	pthread_mutex_destroy(&f->lock);
}
