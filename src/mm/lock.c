/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/lock.h"

#include "base/bits.h"
#include "base/mutex.h"
#include "base/step.h"
#include "mm/lock_slots.h"

/*
 * The lock is *closed* when it has a queue, no holder, and is not open. Who changes the state:
 * - without MMAP_LOCK_QUEUED: anybody who takes or releases the lock;
 * - with it, holders when they release or downgrade. The last one closes the lock, and then is the
 *   only one who may open it or hand it to the head of the queue: it does one of the two;
 * - when it is open, anybody: newcomers take it, the head closes it for itself;
 * - and who has the guard: to say that it waits, as the head to demand the lock.
 * It is changed by read-modify-writes only. They make one release sequence (C11
 * 5.1.2.4), so that acquiring from it sees what every earlier holder released.
 *
 * MMAP_LOCK_QUEUED is set and cleared with the guard held, and so equals "the queue is not empty"
 * for whoever has the guard. The head changes with the guard held, and by who holds the lock, has
 * closed it, or puts the first thread into the queue, before MMAP_LOCK_QUEUED says so. So who has
 * closed the lock may look at the head without the guard.
 *
 * MMAP_LOCK_CLASSES: readers that are not counted: see lock_slots.h. None with MMAP_LOCK_WRITER or
 * MMAP_LOCK_QUEUED. MMAP_LOCK_PLAIN comes with some of them, and goes with all.
 *
 * MMAP_LOCK_OPEN: the head is awake, or has not been told yet that it is the head and will be
 * woken for that. It looks at the state now and then, and before it goes to sleep it sets
 * MMAP_LOCK_DEMAND, or finds the lock open and takes it. With MMAP_LOCK_DEMAND, and with a reader
 * as the head, nobody opens: the lock is handed over, and who gets it is woken.
 */
/* No lock has a higher rank: whoever asks with it may hold any lock. */
#define RANK_HIGHEST LOCK_RANK_MAPPING

/*
 * A pause is some 12 ns on a Xeon, to sleep and be woken 10 to 20 us. The head looks at its own word
 * each time, at the state seldom: each look takes the line from who has the lock.
 */
#define HEAD_SPINS STEP_SPINS(768)       /* before it demands the lock */
#define HEAD_SPINS_MANY STEP_SPINS(4096) /* the same, if others wait too: then passes are more */
#define DEMAND_SPINS STEP_SPINS(1500)    /* between that and sleep */
#define SPINS_PER_LOOK STEP_SPINS(128)

/**
 * A thread in the queue; on its stack. It may be gone as soon as it is granted the lock, so that
 * is the last that others do with it.
 */
struct mmap_waiter {
	struct mmap_waiter *next; /* atomic; changed with the guard held */
	uint32_t word;            /* MMAP_WAITER_*; atomic */
	enum pgw_lock_mode mode;  /* read or write */
};

/* ---- the state word ---- */

/** What a thread that takes the lock adds to the state. */
static PGW_ALWAYS_INLINE uint64_t mode_step(enum pgw_lock_mode mode)
{
	return mode == PGW_LOCK_WRITE ? MMAP_LOCK_WRITER : MMAP_LOCK_READER;
}

/** The holders that keep a thread from the lock, and the classes that may have some. */
static PGW_ALWAYS_INLINE uint64_t mode_conflicts(enum pgw_lock_mode mode)
{
	return mode == PGW_LOCK_WRITE ? MMAP_LOCK_WRITER | MMAP_LOCK_READERS | MMAP_LOCK_CLASSES
				      : MMAP_LOCK_WRITER;
}

/** May a newcomer not have the lock? */
static PGW_ALWAYS_INLINE bool state_blocks(uint64_t state, enum pgw_lock_mode mode)
{
	return (state & (mode_conflicts(mode) | MMAP_LOCK_QUEUED)) && !(state & MMAP_LOCK_OPEN);
}

/* The lock was just taken. From an open one nobody else has it: there is a queue. */
static PGW_ALWAYS_INLINE void count_pass(struct pgw_mmap_lock *lock, uint64_t state)
{
	if (pgw_unlikely(state & MMAP_LOCK_OPEN))
		lock->passes++;
}

