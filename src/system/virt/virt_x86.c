/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

#define ADDRESS BITS(51, 12)

/* AMD APM vol. 2, appendix B: N_CR3 of a VMCB, and the ASID. The page is the survey's. */
#define VMCB_ASID_WORD (0x58 / 8)
#define VMCB_NESTED_ROOT_WORD (0xb0 / 8)

/* VT-d 9.1, 9.3: a root table has 256 entries of two words, a context table 256 of two words. */
#define VTD_PRESENT BIT(0)
#define VTD_CONTEXT_TT BITS(3, 2)
#define VTD_CONTEXT_PASS_THROUGH (UINT64_C(2) << 2)
#define VTD_CONTEXT_LOW_RESERVED BITS(11, 4)
#define VTD_CONTEXT_AW BITS(2, 0)
#define VTD_CONTEXT_HIGH_RESERVED BITS(63, 24)
/* 9.4 to 9.6, scalable mode: context entries of four words, PASID table entries of eight. */
#define VTD_SCALABLE_RID_PASID BITS(19, 0)
#define VTD_PASID_PGTT BITS(8, 6)
#define VTD_PASID_AW BITS(4, 2)
#define VTD_PASID_FLPM BITS(3, 2)
#define VTD_MAX_ROOT_WORDS 64 /* that are not zero, of a root table in scalable mode */

/* AMD 48882 2.2.2.1: a device table entry has four words. */
#define DTE_V_TV BITS(1, 0)
#define DTE_MODE BITS(11, 9)
#define DTE_IR BIT(61)
#define DTE_IW BIT(62)

/* What of an entry is 0 in tables that are filled in by Linux. */
#define DTE_ZERO BITS(6, 2)
#define DTE_GV BIT(55)
/* Of the second word: what is neither a domain nor how a device may ask, but the root of guest tables. */
#define DTE_GCR3 (BITS(63, 43) | BITS(31, 16))
#define DTE_RESERVED BIT(42)
#define DTE_MIN 32 /* entries that a table has at least */

static bool is_device_entry(const uint64_t word[4])
{
	uint64_t zero = DTE_RESERVED | (word[0] & DTE_GV ? 0 : DTE_GCR3);

	return (word[0] & DTE_V_TV) == DTE_V_TV && !(word[0] & DTE_ZERO) &&
	       (word[0] & DTE_MODE) >> 9 <= 6 && !(word[1] & zero) && !word[3];
}

/*
 * How many entries of the page, from the first on, are valid and look like ones of a device table? Linux
 * makes all valid up to the last device that there is; those behind it are zero.
 * @return 0: it is no such page
 */
static unsigned count_devices(const uint8_t *page)
{
	unsigned nr = 0;

	for (size_t at = 0; at < IMAGE_PAGE; at += 32) {
		uint64_t word[4];

		for (unsigned i = 0; i < 4; i++)
			word[i] = load_le64(page + at + 8 * i);
		if (nr == at / 32 && is_device_entry(word))
			nr++;
		else if (word[0] | word[1] | word[2] | word[3])
			return 0;
	}
	return nr;
}

/* All words are 0, or a page's address and "present"; how many, of the even and the odd ones? */
static bool is_root_page(const uint8_t *page)
{
	unsigned nr = 0;

	for (size_t at = 0; at < IMAGE_PAGE; at += 8) {
		uint64_t word = load_le64(page + at);

		if (word && (word & ~ADDRESS) != VTD_PRESENT)
			return false;
		nr += word != 0;
	}
	return nr && nr <= 256;
}

unsigned virt_x86_look(const uint8_t *page)
{
	return (is_root_page(page) ? 1u << VIRT_PAGE_VTD : 0) |
	       (count_devices(page) ? 1u << VIRT_PAGE_DEVICE : 0) | virt_vmx_look(page);
}

static const struct pgw_format *vtd_second(unsigned aw)
{
	static const char *const names[] = { NULL, "vtd-second-3", "vtd-second-4", "vtd-second-5" };

	return aw < PGW_ARRAY_SIZE(names) && names[aw] ? pgw_format_by_name(names[aw]) : NULL;
}

