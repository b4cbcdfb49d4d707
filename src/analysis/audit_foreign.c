/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virtual machines and devices behind an IOMMU can reach: the leaves of their tables, whatever
 * address of theirs they are at, against what the host's frames are. Each tree is scanned once; what
 * several devices have in common is told of the first. What they may only read is nobody's harm here.
 */
#include "analysis/audit_priv.h"

#include <stdlib.h>

#include <pagewalk/analysis.h>
#include <pagewalk/scan.h>
#include <pagewalk/virt.h>

#include "base/bits.h"

#define MAY_WRITE (PGW_KERNEL_W | PGW_USER_W)
#define MAX_COMMON 4
#define FRAMES_OF_A_VISIT 512
#define MAX_REACHES (UINT32_C(1) << 20)
/* include/linux/iommu.h of Linux: a domain that is no translation; none yet. */
#define DOMAIN_IDENTITY 4
/* drivers/iommu/intel: what an ISA bridge is given one to one. */
#define ISA_SIZE (UINT64_C(16) << 20)

static const char isa_detail[] = "one to one below 16 MiB, as drivers give an ISA bridge";
static const char translate_detail[] = "the kernel's default is to translate";

/* Frames that a tree maps, in one run. */
struct reach {
	uint64_t first, last; /* physical, inclusive */
	uint64_t va;
	uint32_t tree;
	bool may_write;
};

struct tree {
	const struct pgw_foreign *of;
	struct pgw_root_info root;
	uint64_t nr_bytes; /* that it maps */
	uint64_t nr_same;  /* of these, at their own addresses */
	size_t nr_users;
	struct {
		uint32_t vm;       /* its tree, plus 1 */
		uint64_t nr_bytes; /* of the device's reach that are that machine's, too */
	} common[MAX_COMMON]; /* of a device: the first machines that it has memory in common with */
	uint32_t vm;          /* of a device that is a virtual machine's: its tree, plus 1 */
};

struct foreigners {
	struct audit *audit;
	struct tree *trees;
	size_t nr;
	uint32_t now; /* the tree that is scanned */
	struct reach *reaches;
	size_t nr_reaches, max_reaches;
	bool is_full; /* of reaches */
};

static struct pgw_audit_finding foreign_finding(const struct foreigners *f,
						enum pgw_audit_rule rule, uint32_t tree)
{
	const struct tree *t = &f->trees[tree];

	return (struct pgw_audit_finding){
		.rule = rule,
		.level = pgw_audit_rule_info(rule)->level,
		.root = &t->root,
		.foreign = t->of,
		.count = 1,
		.nr_roots = t->nr_users,
	};
}

/* A finding about frames first to last (inclusive) of a reach. */
static int reach_found(struct foreigners *f, enum pgw_audit_rule rule, const struct reach *reach,
		       uint64_t first, uint64_t last)
{
	const struct tree *t = &f->trees[reach->tree];
	struct pgw_audit_finding finding = foreign_finding(f, rule, reach->tree);
	uint64_t va = reach->va + (first - reach->first);

	finding.region = pgw_format_regions(t->of->format);
	finding.va_first = va;
	finding.va_last = va + (last - first);
	finding.pa = first;
	finding.count = ((last - first) >> pgw_format_geometry(t->of->format)->granule_lg2) + 1;
	if (!t->of->is_guest && va == first && finding.va_last < ISA_SIZE) {
		finding.level = PGW_AUDIT_NOTE;
		finding.detail = isa_detail;
	}
	return audit_add(f->audit, &finding);
}

/* What of a reach is in a set of frames. */
static int reach_meets(struct foreigners *f, enum pgw_audit_rule rule, const struct reach *reach,
		       const struct ranges *set)
{
	const struct pgw_pa_range *range = ranges_next(set, reach->first);
	int status = 0;

	/* Of a flood no more than is told is looked for. */
	if (f->audit->sums->full_rules >> rule & 1)
		return 0;
	for (; range && range < set->list + set->nr && range->first <= reach->last && !status;
	     range++) {
		uint64_t first = range->first > reach->first ? range->first : reach->first;
		uint64_t last = range->last < reach->last ? range->last : reach->last;

		status = reach_found(f, rule, reach, first, last);
	}
	return status;
}

