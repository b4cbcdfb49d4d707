/* SPDX-License-Identifier: BSD-2-Clause */
#include <fnmatch.h>
#include <string.h>

#include "command.h"
#include "names.h"
#include "report/record.h"

static const char *layout_name(enum pgw_symbols_layout layout)
{
	static const char *const names[] = {
		[PGW_SYMBOLS_ABSOLUTE] = "absolute",
		[PGW_SYMBOLS_BASE_RELATIVE] = "base-relative",
		[PGW_SYMBOLS_BASE_PERCPU] = "base-relative-percpu",
		[PGW_SYMBOLS_PLACE_RELATIVE] = "place-relative",
	};

	return names[layout];
}

/* As the kernel prints /proc/kallsyms. */
static void symbol_text(struct out *out, const struct pgw_symbol *symbol)
{
	char digits[OUT_HEX];

	out_hex_at(digits, symbol->va);
	out_bytes(out, digits + 2, OUT_HEX - 2);
	out_char(out, ' ');
	out_char(out, symbol->letter);
	out_char(out, ' ');
	out_untrusted(out, symbol->name, strlen(symbol->name));
	out_char(out, '\n');
}

static void symbol_json(struct record *record, const struct pgw_symbol *symbol)
{
	const char letter[] = { symbol->letter, '\0' };

	record_begin(record, "symbol");
	record_hex(record, "va", symbol->va);
	record_str(record, "letter", letter);
	record_untrusted(record, "name", symbol->name, strlen(symbol->name));
	record_bool(record, "percpu_offset", symbol->is_offset);
	record_end(record);
}

/* With --cpu: nothing but per-CPU variables, each where that CPU has its own. */
static bool symbol_choose(struct target *target, const struct options *opts,
			  struct pgw_symbol *symbol)
{
	const char *pattern = opts->nr_args > 1 ? opts->args[1] : NULL;

	if (pattern && fnmatch(pattern, symbol->name, 0) != 0)
		return false;
	if (!option_given(opts, OPT_CPU))
		return true;
	if (pgw_symbols_percpu(target->image, symbol, opts->cpu, &symbol->va))
		return false;
	symbol->is_offset = false;
	return true;
}

static int symbols_report(struct target *target, const struct options *opts, struct out *out,
			  void *arg)
{
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;
	struct record record;
	uint64_t nr = 0;
	int status = names_check(opts);

	if (status == TOOL_DONE)
		status = names_get(target, &symbols);

	(void)arg;
	if (status != TOOL_DONE)
		return status;
	record_init(&record, out, option_given(opts, OPT_JSON));
	for (size_t i = 0; pgw_symbols_get(symbols, i, &symbol) && !out_failed(out); i++) {
		if (!symbol_choose(target, opts, &symbol))
			continue;
		nr++;
		if (record.is_json)
			symbol_json(&record, &symbol);
		else
			symbol_text(out, &symbol);
	}
	record_begin_summary(&record);
	record_dec(&record, "listed", nr);
	record_dec(&record, "symbols", pgw_symbols_get_info(symbols)->nr_symbols);
	record_str(&record, "source", names_source(pgw_symbols_get_info(symbols)));
	record_str(&record, "layout", layout_name(pgw_symbols_get_info(symbols)->layout));
	if (pgw_symbols_get_info(symbols)->slide)
		record_hex(&record, "slide", pgw_symbols_get_info(symbols)->slide);
	record_bool(&record, "functions_only", pgw_symbols_get_info(symbols)->lacks_data);
	record_bool(&record, "placement_guessed", report_is_guess(target->image));
	record_end(&record);
	return nr ? TOOL_DONE : TOOL_FINDING;
}

static int symbols_run(const struct options *opts)
{
	const struct target_job job = { .holding = HOLD_NEVER, .report = symbols_report };

	return target_run(opts, &job);
}

const struct command cmd_symbols = {
	.name = "symbols",
	.args = "IMAGE [PATTERN]",
	.summary = "the names that the kernel in an image gives its addresses",
	.description =
		"Prints address, type and name of each of the Linux kernel's symbols, as its own\n"
		"/proc/kallsyms does; with PATTERN, which may have *, ? and [...], those that it\n"
		"matches as a whole. They are read from the image itself. The last line, after\n"
		"#, sums up and says how they were found. Status 1: nothing was listed.\n",
	.examples = "  pagewalk symbols vmcore 'init_*'\n"
		    "  pagewalk symbols --cpu 1 vmcore runqueues   where CPU 1 has its own\n"
		    "  pagewalk translate vmcore @init_task        what a name's address maps to\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_CPU) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 2,
	.run = symbols_run,
};
