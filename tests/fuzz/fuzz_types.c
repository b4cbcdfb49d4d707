/* SPDX-License-Identifier: BSD-2-Clause */
/* BTF: the input is it, and then goes on from itself, as split BTF does from its base. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "system/linux/types.h"

static const char *const paths[] = { "a", "in.y", "next|d", "b.c.d", "z" };

static void look(const struct linux_types *types)
{
	uint32_t nr = linux_types_count(types);

	for (uint32_t id = 0; id <= nr && id < 4096; id++) {
		uint64_t size;

		linux_types_size(types, id, &size);
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			struct linux_member at;
			bool is_there = linux_types_member(types, id, paths[i], &at);

			FUZZ_CHECK(is_there == at.is_there);
			FUZZ_CHECK(is_there || (!at.offset && !at.size && !at.type));
		}
	}
	FUZZ_CHECK(linux_types_struct(types, "outer") < nr || nr < 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct linux_types *base = NULL, *types = NULL;
	struct pgw_error err = { 0 };

	if (linux_types_open(bytes, size, NULL, &base, &err) == 0) {
		look(base);
		if (linux_types_open(bytes, size, base, &types, &err) == 0)
			look(types);
		linux_types_free(types);
	} else {
		FUZZ_CHECK(err.status == -PGW_ENOEXEC && err.expected);
	}
	linux_types_free(base);
	return 0;
}
