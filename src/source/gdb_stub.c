/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/gdb_stub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every stub answers; and more than 64 KiB a packet is no faster. */
#define MIN_PACKET 0x100
#define MAX_PACKET 0x20000

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
