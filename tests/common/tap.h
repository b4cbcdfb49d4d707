/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

/*
 * For test programs that run on other machines too, where there is no cmocka:
 * cases, checks, and what they said as TAP. The first check that fails ends the
 * program.
 */

#include <stddef.h>
#include <stdint.h>

struct tap_case {
	const char *name;
	void (*run)(void);
};

#define TAP_CASE(fn)                                                                               \
	{                                                                                          \
#fn, fn                                                                            \
	}

#define CHECK(condition) ((condition) ? (void)0 : tap_fail(__FILE__, __LINE__, #condition))
#define CHECK_EQUAL(a, b)                                                                          \
	tap_check_equal(__FILE__, __LINE__, #a " is " #b, (uint64_t)(a), (uint64_t)(b))

_Noreturn void tap_fail(const char *file, int line, const char *what);
void tap_check_equal(const char *file, int line, const char *what, uint64_t a, uint64_t b);

/** @return what main() returns */
int tap_run(const struct tap_case *cases, size_t nr);

#endif
