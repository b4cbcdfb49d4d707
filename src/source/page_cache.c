/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/page_cache.h"

#include <pagewalk/base.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Pages are spread over shards by a hash of their number, so that threads
 * seldom want the same lock. A shard has slots: a free one is filled outside of
 * the lock, a full one is given up when a clock's hand comes by and nobody
 * but its loader has read it since the hand came last.
 *
 * Reads are of tables, which are wanted again; looks go through memory once. What only those wanted
 * is given up first, but for a part of the slots: whoever goes through a large page bit by bit must
 * find it again. And a look at all of a page which is not there takes no slot for it but a free one.
 *
 * What a slot is goes FREE -> LOADING -> FULL -> LOADING (of another page), or
 * LOADING -> FAILED -> FREE. Only FULL and LOADING slots are found by their
 * page. A slot that somebody loads or waits for is never taken; its bytes are
 * copied under the lock.
 */
#define MAX_SHARDS 16
#define MIN_SLOTS_A_SHARD 8
#define NONE UINT32_MAX
/* One slot in so many may have what only looks wanted, if tables want all others. */
#define PASSING_PART 4
#define HASH UINT64_C(0x9e3779b97f4a7c15)

enum slot_state {
	SLOT_FREE,
	SLOT_LOADING,
	SLOT_FULL,
	SLOT_FAILED, /* those who wait take the status, the last frees it */
};

struct slot {
	uint64_t page;
	uint8_t *bytes; /* NULL until it is used first */
	uint32_t next;  /* in the bucket, plus 1, or 0; of a free one, or NONE */
	uint32_t nr_waiting;
	int status; /* of a load that failed */
	enum slot_state state;
	bool is_recent;  /* read again since the hand came by */
	bool is_passing; /* FULL, and only looks wanted it */
};

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a load ended, or a slot came free */
	struct slot *slots;
	uint32_t *
		buckets; /* slots by hash, plus 1; as many as slots, rounded up to a power of two */
	uint32_t nr_slots;
	uint32_t nr_used;    /* slots from this one on were never used, and are free */
	uint32_t first_free; /* of those that were; or NONE */
	uint32_t hand;
	uint32_t nr_passing; /* slots that are */
	unsigned buckets_lg2;
	size_t nr_held; /* slots that have bytes */
};

struct page_cache {
	page_load_fn *load;
	void *ctx;
	unsigned page_lg2;
	unsigned nr_shards; /* a power of two */
	struct slot *slots; /* of all shards, as are these */
	uint32_t *buckets;
	struct shard shards[MAX_SHARDS];
};

static struct shard *shard_of(struct page_cache *cache, uint64_t page)
{
	return &cache->shards[(page * HASH >> 32) & (cache->nr_shards - 1)];
}

static uint32_t *bucket_of(const struct shard *shard, uint64_t page)
{
	return &shard->buckets[shard->buckets_lg2 ? page * HASH >> (64 - shard->buckets_lg2) : 0];
}

static struct slot *slot_find(const struct shard *shard, uint64_t page)
{
	uint32_t at = *bucket_of(shard, page);

	while (at && shard->slots[at - 1].page != page)
		at = shard->slots[at - 1].next;
	return at ? &shard->slots[at - 1] : NULL;
}

static void slot_link(struct shard *shard, struct slot *slot)
{
	uint32_t *bucket = bucket_of(shard, slot->page);

	slot->next = *bucket;
	*bucket = (uint32_t)(slot - shard->slots) + 1;
}

/* Pre: it is in its bucket. */
static void slot_unlink(struct shard *shard, const struct slot *slot)
{
	uint32_t *link = bucket_of(shard, slot->page);

	while (&shard->slots[*link - 1] != slot)
		link = &shard->slots[*link - 1].next;
	*link = slot->next;
}

static void slot_free(struct shard *shard, struct slot *slot)
{
	slot->state = SLOT_FREE;
	slot->next = shard->first_free;
	shard->first_free = (uint32_t)(slot - shard->slots);
}

static void slot_set_passing(struct shard *shard, struct slot *slot, bool is_passing)
{
	shard->nr_passing += is_passing;
	shard->nr_passing -= slot->is_passing;
	slot->is_passing = is_passing;
}

/*
 * The next full slot of the one sort or of both. Two rounds of the hand: the first forgets which
 * were read again, the second takes one. NULL if all are being loaded or waited for.
 */
