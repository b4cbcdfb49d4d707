/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_IMAGE_H
#define PAGEWALK_IMAGE_H

/**
 * @file
 * Images: files that hold a machine's memory, and what can be known about the
 * system inside: registers, VMCOREINFO, page-table roots. Hosted only.
 *
 * Every byte of an image is treated as hostile. An open image is constant: its
 * functions may be called from several threads, but those that find something
 * (roots, VMCOREINFO by scanning, markers) do so on their first call and must
 * not make that call from two threads at once.
 */

#include <pagewalk/format.h>
#include <pagewalk/phys.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_image;

/** How the bit was found that says whether memory is encrypted. */
enum pgw_encryption_found {
	PGW_ENCRYPTION_NOT_FOUND, /**< nothing speaks of one; none is assumed */
	PGW_ENCRYPTION_FROM_OPTION,
	PGW_ENCRYPTION_FROM_VMCOREINFO, /**< NUMBER(sme_mask), of Linux since 5.3 */
	PGW_ENCRYPTION_FROM_TABLES, /**< all tables share it (AMD), or the fixmap's registers have it (TDX) */
	_PGW_ENCRYPTION_FOUND_MAX,
};

/** The bit of an x86-64 entry that says whether memory is encrypted, and is no part of its address. */
struct pgw_encryption {
	enum pgw_encryption_found found;
	uint8_t bit;        /**< PGW_ENCRYPTION_BIT_MIN to _MAX; 0 = there is none */
	bool is_shared_bit; /**< set in what is shared (TDX), else in what is encrypted (SME, SEV) */
};

/** A file, or a part of one, that holds a piece of memory, byte for byte. */
struct pgw_image_ram {
	uint64_t pa; /**< of the part's first byte */
	const char *path;
	uint64_t offset; /**< where the part begins in the file, in bytes */
	uint64_t size;   /**< of the part, in bytes; 0: up to the end of the file */
};

struct pgw_scan_workers; /* scan.h */

/** What is wrong with a packed file, of which everything was unpacked that can be. */
enum pgw_damage {
	PGW_DAMAGE_NONE,
	PGW_DAMAGE_CUT,      /**< it ends too early */
	PGW_DAMAGE_BROKEN,   /**< from damage_at on it cannot be unpacked */
	PGW_DAMAGE_CHECKSUM, /**< what was unpacked is not what was packed: it changed since then */
	_PGW_DAMAGE_MAX,
};

/** A file that is unpacked into a temporary file, or a pipe that is read into one. */
struct pgw_unpacking {
	const char *path; /**< of the file, as it was given */
	const char
		*packing; /**< "zstd"; "zip, zstd" = a zstd file in a zip archive; NULL: a pipe */
	/** Where the temporary file is. It has no name, and is gone when the image is closed. */
	const char *folder;
	uint64_t nr_read;   /**< bytes of the file, or of what is in it */
	uint64_t total;     /**< all that there are of these; 0: not known */
	uint64_t size;      /**< bytes that they have come to */
	uint64_t disk_size; /**< of these, bytes that take space: the others are zeroes */
	bool is_done;
	enum pgw_damage damage; /**< known when it is done */
	uint64_t damage_at;     /**< in bytes that were read */
};

/** How far a look at the tables of many roots is. */
struct pgw_look {
	uint64_t nr_tables; /**< that were gone through, as often as each is */
	uint64_t nr_done;   /**< of nr_all: roots, as often as each is gone through */
	uint64_t nr_all;
};

/** How to open an image. All zero, or NULL instead of it, is the default. */
struct pgw_image_options {
	/**
	 * Memory in raw files: if there are any, they are the image, and source is
	 * not looked at. Several may be parts of one file.
	 */
	const struct pgw_image_ram *ram;
	size_t nr_ram;
	/**
	 * The other files of a split dump (makedumpfile --split), whose first or any other part is
	 * opened. None: those beside it whose names differ from its own in the last number alone.
	 */
	const char *const *parts;
	size_t nr_parts;
	/**
	 * As pgw_format_arch(): what machine raw memory is of. NULL: all are tried,
	 * and the one whose kernel root proves itself is taken.
	 */
	const char *arch;
	/**
	 * Memory that a segment claims beyond its bytes in the file (p_memsz above
	 * p_filesz) reads as zeroes: makedumpfile -E leaves out pages of zeroes so.
	 * What a file has lost at its end never does.
	 */
	bool zero_fill;
	/**
	 * Of an ELF core: read its memory so many bytes behind where the headers say, or before if it is
	 * negative; if has_shift. Else by pgw_image_info's shift, where notes and file agree on one.
	 */
	bool has_shift;
	int64_t shift;
	/** Memory encryption, if found is PGW_ENCRYPTION_FROM_OPTION; else it is looked for. */
	struct pgw_encryption encryption;
	/**
	 * Of several kernels in the image (pgw_image_kernels()), the one that is meant: its
	 * number, from 1 on, or its OSRELEASE. NULL: the first. Must stay until the image is closed.
	 */
	const char *kernel;
	/**
	 * A VMCOREINFO that the image lacks, or that is to be believed instead of those it has;
	 * made by pgw_vmcoreinfo_read(). Must stay until the image is closed. The kernel that it
	 * fits is the first; if it fits none, no kernel's root is found.
	 */
	const struct pgw_vmcoreinfo *vmcoreinfo;
	/**
	 * A file with the names of the kernel's addresses, which are believed instead of its own: a
	 * System.map, or an ELF file with a table of symbols (vmlinux). Read when names are asked
	 * for (pgw_image_symbols()). NULL: none. Must stay until the image is closed.
	 */
	const char *symbols;
	/**
	 * Threads that look through memory, pgw_hosted_workers() for example: what is found is the
	 * same however many there are. NULL: the calling one alone. Must stay until the image is
	 * closed.
	 */
	const struct pgw_scan_workers *workers;
	/**
	 * The folder for temporary files; NULL: /var/tmp. Files that are packed as a whole and
	 * what comes through a pipe are there until the image is closed, without what is zero.
	 * Must stay until then.
	 */
	const char *temporary_folder;
	uint64_t unpack_max; /**< bytes that such a file may come to; 0: 1 TiB */
	/** Called with progress_arg while a file is unpacked, and when it is; may be NULL. */
	void (*unpacking)(void *arg, const struct pgw_unpacking *now);
	/** Called now and then during long work, from the thread that asked for it; may be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	/**
	 * Called with progress_arg now and then while pgw_find(), pgw_find_index_write() or pgw_stats()
	 * look at tables. Not 0 ends that, which returns the value. Also called while memory is looked
	 * through, for roots above all, and then all of now is 0; not 0 ends that with -PGW_EINTR, and
	 * what was found until then is forgotten. May be NULL.
	 */
	int (*look)(void *arg, const struct pgw_look *now);
	void *progress_arg;
};

