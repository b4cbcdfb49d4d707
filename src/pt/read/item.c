/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/walk.h>

uint64_t pgw_item_load(const uint64_t *item)
{
	return __atomic_load_n(item, __ATOMIC_ACQUIRE);
}
