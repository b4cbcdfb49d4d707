/* SPDX-License-Identifier: BSD-2-Clause */
/* Migration streams as QEMU itself writes them, beside its own dump and the memory of the guest. */
#define _GNU_SOURCE /* memfd_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "common/arena.h"
#include "image/linux.h"
#include "image/machine.h"
#include "image/same_image.h"
#include "mmu/guest.h"
#include "mmu/qemu.h"

#define PAGE 4096u
#define MIB (UINT64_C(1) << 20)

/* A PC has video memory and firmware there, and its RAM below is not what the CPU sees. */
#define PC_OTHER_FIRST 0xa0000
#define PC_OTHER_END 0x100000

/* QEMU puts a device tree at the start of arm64's memory, and at the end of riscv64's. */
#define LINUX_AT (16 * MIB)

struct guest {
	struct qemu_args args;
	const char *arch; /* of the memory, if a kernel proves itself in it */
	uint64_t pa;
	enum pgw_image_placement placement;
};

static const struct guest guests[] = {
	{ { "qemu-system-x86_64", "q35", "max", "-rtc", "base=utc", "pc.ram" },
	  "x86_64",
	  0,
	  PGW_PLACEMENT_GUESSED },
	{ { "qemu-system-x86_64", "pc", "max", "-rtc", "base=utc", "ram" },
	  "x86_64",
	  0,
	  PGW_PLACEMENT_GUESSED },
	{ { "qemu-system-aarch64", "virt", "cortex-a57", "-rtc", "base=utc", "mach-virt.ram" },
	  "arm64",
	  0x40000000,
	  PGW_PLACEMENT_PROVED },
	{ { "qemu-system-riscv64", "virt", "rv64", "-bios", "none", "riscv_virt_board.ram" },
	  "riscv64",
	  0x80000000,
	  PGW_PLACEMENT_PROVED },
	{ { "qemu-system-riscv64", "virt", "rv64", "-bios", "none", NULL },
	  NULL,
	  0x80000000,
	  PGW_PLACEMENT_USUAL },
	{ { "qemu-system-s390x", "s390-ccw-virtio", "qemu", "-rtc", "base=utc", "s390.ram" },
	  NULL,
	  0,
	  PGW_PLACEMENT_USUAL },
};

/* A guest that is about to be migrated, and where to. */
struct run {
	struct qemu qemu;
	char folder[64];
	char stream[96], core[96];
};

static void run_init(struct run *run)
{
	qemu_init(&run->qemu);
	strcpy(run->folder, "/tmp/pagewalk-streams-XXXXXX");
	assert_non_null(mkdtemp(run->folder));
	snprintf(run->stream, sizeof(run->stream), "%s/stream", run->folder);
	snprintf(run->core, sizeof(run->core), "%s/core", run->folder);
}

static void run_fini(struct run *run)
{
	qemu_fini(&run->qemu);
	unlink(run->stream);
	unlink(run->core);
	rmdir(run->folder);
}

static void nap(unsigned ms)
{
	const struct timespec time = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

static void start_migration(struct run *run)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat > %s\"}}",
		 run->stream);
	qemu_ask(&run->qemu, text);
}

static void finish_migration(struct run *run)
{
	const char *answer;

	do {
		nap(20);
		answer = qemu_ask(&run->qemu, "{\"execute\":\"query-migrate\"}");
		if (strstr(answer, "\"failed\""))
			fail_msg("QEMU says %s", answer);
	} while (!strstr(answer, "\"completed\""));
}

static void dump(struct run *run)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,"
		 "\"protocol\":\"file:%s\"}}",
		 run->core);
	qemu_ask(&run->qemu, text);
}

/* What is in the guest's memory: a small Linux, whose dump a test makes. */
struct inside {
	struct machine machine;
	struct linux_machine linux_machine;
	struct pgw_image *image; /* NULL: none of these */
};

static void inside_init(struct inside *inside, const char *arch, uint8_t *ram)
{
	struct linux_machine *m = &inside->linux_machine;
	bool is_arm64 = arch && strcmp(arch, "arm64") == 0;

	inside->image = NULL;
	if (!arch)
		return;
	if (strcmp(arch, "x86_64") == 0) {
		machine_init(&inside->machine, 4);
		memcpy(ram, inside->machine.ram, sizeof(inside->machine.ram));
		inside->image = machine_open(&inside->machine);
		return;
	}
	linux_init_at(m, pgw_format_by_name(is_arm64 ? "arm64-4k-48" : "riscv-sv39"), 0,
		      (is_arm64 ? UINT64_C(0x40000000) : UINT64_C(0x80000000)) + LINUX_AT);
	linux_process(m, 0);
	/* By this riscv64 knows the kernel. */
	memcpy(m->ram + LINUX_KERNEL * PAGE + 0x30, "RISCV\0\0\0RSC\5", 12);
	memcpy(ram + LINUX_AT, m->ram, LINUX_PAGES * PAGE);
	inside->image = linux_open(m);
}

