/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json_priv.h"

#include <string.h>

static void json_rights(struct report *report, struct json *json, unsigned rights)
{
	for (unsigned i = 0; i < 2 && report_actor(report->format, i); i++)
		json_str(json, report_actor(report->format, i), report_rights(rights >> 3 * i));
}

static void json_leaf_rights(struct report *report, struct json *json, uint64_t entry,
			     unsigned level, unsigned rights)
{
	json_rights(report, json, rights);
	json_open(json, "attrs", '[');
	json_raw(json, NULL, report_attr_names(report, entry, level, "\"", ","));
	json_close(json, ']');
	if (report->assumes_memory_types)
		json_bool(json, "memory_type_assumed", true);
}

/* A leaf's line after the addresses, up to the entry; and what follows that. */
static void json_leaf_tail_anew(struct report *report, const struct pgw_extent *leaf)
{
	struct json json = { .out = report->out, .needs_comma = true };
	size_t start = report->out->len, head;

	report_tail_begin(report, leaf);
	json_dec(&json, "size", leaf->va_last - leaf->va_first + 1);
	json_dec(&json, "level", leaf->level);
	json_hex(&json, "entry", leaf->entry);
	head = report->out->len - start - (OUT_HEX + 1);
	json_leaf_rights(report, &json, leaf->entry, leaf->level, leaf->rights);
	json_hex(&json, "root", report->root_pa);
	json_end(&json);
	report_tail_keep(report, start, head, OUT_HEX);
}

