/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/text_priv.h"

#include <string.h>

#define WIDTH_SIZE 8
#define WIDTH_ADDRESS 18
#define WIDTH_TABLE 5

static enum out_color rights_color(unsigned rights)
{
	const unsigned kernel_wx = PGW_KERNEL_W | PGW_KERNEL_X;
	const unsigned user_wx = PGW_USER_W | PGW_USER_X;

	if ((rights & kernel_wx) == kernel_wx || (rights & user_wx) == user_wx)
		return OUT_RED;
	if (rights & (PGW_KERNEL_X | PGW_USER_X))
		return OUT_YELLOW;
	return OUT_PLAIN;
}

static void text_rights(const struct report *report, unsigned rights)
{
	struct out *out = report->out;
	enum out_color color = rights_color(rights);

	if (color != OUT_PLAIN)
		out_color(out, color);
	out_str(out, report_rights(rights));
	if (report_actor(report->format, 1)) {
		out_char(out, '/');
		out_str(out, report_rights(rights >> 3));
	}
	if (color != OUT_PLAIN)
		out_color(out, OUT_PLAIN);
}

static void text_range(struct out *out, uint64_t first, uint64_t last)
{
	out_hex(out, first);
	out_char(out, '-');
	out_hex(out, last);
}

/* The columns that the format's longest leaf size takes: "2M", "32M". */
static size_t leaf_width(const struct pgw_format *format)
{
	uint64_t sizes = pgw_format_geometry(format)->leaf_sizes;
	size_t width = 0;

	for (; sizes; sizes &= sizes - 1) {
		unsigned power = (unsigned)__builtin_ctzll(sizes) % 10;
		size_t len = power < 4 ? 2 : power < 7 ? 3 : 4;

		if (len > width)
			width = len;
	}
	return width;
}

/* "!unreadable", in the place of a physical address. */
static void text_odd(struct out *out, enum pgw_entry_kind kind)
{
	out_color(out, OUT_RED);
	/* A range that changes under the reader is no fault of the tables. */
	out_char(out, kind == PGW_ENTRY_TORN ? '~' : '!');
	out_str_padded(out, report_kind(kind), WIDTH_ADDRESS - 1);
	out_color(out, OUT_PLAIN);
}

/* "swap type=2 offset=0x1234 exclusive". */
static void text_absent_meaning(struct out *out, const struct pgw_absent *absent, uint64_t pa)
{
	out_str(out, report_absent_kind(absent->kind));
	if (absent->flags & PGW_ABSENT_HAS_PA) {
		out_str(out, " pa=");
		out_hex(out, pa);
	}
	if (absent->flags & PGW_ABSENT_IS_SWAP) {
		out_str(out, " type=");
		out_dec(out, absent->type);
		out_str(out, " offset=");
		out_hex_short(out, absent->offset);
	}
	for (const struct report_bit *flag = report_absent_flags; flag->name; flag++) {
		if (!(absent->flags & flag->bit))
			continue;
		out_char(out, ' ');
		out_str(out, flag->name);
	}
}

static void text_rights_and_attrs(struct report *report, uint64_t entry, unsigned level,
				  unsigned rights)
{
	const char *attrs = report_attr_names(report, entry, level, "", " ");

	text_rights(report, rights);
	if (*attrs) {
		out_str(report->out, "  ");
		out_str(report->out, attrs);
	}
}

/* The columns of a leaf after the addresses. */
static void text_leaf_tail(struct report *report, const struct pgw_extent *extent)
{
	struct out *out = report->out;

	out_str(out, "  ");
	out_size(out, extent->va_last - extent->va_first + 1, WIDTH_SIZE);
	out_str(out, "  ");
	out_size(out, UINT64_C(1) << extent->leaf_lg2, leaf_width(report->format));
	out_str(out, "  ");
	text_rights_and_attrs(report, extent->entry, extent->level, extent->rights);
}

static void text_leaf_tail_anew(struct report *report, const struct pgw_extent *leaf)
{
	size_t start = report->out->len;

	report_tail_begin(report, leaf);
	text_leaf_tail(report, leaf);
	out_char(report->out, '\n');
	report_tail_keep(report, start, report->out->len - start, 0);
}

