/* SPDX-License-Identifier: BSD-2-Clause */
#include "dumpfile.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "image/pack.h"

#define SUB_SIZE 104
#define MAX_NOTES ((size_t)1 << 20)
#define BATCH 1024 /* pages */

/* What a file is made of. */
struct making {
	struct dumpfile *file;
	struct pgw_image *image;
	const struct pgw_phys *phys;
	uint8_t notes[MAX_NOTES];
	size_t notes_size;
	const char *text;
	size_t text_size;
	uint64_t map, map_size; /* bitmap 1; bitmap 2 is behind it */
	uint8_t *bits;          /* bitmap 2 */
	uint64_t end;           /* of the file, until now */
	uint64_t next;          /* descriptor */
	size_t nr_batch, out_size;
	uint8_t batch[BATCH * DUMPFILE_DESCRIPTOR];
	uint8_t out[BATCH * DUMPFILE_PAGE + PACK_MAX];
};

static void put(const struct making *making, uint64_t at, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size) {
		ssize_t n = pwrite(making->file->fd, from, size, (off_t)at);

		bench_require(n > 0, "cannot write a dump");
		from += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
}

static void put_number(const struct making *making, uint64_t at, unsigned size, uint64_t value)
{
	put(making, at, &value, size); /* x86-64 */
}

/* The notes of the first header that is for notes: QEMU's cores have one. */
static void read_notes(struct making *making, const char *elf)
{
	uint8_t header[64], ph[56];
	uint64_t offset, size;
	FILE *in = fopen(elf, "rb");
	uint32_t type = 0;

	bench_require(in && fread(header, sizeof(header), 1, in) == 1, "cannot read an image");
	memcpy(&offset, header + 32, 8);
	bench_require(!fseek(in, (long)offset, SEEK_SET) && fread(ph, sizeof(ph), 1, in) == 1,
		      "cannot read an image");
	memcpy(&type, ph, 4);
	memcpy(&offset, ph + 8, 8);
	memcpy(&size, ph + 32, 8);
	bench_require(type == 4 && size <= MAX_NOTES && !fseek(in, (long)offset, SEEK_SET) &&
			      fread(making->notes, size, 1, in) == 1,
		      "an image without notes");
	making->notes_size = size;
	fclose(in);
}

static void put_headers(struct making *making)
{
	static const uint32_t flags[_PACKING_MAX] = { 1, 2, 4, 0x20 };
	const struct dumpfile *file = making->file;
	uint64_t sub_blocks =
		(SUB_SIZE + making->notes_size + making->text_size) / DUMPFILE_PAGE + 1;
	uint64_t sub = DUMPFILE_PAGE, notes = sub + SUB_SIZE;

	making->map = (1 + sub_blocks) * DUMPFILE_PAGE;
	making->map_size = (file->nr_pages / 8 + DUMPFILE_PAGE) & ~(uint64_t)(DUMPFILE_PAGE - 1);
	making->file->descriptors = making->map + 2 * making->map_size;
	put(making, 0, "KDUMP   ", 8);
	put_number(making, 8, 4, 6);
	put(making, 12, "Linux", 5);
	put(making, 12 + 4 * 65, "x86_64", 6);
	put_number(making, 424, 4, file->packing < _PACKING_MAX ? flags[file->packing] : 0);
	put_number(making, 428, 4, DUMPFILE_PAGE);
	put_number(making, 432, 4, sub_blocks);
	put_number(making, 436, 4, 2 * making->map_size / DUMPFILE_PAGE);
	put_number(making, 440, 4, file->nr_pages);
	put_number(making, 460, 4, 1);
	if (making->text_size) {
		put_number(making, sub + 32, 8, notes + making->notes_size);
		put_number(making, sub + 40, 8, making->text_size);
	}
	put_number(making, sub + 48, 8, notes);
	put_number(making, sub + 56, 8, making->notes_size);
	put_number(making, sub + 96, 8, file->nr_pages);
	put(making, notes, making->notes, making->notes_size);
	put(making, notes + making->notes_size, making->text, making->text_size);
}

static void flush(struct making *making)
{
	put(making, making->file->descriptors + making->next * DUMPFILE_DESCRIPTOR, making->batch,
	    making->nr_batch * DUMPFILE_DESCRIPTOR);
	put(making, making->end, making->out, making->out_size);
	making->next += making->nr_batch;
	making->end += making->out_size;
	making->nr_batch = making->out_size = 0;
}

