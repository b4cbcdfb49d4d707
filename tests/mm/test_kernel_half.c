/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The kernel's half in user roots: where a format keeps both halves in one
 * root, hardware that runs on a user mm's root finds the kernel there, and what
 * the kernel mm maps later too.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

struct fixture {
	struct arena arena;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *kernel, *user[2];
	uint64_t first, last; /* of the kernel's half */
};

static int new_mm(struct fixture *f, enum pgw_region_kind half, struct pgw_mm *kernel,
		  struct pgw_mm **ret)
{
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = f->format,
					.region = half,
					.kernel_mm = kernel };

	return pgw_mm_new(&args, ret);
}

static void fixture_init(struct fixture *f, const struct pgw_format *format)
{
	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, 64 << 20);
	f->format = format;
	f->geo = pgw_format_geometry(format);
	pgw_format_region_range(format, PGW_REGION_KERNEL, &f->first, &f->last);
	assert_int_equal(new_mm(f, PGW_REGION_KERNEL, NULL, &f->kernel), 0);
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->user[0]);
	pgw_mm_free(f->user[1]);
	pgw_mm_free(f->kernel);
	assert_int_equal(f->arena.nr_violations, 0);
	arena_fini(&f->arena);
}

static int map(struct fixture *f, uint64_t va, uint64_t pa, unsigned level)
{
	struct pgw_leaf leaf = {
		.va = va, .pa = pa, .level = (uint8_t)level, .rights = PGW_KERNEL_R
	};
	int err;

	assert_int_equal(pgw_mmap_read_lock(f->kernel), 0);
	err = pgw_mm_map_leaf(f->kernel, &leaf);
	assert_int_equal(pgw_mmap_read_unlock(f->kernel), 0);
	return err;
}

static int unmap(struct fixture *f, uint64_t va)
{
	int err;

	assert_int_equal(pgw_mmap_read_lock(f->kernel), 0);
	err = pgw_mm_unmap_leaf(f->kernel, va);
	assert_int_equal(pgw_mmap_read_unlock(f->kernel), 0);
	return err;
}

/* What hardware that has a user mm's root finds at a kernel address. @return the kind */
static enum pgw_entry_kind by_user_root(struct fixture *f, struct pgw_mm *user, uint64_t va,
					uint64_t *ret_pa)
{
	struct pgw_mm_attach_args args = { .platform = &f->arena.platform,
					   .format = f->format,
					   .phys = &f->arena.memory.phys,
					   .root = pgw_mm_root(user),
					   .region = PGW_REGION_KERNEL };
	struct pgw_translation t;
	struct pgw_mm *attached;

	assert_int_equal(pgw_mm_attach(&args, &attached), 0);
	assert_int_equal(pgw_translate(attached, va, &t), 0);
	pgw_mm_free(attached);
	*ret_pa = t.pa;
	return t.kind;
}

static void validate(struct pgw_mm *mm)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	if (pgw_mm_validate(mm, &what))
		fail_msg("%s", what);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
}

static void test_kernel_half__what_the_kernel_maps_is_in_every_user_root(void **state)
{
	const struct pgw_format *format;
	struct fixture f;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		uint64_t va[3], pa, page;

		fixture_init(&f, format);
		page = UINT64_C(1) << f.geo->granule_lg2;
		va[0] = f.first;
		va[1] = f.first + (f.last - f.first) / 2 + 1;
		va[2] = f.last & ~(page - 1);
		assert_int_equal(map(&f, va[0], 7 * page, 0), 0);
		assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]), 0);
		assert_int_equal(map(&f, va[1], 8 * page, 0), 0);
		assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[1]), 0);
		assert_int_equal(map(&f, va[2], 9 * page, 0), 0);
		for (int k = 0; k < 6; k++) {
			enum pgw_entry_kind kind = by_user_root(&f, f.user[k % 2], va[k / 2], &pa);

			assert_int_equal(kind, pgw_format_is_split(f.format) ? PGW_ENTRY_EMPTY
									     : PGW_ENTRY_LEAF);
			if (!pgw_format_is_split(f.format))
				assert_int_equal(pa, (7 + (uint64_t)k / 2) * page);
		}
		assert_int_equal(unmap(&f, va[1]), 0);
		assert_int_equal(by_user_root(&f, f.user[0], va[1], &pa), PGW_ENTRY_EMPTY);
		validate(f.kernel);
		validate(f.user[0]);
		/* A user mm takes no table of the kernel's with it. */
		pgw_mm_free(f.user[0]);
		f.user[0] = NULL;
		assert_int_equal(by_user_root(&f, f.user[1], va[0], &pa),
				 pgw_format_is_split(f.format) ? PGW_ENTRY_EMPTY : PGW_ENTRY_LEAF);
		fixture_fini(&f);
	}
}

