/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit_policy.h"
#include "command.h"
#include "message.h"
#include "sql.h"

/* FILE[@OFFSET[+SIZE]]. What exists under the whole name is a file, whatever its name looks like. */
static void ram_cut_part(struct pgw_image_ram *ram)
{
	const char *at = strrchr(ram->path, '@');

	if (!at || at == ram->path || access(ram->path, F_OK) == 0)
		return;
	/* It lies in argv, which may be written to. */
	if (parse_part(at + 1, &ram->offset, &ram->size))
		*(char *)(uintptr_t)at = '\0';
}

/* PA=FILE[@OFFSET[+SIZE]] */
static bool option_ram(struct options *opts, const char *text)
{
	const char *equals = strchr(text, '=');
	struct pgw_image_ram ram = { 0 };
	char pa[20];

	if (!equals || !equals[1] || (size_t)(equals - text) >= sizeof(pa) ||
	    opts->nr_ram == OPTIONS_MAX_RAM)
		return false;
	memcpy(pa, text, (size_t)(equals - text));
	pa[equals - text] = '\0';
	if (!parse_hex(pa, &ram.pa))
		return false;
	ram.path = equals + 1;
	ram_cut_part(&ram);
	opts->ram[opts->nr_ram++] = ram;
	return true;
}

static bool option_part(struct options *opts, const char *text)
{
	if (opts->nr_parts == OPTIONS_MAX_PARTS)
		return false;
	opts->parts[opts->nr_parts++] = text;
	return true;
}

static bool option_unpack_max(struct options *opts, const char *text)
{
	return parse_size(text, &opts->unpack_max) && opts->unpack_max;
}

/* N or -N; no file is so large that it has more digits. */
static bool option_shift(struct options *opts, const char *text)
{
	bool is_negative = *text == '-';
	uint64_t bytes;

	if (!parse_dec(text + is_negative, &bytes) || bytes > INT64_MAX)
		return false;
	opts->shift = is_negative ? -(int64_t)bytes : (int64_t)bytes;
	return true;
}

/* N, shared:N or none */
static bool option_encryption(struct options *opts, const char *text)
{
	struct pgw_encryption encryption = { .found = PGW_ENCRYPTION_FROM_OPTION };
	static const char shared[] = "shared:";
	uint64_t bit;

	if (strcmp(text, "none") != 0) {
		encryption.is_shared_bit = strncmp(text, shared, strlen(shared)) == 0;
		if (!parse_dec(text + (encryption.is_shared_bit ? strlen(shared) : 0), &bit) ||
		    bit < PGW_ENCRYPTION_BIT_MIN || bit > PGW_ENCRYPTION_BIT_MAX)
			return false;
		encryption.bit = (uint8_t)bit;
	}
	opts->encryption = encryption;
	return true;
}

static bool option_kernel(struct options *opts, const char *text)
{
	opts->kernel = text;
	return *text != '\0';
}

static bool option_vmcoreinfo(struct options *opts, const char *text)
{
	opts->vmcoreinfo = text;
	return *text != '\0';
}

/* NAME=VALUE. The name is cut off in argv, which may be written to. */
static bool option_register(struct options *opts, const char *text)
{
	const char *equals = strchr(text, '=');
	struct pgw_register_value given = { .name = text };

	if (!equals || equals == text || opts->nr_registers == OPTIONS_MAX_REGISTERS ||
	    !parse_hex(equals + 1, &given.value))
		return false;
	*(char *)(uintptr_t)equals = '\0';
	opts->registers[opts->nr_registers++] = given;
	return true;
}

static bool option_max_pause(struct options *opts, const char *text)
{
	return parse_dec(text, &opts->max_pause_ms) && opts->max_pause_ms &&
	       opts->max_pause_ms <= UINT32_MAX;
}

/* Without a file: the kernel's own. */
static bool option_symbols(struct options *opts, const char *text)
{
	opts->symbols = text;
	return !text || *text;
}

static bool option_region(struct options *opts, const char *text)
{
	opts->region = text;
	return *text != '\0';
}

static bool option_output(struct options *opts, const char *text)
{
	opts->output = text;
	return *text != '\0';
}

static bool option_watch(struct options *opts, const char *text)
{
	return parse_dec(text, &opts->watch_seconds) && opts->watch_seconds &&
	       opts->watch_seconds <= UINT32_MAX;
}

