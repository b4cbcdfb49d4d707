/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/machine/machine.h"

/* To add a machine: one file, and one line here. */
const struct image_arch image_archs[_IMAGE_ARCH_MAX] = {
	{ IMAGE_ARCH_X86_64, 62, 0, "x86_64", &image_x86_64_ops },      /* EM_X86_64 */
	{ IMAGE_ARCH_ARM64, 183, 0, "arm64", &image_arm64_ops },        /* EM_AARCH64 */
	{ IMAGE_ARCH_RISCV64, 243, 64, "riscv64", &image_riscv64_ops }, /* EM_RISCV */
	{ IMAGE_ARCH_I386, 3, 0, "i386", &image_i386_ops },             /* EM_386 */
	{ IMAGE_ARCH_S390X, 22, 0, "s390x", &image_s390x_ops },         /* EM_S390 */
	{ IMAGE_ARCH_PPC64, 21, 0, "ppc64", &image_ppc64_ops },         /* EM_PPC64 */
	{ IMAGE_ARCH_LOONGARCH64, 258, 0, "loongarch64",
	  &image_loongarch64_ops },                       /* EM_LOONGARCH */
	{ IMAGE_ARCH_ARM, 40, 0, "arm", &image_arm_ops }, /* EM_ARM */
	{ IMAGE_ARCH_RISCV32, 243, 32, "riscv32", &image_riscv32_ops },
};
