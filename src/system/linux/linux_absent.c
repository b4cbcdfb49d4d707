/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/linux_absent.h>

#include <string.h>

#include "system/system_priv.h"

#include "base/bits.h"

/*
 * What Linux keeps in entries that are not valid. The facts are from Linux itself, of the releases
 * that are named: arch/<arch>/include/asm/pgtable*.h says where in an entry each field is,
 * include/linux/swap.h how special types are numbered, and include/linux/swapops.h what they hold.
 */

struct absent_entry;

/* The fields of such an entry, as masks, on one architecture in some releases. */
struct layout {
	uint64_t prot_none; /* set: the entry maps a page that nobody may use */
	uint64_t huge;  /* one is set above level 0: the entry maps a huge page, but is invalid */
	uint64_t never; /* an entry that maps something has none of these */
	uint64_t type;
	uint64_t offset;
	uint64_t exclusive;
	uint64_t soft_dirty;
	uint64_t uffd_wp;
	uint64_t young; /* of what maps something */
	uint64_t dirty;
	uint64_t (*pa)(const struct absent_entry *e); /* of what maps something */
	/* prot_none is set for another reason than PROT_NONE. NULL: it never is. */
	bool (*is_invalid)(uint64_t raw);
	unsigned pa_bits;      /* MAX_PHYSMEM_BITS */
	bool is_inverted;      /* the offset, and the address of a mapped page, are inverted */
	bool has_device;       /* CONFIG_DEVICE_PRIVATE */
	bool has_early_marker; /* CONFIG_PTE_MARKER, a choice before 6.2 */
	bool is_assumed;
};

/* An entry, and all that there is to decode it by. */
struct absent_entry {
	const struct pgw_linux *kernel;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct layout layout;
	unsigned level;
	uint64_t raw;
};

/* A release that is not known counts as the newest. */
static bool is_before(const struct pgw_linux *kernel, unsigned major, unsigned minor)
{
	return kernel->is_known &&
	       (kernel->major < major || (kernel->major == major && kernel->minor < minor));
}

static uint64_t field_get(uint64_t entry, uint64_t mask)
{
	return (entry & mask) >> __builtin_ctzll(mask);
}

/* Where the entry maps to if it is made a valid leaf. Not for x86_64, which may invert addresses. */
static uint64_t leaf_pa(const struct absent_entry *e, uint64_t leaf)
{
	const struct pgw_control unknown = { 0 };
	struct pgw_control control = pgw_control_assume(e->format, &unknown);
	struct pgw_entry entry;

	pgw_entry_decode(e->format, &control, leaf, e->level, &entry);
	return entry.pa;
}

static uint64_t x86_64_pa(const struct absent_entry *e)
{
	return (e->layout.is_inverted ? ~e->raw : e->raw) & BITS(51, 12) &
	       ~low_bits(e->geo->span_lg2[e->level]);
}

/* Without CONT: each entry of a contiguous run has its own address. */
static uint64_t arm64_pa(const struct absent_entry *e)
{
	return leaf_pa(e, (e->raw & ~(BIT(52) | BIT(1))) | (e->level ? 1 : 3));
}

static uint64_t riscv64_pa(const struct absent_entry *e)
{
	return leaf_pa(e, (e->raw & ~BITS(63, 54)) | BITS(1, 0));
}

/* Since 6.10 pte_protnone() shares its bit with other invalid entries; these bits tell them apart. */
static bool arm64_is_invalid(uint64_t raw)
{
	return (raw & BIT(6)) || !(raw & BIT(54)); /* users may access or execute it */
}

/*
 * Linux inverts addresses against L1TF since 4.19, and in the stable releases of the same month. So
 * the release of an older kernel does not tell; bit 51 does, as no memory reaches that high.
 */
