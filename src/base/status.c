/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/base.h>
#include <pagewalk/platform.h>

const char *pgw_status_text(int status)
{
	/* Negating towards the negative cannot overflow. */
	switch (status > 0 ? -status : status) {
	case PGW_OK:
		return "success";
	case -PGW_EPERM:
		return "a locking rule was broken";
	case -PGW_ENOENT:
		return "no such file or entry";
	case -PGW_EINTR:
		return "ended before it was done";
	case -PGW_EIO:
		return "cannot be read";
	case -PGW_E2BIG:
		return "cut short: the budget of table visits ran out";
	case -PGW_ENOEXEC:
		return "not a file of a known kind";
	case -PGW_ENOMEM:
		return "out of memory";
	case -PGW_EACCES:
		return "the page is guarded";
	case -PGW_EFAULT:
		return "nothing there allows the access";
	case -PGW_EBUSY:
		return "the lock is taken";
	case -PGW_EEXIST:
		return "something is mapped there already";
	case -PGW_EINVAL:
		return "an argument is wrong";
	case -PGW_EDEADLK:
		return "the thread holds the lock already";
	case -PGW_EOVERFLOW:
		return "a number is too large";
	case -PGW_EOPNOTSUPP:
		return "not supported";
	default:
		return "unknown status";
	}
}

const char *pgw_lock_mode_name(enum pgw_lock_mode mode)
{
	switch (mode) {
	case PGW_LOCK_NONE:
		return "none";
	case PGW_LOCK_READ:
		return "read";
	case PGW_LOCK_WRITE:
		return "write";
	case PGW_LOCK_DOWNGRADED:
		return "downgraded";
	case _PGW_LOCK_MODE_MAX:
		break;
	}
	return "unknown";
}
