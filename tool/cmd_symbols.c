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

/** One run of the command. */
struct list {
	struct target *target;
	const struct options *opts;
	struct out *out;
	struct record record;
	uint64_t nr; /* of symbols that were printed */
};

/* As the kernel prints /proc/kallsyms. */
static void symbol_text(struct out *out, const struct pgw_symbol *symbol, const char *module)
{
	char digits[OUT_HEX];

	out_hex_at(digits, symbol->va);
	out_bytes(out, digits + 2, OUT_HEX - 2);
	out_char(out, ' ');
	out_char(out, symbol->letter);
	out_char(out, ' ');
	out_untrusted(out, symbol->name, strlen(symbol->name));
	if (module) {
		out_str(out, "\t[");
		out_untrusted(out, module, strlen(module));
		out_char(out, ']');
	}
	out_char(out, '\n');
}

static void symbol_json(struct record *record, const struct pgw_symbol *symbol, const char *module)
{
	const char letter[] = { symbol->letter, '\0' };

	record_begin(record, "symbol");
	record_hex(record, "va", symbol->va);
	record_str(record, "letter", letter);
	record_untrusted(record, "name", symbol->name, strlen(symbol->name));
	record_bool(record, "percpu_offset", symbol->is_offset);
	if (module)
		record_untrusted(record, "module", module, strlen(module));
	record_end(record);
}

/* With --cpu: nothing but per-CPU variables, each where that CPU has its own. */
static bool symbol_choose(const struct list *list, struct pgw_symbol *symbol)
{
	const struct options *opts = list->opts;
	const char *pattern = opts->nr_args > 1 ? opts->args[1] : NULL;

	if (pattern && fnmatch(pattern, symbol->name, 0) != 0)
		return false;
	if (!option_given(opts, OPT_CPU))
		return true;
	if (pgw_symbols_percpu(list->target->image, symbol, opts->cpu, &symbol->va))
		return false;
	symbol->is_offset = false;
	return true;
}

static void symbol_list(struct list *list, struct pgw_symbol symbol, const char *module)
{
	if (!symbol_choose(list, &symbol))
		return;
	list->nr++;
	if (list->record.is_json)
		symbol_json(&list->record, &symbol, module);
	else
		symbol_text(list->out, &symbol, module);
}

static void modules_list(struct list *list, const struct pgw_modules *modules)
{
	size_t nr;
	const struct pgw_module *module = pgw_modules_list(modules, &nr);

	for (; nr; nr--, module++) {
		for (size_t i = 0; i < module->nr_symbols && !out_failed(list->out); i++)
			symbol_list(list, module->symbols[i], module->name);
	}
}

/* How many modules there are, or why none are known. @return does all hold together? */
static bool modules_summary(struct record *record, const struct pgw_modules *modules,
			    const struct pgw_error *err)
{
	const struct pgw_modules_met *met;
	size_t nr;

	if (!modules) {
		record_str(record, "no_modules",
			   err->expected ? err->expected : pgw_status_text(err->status));
		return true;
	}
	pgw_modules_list(modules, &nr);
	met = pgw_modules_get_met(modules);
	record_dec(record, "modules", nr);
	if (met->nr_torn)
		record_dec(record, "torn", met->nr_torn);
	if (met->nr_unreadable)
		record_dec(record, "unreadable", met->nr_unreadable);
	record_bool(record, "truncated", met->truncated);
	return !met->nr_torn && !met->nr_unreadable && !met->truncated;
}

static bool symbols_summary(struct list *list, const struct pgw_symbols_info *info,
			    const struct pgw_modules *modules, const struct pgw_error *err)
{
	struct record *record = &list->record;
	bool is_whole;

	record_begin_summary(record);
	record_dec(record, "listed", list->nr);
	record_dec(record, "symbols", info->nr_symbols);
	record_str(record, "source", names_source(info));
	record_str(record, "layout", layout_name(info->layout));
	if (info->slide)
		record_hex(record, "slide", info->slide);
	record_bool(record, "functions_only", info->lacks_data);
	if (info->nr_exported)
		record_dec(record, "exported", info->nr_exported);
	is_whole = modules_summary(record, modules, err);
	record_bool(record, "placement_guessed", report_is_guess(list->target->image));
	record_end(record);
	return is_whole;
}

static int symbols_report(struct target *target, const struct options *opts, struct out *out,
			  void *arg)
{
	struct list list = { .target = target, .opts = opts, .out = out };
	const struct pgw_modules *modules;
	const struct pgw_symbols *symbols;
	struct pgw_error err = { 0 };
	struct pgw_symbol symbol;
	int status = names_check(opts);
	bool is_whole;

	(void)arg;
	if (status == TOOL_DONE)
		status = names_get(target, &symbols);
	if (status != TOOL_DONE)
		return status;
	record_init(&list.record, out, option_given(opts, OPT_JSON));
	for (size_t i = 0; pgw_symbols_get(symbols, i, &symbol) && !out_failed(out); i++)
		symbol_list(&list, symbol, NULL);
	modules = names_modules(target, &err);
	if (modules && !option_given(opts, OPT_CPU))
		modules_list(&list, modules);
	is_whole = symbols_summary(&list, pgw_symbols_get_info(symbols), modules, &err);
	return list.nr && is_whole ? TOOL_DONE : TOOL_FINDING;
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