static void layout_x86_64(struct absent_entry *e)
{
	e->layout = (struct layout){
		.prot_none = BIT(8), /* G */
		.huge = BIT(7),      /* PS */
		.never = BITS(56, 52),
		.type = BITS(63, 59),
		.offset = BITS(58, 9),
		.exclusive = BIT(3),
		.soft_dirty = BIT(1),
		.uffd_wp = BIT(2),
		.young = BIT(5),
		.dirty = BIT(6),
		.pa = x86_64_pa,
		.pa_bits = e->geo->top_level == 4 ? 52 : 46,
		.is_inverted = true,
		.has_device = true,
		.has_early_marker = true,
		.is_assumed = is_before(e->kernel, 4, 19),
	};
	if (!e->layout.is_assumed || (e->raw & BIT(51)))
		return;
	e->layout.is_inverted = false;
	e->layout.type = BITS(13, 9);
	e->layout.offset = BITS(63, 14);
}

static void layout_arm64(struct absent_entry *e)
{
	bool is_old = is_before(e->kernel, 6, 10);

	e->layout = (struct layout){
		.prot_none = is_old ? BIT(58) : BIT(11),
		.huge = is_old ? BIT(59) : 0,
		.type = is_old ? BITS(7, 3) : BITS(10, 6),
		.offset = is_old ? BITS(57, 8) : BITS(61, 12),
		.exclusive = BIT(2),
		.uffd_wp = is_old ? 0 : BIT(3),
		.young = BIT(10),
		.dirty = BIT(55),
		.pa = arm64_pa,
		.is_invalid = is_old ? NULL : arm64_is_invalid,
		.pa_bits = e->geo->max_pa_bits,
		.has_device = true,
	};
	if (is_before(e->kernel, 5, 19)) {
		e->layout.type = BITS(7, 2);
		e->layout.exclusive = 0;
	}
}

static void layout_riscv64(struct absent_entry *e)
{
	e->layout = (struct layout){
		.prot_none = BIT(5), /* G */
		.huge = BITS(3, 1),  /* R, W, X */
		.type = BITS(11, 7),
		.offset = BITS(63, 12),
		.exclusive = BIT(6),
		.soft_dirty = BIT(3),
		.uffd_wp = BIT(4),
		.young = BIT(6),
		.dirty = BIT(7),
		.pa = riscv64_pa,
		.pa_bits = 56,
	};
	if (is_before(e->kernel, 6, 3)) {
		e->layout.type = BITS(10, 6);
		e->layout.offset = BITS(63, 11);
		e->layout.exclusive = e->layout.soft_dirty = e->layout.uffd_wp = 0;
	}
	if (is_before(e->kernel, 5, 18)) {
		e->layout.prot_none = BIT(1); /* R */
		e->layout.huge = 0;
		e->layout.type = BITS(6, 2);
		e->layout.offset = BITS(63, 7);
	}
}

static bool layout_choose(struct absent_entry *e)
{
	static const struct {
		const char *arch;
		void (*choose)(struct absent_entry *e);
	} layouts[] = {
		{ "x86_64", layout_x86_64 },
		{ "arm64", layout_arm64 },
		{ "riscv64", layout_riscv64 },
	};

	for (size_t i = 0; i < PGW_ARRAY_SIZE(layouts); i++) {
		if (strcmp(pgw_format_arch(e->format), layouts[i].arch) == 0) {
			layouts[i].choose(e);
			return true;
		}
	}
	return false;
}

/* The special types, which have the highest numbers, in this order without gaps. */
enum special {
	SPECIAL_NONE, /* a swap area's */
	SPECIAL_HWPOISON,
	SPECIAL_MIGRATION_READ,
	SPECIAL_MIGRATION_READ_EXCLUSIVE,
	SPECIAL_MIGRATION_WRITE,
	SPECIAL_DEVICE_WRITE,
	SPECIAL_DEVICE_READ,
	SPECIAL_DEVICE_EXCLUSIVE_WRITE, /* since 6.15 the only one, for reads too */
	SPECIAL_DEVICE_EXCLUSIVE_READ,
	SPECIAL_MARKER,
	SPECIAL_SWAPIN_ERROR,
	_SPECIAL_MAX,
};

#define NR_TYPES 32 /* 2^MAX_SWAPFILES_SHIFT */

