/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include "options.h"

/** A subcommand. */
struct command {
	const char *name;
	const char *args;        /**< as help shows them */
	const char *summary;     /**< a line */
	const char *description; /**< lines */
	const char *examples;    /**< lines */
	uint64_t options;        /**< bits of enum option_id */
	int min_args;
	int max_args; /**< -1 = any number */
	/** Of the arguments, those that are images beyond the first, and the one that is written; 0: none. */
	unsigned nr_more_images;
	unsigned output;
	bool makes_folders; /**< where --output says */
	/** What the argument can be, if it is no file; NULL ends them. */
	const char *const *words;
	/** @return enum tool_status */
	int (*run)(const struct options *opts);
};

extern const struct command cmd_info;
extern const struct command cmd_roots;
extern const struct command cmd_ps;
extern const struct command cmd_maps;
extern const struct command cmd_dump;
extern const struct command cmd_stats;
extern const struct command cmd_top;
extern const struct command cmd_diff;
extern const struct command cmd_sql;
extern const struct command cmd_symbols;
extern const struct command cmd_audit;
extern const struct command cmd_devices;
extern const struct command cmd_report;
extern const struct command cmd_export;
extern const struct command cmd_find;
extern const struct command cmd_translate;
extern const struct command cmd_trim;
extern const struct command cmd_snapshot;
extern const struct command cmd_convert;
extern const struct command cmd_extract;
extern const struct command cmd_completion;

/** All of them, as help lists them; NULL ends them. */
extern const struct command *const commands[];

#endif
