/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_MACHINE_H
#define SYSTEM_MACHINE_H

/* What a machine says of its page tables, by architecture: registers, and how Linux uses them there. */

#include <stddef.h>

#include <pagewalk/image.h>
#include <pagewalk/linux_absent.h>

/* Bounds on what a file can make us do. */
#define IMAGE_MAX_CPUS 8192 /* whose registers are in notes */

struct image_roots;
struct image_swapper;

enum image_arch_id {
	IMAGE_ARCH_X86_64,
	IMAGE_ARCH_ARM64,
	IMAGE_ARCH_RISCV64,
	IMAGE_ARCH_I386,
	IMAGE_ARCH_S390X,
	IMAGE_ARCH_PPC64,
	IMAGE_ARCH_LOONGARCH64,
	IMAGE_ARCH_ARM,
	IMAGE_ARCH_RISCV32,
	_IMAGE_ARCH_MAX,
};

#define IMAGE_MAX_REGISTERS 16 /* of a machine, that paging goes by */

/* A register of struct pgw_cpu; those that share a bit of known say something only together. */
struct image_register {
	const char *name;  /* NULL: behind the last */
	size_t offset;     /* of a uint64_t in struct pgw_cpu */
	uint32_t known;    /* one bit of enum pgw_cpu_known */
	const char *where; /* who prints it, where dumps do not have it; NULL: they do */
};

/** gdb's way to QEMU's stub, for image_register.where. */
#define IMAGE_WHERE_GDB                                                                            \
	"gdb prints them, connected to QEMU's stub (-gdb tcp::1234): info registers NAME"
#define IMAGE_REGISTER(register_name, member, known_bit, from)                                     \
	{                                                                                          \
		(register_name), offsetof(struct pgw_cpu, member), (known_bit), (from)             \
	}

/* What an architecture's registers and Linux's conventions on it say. */
struct image_arch_ops {
	/** What pgw_image_register() lists. */
	const struct image_register *registers;
	/** Where machines begin to have memory: where to look first. */
	const uint64_t *bases;
	size_t nr_bases;
	uint64_t
		hole_end; /* where it goes on behind the hole for devices, or 0 if that is not fixed */
	bool has_e820;
	/** What the kernel's root is found by, if it is not found: "a VMCOREINFO ...". */
	const char *sought;
	/** The same where it shows that the kernel has tables of a kind that is not read; or NULL. Optional. */
	const char *(*sought_instead)(const struct pgw_image *image);
	/** Bits of enum image_page_kind for a page; the address plays no part. */
	unsigned (*page_kinds)(const uint8_t *page);
	/**
	 * Is an entry that leads to a table as the kernel makes them? NULL if
	 * what the MMU says will do. Where no symbol says which table is the
	 * root, it keeps pages of memory from being read as tables.
	 */
	bool (*is_table)(uint64_t raw);
	/** The kernel's root by nothing but its looks: va, root, format, found. */
	bool (*kernel_search)(struct pgw_image *image, struct image_swapper *ret);
	/** As kernel_search, where tables are missing; hint has what a text says, or is empty. Optional. */
	bool (*kernel_partial)(struct pgw_image *image, const struct image_swapper *hint,
			       struct image_swapper *ret);
	/**
	 * Add processes' roots, by a kernel's root that proved itself or is lost; by NULL those
	 * that show without any kernel.
	 * @return 0, -PGW_E2BIG (there may be more) or -PGW_ENOMEM
	 */
	int (*process_roots)(struct image_roots *roots, const struct image_swapper *swapper);
	/** The root in a CPU's registers: root, format, control. Optional, as those below. */
	bool (*cpu_root)(const struct pgw_image *image, const struct pgw_cpu *cpu,
			 struct pgw_root_info *ret);
	/** The root of the process that the CPU runs, where that is not the kernel's: the same, and has_user. */
	bool (*cpu_user_root)(const struct pgw_image *image, const struct pgw_cpu *cpu,
			      struct pgw_root_info *ret);
	/** What a leaf of the kernel's own image, which is memory, says of its control bits. */
	void (*learn_control)(const struct pgw_linux *kernel, uint64_t leaf,
			      struct pgw_control *control);
	/** As kernel_search, but from a root that a CPU has loaded, with no look through memory. */
	bool (*kernel_by_cpu)(struct pgw_image *image, const struct pgw_root_info *cpu,
			      struct image_swapper *ret);
	/**
	 * The kernel's root by a VMCOREINFO text: va, and the root's address
	 * and format; format NULL if the text tells no more than va. Not optional.
	 */
	bool (*swapper)(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			struct image_swapper *ret);
	/** The root's KPTI twin, if it has one, and which of the two is the user's. */
	bool (*kpti_twin)(const struct pgw_image *image, const struct pgw_root_info *root,
			  struct pgw_root *ret_twin, bool *ret_is_user);
	bool (*is_trampoline)(const struct pgw_image *image, const struct pgw_root_info *root);
	/** Control bits of UEFI firmware, by the leaf that maps its system table. */
	void (*firmware_control)(uint64_t leaf, struct pgw_control *control);
	/**
	 * Does the root hold addresses of the machine below the one that its kernel speaks of, so
	 * that what a text says of physical addresses is another's? Optional.
	 * @param ret_first where what the kernel itself maps begins, behind what the machine has
	 */
	bool (*is_paravirtual)(const struct pgw_image *image, const struct pgw_root_info *root,
			       uint64_t *ret_first);
	/** Is the root a guest's, by registers of guests in memory? Pre: image_survey() */
	bool (*is_guests)(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t *ret_vmcb);
	/**
	 * Is it the swapper's root? Where the kernel's tables do not map the root, so that it cannot
	 * prove itself by that. Pre: root has the kernel's region
	 */
	bool (*proves)(const struct pgw_image *image, const struct image_swapper *swapper,
		       const struct pgw_root_info *root);
	/** As pgw_image_window(). */
	bool (*window)(const struct pgw_image *image, size_t index, struct pgw_window *ret);
};

