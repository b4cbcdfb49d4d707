/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_LIBRARY_H
#define SOURCE_LIBRARY_H

/*
 * Shared libraries that are loaded when something needs them for the first
 * time: to start is half as fast for a program that is linked with five.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** A function of a library. */
struct library_symbol {
	const char *name;
	void *at; /* the pointer to it, filled in when the library is loaded */
};

#define LIBRARY_SYMBOL(table, function)                                                            \
	{                                                                                          \
#function, &(table).function                                                       \
	}

struct library {
	const char *soname;
	const struct library_symbol *symbols;
	size_t nr_symbols;
	atomic_int state;
};

/**
 * Load it, with all its symbols, if that was not tried yet. It stays until the program ends.
 * Any threads may call this.
 * @return is it there?
 */
bool library_load(struct library *library);

#endif
