/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define LA64_GRANULE_LG2 14
#include "pt/fmt/formats.h"
#include "pt/fmt/loongarch64.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_loongarch64_16k_36 = LA64_FORMAT("loongarch64-16k-36", NULL, 1);
const struct pgw_format pt_format_loongarch64_16k_47 =
	LA64_FORMAT("loongarch64-16k-47", "loongarch64", 2);