struct image_arch {
	enum image_arch_id id;
	unsigned elf_machine;
	unsigned elf_bits; /* 32, 64: files of this class; 0: any */
	const char *name; /* as pgw_format_arch() */
	const struct image_arch_ops *ops;
};

/** By image_arch_id. Searches take it from the image: they know no machine by name. */
extern const struct image_arch image_archs[_IMAGE_ARCH_MAX];

extern const struct image_arch_ops image_x86_64_ops;
extern const struct image_arch_ops image_arm64_ops;
extern const struct image_arch_ops image_riscv64_ops;
extern const struct image_arch_ops image_i386_ops;
extern const struct image_arch_ops image_s390x_ops;
extern const struct image_arch_ops image_ppc64_ops;
extern const struct image_arch_ops image_loongarch64_ops;
extern const struct image_arch_ops image_arm_ops;
extern const struct image_arch_ops image_riscv32_ops;

/* cpu_roots.c: what CPUs have loaded */

/** The root of a CPU: root, format, control, found, cpus. @return false if it has none */
bool image_cpu_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret);
/** The same of the process that the CPU runs, where the kernel has a root of its own. */
bool image_cpu_user_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret);
/**
 * The first of these that is not known to be a guest's, else the first; of a
 * KPTI pair, the kernel's. @return false if there is none
 */
bool image_cpu_first_root(const struct pgw_image *image, struct pgw_root_info *ret);
/** The same; of a KPTI pair, the one that maps the kernel. */
bool image_cpu_kernel_root(const struct pgw_image *image, size_t index, struct pgw_root_info *ret);
/** Look for the root's KPTI twin; sets has_twin, twin, is_kpti_user. */
void image_root_find_twin(const struct pgw_image *image, struct pgw_root_info *root);
/** From a root that a CPU has loaded to the one of its KPTI pair that maps the kernel. */
void image_root_use_kernel_twin(const struct pgw_image *image, struct pgw_root_info *root);

/* registers.c: those that paging goes by, as somebody gave them */

/** Let the first CPU have those that were given, if any were. @return 0 or -PGW_ENOMEM */
int image_registers_apply(struct pgw_image *image);

/* encryption.c: the bit that says whether memory is encrypted (x86-64) */

/** Look for it in what is known until now, if it is not found yet. */
void image_encryption_learn(struct pgw_image *image);
/** The same for a bit that no table has; by the tree of a kernel that proved itself. */
void image_encryption_learn_shared(struct pgw_image *image, const struct pgw_root_info *kernel);
/** That bit of an entry, or 0. */
uint64_t image_encryption_mask(const struct pgw_image *image);
/** Put it into control bits, if it is found. */
void image_encryption_control(const struct pgw_image *image, struct pgw_control *control);

/* firmware.c: machines on which no Linux runs, or not yet */

/** Is the machine run by UEFI firmware? Once. @return 0, -PGW_EIO or -PGW_ENOMEM */
int image_firmware_look(struct pgw_image *image);
/**
 * Is it the identity map that such firmware runs with? Pre: image_firmware_look()
 * @param root   if so, evidence and what is known of control bits are set
 * @param budget table visits that are left; lowered by those made
 */
bool image_root_is_firmwares(const struct pgw_image *image, struct pgw_root_info *root,
			     uint64_t *budget);
/**
 * A root that is an identity map of most of memory, by nothing but that. Pre: the machine is known.
 * @return 0, -PGW_ENOENT, -PGW_EIO or -PGW_ENOMEM
 */
int image_identity_search(struct pgw_image *image, struct pgw_root_info *ret);

/* shared_kernel.c: where every root has the kernel's part of the tree */

/** Linux links the kernel into the last 2 GiB there. */
#define LINUX_KERNEL_MAP UINT64_C(0xffffffff80000000)

/** Does the root map or hold the page that an anchor is? */
typedef bool image_anchor_fn(const struct pgw_image *image, const struct pgw_root_info *root,
			     uint64_t anchor);

/** As image_arch_ops.kernel_search, but for what it was found by. */
bool image_shared_kernel_search(struct pgw_image *image, image_anchor_fn *maps_anchor,
				struct image_swapper *ret);
/** The same, of one format, and no farther from the anchor than some pages. */
bool image_shared_kernel_beside(struct pgw_image *image, const struct pgw_format *format,
				image_anchor_fn *maps_anchor, uint64_t anchor,
				struct image_swapper *ret);
/** As image_arch_ops.kernel_partial; va where a kernel's image is, if there is no hint. */
bool image_shared_kernel_partial(struct pgw_image *image, const struct image_swapper *hint,
				 struct image_swapper *ret);
/** As image_arch_ops.process_roots. */
int image_shared_process_roots(struct image_roots *roots, const struct image_swapper *swapper);

#endif
