/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define LA64_GRANULE_LG2 16
#include "pt/fmt/formats.h"
#include "pt/fmt/loongarch64.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_loongarch64_64k_42 = LA64_FORMAT("loongarch64-64k-42", NULL, 1);
const struct pgw_format pt_format_loongarch64_64k_55 = LA64_FORMAT("loongarch64-64k-55", NULL, 2);