/* Is it a context table of legacy mode? */
static bool is_context_table(struct virt *virt, const uint64_t words[512])
{
	for (unsigned i = 0; i < 512; i += 2) {
		uint64_t low = words[i], high = words[i + 1];

		if (!(low & VTD_PRESENT)) {
			if (low || high)
				return false;
			continue;
		}
		if ((low & VTD_CONTEXT_LOW_RESERVED) || (low & VTD_CONTEXT_TT) >> 2 > 2 ||
		    (low & ~(ADDRESS | BITS(11, 0))) || (high & VTD_CONTEXT_HIGH_RESERVED) ||
		    !vtd_second((unsigned)(high & VTD_CONTEXT_AW)))
			return false;
		if ((low & VTD_CONTEXT_TT) != VTD_CONTEXT_PASS_THROUGH &&
		    !virt_is_memory(virt, low & ADDRESS))
			return false;
	}
	return true;
}

static int add_context_table(struct virt *virt, uint64_t root_pa, unsigned bus, uint64_t pa,
			     const uint64_t words[512])
{
	int status = 0;

	for (unsigned i = 0; i < 512 && !status; i += 2) {
		struct pgw_foreign found = {
			.source = PGW_FOREIGN_VTD,
			.domain = PGW_DOMAIN_PASS_THROUGH,
			.id = bus << 8 | i / 2,
			.domain_id = (uint32_t)(words[i + 1] >> 8 & 0xffff),
			.evidence = pa + 8 * (uint64_t)i,
			.table = root_pa,
		};

		if (!(words[i] & VTD_PRESENT))
			continue;
		if ((words[i] & VTD_CONTEXT_TT) != VTD_CONTEXT_PASS_THROUGH) {
			found.domain = PGW_DOMAIN_TABLES;
			found.format = vtd_second((unsigned)(words[i + 1] & VTD_CONTEXT_AW));
			found.root.pa = words[i] & ADDRESS;
		}
		status = virt_add(virt, &found);
	}
	return status;
}

/* Legacy mode: each entry's high word is 0, its low one leads to a context table. @return whether */
static bool is_legacy_root(struct virt *virt, const uint64_t root[512])
{
	uint64_t words[512];

	for (unsigned i = 0; i < 512; i++) {
		if (!root[i])
			continue;
		if (i % 2 || !virt_page_read(virt, root[i] & ADDRESS, words) ||
		    !is_context_table(virt, words))
			return false;
	}
	return true;
}

static int add_legacy_root(struct virt *virt, uint64_t pa, const uint64_t root[512])
{
	uint64_t words[512];
	int status = 0;

	for (unsigned i = 0; i < 512 && !status; i += 2) {
		if (root[i] && virt_page_read(virt, root[i] & ADDRESS, words))
			status = add_context_table(virt, pa, i / 2, root[i] & ADDRESS, words);
	}
	return status;
}

/* The entry of the PASID that stands for requests without one. @return false: there is none */
static bool pasid_entry(struct virt *virt, const uint64_t context[4], uint64_t *ret_pa,
			uint64_t ret[8])
{
	uint64_t words[512], pasid = context[1] & VTD_SCALABLE_RID_PASID;
	uint64_t directory = (context[0] & ADDRESS) + (pasid >> 6) * 8;

	if (!virt_page_read(virt, directory & ~UINT64_C(0xfff), words) ||
	    (words[directory / 8 % 512] & ~ADDRESS) != VTD_PRESENT)
		return false;
	*ret_pa = (words[directory / 8 % 512] & ADDRESS) + (pasid & 63) * 64;
	if (!virt_page_read(virt, *ret_pa & ~UINT64_C(0xfff), words))
		return false;
	memcpy(ret, words + *ret_pa % IMAGE_PAGE / 8, 8 * sizeof(*ret));
	return ret[0] & VTD_PRESENT;
}

/* Scalable mode: is it a context table, of 128 functions, with at least one that leads somewhere? */
static bool is_scalable_context_table(struct virt *virt, const uint64_t words[512])
{
	uint64_t entry[8], pa;
	unsigned nr = 0;

	for (unsigned i = 0; i < 512; i += 4) {
		const uint64_t *context = words + i;

		if (!(context[0] | context[1] | context[2] | context[3]))
			continue;
		if (!(context[0] & VTD_PRESENT) || context[2] || context[3] || context[1] >> 20 ||
		    !virt_is_memory(virt, context[0] & ADDRESS))
			return false;
		nr += pasid_entry(virt, context, &pa, entry);
	}
	return nr;
}