/**
 * Open an ELF core or a kdump-compressed dump, written by QEMU's dump-guest-memory or by kdump,
 * flattened or not; what LiME wrote; a migration stream of QEMU, or what virsh save wrote; or raw
 * memory, alone or by the map that pgw_image_write_map() wrote of it.
 * What AVML wrote is opened, too, a state that VMware saved, with its memory in it or beside it, a
 * crash dump of Windows, and a minidump of FreeBSD.
 *
 * A file that is of no known kind is taken for the whole memory of a machine,
 * its pieces one behind the other. Where they belong is derived from the
 * tables in it: the kernel's root has to prove itself, and all tables to be
 * tables; see pgw_image_info.placement for how much that proves. What
 * does not prove itself, or contradicts itself, is refused, but for a migration stream: that names
 * a kind of machine, which usually has its memory in the same place. Memory whose place
 * is known is given as opts->ram; of several parts that have an address the
 * first wins.
 *
 * A file is mapped and read in place; it is never changed. One that shrinks
 * while it is open gives unreadable memory, not a signal: the first image that
 * is opened installs a SIGBUS handler that passes on signals that are not its own.
 *
 * A file that is packed as a whole (gzip, zip with one file, zstd, xz, bzip2, lz4), a pipe, and
 * standard input are read once from front to back into a temporary file, which takes the place of
 * the file; pgw_image_info.unpacked tells of it. A packed file that was cut, or is damaged, is
 * unpacked as far as it goes.
 *
 * @param source path of the file; "-": standard input. A FIFO waits until somebody writes to it
 * @param opts   or NULL
 * @param ret    to be closed with pgw_image_close()
 * @param err    detail on failure; may be NULL
 * @return 0; -PGW_ENOENT, -PGW_EIO (cannot be opened or read, a directory, a
 *         device; no space for a temporary file), -PGW_ENOEXEC (neither of a known kind nor raw memory
 *         that says where it belongs), -PGW_EOPNOTSUPP (a known kind that is not
 *         supported, or whose compression is not in this build; segments that do not say where
 *         memory is), -PGW_EOVERFLOW (a header field, a part of a file in opts->ram, or the end
 *         of a piece of memory is out of bounds), -PGW_EINVAL (no such opts->arch; opts->parts
 *         that are not of the same split dump), -PGW_ENOMEM
 */
PGW_API int pgw_image_open(const char *source, const struct pgw_image_options *opts,
			   struct pgw_image **ret, struct pgw_error *err);

/**
 * An image of memory that the caller reads: what another tool has open, a probe.
 *
 * Only what phys->ops->next_range lists is looked through; all is read. So of memory whose ranges are
 * not known it may list none: what a VMCOREINFO says is found then (opts->vmcoreinfo, opts->arch).
 *
 * @param phys    borrowed until the image is closed. Of a machine that runs, its pause and resume are
 *                used, where it has both; else nothing stops the machine, and locks for write are refused
 * @param is_live the machine runs: tables are re-read and checked, see mm.h
 * @param opts    as pgw_image_open() takes them; ram and parts say nothing. Without arch the machine is
 *                the one whose kernel root proves itself, if one does. Or NULL
 * @param ret     to be closed with pgw_image_close()
 * @param err     detail on failure; may be NULL
 * @return 0, -PGW_EINVAL (no phys, no such opts->arch), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_open_phys(const struct pgw_phys *phys, bool is_live,
				const struct pgw_image_options *opts, struct pgw_image **ret,
				struct pgw_error *err);

/** Close an image and free all that its functions returned. NULL is fine. */
PGW_API void pgw_image_close(struct pgw_image *image);

/** The image's physical memory; valid until it is closed. */
PGW_API const struct pgw_phys *pgw_image_phys(const struct pgw_image *image);

/** How it is known where memory is. */
enum pgw_image_placement {
	PGW_PLACEMENT_GIVEN,  /**< the file's headers or the options say it */
	PGW_PLACEMENT_PROVED, /**< it was derived from the kernel's tables, which prove it */
	/**
	 * The same, but nothing proves it of some of the file's bytes; also of a core
	 * that pgw_image_write_core() wrote of such an image.
	 */
	PGW_PLACEMENT_GUESSED,
	PGW_PLACEMENT_USUAL, /**< nothing proves it: it is where the machine usually has it that the file names */
	_PGW_IMAGE_PLACEMENT_MAX,
};

