/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_SOURCE_PRIV_H
#define SOURCE_SOURCE_PRIV_H

/* Between the files of src/source. */

#include "source/source.h"

#define SOURCE_MAX_ALIASES 16 /* of memory for a byte of the file, on average */

/* Reads of this size and more do not go through the mapping. */
#define SOURCE_PREAD_MIN (UINT32_C(64) << 10)

/* The same of bytes that are read once, in order: to bring them into the mapping is of no use. */
#define SOURCE_PREAD_SMALL 1024u

/* Memory is looked through by pages of at least this size. */
#define SOURCE_PAGE UINT64_C(4096)

/* Less than this is no memory of a machine, but may be what is left of a header. */
#define SOURCE_MIN_RAW 4096u

/* guard.c: what happens when a mapped file shrinks */

struct source_guard;

/** Watch a mapping; installs the SIGBUS handler. NULL if there is no memory. */
struct source_guard *source_guard_new(const void *bytes, size_t size);
/** To be called before the mapping goes. NULL is fine. */
void source_guard_free(struct source_guard *guard);
/** The bytes from the start of the mapping that nothing is known against. */
size_t source_guard_limit(const struct source_guard *guard);
/** Nothing from limit on can be read any more. A higher limit than before changes nothing. */
void source_guard_lower(struct source_guard *guard, size_t limit);

/* resident.c: how much of a mapping is in memory */

struct source_resident;

/* A page fault brings in so much of a file, as far as it is in the page cache. */
#define SOURCE_CHUNK_LG2 16

/** NULL if there is no memory. */
struct source_resident *source_resident_new(size_t page_size);
/** NULL is fine. */
void source_resident_free(struct source_resident *resident);
/**
 * To be called before a read of the mapping: keeps what is resident of it small, by
 * dropping all of it now and then. Any threads may read meanwhile.
 * @return the bytes were probably touched before, so that to touch them takes no page fault
 */
bool source_resident_touch(const struct source_map *map, const uint8_t *bytes, size_t len);

/* map.c: a file, mapped */

struct source_map {
	/* NULL: the address space has no room for it (/proc/kcore, copied with its holes). It is read. */
	const uint8_t *bytes;
	size_t mapped; /* bytes, when it was opened; at least 1 */
	size_t size;   /* of the file: the same, unless flat */
	size_t page_size;
	int fd;         /* -1: not open */
	bool is_sparse; /* it is worth it to ask for holes */
	struct source_guard *guard;
	struct source_resident *resident; /* NULL: all of it may stay in memory */
	const char *path;                 /* while the kind is sought; else NULL */
	struct source_unpacked
		*unpacked; /* it is a temporary file, for one that is packed; or NULL */
	struct source_flat
		*flat; /* a flattened file: where the bytes are of the one it holds; or NULL */
};

/** A regular file, as it is. */
int source_map_open(const char *path, struct source_map *ret, struct pgw_error *err);
/** The same of an open file, which is closed with the map, and after a failure. */
int source_map_take(int fd, struct source_map *ret, struct pgw_error *err);
/** One that is not open (fd -1, the rest 0) is fine. */
void source_map_close(struct source_map *map);
/** Copy len bytes, all or nothing; false if the file does not have them, or not any more. */
bool source_map_read(const struct source_map *map, uint64_t offset, void *buf, size_t len);
/** The same of bytes that are wanted once. */
bool source_map_pread(const struct source_map *map, uint64_t offset, void *buf, size_t len);
/**
 * Where the file goes on with bytes that are in it, at or behind offset: what is before reads as
 * zeroes. Where that cannot be asked it goes on at once.
 * @param ret_end where they end
 * @return false if there are no more
 */
bool source_map_next_data(const struct source_map *map, uint64_t offset, uint64_t *ret_first,
			  uint64_t *ret_end);
