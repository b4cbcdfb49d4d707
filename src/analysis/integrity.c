/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include "system/roots/tree_tables.h"
#include "base/bits.h"

struct integrity {
	const struct pgw_image *image;
	struct pgw_pa_range memory; /* where the last leaf was: most are beside each other */
	uint64_t nr_outside;
};

static int integrity_leaf(const struct pgw_entry *entry, void *arg)
{
	struct integrity *integrity = (struct integrity *)arg;
	uint64_t last = entry->pa + low_bits(entry->size_lg2);

	if (entry->pa >= integrity->memory.first && last <= integrity->memory.last)
		return 0;
	if (!pgw_image_next_described(integrity->image, entry->pa, &integrity->memory)) {
		integrity->memory = (struct pgw_pa_range){ UINT64_MAX, 0 };
		integrity->nr_outside++;
	} else if (integrity->memory.first > last) {
		integrity->nr_outside++;
	}
	return 0;
}

int pgw_integrity(const struct pgw_image *image, const struct pgw_root_info *root, uint64_t budget,
		  struct pgw_integrity *ret)
{
	struct integrity integrity = { .image = image, .memory = { UINT64_MAX, 0 } };
	struct tables tables = {
		.phys = pgw_image_phys(image),
		.format = root->format,
		.control = pgw_control_assume(root->format, &root->control),
		.budget = budget,
		.leaf = integrity_leaf,
		.arg = &integrity,
	};
	int status = tables_visit(&tables, root->root);

	if (!status || status == -PGW_E2BIG) {
		*ret = (struct pgw_integrity){
			.nr_tables = tables.met.nr_tables,
			.nr_malformed = tables.met.nr_malformed,
			.nr_outside = integrity.nr_outside,
			.nr_shared = tables.met.nr_shared,
			.nr_loops = tables.met.nr_loops,
			.nr_unreadable = tables.met.nr_unreadable,
			.truncated = tables.met.truncated,
		};
	}
	tables_fini(&tables);
	return status;
}
