#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# libavro's avro_file_writer_close() leaves a writer as it is if its last block cannot be written: what
# it holds, its block of a MiB here, is never freed, and nothing says that the writer is still there.
#
# The function writes the block first and returns where that fails. Called once more it writes, and
# fails, again. Who writes many files and meets a full disk loses memory with each.
#
# Seen with libavro 1.11.1 of Debian 12 (1.11.1-1), gcc 12: a writer that could be closed leaves nothing,
# one that could not more than 1 MiB.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian bookworm 'libavro-dev=1.11.1-1' gcc libc6-dev

cat >"$tmp/bookworm/write.c" <<'C'
#include <avro.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { BLOCK = 1 << 20, ROWS = 1000 };

/* A file of 1,000 rows of 100 bytes: all of them are in the block that is written at the end. */
static int write_file(void)
{
	static const char json[] = "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"s\",\"type\":\"string\"}]}";
	char row[102] = { (char)200, 1 }; /* how many bytes follow, 100, as a zigzag number */
	avro_schema_t schema;
	avro_file_writer_t writer;
	FILE *file = fopen("/file", "wb");
	int closed;

	memset(row + 2, 'x', 100);
	if (!file || avro_schema_from_json_length(json, strlen(json), &schema) ||
	    avro_file_writer_create_with_codec_fp(file, "/file", 0, schema, &writer, "null", BLOCK))
		return -1;
	for (int i = 0; i < ROWS; i++) {
		if (avro_file_writer_append_encoded(writer, row, sizeof(row)))
			return -1;
	}
	closed = avro_file_writer_close(writer);
	avro_schema_decref(schema);
	fclose(file);
	return closed != 0;
}

/* What is allocated after ten files more than after one: the first may fill caches. */
static void tell(const char *what)
{
	int failed = write_file();
	struct mallinfo2 before = mallinfo2(), after;

	for (int i = 0; i < 9; i++)
		failed += write_file();
	after = mallinfo2();
	printf("%s: %d not closed, %zu MiB more; ", what, failed,
	       (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) >> 20);
}

int main(void)
{
	const struct rlimit limit = { 4096, 4096 };

	tell("room");
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit); /* as a full disk would */
	tell("no room");
	return 0;
}
C
chroot "$tmp/bookworm" gcc -O1 -o /write /write.c -lavro
(cd "$tmp/bookworm" && chroot . /write >said)
expect 'ten files each' 'room: 0 not closed, 0 MiB more; no room: 10 not closed, 9 MiB more; ' \
	"$(cat "$tmp/bookworm/said")"
