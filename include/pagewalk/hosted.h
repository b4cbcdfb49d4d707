/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_HOSTED_H
#define PAGEWALK_HOSTED_H

/**
 * @file
 * The platform for ordinary programs: malloc, futex, thread-local state.
 */

#include <pagewalk/platform.h>
#include <pagewalk/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The platform of this process; static, thread-safe. Its violation handler
 * prints the broken rule to standard error and aborts. To replace that or any
 * other hook, copy the struct and change the copy.
 */
PGW_API const struct pgw_platform *pgw_hosted_platform(void);

/**
 * Threads for pgw_scan_parallel() and the like, started for each call.
 * @param nr_threads at most, the calling one included; 0 = one for each CPU that may be used
 */
PGW_API struct pgw_scan_workers pgw_hosted_workers(unsigned nr_threads);

/** Write a violation as one line of text, without a newline. Returns as snprintf does. */
PGW_API int pgw_violation_format(const struct pgw_violation *violation, char *buf, size_t size);

/** Write an error as one line of text, without file name or newline. Returns as snprintf does. */
PGW_API int pgw_error_format(const struct pgw_error *err, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