/** What the file says of itself. */
struct pgw_image_info {
	/**
	 * "guest" (pgw_image_open_guest()), "lent" (pgw_image_open_phys()), "elf-core", "kdump", "lime", "avml", "qemu-migration", "libvirt-save", "xen", "vmware",
	 * "windows", "freebsd-minidump", "other" (see reader), "raw", or "raw-map"
	 */
	const char *kind;
	/** as pgw_format_arch(): "x86_64"; NULL if no format is known for the machine */
	const char *arch;
	/** The library that reads it, of kinds that are not read here: "libkdumpfile"; else NULL */
	const char *reader;
	/** "QEMU", "kdump", "Xen", "AVML", "VMware", "VirtualBox", "Windows", "FreeBSD" or "unknown" */
	const char *writer;
	/** e_machine; of raw memory what it would be, 0 if that is not known */
	unsigned elf_machine;
	const char *machine; /**< what elf_machine is called: "x86-64"; NULL if not known, or raw */
	/** Bytes, when it was opened; of opts->ram, those of all parts; if flattened, of what is in it. */
	uint64_t file_size;
	/** What was done to the file, or to the first of several that are not as they are; or NULL. */
	const struct pgw_unpacking *unpacked;
	bool flattened; /**< it was in makedumpfile's flattened format (-F), as QEMU writes it, too */
	/** PT_LOAD segments, empty ones too; pieces of raw memory; runs of pages that a dump lists */
	uint64_t nr_segments;
	uint64_t nr_unplaced; /**< more of them, without a physical address (-1): passed over */
	uint64_t nr_gaps;   /**< segments that claim more memory than they have bytes (p_filesz) */
	uint64_t nr_ranges; /**< readable ranges of memory after sorting and joining */
	uint64_t readable_bytes; /**< of memory, each address once */
	uint64_t zero_bytes; /**< of these, bytes that are zeroes by pgw_image_options.zero_fill */
	unsigned nr_parts;   /**< files of a split dump that are there; 0: it is not split */
	bool lacks_part;     /**< of a split dump: memory is in a part that is not there */
	uint64_t missing_part_first; /**< the first such memory */
	uint64_t missing_part_last;  /**< inclusive */
	/** The name that this part will have, by the names of the others; NULL if that is not known. */
	const char *missing_part;
	uint64_t unreadable_bytes; /**< of memory that segments claim but the file does not hold */
	/**
	 * Of these, bytes of pages that were left out when the dump was made: makedumpfile leaves
	 * out what its dump level (-d) says. Only kdump-compressed dumps tell.
	 */
	uint64_t excluded_bytes;
	/** Bytes that say what was erased when the dump was made (makedumpfile --eraseinfo). */
	uint64_t erase_info_bytes;
	/**
	 * Bytes of a virtual machine's other state, which is not read: that of its CPUs and
	 * devices, behind the memory in a migration stream.
	 */
	uint64_t other_bytes;
	/**
	 * Memory that was nothing but zeroes may be missing, and the file does not say where: AVML
	 * leaves it out. It reads as memory that is not there.
	 */
	bool lacks_zeroes;
	/**
	 * A segment reaches past the end of the file, or a note past the end of its segment;
	 * or the file, or another of the image's, was packed and is damaged.
	 */
	bool truncated;
	/**
	 * How many bytes the file should have by its headers: where the last segment ends in it,
	 * at least. If that is more than file_size, the file was cut. 0: raw memory.
	 */
	uint64_t said_size;
	/**
	 * Memory lies so many bytes behind (negative: before) where the program
	 * headers say, because the notes take so many more than their header says,
	 * and so does the file: QEMU wrote it so for arm64 CPUs whose vectors differ
	 * in length. 0 is the rule.
	 */
	int64_t shift;
	/**
	 * The same by the notes alone, where the file's size does not agree and the options say none: it was cut
	 * behind them, or has more behind it. Memory is read where the headers say. 0: the notes end where they should
	 */
	int64_t possible_shift;
	/**
	 * Segments that lost addresses to others: of two the earlier in the file
	 * wins, but bytes that are there win over bytes that are missing.
	 */
	uint64_t nr_overlaps;
	unsigned nr_cpus; /**< CPUs that the file names, with registers that are known or not */
	enum pgw_image_placement placement;
	/**
	 * It is a Xen PV guest: physical addresses are those of the machine that Xen runs on, which
	 * its page tables hold, not those that its kernel speaks of. Kernel and programs both run in
	 * ring 3, so what the tables allow the user they allow both.
	 */
	bool xen_pv;
	/**
	 * It is a machine that runs, or may run again: its memory changes under the reader, and mms of it
	 * are attached with is_live. Not any more after pgw_image_hold().
	 */
	bool is_live;
	const char *access; /**< of such a machine: how its memory is read; else NULL */
	bool runs; /**< such a machine ran when it was opened, and runs on while it is looked at */
	/**
	 * Of such a machine: it stands still from when it is opened, because it can be read no other way,
	 * until it is closed or pgw_image_hold() has copied what is wanted.
	 */
	bool stands_while_read;
	uint64_t
		paused_ns; /**< for so many nanoseconds it stood still the last time; 0: it stood before */
};

PGW_API const struct pgw_image_info *pgw_image_get_info(const struct pgw_image *image);

/**
 * The compressions of pages that this build of the library reads, one by one: "zlib", "lzo",
 * "snappy", "zstd", as far as their libraries were there.
 * @return the name, or NULL behind the last
 */
PGW_API const char *pgw_image_compression(size_t index);

/**
 * The packings of whole files that this build of the library reads, one by one: "gzip", "zip",
 * "zstd", "xz", "bzip2", "lz4", as far as their libraries were there.
 * @return the name, or NULL behind the last
 */
PGW_API const char *pgw_image_packing(size_t index);

/** Physical addresses, inclusive. */
struct pgw_pa_range {
	uint64_t first;
	uint64_t last;
};

