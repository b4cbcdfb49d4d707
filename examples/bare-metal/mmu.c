/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Page tables without an operating system: the library makes them, this program switches the MMU on,
 * changes them under it, and holds what the CPU does beside what the library says. The last line counts
 * where the two differ.
 */

#include "metal.h"

static struct {
	struct pgw_mm *kernel, *user;
	uint64_t kernel_va, user_va;    /* where all happens */
	uint64_t user_code, user_stack; /* machine_access_by_user()'s */
	unsigned char *frames;          /* NR_FRAMES pages to map there */
	unsigned nr_accesses, nr_different;
} test;

enum { NR_FRAMES = 4 };

/* ---- accesses ---- */

static struct pgw_mm *mm_of(uint64_t va)
{
	return va >> 63 ? test.kernel : test.user;
}

/* What the library says of an address; the lock is what the rule wants: see walks(). */
static struct pgw_translation translate(uint64_t va)
{
	struct pgw_mm *mm = mm_of(va);
	struct pgw_translation ret;

	require(pgw_mmap_write_lock(mm), "lock");
	require(pgw_translate(mm, va, &ret), "translate");
	require(pgw_mmap_write_unlock(mm), "lock");
	return ret;
}

struct attempt {
	enum access access;
	bool is_user;
	uint64_t va;
};

/* Users' rights are three bits above the kernel's. */
static uint8_t rights_of(const struct attempt *attempt, const struct pgw_translation *t)
{
	return t->kind != PGW_ENTRY_LEAF ? 0
	       : attempt->is_user        ? (uint8_t)(t->rights >> 3)
					 : t->rights;
}

_Static_assert(PGW_USER_R == PGW_KERNEL_R << 3 && PGW_USER_W == PGW_KERNEL_W << 3 &&
		       PGW_USER_X == PGW_KERNEL_X << 3,
	       "three bits");

static bool is_as_said(const struct attempt *attempt, const struct pgw_translation *t,
		       const struct outcome *got)
{
	static const uint8_t rights[] = { PGW_KERNEL_R, PGW_KERNEL_W, PGW_KERNEL_X };
	bool may = rights_of(attempt, t) & rights[attempt->access];

	if (got->faulted || !may)
		return got->faulted && !may && got->va == attempt->va &&
		       machine_code(got->code) ==
			       machine_expected_code(attempt->access, attempt->is_user, t);
	/* Tables and memory are still where they were: what is mapped can be looked at. */
	return attempt->access == ACCESS_EXECUTE ||
	       got->value == *(const uint64_t *)(uintptr_t)t->pa;
}

/* A write leaves what can be executed. */
static struct outcome do_it(const struct attempt *attempt)
{
	struct outcome got;

	if (attempt->is_user)
		machine_access_by_user(attempt->access, attempt->va, machine.ret, &got,
				       test.user_code, test.user_stack);
	else
		machine_access(attempt->access, attempt->va, machine.ret, &got);
	return got;
}

static void try_one(const struct attempt *attempt, const char *what)
{
	static const char *const names[] = { "read ", "write", "fetch" };
	struct pgw_translation t = translate(attempt->va);
	struct outcome got = do_it(attempt);

	print("  %s%s %x %s: library %s, ", attempt->is_user ? "user " : "", names[attempt->access],
	      attempt->va, what,
	      t.kind == PGW_ENTRY_LEAF ? rights_text(rights_of(attempt, &t)) : "nothing");
	if (got.faulted)
		print("CPU faults at %x with %x", got.va, machine_code(got.code));
	else
		print("CPU does it");
	test.nr_accesses++;
	if (is_as_said(attempt, &t, &got)) {
		print("\n");
		return;
	}
	test.nr_different++;
	print(" DIFFERENT\n");
}

static void try(enum access access, uint64_t va, const char *what)
{
	try_one(&(struct attempt){ access, false, va }, what);
}

static void try_by_user(enum access access, uint64_t va, const char *what)
{
	try_one(&(struct attempt){ access, true, va }, what);
}

static void try_all_by_user(uint64_t va, const char *what)
{
	try_by_user(ACCESS_READ, va, what);
	try_by_user(ACCESS_WRITE, va, what);
	try_by_user(ACCESS_EXECUTE, va, what);
}

static void try_all(uint64_t va, const char *what)
{
	try(ACCESS_READ, va, what);
	try(ACCESS_WRITE, va, what);
	try(ACCESS_EXECUTE, va, what);
}

/* ---- changes, each under the lock that it needs ---- */

static uint64_t frame_pa(unsigned i)
{
	return (uintptr_t)test.frames + i * PAGE_SIZE;
}

