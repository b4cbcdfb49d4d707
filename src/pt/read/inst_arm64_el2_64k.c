/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 16
#define ARM64_EL2_EDIT_OPS pt_edit_arm64_el2_64k
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_el2.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_arm64_el2_64k_42 =
	ARM64_EL2_FORMAT("arm64-el2-64k-42", NULL, 42, 52, arm64_attrs, ARM64_EL2_ATTR_MASK);
const struct pgw_format pt_format_arm64_el2_64k_48 = ARM64_EL2_FORMAT(
	"arm64-el2-64k-48", "arm64-el2-64k", 48, 52, arm64_attrs, ARM64_EL2_ATTR_MASK);
const struct pgw_format pt_format_arm64_el2_64k_52_lpa =
	ARM64_EL2_FORMAT("arm64-el2-64k-52-lpa", NULL, 52, 52, arm64_attrs, ARM64_EL2_ATTR_MASK);
