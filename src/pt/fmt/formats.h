/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FORMATS_H
#define PT_FORMATS_H

/* The formats that registry.c knows; each is defined by an inst_*.c, its edits by an edit_*.c. */

#include "pt/pt.h"

extern const struct pt_edit_ops pt_edit_x86_64;
extern const struct pt_edit_ops pt_edit_arm64_4k;
extern const struct pt_edit_ops pt_edit_arm64_16k;
extern const struct pt_edit_ops pt_edit_arm64_64k;
extern const struct pt_edit_ops pt_edit_npt;
extern const struct pt_edit_ops pt_edit_ept;
extern const struct pt_edit_ops pt_edit_arm64_s2_4k;
extern const struct pt_edit_ops pt_edit_arm64_s2_16k;
extern const struct pt_edit_ops pt_edit_arm64_s2_64k;
extern const struct pt_edit_ops pt_edit_arm64_el2_4k;
extern const struct pt_edit_ops pt_edit_arm64_el2_16k;
extern const struct pt_edit_ops pt_edit_arm64_el2_64k;
extern const struct pt_edit_ops pt_edit_vtd_first;
extern const struct pt_edit_ops pt_edit_vtd_second;
extern const struct pt_edit_ops pt_edit_amdvi;
extern const struct pt_edit_ops pt_edit_riscv;
extern const struct pt_edit_ops pt_edit_riscv_g;

extern const struct pgw_format pt_format_x86_64_la48;
extern const struct pgw_format pt_format_x86_64_la57;
extern const struct pgw_format pt_format_arm64_4k_36;
extern const struct pgw_format pt_format_arm64_4k_39;
extern const struct pgw_format pt_format_arm64_4k_42;
extern const struct pgw_format pt_format_arm64_4k_47;
extern const struct pgw_format pt_format_arm64_4k_48;
extern const struct pgw_format pt_format_arm64_4k_52_lpa2;
extern const struct pgw_format pt_format_arm64_16k_36;
extern const struct pgw_format pt_format_arm64_16k_47;
extern const struct pgw_format pt_format_arm64_16k_48;
extern const struct pgw_format pt_format_arm64_16k_52_lpa2;
extern const struct pgw_format pt_format_arm64_64k_42;
extern const struct pgw_format pt_format_arm64_64k_48;
extern const struct pgw_format pt_format_arm64_64k_52_lpa;
extern const struct pgw_format pt_format_riscv_sv39;
extern const struct pgw_format pt_format_riscv_sv48;
extern const struct pgw_format pt_format_riscv_sv57;
extern const struct pgw_format pt_format_i386;
extern const struct pgw_format pt_format_i386_pae;
extern const struct pgw_format pt_format_s390x_31;
extern const struct pgw_format pt_format_s390x_42;
extern const struct pgw_format pt_format_s390x_53;
extern const struct pgw_format pt_format_s390x_64;
extern const struct pgw_format pt_format_ppc64_radix;
extern const struct pgw_format pt_format_ppc64_radix_4k;
extern const struct pgw_format pt_format_loongarch64_4k_39;
extern const struct pgw_format pt_format_loongarch64_4k_48;
extern const struct pgw_format pt_format_loongarch64_16k_36;
extern const struct pgw_format pt_format_loongarch64_16k_47;
extern const struct pgw_format pt_format_loongarch64_64k_42;
extern const struct pgw_format pt_format_loongarch64_64k_55;
extern const struct pgw_format pt_format_arm_short;
extern const struct pgw_format pt_format_arm_lpae;
extern const struct pgw_format pt_format_arm_lpae_31;
extern const struct pgw_format pt_format_arm_lpae_30;
extern const struct pgw_format pt_format_riscv_sv32;
extern const struct pgw_format pt_format_npt_48;
extern const struct pgw_format pt_format_npt_57;
extern const struct pgw_format pt_format_ept_4;
extern const struct pgw_format pt_format_ept_5;
extern const struct pgw_format pt_format_riscv_sv39x4;
extern const struct pgw_format pt_format_riscv_sv48x4;
extern const struct pgw_format pt_format_riscv_sv57x4;
extern const struct pgw_format pt_format_arm64_s2_4k_l2;
extern const struct pgw_format pt_format_arm64_s2_4k_l1;
extern const struct pgw_format pt_format_arm64_s2_4k_l0;
extern const struct pgw_format pt_format_arm64_s2_4k_l2_lpa2;
extern const struct pgw_format pt_format_arm64_s2_4k_l1_lpa2;
extern const struct pgw_format pt_format_arm64_s2_4k_l0_lpa2;
extern const struct pgw_format pt_format_arm64_s2_4k_lm1_lpa2;
extern const struct pgw_format pt_format_arm64_s2_16k_l2;
extern const struct pgw_format pt_format_arm64_s2_16k_l1;
extern const struct pgw_format pt_format_arm64_s2_16k_l0;
extern const struct pgw_format pt_format_arm64_s2_16k_l2_lpa2;
extern const struct pgw_format pt_format_arm64_s2_16k_l1_lpa2;
extern const struct pgw_format pt_format_arm64_s2_16k_l0_lpa2;
extern const struct pgw_format pt_format_arm64_s2_64k_l2;
extern const struct pgw_format pt_format_arm64_s2_64k_l1;
extern const struct pgw_format pt_format_arm64_el2_4k_39;
extern const struct pgw_format pt_format_arm64_el2_4k_48;
extern const struct pgw_format pt_format_arm64_el2_4k_52_lpa2;
extern const struct pgw_format pt_format_arm64_el2_16k_47;
extern const struct pgw_format pt_format_arm64_el2_16k_48;
extern const struct pgw_format pt_format_arm64_el2_16k_52_lpa2;
extern const struct pgw_format pt_format_arm64_el2_64k_42;
extern const struct pgw_format pt_format_arm64_el2_64k_48;
extern const struct pgw_format pt_format_arm64_el2_64k_52_lpa;
extern const struct pgw_format pt_format_vtd_first_48;
extern const struct pgw_format pt_format_vtd_first_57;
extern const struct pgw_format pt_format_vtd_second_3;
extern const struct pgw_format pt_format_vtd_second_4;
extern const struct pgw_format pt_format_vtd_second_5;
extern const struct pgw_format pt_format_amdvi_1;
extern const struct pgw_format pt_format_amdvi_2;
extern const struct pgw_format pt_format_amdvi_3;
extern const struct pgw_format pt_format_amdvi_4;
extern const struct pgw_format pt_format_amdvi_5;
extern const struct pgw_format pt_format_amdvi_6;

#endif
