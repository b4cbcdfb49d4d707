/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * VMware: a saved state (.vmss of a suspended machine, .vmsn of a snapshot), with the memory in it
 * or in a .vmem file beside it. Facts are from vmware_vmss.h of crash and vmware.py of Volatility;
 * all numbers are little-endian:
 *
 *   0   magic; 4 version; 8 number of groups; 12 the groups, of 80 bytes each:
 *       name (64 bytes), position and size of the group in the file
 *
 * A group is tags, up to one that is zero: {flags, length of the name (1 byte each), the name,
 * indices (4 bytes each), a value}. flags has in bits 7:6 how many indices there are, in bits 5:0
 * how many bytes the value has; 63 is a block, 62 one that is compressed: {its bytes in the file,
 * in memory (8 bytes each), how many bytes of padding follow (2 bytes), these, the block}.
 */
#define GROUPS_AT 12
#define GROUP_SIZE 80
#define GROUP_NAME 64
#define TAG_MAX_NAME 255
#define TAG_BLOCK 63
#define TAG_PACKED 62
#define TAG_INDICES 3
#define BLOCK_HEADER 18

#define PAGE_LG2 12
#define MAX_PAGE_LG2 40
#define MAX_REGIONS 16 /* VMware has two or three */
#define MAX_CPUS 8192
#define MAX_GROUPS 4096

/* Intel SDM 3A 2.5, 4.4.1: what the registers say of the tables' format. */
#define NR_CRS 5
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)
#define CR3_PAE_ROOT BITS(31, 5)
#define PDPTE_P BIT(0)
#define PDPTE_RESERVED (BITS(2, 1) | BITS(8, 5))
#define NR_PDPTES 4
#define EM_386 3
#define EM_X86_64 62

struct region {
	uint64_t page;    /* of the machine's memory, where it begins */
	uint64_t in_file; /* the page of the file that has it */
	uint64_t size;    /* in pages */
};

struct cpu {
	uint64_t cr[NR_CRS];
	uint64_t idt_base;
	unsigned known; /* bit n: CRn */
};

struct vmware {
	struct source *source;
	struct pgw_error *err;
	unsigned state_file; /* which of the files is the saved state */
	const struct source_map *state;
	struct region regions[MAX_REGIONS];
	uint64_t nr_regions;
	bool has_memory;      /* the saved state has it, ... */
	uint64_t memory_at;   /* ... here */
	uint64_t memory_size; /* that it should have */
	uint64_t memory_held; /* that the file has */
	struct cpu *cpus;
	size_t nr_cpus;
};

static bool is_state(const struct source_map *map)
{
	static const uint32_t magics[] = { 0xbed2bed2, 0xbed3bed3, 0xbad1bad1, 0xbad2bad2 };
	uint8_t magic[4];

	if (!source_map_read(map, 0, magic, sizeof(magic)))
		return false;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(magics); i++) {
		if (load_le32(magic) == magics[i])
			return true;
	}
	return false;
}

/* The length of a path without an ending of its last component; 0 if it has another. */
static size_t stem_of(const char *path, const char *ending)
{
	size_t size = strlen(path), n = strlen(ending);

	return size > n && strcmp(path + size - n, ending) == 0 ? size - n : 0;
}

/* Open the file that has another ending. @return as source_map_open(); -PGW_ENOENT without a word */
static int open_beside(const char *path, size_t stem, const char *ending, struct source_map *ret)
{
	char *name = malloc(stem + strlen(ending) + 1);
	int status;

	if (!name)
		return -PGW_ENOMEM;
	memcpy(name, path, stem);
	strcpy(name + stem, ending);
	status = source_map_open(name, ret, NULL);
	free(name);
	return status;
}

/* The saved state beside a .vmem file. */
static int open_state(const char *path, struct source_map *ret)
{
	static const char *const endings[] = { ".vmss", ".vmsn" };
	size_t stem = path ? stem_of(path, ".vmem") : 0;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(endings) && stem; i++) {
		int status = open_beside(path, stem, endings[i], ret);

		if (!status && is_state(ret))
			return 0;
		if (!status)
			source_map_close(ret);
		if (status == -PGW_ENOMEM)
			return status;
	}
	return -PGW_ENOENT;
}

