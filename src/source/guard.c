/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The handler runs in a thread that is reading a mapping, so that mapping's
 * record cannot change under it. Others' can: version is odd while one
 * does, and a record seen changing is not the one.
 */
struct source_guard {
	struct source_guard *next; /* constant once it is in the list */
	atomic_bool taken;
	atomic_uint version;
	_Atomic(uintptr_t) first;
	_Atomic(size_t) size;
	_Atomic(size_t) limit;
};

/* Records only ever join this list; free ones are taken again. */
static _Atomic(struct source_guard *) guards;

static pthread_once_t handler_once = PTHREAD_ONCE_INIT;
static struct sigaction handler_before; /* constant once the handler is installed */
static size_t page_size;

/* Is the address in this mapping? False also while its record changes: then it is not the one. */
static bool guard_covers(struct source_guard *guard, uintptr_t address)
{
	unsigned version = atomic_load(&guard->version);
	uintptr_t first = atomic_load(&guard->first);
	size_t size = atomic_load(&guard->size);

	return !(version & 1) && version == atomic_load(&guard->version) && address >= first &&
	       address - first < size;
}

/*
 * Put zeroes in the place of a page that is gone. The limit goes first, so
 * that every reader of the zeroes sees it too.
 */
static bool guard_replace_page(uintptr_t address)
{
	struct source_guard *guard = atomic_load(&guards);
	uintptr_t page = address & ~(uintptr_t)(page_size - 1);

	while (guard && !guard_covers(guard, address))
		guard = guard->next;
	if (!guard)
		return false;
	source_guard_lower(guard, page - atomic_load(&guard->first));
	return mmap((void *)page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

/* A signal that is not ours goes where it went before this handler was installed. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	if (handler_before.sa_flags & SA_SIGINFO) {
		handler_before.sa_sigaction(sig, info, context);
	} else if (handler_before.sa_handler == SIG_DFL ||
		   (handler_before.sa_handler == SIG_IGN && info->si_code > 0)) {
		/* A fault cannot be ignored: it would come again and again. */
		signal(sig, SIG_DFL);
		raise(sig);
	} else if (handler_before.sa_handler != SIG_IGN) {
		handler_before.sa_handler(sig);
	}
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	/* The kernel's own have a positive code; others' have no address. */
	if (info->si_code <= 0 || !guard_replace_page((uintptr_t)info->si_addr))
		pass_on(sig, info, context);
	errno = saved_errno;
}

/* On the thread's alternative stack, if it has one: a reader may have little of its own left. */
static void install_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	page_size = (size_t)getpagesize();
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, NULL, &handler_before);
	sigaction(SIGBUS, &action, NULL);
}

/* Records are reused and never freed: the handler may be reading one that was just given back. */
static struct source_guard *guard_take(void)
{
	struct source_guard *guard;

	for (guard = atomic_load(&guards); guard; guard = guard->next) {
		bool taken = false;

		if (atomic_compare_exchange_strong(&guard->taken, &taken, true))
			return guard;
	}
	guard = calloc(1, sizeof(*guard));
	if (!guard)
		return NULL;
	atomic_store(&guard->taken, true);
	guard->next = atomic_load(&guards);
	while (!atomic_compare_exchange_weak(&guards, &guard->next, guard))
		;
	return guard;
}

/* The version is odd while first and size do not belong together. */
static void guard_set(struct source_guard *guard, uintptr_t first, size_t size)
{
	atomic_fetch_add(&guard->version, 1);
	atomic_store(&guard->first, first);
	atomic_store(&guard->size, size);
	atomic_store(&guard->limit, size);
	atomic_fetch_add(&guard->version, 1);
}

struct source_guard *source_guard_new(const void *bytes, size_t size)
{
	struct source_guard *guard;

	pthread_once(&handler_once, install_handler);
	guard = guard_take();
	if (guard)
		guard_set(guard, (uintptr_t)bytes, size);
	return guard;
}

void source_guard_free(struct source_guard *guard)
{
	if (!guard)
		return;
	guard_set(guard, 0, 0);
	atomic_store(&guard->taken, false);
}

size_t source_guard_limit(const struct source_guard *guard)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&guard->limit, memory_order_acquire);
}

void source_guard_lower(struct source_guard *guard, size_t limit)
{
	size_t before = atomic_load(&guard->limit);

	while (limit < before && !atomic_compare_exchange_weak(&guard->limit, &before, limit))
		;
}
