/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mmap lock of src/mm/lock.c, and the sleeping lock of src/base/mutex.h, which is its guard:
 * the state word, the queue, how it opens, and the sleep of those in it.
 *
 * Each thread takes the lock a few times, in whatever way. LAST: each takes it
 * once for write, and whoever finds that all others are through frees it.
 *
 * right |                                                      |                          |
 * right | two threads, several times                           | -DTHREADS=2 -DROUNDS=2   |
 * right | park returns for no reason                           | -DTHREADS=2 -DROUNDS=2 -DEARLY |
 * right | the guard in all its steps                           | -DTHREADS=2 -DROUNDS=2 -DGUARD_SLEEPS |
 * right | the last thread frees the lock                       | -DLAST                   |
 * right | it never opens                                       | -DLIMIT=0 -DTHREADS=2 -DROUNDS=2 |
 * wrong | a newcomer takes what is not open                    | -DLIMIT=0 -DOVERTAKE     | overtakes
 * wrong | opened without end                                   | -DLIMIT=0 -DNO_LIMIT     | overtakes
 * wrong | those who wait are served last come, first served    | -DLIFO                   | order[
 * wrong | a writer takes the lock from readers                 | -DIGNORE_READERS         | nr_inside
 * wrong | downgrade releases, then takes                       | -DRETAKE                 | version==seen
 * wrong | downgrade leaves readers in the queue                | -DNO_DOWNGRADE_GRANT     | wants_write[head]
 * wrong | a waiter is touched after it was granted the lock    | -DTOUCH_GONE             | alive[waiter]
 * wrong | no wake after a grant                                | -DNO_WAKE                | invalid end state
 * wrong | the queued bit is set after the look at the holders  | -DLATE_QUEUED            | invalid end state
 * wrong | no wake after the guard                              | -DGUARD_SLEEPS -DNO_GUARD_WAKE | invalid end state
 * wrong | the guard's sleepers do not say that they sleep      | -DGUARD_SLEEPS -DNOT_CONTENDED | invalid end state
 * wrong | the lock is granted before the guard is released     | -DLAST -DGRANT_GUARDED   | gone
 * wrong | a second look at the state after it was released     | -DLAST -DLOOK_AGAIN      | gone
 * wrong | the head sleeps and does not demand the lock         | -DDEMAND_LOST            | invalid end state
 * wrong | the head demands an open lock, and sleeps            | -DDEMAND_OPEN            | invalid end state
 * wrong | who was taken from the queue demands the lock        | -DDEMAND_OF_NOBODY       | head!=3
 * wrong | the new head is not told                             | -DNO_HEAD                | invalid end state
 * wrong | the new head is told after the lock was granted      | -DLATE_HEAD              | invalid end state
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#define NONE THREADS
#ifdef NOT_CONTENDED
#define CONTENDED 1
#else
#define CONTENDED 2
#endif

/* The lock. */
bool writer, queued, open, demand; /* the state word ... */
byte readers;
byte guard;          /* 0 free, 1 taken, 2 taken and perhaps slept on */
byte head = NONE, tail = NONE;
byte passes;         /* how often the head was overtaken */
bool gone;           /* its memory is freed */

/* A waiter's node, on its thread's stack. */
#define WAITS 0
#define HEADS 1 /* it is the head, and awake */
#define GRANTED 2
byte next[THREADS], word[THREADS];
bool wants_write[THREADS], alive[THREADS];

/* What a thread sleeps on. */
#define ON_GUARD 1
#define ON_NODE 2
byte asleep[THREADS];

/* Looked at by assertions only. */
byte nr_inside, nr_writers; /* threads that believe to hold the lock */
byte nr_waiting;            /* in the queue, and not chosen yet */
byte overtakes;             /* takers since there is this head */
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

inline wake(who) {
	asleep[who] = (asleep[who] == ON_NODE -> 0 : asleep[who])
}

/* ---- mutex_lock(), mutex_unlock() ---- */

#ifndef GUARD_SLEEPS
inline guard_lock() {
	atomic { guard == 0 -> assert(!gone); guard = 1 }
}

inline guard_unlock() {
	atomic { assert(!gone); guard = 0 }
}
#else
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
#endif

/* ---- the state word ---- */

#ifdef IGNORE_READERS
#define conflicts(of_writer) (writer)
#else
#define conflicts(of_writer) (writer || (of_writer && readers != 0))
#endif
#ifdef OVERTAKE
#define blocked (conflicts(write) || (write && queued && !open))
#else
#define blocked (conflicts(write) || (queued && !open))
#endif

inline state_add(of_writer) {
	writer = (of_writer -> true : writer);
	readers = (of_writer -> readers : readers + 1)
}

inline state_sub() {
	writer = (write -> false : writer);
	readers = (write -> readers : readers - 1)
}

/* state_take(): the lock if nobody has it and nobody waits, or if it is open; or false. */
inline state_take() {
	atomic {
		assert(!gone);
		got = !blocked;
		passed = got && queued;
		if
		:: got ->
			overtakes = overtakes + (nr_waiting != 0);
			assert(overtakes <= LIMIT);
			open = false;
			state_add(write)
		:: else
		fi
	}
	if
	:: passed -> passes++; passed = false
	:: else
	fi
}

/* state_take_or_queue(), by the first of the queue. */
inline state_take_or_queue() {
	atomic {
		assert(!gone && !queued);
		got = !conflicts(write);
		if
		:: got -> state_add(write)
#ifndef LATE_QUEUED
		:: else -> queued = true; nr_waiting++
#else
		:: else
#endif
		fi
	}
#ifdef LATE_QUEUED
	if
	:: !got -> queued = true; nr_waiting++
	:: else
	fi
#endif
}

/* ---- the queue ---- */

inline queue_join() {
	d_step {
		alive[me] = true;
		wants_write[me] = write;
		order[me] = nr_waiting;
#ifdef LIFO
		next[me] = head;
		word[me] = HEADS;
		if
		:: head != NONE -> word[head] = WAITS; nr_waiting++
		:: else
		fi;
		head = me;
#else
		next[me] = NONE;
		if
		:: head != NONE -> next[tail] = me; word[me] = WAITS; nr_waiting++
		:: else -> head = me; word[me] = HEADS
		fi;
#endif
		tail = me
	}
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
		overtakes = 0;
		i = 0;
		do
		:: i < THREADS -> order[i] = (order[i] > 0 -> order[i] - 1 : 0); i++
		:: else -> break
		od;
		i = 0
	}
}