/* Free frames from first to last (inclusive) of a reach, which are RAM, in runs. */
static int freed_in(struct foreigners *f, const struct reach *reach, uint64_t first, uint64_t last)
{
	struct audit_facts *facts = &f->audit->facts;
	uint64_t size = UINT64_C(1) << facts->marks.granule_lg2, start = first;
	bool is_run = false;
	int status = 0;

	for (uint64_t pa = first & ~(size - 1);
	     pa <= last && pa >= (first & ~(size - 1)) && !status;) {
		/* A block that has the page began at or behind the first one, which was asked. */
		uint64_t free = audit_mark_free(&facts->marks, &facts->memory, pa, pa > first);

		if (!is_run && free)
			start = pa > first ? pa : first;
		if (is_run && !free)
			status = reach_found(f, PGW_AUDIT_FOREIGN_FREED, reach, start, pa - 1);
		if (!status && !(pa / size % FRAMES_OF_A_VISIT))
			status = audit_visit(f->audit);
		is_run = free != 0;
		pa += free ? free : size;
	}
	return is_run && !status ? reach_found(f, PGW_AUDIT_FOREIGN_FREED, reach, start, last)
				 : status;
}

static int reach_freed(struct foreigners *f, const struct reach *reach)
{
	const struct ranges *ram = &f->audit->facts.ram;
	const struct pgw_pa_range *range = ranges_next(ram, reach->first);
	int status = 0;

	if (!audit_marks_tell_free(&f->audit->facts.marks))
		return 0;
	for (; range && range < ram->list + ram->nr && range->first <= reach->last && !status;
	     range++)
		status = freed_in(f, reach,
				  range->first > reach->first ? range->first : reach->first,
				  range->last < reach->last ? range->last : reach->last);
	if (status == -PGW_E2BIG) {
		f->audit->sums->truncated = true;
		return 0;
	}
	return status;
}

static int reach_check(struct foreigners *f, const struct reach *reach)
{
	struct audit *a = f->audit;
	int status;

	if (!reach->may_write)
		return 0;
	status = reach_meets(f, PGW_AUDIT_FOREIGN_CODE, reach, &a->facts.code);
	if (!status)
		status = reach_meets(f, PGW_AUDIT_FOREIGN_CODE, reach, &a->facts.read_only);
	if (!status)
		status = reach_meets(f, PGW_AUDIT_FOREIGN_TABLE, reach, &a->sure_tables);
	return status ? status : reach_freed(f, reach);
}

static int reach_keep(struct foreigners *f, const struct reach *reach)
{
	size_t max = f->max_reaches ? f->max_reaches * 2 : 256;
	void *grown;

	if (f->nr_reaches == MAX_REACHES) {
		f->is_full = true;
		return 0;
	}
	if (f->nr_reaches == f->max_reaches) {
		grown = reallocarray(f->reaches, max, sizeof(f->reaches[0]));
		if (!grown)
			return -PGW_ENOMEM;
		f->reaches = grown;
		f->max_reaches = max;
	}
	f->reaches[f->nr_reaches++] = *reach;
	return 0;
}

/* An entry that the MMU refuses. */
static int extent_bad(struct foreigners *f, const struct pgw_extent *extent)
{
	struct pgw_audit_finding finding = foreign_finding(f, PGW_AUDIT_RESERVED, f->now);

	finding.region = pgw_format_regions(f->trees[f->now].of->format);
	finding.va_first = extent->va_first;
	finding.va_last = extent->va_last;
	finding.entry = extent->entry;
	return audit_add(f->audit, &finding);
}