static void add_page(struct making *making, const uint8_t *page)
{
	static const uint32_t flags[_PACKING_MAX + 1] = { 1, 2, 4, 0x20 };
	enum packing packing = making->file->packing;
	uint8_t *at = making->batch + making->nr_batch++ * DUMPFILE_DESCRIPTOR;
	uint8_t *out = making->out + making->out_size;
	uint64_t offset = making->file->zeroes;
	uint32_t size = DUMPFILE_PAGE, flag = 0;
	size_t n = 0;

	if (page && (page[0] || memcmp(page, page + 1, DUMPFILE_PAGE - 1) != 0)) {
		offset = making->end + making->out_size;
		if (packing < _PACKING_MAX)
			n = pack(packing, page, DUMPFILE_PAGE, out);
		if (n && n < DUMPFILE_PAGE) {
			flag = flags[packing];
			size = (uint32_t)n;
		} else {
			memcpy(out, page, DUMPFILE_PAGE);
		}
		making->out_size += size;
		making->file->nr_packed++;
	}
	memset(at, 0, DUMPFILE_DESCRIPTOR);
	memcpy(at, &offset, 8);
	memcpy(at + 8, &size, 4);
	memcpy(at + 12, &flag, 4);
	if (making->nr_batch == BATCH)
		flush(making);
}

/* Whole pages of the image's memory. @return is the page one of them? */
static bool has_page(const struct making *making, uint64_t page, uint64_t *ret_end)
{
	uint64_t first, last;

	*ret_end = making->file->nr_pages;
	if (!making->phys->ops->next_range(making->phys, page * DUMPFILE_PAGE, &first, &last))
		return false;
	*ret_end = (last + 1) / DUMPFILE_PAGE;
	if (first <= page * DUMPFILE_PAGE)
		return true;
	*ret_end = (first + DUMPFILE_PAGE - 1) / DUMPFILE_PAGE;
	return false;
}

/* Bits of the image's memory, then of zeroes. */
static void choose_pages(struct making *making, uint64_t nr_held)
{
	struct dumpfile *file = making->file;
	uint64_t page = 0, end = 0;

	while (page < file->nr_pages) {
		bool is_held = has_page(making, page, &end);
		bool is_behind = end == file->nr_pages;

		for (; page < end; page++) {
			if (!is_held && !(is_behind && file->nr_held < nr_held))
				continue;
			making->bits[page / 8] |= (uint8_t)(1u << page % 8);
			file->nr_held++;
		}
	}
}

static void put_pages(struct making *making)
{
	struct dumpfile *file = making->file;
	uint8_t page[DUMPFILE_PAGE];

	file->zeroes = file->descriptors + file->nr_held * DUMPFILE_DESCRIPTOR;
	making->end = file->zeroes + DUMPFILE_PAGE;
	memset(page, 0, sizeof(page));
	put(making, file->zeroes, page, sizeof(page));
	for (uint64_t i = 0; i < file->nr_pages; i++) {
		if (!(making->bits[i / 8] >> i % 8 & 1))
			continue;
		add_page(making, pgw_phys_read(making->phys, i * DUMPFILE_PAGE, page, sizeof(page))
					 ? NULL
					 : page);
	}
	flush(making);
	file->size = making->end;
}

static uint64_t last_page(const struct pgw_image *image)
{
	struct pgw_pa_range range = { 0 };
	uint64_t end = 0;

	while (pgw_image_next_described(image, end, &range))
		end = range.last + 1;
	return end / DUMPFILE_PAGE;
}

static void put_machine_map(const struct making *making)
{
	uint8_t *bits = malloc(making->map_size);

	bench_require(bits != NULL, "no memory");
	memset(bits, 0, making->map_size);
	memset(bits, 0xff, making->file->nr_pages / 8);
	put(making, making->map, bits, making->map_size);
	free(bits);
}

