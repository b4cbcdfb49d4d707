/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef IMAGE_IMAGE_PRIV_H
#define IMAGE_IMAGE_PRIV_H

/* The image layer's own: docs/images.md tells the whole. */

#include <limits.h>

#include <pagewalk/image.h>
#include <pagewalk/linux_absent.h>

#include "pt/pt.h"

/* Bounds on what a file can make us do. */
#define IMAGE_MAX_SEGMENTS (UINT32_C(1) << 20)
#define IMAGE_MAX_NOTE_BYTES (UINT64_C(64) << 20)
#define IMAGE_MAX_ALIASES 16    /* of memory for a byte of the file, on average */
#define IMAGE_MAX_CPUS 8192     /* whose registers are in notes */
#define IMAGE_MAX_VMCOREINFO 16 /* in notes, and in memory */
#define IMAGE_MAX_TEXTS (2 * IMAGE_MAX_VMCOREINFO + 1) /* with one that is given */
#define IMAGE_MAX_VMCOREINFO_SIZE (UINT32_C(128) << 10)
#define IMAGE_MAX_PAGES (UINT32_C(1) << 18) /* of a kind, that are looked at again */
#define IMAGE_MAX_ANCHORS 4
#define IMAGE_MAX_KERNELS 32
#define IMAGE_SEARCH_BUDGET (UINT64_C(1) << 22) /* pages and slots that searches for roots read */
#define IMAGE_SEARCH_BY_CPU_BUDGET                                                                 \
	(UINT64_C(1) << 18)      /* the one that a CPU's tables tell where to begin */
#define IMAGE_MAX_MARKERS 64     /* with the end marker */
#define IMAGE_MAX_MARKER_NAME 64 /* with its NUL */

/* Where an ELF header says for which machine the file is. */
#define IMAGE_ELF_MACHINE 18

/* Reads of this size and more do not go through the mapping. */
#define IMAGE_PREAD_MIN (UINT32_C(64) << 10)
/* The window of a search through memory: what is read stays in a CPU's own cache. */
#define IMAGE_WINDOW ((size_t)128 << 10)
/* VMCOREINFO notes and roots are aligned to this, whatever the kernel's page size. */
#define IMAGE_PAGE 4096u

/**
 * Fill in err, if there is one.
 * @return status
 */
int image_fail(struct pgw_error *err, int status, const char *expected);
int image_fail_at(struct pgw_error *err, int status, uint64_t offset, uint64_t found,
		  const char *expected);
/** The file is of a kind that cannot be read. @return -PGW_EOPNOTSUPP */
int image_fail_kind(struct pgw_error *err, uint64_t offset, const char *kind, const char *advice);

/**
 * Make room for one more element in an array that grows by doubling.
 * @param array the array or NULL; replaced
 * @return 0 or -PGW_ENOMEM (nothing changed)
 */
int image_array_grow(void **array, size_t nr, size_t size);

/* guard.c: what happens when a mapped file shrinks */

struct image_guard;

/** Watch a mapping; installs the SIGBUS handler. NULL if there is no memory. */
struct image_guard *image_guard_new(const void *bytes, size_t size);
/** To be called before the mapping goes. NULL is fine. */
void image_guard_free(struct image_guard *guard);
/** The bytes from the start of the mapping that nothing is known against. */
size_t image_guard_limit(const struct image_guard *guard);
/** Nothing from limit on can be read any more. A higher limit than before changes nothing. */
void image_guard_lower(struct image_guard *guard, size_t limit);

/* resident.c: how much of a mapping is in memory */

struct image_resident;
struct image_map;

/** NULL if there is no memory. */
struct image_resident *image_resident_new(size_t page_size);
/** NULL is fine. */
void image_resident_free(struct image_resident *resident);
/**
 * To be called before a read of the mapping: keeps what is resident of it small, by
 * dropping all of it now and then. Any threads may read meanwhile.
 */
void image_resident_touch(const struct image_map *map, const uint8_t *bytes, size_t len);

/* map.c: a file, mapped */

