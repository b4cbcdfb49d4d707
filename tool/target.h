/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_TARGET_H
#define TOOL_TARGET_H

/*
 * What a command works on: an image, one of its roots, and the two halves of
 * that root. Functions that fail have written their message and return an
 * enum tool_status other than TOOL_DONE.
 */

#include <pagewalk/pagewalk.h>

#include "message.h"
#include "options.h"
#include "progress.h"
#include "report/report.h"

#define REGION_BIT(half) (1u << (half))
#define ALL_REGIONS (REGION_BIT(PGW_REGION_USER) | REGION_BIT(PGW_REGION_KERNEL))

/** What a look at tables returns that a signal has ended. */
#define TARGET_STOPPED 3

struct target {
	const char *file;
	struct pgw_image *image;
	struct pgw_image *host; /**< if that is of a guest: the image that it is in; else NULL */
	struct pgw_mm *stage2;     /**< ... the host's tables for it */
	struct pgw_nested *nested; /**< ... and its memory */
	bool zero_fill;
	struct pgw_scan_workers workers; /**< of the image */
	void *vmcoreinfo_bytes;          /**< of --vmcoreinfo */
	struct pgw_vmcoreinfo vmcoreinfo;
	struct progress progress;
	struct pgw_root_info root;          /**< after target_choose_root() */
	struct pgw_mm *mm[_PGW_REGION_MAX]; /**< after target_attach(); NULL if not asked for */
	struct pgw_modules *modules;        /**< after names_modules(), if there are some */
	struct pgw_layout *layout;          /**< after regions_get() */
};

/** To be closed with target_close() also if it fails. */
int target_open(struct target *target, const struct options *opts);
void target_close(struct target *target);

/** Let --format, if it is given, say how a root is read. */
void target_use_format(struct pgw_root_info *root, const struct options *opts);
/** Let --mair, if it is given, say what memory types a root's entries mean. */
int target_use_mair(struct pgw_root_info *root, const struct options *opts);
/** Of a machine that runs: let its CPUs' registers be known, for which it may be stopped. */
void target_take_registers(struct target *target);
/**
 * Of a machine that runs: stop it, copy the tables that the options ask for, let it run. The root
 * is chosen after that, again.
 * @param is_all the tables of all roots
 */
int target_hold(struct target *target, const struct options *opts, bool is_all);
/** Hold it, if the options say so or a walk of these halves needs it, and choose the root anew. */
int target_hold_halves(struct target *target, const struct options *opts, unsigned halves);
/** Of a machine that runs: let it stand. @return as command.run; the message is out */
int target_stop(struct target *target);
/** Undo target_stop(), and say for how long it stood. */
void target_resume(struct target *target);
/** Does it stand for longer than the options allow? The message is out then. */
bool target_is_held_too_long(const struct target *target, const struct options *opts);
/** Say that a machine runs, if it does: what was looked at changes meanwhile. */
void target_tell_running(const struct target *target);
/** The tables of all roots, for commands that look at users' tables: these are freed at any time. */
int target_hold_if_live(struct target *target, const struct options *opts);
/** Of info and roots: hold it if --consistent is given. */
int target_hold_if_asked(struct target *target, const struct options *opts);
/** The root that the options ask for. */
int target_choose_root(struct target *target, const struct options *opts);
/** The root at an address, read as the image's others are. */
int target_root_at(struct target *target, const struct options *opts, uint64_t pa,
		   struct pgw_root_info *ret);
/**
 * The halves to attach, as bits of enum pgw_region_kind: what --half says, else otherwise.
 * A root of a format that gives each half its own is of one half, as the image tells.
 */
int target_choose_halves(const struct target *target, const struct options *opts,
			 unsigned otherwise, unsigned *ret);
/** The halves of that root: bits of enum pgw_region_kind. With both, the user mm points to the kernel mm.
 */
int target_attach(struct target *target, const struct options *opts, unsigned halves);
/** Undo that, so that another root's halves can be attached. */
void target_detach(struct target *target);
/** A report on the attached halves, in the form and of the range that the options ask for. */
struct report target_report(const struct target *target, const struct options *opts,
			    struct out *out);

/* Long work of the image, with its progress shown. Negative returns are the library's. */
int target_kernel_root(struct target *target, struct pgw_root_info *ret, struct pgw_error *err);
int target_roots(struct target *target, const struct pgw_root_info **ret_list, size_t *ret_nr);
int target_kernels(struct target *target, const struct pgw_kernel **ret_list, size_t *ret_nr);
int target_vmcoreinfo(struct target *target, const struct pgw_vmcoreinfo **ret_list,
		      size_t *ret_nr);

/** Show the progress of other work, if it is to be shown; to be ended with the work. */
void target_progress(struct target *target, const char *what, uint64_t done, uint64_t total);
void target_progress_end(struct target *target);

/** After tables that are not in the image: what is likely, if the file tells. */
void target_explain_unreadable(const struct target *target);
/** Say that it has no root, and what of it is missing. */
void target_explain_no_root(const struct target *target);
/** The same, but for where the file was cut. */
void target_explain_gaps(const struct target *target);
/** The tables that the attached halves lead to and the image lacks, each once. */
struct report_missing target_missing_tables(const struct target *target);

/** The Linux in the image, by which absent entries are told. */
int target_linux(struct target *target, struct pgw_linux *ret);

/** What happens to a machine that runs before it is reported on. */
enum target_holding {
	HOLD_NEVER,
	HOLD_IF_ASKED, /**< target_hold_if_asked() */
	HOLD_IF_LIVE,  /**< target_hold_if_live() */
};

/** A report on an image, to standard output. */
struct target_job {
	enum target_holding holding;
	bool has_root; /**< with --root, that root is chosen: target->root */
	/** @return enum tool_status */
	int (*report)(struct target *target, const struct options *opts, struct out *out,
		      void *arg);
	void *arg;
};

/** Open the image, do the job, close it. @return enum tool_status, for the command to end with */
int target_run(const struct options *opts, const struct target_job *job);

/** Say what the library returned. @return TOOL_USAGE if no root can be where it was said, or
 * TOOL_UNREADABLE */
int target_fail(const struct target *target, int err);

/**
 * Write what is buffered; a reader that went away is no failure.
 * @return status; or after a message TOOL_UNREADABLE, or TOOL_SIGNAL plus the signal that came
 */
int target_finish(struct out *out, int status);

#endif
