/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/process.h"

#define MAX_WORDS                                                                                  \
	((size_t)1 << 20) /* bytes of a command line; Linux has more only for those that want it */
#define MAX_ID 64
#define LISTENS 0x10000 /* Linux, net.h: __SO_ACCEPTCON */

/* ---- a monitor by its process ---- */

/* Words of a command line, each ended by a NUL. */
struct words {
	const char *at, *end;
};

static const char *next_word(struct words *words)
{
	const char *word = words->at;

	if (word >= words->end)
		return NULL;
	words->at += strlen(word) + 1;
	return word;
}

/* QEMU takes its options with one dash or two. @return the value of the option, or NULL: the word is another */
static const char *value_of(const char *word, struct words *words, const char *option)
{
	if (word[0] != '-' || strcmp(word + 1 + (word[1] == '-'), option) != 0)
		return NULL;
	return next_word(words);
}

/* The value of a key in "kind,key=value,key=value". @return false if it is not there or too long */
static bool take_key(const char *text, const char *key, char *ret, size_t size)
{
	size_t n = strlen(key);

	for (const char *at = text, *comma; at; at = comma ? comma + 1 : NULL) {
		size_t len;

		comma = strchr(at, ',');
		if (strncmp(at, key, n) != 0 || at[n] != '=')
			continue;
		len = strcspn(at + n + 1, ",");
		if (len >= size)
			return false;
		memcpy(ret, at + n + 1, len);
		ret[len] = '\0';
		return true;
	}
	return false;
}

/* "unix:PATH,server=on,wait=off" */
static bool take_unix(const char *text, char *ret, size_t size)
{
	static const char scheme[] = "unix:";
	size_t len;

	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return false;
	text += strlen(scheme);
	if (take_key(text, "path", ret, size))
		return true;
	len = strcspn(text, ",");
	if (!len || len >= size)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

/* The path of the character device of this name. */
static bool find_device(struct words words, const char *id, char *ret, size_t size)
{
	const char *word, *value;
	char name[MAX_ID];

	while ((word = next_word(&words))) {
		value = value_of(word, &words, "chardev");
		if (value && take_key(value, "id", name, sizeof(name)) && strcmp(name, id) == 0)
			return take_key(value, "path", ret, size);
	}
	return false;
}

/* "chardev=ID,mode=control", or "ID,mode=control" */
static bool take_monitor(struct words words, const char *text, char *ret, size_t size)
{
	char id[MAX_ID], mode[MAX_ID];
	size_t len = strcspn(text, ",=");

	if (!take_key(text, "mode", mode, sizeof(mode)) || strcmp(mode, "control") != 0)
		return false;
	if (!take_key(text, "chardev", id, sizeof(id))) {
		if (text[len] == '=' || len >= sizeof(id))
			return false;
		memcpy(id, text, len);
		id[len] = '\0';
	}
	return find_device(words, id, ret, size);
}

static bool find_path(struct words all, char *ret, size_t size)
{
	struct words words = all;
	const char *word, *value;

	while ((word = next_word(&words))) {
		value = value_of(word, &words, "qmp");
		if (!value)
			value = value_of(word, &words, "qmp-pretty");
		if (value && take_unix(value, ret, size))
			return true;
		value = value ? NULL : value_of(word, &words, "mon");
		if (value && take_monitor(all, value, ret, size))
			return true;
	}
	return false;
}

/* @param ret ended by a NUL; the caller's to free() */
static int read_words(pid_t pid, char **ret, size_t *ret_size)
{
	char path[64], *words = malloc(MAX_WORDS + 1);
	size_t nr;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = words ? fopen(path, "re") : NULL;
	if (!file) {
		free(words);
		return !words ? -PGW_ENOMEM : errno == EACCES ? -PGW_EACCES : -PGW_ENOENT;
	}
	nr = fread(words, 1, MAX_WORDS, file);
	fclose(file);
	words[nr] = '\0';
	*ret = words;
	*ret_size = nr;
	return 0;
}

int qemu_find_monitor(pid_t pid, char *ret, size_t size)
{
	char *words, path[PATH_MAX];
	size_t nr;
	int status = read_words(pid, &words, &nr);
	int len;

	if (status)
		return status;
	status = find_path((struct words){ words, words + nr }, path, sizeof(path)) ? 0
										    : -PGW_ENOENT;
	free(words);
	if (status)
		return status;
	len = path[0] == '/' ? snprintf(ret, size, "%s", path)
			     : snprintf(ret, size, "/proc/%d/cwd/%s", (int)pid, path);
	return (size_t)len < size ? 0 : -PGW_EINVAL;
}

/* ---- a process by its monitor ---- */

struct question {
	struct nlmsghdr head;
	struct unix_diag_req request;
};

/* The attribute that says which socket is at the other end. @return 0: the answer has none */
static unsigned peer_in(const char *bytes, size_t size)
{
	size_t at = NLMSG_LENGTH(sizeof(struct unix_diag_msg));
	struct nlmsghdr head;

	if (size < at)
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || head.nlmsg_len > size)
		return 0;
	while (at + sizeof(struct nlattr) <= head.nlmsg_len) {
		struct nlattr attribute;
		unsigned inode;

		memcpy(&attribute, bytes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) ||
		    attribute.nla_len > head.nlmsg_len - at)
			return 0;
		if (attribute.nla_type == UNIX_DIAG_PEER &&
		    attribute.nla_len >= sizeof(attribute) + sizeof(inode)) {
			memcpy(&inode, bytes + at + sizeof(attribute), sizeof(inode));
			return inode;
		}
		at += NLMSG_ALIGN(attribute.nla_len);
	}
	return 0;
}

