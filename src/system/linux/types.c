/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/types.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* The header, as include/uapi/linux/btf.h of Linux documents it. */
#define BTF_MAGIC 0xeb9f
#define IN_BTF " at this offset of the BTF"
#define BTF_VERSION 1
#define HDR_VERSION 2
#define HDR_LEN 4
#define HDR_TYPE_OFF 8
#define HDR_TYPE_LEN 12
#define HDR_STR_OFF 16
#define HDR_STR_LEN 20
#define HDR_SIZE 24

/* A type: name, info, size or type; then what its kind adds. */
#define TYPE_SIZE 12
#define TYPE_INFO 4
#define TYPE_REF 8 /* size or type */
#define MEMBER_SIZE 12
#define ARRAY_NR 8 /* struct btf_array {type, index_type, nelems} behind the type */

enum btf_kind {
	KIND_VOID = 0,
	KIND_INT = 1,
	KIND_PTR = 2,
	KIND_ARRAY = 3,
	KIND_STRUCT = 4,
	KIND_UNION = 5,
	KIND_ENUM = 6,
	KIND_TYPEDEF = 8,
	KIND_VOLATILE = 9,
	KIND_CONST = 10,
	KIND_RESTRICT = 11,
	KIND_FLOAT = 16,
	KIND_TYPE_TAG = 18,
	KIND_ENUM64 = 19,
	_KIND_MAX = 20,
};

/* Bytes behind a type: once, and for each of vlen. A kind that is not known cannot be passed over. */
static const uint8_t kind_once[_KIND_MAX] = { [1] = 4, [3] = 12, [14] = 4, [17] = 4 };
static const uint8_t kind_each[_KIND_MAX] = {
	[4] = 12, [5] = 12, [6] = 8, [13] = 8, [15] = 12, [19] = 12
};

#define MAX_CHAIN 32     /* typedefs, qualifiers, arrays in arrays: far more than C programs have */
#define MAX_ANONYMOUS 64 /* structs and unions without a name in one struct */

/* A struct or a union with a name. */
struct named {
	uint32_t hash;
	uint32_t id;
};

struct linux_types {
	const struct linux_types *base;
	const uint8_t *types;
	const uint8_t *strings;
	uint32_t types_size, strings_size;
	uint32_t first_id;     /* the base's count, or 1: void is 0 */
	uint32_t nr;           /* of its own */
	uint32_t first_string; /* the base's strings end there */
	uint32_t *at;          /* of each, its offset in types */
	struct named *named;   /* in order of number */
	uint32_t nr_named;
	bool is_big;
};

/* A type, taken apart. */
struct type {
	enum btf_kind kind;
	bool kind_flag;
	uint32_t vlen;
	uint32_t name;
	uint32_t ref; /* size or type */
	const uint8_t *more;
	const struct linux_types *of; /* whose bytes they are */
};

static uint32_t load(const struct linux_types *types, const uint8_t *at)
{
	return types->is_big ? load_be32(at) : load_le32(at);
}

static int fail(struct pgw_error *err, uint64_t offset, uint64_t found, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = -PGW_ENOEXEC,
					   .has_offset = true,
					   .has_found = true,
					   .offset = offset,
					   .found = found,
					   .expected = expected };
	return -PGW_ENOEXEC;
}

static void type_take(const struct linux_types *types, const uint8_t *at, struct type *ret)
{
	uint32_t info = load(types, at + TYPE_INFO);

	ret->kind = (enum btf_kind)(info >> 24 & 0x1f);
	ret->kind_flag = info >> 31;
	ret->vlen = info & 0xffff;
	ret->name = load(types, at);
	ret->ref = load(types, at + TYPE_REF);
	ret->more = at + TYPE_SIZE;
	ret->of = types;
}

static bool type_get(const struct linux_types *types, uint32_t id, struct type *ret)
{
	while (types && id < types->first_id)
		types = types->base;
	if (!types || id - types->first_id >= types->nr)
		return false;
	type_take(types, types->types + types->at[id - types->first_id], ret);
	return true;
}

/* All strings end in a NUL inside the section, which open() made sure of. */
static const char *string_get(const struct linux_types *types, uint32_t offset)
{
	while (types && offset < types->first_string)
		types = types->base;
	if (!types || offset - types->first_string >= types->strings_size)
		return "";
	return (const char *)types->strings + (offset - types->first_string);
}