struct image_map {
	const uint8_t *bytes;
	size_t size; /* when it was opened, at least 1 */
	size_t page_size;
	int fd; /* -1: not open */
	struct image_guard *guard;
	struct image_resident *resident;
};

int image_map_open(const char *path, struct image_map *ret, struct pgw_error *err);
/** One that is not open (fd -1, the rest 0) is fine. */
void image_map_close(struct image_map *map);
/** Copy len bytes, all or nothing; false if the file does not have them, or not any more. */
bool image_map_read(const struct image_map *map, uint64_t offset, void *buf, size_t len);

/* kinds.c: names of what cannot be read */

/** Is it a file of a known kind that cannot be read? @return -PGW_EOPNOTSUPP, or 0 if it is not */
int image_kind_check(const struct image_map *map, struct pgw_error *err);
/** The machine that an ELF file's e_machine means, or NULL. */
const char *image_machine_name(unsigned elf_machine);

/* segments.c: what the file says where memory is */

/** A PT_LOAD segment as the file has it, clipped to the end of the file; a piece of raw memory. */
struct image_segment {
	unsigned file; /* of the image */
	uint64_t pa;
	uint64_t size;      /* that it claims; pa + size does not wrap */
	uint64_t file_size; /* of these, from the start, what the file holds; at most size */
	uint64_t
		zero_size; /* of these, from the end, what reads as zeroes; with file_size at most size */
	uint64_t offset; /* in the file */
};

/** Readable memory that lies in one piece in the file. */
struct image_range {
	uint64_t first;
	uint64_t last; /* inclusive */
	uint64_t offset;
	unsigned file; /* or IMAGE_NO_FILE: zeroes */
};

#define IMAGE_NO_FILE UINT_MAX

/** Memory in one piece. */
struct image_run {
	uint64_t first;
	uint64_t last; /* inclusive */
};

struct image_memory {
	struct image_range *ranges; /* ascending, no overlap */
	size_t nr_ranges;
	struct image_run *runs; /* that files hold; ascending, no overlap, neighbours joined */
	size_t nr_runs;
	struct image_run *readable; /* the same with zeroes that no file holds */
	size_t nr_readable;
	struct image_run *described; /* the same with what the file describes and does not hold */
	size_t nr_described;
};

/**
 * Sort segments out.
 * @param info nr_ranges, readable_bytes, zero_bytes, unreadable_bytes, nr_overlaps are set
 * @return 0 or -PGW_ENOMEM
 */
int image_segments_build(const struct image_segment *segments, size_t nr, struct image_memory *ret,
			 struct pgw_image_info *info);
void image_memory_fini(struct image_memory *memory);
/** The range that holds pa, or NULL. */
const struct image_range *image_memory_find(const struct image_memory *memory, uint64_t pa);
/** The first readable run that ends at or above pa, or NULL. */
const struct image_run *image_memory_next(const struct image_memory *memory, uint64_t pa);
/** The same of memory that the file describes, readable or not. */
const struct image_run *image_memory_next_described(const struct image_memory *memory, uint64_t pa);

/** A PT_NOTE segment, clipped to the end of the file. */
struct image_notes {
	uint64_t offset;
	uint64_t size;
};

/* What a look at all of memory has found. */

/** Why a page is looked at again. */
enum image_page_kind {
	IMAGE_PAGE_ROOT,   /* it may be a root that maps the kernel, or have one in it */
	IMAGE_PAGE_USER,   /* it holds what a process's tables hold, where these can be told */
	IMAGE_PAGE_ANCHOR, /* it is known by its looks, and the kernel's root maps or holds it */
	IMAGE_PAGE_GUEST,  /* x86_64: it holds the registers of a guest (VMCB) */
	_IMAGE_PAGE_KIND_MAX,
};

struct image_pages {
	uint64_t *pa; /* of pages of IMAGE_PAGE, ascending */
	size_t nr;
	bool is_cut; /* there are more */
};

struct image_survey {
	struct image_pages pages[_IMAGE_PAGE_KIND_MAX];
};

