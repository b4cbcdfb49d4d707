/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "source/gdb_stub.h"
#include "source/page_cache.h"
#include "source/qemu_monitor.h"

/*
 * A machine by its gdb stub. It stands while we are connected, so what was read of it stays true until
 * we let it run, which is to hang up.
 */

#define PAGE ((size_t)1 << 12)
#define MIN_CHUNK 64

/* Of which the stub's memory is, if it does not say: more than any machine's addresses have. */
#define LAST_PA BITS(51, 0)

struct gdb_live {
	char *name;         /* for gdb_stub_open() */
	bool is_physical;   /* addresses are, as the user says */
	bool stays_stopped; /* as the user says */
	bool has_map;       /* source->memory says where memory is */
	enum gdb_before before;
	pthread_mutex_t lock;  /* of the stub */
	struct gdb_stub *stub; /* NULL: the machine runs */
	bool is_lost;          /* it could not be had again: it is not waited for any more */
	size_t chunk;
	bool is_chunk_good;
	pthread_rwlock_t cache_lock; /* for write: all that is in the cache goes */
	struct page_cache *cache;
	char access[200];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Words behind a comma. @return false if one is not known */
static bool take_words(struct gdb_live *live)
{
	char *comma;

	while ((comma = strrchr(live->name, ','))) {
		if (strcmp(comma, ",physical") == 0)
			live->is_physical = true;
		else if (strcmp(comma, ",stopped") == 0)
			live->stays_stopped = true;
		else
			return false;
		*comma = '\0';
	}
	return true;
}

static int be_physical(const struct gdb_live *live, struct pgw_error *err)
{
	int status = live->is_physical ? 0 : gdb_stub_be_physical(live->stub);

	if (status == -PGW_EOPNOTSUPP)
		return source_fail(err, status,
				   "a gdb stub that can read physical memory, as QEMU's; one that "
				   "reads nothing else is gdb:...,physical");
	return status ? source_fail(err, status, "a gdb stub that answers within 5 seconds") : 0;
}

/* Pre: as connect_stub(). @return as gdb_stub_close() */
static int let_run(struct source *source)
{
	struct gdb_live *live = source->state;
	int status = gdb_stub_close(live->stub);

	live->stub = NULL;
	live->is_lost = status != 0;
	source->stands_since_ns = 0;
	return status;
}

/* Pre: lock is held, or nobody else has the source. */
static int connect_stub(struct source *source, struct pgw_error *err)
{
	struct gdb_live *live = source->state;
	uint64_t began = now_ns();
	int status = live->is_lost
			     ? -PGW_EIO
			     : gdb_stub_open(live->name, live->before, &live->stub, err);

	live->is_lost = status != 0;
	if (status)
		return status;
	live->before = gdb_stub_before(live->stub);
	if (live->before != GDB_BEFORE_STOOD)
		source->stands_since_ns = began;
	status = be_physical(live, err);
	/* It would read by virtual addresses. */
	if (status) {
		let_run(source);
		live->is_lost = true;
	}
	return status;
}

static int load_page(void *ctx, uint64_t page, void *buf);

static int make_cache(struct source *source)
{
	struct gdb_live *live = source->state;

	live->cache = page_cache_new(PAGE, PAGE_CACHE_BYTES, load_page, source);
	return live->cache ? 0 : -PGW_ENOMEM;
}

/* QEMU's monitor, which its stub lets us ask, knows. */
static int find_memory(struct source *source)
{
	struct gdb_live *live = source->state;
	struct qemu_section *sections = calloc(QEMU_MAX_SECTIONS + 1, sizeof(*sections));
	struct source_segment *segments = calloc(QEMU_MAX_SECTIONS, sizeof(*segments));
	size_t nr = 0, nr_segments = 0;
	char *text = NULL;
	int status = sections && segments ? 0 : -PGW_ENOMEM;

	if (!status && !gdb_stub_monitor(live->stub, "info mtree -f", &text))
		nr = qemu_sections_read(text, sections);
	free(text);
	for (size_t i = 0; i < nr; i++) {
		if (sections[i].last <= LAST_PA)
			segments[nr_segments++] = (struct source_segment){
				.pa = sections[i].first,
				.size = sections[i].last - sections[i].first + 1,
				.file_size = sections[i].last - sections[i].first + 1,
				.offset = sections[i].first,
			};
	}
	live->has_map = nr_segments;
	if (live->has_map)
		status = source_lay_out(source, segments, nr_segments);
	free(segments);
	free(sections);
	return status;
}

static int find_cpus(struct source *source, struct pgw_error *err)
{
	struct gdb_live *live = source->state;
	const struct gdb_machine *machine;
	int status = gdb_stub_registers(live->stub, source, &machine);

	if (status == -PGW_EOPNOTSUPP)
		return source_fail(err, status,
				   "the library expat to be installed (Debian's libexpat1), and a "
				   "pagewalk that was built with it");
	if (status)
		return source_fail(err, status,
				   status == -PGW_ENOMEM
					   ? NULL
					   : "a gdb stub that describes its registers and CPUs");
	if (!machine)
		return source_fail(err, -PGW_EOPNOTSUPP,
				   "a machine of x86, Arm, riscv, s390x, ppc64 or loongarch64");
	source->info.elf_machine = machine->elf_machine;
	source->info.machine = source_machine_name(machine->elf_machine);
	source->is_32 = machine->is_32;
	source->has_machine = true;
	return 0;
}

static void tell_access(struct source *source)
{
	struct gdb_live *live = source->state;

	snprintf(live->access, sizeof(live->access), "read through its gdb stub; %s%s",
		 live->has_map ? "QEMU says where memory is"
			       : "where memory is, is not known: what is not there may read as "
				 "zeroes, and nothing is looked for in memory",
		 live->before == GDB_BEFORE_UNKNOWN
			 ? "; whether it ran, is not known: it runs afterwards"
			 : "");
	source->info.access = live->access;
}

static int gdb_open(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	struct gdb_live *live = source->state = calloc(1, sizeof(*live));
	int status;

	(void)options;
	if (!live)
		return source_fail(err, -PGW_ENOMEM, NULL);
	pthread_mutex_init(&live->lock, NULL);
	pthread_rwlock_init(&live->cache_lock, NULL);
	live->name = strdup(source->path);
	if (!live->name || make_cache(source))
		return source_fail(err, -PGW_ENOMEM, NULL);
	if (!take_words(live))
		return source_fail(err, -PGW_EINVAL,
				   "nothing but physical and stopped behind a comma");
	source->is_live = source->has_places = true;
	source->info.stands_while_read = true;
	source->info.writer = "gdb stub";
	live->before = live->stays_stopped ? GDB_BEFORE_STOOD : GDB_BEFORE_UNKNOWN;
	status = connect_stub(source, err);
	if (status)
		return status;
	live->chunk = gdb_stub_chunk(live->stub);
	status = find_cpus(source, err);
	if (!status && find_memory(source))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	tell_access(source);
	return status;
}

static void gdb_close(struct source *source)
{
	struct gdb_live *live = source->state;

	if (!live)
		return;
	gdb_stub_close(live->stub);
	page_cache_free(live->cache);
	pthread_rwlock_destroy(&live->cache_lock);
	pthread_mutex_destroy(&live->lock);
	free(live->name);
	free(live);
}

/*
 * The largest reads that it answers: until one was answered, an answer "no" may be to the size.
 * Pre: lock is held.
 */
static int read_stub(struct gdb_live *live, uint64_t pa, void *buf, size_t len)
{
	struct gdb_packets *packets = gdb_stub_packets(live->stub);
	size_t chunk = live->chunk;
	int status = gdb_read(packets, pa, buf, len, chunk);

	while (status && !live->is_chunk_good && chunk > MIN_CHUNK) {
		chunk /= 2;
		status = gdb_read(packets, pa, buf, len, chunk);
	}
	if (!status && !live->is_chunk_good) {
		live->chunk = chunk;
		live->is_chunk_good = true;
	}
	return status;
}

static int read_connected(struct source *source, uint64_t pa, void *buf, size_t len)
{
	struct gdb_live *live = source->state;
	int status = 0;

	pthread_mutex_lock(&live->lock);
	if (!live->stub)
		status = connect_stub(source, NULL);
	if (!status)
		status = read_stub(live, pa, buf, len);
	pthread_mutex_unlock(&live->lock);
	return status ? -PGW_EIO : 0;
}

static int load_page(void *ctx, uint64_t page, void *buf)
{
	return read_connected(ctx, page * PAGE, buf, PAGE);
}

/* Does it have all of this? Where memory is not known, the stub may say so. */
static bool has_memory(const struct source *source, uint64_t pa, size_t len)
{
	const struct gdb_live *live = source->state;
	const struct source_run *run;

	if (!live->has_map)
		return pa <= LAST_PA && len - 1 <= LAST_PA - pa;
	run = source_memory_next(&source->memory, SOURCE_READABLE, pa);
	return run && run->first <= pa && len - 1 <= run->last - pa;
}

static int gdb_read_memory(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	struct gdb_live *live = source->state;
	int status;

	if (!len)
		return 0;
	if (!has_memory(source, pa, len))
		return -PGW_EIO;
	pthread_rwlock_rdlock(&live->cache_lock);
	status = page_cache_read(live->cache, pa, buf, len);
	pthread_rwlock_unlock(&live->cache_lock);
	return status;
}

/* What is looked through is not looked at again. */
static int gdb_look(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	if (len && !has_memory(source, pa, len))
		return -PGW_EIO;
	return len ? read_connected((struct source *)(uintptr_t)source, pa, buf, len) : 0;
}

static bool gdb_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			   struct pgw_pa_range *ret)
{
	const struct gdb_live *live = source->state;

	if (live->has_map)
		return source_file_next_range(source, extent, pa, ret);
	if (extent == SOURCE_HELD || pa > LAST_PA)
		return false;
	*ret = (struct pgw_pa_range){ 0, LAST_PA };
	return true;
}

