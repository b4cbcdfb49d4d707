/* SPDX-License-Identifier: BSD-2-Clause */
#include "names.h"

#include <inttypes.h>
#include <string.h>

#include "parse.h"

#define NAME_MAX_LEN 1024

bool names_is_name(const char *text)
{
	return text[0] == '@' && text[1];
}

int names_check(const struct options *opts)
{
	if (!option_given(opts, OPT_SYMBOLS) || opts->symbols)
		return TOOL_DONE;
	message("--symbols: a file is missing: --symbols=FILE, a System.map or a vmlinux");
	return TOOL_USAGE;
}

int names_get(struct target *target, const struct pgw_symbols **ret)
{
	struct pgw_error err = { 0 };

	if (pgw_image_symbols(target->image, ret, &err) == 0)
		return TOOL_DONE;
	return message_error(target->file, &err);
}

const struct pgw_modules *names_modules(struct target *target, struct pgw_error *err)
{
	if (!target->modules && pgw_modules_open(target->image, &target->modules, err) < 0)
		return NULL;
	return target->modules;
}

int names_for_report(struct target *target, struct report *report)
{
	struct pgw_error err = { 0 };
	int status = names_get(target, &report->symbols);

	if (status != TOOL_DONE)
		return status;
	report->names = names_source(pgw_symbols_get_info(report->symbols));
	report->modules = names_modules(target, &err);
	return TOOL_DONE;
}

const char *names_source(const struct pgw_symbols_info *info)
{
	static const char *const names[_PGW_SYMBOLS_SOURCE_MAX] = {
		[PGW_SYMBOLS_VMCOREINFO] = "kallsyms-vmcoreinfo",
		[PGW_SYMBOLS_MEMORY] = "kallsyms-memory",
		[PGW_SYMBOLS_SYSTEM_MAP] = "system-map",
		[PGW_SYMBOLS_ELF] = "elf",
	};

	return names[info->source];
}

/* What is behind the name: +OFFSET, then :cpuN. */
struct suffix {
	uint64_t offset;
	uint64_t cpu;
	bool has_cpu;
};

/* Cut it off from the name. */
static bool suffix_take(char *name, struct suffix *ret)
{
	char *cpu = strstr(name, ":cpu"), *plus;

	*ret = (struct suffix){ .has_cpu = cpu != NULL };
	if (cpu) {
		*cpu = '\0';
		if (!parse_dec(cpu + 4, &ret->cpu) || ret->cpu > UINT32_MAX)
			return false;
	}
	plus = strrchr(name, '+');
	if (!plus)
		return true;
	*plus = '\0';
	return parse_hex(plus + 1, &ret->offset);
}

static int fail_cpu(const struct target *target, const char *text, int err)
{
	message("%s: '%s': %s", target->file, text,
		err == -PGW_EINVAL ? "it is no per-CPU variable"
				   : "the image does not tell where that CPU has it");
	return TOOL_USAGE;
}

int names_address(struct target *target, const char *text, uint64_t *ret)
{
	const struct pgw_symbols *symbols;
	char name[NAME_MAX_LEN];
	struct pgw_symbol symbol;
	struct suffix suffix;
	int status, err;

	if (strlen(text) >= sizeof(name)) {
		message("'%s' is too long for a name", text);
		return TOOL_USAGE;
	}
	strcpy(name, text + 1);
	if (!suffix_take(name, &suffix)) {
		message("'%s' is not @NAME[+OFFSET][:cpuN], with OFFSET in hexadecimal", text);
		return TOOL_USAGE;
	}
	status = names_get(target, &symbols);
	if (status != TOOL_DONE)
		return status;
	if (!pgw_symbols_find(symbols, name, &symbol)) {
		message("%s: it has no symbol '%s' (names: %s)", target->file, name,
			names_source(pgw_symbols_get_info(symbols)));
		return TOOL_USAGE;
	}
	if (suffix.has_cpu) {
		err = pgw_symbols_percpu(target->image, &symbol, (unsigned)suffix.cpu, &symbol.va);
		if (err)
			return fail_cpu(target, text, err);
	}
	*ret = symbol.va + suffix.offset;
	return TOOL_DONE;
}

static int fail_range(const char *text)
{
	message("--range: '%s' is not FIRST-LAST or FIRST+SIZE, with names as @NAME", text);
	return TOOL_USAGE;
}

/* A name, or hexadecimal. */
static int address_take(struct target *target, const char *text, uint64_t *ret)
{
	if (names_is_name(text))
		return names_address(target, text, ret);
	return parse_hex(text, ret) ? TOOL_DONE : fail_range(text);
}

/* FIRST-LAST, each perhaps @NAME[+OFFSET][:cpuN], or @NAME[:cpuN]+SIZE. */
static int range_take(struct target *target, const char *text, uint64_t *ret_first,
		      uint64_t *ret_last)
{
	char first[NAME_MAX_LEN], *end;
	uint64_t size = 1;
	int status;

	if (strlen(text) >= sizeof(first))
		return fail_range("...");
	strcpy(first, text);
	end = strchr(first, '-');
	if (end) {
		*end++ = '\0';
		status = address_take(target, first, ret_first);
		if (status == TOOL_DONE)
			status = address_take(target, end, ret_last);
		if (status == TOOL_DONE && *ret_last < *ret_first)
			return fail_range(text);
		return status;
	}
	end = strrchr(first, '+');
	if (!end || !parse_size(end + 1, &size))
		return fail_range(text);
	*end = '\0';
	status = address_take(target, first, ret_first);
	if (status == TOOL_DONE && __builtin_add_overflow(*ret_first, size - 1, ret_last))
		return fail_range(text);
	return status;
}

int names_range(struct target *target, struct options *opts)
{
	return opts->range_name ? range_take(target, opts->range_name, &opts->first, &opts->last)
				: TOOL_DONE;
}

int names_root(struct target *target, const char *text, uint64_t *ret)
{
	uint64_t va;
	int status = names_address(target, text, &va);

	if (status != TOOL_DONE || pgw_image_kernel_pa(target->image, va, ret) == 0)
		return status;
	message("%s: --root %s: the kernel does not map 0x%016" PRIx64, target->file, text, va);
	return TOOL_USAGE;
}
