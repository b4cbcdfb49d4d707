/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules over leaves, with the rights that the whole way to them gives. */
#include "analysis/audit_priv.h"

#include <string.h>

#include <pagewalk/scan.h>

#include "base/bits.h"
#include "system/tell.h"

#define MIB(n) ((uint64_t)(n) << 20)

/* Arm ARM D8.3, D8.4: read-only, and made writable by hardware at the first write. */
#define ARM64_AP_RO BIT(7)
#define ARM64_NG BIT(11)
#define ARM64_DBM BIT(51)
/* The bit by which Linux marks leaves without a struct page. */
#define X86_SPECIAL BIT(9)
#define ARM64_SPECIAL BIT(56)
#define RISCV_SPECIAL BIT(8)

#define X86_VSYSCALL UINT64_C(0xffffffffff600000)

/* Visits of tables by scans: of each one, on average; and for those that many addresses lead to. */
#define VISITS_OF_A_TABLE 4
#define VISITS_BESIDE (UINT64_C(1) << 16)

static const char dirty_detail[] = "writable where the CPU manages dirty bits (DBM over AP[2] = 1)";

/* A region of a root that is gone through. */
struct leaf_scan {
	struct audit *audit;
	size_t index;
	const struct pgw_root_info *root;
	const struct pgw_region *region;
	uint64_t granule;
	uint64_t nr_calls;
	bool is_kernels_own; /* the kernel's region of its own root */
	int status;
};

static uint64_t pa_last(const struct pgw_extent *e)
{
	return e->pa + (e->va_last - e->va_first);
}

static bool is_dirty_managed(const struct leaf_scan *s, const struct pgw_extent *e)
{
	return s->audit->facts.arch == AUDIT_ARM64 &&
	       (e->entry & (ARM64_DBM | ARM64_AP_RO)) == (ARM64_DBM | ARM64_AP_RO);
}

/* A finding about the leaves of an extent that map [first, last], frames of it. */
static struct pgw_audit_finding leaf_finding(const struct leaf_scan *s, enum pgw_audit_rule rule,
					     const struct pgw_extent *e, uint64_t first,
					     uint64_t last)
{
	struct pgw_audit_finding finding = audit_finding(s->audit, rule, s->index);
	uint64_t in_leaf = low_bits(e->leaf_lg2);
	uint64_t leaf = (first - e->pa) & ~in_leaf;

	finding.region = s->region;
	finding.va_first = e->va_first + (first - e->pa);
	finding.va_last = e->va_first + (last - e->pa);
	finding.pa = first;
	finding.entry = pgw_entry_advance(s->root->format, e->entry, e->level, leaf);
	finding.count = ((last - e->pa) >> e->leaf_lg2) - ((first - e->pa) >> e->leaf_lg2) + 1;
	if (is_dirty_managed(s, e))
		finding.detail = dirty_detail;
	return finding;
}

static void leaf_add(struct leaf_scan *s, const struct pgw_audit_finding *finding)
{
	int status = audit_add(s->audit, finding);

	if (status)
		s->status = status;
}

static void leaf_all(struct leaf_scan *s, enum pgw_audit_rule rule, const struct pgw_extent *e)
{
	const struct pgw_audit_finding finding = leaf_finding(s, rule, e, e->pa, pa_last(e));

	leaf_add(s, &finding);
}

/*
 * Those frames of an extent that are in a set: from the first to the last, whole pages.
 * @return false: none is
 */
static bool overlap(const struct leaf_scan *s, const struct pgw_extent *e, const struct ranges *set,
		    uint64_t *ret_first, uint64_t *ret_last)
{
	const struct pgw_pa_range *range = ranges_next(set, e->pa);
	uint64_t last = pa_last(e);

	if (!range || range->first > last)
		return false;
	*ret_first = (range->first > e->pa ? range->first : e->pa) & ~(s->granule - 1);
	range = ranges_next(set, last);
	if (!range || range->first > last)
		range = range ? range - 1 : &set->list[set->nr - 1];
	*ret_last = (range->last < last ? range->last : last) | (s->granule - 1);
	return true;
}