/**
 * The first range of memory that ends at or above pa, of all that the file
 * describes, whether it holds the bytes or not: what the machine had. Ranges
 * come in ascending order, neighbours joined; first may lie below pa.
 * @return false if there is none
 */
PGW_API bool pgw_image_next_described(const struct pgw_image *image, uint64_t pa,
				      struct pgw_pa_range *ret);

/** Takes the bytes of a file, in order. Not 0 ends the writing, which returns the value. */
typedef int pgw_write_fn(const void *bytes, size_t size, void *arg);

/**
 * Write an ELF core that has the notes of the image and describes the same
 * memory, but holds no more of it than what is to be kept and can be read.
 * What it leaves out reads as unreadable. Where raw memory is by a guess, a note
 * of the name "pagewalk" says so (type 0x70670001, text): of the core it is a guess, too.
 *
 * @param keep ascending, without overlap
 * @param fn   gets the file's bytes; after a failure, some of them
 * @return 0, fn's value, -PGW_EINVAL (keep is out of order), -PGW_ENOENT (the
 *         image has neither notes nor memory), -PGW_EOVERFLOW (more than 2^20
 *         program headers), -PGW_EIO (the image shrinks), -PGW_ENOMEM
 */
PGW_API int pgw_image_write_core(const struct pgw_image *image, const struct pgw_pa_range *keep,
				 size_t nr, pgw_write_fn *fn, void *arg);

/** Kinds of files that an image's memory can be written to. */
enum pgw_image_form {
	PGW_IMAGE_ELF_CORE,
	PGW_IMAGE_LIME,
	PGW_IMAGE_RAW, /**< the bytes alone, of one piece of memory after the other */
	_PGW_IMAGE_FORM_MAX,
};

/** What pgw_image_write() writes, and where to. */
struct pgw_image_writing {
	enum pgw_image_form form;
	const struct pgw_pa_range *keep; /**< ascending, without overlap; NULL: all memory */
	size_t nr_keep;
	pgw_write_fn *fn; /**< gets the file's bytes; after a failure, some of them */
	void *arg;
};

/**
 * Write a file that has the memory of the image which is to be kept and can be read.
 *
 * - An ELF core: as pgw_image_write_core() does it, but a page of memory is a page of the
 *   file, if pages of the image are. What the image says of CPUs or has of a VMCOREINFO and that
 *   is in none of its notes becomes a note, as QEMU and Linux have them.
 * - LiME: a range for each piece of memory. Nothing else has a place in it: neither notes,
 *   nor that it is a guess where memory is.
 * - Raw: pieces of memory, in ascending order. Where each belongs is in
 *   none: pgw_image_write_map() writes that down.
 *
 * @return 0, fn's value, or as pgw_image_write_core(); also -PGW_ENOENT (LiME,
 *         raw: there is nothing to be kept), -PGW_EOPNOTSUPP (LiME, of memory whose place is a
 *         guess), -PGW_EINVAL (no such form)
 */
PGW_API int pgw_image_write(const struct pgw_image *image, const struct pgw_image_writing *what);

/**
 * Write the map of a raw file that pgw_image_write() writes: a text of which pgw_image_open()
 * makes an image that has the memory where it was. It names the file, beside which it must lie.
 *
 * @param keep as struct pgw_image_writing has it
 * @param name of the file, without its folder; no newline and no slash in it
 * @return 0, fn's value, -PGW_EINVAL (keep is out of order, no such name)
 */
PGW_API int pgw_image_write_map(const struct pgw_image *image, const struct pgw_pa_range *keep,
				size_t nr_keep, const char *name, pgw_write_fn *fn, void *arg);

/** Is a file one of those that the image is read from? By st_dev and st_ino, as stat() has them. */
PGW_API bool pgw_image_reads_file(const struct pgw_image *image, uint64_t device, uint64_t inode);

/**
 * Which bit says that memory is encrypted, as far as it was found until now: the functions that
 * find roots look for it, and the control bits of these roots have it.
 */
PGW_API struct pgw_encryption pgw_image_encryption(const struct pgw_image *image);

struct pgw_root_info;

/** What pgw_image_hold() copies, and for how long the machine may stand still. */
struct pgw_hold_args {
	const struct pgw_root_info *roots; /**< all tables that these lead to, and their twins */
	size_t nr_roots;
	/** and those that the roots lead to which CPUs have loaded at that moment, for which they are asked */
	bool has_cpus;
	const struct pgw_pa_range *pages; /**< other memory: each page of these that is there */
	size_t nr_pages;
	uint64_t max_pause_ns; /**< 0: as long as it takes */
};

/**
 * Of a machine that runs (pgw_image_info.is_live): stop it, as the write lock of a live mm
 * does, copy page tables, and let it run again. From then on the copied pages
 * are all the memory that the image has, all of one moment, and it is live no more: what it
 * gave out before (roots, texts, markers) is gone, its functions answer from the copy. Functions of the image
 * may not be called meanwhile; mms that were attached to it are to be freed before.
 *
 * A machine that stood already is not started. If this process ends while the machine stands, another one
 * lets it run, which was started for that.
 * @return 0, -PGW_EINVAL (the image is not live), -PGW_EOPNOTSUPP (it cannot be stopped), -PGW_EBUSY
 *         (it would have stood longer than max_pause_ns: it runs, and nothing was copied), -PGW_EIO (the
 *         machine cannot be reached, and may stand), -PGW_E2BIG (more than 2^20 tables), -PGW_ENOMEM;
 *         after a failure the image is live, as before
 */
PGW_API int pgw_image_hold(struct pgw_image *image, const struct pgw_hold_args *args);