enum image_arch_id {
	IMAGE_ARCH_X86_64,
	IMAGE_ARCH_ARM64,
	IMAGE_ARCH_RISCV64,
	_IMAGE_ARCH_MAX,
};

/** The symbol swapper_pg_dir, or where else the kernel's root maps itself; and that root. */
struct image_swapper {
	uint64_t va;
	struct pgw_root_info root; /* all but state, cpus and twin is filled in */
	uint64_t lacks;            /* as image_root_lacks(), of a root whose proof is partial */
	bool is_other; /* a process's, which has to serve: the kernel's own cannot be read */
};

/** A kernel that was found, or is claimed. */
struct image_kernel {
	struct image_swapper swapper;
	unsigned trust; /* kernels.c: the higher, the better the ground on which it was found */
	unsigned order; /* of those that are trusted alike, the lowest is the first */
	size_t text;    /* that says the same: index + 1 in the image's texts, or 0 */
};

struct image_kernels {
	struct image_kernel list[IMAGE_MAX_KERNELS]; /* the best first; each root once */
	size_t nr;
};

/* The image. Constant once open, but for what is found on a first call. */

struct image_arch;

struct pgw_image {
	struct pgw_phys phys;
	struct pgw_image_options options;
	struct image_map map;        /* file 0 */
	struct image_map *more_maps; /* files of raw memory from 1 on */
	size_t nr_more_maps;
	bool is_raw;
	struct image_memory memory;
	struct pgw_image_info info;
	const struct image_arch *arch; /* NULL if the machine is not known */

	struct image_notes *notes;
	size_t nr_notes;

	struct pgw_cpu *cpus; /* those whose registers are in notes; info.nr_cpus may be more */
	size_t nr_cpus;
	uint64_t
		idt_base; /* x86_64: of the first with paging and an IDT in the kernel half, or 0 */

	struct pgw_vmcoreinfo
		texts[IMAGE_MAX_TEXTS]; /* those in memory last; they stay where they are */
	size_t nr_texts;
	size_t nr_note_texts; /* and the one of the options, which is the first */

	struct image_survey surveys[_IMAGE_ARCH_MAX];
	bool is_surveyed;
	struct pgw_encryption encryption;
	uint64_t search_left; /* of IMAGE_SEARCH_BUDGET */
	struct image_kernels kernels;
	bool kernels_known;                /* of what has been read so far */
	struct pgw_kernel *kernel_list[2]; /* as the public has it, by is_surveyed */

	uint64_t efi_system_table; /* if firmware runs the machine */
	bool has_efi;
	bool firmware_searched;

	struct pgw_root_info *roots;
	size_t nr_roots;
	bool roots_searched;

	struct pgw_marker *markers;
	size_t nr_markers;
};

/* layout.c: where the bytes of a raw file may lie in memory, and what it is like if they do */

#define IMAGE_MAX_PIECES 8

/** A part of the file. */
struct image_piece {
	uint64_t pa;     /* of its first byte; pa + size does not wrap */
	uint64_t offset; /* in the file */
	uint64_t size;
};

/** Pieces ascend both by address and by offset, and cover the file. */
struct image_layout {
	struct image_piece piece[IMAGE_MAX_PIECES];
	unsigned nr;
};

/** Let memory, which is replaced, be as the layout has it. @return 0 or -PGW_ENOMEM */
int image_layout_map(const struct image_layout *layout, struct image_memory *ret,
		     struct pgw_image_info *info);
/**
 * The file as an image of this machine, laid out so: all that is asked of an
 * image can be asked of it. It borrows the file's bytes and texts.
 * @param file surveyed, with its offsets for addresses
 * @return 0 or -PGW_ENOMEM
 */
int image_view_init(struct pgw_image *view, const struct pgw_image *file,
		    const struct image_arch *arch, const struct image_layout *layout);
/** One that is all zero is fine. */
void image_view_fini(struct pgw_image *view);
/** Let the file be what the view is of it; the view is gone then. */
void image_view_commit(struct pgw_image *view, struct pgw_image *file);

/* ram_runs.c: where there is memory, as far as something in memory says so */