static void leaf_overlap(struct leaf_scan *s, enum pgw_audit_rule rule, const struct pgw_extent *e,
			 const struct ranges *set, bool is_suspect, const char *detail)
{
	struct pgw_audit_finding finding;
	uint64_t first, last;

	if (!overlap(s, e, set, &first, &last))
		return;
	finding = leaf_finding(s, rule, e, first, last);
	finding.is_suspect |= is_suspect;
	finding.detail = finding.detail ? finding.detail : detail;
	leaf_add(s, &finding);
}

/* ---- writable and executable ---- */

static void rule_kernel_wx(struct leaf_scan *s, const struct pgw_extent *e)
{
	struct pgw_audit_finding finding;
	unsigned wx = PGW_KERNEL_W | PGW_KERNEL_X;

	/* What programs have has no X for the kernel where SMEP is on, and on riscv64: no-smep is a rule of its own. */
	if ((e->rights & wx) != wx)
		return;
	finding = leaf_finding(s,
			       s->root->state == PGW_ROOT_FIRMWARE ? PGW_AUDIT_FIRMWARE_WX
								   : PGW_AUDIT_KERNEL_WX,
			       e, e->pa, pa_last(e));
	/* arm64's calls of firmware: the kernel sets AP[2] of code and leaves DBM as it was. */
	if (is_dirty_managed(s, e) && finding.level == PGW_AUDIT_ERROR)
		finding.level =
			s->audit->roots[s->index].is_efi ? PGW_AUDIT_NOTE : PGW_AUDIT_WARNING;
	leaf_add(s, &finding);
}

static void rule_user_wx(struct leaf_scan *s, const struct pgw_extent *e)
{
	unsigned wx = PGW_USER_W | PGW_USER_X;

	/* A private page that was not written yet is clean in the same way on arm64. */
	if ((e->rights & wx) == wx)
		leaf_all(s, PGW_AUDIT_USER_WX, e);
}

/* ---- executable for the kernel ---- */

/* The kernel's image has the frame right behind text, read-only: the entry trampoline of arm64. */
static bool is_entry_code(const struct audit_facts *facts, const struct pgw_extent *e)
{
	uint64_t text_last = facts->text.last - facts->image_distance;
	uint64_t distance = e->va_first - e->pa;

	if ((facts->direct.is_known && distance == facts->direct_distance) ||
	    distance == facts->image_distance)
		return false;
	if (facts->fixmap.is_known &&
	    !(place_has(&facts->fixmap, e->va_first) && place_has(&facts->fixmap, e->va_last)))
		return false;
	if (facts->entry_code.nr)
		return ranges_cover(&facts->entry_code, e->pa, pa_last(e));
	return !facts->has_data_symbols && e->pa > text_last && pa_last(e) < text_last + MIB(64) &&
	       e->va_last - e->va_first < 4 * MIB(1) / 64;
}

/* Pieces outside the places where code is, that are executable all the same. */
static bool is_known_code(const struct leaf_scan *s, const struct pgw_extent *e)
{
	const struct audit_facts *facts = &s->audit->facts;
	uint64_t distance = e->va_first - e->pa;
	bool is_direct = facts->direct.is_known && distance == facts->direct_distance;

	if (s->audit->roots[s->index].is_efi)
		return true;
	if (e->rights & PGW_KERNEL_W)
		return false;
	switch (facts->arch) {
	case AUDIT_X86_64: /* the trampoline by which CPUs start */
		return place_has(&facts->real_mode, e->pa) &&
		       place_has(&facts->real_mode, pa_last(e)) &&
		       (is_direct || (distance == 0 && s->root->state == PGW_ROOT_TRAMPOLINE));
	case AUDIT_ARM64:
		return s->region->kind == PGW_REGION_KERNEL && is_entry_code(facts, e);
	case AUDIT_RISCV64: /* code of modules keeps its rights in the direct map */
		return is_direct && ranges_cover(&facts->module_code, e->pa, pa_last(e));
	case AUDIT_OTHER:
	default:
		return false;
	}
}

