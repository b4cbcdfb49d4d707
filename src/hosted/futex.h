/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HOSTED_FUTEX_H
#define HOSTED_FUTEX_H

/* The platform's park and wake. */

#include <stdint.h>

void futex_park(void *ctx, const uint32_t *word, uint32_t expected);
void futex_wake(void *ctx, const uint32_t *word);

#endif