#define HASHED 128 /* bytes of a name: many types may have one that never ends */

static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261;

	for (unsigned i = 0; i < HASHED && name[i]; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619;
	return hash;
}

/* Where the sections are. */
static int header_read(struct linux_types *types, const uint8_t *bytes, size_t size,
		       struct pgw_error *err)
{
	uint64_t hdr_len, type_off, str_off;

	if (size < HDR_SIZE || size > LINUX_TYPES_MAX_SIZE)
		return fail(err, 0, size, "BTF of 24 bytes to 128 MiB");
	types->is_big = bytes[0] == BTF_MAGIC >> 8;
	if ((types->is_big ? bytes[1] : bytes[0]) != (BTF_MAGIC & 0xff) ||
	    (types->is_big ? bytes[0] : bytes[1]) != BTF_MAGIC >> 8)
		return fail(err, 0, load_le16(bytes), "the magic number 0xeb9f" IN_BTF);
	if (bytes[HDR_VERSION] != BTF_VERSION)
		return fail(err, HDR_VERSION, bytes[HDR_VERSION], "version 1" IN_BTF);
	hdr_len = load(types, bytes + HDR_LEN);
	type_off = hdr_len + load(types, bytes + HDR_TYPE_OFF);
	str_off = hdr_len + load(types, bytes + HDR_STR_OFF);
	types->types_size = load(types, bytes + HDR_TYPE_LEN);
	types->strings_size = load(types, bytes + HDR_STR_LEN);
	if (hdr_len < HDR_SIZE || type_off > size || size - type_off < types->types_size)
		return fail(err, HDR_TYPE_OFF, type_off,
			    "where types are, inside of the BTF," IN_BTF);
	if (str_off > size || size - str_off < types->strings_size)
		return fail(err, HDR_STR_OFF, str_off,
			    "where strings are, inside of the BTF," IN_BTF);
	types->types = bytes + type_off;
	types->strings = bytes + str_off;
	if (!types->strings_size || types->strings[types->strings_size - 1])
		return fail(err, str_off, types->strings_size,
			    "strings, which end with a NUL," IN_BTF);
	return 0;
}

/* Bytes that a type of a known kind takes. */
static uint64_t type_span(const struct type *type)
{
	return TYPE_SIZE + kind_once[type->kind] + (uint64_t)kind_each[type->kind] * type->vlen;
}

/* The type at an offset. @return false: it does not fit, or is of no known kind */
static bool type_check(const struct linux_types *types, uint32_t at, struct type *ret)
{
	if (types->types_size - at < TYPE_SIZE)
		return false;
	type_take(types, types->types + at, ret);
	return ret->kind != KIND_VOID && ret->kind < _KIND_MAX &&
	       type_span(ret) <= types->types_size - at;
}

static bool is_struct(const struct type *type)
{
	return type->kind == KIND_STRUCT || type->kind == KIND_UNION;
}

/* Count them first: what is allocated follows from the types that are there. */
static int types_count(struct linux_types *types, struct pgw_error *err)
{
	struct type type;

	for (uint32_t at = 0; at < types->types_size; at += (uint32_t)type_span(&type)) {
		if (!type_check(types, at, &type))
			return fail(err, at, types->nr,
				    "a type of a known kind, all of it," IN_BTF);
		types->nr++;
		types->nr_named += is_struct(&type) && type.name;
	}
	return 0;
}

static int types_index(struct linux_types *types)
{
	uint32_t at = 0, nr_named = 0;
	struct type type;

	types->at = malloc(((size_t)types->nr + 1) * sizeof(*types->at));
	types->named = malloc(((size_t)types->nr_named + 1) * sizeof(*types->named));
	if (!types->at || !types->named)
		return -PGW_ENOMEM;
	for (uint32_t i = 0; i < types->nr; i++) {
		types->at[i] = at;
		type_take(types, types->types + at, &type);
		at += (uint32_t)type_span(&type);
		if (is_struct(&type) && type.name)
			types->named[nr_named++] =
				(struct named){ name_hash(string_get(types, type.name)),
						types->first_id + i };
	}
	return 0;
}

