/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SHARING_H
#define BENCH_SHARING_H

/* What threads do to each other by a lock that all of them use, beside threads with a lock each. */

#include <pthread.h>

#include "harness.h"

/** Put thread n onto a CPU of its own, as far as there are CPUs. */
typedef void sharing_place_fn(pthread_t thread, unsigned n);

void measure_sharing(const struct bench *bench, sharing_place_fn *place);

#endif
