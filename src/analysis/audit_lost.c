/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages that the kernel marks as tables and that no root leads to: of an address space that was not
 * found, or forgotten. All struct pages are read for that, once, behind the rules over tables, which
 * know what is led to.
 *
 * What is marked and in no tree is, of Linux 6.1 to 7.2: the tables that wait behind large pages, one
 * for each, to be there when it is split (pgtable_trans_huge_deposit() in mm/pgtable-generic.c: a
 * ring through page.lru, which the struct page of the table of the large pages leads to); and, on
 * arm64, those below tramp_pg_dir, which is no process's root.
 */
#include "analysis/audit_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define CHUNK 4096 /* bytes of struct pages that are read at once */
#define RULE PGW_AUDIT_TABLE_LOST

struct lost {
	struct audit *audit;
	struct linux_memory memory; /* a copy, whose reads are its own */
	struct ranges known;        /* frames */
	size_t root;                /* the kernel's own, in the list */
	const struct pgw_region *region;
	bool has_gaps; /* struct pages that the image lacks */
};

/* ---- what is known ---- */

static int known_add(struct lost *lost, uint64_t pa, uint64_t size)
{
	const uint64_t in_page = low_bits(lost->audit->facts.marks.granule_lg2);

	return ranges_add(&lost->known, pa & ~in_page, (pa + size - 1) | in_page);
}

/* The ring of tables that wait behind the large pages of a table: no more than it has slots. */
static int deposits_add(struct lost *lost, uint64_t table_pa, unsigned nr_slots)
{
	const struct audit_marks *marks = &lost->audit->facts.marks;
	uint64_t page, first, pa, size = UINT64_C(1) << marks->granule_lg2;
	int status = 0;

	/* Where the ring's end would be in a table's page is the pointer to one of those in it. */
	if (linux_memory_word(&lost->memory, audit_marks_page(marks, table_pa) + marks->lru + 8,
			      &first))
		return 0;
	page = first;
	for (unsigned i = 0; i < nr_slots && !status; i++) {
		if (!audit_marks_frame(marks, page, &pa) ||
		    audit_mark_of(marks, &lost->memory, pa) != AUDIT_MARK_TABLE)
			return 0;
		status = known_add(lost, pa, size);
		if (linux_memory_word(&lost->memory, page + marks->lru, &page))
			return status;
		page -= marks->lru;
		if (page == first)
			return status;
	}
	return status;
}

/* A root that is the kernel's, but for a moment at a time: all below it is read, too. */
static int image_root_add(struct lost *lost, const char *name)
{
	struct audit *a = lost->audit;
	struct pgw_root_info root = a->facts.kernel;
	struct pgw_symbol symbol;
	uint32_t table;
	int status;

	if (!a->facts.symbols || !pgw_symbols_find(a->facts.symbols, name, &symbol) ||
	    !linux_memory_pa(&lost->memory, symbol.va, &root.root.pa))
		return 0;
	status = forest_add(&a->forest, &root, &table);
	return status == -PGW_EINVAL ? 0 : status;
}

static int known_find(struct lost *lost)
{
	const struct forest *f = &lost->audit->forest;
	int status = image_root_add(lost, "tramp_pg_dir");

	for (uint64_t i = 0; i < f->nr_tables && !status; i++) {
		const struct pgw_geometry *geo = forest_geometry(f, (uint32_t)i);
		const struct forest_table *t = &f->tables[i];

		status = known_add(lost, t->pa, forest_table_size(geo, t->level));
		if (!status && t->level == 1)
			status = deposits_add(lost, t->pa, 1u << geo->slots_lg2[1]);
	}
	ranges_sort(&lost->known);
	return status;
}

/* ---- all struct pages ---- */

static bool is_zero(const struct lost *lost, uint64_t pa)
{
	static const uint8_t zeroes[256];
	uint8_t bytes[sizeof(zeroes)];
	const uint64_t size = UINT64_C(1) << lost->audit->facts.marks.granule_lg2;

	for (uint64_t at = 0; at < size; at += sizeof(bytes)) {
		if (pgw_phys_read(lost->audit->forest.phys, pa + at, bytes, sizeof(bytes)) ||
		    memcmp(bytes, zeroes, sizeof(bytes)) != 0)
			return false;
	}
	return true;
}

