/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_STEP_HOOKS_H
#define TESTS_SCHEDULE_STEP_HOOKS_H

/*
 * What base/step.h becomes when the library is compiled for the scheduler: read by the
 * compiler before every source file. Each access goes to schedule.c, as a value of 64 bits.
 */

#include <stdbool.h>
#include <stdint.h>

#define PGW_STEP_HOOKS

enum step_rmw { STEP_EXCHANGE, STEP_ADD, STEP_SUB, STEP_AND, STEP_OR };

uint64_t schedule_load(const volatile void *at, unsigned size, int order);
void schedule_store(volatile void *at, unsigned size, uint64_t value, int order);
/* @return the value before */
uint64_t schedule_rmw(volatile void *at, unsigned size, enum step_rmw what, uint64_t value,
		      int order);
bool schedule_cas(volatile void *at, void *expected, unsigned size, uint64_t value, int order,
		  int order_failed);
void schedule_fence(int order);

/* The type of what a pointer points to, without qualifiers; and its value as a number, and back. */
#define step_typeof(at) __typeof__(((void)0, *(at)))
#define step_word(value) ((uint64_t)(uintptr_t)(value))
#define step_value(at, word) ((step_typeof(at))(uintptr_t)(word))

#define step_load_n(at, order) step_value(at, schedule_load(at, sizeof(*(at)), order))
#define step_store_n(at, value, order)                                                             \
	schedule_store(at, sizeof(*(at)), step_word((step_typeof(at))(value)), order)
#define step_rmw_n(at, what, value, order)                                                         \
	schedule_rmw(at, sizeof(*(at)), what, step_word((step_typeof(at))(value)), order)
#define step_exchange_n(at, value, order)                                                          \
	step_value(at, step_rmw_n(at, STEP_EXCHANGE, value, order))
#define step_fetch_add(at, value, order) step_value(at, step_rmw_n(at, STEP_ADD, value, order))
#define step_fetch_sub(at, value, order) step_value(at, step_rmw_n(at, STEP_SUB, value, order))
#define step_fetch_and(at, value, order) step_value(at, step_rmw_n(at, STEP_AND, value, order))
#define step_fetch_or(at, value, order) step_value(at, step_rmw_n(at, STEP_OR, value, order))
#define step_sub_fetch(at, value, order)                                                           \
	((step_typeof(at))(step_fetch_sub(at, value, order) - (step_typeof(at))(value)))
#define step_or_fetch(at, value, order)                                                            \
	((step_typeof(at))(step_fetch_or(at, value, order) | (step_typeof(at))(value)))
#define step_compare_exchange_n(at, expected, value, weak, order, order_failed)                    \
	schedule_cas(at, expected, sizeof(*(at)), step_word((step_typeof(at))(value)), order,      \
		     order_failed)
#define step_thread_fence(order) schedule_fence(order)
/* A store before it may be kept back past the load after it. */
#define step_signal_fence(order) ((void)(order))
/* Looks that see the same are alike to the other threads. */
#define STEP_SPINS(nr) 1
#define STEP_LIMIT(nr) 1

#endif