static bool special_exists(const struct absent_entry *e, enum special special)
{
	const struct pgw_linux *kernel = e->kernel;
	bool is_519 = !is_before(kernel, 5, 19), is_62 = !is_before(kernel, 6, 2);

	switch (special) {
	case SPECIAL_MIGRATION_READ_EXCLUSIVE:
		return is_519;
	case SPECIAL_DEVICE_WRITE:
	case SPECIAL_DEVICE_READ:
		return e->layout.has_device && !is_before(kernel, 4, 14);
	case SPECIAL_DEVICE_EXCLUSIVE_WRITE:
		return e->layout.has_device && !is_before(kernel, 5, 14);
	case SPECIAL_DEVICE_EXCLUSIVE_READ:
		return e->layout.has_device && !is_before(kernel, 5, 14) &&
		       is_before(kernel, 6, 15);
	case SPECIAL_MARKER:
		return is_62 || (is_519 && e->layout.has_early_marker);
	case SPECIAL_SWAPIN_ERROR:
		return is_519 && !is_62;
	default:
		return true;
	}
}

static enum special special_of(const struct absent_entry *e, unsigned type)
{
	unsigned next = NR_TYPES;

	for (enum special special = _SPECIAL_MAX - 1; special > SPECIAL_NONE; special--) {
		if (special_exists(e, special) && type == --next)
			return special;
	}
	return type < next ? SPECIAL_NONE : SPECIAL_HWPOISON;
}

static const struct {
	enum pgw_absent_kind kind;
	uint32_t flags;
} special_meanings[_SPECIAL_MAX] = {
	[SPECIAL_NONE] = { PGW_ABSENT_SWAP, 0 },
	[SPECIAL_HWPOISON] = { PGW_ABSENT_HWPOISON, 0 },
	[SPECIAL_MIGRATION_READ] = { PGW_ABSENT_MIGRATION, 0 },
	[SPECIAL_MIGRATION_READ_EXCLUSIVE] = { PGW_ABSENT_MIGRATION, PGW_ABSENT_EXCLUSIVE },
	[SPECIAL_MIGRATION_WRITE] = { PGW_ABSENT_MIGRATION, PGW_ABSENT_WRITABLE },
	[SPECIAL_DEVICE_WRITE] = { PGW_ABSENT_DEVICE_PRIVATE, PGW_ABSENT_WRITABLE },
	[SPECIAL_DEVICE_READ] = { PGW_ABSENT_DEVICE_PRIVATE, 0 },
	[SPECIAL_DEVICE_EXCLUSIVE_WRITE] = { PGW_ABSENT_DEVICE_EXCLUSIVE, PGW_ABSENT_WRITABLE },
	[SPECIAL_DEVICE_EXCLUSIVE_READ] = { PGW_ABSENT_DEVICE_EXCLUSIVE, 0 },
	[SPECIAL_MARKER] = { PGW_ABSENT_MARKER, 0 },
	[SPECIAL_SWAPIN_ERROR] = { PGW_ABSENT_MARKER, PGW_ABSENT_POISONED },
};

static bool is_memory(const struct pgw_linux *kernel, uint64_t pa)
{
	struct pgw_pa_range range;

	return kernel->memory &&
	       source_next_range(&kernel->memory->source, SOURCE_DESCRIBED, pa, &range) &&
	       range.first <= pa;
}

/*
 * A special type that holds a frame's number. Since 6.1 a migration entry has two more bits above
 * it: young and dirty. @return false if any other bit is set
 */
static bool take_frame(const struct absent_entry *e, struct pgw_absent *ret)
{
	unsigned pfn_bits = e->layout.pa_bits - e->geo->granule_lg2;
	uint64_t above = ret->offset >> pfn_bits;

	ret->pa = (ret->offset & low_bits(pfn_bits)) << e->geo->granule_lg2;
	ret->flags |= PGW_ABSENT_HAS_PA;
	if (ret->kind != PGW_ABSENT_MIGRATION || is_before(e->kernel, 6, 1))
		return above == 0;
	ret->flags |= (above & 1 ? PGW_ABSENT_YOUNG : 0) | (above & 2 ? PGW_ABSENT_DIRTY : 0);
	return above <= 3;
}

/*
 * The bits are PTE_MARKER_UFFD_WP, _POISONED (6.2, as _SWAPIN_ERROR) and _GUARD (6.13).
 * @return false if any other bit is set
 */
