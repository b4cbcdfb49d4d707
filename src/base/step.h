/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_STEP_H
#define BASE_STEP_H

/*
 * Every atomic access of base, pt, mm and kernel. They are the compiler's own and no more:
 * the library is the same to the byte with this file and without (scripts/check-steps). The
 * names and arguments are those of the compiler's builtins, without __atomic.
 *
 * tests/schedule compiles the sources with a header of its own before them, which defines
 * PGW_STEP_HOOKS and gives each access to a scheduler, as a place where another thread may
 * come between. What threads do to each other otherwise goes through the platform's hooks:
 * park, wake, tlb_flush, and the memory that one frees and another looks at.
 */

#ifndef PGW_STEP_HOOKS
#define step_load_n(at, order) __atomic_load_n(at, order)
#define step_store_n(at, value, order) __atomic_store_n(at, value, order)
#define step_exchange_n(at, value, order) __atomic_exchange_n(at, value, order)
#define step_compare_exchange_n(at, expected, value, weak, order, order_failed)                    \
	__atomic_compare_exchange_n(at, expected, value, weak, order, order_failed)
#define step_fetch_add(at, value, order) __atomic_fetch_add(at, value, order)
#define step_fetch_sub(at, value, order) __atomic_fetch_sub(at, value, order)
#define step_fetch_and(at, value, order) __atomic_fetch_and(at, value, order)
#define step_fetch_or(at, value, order) __atomic_fetch_or(at, value, order)
#define step_sub_fetch(at, value, order) __atomic_sub_fetch(at, value, order)
#define step_or_fetch(at, value, order) __atomic_or_fetch(at, value, order)
#define step_thread_fence(order) __atomic_thread_fence(order)
/* For the compiler alone: the platform's cpu_barrier does the rest. */
#define step_signal_fence(order) __atomic_signal_fence(order)
/* How often to look before going to sleep: every look is alike to the other threads. */
#define STEP_SPINS(nr) (nr)
/* How often something may happen before something else has to. */
#define STEP_LIMIT(nr) (nr)
#endif

#endif
