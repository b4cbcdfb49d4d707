/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

/*
 * How answers are written: as text for people and line tools, or as JSON
 * Lines. A command makes a struct report and calls its renderer.
 */

#include <pagewalk/pagewalk.h>

#include "report/out.h"

struct report;

/** What became of the root that is the default. */
struct report_root {
	bool is_found;
	struct pgw_root_info info;
	struct pgw_encryption encryption;
	bool mair_is_given;
	struct pgw_integrity integrity; /**< of its tree; not if nr_tables is 0 */
	struct pgw_error err;           /**< if it was not found */
};

#define REPORT_EFI_TYPES 17 /* the last stands for those that have no name */

/** What UEFI firmware says, that runs the machine. */
struct report_firmware {
	bool is_there;
	struct pgw_firmware says;
	size_t nr_regions; /* of its memory map; 0: that was not found */
	uint64_t bytes[REPORT_EFI_TYPES];
	uint64_t runtime_wx; /* of runtime code: bytes that are mapped writable and executable */
};

/** What `pagewalk info` knows. */
struct report_info {
	const char *file;
	const struct pgw_image *image;
	const struct pgw_vmcoreinfo *vmcoreinfo;
	size_t nr_vmcoreinfo;
	const enum pgw_vmcoreinfo_fit *fit; /**< of each */
	const struct pgw_kernel *kernels;   /**< those that are known */
	size_t nr_kernels;
	bool are_all; /**< memory was looked through: there are no more kernels */
	struct report_root kernel;
	const char *sandbox; /**< what the command has given up */
	struct report_firmware firmware;
};

/** What `pagewalk roots` sums up. */
struct report_roots {
	size_t nr_roots;
	size_t nr_kernels; /**< in the image */
	size_t nr_lacking; /**< roots that lead to tables that the image lacks */
	size_t nr_unowned; /**< roots that map user memory, and nobody is known who has them */
	const struct pgw_image_info *image;
};

/** What `pagewalk trim` and `pagewalk convert` sum up. */
struct report_written {
	const struct pgw_image_info *image; /**< the one that was read */
	bool has_tables_only;
	struct pgw_trim_summary tables; /**< if it has */
	uint64_t kept_bytes;            /**< of memory */
	uint64_t lost_bytes; /**< of memory, that were to be kept and could not be read */
	bool loses_notes;    /**< the image has notes, for which the new file has no place */
};

/** What `pagewalk translate` sums up. */
struct report_translations {
	uint64_t nr_asked;
	uint64_t nr_mapped;
	uint64_t nr_malformed;
	uint64_t nr_unreadable;
};

/** What an address is called. */
struct report_name {
	bool is_there;
	struct pgw_symbol symbol;
	uint64_t offset;                 /**< of the address from the symbol's */
	const struct pgw_module *module; /**< whose symbol it is; NULL: the kernel's own */
};

/** What a guest's address means by its host's tables, too. */
struct report_nested {
	const struct pgw_format *format;    /**< of stage 2 */
	struct pgw_nested_translation both; /**< by both stages */
	struct pgw_nested_path path;
	const char *memory_type; /**< by both stages; or NULL */
};

/** One answer of `pagewalk translate`. */
struct report_translation {
	uint64_t va;         /**< as it was asked for */
	uint64_t looked_up;  /**< va without its tag; all of result is of this */
	uint64_t tag;        /**< 0 if looked_up is va */
	const char *tag_by;  /**< the control bit that makes it one; NULL if looked_up is va */
	bool tag_is_assumed; /**< that bit is not known */
	/** If no half has it: a --tags that would give it one, and the address then; or NULL */
	const char *possible;
	uint64_t possible_va;
	struct report_name name; /**< of looked_up, if names are wanted */
	bool has_page;           /**< page is the kernel's of result.pa */
	struct pgw_page page;
	bool has_window; /**< no table has it: result is by this, and has no entry */
	struct pgw_window window;
	struct pgw_translation result;
	struct pgw_path path;
	const struct report_nested *nested; /**< inside a guest; then result and path are its stage 1 */
};

/** Which virtual addresses were looked at. */
struct report_region {
	bool has_half[_PGW_REGION_MAX]; /**< by enum pgw_region_kind */
	bool has_range;                 /**< of these, nothing but first to last */
	uint64_t first;
	uint64_t last; /**< inclusive */
};

/** Tables that the image lacks. */
struct report_missing {
	uint64_t nr;
	bool is_cut; /**< there may be more */
};