static bool take_marker(struct pgw_absent *ret)
{
	ret->flags |= (ret->offset & 1 ? PGW_ABSENT_UFFD_WP : 0) |
		      (ret->offset & 2 ? PGW_ABSENT_POISONED : 0) |
		      (ret->offset & 4 ? PGW_ABSENT_GUARD : 0);
	return ret->offset && ret->offset < 8;
}

static bool decode_special(const struct absent_entry *e, enum special special,
			   struct pgw_absent *ret)
{
	ret->kind = special_meanings[special].kind;
	ret->flags |= special_meanings[special].flags;
	if (special == SPECIAL_NONE)
		return true;
	return special == SPECIAL_MARKER ? take_marker(ret) : take_frame(e, ret);
}

/*
 * The numbers of special types depend on the kernel's configuration, which is not known. We assume
 * that of distributions: CONFIG_MIGRATION, CONFIG_MEMORY_FAILURE, and what struct layout says. Two
 * findings correct this. If a device-private entry leads to ordinary memory, the kernel has no
 * CONFIG_DEVICE_PRIVATE. If the entry with the highest number makes no sense, the kernel has no
 * markers, and the highest number is a migration entry of a writable page.
 */
static void decode_swap(struct absent_entry *e, struct pgw_absent *ret)
{
	const struct layout *layout = &e->layout;
	uint64_t offset = layout->is_inverted ? ~e->raw : e->raw;
	struct pgw_absent plain = {
		.flags = PGW_ABSENT_IS_SWAP |
			 (e->raw & layout->exclusive ? PGW_ABSENT_EXCLUSIVE : 0) |
			 (e->raw & layout->soft_dirty ? PGW_ABSENT_SOFT_DIRTY : 0) |
			 (e->raw & layout->uffd_wp ? PGW_ABSENT_UFFD_WP : 0),
		.type = (unsigned)field_get(e->raw, layout->type),
		.offset = field_get(offset, layout->offset),
	};
	enum special special = special_of(e, plain.type);
	bool is_sane;

	*ret = plain;
	is_sane = decode_special(e, special, ret);
	if (ret->kind == PGW_ABSENT_DEVICE_PRIVATE && is_memory(e->kernel, ret->pa)) {
		e->layout.has_device = false;
		*ret = plain;
		special = special_of(e, plain.type);
		is_sane = decode_special(e, special, ret);
	}
	if (!is_sane && plain.type == NR_TYPES - 1) {
		*ret = plain;
		special = SPECIAL_MIGRATION_WRITE;
		decode_special(e, special, ret);
		is_sane = false;
	}
	if (!is_sane || (special > SPECIAL_NONE && special < SPECIAL_MARKER) ||
	    (special == SPECIAL_MARKER && plain.type != NR_TYPES - 1))
		ret->flags |= PGW_ABSENT_ASSUMED;
}

static void decode_mapped(const struct absent_entry *e, enum pgw_absent_kind kind,
			  struct pgw_absent *ret)
{
	const struct layout *layout = &e->layout;

	*ret = (struct pgw_absent){
		.kind = kind,
		.flags = PGW_ABSENT_HAS_PA | (e->raw & layout->young ? PGW_ABSENT_YOUNG : 0) |
			 (e->raw & layout->dirty ? PGW_ABSENT_DIRTY : 0),
		.pa = layout->pa(e),
	};
}

/* @return PGW_ABSENT_UNKNOWN if nothing is mapped */
static enum pgw_absent_kind mapped_kind(struct absent_entry *e)
{
	struct layout *layout = &e->layout;

	/* prot_none with a bit of never: a swap entry, as far as can be seen. */
	if (e->raw & layout->never)
		layout->is_assumed |= (e->raw & layout->prot_none) != 0;
	else if (e->raw & layout->prot_none)
		return layout->is_invalid && layout->is_invalid(e->raw) ? PGW_ABSENT_INVALID
									: PGW_ABSENT_PROT_NONE;
	else if (e->level && (e->raw & layout->huge))
		return PGW_ABSENT_INVALID;
	return PGW_ABSENT_UNKNOWN;
}

