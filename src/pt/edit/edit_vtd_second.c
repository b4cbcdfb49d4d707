/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#include "pt/fmt/formats.h"
#include "pt/fmt/vtd_second.h"
#include "pt/edit/template_edit.h"

const struct pt_edit_ops pt_edit_vtd_second = PT_EDIT_OPS;
