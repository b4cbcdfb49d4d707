/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "common/arena.h"
#include "mmu/encode.h"

/* Smaller tables get as much. */
#define TABLE_MIN 128

static struct pgw_ptdesc *table_desc(void *ctx, void *table)
{
	struct space *space = ctx;

	return &space->descs[(size_t)((unsigned char *)table - space->ram) / TABLE_MIN];
}

#define NR_ODD                                                                                     \
	65 /* items unlike the one they are made from: a bit flipped each; the leaf's, copied */

static void *table_alloc(void *ctx, size_t size)
{
	struct space *space = ctx;
	size_t room = size < TABLE_MIN ? TABLE_MIN : size;
	size_t start = (space->used + room - 1) & ~(room - 1);
	void *table = space->ram + start;

	if (start > GUEST_RAM_SIZE || GUEST_RAM_SIZE - start < room)
		return NULL;
	space->used = start + room;
	*table_desc(space, table) = (struct pgw_ptdesc){
		.table = table,
		.size_lg2 = (uint8_t)__builtin_ctzl(size),
	};
	return memset(table, 0, size);
}

/* Tables outlive the mms that own them; the next space starts over. */
static void table_free(void *ctx, void *table, size_t size)
{
	(void)ctx, (void)table, (void)size;
}

/* The mm to read, while tables are being made. */
static struct pgw_mm *mm_now(const struct space *space, enum pgw_region_kind region)
{
	return space->owned[region] ? space->owned[region] : space->seen[region];
}

static bool is_table_memory(const struct space *space, uint64_t pa)
{
	return pa >= space->machine->ram_pa + GUEST_TABLES &&
	       pa < space->machine->ram_pa + GUEST_RAM_SIZE;
}

/* The bits of an entry that say rights. */
static uint64_t rights_bits(const struct space *space, unsigned level, bool is_leaf)
{
	const struct machine *machine = space->machine;

	if (machine->rights)
		return machine->rights(&space->setting, level, is_leaf);
	return is_leaf ? machine->leaf_rights : machine->table_rights;
}

/* Remember the items that map va, and that they are neighbours of others. */
static void keep_path(struct space *space, enum pgw_region_kind region, uint64_t va)
{
	struct pgw_translation t;
	struct pgw_path path;

	assert_int_equal(pgw_translate_path(mm_now(space, region), va, &t, &path), 0);
	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	assert_int_equal(t.pa, va);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		uint64_t pa = path.step[i].item_pa;
		size_t n = 0;

		while (n < space->nr_kept && (pa < space->kept[n].first ||
					      pa > space->kept[n].last + BIT(space->geo->item_lg2)))
			n++;
		if (n == space->nr_kept) {
			assert_true(n < PGW_ARRAY_SIZE(space->kept));
			space->kept[space->nr_kept++].first = pa;
		}
		if (pa > space->kept[n].last)
			space->kept[n].last = pa;
	}
}

static bool is_kept(const struct space *space, uint64_t item_pa)
{
	for (size_t i = 0; i < space->nr_kept; i++) {
		if (item_pa >= space->kept[i].first && item_pa <= space->kept[i].last)
			return true;
	}
	return false;
}

static int map_support_page(struct space *space, enum pgw_region_kind region,
			    const struct support *support, uint64_t va)
{
	struct pgw_leaf leaf = {
		.va = va,
		.pa = va,
		.rights = (uint8_t)support->rights,
		.attrs = space->machine->leaf_needs,
	};

	return space->encoder ? encode_leaf(space, space->root[region], &leaf, support->rights)
			      : pgw_mm_map_leaf(space->owned[region], &leaf);
}

static void map_support_in(struct space *space, enum pgw_region_kind region)
{
	struct support support[3];
	unsigned nr = space->machine->support(&space->setting, support);

	for (unsigned i = 0; i < nr; i++) {
		uint64_t va = support[i].first;

		for (; va <= support[i].last; va += BIT(space->geo->granule_lg2)) {
			assert_int_equal(map_support_page(space, region, &support[i], va), 0);
			keep_path(space, region, va);
		}
	}
}

