/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Page tables of every format, walked by an MMU that is not ours: QEMU's. Each
 * round writes tables into a guest's RAM, lets a stub load the control
 * registers and try loads, stores and fetches as kernel and as user code, and
 * compares what came of them, and what gva2gpa says, with pgw_translate(). Of an IOMMU it is a device
 * that loads and stores.
 *
 *     test_mmu MACHINE [STUB]
 *
 * PGW_TEST_SEED repeats a run; PGW_MMU_ROUNDS is how many of each kind to make.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "common/arena.h"
#include "mmu/iommu.h"
#include "mmu/qemu.h"
#include "mmu/space.h"

#define MAX_COMMANDS ((GUEST_TARGET - GUEST_COMMANDS) / COMMAND_SIZE)
#define NR_LEAVES 200
#define NR_SPOILED 80
#define NR_PROBES 1000 /* addresses tried in a round of mappings */
#define NR_ASKED 320   /* of these, the ones that gva2gpa is asked about: half a millisecond each */
#define MAX_SPREAD                                                                                 \
	4096 /* addresses of one round of rights: all combinations, or so many random ones */
#define MAX_VAS (MAX_COMMANDS / 6)
#define ROUNDS_DEFAULT 4
/* The same of a device, each of whose accesses takes a tenth of a millisecond. */
#define NR_PROBES_DMA 300
#define MAX_SPREAD_DMA 400
#define ROUNDS_DMA 2
#define TARGET_TAG UINT64_C(0x7a6b000000000000) /* beside the address, in the target's words */

/* What a command must come to. */
struct expected {
	struct outcome outcome;
	uint64_t value;
	struct pgw_translation t;
};

struct test {
	const struct machine *machine;
	const struct pgw_format *format;
	const struct cpu *cpu;
	struct qemu qemu;
	struct space space;
	uint64_t random;
	struct command *command; /* in the guest's RAM */
	size_t nr_commands;
	uint64_t va[MAX_VAS]; /* to be tried */
	size_t nr_vas;
	unsigned nr_wrong;
	/* what the target area should hold, in the guest's byte order */
	uint64_t target[GUEST_TARGET_SIZE / 8];
	struct expected expected[MAX_COMMANDS];
};

static const struct machine *const machines[] = {
	&machine_x86_64, &machine_arm64, &machine_arm64_s2, &machine_riscv64,
	&machine_i386,   &machine_s390x, &machine_arm,      &machine_riscv32,
	&machine_vtd,    &machine_amdvi, &machine_smmuv3
};
static const struct machine *the_machine;
static const char *the_stub; /* NULL = it could not be built */
static uint64_t the_seed;
static unsigned nr_rounds; /* 0: as many as are enough */

static uint64_t target_pa(const struct test *test)
{
	return test->machine->ram_pa + GUEST_TARGET;
}

static bool is_big_endian(const struct test *test)
{
	return pgw_format_geometry(test->format)->is_big_endian;
}

/* A word of the guest's memory, and back. */
static uint64_t swap_for_guest(const struct test *test, uint64_t word)
{
	bool is_host_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	return is_big_endian(test) == is_host_big ? word : __builtin_bswap64(word);
}

static void swap_words_for_guest(const struct test *test, void *words, size_t size)
{
	uint64_t *word = words;

	for (size_t i = 0; i < size / sizeof(*word); i++)
		word[i] = swap_for_guest(test, word[i]);
}

/*
 * Every 16 bytes: where they are, to be loaded; and an instruction that traps,
 * to be fetched and, with other bits above it, stored. (A store over what was
 * fetched before lets QEMU forget its translation of it; or else these pile up
 * in the page, and it goes through all of them at every store.)
 */
static void fill_target(struct test *test)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(test->target); i += 2) {
		test->target[i] = swap_for_guest(test, TARGET_TAG | (target_pa(test) + 8 * i));
		test->target[i + 1] = swap_for_guest(test, test->machine->trap);
	}
	memcpy(test->qemu.ram + GUEST_TARGET, test->target, sizeof(test->target));
}

/* The n-th state of the control bits that the CPU lets one choose. */
static struct setting choose_setting(struct test *test, unsigned n)
{
	struct setting setting = { .format = test->format, .dice = test_random(&test->random) };
	struct pgw_control control = { .known = ~(uint32_t)PGW_CTL_MEMORY_TYPES,
				       .set = test->cpu->set };