static void inside_fini(struct inside *inside)
{
	if (inside->image && inside->image == inside->linux_machine.image)
		linux_fini(&inside->linux_machine);
	else if (inside->image)
		machine_fini(&inside->machine);
}

/* And bytes of no meaning at some other places. */
static void fill(struct qemu *qemu)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 300; i++) {
		uint64_t page = test_random(&random) % (GUEST_RAM_SIZE / 2 / PAGE) +
				GUEST_RAM_SIZE / 2 / PAGE;

		for (unsigned at = 0; at < PAGE; at += 8) {
			uint64_t bytes = test_random(&random);

			memcpy(qemu->ram + page * PAGE + at, &bytes, sizeof(bytes));
		}
	}
}

/* All of the guest's memory, in the stream and, where the CPU sees it, in the dump. */
static void check_bytes(const struct run *run, const struct guest *guest, struct pgw_image *stream,
			struct pgw_image *core)
{
	const struct pgw_phys *phys = pgw_image_phys(stream);
	uint64_t first, last;
	bool is_pc = !guest->pa && strstr(guest->args.emulator, "x86");

	assert_true(phys->ops->next_range(phys, 0, &first, &last));
	assert_int_equal(first, guest->pa);
	assert_int_equal(last, guest->pa + GUEST_RAM_SIZE - 1);
	assert_false(phys->ops->next_range(phys, last + 1, &first, &last));
	for (uint64_t at = 0; at < GUEST_RAM_SIZE; at += PAGE) {
		uint8_t bytes[PAGE];

		assert_int_equal(pgw_phys_read(phys, guest->pa + at, bytes, PAGE), 0);
		assert_memory_equal(bytes, run->qemu.ram + at, PAGE);
		if (is_pc && at >= PC_OTHER_FIRST && at < PC_OTHER_END)
			continue;
		assert_int_equal(pgw_phys_read(pgw_image_phys(core), guest->pa + at, bytes, PAGE),
				 0);
		assert_memory_equal(bytes, run->qemu.ram + at, PAGE);
	}
}

static void check_roots(struct pgw_image *stream, struct pgw_image *inside)
{
	const struct pgw_root_info *list[2];
	size_t nr[2];

	assert_int_equal(pgw_image_roots(stream, &list[0], &nr[0]), 0);
	assert_int_equal(pgw_image_roots(inside, &list[1], &nr[1]), 0);
	assert_int_equal(nr[0], nr[1]);
	assert_true(nr[0] > 0);
	for (size_t i = 0; i < nr[0]; i++) {
		struct leaves of_stream = leaves_of(stream, &list[0][i]);
		struct leaves of_inside = leaves_of(inside, &list[1][i]);

		assert_int_equal(list[0][i].root.pa, list[1][i].root.pa);
		assert_int_equal(of_stream.nr, of_inside.nr);
		assert_int_equal(of_stream.hash, of_inside.hash);
	}
}

static void check(const struct run *run, const struct guest *guest, struct pgw_image *inside)
{
	struct pgw_image *stream, *core;
	struct pgw_error err;
	char text[512];

	if (pgw_image_open(run->stream, NULL, &stream, &err)) {
		pgw_error_format(&err, text, sizeof(text));
		fail_msg("%s %s: %s", guest->args.emulator, guest->args.board, text);
	}
	assert_int_equal(pgw_image_open(run->core, NULL, &core, NULL), 0);
	assert_false(pgw_image_get_info(stream)->truncated);
	assert_int_equal(pgw_image_get_info(stream)->placement, guest->placement);
	check_bytes(run, guest, stream, core);
	if (inside) {
		assert_string_equal(pgw_image_get_info(stream)->arch, guest->arch);
		check_roots(stream, inside);
	}
	pgw_image_close(stream);
	pgw_image_close(core);
}

static void test_streams__of_a_stopped_guest_have_its_memory(void **state)
{
	static struct inside inside;
	unsigned nr = 0;

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		const struct guest *guest = &guests[i];
		struct run run;

		if (!qemu_is_installed(guest->args.emulator))
			continue;
		run_init(&run);
		inside_init(&inside, guest->arch, run.qemu.ram);
		fill(&run.qemu);
		qemu_start(&run.qemu, &guest->args);
		start_migration(&run);
		finish_migration(&run);
		dump(&run);
		check(&run, guest, inside.image);
		inside_fini(&inside);
		run_fini(&run);
		nr++;
	}
	if (!nr)
		skip();
}

/*
 * Firmware that counts in 159 pages for ever, in the mode after reset:
 *
 *   1: mov ax, 0x100
 *   2: mov ds, ax; inc word [0]; add ax, 0x100; cmp ax, 0xa000; jb 2b; jmp 1b
 */
