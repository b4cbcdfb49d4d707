/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SALVAGE_H
#define TOOL_SALVAGE_H

#include <pagewalk/image.h>

/**
 * Of memory that should be readable, what is: every page of it is read. That of packed dumps
 * tells only then.
 * @param keep     ascending, without overlap; NULL: all memory
 * @param ret_list to be freed with free(); may be NULL if there is none
 * @param ret_lost bytes that could not be read
 * @return 0 or -PGW_ENOMEM
 */
int salvage(const struct pgw_phys *phys, const struct pgw_pa_range *keep, size_t nr_keep,
	    struct pgw_pa_range **ret_list, size_t *ret_nr, uint64_t *ret_lost);

#endif
