/* SPDX-License-Identifier: BSD-2-Clause */
/* Roots of small made-up machines: what they are taken for, and on what grounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/find_root.h"
#include "image/machine.h"

/* What the registers in a CPU's note tell. */
#define CPU_CONTROL                                                                                \
	(PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_PKE | PGW_CTL_X86_LAM_U48 |               \
	 PGW_CTL_X86_LAM_U57 | PGW_CTL_X86_LAM_SUP)

/* Places for processes' roots: pairs lie side by side. */
#define ROOT_A UINT64_C(0x20000)
#define ROOT_A_USER UINT64_C(0x21000)
#define ROOT_B UINT64_C(0x22000)
#define ROOT_B_USER UINT64_C(0x23000)
#define ROOT_C UINT64_C(0x24000)
#define TRAMPOLINE UINT64_C(0x9000)
#define HIGH UINT64_C(0x200000) /* above the first MiB */

#define PTE_A (UINT64_C(1) << 5)
#define USER (PTE_P | PTE_W | PTE_U)

static void check_root(struct pgw_image *image, uint64_t pa, enum pgw_root_state state,
		       uint32_t found, enum pgw_root_proof proof)
{
	const struct pgw_root_info *root = find_root(image, pa);

	assert_non_null(root);
	assert_int_equal(root->state, state);
	assert_int_equal(root->found, found);
	assert_int_equal(root->proof, proof);
}

static void test_roots__without_kpti_each_process_has_one(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT_A);
	machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
	machine_process(&machine, ROOT_A_USER); /* side by side, but no pair */
	machine_map(&machine, ROOT_A_USER, 0x400000, MACHINE_USER_PAGE, USER);
	machine_process(&machine, ROOT_B);
	machine_cpu(&machine, MACHINE_SWAPPER);
	machine_cpu(&machine, ROOT_A);
	image = machine_open(&machine);

	assert_int_equal(nr_roots(image), 4);
	check_root(image, MACHINE_SWAPPER, PGW_ROOT_KERNEL,
		   PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_VMCOREINFO_RAM | PGW_ROOT_FROM_SELF_MAP,
		   PGW_PROOF_PASSED);
	check_root(image, ROOT_A, PGW_ROOT_RUNNING, PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_SELF_MAP,
		   PGW_PROOF_PASSED);
	check_root(image, ROOT_A_USER, PGW_ROOT_MAPPED, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, ROOT_B, PGW_ROOT_EMPTY, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	assert_false(find_root(image, ROOT_A)->has_twin);
	assert_int_equal(find_root(image, ROOT_A)->cpus, 2);
	assert_int_equal(find_root(image, MACHINE_SWAPPER)->cpus, 1);

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.state, PGW_ROOT_KERNEL);
	assert_int_equal(root.cpus, 1);
	assert_string_equal(pgw_format_name(root.format), "x86_64-la48");
	assert_int_equal(root.control.known, CPU_CONTROL);
	assert_int_equal(root.control.set, PGW_CTL_X86_WP | PGW_CTL_X86_SMEP);
	assert_int_equal(root.control.pa_bits, 0);
	assert_int_equal(pgw_image_cpu_root(image, 2, &root), -PGW_EINVAL);
	machine_fini(&machine);
}

