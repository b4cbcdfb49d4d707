/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

/*
 * Where physical memory comes from: a file of some kind. What is in that memory
 * is nothing that a source knows: src/system asks it for bytes, for the ranges
 * that it has, and for its notes.
 */

#include <limits.h>

#include <pagewalk/image.h>

/* Bounds on what a file can make us do. */
#define SOURCE_MAX_SEGMENTS (UINT32_C(1) << 20)
#define SOURCE_MAX_NOTE_BYTES (UINT64_C(64) << 20)

/* Where an ELF header says for which machine the file is. */
#define SOURCE_ELF_MACHINE 18

/* A note of our own: what a core says of itself that no other note says. */
#define SOURCE_NOTE_OWN "pagewalk"
#define SOURCE_NOTE_OWN_PLACEMENT                                                                  \
	0x70670001 /* where memory is, was a guess; of a core's own types none is so large */

/* fail.c */

/**
 * Fill in err, if there is one.
 * @return status
 */
int source_fail(struct pgw_error *err, int status, const char *expected);
int source_fail_at(struct pgw_error *err, int status, uint64_t offset, uint64_t found,
		   const char *expected);
/** The file is of a kind that cannot be read. @return -PGW_EOPNOTSUPP */
int source_fail_kind(struct pgw_error *err, uint64_t offset, const char *kind, const char *advice);

/** Bytes that should be there cannot be read. @return -PGW_EIO */
int source_fail_read(struct pgw_error *err, uint64_t offset);

/**
 * Make room for one more element in an array that grows by doubling.
 * @param array the array or NULL; replaced
 * @return 0 or -PGW_ENOMEM (nothing changed)
 */
int source_array_grow(void **array, size_t nr, size_t size);

/* segments.c: what a file says where memory is */

/** A PT_LOAD segment as the file has it, clipped to the end of the file; a piece of raw memory. */
struct source_segment {
	unsigned file; /* of the source */
	uint64_t pa;
	uint64_t size;      /* that it claims; pa + size does not wrap */
	uint64_t file_size; /* of these, from the start, what the file holds; at most size */
	uint64_t
		zero_size; /* of these, from the end, what reads as zeroes; with file_size at most size */
	uint64_t offset; /* in the file */
};

/** Readable memory that lies in one piece in the file. */
struct source_range {
	uint64_t first;
	uint64_t last; /* inclusive */
	uint64_t offset;
	unsigned file; /* or SOURCE_NO_FILE: zeroes */
};

#define SOURCE_NO_FILE UINT_MAX
#define SOURCE_MAX_USUAL 2 /* pieces of memory that a kind of machine has */

/** Memory in one piece. */
struct source_run {
	uint64_t first;
	uint64_t last; /* inclusive */
};

struct source_memory {
	struct source_range *ranges; /* ascending, no overlap */
	size_t nr_ranges;
	struct source_run *runs; /* that files hold; ascending, no overlap, neighbours joined */
	size_t nr_runs;
	struct source_run *readable; /* the same with zeroes that no file holds */
	size_t nr_readable;
	struct source_run *described; /* the same with what the file describes and does not hold */
	size_t nr_described;
};

/* A source. Constant once open; any threads may read it. */

/** Which memory is meant. Each is a part of the next. */
enum source_extent {
	SOURCE_HELD,      /* a look through memory goes there: it is not known to be zeroes */
	SOURCE_READABLE,  /* and zeroes that no file holds */
	SOURCE_DESCRIBED, /* and what is known to be memory, but cannot be read */
};

/** What a file may be, by its first look. */
struct source_guess {
	unsigned score; /* the highest wins; one of SOURCE_SCORE_ or between them */
	/* Of a kind that cannot be read, and where that shows in the file: for the message. */
	const char *kind;
	const char *advice;
	uint64_t offset;
};

#define SOURCE_SCORE_RAW 1    /* it may be anything */
#define SOURCE_SCORE_MAGIC 10 /* it begins as these files do */

struct source;
struct source_map;

/** A kind of source. Functions that are not said to be optional are there. */
struct source_ops {
	const char *name;
	/**
	 * What stands before the colon of names that lead here, as qemu:PATH. No file is mapped then:
	 * source->path is what follows the colon. Optional.
	 */
	const char *scheme;
	/**
	 * Look whether the file is of this kind, by what is in it. Optional: else only options lead here.
	 * @return false if it is not
	 */
	bool (*probe)(const struct source_map *file, struct source_guess *ret);
	/**
	 * Open the file that is mapped as source->files[0]. NULL: files of this kind cannot be read.
	 * Sets what of the source is the kind's: has_machine, has_places, info, notes, vmcoreinfo,
	 * cpus.
	 * @param source is closed after a failure, too
	 */
	int (*open)(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err);
	/** Let go of source->state. Optional. */
	void (*close)(struct source *source);
	/** As pgw_phys_ops.read. */
	int (*read)(const struct source *source, uint64_t pa, void *buf, size_t len);
	/** As read, for a look through memory: what is there is not wanted again. Optional: read. */
	int (*look)(const struct source *source, uint64_t pa, void *buf, size_t len);
	/** As pgw_phys_ops.next_range, of this memory. No range reaches UINT64_MAX. */
	bool (*next_range)(const struct source *source, enum source_extent extent, uint64_t pa,
			   struct pgw_pa_range *ret);
	/** As pgw_phys_ops.map. Optional. */
	const void *(*map)(const struct source *source, uint64_t pa, size_t len);
	/** As source_lay_out(), if has_places is false and memory does not lie in the file as it is. */
	int (*lay_out)(struct source *source, const struct source_segment *segments, size_t nr);
	/**
	 * Of a machine that runs: as pgw_phys_ops.pause and .resume, but calls do not nest, and come
	 * one after the other. Optional: both or none.
	 */
	int (*pause)(const struct source *source);
	int (*resume)(const struct source *source);
	/** Of a machine that runs: let source->cpus be what their registers are now. Optional. */
	int (*refresh)(struct source *source);
};