static uint32_t space_root_items(const struct space *space)
{
	return space->machine->root_items ? space->machine->root_items(&space->setting) : 0;
}

static void attach(struct space *space)
{
	struct pgw_mm_attach_args args = {
		.platform = &space->platform,
		.format = space->setting.format,
		.phys = &space->memory.phys,
		.control = space->setting.control,
	};

	for (size_t i = 0; i < space->nr_regions; i++) {
		args.region = space->region[i];
		args.root = (struct pgw_root){
			.pa = space->root[args.region],
			.nr_items = space_root_items(space),
		};
		assert_int_equal(pgw_mm_attach(&args, &space->seen[args.region]), 0);
	}
}

/* The machine's encoder writes to memory, which foreign mms show as it is. */
static void init_encoded(struct space *space)
{
	bool is_split = pgw_format_is_split(space->setting.format);

	for (size_t i = 0; i < space->nr_regions; i++) {
		if (i && !is_split)
			space->root[space->region[i]] = space->root[space->region[0]];
		else
			space->root[space->region[i]] = encode_table(space, space->geo->top_level);
	}
	attach(space);
	map_support_in(space, PGW_REGION_USER);
	/* A kernel that has the same addresses, but apart, needs its own. */
	if (is_split && pgw_mm_region(space->seen[PGW_REGION_KERNEL])->first == 0)
		map_support_in(space, PGW_REGION_KERNEL);
}

static void init_owned(struct space *space)
{
	struct pgw_mm_new_args args = {
		.platform = &space->platform,
		.format = space->setting.format,
		.control = space->setting.control,
		.nr_root_items = space_root_items(space),
	};

	for (size_t i = 0; i < space->nr_regions; i++) {
		struct pgw_mm **mm = &space->owned[space->region[i]];

		args.region = space->region[i];
		assert_int_equal(pgw_mm_new(&args, mm), 0);
		assert_int_equal(pgw_mmap_write_lock(*mm), 0);
		space->root[args.region] = pgw_mm_root(*mm).pa;
	}
	map_support_in(space, space->region[0]);
}

void space_init(struct space *space, const struct machine *machine, const struct setting *setting,
		unsigned char *ram, uint64_t *random)
{
	*space = (struct space){
		.machine = machine,
		.encoder = machine->encoder_of ? machine->encoder_of(setting->format)
					       : machine->encoder,
		.setting = *setting,
		.geo = pgw_format_geometry(setting->format),
		.random = random,
		.ram = ram,
		.used = GUEST_TABLES,
		.platform = *pgw_hosted_platform(),
	};
	space->descs = aligned_alloc(sizeof(struct pgw_ptdesc),
				     GUEST_RAM_SIZE / TABLE_MIN * sizeof(struct pgw_ptdesc));
	assert_non_null(space->descs);
	for (const struct pgw_region *region = pgw_format_regions(setting->format); region->name;
	     region++)
		space->region[space->nr_regions++] = region->kind;
	space->platform.ctx = space;
	space->platform.table_alloc = table_alloc;
	space->platform.table_free = table_free;
	space->platform.table_desc = table_desc;
	space->platform.table_offset = (uint64_t)(uintptr_t)ram - machine->ram_pa;
	assert_int_equal(pgw_phys_memory_init(&space->memory, machine->ram_pa, ram, GUEST_RAM_SIZE),
			 0);
	if (space->encoder)
		init_encoded(space);
	else
		init_owned(space);
}

static void free_owned(struct space *space)
{
	for (size_t i = 0; i < space->nr_regions; i++) {
		struct pgw_mm **mm = &space->owned[space->region[i]];

		if (*mm)
			pgw_mmap_write_unlock(*mm);
		pgw_mm_free(*mm);
		*mm = NULL;
	}
}

void space_fini(struct space *space)
{
	free_owned(space);
	for (size_t i = 0; i < space->nr_regions; i++)
		pgw_mm_free(space->seen[space->region[i]]);
	free(space->descs);
	*space = (struct space){ 0 };
}

static uint64_t random_below(struct space *space, uint64_t n)
{
	return test_random(space->random) % n;
}