/** Of several kernels in the image, the one whose root is reported on. */
struct report_choice {
	unsigned number;                         /**< 0: there are no several, or it is not known */
	size_t nr;                               /**< that are known */
	const struct pgw_vmcoreinfo *vmcoreinfo; /**< its; may be NULL */
};

struct renderer {
	void (*extent)(struct report *report, const struct pgw_extent *extent);
	void (*repeated)(struct report *report, const struct pgw_extent *extent,
			 const struct pgw_repeats *repeats);
	/** Each leaf of an extent of leaves. */
	void (*leaves)(struct report *report, const struct pgw_extent *extent);
	void (*dump_summary)(struct report *report, const struct pgw_dump_summary *summary);
	void (*translation)(struct report *report, const struct report_translation *translation);
	void (*translate_summary)(struct report *report, const struct report_translations *sums);
	void (*root)(struct report *report, const struct pgw_root_info *root);
	void (*roots_summary)(struct report *report, const struct report_roots *sums);
	void (*written_summary)(struct report *report, const struct report_written *written);
	void (*info)(struct report *report, const struct report_info *info);
};

extern const struct renderer renderer_text;
extern const struct renderer renderer_json;

/** The names of the attributes of the last entry; neighbours mostly have the same. */
struct report_attrs {
	bool is_valid;
	unsigned level;
	uint64_t bits;
	size_t len;
	char text[512];
};

/**
 * What a leaf's line ends with, as the renderer has it, of the last one; neighbours mostly have
 * the same. The entry, where the renderer prints it, stands between head and the rest.
 */
struct report_tail {
	bool is_valid;
	uint8_t level;
	uint8_t leaf_lg2;
	uint8_t rights;
	uint64_t attr_mask; /**< of the level */
	uint64_t entry;     /**< of which nothing but what is in attr_mask counts */
	uint64_t size;      /**< - 1 */
	size_t head;
	size_t len;
	char text[1024]; /* with an address and what surrounds it, less than OUT_ROOM */
};

struct report {
	const struct renderer *renderer;
	struct out *out;
	/* Of the root that is reported on; info and roots leave them empty. */
	const struct pgw_format *format;
	const struct pgw_control *control; /**< a complete one */
	uint64_t root_pa;
	struct report_region region;
	struct report_choice choice;
	size_t nr_kernels;             /**< in the image, where roots are listed */
	struct pgw_tasks *tasks;       /**< who may have a root that is listed; NULL: not asked */
	struct report_missing missing; /**< where something is unreadable */
	struct pgw_linux kernel;       /**< by which absent entries are told */
	/** The order of memory types is assumed: rows that show one say so. */
	bool assumes_memory_types;
	bool tags_given;   /**< --tags says what a tag is */
	uint64_t next_va;  /**< where a dump goes on, if it is to */
	bool has_absent;   /**< a dump lists them */
	const char *names; /**< how names of addresses were found; NULL: none are wanted */
	const struct pgw_symbols *symbols; /**< which addresses of a dump are named by; or NULL */
	const struct pgw_modules *modules; /**< whose names are looked at, too; or NULL */
	const struct pgw_pages *pages;     /**< whose flags have these names; or NULL */
	struct pgw_pages *leaf_pages; /**< a dump says what each leaf's page is; or NULL */
	const struct pgw_layout *layout;   /**< a dump says what addresses are for; or NULL */
	const char *region_name;           /**< of --region: what was looked at; or NULL */
	bool is_guess; /**< where some of memory is, is one: every summary says so */
	struct report_attrs attrs;
	struct report_tail tail;
};

/** Is it a guess where some of the image's memory is? */
static inline bool report_is_guess(const struct pgw_image *image)
{
	return pgw_image_get_info(image)->placement >= PGW_PLACEMENT_GUESSED;
}

/** Does the file end before its headers say? (It may be truncated for another reason, too.) */
static inline bool report_is_cut(const struct pgw_image_info *info)
{
	return info->truncated && info->said_size > info->file_size;
}

/** Do lines of a dump say more of addresses than their tables do? */
static inline bool report_has_labels(const struct report *report)
{
	return report->symbols || report->layout || report->leaf_pages;
}
/** Whose memory a page is: "anon"; NULL: that is not told. */
const char *report_page_mapping(enum pgw_page_mapping mapping);
/** From where a range of the layout is known: "vmcoreinfo". */
const char *report_layout_source(enum pgw_layout_source source);
/** Look for an address's name, if names are wanted. */
void report_name_find(const struct report *report, uint64_t va, struct report_name *ret);