static bool vmware_probe(const struct source_map *file, struct source_guess *ret)
{
	struct source_map state = { .fd = -1 };
	bool is_there = is_state(file);

	ret->score = SOURCE_SCORE_MAGIC;
	if (is_there)
		return true;
	is_there = open_state(file->path, &state) == 0;
	if (is_there)
		source_map_close(&state);
	/* What is in the memory may begin as a file of another kind. */
	return is_there;
}

struct tag {
	char name[TAG_MAX_NAME + 1];
	unsigned nr_indices;
	uint32_t index[TAG_INDICES];
	uint64_t value; /* of a block, nothing */
	bool is_block;
	bool is_packed;
	uint64_t data; /* of a block, where it is in the file */
	uint64_t size; /* how many bytes it has there */
	uint64_t end;  /* of the tag */
};

/* @return 0, -PGW_ENOENT (the group ends here), -PGW_EIO (the tag is not all there) */
static int tag_read(const struct source_map *map, uint64_t at, struct tag *ret)
{
	uint8_t head[2], indices[4 * TAG_INDICES], block[BLOCK_HEADER], value[8] = { 0 };
	unsigned size;

	*ret = (struct tag){ .nr_indices = 0 };
	if (!source_map_read(map, at, head, sizeof(head)))
		return -PGW_EIO;
	if (!head[0] && !head[1])
		return -PGW_ENOENT;
	at += sizeof(head);
	size = head[0] & 63;
	ret->nr_indices = head[0] >> 6;
	if (!source_map_read(map, at, ret->name, head[1]) ||
	    !source_map_read(map, at + head[1], indices, (size_t)4 * ret->nr_indices))
		return -PGW_EIO;
	at += head[1] + 4 * ret->nr_indices;
	for (unsigned i = 0; i < ret->nr_indices; i++)
		ret->index[i] = load_le32(indices + (size_t)4 * i);
	if (size < TAG_PACKED) {
		if (!source_map_read(map, at, value, size < 8 ? size : 8))
			return -PGW_EIO;
		ret->value = load_le64(value);
		ret->end = at + size;
		return 0;
	}
	if (!source_map_read(map, at, block, sizeof(block)))
		return -PGW_EIO;
	ret->is_block = true;
	ret->is_packed = size == TAG_PACKED;
	ret->size = load_le64(block);
	ret->data = at + sizeof(block) + load_le16(block + 16);
	return add_overflows(ret->data, ret->size, &ret->end) ? -PGW_EIO : 0;
}

/* Does the tag have this name, and so many indices? */
static bool tag_is(const struct tag *tag, const char *name, unsigned nr_indices)
{
	return tag->nr_indices == nr_indices && strcmp(tag->name, name) == 0;
}

/* 0 goes on. */
typedef int tag_fn(struct vmware *vmware, const struct tag *tag, uint64_t at);

static int fail_tag(const struct vmware *vmware, uint64_t at, uint64_t found, const char *expected)
{
	return source_fail_at(vmware->err, -PGW_EOVERFLOW, at, found, expected);
}

static int take_memory(struct vmware *vmware, const struct tag *tag, uint64_t at)
{
	if (tag->is_packed)
		return source_fail_kind(
			vmware->err, at, "a VMware saved state with compressed memory",
			"suspend the machine so that its memory goes to a .vmem file "
			"(mainMem.useNamedFile), or dump it with its system's kdump");
	vmware->has_memory = true;
	vmware->memory_at = tag->data;
	vmware->memory_size = tag->size;
	return 0;
}

