/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HOSTED_BARRIER_H
#define HOSTED_BARRIER_H

/* The platform's cpu_barrier. */

#include <stdbool.h>

/** Ask the kernel for such barriers, once; again is harmless. @return whether it will make them */
bool barrier_register(void);
void barrier_run(void *ctx);

#endif
