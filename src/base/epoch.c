/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/epoch.h"

#include "base/bits.h"
#include "base/mutex.h"
#include "base/step.h"

/*
 * Epochs count from 1. A reader writes the one that it sees into its thread;
 * the epoch advances from E only if no thread stands in another one than E.
 * What is deferred in E was unlinked before: who reads a later one from the epoch
 * cannot find it any more, and who stands in E or an earlier one keeps the epoch
 * from E + 2. So it is freed at the advance to E + 2: then its bag is needed again.
 *
 * Memory order: a reader's store of its epoch and the look of whoever wants to
 * advance at it are read-modify-writes of one word. Either the reader's came
 * first, and is seen; or it reads what the other left there, and so
 * (release, acquire) sees in all that it looks at what was unlinked before.
 */
#define EPOCH_FIRST UINT64_C(1)
/* One class for all is what threads may meet that share one, if there are more of them. */
#define NR_CLASSES STEP_LIMIT(31)
_Static_assert(NR_CLASSES <= PGW_THREAD_CLASSES, "each class has a bit, and a list");
#define NR_BAGS PGW_ARRAY_SIZE(((struct pgw_epoch *)NULL)->bag)

static unsigned bag_of(uint64_t epoch)
{
	return (unsigned)(epoch % NR_BAGS);
}

static uint64_t epoch_now(struct pgw_epoch *epoch)
{
	uint64_t now = step_load_n(&epoch->now, __ATOMIC_ACQUIRE);

	return now ? now : EPOCH_FIRST;
}

PGW_NOINLINE void epoch_join(const struct pgw_platform *platform, struct pgw_thread *thread)
{
	struct pgw_epoch *epoch = platform->epoch;
	unsigned class;

	mutex_lock(&epoch->guard, platform);
	class = epoch->nr_joined++ % NR_CLASSES;
	thread->next = epoch->threads;
	epoch->threads = thread;
	thread->next_of_class = epoch->of_class[class];
	epoch->of_class[class] = thread;
	thread->class_bit = UINT32_C(1) << class;
	thread->epoch = epoch;
	mutex_unlock(&epoch->guard, platform);
}

void pgw_thread_exit(const struct pgw_platform *platform)
{
	struct pgw_thread *thread = platform->current(platform->ctx);
	struct pgw_epoch *epoch = thread->epoch;
	unsigned class;

	if (!epoch)
		return;
	class = (unsigned)__builtin_ctz(thread->class_bit);
	mutex_lock(&epoch->guard, platform);
	for (struct pgw_thread **at = &epoch->threads; *at; at = &(*at)->next) {
		if (*at == thread) {
			*at = thread->next;
			break;
		}
	}
	for (struct pgw_thread **at = &epoch->of_class[class]; *at; at = &(*at)->next_of_class) {
		if (*at == thread) {
			*at = thread->next_of_class;
			break;
		}
	}
	mutex_unlock(&epoch->guard, platform);
	thread->epoch = NULL;
	thread->class_bit = 0;
	thread->next = thread->next_of_class = NULL;
}

void pgw_reader_enter(const struct pgw_platform *platform)
{
	struct pgw_thread *thread;

	if (pgw_unlikely(platform->reader_enter != NULL)) {
		platform->reader_enter(platform->ctx);
		return;
	}
	thread = platform->current(platform->ctx);
	if (thread->nr_readers++)
		return;
	if (pgw_unlikely(!thread->epoch))
		epoch_join(platform, thread);
	/* Stale by the time it is written? Then the epoch waits for this reader the sooner. */
	step_exchange_n(&thread->reader_epoch, epoch_now(thread->epoch), __ATOMIC_ACQ_REL);
}

void pgw_reader_leave(const struct pgw_platform *platform)
{
	struct pgw_thread *thread;

	if (pgw_unlikely(platform->reader_leave != NULL)) {
		platform->reader_leave(platform->ctx);
		return;
	}
	thread = platform->current(platform->ctx);
	if (--thread->nr_readers == 0)
		step_store_n(&thread->reader_epoch, 0, __ATOMIC_RELEASE);
}

bool epoch_is_reader(const struct pgw_platform *platform)
{
	return platform->reader_enter || platform->current(platform->ctx)->nr_readers;
}

/*
 * Advance the epoch if no reader is behind. Needs the guard.
 * @return the bag that this made free to be emptied, or NULL
 */
static struct pgw_deferred *epoch_advance_locked(struct pgw_epoch *epoch, bool *ret_advanced)
{
	uint64_t now = epoch_now(epoch);
	struct pgw_deferred *old;

	*ret_advanced = false;
	for (const struct pgw_thread *thread = epoch->threads; thread; thread = thread->next) {
		uint64_t at =
			step_fetch_add((uint64_t *)&thread->reader_epoch, 0, __ATOMIC_ACQ_REL);

		if (at && at != now)
			return NULL;
	}
	now++;
	step_store_n(&epoch->now, now, __ATOMIC_RELEASE);
	*ret_advanced = true;
	old = epoch->bag[bag_of(now)];
	epoch->bag[bag_of(now)] = NULL;
	if (old)
		epoch->nr_emptying++;
	return old;
}

/* Do what a bag holds; without the guard, because it may defer more. */
static void epoch_empty(const struct pgw_platform *platform, struct pgw_deferred *bag)
{
	struct pgw_epoch *epoch = platform->epoch;

	if (!bag)
		return;
	while (bag) {
		struct pgw_deferred *next = bag->next;

		bag->fn(platform, bag);
		bag = next;
	}
	mutex_lock(&epoch->guard, platform);
	epoch->nr_emptying--;
	mutex_unlock(&epoch->guard, platform);
}

/* @return whether the epoch advanced and all that was taken out of bags is done */
static bool epoch_try_advance(const struct pgw_platform *platform)
{
	struct pgw_epoch *epoch = platform->epoch;
	struct pgw_deferred *bag;
	bool advanced, quiet;

	mutex_lock(&epoch->guard, platform);
	quiet = !epoch->nr_emptying;
	bag = epoch_advance_locked(epoch, &advanced);
	mutex_unlock(&epoch->guard, platform);
	epoch_empty(platform, bag);
	return advanced && quiet;
}

void epoch_defer(const struct pgw_platform *platform, struct pgw_deferred *deferred,
		 void (*fn)(const struct pgw_platform *platform, struct pgw_deferred *deferred))
{
	struct pgw_epoch *epoch = platform->epoch;
	struct pgw_deferred *bag;
	bool advanced;
	unsigned i;

	deferred->fn = fn;
	if (platform->defer) {
		platform->defer(platform->ctx, platform, deferred);
		return;
	}
	mutex_lock(&epoch->guard, platform);
	i = bag_of(epoch_now(epoch));
	deferred->next = epoch->bag[i];
	epoch->bag[i] = deferred;
	bag = epoch_advance_locked(epoch, &advanced);
	mutex_unlock(&epoch->guard, platform);
	epoch_empty(platform, bag);
}

void pgw_reclaim_barrier(const struct pgw_platform *platform)
{
	uint32_t never = 0;

	if (platform->barrier) {
		platform->barrier(platform->ctx);
		return;
	}
	/*
	 * Each bag is taken by one of these advances at the latest: by ours, and
	 * then it is done; or before, by another thread, and then the last one of
	 * ours sees that nobody is emptying any.
	 */
	for (unsigned i = 0; i < NR_BAGS;) {
		if (epoch_try_advance(platform))
			i++;
		else
			platform->park(platform->ctx, &never,
				       1); /* not equal: just lets others run */
	}
}
