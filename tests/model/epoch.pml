/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reclamation in src/base/epoch.c: readers, deferred frees, the advance, the
 * barrier. Objects are published in one slot, one after the other; readers look
 * at what they find there, updaters free what they replaced.
 *
 * The steps are sequentially consistent: what the model says of memory order is
 * only that a reader's store must come before its look. A plain store need not
 * (LATE_STORE); the exchange of pgw_reader_enter() does.
 *
 * right |                                                   |
 * right | one reader, several times, and the barrier        | -DREADERS=1 -DROUNDS=3 -DBARRIER
 * right | three bags are safe too                           | -DNR_BAGS=3
 * wrong | one bag: freed after one advance                  | -DNR_BAGS=1     | freed[found]
 * wrong | a reader stores its epoch after its first look    | -DLATE_STORE    | freed[found]
 * wrong | advance does not look at the threads              | -DNO_LOOK       | freed[found]
 * wrong | advance looks at one thread of two                | -DONE_LOOK      | freed[found]
 * wrong | a thread is a reader before it is in the list     | -DLATE_JOIN     | freed[found]
 * wrong | deferred before it is unlinked                    | -DDEFER_FIRST   | freed[
 * wrong | the barrier does not wait for who empties a bag   | -DREADERS=1 -DBARRIER -DNO_QUIET | freed[mine]
 * wrong | the barrier advances once                         | -DREADERS=1 -DBARRIER -DSHORT_BARRIER | freed[mine]
 */
#ifndef NR_BAGS
#define NR_BAGS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define OBJECTS 5
/* Epochs come round, or a barrier that waits would make ever more states. */
#define next_epoch (now % 6 + 1)

byte slot;            /* the object that can be found; 0 at first */
bool freed[OBJECTS];

/* struct pgw_epoch */
bool guard;
byte now = 1;
byte nr_emptying;
byte bag[NR_BAGS];    /* a bit for each object */
bool listed[READERS];

byte at[READERS];     /* a thread's reader_epoch */

/*
 * What others cannot see is one step with what they can: the bags and the list
 * are only looked at with the guard held.
 */

/* ---- readers ---- */

inline thread_join() {
	if
	:: listed[me]
	:: atomic { !listed[me] && !guard -> listed[me] = true }
	fi
}

inline thread_exit() {
	atomic { !guard -> listed[me] = false }
}

proctype reader(byte me)
{
	byte epoch, found, round;

	do
	:: round == ROUNDS -> break
	:: else ->
#ifndef LATE_JOIN
		thread_join();
#endif
		epoch = now;
#ifdef LATE_STORE
		found = slot;
		atomic { at[me] = epoch; epoch = 0 }
#else
		atomic { at[me] = epoch; epoch = 0 }
		found = slot;
#endif
		assert(!freed[found]);
		assert(!freed[found]);
#ifdef LATE_JOIN
		thread_join();
#endif
		atomic { at[me] = 0; found = 0; round++ }
	od;
	thread_exit()
}

/* ---- updaters ---- */

#if defined(NO_LOOK)
#define LOOKS 0
#elif defined(ONE_LOOK)
#define LOOKS 1
#else
#define LOOKS READERS
#endif

/* epoch_advance_locked(): the bag to be emptied, as old; and the guard's unlock. */
inline advance_unlock() {
	advanced = true;
	do
	:: i < LOOKS && advanced ->
		atomic {
			advanced = !(listed[i] && at[i] != 0 && at[i] != now);
			i++
		}
	:: else -> break
	od;
	i = 0;
	d_step {
		if
		:: advanced ->
			now = next_epoch;
			old = bag[now % NR_BAGS];
			bag[now % NR_BAGS] = 0;
			nr_emptying = nr_emptying + (old != 0)
		:: else
		fi;
		guard = false
	}
}

/* epoch_empty() */
inline empty_bag() {
	if
	:: old == 0
	:: else ->
		d_step {
			do
			:: i == OBJECTS -> break
			:: else ->
				assert(!(freed[i] && (old & (1 << i))));
				freed[i] = (freed[i] || (old & (1 << i)));
				i++
			od;
			i = 0;
			old = 0
		}
		atomic { !guard -> nr_emptying-- }
	fi
}

/* epoch_defer() */
inline defer(object) {
	atomic {
		!guard -> guard = true;
		bag[now % NR_BAGS] = bag[now % NR_BAGS] | (1 << object)
	}
	advance_unlock();
	empty_bag()
}

/* Publish an object, and give up the one that was there. */
inline update(object) {
#ifdef DEFER_FIRST
	mine = slot;
	defer(mine);
	slot = object
#else
	atomic { mine = slot; slot = object }
	defer(mine)
#endif
}

#ifdef SHORT_BARRIER
#define ADVANCES 1
#else
#define ADVANCES NR_BAGS
#endif

/* pgw_reclaim_barrier() */
inline barrier() {
	do
	:: round == ADVANCES -> break
	:: else ->
		atomic {
			!guard -> guard = true;
#ifdef NO_QUIET
			quiet = true
#else
			quiet = (nr_emptying == 0)
#endif
		}
		advance_unlock();
		empty_bag();
		atomic { round = round + (advanced && quiet); advanced = false; quiet = false }
	od;
	round = 0
}

proctype updater(byte object)
{
	byte mine, old, i, round;
	bool advanced, quiet;

	update(object);
#ifdef BARRIER
	barrier();
	assert(freed[mine])
#else
	update(object + 1)
#endif
}

proctype other_updater(byte object)
{
	byte mine, old, i;
	bool advanced;

	update(object);
	update(object + 1)
}

init {
	atomic {
		run reader(0);
#if READERS > 1
		run reader(1);
#endif
		run updater(1);
		run other_updater(3)
	}
}