static inline void text_leaf(struct report *report, const struct pgw_extent *leaf)
{
	const struct report_tail *tail = &report->tail;
	struct out *out = report->out;
	char *to = out_room(out, 3 * OUT_HEX + 3 + sizeof(tail->text));

	to = out_hex_at(to, leaf->va_first);
	*to++ = '-';
	to = out_hex_at(to, leaf->va_last);
	*to++ = ' ';
	*to++ = ' ';
	to = out_hex_at(to, leaf->pa);
	if (report_tail_fits(tail, leaf)) {
		out_end(out, out_copy_at(to, tail->text, tail->len));
		return;
	}
	out_end(out, to);
	text_leaf_tail_anew(report, leaf);
}

/* The columns of a range that is odd. */
static void text_odd_extent(struct report *report, const struct pgw_extent *extent)
{
	struct out *out = report->out;

	text_range(out, extent->va_first, extent->va_last);
	out_str(out, "  ");
	text_odd(out, extent->kind);
	out_str(out, "  ");
	out_size(out, extent->va_last - extent->va_first + 1, WIDTH_SIZE);
	out_str(out, "  ");
	out_str(out, report_level_name(report->format, extent->level));
	out_str(out, extent->kind == PGW_ENTRY_UNREADABLE || extent->kind == PGW_ENTRY_TORN
			     ? "  table="
			     : "  entry=");
	out_hex(out, extent->entry);
	if (extent->kind == PGW_ENTRY_ABSENT) {
		struct pgw_absent absent;

		report_absent(report, extent->va_first, extent->level, extent->entry, &absent);
		out_str(out, "  ");
		text_absent_meaning(out, &absent, extent->pa);
	}
}

/* The columns of a range, whatever it is. */
static void text_columns(struct report *report, const struct pgw_extent *extent)
{
	struct out *out = report->out;

	if (extent->kind != PGW_ENTRY_LEAF) {
		text_odd_extent(report, extent);
		return;
	}
	text_range(out, extent->va_first, extent->va_last);
	out_str(out, "  ");
	out_hex(out, extent->pa);
	text_leaf_tail(report, extent);
}

/* "init_task+0x10", or "dummy_init+0x0 [dummy]". */
static void text_name(struct out *out, const struct report_name *name)
{
	out_untrusted(out, name->symbol.name, strlen(name->symbol.name));
	out_char(out, '+');
	out_hex_short(out, name->offset);
	if (!name->module)
		return;
	out_str(out, " [");
	out_untrusted(out, name->module->name, strlen(name->module->name));
	out_char(out, ']');
}

static void text_region_of(struct out *out, const struct pgw_layout_range *range)
{
	if (!range) {
		out_char(out, '-');
		return;
	}
	out_str(out, range->name);
	if (!*range->detail)
		return;
	out_char(out, ' ');
	out_untrusted(out, range->detail, strlen(range->detail));
}

/* What its addresses are for: "  [vmalloc-area kernel_clone+0xe9]", of those at both ends. */
static void text_use(struct report *report, const struct pgw_extent *extent)
{
	const struct pgw_layout_range *first = pgw_layout_at(report->layout, extent->va_first);
	const struct pgw_layout_range *last = pgw_layout_at(report->layout, extent->va_last);
	struct out *out = report->out;

	if (!first && !last)
		return;
	out_str(out, "  [");
	text_region_of(out, first);
	if (last != first) {
		out_str(out, " .. ");
		text_region_of(out, last);
	}
	out_char(out, ']');
}

static void text_int(struct out *out, int32_t value)
{
	if (value < 0)
		out_char(out, '-');
	out_dec(out, value < 0 ? (uint64_t)(-(int64_t)value) : (uint64_t)value);
}

/* "  page 0x1000 type=table refs=1 flags=-" */
static void text_page(struct report *report, const struct pgw_page *page)
{
	const char *mapping = report_page_mapping(page->mapping), *separator = "";
	struct out *out = report->out;

	out_str(out, "  page ");
	out_hex_short(out, page->pa);
	out_str(out, " type=");
	/* A name from BTF, which is of any bytes. */
	out_untrusted(out, page->type ? page->type : "-", page->type ? strlen(page->type) : 1);
	out_str(out, " mapping=");
	out_str(out, mapping ? mapping : "-");
	out_str(out, " refs=");
	text_int(out, page->refcount);
	out_str(out, " maps=");
	text_int(out, page->mapcount);
	if (page->is_tail) {
		out_str(out, " head=");
		out_hex_short(out, page->head_pa);
	}
	out_str(out, " flags=");
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = pgw_page_flag(report->pages, bit);

		if (!name || !(page->flags >> bit & 1))
			continue;
		out_str(out, separator);
		out_untrusted(out, name, strlen(name));
		separator = ",";
	}
	out_str(out, *separator ? "" : "-");
}

