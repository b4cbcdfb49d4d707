/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TEMPLATE_H
#define PT_TEMPLATE_H

/*
 * Included once by each inst_<format>.c after the format's header: compiles
 * the algorithms that read tables for it. Those that change tables are
 * compiled apart, by template_edit.h: reading is what has to stay small.
 */

#include "pt/primitives.h"

#include "pt/tmpl_decode.h"
#include "pt/tmpl_scan.h"
#include "pt/tmpl_translate.h"
#include "pt/tmpl_walk.h"

/* What a format's struct pgw_format takes from here. */
static const struct pt_ops pt_reader_ops = {
	.scan = pt_scan_reader,
	.translate = pt_translate_reader,
	.walk = pt_walk,
};

static const struct pt_ops pt_owner_ops = {
	.scan = pt_scan_owner,
	.translate = pt_translate_owner,
	.walk = pt_walk,
};

#endif