static bool option_watch_count(struct options *opts, const char *text)
{
	return parse_dec(text, &opts->watch_count) && opts->watch_count;
}

static bool option_vm(struct options *opts, const char *text)
{
	uint64_t id;

	if (!parse_dec(text, &id) || id > UINT32_MAX)
		return false;
	opts->foreign_id = (uint32_t)id;
	return true;
}

static bool option_device(struct options *opts, const char *text)
{
	return parse_device(text, &opts->foreign_id, &opts->is_stream);
}

static bool option_root(struct options *opts, const char *text)
{
	opts->root_name = NULL;
	if (text[0] == '@') {
		opts->root = ROOT_PA;
		opts->root_name = text;
		return text[1] != '\0';
	}
	if (strncmp(text, "cpu", 3) == 0) {
		opts->root = ROOT_CPU;
		return parse_dec(text + 3, &opts->root_value) && opts->root_value <= UINT32_MAX;
	}
	if (strcmp(text, "kernel") == 0) {
		opts->root = ROOT_KERNEL;
		return true;
	}
	opts->root = ROOT_PA;
	return parse_hex(text, &opts->root_value);
}

/* The index of text in a list that NULL ends, or -1. */
static int option_choice(const char *text, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		if (strcmp(text, choices[i]) == 0)
			return i;
	return -1;
}

static const char *const half_words[] = { "user", "kernel", "both", NULL };

static bool option_half(struct options *opts, const char *text)
{
	int choice = option_choice(text, half_words);

	_Static_assert(PGW_REGION_USER == 0 && PGW_REGION_KERNEL == 1, "in the order of the names");
	if (choice >= 0)
		opts->halves = (unsigned)choice + 1;
	return choice >= 0;
}

static const char *format_word(size_t index)
{
	const struct pgw_format *format = pgw_format_at(index);

	return format ? pgw_format_name(format) : NULL;
}

static bool option_format(struct options *opts, const char *text)
{
	opts->format = parse_format(text, &opts->va_bits);
	return opts->format != NULL;
}

static bool option_mair(struct options *opts, const char *text)
{
	return parse_hex(text, &opts->mair);
}

static const char *tags_word(size_t index)
{
	return index ? tags_list[index - 1].name : "auto";
}

static bool option_tags(struct options *opts, const char *text)
{
	opts->tags = NULL;
	if (strcmp(text, "auto") == 0)
		return true;
	opts->tags = tags_list;
	while (opts->tags->name && strcmp(text, opts->tags->name) != 0)
		opts->tags++;
	return opts->tags->name != NULL;
}

static bool option_range(struct options *opts, const char *text)
{
	opts->range_name = strchr(text, '@') ? text : NULL;
	return opts->range_name || parse_range(text, &opts->first, &opts->last);
}

static bool option_perm(struct options *opts, const char *text)
{
	return parse_rights(text, &opts->rights);
}

static bool option_level(struct options *opts, const char *text)
{
	return parse_levels(text, &opts->levels);
}

static bool option_pa(struct options *opts, const char *text)
{
	return parse_range(text, &opts->pa_first, &opts->pa_last);
}

static bool option_pid(struct options *opts, const char *text)
{
	uint64_t pid;

	if (!parse_dec(text, &pid) || pid > UINT32_MAX)
		return false;
	opts->pid = (uint32_t)pid;
	return true;
}

static const char *rule_word(size_t index)
{
	return index < _PGW_AUDIT_RULE_MAX ? pgw_audit_rule_info((enum pgw_audit_rule)index)->id
					   : NULL;
}

/* RULE or RULE,RULE,... */
static bool option_rule(struct options *opts, const char *text)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		int rule = audit_rule_by_id(text, len);

		if (rule < 0)
			return false;
		opts->rules |= UINT64_C(1) << rule;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static bool option_policy(struct options *opts, const char *text)
{
	opts->policy = text;
	return *text != '\0';
}

static bool option_baseline(struct options *opts, const char *text)
{
	opts->baseline = text;
	return *text != '\0';
}

static bool option_write_baseline(struct options *opts, const char *text)
{
	opts->write_baseline = text;
	return *text != '\0';
}

static const char *const style_words[] = {
	[STYLE_RANGES] = "ranges", [STYLE_PTDUMP] = "ptdump", NULL
};

static bool option_style(struct options *opts, const char *text)
{
	int choice = option_choice(text, style_words);

	if (choice >= 0)
		opts->style = (enum dump_style)choice;
	return choice >= 0;
}

