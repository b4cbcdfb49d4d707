/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROCESS_H
#define PROCESS_H

/* Processes of this machine as images: pid:N, self. Only dump knows what to do with them. */

#include "options.h"

/** Is it the name of one? A file of this name is ./self. */
bool process_is_named(const char *name);
/** Dump its pages. @return enum tool_status */
int process_dump(const struct options *opts);

#endif
