/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events FIFO: a process of a guest that does one thing to its memory for each letter that it reads, says
 * what, and what its kernel says of its memory then: maps, each page's frame (pagemap), huge pages
 * (smaps), and the kernel's own vmalloc areas and modules. Nothing but that thing changes its tables.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define AREA ((char *)0x100000000000)
#define LARGE ((char *)0x200000000000)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static char text[1 << 20], line[256];
static uint64_t frames[1024];
static int out = 1;

static void say(const char *what, size_t len)
{
	while (len) {
		ssize_t nr = write(out, what, len);

		if (nr <= 0)
			exit(1);
		what += nr;
		len -= (size_t)nr;
	}
}

#define SAY(...) say(line, (size_t)snprintf(line, sizeof(line), __VA_ARGS__))

/* @return its length; text is cut off at the end */
static size_t file_read(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t nr;

	while (len < sizeof(text) - 1 && (nr = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)nr;
	close(fd);
	text[len] = '\0';
	return len;
}

static void file_say(const char *path)
{
	size_t len = file_read(path);

	SAY("BEGIN %s\n", path);
	say(text, len);
	SAY("END %s\n", path);
}

/* Each page that is there: address and frame. */
static void frames_say(uint64_t first, uint64_t end)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	while (first < end) {
		size_t nr = (end - first) / PAGE;

		if (nr > sizeof(frames) / sizeof(frames[0]))
			nr = sizeof(frames) / sizeof(frames[0]);
		if (pread(fd, frames, nr * 8, (off_t)(first / PAGE * 8)) != (ssize_t)(nr * 8))
			break;
		for (size_t i = 0; i < nr; i++) {
			if (frames[i] >> 63)
				SAY("%lx %lx\n", first + i * PAGE, frames[i] & ((1UL << 55) - 1));
		}
		first += nr * PAGE;
	}
	close(fd);
}

static void pages_say(void)
{
	uint64_t first, end;

	file_read("/proc/self/maps");
	SAY("BEGIN pages\n");
	for (char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
		if (sscanf(at, "%lx-%lx", &first, &end) == 2 && !(first >> 63))
			frames_say(first, end);
	}
	SAY("END pages\n");
}

static void state_say(const char *name)
{
	SAY("STATE %s pid %d\n", name, getpid());
	file_say("/proc/self/maps");
	pages_say();
	file_say("/proc/self/smaps");
	file_say("/proc/vmallocinfo");
	file_say("/proc/modules");
	SAY("STATE-END %s\n", name);
}

static void touch(char *first, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		first[i * PAGE] = (char)(i + 1);
}

static const char *act(char letter)
{
	const int rw = PROT_READ | PROT_WRITE, fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	int fine = 1;

	switch (letter) {
	case 'm':
		fine = mmap(AREA, 32 * PAGE, rw, fixed, -1, 0) == AREA;
		touch(AREA, 12);
		touch(AREA + 16 * PAGE, 4);
		return fine ? "mmap" : "nothing";
	case 'r':
		fine = !mprotect(AREA, 4 * PAGE, PROT_READ) &&
		       !mprotect(AREA + 4 * PAGE, 2 * PAGE, PROT_NONE) &&
		       !mprotect(AREA + 6 * PAGE, 2 * PAGE, PROT_READ | PROT_EXEC);
		return fine ? "mprotect" : "nothing";
	case 'u':
		return munmap(AREA + 8 * PAGE, 10 * PAGE) ? "nothing" : "munmap";
	case 'v':
		return mremap(AREA + 18 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      AREA + 64 * PAGE) == MAP_FAILED
			       ? "nothing"
			       : "mremap";
	case 't':
		return madvise(LARGE, HUGE, MADV_COLLAPSE) ? "nothing" : "collapse";
	case 'w':
		return "module"; /* which somebody else loaded */
	default:
		return "begin";
	}
}

int main(int argc, char **argv)
{
	char letter = '0';
	int fifo = open(argv[argc - 1], O_RDWR);

	if (mmap(LARGE, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != LARGE)
		return 1;
	touch(LARGE, 2 * HUGE / PAGE);
	memset(text, 1, sizeof(text));
	memset(frames, 1, sizeof(frames));
	/* Once for nobody: all that this uses of its memory is there afterwards. */
	out = open("/dev/null", O_WRONLY);
	state_say("none");
	out = 1;
	do {
		const char *did = act(letter);

		/* What ended before has gone by then. */
		sleep(2);
		state_say(did);
	} while (read(fifo, &letter, 1) == 1);
	return 0;
}