static bool option_markers(struct options *opts, const char *text)
{
	opts->markers = text;
	return true;
}

static bool option_index(struct options *opts, const char *text)
{
	opts->index = text;
	return *text != '\0';
}

static bool option_budget(struct options *opts, const char *text)
{
	if (strcmp(text, "none") == 0) {
		opts->budget = UINT64_MAX;
		return true;
	}
	return parse_dec(text, &opts->budget) && opts->budget > 0;
}

static bool option_cpu(struct options *opts, const char *text)
{
	uint64_t cpu;

	if (!parse_dec(text, &cpu) || cpu > UINT32_MAX)
		return false;
	opts->cpu = (unsigned)cpu;
	return true;
}

static const char *const form_words[] = {
	[PGW_IMAGE_ELF_CORE] = "elf", [PGW_IMAGE_LIME] = "lime", [PGW_IMAGE_RAW] = "raw", NULL
};

static bool option_form(struct options *opts, const char *text)
{
	int choice = option_choice(text, form_words);

	if (choice >= 0)
		opts->form = (enum pgw_image_form)choice;
	return choice >= 0;
}

static const char *const export_words[] = { [EXPORT_CSV] = "csv", [EXPORT_JSONL] = "jsonl",
					    [EXPORT_AVRO] = "avro", [EXPORT_SQLITE] = "sqlite", NULL };

static bool option_export_format(struct options *opts, const char *text)
{
	int choice = option_choice(text, export_words);

	if (choice >= 0)
		opts->export_format = (enum export_choice)choice;
	return choice >= 0;
}

static const char *table_word(size_t index)
{
	return sql_tables[index].name;
}