#define IMAGE_MAX_RAM_RUNS 64

/** Ascending; neighbours with less than 1 MiB between them are one. */
struct image_ram_runs {
	struct image_run run[IMAGE_MAX_RAM_RUNS];
	unsigned nr;
};

void image_ram_runs_add(struct image_ram_runs *runs, uint64_t first, uint64_t last);

/* direct_map.c: where the kernel maps all of memory */

struct image_direct_map {
	struct image_ram_runs ram; /* that it maps */
	bool is_complete;          /* it was found, and none of the kernel's tables is missing */
	bool is_odd;               /* it maps something else where memory should be */
};

/** budget: table visits that are left; lowered by those made. */
void image_direct_map_find(const struct pgw_image *view, const struct image_swapper *kernel,
			   uint64_t *budget, struct image_direct_map *ret);

/* e820.c: the firmware's map of memory, as x86 Linux keeps it */

#define IMAGE_MAX_E820 8

struct image_e820 {
	struct image_ram_runs table[IMAGE_MAX_E820];
	unsigned nr;
};

/** Those in memory, each once. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_e820_find(struct pgw_image *image, struct image_e820 *ret);

/* layout_guess.c: layouts that a file can have */

#define IMAGE_MAX_GUESSES 128

struct image_guess {
	struct image_layout layout;
	bool is_accounted; /* known memory ends where the file does, and holes are where they may be */
	bool is_cut;       /* known memory goes on where the file ends */
};

struct image_guesses {
	struct image_guess guess[IMAGE_MAX_GUESSES]; /* each layout once */
	unsigned nr;
};

/** How known memory and the file agree. */
enum image_fit {
	IMAGE_FIT_NONE, /* they may */
	IMAGE_FIT_END,  /* both end at one place, if holes are where they may be */
	IMAGE_FIT_ALL,  /* known memory is all that the file has */
};

/** Pieces behind each other in the file. */
void image_guess_add(struct image_guesses *guesses, const struct image_run *run, unsigned nr,
		     enum image_fit fit);
/** All that a file of this size can be, if there is memory here and perhaps some more. */
void image_guess_by_ram(struct image_guesses *guesses, const struct image_ram_runs *ram,
			uint64_t size);
/** log2 of what all holes begin and end at multiples of; 64 if there is none. */
unsigned image_layout_roundness(const struct image_layout *layout);

/* layout_tables.c: do tables read as tables? */

struct image_table_count {
	unsigned
		nr_good[IMAGE_MAX_PIECES]; /* by the piece that they are in; none in the kernel's */
	unsigned nr_bad; /* tables that are none, and entries that lead to no memory */
};

/** @return 0 or -PGW_ENOMEM */
int image_layout_look_at_tables(struct pgw_image *view, const struct image_layout *layout,
				const struct image_swapper *kernel, struct image_table_count *ret);

/* raw_place.c */

/**
 * Find out where the file's memory belongs, if it is this machine's, and lay it out so.
 * @return 1; 0 if no kernel's root proves itself; -PGW_ENOEXEC if the rest of memory
 * contradicts it wherever it lies; -PGW_EIO, -PGW_ENOMEM
 */
int image_raw_place(struct pgw_image *file, const struct image_arch *arch);

/** Load headers, segments and notes of the mapped file. */
int image_elf_load(struct pgw_image *image, struct pgw_error *err);

/* raw.c */

/** A file of no known kind: find out what machine's memory it is, and where that is. */
int image_raw_load(struct pgw_image *image, struct pgw_error *err);
/** The files of the options. */
int image_ram_load(struct pgw_image *image, struct pgw_error *err);

/* A note of our own: what a core says of itself that no other note says. */
#define IMAGE_NOTE_OWN "pagewalk"
#define IMAGE_NOTE_OWN_PLACEMENT                                                                   \
	0x70670001 /* where memory is, was a guess; of a core's own types none is so large */

