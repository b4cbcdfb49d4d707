/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/linux_pages.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/source.h"
#include "system/linux/inside.h"
#include "system/system_priv.h"

#define SECTION_MASK UINT64_C(0x3f) /* SECTION_MAP_MASK of include/linux/mmzone.h: flags below */
#define MAX_SECTION_BITS 40
#define MAX_FLAGS 64
#define MAX_TYPES 64
#define TYPE_NAME 32
#define MAPPING_BITS 3 /* PAGE_MAPPING_FLAGS of include/linux/page-flags.h */
#define NO_TYPE UINT32_C(0xffffffff)

/* How a page's type is told, see include/linux/page-flags.h. */
enum type_form {
	TYPE_BITS, /* to 6.11: all bits are set but that of the type */
	TYPE_BYTE, /* since 6.12: the highest byte */
};

struct places {
	struct {
		struct linux_member size, flags, head, type, refcount, mapping;
	} page;
	struct {
		struct linux_member size, map;
	} section;
};

struct pgw_pages {
	struct linux_inside inside;
	struct places places;
	uint64_t root;                   /* the array of pointers to sections */
	unsigned page_lg2;               /* bytes of a frame */
	unsigned section_lg2;            /* frames of a section */
	unsigned per_root;               /* sections that a pointer of root leads to */
	uint64_t last_section, last_map; /* of the one that was used last; map 0: none */
	enum type_form form;
	char flags[MAX_FLAGS][TYPE_NAME]; /* "": the bit has no name */
	struct {
		uint32_t value;
		char name[TYPE_NAME];
	} types[MAX_TYPES];
	unsigned nr_types;
	uint64_t head_bit; /* of flags */
};

#define AT(member) offsetof(struct places, member)
#define NEED(type, path, member)                                                                   \
	{                                                                                          \
		type, path, AT(member), false,                                                     \
			"struct " type "'s member " path " in the kernel's BTF"                    \
	}

static const struct linux_wanted wanted[] = {
	{ "page", NULL, AT(page.size), false, "struct page in the kernel's BTF" },
	NEED("page", "flags", page.flags),
	NEED("page", "compound_info|compound_head", page.head),
	NEED("page", "page_type", page.type),
	NEED("page", "_refcount.counter", page.refcount),
	NEED("page", "mapping", page.mapping),
	{ "mem_section", NULL, AT(section.size), false, "struct mem_section in the kernel's BTF" },
	NEED("mem_section", "section_mem_map", section.map),
};

/* ---- names ---- */

static void name_copy(char *to, const char *from)
{
	size_t len = strlen(from);

	len = len < TYPE_NAME ? len : TYPE_NAME - 1;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] == '_' ? '-' : from[i]);
	to[len] = '\0';
}

/* PG_locked is bit 0. Some bits have several names, of which the first is the common one. */
static void flag_take(void *arg, const char *name, uint64_t value)
{
	struct pgw_pages *pages = arg;

	if (strncmp(name, "PG_", 3) != 0 || value >= MAX_FLAGS || pages->flags[value][0])
		return;
	name_copy(pages->flags[value], name + 3);
	if (strcmp(name, "PG_head") == 0)
		pages->head_bit = BIT(value);
}

static void type_add(struct pgw_pages *pages, const char *name, uint32_t value)
{
	if (pages->nr_types == MAX_TYPES)
		return;
	name_copy(pages->types[pages->nr_types].name, name);
	pages->types[pages->nr_types++].value = value;
}

/* PGTY_table is 0xf2; in 6.11, PG_table is a bit. */
static void type_take(void *arg, const char *name, uint64_t value)
{
	struct pgw_pages *pages = arg;

	if (strncmp(name, "PGTY_", 5) == 0 && strcmp(name, "PGTY_mapcount_underflow") != 0) {
		pages->form = TYPE_BYTE;
		type_add(pages, name + 5, (uint32_t)value);
	} else if (strncmp(name, "PG_", 3) == 0) {
		type_add(pages, name + 3, (uint32_t)value);
	}
}