static int take_memory_tag(struct vmware *vmware, const struct tag *tag, uint64_t at)
{
	struct region *region = &vmware->regions[tag->index[0] % MAX_REGIONS];

	if (tag->is_block)
		return strcmp(tag->name, "Memory") == 0 && !vmware->has_memory
			       ? take_memory(vmware, tag, at)
			       : 0;
	if (tag_is(tag, "regionsCount", 0)) {
		vmware->nr_regions = tag->value;
		return tag->value > MAX_REGIONS
			       ? fail_tag(vmware, at, tag->value, "at most 16 regions of memory")
			       : 0;
	}
	if (tag->nr_indices != 1 || tag->index[0] >= MAX_REGIONS)
		return 0;
	if (tag_is(tag, "regionPPN", 1))
		region->page = tag->value;
	else if (tag_is(tag, "regionPageNum", 1))
		region->in_file = tag->value;
	else if (tag_is(tag, "regionSize", 1))
		region->size = tag->value;
	return 0;
}

/* The CPU of a tag's first index; NULL and a status if that is too many, or there is no memory. */
static struct cpu *cpu_of(struct vmware *vmware, const struct tag *tag, uint64_t at, int *status)
{
	if (tag->index[0] >= MAX_CPUS) {
		*status = fail_tag(vmware, at, tag->index[0], "a CPU whose number is below 8192");
		return NULL;
	}
	while (vmware->nr_cpus <= tag->index[0]) {
		if (source_array_grow((void **)&vmware->cpus, vmware->nr_cpus,
				      sizeof(struct cpu))) {
			*status = source_fail(vmware->err, -PGW_ENOMEM, NULL);
			return NULL;
		}
		vmware->cpus[vmware->nr_cpus++] = (struct cpu){ .known = 0 };
	}
	return &vmware->cpus[tag->index[0]];
}

/* Control registers come as a block of all, or one by one; the IDT's as a limit and an address. */
static int take_cpu_tag(struct vmware *vmware, const struct tag *tag, uint64_t at)
{
	bool is_crs = strcmp(tag->name, "CR64") == 0, is_idt = strcmp(tag->name, "IDTR") == 0;
	uint8_t bytes[8 * NR_CRS];
	struct cpu *cpu;
	int status = 0;

	if ((!is_crs && !is_idt) || !tag->nr_indices || tag->is_packed)
		return 0;
	cpu = cpu_of(vmware, tag, at, &status);
	if (!cpu)
		return status;
	if (tag->is_block && is_crs && tag->size >= sizeof(bytes) &&
	    source_map_read(vmware->state, tag->data, bytes, sizeof(bytes))) {
		for (unsigned i = 0; i < NR_CRS; i++)
			cpu->cr[i] = load_le64(bytes + (size_t)8 * i);
		cpu->known = (1u << NR_CRS) - 1;
	} else if (tag->is_block && is_idt && tag->size >= 10 &&
		   source_map_read(vmware->state, tag->data, bytes, 10)) {
		cpu->idt_base = load_le64(bytes + 2);
	} else if (is_crs && tag_is(tag, "CR64", 2) && tag->index[1] < NR_CRS) {
		cpu->cr[tag->index[1]] = tag->value;
		cpu->known |= 1u << tag->index[1];
	}
	return 0;
}

static int each_tag(struct vmware *vmware, uint64_t at, tag_fn *fn)
{
	struct tag tag;
	int status;

	while ((status = tag_read(vmware->state, at, &tag)) == 0) {
		status = fn(vmware, &tag, at);
		if (status)
			return status;
		at = tag.end;
		/* What was cut is the memory, of which there is some. */
		if (at > vmware->state->size && tag.is_block && vmware->has_memory &&
		    tag.data == vmware->memory_at)
			return 0;
	}
	return status == -PGW_ENOENT ? 0
				     : fail_tag(vmware, at, vmware->state->size,
						"a tag of the saved state inside the file, which "
						"may have been cut");
}

/* @return 0 (also if there is no such group) or a failure */
static int read_group(struct vmware *vmware, const char *name, tag_fn *fn)
{
	const struct source_map *map = vmware->state;
	uint8_t head[GROUPS_AT], group[GROUP_SIZE];
	uint32_t nr;

	if (!source_map_read(map, 0, head, sizeof(head)))
		return fail_tag(vmware, 0, map->size, "the header of a saved state, of 12 bytes");
	nr = load_le32(head + 8);
	if (nr > MAX_GROUPS)
		return fail_tag(vmware, 8, nr, "at most 4096 groups of the saved state");
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = GROUPS_AT + i * GROUP_SIZE;

		if (!source_map_read(map, at, group, sizeof(group)))
			return fail_tag(
				vmware, at, map->size,
				"a group of the saved state inside the file, which may have "
				"been cut");
		if (strncmp((const char *)group, name, GROUP_NAME) == 0)
			return each_tag(vmware, load_le64(group + GROUP_NAME), fn);
	}
	return 0;
}

