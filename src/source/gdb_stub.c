/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/gdb_stub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/gdb_target.h"
#include "source/peer.h"

#define MAX_CPUS 8192
#define MAX_SECONDS 30 /* for all that is asked of registers */
#define MAX_THREAD 40  /* characters of a thread's name */

/* What every stub answers; and more than 64 KiB a packet is no faster. */
#define MIN_PACKET 0x100
#define MAX_PACKET 0x20000

/* Linux, elf-em.h */
#define EM_386 3
#define EM_S390 22
#define EM_X86_64 62
#define EM_AARCH64 183
#define EM_RISCV 243

struct gdb_stub {
	struct gdb_packets *packets;
	enum gdb_before before;
	bool is_switched; /* addresses were virtual before */
	size_t packet_size;
};

static const char run[] = GDB_END GDB_RUN;
static const char run_virtual[] = GDB_END GDB_VIRTUAL GDB_RUN;
static const char be_virtual[] = GDB_END GDB_VIRTUAL;
static const char nothing[] = GDB_END;

static const struct {
	const char *name; /* in target descriptions */
	unsigned elf_machine;
} archs[] = {
	{ "i386", EM_386 },         { "i386:x86-64", EM_X86_64 }, { "aarch64", EM_AARCH64 },
	{ "riscv:rv64", EM_RISCV }, { "s390:64-bit", EM_S390 },
};

enum {
	X86_CR0,
	X86_CR3,
	X86_CR4,
	X86_EFER,
	ARM64_TTBR0,
	ARM64_TTBR1,
	ARM64_TCR,
	ARM64_MAIR,
	ARM64_SCTLR,
	RISCV_SATP,
	NR_REGISTERS,
};

/* QEMU's names; it has SCTLR for SCTLR_EL1. */
static const char *const names[NR_REGISTERS] = {
	[X86_CR0] = "cr0",       [X86_CR3] = "cr3",           [X86_CR4] = "cr4",
	[X86_EFER] = "efer",     [ARM64_TTBR0] = "TTBR0_EL1", [ARM64_TTBR1] = "TTBR1_EL1",
	[ARM64_TCR] = "TCR_EL1", [ARM64_MAIR] = "MAIR_EL1",   [ARM64_SCTLR] = "SCTLR",
	[RISCV_SATP] = "satp",
};

static int fail_answer(struct pgw_error *err, int status)
{
	return source_fail(err, status,
			   status == -PGW_ENOMEM ? NULL
						 : "a gdb stub that answers within 5 seconds");
}

/* By what is to be put back now. @return NULL: nothing */
static const char *farewell(const struct gdb_stub *stub)
{
	bool is_to_run = stub->before != GDB_BEFORE_STOOD;

	return is_to_run && stub->is_switched ? run_virtual
	       : is_to_run                    ? run
	       : stub->is_switched            ? be_virtual
					      : NULL;
}

static void arm(struct gdb_stub *stub)
{
	gdb_packets_arm(stub->packets, farewell(stub));
}

/* "PacketSize=1000;qXfer:features:read+;QStartNoAckMode+": what a stub knows to do. */
static int learn_features(struct gdb_stub *stub)
{
	static const char size[] = "PacketSize=", no_acks[] = "QStartNoAckMode+";
	struct gdb_answer answer;
	int status = gdb_ask(stub->packets, "qSupported:xmlRegisters=i386", &answer);
	const char *at = status ? NULL : strstr(answer.text, size);

	stub->packet_size = at ? strtoul(at + strlen(size), NULL, 16) : MIN_PACKET;
	if (stub->packet_size < MIN_PACKET)
		stub->packet_size = MIN_PACKET;
	if (stub->packet_size > MAX_PACKET)
		stub->packet_size = MAX_PACKET;
	if (!status && strstr(answer.text, no_acks)) {
		status = gdb_do(stub->packets, "QStartNoAckMode");
		if (!status)
			gdb_packets_drop_acks(stub->packets);
	}
	return status == -PGW_EOPNOTSUPP || status == -PGW_EACCES ? 0 : status;
}

/*
 * QEMU before 8.1 says that the machine stops, when somebody connects, if it ran. Later ones do not, and
 * nothing else says it.
 */
static enum gdb_before learn_before(struct gdb_stub *stub)
{
	unsigned major, minor;
	char *text = NULL;
	bool says_it;

	if (gdb_packets_said_stop(stub->packets))
		return GDB_BEFORE_RAN;
	says_it = !gdb_stub_monitor(stub, "info version", &text) &&
		  sscanf(text, "%u.%u", &major, &minor) == 2 &&
		  (major < 8 || (major == 8 && minor < 1));
	free(text);
	return says_it ? GDB_BEFORE_STOOD : GDB_BEFORE_UNKNOWN;
}

