/* SPDX-License-Identifier: BSD-2-Clause */
#include "spaces.h"

#include <stdlib.h>

#include "foreign.h"

static bool is_same_root(const struct pgw_root_info *a, const struct pgw_foreign *b)
{
	return a->root.pa == b->root.pa && a->root.nr_items == b->root.nr_items &&
	       a->format == b->format;
}

/* Can a table be where it says? */
static bool is_readable(const struct target *target, const struct pgw_foreign *found)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = found->format,
		.phys = pgw_image_phys(target->image),
		.root = found->root,
		.region = pgw_format_regions(found->format)->kind,
		.control = found->control,
	};
	struct pgw_mm *mm;

	if (pgw_mm_attach(&args, &mm))
		return false;
	pgw_mm_free(mm);
	return true;
}

static void foreign_add(struct spaces *spaces, const struct target *target,
			const struct pgw_foreign *found)
{
	const struct pgw_root_info *others = spaces->roots + spaces->nr_own;
	size_t i = 0, nr = spaces->nr - spaces->nr_own;

	if (found->domain == PGW_DOMAIN_PASS_THROUGH) {
		spaces->nr_pass_through++;
		return;
	}
	if (found->domain != PGW_DOMAIN_TABLES || !is_readable(target, found)) {
		spaces->nr_unknown++;
		return;
	}
	while (i < nr && !is_same_root(&others[i], found))
		i++;
	if (i < nr) {
		spaces->nr_users[i]++;
		return;
	}
	spaces->whose[i] = found;
	spaces->nr_users[i] = 1;
	spaces->roots[spaces->nr++] = (struct pgw_root_info){
		.root = found->root,
		.format = found->format,
		.control = found->control,
		.has_user = pgw_format_is_split(found->format),
		.state = PGW_ROOT_UNKNOWN,
	};
}

/* @return as pgw_image_foreign(); an answer that there is none is 0 */
static int foreign_get(struct spaces *spaces, struct target *target,
		       const struct pgw_foreign **ret_list, size_t *ret_nr)
{
	uint64_t nr_blocked;
	int err = pgw_image_foreign(target->image, ret_list, ret_nr, &nr_blocked);

	target_progress_end(target);
	foreign_tell_cut(target);
	if (!err || err == -PGW_ENOMEM || err == -PGW_EINTR)
		return err;
	*ret_nr = 0;
	spaces->is_incomplete = err != -PGW_EOPNOTSUPP;
	if (err == -PGW_EOPNOTSUPP)
		message("%s: virtual machines and devices are not looked for while the machine "
			"runs",
			target->file);
	else
		message("%s: virtual machines and devices: %s", target->file,
			err == -PGW_E2BIG ? "too much of memory looks like their structures"
					  : pgw_status_text(err));
	return 0;
}

int spaces_open(struct target *target, bool with_foreign, struct spaces *ret)
{
	const struct pgw_root_info *list;
	const struct pgw_foreign *foreign = NULL;
	size_t nr_foreign = 0;
	int err;

	*ret = (struct spaces){ 0 };
	err = target_roots(target, &list, &ret->nr_own);
	if (!err && with_foreign)
		err = foreign_get(ret, target, &foreign, &nr_foreign);
	if (err)
		return err;
	/* One more: for a root that a command adds. */
	ret->roots = calloc(ret->nr_own + nr_foreign + 1, sizeof(*ret->roots));
	ret->whose = calloc(nr_foreign + 1, sizeof(const struct pgw_foreign *));
	ret->nr_users = calloc(nr_foreign + 1, sizeof(*ret->nr_users));
	if (!ret->roots || !ret->whose || !ret->nr_users)
		return -PGW_ENOMEM;
	for (; ret->nr < ret->nr_own; ret->nr++)
		ret->roots[ret->nr] = list[ret->nr];
	for (size_t i = 0; i < nr_foreign; i++)
		foreign_add(ret, target, &foreign[i]);
	return 0;
}

void spaces_close(struct spaces *spaces)
{
	free(spaces->roots);
	free(spaces->whose);
	free(spaces->nr_users);
	*spaces = (struct spaces){ 0 };
}

const struct pgw_foreign *spaces_whose(const struct spaces *spaces, size_t index)
{
	return index < spaces->nr_own ? NULL : spaces->whose[index - spaces->nr_own];
}

void spaces_record(const struct spaces *spaces, size_t index, struct record *record)
{
	const struct pgw_foreign *whose = spaces_whose(spaces, index);
	char id[FOREIGN_ID];

	if (!whose)
		return;
	if (whose->is_guest)
		record_dec(record, "vm", whose->id);
	else
		record_str(record, "device", foreign_id(whose, id));
	record_dec(record, "users", spaces->nr_users[index - spaces->nr_own]);
}