/** Where the notes end that dump programs write, from offset on: the first that is not one. */
uint64_t image_notes_end(const struct image_map *map, uint64_t offset);
/** Parse a note segment. size may reach past the end of the file. */
int image_notes_parse(struct pgw_image *image, uint64_t offset, uint64_t size,
		      struct pgw_error *err);

/** Keep a text: place is a physical address or a file offset. @return 0 or -PGW_ENOMEM */
int image_vmcoreinfo_add(struct pgw_image *image, enum pgw_vmcoreinfo_source source, uint64_t place,
			 char *text, size_t size);
/** A plain decimal KEY=VALUE. @return false if it is not there or not a number */
bool image_vmcoreinfo_dec(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret);

/* linux_absent.c */

/** The release that a text tells; with NULL, that the first of those tells that are known so far. */
void image_linux_release(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct pgw_linux *ret);

/* arm64_mair.c */

/**
 * The MAIR_EL1 of a kernel's release, if a leaf that maps memory is normal memory by it;
 * else the only one of Linux's by which it is.
 * @return false if that does not tell
 */
bool image_arm64_memory_types(const struct pgw_linux *kernel, uint64_t leaf, uint64_t *ret);

/* ram.c: looking through memory */

/** A piece of memory; never crosses a multiple of IMAGE_WINDOW. */
struct image_window {
	uint64_t pa;
	const uint8_t *bytes;
	size_t size;
};

/** Not 0 ends the search, which returns the value. */
typedef int image_window_fn(const struct image_window *window, void *arg);

/** Show all readable memory, ascending. @return 0, fn's value, -PGW_EIO or -PGW_ENOMEM */
int image_ram_scan(struct pgw_image *image, image_window_fn *fn, void *arg);

/** The offset in a window of its first page that is all there; step by IMAGE_PAGE. */
static inline size_t image_window_first_page(const struct image_window *window)
{
	return (size_t)(-window->pa & (IMAGE_PAGE - 1));
}

/** Keep the texts in a window. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_vmcoreinfo_look(struct pgw_image *image, const struct image_window *window);
/** Keep a copy of the text that the options have, if they do. @return 0 or -PGW_ENOMEM */
int image_vmcoreinfo_add_given(struct pgw_image *image);
/** Forget the texts in memory. */
void image_vmcoreinfo_forget(struct pgw_image *image);

/* survey.c: one look at all of memory, for all that is to be found in it */

/** Once. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_survey(struct pgw_image *image);
/** Asked when a VMCOREINFO has been found. */
typedef bool image_survey_enough_fn(struct pgw_image *image, void *arg);
/**
 * A survey that may end early: what it has found until then is forgotten.
 * @return 1 if it did end so, or as image_survey()
 */
int image_survey_until(struct pgw_image *image, image_survey_enough_fn *is_enough, void *arg);
void image_survey_forget(struct pgw_image *image);
/** Add a page; from IMAGE_MAX_PAGES on, only note that there are more. @return 0 or -PGW_ENOMEM */
int image_pages_add(struct image_pages *pages, uint64_t pa);
/** Pages of the image's architecture. */
const struct image_pages *image_pages(const struct pgw_image *image, enum image_page_kind kind);
/** May a search read nr more pages or slots? */
bool image_search_spend(struct pgw_image *image, uint64_t nr);

/* root_walk.c: a root, read as the MMU would */

#define IMAGE_TREE_BUDGET (UINT64_C(1) << 16)  /* table visits to look through one tree */
#define IMAGE_COUNT_BUDGET (UINT64_C(1) << 20) /* tables of one tree that are counted */
#define IMAGE_MAX_FORMATS 16                   /* of one architecture */
#define IMAGE_MAX_TABLE ((size_t)64 << 10)

/** The formats of the image's architecture, deepest first. @return how many */
size_t image_formats(const struct pgw_image *image, const struct pgw_format **ret);
/** The format of the image's architecture with this many levels, or NULL. */
const struct pgw_format *image_format(const struct pgw_image *image, unsigned nr_levels);
/** The format of the image's architecture with this granule and width, or NULL. */
const struct pgw_format *image_format_of(const struct pgw_image *image, unsigned granule_lg2,
					 unsigned va_bits);
