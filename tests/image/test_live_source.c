/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine that runs, made up here: it is stopped once, its tables are copied, and it changes them after that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "image/find_root.h"
#include "image/machine.h"
#include "source/source_priv.h"
#include "system/system_priv.h"

#define PROCESS UINT64_C(0x20000)
#define OTHER UINT64_C(0x22000)

/* There is one. */
static struct {
	struct machine machine;
	char name[16]; /* that it was opened by */
	unsigned nr_pauses, nr_resumes, nr_refreshes;
	int pause_status, resume_status;
	uint64_t cr3;
	void (*after)(void); /* once it runs again */
} toy;

static int live_refresh(struct source *source)
{
	const struct pgw_cpu cpu = {
		.known = PGW_CPU_X86_CR,
		.cr0 = BIT(31) | BIT(0),
		.cr3 = toy.cr3,
		.cr4 = BIT(5),
	};

	toy.nr_refreshes++;
	source->nr_cpus = 0;
	free(source->cpus);
	source->cpus = NULL;
	return source_add_cpu(source, &cpu);
}

static int live_open(struct source *source, const struct pgw_image_options *options,
		     struct pgw_error *err)
{
	(void)options, (void)err;
	snprintf(toy.name, sizeof(toy.name), "%s", source->path);
	source->has_machine = source->has_places = source->is_live = true;
	source->info.elf_machine = MKELF_X86_64;
	source->info.readable_bytes = sizeof(toy.machine.ram);
	return live_refresh(source);
}

static int live_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	(void)source;
	if (pa > sizeof(toy.machine.ram) || len > sizeof(toy.machine.ram) - pa)
		return -PGW_EIO;
	memcpy(buf, toy.machine.ram + pa, len);
	return 0;
}

static bool live_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret)
{
	(void)source, (void)extent;
	*ret = (struct pgw_pa_range){ 0, sizeof(toy.machine.ram) - 1 };
	return pa <= ret->last;
}

static int live_pause(const struct source *source)
{
	if (toy.pause_status)
		return toy.pause_status;
	source_pause_begins(source);
	toy.nr_pauses++;
	return 0;
}

static int live_resume(const struct source *source)
{
	(void)source;
	toy.nr_resumes++;
	if (toy.after)
		toy.after();
	return toy.resume_status;
}

static const struct source_ops live_ops = {
	.name = "toy",
	.scheme = "toy",
	.open = live_open,
	.read = live_read,
	.next_range = live_next_range,
	.pause = live_pause,
	.resume = live_resume,
	.refresh = live_refresh,
};

static struct pgw_image *open_toy(void)
{
	static const struct source_ops *const list[] = { &source_raw_ops, &live_ops };
	const struct image_kinds kinds = { list, 2 };
	struct pgw_image *image;

	memset(&toy, 0, sizeof(toy));
	machine_init(&toy.machine, 4);
	machine_process(&toy.machine, PROCESS);
	machine_map(&toy.machine, PROCESS, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_process(&toy.machine, OTHER);
	toy.cr3 = PROCESS;
	assert_int_equal(image_open(&kinds, "toy:box", NULL, &image, NULL), 0);
	assert_string_equal(toy.name, "box");
	assert_true(pgw_image_get_info(image)->is_live);
	return image;
}

static void close_toy(struct pgw_image *image)
{
	pgw_image_close(image);
	assert_int_equal(toy.nr_pauses, toy.nr_resumes);
	machine_fini(&toy.machine);
}

static uint64_t load(const struct pgw_image *image, uint64_t pa, int status)
{
	uint64_t word = 0;

	assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, &word, sizeof(word)), status);
	return word;
}

static void test_live_source__pauses_nest(void **state)
{
	struct pgw_image *image = open_toy();
	const struct pgw_phys *phys = pgw_image_phys(image);

	(void)state;
	assert_null(phys->ops->map);
	assert_int_equal(phys->ops->pause(phys), 0);
	assert_int_equal(phys->ops->pause(phys), 0);
	assert_int_equal(toy.nr_pauses, 1);
	phys->ops->resume(phys);
	assert_int_equal(toy.nr_resumes, 0);
	phys->ops->resume(phys);
	assert_int_equal(toy.nr_resumes, 1);
	/* One that nobody undid ends with the image. */
	assert_int_equal(phys->ops->pause(phys), 0);
	close_toy(image);
	assert_int_equal(toy.nr_resumes, 2);
}

/* When it runs again, its processes' roots are other things. */
static void change(void)
{
	memset(toy.machine.ram + PROCESS, 0x5a, 4096);
	memset(toy.machine.ram + OTHER, 0x5a, 4096);
}

