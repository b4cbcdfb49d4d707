/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/hosted.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAME_AS_ERRNO(name) _Static_assert(PGW_##name == (name), "PGW_" #name " is not Linux's")

SAME_AS_ERRNO(EPERM);
SAME_AS_ERRNO(ENOENT);
SAME_AS_ERRNO(EIO);
SAME_AS_ERRNO(E2BIG);
SAME_AS_ERRNO(ENOEXEC);
SAME_AS_ERRNO(ENOMEM);
SAME_AS_ERRNO(EACCES);
SAME_AS_ERRNO(EFAULT);
SAME_AS_ERRNO(EBUSY);
SAME_AS_ERRNO(EEXIST);
SAME_AS_ERRNO(EINVAL);
SAME_AS_ERRNO(EDEADLK);
SAME_AS_ERRNO(EOVERFLOW);
SAME_AS_ERRNO(EOPNOTSUPP);

/** What errno says, or the empty string. */
static const char *os_text(int os_errno, char *buf, size_t size)
{
	*buf = '\0';
	/* The POSIX strerror_r(): returns 0 and fills in the buffer. */
	if (os_errno && strerror_r(os_errno, buf, size))
		snprintf(buf, size, "errno %d", os_errno);
	return buf;
}

int pgw_error_format(const struct pgw_error *err, char *buf, size_t size)
{
	char where[40] = "";
	char found[40] = "";
	char os_buf[128];
	const char *os = os_text(err->os_errno, os_buf, sizeof(os_buf));

	if (err->has_offset)
		snprintf(where, sizeof(where), "offset 0x%" PRIx64 ": ", err->offset);
	if (err->has_found)
		snprintf(found, sizeof(found), ", found 0x%" PRIx64, err->found);

	if (!err->expected)
		return snprintf(buf, size, "%s%s%s", where, *os ? os : pgw_status_text(err->status),
				found);
	if (err->kind)
		return snprintf(buf, size, "%s%s: %s", where, err->kind, err->expected);
	return snprintf(buf, size, "%sexpected %s%s%s%s%s", where, err->expected, found,
			*os ? " (" : "", os, *os ? ")" : "");
}

static const char *kind_name(enum pgw_mm_kind kind)
{
	static const char *const names[_PGW_MM_KIND_MAX] = {
		[PGW_MM_OWNED] = "owned",
		[PGW_MM_SNAPSHOT] = "snapshot",
		[PGW_MM_LIVE] = "live",
	};

	return names[kind];
}

static const char *region_name(enum pgw_region_kind kind)
{
	static const char *const names[_PGW_REGION_MAX] = {
		[PGW_REGION_USER] = "user",
		[PGW_REGION_KERNEL] = "kernel",
		[PGW_REGION_FOREIGN] = "foreign",
	};

	return names[kind];
}

int pgw_violation_format(const struct pgw_violation *violation, char *buf, size_t size)
{
	bool other = violation->mode == PGW_LOCK_NONE && violation->lock_taken;
	bool of_file = violation->mapping != NULL;

	return snprintf(buf, size, "locking rule %s broken in %s: %s (%s%s%s%s, lock held: %s%s)",
			violation->rule_name, violation->function, violation->rule_text,
			of_file ? "" : kind_name(violation->kind), of_file ? "" : " ",
			of_file ? "file mapping" : region_name(violation->region),
			of_file ? "" : " mm", pgw_lock_mode_name(violation->mode),
			other ? "; another thread holds it" : "");
}
