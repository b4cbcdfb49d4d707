/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VMA's own lock, src/mm/vma/vma_lock.c, with munmap and one more writer. Readers
 * find the VMA as readers of the epoch only, as a fault does. The mmap lock and
 * the epoch are as mmaplock.pml and epoch.pml show.
 *
 * right |                                                    |
 * wrong | no second look at the numbers after the add        | -DNO_RECHECK     | changing
 * wrong | the detached bit is looked at by the add alone     | -DNO_DETACHED    | table_freed
 * wrong | the detached bit is looked at before the numbers   | -DDETACHED_FIRST | table_freed
 * wrong | write locks end after the mmap lock is released    | -DEND_LATE       | changing
 * wrong | the writer does not wait for readers               | -DNO_WAIT        | table_freed
 * wrong | the writer does not keep new readers out           | -DNO_WRITER_BIT  | table_freed
 * wrong | the last reader does not wake the writer           | -DNO_WAKE        | invalid end state
 * wrong | a VMA is freed without a grace period              | -DNO_GRACE       | vma_freed
 * wrong | an unlock looks at the VMA after its last step     | -DLOOK_LATE      | vma_freed
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define READERS 2

/* The mm. */
byte mmap_readers;
bool mmap_writer;
byte vma_seq = 1;
bool in_tree = true;

/* The VMA. */
byte lock_seq;
byte count;              /* the word: readers ... */
bool writing, detached;  /* ... and the two bits */
bool vma_freed;

bool in_epoch[READERS];
bool asleep;             /* the writer */

/* What the lock protects. */
bool changing, table_freed;
byte nr_inside;          /* readers that hold it */

inline mmap_write_lock() { atomic { !mmap_writer && mmap_readers == 0 -> mmap_writer = true } }

/* ---- readers ---- */

/* vma_lock_is_write_locked(): two loads. */
inline look_at_numbers() {
	atomic { assert(!vma_freed); seen = lock_seq }
	atomic { write_locked = (seen == vma_seq); seen = 0 }
}

inline reader_add() {
	atomic {
		assert(!vma_freed);
		got = !(writing || detached);
		count = count + got
	}
}

inline read_unlock() {
	atomic {
		assert(!vma_freed);
		count--;
		last = (count == 0 && writing)
	}
#ifdef LOOK_LATE
	assert(!vma_freed);
#endif
#ifndef NO_WAKE
	if
	:: last -> asleep = false
	:: else
	fi
#endif
}

/* vma_lock_read_try() */
inline read_try() {
	look_at_numbers();
	if
	:: write_locked -> got = false
	:: else -> reader_add()
	fi;
	if
	:: !got
	:: else ->
#ifdef DETACHED_FIRST
		atomic { assert(!vma_freed); got = !detached }
#endif
#ifndef NO_RECHECK
		look_at_numbers();
#endif
#if defined(NO_DETACHED)
		got = !write_locked;
#elif defined(DETACHED_FIRST)
		got = (got && !write_locked);
#else
		atomic { assert(!vma_freed); got = (!write_locked && !detached) }
#endif
		if
		:: got
		:: else -> read_unlock()
		fi
	fi
}

proctype reader(byte me)
{
	byte seen, round;
	bool write_locked, got, last;

	do
	:: round == ROUNDS -> break
	:: else ->
		/* pgw_vma_read_lock() */
		in_epoch[me] = true;
		if
		:: in_tree -> read_try()
		:: else
		fi;
		in_epoch[me] = false;
		if
		:: got ->
			nr_inside++;
			assert(!changing && !table_freed);
			assert(!changing && !table_freed);
			nr_inside--;
			read_unlock()
		:: else
		fi;
		atomic { round++; got = false; write_locked = false; last = false }
	od
}

/* ---- writers: they hold the mmap lock for write ---- */

/* vma_lock_write() */
inline write_lock() {
	if
	:: lock_seq == vma_seq
	:: else ->
#ifndef NO_WRITER_BIT
		writing = true;
#endif
		seen = count;
		do
#ifdef NO_WAIT
		:: true -> break
#else
		:: seen == 0 -> break
		:: else ->
			atomic {
				if
				:: count == seen -> asleep = true
				:: else
				fi
			}
			!asleep;
			seen = count
#endif
		od;
		atomic { lock_seq = vma_seq; seen = 0 }
		writing = false
	fi;
	assert(nr_inside == 0)
}

inline end_writes() {
	vma_seq++
}

proctype changer()
{
	byte seen;

	mmap_write_lock();
	if
	:: in_tree ->
		write_lock();
		changing = true;
		changing = false
	:: else
	fi;
#ifdef END_LATE
	mmap_writer = false;
	end_writes()
#else
	end_writes();
	mmap_writer = false
#endif
}

proctype unmapper()
{
	byte seen;

	mmap_write_lock();
	write_lock();
	in_tree = false;
	detached = true;
	end_writes();
	atomic { mmap_writer = false; mmap_readers++ }
	table_freed = true;
#ifndef NO_GRACE
	!in_epoch[0];
	!in_epoch[1];
#endif
	vma_freed = true;
	mmap_readers--
}

init {
	atomic {
		run reader(0);
		run reader(1);
		run changer();
		run changer();
		run unmapper()
	}
}