static int gdb_pause(const struct source *source)
{
	struct source *own = (struct source *)(uintptr_t)source;
	struct gdb_live *live = source->state;
	int status = 0;

	pthread_mutex_lock(&live->lock);
	if (!live->stub)
		status = connect_stub(own, NULL);
	if (!status && source->stands_since_ns)
		source_pause_begins(source);
	pthread_mutex_unlock(&live->lock);
	return status;
}

static int gdb_resume(const struct source *source)
{
	struct source *own = (struct source *)(uintptr_t)source;
	struct gdb_live *live = source->state;
	int status;

	if (live->before == GDB_BEFORE_STOOD)
		return 0;
	/* What was read is not true any more. */
	pthread_rwlock_wrlock(&live->cache_lock);
	pthread_mutex_lock(&live->lock);
	status = let_run(own);
	live->before = GDB_BEFORE_RAN;
	pthread_mutex_unlock(&live->lock);
	page_cache_free(live->cache);
	if (make_cache(own))
		status = -PGW_ENOMEM;
	pthread_rwlock_unlock(&live->cache_lock);
	return status;
}

static int gdb_refresh(struct source *source)
{
	struct gdb_live *live = source->state;
	const struct gdb_machine *machine;
	int status = 0;

	free(source->cpus);
	source->cpus = NULL;
	source->nr_cpus = 0;
	if (!live->stub)
		status = connect_stub(source, NULL);
	return status ? status : gdb_stub_registers(live->stub, source, &machine);
}

const struct source_ops source_gdb_ops = {
	.name = "gdb",
	.scheme = "gdb",
	.open = gdb_open,
	.close = gdb_close,
	.read = gdb_read_memory,
	.look = gdb_look,
	.next_range = gdb_next_range,
	.pause = gdb_pause,
	.resume = gdb_resume,
	.refresh = gdb_refresh,
};