/* Needs the guard, and that the lock is closed or this thread holds it. */
inline queue_take() {
	waiter = head;
	last = NONE;
	heir = NONE;
	do
	:: head == NONE || conflicts(wants_write[head]) -> break
	:: else -> queue_choose()
	od;
	if
	:: last == NONE -> waiter = NONE
	:: else ->
		next[last] = NONE;
		heir = head;
		passes = 0;
		atomic {
			queued = (head != NONE);
			demand = false
		}
	fi
}

/* The new head first: nobody can take it from the queue yet. */
inline tell_head() {
	if
	:: heir != NONE ->
		atomic { assert(alive[heir]); word[heir] = HEADS }
		wake(heir);
		heir = NONE
	:: else
	fi
}

inline grant_all() {
#if defined(NO_HEAD)
	heir = NONE;
#elif !defined(LATE_HEAD)
	tell_head();
#endif
	do
	:: waiter == NONE -> break
	:: else ->
#ifdef TOUCH_GONE
		word[waiter] = GRANTED;
		wake(waiter);
		atomic { assert(alive[waiter]); waiter = next[waiter] }
#else
		atomic { assert(alive[waiter]); then = next[waiter] }
		atomic { assert(alive[waiter]); word[waiter] = GRANTED }
#ifndef NO_WAKE
		wake(waiter);
#endif
		waiter = then
#endif
	od;
#ifdef LATE_HEAD
	tell_head();
#endif
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

#ifdef NO_LIMIT
#define must_grant (saw_demand || !wants_write[head])
#else
#define must_grant (saw_demand || !wants_write[head] || passes >= LIMIT)
#endif

/* queue_pass(): the lock is closed, and it is this thread's to open it or to grant it. */
inline queue_pass() {
	do
	:: atomic { assert(!gone && head != NONE); saw_demand = demand };
		if
		:: must_grant -> queue_grant(); break
		:: else
		fi;
		atomic {
			assert(!gone);
			got = (demand == saw_demand);
			if
			:: got -> open = true
			:: else
			fi
		};
		if
		:: got -> break
		:: else
		fi
	od;
	saw_demand = false
}

/* head_ask(): the head takes the lock if it is open, or else demands it. */
inline head_ask() {
	guard_lock();
	atomic {
#ifdef DEMAND_OPEN
		got = (head == me && open && false);
#else
		got = (head == me && open);
#endif
		if
		:: got -> open = false
#ifdef DEMAND_OF_NOBODY
		:: else -> assert(head != NONE); demand = true
#elif defined(DEMAND_LOST)
		:: else
#else
		:: else -> demand = (head == me -> true : demand)
#endif
		fi
	}
	if
	:: got ->
		queue_take();
		guard_unlock();
		grant_all()
	:: else -> guard_unlock()
	fi
}

/* Until the word is another one. */
inline park(value) {
	atomic {
		if
		:: word[me] == value -> asleep[me] = ON_NODE
		:: else
		fi
	}
	sleep()
}

inline queue_wait() {
	guard_lock();
	got = false;
	i = head;
	queue_join();
	if
	:: i == NONE -> i = 0; state_take_or_queue()
	:: else -> i = 0
	fi;
	if
	:: got ->
		d_step { head = NONE; alive[me] = false };
		guard_unlock()
	:: else ->
		guard_unlock();
		do
		:: word[me] == GRANTED -> break
		:: word[me] == WAITS -> park(WAITS)
		:: word[me] == HEADS && !asked ->
			/* When it is open, or after some time. */
			asked = true;
			head_ask()
		:: word[me] == HEADS && asked -> park(HEADS)
		od;
		alive[me] = false
	fi
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
	state_take();
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
	:: got -> queue_pass()
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
	assert(!queued || wants_write[head])
#endif
}

proctype thread(byte me)
{
	byte waiter = NONE, then = NONE, last = NONE, heir = NONE, i, seen, round;
	bool got, write, try, down, last_user, passed, asked, saw_demand;

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
			asked = false;
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
	assert(gone || (!writer && readers == 0 && !queued && !open && head == NONE && guard == 0))
}