/** Undo pgw_image_hold(): the image is live again. On one that holds nothing this does nothing. */
PGW_API void pgw_image_release(struct pgw_image *image);

#define PGW_LOONGARCH_WINDOWS 4 /**< direct mapped windows of a loongarch64 CPU */

/** Which registers of a struct pgw_cpu are known. */
enum pgw_cpu_known {
	PGW_CPU_X86_CR = 1 << 0,   /**< cr0, cr3, cr4; from a QEMU note idt_base, cs_flags, too */
	PGW_CPU_S390X_CR = 1 << 1, /**< cr0, cr1, cr7, cr13: from an NT_S390_CTRS note */
	PGW_CPU_S390X_PREFIX = 1 << 2, /**< prefix: from an NT_S390_PREFIX note */
	PGW_CPU_XEN_PV = 1 << 3,       /**< x86: cr1; of a PV guest in a Xen core */
	PGW_CPU_X86_CR3 = 1 << 4,      /**< cr3 alone, with paging on, in long mode or with PAE */
	PGW_CPU_X86_EFER = 1 << 5,     /**< efer */
	PGW_CPU_ARM64_TTBR1 = 1 << 6,  /**< ttbr1 and tcr: T1SZ and TG1 */
	/** No CPU's: the root of tables that the file has apart from memory (FreeBSD's minidumps) */
	PGW_CPU_IN_FILE = 1 << 7,
	PGW_CPU_ARM64_EL1 = 1 << 8,      /**< ttbr0, mair, sctlr, and all of tcr */
	PGW_CPU_RISCV_SATP = 1 << 9,     /**< satp */
	PGW_CPU_PPC64_PIDR = 1 << 10,    /**< pidr */
	PGW_CPU_PPC64_PTCR = 1 << 11,    /**< ptcr */
	PGW_CPU_PPC64_IAMR = 1 << 12,    /**< iamr */
	PGW_CPU_LOONGARCH_PGD = 1 << 13, /**< pgdl, pgdh */
	PGW_CPU_LOONGARCH_PWC = 1 << 14, /**< pwcl, pwch */
	PGW_CPU_LOONGARCH_DMW = 1 << 15, /**< dmw */
	PGW_CPU_ARM_TTBR0 = 1 << 16,     /**< arm: ttbr0, and TTBCR in tcr */
	PGW_CPU_ARM_TTBR1 = 1 << 17,     /**< arm: ttbr1 */
	PGW_CPU_ARM_SCTLR = 1 << 18,     /**< arm: sctlr */
	PGW_CPU_ARM_DACR = 1 << 19,      /**< dacr */
	PGW_CPU_ARM_MAIR = 1 << 20,      /**< arm: MAIR0 in mair, and mair1 */
};

/** The registers of one CPU, as far as paging needs them. */
struct pgw_cpu {
	uint32_t known; /**< enum pgw_cpu_known */
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	/**
	 * s390x: the address-space-control element of the primary space. Of a Xen PV guest: the
	 * root for user mode, or 0; cr3 is the one that has the kernel.
	 */
	uint64_t cr1;
	uint64_t cr7;  /**< ... of the secondary space */
	uint64_t cr13; /**< ... of the home space */
	/** where this CPU's real addresses 0 to 0x1fff are; addresses of an image are absolute ones */
	uint64_t prefix;
	uint64_t idt_base;
	uint32_t cs_flags; /**< as QEMU writes it; bit 21 is CS.L, bits 14:13 the DPL */
	uint64_t efer;
	uint64_t ttbr1; /**< TTBR1_EL1; arm: TTBR1 */
	uint64_t tcr;   /**< TCR_EL1; arm: TTBCR */
	uint64_t ttbr0; /**< TTBR0_EL1; arm: TTBR0 */
	uint64_t mair;  /**< MAIR_EL1; arm: MAIR0, or PRRR */
	uint64_t sctlr; /**< SCTLR_EL1; arm: SCTLR */
	uint64_t satp;
	uint64_t pidr; /**< ppc64: the process whose tables are used; gdb calls it PID */
	uint64_t ptcr; /**< where the partition table is; 0 in a guest */
	uint64_t iamr;
	uint64_t pgdl, pgdh;                 /**< loongarch64: the roots of both halves */
	uint64_t pwcl, pwch;                 /**< ... the shape of tables */
	uint64_t dmw[PGW_LOONGARCH_WINDOWS]; /**< ... addresses that are in no table */
	uint64_t dacr;                       /**< arm: DACR */
	uint64_t mair1;                      /**< arm: MAIR1, or NMRR */
};

/**
 * For how many nanoseconds a machine that pgw_image_info.stands_while_read stands by now; of others as
 * pgw_image_info.paused_ns. 0: it stood before, too.
 */
PGW_API uint64_t pgw_image_stood_ns(const struct pgw_image *image);

/**
 * Ask a machine that runs for the registers of its CPUs once more. Of arm64 machines that QEMU runs they
 * are known by this alone, or pgw_image_hold(): the machine is stopped for it (pgw_image_info.paused_ns).
 * @return 0, -PGW_EINVAL (the image is not live), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_refresh_cpus(struct pgw_image *image);

/** @param index below nr_cpus @return 0 or -PGW_EINVAL */
PGW_API int pgw_image_cpu(const struct pgw_image *image, unsigned index, struct pgw_cpu *ret);

/** What UEFI firmware says of itself. */
struct pgw_firmware {
	uint64_t system_table; /**< its physical address */
	uint16_t major, minor; /**< of the UEFI specification: 2 and 70 */
	char vendor[64];       /**< printable ASCII, '?' for what is not; "" if the image lacks it */
	uint32_t revision;     /**< the vendor's own */
};

/**
 * The UEFI firmware that runs the machine: no operating system has taken over.
 * @return 0, -PGW_ENOENT (there is none), -PGW_EIO or -PGW_ENOMEM
 */
