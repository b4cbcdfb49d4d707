/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/walk.h>

#include "base/step.h"

uint64_t pgw_item_load(const uint64_t *item)
{
	return step_load_n(item, __ATOMIC_ACQUIRE);
}