	for (uint32_t left = test->cpu->toggles; left; left &= left - 1, n >>= 1)
		control.set |= n & 1 ? left & -left : 0;
	control.pa_bits = test->machine->pa_bits(test->format, test_random(&test->random));
	if (test->machine->control)
		test->machine->control(test->format, test_random(&test->random), &control);
	setting.control = pgw_control_assume(test->format, &control);
	return setting;
}

static unsigned nr_settings(const struct test *test)
{
	return 1u << __builtin_popcount(test->cpu->toggles);
}

static void start_round(struct test *test, unsigned n)
{
	struct setting setting = choose_setting(test, n);

	fill_target(test);
	test->nr_commands = test->nr_vas = 0;
	space_init(&test->space, test->machine, &setting, test->qemu.ram, &test->random);
}

/* What to store where something is to be fetched later. */
static uint64_t trap_with_dice(struct test *test)
{
	/* The half that comes first. */
	uint64_t half = is_big_endian(test) ? ~low_bits(32) : low_bits(32);

	return (test_random(&test->random) & ~half) | (test->machine->trap & half);
}

/*
 * Is it where the stub itself runs? With MPRV, QEMU 7.2 takes what it knows of
 * M-mode's fetches for what its loads and stores are to see.
 */
static bool is_stub(const struct test *test, uint64_t va)
{
	uint64_t stub = test->machine->ram_pa + GUEST_STUB;

	return va >= stub && va - stub < GUEST_PARAMS - GUEST_STUB;
}

/* Is it no memory, whatever the tables say? */
static bool is_elsewhere(const struct test *test, uint64_t va)
{
	const struct iommu *iommu = test->machine->iommu;

	return iommu && va >= iommu->no_dma_first && va <= iommu->no_dma_last;
}

/* Add one access, unless it would touch what is not the target area. */
static void add_command(struct test *test, uint64_t va, unsigned op)
{
	struct expected *expected = &test->expected[test->nr_commands];
	struct command *command = &test->command[test->nr_commands];
	struct pgw_path path;
	uint64_t offset;
	bool canonical;

	va = (va & ~UINT64_C(15)) | ((op & 3) == OP_LOAD ? 0 : 8);
	space_translate(&test->space, va, op & OP_USER, &expected->t, &path, &canonical);
	test->space.setting.path = &path;
	offset = expected->t.pa - target_pa(test);
	expected->outcome =
		test->machine->outcome(&test->space.setting, &expected->t, op, canonical);
	expected->value = va;
	if (test->nr_commands == MAX_COMMANDS || is_stub(test, va) || is_elsewhere(test, va) ||
	    expected->t.kind == PGW_ENTRY_UNREADABLE ||
	    test->machine->qemu_differs(&test->space.setting, &expected->t, op) ||
	    (!canonical && (op & 3) == OP_EXEC) ||
	    (!expected->outcome.faults && offset >= GUEST_TARGET_SIZE))
		return;
	*command = (struct command){ va, op, trap_with_dice(test), UINT64_MAX };
	if (!expected->outcome.faults && (op & 3) == OP_STORE)
		test->target[offset / 8] = swap_for_guest(test, command->value);
	if (!expected->outcome.faults && (op & 3) == OP_LOAD)
		expected->value = swap_for_guest(test, test->target[offset / 8]);
	test->nr_commands++;
}

static void add_va(struct test *test, uint64_t va)
{
	uint64_t mask = test->machine->va_mask ? test->machine->va_mask : UINT64_MAX;

	if (test->nr_vas < MAX_VAS)
		test->va[test->nr_vas++] = va & mask;
}

/* Try each address in every way; kind by kind, as QEMU is slow where stores and fetches mix. */
static void add_commands(struct test *test)
{
	static const uint8_t ops[] = { OP_LOAD, OP_LOAD | OP_USER, OP_STORE, OP_STORE | OP_USER,
				       OP_EXEC, OP_EXEC | OP_USER };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(ops); i++) {
		/* A device is nobody's code. */
		if (test->machine->iommu && ops[i] != OP_LOAD && ops[i] != OP_STORE)
			continue;
		for (size_t k = 0; k < test->nr_vas; k++)
			add_command(test, test->va[k], ops[i]);
	}
}

