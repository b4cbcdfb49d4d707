/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_GDB_TARGET_H
#define SOURCE_GDB_TARGET_H

/*
 * The target description of a gdb stub: XML that says which architecture it is and which number each
 * register has (GDB's manual, appendix "Target Descriptions").
 */

#include "source/gdb_packet.h"

#define GDB_NAME_MAX 31

/** Registers whose numbers are wanted. */
struct gdb_register {
	const char *name; /* in; as the description has it */
	int number;       /* out; -1: it has none of this name */
};

struct gdb_target {
	char arch[GDB_NAME_MAX +
		  1]; /* "i386:x86-64", "aarch64", "riscv:rv64"; empty: it does not say */
	struct gdb_register *registers;
	size_t nr_registers;
	int64_t deadline; /* in; see peer.h: for all of it */
};

/**
 * Read it.
 * @return 0, -PGW_ENOENT (the stub has none), -PGW_EIO (what it sends is none), -PGW_EOPNOTSUPP (no
 *         library that reads XML), -PGW_ENOMEM
 */
int gdb_target_read(struct gdb_packets *packets, struct gdb_target *target);

#endif
