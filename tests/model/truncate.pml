/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a file, that one VMA shows: faults, pages taken out, and munmap. F1, F7
 * and F8 of docs/locking.md; src/mm/vma/mapping.c, src/mm/vma/fault.c and
 * src/mm/vma/munmap.c. The lowest table comes by a fault's compare-and-swap, which takes
 * no lock, and goes with munmap. One thread takes the page out, first so that its owner has
 * another frame for it, then for ever. What the fences are for does not show: steps
 * are sequentially consistent.
 *
 * right |                                                     |
 * wrong | a fault does not look again                         | -DNO_RECHECK    | is_out
 * wrong | a fault looks again before it has the table's lock  | -DRECHECK_EARLY | is_out
 * wrong | a fault notes the number when it has its frame      | -DNOTE_LATE     | is_out
 * wrong | faults are told after the leaves are cleared        | -DTELL_LATE     | generation
 * wrong | the owner forgets the page after it is unmapped     | -DFORGET_LATE   | generation
 * wrong | the size changes after faults are told              | -DSIZE_LATE     | is_out
 * wrong | a fault keeps the frame that it may not map         | -DKEEPS_FRAME   | nr_out
 * wrong | the VMA leaves its file before munmap zaps          | -DLEAVE_EARLY   | leaf==0
 * wrong | ... after its tables are freed                      | -DLEAVE_LATE    | is_table
 * wrong | munmap does not wait for who found it by the file   | -DNO_WAIT       | is_table
 * wrong | munmap zaps without the table's lock                | -DZAP_UNLOCKED  | nr_out
 */
#define FAULTERS 2
#define ROUNDS 2

byte generation = 1;  /* of the frame that the owner has for the page */
bool has_page = true; /* the file's size */
byte nr_unmaps;       /* struct pgw_mapping ... */
byte i_readers;       /* ... its lock: */
bool i_writer;
bool in_file = true;

byte vma_readers;     /* the VMA's own lock */
bool is_detached;

bool slot;            /* above the lowest table: it leads there */
bool is_table = true; /* what it leads to is a table and not freed */
bool lock;            /* the table's */
byte leaf;            /* 0: none; else its frame's generation */

byte nr_out;          /* frames that the owner has answered, and has not got back */
bool is_out;          /* the page was taken out for ever, and that call has returned */

inline table_lock() { assert(is_table); atomic { !lock -> lock = true } }
inline table_unlock() { lock = false }

/* fault_fill(), under the VMA's lock; -PGW_EEXIST is "again" */
proctype faulter()
{
	byte seen, mine, round;

	do
	:: round == ROUNDS -> break
	:: else ->
		round++;
		atomic {
			if
			:: is_detached -> break
			:: else -> vma_readers++
			fi
		}
again:
#ifndef NOTE_LATE
		seen = nr_unmaps;
#endif
		if
		:: !has_page -> goto done
		:: else
		fi;
		atomic { mine = generation; nr_out++ }
#ifdef NOTE_LATE
		seen = nr_unmaps;
#endif
		slot = true;
#ifdef RECHECK_EARLY
		if
		:: nr_unmaps != seen -> nr_out--; goto again
		:: else
		fi;
#endif
		table_lock();
		if
		:: leaf -> table_unlock(); nr_out--; goto done
		:: else
		fi;
#if !defined(NO_RECHECK) && !defined(RECHECK_EARLY)
		if
		:: nr_unmaps != seen ->
			table_unlock();
#ifndef KEEPS_FRAME
			nr_out--;
#endif
			goto again
		:: else
		fi;
#endif
		leaf = mine;
		assert(!is_out);
		table_unlock();
done:
		atomic { vma_readers--; seen = 0; mine = 0 }
	od
}

/* unmap_pages(), with the i_mmap lock held */
inline clear()
{
	if
	:: in_file && slot ->
		table_lock();
		if
		:: leaf -> leaf = 0; nr_out--
		:: else
		fi;
		table_unlock()
	:: else
	fi
}

inline tell()
{
	nr_unmaps++
}

/* pgw_mapping_unmap(), then pgw_mapping_truncate() */
proctype taker()
{
#ifndef FORGET_LATE
	generation = 2;
#endif
	atomic { !i_writer -> i_readers++ }
#ifndef TELL_LATE
	tell();
#endif
	clear();
#ifdef TELL_LATE
	tell();
#endif
	i_readers--;
#ifdef FORGET_LATE
	generation = 2;
#endif
	assert(leaf == 0 || leaf == generation);

	atomic { !i_writer -> i_readers++ }
#ifndef SIZE_LATE
	has_page = false;
#endif
	tell();
	clear();
#ifdef SIZE_LATE
	has_page = false;
#endif
	i_readers--;
	assert(leaf == 0);
	is_out = true
}

inline leave()
{
#ifdef NO_WAIT
	in_file = false
#else
	atomic { i_readers == 0 -> i_writer = true }
	in_file = false;
	i_writer = false
#endif
}

/* munmap_steps() */
proctype unmapper()
{
	is_detached = true;
	vma_readers == 0;
#ifdef LEAVE_EARLY
	leave();
#endif
	if
	:: slot ->
#ifdef ZAP_UNLOCKED
		if
		:: leaf -> leaf = 0; nr_out--
		:: else
		fi
#else
		table_lock();
		if
		:: leaf -> leaf = 0; nr_out--
		:: else
		fi;
		table_unlock()
#endif
	:: else
	fi;
#if !defined(LEAVE_EARLY) && !defined(LEAVE_LATE)
	leave();
#endif
	slot = false;
	is_table = false;
#ifdef LEAVE_LATE
	leave()
#endif
}

init {
	atomic {
		run faulter();
		run faulter();
		run taker();
		run unmapper()
	}
	_nr_pr == 1;
	assert(leaf == 0);
	assert(nr_out == 0)
}
