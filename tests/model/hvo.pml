/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmemmap optimisation: two threads, each with a huge page of its own whose
 * descriptors lie below one common leaf, optimise and restore under the kernel
 * mm's lock for read and the hotplug lock, both shared, so that neither keeps them
 * apart. A third walks beside them, a fourth uses the descriptors through a TLB.
 *
 * A huge page has two tail pages of descriptors here. They are remapped to
 * one shared page, and back; what is not mapped any more goes to the allocator.
 * Every step may fail.
 *
 * right |                                                  |
 * wrong | pages reach the allocator before the flush       | -DFREE_FIRST  | owner[
 * wrong | no flush                                         | -DNO_FLUSH    | owner[
 * wrong | no undo                                          | -DNO_UNDO     | pte[
 * wrong | undo stops one page too early                    | -DUNDO_SHORT  | pte[
 * wrong | undo forgets that a page is in its place again   | -DUNDO_KEEPS  | owner[
 * wrong | what was remapped is forgotten                   | -DFORGET      | owner[
 * wrong | restore frees what it mapped                     | -DFREE_USED   | owner[
 * wrong | restore maps a page before its contents are there | -DCOPY_LATE  | filled[
 * wrong | restore does not look whether a page is shared   | -DNO_SHARED_CHECK | owner[
 * wrong | the split's loser installs its table too         | -DSTORE       | nr_tables
 * wrong | the split's loser keeps its table                | -DKEEP        | nr_tables
 */
#define THREADS 2
#define TAILS 2
#define PAGES (THREADS * TAILS)
#define SHARED PAGES          /* the page that tails share */
#define NOBODY 255
#define NO_PAGE 255
#define BIG 255               /* the common leaf is not split */

byte table = BIG;             /* what the common slot points to */
byte nr_tables;
byte pte[PAGES];              /* below the split leaf: the page of each tail */
byte tlb[PAGES];

/* The allocator and what is in pages. */
byte owner[PAGES + 1];        /* whose tail it is, was or will be; NOBODY: free */
bool filled[PAGES + 1];       /* its descriptors are there */

#define tail(k) (me * TAILS + (k))

/* ---- the split: pt_split_item() ---- */

/* One winner; the loser frees its table. */
inline split() {
	if
	:: table != BIG -> failed = false
	:: else ->
		if
		:: failed = true /* no memory */
		:: atomic { failed = false; nr_tables++ }
			atomic {
#ifdef STORE
				won = true;
#else
				won = (table == BIG);
#endif
				table = (won -> me : table)
			}
			if
			:: won
			:: else ->
#ifndef KEEP
				nr_tables--
#else
				skip
#endif
			fi
		fi
	fi
}

/* ---- pages ---- */

inline flush() {
#ifndef NO_FLUSH
	d_step {
		i = 0;
		do
		:: i < PAGES -> tlb[i] = NO_PAGE; i++
		:: else -> break
		od;
		i = 0
	}
#else
	skip
#endif
}

inline free_page(page) {
	d_step {
		assert(owner[page] == me);
		owner[page] = NOBODY;
		filled[page] = false
	}
}

/* The first free page; or the allocator has none for us. */
inline alloc_page(page) {
	if
	:: atomic {
			do
			:: i < PAGES && owner[i] != NOBODY -> i++
			:: else -> break
			od;
			if
			:: i < PAGES -> page = i; owner[i] = me
			:: else -> failed = true
			fi;
			i = 0
		}
	:: failed = true
	fi
}

/* item_take_frames(): for all tails, or none. */
inline take_frames() {
	do
	:: k == TAILS || failed -> break
	:: else ->
		alloc_page(fresh[k]);
		k++
	od;
	k = 0
}

/* ---- one huge page ---- */

#ifdef NO_SHARED_CHECK
#define is_wanted true
#else
#define is_wanted (!restores || pte[tail(k)] == SHARED)
#endif

/* leaf_take(): old remembers what was there; nothing, if it was left alone. */
inline take_one() {
	if
	:: !is_wanted
	:: else ->
		old[k] = pte[tail(k)];
#ifdef COPY_LATE
		pte[tail(k)] = (restores -> fresh[k] : SHARED);
		filled[pte[tail(k)]] = true;
#else
		if
		:: restores -> filled[fresh[k]] = true
		:: else
		fi;
		pte[tail(k)] = (restores -> fresh[k] : SHARED);
#endif
#ifdef FORGET
		old[k] = NO_PAGE;
#endif
	fi;
	k++
}

/* leaf_undo() */
inline undo_one() {
	if
	:: old[k] == NO_PAGE
	:: else ->
		pte[tail(k)] = old[k];
#ifndef UNDO_KEEPS
		old[k] = NO_PAGE
#endif
	fi;
	k++
}

#if defined(NO_UNDO)
#define visited 0
#elif defined(UNDO_SHORT)
#define visited (nr_done - 1)
#else
#define visited nr_done
#endif

/* item_take(): all tails, or none. */
inline take() {
	do
	:: k == TAILS -> break
	:: k < TAILS -> take_one()
	:: k < TAILS -> failed = true; break
	od;
	nr_done = k;
	k = 0;
	do
	:: failed && k < visited -> undo_one()
	:: else -> break
	od;
	atomic { k = 0; nr_done = 0 }
	/* All or nothing: the tails began alike. */
	assert((pte[tail(0)] == SHARED) == (failed -> was_shared : !restores));
	assert((pte[tail(1)] == SHARED) == (failed -> was_shared : !restores))
}

/* item_release(): what is not mapped any more. */
inline release() {
	do
	:: k == TAILS -> break
	:: else ->
		if
		:: !restores && old[k] != NO_PAGE -> free_page(old[k])
#ifdef FREE_USED
		:: restores && fresh[k] != NO_PAGE -> free_page(fresh[k])
#else
		:: restores && fresh[k] != NO_PAGE && old[k] == NO_PAGE -> free_page(fresh[k])
#endif
		:: else
		fi;
		atomic { old[k] = NO_PAGE; fresh[k] = NO_PAGE; k++ }
	od;
	k = 0
}

/* Optimise or restore: pgw_hvo_optimise(), pgw_hvo_restore(). */
inline remap_all() {
	was_shared = (pte[tail(0)] == SHARED);
	split();
	if
	:: restores && !failed -> take_frames()
	:: else
	fi;
	if
	:: !failed -> take()
	:: else
	fi;
#ifdef FREE_FIRST
	release();
	flush();
#else
	flush();
	release();
#endif
	failed = false
}

proctype thread(byte me)
{
	byte k, i, nr_done;
	byte old[TAILS] = NO_PAGE;
	byte fresh[TAILS] = NO_PAGE;
	bool failed, won, restores, was_shared;

	do
	:: remap_all();
		if
		:: restores -> break
		:: else -> restores = true
		fi
	od;
	/* Each tail has a page of this thread, or the shared one. */
	assert(pte[tail(0)] == SHARED || owner[pte[tail(0)]] == me);
	assert(pte[tail(1)] == SHARED || owner[pte[tail(1)]] == me);
	assert(pte[tail(0)] == SHARED || pte[tail(0)] != pte[tail(1)])
}

/* A walk under the read lock: it may find the leaf or the table. */
proctype walker()
{
	byte seen;

	seen = table;
	if
	:: seen == BIG
	:: else -> atomic { seen = pte[0]; assert(filled[seen]) }
	fi
}

/* Somebody reads the first thread's descriptors. A flush waits for accesses under way. */
proctype user()
{
	byte round, page;

	do
	:: round == 2 -> break
	:: else ->
		atomic {
			tlb[0] = (tlb[0] == NO_PAGE -> pte[0] : tlb[0]);
			page = tlb[0];
			assert(page == SHARED || owner[page] == 0);
			assert(filled[page]);
			page = 0;
			round++
		}
	od
}

init {
	byte i;

	atomic {
		do
		:: i < PAGES ->
			pte[i] = i;
			tlb[i] = NO_PAGE;
			owner[i] = i / TAILS;
			filled[i] = true;
			i++
		:: else -> break
		od;
		i = 0;
		filled[SHARED] = true;
		owner[SHARED] = NOBODY;
		run thread(0);
		run thread(1);
		run walker();
		run user()
	}
	_nr_pr == 1;
	assert(nr_tables == (table != BIG));
	/* Each page is mapped once, or free. */
	i = 0;
	do
	:: i < PAGES -> assert((owner[i] == NOBODY) ==
			       (pte[0] != i && pte[1] != i && pte[2] != i && pte[3] != i)); i++
	:: else -> break
	od
}