/* TABLE or TABLE,TABLE,... */
static bool option_tables(struct options *opts, const char *text)
{
	for (;;) {
		size_t len = strcspn(text, ","), i = 0;

		while (sql_tables[i].name && (strlen(sql_tables[i].name) != len ||
					      strncmp(sql_tables[i].name, text, len) != 0))
			i++;
		if (!sql_tables[i].name)
			return false;
		opts->tables |= UINT64_C(1) << i;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static bool option_machine(struct options *opts, const char *text)
{
	opts->machine = text;
	return *text != '\0';
}

static const char *const pages_words[] = { [PAGES_ALL] = "all", [PAGES_TABLES] = "tables", NULL };

static bool option_pages(struct options *opts, const char *text)
{
	int choice = option_choice(text, pages_words);

	if (choice >= 0)
		opts->pages = (enum pages_choice)choice;
	return choice >= 0;
}

static const char *const color_words[] = {
	[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL
};

static bool option_color(struct options *opts, const char *text)
{
	int choice = option_choice(text, color_words);

	if (choice >= 0)
		opts->color = (enum color_choice)choice;
	return choice >= 0;
}

/** An option; without a value, that it was given is all. */
struct option_spec {
	const char *name;
	const char *value;   /**< what help calls the value, or NULL */
	const char *expects; /**< "--name: 'text' is not ..." */
	const char *help;    /**< lines after the first begin in column 22 */
	bool (*parse)(struct options *opts, const char *text);
};

#define HELP_COLUMN 22
#define HELP_NEXT "\n                      "

static const struct option_spec option_specs[] = {
	[OPT_RAM] = { "ram", "PA=FILE[@OFFSET[+SIZE]]",
		      "a hexadecimal address, = and a file, at most 64 of them",
		      "instead of IMAGE: FILE holds memory from this physical" HELP_NEXT
		      "address on, byte for byte, or the part of it from byte" HELP_NEXT
		      "OFFSET on does (hexadecimal; SIZE also as 64K, 2M, 1G);" HELP_NEXT
		      "may be given several times",
		      option_ram },
	[OPT_PART] = { "part", "FILE", "one of at most 64 files",
		       "another part of a split dump (makedumpfile --split), of" HELP_NEXT
		       "which IMAGE is one; may be given several times (default:" HELP_NEXT
		       "files whose names differ in the last number alone)",
		       option_part },
	[OPT_UNPACK_MAX] = { "unpack-max", "SIZE", "a size like 4G",
			     "let a packed file, or a pipe, come to at most so many" HELP_NEXT
			     "bytes in its temporary file, as 64M, 4G (default: 1T)",
			     option_unpack_max },
	[OPT_ZERO_FILL] = { "zero-fill", NULL, NULL,
			    "memory that segments of an ELF core claim and do not" HELP_NEXT
			    "hold reads as zeroes: makedumpfile -E leaves it out so",
			    NULL },
	[OPT_SHIFT] = { "shift", "BYTES", "a number of bytes, or one after -",
			"read an ELF core's memory so many bytes behind where its" HELP_NEXT
			"headers say, or with - before (default: as its notes and" HELP_NEXT
			"the file's size agree; 0: where the headers say)",
			option_shift },
	[OPT_ENCRYPTION] = { "encryption-bit", "BIT", "a bit from 32 to 51, shared:BIT or none",
			     "x86_64: the bit of an entry that says that memory is" HELP_NEXT
			     "encrypted (AMD's C-bit), or shared:BIT that it is not" HELP_NEXT
			     "(TDX); or none (default: it is looked for)",
			     option_encryption },
	[OPT_KERNEL] = { "kernel", "KERNEL", "a kernel's number or release",
			 "of several kernels in the image, this one: its number as" HELP_NEXT
			 "roots has it, or its release (default: 1)",
			 option_kernel },
	[OPT_VMCOREINFO] = { "vmcoreinfo", "FILE", "a file",
			     "believe this VMCOREINFO: KEY=VALUE lines, or the ELF note" HELP_NEXT
			     "that has them",
			     option_vmcoreinfo },
	[OPT_REGISTER] = { "register", "NAME=VALUE",
			   "a register, = and a hexadecimal number, at most 64 of them",
			   "a register of the CPU that the image lacks, in hexadecimal" HELP_NEXT
			   "(info lists which, and who prints them); may be given" HELP_NEXT
			   "several times",
			   option_register },
	[OPT_CONSISTENT] = { "consistent", NULL, NULL,
			     "of a machine that runs: stop it, copy the tables, let it" HELP_NEXT
			     "run again, so that all is of one moment",
			     NULL },
	[OPT_MAX_PAUSE] = { "max-pause", "MS", "a number of milliseconds above 0",
			    "give up rather than stop a machine for longer", option_max_pause },
	[OPT_WATCH] = { "watch", "SECONDS", "a number of seconds above 0",
			"ask again every so many seconds, and print what changed;" HELP_NEXT
			"SIGINT (Ctrl-C) ends it",
			option_watch },
	[OPT_WATCH_COUNT] = { "watch-count", "N", "a number above 0",
			      "with --watch: ask so many times", option_watch_count },
	[OPT_NO_SANDBOX] = { "no-sandbox", NULL, NULL,
			     "keep all rights of the process while files are read", NULL },
	[OPT_ROOT] = { "root", "ROOT",
		       "kernel, cpuN, @NAME or a hexadecimal address",
		       "the root to start from: its physical address, cpuN for" HELP_NEXT
		       "the one CPU N runs on, @NAME for what the kernel calls" HELP_NEXT
		       "so, or kernel for the kernel's own (the default)",
		       option_root },
	[OPT_VM] = { "vm", "N", "a number",
		     "the Nth virtual machine, as devices lists them: the guest" HELP_NEXT
		     "inside; of dump and translate its host's tables for it," HELP_NEXT
		     "unless --root or --pid says which of the guest's",
		     option_vm },
	[OPT_DEVICE] = { "device", "ID", "a device as 00:02.0, or a stream id as 0x10",
			 "the root of a device behind an IOMMU: 00:02.0, or the" HELP_NEXT
			 "stream id of an SMMU as 0x10",
			 option_device },
	[OPT_HALF] = { "half", "HALF", "user, kernel or both",
		       "user, kernel or both; for a root of one half, which" HELP_NEXT
		       "(default: see the manual)",
		       option_half },
	[OPT_FORMAT] = { "format", "NAME", "a format that is known, or one with :BITS",
			 "read the tables as this format, e.g. x86_64-la57;" HELP_NEXT
			 "NAME:BITS: addresses have so many bits",
			 option_format },
	[OPT_MAIR] = { "mair", "VALUE", "a hexadecimal number of at most 16 digits",
		       "arm64: MAIR_EL1, which says what memory types mean" HELP_NEXT
		       "(default: Linux's, by its release and by what is memory)",
		       option_mair },
	[OPT_TAGS] = { "tags", "TAGS", "auto, none, tbi, lam48, lam57, pmlen7 or pmlen16",
		       "the tag that addresses may have: auto (default: what the" HELP_NEXT
		       "CPU's notes tell, on arm64 tbi), none, tbi (arm64), lam48" HELP_NEXT
		       "or lam57 (x86_64), pmlen7 or pmlen16 (riscv64)",
		       option_tags },
	[OPT_RANGE] = { "range", "RANGE", "FIRST-LAST or FIRST+SIZE, in hexadecimal",
			"only these virtual addresses: FIRST-LAST, inclusive, or" HELP_NEXT
			"FIRST+SIZE; hexadecimal, SIZE also as 64K, 2M, 1G, the" HELP_NEXT
			"addresses also @NAME (see pagewalk symbols)",
			option_range },
	[OPT_PERM] = { "perm", "PERM", "a list like k:wx,u:!r",
		       "only leaves with these rights: k:wx = the kernel may write" HELP_NEXT
		       "and execute, u:r!w = users may read but not write," HELP_NEXT
		       "ku:x = both may execute; a list must hold as a whole",
		       option_perm },
	[OPT_LEVEL] = { "level", "LIST", "a list of 0 to 5, pte to pgd, or sizes like 2M",
			"only leaves of these levels: 0 to 5, pte, pmd, pud, p4d," HELP_NEXT
			"pgd, or sizes as 4K,2M,1G",
			option_level },
	[OPT_PA] = { "pa", "RANGE", "FIRST-LAST or FIRST+SIZE, in hexadecimal",
		     "only leaves that map these physical addresses", option_pa },
	[OPT_LEAVES] = { "leaves", NULL, NULL, "one leaf a line, not merged", NULL },
	[OPT_ABSENT] = { "absent", NULL, NULL,
			 "also what is absent but says something, told as Linux" HELP_NEXT
			 "keeps it: PROT_NONE, swap, migration, markers, ...; --pa" HELP_NEXT
			 "finds it by its page, --perm leaves it out",
			 NULL },
	[OPT_NO_FOLD] = { "no-fold", NULL, NULL, "print what repeats each time, not once", NULL },
	[OPT_THREADS] = { "threads", NULL, NULL, "each thread, not each process", NULL },
	[OPT_PID] = { "pid", "PID", "a process's number",
		      "the process with this number (ps lists them), or of one of" HELP_NEXT
		      "its threads",
		      option_pid },
	[OPT_SMAPS] = { "smaps", NULL, NULL,
			"behind each area its size, what is mapped of it, what is" HELP_NEXT
			"swapped out, by its tables, as in /proc/PID/smaps",
			NULL },
	[OPT_STYLE] = { "style", "STYLE", "ranges or ptdump",
			"ranges (default), or ptdump: merged and printed as Linux's" HELP_NEXT
			"own page-table dump does",
			option_style },
	[OPT_MARKERS] = { "markers", "FILE", NULL,
			  "the banners of --style ptdump: lines ADDRESS [LINES] NAME" HELP_NEXT
			  "(default: the kernel's own table, found in the image)",
			  option_markers },
	[OPT_BUDGET] = { "budget", "N", "a number above 0, or none",
			 "visit at most N tables and print at most N lines in each" HELP_NEXT
			 "half (default: 67108864; none: as many as there are)",
			 option_budget },
	[OPT_RULE] = { "rule", "RULE[,RULE]", "a rule, or several with commas",
		       "these rules alone; the manual page lists them", option_rule },
	[OPT_POLICY] = { "policy", "FILE", "a file", "levels of rules and what is allowed, in JSON",
			 option_policy },
	[OPT_BASELINE] = { "baseline", "FILE", "a file",
			   "findings that are known: only others give status 1", option_baseline },
	[OPT_WRITE_BASELINE] = { "write-baseline", "FILE", "a file",
				 "write such a file of all that was found", option_write_baseline },
	[OPT_SARIF] = { "sarif", NULL, NULL, "SARIF 2.1.0 instead of text", NULL },
	[OPT_CPU] = { "cpu", "N", "the number of a CPU",
		      "nothing but per-CPU variables, each at the address" HELP_NEXT
		      "where this CPU has its own",
		      option_cpu },
	[OPT_SYMBOLS] = { "symbols", "FILE", "a file",
			  "name addresses of the kernel: by its own table of names," HELP_NEXT
			  "or by FILE, a System.map or a vmlinux",
			  option_symbols },
	[OPT_INDEX] = { "index", "FILE", "a file",
			"look into this index, which is made if it is not there;" HELP_NEXT
			"one of another image is refused, or made anew with --force",
			option_index },
	[OPT_OWNERS] = { "owners", NULL, NULL,
			 "say whose each root is: a process's, an mm's that no" HELP_NEXT
			 "process has, a table of the kernel's image",
			 NULL },
	[OPT_REGIONS] = { "regions", NULL, NULL,
			  "say what the kernel uses addresses for: direct-map," HELP_NEXT
			  "vmalloc-area with its caller, module, text, ...",
			  NULL },
	[OPT_REGION] = { "region", "NAME", "a name of a region",
			 "only addresses that the kernel uses for this, as modules" HELP_NEXT
			 "(see the manual); a detail may follow, as 'percpu cpu1'",
			 option_region },
	[OPT_FORM] = { "format", "FORM", "elf, lime or raw",
		       "elf (default), lime, or raw, which puts a map beside NEW", option_form },
	[OPT_PAGES] = { "pages", "PAGES", "tables or all",
			"all (default): all memory that can be read; tables: what" HELP_NEXT
			"trim keeps",
			option_pages },
	[OPT_PAGE_STRUCTS] = { "pages", NULL, NULL,
			       "what the kernel keeps of each page that is found: type," HELP_NEXT
			       "flags, references, whose memory it is",
			       NULL },
	[OPT_EXPORT_FORMAT] = { "format", "FORM", "csv, jsonl, avro or sqlite", "csv, jsonl, avro or sqlite",
				option_export_format },
	[OPT_TABLE] = { "table", "TABLE[,TABLE]", "a table of sql, or several with commas",
			"these tables alone (default: all but leaves)", option_tables },
	[OPT_MACHINE] = { "machine", "NAME", "a name",
			  "whose image it is (default: the file's name)", option_machine },
	[OPT_OUTPUT] = { "output", "FILE", "a file",
			 "write it to FILE, also -o FILE; nothing that is there is" HELP_NEXT
			 "replaced without --force",
			 option_output },
	[OPT_FORCE] = { "force", NULL, NULL, "replace the file that is there", NULL },
	[OPT_JSON] = { "json", NULL, NULL, "JSON Lines; the last record is a summary", NULL },
	[OPT_COLOR] = { "color", "WHEN", "auto, always or never", "auto (default), always or never",
			option_color },
	[OPT_HELP] = { "help", NULL, NULL, "print this and end", NULL },
};

/* --name or --name=VALUE; parse() gets NULL without one. */
static bool is_value_optional(const struct option_spec *spec)
{
	return spec == &option_specs[OPT_SYMBOLS];
}

/* getopt's table of the options that a command has; getopt returns their id plus 1. */
static void option_table(const struct command *command, struct option *table)
{
	for (int id = 0; id < _OPT_MAX; id++) {
		if (!(command->options & OPT_BIT(id)))
			continue;
		*table++ = (struct option){
			.name = option_specs[id].name,
			.has_arg = !option_specs[id].value                ? no_argument
				   : is_value_optional(&option_specs[id]) ? optional_argument
									  : required_argument,
			.val = id + 1,
		};
	}
	*table = (struct option){ 0 };
}

static bool option_take(const struct command *command, struct options *opts, int id,
			const char *text)
{
	const struct option_spec *spec = &option_specs[id];

	opts->given |= OPT_BIT(id);
	if (!spec->parse || spec->parse(opts, text))
		return true;
	message("%s: --%s: '%s' is not %s", command->name, spec->name, text, spec->expects);
	return false;
}

static bool option_refused(const struct command *command, int result, const char *word)
{
	const char letter[] = { '-', (char)optopt, '\0' };

	/* getopt sets optopt to a letter, to the value of a long option, or to 0. */
	if (optopt > _OPT_MAX)
		word = letter;
	message("%s: %s '%s'; see pagewalk %s --help", command->name,
		result == ':' ? "a value is missing after" : "no such option:", word,
		command->name);
	return false;
}

/** What a value can be, if that is one of some words: a list, or who knows them by their index. */
static const struct {
	const char *const *list;
	const char *(*at)(size_t index);
} option_words[_OPT_MAX] = {
	[OPT_HALF].list = half_words,   [OPT_FORMAT].at = format_word,
	[OPT_TAGS].at = tags_word,      [OPT_STYLE].list = style_words,
	[OPT_FORM].list = form_words,   [OPT_PAGES].list = pages_words,
	[OPT_COLOR].list = color_words, [OPT_RULE].at = rule_word,
	[OPT_EXPORT_FORMAT].list = export_words, [OPT_TABLE].at = table_word,
};

struct option_about option_about(enum option_id id)
{
	const struct option_spec *spec = &option_specs[id];

	return (struct option_about){
		.name = spec->name,
		.value = spec->value,
		.help = spec->help,
		.has_file = spec->value && strstr(spec->value, "FILE"),
		.is_many = id == OPT_RAM || id == OPT_PART || id == OPT_REGISTER,
		.is_optional = is_value_optional(spec),
	};
}

const char *option_word(enum option_id id, size_t index)
{
	const char *const *list = option_words[id].list;

	if (option_words[id].at)
		return option_words[id].at(index);
	for (size_t i = 0; list && list[i]; i++) {
		if (i == index)
			return list[i];
	}
	return NULL;
}

static bool option_check_args(const struct command *command, const struct options *opts)
{
	if (opts->nr_args < command->min_args) {
		message("%s: %s; see pagewalk %s --help", command->name,
			opts->nr_args || strncmp(command->args, "IMAGE", 5) != 0
				? "an argument is missing"
				: "no image is given",
			command->name);
		return false;
	}
	if (command->max_args >= 0 && opts->nr_args > command->max_args) {
		message("%s: '%s' is one argument too many", command->name,
			opts->args[command->max_args]);
		return false;
	}
	return true;
}

/* Commands that show a device's tables show a virtual machine's, too. */
static bool option_is_inside(const struct command *command, const struct options *opts)
{
	const uint64_t of_guest = OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_PID);

	return option_given(opts, OPT_VM) &&
	       (!(command->options & OPT_BIT(OPT_DEVICE)) || (opts->given & of_guest));
}

bool options_parse(const struct command *command, int argc, char **argv, struct options *ret)
{
	struct option table[_OPT_MAX + 1];
	const char *letters = command->options & OPT_BIT(OPT_OUTPUT) ? ":ho:" : ":h";
	struct options opts = { .last = UINT64_MAX };
	int result;

	option_table(command, table);
	opterr = 0;
	while ((result = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		if (result == ':' || result == '?')
			return option_refused(command, result, argv[optind - 1]);
		if (!option_take(command, &opts,
				 result == 'h'   ? OPT_HELP
				 : result == 'o' ? OPT_OUTPUT
						 : result - 1,
				 optarg))
			return false;
	}
	opts.is_inside = option_is_inside(command, &opts);
	opts.args = (const char *const *)argv + optind;
	opts.nr_args = argc - optind;
	if (opts.nr_ram) {
		/* In front of the arguments is at least --ram, whose place its file takes. */
		argv[optind - 1] = (char *)(uintptr_t)opts.ram[0].path;
		opts.args--;
		opts.nr_args++;
	}
	if (!option_given(&opts, OPT_HELP) && !option_check_args(command, &opts))
		return false;
	*ret = opts;
	return true;
}

static void option_help(const struct option_spec *spec, struct out *out)
{
	size_t width = 4 + strlen(spec->name);

	out_str(out, "  --");
	out_str(out, spec->name);
	if (spec->value) {
		out_str(out, is_value_optional(spec) ? "[=" : " ");
		out_str(out, spec->value);
		out_str(out, is_value_optional(spec) ? "]" : "");
		width += (is_value_optional(spec) ? 3 : 1) + strlen(spec->value);
	}
	if (width >= HELP_COLUMN) {
		out_char(out, '\n');
		width = 0;
	}
	out_spaces(out, HELP_COLUMN - width);
	out_str(out, spec->help);
	out_char(out, '\n');
}

void options_help(const struct command *command, struct out *out)
{
	out_str(out, "Usage: pagewalk ");
	out_str(out, command->name);
	out_str(out, " [OPTION]... ");
	out_str(out, command->args);
	out_str(out, "\n\n");
	out_str(out, command->description);
	out_str(out, "\nOptions:\n");
	for (int id = 0; id < _OPT_MAX; id++)
		if (command->options & OPT_BIT(id))
			option_help(&option_specs[id], out);
	out_str(out, "\nExamples:\n");
	out_str(out, command->examples);
}

bool options_color(const struct options *opts, int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (opts->color != COLOR_AUTO)
		return opts->color == COLOR_ALWAYS;
	if (no_color && *no_color)
		return false;
	return isatty(fd) && term && strcmp(term, "dumb") != 0;
}
