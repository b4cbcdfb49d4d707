/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_PHYS_H
#define PAGEWALK_PHYS_H

/**
 * @file
 * Physical memory that can be read. Images implement it (image.h); so can an
 * embedder, for a JTAG probe or a hypervisor's guest.
 */

#include <pagewalk/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_phys;

/** The operations of a source. Each may be called from several threads at once. */
struct pgw_phys_ops {
	/**
	 * Copy len bytes at pa into buf, all or nothing. Bytes that the source
	 * does not have are an error, never zeroes.
	 * @return 0, or -PGW_EIO (buf is then undefined)
	 */
	int (*read)(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len);

	/**
	 * Point at len bytes at pa, where that is safe and they will stay as
	 * long as the source; the pointer may be unaligned. Optional (NULL).
	 * The bytes may change meanwhile, by whole aligned words: what is made of an
	 * entry is then made of one look at it, but two entries may be of different times.
	 * Of a source that cannot be pointed at and is not live (mm.h), what was read once may be
	 * remembered: its bytes must stay.
	 * @return a pointer, or NULL: use read
	 */
	const void *(*map)(const struct pgw_phys *phys, uint64_t pa, size_t len);

	/**
	 * The first range of readable memory that ends at or above pa,
	 * inclusive; ranges come in ascending order without overlap. first may
	 * lie below pa.
	 * @return false if there is none
	 */
	bool (*next_range)(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			   uint64_t *ret_last);

	/**
	 * A machine that runs: stop it, so that nothing changes before resume(). Pauses
	 * nest, from any threads: the source counts them. Optional: NULL in a source that
	 * cannot change, or cannot be stopped.
	 * @return 0, or negative enum pgw_status: it runs on
	 */
	int (*pause)(const struct pgw_phys *phys);

	/** Undo one pause(), which succeeded. Optional as that is. */
	void (*resume)(const struct pgw_phys *phys);

	/**
	 * A number that was never the same before and after memory changed. Optional: NULL in
	 * a source that cannot change, or cannot tell.
	 */
	uint64_t (*generation)(const struct pgw_phys *phys);
};

/** A source of physical memory. Owned by who made it. */
struct pgw_phys {
	const struct pgw_phys_ops *ops;
	void *ctx; /**< the source's own */
};

/** Read through ops->read. */
static inline int pgw_phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	return phys->ops->read(phys, pa, buf, len);
}

/** A source over one block of the program's own memory, which changes meanwhile by whole aligned words at most. */
struct pgw_phys_memory {
	struct pgw_phys phys; /**< pass this on */
	uint64_t pa_first;
	uint64_t size;
	const void *bytes;
};

/**
 * Make a source of a block of memory.
 * @param mem      owned by the caller, who keeps it and bytes while they are used
 * @param pa_first physical address of the first byte
 * @param size     bytes, at least 1; pa_first + size - 1 must not wrap
 * @return 0 or -PGW_EINVAL
 */
PGW_API int pgw_phys_memory_init(struct pgw_phys_memory *mem, uint64_t pa_first, const void *bytes,
				 uint64_t size);

/** What a struct pgw_phys_fault does to the read it hits. */
enum pgw_phys_fault_kind {
	PGW_FAULT_FAIL,    /**< it fails */
	PGW_FAULT_CORRUPT, /**< it gives other bytes than there are: all inverted */
	_PGW_FAULT_MAX,
};

/**
 * A source that goes wrong once, for tests: run something with nth = 0, 1, 2,
 * ... until nr_reads stays at or below nth, and every error path was taken.
 * Not for several threads at once.
 */
struct pgw_phys_fault {
	struct pgw_phys phys;         /**< pass this on; never points, every byte is read */
	const struct pgw_phys *inner; /**< the source behind it */
	enum pgw_phys_fault_kind kind;
	uint64_t nth;      /**< the read that goes wrong, counting from 0 */
	uint64_t nr_reads; /**< so far */
};

/** @param inner borrowed while fault is used */
PGW_API void pgw_phys_fault_init(struct pgw_phys_fault *fault, const struct pgw_phys *inner,
				 enum pgw_phys_fault_kind kind, uint64_t nth);

#ifdef __cplusplus
}
#endif

#endif
