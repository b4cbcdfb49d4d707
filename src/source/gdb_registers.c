/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/gdb_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"
#include "source/gdb_target.h"
#include "source/peer.h"

/* The registers that paging goes by, of each CPU, as the stub describes and tells them. */

#define MAX_CPUS 8192
#define MAX_SECONDS 30 /* for all that is asked of registers */
#define MAX_THREAD 40  /* characters of a thread's name */

/* Linux, elf-em.h */
#define EM_386 3
#define EM_PPC64 21
#define EM_S390 22
#define EM_ARM 40
#define EM_X86_64 62
#define EM_AARCH64 183
#define EM_RISCV 243
#define EM_LOONGARCH 258

/* A description's architecture begins so ("armv7", "i386:x86-64:intel"); the first that fits. */
static const struct gdb_machine machines[] = {
	{ "i386:x86-64", EM_X86_64, false, GDB_ORDER_LITTLE },
	{ "i386", EM_386, true, GDB_ORDER_LITTLE },
	{ "aarch64", EM_AARCH64, false, GDB_ORDER_LITTLE },
	{ "arm", EM_ARM, true, GDB_ORDER_LITTLE },
	{ "riscv:rv64", EM_RISCV, false, GDB_ORDER_LITTLE },
	{ "riscv:rv32", EM_RISCV, true, GDB_ORDER_LITTLE },
	{ "s390:64-bit", EM_S390, false, GDB_ORDER_BIG },
	{ "powerpc:common64", EM_PPC64, false, GDB_ORDER_MSR },
	{ "loongarch64", EM_LOONGARCH, false, GDB_ORDER_LITTLE },
};

/* A register of struct pgw_cpu. */
struct wanted {
	unsigned elf_machine;
	uint32_t known;      /* what is known of a CPU only with this one, enum pgw_cpu_known */
	size_t offset;       /* of a uint64_t in struct pgw_cpu */
	const char *name[2]; /* in descriptions, the better one first; NULL: it has one name */
};

