/* SPDX-License-Identifier: BSD-2-Clause */
/* An image of memory that the caller reads: pgw_image_open_phys(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/scan.h>

#include "image/find_root.h"
#include "image/machine.h"

/* Memory that counts who stops it, and lists no ranges if it is not asked to. */
struct lent {
	struct pgw_phys phys;
	struct machine machine;
	bool is_listed;
	unsigned nr_paused, nr_pauses;
};

static int lent_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct lent *lent = phys->ctx;

	if (pa > sizeof(lent->machine.ram) || len > sizeof(lent->machine.ram) - pa)
		return -PGW_EIO;
	memcpy(buf, lent->machine.ram + pa, len);
	return 0;
}

static bool lent_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	const struct lent *lent = phys->ctx;

	*ret_first = 0;
	*ret_last = sizeof(lent->machine.ram) - 1;
	return lent->is_listed && pa <= *ret_last;
}

static int lent_pause(const struct pgw_phys *phys)
{
	struct lent *lent = phys->ctx;

	lent->nr_paused++;
	lent->nr_pauses++;
	return 0;
}

static void lent_resume(const struct pgw_phys *phys)
{
	struct lent *lent = phys->ctx;

	lent->nr_paused--;
}

static const struct pgw_phys_ops ops = { .read = lent_read, .next_range = lent_next_range };
static const struct pgw_phys_ops ops_pause = {
	.read = lent_read,
	.next_range = lent_next_range,
	.pause = lent_pause,
	.resume = lent_resume,
};

static void setup(struct lent *lent, const struct pgw_phys_ops *with, bool is_listed)
{
	memset(lent, 0, sizeof(*lent));
	lent->phys = (struct pgw_phys){ .ops = with, .ctx = lent };
	lent->is_listed = is_listed;
	machine_init(&lent->machine, 4);
	machine_process(&lent->machine, 0x20000);
	machine_map(&lent->machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
}

static void test_lent__is_an_image_as_any_other(void **state)
{
	struct pgw_root_info root;
	struct pgw_image *image;
	struct lent lent;

	(void)state;
	setup(&lent, &ops, true);
	assert_int_equal(pgw_image_open_phys(&lent.phys, false, NULL, &image, NULL), 0);
	assert_string_equal(pgw_image_get_info(image)->kind, "lent");
	assert_string_equal(pgw_image_get_info(image)->arch, "x86_64");
	assert_false(pgw_image_get_info(image)->is_live);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, sizeof(lent.machine.ram));
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(nr_roots(image), 2);
	assert_int_equal(find_root(image, 0x20000)->state, PGW_ROOT_MAPPED);
	pgw_image_close(image);
	machine_fini(&lent.machine);
}

/* Nothing can be looked through, but what VMCOREINFO says is read. */
static void test_lent__without_ranges_goes_by_vmcoreinfo(void **state)
{
	struct pgw_image_options options = { .arch = "x86_64" };
	struct pgw_vmcoreinfo info;
	struct pgw_root_info root;
	struct pgw_image *image;
	struct lent lent;

	(void)state;
	setup(&lent, &ops, false);
	assert_int_equal(pgw_image_open_phys(&lent.phys, false, &options, &image, NULL), 0);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), -PGW_ENOENT);
	pgw_image_close(image);

	assert_int_equal(pgw_vmcoreinfo_read(lent.machine.ram + MACHINE_VMCOREINFO, MACHINE_PAGE, &info), 0);
	options.vmcoreinfo = &info;
	assert_int_equal(pgw_image_open_phys(&lent.phys, false, &options, &image, NULL), 0);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	pgw_image_close(image);
	machine_fini(&lent.machine);
}

static void attach(struct pgw_image *image, struct pgw_mm **ret)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = pgw_image_phys(image),
		.root.pa = 0x20000,
		.region = PGW_REGION_USER,
		.is_live = pgw_image_get_info(image)->is_live,
	};

	assert_int_equal(pgw_mm_attach(&args, ret), 0);
}

static void test_lent__of_a_machine_that_runs_is_stopped_if_it_can_be(void **state)
{
	const struct pgw_image_options options = { .arch = "x86_64" };
	struct pgw_image *image;
	struct pgw_mm *mm;
	struct lent lent;

	(void)state;
	setup(&lent, &ops_pause, true);
	assert_int_equal(pgw_image_open_phys(&lent.phys, true, &options, &image, NULL), 0);
	assert_true(pgw_image_get_info(image)->is_live);
	attach(image, &mm);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(lent.nr_paused, 1);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	assert_int_equal(lent.nr_paused, 0);
	assert_int_equal(lent.nr_pauses, 1);
	pgw_mm_free(mm);
	pgw_image_close(image);

	lent.phys.ops = &ops;
	assert_int_equal(pgw_image_open_phys(&lent.phys, true, &options, &image, NULL), 0);
	attach(image, &mm);
	assert_int_equal(pgw_mmap_write_lock(mm), -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_mmap_read_lock(mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	pgw_mm_free(mm);
	pgw_image_close(image);
	machine_fini(&lent.machine);
}

static void test_lent__wrong_arguments_are_refused(void **state)
{
	const struct pgw_image_options options = { .arch = "no such" };
	struct pgw_error err = { 0 };
	struct pgw_image *image;
	struct lent lent;

	(void)state;
	setup(&lent, &ops, true);
	assert_int_equal(pgw_image_open_phys(NULL, false, NULL, &image, &err), -PGW_EINVAL);
	assert_int_equal(pgw_image_open_phys(&lent.phys, false, NULL, NULL, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_image_open_phys(&lent.phys, false, &options, &image, &err), -PGW_EINVAL);
	assert_int_equal(err.status, -PGW_EINVAL);
	machine_fini(&lent.machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lent__is_an_image_as_any_other),
		cmocka_unit_test(test_lent__without_ranges_goes_by_vmcoreinfo),
		cmocka_unit_test(test_lent__of_a_machine_that_runs_is_stopped_if_it_can_be),
		cmocka_unit_test(test_lent__wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
