/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_GDB_STUB_H
#define SOURCE_GDB_STUB_H

/*
 * A gdb stub that serves a machine: it stops when somebody connects, and stands until he has gone. What
 * was is put back then: the machine runs if it ran, and addresses mean what they meant.
 */

#include "source/gdb_packet.h"
#include "source/source.h"

/** What the machine did before somebody connected. */
enum gdb_before {
	GDB_BEFORE_UNKNOWN, /* the stub may say it; else it is to run afterwards, as gdb leaves it */
	GDB_BEFORE_RAN,
	GDB_BEFORE_STOOD,
};

/** In which order a stub tells the bytes of a register. */
enum gdb_order {
	GDB_ORDER_LITTLE,
	GDB_ORDER_BIG,
	GDB_ORDER_MSR, /* as the guest has it, which ppc64's machine state register says */
};

/** A machine whose stubs are known. */
struct gdb_machine {
	const char *arch; /* how its target descriptions begin the name of its architecture */
	unsigned elf_machine;
	bool is_32;
	enum gdb_order order;
};

struct gdb_stub;

/**
 * Connect.
 * @param name as gdb_packets_open()
 * @return 0, as that, or -PGW_EIO (it does not answer as a stub)
 */
int gdb_stub_open(const char *name, enum gdb_before before, struct gdb_stub **ret,
		  struct pgw_error *err);
/**
 * Put back what was, and hang up. NULL is fine.
 * @return 0, or -PGW_EIO: the stub did not say that it did so; it was told to all the same
 */
int gdb_stub_close(struct gdb_stub *stub);

/** What is known by now: never GDB_BEFORE_UNKNOWN if it said so. */
enum gdb_before gdb_stub_before(const struct gdb_stub *stub);
/** Bytes of memory that one packet may ask for. */
size_t gdb_stub_chunk(const struct gdb_stub *stub);
/** Where addresses go, for gdb_read(). */
struct gdb_packets *gdb_stub_packets(const struct gdb_stub *stub);

/**
 * Let addresses of memory be physical ones, which QEMU's stub knows to do, until the stub is closed.
 * @return 0, -PGW_EOPNOTSUPP (it does not know that), -PGW_EIO
 */
int gdb_stub_be_physical(struct gdb_stub *stub);
/** QEMU: what its monitor says to a line. @param ret the caller's to free() @return as gdb_ask() */
int gdb_stub_monitor(struct gdb_stub *stub, const char *line, char **ret);
/**
 * gdb_registers.c: add the registers of each CPU to source->cpus, by the target description.
 * @param ret of which machine they are; NULL: of none that is known
 * @return 0, -PGW_ENOENT (it does not describe itself), -PGW_EIO, -PGW_EOPNOTSUPP (no library that
 *         reads XML), -PGW_ENOMEM
 */
int gdb_stub_registers(struct gdb_stub *stub, struct source *source,
		       const struct gdb_machine **ret);

#endif