/* What a debug walk of a user mm saw. */
struct seen {
	uint64_t leaf[4]; /* addresses */
	size_t nr, nr_malformed;
};

static int see_pte(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct seen *seen = walk->arg;

	(void)next;
	if (pgw_item_load(item) && seen->nr < sizeof(seen->leaf) / sizeof(seen->leaf[0]))
		seen->leaf[seen->nr++] = addr;
	return 0;
}

static int see_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			 struct pgw_mm_walk *walk)
{
	struct seen *seen = walk->arg;

	(void)entry, (void)addr, (void)next, (void)depth;
	seen->nr_malformed++;
	return 0;
}

static struct seen debug_kernel(struct fixture *f, struct pgw_mm *user, const struct pgw_root *root)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = see_pte,
						    .malformed = see_malformed };
	struct seen seen = { .nr = 0 };

	assert_int_equal(pgw_mmap_write_lock(user), 0);
	assert_int_equal(pgw_mmap_write_lock(f->kernel), 0);
	assert_int_equal(pgw_walk_page_range_debug(user, f->first, UINT64_MAX, &ops, root, &seen),
			 0);
	assert_int_equal(pgw_mmap_write_unlock(f->kernel), 0);
	assert_int_equal(pgw_mmap_write_unlock(user), 0);
	return seen;
}

/* The root's item that spans the address, of an owned mm. */
static uint64_t *root_item(struct fixture *f, struct pgw_mm *mm, uint64_t va)
{
	unsigned top = f->geo->top_level;
	size_t slot = (va >> f->geo->span_lg2[top]) & ((1u << f->geo->slots_lg2[top]) - 1);

	return (uint64_t *)(void *)(f->arena.block + (pgw_mm_root(mm).pa - ARENA_PA)) + slot;
}

/*
 * Linux walks the whole range by the root that it is given, addresses of the kernel too, and of
 * its own tables clears what is malformed.
 */
static void test_kernel_half__a_debug_walk_takes_the_root_it_is_given(void **state)
{
	const struct pgw_format *format;
	struct fixture f;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		struct pgw_mm *kernel, *other;
		struct pgw_root root;
		struct seen seen;
		uint64_t *item, was, page;

		fixture_init(&f, format);
		page = UINT64_C(1) << f.geo->granule_lg2;
		assert_int_equal(map(&f, f.first, 7 * page, 0), 0);
		kernel = f.kernel;
		assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]), 0);
		/* A tree that maps another page of the kernel's. */
		assert_int_equal(new_mm(&f, PGW_REGION_KERNEL, NULL, &other), 0);
		f.kernel = other;
		assert_int_equal(map(&f, f.first + page, 8 * page, 0), 0);
		f.kernel = kernel;
		root = pgw_mm_root(other);

		seen = debug_kernel(&f, f.user[0], NULL);
		assert_int_equal(seen.nr, 1);
		assert_int_equal(seen.leaf[0], f.first);
		seen = debug_kernel(&f, f.user[0], &root);
		assert_int_equal(seen.nr, 1);
		assert_int_equal(seen.leaf[0], f.first + page);

		/* Nobody knows whose the other tree is: nothing of it is cleared. */
		item = root_item(&f, other, f.first);
		was = *item;
		*item = 2; /* not valid, and not 0 */
		seen = debug_kernel(&f, f.user[0], &root);
		assert_int_equal(seen.nr, 0);
		assert_int_equal(*item, 2);
		*item = was;
		pgw_mm_free(other);
		fixture_fini(&f);
	}
}