static void make_kpti(struct machine *machine, unsigned nr_levels)
{
	machine_init(machine, nr_levels);
	machine_process(machine, ROOT_A);
	machine_map(machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
	machine_kpti(machine, ROOT_A, ROOT_A_USER);
	machine_process(machine, ROOT_B);
	machine_kpti(machine, ROOT_B, ROOT_B_USER);
	machine_kpti(machine, MACHINE_SWAPPER, MACHINE_SWAPPER + MACHINE_PAGE);
}

static void check_pair(struct pgw_image *image, uint64_t kernel, uint64_t user)
{
	const struct pgw_root_info *k = find_root(image, kernel), *u = find_root(image, user);

	assert_non_null(k);
	assert_non_null(u);
	assert_true(k->has_twin && u->has_twin);
	assert_int_equal(k->twin.pa, user);
	assert_int_equal(u->twin.pa, kernel);
	assert_false(k->is_kpti_user);
	assert_true(u->is_kpti_user);
	assert_int_equal(u->state, k->state);
	assert_int_equal(u->cpus, k->cpus);
	assert_int_equal(u->proof, PGW_PROOF_NONE);
	assert_true(u->found & PGW_ROOT_FROM_KPTI);
}

static void test_roots__kpti_pairs_are_found_and_told_apart(void **state)
{
	(void)state;
	for (unsigned nr_levels = 4; nr_levels <= 5; nr_levels++) {
		struct machine machine;
		struct pgw_root_info root;
		struct pgw_image *image;

		make_kpti(&machine, nr_levels);
		machine_cpu(&machine, ROOT_A);
		image = machine_open(&machine);
		assert_int_equal(nr_roots(image), 6);
		check_pair(image, MACHINE_SWAPPER, MACHINE_SWAPPER + MACHINE_PAGE);
		check_pair(image, ROOT_A, ROOT_A_USER);
		check_pair(image, ROOT_B, ROOT_B_USER);
		check_root(image, ROOT_A, PGW_ROOT_RUNNING,
			   PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
		check_root(image, ROOT_A_USER, PGW_ROOT_RUNNING, PGW_ROOT_FROM_KPTI,
			   PGW_PROOF_NONE);
		check_root(image, ROOT_B, PGW_ROOT_EMPTY, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_true(root.has_twin);
		assert_int_equal(root.twin.pa, MACHINE_SWAPPER + MACHINE_PAGE);
		assert_string_equal(pgw_format_name(root.format),
				    nr_levels == 5 ? "x86_64-la57" : "x86_64-la48");
		machine_fini(&machine);
	}
}

/* CR3 in user mode: the user's half and a PCID in the low bits. */
static void test_cpu_root__user_mode_gives_the_kernels_root_of_the_pair(void **state)
{
	struct machine machine;
	struct pgw_root_info root;
	struct pgw_image *image;

	(void)state;
	make_kpti(&machine, 4);
	machine_cpu(&machine, ROOT_A_USER | 0x801);
	machine_cpu(&machine, ROOT_B | 0x002);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_int_equal(root.root.pa, ROOT_A);
	assert_int_equal(root.twin.pa, ROOT_A_USER);
	assert_true(root.has_twin);
	assert_false(root.is_kpti_user);
	assert_int_equal(root.found, PGW_ROOT_FROM_KPTI);
	assert_int_equal(root.state, PGW_ROOT_RUNNING);
	assert_int_equal(root.proof, PGW_PROOF_NONE);
	assert_int_equal(root.cpus, 1);
	assert_int_equal(pgw_image_cpu_root(image, 1, &root), 0);
	assert_int_equal(root.root.pa, ROOT_B);
	assert_int_equal(root.found, PGW_ROOT_FROM_CPU);
	/* Maps no user memory and is on a CPU: could be the kernel's, as far as the registers tell.
	 */
	assert_int_equal(root.state, PGW_ROOT_UNKNOWN);

	check_pair(image, ROOT_A, ROOT_A_USER);
	assert_int_equal(find_root(image, ROOT_A)->cpus, 1);
	check_root(image, ROOT_A, PGW_ROOT_RUNNING, PGW_ROOT_FROM_KPTI | PGW_ROOT_FROM_SELF_MAP,
		   PGW_PROOF_PASSED);
	check_root(image, ROOT_A_USER, PGW_ROOT_RUNNING, PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_KPTI,
		   PGW_PROOF_NONE);
	check_root(image, ROOT_B, PGW_ROOT_RUNNING, PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_SELF_MAP,
		   PGW_PROOF_PASSED);
	/* What the search has found since does not change the answer. */
	assert_int_equal(pgw_image_cpu_root(image, 1, &root), 0);
	assert_int_equal(root.proof, PGW_PROOF_NONE);
	assert_int_equal(root.state, PGW_ROOT_UNKNOWN);
	machine_fini(&machine);
}

/* Each ground for a pair is needed: take one away, and it is none. */
static void test_roots__what_is_not_quite_a_pair_is_none(void **state)
{
	uint64_t idt_slot = 8 * ((MACHINE_IDT_VA >> 39) & 511);

	(void)state;
	for (int bend = 0; bend < 4; bend++) {
		struct machine machine;
		struct pgw_image *image;

		make_kpti(&machine, 4);
		switch (bend) {
		case 0: /* does not map the IDT */
			machine_store(&machine, ROOT_A_USER + idt_slot, 0);
			break;
		case 1: /* maps another page there */
			machine_store(&machine, ROOT_A_USER + idt_slot, 0);
			machine_map(&machine, ROOT_A_USER, MACHINE_IDT_VA, MACHINE_USER_PAGE,
				    PTE_P);
			break;
		case 2: /* another user half */
			machine_store(&machine, ROOT_A_USER, 0);
			break;
		case 3: /* as much of the kernel */
			machine_process(&machine, ROOT_A_USER);
			memcpy(machine.ram + ROOT_A_USER, machine.ram + ROOT_A, 2048);
			break;
		}
		machine_cpu(&machine, MACHINE_SWAPPER);
		image = machine_open(&machine);
		assert_non_null(find_root(image, ROOT_A));
		assert_false(find_root(image, ROOT_A)->has_twin);
		check_pair(image, ROOT_B, ROOT_B_USER);
		machine_fini(&machine);
	}
}

/* The IDT is where Linux has it: MACHINE_IDT_VA is that. */
static void test_roots__pairs_are_found_without_registers(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	for (unsigned nr_levels = 4; nr_levels <= 5; nr_levels++) {
		make_kpti(&machine, nr_levels);
		image = machine_open(&machine);
		assert_int_equal(nr_roots(image), 6);
		check_root(image, ROOT_A, PGW_ROOT_MAPPED, PGW_ROOT_FROM_SELF_MAP,
			   PGW_PROOF_PASSED);
		check_pair(image, MACHINE_SWAPPER, MACHINE_SWAPPER + MACHINE_PAGE);
		check_pair(image, ROOT_A, ROOT_A_USER);
		check_pair(image, ROOT_B, ROOT_B_USER);
		machine_fini(&machine);
	}
}

static void test_roots__both_halves_are_said_to_be_covered(void **state)
{
	struct machine machine;
	struct pgw_root_info root;
	const struct pgw_root_info *list;
	struct pgw_image *image;
	size_t nr;

	(void)state;
	make_kpti(&machine, 4);
	machine_cpu(&machine, ROOT_A);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	for (size_t i = 0; i < nr; i++)
		assert_true(list[i].has_user && list[i].has_kernel);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_true(root.has_user && root.has_kernel);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_true(root.has_user && root.has_kernel);
	machine_fini(&machine);
}

/* No VMCOREINFO, and a level3_kernel_pgt as Linux has it. */
static void make_level3(struct machine *machine, unsigned nr_levels)
{
	machine_init(machine, nr_levels);
	memset(machine->ram + MACHINE_VMCOREINFO, 0, 4096);
	machine_make_level3(machine);
}

static void test_kernel_root__is_found_by_level3(void **state)
{
	(void)state;
	for (unsigned nr_levels = 4; nr_levels <= 5; nr_levels++) {
		struct machine machine;
		struct pgw_root_info root;
		struct pgw_image *image;

		make_level3(&machine, nr_levels);
		machine_process(&machine, ROOT_A);
		machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
		/* In a page that the kernel's image has given back: empty, and mapped there. */
		machine_process(&machine, MACHINE_SWAPPER - MACHINE_PAGE);
		image = machine_open(&machine);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.state, PGW_ROOT_KERNEL);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		assert_int_equal(root.found, PGW_ROOT_FROM_LEVEL3 | PGW_ROOT_FROM_SELF_MAP);
		assert_string_equal(pgw_format_name(root.format),
				    nr_levels == 5 ? "x86_64-la57" : "x86_64-la48");
		assert_int_equal(nr_roots(image), 3);
		check_root(image, ROOT_A, PGW_ROOT_MAPPED, PGW_ROOT_FROM_SELF_MAP,
			   PGW_PROOF_PASSED);
		check_root(image, MACHINE_SWAPPER - MACHINE_PAGE, PGW_ROOT_EMPTY,
			   PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
		machine_fini(&machine);
	}
}

/* Each trait of level3_kernel_pgt is needed, and a kernel in whose image the root is. */
static void test_kernel_root__what_is_not_quite_level3_is_not_believed(void **state)
{
	(void)state;
	for (int bend = 0; bend < 5; bend++) {
		struct machine machine;
		struct pgw_root_info root;
		uint64_t level3, item;

		make_level3(&machine, 4);
		level3 = machine_level3(&machine);
		item = level3 + 8 * 510;
		switch (bend) {
		case 0: /* one entry more */
			machine_store(&machine, level3 + 8 * 7, 0x12345063);
			break;
		case 1: /* not accessed */
			machine_store(&machine, item, machine_load(&machine, item) & ~PTE_A);
			break;
		case 2: /* may not be executed */
			machine_store(&machine, item, machine_load(&machine, item) | PTE_NX);
			break;
		case 3: /* no fixmap */
			machine_store(&machine, item + 8, 0);
			break;
		case 4: /* the root elsewhere than in the image */
			machine_process(&machine, ROOT_A);
			memset(machine.ram + MACHINE_SWAPPER, 0, 4096);
			break;
		}
		assert_int_equal(pgw_image_kernel_root(machine_open(&machine), &root, NULL),
				 -PGW_ENOENT);
		assert_int_equal(nr_roots(machine.image), 0);
		machine_fini(&machine);
	}
}

static void test_roots__trampoline_is_known_by_mapping_itself(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, TRAMPOLINE);
	machine_map(&machine, TRAMPOLINE, TRAMPOLINE, TRAMPOLINE, PTE_P | PTE_W);
	machine_process(&machine, ROOT_A); /* the same mapping, but not of itself */
	machine_map(&machine, ROOT_A, TRAMPOLINE, TRAMPOLINE, PTE_P | PTE_W);
	machine_process(&machine, ROOT_B); /* itself, but for the user */
	machine_map(&machine, ROOT_B, ROOT_B, ROOT_B, USER);
	machine_process(&machine, ROOT_A_USER); /* something else at its own address */
	machine_map(&machine, ROOT_A_USER, ROOT_A_USER, MACHINE_USER_PAGE, PTE_P | PTE_W);
	machine_process(&machine, ROOT_C); /* itself, but where no CPU can start */
	machine_map(&machine, ROOT_C, HIGH, HIGH, PTE_P | PTE_W);
	mkelf_segment(&machine.elf, HIGH, machine.ram + ROOT_C, MACHINE_PAGE, MACHINE_PAGE);
	image = machine_open(&machine);
	check_root(image, ROOT_A_USER, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, HIGH, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, TRAMPOLINE, PGW_ROOT_TRAMPOLINE, PGW_ROOT_FROM_SELF_MAP,
		   PGW_PROOF_PASSED);
	check_root(image, ROOT_A, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, ROOT_B, PGW_ROOT_MAPPED, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	machine_fini(&machine);
}

/* Tables without leaves below them, and tables that are not there. */
static void test_roots__empty_needs_to_be_seen(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT_A);
	machine_map(&machine, ROOT_A, 0x400000, 0, 0);
	machine_store(&machine, ROOT_A, machine_load(&machine, ROOT_A) | USER);
	machine_process(&machine, ROOT_B);
	machine_store(&machine, ROOT_B, UINT64_C(0x123456000) | USER);
	machine_process(&machine, ROOT_C);
	machine_store(&machine, ROOT_C, UINT64_C(0xdeadbeef00) & ~PTE_P);
	image = machine_open(&machine);
	check_root(image, ROOT_A, PGW_ROOT_EMPTY, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, ROOT_B, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	check_root(image, ROOT_C, PGW_ROOT_EMPTY, PGW_ROOT_FROM_SELF_MAP, PGW_PROOF_PASSED);
	machine_fini(&machine);
}

/* Half the slots of the user half point to the root itself: 2^28 leaves and more, none the user's.
 */
static void test_roots__self_reference_ends_in_time(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	machine_init(&machine, 4);
	for (uint64_t root = ROOT_A; root < ROOT_A + 4 * MACHINE_PAGE; root += MACHINE_PAGE) {
		machine_process(&machine, root);
		for (uint64_t i = 128; i < 256; i++)
			machine_store(&machine, root + 8 * i, root | PTE_P | PTE_W);
	}
	image = machine_open(&machine);
	assert_int_equal(nr_roots(image), 5);
	for (uint64_t root = ROOT_A; root < ROOT_A + 4 * MACHINE_PAGE; root += MACHINE_PAGE)
		assert_int_equal(find_root(image, root)->state, PGW_ROOT_UNKNOWN);
	machine_fini(&machine);
}

static void count_windows(void *arg, uint64_t done, uint64_t total)
{
	(void)done, (void)total;
	++*(unsigned *)arg;
}

/* Of an image of its own, so that nothing is known from before. */
static int ask_kernel_root(const struct machine *machine, struct pgw_root_info *ret,
			   unsigned *ret_windows)
{
	struct pgw_image_options options = { .progress = count_windows,
					     .progress_arg = ret_windows };
	struct pgw_image *image;
	int status;

	*ret_windows = 0;
	assert_int_equal(pgw_image_open(machine->elf.path, &options, &image, NULL), 0);
	status = pgw_image_kernel_root(image, ret, NULL);
	pgw_image_close(image);
	return status;
}

/* A CPU runs a process, or its user half; with a text and without one. */
static void test_kernel_root__a_cpu_tells_it_without_a_search(void **state)
{
	struct machine machine;
	struct pgw_root_info root;
	unsigned nr_windows;
	struct pgw_image *image;
	const struct pgw_vmcoreinfo *texts;
	size_t nr;

	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		bool has_text = bits & 1, runs_user = bits & 2;

		make_level3(&machine, bits & 4 ? 5 : 4);
		machine_move_level3(&machine);
		if (has_text)
			machine_note(&machine, MACHINE_VMCOREINFO, machine_text(&machine));
		machine_process(&machine, ROOT_A);
		machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
		machine_kpti(&machine, ROOT_A, ROOT_A_USER);
		/* Given back by the kernel's image: empty, and mapped there. */
		machine_process(&machine, MACHINE_SWAPPER - MACHINE_PAGE);
		machine_cpu(&machine, runs_user ? ROOT_A_USER : ROOT_A);
		image = machine_open(&machine);
		assert_int_equal(ask_kernel_root(&machine, &root, &nr_windows), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.state, PGW_ROOT_KERNEL);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		assert_int_equal(root.found, PGW_ROOT_FROM_LEVEL3 | PGW_ROOT_FROM_SELF_MAP);
		assert_int_equal(root.control.set, PGW_CTL_X86_WP | PGW_CTL_X86_SMEP);
		assert_int_equal(nr_windows, 0);
		/* A text that is known and says the same is the better reason. */
		assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
		assert_int_equal(nr, has_text);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.found,
				 (has_text ? PGW_ROOT_FROM_VMCOREINFO_RAM : PGW_ROOT_FROM_LEVEL3) |
					 PGW_ROOT_FROM_SELF_MAP);
		check_root(image, MACHINE_SWAPPER, PGW_ROOT_KERNEL, root.found, PGW_PROOF_PASSED);
		assert_int_equal(nr_roots(image), 4);
		machine_fini(&machine);
	}
}

/* Then memory is looked through, and the text in it says where the root is. */
static void test_kernel_root__a_cpu_that_does_not_tell_it_is_no_reason(void **state)
{
	(void)state;
	for (int bend = 0; bend < 5; bend++) {
		struct machine machine;
		struct pgw_root_info root;
		unsigned nr_windows;

		make_level3(&machine, 4);
		machine_note(&machine, MACHINE_VMCOREINFO, machine_text(&machine));
		if (bend != 0) /* else too far from the root */
			machine_move_level3(&machine);
		if (bend == 1) /* one entry more */
			machine_store(&machine, MACHINE_NEAR_LEVEL3 + 8 * 7, 0x12345063);
		if (bend == 2) /* the kernel's root maps a user */
			machine_map(&machine, MACHINE_SWAPPER, 0x400000, MACHINE_USER_PAGE, USER);
		machine_process(&machine, ROOT_A);
		if (bend == 3) /* the process has no kernel */
			machine_store(&machine, ROOT_A + 8 * 511, 0);
		/* The last: its root is not in the image. */
		machine_cpu(&machine, bend == 4 ? 64 * MACHINE_PAGES * MACHINE_PAGE : ROOT_A);
		machine_open(&machine);
		assert_int_equal(ask_kernel_root(&machine, &root, &nr_windows), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_true(root.found & PGW_ROOT_FROM_VMCOREINFO_RAM);
		assert_true(nr_windows > 0);
		machine_fini(&machine);
	}
}

/* It says which kernel runs, whether a text that says otherwise is known by then or not. */
static void test_kernel_root__a_cpu_outweighs_a_text_in_memory(void **state)
{
	uint64_t other_va = UINT64_C(0xffffffff82000000), other = 0x30000;
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	const struct pgw_vmcoreinfo *texts;
	char text[256];
	size_t nr;

	(void)state;
	make_level3(&machine, 4);
	machine_move_level3(&machine);
	machine_map(&machine, MACHINE_SWAPPER, other_va, other, PTE_P | PTE_W);
	machine_process(&machine, other);
	snprintf(text, sizeof(text),
		 "OSRELEASE=6.1.0-kdump\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(phys_base)=%" PRId64 "\n",
		 other_va, (int64_t)(other - 0x2000000));
	machine_note(&machine, 0x1000, text);
	machine_cpu(&machine, MACHINE_SWAPPER);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(find_root(image, MACHINE_SWAPPER)->state, PGW_ROOT_KERNEL);
	machine_fini(&machine);
}

/* The other kernel's text comes first and claims a place that does not map itself. */
static void test_kernel_root__the_text_that_proves_itself_is_taken(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	char liar[256];

	(void)state;
	machine_init(&machine, 4);
	snprintf(liar, sizeof(liar),
		 "OSRELEASE=6.1.0-kdump\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(phys_base)=%" PRId64 "\nNUMBER(pgtable_l5_enabled)=0\n",
		 machine_va(MACHINE_SWAPPER), (int64_t)(ROOT_C - 0x1002000));
	machine_note(&machine, 0x1000, liar);
	machine_map(&machine, ROOT_C, 0x400000, MACHINE_USER_PAGE, USER);
	machine_process(&machine, ROOT_A);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(root.found, PGW_ROOT_FROM_VMCOREINFO_RAM | PGW_ROOT_FROM_SELF_MAP);
	/* The lie is listed for what it is. */
	check_root(image, ROOT_C, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_VMCOREINFO_RAM, PGW_PROOF_FAILED);
	assert_int_equal(nr_roots(image), 3);
	machine_fini(&machine);
}

/* Two kernels prove themselves: the one that a CPU runs is meant; if none does, the first. */
static void test_kernel_root__of_two_kernels_the_running_one_is_taken(void **state)
{
	uint64_t other_va = UINT64_C(0xffffffff82000000), other = 0x30000;
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	char text[256];

	(void)state;
	for (int running = 0; running < 3; running++) {
		machine_init(&machine, 4);
		machine_map(&machine, other, other_va, other, PTE_P | PTE_W);
		snprintf(text, sizeof(text),
			 "OSRELEASE=6.1.0-kdump\nSYMBOL(swapper_pg_dir)=%" PRIx64
			 "\nNUMBER(phys_base)=%" PRId64 "\n",
			 other_va, (int64_t)(other - 0x2000000));
		machine_note(&machine, running ? 0x1000 : 0x70000, text);
		if (running < 2)
			machine_cpu(&machine, running ? MACHINE_SWAPPER : other);
		image = machine_open(&machine);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, running == 1 ? MACHINE_SWAPPER : other);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		machine_fini(&machine);
	}
}

/* A text that no other can outdo ends the search; one that a CPU does not confirm does not. */
static void test_kernel_root__search_goes_no_farther_than_it_must(void **state)
{
	static const struct {
		uint64_t cr3; /* 0: no CPU */
		bool ends_early;
	} cases[] = { { 0, true }, { MACHINE_SWAPPER, true }, { ROOT_C, false } };
	struct machine machine;
	struct pgw_root_info root;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned nr_windows = 0, nr_all = 0;
		struct pgw_image_options options = { .progress = count_windows,
						     .progress_arg = &nr_windows };
		struct pgw_image *image;
		size_t nr;

		machine_init(&machine, 4);
		machine_process(&machine, ROOT_A);
		if (cases[i].cr3)
			machine_cpu(&machine, cases[i].cr3);
		nr = nr_roots(machine_open(&machine));
		assert_int_equal(pgw_image_open(machine.elf.path, &options, &image, NULL), 0);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		nr_all = nr_windows;
		/* What was not looked at then is looked at now, if all is asked for. */
		assert_int_equal(nr_roots(image), nr);
		if (cases[i].ends_early)
			assert_true(nr_windows > 2 * nr_all);
		else
			assert_int_equal(nr_windows, nr_all);
		pgw_image_close(image);
		machine_fini(&machine);
	}
}

