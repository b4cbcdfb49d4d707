/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/report.h"

#include <string.h>

const char *report_page_mapping(enum pgw_page_mapping mapping)
{
	static const char *const names[_PGW_PAGE_MAPPING_MAX] = {
		[PGW_PAGE_FILE] = "file",
		[PGW_PAGE_ANON] = "anon",
		[PGW_PAGE_KSM] = "ksm",
		[PGW_PAGE_MOVABLE] = "movable",
	};

	return names[mapping];
}

const char *report_layout_source(enum pgw_layout_source source)
{
	static const char *const names[_PGW_LAYOUT_SOURCE_MAX] = {
		[PGW_LAYOUT_DOCUMENTED] = "documented", [PGW_LAYOUT_VMCOREINFO] = "vmcoreinfo",
		[PGW_LAYOUT_SYMBOLS] = "symbols",       [PGW_LAYOUT_VMALLOC] = "vmalloc",
		[PGW_LAYOUT_MODULES] = "modules",
	};

	return names[source];
}

void report_name_find(const struct report *report, uint64_t va, struct report_name *ret)
{
	*ret = (struct report_name){ 0 };
	if (report->symbols)
		ret->is_there = pgw_symbols_at(report->symbols, va, &ret->symbol, &ret->offset);
	if (ret->is_there || !report->modules)
		return;
	ret->module = pgw_modules_at(report->modules, va, &ret->symbol, &ret->offset);
	ret->is_there = ret->module && ret->symbol.name;
}

void report_leaves(struct report *report, const struct pgw_extent *extent)
{
	if (extent->kind == PGW_ENTRY_LEAF)
		report->renderer->leaves(report, extent);
	else
		report->renderer->extent(report, extent);
}

static void attrs_append(struct report_attrs *attrs, const char *text)
{
	size_t len = strlen(text);

	if (len >= sizeof(attrs->text) - attrs->len)
		return;
	memcpy(attrs->text + attrs->len, text, len + 1);
	attrs->len += len;
}

static void attrs_add(struct report_attrs *attrs, const char *name, const char *quote,
		      const char *separator)
{
	if (attrs->len)
		attrs_append(attrs, separator);
	attrs_append(attrs, quote);
	attrs_append(attrs, name);
	attrs_append(attrs, quote);
}

static bool attr_applies(const struct report *report, const struct pgw_attr *attr, uint64_t entry,
			 unsigned level)
{
	return level >= attr->level_first && level <= attr->level_last &&
	       (entry & attr->mask) == attr->value &&
	       (report->control->set & attr->needs) == attr->needs;
}

const char *report_attr_names(struct report *report, uint64_t entry, unsigned level,
			      const char *quote, const char *separator)
{
	uint64_t bits = entry & pgw_format_attr_mask_with(report->format, report->control, level);
	struct report_attrs *attrs = &report->attrs;
	const char *type, *encryption;

	if (attrs->is_valid && attrs->level == level && attrs->bits == bits)
		return attrs->text;
	*attrs = (struct report_attrs){ .is_valid = true, .level = level, .bits = bits };
	for (const struct pgw_attr *attr = pgw_format_attrs(report->format); attr->name; attr++)
		if (attr_applies(report, attr, bits, level))
			attrs_add(attrs, attr->name, quote, separator);
	type = pgw_format_memory_type(report->format, report->control, bits, level);
	if (type)
		attrs_add(attrs, type, quote, separator);
	if (type && report->assumes_memory_types && !*quote)
		attrs_append(attrs, "?");
	encryption = pgw_format_encryption(report->format, report->control, bits);
	if (encryption)
		attrs_add(attrs, encryption, quote, separator);
	return attrs->text;
}

/* The longest lines of leaves in one piece: json.c. */
_Static_assert(sizeof(((struct report_tail *)0)->text) + 4 * OUT_HEX + OUT_COPY < OUT_ROOM,
	       "a line has room");

void report_tail_begin(struct report *report, const struct pgw_extent *leaf)
{
	struct report_tail *tail = &report->tail;

	tail->is_valid = false;
	tail->level = leaf->level;
	tail->leaf_lg2 = leaf->leaf_lg2;
	tail->rights = leaf->rights;
	tail->attr_mask = pgw_format_attr_mask_with(report->format, report->control, leaf->level);
	tail->entry = leaf->entry;
	tail->size = leaf->va_last - leaf->va_first;
}

