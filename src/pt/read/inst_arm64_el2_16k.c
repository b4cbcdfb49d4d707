/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 14
#define ARM64_EL2_EDIT_OPS pt_edit_arm64_el2_16k
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_el2.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_arm64_el2_16k_47 =
	ARM64_EL2_FORMAT("arm64-el2-16k-47", NULL, 47, 48, arm64_attrs, ARM64_EL2_ATTR_MASK);
const struct pgw_format pt_format_arm64_el2_16k_48 = ARM64_EL2_FORMAT(
	"arm64-el2-16k-48", "arm64-el2-16k", 48, 48, arm64_attrs, ARM64_EL2_ATTR_MASK);
const struct pgw_format pt_format_arm64_el2_16k_52_lpa2 = ARM64_EL2_FORMAT(
	"arm64-el2-16k-52-lpa2", NULL, 52, 52, arm64_attrs_lpa2, ARM64_EL2_ATTR_MASK_LPA2);
