/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/audit_facts.h"

#include <stdlib.h>
#include <string.h>

#include <pagewalk/scan.h>

#include "analysis/direct_map.h"
#include "base/bits.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* x86-64, Documentation/arch/x86/x86_64/mm.rst: the kernel's image, and where modules end. */
#define X86_IMAGE_FIRST UINT64_C(0xffffffff80000000)
#define X86_IMAGE_SIZE GIB(1)
#define X86_MODULES_LAST UINT64_C(0xfffffffffeffffff)

/* Visits of tables of the kernel's own root: at 4 KiB, 4 GiB of them. */
#define KERNEL_TABLES (UINT64_C(1) << 20)

/* What the trampoline takes (arch/x86/realmode): 24 KiB and less so far. */
#define REAL_MODE_SIZE (UINT64_C(64) << 10)

/* The most resources that are looked at. */
#define MAX_RESOURCES 4096

static bool symbol_find(const struct audit_facts *facts, const char *name, uint64_t *ret)
{
	struct pgw_symbol symbol;

	if (!facts->symbols || !pgw_symbols_find(facts->symbols, name, &symbol) || symbol.is_offset)
		return false;
	*ret = symbol.va;
	return true;
}

/* [first, end) by two symbols, of a part of the image. */
static struct audit_place symbols_place(const struct audit_facts *facts, const char *first,
					const char *end)
{
	struct audit_place place = { 0 };
	uint64_t last;

	if (symbol_find(facts, first, &place.first) && symbol_find(facts, end, &last) &&
	    last > place.first && last - place.first <= GIB(1)) {
		place.last = last - 1;
		place.is_known = true;
	}
	return place;
}

static struct audit_place place_align(struct audit_place place, uint64_t size)
{
	place.first &= ~(size - 1);
	place.last |= size - 1;
	return place;
}

/* The frames of a part of the kernel's image. */
static int image_frames_add(const struct audit_facts *facts, struct ranges *ranges,
			    const struct audit_place *place)
{
	if (!place->is_known || !facts->image.is_known)
		return 0;
	return ranges_add(ranges, place->first - facts->image_distance,
			  place->last - facts->image_distance);
}

static int symbols_frames_add(const struct audit_facts *facts, struct ranges *ranges,
			      const char *first, const char *end)
{
	struct audit_place place = symbols_place(facts, first, end);

	return image_frames_add(facts, ranges, &place);
}

/* ---- places ---- */

static enum audit_arch arch_of(const struct pgw_format *format)
{
	const char *arch = pgw_format_arch(format);

	return strcmp(arch, "x86_64") == 0                                  ? AUDIT_X86_64
	       : strcmp(arch, "arm64") == 0                                 ? AUDIT_ARM64
	       : strcmp(arch, "riscv64") == 0 || strcmp(arch, "riscv") == 0 ? AUDIT_RISCV64
									    : AUDIT_OTHER;
}

/* The VMCOREINFO of the kernel that is meant, or NULL. */
static const struct pgw_vmcoreinfo *vmcoreinfo_of(struct pgw_image *image)
{
	const struct pgw_kernel *kernels;
	bool is_all;
	size_t nr;

	if (pgw_image_kernels_known(image, &kernels, &nr, &is_all) || !nr)
		return NULL;
	return kernels[0].vmcoreinfo;
}

/* [first, end) by two numbers of VMCOREINFO. */
static void numbers_place(const struct pgw_vmcoreinfo *info, const char *first, const char *end,
			  struct audit_place *ret)
{
	uint64_t from, to;

	if (!info || !pgw_vmcoreinfo_number(info, first, &from) ||
	    !pgw_vmcoreinfo_number(info, end, &to) || to <= from)
		return;
	*ret = (struct audit_place){ true, from, to - 1 };
}

/* [first, end) by two of the kernel's own markers, the second one being the next behind the first. */
static void markers_place(const struct pgw_marker *list, size_t nr, const char *first,
			  const char *end, struct audit_place *ret)
{
	struct audit_place place = { 0 };

	for (size_t i = 0; i < nr; i++) {
		if (strcmp(list[i].name, first) == 0)
			place.first = list[i].va;
		else if (strcmp(list[i].name, end) == 0)
			place.last = list[i].va - 1;
	}
	if (place.first && place.last > place.first && !ret->is_known) {
		place.is_known = true;
		*ret = place;
	}
}