/* Somewhere in the target area, as it is in physical memory. */
static uint64_t random_target(struct space *space)
{
	return space->machine->ram_pa + GUEST_TARGET + random_below(space, GUEST_TARGET_SIZE);
}

static uint64_t random_va(struct space *space, uint64_t first, uint64_t last, uint64_t size)
{
	uint64_t va = first + (test_random(space->random) & (last - first));

	switch (random_below(space, 8)) {
	case 0:
		return first;
	case 1:
		return last - (size - 1);
	case 2:
	case 3:
	case 4:
	case 5:
		/* Near another, likely in the same table. */
		if (space->nr_leaves) {
			const struct space_leaf *near =
				&space->leaf[random_below(space, space->nr_leaves)];
			uint64_t by = size * random_below(space, 8);

			va = random_below(space, 2) ? near->last + 1 + by : near->va - by;
			return va < first ? first : va > last ? last : va;
		}
		return va;
	default:
		return va;
	}
}

static uint64_t run_bit(const struct space *space)
{
	return space->machine->run_bit_of ? space->machine->run_bit_of(&space->setting)
					  : space->machine->run_bit;
}

/* What a leaf of this level maps, or a run of them; log2, 0 if there are none. */
static unsigned shape_lg2(const struct space *space, unsigned level, bool is_run)
{
	unsigned run_lg2 = space->machine->run_lg2(&space->setting, level);

	if (!is_run)
		return space->geo->span_lg2[level];
	/* The CPU must have all its addresses, and a small root room for it beside the stub. */
	if (!space->encoder && space_root_items(space) &&
	    BIT(run_lg2) >= (uint64_t)space_root_items(space)
				    << space->geo->span_lg2[space->geo->top_level])
		return 0;
	return run_lg2 <= space->setting.control.pa_bits ? run_lg2 : 0;
}

/* The addresses of a region that the root has items for. */
static void mapped_range(const struct space *space, enum pgw_region_kind region,
			 uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t nr = space_root_items(space);

	pgw_format_region_range(space->setting.format, region, ret_first, ret_last);
	if (nr)
		*ret_last = *ret_first + (nr << space->geo->span_lg2[space->geo->top_level]) - 1;
}

/* A leaf that is likely to touch or overlap another, and to map the target area. */
static struct pgw_leaf random_leaf(struct space *space, enum pgw_region_kind half, unsigned level,
				   bool is_run)
{
	uint64_t r = test_random(space->random), first, last, pa;
	uint64_t size = BIT(shape_lg2(space, level, is_run));
	struct pgw_leaf leaf = { .level = (uint8_t)level };

	leaf.attrs = space->machine->attrs(&space->setting, level, test_random(space->random)) |
		     (is_run ? run_bit(space) : 0);
	mapped_range(space, half, &first, &last);
	leaf.va = random_va(space, first, last, size) & ~(size - 1);
	pa = r & 1 ? random_target(space)
		   : test_random(space->random) & low_bits(space->setting.control.pa_bits);
	leaf.pa = pa & ~(size - 1);
	return leaf;
}

/* The leaf is where it was asked for, as large as it was asked for. */
static void check_leaf(struct space *space, enum pgw_region_kind half, const struct pgw_leaf *leaf,
		       unsigned size_lg2)
{
	uint64_t inside = test_random(space->random) & low_bits(size_lg2);
	struct pgw_translation t;

	assert_int_equal(pgw_translate(mm_now(space, half), leaf->va + inside, &t), 0);
	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	assert_int_equal(t.va_first, leaf->va);
	assert_int_equal(t.va_last, leaf->va | low_bits(size_lg2));
	assert_int_equal(t.pa, leaf->pa + inside);
	/* Those of an encoder's leaf are bits: the MMU tells what they mean. */
	if (!space->encoder)
		assert_int_equal(t.rights, leaf->rights);
}

/*
 * Map a leaf with the first of all rights that can be said, from some on. Some
 * can always be: whatever the attributes, the address, the level.
 * @return 0, -PGW_EEXIST, -PGW_ENOMEM; -PGW_EOPNOTSUPP: no leaf can be so, by an encoder
 */