void report_tail_keep(struct report *report, size_t start, size_t head, size_t entry)
{
	const struct out *out = report->out;
	struct report_tail *tail = &report->tail;
	size_t rest = out->len - start - head - entry;

	if (head + rest > sizeof(tail->text) - OUT_COPY)
		return;
	memcpy(tail->text, out->buf + start, head);
	memcpy(tail->text + head, out->buf + start + head + entry, rest);
	tail->head = head;
	tail->len = head + rest;
	tail->is_valid = true;
}

const char *report_rights(unsigned rights)
{
	static const char *const names[] = {
		"---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx",
	};

	return names[rights & 7];
}

const char *report_actor(const struct pgw_format *format, unsigned index)
{
	static const char *const names[] = { "kernel", "user" };
	const struct pgw_region *region = pgw_format_regions(format);

	return region->actor[0] ? region->actor[index] : names[index];
}

const char *report_region_name(const struct report *report)
{
	for (unsigned kind = 0; kind < _PGW_REGION_MAX; kind++) {
		if (report->region.has_half[kind])
			return pgw_format_region(report->format, kind)->name;
	}
	return NULL;
}

const char *report_level_name(const struct pgw_format *format, unsigned level)
{
	static const char *const names[PGW_MAX_LEVELS] = { "pte", "pmd", "pud", "p4d", "pgd" };

	return level == pgw_format_geometry(format)->top_level ? "pgd" : names[level];
}

const char *report_kind(enum pgw_entry_kind kind)
{
	static const char *const names[_PGW_ENTRY_MAX] = {
		[PGW_ENTRY_EMPTY] = "empty",         [PGW_ENTRY_ABSENT] = "absent",
		[PGW_ENTRY_TABLE] = "table",         [PGW_ENTRY_LEAF] = "leaf",
		[PGW_ENTRY_MALFORMED] = "malformed", [PGW_ENTRY_UNREADABLE] = "unreadable",
		[PGW_ENTRY_TORN] = "torn",           [PGW_ENTRY_NONCANONICAL] = "noncanonical",
	};

	return names[kind];
}

const char *report_absent_kind(enum pgw_absent_kind kind)
{
	static const char *const names[_PGW_ABSENT_KIND_MAX] = {
		[PGW_ABSENT_UNKNOWN] = "unknown",
		[PGW_ABSENT_PROT_NONE] = "prot-none",
		[PGW_ABSENT_INVALID] = "invalid",
		[PGW_ABSENT_SWAP] = "swap",
		[PGW_ABSENT_MIGRATION] = "migration",
		[PGW_ABSENT_DEVICE_PRIVATE] = "device-private",
		[PGW_ABSENT_DEVICE_EXCLUSIVE] = "device-exclusive",
		[PGW_ABSENT_HWPOISON] = "hwpoison",
		[PGW_ABSENT_MARKER] = "marker",
		[PGW_ABSENT_MMIO] = "mmio",
	};

	return names[kind];
}

void report_absent(const struct report *report, uint64_t va, unsigned level, uint64_t entry,
		   struct pgw_absent *ret)
{
	const struct pgw_region *region = pgw_format_region_of(report->format, va);

	pgw_linux_absent(&report->kernel, report->format, region ? region->kind : PGW_REGION_KERNEL,
			 level, entry, ret);
}

const char *report_audit_level(enum pgw_audit_level level)
{
	static const char *const names[_PGW_AUDIT_LEVEL_MAX] = {
		[PGW_AUDIT_NOTE] = "note",
		[PGW_AUDIT_WARNING] = "warning",
		[PGW_AUDIT_ERROR] = "error",
	};

	return names[level];
}

const char *report_root_state(enum pgw_root_state state)
{
	static const char *const names[_PGW_ROOT_STATE_MAX] = {
		[PGW_ROOT_KERNEL] = "kernel",         [PGW_ROOT_RUNNING] = "running",
		[PGW_ROOT_MAPPED] = "mapped",         [PGW_ROOT_EMPTY] = "empty",
		[PGW_ROOT_TRAMPOLINE] = "trampoline", [PGW_ROOT_FIRMWARE] = "firmware",
		[PGW_ROOT_GUEST] = "guest",           [PGW_ROOT_UNKNOWN] = "unknown",
	};

	return names[state];
}

const char *report_root_evidence(const struct pgw_root_info *root)
{
	if (root->state == PGW_ROOT_GUEST)
		return "vmcb";
	return root->found & PGW_ROOT_FROM_PROCESS_TABLE ? "process_table_entry"
							 : "efi_system_table";
}