/* Of a leaf: of its first page, which is all that is needed of a large one. */
static void text_leaf_page(struct report *report, const struct pgw_extent *leaf)
{
	struct pgw_page page;
	int err = pgw_page_get(report->leaf_pages, leaf->pa, &page);

	if (!err)
		text_page(report, &page);
	else
		out_str(report->out, err == -PGW_ENOENT ? "  page -" : "  page ! not in the image");
}

/* And what the first one is called: "  @init_task+0x10", as it can be given back. */
static void text_label(struct report *report, const struct pgw_extent *extent)
{
	struct report_name name;

	if (report->layout)
		text_use(report, extent);
	if (report->leaf_pages && extent->kind == PGW_ENTRY_LEAF)
		text_leaf_page(report, extent);
	report_name_find(report, extent->va_first, &name);
	if (!name.is_there)
		return;
	out_str(report->out, "  @");
	text_name(report->out, &name);
}

static void text_extent(struct report *report, const struct pgw_extent *extent)
{
	if (extent->kind == PGW_ENTRY_LEAF && !report_has_labels(report)) {
		text_leaf(report, extent);
		return;
	}
	text_columns(report, extent);
	text_label(report, extent);
	out_char(report->out, '\n');
}

static void text_leaves(struct report *report, const struct pgw_extent *extent)
{
	report_each_leaf(report, extent, false,
			 report_has_labels(report) ? text_extent : text_leaf);
}

/* The line of an extent, and one more column: "x512 every 2M x3 every 1G through 0x...". */
static void text_repeated(struct report *report, const struct pgw_extent *extent,
			  const struct pgw_repeats *repeats)
{
	struct out *out = report->out;

	text_columns(report, extent);
	out_char(out, ' ');
	for (unsigned i = 0; i < repeats->nr; i++) {
		out_str(out, " x");
		out_dec(out, repeats->by[i].nr);
		out_str(out, " every ");
		out_size(out, repeats->by[i].step, 0);
	}
	out_str(out, " through ");
	out_hex(out, repeats->va_last);
	text_label(report, extent);
	out_char(out, '\n');
}

/* ", 12 leaves", or without the comma if it is the first of a list. */
void text_count(struct out *out, const char *before, uint64_t nr, const char *what)
{
	out_str(out, before);
	out_dec(out, nr);
	out_char(out, ' ');
	out_str(out, what);
}

void text_release(struct out *out, const char *before, const struct pgw_vmcoreinfo *vmcoreinfo)
{
	const char *value;
	size_t size;

	if (!vmcoreinfo || !pgw_vmcoreinfo_get(vmcoreinfo, "OSRELEASE", &value, &size))
		return;
	out_str(out, before);
	out_untrusted(out, value, size);
}

/* ", kernel 1 of 2, 6.1.0 (--kernel chooses)" */
static void text_choice(struct report *report)
{
	const struct report_choice *choice = &report->choice;
	struct out *out = report->out;

	if (!choice->number)
		return;
	out_str(out, ", kernel ");
	out_dec(out, choice->number);
	out_str(out, " of ");
	out_dec(out, choice->nr);
	text_release(out, ", ", choice->vmcoreinfo);
	out_str(out, " (--kernel chooses)");
}

/* "1 table", "2 tables"; before as text_count(). */
static void text_plural(struct out *out, const char *before, uint64_t nr, const char *one,
			const char *many)
{
	text_count(out, before, nr, nr == 1 ? one : many);
}

/* "# root 0x1000, x86_64-la48, whole root" */
/* ", user half", ", device". */
static void text_half(const struct report *report)
{
	out_str(report->out, ", ");
	out_str(report->out, report_region_name(report));
	if (!report->region.has_half[PGW_REGION_FOREIGN])
		out_str(report->out, " half");
}

static void text_subject(struct report *report)
{
	const struct report_region *region = &report->region;
	bool is_whole = region->has_half[PGW_REGION_USER] && region->has_half[PGW_REGION_KERNEL];
	struct out *out = report->out;

	out_str(out, "# root ");
	out_hex_short(out, report->root_pa);
	out_str(out, ", ");
	out_str(out, pgw_format_name(report->format));
	if (!is_whole)
		text_half(report);
	else if (!region->has_range)
		out_str(out, ", whole root");
	if (region->has_range) {
		out_str(out, ", only ");
		text_range(out, region->first, region->last);
	}
	if (report->region_name) {
		out_str(out, ", only region ");
		out_untrusted(out, report->region_name, strlen(report->region_name));
	}
	text_choice(report);
}

