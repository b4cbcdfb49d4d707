/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_COROUTINE_H
#define TESTS_SCHEDULE_COROUTINE_H

/*
 * Threads of control with stacks of their own, of which one runs at a time. Each can be begun
 * anew at any moment, wherever it stands: so a schedule that is given up costs nothing.
 */

#include <stdbool.h>
#include <stddef.h>

#define COROUTINE_MAX 4
#define COROUTINE_STACK (64u << 10)

/** @param body called each time that one is begun; must not return */
void coroutine_init(void (*body)(unsigned id));
/** Leave what runs now, which goes on when somebody switches to it; go to a coroutine. */
void coroutine_switch(unsigned id);
/** The same, but the coroutine begins anew. */
void coroutine_begin(unsigned id);
/** The same, to who called the first of these from outside. */
void coroutine_leave(void);

/** The offset of an address in a coroutine's stack. @return false: it is in none */
bool coroutine_find(const volatile void *at, unsigned *ret_id, size_t *ret_offset);
/** Where the stack of a coroutine that does not run ends: what is below is not in use. */
size_t coroutine_depth(unsigned id);

#endif