/* Cut off what lies in a place where code is. @return false: nothing is left */
static bool place_cut(const struct audit_place *place, struct pgw_extent *e)
{
	uint64_t cut;

	if (!place->is_known || e->va_last < place->first || e->va_first > place->last)
		return true;
	if (e->va_first < place->first) {
		e->va_last = place->first - 1;
		return true;
	}
	if (e->va_last <= place->last)
		return false;
	cut = place->last + 1 - e->va_first;
	e->va_first += cut;
	e->pa += cut;
	return true;
}

static void rule_x_outside(struct leaf_scan *s, const struct pgw_extent *extent)
{
	const struct audit_facts *facts = &s->audit->facts;
	struct pgw_extent e = *extent;

	if (!(e.rights & PGW_KERNEL_X) || !facts->text.is_known ||
	    s->root->state == PGW_ROOT_FIRMWARE)
		return;
	if (!place_cut(&facts->text, &e) || !place_cut(&facts->modules, &e))
		return;
	if (facts->arch == AUDIT_ARM64 && !place_cut(&facts->vmalloc, &e))
		return;
	if (is_known_code(s, &e))
		return;
	if (!facts->modules.is_known || (facts->arch == AUDIT_ARM64 && !facts->vmalloc.is_known)) {
		audit_uncheck(s->audit, PGW_AUDIT_X_OUTSIDE,
			      "nothing says where modules are, and there is code beside text");
		return;
	}
	leaf_all(s, PGW_AUDIT_X_OUTSIDE, &e);
}

/* ---- frames that are something else ---- */

static void rule_text_writable(struct leaf_scan *s, const struct pgw_extent *e)
{
	const struct audit_facts *facts = &s->audit->facts;

	if (!(e->rights & (PGW_KERNEL_W | PGW_USER_W)))
		return;
	leaf_overlap(s, PGW_AUDIT_TEXT_WRITABLE, e, &facts->code, false, "code");
	leaf_overlap(s, PGW_AUDIT_TEXT_WRITABLE, e, &facts->read_only, false, "read-only data");
	leaf_overlap(s, PGW_AUDIT_TABLE_RO, e, &facts->ro_tables, false, NULL);
}

static void rule_kernel_user(struct leaf_scan *s, const struct pgw_extent *e)
{
	if (e->rights >> 3 == 0)
		return;
	if (s->audit->facts.arch == AUDIT_X86_64 && e->va_first == X86_VSYSCALL &&
	    e->va_last - e->va_first < s->granule && !(e->rights & PGW_USER_W))
		return;
	leaf_all(s, PGW_AUDIT_KERNEL_USER, e);
}

static void rule_user_frames(struct leaf_scan *s, const struct pgw_extent *e)
{
	const struct audit *a = s->audit;

	if (e->rights >> 3 == 0)
		return;
	leaf_overlap(s, PGW_AUDIT_USER_TABLE, e, &a->sure_tables, false, NULL);
	leaf_overlap(s, PGW_AUDIT_USER_TABLE, e, &a->looks_tables, true,
		     "the table is one by its looks");
	leaf_overlap(s, PGW_AUDIT_USER_KERNEL, e, &a->facts.kernel_only, false, NULL);
}

static void rule_table_alias(struct leaf_scan *s, const struct pgw_extent *e)
{
	const struct audit_facts *facts = &s->audit->facts;
	uint64_t distance = e->va_first - e->pa;

	if (!(e->rights & PGW_KERNEL_W) || e->rights >> 3 || !facts->direct.is_known ||
	    !facts->image.is_known || distance == facts->direct_distance)
		return;
	if (distance == facts->image_distance && place_has(&facts->image, e->va_first) &&
	    place_has(&facts->image, e->va_last))
		return;
	if (distance == 0 &&
	    (s->root->state == PGW_ROOT_TRAMPOLINE || s->root->state == PGW_ROOT_FIRMWARE ||
	     s->audit->roots[s->index].is_efi))
		return;
	/* The device tree's window, of whole large leaves. */
	if (facts->arch == AUDIT_RISCV64 && e->level > 0 && place_has(&facts->fixmap, e->va_first))
		return;
	leaf_overlap(s, PGW_AUDIT_TABLE_ALIAS, e, &s->audit->sure_tables, false, NULL);
	leaf_overlap(s, PGW_AUDIT_TABLE_ALIAS, e, &s->audit->looks_tables, true,
		     "the table is one by its looks");
}