/* The end of a summary: how names were found, and what is a guess. */
static void text_end(struct report *report)
{
	if (report->names) {
		out_str(report->out, "; names: ");
		out_str(report->out, report->names);
	}
	out_str(report->out,
		report->is_guess ? "; where some of the memory is, is a guess\n" : "\n");
}

static void text_dump_summary(struct report *report, const struct pgw_dump_summary *summary)
{
	const struct pgw_scan_stats *scan = &summary->scan;
	struct out *out = report->out;

	text_subject(report);
	text_plural(out, ": ", summary->nr_ranges, "range", "ranges");
	if (summary->nr_lines != summary->nr_ranges)
		text_plural(out, " in ", summary->nr_lines, "line", "lines");
	text_plural(out, ", ", summary->nr_leaves, "leaf, ", "leaves, ");
	out_size(out, summary->bytes, 0);
	text_plural(out, "; ", scan->nr_tables, "table visit", "table visits");
	text_count(out, "; ", scan->nr_malformed, "malformed");
	text_count(out, ", ", scan->nr_unreadable, "unreadable");
	if (scan->nr_torn)
		text_count(out, ", ", scan->nr_torn, "torn");
	if (report->missing.nr || report->missing.is_cut) {
		out_str(out, " (");
		out_dec(out, report->missing.nr);
		out_str(out, report->missing.is_cut    ? "+ tables missing)"
			     : report->missing.nr == 1 ? " table missing)"
						       : " tables missing)");
	}
	if (report->has_absent)
		text_count(out, ", ", summary->nr_absent, "absent");
	if (scan->truncated) {
		out_str(out, "; cut short at ");
		out_hex(out, scan->truncated_va);
	}
	text_end(report);
}

static void text_step(struct out *out, const struct pgw_format *format, const struct pgw_step *step,
		      const char *indent)
{
	out_str(out, indent);
	out_str_padded(out, pgw_format_table_name(format, step->level), WIDTH_TABLE);
	out_str(out, "  ");
	out_hex(out, step->item_pa);
	out_str(out, "  ");
	if (step->kind != PGW_ENTRY_UNREADABLE) {
		out_hex(out, step->entry);
		out_str(out, "  ");
	}
	out_str(out, report_kind(step->kind));
	out_char(out, '\n');
}

/* "    stage 2  0x0000000000008000  0x000000000ffc5000", and each of its levels below that. */
static void text_nested_step(struct out *out, const struct pgw_format *format,
			     const struct pgw_nested_step *step)
{
	out_str(out, "    stage 2  ");
	out_hex(out, step->gpa);
	out_str(out, "  ");
	if (step->result.kind == PGW_ENTRY_LEAF)
		out_hex(out, step->result.pa);
	else
		text_odd(out, step->result.kind);
	out_char(out, '\n');
	for (unsigned i = 0; i < step->path.nr_steps; i++)
		text_step(out, format, &step->path.step[i], "      ");
}

/* "  both stages  0x000000000ffc6000  4K  rwx/---  normal", or where it ends. */
static void text_both_stages(struct report *report, const struct report_nested *nested)
{
	const struct pgw_nested_translation *both = &nested->both;
	const struct pgw_format *format = both->stage == 1 ? report->format : nested->format;
	struct out *out = report->out;

	if (both->kind != PGW_ENTRY_LEAF) {
		out_str(out, "  ends in stage ");
		out_dec(out, both->stage);
		out_str(out, ", ");
		out_str(out, pgw_format_table_name(format, both->level));
		out_str(out, ", of ");
		out_hex(out, both->address);
		out_str(out, ": ");
		out_str(out, report_kind(both->kind));
		out_char(out, '\n');
		return;
	}
	out_str(out, "  both stages  ");
	out_hex(out, both->pa);
	out_str(out, "  ");
	out_size(out, UINT64_C(1) << both->leaf_lg2, 1);
	out_str(out, "  ");
	text_rights(report, both->rights);
	if (nested->memory_type) {
		out_str(out, "  ");
		out_str(out, nested->memory_type);
	}
	out_char(out, '\n');
}

