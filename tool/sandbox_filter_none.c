/* SPDX-License-Identifier: BSD-2-Clause */
/* Of a build without libseccomp, or for a machine that it does not know. */
#include "sandbox_filter.h"

const struct sock_filter sandbox_filter[1];
const unsigned short sandbox_filter_nr;
const unsigned sandbox_filter_own_pid;
