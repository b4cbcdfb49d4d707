/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is inside a Linux: `ps`, and every line of every `maps`, from the start of the command to its end,
 * beside a program that does nothing but read the pages of the image that `ps` looks at, in order; and the
 * time that the kernel's names take, from an image that is open.
 *
 * Which pages these are is counted here, by the library over memory that is read through this program.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#include "wall.h"

#define PAGE 4096
#define MAX_AT_ONCE (128 << 10)
#define PS_GOAL 2      /* of the plain read's time */
#define MAPS_GOAL 3    /* of that of ps */
#define SYMBOLS_GOAL 25 /* ms */

enum { PLAIN, PS, MAPS, NR };

/* ---- which pages are looked at ---- */

struct counting {
	struct pgw_phys phys;
	const struct pgw_phys *inner;
	uint8_t *seen; /* a bit for each page */
	uint64_t nr_pages;
};

static int counting_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct counting *counting = phys->ctx;
	int status = pgw_phys_read(counting->inner, pa, buf, len);

	for (uint64_t page = pa / PAGE; !status && page <= (pa + len - 1) / PAGE; page++)
		counting->seen[page / 8] |= (uint8_t)(1 << page % 8);
	return status;
}

static bool counting_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			   uint64_t *ret_last)
{
	const struct counting *counting = phys->ctx;

	return counting->inner->ops->next_range(counting->inner, pa, ret_first, ret_last);
}

static const struct pgw_phys_ops counting_ops = { .read = counting_read,
						  .next_range = counting_range };

/* As ps does. @return false: there are no processes to be found */
static bool look_at_tasks(struct pgw_image *image)
{
	const struct pgw_task *list;
	struct pgw_tasks *tasks;
	size_t nr;

	if (pgw_tasks_open(image, &tasks, NULL) < 0)
		return false;
	list = pgw_tasks_list(tasks, &nr);
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_task *task = pgw_tasks_with_mm(tasks, &list[i]);
		struct pgw_task_memory memory;

		if (list[i].is_leader && task && task->mm_va)
			(void)pgw_task_get_memory(tasks, task, &memory);
	}
	pgw_tasks_close(tasks);
	return true;
}

static bool count_pages(const char *path, struct counting *counting)
{
	const struct pgw_vmcoreinfo *texts;
	struct pgw_image_options options = { 0 };
	struct pgw_image *file, *image;
	uint64_t pa = 0, first, last;
	bool is_done = false;
	size_t nr;

	bench_require(!pgw_image_open(path, NULL, &file, NULL), "the image cannot be opened");
	counting->inner = pgw_image_phys(file);
	while (counting->inner->ops->next_range(counting->inner, pa, &first, &last))
		pa = last + 1;
	counting->nr_pages = (pa + PAGE - 1) / PAGE;
	counting->seen = calloc(counting->nr_pages / 8 + 1, 1);
	counting->phys = (struct pgw_phys){ &counting_ops, counting };
	bench_require(counting->seen != NULL, "no memory");
	if (!pgw_image_vmcoreinfo(file, &texts, &nr) && nr) {
		options.vmcoreinfo = texts;
		options.arch = "x86_64";
		if (!pgw_image_open_phys(&counting->phys, false, &options, &image, NULL)) {
			is_done = look_at_tasks(image);
			pgw_image_close(image);
		}
	}
	pgw_image_close(file);
	return is_done;
}

/* ---- a plain read of them ---- */

struct plain {
	int fd;
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	uint64_t nr_bytes;
};

static void plain_open(struct plain *plain, const char *path)
{
	size_t size;

	plain->fd = open(path, O_RDONLY | O_CLOEXEC);
	bench_require(plain->fd >= 0 && pread(plain->fd, &plain->header, sizeof(plain->header), 0) ==
						sizeof(plain->header),
		      "the image cannot be read");
	size = plain->header.e_phnum * sizeof(*plain->segments);
	plain->segments = malloc(size + 1);
	bench_require(plain->segments && pread(plain->fd, plain->segments, size,
					       (off_t)plain->header.e_phoff) == (ssize_t)size,
		      "the image cannot be read");
}