int gdb_stub_open(const char *name, enum gdb_before before, struct gdb_stub **ret,
		  struct pgw_error *err)
{
	struct gdb_stub *stub = calloc(1, sizeof(*stub));
	int status;

	if (!stub)
		return source_fail(err, -PGW_ENOMEM, NULL);
	stub->before = before;
	/* A watchdog is there in any case: addresses may be switched later. */
	status = gdb_packets_open(name, before == GDB_BEFORE_STOOD ? nothing : run, &stub->packets,
				  err);
	if (status) {
		free(stub);
		return status;
	}
	arm(stub);
	status = learn_features(stub);
	if (!status && before == GDB_BEFORE_UNKNOWN)
		stub->before = learn_before(stub);
	arm(stub);
	if (status) {
		gdb_stub_close(stub);
		return fail_answer(err, status);
	}
	*ret = stub;
	return 0;
}

int gdb_stub_close(struct gdb_stub *stub)
{
	const char *left;

	if (!stub)
		return 0;
	if (stub->is_switched && !gdb_do(stub->packets, "Qqemu.PhyMemMode:0"))
		stub->is_switched = false;
	/* Hanging up leaves it as it stands. */
	if (stub->before != GDB_BEFORE_STOOD && !gdb_do(stub->packets, "D"))
		stub->before = GDB_BEFORE_STOOD;
	arm(stub);
	/* It may hear what it does not answer; if not now, then from the watchdog when we end. */
	left = farewell(stub);
	if (left)
		gdb_packets_say(stub->packets, left);
	gdb_packets_close(stub->packets);
	free(stub);
	return left ? -PGW_EIO : 0;
}

enum gdb_before gdb_stub_before(const struct gdb_stub *stub)
{
	return stub->before;
}

size_t gdb_stub_chunk(const struct gdb_stub *stub)
{
	return stub->packet_size / 2;
}

struct gdb_packets *gdb_stub_packets(const struct gdb_stub *stub)
{
	return stub->packets;
}

int gdb_stub_be_physical(struct gdb_stub *stub)
{
	struct gdb_answer answer;
	int status = gdb_ask(stub->packets, "qqemu.PhyMemMode", &answer);

	if (status)
		return status == -PGW_EACCES ? -PGW_EOPNOTSUPP : status;
	if (strcmp(answer.text, "1") == 0)
		return 0;
	stub->is_switched = true;
	arm(stub);
	status = gdb_do(stub->packets, "Qqemu.PhyMemMode:1");
	if (status == -PGW_EACCES || status == -PGW_EOPNOTSUPP) {
		stub->is_switched = false;
		arm(stub);
	}
	return status == -PGW_EACCES ? -PGW_EOPNOTSUPP : status;
}

int gdb_stub_monitor(struct gdb_stub *stub, const char *line, char **ret)
{
	char command[256] = "qRcmd,";
	size_t at = strlen(command);

	for (; *line && at + 3 < sizeof(command); line++, at += 2)
		snprintf(command + at, 3, "%02x", (unsigned)(uint8_t)*line);
	return gdb_ask_console(stub->packets, command, ret);
}

/* ---- registers ---- */

struct reading {
	struct gdb_stub *stub;
	struct source *source;
	unsigned elf_machine;
	int64_t deadline;
	struct gdb_register registers[NR_REGISTERS];
	uint64_t values[NR_REGISTERS];
	bool is_known[NR_REGISTERS];
};

/* Two hexadecimal digits a byte, the lowest first: all of these machines have it so. */
static bool read_value(const struct gdb_answer *answer, uint64_t *ret)
{
	uint64_t value = 0;

	if (answer->size % 2 || answer->size > 16 ||
	    strspn(answer->text, "0123456789abcdefABCDEF") != answer->size)
		return false;
	for (size_t i = answer->size; i; i -= 2) {
		const char digits[] = { answer->text[i - 2], answer->text[i - 1], '\0' };

		value = value << 8 | strtoul(digits, NULL, 16);
	}
	*ret = value;
	return true;
}

static int read_registers(struct reading *r)
{
	for (unsigned i = 0; i < NR_REGISTERS; i++) {
		struct gdb_answer answer;
		char command[24];
		int status;

		r->is_known[i] = false;
		if (r->registers[i].number < 0)
			continue;
		snprintf(command, sizeof(command), "p%x", (unsigned)r->registers[i].number);
		status = gdb_ask(r->stub->packets, command, &answer);
		if (status == -PGW_EIO)
			return status;
		r->is_known[i] = !status && read_value(&answer, &r->values[i]);
	}
	return 0;
}