static int extent_look(const struct pgw_extent *extent, void *arg)
{
	struct foreigners *f = (struct foreigners *)arg;
	struct tree *t = &f->trees[f->now];
	const struct reach reach = {
		.first = extent->pa,
		.last = extent->pa + (extent->va_last - extent->va_first),
		.va = extent->va_first,
		.tree = f->now,
		.may_write = extent->rights & MAY_WRITE,
	};

	if (extent->kind == PGW_ENTRY_MALFORMED)
		return extent_bad(f, extent);
	/* What wraps around is nobody's memory. */
	if (extent->kind != PGW_ENTRY_LEAF || reach.last < reach.first)
		return 0;
	t->nr_bytes += reach.last - reach.first + 1;
	t->nr_same += reach.va == reach.first ? reach.last - reach.first + 1 : 0;
	return reach_keep(f, &reach);
}

static int tree_scan(struct foreigners *f, struct pgw_mm *mm)
{
	struct pgw_audit_sums *sums = f->audit->sums;
	struct pgw_scan_stats stats = { 0 };
	int status = pgw_mmap_read_lock(mm);

	if (status)
		return status;
	status = pgw_scan(mm, pgw_mm_region(mm)->first, pgw_mm_region(mm)->last, extent_look, f,
			  &stats);
	pgw_mmap_read_unlock(mm);
	sums->truncated |= status == -PGW_E2BIG;
	sums->nr_unreadable += stats.nr_unreadable;
	return status == -PGW_E2BIG ? 0 : status;
}

/* Does the tree lead back to itself, or to a table twice? It says how often, and not where. */
static int tree_shape(struct foreigners *f)
{
	struct audit *a = f->audit;
	struct tree *t = &f->trees[f->now];
	struct pgw_audit_finding finding;
	struct pgw_integrity met;
	int status = pgw_integrity(a->args->image, &t->root, a->args->max_tables, &met);

	if (status)
		return status == -PGW_E2BIG ? 0 : status;
	a->sums->nr_tables += met.nr_tables;
	if (met.nr_loops) {
		finding = foreign_finding(f, PGW_AUDIT_LOOP, f->now);
		finding.count = met.nr_loops;
		status = audit_add(a, &finding);
	}
	if (met.nr_shared > met.nr_loops && !status) {
		finding = foreign_finding(f, PGW_AUDIT_TABLE_TWICE, f->now);
		finding.count = met.nr_shared - met.nr_loops;
		status = audit_add(a, &finding);
	}
	return status;
}

static int tree_look(struct foreigners *f)
{
	const struct tree *t = &f->trees[f->now];
	const struct pgw_mm_attach_args args = {
		.platform = f->audit->args->platform,
		.format = t->of->format,
		.phys = pgw_image_phys(f->audit->args->image),
		.root = t->of->root,
		.region = pgw_format_regions(t->of->format)->kind,
		.control = t->of->control,
		.budget = f->audit->args->max_tables,
	};
	struct pgw_mm *mm;
	int status = pgw_mm_attach(&args, &mm);

	/* No tables can be where it says: what said so is damaged, or was none. */
	if (status == -PGW_EINVAL) {
		f->audit->sums->nr_unreadable++;
		return 0;
	}
	if (status)
		return status;
	status = tree_scan(f, mm);
	pgw_mm_free(mm);
	return status ? status : tree_shape(f);
}

/* @return the bytes that a machine's memory comes to, or 0 */
static uint64_t memory_size(const struct audit *a)
{
	uint64_t size = 0;

	for (size_t i = 0; i < a->facts.ram.nr; i++)
		size += a->facts.ram.list[i].last - a->facts.ram.list[i].first + 1;
	return size;
}

/* More than half of the machine at its own addresses is no translation. */
static bool is_identity(const struct foreigners *f, const struct tree *t)
{
	uint64_t size = memory_size(f->audit);

	return !t->of->is_guest &&
	       (t->of->domain == PGW_DOMAIN_PASS_THROUGH || (size && t->nr_same > size / 2));
}