/** Does the image lack the root's own table, or a part of it? Not if the machine had no memory there. */
bool image_root_is_missing(const struct pgw_image *image, const struct pgw_root_info *root);
/** Is it missing, or nothing but zeroes? A filter that leaves out the kernel's image may do either. */
bool image_root_is_lost(const struct pgw_image *image, const struct pgw_root_info *root);
/** Is it where a root of its format can be? */
bool image_root_is_aligned(const struct pgw_root_info *root);
/** A tree of the image, to be walked. */
void image_tree(const struct pgw_image *image, const struct pgw_root_info *root,
		const struct pgw_region *region, struct pt *ret);
/** Where a root maps va to; a leaf or nothing. @return is it mapped? */
bool image_root_translate(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va, struct pgw_translation *ret);
/**
 * An address from first on in the kernel's region, that a root maps to pa.
 * @return false if none is found
 */
bool image_root_find_va(struct pgw_image *image, const struct pgw_root_info *root, uint64_t pa,
			uint64_t first, uint64_t *ret_va);

/* cpu_roots.c: what CPUs have loaded */

/** The root of a CPU: root, format, control, found, cpus. @return false if it has none */
bool image_cpu_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret);
/**
 * The first of these that is not known to be a guest's, else the first; of a
 * KPTI pair, the kernel's. @return false if there is none
 */
bool image_cpu_first_root(const struct pgw_image *image, struct pgw_root_info *ret);
/** Look for the root's KPTI twin; sets has_twin, twin, is_kpti_user. */
void image_root_find_twin(const struct pgw_image *image, struct pgw_root_info *root);
/** From a root that a CPU has loaded to the one of its KPTI pair that maps the kernel. */
void image_root_use_kernel_twin(const struct pgw_image *image, struct pgw_root_info *root);

/* encryption.c: the bit that says whether memory is encrypted (x86-64) */

/** Look for it in what is known until now, if it is not found yet. */
void image_encryption_learn(struct pgw_image *image);
/** The same for a bit that no table has; by the tree of a kernel that proved itself. */
void image_encryption_learn_shared(struct pgw_image *image, const struct pgw_root_info *kernel);
/** That bit of an entry, or 0. */
uint64_t image_encryption_mask(const struct pgw_image *image);
/** Put it into control bits, if it is found. */
void image_encryption_control(const struct pgw_image *image, struct pgw_control *control);

/* root_state.c: a root, beside the kernel's */

#define IMAGE_REGION(half) (1u << (half))
#define IMAGE_ALL_REGIONS (IMAGE_REGION(PGW_REGION_USER) | IMAGE_REGION(PGW_REGION_KERNEL))

/** The kernel's half of the tree, or the user's, or both, counted. */
struct image_count {
	uint64_t nr_leaves; /* in each table once */
	uint64_t nr_malformed;
	uint64_t nr_missing; /* tables that cannot be read */
	uint64_t nr_outside; /* of these, such as the machine's memory does not hold whole */
};

/**
 * @param halves of a root that covers both: bits IMAGE_REGION()
 * @param budget tables that may be met; lowered by those that were
 * @return 0, -PGW_EINVAL, -PGW_E2BIG (ret has what was met), -PGW_ENOMEM
 */
int image_root_count(const struct pgw_image *image, const struct pgw_root_info *root,
		     unsigned halves, uint64_t *budget, struct image_count *ret);
/**
 * Does the way from the root to va end at a table that the image lacks?
 * @return that table, and its level in the lowest bits; 0 if it does not, or the root itself cannot be read
 */
uint64_t image_root_lacks(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va);
/** Does the root map swapper_pg_dir to where it is? */
enum pgw_root_proof image_root_prove(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     const struct pgw_root_info *root);
/** Which halves the root covers, by its format and by what it was found as. */
void image_root_set_halves(struct pgw_root_info *root);
/**
 * What the root is for. Pre: found, cpus, proof are filled in; it is not a KPTI user half.
 * @param swapper the kernel's, or NULL
 * @param root    evidence is set, and of firmware control bits
 * @param budget  table visits that are left; lowered by those made
 */