/** Bytes of the file that are notes as ELF has them, clipped to the end of the file. */
struct source_notes {
	uint64_t offset;
	uint64_t size;
};

struct source {
	const struct source_ops *ops;
	const char *path;     /* of file 0, while it is being opened */
	struct pgw_phys phys; /* its memory */
	void *state;          /* the kind's own */
	bool has_machine;     /* it says which machine's it is */
	bool is_32;           /* an ELF file of the class of 32 bits, or a machine of so many */
	bool has_places; /* it says where memory is; else bytes have their offsets for addresses */
	/* If it does not: pieces, as machines usually have them of the kind that the file names. */
	struct source_segment usual[SOURCE_MAX_USUAL];
	unsigned nr_usual;  /* 0: it names none */
	bool is_guess;      /* where memory is, by what the file says of itself */
	bool is_packed;     /* page by page: that some of what it holds cannot be read shows late */
	bool is_big_endian; /* its notes; what is in memory is as the machine has it */
	/* All but arch, nr_cpus and placement: what the notes say is not the source's to know. */
	struct pgw_image_info info;
	struct source_notes *notes; /* in file 0 */
	size_t nr_notes;
	struct source_notes
		vmcoreinfo;   /* the text, where no note has it; no bytes: there is none */
	struct pgw_cpu *cpus; /* their registers, where the kind has them elsewhere than in notes */
	size_t nr_cpus;
	struct source_map *files; /* mapped; a view borrows them */
	unsigned nr_files;
	struct source_memory memory;  /* of kinds whose memory lies in these files as it is */
	bool is_live;                 /* a machine, which runs, or may run again */
	uint64_t stands_since_ns;     /* by CLOCK_MONOTONIC, because we read it; 0: it does not */
	struct source_pauses *pauses; /* of one that can be stopped */
	struct source_hold *hold; /* nothing but pages that were copied is its memory; or NULL */
};

/** Let the source be of this kind. */
void source_set_kind(struct source *source, const struct source_ops *ops);

/** The kinds, in no order. */
extern const struct source_ops *const source_kinds[];
extern const size_t source_nr_kinds;

/**
 * Open what the path names, or the files of the options.
 * @param kinds   that it may be of: source_kinds, and in tests others
 * @param options read while this runs, not kept
 * @param ret     filled in on failure too: to be closed either way
 * @return 0, or as pgw_image_open()
 */
int source_open(const struct source_ops *const *kinds, size_t nr_kinds, const char *path,
		const struct pgw_image_options *options, struct source *ret, struct pgw_error *err);
/** One that is all zero is fine. */
void source_close(struct source *source);

/* guest.c */

/**
 * A source whose memory is what somebody else reads, who stays until it is closed: a guest's, which lies
 * in its host's. What of info the source does not know is the caller's to say.
 * @param phys    with next_range; if the machine runs, its pause and resume are used, where it has both
 * @param is_live the machine runs
 * @return 0 or -PGW_ENOMEM
 */
int source_open_lent(struct source *source, const struct pgw_phys *phys, bool is_live);

/** As source_ops.next_range. */
static inline bool source_next_range(const struct source *source, enum source_extent extent,
				     uint64_t pa, struct pgw_pa_range *ret)
{
	return source->ops->next_range(source, extent, pa, ret);
}

/** As source_ops.look. */
static inline int source_look(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return source->ops->look ? source->ops->look(source, pa, buf, len)
				 : source->ops->read(source, pa, buf, len);
}

/** Is there such memory at pa? */
bool source_has(const struct source *source, enum source_extent extent, uint64_t pa);
/** The last address that is known to be memory; 0 if there is none. */
uint64_t source_last(const struct source *source);

/* pause.c: a machine that runs stands still while anybody wants it to */

/** As pgw_phys_ops.pause. @return 0, -PGW_EOPNOTSUPP (it cannot be stopped), or why it runs on */
int source_pause(const struct source *source);
/** Undo one source_pause(). @return 0, or why it may not run again */
int source_resume(const struct source *source);
/** Ask for the registers of its CPUs again: source->cpus. @return 0, -PGW_EIO, -PGW_ENOMEM */
int source_refresh(struct source *source);
/**
 * For how many nanoseconds it stands still now, or did the last time; 0: it stood before, too. One that
 * stands while it is read, does so since then.
 */