int linux_types_open(const void *bytes, size_t size, const struct linux_types *base,
		     struct linux_types **ret, struct pgw_error *err)
{
	struct linux_types *types = calloc(1, sizeof(*types));
	int status;

	if (!types)
		return -PGW_ENOMEM;
	types->base = base;
	types->first_id = base ? linux_types_count(base) : 1;
	types->first_string = base ? base->first_string + base->strings_size : 0;
	status = header_read(types, bytes, size, err);
	if (!status)
		status = types_count(types, err);
	if (!status)
		status = types_index(types);
	if (status) {
		linux_types_free(types);
		return status;
	}
	*ret = types;
	return 0;
}

void linux_types_free(struct linux_types *types)
{
	if (!types)
		return;
	free(types->at);
	free(types->named);
	free(types);
}

uint32_t linux_types_count(const struct linux_types *types)
{
	return types->first_id + types->nr;
}

uint32_t linux_types_struct(const struct linux_types *types, const char *name)
{
	uint32_t hash = name_hash(name);

	for (; types; types = types->base) {
		for (uint32_t i = 0; i < types->nr_named; i++) {
			struct type type;

			if (types->named[i].hash == hash &&
			    type_get(types, types->named[i].id, &type) &&
			    strcmp(string_get(types, type.name), name) == 0)
				return types->named[i].id;
		}
	}
	return 0;
}

void linux_types_enum(const struct linux_types *types, const char *name,
		      void (*fn)(void *arg, const char *name, uint64_t value), void *arg)
{
	const uint32_t nr = linux_types_count(types);
	const uint32_t each = kind_each[KIND_ENUM];
	struct type type;

	for (uint32_t id = 1; id < nr; id++) {
		if (!type_get(types, id, &type) || type.kind != KIND_ENUM || !type.name ||
		    strcmp(string_get(types, type.name), name) != 0)
			continue;
		for (uint32_t i = 0; i < type.vlen; i++) {
			const uint8_t *at = type.more + (size_t)i * each;

			fn(arg, string_get(type.of, load(type.of, at)), load(type.of, at + 4));
		}
		return;
	}
}

/* Through what gives a type another name, or qualifies it. False: nothing is there. */
static bool type_resolve(const struct linux_types *types, uint32_t *id, struct type *ret)
{
	for (unsigned i = 0; i < MAX_CHAIN && type_get(types, *id, ret); i++) {
		switch (ret->kind) {
		case KIND_TYPEDEF:
		case KIND_VOLATILE:
		case KIND_CONST:
		case KIND_RESTRICT:
		case KIND_TYPE_TAG:
			*id = ret->ref;
			break;
		default:
			return true;
		}
	}
	return false;
}

bool linux_types_size(const struct linux_types *types, uint32_t id, uint64_t *ret)
{
	uint64_t nr = 1;
	struct type type;

	for (unsigned i = 0; i < MAX_CHAIN && type_resolve(types, &id, &type); i++) {
		switch (type.kind) {
		case KIND_INT:
		case KIND_STRUCT:
		case KIND_UNION:
		case KIND_ENUM:
		case KIND_ENUM64:
		case KIND_FLOAT:
			return !mul_overflows(nr, type.ref, ret);
		case KIND_PTR:
			return !mul_overflows(nr, 8, ret);
		case KIND_ARRAY:
			if (mul_overflows(nr, load(type.of, type.more + ARRAY_NR), &nr))
				return false;
			id = load(type.of, type.more);
			break;
		default:
			return false;
		}
	}
	return false;
}

/* Structs in which a member is looked for: the outer one, and those in it without a name. */
struct search {
	const struct linux_types *types;
	const char *name;
	size_t len;
	uint32_t id[MAX_ANONYMOUS];
	uint64_t bit[MAX_ANONYMOUS]; /* where it is in the outer one */
	unsigned nr;
};

static bool name_is(const struct search *search, const struct type *outer, uint32_t name)
{
	const char *has = string_get(outer->of, name);

	return strncmp(has, search->name, search->len) == 0 && !has[search->len];
}

static void member_take(const struct linux_types *types, uint64_t bit, uint32_t id, unsigned bits,
			struct linux_member *ret)
{
	uint64_t size;

