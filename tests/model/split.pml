/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two threads split the same leaf, one looks at its translation, and hardware
 * sets its dirty bit: split_install() and edit_break() of src/pt. Without flags
 * a leaf becomes a table at once (x86_64, riscv); BREAK: break-before-make
 * (arm64), the item is frozen between the two. RUN: a contiguous run of two items
 * becomes two leaves; hardware's TLB must never hold both kinds.
 *
 * right |                                                |
 * right | a leaf, break-before-make                      | -DBREAK
 * right | a run, break-before-make                       | -DRUN
 * wrong | the table is stored, not compared and swapped  | -DSTORE            | nr_tables
 * wrong | the same after a break                         | -DBREAK -DSTORE    | nr_tables
 * wrong | the loser keeps its table                      | -DKEEP             | nr_tables
 * wrong | installed before it is filled                  | -DFILL_LATE        | filled[
 * wrong | the entry has changed; it is not copied again  | -DNO_REFILL        | was_dirty
 * wrong | a reader takes a frozen item for a hole        | -DBREAK -DNO_WAIT  | is_mapped
 * wrong | of a run only the first item is frozen         | -DRUN -DFREEZE_ONE | tlb_run
 * wrong | no flush between break and make                | -DRUN -DNO_FLUSH   | tlb_run
 * wrong | no break at all                                | -DRUN -DNO_BREAK   | tlb_run
 */
#define EMPTY 0
#define FROZEN 1
#define LEAF 2       /* or an item of a run */
#define DIRTY_LEAF 3
#define SINGLE 4     /* a leaf of what was a run */
#define TABLE 5      /* and the number of a table */

byte item[2] = LEAF;
#define entry item[0]

/* pt_owner_item(): a frozen item is waited for. */
inline owner_item(i) {
#ifdef NO_WAIT
	seen = item[i]
#else
	atomic { item[i] != FROZEN -> seen = item[i] }
#endif
}

#ifndef RUN

bool allocated[2], filled[2], dirty[2]; /* the tables; what the splitters copied */
byte nr_tables;
bool was_dirty;                         /* hardware has set the bit */

#define is_leaf(e) (e == LEAF || e == DIRTY_LEAF)

inline fill() {
	atomic { filled[me] = true; dirty[me] = (from == DIRTY_LEAF) }
}

/* edit_replace(): the entry that was seen becomes new; or seen becomes what is there. */
inline replace(new) {
	atomic {
#ifdef STORE
		done = true;
		entry = new
#else
		done = (entry == seen);
#ifdef NO_REFILL
		done = (done || is_leaf(entry));
#endif
		if
		:: done -> entry = new
		:: else
		fi
#endif
	}
}

proctype splitter(byte me)
{
	byte seen, from;
	bool done;

	owner_item(0);
	if
	:: is_leaf(seen) ->
		from = seen;
		atomic { allocated[me] = true; nr_tables++ }
#ifndef FILL_LATE
		fill();
#endif
		do
		:: done || !is_leaf(seen) -> break
		:: else ->
			if
			:: seen != from -> from = seen; fill()
			:: else
			fi;
#ifdef BREAK
			replace(FROZEN);
#else
			replace(TABLE + me);
#endif
			if
			:: done
			:: else -> owner_item(0)
			fi
		od;
#ifdef FILL_LATE
		fill();
#endif
		if
		:: done ->
#ifdef BREAK
			/* Flushed; nobody else changes a frozen item. */
			entry = TABLE + me
#else
			skip
#endif
		:: else ->
#ifndef KEEP
			atomic { allocated[me] = false; nr_tables-- }
#else
			skip
#endif
		fi
	:: else
	fi
}

proctype walker()
{
	byte seen;
	bool is_mapped;

	owner_item(0);
	if
	:: seen >= TABLE ->
		assert(allocated[seen - TABLE]);
		assert(filled[seen - TABLE]);
		is_mapped = filled[seen - TABLE]
	:: else -> is_mapped = is_leaf(seen)
	fi;
	assert(is_mapped)
}

/* Hardware writes through a valid entry, once. */
proctype hardware()
{
	atomic {
		if
		:: entry == LEAF -> entry = DIRTY_LEAF; was_dirty = true
		:: entry >= TABLE -> dirty[entry - TABLE] = true; was_dirty = true
		:: else /* it faults */
		fi
	}
}

init {
	atomic {
		run splitter(0);
		run splitter(1);
		run walker();
		run hardware()
	}
	_nr_pr == 1;
	assert(entry >= TABLE && allocated[entry - TABLE]);
	assert(nr_tables == 1);
	assert(!was_dirty || dirty[entry - TABLE])
}

#else

bool tlb_run, tlb_single;

inline flush() {
	atomic { tlb_run = false; tlb_single = false }
}

/* split_run() */
proctype splitter()
{
	byte seen;
	bool done;

	owner_item(0);
	do
	:: done || seen != LEAF -> break
	:: else ->
#ifdef NO_BREAK
		done = true
#else
		atomic {
			done = (item[0] == seen);
			item[0] = (done -> FROZEN : item[0])
		}
		if
		:: done
		:: else -> owner_item(0)
		fi
#endif
	od;
	if
	:: done ->
#if !defined(FREEZE_ONE) && !defined(NO_BREAK)
		item[1] = FROZEN;
#endif
#ifndef NO_FLUSH
		flush();
#endif
		item[0] = SINGLE;
		item[1] = SINGLE
	:: else
	fi
}

proctype walker()
{
	byte seen;

	owner_item(0);
	assert(seen == LEAF || seen == SINGLE);
	owner_item(1);
	assert(seen == LEAF || seen == SINGLE)
}

/* A valid item is put into the TLB: the run, or a leaf. */
inline load(i) {
	atomic {
		tlb_run = (tlb_run || item[i] == LEAF);
		tlb_single = (tlb_single || item[i] == SINGLE);
		assert(!(tlb_run && tlb_single))
	}
}

proctype hardware()
{
	byte round;

	do
	:: round == 3 -> break
	:: load(0); round++
	:: load(1); round++
	od
}

init {
	atomic {
		run splitter();
		run splitter();
		run walker();
		run hardware()
	}
	_nr_pr == 1;
	assert(item[0] == SINGLE && item[1] == SINGLE)
}

#endif
