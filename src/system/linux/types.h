/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_TYPES_H
#define SYSTEM_LINUX_TYPES_H

/*
 * Types of a kernel, by the BTF that it holds of itself: where the members of its structs are.
 *
 * The reader is our own: what it needs is one pass over the types and a search for a few members,
 * and every offset, number and length in BTF from a memory image is an attacker's.
 */

#include <pagewalk/base.h>

#include <stddef.h>

struct linux_types;

#define LINUX_TYPES_MAX_SIZE (UINT32_C(128) << 20) /* bytes of BTF that are looked at */

/**
 * Read BTF.
 *
 * @param bytes little or big endian; borrowed until linux_types_free()
 * @param base  split BTF (a module's): what it goes on from, borrowed; else NULL
 * @param ret   to be freed with linux_types_free()
 * @param err   offset: in bytes; may be NULL
 * @return 0, -PGW_ENOEXEC: not BTF, or none that holds together; -PGW_ENOMEM
 */
int linux_types_open(const void *bytes, size_t size, const struct linux_types *base,
		     struct linux_types **ret, struct pgw_error *err);
void linux_types_free(struct linux_types *types);

/** Types, those of the base and void too: the first number that is none. */
uint32_t linux_types_count(const struct linux_types *types);

/** A struct or a union by its name. @return its number, 0: there is none */
uint32_t linux_types_struct(const struct linux_types *types, const char *name);

/** Each value of an enum of this name, of the first that there is, in order. */
void linux_types_enum(const struct linux_types *types, const char *name,
		      void (*fn)(void *arg, const char *name, uint64_t value), void *arg);

/** Bytes that a type takes, through typedefs and arrays. @return false: it has no size */
bool linux_types_size(const struct linux_types *types, uint32_t id, uint64_t *ret);

/** Where a member is. All zero: it is not there, which is_there says. */
struct linux_member {
	bool is_there;
	uint8_t bit;  /* of a bit field: its first bit in the byte at offset, as BTF counts them */
	uint8_t bits; /* of a bit field: how many; else 0 */
	uint32_t offset; /* bytes */
	uint32_t size; /* bytes; of an array all of it; 0: it has none, or more than 32 bits tell */
	uint32_t type;
};

/**
 * A member of a struct, "name", or of its members, "f_path.dentry"; those of anonymous structs and
 * unions are found as if they were the outer one's. Of several alternatives, "__state|state", the
 * first that is there is taken.
 * @return ret->is_there
 */
bool linux_types_member(const struct linux_types *types, uint32_t id, const char *path,
			struct linux_member *ret);

/** A member that somebody needs. */
struct linux_wanted {
	const char *type; /* of a struct */
	const char *path; /* as linux_types_member(); NULL: the size of the struct, as size */
	size_t at;        /* where the struct linux_member is to be written */
	bool is_optional;
	const char *what; /* a static text for who misses it; or NULL */
};

/**
 * Look for all of them. Those that are not there are written as such.
 * @param ret_missing the first that is not there and not optional
 * @return is none missing?
 */
bool linux_types_fill(const struct linux_types *types, const struct linux_wanted *wanted, size_t nr,
		      void *into, const struct linux_wanted **ret_missing);

#endif