/*
 * KVM's marks for MMIO, which make an access fault: reserved bit 51 of entries that are present (AMD),
 * write and execute without read (Intel). As of 6.1 and 7.2.
 */
static bool is_kvm_mmio(const struct pgw_format *format, uint64_t entry)
{
	const uint64_t npt = BIT(51) | BIT(0), ept_rwx = BITS(2, 0);

	if (strcmp(pgw_format_arch(format), "npt") == 0)
		return (entry & npt) == npt;
	return strcmp(pgw_format_arch(format), "ept") == 0 &&
	       (entry & ept_rwx) == (BIT(1) | BIT(2));
}

void pgw_linux_absent(const struct pgw_linux *kernel, const struct pgw_format *format,
		      enum pgw_region_kind half, unsigned level, uint64_t entry,
		      struct pgw_absent *ret)
{
	static const struct pgw_linux unknown = { 0 };
	struct absent_entry e = {
		.kernel = kernel ? kernel : &unknown,
		.format = format,
		.geo = pgw_format_geometry(format),
		.level = level,
		.raw = entry,
	};
	enum pgw_absent_kind kind;

	*ret = (struct pgw_absent){ .kind = PGW_ABSENT_UNKNOWN };
	if (half == PGW_REGION_FOREIGN) {
		if (is_kvm_mmio(format, entry))
			ret->kind = PGW_ABSENT_MMIO;
		return;
	}
	if (level > e.geo->top_level || !(e.geo->leaf_sizes & BIT(e.geo->span_lg2[level])) ||
	    !layout_choose(&e))
		return;
	kind = half == PGW_REGION_KERNEL ? PGW_ABSENT_INVALID : mapped_kind(&e);
	if (kind == PGW_ABSENT_UNKNOWN)
		decode_swap(&e, ret);
	else
		decode_mapped(&e, kind, ret);
	if (e.layout.is_assumed || !e.kernel->is_known)
		ret->flags |= PGW_ABSENT_ASSUMED;
}

bool pgw_absent_continues(const struct pgw_format *format, const struct pgw_absent *a,
			  const struct pgw_absent *b, uint64_t bytes)
{
	unsigned granule_lg2 = pgw_format_geometry(format)->granule_lg2;

	if (a->kind != b->kind || a->flags != b->flags || a->type != b->type)
		return false;
	if (a->flags & PGW_ABSENT_HAS_PA)
		return b->pa - a->pa == bytes;
	if (a->kind == PGW_ABSENT_SWAP)
		return b->offset - a->offset == bytes >> granule_lg2;
	return a->kind == PGW_ABSENT_MARKER && a->offset == b->offset;
}

/* "6.12.4-arch1": the first two numbers. */
static bool release_parse(const char *text, size_t size, struct pgw_linux *ret)
{
	unsigned number[2] = { 0, 0 };
	size_t at = 0;

	for (unsigned i = 0; i < 2; i++) {
		size_t start = at;

		for (; at < size && at - start < 5 && text[at] >= '0' && text[at] <= '9'; at++)
			number[i] = 10 * number[i] + (unsigned)(text[at] - '0');
		if (at == start || (i == 0 && (at == size || text[at++] != '.')))
			return false;
	}
	ret->is_known = true;
	ret->major = number[0];
	ret->minor = number[1];
	return true;
}

void image_linux_release(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct pgw_linux *ret)
{
	const struct pgw_vmcoreinfo *list = info ? info : image->texts;
	size_t nr = info ? 1 : image->nr_texts, size;
	const char *release;

	*ret = (struct pgw_linux){ .memory = image };
	for (size_t i = 0; i < nr && !ret->is_known; i++) {
		if (pgw_vmcoreinfo_get(&list[i], "OSRELEASE", &release, &size))
			release_parse(release, size, ret);
	}
}

int pgw_image_linux(struct pgw_image *image, struct pgw_linux *ret)
{
	const struct pgw_vmcoreinfo *list;
	size_t nr;
	int status = pgw_image_vmcoreinfo(image, &list, &nr);

	if (!status)
		image_linux_release(image, NULL, ret);
	return status;
}