static void test_kernel_root__a_note_is_enough(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;

	(void)state;
	machine_init(&machine, 4);
	mkelf_note(&machine.elf, "VMCOREINFO", 0, machine_text(&machine),
		   strlen(machine_text(&machine)));
	memset(machine.ram + MACHINE_VMCOREINFO, 0, 4096);
	machine_process(&machine, ROOT_A);
	machine_cpu(&machine, ROOT_A);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(root.state, PGW_ROOT_RUNNING);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.found, PGW_ROOT_FROM_VMCOREINFO_NOTE | PGW_ROOT_FROM_SELF_MAP);
	machine_fini(&machine);
}

static void test_kernel_root__older_names_of_the_table_will_do(void **state)
{
	static const char *const names[] = { "init_top_pgt", "init_level4_pgt" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct machine machine;
		struct pgw_image *image;
		struct pgw_root_info root;
		char text[256];

		machine_init(&machine, 4);
		snprintf(text, sizeof(text),
			 "A=B\nSYMBOL(%s)=%" PRIx64 "\nNUMBER(phys_base)=%" PRId64 "\n", names[i],
			 machine_va(MACHINE_SWAPPER), (int64_t)(MACHINE_KERNEL_PA - 0x1000000));
		machine_note(&machine, MACHINE_VMCOREINFO, text);
		image = machine_open(&machine);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		machine_fini(&machine);
	}
}