static void names_read(struct pgw_pages *pages)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} old[] = {
		{ "buddy", 0x80 }, { "offline", 0x100 }, { "table", 0x200 }, { "guard", 0x400 }
	};
	bool is_old;

	linux_types_enum(pages->inside.types, "pageflags", flag_take, pages);
	linux_types_enum(pages->inside.types, "pagetype", type_take, pages);
	is_old = !pages->nr_types;
	/* To 6.10 they are macros, which no BTF has. */
	for (size_t i = 0; is_old && i < PGW_ARRAY_SIZE(old); i++)
		type_add(pages, old[i].name, old[i].bit);
}

/* ---- where a page is ---- */

/* VMCOREINFO's SYMBOL(mem_section) is the pointer's value, not its address. */
static int sections_find(struct pgw_pages *pages, struct pgw_error *err)
{
	const struct pgw_vmcoreinfo *text;
	uint64_t at = linux_inside_symbol(&pages->inside, "mem_section"), bits = 0;
	int status = linux_inside_vmcoreinfo(&pages->inside, &text);

	if (status)
		return source_fail(err, status, NULL);
	if (text)
		pgw_vmcoreinfo_number(text, "SECTION_SIZE_BITS", &bits);
	if (!text || bits <= pages->page_lg2 || bits > MAX_SECTION_BITS)
		return source_fail(err, -PGW_ENOENT,
				   "a VMCOREINFO with NUMBER(SECTION_SIZE_BITS), which says where "
				   "a frame's struct page is");
	pages->section_lg2 = (unsigned)bits - pages->page_lg2;
	if (at && linux_memory_word(&pages->inside.memory, at, &pages->root) == 0)
		return 0;
	if (!pgw_vmcoreinfo_symbol(text, "mem_section", &pages->root))
		return source_fail(err, -PGW_ENOENT,
				   "mem_section among the kernel's symbols, or in VMCOREINFO");
	return 0;
}

static int pages_prepare(struct pgw_pages *pages, struct pgw_image *image, struct pgw_error *err)
{
	const struct linux_wanted *missing;
	int status = linux_inside_open(&pages->inside, image, err);

	if (status)
		return status;
	if (!linux_types_fill(pages->inside.types, wanted, PGW_ARRAY_SIZE(wanted), &pages->places,
			      &missing))
		return source_fail(err, -PGW_ENOENT, missing->what);
	pages->page_lg2 = pgw_format_geometry(pages->inside.memory.root.format)->granule_lg2;
	if (!pages->places.page.size.size || !pages->places.section.size.size ||
	    pages->places.section.size.size > BIT(pages->page_lg2))
		return source_fail(err, -PGW_ENOENT, "struct page and mem_section with a size");
	pages->per_root = (unsigned)(BIT(pages->page_lg2) / pages->places.section.size.size);
	names_read(pages);
	return sections_find(pages, err);
}

int pgw_pages_open(struct pgw_image *image, struct pgw_pages **ret, struct pgw_error *err)
{
	struct pgw_pages *pages = calloc(1, sizeof(*pages));
	int status;

	if (err)
		*err = (struct pgw_error){ 0 };
	if (!pages)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = pages_prepare(pages, image, err);
	if (status) {
		free(pages);
		return status;
	}
	*ret = pages;
	return 0;
}

void pgw_pages_close(struct pgw_pages *pages)
{
	free(pages);
}

uint64_t pgw_pages_size(const struct pgw_pages *pages)
{
	return BIT(pages->page_lg2);
}

const char *pgw_page_flag(const struct pgw_pages *pages, unsigned bit)
{
	return bit < MAX_FLAGS && pages->flags[bit][0] ? pages->flags[bit] : NULL;
}

/* The address of the struct page of frame 0, if the section of this frame had all of them. */
static int section_map(struct pgw_pages *pages, uint64_t pfn, uint64_t *ret)
{
	uint64_t section = pfn >> pages->section_lg2, root, map;
	struct linux_memory *mem = &pages->inside.memory;

	if (pages->last_map && pages->last_section == section) {
		*ret = pages->last_map;
		return 0;
	}
	if (linux_memory_word(mem, pages->root + 8 * (section / pages->per_root), &root))
		return -PGW_EIO;
	if (!root)
		return -PGW_ENOENT;
	if (linux_inside_number(&pages->inside,
				root + section % pages->per_root * pages->places.section.size.size,
				&pages->places.section.map, &map))
		return -PGW_EIO;
	if (!(map & ~SECTION_MASK))
		return -PGW_ENOENT;
	*ret = pages->last_map = map & ~SECTION_MASK;
	pages->last_section = section;
	return 0;
}

