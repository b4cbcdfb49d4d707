/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_PACKED_H
#define SOURCE_PACKED_H

/*
 * Files that are packed as a whole, as zstd or gzip write them: unpacked from
 * front to back, whatever is inside. What differs between packings is here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many of a file's first bytes tell its packing. */
#define PACKED_PROBE 16

enum packed_result {
	PACKED_GOES_ON, /* input has run out, or output is full, or both will */
	PACKED_ENDED,   /* all of a stream is there; another may follow */
	PACKED_BROKEN,  /* from here on it cannot be unpacked */
	PACKED_BAD_CHECKSUM,
	PACKED_REFUSED, /* what it says cannot be read here; io->expected says what could */
};

/** Moved on by those who read and write. */
struct packed_io {
	const uint8_t *in;
	size_t nr_in;
	bool is_end; /* no input follows */
	uint8_t *out;
	size_t nr_out; /* room; never 0 */
	const char *expected;
};

struct packed_ops {
	const char *name;
	const char *missing;     /* what is expected where it cannot be unpacked */
	const char *expected;    /* of a file that is broken from the start */
	struct library *library; /* NULL: not in this build */
	/** Do files begin so? @param start PACKED_PROBE bytes, zeroes behind a shorter file */
	bool (*probe)(const uint8_t *start);
	/** NULL if there is no memory. */
	void *(*open)(void);
	/** Another stream begins. @return false if there is no memory */
	bool (*restart)(void *context);
	enum packed_result (*run)(void *context, struct packed_io *io);
	void (*close)(void *context);
};

#define PACKED_NOT_BUILT(what) "a build with " what ", which unpacks this file"
#define PACKED_NOT_LOADED(soname)                                                                  \
	"the library " soname ", which unpacks this file and cannot be loaded"

extern const struct packed_ops packed_bzip2_ops;
extern const struct packed_ops packed_gzip_ops;
extern const struct packed_ops packed_lz4_ops;
extern const struct packed_ops packed_xz_ops;
extern const struct packed_ops packed_zip_ops;
extern const struct packed_ops packed_zstd_ops;

/* packed_deflate.c: what gzip and zip share */

struct packed_deflate;

extern struct library packed_deflate_library;

/** @param is_gzip with gzip's header and checksum, else bare @return NULL if there is no memory */
struct packed_deflate *packed_deflate_new(bool is_gzip);
void packed_deflate_free(struct packed_deflate *deflate);
bool packed_deflate_restart(struct packed_deflate *deflate);
enum packed_result packed_deflate_run(struct packed_deflate *deflate, struct packed_io *io);
/** The checksum of bytes behind those that have crc; 0 has none. */
uint32_t packed_crc32(uint32_t crc, const void *bytes, size_t size);

/* packed.c */

struct packed_input;
struct spool;
struct pgw_error;
struct pgw_unpacking;

/** Bytes that are read once, in order. */
struct packed_input {
	int fd;
	bool is_end;
	uint8_t *bytes;
	size_t at; /* of the next */
	size_t nr;
	uint64_t nr_read; /* from fd */
};

/** Take fd's bytes from where it is. @return false if there is no memory */
bool packed_input_init(struct packed_input *input, int fd);
void packed_input_fini(struct packed_input *input);
/** Let so many bytes wait in it, or all that are left. @return 0 or -PGW_EIO with errno */
int packed_input_fill(struct packed_input *input, size_t nr);

/** The packing that a file is in, or NULL. */
const struct packed_ops *packed_find(const uint8_t *start);

/** Said now and then while a file is unpacked. */
typedef void packed_progress_fn(void *arg, uint64_t nr_read, const struct spool *spool);

struct packed_work {
	const struct packed_ops *ops; /* NULL: bytes as they come */
	struct packed_input *input;
	struct spool *spool;
	struct pgw_unpacking *said; /* damage and damage_at are set if there is some */
	packed_progress_fn *progress;
	void *progress_arg;
};

/** Unpack the input into the spool. What cannot be unpacked to its end is unpacked as far as it goes.
 *  @return 0, -PGW_EOPNOTSUPP, -PGW_EIO, -PGW_EOVERFLOW, -PGW_ENOMEM */
int packed_unpack(const struct packed_work *work, struct pgw_error *err);

#endif
