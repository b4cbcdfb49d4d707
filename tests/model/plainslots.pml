/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers of the mmap lock that announce themselves by a plain store (src/mm/lock_slots.c), on a
 * platform that can run a barrier on all CPUs. What readslots.pml shows of exchanges, here for
 * stores that are still on their way when their thread goes on: each reader has a buffer of two,
 * whose oldest arrives some time, or with a barrier, or before the thread's next release. (A load
 * that is made early is the same as stores before it that arrive late.)
 *
 * Both forms are there: by exchange when the lock's bit "plain" is not set, which a reader that
 * holds the lock sets some time. The two readers are of one class.
 *
 * right |                                                      |                          |
 * wrong | no barrier                                           | -DNO_BARRIER             | invalid end state
 * wrong | the barrier comes before the bits are cleared        | -DEARLY_BARRIER          | invalid end state
 * wrong | the barrier comes before readers are told to look    | -DLATE_LOOKS             | invalid end state
 * wrong | the slot is looked at before the barrier             | -DEARLY_SCAN             | invalid end state
 * wrong | announced plainly, and no look at the bit for that   | -DCLASS_WILL_DO          | nr_writers==0
 * wrong | no second look                                       | -DNO_SECOND_LOOK         | nr_writers==0
 * wrong | looks whether it is counted, then leaves the slot    | -DEARLY_LOOK             | invalid end state
 * wrong | told to look, it does not wait for who counts        | -DNO_GUARD               | invalid end state
 * wrong | withdrawn without a look whether it is counted       | -DPLAIN_WITHDRAW         | invalid end state
 * wrong | counted again, though it is counted                  | -DCOUNT_TWICE            | invalid end state
 * wrong | not told to look any more before it has looked       | -DFORGET                 | invalid end state
 * wrong | no token: free while slots are looked at             | -DNO_TOKEN               | nr_writers==0
 */
#define READERS 2

/* The state word. */
bool writer, queued, class, plain;
byte readers;

bool guard; /* of the registry */

#define FREE 0
#define ANNOUNCED 1
#define COUNTED 2
#define PLAIN 3
#define NONE 4
byte slot[READERS];
/* A reader's stores to its slot that the others do not see yet. */
byte first[READERS] = NONE, second[READERS] = NONE;
/* One word of the thread: somebody looks at its slots; its slot is counted, though it says plain. */
bool looks[READERS], counted[READERS];

/* Looked at by assertions only. */
byte nr_readers, nr_writers;
bool is_over;

inline arrive(who) { slot[who] = first[who]; first[who] = second[who]; second[who] = NONE }

/* One after the other, and nobody looks in between. */
inline arrive_all(who) {
	slot[who] = (first[who] == NONE -> slot[who] : first[who]);
	slot[who] = (second[who] == NONE -> slot[who] : second[who]);
	first[who] = NONE;
	second[who] = NONE
}

proctype memory()
{
	do
	:: atomic { first[0] != NONE -> arrive(0) }
	:: atomic { first[1] != NONE -> arrive(1) }
	:: is_over -> break
	od
}

inline store(value) {
	atomic {
		second[me] == NONE;
		second[me] = (first[me] == NONE -> NONE : value);
		first[me] = (first[me] == NONE -> value : first[me])
	}
}

/* state_release() */
inline release() {
	assert(readers>0);
	readers--;
	if
	:: readers == 0 && queued -> queued = false; writer = true
	:: else
	fi
}

/* slot_was_counted() */
inline look_if_counted() {
	if
	:: looks[me] || counted[me] ->
#ifndef NO_GUARD
		atomic { !guard -> guard = true }
#endif
		atomic { got = counted[me]; counted[me] = false }
		atomic {
			arrive_all(me);
#ifndef NO_GUARD
			guard = false
#endif
		}
	:: else -> got = false
	fi
}

/* announce_plainly() */
inline read_plainly() {
	store(PLAIN);
#ifdef NO_SECOND_LOOK
	got = true;
#elif defined(CLASS_WILL_DO)
	got = class;
#else
	got = class && plain;
#endif
	if
	:: got -> how = PLAIN
	:: else ->
		store(FREE);
#ifndef PLAIN_WITHDRAW
		look_if_counted();
#endif
		if
		:: got -> store(COUNTED); how = COUNTED
		:: else
		fi
	fi
}

/* announce_by_exchange() */
inline read_by_exchange() {
	atomic { arrive_all(me); slot[me] = ANNOUNCED }
	if
	:: class -> how = ANNOUNCED
	:: else ->
		atomic {
			how = (slot[me] == COUNTED -> COUNTED : FREE);
			slot[me] = how
		}
	fi
}

