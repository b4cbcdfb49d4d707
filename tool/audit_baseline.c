/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit_baseline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "message.h"

#define MAX_BASELINE ((size_t)64 << 20)

static const char head[] = "# pagewalk audit: findings that are known\n";

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int baseline_failed(const char *path, const char *why)
{
	message("%s: %s", path, why);
	return TOOL_UNREADABLE;
}

/* The file's bytes and a NUL. */
static int baseline_load(struct audit_baseline *baseline, const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	int status = TOOL_DONE;

	if (!file)
		return baseline_failed(path, strerror(errno));
	*ret_size = 0;
	for (size_t room = 4096; status == TOOL_DONE && !feof(file); room *= 2) {
		char *grown = room <= 2 * MAX_BASELINE ? realloc(baseline->bytes, room + 1) : NULL;

		if (!grown) {
			status = baseline_failed(path, "too large");
			continue;
		}
		baseline->bytes = grown;
		*ret_size += fread(grown + *ret_size, 1, room - *ret_size, file);
		grown[*ret_size] = '\0';
		if (ferror(file))
			status = baseline_failed(path, strerror(errno));
	}
	fclose(file);
	return status;
}

/* Cut the bytes into lines. */
static bool baseline_cut(struct audit_baseline *baseline, size_t size)
{
	size_t nr = 1;

	for (size_t i = 0; i < size; i++)
		nr += baseline->bytes[i] == '\n';
	baseline->lines = calloc(nr, sizeof(baseline->lines[0]));
	if (!baseline->lines)
		return false;
	for (char *line = baseline->bytes, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		if (*line && *line != '#')
			baseline->lines[baseline->nr++] = line;
	}
	qsort(baseline->lines, baseline->nr, sizeof(baseline->lines[0]), line_compare);
	return true;
}

int audit_baseline_open(struct audit_baseline *baseline, const char *path)
{
	size_t size;
	int status = baseline_load(baseline, path, &size);

	if (status != TOOL_DONE)
		return status;
	/* What is no baseline would make all findings new, and nobody knew why. */
	if (strncmp(baseline->bytes, head, strlen(head)) != 0 || strlen(baseline->bytes) != size) {
		message("%s: not a baseline, which is text that begins with '%.*s'", path,
			(int)strlen(head) - 1, head);
		return TOOL_USAGE;
	}
	return baseline_cut(baseline, size) ? TOOL_DONE
					    : baseline_failed(path, pgw_status_text(-PGW_ENOMEM));
}

void audit_baseline_close(struct audit_baseline *baseline)
{
	if (baseline->writes)
		new_file_abandon(&baseline->new);
	free(baseline->bytes);
	free(baseline->lines);
}

void audit_baseline_key(const struct pgw_symbols *symbols, const struct pgw_audit_finding *finding,
			char key[BASELINE_KEY])
{
	const char *id = pgw_audit_rule_info(finding->rule)->id;
	char region[BASELINE_KEY / 2], whose[FOREIGN_ID];
	uint64_t size = finding->va_last - finding->va_first + 1, offset;
	struct pgw_symbol symbol;

	/* The kernel has no names for what a device's or a virtual machine's address is. */
	snprintf(region, sizeof(region), "%s%s%s", finding->region ? finding->region->name : "-",
		 finding->foreign ? ":" : "", foreign_whose(finding->foreign, whose));
	if (symbols && finding->region && !finding->foreign &&
	    pgw_symbols_at(symbols, finding->va_first, &symbol, &offset))
		snprintf(key, BASELINE_KEY, "%s %s @%s+0x%" PRIx64 "+0x%" PRIx64, id, region,
			 symbol.name, offset, size);
	else
		snprintf(key, BASELINE_KEY, "%s %s 0x%016" PRIx64 "+0x%" PRIx64, id, region,
			 finding->va_first, size);
	/* A name is of any bytes. */
	for (char *c = key; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

bool audit_baseline_has(const struct audit_baseline *baseline, const char *key)
{
	return baseline->nr && bsearch(&key, baseline->lines, baseline->nr,
				       sizeof(baseline->lines[0]), line_compare);
}

bool audit_baseline_create(struct audit_baseline *baseline, const char *path, bool replaces)
{
	baseline->writes = new_file_init(&baseline->new, path, replaces);
	return baseline->writes;
}

/* Signals wait from the first byte on, so that nothing is written before the audit is done. */
static bool head_write(struct audit_baseline *baseline)
{
	return baseline->new.is_open || new_file_write(&baseline->new, head, strlen(head));
}

bool audit_baseline_add(struct audit_baseline *baseline, const char *key)
{
	return head_write(baseline) && new_file_write(&baseline->new, key, strlen(key)) &&
	       new_file_write(&baseline->new, "\n", 1);
}

bool audit_baseline_commit(struct audit_baseline *baseline)
{
	bool has_head = head_write(baseline);

	baseline->writes = false;
	if (!has_head)
		new_file_abandon(&baseline->new);
	return has_head && new_file_commit(&baseline->new);
}
