/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 16
#define ARM64_S2_EDIT_OPS pt_edit_arm64_s2_64k
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_s2.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_arm64_s2_64k_l2 =
	ARM64_S2_FORMAT("arm64-s2-64k-l2", NULL, 1, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2, 52,
			arm64_s2_attrs, ARM64_S2_ATTR_MASK);
const struct pgw_format pt_format_arm64_s2_64k_l1 =
	ARM64_S2_FORMAT("arm64-s2-64k-l1", "arm64-s2-64k", 2, 52 - ARM64_SPAN_LG2(2), 52,
			arm64_s2_attrs, ARM64_S2_ATTR_MASK);