static const uint8_t counter[] = { 0xb8, 0x00, 0x01, 0x8e, 0xd8, 0xff, 0x06, 0x00, 0x00, 0x05,
				   0x00, 0x01, 0x3d, 0x00, 0xa0, 0x72, 0xf2, 0xeb, 0xed };
#define ROM_SIZE 0x10000

static void write_rom(const char *path)
{
	static uint8_t rom[ROM_SIZE];
	FILE *file = fopen(path, "wb");

	memcpy(rom, counter, sizeof(counter));
	memcpy(rom + 0xfff0, "\xe9\x0d\0", 3); /* jmp to the start, across the segment's end */
	assert_non_null(file);
	assert_int_equal(fwrite(rom, 1, ROM_SIZE, file), ROM_SIZE);
	assert_int_equal(fclose(file), 0);
}

/* A number that QEMU says of the migration; 0 if it does not. */
static uint64_t migration_number(const char *answer, const char *name)
{
	const char *at = strstr(answer, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Until the counters were sent, and some of what comes behind them, which takes a second. */
static void let_it_run(struct run *run)
{
	const char *answer;

	for (unsigned i = 0; i < 2000; i++) {
		nap(20);
		answer = qemu_ask(&run->qemu, "{\"execute\":\"query-migrate\"}");
		if (migration_number(answer, "\"transferred\": ") >= MIB)
			return;
	}
	fail_msg("QEMU says %s", answer);
}

/* More pages than there are. */
static void check_passes(struct run *run)
{
	const char *answer = qemu_ask(&run->qemu, "{\"execute\":\"query-migrate\"}");

	assert_true(migration_number(answer, "\"normal\": ") +
			    migration_number(answer, "\"duplicate\": ") >
		    migration_number(answer, "\"total\": ") / PAGE);
}

/* Pages that change after they were sent are sent again. */
static void test_streams__of_a_running_guest_have_what_it_had_last(void **state)
{
	struct guest guest = { { "qemu-system-x86_64", "q35", "max", "-bios", NULL, "pc.ram" },
			       NULL,
			       0,
			       PGW_PLACEMENT_USUAL };
	struct run run;
	char rom[128];

	(void)state;
	if (!qemu_is_installed(guest.args.emulator))
		skip();
	run_init(&run);
	snprintf(rom, sizeof(rom), "%s/rom", run.folder);
	write_rom(rom);
	guest.args.stub = rom;
	fill(&run.qemu);
	qemu_start(&run.qemu, &guest.args);
	qemu_ask(&run.qemu, "{\"execute\":\"migrate-set-parameters\",\"arguments\":{"
			    "\"max-bandwidth\":1048576,\"downtime-limit\":1}}");
	qemu_ask(&run.qemu, "{\"execute\":\"cont\"}");
	start_migration(&run);
	let_it_run(&run);
	qemu_ask(&run.qemu, "{\"execute\":\"stop\"}");
	finish_migration(&run);
	check_passes(&run);
	dump(&run);
	check(&run, &guest, NULL);
	unlink(rom);
	run_fini(&run);
}

/* What a maker of another place wrote, and what it said that the memory of its PC was. */
static void test_file__has_the_bytes_of_the_other(void **state)
{
	const char *const *path = *state;
	FILE *raw = fopen(path[1], "rb");
	struct pgw_image *image;
	struct pgw_error err;
	char text[512];
	uint8_t bytes[2][PAGE];
	uint64_t pa = 0;

	assert_non_null(raw);
	if (pgw_image_open(path[0], NULL, &image, &err)) {
		pgw_error_format(&err, text, sizeof(text));
		fail_msg("%s", text);
	}
	assert_false(pgw_image_get_info(image)->truncated);
	for (; fread(bytes[0], 1, PAGE, raw) == PAGE; pa += PAGE) {
		if (pa >= PC_OTHER_FIRST && pa < PC_OTHER_END)
			continue;
		assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, bytes[1], PAGE), 0);
		assert_memory_equal(bytes[0], bytes[1], PAGE);
	}
	assert_true(pa > MIB);
	fclose(raw);
	pgw_image_close(image);
}

/* Or: test_streams FILE RAW, whose bytes are compared. */
int main(int argc, char **argv)
{
	const char *const path[] = { argv[1], argc == 3 ? argv[2] : NULL };
	const struct CMUnitTest compare[] = {
		cmocka_unit_test_prestate(test_file__has_the_bytes_of_the_other,
					  (void *)(uintptr_t)path),
	};

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams__of_a_stopped_guest_have_its_memory),
		cmocka_unit_test(test_streams__of_a_running_guest_have_what_it_had_last),
	};

	return argc == 3 ? cmocka_run_group_tests(compare, NULL, NULL)
			 : cmocka_run_group_tests(tests, NULL, NULL);
}