void dumpfile_make(struct dumpfile *file, const char *elf, enum packing packing, uint64_t nr_held,
		   uint64_t nr_pages)
{
	struct making *making = calloc(1, sizeof(*making));
	const char *folder = getenv("TMPDIR");
	const struct pgw_vmcoreinfo *texts;
	size_t nr_texts = 0;

	*file = (struct dumpfile){ .packing = packing };
	snprintf(file->path, sizeof(file->path), "%.32s/pagewalk-dump.XXXXXX",
		 folder ? folder : "/tmp");
	file->fd = mkstemp(file->path);
	bench_require(making && file->fd >= 0, "cannot make a file");
	making->file = file;
	read_notes(making, elf);
	bench_require(!pgw_image_open(elf, NULL, &making->image, NULL), "cannot open an image");
	making->phys = pgw_image_phys(making->image);
	if (!pgw_image_vmcoreinfo(making->image, &texts, &nr_texts) && nr_texts) {
		making->text = texts[0].text;
		making->text_size = texts[0].size;
	}
	file->nr_pages = last_page(making->image);
	if (file->nr_pages < nr_pages)
		file->nr_pages = nr_pages;
	put_headers(making);
	making->bits = calloc(1, making->map_size);
	bench_require(making->bits != NULL, "no memory");
	choose_pages(making, nr_held);
	put_machine_map(making);
	put(making, making->map + making->map_size, making->bits, making->map_size);
	put_pages(making);
	pgw_image_close(making->image);
	free(making->bits);
	free(making);
	bench_require(!fsync(file->fd), "cannot write a dump");
}

void dumpfile_remove(struct dumpfile *file)
{
	close(file->fd);
	unlink(file->path);
}

/* What threads share that unpack. */
struct unpacking_all {
	const struct dumpfile *file;
	struct unpacker *unpacker;
	atomic_uint_fast64_t next;
	atomic_uint_fast64_t nr_done;
};

#define ROW 32

static uint64_t unpack_row(struct unpacking_all *all, const uint8_t *descriptors, unsigned nr,
			   uint8_t *buf, uint8_t *page)
{
	uint64_t first = 0, end = 0, done = 0, offset;
	uint32_t size, flag;

	for (unsigned i = 0; i < nr; i++) {
		memcpy(&offset, descriptors + (size_t)i * DUMPFILE_DESCRIPTOR, 8);
		memcpy(&size, descriptors + (size_t)i * DUMPFILE_DESCRIPTOR + 8, 4);
		if (offset == all->file->zeroes)
			continue;
		first = first ? first : offset;
		end = offset + size;
	}
	bench_require(!end || pread(all->file->fd, buf, end - first, (off_t)first) ==
				      (ssize_t)(end - first),
		      "cannot read a dump");
	for (unsigned i = 0; i < nr; i++) {
		memcpy(&offset, descriptors + (size_t)i * DUMPFILE_DESCRIPTOR, 8);
		memcpy(&size, descriptors + (size_t)i * DUMPFILE_DESCRIPTOR + 8, 4);
		memcpy(&flag, descriptors + (size_t)i * DUMPFILE_DESCRIPTOR + 12, 4);
		if (offset == all->file->zeroes)
			continue;
		if (!flag)
			memcpy(page, buf + (offset - first), size);
		else
			bench_require(!unpack(all->unpacker, all->file->packing,
					      buf + (offset - first), size, page, DUMPFILE_PAGE),
				      "cannot unpack a page");
		done++;
	}
	return done;
}

static void *unpack_rows(void *arg)
{
	struct unpacking_all *all = arg;
	uint8_t *buf = malloc((ROW + 1) * DUMPFILE_PAGE), descriptors[ROW * DUMPFILE_DESCRIPTOR];
	uint64_t at;

	bench_require(buf != NULL, "no memory");
	while ((at = atomic_fetch_add(&all->next, ROW)) < all->file->nr_held) {
		uint64_t left = all->file->nr_held - at;
		unsigned nr = left < ROW ? (unsigned)left : ROW;

		bench_require(pread(all->file->fd, descriptors, nr * DUMPFILE_DESCRIPTOR,
				    (off_t)(all->file->descriptors + at * DUMPFILE_DESCRIPTOR)) ==
				      (ssize_t)(nr * DUMPFILE_DESCRIPTOR),
			      "cannot read a dump");
		atomic_fetch_add(&all->nr_done, unpack_row(all, descriptors, nr, buf,
							   buf + (size_t)ROW * DUMPFILE_PAGE));
	}
	free(buf);
	return NULL;
}

uint64_t dumpfile_unpack(const struct dumpfile *file, unsigned nr_threads)
{
	struct unpacking_all all = { .file = file, .unpacker = unpacker_new() };
	pthread_t threads[64];
	unsigned nr = 0;

	while (nr + 1 < nr_threads && nr < 64 &&
	       !pthread_create(&threads[nr], NULL, unpack_rows, &all))
		nr++;
	unpack_rows(&all);
	while (nr)
		pthread_join(threads[--nr], NULL);
	unpacker_free(all.unpacker);
	return all.nr_done;
}
