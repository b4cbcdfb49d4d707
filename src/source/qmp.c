/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* struct ucred */
#include "source/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source/source.h"

#ifdef PGW_WITH_JANSSON

#include <jansson.h>

#include "base/bits.h"
#include "source/library.h"
#include "source/peer.h"

#define PATIENCE_MS 5000           /* for one answer, whatever is said before it */
#define MAX_LINE ((size_t)4 << 20) /* the longest that is known are the registers of many CPUs */
#define FIRST_LINE 4096

struct qmp {
	int fd;
	pthread_mutex_t lock; /* one command at a time */
	bool is_broken;       /* an answer was not had: the next one may be its */
	size_t nr;            /* bytes in line */
	size_t capacity;
	char *line;
};

static struct {
	json_t *(*load)(const char *buffer, size_t size, size_t flags, json_error_t *error);
	json_t *(*get)(const json_t *object, const char *key);
	const char *(*text)(const json_t *string);
	void (*free)(json_t *json);
} lib;

static const struct library_symbol symbols[] = {
	{ "json_loadb", &lib.load },
	{ "json_object_get", &lib.get },
	{ "json_string_value", &lib.text },
	{ "json_delete", &lib.free },
};

static struct library library = {
	.soname = PGW_WITH_JANSSON,
	.symbols = symbols,
	.nr_symbols = PGW_ARRAY_SIZE(symbols),
};

/* Room for more of the line; one that is too long makes no sense. */
static int make_room(struct qmp *qmp)
{
	size_t capacity = qmp->capacity ? qmp->capacity * 2 : FIRST_LINE;
	char *line;

	if (qmp->nr < qmp->capacity)
		return 0;
	if (capacity > MAX_LINE)
		return -PGW_EIO;
	line = realloc(qmp->line, capacity);
	if (!line)
		return -PGW_ENOMEM;
	qmp->line = line;
	qmp->capacity = capacity;
	return 0;
}

static int receive(struct qmp *qmp, int64_t deadline)
{
	int status = make_room(qmp);
	ssize_t n;

	if (status)
		return status;
	n = peer_receive(qmp->fd, qmp->line + qmp->nr, qmp->capacity - qmp->nr, deadline);
	if (n < 0)
		return -PGW_EIO;
	qmp->nr += (size_t)n;
	return 0;
}

/* The next line. @param ret to be freed by lib.free() */
static int read_object(struct qmp *qmp, int64_t deadline, json_t **ret)
{
	size_t looked_at = 0, size;
	char *end;

	/* Also while there is something to read: lines may be many. */
	if (peer_now_ms() >= deadline)
		return -PGW_EIO;
	while (!(end = memchr(qmp->line + looked_at, '\n', qmp->nr - looked_at))) {
		int status;

		looked_at = qmp->nr;
		status = receive(qmp, deadline);
		if (status)
			return status;
	}
	size = (size_t)(end - qmp->line);
	*ret = lib.load(qmp->line, size, 0, NULL);
	qmp->nr -= size + 1;
	memmove(qmp->line, end + 1, qmp->nr);
	return *ret && json_typeof(*ret) == JSON_OBJECT ? 0 : -PGW_EIO;
}

/* The next answer; events are passed over. */
static int read_answer(struct qmp *qmp, int64_t deadline, json_t **ret)
{
	json_t *object = NULL;
	int status = 0;

	while (!status) {
		status = read_object(qmp, deadline, &object);
		if (!status && lib.get(object, "return")) {
			*ret = object;
			return 0;
		}
		if (!status && lib.get(object, "error"))
			status = -PGW_EACCES;
		if (object)
			lib.free(object);
		object = NULL;
	}
	return status;
}

/* @return 0 and the answer, to be freed by lib.free() */
static int ask(struct qmp *qmp, const char *command, json_t **ret)
{
	int64_t deadline = peer_now_ms() + PATIENCE_MS;
	int status = -PGW_EIO;

	pthread_mutex_lock(&qmp->lock);
	if (!qmp->is_broken && peer_send(qmp->fd, command, strlen(command), deadline))
		status = read_answer(qmp, deadline, ret);
	/* That it says no is an answer. */
	if (status == -PGW_EACCES)
		status = -PGW_EIO;
	else if (status)
		qmp->is_broken = true;
	pthread_mutex_unlock(&qmp->lock);
	return status;
}

static int ask_plain(struct qmp *qmp, const char *command, json_t **ret)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);
	return ask(qmp, text, ret);
}

int qmp_do(struct qmp *qmp, const char *command)
{
	json_t *answer;
	int status = ask_plain(qmp, command, &answer);

	if (!status)
		lib.free(answer);
	return status;
}

int qmp_text(struct qmp *qmp, const char *command, const char *member, char *ret, size_t size)
{
	json_t *answer;
	const char *text;
	int status = ask_plain(qmp, command, &answer);

	if (status)
		return status;
	text = lib.text(lib.get(lib.get(answer, "return"), member));
	if (text && strlen(text) < size)
		memcpy(ret, text, strlen(text) + 1);
	else
		status = -PGW_EIO;
	lib.free(answer);
	return status;
}

int qmp_bool(struct qmp *qmp, const char *command, const char *member, bool *ret)
{
	json_t *answer;
	const json_t *value;
	int status = ask_plain(qmp, command, &answer);

	if (status)
		return status;
	value = lib.get(lib.get(answer, "return"), member);
	if (json_is_boolean(value))
		*ret = json_is_true(value);
	else
		status = -PGW_EIO;
	lib.free(answer);
	return status;
}