static void x86_places(struct audit_facts *facts, const struct pgw_vmcoreinfo *info)
{
	uint64_t size;

	if (!info || !pgw_vmcoreinfo_number(info, "KERNEL_IMAGE_SIZE", &size) || !size ||
	    size > X86_IMAGE_SIZE)
		size = X86_IMAGE_SIZE;
	facts->modules = (struct audit_place){ true, X86_IMAGE_FIRST + size, X86_MODULES_LAST };
}

/*
 * Modules and BPF programs lie in the 2 GiB below the image's end, before the image (Linux,
 * arch/riscv/include/asm/pgtable.h). Below vmemmap come 16 MiB of PCI I/O, then the fixmap.
 */
static void riscv_places(struct audit_facts *facts, const struct pgw_vmcoreinfo *info)
{
	uint64_t end, vmemmap;

	if (symbol_find(facts, "_end", &end) && facts->text.is_known)
		facts->modules =
			(struct audit_place){ true, ((end + 4095) & ~UINT64_C(4095)) - GIB(2),
					      (facts->text.first & ~(MIB(2) - 1)) - 1 };
	if (!facts->fixmap.is_known && info &&
	    pgw_vmcoreinfo_number(info, "VMEMMAP_START", &vmemmap))
		facts->fixmap =
			(struct audit_place){ true, vmemmap - MIB(32), vmemmap - MIB(16) - 1 };
}

static void places_find(struct audit_facts *facts, struct pgw_image *image)
{
	const struct pgw_vmcoreinfo *info = vmcoreinfo_of(image);
	const struct pgw_marker *markers;
	size_t nr = 0;

	numbers_place(info, "MODULES_VADDR", "MODULES_END", &facts->modules);
	numbers_place(info, "VMALLOC_START", "VMALLOC_END", &facts->vmalloc);
	if (facts->arch != AUDIT_X86_64 &&
	    !pgw_image_markers(image, &facts->kernel, &markers, &nr)) {
		markers_place(markers, nr, "Modules start", "Modules end", &facts->modules);
		markers_place(markers, nr, "vmalloc() area", "vmalloc() end", &facts->vmalloc);
		markers_place(markers, nr, "Fixmap start", "Fixmap end", &facts->fixmap);
	}
	if (facts->arch == AUDIT_X86_64)
		x86_places(facts, info);
	else if (facts->arch == AUDIT_RISCV64)
		riscv_places(facts, info);
}

static void marks_find(struct audit_facts *facts, const struct pgw_vmcoreinfo *info)
{
	uint64_t base = 0, va;

	if (facts->arch == AUDIT_X86_64 && (!symbol_find(facts, "vmemmap_base", &va) ||
					    linux_memory_word(&facts->memory, va, &base)))
		base = 0;
	audit_marks_find(&facts->marks, info, &facts->memory, base);
}

/* Where the image is, by _stext. */
static void image_find(struct audit_facts *facts)
{
	struct audit_place text = symbols_place(facts, "_stext", "_etext");
	uint64_t pa, first, end,
		granule = BIT(pgw_format_geometry(facts->kernel.format)->granule_lg2);

	if (!text.is_known || !linux_memory_pa(&facts->memory, text.first, &pa))
		return;
	facts->text = place_align(text, facts->arch == AUDIT_RISCV64 ? MIB(2) : granule);
	facts->image_distance = text.first - pa;
	/* Behind the image x86 has tables from before (brk), which stay mapped there. */
	first = symbol_find(facts, "_text", &first) && first <= text.first ? first : text.first;
	facts->has_image_end = symbol_find(facts, "_end", &end) && end > text.last;
	end = facts->has_image_end ? end : text.last + MIB(64);
	facts->image = (struct audit_place){ true, first, (end - 1) | (granule - 1) };
	if (facts->arch != AUDIT_ARM64)
		facts->image.last |= MIB(2) - 1;
	if (facts->arch == AUDIT_X86_64)
		facts->image.last += MIB(2);
	facts->rodata = symbols_place(facts, "__start_rodata", "__end_rodata");
	facts->has_data_symbols = facts->rodata.is_known;
}

/* ---- frames ---- */