static void run_commands(struct test *test)
{
	struct params *params = (struct params *)(void *)(test->qemu.ram + GUEST_PARAMS);

	add_commands(test);
	if (test->machine->iommu) {
		iommu_run(&test->qemu, test->machine, &test->space.setting, test->space.root,
			  test->command, test->nr_commands);
		return;
	}
	*params = (struct params){ .end = test->machine->ram_pa + GUEST_COMMANDS +
					  test->nr_commands * COMMAND_SIZE };
	test->machine->registers(&test->space.setting, test->space.root, params->reg);
	swap_words_for_guest(test, params, sizeof(*params));
	swap_words_for_guest(test, test->command, test->nr_commands * COMMAND_SIZE);
	qemu_run(&test->qemu);
	swap_words_for_guest(test, test->command, test->nr_commands * COMMAND_SIZE);
}

/* A disagreement; the first few are shown. */
static void wrong(struct test *test, const char *what, uint64_t va, const struct pgw_translation *t)
{
	const struct setting *setting = &test->space.setting;

	if (test->nr_wrong++ >= 8)
		return;
	print_message("%s, %s, control bits %#x, %u bits of pa, dice %#llx:\n",
		      pgw_format_name(test->format), test->cpu->name, setting->control.set,
		      setting->control.pa_bits, (unsigned long long)setting->dice);
	print_message(
		"  va %#llx: %s; pagewalk: kind %d, level %u, entry %#llx, pa %#llx, rights %#x\n",
		(unsigned long long)va, what, t->kind, t->level, (unsigned long long)t->entry,
		(unsigned long long)t->pa, t->rights);
}

static bool is_as_expected(const struct command *command, const struct expected *expected)
{
	const struct outcome *outcome = &expected->outcome;

	if ((command->fault & outcome->mask) != outcome->code)
		return false;
	if (outcome->faults ? outcome->names_va : (command->op & 3) == OP_LOAD)
		return command->value == expected->value;
	return true;
}

static void check_commands(struct test *test)
{
	char what[160];

	for (size_t i = 0; i < test->nr_commands; i++) {
		const struct command *command = &test->command[i];
		const struct expected *expected = &test->expected[i];

		if (is_as_expected(command, expected))
			continue;
		snprintf(what, sizeof(what),
			 "op %u came to %#llx with value %#llx, not to %#llx with %#llx",
			 (unsigned)command->op, (unsigned long long)command->fault,
			 (unsigned long long)command->value,
			 (unsigned long long)expected->outcome.code,
			 (unsigned long long)expected->value);
		wrong(test, what, command->va, &expected->t);
	}
	/* Stores went where they should, and nowhere else. */
	if (!test->nr_wrong)
		assert_memory_equal(test->qemu.ram + GUEST_TARGET, test->target,
				    sizeof(test->target));
}

static void check_gva2gpa(struct test *test)
{
	static struct qemu_gpa gpa[NR_ASKED];
	const struct machine *machine = test->machine;

	size_t nr = test->nr_vas < NR_ASKED ? test->nr_vas : NR_ASKED;

	if (machine->has_no_gva2gpa)
		return;
	qemu_gva2gpa(&test->qemu, test->va, gpa, nr);
	for (size_t i = 0; i < nr; i++) {
		struct pgw_translation t;
		struct pgw_path path;
		bool canonical, mapped;
		char what[80];

		space_translate(&test->space, test->va[i], false, &t, &path, &canonical);
		test->space.setting.path = &path;
		mapped = machine->is_visible(&test->space.setting, &t);
		if (t.kind == PGW_ENTRY_UNREADABLE ||
		    machine->qemu_differs(&test->space.setting, &t, OP_LOAD) ||
		    (t.kind == PGW_ENTRY_MALFORMED && !machine->gva2gpa_is_the_mmu))
			continue;
		if (gpa[i].mapped == mapped && (!mapped || gpa[i].pa == t.pa))
			continue;
		snprintf(what, sizeof(what), "gva2gpa says %s %#llx",
			 gpa[i].mapped ? "mapped" : "unmapped", (unsigned long long)gpa[i].pa);
		wrong(test, what, test->va[i], &t);
	}
}

static void end_round(struct test *test)
{
	space_fini(&test->space);
	if (test->nr_wrong)
		fail_msg("%u disagreements; PGW_TEST_SEED=%#llx repeats them", test->nr_wrong,
			 (unsigned long long)the_seed);
}