#define WANTED(machine, known_bits, member, ...)                                                   \
	{                                                                                          \
		(machine), (known_bits), offsetof(struct pgw_cpu, member),                         \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/*
 * QEMU's names. It has SCTLR for SCTLR_EL1, and of a 32-bit Arm CPU's TTBR0 two views, of which the one
 * that is called as a 64-bit CPU's is of all 64 bits. Of loongarch64 it tells none.
 */
static const struct wanted wanted[] = {
	WANTED(EM_386, PGW_CPU_X86_CR, cr0, "cr0"),
	WANTED(EM_386, PGW_CPU_X86_CR, cr3, "cr3"),
	WANTED(EM_386, PGW_CPU_X86_CR, cr4, "cr4"),
	WANTED(EM_386, PGW_CPU_X86_EFER, efer, "efer"),
	WANTED(EM_X86_64, PGW_CPU_X86_CR | PGW_CPU_X86_EFER, cr0, "cr0"),
	WANTED(EM_X86_64, PGW_CPU_X86_CR | PGW_CPU_X86_EFER, cr3, "cr3"),
	WANTED(EM_X86_64, PGW_CPU_X86_CR | PGW_CPU_X86_EFER, cr4, "cr4"),
	WANTED(EM_X86_64, PGW_CPU_X86_EFER, efer, "efer"),
	WANTED(EM_AARCH64, PGW_CPU_ARM64_TTBR1 | PGW_CPU_ARM64_EL1, ttbr1, "TTBR1_EL1"),
	WANTED(EM_AARCH64, PGW_CPU_ARM64_TTBR1 | PGW_CPU_ARM64_EL1, tcr, "TCR_EL1"),
	WANTED(EM_AARCH64, PGW_CPU_ARM64_EL1, ttbr0, "TTBR0_EL1"),
	WANTED(EM_AARCH64, PGW_CPU_ARM64_EL1, mair, "MAIR_EL1"),
	WANTED(EM_AARCH64, PGW_CPU_ARM64_EL1, sctlr, "SCTLR_EL1", "SCTLR"),
	WANTED(EM_ARM, PGW_CPU_ARM_TTBR0, tcr, "TTBCR"),
	WANTED(EM_ARM, PGW_CPU_ARM_TTBR0, ttbr0, "TTBR0_EL1", "TTBR0"),
	WANTED(EM_ARM, PGW_CPU_ARM_TTBR1, ttbr1, "TTBR1_EL1", "TTBR1"),
	WANTED(EM_ARM, PGW_CPU_ARM_SCTLR, sctlr, "SCTLR"),
	WANTED(EM_ARM, PGW_CPU_ARM_DACR, dacr, "DACR"),
	WANTED(EM_ARM, PGW_CPU_ARM_MAIR, mair, "MAIR0"),
	WANTED(EM_ARM, PGW_CPU_ARM_MAIR, mair1, "MAIR1"),
	WANTED(EM_RISCV, PGW_CPU_RISCV_SATP, satp, "satp"),
	WANTED(EM_S390, PGW_CPU_S390X_CR, cr0, "cr0"),
	WANTED(EM_S390, PGW_CPU_S390X_CR, cr1, "cr1"),
	WANTED(EM_S390, PGW_CPU_S390X_CR, cr7, "cr7"),
	WANTED(EM_S390, PGW_CPU_S390X_CR, cr13, "cr13"),
	WANTED(EM_PPC64, PGW_CPU_PPC64_PIDR, pidr, "pid"),
	WANTED(EM_PPC64, PGW_CPU_PPC64_PTCR, ptcr, "ptcr"),
	WANTED(EM_PPC64, PGW_CPU_PPC64_IAMR, iamr, "iamr"),
};

#define NR_WANTED PGW_ARRAY_SIZE(wanted)
#define NR_NAMES (2 * NR_WANTED + 1)
#define MSR (2 * NR_WANTED) /* ppc64's machine state register */
#define MSR_LE 1            /* the last bit: the guest is little-endian, and so are its registers */

struct reading {
	struct gdb_packets *packets;
	struct source *source;
	const struct gdb_machine *machine;
	int64_t deadline;
	bool is_big_endian;
	struct gdb_register registers[NR_NAMES]; /* two of each wanted one; those of no name: "" */
};

/* Bytes of a register as the stub has them. */
struct raw_value {
	uint8_t bytes[8];
	unsigned size;
};

/* Two hexadecimal digits a byte. */
static bool take_bytes(const struct gdb_answer *answer, struct raw_value *ret)
{
	ret->size = 0;
	if (answer->size % 2 || answer->size > 2 * sizeof(ret->bytes) ||
	    strspn(answer->text, "0123456789abcdefABCDEF") != answer->size)
		return false;
	for (size_t i = 0; i < answer->size; i += 2) {
		const char digits[] = { answer->text[i], answer->text[i + 1], '\0' };

		ret->bytes[ret->size++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return ret->size;
}

static uint64_t number(const struct raw_value *raw, bool is_big_endian)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < raw->size; i++)
		value = value << 8 | raw->bytes[is_big_endian ? i : raw->size - 1 - i];
	return value;
}

/* @return 0, -PGW_ENOENT (it has none of this name, or does not tell it), -PGW_EIO */
static int ask_register(const struct reading *r, size_t index, struct raw_value *ret)
{
	struct gdb_answer answer;
	char command[24];
	int status;

	if (r->registers[index].number < 0)
		return -PGW_ENOENT;
	snprintf(command, sizeof(command), "p%x", (unsigned)r->registers[index].number);
	status = gdb_ask(r->packets, command, &answer);
	if (status == -PGW_EIO)
		return status;
	return !status && take_bytes(&answer, ret) ? 0 : -PGW_ENOENT;
}

/*
 * ppc64 tells registers in the order that the guest has now, and which that is, one of them says: the bit
 * that would be MSR_LE's in the other order is never set.
 */
static int learn_order(struct reading *r)
{
	struct raw_value msr;
	int status;

	r->is_big_endian = r->machine->order != GDB_ORDER_LITTLE;
	if (r->machine->order != GDB_ORDER_MSR)
		return 0;
	status = ask_register(r, MSR, &msr);
	if (!status)
		r->is_big_endian = !(msr.bytes[0] & MSR_LE);
	return status == -PGW_ENOENT ? 0 : status;
}

static int read_wanted(const struct reading *r, size_t index, struct pgw_cpu *cpu,
		       bool *ret_is_known)
{
	struct raw_value raw;
	int status = -PGW_ENOENT;

	for (unsigned i = 0; i < 2 && status == -PGW_ENOENT; i++)
		status = ask_register(r, 2 * index + i, &raw);
	*ret_is_known = !status;
	if (!status)
		*(uint64_t *)(void *)((char *)cpu + wanted[index].offset) =
			number(&raw, r->is_big_endian);
	return status == -PGW_ENOENT ? 0 : status;
}

static int add_cpu(struct reading *r)
{
	struct pgw_cpu cpu = { 0 };
	uint32_t unknown = 0;
	int status;

	if (r->source->nr_cpus == MAX_CPUS || peer_now_ms() > r->deadline)
		return -PGW_EIO;
	status = learn_order(r);
	for (size_t i = 0; i < NR_WANTED && !status; i++) {
		bool is_known;

		if (wanted[i].elf_machine != r->machine->elf_machine)
			continue;
		status = read_wanted(r, i, &cpu, &is_known);
		*(is_known ? &cpu.known : &unknown) |= wanted[i].known;
	}
	cpu.known &= ~unknown;
	return status ? status : source_add_cpu(r->source, &cpu);
}

static int add_thread(struct reading *r, const char *name, size_t len)
{
	char command[MAX_THREAD + 3];
	int status;

	if (!len || len > MAX_THREAD)
		return -PGW_EIO;
	snprintf(command, sizeof(command), "Hg%.*s", (int)len, name);
	status = gdb_do(r->packets, command);
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

		status = gdb_ask(r->packets, command, &answer);
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

static const struct gdb_machine *find_machine(const char *arch)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		if (strncasecmp(arch, machines[i].arch, strlen(machines[i].arch)) == 0)
			return &machines[i];
	}
	return NULL;
}

/* Descriptions have no register without a name. */
static const char *wanted_name(size_t index)
{
	const char *name = index == MSR ? "msr" : wanted[index / 2].name[index % 2];

	return name ? name : "";
}

int gdb_stub_registers(struct gdb_stub *stub, struct source *source, const struct gdb_machine **ret)
{
	struct reading r = {
		.packets = gdb_stub_packets(stub),
		.source = source,
		.deadline = peer_now_ms() + (int64_t)MAX_SECONDS * 1000,
	};
	struct gdb_target target = {
		.registers = r.registers,
		.nr_registers = NR_NAMES,
		.deadline = r.deadline,
	};
	int status;

	for (size_t i = 0; i < NR_NAMES; i++)
		r.registers[i].name = wanted_name(i);
	status = gdb_target_read(r.packets, &target);
	*ret = r.machine = status ? NULL : find_machine(target.arch);
	if (!status && r.machine)
		status = add_threads(&r);
	return status == -PGW_EACCES ? -PGW_EIO : status;
}
