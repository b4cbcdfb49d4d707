/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/gdb_stub.h"
#include "source/qemu_find.h"
#include "source/source_priv.h"

#define MAX_NAME 108 /* of a socket */

/* Behind the text where a line begins. @return NULL: none does */
static char *line_behind(char *text, const char *begin)
{
	char *at = strstr(text, begin);

	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, begin);
	return at ? at + strlen(begin) : NULL;
}

/*
 * What "info chardev" prints of a stub that nobody is connected to:
 * "gdb: filename=disconnected:unix:/run/vm.gdb,server=on", "...:tcp:0.0.0.0:1234,server=on".
 * Whoever connects stops a machine, so it has to be this one's: pid's.
 * @return 0; -PGW_ENOENT: there is none; -PGW_EBUSY: somebody is connected; -PGW_EOPNOTSUPP: it cannot be
 * told whose it is
 */
static int find_stub(struct qmp *qmp, pid_t pid, char *ret)
{
	static const char is_free[] = "disconnected:", is_unix[] = "unix:/";
	char *text = NULL, *at;
	int status = qmp_monitor(qmp, "info chardev", &text);

	if (status)
		return status;
	at = line_behind(text, "gdb: filename=");
	if (!at) {
		status = -PGW_ENOENT;
	} else if (strncmp(at, is_free, strlen(is_free)) != 0) {
		status = -PGW_EBUSY;
	} else {
		at += strlen(is_free);
		at[strcspn(at, ",\r\n")] = '\0';
		if (!pid || strncmp(at, is_unix, strlen(is_unix)) != 0 ||
		    !qemu_find_listens(pid, at + 5) ||
		    snprintf(ret, MAX_NAME, "/proc/%d/root%s", (int)pid, at + 5) >= MAX_NAME)
			status = -PGW_EOPNOTSUPP;
	}
	free(text);
	return status;
}

static int take_registers(struct source *source, const char *name)
{
	struct pgw_cpu *cpus = source->cpus;
	size_t nr_cpus = source->nr_cpus;
	struct gdb_stub *stub;
	const struct gdb_machine *machine;
	/* The monitor stopped the machine, and lets it run. */
	int status = gdb_stub_open(name, GDB_BEFORE_STOOD, &stub, NULL);

	if (status)
		return status;
	source->cpus = NULL;
	source->nr_cpus = 0;
	status = gdb_stub_registers(stub, source, &machine);
	gdb_stub_close(stub);
	if (!status && machine && machine->elf_machine == source->info.elf_machine) {
		free(cpus);
		return 0;
	}
	free(source->cpus);
	source->cpus = cpus;
	source->nr_cpus = nr_cpus;
	return status ? status : -PGW_EIO;
}

/* @param folder the stub's own, which nobody else may enter */
static int take_from_new(struct source *source, struct qmp *qmp, const char *folder)
{
	char name[MAX_NAME], line[MAX_NAME + 64], *text = NULL;
	int status;

	if (snprintf(name, sizeof(name), "%s/gdb", folder) >= (int)sizeof(name))
		return -PGW_EIO;
	snprintf(line, sizeof(line), "gdbserver unix:%s,server=on,wait=off", name);
	status = qmp_monitor(qmp, line, &text);
	free(text);
	text = NULL;
	if (!status)
		status = take_registers(source, name);
	if (!qmp_monitor(qmp, "gdbserver none", &text))
		free(text);
	unlink(name);
	return status;
}

int qemu_stub_registers(struct source *source, struct qmp *qmp, pid_t pid)
{
	char name[MAX_NAME];
	int status = find_stub(qmp, pid, name);

	return status ? status : take_registers(source, name);
}

int qemu_stub_open_registers(struct source *source, struct qmp *qmp, const char *folder)
{
	char path[MAX_NAME];
	int status;

	if (snprintf(path, sizeof(path), "%s/pagewalk-XXXXXX", source_temporary(folder)) >=
		    (int)sizeof(path) ||
	    strpbrk(path, "\"\\, ") || !mkdtemp(path))
		return -PGW_EIO;
	status = take_from_new(source, qmp, path);
	rmdir(path);
	return status;
}
