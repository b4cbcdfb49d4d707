/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/formats.h"
#include "pt/fmt/s390x.h"
#include "pt/read/template.h"

#define S390X_CONTROL (PGW_CTL_S390X_EDAT1 | PGW_CTL_S390X_EDAT2 | PGW_CTL_S390X_IEP)

static const struct pgw_control_bit s390x_controls[] = {
	{ .name = "EDAT1", .bit = PGW_CTL_S390X_EDAT1 },
	{ .name = "EDAT2", .bit = PGW_CTL_S390X_EDAT2 },
	{ .name = "IEP", .bit = PGW_CTL_S390X_IEP },
	{ .name = "PRIVATE", .bit = PGW_CTL_S390X_PRIVATE, .is_of_root = true },
	{ .name = NULL },
};

/* A CPU without EDAT sets none of its bits by accident. */
#define S390X_FORMAT(format_name, other_name, top)                                                 \
	{                                                                                          \
		.name = (format_name), .alias = (other_name), .arch = "s390x",                     \
		.geometry = S390X_GEOMETRY(top), .regions = S390X_REGIONS(top),                    \
		.table_names = s390x_table_names, .attrs = s390x_attrs,                            \
		.later_bits = S390X_LATER_BITS(top),                                               \
		.attr_mask = { S390X_ATTR_MASK_SMALL, S390X_ATTR_MASK_LARGE,                       \
			       (top) >= 2 ? S390X_ATTR_MASK_LARGE : 0 },                           \
		.controls = s390x_controls, .control_bits = S390X_CONTROL | PGW_CTL_S390X_PRIVATE, \
		.control_assume = S390X_CONTROL, .min_pa_bits = 32, .tag_bits = s390x_tag_bits,    \
		.decode = pt_decode, .advance = pt_advance, .env_init = pt_env_fill,               \
		.ops = &pt_format_ops,                                                             \
	}

const struct pgw_format pt_format_s390x_31 = S390X_FORMAT("s390x-31", NULL, 1);
const struct pgw_format pt_format_s390x_42 = S390X_FORMAT("s390x-42", "s390x", 2);
const struct pgw_format pt_format_s390x_53 = S390X_FORMAT("s390x-53", NULL, 3);
const struct pgw_format pt_format_s390x_64 = S390X_FORMAT("s390x-64", NULL, 4);
