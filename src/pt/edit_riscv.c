/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/formats.h"
#include "pt/fmt/riscv.h"
#include "pt/template_edit.h"

const struct pt_edit_ops pt_edit_riscv = PT_EDIT_OPS;