static void test_kernel_root__without_a_proof_a_cpus_is_taken(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;

	(void)state;
	machine_init(&machine, 4);
	machine_note(&machine, MACHINE_VMCOREINFO,
		     "A=B\nSYMBOL(swapper_pg_dir)=ffffffff81002000\nNUMBER(phys_base)=0\n");
	machine_process(&machine, ROOT_A);
	machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
	machine_kpti(&machine, ROOT_A, ROOT_A_USER);
	machine_cpu(&machine, ROOT_A_USER);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, ROOT_A);
	assert_int_equal(root.proof, PGW_PROOF_FAILED);
	assert_int_equal(root.state, PGW_ROOT_RUNNING);
	/* No root is looked for in memory on such grounds: the pair, and the claim. */
	assert_int_equal(nr_roots(image), 3);
	check_root(image, 0x1002000, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_VMCOREINFO_RAM,
		   PGW_PROOF_FAILED);
	machine_fini(&machine);

	machine_init(&machine, 4);
	memset(machine.ram + MACHINE_VMCOREINFO, 0, 4096);
	machine_cpu(&machine, MACHINE_SWAPPER);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.found, PGW_ROOT_FROM_CPU);
	assert_int_equal(root.proof, PGW_PROOF_NONE);
	assert_int_equal(root.state, PGW_ROOT_UNKNOWN);
	assert_int_equal(nr_roots(image), 1);
	machine_fini(&machine);
}