/* ---- what it says ---- */

static bool is_head_at(struct pgw_pages *pages, uint64_t va)
{
	uint64_t flags;

	return linux_inside_number(&pages->inside, va, &pages->places.page.flags, &flags) == 0 &&
	       (flags & pages->head_bit);
}

/*
 * A tail says where its head is by a pointer to it, or (7.2, where struct page is a power of two) by
 * a mask for its own address. Which it is, the head proves.
 */
static bool tail_head(struct pgw_pages *pages, const struct pgw_page *page, uint64_t word,
		      uint64_t *ret_pa)
{
	const uint64_t size = pages->places.page.size.size;
	const uint64_t heads[] = { word - 1, page->va & (word - 1) };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(heads); i++) {
		uint64_t distance = page->va - heads[i];

		if (heads[i] >= page->va || distance % size ||
		    distance / size > page->pa >> pages->page_lg2 || !is_head_at(pages, heads[i]))
			continue;
		*ret_pa = page->pa - (distance / size << pages->page_lg2);
		return true;
	}
	return false;
}

static const char *type_name(const struct pgw_pages *pages, uint32_t value)
{
	for (unsigned i = 0; i < pages->nr_types; i++) {
		uint32_t type = pages->types[i].value;

		if (pages->form == TYPE_BYTE ? value >> 24 == type : value == (NO_TYPE ^ type))
			return pages->types[i].name;
	}
	return NULL;
}

static void mapping_take(uint64_t word, struct pgw_page *ret)
{
	static const enum pgw_page_mapping kinds[] = { PGW_PAGE_FILE, PGW_PAGE_ANON,
						       PGW_PAGE_MOVABLE, PGW_PAGE_KSM };

	/* A mark says that the word is something else, but for large pages of hugetlbfs. */
	if (!(word & ~(uint64_t)MAPPING_BITS) || (ret->type && strcmp(ret->type, "hugetlb") != 0))
		return;
	ret->mapping = kinds[word & MAPPING_BITS];
	ret->mapping_va = word & ~(uint64_t)MAPPING_BITS;
}

/* What counts of a tail is the head's, but for its own type. */
static int page_read(struct pgw_pages *pages, struct pgw_page *page)
{
	const struct places *at = &pages->places;
	uint64_t type, refcount, mapping;

	if (linux_inside_number(&pages->inside, page->va, &at->page.flags, &page->flags) ||
	    linux_inside_number(&pages->inside, page->va, &at->page.type, &type) ||
	    linux_inside_number(&pages->inside, page->va, &at->page.refcount, &refcount) ||
	    linux_inside_number(&pages->inside, page->va, &at->page.mapping, &mapping))
		return -PGW_EIO;
	page->refcount = (int32_t)(uint32_t)refcount;
	page->type = page->is_tail ? NULL : type_name(pages, (uint32_t)type);
	if (!page->type)
		page->mapcount = (int32_t)(uint32_t)(type + 1);
	page->is_head = !page->is_tail && (page->flags & pages->head_bit);
	if (!page->is_tail)
		mapping_take(mapping, page);
	return 0;
}

int pgw_page_get(struct pgw_pages *pages, uint64_t pa, struct pgw_page *ret)
{
	uint64_t pfn = pa >> pages->page_lg2, map, word;
	struct pgw_page page = { .pa = pfn << pages->page_lg2 };
	int err = section_map(pages, pfn, &map);

	if (err)
		return err;
	page.va = map + pfn * pages->places.page.size.size;
	page.head_pa = page.pa;
	if (linux_inside_number(&pages->inside, page.va, &pages->places.page.head, &word))
		return -PGW_EIO;
	page.is_tail = (word & 1) && tail_head(pages, &page, word, &page.head_pa);
	err = page_read(pages, &page);
	if (!err && page.is_tail) {
		struct pgw_page head = { .va = page.va - (page.pa - page.head_pa) /
								 BIT(pages->page_lg2) *
								 pages->places.page.size.size };

		if (page_read(pages, &head) == 0) {
			page.mapping = head.mapping;
			page.mapping_va = head.mapping_va;
			page.type = head.type;
		}
	}
	if (!err)
		*ret = page;
	return err;
}