/* A symbol's own pages, up to the next symbol. */
static int symbol_pages_add(struct audit_facts *facts, struct ranges *ranges, uint64_t va)
{
	uint64_t page = UINT64_C(4096), end = va + page;
	struct pgw_symbol symbol;

	/* Few are larger than this; the vDSO is two pages. */
	for (; end < va + 4 * page; end += page) {
		uint64_t offset;

		if (!pgw_symbols_at(facts->symbols, end, &symbol, &offset) || symbol.va > va)
			break;
	}
	return ranges_add(ranges, va - facts->image_distance, end - 1 - facts->image_distance);
}

/* What of its image the kernel lets programs see. */
static int given_find(struct audit_facts *facts, struct ranges *given)
{
	static const char *const names[] = {
		"raw_data",         "vdso_start",  "vdso32_start",          "compat_vdso_start",
		"empty_zero_page",  "__vvar_page", "vdso_data_store",       "vdso_u_data_store",
		"vdso_u_time_data", "_vdso_data",  "__vvar_beginning_hack",
	};
	struct pgw_symbol symbol;
	int status = 0;

	for (size_t i = 0; !status && pgw_symbols_get(facts->symbols, i, &symbol); i++) {
		for (size_t j = 0; j < PGW_ARRAY_SIZE(names) && !symbol.is_offset && !status; j++) {
			if (strcmp(symbol.name, names[j]) == 0)
				status = symbol_pages_add(facts, given, symbol.va);
		}
	}
	/* x86-64: the unused part goes back to the allocator. */
	if (!status)
		status = symbols_frames_add(facts, given, "__start_bss_decrypted_unused",
					    "__end_bss_decrypted");
	return status;
}

/* Text, rodata, data and bss, without what programs see of them. */
static int kernel_only_find(struct audit_facts *facts)
{
	uint64_t granule = BIT(pgw_format_geometry(facts->kernel.format)->granule_lg2);
	struct ranges given = { 0 };
	int status = symbols_frames_add(facts, &facts->kernel_only, "_stext", "_etext");

	if (!status)
		status = image_frames_add(facts, &facts->kernel_only, &facts->rodata);
	if (!status)
		status = symbols_frames_add(facts, &facts->kernel_only, "_sdata", "_edata");
	if (!status)
		status =
			symbols_frames_add(facts, &facts->kernel_only, "__bss_start", "__bss_stop");
	if (!status && facts->symbols && facts->image.is_known)
		status = given_find(facts, &given);
	ranges_sort(&facts->kernel_only);
	ranges_sort(&given);
	if (!status)
		status = ranges_take_away(&facts->kernel_only, &given, granule);
	ranges_fini(&given);
	return status;
}

static int ro_tables_find(struct audit_facts *facts)
{
	static const char *const names[] = { "swapper_pg_dir", "tramp_pg_dir", "reserved_pg_dir",
					     "idmap_pg_dir" };
	uint64_t page = BIT(pgw_format_geometry(facts->kernel.format)->granule_lg2), va;
	int status = 0;

	if (facts->arch != AUDIT_ARM64)
		return 0;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names) && !status; i++) {
		if (facts->image.is_known && symbol_find(facts, names[i], &va))
			status = ranges_add(&facts->ro_tables,
					    (va - facts->image_distance) & ~(page - 1),
					    (va - facts->image_distance) | (page - 1));
	}
	if (!status)
		status = ranges_add(&facts->ro_tables, facts->kernel.root.pa & ~(page - 1),
				    facts->kernel.root.pa | (page - 1));
	return status;
}

static int frames_find(struct audit_facts *facts)
{
	int status = image_frames_add(facts, &facts->code, &facts->text);

	if (facts->arch == AUDIT_RISCV64) {
		/* What is executable up to the next 2 MiB is no text. */
		facts->code.nr = 0;
		status = symbols_frames_add(facts, &facts->code, "_stext", "_etext");
	}
	if (!status)
		status = image_frames_add(facts, &facts->read_only, &facts->rodata);
	if (!status)
		status = kernel_only_find(facts);
	if (!status && facts->arch == AUDIT_ARM64)
		status = symbols_frames_add(facts, &facts->entry_code, "__entry_tramp_text_start",
					    "__entry_tramp_text_end");
	if (!status)
		status = ro_tables_find(facts);
	return status;
}

/* ---- memory, by the kernel's tree of resources (struct resource, include/linux/ioport.h) ---- */

#define RESOURCE_START 0
#define RESOURCE_END 8 /* inclusive */
#define RESOURCE_NAME 16
#define RESOURCE_SIBLING 48
#define RESOURCE_CHILD 56