/** Take the lock if nobody holds it against us and nobody waits, or if it is open. */
static PGW_ALWAYS_INLINE bool state_take(struct pgw_mmap_lock *lock, enum pgw_lock_mode mode)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);

	do {
		if (state_blocks(state, mode))
			return false;
	} while (!step_compare_exchange_n(&lock->state, &state,
					  (state & ~MMAP_LOCK_OPEN) + mode_step(mode), true,
					  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	count_pass(lock, state);
	return true;
}

/**
 * Take the lock, or else say that the queue is not empty. These are one step,
 * so that the holder who is in the way sees the queue when it releases.
 * @param ret_classes the bits of uncounted readers that this has cleared: it has also counted the
 *        caller as a reader, until token_drop()
 */
static bool state_take_or_queue(struct pgw_mmap_lock *lock, enum pgw_lock_mode mode,
				uint64_t *ret_classes)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint64_t classes, next;
	bool blocks;

	do {
		blocks = state_blocks(state, mode);
		classes = blocks ? state & MMAP_LOCK_UNCOUNTED : 0;
		if (blocks)
			next = (state | MMAP_LOCK_QUEUED) - classes +
			       (classes ? MMAP_LOCK_READER : 0);
		else
			next = (state & ~MMAP_LOCK_OPEN) + mode_step(mode);
	} while (!step_compare_exchange_n(&lock->state, &state, next, true, __ATOMIC_SEQ_CST,
					  __ATOMIC_RELAXED));
	if (!blocks)
		count_pass(lock, state);
	*ret_classes = classes;
	return !blocks;
}

/* ---- the queue ---- */

/** Those who were granted the lock and do not know it yet, and who is the new head if it changed. */
struct grants {
	struct mmap_waiter *first, *heir;
};

/**
 * Make holders of those at the head of the queue who can be: a writer if
 * nobody holds the lock, or readers up to the next writer if no writer does.
 * Needs the guard.
 */
static struct grants queue_take(struct pgw_mmap_lock *lock)
{
	struct grants grants = { .first = lock->head };
	struct mmap_waiter *last = NULL;
	uint64_t over;

	while (lock->head) {
		enum pgw_lock_mode mode = lock->head->mode;

		if (step_load_n(&lock->state, __ATOMIC_RELAXED) & mode_conflicts(mode))
			break;
		step_fetch_add(&lock->state, mode_step(mode), __ATOMIC_ACQUIRE);
		last = lock->head;
		lock->head = step_load_n(&last->next, __ATOMIC_RELAXED);
	}
	if (!last)
		return (struct grants){ .first = NULL };
	step_store_n(&last->next, NULL, __ATOMIC_RELAXED);
	grants.heir = lock->head;
	lock->passes = 0;
	over = MMAP_LOCK_DEMAND | (lock->head ? 0 : MMAP_LOCK_QUEUED);
	if (step_load_n(&lock->state, __ATOMIC_RELAXED) & over)
		step_fetch_and(&lock->state, ~over, __ATOMIC_RELAXED);
	return grants;
}

static void waiter_tell(struct mmap_waiter *waiter, const struct pgw_platform *platform,
			uint32_t word)
{
	step_store_n(&waiter->word, word, __ATOMIC_RELEASE);
	/* The waiter may have seen that and be gone: wake() gets an address, no more. */
	platform->wake(platform->ctx, &waiter->word);
}

/**
 * Tell them, but self, which knows; the guard is free. First the new head, which cannot be granted
 * the lock before one of the others, or this thread, has released it. Then nothing here touches the
 * lock, which the new holders may release and free.
 */
static void grants_tell(struct grants grants, const struct pgw_platform *platform,
			const struct mmap_waiter *self)
{
	struct mmap_waiter *next;

	if (grants.heir)
		waiter_tell(grants.heir, platform, MMAP_WAITER_HEADS);
	for (struct mmap_waiter *waiter = grants.first; waiter; waiter = next) {
		next = step_load_n(&waiter->next, __ATOMIC_RELAXED);
		if (waiter != self)
			waiter_tell(waiter, platform, MMAP_WAITER_GRANTED);
	}
}

