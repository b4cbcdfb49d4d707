/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "source/gdb_packet.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/peer.h"
#include "source/source.h"
#include "source/watchdog.h"

#define PATIENCE_MS 5000  /* for one answer, whatever is said before it */
#define FIRST_ANSWER 4096 /* bytes there is room for; more as they come */
#define MAX_ANSWER ((size_t)4 << 20)
#define MAX_TRIES 3    /* of a packet whose checksum is wrong */
#define MAX_COMMAND 64 /* of those that read memory, and that are short */
#define MAX_ACKS 64
#define NR_UNDER_WAY 64 /* less than a socket holds */
#define RUN_LENGTH 29   /* what is added to a number of repetitions, so that it can be printed */

struct gdb_packets {
	int fd;
	struct watchdog *dog;
	bool is_broken; /* an answer was not had: the next one may be its */
	bool has_acks;
	bool said_stop;
	unsigned nr_acks;      /* that are still to be sent */
	unsigned nr_under_way; /* answers to reads */
	int64_t deadline;
	size_t at, nr; /* in bytes */
	uint8_t bytes[4096];
	size_t size, capacity; /* of the packet that is read */
	char *packet;
};

/* ---- bytes ---- */

static bool send_acks(struct gdb_packets *p)
{
	char acks[MAX_ACKS];
	unsigned n = p->nr_acks;

	memset(acks, '+', sizeof(acks));
	p->nr_acks = 0;
	return !n || peer_send(p->fd, acks, n, p->deadline);
}

/* @return the next byte, or -1 */
static int next_byte(struct gdb_packets *p)
{
	if (p->at == p->nr) {
		ssize_t n = send_acks(p)
				    ? peer_receive(p->fd, p->bytes, sizeof(p->bytes), p->deadline)
				    : -1;

		if (n < 0)
			return -1;
		p->at = 0;
		p->nr = (size_t)n;
	}
	return p->bytes[p->at++];
}

static int append(struct gdb_packets *p, char byte)
{
	if (p->size + 1 >= p->capacity) {
		size_t capacity = p->capacity * 2;
		char *packet = capacity > MAX_ANSWER ? NULL : realloc(p->packet, capacity);

		if (!packet)
			return -PGW_EIO;
		p->packet = packet;
		p->capacity = capacity;
	}
	p->packet[p->size++] = byte;
	p->packet[p->size] = '\0';
	return 0;
}

static int hex_digit(int c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* ---- packets ---- */

static int repeat(struct gdb_packets *p, int count)
{
	int status = count > RUN_LENGTH && p->size ? 0 : -PGW_EIO;

	for (int n = count - RUN_LENGTH; n > 0 && !status; n--)
		status = append(p, p->packet[p->size - 1]);
	return status;
}

/* Behind the "$". @param ret_sum the sum of the bytes as they came */
static int read_payload(struct gdb_packets *p, uint8_t *ret_sum)
{
	uint8_t sum = 0;
	int status = 0, c, next;

	p->size = 0;
	p->packet[0] = '\0';
	while (!status && (c = next_byte(p)) != '#') {
		if (c < 0)
			return -PGW_EIO;
		sum = (uint8_t)(sum + c);
		if (c != '}' && c != '*') {
			status = append(p, (char)c);
			continue;
		}
		next = next_byte(p);
		if (next < 0)
			return -PGW_EIO;
		sum = (uint8_t)(sum + next);
		/* An escaped byte; or the byte before, so many times more. */
		status = c == '}' ? append(p, (char)(next ^ 0x20)) : repeat(p, next);
	}
	*ret_sum = sum;
	return status;
}

/* @return 1: its checksum was wrong, and it is sent once more */
static int read_packet_once(struct gdb_packets *p)
{
	uint8_t sum;
	int c, high, low;
	bool is_good;

	/* Between packets are acknowledgements; "-" says that one of ours was not understood. */
	while ((c = next_byte(p)) != '$') {
		if (c < 0 || c == '-')
			return -PGW_EIO;
	}
	if (read_payload(p, &sum))
		return -PGW_EIO;
	high = hex_digit(next_byte(p));
	low = hex_digit(next_byte(p));
	is_good = high >= 0 && low >= 0 && high * 16 + low == sum;
	if (!p->has_acks)
		return is_good ? 0 : -PGW_EIO;
	/* Of several that are under way, "-" has the last one sent again: another's, perhaps. */
	if (!is_good)
		return p->nr_under_way <= 1 && send_acks(p) &&
				       peer_send(p->fd, "-", 1, p->deadline)
			       ? 1
			       : -PGW_EIO;
	return ++p->nr_acks < MAX_ACKS || send_acks(p) ? 0 : -PGW_EIO;
}

static int read_packet(struct gdb_packets *p)
{
	int status = 1;

	for (unsigned i = 0; i < MAX_TRIES && status > 0; i++)
		status = read_packet_once(p);
	return status ? -PGW_EIO : 0;
}

static bool is_console(const struct gdb_packets *p)
{
	return p->packet[0] == 'O' && p->size % 2 == 1;
}

/* T and S and a signal: the machine stopped. No answer to what we ask begins so. */
static bool is_stop(const struct gdb_packets *p)
{
	return (p->packet[0] == 'T' || p->packet[0] == 'S') && p->size >= 3;
}

static bool send_packet(struct gdb_packets *p, const char *command)
{
	size_t n = strlen(command);
	uint8_t sum = 0;
	char tail[4];

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + (uint8_t)command[i]);
	snprintf(tail, sizeof(tail), "#%02x", sum);
	return send_acks(p) && peer_send(p->fd, "$", 1, p->deadline) &&
	       peer_send(p->fd, command, n, p->deadline) && peer_send(p->fd, tail, 3, p->deadline);
}

