/* SPDX-License-Identifier: BSD-2-Clause */
#include "names.h"

#include <string.h>

#include "parse.h"

#define NAME_MAX_LEN 1024

bool names_is_name(const char *text)
{
	return text[0] == '@' && text[1];
}

int names_get(struct target *target, const struct pgw_symbols **ret)
{
	struct pgw_error err = { 0 };

	if (pgw_image_symbols(target->image, ret, &err) == 0)
		return TOOL_DONE;
	return message_error(target->file, &err);
}

const char *names_source(const struct pgw_symbols_info *info)
{
	return info->source == PGW_SYMBOLS_VMCOREINFO ? "kallsyms-vmcoreinfo" : "kallsyms-memory";
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
