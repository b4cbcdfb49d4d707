/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule of docs/locking.md: which locks a walk needs, against which freer.
 * One walker, one thread that frees a table, and one that now and then takes the
 * kernel mm's lock for write. Locks are as mmaplock.pml shows: fair, and a
 * trylock fails while somebody waits.
 *
 * WALK    what is walked, and how
 *   VMA      a user mm through its VMAs      pgw_walk_page_range()
 *   GAPS     the same, but gaps are looked up in the tables
 *   NOVMA    a user mm without them          pgw_walk_page_range_novma()
 *   OWN      a vmap range of the walker's    pgw_walk_kernel_page_table_range()
 *   VMEMMAP  the walker's vmemmap            the same
 *   DUMP     all of a kernel mm              pgw_walk_page_range_debug()
 *   DEBUG    all of a user mm and of the kernel tables under the same root
 * USER, KERNEL, HOTPLUG   the locks of the user mm, the kernel mm, against hot-remove:
 *   how the walker holds them
 * FREER
 *   MUNMAP       detach under the write lock, downgrade, free
 *   MUNMAP_WRITE the same without the downgrade
 *   HOT_REMOVE   frees under the hotplug lock; takes the kernel mm's for read before that
 *   PROMOTE      frees below a huge leaf, with the kernel mm's lock for read if it can be had
 *   PROMOTE_OLD  the same without the lock
 *   PROMOTE_NESTED  the same, but it holds the lock for read, and takes it again
 *   VMAP         maps and unmaps a range of its own, frees nothing
 *
 * right | vma walk, read; munmap                        | -DWALK=VMA -DUSER=READ -DFREER=MUNMAP
 * right | vma walk, write; munmap                       | -DWALK=VMA -DUSER=WRITE -DFREER=MUNMAP
 * wrong | vma walk, no lock; munmap                     | -DWALK=VMA -DFREER=MUNMAP | freed[
 * wrong | vma walk, read, gaps from tables; munmap      | -DWALK=GAPS -DUSER=READ -DFREER=MUNMAP | freed[
 * wrong | novma walk, user, read; munmap                | -DWALK=NOVMA -DUSER=READ -DFREER=MUNMAP | freed[
 * right | novma walk, user, write; munmap               | -DWALK=NOVMA -DUSER=WRITE -DFREER=MUNMAP
 * right | novma walk, user, read; munmap not downgraded | -DWALK=NOVMA -DUSER=READ -DFREER=MUNMAP_WRITE
 * wrong | novma walk, user, no lock; the same           | -DWALK=NOVMA -DFREER=MUNMAP_WRITE | freed[
 * right | kernel walk, own range, read; vmap            | -DWALK=OWN -DKERNEL=READ -DFREER=VMAP
 * right | kernel walk, own range, read; promotion       | -DWALK=OWN -DKERNEL=READ -DFREER=PROMOTE
 * right | lockless walk, own range; promotion           | -DWALK=OWN -DFREER=PROMOTE
 * right | lockless walk, own range; hot-remove          | -DWALK=OWN -DFREER=HOT_REMOVE
 * wrong | vmemmap walk, read; hot-remove                | -DWALK=VMEMMAP -DKERNEL=READ -DFREER=HOT_REMOVE | freed[
 * wrong | vmemmap walk, write; hot-remove               | -DWALK=VMEMMAP -DKERNEL=WRITE -DFREER=HOT_REMOVE | freed[
 * right | vmemmap walk, read, hotplug; hot-remove       | -DWALK=VMEMMAP -DKERNEL=READ -DHOTPLUG=READ -DFREER=HOT_REMOVE
 * wrong | vmemmap walk, write, hotplug second; hot-remove | -DWALK=VMEMMAP -DKERNEL=WRITE -DHOTPLUG=READ -DHOTPLUG_SECOND -DFREER=HOT_REMOVE | invalid end state
 * right | dump, write, hotplug; vmap                    | -DWALK=DUMP -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=VMAP
 * wrong | dump, read, hotplug; promotion                | -DWALK=DUMP -DKERNEL=READ -DHOTPLUG=READ -DFREER=PROMOTE | freed[
 * right | dump, write, hotplug; promotion               | -DWALK=DUMP -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=PROMOTE
 * wrong | dump, write, hotplug; promotion, old rule     | -DWALK=DUMP -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=PROMOTE_OLD | freed[
 * wrong | dump, read, hotplug; promotion, old rule      | -DWALK=DUMP -DKERNEL=READ -DHOTPLUG=READ -DFREER=PROMOTE_OLD | freed[
 * wrong | dump, write, no hotplug; hot-remove           | -DWALK=DUMP -DKERNEL=WRITE -DFREER=HOT_REMOVE | freed[
 * right | dump, write, hotplug; hot-remove              | -DWALK=DUMP -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=HOT_REMOVE
 * wrong | debug walk, the user mm's write lock; promotion | -DWALK=DEBUG -DUSER=WRITE -DHOTPLUG=READ -DFREER=PROMOTE | freed[
 * right | debug walk, both write locks; promotion       | -DWALK=DEBUG -DUSER=WRITE -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=PROMOTE
 * right | debug walk, both write locks; munmap          | -DWALK=DEBUG -DUSER=WRITE -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=MUNMAP
 * wrong | promotion takes a lock that it holds          | -DWALK=DUMP -DKERNEL=WRITE -DHOTPLUG=READ -DFREER=PROMOTE_NESTED | invalid end state
 */
#define VMA 1
#define GAPS 2
#define NOVMA 3
#define OWN 4
#define VMEMMAP 5
#define DUMP 6
#define DEBUG 7

#define NONE 0
#define READ 1
#define WRITE 2

#define MUNMAP 1
#define MUNMAP_WRITE 2
#define HOT_REMOVE 3
#define PROMOTE 4
#define PROMOTE_OLD 5
#define PROMOTE_NESTED 6
#define VMAP 7

#ifndef USER
#define USER NONE
#endif
#ifndef KERNEL
#define KERNEL NONE
#endif
#ifndef HOTPLUG
#define HOTPLUG NONE
#endif

/* ---- locks ---- */

#define HOTPLUG_LOCK 0
#define USER_LOCK 1
#define KERNEL_LOCK 2
#define LOCKS 3

byte readers[LOCKS], writers[LOCKS], waiting[LOCKS];

#define may_read(l) (writers[l] == 0 && waiting[l] == 0)
#define may_write(l) (writers[l] == 0 && readers[l] == 0)

inline read_lock(l) { atomic { may_read(l) -> readers[l]++ } }
inline read_unlock(l) { readers[l]-- }

inline write_lock(l) {
	waiting[l]++;
	atomic { may_write(l) -> waiting[l]--; writers[l]++ }
}

inline write_unlock(l) { writers[l]-- }
inline downgrade(l) { atomic { writers[l]--; readers[l]++ } }

inline lock(l, mode) {
	if
	:: mode == READ -> read_lock(l)
	:: mode == WRITE -> write_lock(l)
	:: mode == NONE
	fi
}

inline unlock(l, mode) {
	if
	:: mode == READ -> read_unlock(l)
	:: mode == WRITE -> write_unlock(l)
	:: mode == NONE
	fi
}

/* ---- tables ---- */

#define USER_TABLE 0    /* below the VMA */
#define OWN_TABLE 1     /* of the walker's vmap range */
#define OTHER_TABLE 2   /* of another's vmap range */
#define VMEMMAP_TABLE 3 /* of memory that can be removed */
#define TABLES 4

bool vma = true;
bool linked[TABLES] = true;
bool freed[TABLES];
bool leaf;              /* in other's table, or huge in its place */
bool huge;

inline free(table) {
	linked[table] = false;
	freed[table] = true
}

/* Read the entry above a table; go there; read two of its entries. */
inline look(table) {
	if
	:: linked[table] ->
		assert(!freed[table]);
		assert(!freed[table])
	:: else
	fi
}

proctype walker()
{
#ifndef HOTPLUG_SECOND
	lock(HOTPLUG_LOCK, HOTPLUG);
#endif
	lock(USER_LOCK, USER);
	lock(KERNEL_LOCK, KERNEL);
#ifdef HOTPLUG_SECOND
	lock(HOTPLUG_LOCK, HOTPLUG);
#endif
#if WALK == VMA
	if
	:: vma -> look(USER_TABLE)
	:: else
	fi;
#endif
#if WALK == GAPS || WALK == NOVMA || WALK == DEBUG
	look(USER_TABLE);
#endif
#if WALK == OWN
	look(OWN_TABLE);
#endif
#if WALK == DUMP || WALK == DEBUG
	look(OWN_TABLE);
	look(OTHER_TABLE);
#endif
#if WALK == VMEMMAP || WALK == DUMP || WALK == DEBUG
	look(VMEMMAP_TABLE);
#endif
	unlock(KERNEL_LOCK, KERNEL);
	unlock(USER_LOCK, USER);
	unlock(HOTPLUG_LOCK, HOTPLUG)
}

proctype freer()
{
#if FREER == MUNMAP
	write_lock(USER_LOCK);
	vma = false;
	downgrade(USER_LOCK);
	free(USER_TABLE);
	read_unlock(USER_LOCK)
#elif FREER == MUNMAP_WRITE
	write_lock(USER_LOCK);
	vma = false;
	free(USER_TABLE);
	write_unlock(USER_LOCK)
#elif FREER == HOT_REMOVE
	write_lock(HOTPLUG_LOCK);
	/* As who restores its optimised vmemmap first does. */
	read_lock(KERNEL_LOCK);
	read_unlock(KERNEL_LOCK);
	free(VMEMMAP_TABLE);
	write_unlock(HOTPLUG_LOCK)
#elif FREER == PROMOTE
	bool got;

	atomic { got = may_read(KERNEL_LOCK); readers[KERNEL_LOCK] = readers[KERNEL_LOCK] + got }
	if
	:: got ->
		free(OTHER_TABLE);
		huge = true;
		read_unlock(KERNEL_LOCK)
	:: else -> leaf = true /* small pages will do */
	fi;
	assert(huge != leaf)
#elif FREER == PROMOTE_OLD
	free(OTHER_TABLE);
	huge = true
#elif FREER == PROMOTE_NESTED
	read_lock(KERNEL_LOCK);
	read_lock(KERNEL_LOCK);
	free(OTHER_TABLE);
	huge = true;
	read_unlock(KERNEL_LOCK);
	read_unlock(KERNEL_LOCK)
#elif FREER == VMAP
	read_lock(KERNEL_LOCK);
	leaf = true;
	leaf = false;
	read_unlock(KERNEL_LOCK)
#else
#error "FREER?"
#endif
}

proctype writer()
{
	write_lock(KERNEL_LOCK);
	assert(readers[KERNEL_LOCK] == 0);
	write_unlock(KERNEL_LOCK)
}

init {
	atomic {
		run walker();
		run freer();
		run writer()
	}
}
