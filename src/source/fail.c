/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source.h"

#include <stdlib.h>

int source_fail(struct pgw_error *err, int status, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = status, .expected = expected };
	return status;
}

int source_fail_at(struct pgw_error *err, int status, uint64_t offset, uint64_t found,
		   const char *expected)
{
	if (err)
		*err = (struct pgw_error){
			.status = status,
			.has_offset = true,
			.has_found = true,
			.offset = offset,
			.found = found,
			.expected = expected,
		};
	return status;
}

int source_fail_kind(struct pgw_error *err, uint64_t offset, const char *kind, const char *advice)
{
	if (err)
		*err = (struct pgw_error){
			.status = -PGW_EOPNOTSUPP,
			.has_offset = true,
			.offset = offset,
			.kind = kind,
			.expected = advice,
		};
	return -PGW_EOPNOTSUPP;
}

int source_fail_read(struct pgw_error *err, uint64_t offset)
{
	if (err)
		*err = (struct pgw_error){
			.status = -PGW_EIO,
			.has_offset = true,
			.offset = offset,
			.expected =
				"bytes of the file, which became shorter, or was flattened and cut",
		};
	return -PGW_EIO;
}

int source_array_grow(void **array, size_t nr, size_t size)
{
	void *grown;

	/* Full when the number is a power of two, or 0. */
	if (nr & (nr - 1))
		return 0;
	grown = reallocarray(*array, nr ? nr * 2 : 1, size);
	if (!grown)
		return -PGW_ENOMEM;
	*array = grown;
	return 0;
}
