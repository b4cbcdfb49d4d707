/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"

static const char *const part_names[_PGW_MODULE_PART_MAX] = {
	[PGW_MODULE_TEXT] = "text",     [PGW_MODULE_DATA] = "data",
	[PGW_MODULE_RODATA] = "rodata", [PGW_MODULE_RO_AFTER_INIT] = "ro-after-init",
	[PGW_MODULE_INIT] = "init",
};

static int by_va(const void *a, const void *b)
{
	const struct pgw_module_section *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

static int detail_add(struct pgw_layout *layout, uint64_t first, uint64_t last,
		      const struct pgw_module *module, const char *what)
{
	char detail[PGW_MODULE_NAME + 260];

	snprintf(detail, sizeof(detail), "%s %s", module->name, what);
	return layout_add(layout, first, last, "module", detail, PGW_LAYOUT_MODULES);
}

/* How long a section is, nobody keeps: it reaches to the next one, or to the end of its part. */
static int sections_add(struct pgw_layout *layout, const struct pgw_module *module,
			const struct pgw_module_part *part,
			const struct pgw_module_section *sections)
{
	int err = 0;

	for (size_t i = 0; i < module->nr_sections && !err; i++) {
		uint64_t last = part->last;
		size_t next = i + 1;

		if (sections[i].va < part->first || sections[i].va > part->last)
			continue;
		while (next < module->nr_sections && sections[next].va == sections[i].va)
			next++;
		if (next < module->nr_sections && sections[next].va <= part->last)
			last = sections[next].va - 1;
		/* Those of no bytes lie where the next one does, which is the last of them. */
		if (next == i + 1)
			err = detail_add(layout, sections[i].va, last, module, sections[i].name);
	}
	return err;
}

static int module_add(struct pgw_layout *layout, const struct pgw_module *module)
{
	struct pgw_module_section *sections = malloc((module->nr_sections + 1) * sizeof(*sections));
	int err = sections ? 0 : -PGW_ENOMEM;

	for (size_t i = 0; sections && i < module->nr_sections; i++)
		sections[i] = module->sections[i];
	if (sections && module->nr_sections)
		qsort(sections, module->nr_sections, sizeof(*sections), by_va);
	for (unsigned i = 0; i < module->nr_parts && !err; i++) {
		const struct pgw_module_part *part = &module->parts[i];

		err = detail_add(layout, part->first, part->last, module, part_names[part->kind]);
		if (!err)
			err = sections_add(layout, module, part, sections);
	}
	free(sections);
	return err;
}

int layout_of_modules(struct pgw_layout *layout, const struct pgw_modules *modules)
{
	const struct pgw_modules_met *met = pgw_modules_get_met(modules);
	size_t nr;
	const struct pgw_module *list = pgw_modules_list(modules, &nr);
	int err = 0;

	for (size_t i = 0; i < nr && !err; i++)
		err = module_add(layout, &list[i]);
	layout->met.nr_torn += met->nr_torn;
	layout->met.nr_unreadable += met->nr_unreadable;
	layout->met.truncated |= met->truncated;
	return err;
}