static struct slot *hand_take(struct shard *shard, bool only_passing)
{
	for (uint32_t i = 0; i < 2 * shard->nr_slots; i++) {
		struct slot *slot = &shard->slots[shard->hand];

		shard->hand = shard->hand + 1 == shard->nr_slots ? 0 : shard->hand + 1;
		if (only_passing && !slot->is_passing)
			continue;
		if (slot->state == SLOT_FULL && !slot->nr_waiting && !slot->is_recent) {
			slot_unlink(shard, slot);
			slot_set_passing(shard, slot, false);
			return slot;
		}
		slot->is_recent = false;
	}
	return NULL;
}

static bool has_free_slot(const struct shard *shard)
{
	return shard->first_free != NONE || shard->nr_used < shard->nr_slots;
}

/* A free slot, or else a full one: of those that pass, if they are more than their part. */
static struct slot *slot_take(struct shard *shard)
{
	struct slot *slot = NULL;

	if (shard->first_free != NONE) {
		slot = &shard->slots[shard->first_free];
		shard->first_free = slot->next;
		return slot;
	}
	if (shard->nr_used < shard->nr_slots)
		return &shard->slots[shard->nr_used++];
	if (shard->nr_passing > shard->nr_slots / PASSING_PART)
		slot = hand_take(shard, true);
	return slot ? slot : hand_take(shard, false);
}

/*
 * A slot that this thread is to fill, LOADING and found by its page from now on.
 * @return 0, or -PGW_ENOMEM; *ret is NULL if there was none, and things have changed since
 */
static int slot_start(struct page_cache *cache, struct shard *shard, uint64_t page,
		      struct slot **ret)
{
	struct slot *slot = slot_take(shard);

	*ret = NULL;
	if (!slot) {
		pthread_cond_wait(&shard->changed, &shard->lock);
		return 0;
	}
	if (!slot->bytes) {
		slot->bytes = malloc((size_t)1 << cache->page_lg2);
		if (!slot->bytes) {
			slot_free(shard, slot);
			return -PGW_ENOMEM;
		}
		shard->nr_held++;
	}
	slot->page = page;
	slot->state = SLOT_LOADING;
	slot->is_recent = false;
	slot_link(shard, slot);
	*ret = slot;
	return 0;
}

/* Pre: the lock is held, and this thread has started the slot. The lock is let go of meanwhile. */
static int slot_load(struct page_cache *cache, struct shard *shard, struct slot *slot)
{
	int status;

	pthread_mutex_unlock(&shard->lock);
	status = cache->load(cache->ctx, slot->page, slot->bytes);
	pthread_mutex_lock(&shard->lock);
	slot->status = status;
	slot->state = SLOT_FULL;
	if (status) {
		slot_unlink(shard, slot);
		slot->state = SLOT_FAILED;
		if (!slot->nr_waiting)
			slot_free(shard, slot);
	}
	pthread_cond_broadcast(&shard->changed);
	return status;
}

/* Pre: somebody else loads it. @return the status of the load; the slot is FULL if that is 0 */
static int slot_wait(struct shard *shard, struct slot *slot)
{
	int status = 0;

	slot->nr_waiting++;
	while (slot->state == SLOT_LOADING)
		pthread_cond_wait(&shard->changed, &shard->lock);
	if (slot->state == SLOT_FAILED)
		status = slot->status;
	if (--slot->nr_waiting)
		return status;
	if (slot->state == SLOT_FAILED)
		slot_free(shard, slot);
	/* Who found no slot to take may have this one now. */
	pthread_cond_broadcast(&shard->changed);
	return status;
}

/* Pre: the lock is held. @return 0: *ret is FULL, and stays so while the lock is held */
static int page_find(struct page_cache *cache, struct shard *shard, uint64_t page, bool is_passing,
		     struct slot **ret)
{
	int status = 0;

	*ret = NULL;
	while (!*ret && !status) {
		struct slot *slot = slot_find(shard, page);

		if (slot) {
			status = slot->state == SLOT_LOADING ? slot_wait(shard, slot) : 0;
			slot->is_recent = true;
			*ret = slot;
			continue;
		}
		status = slot_start(cache, shard, page, ret);
		if (*ret)
			status = slot_load(cache, shard, *ret);
		if (*ret && !status)
			slot_set_passing(shard, *ret, is_passing);
	}
	return status;
}

/* Bytes of one page. */
static int page_copy(struct page_cache *cache, uint64_t page, size_t at, void *buf, size_t len,
		     bool is_look)
{
	struct shard *shard = shard_of(cache, page);
	struct slot *slot;
	int status;

	pthread_mutex_lock(&shard->lock);
	/* Without room for it, a whole page need not be where it is not wanted again. */
	if (is_look && len >> cache->page_lg2 && !has_free_slot(shard) && !slot_find(shard, page)) {
		pthread_mutex_unlock(&shard->lock);
		return cache->load(cache->ctx, page, buf);
	}
	status = page_find(cache, shard, page, is_look, &slot);
	if (!status) {
		memcpy(buf, slot->bytes + at, len);
		if (!is_look)
			slot_set_passing(shard, slot, false);
	}
	pthread_mutex_unlock(&shard->lock);
	return status;
}

