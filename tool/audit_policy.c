/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit_policy.h"

#include <string.h>

#include "message.h"
#include "options.h"

int audit_rule_by_id(const char *id, size_t len)
{
	const struct pgw_audit_rule_info *info;

	for (int rule = 0; (info = pgw_audit_rule_info((enum pgw_audit_rule)rule)); rule++) {
		if (strlen(info->id) == len && strncmp(info->id, id, len) == 0)
			return rule;
	}
	return -1;
}

int audit_policy_level(const struct audit_policy *policy, const struct pgw_audit_finding *finding)
{
	int given = policy->level[finding->rule], own = (int)finding->level;

	if (given == POLICY_AS_IT_IS)
		return own;
	/* What is said with less weight than the rule's, of freed tables for one, stays below it. */
	if (given != POLICY_OFF && finding->level < pgw_audit_rule_info(finding->rule)->level)
		return given < own ? given : own;
	return given;
}

/* Is all of it one symbol's? Others may have the same name. */
static bool is_of_symbol(const struct pgw_symbols *symbols, const char *name,
			 const struct pgw_audit_finding *finding)
{
	struct pgw_symbol first, last;
	uint64_t offset;

	return symbols && !finding->foreign && pgw_symbols_at(symbols, finding->va_first, &first, &offset) &&
	       pgw_symbols_at(symbols, finding->va_last, &last, &offset) &&
	       strcmp(first.name, name) == 0 && strcmp(last.name, name) == 0 &&
	       first.va == last.va;
}

const struct policy_allow *audit_policy_allows(const struct audit_policy *policy,
					       const struct pgw_symbols *symbols,
					       const struct pgw_audit_finding *finding)
{
	for (size_t i = 0; i < policy->nr_allow; i++) {
		const struct policy_allow *allow = &policy->allow[i];

		if ((allow->rule >= 0 && allow->rule != (int)finding->rule) ||
		    finding->va_first < allow->first || finding->va_last > allow->last)
			continue;
		/* What has no place is in no range, and no symbol's. */
		if (!finding->region && (allow->first || allow->last != UINT64_MAX || allow->symbol))
			continue;
		if (allow->region &&
		    (!finding->region || strcmp(allow->region, finding->region->name) != 0))
			continue;
		if (allow->symbol && !is_of_symbol(symbols, allow->symbol, finding))
			continue;
		return allow;
	}
	return NULL;
}

#ifndef PGW_WITH_JANSSON

int audit_policy_open(struct audit_policy *policy, const char *path)
{
	*policy = (struct audit_policy){ 0 };
	message("%s: this needs a pagewalk that was built with jansson", path);
	return TOOL_UNREADABLE;
}

void audit_policy_close(struct audit_policy *policy)
{
	(void)policy;
}

#else

#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_POLICY ((size_t)1 << 20)

static struct {
	json_t *(*load)(const char *buffer, size_t size, size_t flags, json_error_t *error);
	void *(*iter)(json_t *object);
	void *(*next)(json_t *object, void *iter);
	const char *(*key)(void *iter);
	json_t *(*value)(void *iter);
	size_t (*nr)(const json_t *array);
	json_t *(*at)(const json_t *array, size_t index);
	const char *(*text)(const json_t *string);
	void (*free)(json_t *json);
} lib;

/* It stays until the program ends. */
static bool jansson_load(void)
{
	static const struct {
		const char *name;
		void *at;
	} symbols[] = {
		{ "json_loadb", &lib.load },
		{ "json_object_iter", &lib.iter },
		{ "json_object_iter_next", &lib.next },
		{ "json_object_iter_key", &lib.key },
		{ "json_object_iter_value", &lib.value },
		{ "json_array_size", &lib.nr },
		{ "json_array_get", &lib.at },
		{ "json_string_value", &lib.text },
		{ "json_delete", &lib.free },
	};
	void *handle = dlopen(PGW_WITH_JANSSON, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *found = dlsym(handle, symbols[i].name);

		if (!found)
			return false;
		memcpy(symbols[i].at, &found, sizeof(found));
	}
	return handle != NULL;
}

/* A word of the policy, and where it is, for the message that says what is wrong with it. */
struct policy_reader {
	const char *path;
	struct audit_policy *policy;
};

static int policy_wrong(const struct policy_reader *reader, const char *what, const char *key)
{
	message("%s: %s '%s'; pagewalk-audit(1) has the form of a policy", reader->path, what, key);
	return TOOL_USAGE;
}

/* @return a level, or negative */
static int level_read(const json_t *value)
{
	static const char *const names[] = { [PGW_AUDIT_NOTE] = "note",
					     [PGW_AUDIT_WARNING] = "warning",
					     [PGW_AUDIT_ERROR] = "error",
					     [POLICY_OFF] = "off" };
	const char *text = lib.text(value);

	for (int i = 0; text && i <= POLICY_OFF; i++) {
		if (names[i] && strcmp(text, names[i]) == 0)
			return i;
	}
	return -1;
}