inline allow() {
	if
	:: atomic { class -> plain = true }
	:: true
	fi
}

/* state_take(), then slot_allow() */
inline read_slow() {
	atomic { !writer && !queued -> readers++ }
	store(COUNTED);
	how = COUNTED;
	atomic { class = (queued -> class : true) }
	allow()
}

inline read_unlock() {
	if
	:: how == PLAIN ->
#ifdef EARLY_LOOK
		look_if_counted();
		store(FREE);
#else
		store(FREE);
		look_if_counted();
#endif
	:: how == ANNOUNCED ->
		atomic { got = (slot[me] == COUNTED); slot[me] = FREE }
	:: how == COUNTED ->
		store(FREE);
		got = true
	fi;
	if
	:: got -> atomic { arrive_all(me); release() }
	:: else
	fi
}

proctype reader(byte me; byte rounds)
{
	byte round, how;
	bool got;

	do
	:: round == rounds -> break
	:: else ->
		how = FREE;
		if
		:: atomic { class && plain } -> read_plainly()
		:: atomic { class && !plain } -> read_by_exchange()
		:: atomic { !class }
		fi;
		if
		:: how != FREE
		:: else -> read_slow()
		fi;
		atomic { assert(nr_writers == 0); nr_readers++ }
		if
		:: how == ANNOUNCED -> allow()
		:: else
		fi;
		atomic { nr_readers--; got = false }
		read_unlock();
		atomic { round++; got = false }
	od
}

inline barrier() { atomic { arrive_all(0); arrive_all(1) } }

/* slots_count() */
inline count_slots() {
	atomic { !guard -> guard = true }
	if
	:: was_plain ->
#ifdef LATE_LOOKS
		barrier();
#endif
		atomic { looks[0] = true; looks[1] = true }
#if !defined(NO_BARRIER) && !defined(EARLY_BARRIER) && !defined(LATE_LOOKS) && !defined(EARLY_SCAN)
		barrier();
#endif
	:: else
	fi;
	do
	:: i == READERS -> break
	:: else ->
		if
		:: slot[i] == ANNOUNCED ->
			readers++;
			atomic { got = (slot[i] == ANNOUNCED); slot[i] = (got -> COUNTED : slot[i]) }
			readers = (got -> readers : readers - 1) /* the token is there */
#ifdef COUNT_TWICE
		:: was_plain && slot[i] == PLAIN -> atomic { readers++; counted[i] = true }
#else
		:: was_plain && slot[i] == PLAIN && !counted[i] -> atomic { readers++; counted[i] = true }
#endif
		:: else
		fi;
#ifdef FORGET
		counted[i] = false;
#endif
		looks[i] = false;
		i++
	od;
#ifdef EARLY_SCAN
	barrier();
#endif
	atomic { i = 0; got = false; guard = false }
}

inline write_section() {
	atomic { nr_writers++; assert(nr_readers==0 && nr_writers == 1) }
	atomic { nr_writers--; writer = false }
}

/* The bits go; what they were stays with the caller. */
inline revoke() {
	revokes = class;
	was_plain = class && plain;
	class = false;
	plain = false;
#ifndef NO_TOKEN
	readers = (revokes -> readers + 1 : readers)
#endif
}

inline token_drop() {
#ifndef NO_TOKEN
	atomic { release() }
#else
	atomic {
		if
		:: readers == 0 && queued -> queued = false; writer = true
		:: else
		fi
	}
#endif
}

/* Waits in the queue. */
proctype locker()
{
	byte i;
	bool got, revokes, was_plain;

#ifdef EARLY_BARRIER
	barrier();
#endif
	atomic {
		!queued && !writer;
		if
		:: !class && readers == 0 -> writer = true
		:: else -> queued = true; revoke()
		fi
	}
	if
	:: revokes -> count_slots(); token_drop()
	:: else
	fi;
	!queued; /* granted */
	write_section()
}

/* mmap_lock_write_try() */
proctype trier()
{
	byte i;
	bool got, revokes, was_plain, has;

	atomic {
		if
		:: writer || readers != 0 || queued
		:: else ->
			has = true;
			revoke();
			writer = !revokes
		fi
	}
	if
	:: has && revokes ->
#ifdef EARLY_BARRIER
		barrier();
#endif
		count_slots();
		atomic {
			has = (readers == 1 && !queued && !class);
			if
			:: has -> readers = 0; writer = true
			:: else -> release()
			fi
		}
	:: else
	fi;
	if
	:: has -> write_section()
	:: else
	fi
}

init {
	atomic {
		run memory();
		run reader(0, 3);
		run reader(1, 1);
		run locker();
		run trier()
	}
	_nr_pr == 2;
	is_over = true;
	assert(!writer && !queued && readers == 0)
}