/** Hand the lock on. */
static PGW_NOINLINE void queue_grant(struct pgw_mmap_lock *lock,
				     const struct pgw_platform *platform)
{
	struct grants grants;

	mutex_lock(&lock->guard, platform);
	grants = queue_take(lock);
	mutex_unlock(&lock->guard, platform);
	grants_tell(grants, platform, NULL);
}

/** Has a closed lock to be handed to the head of the queue? */
static bool head_is_next(const struct pgw_mmap_lock *lock, uint64_t state)
{
	const struct mmap_waiter *head = lock->head;
	uint32_t passes = step_load_n(&head->next, __ATOMIC_RELAXED) ? MMAP_LOCK_PASSES_MANY
								     : MMAP_LOCK_PASSES;

	return (state & MMAP_LOCK_DEMAND) || head->mode == PGW_LOCK_READ || lock->passes >= passes;
}

/**
 * The lock was just closed: open it, or hand it on. To hand it over each time would cost more than
 * what most do with it; see docs/performance.md. Opening it is the last that this thread does to it.
 */
static PGW_NOINLINE void queue_pass(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_ACQUIRE);

	do {
		if (head_is_next(lock, state)) {
			queue_grant(lock, platform);
			return;
		}
	} while (!step_compare_exchange_n(&lock->state, &state, state | MMAP_LOCK_OPEN, true,
					  __ATOMIC_RELEASE, __ATOMIC_ACQUIRE));
}

/** Has nobody the lock, and somebody waits? Then who has released it has to see to that. */
static PGW_ALWAYS_INLINE bool state_is_closed(uint64_t state)
{
	return (state & ~MMAP_LOCK_DEMAND) == MMAP_LOCK_QUEUED;
}

static PGW_ALWAYS_INLINE void state_release(struct pgw_mmap_lock *lock,
					    const struct pgw_platform *platform,
					    enum pgw_lock_mode mode)
{
	uint64_t step = mode_step(mode);
	uint64_t state = step_fetch_sub(&lock->state, step, __ATOMIC_RELEASE) - step;

	/* Otherwise that was the last look at the lock. */
	if (pgw_unlikely(state_is_closed(state)))
		queue_pass(lock, platform);
}

/* ---- readers that nobody has counted ---- */

/* Not counted as a reader any more. Who waits now has waited for that: it is not opened. */
static void token_drop(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	uint64_t state = step_fetch_sub(&lock->state, MMAP_LOCK_READER, __ATOMIC_RELEASE);

	if (state_is_closed(state - MMAP_LOCK_READER))
		queue_grant(lock, platform);
}

/**
 * Take the lock for write if nobody has it, and nobody whose class may have it without being
 * counted has.
 */
static PGW_NOINLINE bool state_take_counting(struct pgw_mmap_lock *lock,
					     const struct pgw_platform *platform)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint64_t alone = MMAP_LOCK_READER;

	if (!state || (state & ~MMAP_LOCK_UNCOUNTED) ||
	    !step_compare_exchange_n(&lock->state, &state, alone, false, __ATOMIC_SEQ_CST,
				     __ATOMIC_RELAXED))
		return false;
	slots_count(lock, platform, state);
	/* Others may have come, and have their classes' bits set again. */
	if (step_compare_exchange_n(&lock->state, &alone, MMAP_LOCK_WRITER, false, __ATOMIC_ACQUIRE,
				    __ATOMIC_RELAXED))
		return true;
	token_drop(lock, platform);
	return false;
}

/* ---- waiting ---- */

/** Join the queue. @return false: the lock was taken instead */
static bool queue_join(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       struct mmap_waiter *self, uint64_t *ret_classes)
{
	bool is_head, waits;

	mutex_lock(&lock->guard, platform);
	is_head = !lock->head;
	if (is_head) {
		/* Before the state shows that there is one. */
		self->word = MMAP_WAITER_HEADS;
		lock->head = self;
	}
	waits = !state_take_or_queue(lock, self->mode, ret_classes);
	if (!waits && is_head)
		lock->head = NULL;
	if (waits && !is_head)
		step_store_n(&lock->tail->next, self, __ATOMIC_RELAXED);
	if (waits)
		lock->tail = self;
	mutex_unlock(&lock->guard, platform);
	return waits;
}

