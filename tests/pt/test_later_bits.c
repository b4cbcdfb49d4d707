/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The table of bits that later extensions took, against what the decoder does: with such bits an
 * entry is accepted, and refused only where a control bit says that the CPU lacks the extension.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/format.h>

#include "base/bits.h"

/* An entry that leads to physical address 0, writable by all, of what manuals had from the start. */
static uint64_t plain_entry(const struct pgw_format *format, unsigned level, bool is_leaf)
{
	const char *arch = pgw_format_arch(format);

	if (strcmp(arch, "i386") == 0 && level == 2) /* P: a PDPTE has no rights */
		return is_leaf ? 0 : 1;
	if (strcmp(arch, "s390x") == 0) /* FC of large frames; TT, TL */
		return (is_leaf     ? (level ? BIT(10) : 0)
			: level > 1 ? 3
				    : 0) |
		       (level ? (level - 1) << 2 : 0);
	if (strcmp(arch, "loongarch64") == 0) /* V D PLV MAT P W, and H */
		return is_leaf ? 0x19f | (level ? BIT(6) : 0) : BIT(16);
	if (strcmp(arch, "ppc64") == 0) /* V, L, EAA; V, NLS */
		return BIT(63) | (is_leaf ? BIT(62) | 7 : 9);
	if (strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0) /* P RW US, and PS */
		return 7 | (is_leaf && level ? BIT(7) : 0);
	if (strcmp(arch, "npt") == 0 || strcmp(arch, "vtd-first") == 0) /* P RW US, and PS */
		return 7 | (is_leaf && level ? BIT(7) : 0);
	if (strcmp(arch, "ept") == 0 || strcmp(arch, "vtd-second") == 0) /* R W X, and large */
		return 7 | (is_leaf && level ? BIT(7) : 0);
	if (strcmp(arch, "amdvi") == 0) /* PR IR IW, and the next level */
		return BITS(62, 61) | (is_leaf ? 0 : level << 9) | 1;
	if (strcmp(arch, "arm64-s2") == 0 || strcmp(arch, "arm64-el2") == 0)
		return is_leaf ? (level ? 1u : 3u) | BITS(7, 6) | BIT(10) : 3;
	if (strcmp(arch, "riscv-g") == 0)
		return is_leaf ? 0xd7 : 1;
	if (strcmp(arch, "arm") == 0 && pgw_format_geometry(format)->item_lg2 == 2) /* AP = 011 */
		return is_leaf ? 2 | (level ? BITS(11, 10) : BITS(5, 4)) : 1;
	if (strcmp(arch, "arm64") == 0 || strcmp(arch, "arm") == 0) /* valid, AP[1], AF */
		return is_leaf ? (level ? 1u : 3u) | BIT(6) | BIT(10) : 3;
	if (strcmp(arch, "riscv32") != 0)
		assert_string_equal(arch, "riscv64"); /* V R W U A D */
	return is_leaf ? 0xd7 : 1;
}

static struct pgw_control control_with(const struct pgw_format *format, uint32_t without)
{
	const struct pgw_control unknown = { 0 };
	struct pgw_control control = pgw_control_assume(format, &unknown);

	control.set &= ~without;
	return control;
}

static struct pgw_entry decode(const struct pgw_format *format, uint32_t without, uint64_t entry,
			       unsigned level)
{
	struct pgw_control control = control_with(format, without);
	struct pgw_entry ret;

	pgw_entry_decode(format, &control, entry, level, &ret);
	return ret;
}

static bool says(const struct pgw_later_bits *later, const char *what)
{
	return strcmp(later->taken_for, what) == 0;
}

