/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit_sarif.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <pagewalk/pagewalk.h>

#include "foreign.h"
#include "report/report.h"

/* SARIF 2.1.0, 3.27.10: the same words. */
static const char *const level_words[_PGW_AUDIT_LEVEL_MAX] = { "note", "warning", "error" };

/* {"text": ...} */
static void put_message(struct json *json, const char *key, const char *text)
{
	json_open(json, key, '{');
	json_str(json, "text", text);
	json_close(json, '}');
}

static void put_rule(struct json *json, const struct pgw_audit_rule_info *info)
{
	json_open(json, NULL, '{');
	json_str(json, "id", info->id);
	put_message(json, "shortDescription", info->text);
	put_message(json, "fullDescription", info->why);
	put_message(json, "help", info->normal);
	json_open(json, "defaultConfiguration", '{');
	json_str(json, "level", level_words[info->level]);
	json_close(json, '}');
	json_close(json, '}');
}

static void put_tool(struct json *json)
{
	const struct pgw_audit_rule_info *info;

	json_open(json, "tool", '{');
	json_open(json, "driver", '{');
	json_str(json, "name", "pagewalk");
	json_str(json, "version", PGW_VERSION);
	json_open(json, "rules", '[');
	for (int rule = 0; (info = pgw_audit_rule_info((enum pgw_audit_rule)rule)); rule++)
		put_rule(json, info);
	json_close(json, ']');
	json_close(json, '}');
	json_close(json, '}');
}

/*
 * The image as a URI (RFC 3986): a relative path, or a file's. Bytes that it does not allow are in
 * hexadecimal.
 */
static void put_uri(struct json *json, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~/";
	char uri[4096];
	size_t at = 0;

	at += (size_t)snprintf(uri, sizeof(uri), "%s", path[0] == '/' ? "file://" : "");
	for (; *path && at < sizeof(uri) - 4; path++) {
		if (strchr(plain, *path))
			uri[at++] = *path;
		else
			at += (size_t)snprintf(uri + at, sizeof(uri) - at, "%%%02X",
					       (unsigned)(unsigned char)*path);
	}
	uri[at] = '\0';
	json_open(json, "artifactLocation", '{');
	json_str(json, "uri", uri);
	json_close(json, '}');
}

void sarif_begin(struct sarif *sarif, struct out *out, const char *image)
{
	struct json *json = &sarif->json;

	*sarif = (struct sarif){ .json = { .out = out }, .image = image };
	json_open(json, NULL, '{');
	json_str(json, "$schema",
		 "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
		 "sarif-schema-2.1.0.json");
	json_str(json, "version", "2.1.0");
	json_open(json, "runs", '[');
	json_open(json, NULL, '{');
	put_tool(json);
	json_open(json, "invocations", '[');
	json_open(json, NULL, '{');
	json_bool(json, "executionSuccessful", true);
	json_open(json, "toolExecutionNotifications", '[');
}

static void begin_results(struct sarif *sarif)
{
	if (sarif->has_results)
		return;
	sarif->has_results = true;
	json_close(&sarif->json, ']');
	json_close(&sarif->json, '}');
	json_close(&sarif->json, ']');
	json_open(&sarif->json, "results", '[');
}

void sarif_unchecked(struct sarif *sarif, enum pgw_audit_rule rule, const char *why)
{
	struct json *json = &sarif->json;
	char text[256];

	snprintf(text, sizeof(text), "not checked: %s", why);
	json_open(json, NULL, '{');
	json_str(json, "level", "warning");
	put_message(json, "message", text);
	json_open(json, "associatedRule", '{');
	json_str(json, "id", pgw_audit_rule_info(rule)->id);
	json_dec(json, "index", (uint64_t)rule);
	json_close(json, '}');
	json_close(json, '}');
}

/* Addresses of 64 bits are names here: as numbers many readers would round them. */
static void put_location(struct sarif *sarif, const struct pgw_audit_finding *finding)
{
	struct json *json = &sarif->json;
	char name[128], whose[FOREIGN_ID];
	const char *what = !finding->foreign ? "" : finding->foreign->is_guest ? "vm " : "device ";

	snprintf(name, sizeof(name), "%s%s%sroot 0x%" PRIx64 ": 0x%016" PRIx64 "-0x%016" PRIx64, what,
		 foreign_whose(finding->foreign, whose), finding->foreign ? ", " : "",
		 finding->root->root.pa, finding->va_first, finding->va_last);
	json_open(json, "locations", '[');
	json_open(json, NULL, '{');
	json_open(json, "physicalLocation", '{');
	put_uri(json, sarif->image);
	if (finding->region) {
		json_open(json, "address", '{');
		json_str(json, "kind", "page table");
		json_str(json, "fullyQualifiedName", name);
		json_close(json, '}');
	}
	json_close(json, '}');
	json_close(json, '}');
	json_close(json, ']');
}

static void put_properties(struct json *json, const struct pgw_audit_finding *finding)
{
	char whose[FOREIGN_ID];

	json_open(json, "properties", '{');
	if (finding->foreign)
		json_str(json, finding->foreign->is_guest ? "vm" : "device",
			 foreign_whose(finding->foreign, whose));
	json_hex(json, "root", finding->root->root.pa);
	json_str(json, "state", report_root_state(finding->root->state));
	json_dec(json, "roots", finding->nr_roots);
	if (finding->region) {
		json_str(json, "region", finding->region->name);
		json_hex(json, "first", finding->va_first);
		json_hex(json, "last", finding->va_last);
		json_dec(json, "count", finding->count);
		json_hex(json, "pa", finding->pa);
		json_hex(json, "entry", finding->entry);
	}
	json_bool(json, "suspect", finding->is_suspect);
	json_close(json, '}');
}

static void put_suppressions(struct json *json, const struct sarif_standing *standing)
{
	json_open(json, "suppressions", '[');
	if (standing->is_allowed) {
		json_open(json, NULL, '{');
		json_str(json, "kind", "external");
		if (standing->reason)
			json_text(json, "justification", standing->reason,
				  strlen(standing->reason));
		json_close(json, '}');
	}
	json_close(json, ']');
}

void sarif_finding(struct sarif *sarif, const struct pgw_audit_finding *finding,
		   const struct sarif_standing *standing)
{
	const struct pgw_audit_rule_info *info = pgw_audit_rule_info(finding->rule);
	struct json *json = &sarif->json;
	char text[512];

	begin_results(sarif);
	snprintf(text, sizeof(text), "%s%s%s", info->text, finding->detail ? ": " : "",
		 finding->detail ? finding->detail : "");
	json_open(json, NULL, '{');
	json_str(json, "ruleId", info->id);
	json_dec(json, "ruleIndex", (uint64_t)finding->rule);
	json_str(json, "level", level_words[standing->level]);
	put_message(json, "message", text);
	put_location(sarif, finding);
	json_open(json, "partialFingerprints", '{');
	json_untrusted(json, "pagewalkAudit/v1", standing->key, strlen(standing->key));
	json_close(json, '}');
	if (standing->has_baseline)
		json_str(json, "baselineState", standing->is_known ? "unchanged" : "new");
	put_suppressions(json, standing);
	put_properties(json, finding);
	json_close(json, '}');
}

void sarif_end(struct sarif *sarif, bool is_whole)
{
	struct json *json = &sarif->json;

	begin_results(sarif);
	json_close(json, ']');
	json_open(json, "properties", '{');
	json_bool(json, "complete", is_whole);
	json_close(json, '}');
	json_close(json, '}');
	json_close(json, ']');
	json_end(json);
}