/* The head closes the lock for itself if it is open, or else sets flags. @return whether it has closed it */
static bool state_close_or_set(struct pgw_mmap_lock *lock, uint64_t flags)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint64_t next;

	do {
		next = state & MMAP_LOCK_OPEN ? state & ~MMAP_LOCK_OPEN : state | flags;
	} while (next != state && !step_compare_exchange_n(&lock->state, &state, next, true,
							   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return state & MMAP_LOCK_OPEN;
}

/**
 * Take the lock if it is open, or else set flags. Who is not the head any more has been given the
 * lock, and is about to be told.
 * @return whether it was open
 */
static PGW_NOINLINE bool head_ask(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
				  const struct mmap_waiter *self, uint64_t flags)
{
	struct grants grants = { .first = NULL };

	mutex_lock(&lock->guard, platform);
	if (lock->head == self && state_close_or_set(lock, flags))
		grants = queue_take(lock);
	mutex_unlock(&lock->guard, platform);
	grants_tell(grants, platform, self);
	return grants.first;
}

static uint32_t waiter_word(const struct mmap_waiter *self)
{
	return step_load_n(&self->word, __ATOMIC_ACQUIRE);
}

/* Look for the lock for some time, longer if others wait too. @return whether it got it */
static bool head_spin(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		      const struct mmap_waiter *self, unsigned spins, unsigned spins_many)
{
	for (unsigned i = 1; waiter_word(self) != MMAP_WAITER_GRANTED; i++) {
		if (i > (step_load_n(&self->next, __ATOMIC_RELAXED) ? spins_many : spins))
			return false;
		if (i % SPINS_PER_LOOK == 0 &&
		    (step_load_n(&lock->state, __ATOMIC_RELAXED) & MMAP_LOCK_OPEN) &&
		    head_ask(lock, platform, self, 0))
			return true;
		spin_pause();
	}
	return true;
}

/** Wait for the lock, in the queue. */
static PGW_NOINLINE void queue_wait(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
				    enum pgw_lock_mode mode)
{
	struct mmap_waiter self = { .mode = mode };
	uint64_t classes;

	if (!queue_join(lock, platform, &self, &classes))
		return;
	if (classes) {
		slots_count(lock, platform, classes);
		token_drop(lock, platform);
	}
	while (waiter_word(&self) == MMAP_WAITER_WAITS)
		platform->park(platform->ctx, &self.word, MMAP_WAITER_WAITS);
	if (head_spin(lock, platform, &self, HEAD_SPINS, HEAD_SPINS_MANY) ||
	    head_ask(lock, platform, &self, MMAP_LOCK_DEMAND) ||
	    head_spin(lock, platform, &self, DEMAND_SPINS, DEMAND_SPINS))
		return;
	while (waiter_word(&self) != MMAP_WAITER_GRANTED)
		platform->park(platform->ctx, &self.word, MMAP_WAITER_HEADS);
}

/* ---- what a thread holds ---- */

static struct pgw_thread *current_thread(const struct pgw_platform *platform)
{
	return platform->current(platform->ctx);
}

/** Where the thread's list has a lock; PGW_MAX_HELD if it is not there. */
static PGW_ALWAYS_INLINE unsigned held_find(const struct pgw_thread *thread,
					    const struct pgw_mmap_lock *lock)
{
	uint64_t held = thread->held;

	for (unsigned i = 0; held; i++, held >>= HELD_BITS) {
		uintptr_t slot = step_load_n(&thread->slot[i], __ATOMIC_RELAXED);

		if ((held & HELD_MASK) && (slot & ~SLOT_BITS) == (uintptr_t)lock)
			return i;
	}
	return PGW_MAX_HELD;
}

/** A slot that is not in use, or PGW_MAX_HELD. Those that are stay where they are: others look at them. */
static PGW_ALWAYS_INLINE unsigned held_free(const struct pgw_thread *thread)
{
	unsigned i = 0;

	for (uint64_t held = thread->held; held & HELD_MASK; held >>= HELD_BITS)
		i++;
	return i;
}

static PGW_ALWAYS_INLINE enum pgw_lock_mode held_mode(const struct pgw_thread *thread, unsigned i)
{
	return i < PGW_MAX_HELD ? slot_mode(thread, i) : PGW_LOCK_NONE;
}

/** May the thread wait for the lock? Not if it holds it, or one that comes after it. */
static PGW_NOINLINE int held_refuses(const struct pgw_thread *thread,
				     const struct pgw_mmap_lock *lock, unsigned rank)
{
	int err = 0;

	if (held_find(thread, lock) < PGW_MAX_HELD)
		return -PGW_EDEADLK;
	if (held_free(thread) == PGW_MAX_HELD)
		err = -PGW_E2BIG;
	for (uint64_t held = thread->held; held; held >>= HELD_BITS) {
		if ((held & HELD_MASK) >= HELD(rank + 1, 0))
			err = -PGW_EINVAL;
	}
	return err;
}

static PGW_ALWAYS_INLINE int held_check(const struct pgw_thread *thread,
					const struct pgw_mmap_lock *lock, unsigned rank)
{
	return pgw_likely(!thread->held) ? 0 : held_refuses(thread, lock, rank);
}

static PGW_ALWAYS_INLINE void held_add(struct pgw_thread *thread, unsigned i, unsigned rank,
				       enum pgw_lock_mode mode)
{
	thread->held |= HELD(rank, mode) << i * HELD_BITS;
}

static PGW_ALWAYS_INLINE void held_remove(struct pgw_thread *thread, unsigned i)
{
	thread->held &= ~(HELD_MASK << i * HELD_BITS);
}

/* ---- the lock ---- */

/* The state counts the thread. */
static PGW_ALWAYS_INLINE void lock_taken(struct pgw_mmap_lock *lock,
					 const struct pgw_platform *platform,
					 struct pgw_thread *thread, unsigned i,
					 enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_READ)
		slot_allow(lock, platform, thread);
	else if (step_load_n(&lock->nr_reads, __ATOMIC_RELAXED))
		step_store_n(&lock->nr_reads, 0, __ATOMIC_RELAXED);
	step_store_n(&thread->slot[i], (uintptr_t)lock | SLOT_COUNTED, __ATOMIC_RELEASE);
}

