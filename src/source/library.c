/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

enum state {
	NOT_TRIED, /* what a library begins with that says nothing */
	LOADED,
	MISSING,
};

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static bool find_symbols(const struct library *library, void *handle)
{
	for (size_t i = 0; i < library->nr_symbols; i++) {
		void *found = dlsym(handle, library->symbols[i].name);

		if (!found)
			return false;
		memcpy(library->symbols[i].at, &found, sizeof(found));
	}
	return true;
}

static enum state try_load(const struct library *library)
{
	void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return MISSING;
	if (find_symbols(library, handle))
		return LOADED;
	dlclose(handle);
	return MISSING;
}

bool library_load(struct library *library)
{
	int state = atomic_load_explicit(&library->state, memory_order_acquire);

	if (state != NOT_TRIED)
		return state == LOADED;
	pthread_mutex_lock(&loading);
	state = atomic_load_explicit(&library->state, memory_order_relaxed);
	if (state == NOT_TRIED) {
		state = (int)try_load(library);
		atomic_store_explicit(&library->state, state, memory_order_release);
	}
	pthread_mutex_unlock(&loading);
	return state == LOADED;
}