static void map(uint64_t va, uint64_t pa, uint64_t size, uint8_t rights)
{
	struct pgw_mm *mm = mm_of(va);
	const struct pgw_map_args args = { .first = va,
					   .last = va + (size - 1),
					   .pa = pa,
					   .rights = rights,
					   .attrs = machine.memory_attrs };

	require(pgw_mmap_write_lock(mm), "lock");
	require(pgw_mm_map(mm, &args), "map");
	require(pgw_mmap_write_unlock(mm), "lock");
}

static void unmap(uint64_t va, uint64_t size)
{
	struct pgw_mm *mm = mm_of(va);

	require(pgw_mmap_write_lock(mm), "lock");
	require(pgw_mm_unmap(mm, va, va + (size - 1), PGW_UNMAP_SPLIT), "unmap");
	require(pgw_mmap_write_unlock(mm), "lock");
}

static void protect(uint64_t va, uint64_t size, uint8_t rights)
{
	struct pgw_mm *mm = mm_of(va);

	require(pgw_mmap_write_lock(mm), "lock");
	require(pgw_mm_protect(mm, va, va + (size - 1), rights), "protect");
	require(pgw_mmap_write_unlock(mm), "lock");
}

/* ---- the program ---- */

static void make_mms(void)
{
	struct pgw_mm_new_args args = { .platform = metal_platform(),
					.format = pgw_format_by_name(machine.format),
					.region = PGW_REGION_KERNEL,
					.control = machine.control };

	require(pgw_mm_new(&args, &test.kernel), "kernel mm");
	args.region = PGW_REGION_USER;
	args.kernel_mm = test.kernel;
	require(pgw_mm_new(&args, &test.user), "user mm");
	test.kernel_va = pgw_mm_region(test.kernel)->first + (UINT64_C(1) << 30);
	test.user_va = UINT64_C(1) << 38;
	test.frames = pages_alloc(NR_FRAMES * PAGE_SIZE);
	require(test.frames ? 0 : -PGW_ENOMEM, "frames");
	for (unsigned i = 0; i < NR_FRAMES; i++)
		*(uint64_t *)(uintptr_t)frame_pa(i) = machine.ret;
	machine_sync_code();
	map_image(test.user);
}

static void small_pages(void)
{
	const uint64_t va = test.kernel_va;

	print("pages of the kernel:\n");
	map(va, frame_pa(0), PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_W);
	map(va + PAGE_SIZE, frame_pa(1), PAGE_SIZE, PGW_KERNEL_R);
	map(va + 2 * PAGE_SIZE, frame_pa(2), PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_X);
	try_all(va, "data");
	try_all(va + PAGE_SIZE, "constants");
	try_all(va + 2 * PAGE_SIZE, "code");
	try_all(va + 3 * PAGE_SIZE, "a hole");

	print("protected, unmapped, mapped elsewhere:\n");
	protect(va, PAGE_SIZE, PGW_KERNEL_R);
	try(ACCESS_WRITE, va, "data, read-only now");
	protect(va, 3 * PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_W);
	try(ACCESS_WRITE, va + PAGE_SIZE, "constants, writable now");
	try(ACCESS_EXECUTE, va + 2 * PAGE_SIZE, "code, none now");
	unmap(va + PAGE_SIZE, PAGE_SIZE);
	try(ACCESS_READ, va + PAGE_SIZE, "what was unmapped");
	map(va + PAGE_SIZE, frame_pa(3), PAGE_SIZE, PGW_KERNEL_R);
	try(ACCESS_READ, va + PAGE_SIZE, "another frame");
}

static void large_pages(void)
{
	const uint64_t size = UINT64_C(2) << 20, va = test.kernel_va + 16 * size;
	const uint64_t pa = (uintptr_t)image_text & ~(size - 1);

	print("a page of 2M over this program, of which the middle goes:\n");
	map(va, pa, size, PGW_KERNEL_R);
	try(ACCESS_READ, va + size - 8, "its end");
	try(ACCESS_WRITE, va + size - 8, "its end");
	unmap(va + size / 2, PAGE_SIZE);
	try(ACCESS_READ, va + size / 2 - 8, "before the hole");
	try(ACCESS_READ, va + size / 2, "the hole");
	try(ACCESS_READ, va + size / 2 + PAGE_SIZE, "behind the hole");
	unmap(va, size);
	try(ACCESS_READ, va, "its beginning");
}

static void user_pages(void)
{
	const uint64_t va = test.user_va;

	print("pages of users, which the kernel may not execute:\n");
	map(va, frame_pa(0), PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W);
	try_all(va, "data");
	protect(va, PAGE_SIZE, PGW_KERNEL_R | PGW_USER_R | PGW_USER_X);
	try_all(va, "code");
	unmap(va, PAGE_SIZE);
	try_all(va, "a hole");
}