/* ---- no memory ---- */

/* The first part of an extent, from pa on, that is not in a set. @return false: all of it is */
static bool gap_find(const struct pgw_extent *e, uint64_t pa, const struct ranges *set,
		     uint64_t *ret_first, uint64_t *ret_last)
{
	const struct pgw_pa_range *range = ranges_next(set, pa);

	*ret_first = pa;
	if (range && range->first <= pa) {
		if (range->last >= pa_last(e))
			return false;
		*ret_first = range->last + 1;
		range = ranges_next(set, range->last + 1);
	}
	*ret_last = range && range->first <= pa_last(e) ? range->first - 1 : pa_last(e);
	return true;
}

static bool is_special(const struct audit_facts *facts, const struct pgw_extent *e)
{
	const uint64_t bits[] = { [AUDIT_X86_64] = X86_SPECIAL,
				  [AUDIT_ARM64] = ARM64_SPECIAL,
				  [AUDIT_RISCV64] = RISCV_SPECIAL };

	return e->entry & bits[facts->arch];
}

/* Where the kernel has nothing but memory. */
static bool has_only_ram(const struct leaf_scan *s, const struct pgw_extent *e, uint64_t first,
			 uint64_t last)
{
	const struct audit_facts *facts = &s->audit->facts;
	uint64_t va = e->va_first + (first - e->pa);

	if (!place_has(&facts->direct, va) &&
	    !(facts->has_image_end && place_has(&facts->image, va)) &&
	    !place_has(&facts->modules, va))
		return false;
	if (e->va_first - e->pa != facts->direct_distance)
		return true;
	/* x86 maps also what firmware keeps below 1 MiB, in holes, and up to the next large leaf. */
	return facts->arch != AUDIT_X86_64 ||
	       (last >= MIB(1) &&
		!ranges_meet(&facts->ram, (last & ~(MIB(2) - 1)) - MIB(2), first | (MIB(2) - 1)) &&
		!ranges_meet(&facts->firmware, first, last));
}

/* first to last is no memory. */
static void rule_no_ram_part(struct leaf_scan *s, const struct pgw_extent *e, uint64_t first,
			     uint64_t last)
{
	const struct audit_facts *facts = &s->audit->facts;
	struct pgw_audit_finding finding;
	const char *detail = NULL;

	if (first > facts->pa_last) {
		detail = "beyond the addresses that the CPU has";
	} else if (e->rights >> 3) {
		if (!is_special(facts, e))
			detail = "a program's, not marked as a device's";
		else if (!ranges_cover(&facts->resources, first, last))
			detail = "a program's, marked as a device's, and there is none";
	} else if (e->rights & PGW_KERNEL_X &&
		   !(facts->arch == AUDIT_X86_64 && s->root->state == PGW_ROOT_TRAMPOLINE)) {
		detail = "executable";
	} else if (s->region->kind == PGW_REGION_KERNEL && has_only_ram(s, e, first, last)) {
		detail = "where the kernel has memory alone";
	}
	if (!detail)
		return;
	finding = leaf_finding(s, PGW_AUDIT_NO_RAM, e, first, last);
	finding.detail = detail;
	leaf_add(s, &finding);
}