int qmp_monitor(struct qmp *qmp, const char *line, char **ret)
{
	char command[256];
	const char *text;
	json_t *answer;
	int status;

	snprintf(
		command, sizeof(command),
		"{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"%s\"}}\n",
		line);
	status = ask(qmp, command, &answer);
	if (status)
		return status;
	text = lib.text(lib.get(answer, "return"));
	*ret = text ? strdup(text) : NULL;
	lib.free(answer);
	return *ret ? 0 : text ? -PGW_ENOMEM : -PGW_EIO;
}

int qmp_save(struct qmp *qmp, uint64_t pa, uint64_t size, const char *path)
{
	char command[512];
	json_t *answer;
	int status;

	if ((size_t)snprintf(command, sizeof(command),
			     "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":%" PRIu64
			     ",\"size\":%" PRIu64 ",\"filename\":\"%s\"}}\n",
			     pa, size, path) >= sizeof(command))
		return -PGW_EIO;
	status = ask(qmp, command, &answer);
	if (!status)
		lib.free(answer);
	return status;
}

static int connect_to(struct qmp *qmp, const char *path, struct pgw_error *err)
{
	int status, os_errno;

	qmp->fd = peer_unix_socket();
	status = qmp->fd < 0 ? -PGW_EIO
			     : peer_unix_connect(qmp->fd, path, peer_now_ms() + PATIENCE_MS);
	os_errno = errno;
	if (status == -PGW_EINVAL)
		return source_fail(err, -PGW_EIO, "the path of a socket, of at most 107 bytes");
	if (status) {
		source_fail(err, status,
			    "a socket of QEMU's monitor (-qmp unix:PATH,server,nowait)");
		if (err)
			err->os_errno = os_errno;
	}
	return status;
}

static int greet(struct qmp *qmp, struct pgw_error *err)
{
	json_t *greeting = NULL;
	int status = make_room(qmp);

	if (!status)
		status = read_object(qmp, peer_now_ms() + PATIENCE_MS, &greeting);
	if (!status && !lib.get(greeting, "QMP"))
		status = -PGW_EIO;
	if (greeting)
		lib.free(greeting);
	if (!status)
		status = qmp_do(qmp, "qmp_capabilities");
	if (status == -PGW_EIO)
		source_fail(err, status,
			    "QEMU's monitor to answer within 5 seconds (it serves one client at a "
			    "time: another may have it)");
	else if (status)
		source_fail(err, status, NULL);
	return status;
}

int qmp_open(const char *path, struct qmp **ret, struct pgw_error *err)
{
	struct qmp *qmp;
	int status;

	if (!library_load(&library))
		return source_fail(err, -PGW_EOPNOTSUPP,
				   "the library jansson to be installed (Debian's libjansson4)");
	qmp = calloc(1, sizeof(*qmp));
	if (!qmp)
		return source_fail(err, -PGW_ENOMEM, NULL);
	qmp->fd = -1;
	pthread_mutex_init(&qmp->lock, NULL);
	status = connect_to(qmp, path, err);
	if (!status)
		status = greet(qmp, err);
	if (status) {
		qmp_close(qmp);
		return status;
	}
	*ret = qmp;
	return 0;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->fd >= 0)
		close(qmp->fd);
	pthread_mutex_destroy(&qmp->lock);
	free(qmp->line);
	free(qmp);
}

void qmp_run(struct qmp *qmp)
{
	pthread_mutex_lock(&qmp->lock);
	/* Its answers are nobody's any more. */
	qmp->is_broken = true;
	peer_send(qmp->fd, QMP_RUN, strlen(QMP_RUN), peer_now_ms() + PATIENCE_MS);
	pthread_mutex_unlock(&qmp->lock);
}

int qmp_fd(const struct qmp *qmp)
{
	return qmp->fd;
}

pid_t qmp_peer(const struct qmp *qmp)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0 : peer.pid;
}

#else

int qmp_open(const char *path, struct qmp **ret, struct pgw_error *err)
{
	(void)path, (void)ret;
	return source_fail(err, -PGW_EOPNOTSUPP, "a pagewalk that was built with jansson");
}

void qmp_close(struct qmp *qmp)
{
	(void)qmp;
}

void qmp_run(struct qmp *qmp)
{
	(void)qmp;
}

int qmp_fd(const struct qmp *qmp)
{
	(void)qmp;
	return -1;
}

pid_t qmp_peer(const struct qmp *qmp)
{
	(void)qmp;
	return 0;
}

int qmp_do(struct qmp *qmp, const char *command)
{
	(void)qmp, (void)command;
	return -PGW_EIO;
}

int qmp_text(struct qmp *qmp, const char *command, const char *member, char *ret, size_t size)
{
	(void)qmp, (void)command, (void)member, (void)ret, (void)size;
	return -PGW_EIO;
}

int qmp_bool(struct qmp *qmp, const char *command, const char *member, bool *ret)
{
	(void)qmp, (void)command, (void)member, (void)ret;
	return -PGW_EIO;
}

int qmp_monitor(struct qmp *qmp, const char *line, char **ret)
{
	(void)qmp, (void)line, (void)ret;
	return -PGW_EIO;
}

int qmp_save(struct qmp *qmp, uint64_t pa, uint64_t size, const char *path)
{
	(void)qmp, (void)pa, (void)size, (void)path;
	return -PGW_EIO;
}

#endif
