/* SPDX-License-Identifier: BSD-2-Clause */
/* The longjmp() of a build that Debian hardens takes a jump to another stack for an attack. */
#undef _FORTIFY_SOURCE
#include "schedule/coroutine.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif
#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/*
 * ucontext makes the stacks, once; from then on setjmp and longjmp switch, which needs no
 * system call. A coroutine is begun by a jump to the frame at the bottom of its stack, which
 * never returns.
 */
#define OUTSIDE COROUTINE_MAX

struct coroutine {
	jmp_buf at, bottom;
	const char *depth; /* about where its stack ended when it was left */
};

static _Alignas(64) unsigned char stack[COROUTINE_MAX][COROUTINE_STACK];
static struct coroutine all[COROUTINE_MAX + 1];
static ucontext_t made[COROUTINE_MAX], maker;
static void (*coroutine_body)(unsigned id);
static unsigned running = OUTSIDE;

#if WITH_ASAN
static const void *outside_stack;
static size_t outside_size;

static void asan_leave(unsigned to)
{
	if (to == OUTSIDE)
		__sanitizer_start_switch_fiber(NULL, outside_stack, outside_size);
	else
		__sanitizer_start_switch_fiber(NULL, stack[to], COROUTINE_STACK);
}

static void asan_arrive(bool from_outside)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (from_outside) {
		outside_stack = bottom;
		outside_size = size;
	}
}
#else
static void asan_leave(unsigned to)
{
	(void)to;
}

static void asan_arrive(bool from_outside)
{
	(void)from_outside;
}
#endif

static void go(unsigned to, jmp_buf at)
{
	unsigned from = running;
	char here;

	all[from].depth = &here;
	if (_setjmp(all[from].at) == 0) {
		running = to;
		asan_leave(to);
		_longjmp(at, 1);
	}
	asan_arrive(false);
}

/* Of the coroutine that running says, when it is made. */
static void bottom(void)
{
	unsigned id = running;

	/* The first time, to be there; then for each time that it is begun. */
	if (_setjmp(all[id].bottom) == 0) {
		asan_arrive(true);
		asan_leave(OUTSIDE);
		swapcontext(&made[id], &maker);
	}
	asan_arrive(false);
	coroutine_body(running);
	abort();
}

void coroutine_init(void (*body)(unsigned id))
{
	coroutine_body = body;
	for (unsigned i = 0; i < COROUTINE_MAX; i++) {
		if (getcontext(&made[i]))
			abort();
		made[i].uc_stack.ss_sp = stack[i];
		made[i].uc_stack.ss_size = COROUTINE_STACK;
		makecontext(&made[i], bottom, 0);
		running = i;
		asan_leave(i);
		swapcontext(&maker, &made[i]);
		asan_arrive(false);
	}
	running = OUTSIDE;
}

void coroutine_switch(unsigned id)
{
	go(id, all[id].at);
}

void coroutine_begin(unsigned id)
{
#if WITH_ASAN
	ASAN_UNPOISON_MEMORY_REGION(stack[id], COROUTINE_STACK / 2);
#endif
	go(id, all[id].bottom);
}

void coroutine_leave(void)
{
	go(OUTSIDE, all[OUTSIDE].at);
}

bool coroutine_find(const volatile void *at, unsigned *ret_id, size_t *ret_offset)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)stack;

	if (offset >= sizeof(stack))
		return false;
	*ret_id = (unsigned)(offset / COROUTINE_STACK);
	*ret_offset = offset % COROUTINE_STACK;
	return true;
}

size_t coroutine_depth(unsigned id)
{
	return (size_t)((uintptr_t)all[id].depth - (uintptr_t)stack[id]);
}
