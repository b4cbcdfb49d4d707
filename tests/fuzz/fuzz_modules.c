/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel's modules: the input is memory, from address 0 on, physical and virtual. A struct module
 * is at 0, as Linux since 6.4 has it, and as before; each member is at a place that the input has
 * room for.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "system/linux/modules.h"
#include "system/system_priv.h"

#define MEMBER(at, bytes)                                                                          \
	{                                                                                          \
		.is_there = true, .offset = (at), .size = (bytes)                                  \
	}

static const struct module_places new_places = {
	.module = { .list = MEMBER(0, 16),
		    .name = MEMBER(16, 56),
		    .kallsyms = MEMBER(72, 8),
		    .sect_attrs = MEMBER(80, 8),
		    .refcnt = MEMBER(88, 4),
		    .num_syms = MEMBER(92, 4),
		    .syms = MEMBER(96, 8),
		    .mem = MEMBER(104, 112) },
	.memory = { .size = MEMBER(0, 16), .base = MEMBER(0, 8), .bytes = MEMBER(8, 4) },
	.kallsyms = { .symtab = MEMBER(0, 8),
		      .num_symtab = MEMBER(8, 4),
		      .strtab = MEMBER(16, 8),
		      .typetab = MEMBER(24, 8) },
	.sections = { .list = MEMBER(0, 8), .bin_name = MEMBER(0, 8), .bin_va = MEMBER(8, 8) },
	.symbol = { .size = MEMBER(0, 12),
		    .value_offset = MEMBER(0, 4),
		    .name_offset = MEMBER(4, 4) },
};

/* What members lead to is there as long as the module is. */
static void look(const struct module *module)
{
	const struct pgw_module *info = &module->info;

	FUZZ_CHECK(strlen(info->name) < sizeof(info->name));
	FUZZ_CHECK(info->nr_parts <= PGW_MODULE_PARTS);
	for (unsigned i = 0; i < info->nr_parts; i++)
		FUZZ_CHECK(info->parts[i].first <= info->parts[i].last);
	for (size_t i = 0; i < info->nr_sections; i++)
		FUZZ_CHECK(strlen(info->sections[i].name) < 256);
	for (size_t i = 0; i < info->nr_symbols; i++)
		FUZZ_CHECK(info->symbols[i].name[0]);
}

static void read_module(struct pgw_modules *modules)
{
	struct module module;
	int err = module_read(modules, 0, &module);

	FUZZ_CHECK(err == 0);
	look(&module);
	module_fini(&module);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pgw_image *image = calloc(1, sizeof(*image));
	struct pgw_modules *modules = calloc(1, sizeof(*modules));
	struct pgw_root_info root = { .format = pgw_format_by_name("x86_64-la48") };
	struct pgw_phys_memory memory;

	if (image && modules && size) {
		FUZZ_CHECK(pgw_phys_memory_init(&memory, 0, bytes, size) == 0);
		image->phys = memory.phys;
		modules->inside.image = image;
		modules->places = new_places;
		linux_memory_init(&modules->inside.memory, image, &root);
		modules->inside.memory.reads_left = 100000;
		for (unsigned i = 0; i < LINUX_SPANS; i++)
			modules->inside.memory.spans[i] = (struct linux_span){ .last = size - 1 };
		read_module(modules);
		/* And as it was until 6.3, with sections in an array. */
		modules->places.module.mem.is_there = false;
		modules->places.module.core_base = new_places.module.mem;
		modules->places.module.core_base.size = 8;
		modules->places.module.core_size = (struct linux_member)MEMBER(112, 4);
		modules->places.module.core_text = (struct linux_member)MEMBER(116, 4);
		modules->places.module.core_ro = (struct linux_member)MEMBER(120, 4);
		modules->places.module.core_after_init = (struct linux_member)MEMBER(124, 4);
		modules->places.sections.nr = (struct linux_member)MEMBER(0, 4);
		modules->places.sections.attrs = (struct linux_member)MEMBER(8, 0);
		modules->places.sections.attr = (struct linux_member)MEMBER(0, 16);
		modules->places.sections.name = (struct linux_member)MEMBER(0, 8);
		modules->places.sections.va = (struct linux_member)MEMBER(8, 8);
		read_module(modules);
	}
	free(modules);
	free(image);
	return 0;
}
