/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Finding roots in memory whose Nth read goes wrong, N = 0, 1, 2, ... until
 * none does any more: what is found then must be what is there, and before
 * that an error or fewer roots, never a crash, a hang or a root out of thin air.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "system/system_priv.h"
#include "image/linux.h"
#include "image/machine.h"

#define MAX_ROOTS 16
#define USER (PTE_P | PTE_W | PTE_U)

struct found {
	size_t nr;
	uint64_t pa[MAX_ROOTS];
	int kernel_err;
	uint64_t kernel_pa;
};

/* What is found through a faulty source. @return was the fault hit? */
static bool find(const char *path, enum pgw_phys_fault_kind kind, uint64_t nth, struct found *ret,
		 int *ret_err)
{
	const struct pgw_root_info *list;
	struct pgw_phys_fault fault;
	struct pgw_root_info kernel;
	struct pgw_image *image;
	struct pgw_phys inner;
	size_t nr;

	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	inner = image->phys;
	pgw_phys_fault_init(&fault, &inner, kind, nth);
	image->phys = fault.phys;
	*ret = (struct found){ .nr = 0 };
	*ret_err = pgw_image_roots(image, &list, &nr);
	for (size_t i = 0; !*ret_err && i < nr; i++) {
		assert_true(ret->nr < MAX_ROOTS);
		ret->pa[ret->nr++] = list[i].root.pa;
	}
	ret->kernel_err = pgw_image_kernel_root(image, &kernel, NULL);
	ret->kernel_pa = ret->kernel_err ? 0 : kernel.root.pa;
	pgw_image_close(image);
	return fault.nr_reads > nth;
}

static bool is_among(const struct found *all, uint64_t pa)
{
	for (size_t i = 0; i < all->nr; i++) {
		if (all->pa[i] == pa)
			return true;
	}
	return false;
}

static void check_one(const struct found *all, const struct found *got, int err)
{
	assert_true(err == 0 || err == -PGW_EIO);
	for (size_t i = 0; i < got->nr; i++)
		assert_true(is_among(all, got->pa[i]));
	assert_true(got->kernel_err == 0 || got->kernel_err == -PGW_ENOENT ||
		    got->kernel_err == -PGW_EIO);
	if (!got->kernel_err)
		assert_true(is_among(all, got->kernel_pa));
}

static void check_all(const char *path, size_t nr_roots)
{
	struct found all, got;
	uint64_t n = 0;
	int err;

	assert_false(find(path, PGW_FAULT_FAIL, UINT64_MAX, &all, &err));
	assert_int_equal(err, 0);
	assert_int_equal(all.nr, nr_roots);
	assert_int_equal(all.kernel_err, 0);
	while (find(path, PGW_FAULT_FAIL, n, &got, &err)) {
		check_one(&all, &got, err);
		n++;
	}
	assert_true(n > 5);
	assert_int_equal(got.nr, all.nr);
	/* Wrong bytes may hide a root or show one; they must not do more. */
	for (n = 0; find(path, PGW_FAULT_CORRUPT, n, &got, &err); n++)
		assert_true(err == 0 || err == -PGW_EIO || err == -PGW_E2BIG);
}

static void run_x86_64(bool cpu_tells)
{
	struct machine *machine = malloc(sizeof(*machine));

	assert_non_null(machine);
	machine_init(machine, 4);
	if (cpu_tells) {
		machine_make_level3(machine);
		machine_move_level3(machine);
	}
	machine_process(machine, 0x20000);
	machine_map(machine, 0x20000, 0x400000, MACHINE_USER_PAGE, USER);
	machine_kpti(machine, 0x20000, 0x21000);
	machine_cpu(machine, 0x20000);
	assert_non_null(machine_open(machine));
	check_all(machine->elf.path, 3);
	machine_fini(machine);
	free(machine);
}

static void test_roots_fault__x86_64(void **state)
{
	(void)state;
	run_x86_64(false);
}

/* The kernel's root by what a CPU has loaded. */
static void test_roots_fault__x86_64_by_cpu(void **state)
{
	(void)state;
	run_x86_64(true);
}

static void run_linux(const char *format)
{
	struct linux_machine m;

	linux_init(&m, pgw_format_by_name(format), 0);
	if (!m.is_arm64) {
		memcpy(m.ram + LINUX_KERNEL * m.page + 0x30, "RISCV\0\0\0", 8);
		memcpy(m.ram + LINUX_KERNEL * m.page + 0x38, "RSC\x05", 4);
	}
	linux_process(&m, 0);
	linux_process(&m, 1);
	assert_non_null(linux_open(&m));
	check_all(m.elf.path, 3);
	linux_fini(&m);
}

static void test_roots_fault__arm64(void **state)
{
	(void)state;
	run_linux("arm64-4k-48");
}

static void test_roots_fault__riscv(void **state)
{
	(void)state;
	run_linux("riscv-sv39");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roots_fault__x86_64),
		cmocka_unit_test(test_roots_fault__x86_64_by_cpu),
		cmocka_unit_test(test_roots_fault__arm64),
		cmocka_unit_test(test_roots_fault__riscv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
