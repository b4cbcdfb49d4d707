/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TEMPLATE_H
#define PT_TEMPLATE_H

/*
 * Included once by each inst_<format>.c after the format's header: compiles
 * the algorithms that read tables for it. Those that change tables are
 * compiled apart, by template_edit.h: reading is what has to stay small.
 */

#include "pt/primitives.h"

#include "pt/read/tmpl_decode.h"
#include "pt/read/tmpl_scan.h"
#include "pt/read/tmpl_translate.h"
#include "pt/read/tmpl_batch.h"
#include "pt/read/tmpl_cursor.h"
#include "pt/read/tmpl_walk.h"

static uint64_t pt_addr_mask_at(const struct pt_env *env, unsigned level)
{
	return pt_addr_mask(env, level);
}

/* What a format's struct pgw_format takes from here. */
static const struct pt_ops pt_format_ops = {
	.scan = pt_scan_each,
	.scan_blocks = pt_scan,
	.addr_mask = pt_addr_mask_at,
	.translate = pt_translate,
	.translate_batch = pt_translate_batch,
	.translate_by = pt_translate_by,
	.translate_end = translate_end,
	.walk = pt_walk,
};

#endif