/* Apart, so that who is not counted need not save the registers that this takes. */
static PGW_NOINLINE void lock_read_counted(struct pgw_mmap_lock *lock,
					   const struct pgw_platform *platform,
					   struct pgw_thread *thread, unsigned i)
{
	if (pgw_unlikely(!state_take(lock, PGW_LOCK_READ)))
		queue_wait(lock, platform, PGW_LOCK_READ);
	lock_taken(lock, platform, thread, i, PGW_LOCK_READ);
}

/* Who does not wait is in nobody's way: every order will do. */
static PGW_ALWAYS_INLINE int lock_try(struct pgw_mmap_lock *lock,
				      const struct pgw_platform *platform, unsigned rank,
				      enum pgw_lock_mode mode)
{
	struct pgw_thread *thread = current_thread(platform);
	int err = held_check(thread, lock, RANK_HIGHEST);
	unsigned i = held_free(thread);

	if (pgw_unlikely(err))
		return err;
	if (mode != PGW_LOCK_READ || !slot_enter(lock, platform, thread, i)) {
		if (!state_take(lock, mode) &&
		    (mode == PGW_LOCK_READ || !state_take_counting(lock, platform)))
			return -PGW_EBUSY;
		lock_taken(lock, platform, thread, i, mode);
	}
	held_add(thread, i, rank, mode);
	return 0;
}

int mmap_lock_read_by(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		      struct pgw_thread *thread, unsigned rank)
{
	int err = held_check(thread, lock, rank);
	unsigned i = held_free(thread);

	if (pgw_unlikely(err))
		return err;
	if (!slot_enter(lock, platform, thread, i))
		lock_read_counted(lock, platform, thread, i);
	held_add(thread, i, rank, PGW_LOCK_READ);
	return 0;
}