static char *copy(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static inline void json_leaf(struct report *report, const struct pgw_extent *leaf)
{
	static const char va[] = "{\"va\":\"", pa[] = "\",\"pa\":\"";
	const struct report_tail *tail = &report->tail;
	struct out *out = report->out;
	char *to = out_room(out, sizeof(va) + sizeof(pa) + 3 * OUT_HEX + sizeof(tail->text));

	to = copy(to, va, sizeof(va) - 1);
	to = out_hex_at(to, leaf->va_first);
	to = copy(to, pa, sizeof(pa) - 1);
	to = out_hex_at(to, leaf->pa);
	*to++ = '"';
	if (report_tail_fits(tail, leaf)) {
		to = out_copy_at(to, tail->text, tail->head);
		to = out_hex_at(to, leaf->entry);
		to = out_copy_at(to, tail->text + tail->head, tail->len - tail->head);
		out_end(out, to);
		return;
	}
	out_end(out, to);
	json_leaf_tail_anew(report, leaf);
}

static void json_names(struct json *json, const char *key, const struct report_bit *names,
		       uint32_t bits)
{
	json_open(json, key, '[');
	for (; names->name; names++)
		if (bits & names->bit)
			json_str(json, NULL, names->name);
	json_close(json, ']');
}

/* Members that say what an absent entry means. */
static void json_absent(struct json *json, const struct pgw_absent *absent, uint64_t pa)
{
	json_str(json, "absent", report_absent_kind(absent->kind));
	if (absent->flags & PGW_ABSENT_HAS_PA)
		json_hex(json, "pa", pa);
	if (absent->flags & PGW_ABSENT_IS_SWAP) {
		json_dec(json, "type", absent->type);
		json_hex(json, "offset", absent->offset);
	}
	json_names(json, "flags", report_absent_flags,
		   absent->flags & ~(uint32_t)PGW_ABSENT_ASSUMED);
	json_bool(json, "assumed", absent->flags & PGW_ABSENT_ASSUMED);
}

/* The members of an extent, in the order of json_leaf(). */
static void json_extent_members(struct report *report, struct json *json,
				const struct pgw_extent *extent)
{
	bool is_leaf = extent->kind == PGW_ENTRY_LEAF;

	json_hex(json, "va", extent->va_first);
	if (is_leaf)
		json_hex(json, "pa", extent->pa);
	json_dec(json, "size", extent->va_last - extent->va_first + 1);
	json_dec(json, "level", extent->level);
	if (!is_leaf)
		json_str(json, "kind", report_kind(extent->kind));
	json_hex(json,
		 extent->kind == PGW_ENTRY_UNREADABLE || extent->kind == PGW_ENTRY_TORN ? "table"
											: "entry",
		 extent->entry);
	if (extent->kind == PGW_ENTRY_ABSENT) {
		struct pgw_absent absent;

		report_absent(report, extent->va_first, extent->level, extent->entry, &absent);
		json_absent(json, &absent, extent->pa);
	}
	if (is_leaf)
		json_leaf_rights(report, json, extent->entry, extent->level, extent->rights);
	json_hex(json, "root", report->root_pa);
}

static void json_name(struct json *json, const struct report_name *name)
{
	if (!name->is_there)
		return;
	json_untrusted(json, "symbol", name->symbol.name, strlen(name->symbol.name));
	json_hex(json, "symbol_offset", name->offset);
	if (name->module)
		json_untrusted(json, "module", name->module->name, strlen(name->module->name));
}

static void json_region_of(struct json *json, const struct pgw_layout_range *range)
{
	json_str(json, "region", range->name);
	if (*range->detail)
		json_untrusted(json, "region_detail", range->detail, strlen(range->detail));
	json_str(json, "region_source", report_layout_source(range->source));
}

/* What the first address is for; and the last one, if that differs. */
static void json_use(struct report *report, struct json *json, const struct pgw_extent *extent)
{
	const struct pgw_layout_range *first = pgw_layout_at(report->layout, extent->va_first);
	const struct pgw_layout_range *last = pgw_layout_at(report->layout, extent->va_last);

	if (first)
		json_region_of(json, first);
	if (last == first)
		return;
	json_open(json, "region_at_last", '{');
	if (last)
		json_region_of(json, last);
	json_close(json, '}');
}

static void json_page(struct report *report, struct json *json, const struct pgw_page *page)
{
	json_open(json, "page", '{');
	json_hex(json, "pa", page->pa);
	json_hex(json, "struct", page->va);
	if (page->type)
		json_untrusted(json, "type", page->type, strlen(page->type));
	else
		json_null(json, "type");
	json_str(json, "mapping", report_page_mapping(page->mapping));
	if (page->mapping_va)
		json_hex(json, "mapping_va", page->mapping_va);
	json_int(json, "refs", page->refcount);
	json_int(json, "maps", page->mapcount);
	json_bool(json, "head", page->is_head);
	if (page->is_tail)
		json_hex(json, "head_pa", page->head_pa);
	json_hex(json, "flags_word", page->flags);
	json_open(json, "flags", '[');
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = pgw_page_flag(report->pages, bit);

		if (name && (page->flags >> bit & 1))
			json_untrusted(json, NULL, name, strlen(name));
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* Of a leaf: of its first page, which is all that is needed of a large one. */
static void json_leaf_page(struct report *report, struct json *json, const struct pgw_extent *leaf)
{
	struct pgw_page page;
	int err = pgw_page_get(report->leaf_pages, leaf->pa, &page);

	if (!err)
		json_page(report, json, &page);
	else
		json_null(json, "page");
	json_bool(json, "page_unreadable", err && err != -PGW_ENOENT);
}

/* What is said of an extent beside its columns: what it is for and of, and what the first address is called. */
static void json_label(struct report *report, struct json *json, const struct pgw_extent *extent)
{
	struct report_name name;

	if (report->layout)
		json_use(report, json, extent);
	if (report->leaf_pages && extent->kind == PGW_ENTRY_LEAF)
		json_leaf_page(report, json, extent);
	report_name_find(report, extent->va_first, &name);
	json_name(json, &name);
}

static void json_extent(struct report *report, const struct pgw_extent *extent)
{
	struct json json = { .out = report->out };

	if (extent->kind == PGW_ENTRY_LEAF && !report_has_labels(report)) {
		json_leaf(report, extent);
		return;
	}
	json_open(&json, NULL, '{');
	json_extent_members(report, &json, extent);
	json_label(report, &json, extent);
	json_end(&json);
}

static void json_leaves(struct report *report, const struct pgw_extent *extent)
{
	report_each_leaf(report, extent, true, report_has_labels(report) ? json_extent : json_leaf);
}

static void json_repeated(struct report *report, const struct pgw_extent *extent,
			  const struct pgw_repeats *repeats)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_extent_members(report, &json, extent);
	json_open(&json, "repeats", '[');
	for (unsigned i = 0; i < repeats->nr; i++) {
		json_open(&json, NULL, '{');
		json_dec(&json, "count", repeats->by[i].nr);
		json_dec(&json, "step", repeats->by[i].step);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_hex(&json, "last", repeats->va_last);
	json_label(report, &json, extent);
	json_end(&json);
}

static void json_halves(struct json *json, bool has_user, bool has_kernel)
{
	json_open(json, "halves", '[');
	if (has_user)
		json_str(json, NULL, "user");
	if (has_kernel)
		json_str(json, NULL, "kernel");
	json_close(json, ']');
}

/* What was looked at: which kernel, of several, and which addresses. */
static void json_region(struct json *json, const struct report *report)
{
	const struct report_region *region = &report->region;

	if (report->choice.number) {
		json_dec(json, "kernel", report->choice.number);
		json_dec(json, "kernels", report->choice.nr);
	}
	if (region->has_half[PGW_REGION_FOREIGN])
		json_str(json, "region", report_region_name(report));
	else
		json_halves(json, region->has_half[PGW_REGION_USER],
			    region->has_half[PGW_REGION_KERNEL]);
	if (report->region_name)
		json_untrusted(json, "only_region", report->region_name,
			       strlen(report->region_name));
	if (region->has_range) {
		json_hex(json, "first", region->first);
		json_hex(json, "last", region->last);
	}
}

/* A member of summaries, if there is something to say. */
static void json_guess(struct json *json, const struct report *report)
{
	if (report->is_guess)
		json_bool(json, "placement_guessed", true);
}

static void json_dump_summary(struct report *report, const struct pgw_dump_summary *summary)
{
	const struct pgw_scan_stats *scan = &summary->scan;
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_open(&json, "summary", '{');
	json_hex(&json, "root", report->root_pa);
	json_str(&json, "format", pgw_format_name(report->format));
	json_region(&json, report);
	json_dec(&json, "ranges", summary->nr_ranges);
	if (summary->nr_lines != summary->nr_ranges)
		json_dec(&json, "lines", summary->nr_lines);
	json_dec(&json, "leaves", summary->nr_leaves);
	json_dec(&json, "bytes", summary->bytes);
	json_dec(&json, "tables", scan->nr_tables);
	json_guess(&json, report);
	json_bool(&json, "truncated", scan->truncated);
	if (scan->truncated)
		json_hex(&json, "truncated_va", scan->truncated_va);
	json_dec(&json, "malformed", scan->nr_malformed);
	json_dec(&json, "unreadable", scan->nr_unreadable);
	if (scan->nr_torn)
		json_dec(&json, "torn", scan->nr_torn);
	if (report->missing.nr || report->missing.is_cut) {
		json_dec(&json, "missing_tables", report->missing.nr);
		json_bool(&json, "missing_is_cut", report->missing.is_cut);
	}
	if (report->has_absent)
		json_dec(&json, "absent", summary->nr_absent);
	if (report->names)
		json_str(&json, "names", report->names);
	json_close(&json, '}');
	json_end(&json);
}

static void json_steps(struct json *json, const struct pgw_format *format,
		       const struct pgw_path *path, const struct report_nested *nested);

/* Where stage 2 has an address of the guest's. */
static void json_nested_step(struct json *json, const struct pgw_format *format,
			     const struct pgw_nested_step *step)
{
	json_open(json, "stage2", '{');
	json_hex(json, "va", step->gpa);
	json_str(json, "kind", report_kind(step->result.kind));
	json_dec(json, "level", step->result.level);
	if (step->result.kind == PGW_ENTRY_LEAF)
		json_hex(json, "pa", step->result.pa);
	json_steps(json, format, &step->path, NULL);
	json_close(json, '}');
}

static void json_steps(struct json *json, const struct pgw_format *format,
		       const struct pgw_path *path, const struct report_nested *nested)
{
	json_open(json, "path", '[');
	for (unsigned i = 0; i < path->nr_steps; i++) {
		const struct pgw_step *step = &path->step[i];

		json_open(json, NULL, '{');
		json_dec(json, "level", step->level);
		json_str(json, "table", pgw_format_table_name(format, step->level));
		json_hex(json, "item", step->item_pa);
		if (step->kind == PGW_ENTRY_UNREADABLE)
			json_null(json, "entry");
		else
			json_hex(json, "entry", step->entry);
		json_str(json, "kind", report_kind(step->kind));
		if (nested)
			json_nested_step(json, nested->format, &nested->path.step[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_both_stages(struct report *report, struct json *json,
			     const struct report_nested *nested)
{
	const struct pgw_nested_translation *both = &nested->both;

	json_open(json, "both", '{');
	json_dec(json, "stage", both->stage);
	json_str(json, "kind", report_kind(both->kind));
	json_dec(json, "level", both->level);
	json_hex(json, "address", both->address);
	if (both->kind == PGW_ENTRY_LEAF) {
		json_hex(json, "pa", both->pa);
		json_dec(json, "size", UINT64_C(1) << both->leaf_lg2);
		json_rights(report, json, both->rights);
		json_str(json, "memory_type", nested->memory_type);
	}
	json_close(json, '}');
}

static void json_tag(struct json *json, const struct report_translation *translation)
{
	if (translation->tag_by) {
		json_hex(json, "looked_up", translation->looked_up);
		json_dec(json, "tag", translation->tag);
		json_str(json, "tag_by", translation->tag_by);
		json_bool(json, "tag_known", !translation->tag_is_assumed);
	}
	if (translation->possible) {
		json_str(json, "possible_tags", translation->possible);
		json_hex(json, "possible_va", translation->possible_va);
	}
}

static void json_translation(struct report *report, const struct report_translation *translation)
{
	const struct pgw_translation *result = &translation->result;
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_hex(&json, "va", translation->va);
	json_tag(&json, translation);
	json_str(&json, "kind", report_kind(result->kind));
	json_hex(&json, "first", result->va_first);
	json_hex(&json, "last", result->va_last);
	if (translation->has_window) {
		json_hex(&json, "pa", result->pa);
		json_str(&json, "window", translation->window.name);
		json_bool(&json, "window_assumed", translation->window.is_assumed);
		json_rights(report, &json, result->rights);
	} else if (result->kind == PGW_ENTRY_LEAF) {
		json_hex(&json, "pa", result->pa);
		json_dec(&json, "level", result->level);
		json_hex(&json, "entry", result->entry);
		json_leaf_rights(report, &json, result->entry, result->level, result->rights);
	} else {
		json_dec(&json, "level", result->level);
	}
	if (result->kind == PGW_ENTRY_ABSENT) {
		struct pgw_absent absent;

		json_hex(&json, "entry", result->entry);
		report_absent(report, translation->looked_up, result->level, result->entry,
			      &absent);
		json_absent(&json, &absent,
			    absent.pa + (translation->looked_up - result->va_first));
	}
	json_name(&json, &translation->name);
	if (translation->has_page)
		json_page(report, &json, &translation->page);
	json_hex(&json, "root", report->root_pa);
	if (translation->nested)
		json_both_stages(report, &json, translation->nested);
	json_steps(&json, report->format, &translation->path, translation->nested);
	json_end(&json);
}

static void json_translate_summary(struct report *report, const struct report_translations *sums)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_open(&json, "summary", '{');
	json_region(&json, report);
	json_dec(&json, "addresses", sums->nr_asked);
	json_dec(&json, "mapped", sums->nr_mapped);
	if (report->names)
		json_str(&json, "names", report->names);
	json_guess(&json, report);
	json_bool(&json, "truncated", false);
	json_dec(&json, "malformed", sums->nr_malformed);
	json_dec(&json, "unreadable", sums->nr_unreadable);
	json_close(&json, '}');
	json_end(&json);
}

void json_root_members(struct json *json, const struct pgw_root_info *root)
{
	json_hex(json, "root", root->root.pa);
	json_str(json, "format", pgw_format_name(root->format));
	json_halves(json, root->has_user, root->has_kernel);
	json_str(json, "state", report_root_state(root->state));
	json_names(json, "found", report_root_found, root->found);
	json_str(json, "proof", report_root_proof(root->proof));
	json_open(json, "cpus", '[');
	for (unsigned cpu = 0; cpu < 64; cpu++)
		if (root->cpus >> cpu & 1)
			json_dec(json, NULL, cpu);
	json_close(json, ']');
	json_str(json, "kpti", root->is_kpti_user ? "user" : root->has_twin ? "kernel" : NULL);
	if (root->has_twin)
		json_hex(json, "twin", root->twin.pa);
	else
		json_null(json, "twin");
	if (root->kernel)
		json_dec(json, "kernel", root->kernel);
	else
		json_null(json, "kernel");
	if (root->proof == PGW_PROOF_PARTIAL)
		json_dec(json, "agree", root->nr_agree);
	json_dec(json, "missing", root->nr_missing);
	json_bool(json, "missing_is_cut", root->missing_is_cut);
	if (root->evidence)
		json_hex(json, report_root_evidence(root), root->evidence);
	if (root->has_pidr)
		json_dec(json, "pidr", root->pidr);
}

static void json_owner(struct report *report, struct json *json, const struct pgw_root_info *root)
{
	static const char *const kinds[_PGW_ROOT_OWNER_MAX] = {
		[PGW_ROOT_OF_PROCESS] = "process",
		[PGW_ROOT_OF_MM] = "mm",
		[PGW_ROOT_OF_IMAGE] = "image",
	};
	struct pgw_root_owner owner;

	if (!pgw_tasks_root_owner(report->tasks, root, &owner)) {
		json_null(json, "owner");
		return;
	}
	json_open(json, "owner", '{');
	json_str(json, "kind", kinds[owner.kind]);
	json_bool(json, "twin", owner.is_twin);
	if (owner.task) {
		json_dec(json, "pid", owner.task->tgid);
		json_untrusted(json, "name", owner.task->name, strlen(owner.task->name));
		json_dec(json, "others", owner.nr_others);
	} else {
		json_str(json, "symbol", owner.symbol);
	}
	json_close(json, '}');
}

static void json_root(struct report *report, const struct pgw_root_info *root)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_root_members(&json, root);
	if (report->tasks)
		json_owner(report, &json, root);
	json_end(&json);
}

static void json_roots_summary(struct report *report, const struct report_roots *sums)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_open(&json, "summary", '{');
	json_dec(&json, "roots", sums->nr_roots);
	json_dec(&json, "kernels", sums->nr_kernels);
	json_dec(&json, "lacking_tables", sums->nr_lacking);
	if (report->tasks)
		json_dec(&json, "unowned", sums->nr_unowned);
	json_guess(&json, report);
	json_bool(&json, "truncated", sums->image->truncated);
	json_dec(&json, "unreadable", sums->image->unreadable_bytes);
	json_close(&json, '}');
	json_end(&json);
}

static void json_written_summary(struct report *report, const struct report_written *written)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_open(&json, "summary", '{');
	if (written->has_tables_only) {
		json_dec(&json, "roots", written->tables.nr_roots);
		json_dec(&json, "tables", written->tables.nr_tables);
	}
	json_dec(&json, "kept", written->kept_bytes);
	json_dec(&json, "readable", written->image->readable_bytes);
	if (written->lost_bytes)
		json_dec(&json, "lost", written->lost_bytes);
	if (written->loses_notes)
		json_bool(&json, "loses_notes", true);
	json_guess(&json, report);
	json_bool(&json, "truncated", written->image->truncated);
	json_dec(&json, "unreadable", written->image->unreadable_bytes);
	json_close(&json, '}');
	json_end(&json);
}

const struct renderer renderer_json = {
	.extent = json_extent,
	.repeated = json_repeated,
	.leaves = json_leaves,
	.dump_summary = json_dump_summary,
	.translation = json_translation,
	.translate_summary = json_translate_summary,
	.root = json_root,
	.roots_summary = json_roots_summary,
	.written_summary = json_written_summary,
	.info = json_info,
};
