/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define LA64_GRANULE_LG2 12
#include "pt/fmt/formats.h"
#include "pt/fmt/loongarch64.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_loongarch64_4k_39 = LA64_FORMAT("loongarch64-4k-39", NULL, 2);
const struct pgw_format pt_format_loongarch64_4k_48 = LA64_FORMAT("loongarch64-4k-48", NULL, 3);