/* The next packet that is an answer, or, if they are wanted, console output. */
static int read_answer(struct gdb_packets *p, bool wants_console, struct gdb_answer *ret)
{
	do {
		if (read_packet(p)) {
			p->is_broken = true;
			return -PGW_EIO;
		}
		p->said_stop |= is_stop(p);
	} while (is_stop(p) || (is_console(p) && !wants_console));
	*ret = (struct gdb_answer){ p->packet, p->size };
	return 0;
}

static int begin(struct gdb_packets *p, const char *command)
{
	p->deadline = peer_now_ms() + PATIENCE_MS;
	if (!p->is_broken && !send_packet(p, command))
		p->is_broken = true;
	return p->is_broken ? -PGW_EIO : 0;
}

static bool is_error(const struct gdb_answer *answer)
{
	return answer->text[0] == 'E' && (answer->size == 3 || answer->text[1] == '.');
}

int gdb_ask(struct gdb_packets *p, const char *command, struct gdb_answer *ret)
{
	int status = begin(p, command);

	if (!status)
		status = read_answer(p, false, ret);
	if (status)
		return status;
	return !ret->size ? -PGW_EOPNOTSUPP : is_error(ret) ? -PGW_EACCES : 0;
}

int gdb_do(struct gdb_packets *p, const char *command)
{
	struct gdb_answer answer;
	int status = gdb_ask(p, command, &answer);

	return status ? status : strcmp(answer.text, "OK") == 0 ? 0 : -PGW_EIO;
}