/* {"kernel-wx": "warning", ...} */
static int rules_read(const struct policy_reader *reader, json_t *rules)
{
	if (json_typeof(rules) != JSON_OBJECT)
		return policy_wrong(reader, "not an object of rules and levels:", "rules");
	for (void *it = lib.iter(rules); it; it = lib.next(rules, it)) {
		const char *id = lib.key(it);
		int rule = audit_rule_by_id(id, strlen(id)), level = level_read(lib.value(it));

		if (rule < 0)
			return policy_wrong(reader, "no such rule:", id);
		if (level < 0)
			return policy_wrong(reader, "not note, warning, error or off:", id);
		reader->policy->level[rule] = level;
	}
	return TOOL_DONE;
}

/* A condition. @return false: the value is none that it can have */
static bool condition_read(struct policy_allow *allow, const char *key, const char *text)
{
	if (strcmp(key, "rule") == 0) {
		allow->rule = audit_rule_by_id(text, strlen(text));
		return allow->rule >= 0;
	}
	if (strcmp(key, "range") == 0)
		return parse_range(text, &allow->first, &allow->last);
	if (strcmp(key, "region") == 0)
		allow->region = text;
	else if (strcmp(key, "symbol") == 0)
		allow->symbol = text;
	else if (strcmp(key, "reason") == 0)
		allow->reason = text;
	else
		return false;
	return true;
}

static int allow_read(const struct policy_reader *reader, json_t *object,
		      struct policy_allow *allow)
{
	*allow = (struct policy_allow){ .rule = -1, .last = UINT64_MAX };
	if (json_typeof(object) != JSON_OBJECT)
		return policy_wrong(reader, "not an object:", "allow");
	for (void *it = lib.iter(object); it; it = lib.next(object, it)) {
		const char *text = lib.text(lib.value(it));

		if (!text || !condition_read(allow, lib.key(it), text))
			return policy_wrong(
				reader, "no such condition, or not a value of it:", lib.key(it));
	}
	/* Who allows everything has mistyped something. */
	if (allow->rule < 0 && !allow->region && !allow->symbol && !allow->first &&
	    allow->last == UINT64_MAX)
		return policy_wrong(reader, "no rule, region, symbol or range:", "allow");
	return TOOL_DONE;
}

static int allows_read(const struct policy_reader *reader, json_t *list)
{
	struct audit_policy *policy = reader->policy;
	int status = TOOL_DONE;

	if (json_typeof(list) != JSON_ARRAY)
		return policy_wrong(reader, "not a list:", "allow");
	policy->allow = calloc(lib.nr(list) + 1, sizeof(policy->allow[0]));
	if (!policy->allow) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	for (size_t i = 0; i < lib.nr(list) && status == TOOL_DONE; i++)
		status = allow_read(reader, lib.at(list, i), &policy->allow[policy->nr_allow++]);
	return status;
}

static int policy_read(const struct policy_reader *reader, json_t *json)
{
	int status = TOOL_DONE;

	if (json_typeof(json) != JSON_OBJECT)
		return policy_wrong(reader, "not a policy:", "it is no object");
	for (void *it = lib.iter(json); it && status == TOOL_DONE; it = lib.next(json, it)) {
		if (strcmp(lib.key(it), "rules") == 0)
			status = rules_read(reader, lib.value(it));
		else if (strcmp(lib.key(it), "allow") == 0)
			status = allows_read(reader, lib.value(it));
		else
			status = policy_wrong(reader, "neither rules nor allow:", lib.key(it));
	}
	return status;
}

/* The file's bytes. @return enum tool_status */
static int policy_load(const char *path, char *bytes, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	bool failed;

	if (!file) {
		message("%s: %s", path, strerror(errno));
		return TOOL_UNREADABLE;
	}
	*ret_size = fread(bytes, 1, MAX_POLICY + 1, file);
	failed = ferror(file) != 0;
	if (failed)
		message("%s: %s", path, strerror(errno));
	fclose(file);
	if (!failed && *ret_size > MAX_POLICY) {
		message("%s: not a policy: more than 1 MiB", path);
		return TOOL_USAGE;
	}
	return failed ? TOOL_UNREADABLE : TOOL_DONE;
}

int audit_policy_open(struct audit_policy *policy, const char *path)
{
	const struct policy_reader reader = { path, policy };
	char *bytes = malloc(MAX_POLICY + 1);
	json_error_t error = { 0 };
	int status = bytes ? TOOL_DONE : TOOL_UNREADABLE;
	size_t size = 0;

	*policy = (struct audit_policy){ 0 };
	for (int rule = 0; rule < _PGW_AUDIT_RULE_MAX; rule++)
		policy->level[rule] = POLICY_AS_IT_IS;
	if (status == TOOL_DONE && !jansson_load()) {
		message("%s: this needs the library jansson to be installed", path);
		status = TOOL_UNREADABLE;
	}
	if (status == TOOL_DONE)
		status = policy_load(path, bytes, &size);
	if (status == TOOL_DONE) {
		policy->json = lib.load(bytes, size, JSON_REJECT_DUPLICATES, &error);
		if (!policy->json) {
			message("%s: line %d: not JSON", path, error.line);
			status = TOOL_USAGE;
		}
	}
	free(bytes);
	return status == TOOL_DONE ? policy_read(&reader, policy->json) : status;
}

void audit_policy_close(struct audit_policy *policy)
{
	if (policy->json)
		lib.free(policy->json);
	free(policy->allow);
}

#endif
