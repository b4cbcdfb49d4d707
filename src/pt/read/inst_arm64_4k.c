/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 12
#define ARM64_EDIT_OPS pt_edit_arm64_4k
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_arm64_4k_36 =
	ARM64_FORMAT("arm64-4k-36", NULL, 36, 48, arm64_attrs, ARM64_ATTR_MASK);
const struct pgw_format pt_format_arm64_4k_39 =
	ARM64_FORMAT("arm64-4k-39", NULL, 39, 48, arm64_attrs, ARM64_ATTR_MASK);
const struct pgw_format pt_format_arm64_4k_42 =
	ARM64_FORMAT("arm64-4k-42", NULL, 42, 48, arm64_attrs, ARM64_ATTR_MASK);
const struct pgw_format pt_format_arm64_4k_47 =
	ARM64_FORMAT("arm64-4k-47", NULL, 47, 48, arm64_attrs, ARM64_ATTR_MASK);
const struct pgw_format pt_format_arm64_4k_48 =
	ARM64_FORMAT("arm64-4k-48", "arm64-4k", 48, 48, arm64_attrs, ARM64_ATTR_MASK);
const struct pgw_format pt_format_arm64_4k_52_lpa2 =
	ARM64_FORMAT("arm64-4k-52-lpa2", NULL, 52, 52, arm64_attrs_lpa2, ARM64_ATTR_MASK_LPA2);