static void pasid_domain(const uint64_t entry[8], struct pgw_foreign *found)
{
	unsigned type = (unsigned)((entry[0] & VTD_PASID_PGTT) >> 6);
	unsigned aw = (unsigned)((entry[0] & VTD_PASID_AW) >> 2);
	unsigned flpm = (unsigned)((entry[2] & VTD_PASID_FLPM) >> 2);

	found->domain_id = (uint32_t)(entry[1] & 0xffff);
	if (type == 1 && flpm < 2) {
		found->format = pgw_format_by_name(flpm ? "vtd-first-57" : "vtd-first-48");
		found->root.pa = entry[2] & ADDRESS;
	} else if (type == 2) {
		found->format = vtd_second(aw);
		found->root.pa = entry[0] & ADDRESS;
	}
	found->domain = found->format ? PGW_DOMAIN_TABLES
			: type == 4   ? PGW_DOMAIN_PASS_THROUGH
				      : PGW_DOMAIN_UNKNOWN;
}

static int add_scalable_context_table(struct virt *virt, uint64_t root_pa, unsigned first,
				      const uint64_t words[512])
{
	int status = 0;

	for (unsigned i = 0; i < 512 && !status; i += 4) {
		struct pgw_foreign found = {
			.source = PGW_FOREIGN_VTD_PASID,
			.id = first + i / 4,
			.table = root_pa,
		};
		uint64_t entry[8];

		if (!(words[i] & VTD_PRESENT) ||
		    !pasid_entry(virt, words + i, &found.evidence, entry))
			continue;
		pasid_domain(entry, &found);
		status = virt_add(virt, &found);
	}
	return status;
}

static bool is_scalable_root(struct virt *virt, const uint64_t root[512])
{
	uint64_t words[512];
	unsigned nr = 0;

	for (unsigned i = 0; i < 512; i++) {
		if (!root[i])
			continue;
		if (++nr > VTD_MAX_ROOT_WORDS || !virt_page_read(virt, root[i] & ADDRESS, words) ||
		    !is_scalable_context_table(virt, words))
			return false;
	}
	return nr;
}

static int add_scalable_root(struct virt *virt, uint64_t pa, const uint64_t root[512])
{
	uint64_t words[512];
	int status = 0;

	/* A word for functions below 0x80 of a bus, and one for the others. */
	for (unsigned i = 0; i < 512 && !status; i++) {
		if (root[i] && virt_page_read(virt, root[i] & ADDRESS, words))
			status = add_scalable_context_table(virt, pa, i * 128, words);
	}
	return status;
}

static int collect_vtd(struct virt *virt)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_VTD];
	uint64_t root[512];
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!virt_page_read(virt, pages->pa[i], root))
			continue;
		if (is_legacy_root(virt, root))
			status = add_legacy_root(virt, pages->pa[i], root);
		else if (is_scalable_root(virt, root))
			status = add_scalable_root(virt, pages->pa[i], root);
	}
	return status;
}

static int add_device(struct virt *virt, uint64_t table, uint32_t id, const uint64_t dte[4])
{
	unsigned mode = (unsigned)((dte[0] & DTE_MODE) >> 9);
	struct pgw_foreign found = {
		.source = PGW_FOREIGN_AMDVI,
		.id = id,
		.domain_id = (uint32_t)(dte[1] & 0xffff),
		.evidence = table + 32 * (uint64_t)id,
		.table = table,
		.control = { .known = PGW_CTL_AMDVI_IR | PGW_CTL_AMDVI_IW },
	};
	static const char *const names[] = { NULL,      "amdvi-1", "amdvi-2", "amdvi-3",
					     "amdvi-4", "amdvi-5", "amdvi-6", NULL };

	if (!(dte[0] & (DTE_IR | DTE_IW))) {
		virt->nr_blocked++;
		return 0;
	}
	found.control.set = (dte[0] & DTE_IR ? PGW_CTL_AMDVI_IR : 0u) |
			    (dte[0] & DTE_IW ? PGW_CTL_AMDVI_IW : 0u);
	found.format = names[mode] ? pgw_format_by_name(names[mode]) : NULL;
	found.root.pa = found.format ? dte[0] & ADDRESS : 0;
	if (found.format && !virt_is_memory(virt, found.root.pa))
		return 0;
	found.domain = found.format ? PGW_DOMAIN_TABLES
		       : mode       ? PGW_DOMAIN_UNKNOWN
				    : PGW_DOMAIN_PASS_THROUGH;
	return virt_add(virt, &found);
}