/* An address that has something to do with a leaf, or with nothing. */
static uint64_t choose_va(struct test *test)
{
	const struct space *space = &test->space;
	uint64_t r = test_random(&test->random),
		 pa = target_pa(test) + (r >> 8) % GUEST_TARGET_SIZE;
	const struct space_leaf *leaf = &space->leaf[(r >> 32) % space->nr_leaves];
	uint64_t inside = test_random(&test->random) & (leaf->last - leaf->va);

	switch (r % 8) {
	case 0:
		return leaf->va;
	case 1:
		return leaf->last;
	case 2:
		return leaf->va - 1;
	case 3:
		return leaf->last + 1;
	case 4:
		return r & 0x80 ? leaf->va + inside : inside ^ test_random(&test->random);
	default:
		/* Where it maps the target area, if it does. */
		return pa - leaf->pa <= leaf->last - leaf->va ? leaf->va + (pa - leaf->pa)
							      : leaf->va + inside;
	}
}

/* Random leaves, in every second round spoiled. */
static void mappings_round(struct test *test, unsigned n)
{
	start_round(test, (unsigned)test_random(&test->random));
	space_map_random(&test->space, NR_LEAVES);
	space_seal(&test->space);
	if (n % 2 && !test->machine->takes_malformed)
		space_spoil(&test->space, NR_SPOILED);
	for (size_t i = 0; i < (test->machine->iommu ? NR_PROBES_DMA : NR_PROBES); i++)
		add_va(test, choose_va(test));
	run_commands(test);
	check_commands(test);
	check_gva2gpa(test);
	end_round(test);
}

static void add_spread(struct test *test, enum pgw_region_kind half, unsigned leaf_level,
		       const unsigned *combination)
{
	add_va(test, space_spread_va(&test->space, half, leaf_level, combination));
}

/* All combinations of the leaf's rights with those of one level above it, the others' being none. */
static void add_pairs(struct test *test, enum pgw_region_kind half, unsigned leaf_level,
		      unsigned level)
{
	unsigned nr = space_nr_combinations(&test->space, level, leaf_level);
	unsigned nr_leaf = space_nr_combinations(&test->space, leaf_level, leaf_level);

	for (unsigned i = 0; i < nr * nr_leaf; i++) {
		unsigned combination[PGW_MAX_LEVELS] = { 0 };

		combination[level] = i / nr_leaf;
		combination[leaf_level] = i % nr_leaf;
		add_spread(test, half, leaf_level, combination);
	}
}

/* Combination i of all levels; counting through them if that does not take too long. */
static void add_combinations(struct test *test, enum pgw_region_kind half, unsigned leaf_level)
{
	unsigned top = pgw_format_geometry(test->format)->top_level;
	uint64_t total = 1, max = test->machine->iommu ? MAX_SPREAD_DMA : MAX_SPREAD;

	for (unsigned level = leaf_level; level <= top; level++)
		total *= space_nr_combinations(&test->space, level, leaf_level);
	for (unsigned level = leaf_level + 1; level <= top && total > max; level++)
		add_pairs(test, half, leaf_level, level);
	for (uint64_t i = 0; i < total && i < max; i++) {
		uint64_t left = total > max ? test_random(&test->random) : i;
		unsigned combination[PGW_MAX_LEVELS] = { 0 };

		for (unsigned level = leaf_level; level <= top; level++) {
			unsigned nr = space_nr_combinations(&test->space, level, leaf_level);

			combination[level] = (unsigned)(left % nr);
			left /= nr;
		}
		add_spread(test, half, leaf_level, combination);
	}
}

static unsigned random_leaf_level(struct test *test)
{
	return (unsigned)(test_random(&test->random) %
			  (test->machine->max_leaf_level(&test->space.setting) + 1));
}

static void rights_round(struct test *test, unsigned n, unsigned region)
{
	enum pgw_region_kind half;
	unsigned leaf_level;

	start_round(test, n);
	half = test->space.region[region];
	leaf_level = random_leaf_level(test);
	space_spread_rights(&test->space, half, leaf_level);
	add_combinations(test, half, leaf_level);
	run_commands(test);
	check_commands(test);
	end_round(test);
}

/* Every ROUNDS_DEFAULT-th setting, with leaves of a random level. One root has both halves. */
static void rights_rounds(struct test *test, unsigned n)
{
	do {
		rights_round(test, n, 0);
		if (pgw_format_is_split(test->format))
			rights_round(test, n, 1);
		n += ROUNDS_DEFAULT;
	} while (n < nr_settings(test));
}