/* The inode of the socket at the other end, as the kernel has it (sock_diag(7)). @return 0: not known */
static unsigned find_peer_inode(int fd)
{
	struct question question = {
		.head = { .nlmsg_len = sizeof(question),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.request = { .sdiag_family = AF_UNIX,
			     .udiag_states = ~0u,
			     .udiag_show = UDIAG_SHOW_PEER,
			     .udiag_cookie = { ~0u, ~0u } },
	};
	unsigned inode = 0;
	char answer[1024];
	struct stat st;
	ssize_t n;
	int kernel;

	if (fstat(fd, &st))
		return 0;
	question.request.udiag_ino = (unsigned)st.st_ino;
	kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (kernel < 0)
		return 0;
	if (send(kernel, &question, sizeof(question), 0) == (ssize_t)sizeof(question)) {
		n = recv(kernel, answer, sizeof(answer), 0);
		inode = n > 0 ? peer_in(answer, (size_t)n) : 0;
	}
	close(kernel);
	return inode;
}

static bool has_socket(pid_t pid, unsigned inode)
{
	char path[64], link[64], wanted[64];
	const struct dirent *entry;
	bool is_there = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	folder = opendir(path);
	while (folder && !is_there && (entry = readdir(folder))) {
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		is_there = strcmp(link, wanted) == 0;
	}
	if (folder)
		closedir(folder);
	return is_there;
}

pid_t qemu_find_peer(int fd)
{
	unsigned inode = find_peer_inode(fd);
	DIR *folder = inode ? opendir("/proc") : NULL;
	const struct dirent *entry;
	pid_t found = 0;

	while (folder && !found && (entry = readdir(folder))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && process_is_qemu(pid) && has_socket(pid, inode))
			found = pid;
	}
	if (folder)
		closedir(folder);
	return found;
}

bool qemu_find_listens(pid_t pid, const char *path)
{
	char name[64], line[256];
	unsigned nr = 0, listener = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/net/unix", (int)pid);
	file = fopen(name, "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned flags, inode;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		/* "Num RefCount Protocol Flags Type St Inode Path" */
		if (sscanf(line, "%*x: %*x %*x %x %*x %*x %u %n", &flags, &inode, &at) == 2 && at &&
		    (flags & LISTENS) && strcmp(line + at, path) == 0) {
			listener = inode;
			nr++;
		}
	}
	if (file)
		fclose(file);
	return nr == 1 && has_socket(pid, listener);
}