static int map_with_some_rights(struct space *space, enum pgw_region_kind half,
				struct pgw_leaf *leaf)
{
	uint64_t start = test_random(space->random);
	int err = -PGW_EOPNOTSUPP;

	/* Not all bits make a leaf. */
	for (unsigned i = 0; space->encoder && i < 64 && err == -PGW_EOPNOTSUPP; i++)
		err = encode_leaf(space, space->root[half], leaf,
				  test_random(space->random) &
					  rights_bits(space, leaf->level, true));
	if (space->encoder)
		return err;
	for (uint64_t i = 0; i <= _PGW_RIGHT_ALL; i++) {
		leaf->rights = (uint8_t)((start + i) & _PGW_RIGHT_ALL);
		err = pgw_mm_map_leaf(space->owned[half], leaf);
		if (!err || err == -PGW_EEXIST || err == -PGW_ENOMEM)
			return err;
		assert_int_equal(err, -PGW_EOPNOTSUPP);
	}
	fail_msg("level %u, attributes %#llx: cannot be mapped", leaf->level,
		 (unsigned long long)leaf->attrs);
	return -PGW_EOPNOTSUPP;
}

/* @return false if it does not fit where it was tried */
static bool map_one(struct space *space, enum pgw_region_kind half, unsigned level, bool is_run)
{
	struct pgw_leaf leaf = random_leaf(space, half, level, is_run);
	unsigned size_lg2 = shape_lg2(space, level, is_run);

	if (map_with_some_rights(space, half, &leaf) != 0)
		return false;
	check_leaf(space, half, &leaf, size_lg2);
	space->leaf[space->nr_leaves++] =
		(struct space_leaf){ half, leaf.va, leaf.pa, leaf.va | low_bits(size_lg2) };
	return true;
}

/* One leaf and one run of every level. */
static void map_every_shape(struct space *space, unsigned max_level)
{
	for (unsigned i = 2 * max_level + 2; i-- > 0;) {
		unsigned level = i / 2, tries = 0;
		bool is_run = i % 2;

		if (!shape_lg2(space, level, is_run))
			continue;
		/* A leaf of the top level may have all of the kernel's part. */
		while (!map_one(space, space->region[(tries + 1) % space->nr_regions], level,
				is_run)) {
			if (++tries == 1000)
				fail_msg("level %u, %s: cannot be mapped", level,
					 is_run ? "run" : "single");
		}
	}
}

void space_map_random(struct space *space, size_t nr)
{
	unsigned max_level = space->machine->max_leaf_level(&space->setting);

	map_every_shape(space, max_level);
	for (unsigned i = 0; i < 4 * SPACE_MAX_LEAVES && space->nr_leaves < nr; i++) {
		unsigned level = (unsigned)random_below(space, max_level + 1);
		bool is_run = random_below(space, 4) == 0;

		if (random_below(space, 4))
			level %= max_level ? 2 : 1;
		if (shape_lg2(space, level, is_run))
			map_one(space, space->region[random_below(space, space->nr_regions)], level,
				is_run);
	}
}

void space_seal(struct space *space)
{
	size_t size = (size_t)8 << space->geo->slots_lg2[space->geo->top_level];
	unsigned char *user = space->ram + (space->root[PGW_REGION_USER] - space->machine->ram_pa);
	unsigned char *kernel =
		space->ram + (space->root[PGW_REGION_KERNEL] - space->machine->ram_pa);

	if (space->encoder)
		return;
	/* One root for both halves: as kernels do, its upper half is a copy. */
	if (space->nr_regions == 2 && !pgw_format_is_split(space->setting.format)) {
		memcpy(user + size / 2, kernel + size / 2, size / 2);
		space->root[PGW_REGION_KERNEL] = space->root[PGW_REGION_USER];
	}
	attach(space);
	free_owned(space);
}