/* Memory of firmware's map that is no RAM for the kernel, and in its holes: e820_type_to_string(). */
static bool is_firmware(const char *name)
{
	static const char *const names[] = { "Reserved", "reserved", "ACPI ",  "Unknown",
					     "Soft Res", "Persiste", "Unusable" };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* One resource; its siblings and children are put on the stack. @return 0 or -PGW_ENOMEM */
static int resource_read(struct audit_facts *facts, uint64_t va, uint64_t *stack, unsigned *depth)
{
	static const char ram[] = "System RAM";
	uint64_t start, end, name_va, next[2];
	char name[sizeof(ram)] = { 0 };
	int status;

	if (linux_memory_word(&facts->memory, va + RESOURCE_START, &start) ||
	    linux_memory_word(&facts->memory, va + RESOURCE_END, &end) || end < start ||
	    linux_memory_word(&facts->memory, va + RESOURCE_NAME, &name_va) ||
	    linux_memory_word(&facts->memory, va + RESOURCE_SIBLING, &next[0]) ||
	    linux_memory_word(&facts->memory, va + RESOURCE_CHILD, &next[1]))
		return 0;
	if (!name_va || linux_memory_read(&facts->memory, name_va, name, sizeof(ram) - 1))
		name[0] = '\0';
	status = ranges_add(&facts->resources, start, end);
	if (!status && strcmp(name, ram) == 0)
		status = ranges_add(&facts->ram, start, end);
	if (!status && is_firmware(name))
		status = ranges_add(&facts->firmware, start, end);
	for (int i = 0; i < 2; i++) {
		if (next[i] && *depth < MAX_RESOURCES)
			stack[(*depth)++] = next[i];
	}
	return status;
}

static int resources_find(struct audit_facts *facts)
{
	uint64_t *stack = malloc(MAX_RESOURCES * sizeof(*stack)), va, last, child;
	unsigned depth = 0, nr = 0;
	int status = 0;

	if (!stack)
		return -PGW_ENOMEM;
	/* The root is all there is, on x86 by the CPU's width: its children tell. */
	if (symbol_find(facts, "iomem_resource", &va) &&
	    !linux_memory_word(&facts->memory, va + RESOURCE_END, &last) &&
	    !linux_memory_word(&facts->memory, va + RESOURCE_CHILD, &child) && child) {
		stack[depth++] = child;
		facts->pa_last = last;
	}
	while (depth && !status && nr++ < MAX_RESOURCES)
		status = resource_read(facts, stack[--depth], stack, &depth);
	free(stack);
	facts->has_ram = facts->ram.nr != 0;
	return status;
}

/* ---- the kernel's own root ---- */

static bool is_code(const struct pgw_extent *extent, void *arg)
{
	(void)arg;
	return extent->kind == PGW_ENTRY_LEAF && extent->rights & PGW_KERNEL_X;
}

static int code_add(struct audit_facts *facts, const struct pgw_extent *extent)
{
	uint64_t last = extent->pa + (extent->va_last - extent->va_first);
	int status;

	/* riscv's padding behind text is executable, and no code. */
	if (facts->arch == AUDIT_RISCV64 && place_has(&facts->text, extent->va_first) &&
	    place_has(&facts->text, extent->va_last))
		return 0;
	status = ranges_add(&facts->code, extent->pa, last);
	if (!status && place_has(&facts->modules, extent->va_first))
		status = ranges_add(&facts->module_code, extent->pa, last);
	return status;
}

static int code_met(const struct pgw_extent *extents, size_t nr, void *arg)
{
	int status = 0;

	for (size_t i = 0; i < nr && !status; i++) {
		if (is_code(&extents[i], NULL))
			status = code_add((struct audit_facts *)arg, &extents[i]);
	}
	return status;
}

static int code_find(struct audit_facts *facts, struct pgw_mm *mm)
{
	const struct pgw_scan_ops ops = { .extents = code_met, .wanted = is_code };
	uint64_t first, last;

	pgw_format_region_range(facts->kernel.format, PGW_REGION_KERNEL, &first, &last);
	return pgw_scan_with(mm, first, last, &ops, facts, NULL);
}

/* It is somewhere below 1 MiB; with the symbol it is known where. */
static void real_mode_find(struct audit_facts *facts)
{
	uint64_t va, header;

	facts->real_mode = (struct audit_place){ true, 0, MIB(1) - 1 };
	if (!symbol_find(facts, "real_mode_header", &va) ||
	    linux_memory_word(&facts->memory, va, &header) || !facts->direct.is_known)
		return;
	header -= facts->direct_distance;
	if (header >= MIB(1))
		return;
	facts->real_mode.first = header & ~UINT64_C(4095);
	facts->real_mode.last = facts->real_mode.first + REAL_MODE_SIZE - 1;
}

static int kernel_scan(struct audit_facts *facts, const struct pgw_audit_args *args)
{
	const struct pgw_mm_attach_args attach = {
		.platform = args->platform,
		.format = facts->kernel.format,
		.phys = pgw_image_phys(args->image),
		.root = facts->kernel.root,
		.region = PGW_REGION_KERNEL,
		.control = facts->kernel.control,
		.budget = args->max_tables < KERNEL_TABLES ? args->max_tables : KERNEL_TABLES,
	};
	struct direct_map map;
	struct pgw_mm *mm;
	int status = pgw_mm_attach(&attach, &mm);

	if (status)
		return status;
	status = direct_map_find(args->image, mm, &map);
	if (map.is_found) {
		facts->direct_distance = map.distance;
		facts->direct = (struct audit_place){ true, map.first, map.last };
	}
	real_mode_find(facts);
	facts->is_cut = status == -PGW_E2BIG;
	if (status != -PGW_ENOMEM)
		status = code_find(facts, mm);
	facts->is_cut |= status == -PGW_E2BIG;
	pgw_mm_free(mm);
	/* Too much to look at: what was met until then is known. */
	return status == -PGW_ENOMEM ? status : 0;
}

static void facts_sort(struct audit_facts *facts)
{
	ranges_sort(&facts->code);
	ranges_sort(&facts->module_code);
	ranges_sort(&facts->read_only);
	ranges_sort(&facts->entry_code);
	ranges_sort(&facts->ro_tables);
	ranges_sort(&facts->ram);
	ranges_sort(&facts->resources);
	ranges_sort(&facts->firmware);
}

/*
 * The direct map reaches to the end of memory: its last pieces may be too short to be counted, as one
 * is that something odd cuts off.
 *
 * Pre: facts->ram is sorted.
 */
static void direct_extend(struct audit_facts *facts)
{
	uint64_t last;

	if (!facts->direct.is_known || !facts->ram.nr)
		return;
	last = facts->ram.list[facts->ram.nr - 1].last + facts->direct_distance;
	if (last > facts->direct.last)
		facts->direct.last = last;
}

int audit_facts_find(struct audit_facts *facts, const struct pgw_audit_args *args)
{
	const struct pgw_root_info *roots = args->roots;
	struct pgw_image *image = args->image;
	int status;

	*facts = (struct audit_facts){ .pa_last = UINT64_MAX };
	if (args->nr_roots)
		facts->arch = arch_of(roots[0].format);
	status = pgw_image_kernel_root(image, &facts->kernel, NULL);
	if (status)
		return status == -PGW_ENOMEM ? status : 0;
	facts->arch = arch_of(facts->kernel.format);
	facts->has_kernel = facts->kernel.proof == PGW_PROOF_PASSED && facts->kernel.has_kernel;
	if (!facts->has_kernel || facts->arch == AUDIT_OTHER)
		return 0;
	linux_memory_init(&facts->memory, image, &facts->kernel);
	if (pgw_image_symbols(image, &facts->symbols, NULL))
		facts->symbols = NULL;
	image_find(facts);
	places_find(facts, image);
	marks_find(facts, vmcoreinfo_of(image));
	status = frames_find(facts);
	if (!status)
		status = resources_find(facts);
	if (!status)
		status = kernel_scan(facts, args);
	facts_sort(facts);
	direct_extend(facts);
	return status;
}

void audit_facts_fini(struct audit_facts *facts)
{
	ranges_fini(&facts->code);
	ranges_fini(&facts->module_code);
	ranges_fini(&facts->read_only);
	ranges_fini(&facts->kernel_only);
	ranges_fini(&facts->entry_code);
	ranges_fini(&facts->ro_tables);
	ranges_fini(&facts->ram);
	ranges_fini(&facts->resources);
	ranges_fini(&facts->firmware);
}
