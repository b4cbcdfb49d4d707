/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TEMPLATE_EDIT_H
#define PT_TEMPLATE_EDIT_H

/*
 * Included once by each edit_<format>.c after the format's header: compiles
 * the algorithms that change tables for it.
 */

#include "pt/primitives.h"

#include "pt/tmpl_edit.h"

#define PT_EDIT_OPS                                                                                \
	{                                                                                          \
		.map_leaf = pt_map_leaf, .unmap_leaf = pt_unmap_leaf,                              \
		.free_tables = pt_free_tables,                                                     \
	}

#endif
