/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/compile_small.h"

#define PPC64_64K 1
#include "pt/fmt/formats.h"
#include "pt/fmt/ppc64_radix.h"
#include "pt/read/template.h"

const struct pgw_format pt_format_ppc64_radix = PPC64_FORMAT("ppc64-radix", "ppc64-radix-64k");