static int lost_tell(struct lost *lost, uint64_t pa)
{
	const struct audit_facts *facts = &lost->audit->facts;
	struct pgw_audit_finding finding = audit_finding(lost->audit, RULE, lost->root);

	finding.region = lost->region;
	finding.va_first = pa + facts->direct_distance;
	finding.va_last = finding.va_first | low_bits(facts->marks.granule_lg2);
	finding.pa = pa;
	finding.detail = is_zero(lost, pa) ? "it is empty" : NULL;
	return audit_add(lost->audit, &finding);
}

/* Struct pages one behind the other, of frames from pa on. */
static int pages_look(struct lost *lost, const uint8_t *bytes, uint64_t pa, uint64_t nr)
{
	const struct audit_marks *marks = &lost->audit->facts.marks;
	int status = 0;

	for (uint64_t i = 0; i < nr && !status; i++, pa += UINT64_C(1) << marks->granule_lg2) {
		const uint8_t *type = bytes + i * marks->page_size + marks->offset;

		if (audit_marks_is_table(marks, load_le32(type)) &&
		    !ranges_cover(&lost->known, pa, pa))
			status = lost_tell(lost, pa);
	}
	return status;
}

/* Frames [first, last] of memory, whole ones. */
static int frames_look(struct lost *lost, uint64_t first, uint64_t last)
{
	const struct audit_marks *marks = &lost->audit->facts.marks;
	const uint64_t max = CHUNK / marks->page_size;
	uint8_t bytes[CHUNK];
	int status = 0;

	for (uint64_t frame = first, nr; frame <= last && !status; frame += nr) {
		uint64_t pa = frame << marks->granule_lg2, at;

		nr = last - frame < max ? last - frame + 1 : max;
		status = audit_visit(lost->audit);
		if (status || !linux_memory_pa(&lost->memory, audit_marks_page(marks, pa), &at))
			continue;
		if (linux_memory_read(&lost->memory, audit_marks_page(marks, pa), bytes,
				      (size_t)(nr * marks->page_size)))
			lost->has_gaps = true;
		else
			status = pages_look(lost, bytes, pa, nr);
	}
	return status;
}

static int memory_look(struct lost *lost)
{
	const unsigned lg2 = lost->audit->facts.marks.granule_lg2;
	struct pgw_pa_range range;
	uint64_t pa = 0;
	int status = 0;

	while (!status && pgw_image_next_described(lost->audit->args->image, pa, &range)) {
		uint64_t first = (range.first > pa ? range.first : pa) + low_bits(lg2);

		if (first >> lg2 < (range.last + 1) >> lg2)
			status = frames_look(lost, first >> lg2, ((range.last + 1) >> lg2) - 1);
		if (range.last == UINT64_MAX)
			break;
		pa = range.last + 1;
	}
	return status;
}

/* ---- all of it ---- */

static const char *why_not(const struct audit *a)
{
	const struct audit_facts *facts = &a->facts;

	if (!facts->has_kernel)
		return "no kernel of Linux proves itself";
	if (facts->marks.why_not)
		return facts->marks.why_not;
	if (!facts->marks.lru || facts->marks.page_size > CHUNK ||
	    facts->marks.offset + 4 > facts->marks.page_size)
		return "how struct page says that it is a table's is not known";
	if (!facts->direct.is_known)
		return "no direct map was found";
	if (a->sums->truncated)
		return "not all tables were read: the budget ran out";
	if (a->sums->nr_unreadable)
		return "tables are not in the image, and what they lead to is not known";
	return NULL;
}

int audit_lost(struct audit *a)
{
	const char *why = why_not(a);
	struct lost *lost;
	int status;

	if (why) {
		audit_uncheck(a, RULE, why);
		return 0;
	}
	lost = calloc(1, sizeof(*lost));
	if (!lost)
		return -PGW_ENOMEM;
	lost->audit = a;
	lost->region = pgw_format_region(a->facts.kernel.format, PGW_REGION_KERNEL);
	linux_memory_init(&lost->memory, a->args->image, &a->facts.kernel);
	if (!audit_kernel_root(a, &lost->root) || !lost->region) {
		audit_uncheck(a, RULE, "the kernel's own root is not among those that are looked at");
		free(lost);
		return 0;
	}
	status = known_find(lost);
	if (!status)
		status = memory_look(lost);
	if (lost->has_gaps)
		audit_uncheck(a, RULE, "not all struct pages are in the image");
	if (status == -PGW_E2BIG) {
		a->sums->truncated = true;
		status = 0;
	}
	ranges_fini(&lost->known);
	free(lost);
	return status;
}