/* Pages one behind the other, which lie so in the file, too. */
static void plain_read_run(struct plain *plain, uint64_t pa, uint64_t size)
{
	static uint8_t buf[MAX_AT_ONCE];

	for (unsigned i = 0; i < plain->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &plain->segments[i];

		if (segment->p_type != PT_LOAD || pa < segment->p_paddr ||
		    pa - segment->p_paddr >= segment->p_filesz)
			continue;
		if (size > segment->p_filesz - (pa - segment->p_paddr))
			size = segment->p_filesz - (pa - segment->p_paddr);
		bench_require(pread(plain->fd, buf, size,
				    (off_t)(segment->p_offset + (pa - segment->p_paddr))) ==
				      (ssize_t)size,
			      "the image cannot be read");
		plain->nr_bytes += size;
		return;
	}
}

static uint64_t plain_read(const char *path, const struct counting *counting)
{
	struct plain plain = { 0 };
	uint64_t first = 0, nr = 0;

	plain_open(&plain, path);
	for (uint64_t page = 0; page <= counting->nr_pages; page++) {
		bool is_seen = page < counting->nr_pages &&
			       counting->seen[page / 8] >> page % 8 & 1;

		if (nr && (!is_seen || nr == MAX_AT_ONCE / PAGE)) {
			plain_read_run(&plain, first * PAGE, nr * PAGE);
			nr = 0;
		}
		if (is_seen && !nr++)
			first = page;
	}
	free(plain.segments);
	close(plain.fd);
	return plain.nr_bytes;
}

/* ---- all of it ---- */

static uint64_t symbols_round(const char *path, struct bench_times *times, unsigned round)
{
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;
	struct pgw_image *image;
	uint64_t nr = 0;

	bench_require(!pgw_image_open(path, NULL, &image, NULL), "the image cannot be opened");
	bench_times_begin(times, round);
	bench_require(!pgw_image_symbols(image, &symbols, NULL), "the image has no symbols");
	while (pgw_symbols_get(symbols, nr, &symbol))
		nr++;
	bench_times_end(times, round);
	pgw_image_close(image);
	return nr;
}

static void measure(struct bench *bench, const char *path)
{
	static struct bench_times times[NR], symbols;
	const char *const ps[] = { "pagewalk", "ps", path, NULL };
	const char *const maps[] = { "pagewalk", "maps", path, NULL };
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct counting counting = { 0 };
	uint64_t nr_bytes = 0, nr_symbols = 0;
	char set[128], name[64];

	if (!count_pages(path, &counting)) {
		fprintf(stderr, "bench: %s: no processes are found by its VMCOREINFO: left out\n", path);
		free(counting.seen);
		return;
	}
	snprintf(set, sizeof(set), "bench_linux__%.*s", (int)strlen(base) - 4, base);
	for (unsigned round = 0; round < bench->nr_rounds; round++) {
		bench_times_begin(&times[PLAIN], round);
		nr_bytes = plain_read(path, &counting);
		bench_times_end(&times[PLAIN], round);
		bench_times_command(&times[PS], round, ps);
		bench_times_command(&times[MAPS], round, maps);
		nr_symbols = symbols_round(path, &symbols, round);
	}
	if (!bench->is_json)
		printf("%s: %" PRIu64 " KiB of pages are looked at by ps\n", set, nr_bytes >> 10);
	bench_times_print(bench, set, "plain read of the pages", &times[PLAIN], &times[PLAIN], 0);
	bench_times_print(bench, set, "ps", &times[PS], &times[PLAIN], PS_GOAL);
	snprintf(name, sizeof(name), "%" PRIu64 " symbols", nr_symbols);
	bench_times_print_ms(bench, set, name, &symbols, SYMBOLS_GOAL);
	strcat(set, "_maps");
	if (!bench->is_json)
		printf("%s: beside ps\n", set);
	bench_times_print(bench, set, "maps of all processes", &times[MAPS], &times[PS], MAPS_GOAL);
	free(counting.seen);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	bench_require(getenv("PGW_TOOL") != NULL, "PGW_TOOL must be the command's path");
	for (int i = first; i < argc; i++)
		measure(&bench, argv[i]);
	return bench_done(&bench);
}
