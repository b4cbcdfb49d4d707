/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define ARM64_GRANULE_LG2 14
#include "pt/fmt/formats.h"
#include "pt/fmt/arm64_el2.h"
#include "pt/edit/template_edit.h"

const struct pt_edit_ops pt_edit_arm64_el2_16k = PT_EDIT_OPS;
