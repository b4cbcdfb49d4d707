/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HOSTED_TABLES_H
#define HOSTED_TABLES_H

/* Memory for page tables, and the struct pgw_ptdesc of each: the platform's table hooks. */

#include <pagewalk/platform.h>

void *tables_alloc(void *ctx, size_t size);
void tables_free(void *ctx, void *table, size_t size);
struct pgw_ptdesc *tables_desc(void *ctx, void *table);

/** How many tables are allocated, and how many chunks of memory they are kept in. For tests. */
void tables_count(size_t *ret_tables, size_t *ret_chunks);

#endif