uint64_t source_paused_ns(const struct source *source);

/*
 * hold.c: pages are copied as they are read, and become all the memory that the source has. Between
 * source_hold_begin() and source_hold_end() one thread uses the source.
 */

/**
 * From now on keep each page that is read.
 * @param nr_pages about so many, for which there is room before the first is read
 * @return 0 or -PGW_ENOMEM
 */
int source_hold_begin(struct source *source, size_t nr_pages);
/**
 * Copy the pages of a range.
 * @return 0, -PGW_EIO (a part of it is not there, or cannot be read), -PGW_E2BIG (too many), -PGW_ENOMEM
 */
int source_hold_range(const struct source *source, uint64_t first, uint64_t last);
/** What was copied is the source's memory from now on, and it is not live any more. @return 0 or -PGW_ENOMEM */
int source_hold_end(struct source *source);
/** Forget what was copied: the source is what it was before. Nothing held is fine. */
void source_hold_drop(struct source *source);

/** One more of source->cpus. @return 0 or -PGW_ENOMEM */
int source_add_cpu(struct source *source, const struct pgw_cpu *cpu);

/** Bytes of file 0 itself, all or nothing; false if there is no such file, or no such bytes. */
bool source_read_file(const struct source *source, uint64_t offset, void *buf, size_t len);

/** As pgw_image_reads_file(). */
bool source_reads_file(const struct source *source, uint64_t device, uint64_t inode);

/* Where memory that lies in files as it is belongs: for those that do not say it. */

/**
 * Let memory be as these segments have it; what it was before is gone.
 * Sets of info: nr_segments, nr_ranges, nr_overlaps, readable_bytes, zero_bytes, unreadable_bytes.
 * @return 0 or -PGW_ENOMEM (there may be a part of the memory then)
 */
int source_lay_out(struct source *source, const struct source_segment *segments, size_t nr);
/** The same of a source that does not say where memory is: offsets are what were its addresses. */
int source_place(struct source *source, const struct source_segment *segments, size_t nr);
/** Let the memory, which is in one piece, begin at pa. It ends below 2^64 there. */
void source_move(struct source *source, uint64_t pa);

/** A source that has the same files, which it borrows, and no memory yet. */
void source_view_init(struct source *view, const struct source *source);
/** What the view does not share with the source is gone. One that is all zero is fine. */
void source_view_fini(struct source *view);
/** Let the source's memory be as the view has it; the view is gone then. */
void source_view_commit(struct source *view, struct source *source);

/* notes.c */

/** A number of 2, 4 or 8 bytes in the file's byte order: what notes are made of. */
uint64_t source_number(const struct source *source, const void *bytes, unsigned size);

#define SOURCE_NOTE_NAME_MAX 16 /* of names that mean something here */

struct source_note {
	char name[SOURCE_NOTE_NAME_MAX + 1]; /* empty if it is longer */
	uint32_t type;
	uint32_t desc_size;
	uint64_t offset; /* of the note in the file */
	uint64_t
		desc; /* offset of the description; all of it is inside the file, unless it shrinks */
};

/** Not 0 ends the look, which returns the value. */
typedef int source_note_fn(const struct source_note *note, void *arg);

/** All notes, in the file's order. @return 0, fn's value, or -PGW_EIO (err is filled in) */
int source_each_note(const struct source *source, source_note_fn *fn, void *arg,
		     struct pgw_error *err);

/* Files that memory is written to. */

/** What is written, and where to. */
struct source_writing {
	const struct pgw_pa_range *keep; /* ascending, without overlap */
	size_t nr_keep;
	pgw_write_fn *fn;
	void *arg;
};

/** A note that the source does not have. */
struct source_new_note {
	const char *name; /* at most SOURCE_NOTE_NAME_MAX */
	uint32_t type;
	uint32_t size;
	const void *desc;
};

/** What an ELF core says beside its memory and the source's notes. */
struct source_core {
	unsigned elf_machine;
	bool is_aligned; /* addresses and offsets in the file: to SOURCE_CORE_ALIGN */
	const struct source_new_note *notes;
	size_t nr_notes;
};

#define SOURCE_CORE_ALIGN 4096u

/** How the text begins that says where raw memory belongs, see raw_map.c. */
#define SOURCE_RAW_MAP_MAGIC "# pagewalk memory map 1\n"
/** The longest of its lines, with the newline: a file name, and three numbers. */
#define SOURCE_RAW_MAP_LINE 320

/* elf_write.c: as pgw_image_write_core(). */
int source_write_core(const struct source *source, const struct source_writing *what,
		      const struct source_core *core);
/* plain_write.c: the same, as LiME has it, or nothing but the memory. */
int source_write_plain(const struct source *source, const struct source_writing *what,
		       bool is_lime);
/** As pgw_image_write_map(). */
int source_write_map(const struct source *source, const struct source_writing *what,
		     const char *name, unsigned elf_machine, bool is_guess);

#endif
