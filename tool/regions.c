/* SPDX-License-Identifier: BSD-2-Clause */
#include "regions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "percpu", or "percpu cpu1" with its detail. */
static bool is_meant(const struct pgw_layout_range *range, const char *region)
{
	size_t len = strlen(range->name);

	if (strncmp(region, range->name, len) != 0)
		return false;
	return !region[len] || (region[len] == ' ' && strcmp(region + len + 1, range->detail) == 0);
}

/* Ranges ascend by their first address; those that lie in one before, or join it, are one with it. */
static int regions_choose(const struct pgw_layout *layout, const char *region, struct regions *ret)
{
	size_t nr;
	const struct pgw_layout_range *list = pgw_layout_list(layout, &nr);

	ret->spans = malloc((nr + 1) * sizeof(*ret->spans));
	if (!ret->spans)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct regions_span *before = ret->nr ? &ret->spans[ret->nr - 1] : NULL;

		if (!is_meant(&list[i], region))
			continue;
		if (before && (list[i].first <= before->last || list[i].first - 1 == before->last))
			before->last = list[i].last > before->last ? list[i].last : before->last;
		else
			ret->spans[ret->nr++] =
				(struct regions_span){ list[i].first, list[i].last };
	}
	return 0;
}

static bool is_twice(const char *text, const char *other)
{
	return text && other && strcmp(text, other) == 0;
}

/* What could not be had is said, as the rest is there all the same. */
static void warn(const struct target *target, const struct pgw_layout_met *met)
{
	if (met->no_symbols)
		message("%s: regions by symbols are not known: expected %s", target->file,
			met->no_symbols);
	if (met->no_vmalloc && !is_twice(met->no_vmalloc, met->no_symbols))
		message("%s: vmalloc areas are not known: expected %s", target->file,
			met->no_vmalloc);
	if (met->no_modules && !is_twice(met->no_modules, met->no_vmalloc) &&
	    !is_twice(met->no_modules, met->no_symbols))
		message("%s: modules are not known: expected %s", target->file, met->no_modules);
	if (met->nr_torn || met->nr_unreadable || met->truncated)
		message("%s: regions: %" PRIu64 " do not hold together, %" PRIu64
			" are not in the image%s",
			target->file, met->nr_torn, met->nr_unreadable,
			met->truncated ? "; cut short" : "");
}

int regions_get(struct target *target, const struct options *opts, struct report *report,
		struct regions *ret)
{
	struct pgw_error err = { 0 };

	*ret = (struct regions){ 0 };
	if (!target->layout && pgw_layout_open(target->image, &target->layout, &err) < 0)
		return message_error(target->file, &err);
	warn(target, pgw_layout_get_met(target->layout));
	if (option_given(opts, OPT_REGIONS))
		report->layout = target->layout;
	if (!opts->region)
		return TOOL_DONE;
	report->region_name = opts->region;
	if (regions_choose(target->layout, opts->region, ret) < 0) {
		message("%s: %s", target->file, pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	if (ret->nr)
		return TOOL_DONE;
	message("%s: --region: no region is called '%s'; dump --regions says what there is",
		target->file, opts->region);
	return TOOL_USAGE;
}

void regions_free(struct regions *regions)
{
	free(regions->spans);
	*regions = (struct regions){ 0 };
}

int regions_dump(const struct regions *regions, const struct pgw_dump_args *args,
		 struct pgw_dump_summary *summary)
{
	struct pgw_dump_args part = *args;
	int err = 0;

	for (size_t i = 0; i < regions->nr && !err; i++) {
		part.first = regions->spans[i].first;
		part.last = regions->spans[i].last;
		if (part.first < args->first)
			part.first = args->first;
		if (part.last > args->last)
			part.last = args->last;
		if (part.first <= part.last)
			err = pgw_dump(&part, summary);
	}
	return err;
}