static void set_x86(const struct reading *r, struct pgw_cpu *ret)
{
	if (!r->is_known[X86_CR0] || !r->is_known[X86_CR3] || !r->is_known[X86_CR4])
		return;
	ret->known = PGW_CPU_X86_CR;
	ret->cr0 = r->values[X86_CR0];
	ret->cr3 = r->values[X86_CR3];
	ret->cr4 = r->values[X86_CR4];
	if (!r->is_known[X86_EFER])
		return;
	ret->known |= PGW_CPU_X86_EFER;
	ret->efer = r->values[X86_EFER];
}

static void set_arm64(const struct reading *r, struct pgw_cpu *ret)
{
	if (!r->is_known[ARM64_TTBR1] || !r->is_known[ARM64_TCR])
		return;
	ret->known = PGW_CPU_ARM64_TTBR1;
	ret->ttbr1 = r->values[ARM64_TTBR1];
	ret->tcr = r->values[ARM64_TCR];
	if (!r->is_known[ARM64_TTBR0] || !r->is_known[ARM64_MAIR] || !r->is_known[ARM64_SCTLR])
		return;
	ret->known |= PGW_CPU_ARM64_EL1;
	ret->ttbr0 = r->values[ARM64_TTBR0];
	ret->mair = r->values[ARM64_MAIR];
	ret->sctlr = r->values[ARM64_SCTLR];
}

static void set_riscv(const struct reading *r, struct pgw_cpu *ret)
{
	if (!r->is_known[RISCV_SATP])
		return;
	ret->known = PGW_CPU_RISCV_SATP;
	ret->satp = r->values[RISCV_SATP];
}

static int add_cpu(struct reading *r)
{
	struct pgw_cpu cpu = { 0 };
	int status;

	if (r->source->nr_cpus == MAX_CPUS || peer_now_ms() > r->deadline)
		return -PGW_EIO;
	status = read_registers(r);
	if (status)
		return status;
	if (r->elf_machine == EM_X86_64 || r->elf_machine == EM_386)
		set_x86(r, &cpu);
	else if (r->elf_machine == EM_AARCH64)
		set_arm64(r, &cpu);
	else if (r->elf_machine == EM_RISCV)
		set_riscv(r, &cpu);
	return source_add_cpu(r->source, &cpu);
}

static int add_thread(struct reading *r, const char *name, size_t len)
{
	char command[MAX_THREAD + 3];
	int status;

	if (!len || len > MAX_THREAD)
		return -PGW_EIO;
	snprintf(command, sizeof(command), "Hg%.*s", (int)len, name);
	status = gdb_do(r->stub->packets, command);
	return status ? -PGW_EIO : add_cpu(r);
}

/* "m01,02": some of the threads, which are CPUs; "l": no more. */
static int add_threads(struct reading *r)
{
	const char *command = "qfThreadInfo";
	struct gdb_answer answer;
	int status;

	for (;; command = "qsThreadInfo") {
		char *list, *at;

		status = gdb_ask(r->stub->packets, command, &answer);
		/* A stub that knows no threads has one CPU. */
		if (status == -PGW_EOPNOTSUPP && !r->source->nr_cpus)
			return add_cpu(r);
		if (status || answer.text[0] == 'l')
			return status;
		/* An "m" that names none could come for ever. */
		if (answer.text[0] != 'm' || !answer.text[1])
			return -PGW_EIO;
		list = strdup(answer.text);
		if (!list)
			return -PGW_ENOMEM;
		for (at = list + 1; *at && !status;) {
			size_t len = strcspn(at, ",");

			status = add_thread(r, at, len);
			at += len + (at[len] == ',');
		}
		free(list);
		if (status)
			return status;
	}
}

int gdb_stub_registers(struct gdb_stub *stub, struct source *source, unsigned *ret_elf_machine)
{
	struct reading r = {
		.stub = stub,
		.source = source,
		.deadline = peer_now_ms() + (int64_t)MAX_SECONDS * 1000,
	};
	struct gdb_target target = {
		.registers = r.registers,
		.nr_registers = NR_REGISTERS,
		.deadline = r.deadline,
	};
	int status;

	for (unsigned i = 0; i < NR_REGISTERS; i++)
		r.registers[i].name = names[i];
	status = gdb_target_read(stub->packets, &target);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(archs); i++) {
		if (strcmp(target.arch, archs[i].name) == 0)
			r.elf_machine = archs[i].elf_machine;
	}
	*ret_elf_machine = r.elf_machine;
	if (!status && r.elf_machine)
		status = add_threads(&r);
	return status == -PGW_EACCES ? -PGW_EIO : status;
}