enum pgw_root_state image_root_state(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     struct pgw_root_info *root, bool is_running, uint64_t *budget);
/** Fill in halves, cpus, proof and state of a root that stands alone. */
void image_root_describe(const struct pgw_image *image, const struct image_swapper *swapper,
			 struct pgw_root_info *root);

/* firmware.c: machines on which no Linux runs, or not yet */

/** Is the machine run by UEFI firmware? Once. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_firmware_look(struct pgw_image *image);
/**
 * Is it the identity map that such firmware runs with? Pre: image_firmware_look()
 * @param root   if so, evidence and what is known of control bits are set
 * @param budget table visits that are left; lowered by those made
 */
bool image_root_is_firmwares(const struct pgw_image *image, struct pgw_root_info *root,
			     uint64_t *budget);
/**
 * A root that is an identity map of most of memory, by nothing but that. Pre: the machine is known.
 * @return 0, -PGW_ENOENT, -PGW_EIO or -PGW_ENOMEM
 */
int image_identity_search(struct pgw_image *image, struct pgw_root_info *ret);

/*
 * kernel_search.c: where the kernel's root may be, by each means there is. A
 * claim has all of an image_swapper, its proof too, passed or not.
 */

/** What one text says. @return false if it does not say enough */
bool image_claim_of_text(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret);
/** What a root leads to that a CPU has loaded, of a KPTI pair the kernel's. Pre, here and below: the machine is known. */
bool image_claim_of_cpu(struct pgw_image *image, const struct pgw_root_info *cpu,
			struct image_swapper *ret);
/**
 * Pages that may be roots, against the symbol in a text that says no more: at most max of them. Pre,
 * here and below: image_survey()
 * @return how many
 */
size_t image_claims_by_symbol(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			      struct image_swapper *ret, size_t max);
/** Pages that may be roots, by nothing but what they hold. */
bool image_claim_by_looks(struct pgw_image *image, struct image_swapper *ret);
/**
 * Where tables are missing: the root of which most can be read, if what there is speaks for it.
 * @param info what to begin with; NULL: nothing
 */
bool image_claim_partial(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret);

/* kernels.c: of what was claimed, which kernels there are, and which is meant */

/** The kernels, by what has been read so far; the image's. */
const struct image_kernels *image_kernels(struct pgw_image *image);
/**
 * Where no kernel's root is proved: what a CPU has loaded; else an identity map. Pre: image_survey()
 * @return 0, -PGW_ENOENT, -PGW_EIO or -PGW_ENOMEM
 */
int image_other_root(struct pgw_image *image, struct pgw_root_info *ret);
/** The one that is meant unless another is named; its proof may have failed. @return false if there is none */
bool image_kernel_best(struct pgw_image *image, struct image_swapper *ret);
/** How many of them are more than claims: these come first. */
size_t image_kernels_sound(struct pgw_image *image);
/**
 * The number of the one that the options name, or of the best, sound or not; 0 = there is none.
 * @return 0 or -PGW_ENOENT (there is none of that name, or that the given text fits)
 */
int image_kernel_meant(struct pgw_image *image, unsigned *ret_number, struct pgw_error *err);

/* roots.c: all roots */

struct image_roots {
	struct pgw_image *image;
	struct pgw_root_info *items;
	size_t nr;
};

/** @return 0 or -PGW_ENOMEM */
int image_roots_add(struct image_roots *roots, const struct pgw_root_info *root);

/* shared_half.c: where every root has the kernel's part of the tree */

/** Does the root map or hold the page that an anchor is? */
typedef bool image_anchor_fn(const struct pgw_image *image, const struct pgw_root_info *root,
			     uint64_t anchor);

/** As image_arch_ops.kernel_search, but for what it was found by. */
bool image_shared_kernel_search(struct pgw_image *image, image_anchor_fn *maps_anchor,
				struct image_swapper *ret);
