/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers of the mmap lock that announce themselves in slots of their own (src/mm/lock_slots.c),
 * and those who want to write: who revokes the classes, counts the readers that are still there,
 * and then waits for the count as ever. Of the queue (mmaplock.pml) there is what matters here:
 * who waits keeps newcomers out, and gets the lock when nobody holds it.
 *
 * right |                                                      |                          |
 * wrong | no second look at the class bit                      | -DNO_SECOND_LOOK         | nr_writers==0
 * wrong | announced after the second look                      | -DLATE_SLOT              | nr_writers==0
 * wrong | the slot is looked at before the bits are cleared    | -DEARLY_SCAN             | nr_writers==0
 * wrong | a class bit while somebody waits                     | -DCLASS_ANY_TIME           | nr_writers==0
 * wrong | unlocked by a look and a store                       | -DPLAIN_UNLOCK           | invalid end state
 * wrong | counted again, though it is counted                  | -DCOUNT_TWICE            | invalid end state
 * wrong | withdrawn without a look whether it is counted       | -DPLAIN_WITHDRAW         | invalid end state
 * wrong | the slot says counted before the count does          | -DLATE_COUNT             | nr_readers==0
 * wrong | no token: free while slots are looked at             | -DNO_TOKEN               | nr_readers==0
 * wrong | who tries has the lock though bits came back         | -DTRY_BITS               | nr_writers==0
 */
#define READERS 2
#ifndef ROUNDS
#define ROUNDS 2
#endif

/* The state word. */
bool writer, queued, class[READERS];
byte readers;

bool guard; /* of the registry */

#define FREE 0
#define ANNOUNCED 1
#define COUNTED 2
byte slot[READERS];

/* Looked at by assertions only. */
byte nr_readers, nr_writers;

#define any_class (class[0] || class[1])
#define clear_classes() class[0] = false; class[1] = false

/* state_release(), queue_grant(): the lock is handed to who waits. */
inline release() {
	atomic {
		assert(readers>0);
		readers--;
		if
		:: readers == 0 && queued -> queued = false; writer = true
		:: else
		fi
	}
}

/* slot_announce_by_exchange(), slot_withdraw() */
inline read_fast() {
	got = class[me];
	if
	:: got ->
#ifndef LATE_SLOT
		slot[me] = ANNOUNCED;
#endif
#ifndef NO_SECOND_LOOK
		got = class[me];
#endif
#ifdef LATE_SLOT
		slot[me] = (got -> ANNOUNCED : FREE);
#else
		if
		:: got
		:: else ->
#ifdef PLAIN_WITHDRAW
			slot[me] = FREE
#else
			atomic {
				got = (slot[me] == COUNTED);
				slot[me] = (got -> COUNTED : FREE)
			}
#endif
		fi
#endif
	:: else
	fi
}

/* state_take(), then slot_allow() */
inline read_slow() {
	atomic { !writer && !queued -> readers++ }
	slot[me] = COUNTED;
#ifdef CLASS_ANY_TIME
	class[me] = true
#else
	atomic { class[me] = (writer || queued -> class[me] : true) }
#endif
}

inline read_unlock() {
	if
	:: slot[me] == COUNTED -> slot[me] = FREE; release()
	:: else ->
#ifdef PLAIN_UNLOCK
		got = (slot[me] == COUNTED);
		slot[me] = FREE;
#else
		atomic { got = (slot[me] == COUNTED); slot[me] = FREE }
#endif
		if
		:: got -> release()
		:: else
		fi
	fi
}

proctype reader(byte me)
{
	byte round;
	bool got;

	do
	:: round == ROUNDS + 1 -> break
	:: else ->
		read_fast();
		if
		:: got
		:: else -> read_slow()
		fi;
		atomic { assert(nr_writers == 0); nr_readers++ }
		atomic { nr_readers--; got = false }
		read_unlock();
		atomic { round++; got = false }
	od
}

/* slots_count() */
inline count_slots() {
	atomic { !guard -> guard = true }
	do
	:: i == READERS -> break
	:: else ->
#ifdef COUNT_TWICE
		got = (slot[i] != FREE);
#else
		got = (slot[i] == ANNOUNCED);
#endif
		if
		:: got ->
#ifndef LATE_COUNT
			readers++;
#endif
#ifdef COUNT_TWICE
			atomic { got = (slot[i] != FREE); slot[i] = (got -> COUNTED : slot[i]) }
#else
			atomic { got = (slot[i] == ANNOUNCED); slot[i] = (got -> COUNTED : slot[i]) }
#endif
#ifdef LATE_COUNT
			readers = (got -> readers + 1 : readers)
#else
			readers = (got -> readers : readers - 1) /* the token is there */
#endif
		:: else
		fi;
		i++
	od;
	atomic { i = 0; guard = false }
}

inline write_section() {
	atomic { nr_writers++; assert(nr_readers==0 && nr_writers == 1) }
	atomic { nr_writers--; writer = false }
}

/* Without a token the last reader hands the lock on, or the revoker when nobody was there. */
inline token_drop() {
#ifndef NO_TOKEN
	release()
#else
	atomic {
		if
		:: readers == 0 && queued -> queued = false; writer = true
		:: else
		fi
	}
#endif
}

#ifdef NO_TOKEN
#define TOKEN 0
#else
#define TOKEN 1
#endif

/* Waits in the queue. */
proctype locker()
{
	byte i, round;
	bool got, revokes;

	do
	:: round == ROUNDS -> break
	:: else ->
#ifdef EARLY_SCAN
		if
		:: any_class -> count_slots()
		:: else
		fi;
#endif
		atomic {
			!queued && !writer;
			revokes = any_class;
			if
			:: !revokes && readers == 0 -> writer = true
			:: else ->
				queued = true;
				if
				:: revokes -> clear_classes(); readers = readers + TOKEN
				:: else
				fi
			fi
		}
		if
		:: revokes ->
#ifndef EARLY_SCAN
			count_slots();
#endif
			token_drop()
		:: else
		fi;
		!queued; /* granted */
		write_section();
		atomic { round++; revokes = false; got = false }
	od
}

/* mmap_lock_write_try() */
proctype trier()
{
	byte i, round;
	bool got, revokes, has;

	do
	:: round == ROUNDS -> break
	:: else ->
		atomic {
			has = false;
			if
			:: writer || readers != 0 || queued
			:: else ->
				has = true;
				revokes = any_class;
				writer = !revokes;
				if
				:: revokes -> clear_classes(); readers++
				:: else
				fi
			fi
		}
		if
		:: has && revokes ->
			count_slots();
			atomic {
#ifdef TRY_BITS
				has = (readers == 1 && !queued);
#else
				has = (readers == 1 && !queued && !any_class);
#endif
				if
				:: has -> readers = 0; writer = true
				:: else
				fi
			}
			if
			:: has
			:: else -> release()
			fi
		:: else
		fi;
		if
		:: has -> write_section()
		:: else
		fi;
		atomic { round++; revokes = false; has = false; got = false }
	od
}

init {
	atomic {
		run reader(0);
		run reader(1);
		run locker();
		run trier()
	}
	_nr_pr == 1;
	assert(!writer && !queued && readers == 0)
}
