/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory encryption on x86-64: which bit of entries it is, by all that tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "system/roots/root.h"
#include "system/system_priv.h"
#include "image/machine.h"

#define ADDRESS UINT64_C(0x000ffffffffff000)
#define PROCESS UINT64_C(0x20000)
/* A page that the kernel shares with the host. */
#define SHARED_VA UINT64_C(0xffffc90000001000)
#define SHARED_PA UINT64_C(0x7e000)
#define IO_APIC_VA UINT64_C(0xffffffffff5f9000)
#define IO_APIC_PA UINT64_C(0xfec00000)

static uint64_t bit_mask(uint8_t bit)
{
	return UINT64_C(1) << bit;
}

/* Set the bit in all entries of a tree that is all of tables and 4K leaves. */
static void encrypt_table(struct machine *machine, uint64_t table, unsigned level, uint64_t bit)
{
	for (unsigned i = 0; i < 512; i++) {
		uint64_t entry = machine_load(machine, table + 8 * i);

		if (!(entry & PTE_P) || (entry & bit))
			continue;
		machine_store(machine, table + 8 * i, entry | bit);
		if (level)
			encrypt_table(machine, entry & ADDRESS, level - 1, bit);
	}
}

/* A kernel and a process whose tables and memory are encrypted, but for one page. */
static void encrypted_machine(struct machine *machine, uint8_t bit)
{
	machine_init(machine, 4);
	machine_map(machine, MACHINE_SWAPPER, SHARED_VA, SHARED_PA, PTE_P | PTE_W);
	machine_make_level3(machine);
	machine_move_level3(machine);
	machine_process(machine, PROCESS);
	machine_map(machine, PROCESS, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	encrypt_table(machine, MACHINE_SWAPPER, 3, bit_mask(bit));
	encrypt_table(machine, PROCESS, 3, bit_mask(bit));
	/* The lowest table's item for the shared page: the only one that it maps. */
	for (uint64_t item = 0; item < sizeof(machine->ram); item += 8) {
		if (machine_load(machine, item) == (SHARED_PA | bit_mask(bit) | PTE_P | PTE_W))
			machine_store(machine, item, SHARED_PA | PTE_P | PTE_W);
	}
}

static void no_texts(struct machine *machine)
{
	memset(machine->ram + MACHINE_VMCOREINFO, 0, MACHINE_PAGE);
}

static const char *text_with_mask(const struct machine *machine, int64_t mask)
{
	static char text[600];

	snprintf(text, sizeof(text), "%sNUMBER(sme_mask)=%" PRId64 "\n", machine_text(machine),
		 mask);
	return text;
}

static bool has_root(struct pgw_image *image, uint64_t pa)
{
	const struct pgw_root_info *list;
	size_t nr;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	for (size_t i = 0; i < nr; i++) {
		if (list[i].root.pa == pa)
			return list[i].state == PGW_ROOT_MAPPED ||
			       list[i].state == PGW_ROOT_RUNNING;
	}
	return false;
}

/* An address is mapped to this page, encrypted or shared. */
static void check_page(struct pgw_image *image, const struct pgw_root_info *root, uint64_t va,
		       uint64_t pa, const char *encryption)
{
	struct pgw_control control = pgw_control_assume(root->format, &root->control);
	struct pgw_translation at;

	assert_true(image_root_translate(image, root, va, &at));
	assert_int_equal(at.pa, pa);
	assert_string_equal(pgw_format_encryption(root->format, &control, at.entry), encryption);
}

static void check_machine(struct machine *machine, const struct pgw_image_options *options,
			  const struct pgw_encryption *right)
{
	struct pgw_image *image = machine_open_with(machine, options);
	struct pgw_encryption found;
	struct pgw_root_info root;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	found = pgw_image_encryption(image);
	assert_int_equal(found.found, right->found);
	assert_int_equal(found.bit, right->bit);
	assert_int_equal(found.is_shared_bit, right->is_shared_bit);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(root.control.encryption_bit, right->bit);
	assert_true(root.control.known & PGW_CTL_X86_ENCRYPTION);
	check_page(image, &root, MACHINE_KERNEL_VA, MACHINE_KERNEL_PA, "encrypted");
	check_page(image, &root, right->is_shared_bit ? IO_APIC_VA : SHARED_VA,
		   right->is_shared_bit ? IO_APIC_PA : SHARED_PA, "shared");
	assert_true(has_root(image, PROCESS));
}

static void test_encryption__vmcoreinfo_names_the_bit(void **state)
{
	static const uint8_t bits[] = { 51, 47, 43, 32 };

	(void)state;
	for (size_t i = 0; i < sizeof(bits); i++) {
		const struct pgw_encryption right = { PGW_ENCRYPTION_FROM_VMCOREINFO, bits[i],
						      false };
		struct machine machine;

		encrypted_machine(&machine, bits[i]);
		machine_note(&machine, MACHINE_VMCOREINFO,
			     text_with_mask(&machine, (int64_t)bit_mask(bits[i])));
		check_machine(&machine, NULL, &right);
		machine_fini(&machine);
	}
}

/* A text of older kernels says nothing of it; CR3 and the tables do. */
static void test_encryption__a_cpus_root_and_its_tables_share_the_bit(void **state)
{
	static const uint8_t bits[] = { 51, 47 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(bits); i++) {
		uint8_t bit = bits[i % 2];
		const struct pgw_encryption right = { PGW_ENCRYPTION_FROM_TABLES, bit, false };
		struct machine machine;
		struct pgw_root_info root;

		encrypted_machine(&machine, bit);
		if (i < 2)
			no_texts(&machine);
		machine_cpu(&machine, PROCESS | bit_mask(bit));
		check_machine(&machine, NULL, &right);
		assert_int_equal(pgw_image_cpu_root(machine.image, 0, &root), 0);
		assert_int_equal(root.root.pa, PROCESS);
		check_page(machine.image, &root, 0x400000, MACHINE_USER_PAGE, "encrypted");
		machine_fini(&machine);
	}
}

static void test_encryption__the_kernels_tables_have_the_bit_where_nothing_else_tells(void **state)
{
	const struct pgw_encryption right = { PGW_ENCRYPTION_FROM_TABLES, 47, false };
	struct machine machine;

	(void)state;
	encrypted_machine(&machine, 47);
	no_texts(&machine);
	check_machine(&machine, NULL, &right);
	machine_fini(&machine);
}

static void test_encryption__the_option_comes_first(void **state)
{
	struct pgw_image_options options = { .encryption = { PGW_ENCRYPTION_FROM_OPTION, 51,
							     false } };
	struct pgw_root_info root;
	struct machine machine;

	(void)state;
	encrypted_machine(&machine, 51);
	machine_note(&machine, MACHINE_VMCOREINFO,
		     text_with_mask(&machine, (int64_t)bit_mask(47))); /* a lie */
	check_machine(&machine, &options, &options.encryption);
	machine_fini(&machine);

	/* With none, no table can be reached. */
	encrypted_machine(&machine, 51);
	options.encryption.bit = 0;
	assert_int_equal(pgw_image_kernel_root(machine_open_with(&machine, &options), &root, NULL),
			 -PGW_ENOENT);
	machine_fini(&machine);
}

/* TDX: tables never have the bit, registers that the host plays do. */
static void test_encryption__what_the_fixmap_shares_tells_tdx(void **state)
{
	static const uint8_t bits[] = { 51, 47 };

	(void)state;
	for (size_t i = 0; i < sizeof(bits); i++) {
		const struct pgw_encryption right = { PGW_ENCRYPTION_FROM_TABLES, bits[i], true };
		struct machine machine;

		machine_init(&machine, 4);
		machine_map(&machine, MACHINE_SWAPPER, IO_APIC_VA, IO_APIC_PA | bit_mask(bits[i]),
			    PTE_P | PTE_W | PTE_NX);
		machine_note(&machine, MACHINE_VMCOREINFO, text_with_mask(&machine, 0));
		machine_process(&machine, PROCESS);
		machine_map(&machine, PROCESS, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
		check_machine(&machine, NULL, &right);
		machine_fini(&machine);
	}
}

/* Of masks that cannot be one bit of an address, nothing is believed; nor of a machine without. */
static void test_encryption__nothing_is_found_where_nothing_is(void **state)
{
	static const int64_t masks[] = { 0, 1, 3, INT64_C(3) << 47, INT64_C(1) << 52, -1 };

	(void)state;
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct machine machine;
		struct pgw_root_info root;
		struct pgw_image *image;

		machine_init(&machine, 4);
		machine_map(&machine, MACHINE_SWAPPER, IO_APIC_VA, IO_APIC_PA,
			    PTE_P | PTE_W | PTE_NX);
		machine_note(&machine, MACHINE_VMCOREINFO, text_with_mask(&machine, masks[i]));
		machine_cpu(&machine, MACHINE_SWAPPER);
		image = machine_open(&machine);
		assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
		assert_int_equal(root.proof, PGW_PROOF_PASSED);
		assert_int_equal(pgw_image_encryption(image).found, PGW_ENCRYPTION_NOT_FOUND);
		assert_int_equal(root.control.encryption_bit, 0);
		machine_fini(&machine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encryption__vmcoreinfo_names_the_bit),
		cmocka_unit_test(test_encryption__a_cpus_root_and_its_tables_share_the_bit),
		cmocka_unit_test(
			test_encryption__the_kernels_tables_have_the_bit_where_nothing_else_tells),
		cmocka_unit_test(test_encryption__the_option_comes_first),
		cmocka_unit_test(test_encryption__what_the_fixmap_shares_tells_tdx),
		cmocka_unit_test(test_encryption__nothing_is_found_where_nothing_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