static void rule_no_ram(struct leaf_scan *s, const struct pgw_extent *e)
{
	const struct audit_facts *facts = &s->audit->facts;
	uint64_t pa = e->pa, first, last;

	if (!facts->has_ram || s->root->state == PGW_ROOT_FIRMWARE ||
	    s->audit->roots[s->index].is_efi)
		return;
	while (gap_find(e, pa, &facts->ram, &first, &last)) {
		/* What the CPU has no address for is a part of its own. */
		if (first <= facts->pa_last && last > facts->pa_last)
			last = facts->pa_last;
		rule_no_ram_part(s, e, first, last);
		if (last == pa_last(e))
			return;
		pa = last + 1;
	}
}

/* ---- all of them ---- */

static void kernel_own_leaf(struct leaf_scan *s, const struct pgw_extent *e)
{
	struct audit *a = s->audit;

	a->has_nx |= (e->rights & (PGW_KERNEL_W | PGW_KERNEL_X)) == PGW_KERNEL_W;
	if (a->facts.arch != AUDIT_ARM64)
		return;
	a->has_private_kernel |= (e->entry & ARM64_NG) != 0;
	a->has_global_kernel |= (e->entry & ARM64_NG) == 0;
}

/* Those that need to know what is normal on the architecture. */
static void leaf_rules(struct leaf_scan *s, const struct pgw_extent *e)
{
	if (s->is_kernels_own)
		kernel_own_leaf(s, e);
	rule_kernel_wx(s, e);
	rule_x_outside(s, e);
	rule_text_writable(s, e);
	if (s->region->kind == PGW_REGION_KERNEL)
		rule_kernel_user(s, e);
	else
		rule_user_wx(s, e);
	rule_table_alias(s, e);
	rule_no_ram(s, e);
}

static int leaves_met(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct leaf_scan *s = (struct leaf_scan *)arg;

	if (s->nr_calls++ % AUDIT_LOOK_EVERY == 0)
		s->status = image_tell_look(s->audit->args->image, &s->audit->forest.look);
	for (size_t i = 0; i < nr && !s->status; i++) {
		const struct pgw_extent *e = &extents[i];

		if (e->kind != PGW_ENTRY_LEAF)
			continue;
		if (s->region->kind != PGW_REGION_KERNEL)
			rule_user_frames(s, e);
		if (s->audit->facts.arch != AUDIT_OTHER)
			leaf_rules(s, e);
	}
	return s->status;
}

/* Of what is only read, at whatever address, one address tells all. */
static bool leaf_wanted(const struct pgw_extent *e, void *arg)
{
	(void)arg;
	return e->kind == PGW_ENTRY_LEAF && e->rights & ~(unsigned)PGW_KERNEL_R;
}

/*
 * The control bits that leaves are read by: what is off and could be on is said by rules of their
 * own (audit_machine.c), not for each leaf.
 */
static struct pgw_control scan_control(const struct pgw_root_info *root)
{
	struct pgw_control control = root->control;
	uint32_t on = 0;

	if (strcmp(pgw_format_arch(root->format), "x86_64") == 0)
		on = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP;
	else if (strcmp(pgw_format_arch(root->format), "arm64") == 0 &&
		 !(control.known & PGW_CTL_ARM64_HD))
		on = PGW_CTL_ARM64_HD;
	control.known |= on;
	control.set |= on;
	return control;
}

static int region_scan(struct audit *a, size_t index, const struct pgw_region *region)
{
	const struct pgw_root_info *root = &a->list[index];
	const struct pgw_mm_attach_args attach = {
		.platform = a->args->platform,
		.format = root->format,
		.phys = a->forest.phys,
		.root = root->root,
		.region = region->kind,
		.control = scan_control(root),
		.budget = a->visits_left ? a->visits_left : 1,
	};
	const struct pgw_scan_ops ops = { .extents = leaves_met, .wanted = leaf_wanted };
	struct leaf_scan s = {
		.audit = a,
		.index = index,
		.root = root,
		.region = region,
		.granule = BIT(pgw_format_geometry(root->format)->granule_lg2),
		.is_kernels_own = region->kind == PGW_REGION_KERNEL && a->facts.has_kernel &&
				  root->root.pa == a->facts.kernel.root.pa,
	};
	struct pgw_scan_stats stats = { 0 };
	struct pgw_mm *mm;
	int status = pgw_mm_attach(&attach, &mm);

	if (status)
		return status;
	status = pgw_scan_with(mm, region->first, region->last, &ops, &s, &stats);
	pgw_mm_free(mm);
	a->visits_left -= stats.nr_tables < a->visits_left ? stats.nr_tables : a->visits_left;
	if (status == -PGW_E2BIG) {
		a->sums->truncated = true;
		status = 0;
	}
	return status;
}