static void test_kernel_half__a_shared_root_is_filled_once(void **state)
{
	struct fixture f;
	long nr_tables;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	assert_int_equal(f.arena.nr_tables, 1);
	assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]), 0);
	nr_tables = f.arena.nr_tables;
	assert_int_equal(nr_tables, 1 + 256 + 1);
	assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[1]), 0);
	assert_int_equal(f.arena.nr_tables, nr_tables + 1);
	fixture_fini(&f);
}

/* A leaf of a riscv root would have to change in every user root at once. */
static void test_kernel_half__a_leaf_of_a_shared_root_stays(void **state)
{
	struct fixture f;
	uint64_t span, pa;
	unsigned top;

	(void)state;
	fixture_init(&f, pgw_format_by_name("riscv-sv39"));
	top = f.geo->top_level;
	span = UINT64_C(1) << f.geo->span_lg2[top];
	assert_int_equal(map(&f, f.first, span, top), 0);
	assert_int_equal(map(&f, f.first + span, 0, top), 0);
	assert_int_equal(unmap(&f, f.first + span), 0);
	assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]), 0);
	assert_int_equal(by_user_root(&f, f.user[0], f.first, &pa), PGW_ENTRY_LEAF);
	assert_int_equal(unmap(&f, f.first), -PGW_EBUSY);
	assert_int_equal(pgw_mmap_read_lock(f.kernel), 0);
	assert_int_equal(pgw_mm_unmap(f.kernel, f.first, f.first + span - 1, PGW_UNMAP_WHOLE),
			 -PGW_EBUSY);
	assert_int_equal(
		pgw_mm_protect(f.kernel, f.first, f.first + span - 1, PGW_KERNEL_R | PGW_KERNEL_W),
		-PGW_EBUSY);
	assert_int_equal(pgw_mmap_read_unlock(f.kernel), 0);
	/* Every other slot has a table by now. */
	assert_int_equal(map(&f, f.first + span, 0, top), -PGW_EEXIST);
	assert_int_equal(map(&f, f.first + span, 0, top - 1), 0);
	/* Without user mms it is the kernel's alone again. */
	pgw_mm_free(f.user[0]);
	f.user[0] = NULL;
	assert_int_equal(unmap(&f, f.first), 0);
	fixture_fini(&f);
}

static void test_kernel_half__without_memory_there_is_no_user_mm(void **state)
{
	struct fixture f;
	int err = -PGW_ENOMEM;

	(void)state;
	fixture_init(&f, pgw_format_by_name("riscv-sv39"));
	for (long n = 0; err; n++) {
		f.arena.fail_after = n;
		err = new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]);
		f.arena.fail_after = -1;
		assert_true(err == 0 || err == -PGW_ENOMEM);
		validate(f.kernel);
	}
	fixture_fini(&f);
}

static void test_kernel_half__the_kernel_mm_must_be_owned(void **state)
{
	struct fixture f;
	struct pgw_mm_attach_args attach;
	struct pgw_mm *attached;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	attach = (struct pgw_mm_attach_args){ .platform = &f.arena.platform,
					      .format = f.format,
					      .phys = &f.arena.memory.phys,
					      .root = pgw_mm_root(f.kernel),
					      .region = PGW_REGION_KERNEL };
	assert_int_equal(pgw_mm_attach(&attach, &attached), 0);
	assert_int_equal(new_mm(&f, PGW_REGION_USER, attached, &f.user[0]), -PGW_EINVAL);
	pgw_mm_free(attached);
	fixture_fini(&f);
}

static void test_kernel_half__own_tables_encrypt_nothing(void **state)
{
	struct arena arena;
	struct pgw_mm_new_args args = {
		.platform = &arena.platform,
		.format = pgw_format_by_name("x86_64-la48"),
		.region = PGW_REGION_KERNEL,
		.control = { .known = PGW_CTL_X86_ENCRYPTION, .encryption_bit = 51 },
	};
	struct pgw_mm *mm;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EOPNOTSUPP);
	args.control.encryption_bit = 0;
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	pgw_mm_free(mm);
	arena_fini(&arena);
}

static int first_item(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr;
	(void)next;
	*(uint64_t **)walk->arg = item;
	return 1;
}

