/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lowest tables that come and go under those who use them: pt_map_lock() of
 * src/pt/edit/table_lock.h, the installation of tables by compare-and-swap, and
 * pt_trim_table(). One slot of the parent; two threads map and unmap a leaf
 * each, one trims the table when it is empty, one looks without any lock. The
 * epoch is as epoch.pml shows.
 *
 * right |                                                   |
 * right | two that trim, one that maps                      | -DMAPPERS=1 -DTRIMMERS=2
 * wrong | no look at the slot after the lock                | -DNO_RECHECK       | leaf[
 * wrong | tables are freed without a grace period           | -DNO_GRACE         | allocated[
 * wrong | unlinked without the table's lock                 | -DNO_CHILD_LOCK    | leaf[
 * wrong | unlinked without a second look at the live count  | -DNO_EMPTY_RECHECK | leaf[
 * wrong | unlinked without a second look at the slot        | -DMAPPERS=1 -DTRIMMERS=2 -DNO_SLOT_RECHECK | allocated[
 * wrong | installed by a store                              | -DINSTALL_STORE    | nr_allocated
 * wrong | who loses against another table uses its own      | -DLOSER_USES_OWN   | nr_allocated
 * wrong | who loses against another table keeps its own     | -DLOSER_KEEPS_OWN  | nr_allocated
 */
#ifndef MAPPERS
#define MAPPERS 2
#endif
#ifndef TRIMMERS
#define TRIMMERS 1
#endif
#define THREADS 5
#define TABLES 2
#define NONE TABLES
#define ROUNDS 2

byte slot = NONE;             /* of the parent: the table, or none */
bool parent_lock;
bool table_lock[TABLES];      /* struct pgw_ptdesc ... */
bool detached[TABLES];
byte nr_live[TABLES];
bool allocated[TABLES];
byte nr_allocated;
bool leaf[TABLES * 2];  /* each mapper's leaf in each table */
bool mapped[2];               /* what the mappers think */
bool in_epoch[THREADS];

#define leaf_of(t) leaf[(t) * 2 + me]

inline look() { assert(allocated[table]) }

/* table_alloc() and table_free() */
inline alloc() {
	atomic {
		if
		:: !allocated[0] -> new = 0
		:: allocated[0] && !allocated[1] -> new = 1
		:: else -> new = NONE
		fi;
		if
		:: new == NONE
		:: else ->
			allocated[new] = true;
			nr_allocated++;
			detached[new] = false;
			nr_live[new] = 0;
			leaf[new * 2] = false;
			leaf[new * 2 + 1] = false
		fi
	}
}

inline free(t) {
	atomic { assert(allocated[t]); allocated[t] = false; nr_allocated-- }
}

/* edit_install(): table is what the slot holds then, or none. */
inline install() {
	alloc();
	if
	:: new == NONE
	:: else ->
		atomic {
#ifdef INSTALL_STORE
			table = NONE;
#else
			table = slot;
#endif
			if
			:: table == NONE -> slot = new; table = new; new = NONE
			:: else
			fi
		}
		if
		:: new == NONE
		:: else ->
#ifdef LOSER_USES_OWN
			table = new;
#elif !defined(LOSER_KEEPS_OWN)
			free(new);
#endif
			new = NONE
		fi
	fi
}

/* pt_map_lock(): table is none if the slot has changed. */
inline map_lock() {
	look();
	atomic { !table_lock[table] -> table_lock[table] = true }
#ifndef NO_RECHECK
	if
	:: slot == table && !detached[table]
	:: else -> table_lock[table] = false; table = NONE
	fi
#endif
}

proctype mapper(byte me)
{
	byte table, new = NONE, round;

	do
	:: round == ROUNDS -> break
	:: else ->
		in_epoch[me] = true;
		table = slot;
		if
		:: table == NONE -> install()
		:: else
		fi;
		if
		:: table == NONE
		:: else -> map_lock()
		fi;
		if
		:: table == NONE
		:: else ->
			look();
			assert(leaf_of(table) == mapped[me]);
			atomic {
				mapped[me] = !mapped[me];
				leaf_of(table) = mapped[me];
				nr_live[table] = (mapped[me] -> nr_live[table] + 1 : nr_live[table] - 1)
			}
			look();
			table_lock[table] = false;
			round++
		fi;
		atomic { in_epoch[me] = false; table = NONE }
	od
}

/* pt_trim_table(), and the grace period after it */
proctype trimmer(byte me)
{
	byte table, i;
	bool unlinked;

	in_epoch[me] = true;
	table = slot;
	if
	:: table == NONE
	:: else ->
		look();
		if
		:: nr_live[table] == 0 ->
			atomic { !parent_lock -> parent_lock = true }
			look();
#ifndef NO_CHILD_LOCK
			atomic { !table_lock[table] -> table_lock[table] = true }
#endif
#if defined(NO_EMPTY_RECHECK)
			unlinked = (slot == table);
#elif defined(NO_SLOT_RECHECK)
			unlinked = (nr_live[table] == 0);
#else
			unlinked = (slot == table && nr_live[table] == 0);
#endif
			if
			:: unlinked -> slot = NONE; detached[table] = true
			:: else
			fi;
#ifndef NO_CHILD_LOCK
			table_lock[table] = false;
#endif
			parent_lock = false
		:: else
		fi
	fi;
	in_epoch[me] = false;
	if
	:: unlinked ->
#ifndef NO_GRACE
		do
		:: i < THREADS -> !in_epoch[i]; i++
		:: else -> break
		od;
#endif
		free(table)
	:: else
	fi
}

/* A walk without the table's lock: what it finds may be gone, but not freed. */
proctype walker(byte me)
{
	byte table;

	in_epoch[me] = true;
	table = slot;
	if
	:: table == NONE
	:: else -> look(); look()
	fi;
	in_epoch[me] = false
}

init {
	atomic {
		run mapper(0);
#if MAPPERS > 1
		run mapper(1);
#endif
		run trimmer(2);
#if TRIMMERS > 1
		run trimmer(3);
#endif
		run walker(4)
	}
	_nr_pr == 1;
	assert(!mapped[0] && !mapped[1]);
	assert(nr_allocated == (slot != NONE))
}
