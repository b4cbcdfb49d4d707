/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Compiled into every test that uses cmocka, which has no such variable of its
 * own: PGW_TEST_FILTER in the environment has the cases run that match it
 * (* and ? as in a shell), and no others.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static __attribute__((constructor)) void set_filter(void)
{
	const char *filter = getenv("PGW_TEST_FILTER");

	if (filter)
		cmocka_set_test_filter(filter);
}