static void test_kernel_root__nothing_to_go_by_is_said(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	struct pgw_error err;

	(void)state;
	machine_init(&machine, 4);
	memset(machine.ram + MACHINE_VMCOREINFO, 0, 4096);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
	assert_int_equal(err.status, -PGW_ENOENT);
	assert_string_equal(err.expected, "a VMCOREINFO in a note or in memory, or a CPU's CR3");
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), -PGW_ENOENT);
	assert_int_equal(nr_roots(image), 0);
	machine_fini(&machine);

	machine_init(&machine, 4);
	machine_note(&machine, MACHINE_VMCOREINFO,
		     "A=B\nSYMBOL(swapper_pg_dir)=ffffffff81002000\nNUMBER(phys_base)=0\n");
	image = machine_open(&machine);
	assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
	assert_string_equal(err.expected, "a VMCOREINFO whose swapper_pg_dir maps itself");
	machine_fini(&machine);
}

/* A place that no table can have is no claim at all. */
static void test_kernel_root__impossible_places_are_no_claims(void **state)
{
	static const char *const texts[] = {
		"A=B\nSYMBOL(swapper_pg_dir)=ffffffff81002008\nNUMBER(phys_base)=0\n",
		"SYMBOL(swapper_pg_dir)=ffffffff81002000\nNUMBER(phys_base)=4503599627370496\n",
		"A=B\nSYMBOL(swapper_pg_dir)=0\nNUMBER(phys_base)=0\n",
		"A=B\nSYMBOL(swapper_pg_dir)=ffffffff81002000\n",
		"A=B\nSYMBOL(swapper_pg_dir)=ffffffff81002000\nNUMBER(phys_base)=x\n",
		"A=B\nNUMBER(phys_base)=0\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct machine machine;

		machine_init(&machine, 4);
		machine_note(&machine, MACHINE_VMCOREINFO, texts[i]);
		assert_int_equal(nr_roots(machine_open(&machine)), 0);
		machine_fini(&machine);
	}
}