static struct pgw_mm *mm_of(const struct space *space, uint64_t va, bool is_user,
			    bool *ret_canonical)
{
	for (size_t i = 0; i < space->nr_regions; i++) {
		enum pgw_region_kind region =
			space->region[is_user ? i : space->nr_regions - 1 - i];
		uint64_t first, last;

		pgw_format_region_range(space->setting.format, region, &first, &last);
		*ret_canonical = va >= first && va <= last;
		if (*ret_canonical)
			return space->seen[region];
	}
	return space->seen[space->region[0]];
}

void space_translate(const struct space *space, uint64_t va, bool is_user,
		     struct pgw_translation *ret, struct pgw_path *ret_path, bool *ret_canonical)
{
	struct pgw_mm *mm = mm_of(space, va, is_user, ret_canonical);

	*ret_path = (struct pgw_path){ .nr_steps = 0 };
	/* Behind the end of a short root: its table has nothing there. */
	if (*ret_canonical && va > pgw_mm_region(mm)->last) {
		*ret = (struct pgw_translation){ .kind = PGW_ENTRY_EMPTY,
						 .level = space->geo->top_level };
		return;
	}
	assert_int_equal(pgw_translate_path(mm, va, ret, ret_path), 0);
	for (unsigned i = 0; i < ret_path->nr_steps; i++) {
		if (!is_table_memory(space, ret_path->step[i].item_pa))
			ret->kind = PGW_ENTRY_UNREADABLE;
	}
}

/* Write an item, unless the stub needs it. */
static void set_item(struct space *space, uint64_t item_pa, uint64_t entry)
{
	if (!is_kept(space, item_pa))
		item_set(space, item_pa, entry);
}

/* One of the entries on the way to a random leaf. */
static struct pgw_step random_step(struct space *space)
{
	const struct space_leaf *leaf = &space->leaf[random_below(space, space->nr_leaves)];
	uint64_t inside = test_random(space->random) & (leaf->last - leaf->va);
	struct pgw_translation t;
	struct pgw_path path;
	bool canonical;

	space_translate(space, leaf->va + inside, leaf->region == PGW_REGION_USER, &t, &path,
			&canonical);
	return path.step[random_below(space, path.nr_steps)];
}

void space_spoil(struct space *space, size_t nr)
{
	for (size_t i = 0; i < nr && space->nr_leaves; i++) {
		struct pgw_step step = random_step(space);
		uint64_t rights = rights_bits(space, step.level, step.kind == PGW_ENTRY_LEAF);

		if (!is_table_memory(space, step.item_pa))
			continue;
		switch (random_below(space, 4)) {
		case 0:
		case 1:
			step.entry ^= test_random(space->random) & rights;
			break;
		case 2:
			for (uint64_t n = random_below(space, 3) + 1; n; n--)
				step.entry ^= BIT(random_below(space, 64));
			break;
		default:
			step.entry = random_step(space).entry;
			break;
		}
		set_item(space, step.item_pa, step.entry);
	}
}

/* Bits of n where mask has its. */
static uint64_t deposit(uint64_t n, uint64_t mask)
{
	uint64_t ret = 0;

	for (; mask; mask &= mask - 1, n >>= 1)
		ret |= n & 1 ? mask & -mask : 0;
	return ret;
}

static uint64_t rights_mask(const struct space *space, unsigned level, unsigned leaf_level)
{
	return rights_bits(space, level, level == leaf_level);
}

/* The slots of a table that an owner's root may have fewer of. */
static unsigned nr_slots_of(const struct space *space, unsigned level)
{
	uint32_t nr = space->encoder ? 0 : space_root_items(space);

	return level == space->geo->top_level && nr ? nr : 1u << space->geo->slots_lg2[level];
}

unsigned space_nr_combinations(const struct space *space, unsigned level, unsigned leaf_level)
{
	unsigned nr = 1u << __builtin_popcountll(rights_mask(space, level, leaf_level));
	unsigned nr_slots = nr_slots_of(space, level);

	return nr < nr_slots ? nr : nr_slots;
}

/* Where the template maps to: a page whose number ends in 8, as Svnapot's do. */
static uint64_t template_pa(const struct space *space)
{
	return space->machine->ram_pa + GUEST_TARGET + 0x8000;
}

