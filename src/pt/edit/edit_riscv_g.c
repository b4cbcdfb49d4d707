/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/fmt/formats.h"
#include "pt/fmt/riscv_g.h"
#include "pt/edit/template_edit.h"

const struct pt_edit_ops pt_edit_riscv_g = PT_EDIT_OPS;