/* The kernel half of a debug walk is the kernel mm's own, not the copy in the user's root. */
static void test_kernel_half__a_debug_walk_shows_the_kernels_own_root(void **state)
{
	static const struct pgw_mm_walk_ops ops = { .pgd_entry = first_item,
						    .p4d_entry = first_item };
	uint64_t *item = NULL, *root;
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	assert_int_equal(map(&f, f.first, 0, 0), 0);
	assert_int_equal(new_mm(&f, PGW_REGION_USER, f.kernel, &f.user[0]), 0);
	root = (uint64_t *)(void *)(f.arena.block + (pgw_mm_root(f.kernel).pa - ARENA_PA));
	assert_int_equal(pgw_mmap_write_lock(f.user[0]), 0);
	assert_int_equal(pgw_mmap_write_lock(f.kernel), 0);
	assert_int_equal(
		pgw_walk_page_range_debug(f.user[0], f.first, f.first + 4096, &ops, NULL, &item),
		1);
	assert_int_equal(pgw_mmap_write_unlock(f.kernel), 0);
	assert_int_equal(pgw_mmap_write_unlock(f.user[0]), 0);
	assert_ptr_equal(item, root + 256);
	fixture_fini(&f);
}

static void *(*plain_alloc)(void *ctx, size_t size);
static struct fixture *winner; /* maps the next page first, once */

static void *alloc_late(void *ctx, size_t size)
{
	struct fixture *f = winner;

	winner = NULL;
	if (f) {
		const struct pgw_leaf leaf = { .va = f->first + 4096, .rights = PGW_KERNEL_R };

		assert_int_equal(pgw_mm_map_leaf(f->kernel, &leaf), 0);
	}
	return plain_alloc(ctx, size);
}

/* Who finds a table in its slot that another has just put there forgets its own. */
static void test_kernel_half__a_table_that_comes_too_late_does_not_count(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	plain_alloc = f.arena.platform.table_alloc;
	f.arena.platform.table_alloc = alloc_late;
	winner = &f;
	assert_int_equal(map(&f, f.first, 0, 0), 0);
	assert_null(winner);
	validate(f.kernel);
	assert_int_equal(unmap(&f, f.first), 0);
	assert_int_equal(unmap(&f, f.first + 4096), 0);
	validate(f.kernel);
	fixture_fini(&f);
}

/* Arm ARM (DDI 0487) D8.3.1: in a table's descriptor UXNTable and APTable[0] keep EL0 out. */
static void test_kernel_half__arm64_tables_keep_users_out(void **state)
{
	const uint64_t uxn_table = UINT64_C(1) << 60, no_el0 = UINT64_C(1) << 61;
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		struct pgw_translation t;
		struct pgw_path path;
		struct fixture f;

		if (strcmp(pgw_format_arch(format), "arm64") != 0)
			continue;
		fixture_init(&f, format);
		assert_int_equal(map(&f, f.first, 0, 0), 0);
		assert_int_equal(pgw_mmap_read_lock(f.kernel), 0);
		assert_int_equal(pgw_translate_path(f.kernel, f.first, &t, &path), 0);
		assert_int_equal(pgw_mmap_read_unlock(f.kernel), 0);
		assert_int_equal(path.nr_steps, f.geo->top_level + 1);
		for (unsigned step = 0; step + 1 < path.nr_steps; step++)
			assert_true((path.step[step].entry & uxn_table) &&
				    (path.step[step].entry & no_el0));
		fixture_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_half__own_tables_encrypt_nothing),
		cmocka_unit_test(test_kernel_half__arm64_tables_keep_users_out),
		cmocka_unit_test(test_kernel_half__a_debug_walk_shows_the_kernels_own_root),
		cmocka_unit_test(test_kernel_half__a_table_that_comes_too_late_does_not_count),
		cmocka_unit_test(test_kernel_half__what_the_kernel_maps_is_in_every_user_root),
		cmocka_unit_test(test_kernel_half__a_debug_walk_takes_the_root_it_is_given),
		cmocka_unit_test(test_kernel_half__a_shared_root_is_filled_once),
		cmocka_unit_test(test_kernel_half__a_leaf_of_a_shared_root_stays),
		cmocka_unit_test(test_kernel_half__without_memory_there_is_no_user_mm),
		cmocka_unit_test(test_kernel_half__the_kernel_mm_must_be_owned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