/* What users run, and where they keep what they need for that. */
static void map_user_code(void)
{
	void *stack = pages_alloc(PAGE_SIZE);

	require(stack ? 0 : -PGW_ENOMEM, "memory");
	test.user_code = test.user_va + 16 * PAGE_SIZE;
	test.user_stack = test.user_code + 2 * PAGE_SIZE;
	map(test.user_code, (uintptr_t)machine_user_code, PAGE_SIZE,
	    PGW_KERNEL_R | PGW_USER_R | PGW_USER_X);
	map(test.user_stack - PAGE_SIZE, (uintptr_t)stack, PAGE_SIZE,
	    PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W);
}

static void by_users(void)
{
	const uint8_t kernel_rw = PGW_KERNEL_R | PGW_KERNEL_W;
	const uint64_t va = test.user_va;

	print("what users may do with them, and with the kernel's:\n");
	map_user_code();
	map(va, frame_pa(0), PAGE_SIZE, kernel_rw | PGW_USER_R | PGW_USER_W);
	try_all_by_user(va, "data");
	protect(va, PAGE_SIZE, PGW_KERNEL_R | PGW_USER_R);
	try_all_by_user(va, "data, read-only now");
	protect(va, PAGE_SIZE, PGW_KERNEL_R | PGW_USER_R | PGW_USER_X);
	try_all_by_user(va, "code");
	unmap(va, PAGE_SIZE);
	try_all_by_user(va, "a hole");
	try_all_by_user(test.kernel_va, "the kernel's data");
	try_all_by_user((uintptr_t)image_text, "this program");
}

void metal_flush(uint64_t first, uint64_t last)
{
	machine_flush(first, last);
}

/* ---- the rule ---- */

static int count_pte(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct pgw_entry entry;

	(void)addr, (void)next;
	pgw_entry_decode(pgw_mm_format(walk->mm), pgw_mm_control(walk->mm), pgw_item_load(item), 0,
			 &entry);
	*(uint64_t *)walk->arg += entry.kind == PGW_ENTRY_LEAF;
	return 0;
}

PGW_NO_THREAD_SAFETY_ANALYSIS static void walk(struct pgw_mm *mm, uint64_t va, const char *what,
					       int expected)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_pte };
	uint64_t nr = 0;
	int err = pgw_walk_page_range_novma(mm, va, va + 4 * PAGE_SIZE, &ops, NULL, &nr);

	if (err)
		print("  %s: refused\n", what);
	else
		print("  %s: %u pages\n", what, nr);
	test.nr_different += err != expected;
}

/* Here the rule is broken on purpose; clang -Wthread-safety would tell. */
PGW_NO_THREAD_SAFETY_ANALYSIS static void walks(void)
{
	print("walks:\n");
	map(test.user_va, frame_pa(0), 2 * PAGE_SIZE, PGW_KERNEL_R | PGW_USER_R);
	require(pgw_mmap_read_lock(test.user), "lock");
	walk(test.user, test.user_va, "user tables, lock for read", -PGW_EPERM);
	require(pgw_mmap_read_unlock(test.user), "lock");
	require(pgw_mmap_write_lock(test.user), "lock");
	walk(test.user, test.user_va, "user tables, lock for write", 0);
	require(pgw_mmap_write_downgrade(test.user), "lock");
	walk(test.user, test.user_va, "user tables, downgraded", -PGW_EPERM);
	require(pgw_mmap_read_unlock(test.user), "lock");
	walk(test.kernel, test.kernel_va, "kernel tables, no lock", -PGW_EPERM);
	require(pgw_mmap_read_lock(test.kernel), "lock");
	walk(test.kernel, test.kernel_va, "kernel tables, lock for read", 0);
	require(pgw_mmap_read_unlock(test.kernel), "lock");
	unmap(test.user_va, 2 * PAGE_SIZE);
}

_Noreturn void metal_main(void)
{
	print("%s, tables made by libpagewalk\n", machine.format);
	make_mms();
	machine_mmu_on(pgw_mm_root(test.user).pa, pgw_mm_root(test.kernel).pa);
	print("the MMU goes by them\n");
	small_pages();
	large_pages();
	user_pages();
	by_users();
	walks();
	print("%u accesses, %u breaches of the rule told, %u differences\n",
	      (uint64_t)test.nr_accesses, (uint64_t)metal_nr_violations(),
	      (uint64_t)test.nr_different);
	machine_off();
}
