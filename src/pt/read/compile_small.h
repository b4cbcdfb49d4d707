/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_COMPILE_SMALL_H
#define PT_COMPILE_SMALL_H

/*
 * What reads tables is to stay small, and what changes those that are no CPU's own: gcc's -O3 copies
 * loops. Included first by each inst_<format>.c, and by some edit_<format>.c: the pragma is for all
 * functions after it, the format's too.
 */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("O2")
#endif

#endif