PGW_API int pgw_image_firmware(struct pgw_image *image, struct pgw_firmware *ret);

#define PGW_EFI_RUNTIME_CODE 5 /**< EFI_MEMORY_TYPE: EfiRuntimeServicesCode */

/** Memory of one type, as firmware has it. */
struct pgw_efi_region {
	uint64_t first; /**< physical, inclusive, as last */
	uint64_t last;
	uint32_t type; /**< EFI_MEMORY_TYPE, see pgw_efi_type_name() */
};

/**
 * The memory map of UEFI firmware that runs the machine, if it is EDK II.
 * @param ret_list ascending, without overlap; the image's
 * @return 0, -PGW_ENOENT (none was found), -PGW_EIO or -PGW_ENOMEM
 */
PGW_API int pgw_image_efi_map(struct pgw_image *image, const struct pgw_efi_region **ret_list,
			      size_t *ret_nr);

/** "runtime-code", "free"; static; NULL for types that the specification does not name. */
PGW_API const char *pgw_efi_type_name(uint32_t type);

/** Addresses that the CPU takes for physical ones, by a register and not by tables. */
struct pgw_window {
	const char *name; /**< of the register: "DMW1"; static */
	uint64_t first;   /**< inclusive, as last */
	uint64_t last;
	uint64_t pa_mask;        /**< these bits of an address are the physical one */
	uint8_t rights;          /**< enum pgw_right; 0: it is not used */
	const char *memory_type; /**< as pgw_format_memory_type(); static, or NULL */
	bool is_assumed;         /**< the register is not known: so Linux has it */
};

/**
 * The windows of the first CPU of the image, one by one.
 * @param index from 0 on
 * @return false: there are no more
 */
PGW_API bool pgw_image_window(const struct pgw_image *image, size_t index, struct pgw_window *ret);

/** A register that paging goes by, of a CPU of the image's machine. */
struct pgw_register {
	const char *name; /**< as the manual has it: "TTBCR"; a static string */
	/** Who prints it, where dumps do not have it: a static string, or NULL */
	const char *where;
	unsigned group; /**< those of one group say something only together */
	bool is_known;
	uint64_t value; /**< if it is known */
};

/**
 * The registers that paging goes by on the image's machine, one by one, and what a CPU has in them.
 * @param cpu   0 also if the image names no CPU: then nothing is known
 * @param index from 0 on
 * @return false: no more, no such CPU, or the machine is not known
 */
PGW_API bool pgw_image_register(const struct pgw_image *image, unsigned cpu, size_t index,
				struct pgw_register *ret);

/** What somebody else says that a register holds. */
struct pgw_register_value {
	const char *name; /**< as struct pgw_register has it, in whichever case */
	uint64_t value;
};

/**
 * Let the first CPU have these registers, which its image lacks, or has otherwise. What was found
 * in the image before (roots, kernels, markers) is gone.
 * @param ret_bad which one is wrong, if this fails with one of the first two; else untouched
 * @return 0, -PGW_ENOENT (the machine has no such register, or is not known), -PGW_EINVAL
 *         (others of its group are neither given nor known), -PGW_ENOMEM; after a failure the
 *         image is as before
 */
PGW_API int pgw_image_give_registers(struct pgw_image *image,
				     const struct pgw_register_value *values, size_t nr,
				     size_t *ret_bad);

/** Where a VMCOREINFO text was found. */
enum pgw_vmcoreinfo_source {
	PGW_VMCOREINFO_NOTE,  /**< a note of the file */
	PGW_VMCOREINFO_RAM,   /**< a page of memory that holds the note's copy */
	PGW_VMCOREINFO_GIVEN, /**< the options that the image was opened with */
	_PGW_VMCOREINFO_SOURCE_MAX,
};

/** One VMCOREINFO text. */
struct pgw_vmcoreinfo {
	enum pgw_vmcoreinfo_source source;
	uint64_t pa;      /**< of the page, if source is RAM */
	uint64_t offset;  /**< in the file, if source is NOTE */
	const char *text; /**< KEY=VALUE lines; not terminated */
	size_t size;
};

/**
 * Read a VMCOREINFO from the bytes of a file: the text itself, as makedumpfile
 * -g writes it, or the ELF note that has it (what /sys/kernel/vmcoreinfo points to).
 * @param ret points into bytes; source is PGW_VMCOREINFO_GIVEN
 * @return 0 or -PGW_EINVAL (neither, or longer than 128 KiB)
 */
PGW_API int pgw_vmcoreinfo_read(const void *bytes, size_t size, struct pgw_vmcoreinfo *ret);

/**
 * The VMCOREINFO texts of an image: one that was given and those in notes; if there is none,
 * those found by looking at every page of memory. More than one can be there (the
 * kdump kernel has its own). Once memory was looked through for anything, those in
 * memory are among them in any case.
 *
 * @param ret_list the image's
 * @return 0 (also if there are none), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_vmcoreinfo(struct pgw_image *image, const struct pgw_vmcoreinfo **ret_list,
				 size_t *ret_nr);

/**
 * The value of a key, e.g. "OSRELEASE" or "SYMBOL(_stext)".
 * @return true and the value's place in the text, without the newline
 */
PGW_API bool pgw_vmcoreinfo_get(const struct pgw_vmcoreinfo *info, const char *key,
				const char **ret_value, size_t *ret_size);
/** SYMBOL(name), hexadecimal. @return false if it is not there or not a number */
PGW_API bool pgw_vmcoreinfo_symbol(const struct pgw_vmcoreinfo *info, const char *name,
				   uint64_t *ret);
