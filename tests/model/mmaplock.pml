/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mmap lock of src/mm/lock.c, and the sleeping lock of src/base/mutex.h,
 * which is its guard: the state word, the queue, and the sleep of those in it.
 *
 * Each thread takes the lock a few times, in whatever way. LAST: each takes it
 * once for write, and whoever finds that all others are through frees it.
 *
 * right |                                                      |                        |
 * right | two threads, several times                           | -DTHREADS=2 -DROUNDS=3 |
 * right | park returns for no reason                           | -DEARLY                |
 * right | the last thread frees the lock                       | -DLAST                 |
 * wrong | a reader overtakes the queue                         | -DOVERTAKE             | nr_waiting==0
 * wrong | those who wait are served last come, first served    | -DLIFO                 | order[
 * wrong | a writer takes the lock from readers                 | -DIGNORE_READERS       | nr_inside
 * wrong | downgrade releases, then takes                       | -DRETAKE               | version==seen
 * wrong | downgrade leaves readers in the queue                | -DNO_DOWNGRADE_GRANT   | wants_write[head]
 * wrong | a waiter is touched after it was granted the lock    | -DTOUCH_GONE           | alive[waiter]
 * wrong | no wake after a grant                                | -DNO_WAKE              | invalid end state
 * wrong | the queued bit is set after the look at the holders  | -DLATE_QUEUED          | invalid end state
 * wrong | no wake after the guard                              | -DNO_GUARD_WAKE        | invalid end state
 * wrong | the guard's sleepers do not say that they sleep      | -DNOT_CONTENDED        | invalid end state
 * wrong | the lock is granted before the guard is released     | -DLAST -DGRANT_GUARDED | gone
 * wrong | a second look at the state after it was released     | -DLAST -DLOOK_AGAIN    | gone
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define NONE THREADS
#ifdef NOT_CONTENDED
#define CONTENDED 1
#else
#define CONTENDED 2
#endif

/* The lock. */
bool writer, queued; /* the state word ... */
byte readers;
byte guard;          /* 0 free, 1 taken, 2 taken and perhaps slept on */
byte head = NONE, tail = NONE;
bool gone;           /* its memory is freed */

/* A waiter's node, on its thread's stack. */
byte next[THREADS];
bool granted[THREADS], wants_write[THREADS], alive[THREADS];

/* What a thread sleeps on. */
#define ON_GUARD 1
#define ON_NODE 2
byte asleep[THREADS];

/* Looked at by assertions only. */
byte nr_inside, nr_writers; /* threads that believe to hold the lock */
byte nr_waiting;            /* in the queue, and not chosen yet */
byte order[THREADS];        /* how many were before it in the queue */
byte version;               /* what writers change */
byte users = THREADS;       /* of the lock's memory */

inline sleep() {
#ifdef EARLY
	if
	:: asleep[me] == 0
	:: asleep[me] = 0
	fi
#else
	asleep[me] == 0
#endif
}

/* ---- mutex_lock(), mutex_unlock() ---- */

inline guard_lock() {
	atomic {
		assert(!gone);
		got = (guard == 0);
		if
		:: got -> guard = 1
		:: else
		fi
	}
	do
	:: got -> break
	:: else ->
		atomic {
			assert(!gone);
			got = (guard == 0);
			guard = CONTENDED
		}
		if
		:: got
		:: else ->
			atomic {
				if
				:: guard == CONTENDED -> asleep[me] = ON_GUARD
				:: else
				fi
			}
			sleep()
		fi
	od
}

inline guard_unlock() {
	atomic {
		assert(!gone);
		got = (guard == 2);
		guard = 0
	}
	/* An address, no more: the lock may be gone. */
	if
	:: got ->
#ifndef NO_GUARD_WAKE
		d_step {
			i = 0;
			do
			:: i < THREADS -> asleep[i] = (asleep[i] == ON_GUARD -> 0 : asleep[i]); i++
			:: else -> break
			od;
			i = 0
		}
#else
		skip
#endif
	:: else
	fi
}

/* ---- the state word ---- */

#ifdef IGNORE_READERS
#define conflicts(of_writer) (writer)
#else
#define conflicts(of_writer) (writer || (of_writer && readers != 0))
#endif
#ifdef OVERTAKE
#define blocked (conflicts(write) || (write && queued))
#else
#define blocked (conflicts(write) || queued)
#endif

inline state_add(of_writer) {
	writer = (of_writer -> true : writer);
	readers = (of_writer -> readers : readers + 1)
}

inline state_sub() {
	writer = (write -> false : writer);
	readers = (write -> readers : readers - 1)
}

/* state_take(), and with it state_take_or_queue(): the lock, or false. */
inline state_take(or_queue) {
	atomic {
		assert(!gone);
		got = !blocked;
		if
		:: got -> assert(nr_waiting == 0); state_add(write)
#ifndef LATE_QUEUED
		:: !got && or_queue -> queued = true
		:: !got && !or_queue
#else
		:: else
#endif
		fi
	}
#ifdef LATE_QUEUED
	if
	:: !got && or_queue -> queued = true
	:: else
	fi
#endif
}

/* ---- the queue ---- */

inline queue_join() {
	d_step {
		alive[me] = true;
		granted[me] = false;
		wants_write[me] = write;
		order[me] = nr_waiting;
#ifdef LIFO
		next[me] = head;
		head = me;
#else
		next[me] = NONE;
		if
		:: head != NONE -> next[tail] = me
		:: else -> head = me
		fi;
#endif
		tail = me;
		nr_waiting++
	}
}

inline queue_wait() {
	guard_lock();
	state_take(true);
	if
	:: got -> guard_unlock()
	:: else ->
		queue_join();
		guard_unlock();
		do
		:: granted[me] -> break
		:: else ->
			atomic {
				if
				:: !granted[me] -> asleep[me] = ON_NODE
				:: else
				fi
			}
			sleep()
		od;
		alive[me] = false
	fi
}

/* One of the queue is chosen: all who came later move up. */
inline queue_choose() {
	d_step {
		assert(order[head] == 0);
		assert(!conflicts(wants_write[head]));
		state_add(wants_write[head]);
		last = head;
		head = next[head];
		nr_waiting--;
		i = 0;
		do
		:: i < THREADS -> order[i] = (order[i] > 0 -> order[i] - 1 : 0); i++
		:: else -> break
		od;
		i = 0
	}
}

inline queue_take() {
	waiter = head;
	last = NONE;
	do
	:: head == NONE -> queued = false; break
	:: head != NONE && conflicts(wants_write[head]) -> break
	:: else -> queue_choose()
	od;
	if
	:: last == NONE -> waiter = NONE
	:: else -> next[last] = NONE
	fi
}

inline grant_all() {
	do
	:: waiter == NONE -> break
	:: else ->
#ifdef TOUCH_GONE
		granted[waiter] = true;
		asleep[waiter] = (asleep[waiter] == ON_NODE -> 0 : asleep[waiter]);
		atomic { assert(alive[waiter]); waiter = next[waiter] }
#else
		atomic { assert(alive[waiter]); then = next[waiter] }
		atomic { assert(alive[waiter]); granted[waiter] = true }
#ifndef NO_WAKE
		asleep[waiter] = (asleep[waiter] == ON_NODE -> 0 : asleep[waiter]);
#endif
		waiter = then
#endif
	od;
	last = NONE;
	then = NONE
}

inline queue_grant() {
	guard_lock();
	queue_take();
#ifdef GRANT_GUARDED
	grant_all();
	guard_unlock()
#else
	guard_unlock();
	grant_all()
#endif
}

/* ---- what threads call ---- */

/* What this thread knows by holding the lock; it ends before the lock does. */
inline inside() {
	atomic {
		assert(nr_writers == 0 && (!write || nr_inside == 0));
		nr_inside++;
		nr_writers = nr_writers + write;
		version = version + write;
		seen = version
	}
}

inline outside() {
	atomic {
		assert(version == seen);
		nr_inside--;
		nr_writers = nr_writers - write
	}
}

inline lock() {
	state_take(false);
	if
	:: got || try
	:: else -> queue_wait(); got = true
	fi
}

inline unlock() {
	atomic {
		assert(!gone);
		state_sub();
		got = (queued && !writer && readers == 0)
	}
#ifdef LOOK_AGAIN
	atomic { assert(!gone); got = (queued && !writer && readers == 0) }
#endif
	if
	:: got -> queue_grant()
	:: else
	fi
}

inline downgrade() {
#ifdef RETAKE
	nr_inside--;
	nr_writers--;
	unlock();
	write = false;
	lock();
	nr_inside++;
#else
	atomic {
		write = false;
		nr_writers--;
		writer = false;
		readers++;
		got = queued
	}
#ifndef NO_DOWNGRADE_GRANT
	if
	:: got -> queue_grant()
	:: else
	fi;
#endif
#endif
	assert(head == NONE || wants_write[head])
}

proctype thread(byte me)
{
	byte waiter = NONE, then = NONE, last = NONE, i, seen, round;
	bool got, write, try, down, last_user;

	do
	:: round == ROUNDS -> break
	:: else ->
		if
#ifndef LAST
		:: true
		:: try = true
		:: atomic { write = true; down = true }
#endif
		:: write = true
		fi;
		lock();
		if
		:: got ->
			inside();
#ifdef LAST
			users--;
			last_user = (users == 0);
#endif
			if
			:: down -> downgrade()
			:: else
			fi;
			outside();
			unlock()
		:: else
		fi;
		atomic {
#ifdef LAST
			gone = last_user;
#endif
			round++;
			got = false;
			write = false;
			try = false;
			down = false;
			seen = 0
		}
	od
}

init {
	atomic {
		run thread(0);
		run thread(1);
#if THREADS > 2
		run thread(2)
#endif
	}
	_nr_pr == 1;
	assert(gone || (!writer && readers == 0 && !queued && head == NONE && guard == 0))
}