bool report_is_kernels(const struct pgw_root_info *root)
{
	return root->proof == PGW_PROOF_PASSED || root->proof == PGW_PROOF_PARTIAL;
}

const char *report_root_proof(enum pgw_root_proof proof)
{
	static const char *const names[_PGW_ROOT_PROOF_MAX] = {
		[PGW_PROOF_NONE] = "none",
		[PGW_PROOF_PASSED] = "passed",
		[PGW_PROOF_FAILED] = "failed",
		[PGW_PROOF_PARTIAL] = "partial",
	};

	return names[proof];
}

const char *report_encryption_found(enum pgw_encryption_found found)
{
	static const char *const names[_PGW_ENCRYPTION_FOUND_MAX] = {
		[PGW_ENCRYPTION_NOT_FOUND] = "assumed",
		[PGW_ENCRYPTION_FROM_OPTION] = "option",
		[PGW_ENCRYPTION_FROM_VMCOREINFO] = "vmcoreinfo",
		[PGW_ENCRYPTION_FROM_TABLES] = "tables",
	};

	return names[found];
}

const char *report_memory_types_name(const struct pgw_format *format)
{
	if (strcmp(pgw_format_arch(format), "arm") != 0)
		return "MAIR_EL1";
	return pgw_format_geometry(format)->item_lg2 == 2 ? "NMRR:PRRR" : "MAIR1:MAIR0";
}

bool report_later_is_known(const struct pgw_later_bits *later, const struct pgw_control *control)
{
	return control->known & later->control;
}

const char *report_later_taken_for(const struct pgw_later_bits *later,
				   const struct pgw_control *control)
{
	return report_later_is_known(later, control) && !(control->set & later->control)
		       ? "reserved"
		       : later->taken_for;
}

const struct report_bit report_root_found[] = {
	{ PGW_ROOT_FROM_CPU, "cpu" },
	{ PGW_ROOT_FROM_KPTI, "kpti-pair" },
	{ PGW_ROOT_FROM_VMCOREINFO_NOTE, "vmcoreinfo-note" },
	{ PGW_ROOT_FROM_VMCOREINFO_RAM, "vmcoreinfo-ram" },
	{ PGW_ROOT_FROM_SELF_MAP, "self-map" },
	{ PGW_ROOT_FROM_TABLE_BITS, "table-bits" },
	{ PGW_ROOT_FROM_LEVEL3, "level3-table" },
	{ PGW_ROOT_FROM_IMAGE_HEADER, "image-header" },
	{ PGW_ROOT_FROM_VMCOREINFO_GIVEN, "vmcoreinfo-given" },
	{ PGW_ROOT_FROM_AGREEMENT, "agreement" },
	{ PGW_ROOT_FROM_IDENTITY_MAP, "identity-map" },
	{ PGW_ROOT_FROM_FILE, "file" },
	{ PGW_ROOT_FROM_PROCESS_TABLE, "process-table" },
	{ 0, NULL },
};

const struct report_bit report_absent_flags[] = {
	{ PGW_ABSENT_WRITABLE, "writable" },     { PGW_ABSENT_EXCLUSIVE, "exclusive" },
	{ PGW_ABSENT_YOUNG, "young" },           { PGW_ABSENT_DIRTY, "dirty" },
	{ PGW_ABSENT_SOFT_DIRTY, "soft-dirty" }, { PGW_ABSENT_UFFD_WP, "uffd-wp" },
	{ PGW_ABSENT_POISONED, "poisoned" },     { PGW_ABSENT_GUARD, "guard" },
	{ PGW_ABSENT_ASSUMED, "(assumed)" },     { 0, NULL },
};

const char *const report_vmcoreinfo_keys[] = {
	"OSRELEASE",
	"BUILD-ID",
	"PAGESIZE",
	"KERNELOFFSET",
	"SYMBOL(swapper_pg_dir)",
	"SYMBOL(_stext)",
	"NUMBER(phys_base)",
	"NUMBER(pgtable_l5_enabled)",
	"NUMBER(VA_BITS)",
	"NUMBER(TCR_EL1_T1SZ)",
	"NUMBER(kimage_voffset)",
	"NUMBER(PHYS_OFFSET)",
	"NUMBER(PAGE_OFFSET)",
	"NUMBER(va_kernel_pa_offset)",
	NULL,
};
