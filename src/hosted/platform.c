/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bits.h"
#include "hosted/barrier.h"
#include "hosted/futex.h"
#include "hosted/tables.h"

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif

static void *obj_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	(void)ctx;
	(void)size;
	free(obj);
}

/* ---- threads ---- */

static struct pgw_epoch epoch;

/*
 * Found without a call, also in a shared library: some 200 bytes of what glibc keeps for such
 * variables of libraries that are loaded late.
 */
#if defined(__GLIBC__)
#define OWN_TLS __attribute__((tls_model("initial-exec")))
#else
#define OWN_TLS
#endif

/** What a thread has of its own; all zero at first. */
static _Thread_local OWN_TLS struct {
	_Alignas(64) struct pgw_thread thread;
	bool is_registered; /* thread_end() will be called */
} self;

static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static pthread_key_t end_key;

static void thread_end(void *value)
{
	(void)value;
	pgw_thread_exit(pgw_hosted_platform());
	self.is_registered = false; /* other destructors may use the library again */
}

static void end_key_init(void)
{
	if (pthread_key_create(&end_key, thread_end))
		abort();
}

/* See to it that the thread is forgotten when it ends. */
static PGW_NOINLINE void thread_register(void)
{
	pthread_once(&end_once, end_key_init);
	/* Without memory for it the next call tries again. */
	self.is_registered = !pthread_setspecific(end_key, &self);
}

static struct pgw_thread *current(void *ctx)
{
	(void)ctx;
	if (pgw_unlikely(!self.is_registered))
		thread_register();
	return &self.thread;
}

static void violation_abort(void *ctx, const struct pgw_violation *violation)
{
	char line[512];

	(void)ctx;
	pgw_violation_format(violation, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
	abort();
}

/* What the registers of this CPU may be used for; a process may use all. */
#if defined(__x86_64__)
#define HOSTED_FEATURES PGW_CPU_AVX2
static bool has_features(void)
{
#if __has_include(<sys/platform/x86.h>)
	/* The C library has asked the CPU, which costs an exit from a virtual machine each time. */
	return CPU_FEATURE_ACTIVE(AVX2);
#else
	return __builtin_cpu_supports("avx2");
#endif
}
#elif defined(__aarch64__)
#define HOSTED_FEATURES PGW_CPU_NEON
static bool has_features(void)
{
	return true;
}
#else
#define HOSTED_FEATURES 0
static bool has_features(void)
{
	return false;
}
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/* The thread sanitizer takes a vector load of words that others change for a race. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define HOSTED_MAY_USE_VECTORS false
#else
#define HOSTED_MAY_USE_VECTORS true
#endif

#define HOSTED_PLATFORM(features, without_memo, barrier)                                           \
	{                                                                                          \
		.table_alloc = tables_alloc, .table_free = tables_free, .table_desc = tables_desc, \
		.obj_alloc = obj_alloc, .obj_free = obj_free, .table_offset = 0,                   \
		.cpu_features = (features), .no_memo = (without_memo), .park = futex_park,         \
		.wake = futex_wake, .current = current, .cpu_barrier = (barrier), .epoch = &epoch, \
		.violation = violation_abort,                                                      \
	}

#define HOSTED_PLATFORMS(features, barrier)                                                        \
	{                                                                                          \
		HOSTED_PLATFORM(features, false, barrier),                                         \
			HOSTED_PLATFORM(features, true, barrier)                                   \
	}

/* By: vectors, barrier, no memo. All constant, so that no thread has to be the first. */
static const struct pgw_platform hosted_platforms[2][2][2] = {
	{ HOSTED_PLATFORMS(0, NULL), HOSTED_PLATFORMS(0, barrier_run) },
	{ HOSTED_PLATFORMS(HOSTED_FEATURES, NULL), HOSTED_PLATFORMS(HOSTED_FEATURES, barrier_run) },
};

/* For tests, see docs/testing.md: a word of PAGEWALK_PATHS. */
static bool paths_have(const char *word)
{
	const char *paths = getenv("PAGEWALK_PATHS");
	size_t len = strlen(word);

	for (; paths && *paths; paths += strcspn(paths, ","), paths += *paths == ',') {
		if (strncmp(paths, word, len) == 0 && (paths[len] == ',' || !paths[len]))
			return true;
	}
	return false;
}

static const struct pgw_platform *platform_choose(void)
{
	bool vectors = HOSTED_MAY_USE_VECTORS && has_features() && !paths_have("scalar");

	bool barrier = !paths_have("nobarrier") && barrier_register();

	return &hosted_platforms[vectors][barrier][paths_have("nomemo")];
}

const struct pgw_platform *pgw_hosted_platform(void)
{
	static const struct pgw_platform *chosen;
	const struct pgw_platform *ret = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	/* Threads that choose at the same time choose the same, which was always there. */
	if (pgw_unlikely(!ret)) {
		ret = platform_choose();
		__atomic_store_n(&chosen, ret, __ATOMIC_RELAXED);
	}
	return ret;
}