/* Which address was looked up, if it is not the one that was asked for; or might have been. */
static void text_tag(const struct report *report, const struct report_translation *translation)
{
	struct out *out = report->out;

	if (translation->tag_by) {
		out_str(out, "  tag ");
		out_hex_short(out, translation->tag);
		out_str(out, " ignored, as ");
		out_str(out, translation->tag_by);
		out_str(out, report->tags_given            ? "=1 (--tags): "
			     : translation->tag_is_assumed ? "=1 (assumed): "
							   : "=1 (known): ");
		out_hex(out, translation->looked_up);
		out_str(out, " was looked up\n");
	}
	if (translation->possible) {
		out_str(out, "  --tags ");
		out_str(out, translation->possible);
		out_str(out, " would look up ");
		out_hex(out, translation->possible_va);
		out_str(out, ": whether the CPU does is not known\n");
	}
}

/* "  symbol init_task+0x10" */
static void text_symbol(struct out *out, const struct report_translation *translation)
{
	if (!translation->name.is_there)
		return;
	out_str(out, "  symbol ");
	text_name(out, &translation->name);
	out_char(out, '\n');
}

/* "window DMW1 (assumed)", and what it is for. */
static void text_window(struct report *report, const struct pgw_window *window)
{
	struct out *out = report->out;

	text_rights(report, window->rights);
	out_str(out, "  window ");
	out_str(out, window->name);
	out_str(out, window->is_assumed ? " (assumed)" : "");
	if (window->memory_type) {
		out_str(out, "  ");
		out_str(out, window->memory_type);
	}
}

static void text_translation(struct report *report, const struct report_translation *translation)
{
	const struct pgw_translation *result = &translation->result;
	struct out *out = report->out;
	bool is_leaf = result->kind == PGW_ENTRY_LEAF;

	out_hex(out, translation->va);
	out_str(out, "  ");
	if (is_leaf)
		out_hex(out, result->pa);
	else
		text_odd(out, result->kind);
	out_str(out, "  ");
	out_size(out, result->va_last - result->va_first + 1, WIDTH_SIZE);
	out_str(out, "  ");
	if (translation->has_window) {
		text_window(report, &translation->window);
	} else if (is_leaf) {
		text_rights_and_attrs(report, result->entry, result->level, result->rights);
	} else {
		out_str(out, report_level_name(report->format, result->level));
		out_str(out, "  ");
		text_range(out, result->va_first, result->va_last);
	}
	if (result->kind == PGW_ENTRY_ABSENT) {
		struct pgw_absent absent;

		report_absent(report, translation->looked_up, result->level, result->entry,
			      &absent);
		out_str(out, "  ");
		text_absent_meaning(out, &absent,
				    absent.pa + (translation->looked_up - result->va_first));
	}
	out_char(out, '\n');
	text_tag(report, translation);
	text_symbol(out, translation);
	if (translation->has_page) {
		text_page(report, &translation->page);
		out_char(out, '\n');
	}
	for (unsigned i = 0; i < translation->path.nr_steps; i++) {
		text_step(out, report->format, &translation->path.step[i], "  ");
		if (translation->nested)
			text_nested_step(out, translation->nested->format,
					 &translation->nested->path.step[i]);
	}
	if (translation->nested)
		text_both_stages(report, translation->nested);
}

static void text_translate_summary(struct report *report, const struct report_translations *sums)
{
	struct out *out = report->out;

	text_subject(report);
	text_count(out, ": ", sums->nr_mapped, "of ");
	out_dec(out, sums->nr_asked);
	out_str(out, " mapped");
	if (sums->nr_unreadable)
		text_count(out, ", ", sums->nr_unreadable, "unreadable: tables missing");
	text_end(report);
}

void text_bits(struct out *out, const struct report_bit *names, uint32_t bits)
{
	const char *separator = "";

	for (; names->name; names++) {
		if (!(bits & names->bit))
			continue;
		out_str(out, separator);
		out_str(out, names->name);
		separator = ",";
	}
	if (!*separator)
		out_char(out, '-');
}

void text_cpus(struct out *out, uint64_t cpus)
{
	const char *separator = "";

	for (unsigned cpu = 0; cpu < 64; cpu++) {
		if (!(cpus >> cpu & 1))
			continue;
		out_str(out, separator);
		out_dec(out, cpu);
		separator = ",";
	}
	if (!cpus)
		out_char(out, '-');
}

/* "  who=process 812 sshd", the last of a line, as names may have any bytes. */
static void text_owner(struct report *report, const struct pgw_root_info *root)
{
	struct out *out = report->out;
	struct pgw_root_owner owner;

	if (!report->tasks)
		return;
	out_str(out, "  who=");
	if (!pgw_tasks_root_owner(report->tasks, root, &owner)) {
		out_char(out, '-');
		return;
	}
	if (owner.is_twin)
		out_str(out, "twin of ");
	if (!owner.task) {
		out_str(out, owner.symbol);
		return;
	}
	out_str(out, "process ");
	out_dec(out, owner.task->tgid);
	if (owner.nr_others) {
		out_str(out, " and ");
		out_dec(out, owner.nr_others);
		out_str(out, " more");
	}
	out_char(out, ' ');
	out_untrusted(out, owner.task->name, strlen(owner.task->name));
}