/** Is it this file, by st_dev and st_ino? */
bool source_map_is_file(const struct source_map *map, uint64_t device, uint64_t inode);
/** Does the file have these bytes, as it was opened? */
bool source_map_has(const struct source_map *map, uint64_t offset, uint64_t len);

/* input.c: a file that a user names */

/** What was done to a file before it was mapped. */
struct source_unpacked {
	struct pgw_unpacking said; /* packing and path are those below */
	uint64_t file_size;        /* of the file itself, or of what came through the pipe */
	unsigned depth;
	char names[32];
	char path[];
};

/**
 * As source_map_open(), also of what is packed as a whole, a FIFO, a file of /proc that says
 * no size, and standard input ("-"): these are read into a temporary file first.
 */
int source_input_open(const char *path, const struct pgw_image_options *options,
		      struct source_map *ret, struct pgw_error *err);

/** The folder for temporary files whose names QEMU gets: what the user says, if it can be said in JSON. */
const char *source_temporary(const char *folder);

/** Let info say what was done to this file, if anything was. It stays where it is allocated. */
void source_take_unpacked(struct source *source, const struct source_map *file);

/* kinds.c: names of what cannot be read */

/** The machine that an ELF file's e_machine means, or NULL. */
const char *source_machine_name(unsigned elf_machine);

/* notes.c */

/** Where the notes end that dump programs write, from offset on: the first that is not one. Little-endian. */
uint64_t source_notes_end(const struct source *source, uint64_t offset);
/**
 * Those of one stretch of the file. Pre: it lies inside the file as it was opened, or is empty.
 * Stops at a note that reaches past the end, or has no name, as kernels do.
 * @param ret_is_cut set if a note reaches past the end; may be NULL
 * @return as source_each_note()
 */
int source_notes_parse(const struct source *source, const struct source_notes *notes,
		       source_note_fn *fn, void *arg, bool *ret_is_cut, struct pgw_error *err);

/* segments.c */

/**
 * Sort segments out.
 * @param info nr_ranges, readable_bytes, zero_bytes, unreadable_bytes, nr_overlaps are added to
 * @return 0 or -PGW_ENOMEM
 */
int source_segments_build(const struct source_segment *segments, size_t nr,
			  struct source_memory *ret, struct pgw_image_info *info);

void source_memory_fini(struct source_memory *memory);
/** The range that holds pa, or NULL. */
const struct source_range *source_memory_find(const struct source_memory *memory, uint64_t pa);
/** The first run of this memory that ends at or above pa, or NULL. */
const struct source_run *source_memory_next(const struct source_memory *memory,
					    enum source_extent extent, uint64_t pa);

/* file_memory.c: memory that lies in mapped files as it is */

int source_file_read(const struct source *source, uint64_t pa, void *buf, size_t len);
bool source_file_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret);

/* pause.c */

/** Let a source that is open be stopped, if its kind can. @return 0 or -PGW_ENOMEM */
int source_pauses_init(struct source *source);
/** Said by source_ops.pause when it is about to stop a machine that runs. */
void source_pause_begins(const struct source *source);
/** It runs on, whoever wanted it to stand. NULL is fine. */
void source_pauses_fini(struct source *source);

/* The kinds. */

extern const struct source_ops source_avml_ops;
extern const struct source_ops source_elf_ops;
extern const struct source_ops source_gdb_ops;
extern const struct source_ops source_kdump_ops;
extern const struct source_ops source_kdumpfile_ops;
extern const struct source_ops source_libvirt_ops;
extern const struct source_ops source_lime_ops;
extern const struct source_ops source_qemu_ops;
extern const struct source_ops source_qemu_live_ops;
extern const struct source_ops source_raw_map_ops;
extern const struct source_ops source_minidump_ops;
extern const struct source_ops source_vmware_ops;
extern const struct source_ops source_windows_ops;
extern const struct source_ops source_raw_ops;        /* of the options' files, too */
extern const struct source_ops source_unreadable_ops; /* kinds.c */
extern const struct source_ops source_xen_ops;

#endif
