/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TEMPLATE_EDIT_H
#define PT_TEMPLATE_EDIT_H

/*
 * Included once by each edit_<format>.c after the format's header: compiles
 * the algorithms that change tables for it.
 */

#include "pt/primitives.h"

#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_collapse.h"
#include "pt/edit/tmpl_edit_free.h"
#include "pt/edit/tmpl_edit_harvest.h"
#include "pt/edit/tmpl_edit_map.h"
#include "pt/edit/tmpl_edit_move.h"
#include "pt/edit/tmpl_edit_page.h"
#include "pt/edit/tmpl_edit_protect.h"
#include "pt/edit/tmpl_edit_remap.h"
#include "pt/edit/tmpl_edit_split.h"
#include "pt/edit/tmpl_edit_unmap.h"
#include "pt/edit/tmpl_edit_zap.h"

#define PT_EDIT_OPS                                                                                \
	{                                                                                          \
		.map_leaf = pt_map_leaf, .unmap_leaf = pt_unmap_leaf, .map = pt_map,               \
		.prepare_pages = pt_prepare_pages, .map_page = pt_map_page,                        \
		.unmap_page = pt_unmap_page, .protect_page = pt_protect_page, .unmap = pt_unmap,   \
		.zap = pt_zap, .split_at = pt_split_at, .can_protect = pt_can_protect,             \
		.protect = pt_protect, .split = pt_split, .split_item = pt_split_item,             \
		.collapse = pt_collapse, .harvest = pt_harvest, .free_range = pt_free_range,       \
		.trim_table = pt_trim_table, .fill_root = pt_fill_root,                            \
		.free_tables = pt_free_tables, .validate = pt_validate,                            \
		.freeze_item = pt_freeze_item, .remap_item = pt_remap_item,                        \
		.put_item = pt_put_item, .remap_breaks = pt_remap_breaks,                          \
		.user_rights = pt_user_rights, .make_table = pt_make_table, .encode = pt_encode,   \
		.sizes = pt_sizes, .find_item = pt_find_item, .move_prepare = pt_move_prepare,     \
		.move = pt_move, .guard = PT_GUARD, .clear_guards = pt_clear_guards,               \
	}

#endif
