/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

/*
 * Areas of vmalloc(): to 6.8 one list, vmap_area_list; then nodes, as many as vmap_nodes and
 * nr_vmap_nodes say, each with a list of those that are in use and one of those that are unmapped,
 * whose vm pointer leads nowhere any more.
 */

#define MAX_STEPS (UINT64_C(1) << 20)
#define MAX_NODES 4096
#define VM_IOREMAP 1 /* include/linux/vmalloc.h */

struct places {
	struct {
		struct linux_member start, end, list, vm;
	} area;
	struct {
		struct linux_member caller, flags;
	} vm;
	struct {
		struct linux_member size, busy, lazy;
	} node;
};

#define AT(member) offsetof(struct places, member)
#define NEED(type, path, member)                                                                   \
	{                                                                                          \
		type, path, AT(member), false,                                                     \
			"struct " type "'s member " path " in the kernel's BTF"                    \
	}
#define MAY(type, path, member)                                                                    \
	{                                                                                          \
		type, path, AT(member), true, NULL                                                 \
	}

static const struct linux_wanted wanted[] = {
	NEED("vmap_area", "va_start", area.start), NEED("vmap_area", "va_end", area.end),
	NEED("vmap_area", "list", area.list),      NEED("vmap_area", "vm", area.vm),
	NEED("vm_struct", "caller", vm.caller),    NEED("vm_struct", "flags", vm.flags),
	MAY("vmap_node", NULL, node.size),         MAY("vmap_node", "busy.head", node.busy),
	MAY("vmap_node", "lazy.head", node.lazy),
};

struct vmalloc {
	struct pgw_layout *layout;
	struct linux_inside *inside;
	const struct pgw_modules *modules;
	struct places places;
	uint64_t steps_left;
	bool is_lazy; /* those of the list are unmapped */
};

/* Who asked for it: "load_module+0x1d". */
static void caller_name(const struct vmalloc *vmalloc, uint64_t va, char *text, size_t size)
{
	const struct pgw_module *module = NULL;
	struct pgw_symbol symbol = { 0 };
	uint64_t offset;

	if (!pgw_symbols_at(vmalloc->inside->symbols, va, &symbol, &offset) && vmalloc->modules)
		module = pgw_modules_at(vmalloc->modules, va, &symbol, &offset);
	if (!symbol.name)
		snprintf(text, size, "0x%" PRIx64, va);
	else if (module)
		snprintf(text, size, "%s+0x%" PRIx64 " [%s]", symbol.name, offset, module->name);
	else
		snprintf(text, size, "%s+0x%" PRIx64, symbol.name, offset);
}

/* @return the name of its range; detail gets the caller */
static const char *area_name(struct vmalloc *vmalloc, uint64_t area, char *detail, size_t size)
{
	const struct places *at = &vmalloc->places;
	uint64_t vm, caller, flags;

	detail[0] = '\0';
	if (vmalloc->is_lazy)
		return "lazy";
	if (linux_inside_number(vmalloc->inside, area, &at->area.vm, &vm) ||
	    (vm && (linux_inside_number(vmalloc->inside, vm, &at->vm.caller, &caller) ||
		    linux_inside_number(vmalloc->inside, vm, &at->vm.flags, &flags)))) {
		vmalloc->layout->met.nr_unreadable++;
		return "vmalloc-area";
	}
	/* vm_map_ram() keeps no struct vm_struct. */
	if (!vm)
		return "vmalloc-area";
	if (caller)
		caller_name(vmalloc, caller, detail, size);
	if (flags & VM_IOREMAP)
		return "ioremap";
	return strncmp(detail, "bpf_", 4) == 0 ? "bpf" : "vmalloc-area";
}

static int area_node(void *arg, uint64_t node)
{
	struct vmalloc *vmalloc = arg;
	const struct places *at = &vmalloc->places;
	uint64_t area = node - at->area.list.offset, start, end;
	char detail[LINUX_SYMBOL_NAME_MAX + 128];
	const char *name;

	if (linux_inside_number(vmalloc->inside, area, &at->area.start, &start) ||
	    linux_inside_number(vmalloc->inside, area, &at->area.end, &end)) {
		vmalloc->layout->met.nr_unreadable++;
		return 0;
	}
	if (end <= start) {
		vmalloc->layout->met.nr_torn++;
		return 0;
	}
	name = area_name(vmalloc, area, detail, sizeof(detail));
	return layout_add(vmalloc->layout, start, end - 1, name, detail, PGW_LAYOUT_VMALLOC);
}

static int list_read(struct vmalloc *vmalloc, uint64_t head)
{
	enum linux_list_end end;
	int err = linux_list_each(&vmalloc->inside->memory, head, &vmalloc->steps_left, area_node,
				  vmalloc, &end);

	if (err)
		return err;
	vmalloc->layout->met.nr_torn += end == LINUX_LIST_TORN;
	vmalloc->layout->met.nr_unreadable += end == LINUX_LIST_UNREADABLE;
	vmalloc->layout->met.truncated |= end == LINUX_LIST_CUT;
	return 0;
}

static int nodes_read(struct vmalloc *vmalloc, uint64_t nodes_at, uint64_t nr_at)
{
	struct linux_memory *mem = &vmalloc->inside->memory;
	const struct places *at = &vmalloc->places;
	uint64_t nodes, nr;
	int err = 0;

	if (linux_memory_word(mem, nodes_at, &nodes) || linux_memory_number(mem, nr_at, 4, &nr)) {
		vmalloc->layout->met.nr_unreadable++;
		return 0;
	}
	vmalloc->layout->met.truncated |= nr > MAX_NODES;
	for (uint64_t i = 0; i < nr && i < MAX_NODES && !err; i++) {
		uint64_t node = nodes + i * at->node.size.size;

		vmalloc->is_lazy = false;
		err = list_read(vmalloc, node + at->node.busy.offset);
		vmalloc->is_lazy = true;
		if (!err && at->node.lazy.is_there)
			err = list_read(vmalloc, node + at->node.lazy.offset);
	}
	return err;
}

int layout_of_vmalloc(struct pgw_layout *layout, struct linux_inside *inside,
		      const struct pgw_modules *modules)
{
	struct vmalloc vmalloc = {
		.layout = layout, .inside = inside, .modules = modules, .steps_left = MAX_STEPS
	};
	uint64_t list = linux_inside_symbol(inside, "vmap_area_list");
	uint64_t nodes = linux_inside_symbol(inside, "vmap_nodes");
	uint64_t nr_nodes = linux_inside_symbol(inside, "nr_vmap_nodes");
	const struct linux_wanted *missing;

	if (!linux_types_fill(inside->types, wanted, PGW_ARRAY_SIZE(wanted), &vmalloc.places,
			      &missing)) {
		layout->met.no_vmalloc = missing->what;
		return 0;
	}
	if (list)
		return list_read(&vmalloc, list);
	if (nodes && nr_nodes && vmalloc.places.node.busy.is_there)
		return nodes_read(&vmalloc, nodes, nr_nodes);
	layout->met.no_vmalloc = "the symbol vmap_area_list, or vmap_nodes and nr_vmap_nodes";
	return 0;
}
