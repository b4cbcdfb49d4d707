/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 12
#define ARM64_S2_EDIT_OPS pt_edit_arm64_s2_4k
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_s2.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_arm64_s2_4k_l2 =
	ARM64_S2_FORMAT("arm64-s2-4k-l2", NULL, 1, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2, 48,
			arm64_s2_attrs, ARM64_S2_ATTR_MASK);
const struct pgw_format pt_format_arm64_s2_4k_l1 =
	ARM64_S2_FORMAT("arm64-s2-4k-l1", "arm64-s2-4k", 2, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2,
			48, arm64_s2_attrs, ARM64_S2_ATTR_MASK);
const struct pgw_format pt_format_arm64_s2_4k_l0 = ARM64_S2_FORMAT(
	"arm64-s2-4k-l0", NULL, 3, ARM64_SLOTS_LG2, 48, arm64_s2_attrs, ARM64_S2_ATTR_MASK);
const struct pgw_format pt_format_arm64_s2_4k_l2_lpa2 =
	ARM64_S2_FORMAT("arm64-s2-4k-l2-lpa2", NULL, 1, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2, 52,
			arm64_s2_attrs_lpa2, ARM64_S2_ATTR_MASK_LPA2);
const struct pgw_format pt_format_arm64_s2_4k_l1_lpa2 =
	ARM64_S2_FORMAT("arm64-s2-4k-l1-lpa2", NULL, 2, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2, 52,
			arm64_s2_attrs_lpa2, ARM64_S2_ATTR_MASK_LPA2);
const struct pgw_format pt_format_arm64_s2_4k_l0_lpa2 =
	ARM64_S2_FORMAT("arm64-s2-4k-l0-lpa2", NULL, 3, ARM64_SLOTS_LG2 + ARM64_S2_CONCAT_LG2, 52,
			arm64_s2_attrs_lpa2, ARM64_S2_ATTR_MASK_LPA2);
const struct pgw_format pt_format_arm64_s2_4k_lm1_lpa2 = ARM64_S2_FORMAT(
	"arm64-s2-4k-l-1-lpa2", NULL, 4, 4, 52, arm64_s2_attrs_lpa2, ARM64_S2_ATTR_MASK_LPA2);