/* The other of the two files. The source gets it; it is closed with the others. */
static int take_file(struct vmware *vmware, struct source_map *map)
{
	struct source *source = vmware->source;

	if (source_array_grow((void **)&source->files, source->nr_files, sizeof(*map))) {
		source_map_close(map);
		return source_fail(vmware->err, -PGW_ENOMEM, NULL);
	}
	source->files[source->nr_files++] = *map;
	source->info.file_size += map->size;
	return 0;
}

static int find_state(struct vmware *vmware)
{
	struct source_map map = { .fd = -1 };
	int status;

	if (!is_state(&vmware->source->files[0])) {
		status = open_state(vmware->source->path, &map);
		if (status)
			return source_fail(vmware->err, status,
					   "a saved state (.vmss, .vmsn) beside it");
		status = take_file(vmware, &map);
		if (status)
			return status;
		vmware->state_file = 1;
	}
	vmware->state = &vmware->source->files[vmware->state_file];
	return 0;
}

/* Where a saved state does not have the memory. @param ret_file which of the files has it */
static int find_memory(struct vmware *vmware, unsigned *ret_file)
{
	static const char *const endings[] = { ".vmss", ".vmsn" };
	const char *path = vmware->source->path;
	struct source_map map = { .fd = -1 };
	int status = -PGW_ENOENT;

	*ret_file = 0;
	if (vmware->state_file)
		return 0;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(endings) && status == -PGW_ENOENT; i++) {
		size_t stem = stem_of(path, endings[i]);

		if (stem)
			status = open_beside(path, stem, ".vmem", &map);
	}
	if (status)
		return source_fail_kind(vmware->err, 0, "a VMware saved state without its memory",
					"put the .vmem file beside it that has the same name");
	*ret_file = 1;
	status = take_file(vmware, &map);
	vmware->state = &vmware->source->files[0];
	return status;
}

/* One region, as pages of the file that has the memory. @return false if it is out of bounds */
static bool place_region(const struct vmware *vmware, const struct region *region,
			 struct source_segment *ret)
{
	uint64_t at = region->in_file << PAGE_LG2, size = region->size << PAGE_LG2;
	uint64_t left = at < vmware->memory_held ? vmware->memory_held - at : 0;

	if ((region->page | region->in_file | region->size) >> MAX_PAGE_LG2)
		return false;
	*ret = (struct source_segment){
		.pa = region->page << PAGE_LG2,
		.size = size,
		.file_size = size < left ? size : left,
		.offset = vmware->memory_at + at,
	};
	return true;
}

static int lay_out(struct vmware *vmware, unsigned file)
{
	struct source_segment segments[MAX_REGIONS];
	struct source *source = vmware->source;
	uint64_t need = vmware->memory_size;

	if (!vmware->nr_regions) {
		vmware->nr_regions = 1;
		vmware->regions[0] = (struct region){ .size = need >> PAGE_LG2 };
	}
	for (size_t i = 0; i < vmware->nr_regions; i++) {
		const struct region *region = &vmware->regions[i];

		if (!place_region(vmware, region, &segments[i]))
			return source_fail(
				vmware->err, -PGW_EOVERFLOW,
				"regions of fewer than 2^40 pages of memory, below 2^52");
		segments[i].file = file;
		if ((region->in_file + region->size) << PAGE_LG2 > need)
			need = (region->in_file + region->size) << PAGE_LG2;
	}
	source->info.truncated = need > vmware->memory_held;
	source->info.said_size = source->info.file_size + (need - vmware->memory_held);
	return source_lay_out(source, segments, vmware->nr_regions)
		       ? source_fail(vmware->err, -PGW_ENOMEM, NULL)
		       : 0;
}