/** The same, of one format, and no farther from the anchor than some pages. */
bool image_shared_kernel_beside(struct pgw_image *image, const struct pgw_format *format,
				image_anchor_fn *maps_anchor, uint64_t anchor,
				struct image_swapper *ret);
/** As image_arch_ops.kernel_partial; va where a kernel's image is, if there is no hint. */
bool image_shared_kernel_partial(struct pgw_image *image, const struct image_swapper *hint,
				 struct image_swapper *ret);
/** As image_arch_ops.process_roots. */
int image_shared_process_roots(struct image_roots *roots, const struct image_swapper *swapper);

/* What an architecture's registers and Linux's conventions on it say. */
struct image_arch_ops {
	/** Where machines begin to have memory: where to look first. */
	const uint64_t *bases;
	size_t nr_bases;
	uint64_t
		hole_end; /* where it goes on behind the hole for devices, or 0 if that is not fixed */
	bool has_e820;
	/** What the kernel's root is found by, if it is not found: "a VMCOREINFO ...". */
	const char *sought;
	/** Bits of enum image_page_kind for a page; the address plays no part. */
	unsigned (*page_kinds)(const uint8_t *page);
	/**
	 * Is an entry that leads to a table as the kernel makes them? NULL if
	 * what the MMU says will do. Where no symbol says which table is the
	 * root, it keeps pages of memory from being read as tables.
	 */
	bool (*is_table)(uint64_t raw);
	/** The kernel's root by nothing but its looks: va, root, format, found. */
	bool (*kernel_search)(struct pgw_image *image, struct image_swapper *ret);
	/** As kernel_search, where tables are missing; hint has what a text says, or is empty. */
	bool (*kernel_partial)(struct pgw_image *image, const struct image_swapper *hint,
			       struct image_swapper *ret);
	/**
	 * Add processes' roots, by a kernel's root that proved itself or is lost; by NULL those
	 * that show without any kernel.
	 * @return 0, -PGW_E2BIG (there may be more) or -PGW_ENOMEM
	 */
	int (*process_roots)(struct image_roots *roots, const struct image_swapper *swapper);
	/** The root in a CPU's registers: root, format, control. Optional, as those below. */
	bool (*cpu_root)(const struct pgw_image *image, const struct pgw_cpu *cpu,
			 struct pgw_root_info *ret);
	/** What a leaf of the kernel's own image, which is memory, says of its control bits. */
	void (*learn_control)(const struct pgw_linux *kernel, uint64_t leaf,
			      struct pgw_control *control);
	/** As kernel_search, but from a root that a CPU has loaded, with no look through memory. */
	bool (*kernel_by_cpu)(struct pgw_image *image, const struct pgw_root_info *cpu,
			      struct image_swapper *ret);
	/**
	 * The kernel's root by a VMCOREINFO text: va, and the root's address
	 * and format; format NULL if the text tells no more than va. Not optional.
	 */
	bool (*swapper)(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			struct image_swapper *ret);
	/** The root's KPTI twin, if it has one, and which of the two is the user's. */
	bool (*kpti_twin)(const struct pgw_image *image, const struct pgw_root_info *root,
			  struct pgw_root *ret_twin, bool *ret_is_user);
	bool (*is_trampoline)(const struct pgw_image *image, const struct pgw_root_info *root);
	/** Control bits of UEFI firmware, by the leaf that maps its system table. */
	void (*firmware_control)(uint64_t leaf, struct pgw_control *control);
	/** Is the root a guest's, by registers of guests in memory? Pre: image_survey() */
	bool (*is_guests)(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t *ret_vmcb);
};

struct image_arch {
	enum image_arch_id id;
	unsigned elf_machine;
	const char *name; /* as pgw_format_arch() */
	const struct image_arch_ops *ops;
};

/** NULL if the machine is not known. */
const struct image_arch *image_arch_find(unsigned elf_machine);
/** id below _IMAGE_ARCH_MAX. */
const struct image_arch *image_arch_at(unsigned id);

extern const struct image_arch_ops image_x86_64_ops;
extern const struct image_arch_ops image_arm64_ops;
extern const struct image_arch_ops image_riscv64_ops;

#endif