	*ret = (struct linux_member){ .type = id, .bits = (uint8_t)bits };
	ret->is_there = bit / 8 <= UINT32_MAX;
	ret->offset = (uint32_t)(bit / 8);
	ret->bit = bit % 8;
	if (linux_types_size(types, id, &size) && size <= UINT32_MAX)
		ret->size = (uint32_t)size;
}

/* The members of one; those without a name are queued. */
static bool search_one(struct search *search, unsigned index, struct linux_member *ret)
{
	uint32_t id = search->id[index];
	struct type outer;

	if (!type_resolve(search->types, &id, &outer) || !is_struct(&outer))
		return false;
	for (uint32_t i = 0; i < outer.vlen; i++) {
		const uint8_t *at = outer.more + (size_t)i * MEMBER_SIZE;
		uint32_t name = load(outer.of, at), type = load(outer.of, at + 4);
		uint32_t offset = load(outer.of, at + 8);
		unsigned bits = outer.kind_flag ? offset >> 24 : 0;
		uint64_t bit = search->bit[index] +
			       (outer.kind_flag ? offset & UINT32_C(0xffffff) : offset);

		if (!name && search->nr < MAX_ANONYMOUS) {
			search->id[search->nr] = type;
			search->bit[search->nr++] = bit;
		} else if (name && name_is(search, &outer, name)) {
			member_take(search->types, bit, type, bits, ret);
			return ret->is_there;
		}
	}
	return false;
}

static bool member_find(const struct linux_types *types, uint32_t id, const char *name, size_t len,
			struct linux_member *ret)
{
	struct search search = { .types = types, .name = name, .len = len, .id = { id }, .nr = 1 };

	for (unsigned i = 0; i < search.nr; i++)
		if (search_one(&search, i, ret))
			return true;
	return false;
}

/* One alternative. */
static bool path_find(const struct linux_types *types, uint32_t id, const char *path, size_t len,
		      struct linux_member *ret)
{
	uint64_t offset = 0;

	for (;;) {
		const char *dot = memchr(path, '.', len);
		size_t n = dot ? (size_t)(dot - path) : len;

		if (!member_find(types, id, path, n, ret) || (offset += ret->offset) > UINT32_MAX)
			return false;
		ret->offset = (uint32_t)offset;
		if (!dot)
			return true;
		path += n + 1;
		len -= n + 1;
		id = ret->type;
	}
}

bool linux_types_member(const struct linux_types *types, uint32_t id, const char *path,
			struct linux_member *ret)
{
	for (;;) {
		const char *bar = strchr(path, '|');
		size_t len = bar ? (size_t)(bar - path) : strlen(path);

		if (path_find(types, id, path, len, ret))
			return true;
		if (!bar)
			break;
		path = bar + 1;
	}
	*ret = (struct linux_member){ 0 };
	return false;
}

static bool wanted_find(const struct linux_types *types, uint32_t id,
			const struct linux_wanted *wanted, struct linux_member *ret)
{
	uint64_t size;

	*ret = (struct linux_member){ 0 };
	if (!id)
		return false;
	if (wanted->path)
		return linux_types_member(types, id, wanted->path, ret);
	ret->is_there = linux_types_size(types, id, &size) && size <= UINT32_MAX;
	ret->size = ret->is_there ? (uint32_t)size : 0;
	ret->type = id;
	return ret->is_there;
}

bool linux_types_fill(const struct linux_types *types, const struct linux_wanted *wanted, size_t nr,
		      void *into, const struct linux_wanted **ret_missing)
{
	const char *last = NULL;
	bool is_whole = true;
	uint32_t id = 0;

	for (size_t i = 0; i < nr; i++) {
		struct linux_member member;

		/* Those of one struct stand together. */
		if (!last || strcmp(last, wanted[i].type) != 0)
			id = linux_types_struct(types, wanted[i].type);
		last = wanted[i].type;
		if (!wanted_find(types, id, &wanted[i], &member) && !wanted[i].is_optional &&
		    is_whole) {
			is_whole = false;
			*ret_missing = &wanted[i];
		}
		memcpy((char *)into + wanted[i].at, &member, sizeof(member));
	}
	return is_whole;
}