static void text_root(struct report *report, const struct pgw_root_info *root)
{
	struct out *out = report->out;

	out_hex(out, root->root.pa);
	out_str(out, "  ");
	out_str(out, pgw_format_name(root->format));
	out_str(out, "  ");
	out_str_padded(out, report_root_state(root->state), 10);
	out_str(out, "  proof=");
	out_str_padded(out, report_root_proof(root->proof), 6);
	out_str(out, "  cpus=");
	text_cpus(out, root->cpus);
	out_str(out, "  kpti=");
	out_str_padded(out, root->is_kpti_user ? "user" : root->has_twin ? "kernel" : "-", 6);
	out_str(out, "  twin=");
	if (root->has_twin)
		out_hex(out, root->twin.pa);
	else
		out_str_padded(out, "-", WIDTH_ADDRESS);
	out_str(out, "  found=");
	text_bits(out, report_root_found, root->found);
	if (report->nr_kernels > 1) {
		out_str(out, "  kernel=");
		if (root->kernel)
			out_dec(out, root->kernel);
		else
			out_char(out, '-');
	}
	if (root->proof == PGW_PROOF_PARTIAL) {
		out_str(out, "  agree=");
		out_dec(out, root->nr_agree);
	}
	if (root->nr_missing || root->missing_is_cut) {
		out_str(out, "  missing=");
		out_dec(out, root->nr_missing);
		out_str(out, root->missing_is_cut ? "+" : "");
	}
	if (root->evidence) {
		out_str(out, "  ");
		out_str(out, report_root_evidence(root));
		out_char(out, '=');
		out_hex(out, root->evidence);
	}
	if (root->has_pidr) {
		out_str(out, "  pidr=");
		out_dec(out, root->pidr);
	}
	text_owner(report, root);
	out_char(out, '\n');
}

void text_truncated(struct out *out, const struct pgw_image_info *image)
{
	if (!image->truncated)
		return;
	if (image->unpacked && image->unpacked->damage != PGW_DAMAGE_NONE &&
	    !report_is_cut(image)) {
		out_str(out, "; the packed file is damaged");
		return;
	}
	out_str(out, "; the file is truncated");
	if (report_is_cut(image)) {
		out_str(out, ": it ends at byte ");
		out_dec(out, image->file_size);
		out_str(out, ", by its headers at byte ");
		out_dec(out, image->said_size);
	}
}

static void text_roots_summary(struct report *report, const struct report_roots *sums)
{
	struct out *out = report->out;

	text_count(out, "# ", sums->nr_roots, "roots");
	if (sums->nr_kernels > 1)
		text_count(out, " of ", sums->nr_kernels, "kernels: --kernel N chooses one");
	if (sums->nr_lacking)
		text_count(out, "; ", sums->nr_lacking, "lack tables");
	if (sums->nr_unowned)
		text_count(out, "; ", sums->nr_unowned, "map user memory and are nobody's");
	text_truncated(out, sums->image);
	if (sums->image->unreadable_bytes) {
		out_str(out, "; ");
		out_size(out, sums->image->unreadable_bytes, 0);
		out_str(out, " of memory unreadable");
	}
	text_end(report);
}

static void text_written_summary(struct report *report, const struct report_written *written)
{
	struct out *out = report->out;

	out_str(out, "# ");
	if (written->has_tables_only) {
		text_count(out, "", written->tables.nr_roots, "roots");
		text_count(out, ", ", written->tables.nr_tables, "tables: ");
	}
	out_size(out, written->kept_bytes, 0);
	out_str(out, " kept of ");
	out_size(out, written->image->readable_bytes, 0);
	if (written->loses_notes)
		out_str(out, "; its notes have no place in the new file");
	text_end(report);
}

const struct renderer renderer_text = {
	.extent = text_extent,
	.repeated = text_repeated,
	.leaves = text_leaves,
	.dump_summary = text_dump_summary,
	.translation = text_translation,
	.translate_summary = text_translate_summary,
	.root = text_root,
	.roots_summary = text_roots_summary,
	.written_summary = text_written_summary,
	.info = text_info,
};