/* Does the kernel translate for devices that nobody asked anything else for? */
static bool kernel_translates(const struct audit *a)
{
	struct pgw_symbol symbol;
	uint64_t type;

	if (!a->facts.symbols ||
	    !pgw_symbols_find(a->facts.symbols, "iommu_def_domain_type", &symbol))
		return false;
	return !linux_memory_number(&((struct audit *)a)->facts.memory, symbol.va, 4, &type) &&
	       type && type != DOMAIN_IDENTITY;
}

static int identity_tell(struct foreigners *f, uint32_t tree)
{
	struct pgw_audit_finding finding = foreign_finding(f, PGW_AUDIT_DEVICE_IDENTITY, tree);

	if (kernel_translates(f->audit)) {
		finding.level = PGW_AUDIT_WARNING;
		finding.detail = translate_detail;
	}
	return audit_add(f->audit, &finding);
}

static bool trees_equal(const struct pgw_foreign *a, const struct pgw_foreign *b)
{
	if (a->domain != b->domain || a->is_guest != b->is_guest)
		return false;
	return a->domain == PGW_DOMAIN_PASS_THROUGH ||
	       (a->root.pa == b->root.pa && a->format == b->format);
}

static void trees_list(struct foreigners *f, const struct pgw_foreign *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		size_t at = 0;

		if (list[i].domain == PGW_DOMAIN_UNKNOWN)
			continue;
		while (at < f->nr && !trees_equal(f->trees[at].of, &list[i]))
			at++;
		if (at == f->nr) {
			f->trees[f->nr++].of = &list[i];
			f->trees[at].root = (struct pgw_root_info){
				.root = list[i].root,
				.format = list[i].format,
				.control = list[i].control,
				.state = PGW_ROOT_UNKNOWN,
			};
		}
		f->trees[at].nr_users++;
	}
}

static int reach_compare(const void *x, const void *y)
{
	const struct reach *a = x, *b = y;

	return a->first != b->first ? (a->first < b->first ? -1 : 1)
				    : (a->tree > b->tree) - (a->tree < b->tree);
}

/* A device's reach has bytes in common with a virtual machine's memory. */
static int pair_count(struct foreigners *f, const struct reach *a, const struct reach *b)
{
	const struct reach *device = f->trees[a->tree].of->is_guest ? b : a;
	uint32_t vm = (device == a ? b : a)->tree + 1;
	struct tree *t = &f->trees[device->tree];
	uint64_t last = a->last < b->last ? a->last : b->last;

	if (f->trees[a->tree].of->is_guest == f->trees[b->tree].of->is_guest)
		return 0;
	for (size_t i = 0; i < MAX_COMMON; i++) {
		if (t->common[i].vm && t->common[i].vm != vm)
			continue;
		t->common[i].vm = vm;
		t->common[i].nr_bytes += last - b->first + 1;
		break;
	}
	return 0;
}

/* A device is a virtual machine's if half of what it reaches is that one's memory. */
static void owners_find(struct foreigners *f)
{
	for (struct tree *t = f->trees; t < f->trees + f->nr; t++) {
		for (size_t i = 0; i < MAX_COMMON; i++) {
			if (t->common[i].nr_bytes && t->common[i].nr_bytes >= t->nr_bytes / 2)
				t->vm = t->common[i].vm;
		}
	}
}

/* Whose memory a tree's is, as the number of a virtual machine's tree, plus 1; 0: the host's. */
static uint32_t owner_of(const struct foreigners *f, uint32_t tree)
{
	return f->trees[tree].of->is_guest ? tree + 1 : f->trees[tree].vm;
}

/*
 * Two that have memory in common are told if they are of two machines and one may write. A device's
 * registers may be there for each, as the virtual CPU interface of a GICv2 is.
 */
static int pair_check(struct foreigners *f, const struct reach *a, const struct reach *b)
{
	uint32_t of_a = owner_of(f, a->tree), of_b = owner_of(f, b->tree);
	uint64_t last = a->last < b->last ? a->last : b->last;
	struct pgw_pa_range memory;

	if (!of_a || !of_b || of_a == of_b || !(a->may_write || b->may_write))
		return 0;
	if (!pgw_image_next_described(f->audit->args->image, b->first, &memory) ||
	    memory.first > last)
		return 0;
	return reach_found(f, PGW_AUDIT_FOREIGN_SHARED, b, b->first, last);
}