/* Pages that follow each other are one table, of which the last may end before the page does. */
static int collect_amdvi(struct virt *virt)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_DEVICE];
	uint64_t words[512], table = 0, next = 0;
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		uint64_t pa = pages->pa[i];
		unsigned nr = 0;

		if (!virt_page_read(virt, pa, words))
			continue;
		while (nr < 512 && (words[nr] & DTE_V_TV) == DTE_V_TV)
			nr += 4;
		if (next != pa) {
			if (nr / 4 < DTE_MIN)
				continue;
			table = pa;
		}
		next = nr == 512 ? pa + IMAGE_PAGE : 0;
		for (unsigned at = 0; at < nr && !status; at += 4)
			status = add_device(virt, table, (uint32_t)((pa - table) / 32) + at / 4,
					    words + at);
	}
	return status;
}

/* A nested root has as many levels as the host's own. */
static const struct pgw_format *npt_format(struct pgw_image *image)
{
	struct pgw_root_info kernel;
	bool is_57 = pgw_image_kernel_root(image, &kernel, NULL) == 0 &&
		     pgw_format_geometry(kernel.format)->top_level == 4;

	return pgw_format_by_name(is_57 ? "npt-57" : "npt-48");
}

static int collect_vmcbs(struct virt *virt)
{
	const struct pgw_format *format = NULL;
	const struct image_pages *pages;
	uint64_t words[512], encrypted;
	int status = image_survey(virt->image);

	if (status)
		return status;
	pages = image_pages(virt->image, IMAGE_PAGE_GUEST);
	encrypted = image_encryption_mask(virt->image); /* N_CR3 may have it, as CR3 may */
	for (size_t i = 0; i < pages->nr && !status; i++) {
		struct pgw_foreign found = {
			.source = PGW_FOREIGN_VMCB,
			.is_guest = true,
			.evidence = pages->pa[i],
		};

		if (!virt_page_read(virt, pages->pa[i], words) ||
		    !virt_is_memory(virt, words[VMCB_NESTED_ROOT_WORD] & ~encrypted))
			continue;
		found.root.pa = words[VMCB_NESTED_ROOT_WORD] & ~encrypted;
		found.domain_id = (uint32_t)words[VMCB_ASID_WORD];
		/* Asked once: where there is no kernel, it takes its time. */
		if (!format)
			format = npt_format(virt->image);
		found.format = format;
		image_encryption_control(virt->image, &found.control);
		/* What only looks like a VMCB leads to anything; a guest that has not run yet to nothing. */
		if (virt_root_entries(virt, &found) >= 0)
			status = virt_add(virt, &found);
	}
	return status;
}

/*
 * The state save area of a VMCB (APM vol. 2, table B-2): what the CPU had when the guest was left the
 * last time, or has still.
 */
static struct pgw_cpu vmcb_cpu(const uint64_t words[512])
{
	uint64_t attributes = words[0x410 / 8] >> 16 & 0xfff;

	return (struct pgw_cpu){
		.known = PGW_CPU_X86_CR | PGW_CPU_X86_EFER,
		.efer = words[0x4d0 / 8],
		.cr4 = words[0x548 / 8],
		.cr3 = words[0x550 / 8],
		.cr0 = words[0x558 / 8],
		.idt_base = words[0x488 / 8],
		/* Bits 47:40 and 55:52 of CS's descriptor, as its upper word has them. */
		.cs_flags = (uint32_t)((attributes & 0xff) << 8 | (attributes & 0xf00) << 12),
	};
}

int virt_x86_guest_cpus(struct pgw_image *host, const struct pgw_foreign *guest, struct source *source)
{
	const struct image_pages *pages = image_pages(host, IMAGE_PAGE_GUEST);
	uint64_t words[512], encrypted = image_encryption_mask(host);
	struct virt virt = { .image = host };
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!virt_page_read(&virt, pages->pa[i], words) ||
		    (words[VMCB_NESTED_ROOT_WORD] & ~encrypted) != guest->root.pa)
			continue;
		const struct pgw_cpu cpu = vmcb_cpu(words);

		status = source_add_cpu(source, &cpu);
	}
	return status;
}

int virt_x86_collect(struct virt *virt)
{
	int status = collect_vmcbs(virt);

	if (!status)
		status = virt_vmx_collect(virt);
	if (!status)
		status = collect_vtd(virt);
	return status ? status : collect_amdvi(virt);
}
