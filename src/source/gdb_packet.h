/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_GDB_PACKET_H
#define SOURCE_GDB_PACKET_H

/*
 * Packets of GDB's remote serial protocol (GDB's manual, appendix "Remote Protocol"), over a socket.
 * What the other end says is not trusted: each answer has a bound in bytes and in time. After one
 * that was not had, nothing is asked any more. One thread at a time.
 */

#include <pagewalk/base.h>

struct gdb_packets;

/*
 * What a watchdog says, see watchdog.h. The first bytes end whatever packet was begun, with a checksum
 * that is wrong: a packet ends behind "#" and two digits, and what is between packets is passed over.
 */
#define GDB_END "#00#00"
/** c: continue. It may be said twice, and when we had let the machine run already, which D may not. */
#define GDB_RUN "$c#63"
/** QEMU (docs/system/gdb.rst): addresses of memory are virtual again. */
#define GDB_VIRTUAL "$Qqemu.PhyMemMode:0#76"

/**
 * Connect.
 * @param name    a path, which has a slash; or HOST:PORT, [HOST]:PORT, :PORT
 * @param message what lets the machine run that stops by this, if we end; NULL: nothing
 * @return 0, -PGW_ENOENT, -PGW_EIO, -PGW_EINVAL (the name is none), -PGW_EOPNOTSUPP (no watchdog), -PGW_ENOMEM
 */
int gdb_packets_open(const char *name, const char *message, struct gdb_packets **ret,
		     struct pgw_error *err);
/** Hang up. NULL is fine. */
void gdb_packets_close(struct gdb_packets *packets);
/** Arm the watchdog with another message, or, NULL, with none. */
void gdb_packets_arm(struct gdb_packets *packets, const char *message);

/** Say what a watchdog would, also to a stub that did not answer before; no answer is read. */
void gdb_packets_say(struct gdb_packets *packets, const char *message);

/** Did it say, unasked, that the machine stops? */
bool gdb_packets_said_stop(const struct gdb_packets *packets);
/** Neither end waits for the other's acknowledgements any more. */
void gdb_packets_drop_acks(struct gdb_packets *packets);

/** What a packet says. */
struct gdb_answer {
	const char *text; /* valid until the next call; a NUL follows */
	size_t size;
};

/*
 * @return 0, -PGW_EIO (no answer, or one that makes no sense), -PGW_EOPNOTSUPP (an empty answer: it does not
 * know the command), -PGW_EACCES ("E...": it says no), -PGW_ENOMEM
 */

int gdb_ask(struct gdb_packets *packets, const char *command, struct gdb_answer *ret);
/** One of whose answer nothing but OK is wanted. */
int gdb_do(struct gdb_packets *packets, const char *command);
/** A command whose answer comes as console output. @param ret the caller's to free() */
int gdb_ask_console(struct gdb_packets *packets, const char *command, char **ret);

/**
 * Read memory, with as many packets under way as the bytes need.
 * @param chunk bytes that one packet asks for, at most
 * @return 0, -PGW_EIO (some of it is not there: the connection may still be good)
 */
int gdb_read(struct gdb_packets *packets, uint64_t address, void *buf, size_t len, size_t chunk);

#endif