static int cache_copy(struct page_cache *cache, uint64_t offset, void *buf, size_t len,
		      bool is_look)
{
	size_t page_size = (size_t)1 << cache->page_lg2;
	uint8_t *to = buf;
	uint64_t end;
	int status = 0;

	if (add_overflows(offset, len, &end))
		return -PGW_EOVERFLOW;
	while (len && !status) {
		size_t at = (size_t)(offset & (page_size - 1));
		size_t n = page_size - at < len ? page_size - at : len;

		status = page_copy(cache, offset >> cache->page_lg2, at, to, n, is_look);
		to += n;
		offset += n;
		len -= n;
	}
	return status;
}

int page_cache_read(struct page_cache *cache, uint64_t offset, void *buf, size_t len)
{
	return cache_copy(cache, offset, buf, len, false);
}

int page_cache_look(struct page_cache *cache, uint64_t offset, void *buf, size_t len)
{
	return cache_copy(cache, offset, buf, len, true);
}

bool page_cache_peek(struct page_cache *cache, uint64_t page, void *buf)
{
	struct shard *shard = shard_of(cache, page);
	const struct slot *slot;
	bool is_there;

	pthread_mutex_lock(&shard->lock);
	slot = slot_find(shard, page);
	is_there = slot && slot->state == SLOT_FULL;
	if (is_there)
		memcpy(buf, slot->bytes, (size_t)1 << cache->page_lg2);
	pthread_mutex_unlock(&shard->lock);
	return is_there;
}

/*
 * Slots and buckets are not touched before they are used: most caches stay nearly empty. So those of
 * all shards are two large pieces, which the system gives as zeroes.
 */
static bool shards_init(struct page_cache *cache, uint32_t nr_slots)
{
	unsigned lg2 = 0;

	while (nr_slots > UINT32_C(1) << lg2)
		lg2++;
	cache->slots = calloc((size_t)nr_slots * cache->nr_shards, sizeof(*cache->slots));
	cache->buckets = calloc((size_t)cache->nr_shards << lg2, sizeof(*cache->buckets));
	for (unsigned i = 0; i < cache->nr_shards; i++) {
		struct shard *shard = &cache->shards[i];

		pthread_mutex_init(&shard->lock, NULL);
		pthread_cond_init(&shard->changed, NULL);
		shard->nr_slots = nr_slots;
		shard->buckets_lg2 = lg2;
		shard->first_free = NONE;
		if (!cache->slots || !cache->buckets)
			continue;
		shard->slots = cache->slots + (size_t)i * nr_slots;
		shard->buckets = cache->buckets + ((size_t)i << lg2);
	}
	return cache->slots && cache->buckets;
}

struct page_cache *page_cache_new(size_t page_size, size_t bytes, page_load_fn *load, void *ctx)
{
	struct page_cache *cache = calloc(1, sizeof(*cache));
	size_t nr_slots = bytes / page_size;

	if (!cache)
		return NULL;
	cache->load = load;
	cache->ctx = ctx;
	cache->page_lg2 = (unsigned)__builtin_ctzll(page_size);
	cache->nr_shards = 1;
	while (cache->nr_shards < MAX_SHARDS &&
	       nr_slots / (2 * cache->nr_shards) >= MIN_SLOTS_A_SHARD)
		cache->nr_shards *= 2;
	nr_slots /= cache->nr_shards;
	if (nr_slots > UINT32_MAX / 4)
		nr_slots = UINT32_MAX / 4;
	if (shards_init(cache, nr_slots ? (uint32_t)nr_slots : 1))
		return cache;
	page_cache_free(cache);
	return NULL;
}

void page_cache_free(struct page_cache *cache)
{
	if (!cache)
		return;
	for (unsigned i = 0; i < cache->nr_shards; i++) {
		struct shard *shard = &cache->shards[i];

		for (uint32_t j = 0; j < shard->nr_used; j++)
			free(shard->slots[j].bytes);
		pthread_cond_destroy(&shard->changed);
		pthread_mutex_destroy(&shard->lock);
	}
	free(cache->slots);
	free(cache->buckets);
	free(cache);
}

size_t page_cache_held(struct page_cache *cache)
{
	size_t nr = 0;

	for (unsigned i = 0; i < cache->nr_shards; i++) {
		pthread_mutex_lock(&cache->shards[i].lock);
		nr += cache->shards[i].nr_held;
		pthread_mutex_unlock(&cache->shards[i].lock);
	}
	return nr << cache->page_lg2;
}