/* Rules that hold on every architecture. */
static bool is_about_tables(int rule)
{
	return rule >= PGW_AUDIT_TABLE_SHARED && rule <= PGW_AUDIT_TABLE_LOST;
}

/* What the image lacks for which rule. */
static void unchecked_say(struct audit *a)
{
	static const char no_kernel[] = "no kernel of Linux proves itself",
			  no_symbols[] = "the kernel's symbols are not known",
			  no_data[] = "the kernel has symbols of its functions alone",
			  no_direct[] = "no direct map was found",
			  no_ram[] = "the kernel's tree of resources (iomem_resource) is not known";
	const struct audit_facts *facts = &a->facts;
	const char *no_text = !facts->has_kernel ? no_kernel : no_symbols;

	if (!facts->has_kernel || facts->arch == AUDIT_OTHER)
		audit_uncheck(a, PGW_AUDIT_TABLE_MARK, no_kernel);
	else if (facts->marks.why_not)
		audit_uncheck(a, PGW_AUDIT_TABLE_MARK, facts->marks.why_not);
	if (facts->arch == AUDIT_OTHER) {
		for (int rule = 0; rule < _PGW_AUDIT_RULE_MAX; rule++) {
			if (rule < PGW_AUDIT_FOREIGN_CODE && rule != PGW_AUDIT_USER_TABLE &&
			    !is_about_tables(rule))
				audit_uncheck(a, (enum pgw_audit_rule)rule,
					      "what is normal on this architecture is not known");
		}
		return;
	}
	if (!facts->text.is_known) {
		audit_uncheck(a, PGW_AUDIT_X_OUTSIDE, no_text);
		audit_uncheck(a, PGW_AUDIT_USER_KERNEL, no_text);
		audit_uncheck(a, PGW_AUDIT_TABLE_ALIAS, no_text);
	}
	if (!facts->code.nr)
		audit_uncheck(a, PGW_AUDIT_TEXT_WRITABLE, no_text);
	if (!facts->has_data_symbols) {
		const char *why = facts->symbols ? no_data : no_text;

		audit_uncheck(a, PGW_AUDIT_TEXT_WRITABLE, why);
		audit_uncheck(a, PGW_AUDIT_USER_KERNEL, why);
		if (facts->arch == AUDIT_ARM64)
			audit_uncheck(a, PGW_AUDIT_TABLE_RO, why);
	}
	if (facts->text.is_known && !facts->direct.is_known)
		audit_uncheck(a, PGW_AUDIT_TABLE_ALIAS, no_direct);
	if (!facts->has_ram)
		audit_uncheck(a, PGW_AUDIT_NO_RAM, facts->has_kernel ? no_ram : no_kernel);
}

int audit_leaves(struct audit *a)
{
	/* Tables that lead to each other are met more often than any machine's. */
	uint64_t visits = VISITS_OF_A_TABLE * a->forest.nr_tables + VISITS_BESIDE;
	int status = 0;

	if (a->visits_left > visits)
		a->visits_left = visits;
	unchecked_say(a);
	for (size_t i = 0; i < a->nr_list && !status; i++) {
		const struct pgw_root_info *root = &a->list[i];
		const struct pgw_region *region = pgw_format_regions(root->format);

		for (; region->name && !a->roots[i].is_out && !status; region++) {
			if (forest_root_has(root, region) &&
			    !(region->kind == PGW_REGION_KERNEL && a->roots[i].shares_kernel))
				status = region_scan(a, i, region);
		}
		a->forest.look.nr_done++;
	}
	return status;
}