/* Hexadecimal digits. @return false if they are not that many */
static bool take_bytes(const char *hex, size_t size, uint8_t *to, size_t len)
{
	if (size != len * 2)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static int add_output(char **text, size_t *nr, const struct gdb_answer *answer)
{
	size_t n = answer->size / 2;
	char *more = *nr + n < MAX_ANSWER ? realloc(*text, *nr + n + 1) : NULL;

	if (!more)
		return -PGW_EIO;
	*text = more;
	if (!take_bytes(answer->text + 1, answer->size - 1, (uint8_t *)more + *nr, n))
		return -PGW_EIO;
	*nr += n;
	more[*nr] = '\0';
	return 0;
}

int gdb_ask_console(struct gdb_packets *p, const char *command, char **ret)
{
	char *text = calloc(1, 1);
	struct gdb_answer answer = { 0 };
	size_t nr = 0;
	int status = text ? begin(p, command) : -PGW_ENOMEM;

	while (!status) {
		status = read_answer(p, true, &answer);
		if (status || !is_console(p))
			break;
		status = add_output(&text, &nr, &answer);
		p->is_broken |= status != 0;
	}
	if (!status && strcmp(answer.text, "OK") != 0)
		status = -PGW_EIO;
	if (status)
		free(text);
	else
		*ret = text;
	return status;
}

/* ---- memory ---- */

struct reading {
	uint64_t address;
	uint8_t *to;
	size_t len, chunk;
};

static size_t piece(const struct reading *r, size_t at)
{
	return r->len - at < r->chunk ? r->len - at : r->chunk;
}

/* As many as may be under way, in one piece. @param at where what was not asked for begins */
static int send_reads(struct gdb_packets *p, const struct reading *r, size_t *at, unsigned *nr)
{
	char text[NR_UNDER_WAY * MAX_COMMAND];
	size_t size = 0;

	for (; *nr < NR_UNDER_WAY && *at < r->len; ++*nr, *at += piece(r, *at)) {
		char command[MAX_COMMAND - 4];
		uint8_t sum = 0;
		int n = snprintf(command, sizeof(command), "m%" PRIx64 ",%zx", r->address + *at,
				 piece(r, *at));

		for (int i = 0; i < n; i++)
			sum = (uint8_t)(sum + (uint8_t)command[i]);
		size += (size_t)snprintf(text + size, sizeof(text) - size, "$%s#%02x", command,
					 sum);
	}
	return !size || (send_acks(p) && peer_send(p->fd, text, size, p->deadline)) ? 0 : -PGW_EIO;
}

int gdb_read(struct gdb_packets *p, uint64_t address, void *buf, size_t len, size_t chunk)
{
	const struct reading r = { address, buf, len, chunk };
	size_t asked = 0, got = 0;
	unsigned nr = 0;
	int status = 0;

	while (got < len && !p->is_broken) {
		struct gdb_answer answer;

		p->deadline = peer_now_ms() + PATIENCE_MS;
		/* One half is asked for while the other is read. */
		if (nr <= NR_UNDER_WAY / 2 && send_reads(p, &r, &asked, &nr))
			p->is_broken = true;
		p->nr_under_way = nr;
		if (p->is_broken || read_answer(p, false, &answer))
			return -PGW_EIO;
		p->nr_under_way = --nr;
		/* Also part of it may be there; what is no answer at all may be that to another packet. */
		if (!take_bytes(answer.text, answer.size, r.to + got, piece(&r, got)))
			status = -PGW_EIO;
		if (status && !is_error(&answer) && answer.size > piece(&r, got) * 2)
			p->is_broken = true;
		/* Those that were asked for come all the same. */
		got += piece(&r, got);
		if (status)
			len = asked;
	}
	return p->is_broken ? -PGW_EIO : status;
}

/* ---- connections ---- */

static int fail_errno(struct pgw_error *err, int os_errno)
{
	int status = os_errno == ENOENT ? -PGW_ENOENT : -PGW_EIO;

	source_fail(err, status, "a gdb stub to connect to (QEMU: -gdb tcp::1234)");
	if (err)
		err->os_errno = os_errno;
	return status;
}

/* The watchdog is there before the machine stops, which it does as soon as somebody connects. */
static int watch(struct gdb_packets *p, const char *message)
{
	int status = message ? watchdog_start(p->fd, &p->dog) : 0;

	if (!status && message)
		watchdog_arm(p->dog, message);
	return status;
}

/* One that is armed has something to say when we end. */
static void forget_socket(struct gdb_packets *p)
{
	watchdog_end(p->dog);
	if (p->fd >= 0)
		close(p->fd);
	p->dog = NULL;
	p->fd = -1;
}

static int connect_unix(struct gdb_packets *p, const char *path, const char *message,
			struct pgw_error *err)
{
	int status;

	p->fd = peer_unix_socket();
	if (p->fd < 0)
		return fail_errno(err, errno);
	status = watch(p, message);
	if (status)
		return source_fail(err, status, "a system that can wait for the end of a process");
	status = peer_unix_connect(p->fd, path, p->deadline);
	if (status == -PGW_EINVAL)
		return source_fail(err, -PGW_EIO, "the path of a socket, of at most 107 bytes");
	return status ? fail_errno(err, errno) : 0;
}

/* @return 0 or the system's errno */
static int finish_connect(const struct gdb_packets *p)
{
	struct pollfd wait = { .fd = p->fd, .events = POLLOUT };
	int64_t left = p->deadline - peer_now_ms();
	socklen_t size = sizeof(int);
	int failed = 0;

	if (left <= 0 || poll(&wait, 1, (int)left) != 1)
		return ETIMEDOUT;
	return getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failed, &size) ? errno : failed;
}