/* The memory: in the saved state as far as that has it, or all of another file. */
static int load_memory(struct vmware *vmware)
{
	struct source *source = vmware->source;
	unsigned file = vmware->state_file;
	uint64_t left;
	int status = 0;

	if (!vmware->has_memory)
		status = find_memory(vmware, &file);
	if (status)
		return status;
	left = source->files[file].size;
	left = vmware->memory_at < left ? left - vmware->memory_at : 0;
	if (!vmware->has_memory)
		vmware->memory_size = left;
	if (vmware->memory_size >> PAGE_LG2 >> MAX_PAGE_LG2)
		return source_fail(vmware->err, -PGW_EOVERFLOW, "memory of less than 2^52 bytes");
	vmware->memory_held = vmware->memory_size < left ? vmware->memory_size : left;
	return lay_out(vmware, file);
}

/*
 * Nothing tells whether a CPU with PAE is in long mode. A root of PAE has four entries, in which
 * bits 2:1 and 8:5 are reserved; long mode's that is in use has some of them.
 */
static bool is_pae_root(const struct source *source, uint64_t cr3)
{
	uint8_t items[8 * NR_PDPTES];
	bool is_present = false;

	if (cr3 >> 32 || source_file_read(source, cr3 & CR3_PAE_ROOT, items, sizeof(items)))
		return false;
	for (unsigned i = 0; i < NR_PDPTES; i++) {
		uint64_t item = load_le64(items + (size_t)8 * i);

		if (!(item & PDPTE_P))
			continue;
		if (item & PDPTE_RESERVED)
			return false;
		is_present = true;
	}
	return is_present;
}

static void find_machine(struct source *source)
{
	for (size_t i = 0; i < source->nr_cpus && !source->has_machine; i++) {
		const struct pgw_cpu *cpu = &source->cpus[i];

		if (!(cpu->cr0 & CR0_PG))
			continue;
		source->has_machine = true;
		source->info.elf_machine =
			(cpu->cr4 & CR4_PAE) && !is_pae_root(source, cpu->cr3) ? EM_X86_64 : EM_386;
		source->info.machine = source_machine_name(source->info.elf_machine);
	}
}

static int add_cpus(struct vmware *vmware)
{
	const unsigned needed = 1 << 0 | 1 << 3 | 1 << 4;

	for (size_t i = 0; i < vmware->nr_cpus; i++) {
		const struct cpu *cpu = &vmware->cpus[i];
		bool is_known = (cpu->known & needed) == needed;
		const struct pgw_cpu known = {
			.known = is_known ? PGW_CPU_X86_CR : 0,
			.cr0 = cpu->cr[0],
			.cr3 = cpu->cr[3],
			.cr4 = cpu->cr[4],
			.idt_base = cpu->idt_base,
		};

		if (source_add_cpu(vmware->source, is_known ? &known : &(struct pgw_cpu){ 0 }))
			return source_fail(vmware->err, -PGW_ENOMEM, NULL);
	}
	find_machine(vmware->source);
	return 0;
}

static int load(struct vmware *vmware)
{
	int status = find_state(vmware);

	if (!status)
		status = read_group(vmware, "memory", take_memory_tag);
	if (!status)
		status = read_group(vmware, "cpu", take_cpu_tag);
	if (!status)
		status = load_memory(vmware);
	return status ? status : add_cpus(vmware);
}

static int vmware_open(struct source *source, const struct pgw_image_options *options,
		       struct pgw_error *err)
{
	struct vmware *vmware = calloc(1, sizeof(*vmware));
	int status;

	(void)options;
	if (!vmware)
		return source_fail(err, -PGW_ENOMEM, NULL);
	vmware->source = source;
	vmware->err = err;
	source->has_places = true;
	source->info.writer = "VMware";
	status = load(vmware);
	free(vmware->cpus);
	free(vmware);
	return status;
}

const struct source_ops source_vmware_ops = {
	.name = "vmware",
	.probe = vmware_probe,
	.open = vmware_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