/* Map a leaf over the target area at the end of the half; the stub is at the beginning. */
static void map_template(struct space *space, enum pgw_region_kind half, unsigned level,
			 struct pgw_path *ret_path)
{
	uint64_t size = BIT(space->geo->span_lg2[level]), first, last;
	uint64_t target = template_pa(space);
	struct pgw_leaf leaf = {
		.pa = target & ~(size - 1),
		.level = (uint8_t)level,
		.attrs = space->machine->leaf_needs,
	};
	struct pgw_translation t;
	bool canonical;

	mapped_range(space, half, &first, &last);
	leaf.va = last & ~(size - 1);
	assert_int_equal(map_with_some_rights(space, half, &leaf), 0);
	space_seal(space);
	space->template_va = leaf.va + (target - leaf.pa);
	space_translate(space, space->template_va, half == PGW_REGION_USER, &t, ret_path,
			&canonical);
	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	assert_int_equal(t.pa, target);
}

void space_spread_rights(struct space *space, enum pgw_region_kind half, unsigned leaf_level)
{
	struct pgw_path path;

	map_template(space, half, leaf_level, &path);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		const struct pgw_step *step = &path.step[i];
		uint64_t nr = nr_slots_of(space, step->level), shift = 0;
		uint64_t table_pa =
			step->item_pa - item_pa_of(space, 0, space->template_va, step->level);
		uint64_t mask = rights_mask(space, step->level, leaf_level);

		/* A small table takes turns. */
		if (nr < BIT(__builtin_popcountll(mask)))
			shift = random_below(space, 2) * test_random(space->random);
		for (uint64_t slot = 0; slot < nr; slot++)
			set_item(space, table_pa + (slot << space->geo->item_lg2),
				 (step->entry & ~mask) | deposit(slot + shift, mask));
	}
}

void space_spread_flips(struct space *space, enum pgw_region_kind half, unsigned leaf_level)
{
	uint64_t shift = random_below(space, NR_ODD);
	uint64_t leaf_entry;
	struct pgw_path path;

	map_template(space, half, leaf_level, &path);
	leaf_entry = path.step[path.nr_steps - 1].entry;
	for (unsigned i = 0; i < path.nr_steps; i++) {
		const struct pgw_step *step = &path.step[i];

		for (uint64_t n = 1; n <= space_nr_flips(space, step->level); n++) {
			uint64_t bit = (n + shift) % NR_ODD;

			set_item(space, step->item_pa ^ n << space->geo->item_lg2,
				 bit == 64 ? leaf_entry : step->entry ^ BIT(bit));
		}
	}
}

unsigned space_nr_flips(const struct space *space, unsigned level)
{
	unsigned nr_slots = nr_slots_of(space, level);

	return nr_slots <= NR_ODD ? nr_slots - 1 : NR_ODD;
}

uint64_t space_flip_va(const struct space *space, unsigned level, unsigned n)
{
	return space->template_va ^ (uint64_t)n << space->geo->span_lg2[level];
}

uint64_t space_spread_va(const struct space *space, enum pgw_region_kind half, unsigned leaf_level,
			 const unsigned *combination)
{
	uint64_t va = template_pa(space) & low_bits(space->geo->span_lg2[leaf_level]);
	uint64_t first, last;

	for (unsigned level = leaf_level; level <= space->geo->top_level; level++) {
		uint64_t nr = space_nr_combinations(space, level, leaf_level);
		uint64_t repeats = nr_slots_of(space, level) / nr;
		uint64_t index = combination[level] + nr * (test_random(space->random) % repeats);

		va |= index << space->geo->span_lg2[level];
	}
	pgw_format_region_range(space->setting.format, half, &first, &last);
	if (pgw_format_is_split(space->setting.format))
		return half == PGW_REGION_KERNEL ? first | va : va;
	if (space->machine->va_mask || space->nr_regions == 1)
		return va;
	/* One root for both halves: its top bit is repeated. */
	return (uint64_t)((int64_t)(va << (64 - space->geo->va_bits)) >>
			  (64 - space->geo->va_bits));
}