/* Does the entry mean what the table says? */
static void check_meaning(const struct pgw_later_bits *later, const struct pgw_entry *plain,
			  const struct pgw_entry *found)
{
	const uint8_t write = PGW_KERNEL_W | PGW_USER_W, exec = PGW_KERNEL_X | PGW_USER_X;

	if (says(later, "ignored") || says(later, "software's") || says(later, "no restriction"))
		assert_memory_equal(plain, found, sizeof(*plain));
	else if (says(later, "read-only") || says(later, "shadow stack"))
		assert_int_equal(found->rights & write, 0);
	else if (says(later, "execute-disable"))
		assert_int_equal(found->kind == PGW_ENTRY_LEAF ? found->rights & exec : 0, 0);
	else if (says(later, "privileged execute-never"))
		assert_int_equal(found->rights, plain->rights & ~PGW_KERNEL_X);
	else if (says(later, "executable"))
		assert_int_equal(found->kind == PGW_ENTRY_LEAF ? found->rights : exec, exec);
	else if (says(later, "address"))
		assert_int_equal(found->pa, later->value);
	else if (says(later, "run of 64K"))
		assert_int_equal(found->size_lg2, 16);
	else if (says(later, "memory type") || says(later, "shown as gp"))
		assert_int_equal(found->rights, plain->rights);
	else if (says(later, "direct permissions"))
		assert_int_equal(found->rights,
				 PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W);
	else
		assert_true(says(later, "Contiguous") || says(later, "writable with HD only"));
}

/* @return whether an entry of this kind can be at the level */
static bool check_row(const struct pgw_format *format, const struct pgw_later_bits *later,
		      unsigned level, bool is_leaf)
{
	const enum pgw_entry_kind kind = is_leaf ? PGW_ENTRY_LEAF : PGW_ENTRY_TABLE;
	uint64_t entry = plain_entry(format, level, is_leaf);
	struct pgw_entry plain = decode(format, 0, entry, level), found;

	if (plain.kind != kind)
		return false;
	entry = (entry & ~later->mask) | later->value;
	found = decode(format, 0, entry, level);
	assert_int_equal(found.kind, kind);
	check_meaning(later, &plain, &found);
	found = decode(format, later->control, entry, level);
	assert_int_equal(found.kind, later->control ? PGW_ENTRY_MALFORMED : kind);
	/* Whatever else is missing, if there are such entries without it. */
	plain = decode(format, ~later->control, plain_entry(format, level, is_leaf), level);
	found = decode(format, ~later->control, entry, level);
	assert_int_equal(found.kind, plain.kind);
	return true;
}

static void test_later_bits__are_accepted_unless_the_cpu_lacks_them(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		unsigned top = pgw_format_geometry(format)->top_level;

		for (const struct pgw_later_bits *later = pgw_format_later_bits(format);
		     later->bits; later++) {
			unsigned nr = 0;

			assert_int_equal(later->value & ~later->mask, 0);
			for (unsigned level = later->level_first;
			     level <= top && level <= later->level_last; level++) {
				nr += later->in_tables && check_row(format, later, level, false);
				nr += later->in_leaves && check_row(format, later, level, true);
			}
			assert_true(nr > 0);
		}
	}
}

/* Is there a row for what this control bit takes away? */
static bool is_listed(const struct pgw_format *format, uint64_t bit)
{
	for (const struct pgw_later_bits *later = pgw_format_later_bits(format); later->bits;
	     later++) {
		if ((later->mask & bit) && later->control)
			return true;
	}
	return false;
}

/*
 * Every bit that some CPU refuses, and that is not refused without knowing it, is in the table.
 * One that it ignores changes what the entry is without being reserved: PS, FC.
 */
static void test_later_bits__what_controls_make_reserved_is_listed(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		unsigned top = pgw_format_geometry(format)->top_level;

		for (unsigned at = 0; at < 64 * 2 * (top + 1); at++) {
			unsigned level = at / 128;
			uint64_t entry = plain_entry(format, level, at & 1) ^ BIT(at / 2 % 64);
			struct pgw_entry has = decode(format, 0, entry, level);
			struct pgw_entry lacks = decode(format, UINT32_MAX, entry, level);

			if (has.kind != lacks.kind && lacks.kind == PGW_ENTRY_MALFORMED)
				assert_true(is_listed(format, BIT(at / 2 % 64)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later_bits__are_accepted_unless_the_cpu_lacks_them),
		cmocka_unit_test(test_later_bits__what_controls_make_reserved_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