/*
 * Each pair of reaches of two trees that overlap: in the order of frames, each against those that began
 * before and have not ended. More than a few at once is no machine's way to share a frame.
 */
#define MAX_OPEN 16

static int pairs(struct foreigners *f,
		 int (*pair)(struct foreigners *f, const struct reach *a, const struct reach *b))
{
	const struct reach *open[MAX_OPEN];
	size_t nr_open = 0;
	int status = 0;

	for (size_t i = 0; i < f->nr_reaches && !status; i++) {
		const struct reach *b = &f->reaches[i];
		size_t kept = 0;

		if (is_identity(f, &f->trees[b->tree]))
			continue;
		for (size_t j = 0; j < nr_open && !status; j++) {
			if (open[j]->last < b->first)
				continue;
			if (open[j]->tree != b->tree)
				status = pair(f, open[j], b);
			open[kept++] = open[j];
		}
		nr_open = kept;
		if (nr_open < MAX_OPEN)
			open[nr_open++] = b;
		else
			f->is_full = true;
	}
	return status;
}

static int reaches_check(struct foreigners *f)
{
	int status = 0;

	for (size_t i = 0; i < f->nr_reaches && !status; i++) {
		if (!is_identity(f, &f->trees[f->reaches[i].tree]))
			status = reach_check(f, &f->reaches[i]);
	}
	if (status || !f->nr_reaches)
		return status;
	qsort(f->reaches, f->nr_reaches, sizeof(f->reaches[0]), reach_compare);
	status = pairs(f, pair_count);
	owners_find(f);
	return status ? status : pairs(f, pair_check);
}

static int trees_look(struct foreigners *f)
{
	int status = 0;

	for (f->now = 0; f->now < f->nr && !status; f->now++) {
		if (f->trees[f->now].of->domain == PGW_DOMAIN_TABLES)
			status = tree_look(f);
		if (!status && is_identity(f, &f->trees[f->now]))
			status = identity_tell(f, f->now);
	}
	if (!status)
		status = reaches_check(f);
	f->audit->sums->truncated |= f->is_full;
	return status;
}

/* What is missing for all of it, or for a rule, if there is anybody. */
static void foreign_uncheck(struct audit *a)
{
	if (!a->facts.code.nr)
		audit_uncheck(a, PGW_AUDIT_FOREIGN_CODE, "what is the host's code is not known");
	if (!a->sure_tables.nr)
		audit_uncheck(a, PGW_AUDIT_FOREIGN_TABLE, "no root of the host is known");
	if (!a->facts.has_ram || !audit_marks_tell_free(&a->facts.marks))
		audit_uncheck(a, PGW_AUDIT_FOREIGN_FREED, "which pages are free is not known");
}

int audit_foreign(struct audit *a)
{
	const struct pgw_foreign *list;
	struct foreigners f = { .audit = a };
	uint64_t nr_blocked;
	size_t nr;
	int status = pgw_image_foreign(a->args->image, &list, &nr, &nr_blocked);

	if (status == -PGW_ENOMEM || status == -PGW_EINTR)
		return status;
	if (status) {
		audit_uncheck(a, PGW_AUDIT_FOREIGN_CODE,
			      "virtual machines and devices cannot be looked for");
		return status > 0 ? status : 0;
	}
	if (!nr)
		return 0;
	a->visits_left = a->args->max_tables;
	foreign_uncheck(a);
	a->foreign_trees = calloc(nr, sizeof(*f.trees));
	f.trees = a->foreign_trees;
	if (!f.trees)
		return -PGW_ENOMEM;
	trees_list(&f, list, nr);
	a->sums->nr_foreign = f.nr;
	status = trees_look(&f);
	free(f.reaches);
	return status;
}
