/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

/* The options of all subcommands: one table says what each is and means. */

#include <pagewalk/analysis.h>
#include <pagewalk/audit.h>

#include "parse.h"
#include "report/out.h"
#include "tags.h"

enum option_id {
	OPT_RAM,
	OPT_PART,
	OPT_UNPACK_MAX,
	OPT_ZERO_FILL,
	OPT_SHIFT,
	OPT_ENCRYPTION,
	OPT_KERNEL,
	OPT_VMCOREINFO,
	OPT_REGISTER,
	OPT_NO_SANDBOX,
	OPT_CONSISTENT,
	OPT_MAX_PAUSE,
	OPT_WATCH,
	OPT_WATCH_COUNT,
	OPT_ROOT,
	OPT_VM,
	OPT_DEVICE,
	OPT_HALF,
	OPT_FORMAT,
	OPT_MAIR,
	OPT_TAGS,
	OPT_RANGE,
	OPT_PERM,
	OPT_LEVEL,
	OPT_PA,
	OPT_LEAVES,
	OPT_ABSENT,
	OPT_NO_FOLD,
	OPT_THREADS,
	OPT_PID,
	OPT_SMAPS,
	OPT_STYLE,
	OPT_MARKERS,
	OPT_BUDGET,
	OPT_RULE,
	OPT_POLICY,
	OPT_BASELINE,
	OPT_WRITE_BASELINE,
	OPT_SARIF,
	OPT_CPU,
	OPT_SYMBOLS,
	OPT_OWNERS,
	OPT_REGIONS,
	OPT_REGION,
	OPT_INDEX,
	OPT_FORM,
	OPT_PAGES,
	OPT_PAGE_STRUCTS,
	OPT_EXPORT_FORMAT,
	OPT_TABLE,
	OPT_MACHINE,
	OPT_OUTPUT,
	OPT_FORCE,
	OPT_JSON,
	OPT_COLOR,
	OPT_HELP,
	_OPT_MAX,
};

/** The bit of an option in struct command and struct options. */
#define OPT_BIT(id) (UINT64_C(1) << (id))

/** What every command takes that opens an image. */
#define OPTIONS_IMAGE                                                                              \
	(OPT_BIT(OPT_RAM) | OPT_BIT(OPT_PART) | OPT_BIT(OPT_UNPACK_MAX) | OPT_BIT(OPT_ZERO_FILL) | \
	 OPT_BIT(OPT_SHIFT) | OPT_BIT(OPT_ENCRYPTION) | OPT_BIT(OPT_KERNEL) | OPT_BIT(OPT_VMCOREINFO) |                 \
	 OPT_BIT(OPT_REGISTER) | OPT_BIT(OPT_VM) | OPT_BIT(OPT_NO_SANDBOX))

/** And what looks at a machine that may run. */
#define OPTIONS_LIVE (OPTIONS_IMAGE | OPT_BIT(OPT_CONSISTENT) | OPT_BIT(OPT_MAX_PAUSE))

/** What can be asked again and again. */
#define OPTIONS_WATCH (OPT_BIT(OPT_WATCH) | OPT_BIT(OPT_WATCH_COUNT))

enum root_choice {
	ROOT_KERNEL, /**< the default */
	ROOT_CPU,
	ROOT_PA,
};

enum dump_style {
	STYLE_RANGES,
	STYLE_PTDUMP,
};

enum pages_choice {
	PAGES_ALL, /**< the default */
	PAGES_TABLES,
};

enum export_choice {
	EXPORT_CSV,
	EXPORT_JSONL,
	EXPORT_AVRO,
	EXPORT_SQLITE,
};

enum color_choice {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

#define OPTIONS_MAX_RAM 64
#define OPTIONS_MAX_PARTS 64
#define OPTIONS_MAX_REGISTERS 64

_Static_assert(_OPT_MAX <= 64, "each option has a bit");

struct options {
	uint64_t given; /**< OPT_BIT() of each option that was there */
	struct pgw_image_ram ram[OPTIONS_MAX_RAM];
	size_t nr_ram;
	const char *parts[OPTIONS_MAX_PARTS]; /**< paths */
	size_t nr_parts;
	uint64_t unpack_max; /**< bytes; 0 = not given */
	int64_t shift;       /**< bytes */
	struct pgw_encryption encryption;
	const char *kernel;     /**< number or release */
	const char *vmcoreinfo; /**< path */
	struct pgw_register_value registers[OPTIONS_MAX_REGISTERS];
	size_t nr_registers;
	const char *symbols;    /**< path; NULL: the kernel's own */
	const char *region;     /**< a name of pgw_layout_range; NULL: all */
	uint64_t max_pause_ms;  /**< 0 = not given */
	uint64_t watch_seconds; /**< 0 = not given */
	uint64_t watch_count;   /**< 0 = not given */
	enum root_choice root;
	uint32_t foreign_id;   /**< of --vm or --device, as struct pgw_foreign's */
	bool is_stream;        /**< it is a stream id */
	bool is_inside;        /**< --vm: the command is about the guest inside, not the host's tables for it */
	uint64_t root_value;   /**< the CPU's number or the physical address */
	const char *root_name; /**< "@NAME", which has the root; names_root() */
	unsigned halves;       /**< bits of enum pgw_region_kind; 0 = not given */
	const struct pgw_format *format;
	unsigned va_bits; /**< of --format; 0 = not given */
	uint64_t mair;
	const struct tags *tags; /**< NULL: as the image tells, or is assumed */
	uint64_t first;          /**< of --range; all addresses if it is not given */
	uint64_t last;
	const char *range_name; /**< of --range, if a name is in it; names_range() */
	struct parse_rights rights;
	struct parse_levels levels;
	uint64_t pa_first;
	uint64_t pa_last;
	enum dump_style style;
	uint32_t pid;
	const char *markers; /**< path */
	const char *index;   /**< path */
	uint64_t budget;     /**< as struct pgw_mm_attach_args */
	uint64_t rules;      /**< of --rule: bits of enum pgw_audit_rule; 0 = not given */
	const char *policy;  /**< paths */
	const char *baseline;
	const char *write_baseline;
	enum export_choice export_format;
	uint64_t tables;     /**< of --table: bits, by the index in sql_tables; 0 = not given */
	const char *machine; /**< NULL: not given */
	const char *output; /**< path of what is written */
	unsigned cpu;             /**< of --cpu */
	enum pgw_image_form form; /**< of the file that is written */
	enum pages_choice pages;
	enum color_choice color;
	/** What is not an option: the image first. With --ram, the first file stands there. */
	const char *const *args;
	int nr_args;
};

static inline bool option_given(const struct options *opts, enum option_id id)
{
	return opts->given & OPT_BIT(id);
}

struct command;

/**
 * Read the command line of a subcommand, argv[0] being its name.
 * @return true, or false after a message
 */
bool options_parse(const struct command *command, int argc, char **argv, struct options *ret);

/** What is told of an option beside its help. */
struct option_about {
	const char *name;
	const char *value; /**< NULL: it has none */
	const char *help;  /**< lines, with spaces in front of those after the first */
	bool has_file;     /**< the value is a path, or ends with one */
	bool is_many;      /**< it may be given several times */
	bool is_optional;  /**< the value is, and comes behind = */
};

struct option_about option_about(enum option_id id);
/** Of an option whose value is one of some words: the one with this index. NULL: no more. */
const char *option_word(enum option_id id, size_t index);

void options_help(const struct command *command, struct out *out);

/** Does this output go in colour, as the options and the environment have it? */
bool options_color(const struct options *opts, int fd);

#endif