/** NUMBER(name), decimal, perhaps negative (then modulo 2^64), or hexadecimal with 0x. */
PGW_API bool pgw_vmcoreinfo_number(const struct pgw_vmcoreinfo *info, const char *name,
				   uint64_t *ret);

/** How a root was found; several may be true. */
enum pgw_root_found {
	PGW_ROOT_FROM_CPU = 1 << 0,             /**< a CPU's register, see cpus */
	PGW_ROOT_FROM_KPTI = 1 << 1,            /**< the other one of a KPTI pair */
	PGW_ROOT_FROM_VMCOREINFO_NOTE = 1 << 2, /**< swapper_pg_dir in a VMCOREINFO note */
	PGW_ROOT_FROM_VMCOREINFO_RAM = 1 << 3,  /**< the same, in a VMCOREINFO found in memory */
	PGW_ROOT_FROM_SELF_MAP = 1 << 4,        /**< it maps swapper_pg_dir where that is */
	PGW_ROOT_FROM_TABLE_BITS =
		1
		<< 5, /**< arm64, arm, i386, s390x: its entries have the bits that Linux gives them */
	PGW_ROOT_FROM_LEVEL3 = 1 << 6, /**< x86_64: it holds what looks like level3_kernel_pgt */
	PGW_ROOT_FROM_IMAGE_HEADER =
		1 << 7, /**< riscv64: it maps the kernel's Image header where Linux has it */
	PGW_ROOT_FROM_VMCOREINFO_GIVEN =
		1 << 8, /**< swapper_pg_dir in the VMCOREINFO of the options */
	PGW_ROOT_FROM_AGREEMENT =
		1
		<< 9, /**< other roots lead to the same table that the image lacks: PGW_PROOF_PARTIAL */
	/** It maps addresses to themselves and nothing else, itself and most of memory among them. */
	PGW_ROOT_FROM_IDENTITY_MAP = 1 << 10,
	/** The file has its tables apart from memory, and they were given addresses. */
	PGW_ROOT_FROM_FILE = 1 << 11,
	PGW_ROOT_FROM_PROCESS_TABLE = 1 << 12, /**< ppc64: an entry of a process table, see pidr */
};

/** What a root is for. A KPTI user half has the state of its pair. */
enum pgw_root_state {
	PGW_ROOT_KERNEL,  /**< the kernel's own (swapper_pg_dir) */
	PGW_ROOT_RUNNING, /**< a process's, loaded on a CPU */
	PGW_ROOT_MAPPED,  /**< maps user memory, loaded on no CPU */
	PGW_ROOT_EMPTY,   /**< maps no user memory: freed, or not used yet */
	PGW_ROOT_TRAMPOLINE, /**< the kernel's for starting CPUs: maps itself where it is, for the kernel only */
	PGW_ROOT_FIRMWARE, /**< UEFI firmware's, which runs the machine: an identity map of its system table */
	PGW_ROOT_GUEST, /**< a guest's, loaded on a CPU that ran it (AMD-V): of the guest's memory, not of this one */
	PGW_ROOT_UNKNOWN, /**< not enough is known to say */
	_PGW_ROOT_STATE_MAX,
};

/**
 * What the self-map proof said: does the root map swapper_pg_dir to where it
 * is? If no symbol tells where it should be mapped, any address will do that
 * the kernel's root maps to itself.
 */
enum pgw_root_proof {
	PGW_PROOF_NONE, /**< not tried: nothing to try it with, or a user half, which does not map it */
	PGW_PROOF_PASSED,
	PGW_PROOF_FAILED,
	/**
	 * The image lacks the tables that would tell. What it has does not speak
	 * against the root, and nr_agree roots agree on which table comes next.
	 */
	PGW_PROOF_PARTIAL,
	_PGW_ROOT_PROOF_MAX,
};

/** One root. */
struct pgw_root_info {
	struct pgw_root root;
	const struct pgw_format *format;
	struct pgw_control control; /**< what is known of the control bits */
	uint32_t found;             /**< enum pgw_root_found */
	bool has_user;              /**< the halves that it covers: one if the format splits them */
	bool has_kernel;
	enum pgw_root_state state;
	enum pgw_root_proof proof;
	bool is_kpti_user; /**< the user half of a KPTI pair: user memory and the entry code only */
	bool has_twin;     /**< twin is the other root of the pair */
	struct pgw_root twin;
	uint64_t cpus;     /**< bit n: CPU n runs on it (on its pair); CPUs past 63 are not shown */
	unsigned kernel;   /**< whose it is: its number, as in pgw_image_kernels(); 0 = not known */
	uint64_t nr_agree; /**< if proof is PGW_PROOF_PARTIAL: roots that agree, this one too */
	uint64_t nr_missing; /**< tables that it leads to and the image lacks, each once; the
			      * root's own too. Filled in by pgw_image_roots() */
	bool missing_is_cut; /**< too many tables to look at all: at least nr_missing are missing */
	/**
	 * The physical address of what tells the state, or 0: of a guest's, the
	 * VMCB that holds it, one if several do; of firmware's, UEFI's system table; of
	 * PGW_ROOT_FROM_PROCESS_TABLE, the table's entry.
	 */
	uint64_t evidence;
	/** It maps so many bytes of addresses to themselves, and no other; 0: that is not so, or not known */
	uint64_t identity_bytes;
	bool has_pidr; /**< ppc64: it is known which process's it is, to the CPU */
	uint32_t pidr; /**< its number in the process table; 0 is the kernel. No pid of Linux's */
};

/** A kernel that an image holds. */
struct pgw_kernel {
	struct pgw_root_info root; /**< as pgw_image_kernel_root() has it */
	uint64_t swapper_va;       /**< where the kernel maps its root, or would */
	/** The text that fits, the most trusted if there are several; NULL if there is none. */
	const struct pgw_vmcoreinfo *vmcoreinfo;
};