/* @return 0 or the system's errno */
static int connect_address(struct gdb_packets *p, const struct addrinfo *address,
			   const char *message)
{
	int on = 1;

	p->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return errno;
	if (watch(p, message))
		return ENOSYS;
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connect(p->fd, address->ai_addr, address->ai_addrlen))
		return 0;
	return errno == EINPROGRESS ? finish_connect(p) : errno;
}

/* Cut HOST:PORT. @return false if it is not that */
static bool cut_name(char *name, const char **ret_host, const char **ret_port)
{
	char *colon = strrchr(name, ':'), *end = colon;

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	*colon = '\0';
	if (name[0] == '[' && end > name + 1 && end[-1] == ']') {
		end[-1] = '\0';
		name++;
	}
	*ret_host = *name ? name : "localhost";
	*ret_port = colon + 1;
	return true;
}

static int connect_tcp(struct gdb_packets *p, const char *name, const char *message,
		       struct pgw_error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	const char *host, *port;
	char copy[300];
	int os_errno = EHOSTUNREACH;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", name) >= sizeof(copy) ||
	    !cut_name(copy, &host, &port))
		return source_fail(err, -PGW_EINVAL, "gdb:HOST:PORT, or gdb:PATH with a slash");
	if (getaddrinfo(host, port, &hints, &list))
		return source_fail(err, -PGW_EIO, "the name of a host, and a port");
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		p->deadline = peer_now_ms() + PATIENCE_MS;
		os_errno = connect_address(p, a, message);
		if (!os_errno)
			break;
		gdb_packets_arm(p, NULL);
		forget_socket(p);
	}
	freeaddrinfo(list);
	return os_errno ? fail_errno(err, os_errno) : 0;
}

int gdb_packets_open(const char *name, const char *message, struct gdb_packets **ret,
		     struct pgw_error *err)
{
	struct gdb_packets *p = calloc(1, sizeof(*p));
	int status;

	if (!p)
		return source_fail(err, -PGW_ENOMEM, NULL);
	p->fd = -1;
	p->has_acks = true;
	p->capacity = FIRST_ANSWER;
	p->packet = calloc(1, FIRST_ANSWER);
	if (!p->packet) {
		gdb_packets_close(p);
		return source_fail(err, -PGW_ENOMEM, NULL);
	}
	p->deadline = peer_now_ms() + PATIENCE_MS;
	status = strchr(name, '/') ? connect_unix(p, name, message, err)
				   : connect_tcp(p, name, message, err);
	if (status) {
		gdb_packets_arm(p, NULL);
		gdb_packets_close(p);
	} else {
		*ret = p;
	}
	return status;
}

void gdb_packets_close(struct gdb_packets *p)
{
	if (!p)
		return;
	forget_socket(p);
	free(p->packet);
	free(p);
}

void gdb_packets_arm(struct gdb_packets *p, const char *message)
{
	if (p->dog)
		watchdog_arm(p->dog, message);
}

void gdb_packets_say(struct gdb_packets *p, const char *message)
{
	/* Its answers are nobody's any more. */
	p->is_broken = true;
	peer_send(p->fd, message, strlen(message), peer_now_ms() + PATIENCE_MS);
}

bool gdb_packets_said_stop(const struct gdb_packets *p)
{
	return p->said_stop;
}

void gdb_packets_drop_acks(struct gdb_packets *p)
{
	p->has_acks = false;
	p->nr_acks = 0;
}