int mmap_lock_read(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank)
{
	return mmap_lock_read_by(lock, platform, current_thread(platform), rank);
}

int mmap_lock_write(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank)
{
	struct pgw_thread *thread = current_thread(platform);
	int err = held_check(thread, lock, rank);
	unsigned i = held_free(thread);

	if (pgw_unlikely(err))
		return err;
	/* Readers that nobody has counted are often gone: the queue would keep others back meanwhile. */
	if (pgw_unlikely(!state_take(lock, PGW_LOCK_WRITE)) && !state_take_counting(lock, platform))
		queue_wait(lock, platform, PGW_LOCK_WRITE);
	lock_taken(lock, platform, thread, i, PGW_LOCK_WRITE);
	held_add(thread, i, rank, PGW_LOCK_WRITE);
	return 0;
}

int mmap_lock_may_wait(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank)
{
	return held_check(current_thread(platform), lock, rank);
}

int mmap_lock_read_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank)
{
	return lock_try(lock, platform, rank, PGW_LOCK_READ);
}

int mmap_lock_write_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			unsigned rank)
{
	return lock_try(lock, platform, rank, PGW_LOCK_WRITE);
}

void mmap_lock_read_left(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			 struct pgw_thread *thread, unsigned i, uintptr_t how)
{
	if (how != SLOT_PLAIN || slot_was_counted(platform, thread, i))
		state_release(lock, platform, PGW_LOCK_READ);
}

int mmap_lock_read_unlock_by(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			     struct pgw_thread *thread)
{
	unsigned i = held_find(thread, lock);
	enum pgw_lock_mode mode = held_mode(thread, i);
	uintptr_t how;

	if (mode != PGW_LOCK_READ && mode != PGW_LOCK_DOWNGRADED)
		return -PGW_EPERM;
	held_remove(thread, i);
	how = step_load_n(&thread->slot[i], __ATOMIC_RELAXED) & SLOT_BITS;
	if (!slot_leave(thread, i, how))
		mmap_lock_read_left(lock, platform, thread, i, how);
	return 0;
}

int mmap_lock_read_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	return mmap_lock_read_unlock_by(lock, platform, current_thread(platform));
}

int mmap_lock_write_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	struct pgw_thread *thread = current_thread(platform);
	unsigned i = held_find(thread, lock);

	if (held_mode(thread, i) != PGW_LOCK_WRITE)
		return -PGW_EPERM;
	held_remove(thread, i);
	step_store_n(&thread->slot[i], 0, __ATOMIC_RELEASE);
	state_release(lock, platform, PGW_LOCK_WRITE);
	return 0;
}

int mmap_lock_downgrade(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	struct pgw_thread *thread = current_thread(platform);
	unsigned i = held_find(thread, lock);
	uint64_t state;

	if (held_mode(thread, i) != PGW_LOCK_WRITE)
		return -PGW_EPERM;
	thread->held ^= HELD(0, PGW_LOCK_WRITE ^ PGW_LOCK_DOWNGRADED) << i * HELD_BITS;
	state = step_fetch_sub(&lock->state, MMAP_LOCK_WRITER - MMAP_LOCK_READER, __ATOMIC_RELEASE);
	if (state & MMAP_LOCK_QUEUED)
		queue_grant(lock, platform);
	return 0;
}

enum pgw_lock_mode mmap_lock_mode(const struct pgw_mmap_lock *lock,
				  const struct pgw_platform *platform)
{
	const struct pgw_thread *thread = current_thread(platform);

	return held_mode(thread, held_find(thread, lock));
}

unsigned mmap_lock_held_slot(const struct pgw_mmap_lock *lock, const struct pgw_thread *thread)
{
	return held_find(thread, lock);
}

bool mmap_lock_is_taken(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint64_t classes = state & MMAP_LOCK_CLASSES;

	return (state & (MMAP_LOCK_WRITER | MMAP_LOCK_READERS)) ||
	       (classes && slots_announced(lock, platform, classes));
}