static void test_cpu_root__cpu_without_paging_has_none(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;

	(void)state;
	machine_init(&machine, 4);
	mkelf_qemu_cpu(&machine.elf, &(struct mkelf_cpu){ .cr0 = 0x00050033, .cr4 = 0x3506b0 });
	mkelf_qemu_cpu(&machine.elf, &(struct mkelf_cpu){ .cr0 = 0x80050033, .cr3 = 0x5000 });
	machine_cpu(&machine, MACHINE_SWAPPER);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), -PGW_ENOENT);
	assert_int_equal(pgw_image_cpu_root(image, 1, &root), -PGW_ENOENT);
	assert_int_equal(pgw_image_cpu_root(image, 2, &root), 0);
	assert_int_equal(root.cpus, 4);
	assert_int_equal(nr_roots(image), 1);
	machine_fini(&machine);
}

static void test_cpu_root__control_bits_are_the_cpus(void **state)
{
	static const struct {
		uint64_t cr0, cr4, cr3;
		uint32_t set;
	} cases[] = {
		{ 0x80000001, 0x20, 0, 0 },
		{ 0x80010001, 0x20, 0, PGW_CTL_X86_WP },
		{ 0x80000001, 0x100020, 0, PGW_CTL_X86_SMEP },
		{ 0x80000001, 0x400020, 0, PGW_CTL_X86_PKE },
		{ 0x80000001, 0x10000020, 0, PGW_CTL_X86_LAM_SUP },
		{ 0x80000001, 0x20, UINT64_C(1) << 61, PGW_CTL_X86_LAM_U57 },
		{ 0x80000001, 0x20, UINT64_C(1) << 62, PGW_CTL_X86_LAM_U48 },
		{ 0x80010001, 0x10500020, UINT64_C(3) << 61, CPU_CONTROL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct machine machine;
		struct pgw_root_info root;

		machine_init(&machine, 4);
		mkelf_qemu_cpu(&machine.elf,
			       &(struct mkelf_cpu){ .cr0 = cases[i].cr0,
						    .cr3 = MACHINE_SWAPPER | cases[i].cr3,
						    .cr4 = cases[i].cr4 });
		assert_int_equal(pgw_image_cpu_root(machine_open(&machine), 0, &root), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.control.known, CPU_CONTROL);
		assert_int_equal(root.control.set, cases[i].set);
		assert_string_equal(pgw_format_name(root.format), "x86_64-la48");
		machine_fini(&machine);
	}
}

/* AMD APM volume 2, appendix B: where a VMCB has what. */
#define VMCB UINT64_C(0x6000)
#define GUEST_CR3 UINT64_C(0x8000)
#define IO_PERMISSIONS 0x40
#define MSR_PERMISSIONS 0x48
#define ASID 0x58
#define NESTED_CONTROL 0x90
#define NESTED_ROOT 0xb0
#define SAVED_EFER 0x4d0
#define SAVED_CR3 0x550

/* A CPU that was stopped in a guest: its registers are the guest's, and a VMCB has them. */
static void make_guest(struct machine *machine)
{
	machine_store(machine, VMCB + IO_PERMISSIONS, 0x30000);
	machine_store(machine, VMCB + MSR_PERMISSIONS, 0x34000);
	machine_store(machine, VMCB + ASID, 1);
	machine_store(machine, VMCB + NESTED_CONTROL, 1);
	machine_store(machine, VMCB + NESTED_ROOT, 0x36000);
	machine_store(machine, VMCB + SAVED_EFER, 0x1d00);
	machine_store(machine, VMCB + SAVED_CR3, GUEST_CR3 | 0x18);
	mkelf_qemu_cpu(&machine->elf,
		       &(struct mkelf_cpu){ .cr0 = 0x80000011, .cr3 = GUEST_CR3, .cr4 = 0x60 });
}

static void make_host(struct machine *machine, unsigned nr_levels)
{
	make_kpti(machine, nr_levels);
	make_guest(machine);
	machine_cpu(machine, ROOT_A_USER);
}

static void test_roots__a_guests_is_told_by_its_vmcb(void **state)
{
	(void)state;
	for (unsigned nr_levels = 4; nr_levels <= 5; nr_levels++) {
		struct machine machine;
		struct pgw_image *image;
		struct pgw_root_info root;

		make_host(&machine, nr_levels);
		image = machine_open(&machine);
		check_root(image, GUEST_CR3, PGW_ROOT_GUEST, PGW_ROOT_FROM_CPU, PGW_PROOF_FAILED);
		assert_int_equal(find_root(image, GUEST_CR3)->cpus, 1);
		assert_int_equal(find_root(image, GUEST_CR3)->evidence, VMCB);
		/* The pair is found though the first CPU's IDT is the guest's. */
		check_pair(image, ROOT_A, ROOT_A_USER);
		assert_int_equal(find_root(image, ROOT_A)->cpus, 2);
		assert_int_equal(find_root(image, ROOT_A)->evidence, 0);

		/* The default is the kernel's, read as the CPU reads it that runs it. */
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.root.pa, MACHINE_SWAPPER);
		assert_int_equal(root.control.set, PGW_CTL_X86_WP | PGW_CTL_X86_SMEP);
		machine_fini(&machine);
	}
}