/**
 * The kernels of an image: those whose root proves itself; if there is none, one
 * that the image lacks tables of (PGW_PROOF_PARTIAL). There are two where a crash kernel ran when the dump
 * was taken. The first is the one that is meant unless the options name another:
 * what a note's VMCOREINFO fits, then what a CPU runs on, by the CPU's number,
 * then those of VMCOREINFO in memory. Looks through all memory.
 *
 * @param ret_list the image's
 * @return 0 (also if there are none), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_kernels(struct pgw_image *image, const struct pgw_kernel **ret_list,
			      size_t *ret_nr);

/**
 * Those of pgw_image_kernels() that are known without looking through memory for more: what
 * notes, CPUs and earlier calls tell.
 *
 * @param ret_list   the image's
 * @param ret_is_all memory was looked through before: there are no more
 * @return 0 (also if there are none), -PGW_ENOMEM
 */
PGW_API int pgw_image_kernels_known(struct pgw_image *image, const struct pgw_kernel **ret_list,
				    size_t *ret_nr, bool *ret_is_all);

/** Does a VMCOREINFO say what is true of a kernel? */
enum pgw_vmcoreinfo_fit {
	PGW_FIT_UNKNOWN, /**< it says too little, or no kernel is known that proves itself */
	PGW_FIT_YES, /**< its swapper_pg_dir is the root of a kernel, and mapped where it says */
	PGW_FIT_NO,  /**< it is not, and there is a kernel that proves itself */
};

/** By the kernels that are known so far: see pgw_image_kernel_root(), pgw_image_kernels(). */
PGW_API enum pgw_vmcoreinfo_fit pgw_image_vmcoreinfo_fit(struct pgw_image *image,
							 const struct pgw_vmcoreinfo *info);

/**
 * How many tables a root leads to that the image lacks, each once.
 * @param halves what to look at of a root that covers both: bits 1 << enum pgw_region_kind
 * @return 0, -PGW_EINVAL (no table can be there), -PGW_E2BIG (more than 2^20 tables: at
 *         least so many are missing), -PGW_ENOMEM
 */
PGW_API int pgw_image_missing_tables(const struct pgw_image *image,
				     const struct pgw_root_info *root, unsigned halves,
				     uint64_t *ret_nr);

/**
 * The roots of an image, ascending by address, each once: CPU registers, KPTI
 * twins, the kernels' and, where these proved themselves, the processes': every page
 * that maps swapper_pg_dir to the same place; arm64, whose processes' roots do
 * not map the kernel: every table whose entries are as Linux makes a process's,
 * from the top down to a page. If the image lacks tables, every page that leads to the
 * same missing table; arm64: that leads down to a page or to a missing table.
 * With opts->kernel, those of that kernel only.
 *
 * @param ret_list the image's
 * @return 0 (also if there are none), -PGW_E2BIG (more of memory looks like
 *         tables than can be looked through), -PGW_ENOENT (there is no such opts->kernel),
 *         -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_roots(struct pgw_image *image, const struct pgw_root_info **ret_list,
			    size_t *ret_nr);

/**
 * The kernel's root, without looking for all the others: from a VMCOREINFO
 * note; x86_64: from what a CPU has loaded, if level3_kernel_pgt and the root
 * beside it can be told by it; from VMCOREINFO in memory; each confirmed by the
 * self-map proof; else by looks (x86_64: level3_kernel_pgt; arm64: bits of
 * tables; riscv64: the kernel's Image header), confirmed by a self-map; else, where the image
 * lacks tables, the root of which most can be read among those that agree
 * (PGW_PROOF_PARTIAL); else a CPU's root, whose proof has not passed: it may be of any other
 * system. Memory is looked through for the last four only, and for opts->kernel; found names a
 * VMCOREINFO in memory that says what a CPU's tables say, too, if memory was looked through before.
 *
 * @param err says what was looked for if nothing was found; may be NULL
 * @return 0, -PGW_ENOENT, -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret,
				  struct pgw_error *err);

/**
 * The root that CPU index runs on, with its KPTI twin if it has one. For a CPU
 * stopped in user mode under KPTI, the kernel's root of the pair. The proof is
 * by a VMCOREINFO note or by what the CPUs have loaded. Memory is looked through
 * only if these tell no kernel, or one that the root does not map; never of a machine that stands
 * while it is read.
 * @return 0, -PGW_EINVAL (no such CPU), -PGW_ENOENT (its registers are not in the image),
 *         -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret);

/**
 * The root of the process that CPU index runs, where that is another one than the kernel's: arm64
 * (TTBR0_EL1), s390x, Xen's PV guests.
 * @return 0, -PGW_EINVAL (no such CPU), -PGW_ENOENT (there is no such root, or it is not known)
 */
PGW_API int pgw_image_cpu_user_root(struct pgw_image *image, unsigned index,
				    struct pgw_root_info *ret);

/** A named boundary of the kernel's memory layout. */
struct pgw_marker {
	uint64_t va;
	const char *name;   /**< as the kernel prints it */
	uint64_t max_lines; /**< the kernel prints at most so many lines of it; 0 = all */
};

/**
 * The kernel's own table of markers (Linux with its page-table dump built in),
 * found in memory through the kernel's root. They come in the kernel's order,
 * which is ascending but for single entries; the end marker is not included.
 *
 * @param ret_list the image's
 * @return 0 (also if it is not there: *ret_nr is 0), -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_image_markers(struct pgw_image *image, const struct pgw_root_info *kernel_root,
			      const struct pgw_marker **ret_list, size_t *ret_nr);

#ifdef __cplusplus
}
#endif

#endif
