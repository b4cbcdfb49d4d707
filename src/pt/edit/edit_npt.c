/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/fmt/formats.h"
#include "pt/fmt/npt.h"
#include "pt/edit/template_edit.h"

const struct pt_edit_ops pt_edit_npt = PT_EDIT_OPS;