/* By registers alone, before memory has been looked through for anything else. */
static void test_cpu_root__a_guests_is_told_by_its_vmcb(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;

	(void)state;
	machine_init(&machine, 4);
	machine_make_level3(&machine);
	machine_move_level3(&machine);
	machine_process(&machine, ROOT_A);
	machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
	make_guest(&machine);
	machine_cpu(&machine, ROOT_A);
	image = machine_open(&machine);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_int_equal(root.state, PGW_ROOT_GUEST);
	assert_int_equal(root.evidence, VMCB);
	assert_int_equal(pgw_image_cpu_root(image, 1, &root), 0);
	assert_int_equal(root.state, PGW_ROOT_RUNNING);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	machine_fini(&machine);
}

/* A CPU's root that does not map the kernel is no process's, whatever it is. */
static void test_roots__what_is_not_quite_a_vmcb_tells_nothing(void **state)
{
	static const struct {
		uint64_t at, value;
	} cases[] = {
		{ IO_PERMISSIONS, 0 },
		{ IO_PERMISSIONS, 0x30008 },
		{ MSR_PERMISSIONS, 0 },
		{ MSR_PERMISSIONS, UINT64_C(1) << 40 }, /* no memory there */
		{ ASID, UINT64_C(1) << 32 },
		{ NESTED_CONTROL, 2 },
		{ NESTED_ROOT, 0 },
		{ NESTED_ROOT, 0x36001 },
		{ NESTED_ROOT, UINT64_C(1) << 40 },
		{ SAVED_EFER, 0xd00 },
		{ SAVED_CR3, GUEST_CR3 + 0x1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct machine machine;
		struct pgw_image *image;

		make_host(&machine, 4);
		machine_store(&machine, VMCB + cases[i].at, cases[i].value);
		image = machine_open(&machine);
		check_root(image, GUEST_CR3, PGW_ROOT_UNKNOWN, PGW_ROOT_FROM_CPU, PGW_PROOF_FAILED);
		assert_int_equal(find_root(image, GUEST_CR3)->evidence, 0);
		machine_fini(&machine);
	}
}

/* 2^17 tables and more below one user half, and not a leaf in them: too many to say that it is
 * empty. */
static void test_roots__tables_without_end_are_not_called_empty(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT_A);
	for (uint64_t i = 0; i < 512; i++) {
		if (i < 256)
			machine_store(&machine, ROOT_A + 8 * i, ROOT_B | USER);
		machine_store(&machine, ROOT_B + 8 * i, ROOT_C | USER);
	}
	image = machine_open(&machine);
	assert_int_equal(nr_roots(image), 2);
	assert_int_equal(find_root(image, ROOT_A)->state, PGW_ROOT_UNKNOWN);
	machine_fini(&machine);
}