static void test_live_source__what_is_held_is_of_one_moment(void **state)
{
	struct pgw_image *image = open_toy();
	struct pgw_hold_args args = { .has_cpus = true };
	struct pgw_root_info kernel, root;
	uint64_t before = load(image, PROCESS, 0);

	(void)state;
	assert_int_equal(pgw_image_kernel_root(image, &kernel, NULL), 0);
	args.roots = &kernel;
	args.nr_roots = 1;
	toy.after = change;
	assert_int_equal(pgw_image_hold(image, &args), 0);
	assert_int_equal(toy.nr_pauses, 1);
	assert_int_equal(toy.nr_resumes, 1);
	assert_int_equal(toy.nr_refreshes, 2);
	assert_false(pgw_image_get_info(image)->is_live);
	assert_true(pgw_image_get_info(image)->paused_ns > 0);
	assert_int_equal(load(image, PROCESS, 0), before);
	/* Neither a table nor asked for: not there, though the machine has it. */
	load(image, OTHER, -PGW_EIO);
	load(image, MACHINE_USER_PAGE, -PGW_EIO);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_int_equal(root.root.pa, PROCESS);
	assert_int_equal(pgw_image_hold(image, &args), -PGW_EINVAL);
	pgw_image_release(image);
	assert_true(pgw_image_get_info(image)->is_live);
	assert_int_equal(load(image, PROCESS, 0), UINT64_C(0x5a5a5a5a5a5a5a5a));
	assert_int_equal(load(image, OTHER, 0), UINT64_C(0x5a5a5a5a5a5a5a5a));
	close_toy(image);
}

static void test_live_source__registers_are_of_the_moment_that_is_held(void **state)
{
	struct pgw_image *image = open_toy();
	const struct pgw_hold_args args = { .has_cpus = true };
	struct pgw_cpu cpu;

	(void)state;
	toy.cr3 = OTHER;
	assert_int_equal(pgw_image_hold(image, &args), 0);
	assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
	assert_int_equal(cpu.cr3, OTHER);
	assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
	load(image, OTHER, 0);
	load(image, PROCESS, -PGW_EIO);
	close_toy(image);
}

static void test_live_source__pages_that_are_named_are_held(void **state)
{
	struct pgw_image *image = open_toy();
	const struct pgw_pa_range pages[] = { { MACHINE_USER_PAGE + 5, MACHINE_USER_PAGE + 6 },
					      { UINT64_C(1) << 40, UINT64_C(1) << 40 } };
	const struct pgw_hold_args args = { .pages = pages, .nr_pages = 2 };

	(void)state;
	assert_int_equal(pgw_image_hold(image, &args), 0);
	load(image, MACHINE_USER_PAGE + 4088, 0);
	load(image, MACHINE_USER_PAGE - 4096, -PGW_EIO);
	/* Nobody asked for registers, so the machine was not either. */
	assert_int_equal(toy.nr_refreshes, 1);
	close_toy(image);
}

static void test_live_source__gives_up_rather_than_stand_for_too_long(void **state)
{
	struct pgw_image *image = open_toy();
	const struct pgw_hold_args args = { .has_cpus = true, .max_pause_ns = 1 };

	(void)state;
	assert_int_equal(pgw_image_hold(image, &args), -PGW_EBUSY);
	assert_int_equal(toy.nr_resumes, 1);
	assert_true(pgw_image_get_info(image)->is_live);
	load(image, OTHER, 0);
	close_toy(image);
}

static void test_live_source__that_does_not_stop_or_start_is_an_error(void **state)
{
	struct pgw_image *image = open_toy();
	const struct pgw_hold_args args = { .has_cpus = true };

	(void)state;
	toy.pause_status = -PGW_EIO;
	assert_int_equal(pgw_image_hold(image, &args), -PGW_EIO);
	assert_int_equal(toy.nr_resumes, 0);
	toy.pause_status = 0;
	toy.resume_status = -PGW_EIO;
	assert_int_equal(pgw_image_hold(image, &args), -PGW_EIO);
	assert_true(pgw_image_get_info(image)->is_live);
	load(image, OTHER, 0);
	close_toy(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_source__pauses_nest),
		cmocka_unit_test(test_live_source__what_is_held_is_of_one_moment),
		cmocka_unit_test(test_live_source__registers_are_of_the_moment_that_is_held),
		cmocka_unit_test(test_live_source__pages_that_are_named_are_held),
		cmocka_unit_test(test_live_source__gives_up_rather_than_stand_for_too_long),
		cmocka_unit_test(test_live_source__that_does_not_stop_or_start_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