/* Every single bit of an entry of every level. */
static void flips_round(struct test *test, unsigned round)
{
	unsigned top = pgw_format_geometry(test->format)->top_level;
	enum pgw_region_kind half;
	unsigned leaf_level;

	start_round(test, (unsigned)test_random(&test->random));
	half = test->space.region[round % test->space.nr_regions];
	leaf_level = random_leaf_level(test);
	space_spread_flips(&test->space, half, leaf_level);
	for (unsigned level = leaf_level; level <= top; level++) {
		for (unsigned n = 1; n <= space_nr_flips(&test->space, level); n++)
			add_va(test, space_flip_va(&test->space, level, n));
	}
	run_commands(test);
	check_commands(test);
	check_gva2gpa(test);
	end_round(test);
}

static void start_cpu(struct test *test, const struct cpu *cpu)
{
	char stub[4096];
	struct qemu_args args = {
		.emulator = test->machine->emulator,
		.board = test->machine->board,
		.cpu = cpu->name,
		.stub_option = test->machine->stub_option,
		.stub = stub,
	};

	test->cpu = cpu;
	if (test->machine->iommu)
		return;
	snprintf(stub, sizeof(stub), "%s%s", test->machine->stub_prefix, the_stub);
	qemu_start(&test->qemu, &args);
}

static int setup(void **state)
{
	struct test *test = calloc(1, sizeof(*test));

	if (!test)
		return -1;
	test->format = *state;
	test->machine = the_machine;
	test->random = the_seed;
	qemu_init(&test->qemu);
	test->command = (struct command *)(void *)(test->qemu.ram + GUEST_COMMANDS);
	*state = test;
	return 0;
}

static int teardown(void **state)
{
	struct test *test = *state;

	space_fini(&test->space);
	qemu_fini(&test->qemu);
	free(test);
	return 0;
}

static void test_mmu__a_format(void **state)
{
	struct test *test = *state;

	if (!qemu_is_installed(the_machine->emulator)) {
		print_message("QEMU is not installed\n");
		skip();
	}
	if (!the_stub && !the_machine->iommu) {
		print_message("there is no compiler for the stub\n");
		skip();
	}
	for (const struct cpu *cpu = the_machine->cpus; cpu->name; cpu++) {
		start_cpu(test, cpu);
		for (unsigned n = 0; n < nr_rounds; n++) {
			mappings_round(test, n);
			rights_rounds(test, n % ROUNDS_DEFAULT);
			if (!the_machine->takes_malformed)
				flips_round(test, n);
		}
		qemu_stop(&test->qemu);
	}
}

static const struct machine *machine_by_name(const char *name)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		const struct machine *machine = machines[i];

		if (strcmp(machine->name ? machine->name : machine->arch, name) == 0)
			return machine;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static char names[64][80];
	static struct CMUnitTest tests[64];
	const struct pgw_format *format;
	const char *rounds = getenv("PGW_MMU_ROUNDS");
	size_t nr = 0;

	the_machine = argc >= 2 ? machine_by_name(argv[1]) : NULL;
	if (!the_machine) {
		fprintf(stderr, "usage: test_mmu MACHINE [STUB]\n");
		return 2;
	}
	the_stub = argc >= 3 ? argv[2] : NULL;
	the_seed = test_seed();
	if (rounds)
		nr_rounds = (unsigned)strtoul(rounds, NULL, 0);
	if (!nr_rounds)
		nr_rounds = the_machine->iommu ? ROUNDS_DMA : ROUNDS_DEFAULT;
	for (size_t i = 0; (format = pgw_format_at(i)) != NULL && nr < PGW_ARRAY_SIZE(tests); i++) {
		if (strcmp(pgw_format_arch(format), the_machine->arch) != 0 ||
		    (the_machine->has_format && !the_machine->has_format(format)))
			continue;
		snprintf(names[nr], sizeof(names[nr]), "test_mmu__%s_agrees_with_qemu",
			 pgw_format_name(format));
		tests[nr] = (struct CMUnitTest){
			.name = names[nr],
			.test_func = test_mmu__a_format,
			.setup_func = setup,
			.teardown_func = teardown,
			.initial_state = (void *)(size_t)format,
		};
		nr++;
	}
	return _cmocka_run_group_tests(argv[1], tests, nr, NULL, NULL);
}