/* CPUs past 63 do not fit into the mask, but run all the same. */
static void test_roots__many_cpus_run(void **state)
{
	struct machine machine;
	struct pgw_image *image;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT_A);
	machine_map(&machine, ROOT_A, 0x400000, MACHINE_USER_PAGE, USER);
	for (int i = 0; i < 100; i++)
		machine_cpu(&machine, i < 70 ? MACHINE_SWAPPER : ROOT_A);
	image = machine_open(&machine);
	assert_int_equal(nr_roots(image), 2);
	assert_int_equal(find_root(image, MACHINE_SWAPPER)->cpus, UINT64_MAX);
	assert_int_equal(find_root(image, ROOT_A)->cpus, 0);
	assert_int_equal(find_root(image, ROOT_A)->state, PGW_ROOT_RUNNING);
	machine_fini(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roots__without_kpti_each_process_has_one),
		cmocka_unit_test(test_roots__kpti_pairs_are_found_and_told_apart),
		cmocka_unit_test(test_roots__a_guests_is_told_by_its_vmcb),
		cmocka_unit_test(test_cpu_root__a_guests_is_told_by_its_vmcb),
		cmocka_unit_test(test_roots__what_is_not_quite_a_vmcb_tells_nothing),
		cmocka_unit_test(test_cpu_root__user_mode_gives_the_kernels_root_of_the_pair),
		cmocka_unit_test(test_roots__what_is_not_quite_a_pair_is_none),
		cmocka_unit_test(test_roots__pairs_are_found_without_registers),
		cmocka_unit_test(test_roots__both_halves_are_said_to_be_covered),
		cmocka_unit_test(test_kernel_root__is_found_by_level3),
		cmocka_unit_test(test_kernel_root__what_is_not_quite_level3_is_not_believed),
		cmocka_unit_test(test_roots__trampoline_is_known_by_mapping_itself),
		cmocka_unit_test(test_roots__empty_needs_to_be_seen),
		cmocka_unit_test(test_roots__self_reference_ends_in_time),
		cmocka_unit_test(test_roots__tables_without_end_are_not_called_empty),
		cmocka_unit_test(test_roots__many_cpus_run),
		cmocka_unit_test(test_kernel_root__a_cpu_tells_it_without_a_search),
		cmocka_unit_test(test_kernel_root__a_cpu_that_does_not_tell_it_is_no_reason),
		cmocka_unit_test(test_kernel_root__a_cpu_outweighs_a_text_in_memory),
		cmocka_unit_test(test_kernel_root__the_text_that_proves_itself_is_taken),
		cmocka_unit_test(test_kernel_root__of_two_kernels_the_running_one_is_taken),
		cmocka_unit_test(test_kernel_root__search_goes_no_farther_than_it_must),
		cmocka_unit_test(test_kernel_root__a_note_is_enough),
		cmocka_unit_test(test_kernel_root__older_names_of_the_table_will_do),
		cmocka_unit_test(test_kernel_root__without_a_proof_a_cpus_is_taken),
		cmocka_unit_test(test_kernel_root__nothing_to_go_by_is_said),
		cmocka_unit_test(test_kernel_root__impossible_places_are_no_claims),
		cmocka_unit_test(test_cpu_root__cpu_without_paging_has_none),
		cmocka_unit_test(test_cpu_root__control_bits_are_the_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