/** Write an extent, or if it is one of leaves, each of its leaves. */
void report_leaves(struct report *report, const struct pgw_extent *extent);

/** For a renderer's leaves(), which prints entries or does not: its extent() of each leaf. */
static inline __attribute__((always_inline)) void
report_each_leaf(struct report *report, const struct pgw_extent *extent, bool has_entries,
		 void (*fn)(struct report *report, const struct pgw_extent *leaf))
{
	uint64_t size = UINT64_C(1) << extent->leaf_lg2;
	struct pgw_extent leaf = *extent;

	for (;;) {
		leaf.va_last = leaf.va_first | (size - 1);
		if (leaf.va_last > extent->va_last)
			leaf.va_last = extent->va_last;
		fn(report, &leaf);
		if (leaf.va_last == extent->va_last)
			return;
		leaf.pa += leaf.va_last - leaf.va_first + 1;
		leaf.va_first = leaf.va_last + 1;
		if (has_entries)
			leaf.entry =
				pgw_entry_advance(report->format, leaf.entry, leaf.level, size);
	}
}

/**
 * The names of a leaf's attributes, each between quotes, with separator between
 * them. The text is the report's and changes with the next call.
 */
const char *report_attr_names(struct report *report, uint64_t entry, unsigned level,
			      const char *quote, const char *separator);

/** Does this leaf's line have the tail? If not, see report_tail_begin(). */
static inline bool report_tail_fits(const struct report_tail *tail, const struct pgw_extent *leaf)
{
	return tail->is_valid && ((leaf->entry ^ tail->entry) & tail->attr_mask) == 0 &&
	       tail->size == leaf->va_last - leaf->va_first && tail->level == leaf->level &&
	       tail->leaf_lg2 == leaf->leaf_lg2 && tail->rights == leaf->rights;
}

/** The tail will be this leaf's: write it out, and let report_tail_keep() have it. */
void report_tail_begin(struct report *report, const struct pgw_extent *leaf);
/**
 * Keep what was written of a leaf's line since out->len was start: head bytes of it, the entry
 * if there is one, and the rest. Pre: there was room for sizeof(tail.text) from start on.
 */
void report_tail_keep(struct report *report, size_t start, size_t head, size_t entry);

/** "rwx" with dashes for what is not allowed; rights shifted so that read is bit 0. */
const char *report_rights(unsigned rights);
/** Whom the rights are for, the first or (1) the second; NULL if there is no second. */
const char *report_actor(const struct pgw_format *format, unsigned index);
/** The first of the regions that are reported on. */
const char *report_region_name(const struct report *report);
/** The name that Linux has for a table at this level. */
const char *report_level_name(const struct pgw_format *format, unsigned level);
const char *report_kind(enum pgw_entry_kind kind);
const char *report_absent_kind(enum pgw_absent_kind kind);
/** What an absent entry of a table of this level means, at va. */
void report_absent(const struct report *report, uint64_t va, unsigned level, uint64_t entry,
		   struct pgw_absent *ret);
/** "note", "warning" or "error". */
const char *report_audit_level(enum pgw_audit_level level);
const char *report_root_state(enum pgw_root_state state);
/** What tells this state, if something in memory does: "vmcb", "efi_system_table". */
const char *report_root_evidence(const struct pgw_root_info *root);
const char *report_root_proof(enum pgw_root_proof proof);
/** Does it map Linux's kernel, as far as the image has the tables? If not, it may be of any system. */
bool report_is_kernels(const struct pgw_root_info *root);

/** A name for each bit of a word; an array of them ends with a NULL name. */
struct report_bit {
	uint32_t bit;
	const char *name;
};

extern const struct report_bit report_root_found[];
/** How the bit was found that says whether memory is encrypted, e.g. "vmcoreinfo"; "assumed" if it was not. */
const char *report_encryption_found(enum pgw_encryption_found found);
/** Does a control bit that is known say whether the CPU has the extension? */
/** The registers that struct pgw_control's memory_types are. */
const char *report_memory_types_name(const struct pgw_format *format);
bool report_later_is_known(const struct pgw_later_bits *later, const struct pgw_control *control);
/** What is made of the bits: "reserved" where it is known that the CPU lacks the extension. */
const char *report_later_taken_for(const struct pgw_later_bits *later,
				   const struct pgw_control *control);
/** enum pgw_absent_flag, those that have a name. */
extern const struct report_bit report_absent_flags[];
/** The lines of a VMCOREINFO that say something about the tables; NULL ends them. */
extern const char *const report_vmcoreinfo_keys[];

#endif
