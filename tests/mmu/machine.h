/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

/*
 * What the test has to know of each architecture: how to start its guest, what
 * to load into its control registers, which bits to play with, and what its
 * CPU reports when an access faults. Knows nothing of how tables are decoded.
 */

#include <pagewalk/pagewalk.h>

#include "mmu/guest.h"

/** What the stub loads before it runs the commands. */
struct params {
	uint64_t done;
	uint64_t end;
	uint64_t reg[8];
};

/** One access, and what came of it. */
struct command {
	uint64_t va;
	uint64_t op;
	/* to store; then what was loaded, or the address that the CPU says faulted */
	uint64_t value;
	uint64_t fault; /* the CPU's code for the fault or trap; 0 = none */
};

_Static_assert(offsetof(struct params, done) == PARAM_DONE &&
		       offsetof(struct params, end) == PARAM_END &&
		       offsetof(struct params, reg) == PARAM_REGS,
	       "the stubs' params");
_Static_assert(offsetof(struct command, va) == COMMAND_VA &&
		       offsetof(struct command, op) == COMMAND_OP &&
		       offsetof(struct command, value) == COMMAND_VALUE &&
		       offsetof(struct command, fault) == COMMAND_FAULT &&
		       sizeof(struct command) == COMMAND_SIZE,
	       "the stubs' commands");

/** The state of the control registers for one run. */
struct setting {
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
	uint64_t dice; /* for what must make no difference: ASIDs, PCIDs, global pages */
	/* of the address that outcome(), is_visible() and qemu_differs() are asked about */
	const struct pgw_path *path;
};

/** Pages that the stub needs to be where they are. */
struct support {
	uint64_t first, last; /* va and pa */
	uint64_t rights; /* enum pgw_right; where the machine has an encoder, the leaf's bits */
};

/** How tables are written that pagewalk only reads. Knows nothing of how it reads them. */
struct encoder {
	/** An item that leads nowhere. */
	uint64_t (*empty)(unsigned level);
	/** One that leads to a table and takes away nothing. */
	uint64_t (*table)(unsigned level, uint64_t pa);
	/** The table that such an item leads to; false: it is none. */
	bool (*leads_to)(const struct setting *setting, unsigned level, uint64_t entry,
			 uint64_t *ret);
	/** A leaf with these bits; false: it cannot be there, or not lead there. */
	bool (*leaf)(const struct setting *setting, unsigned level, uint64_t pa, uint64_t bits,
		     uint64_t *ret);
};

/** What the CPU must report. */
struct outcome {
	uint64_t code, mask; /* (fault & mask) == code */
	bool faults;
	bool names_va; /* and the address that faulted is the command's */
};

/** One kind of CPU. */
struct cpu {
	const char *name; /* for -cpu; NULL ends an array of these */
	uint32_t set;     /* enum pgw_control_bit that always are */
	uint32_t toggles; /* those that the stub can choose */
};

struct iommu;

struct machine {
	const char *name; /* to choose it by; NULL: as arch */
	const char *arch; /* pgw_format_arch() */
	const char *emulator;
	const char *board;
	const char *stub_option, *stub_prefix; /* how to load the stub */
	/* In the place of board and stub, of what they need, and of registers: a device's DMA. NULL: none. */
	const struct iommu *iommu;
	const struct cpu *cpus;
	const struct encoder *encoder; /* NULL: pagewalk's own, of mms that it owns */
	uint64_t ram_pa;
	uint64_t va_mask; /* of the addresses that there are; 0: all */
	uint64_t trap;    /* the instruction that ends OP_EXEC, repeated */
	/* bits of a table entry that take away rights, or make it malformed */
	uint64_t table_rights;
	uint64_t leaf_rights; /* bits of a leaf that say rights */
	uint64_t leaf_needs;  /* bits without which no leaf works */
	uint64_t run_bit;     /* of leaves that make a larger one */
	/** Roots are aligned to their size, though a format lets those of fewer items be less. */
	bool has_whole_roots;
	/** gva2gpa looks as the CPU does at what is malformed; if not, only at what is there. */
	bool gva2gpa_is_the_mmu;
	/** gva2gpa looks elsewhere: is_visible may be NULL. */
	bool has_no_gva2gpa;
	/** The emulator takes what is malformed for something: only tables as owners make them are tried. */
	bool takes_malformed;
	/** Does the emulator have this one of the formats? NULL: all of them. */
	bool (*has_format)(const struct pgw_format *format);

	uint8_t (*pa_bits)(const struct pgw_format *format, uint64_t dice);
	/** Members of the control that are no bits: each run has others. May be NULL. */
	void (*control)(const struct pgw_format *format, uint64_t dice, struct pgw_control *ret);
	/* Instead of encoder, leaf_rights, table_rights and run_bit, where they depend on more; or NULL. */
	const struct encoder *(*encoder_of)(const struct pgw_format *format);
	uint64_t (*rights)(const struct setting *setting, unsigned level, bool is_leaf);
	uint64_t (*run_bit_of)(const struct setting *setting);
	/** The highest level that has leaves. */
	unsigned (*max_leaf_level)(const struct setting *setting);
	/** Bits for a new leaf, besides its rights and run_bit. */
	uint64_t (*attrs)(const struct setting *setting, unsigned level, uint64_t dice);
	/** log2 of what a leaf with run_bit maps; 0 where there are no runs. */
	unsigned (*run_lg2)(const struct setting *setting, unsigned level);
	/** How many items the root has, if that can be less than all; 0: all. May be NULL. */
	uint32_t (*root_items)(const struct setting *setting);
	/** Fills in up to 3; returns how many. */
	unsigned (*support)(const struct setting *setting, struct support *ret);
	void (*registers)(const struct setting *setting, const uint64_t root[_PGW_REGION_MAX],
			  uint64_t *reg);
	/**
	 * The end of an access that pagewalk translates so.
	 * @param canonical va is in one of the halves
	 */
	struct outcome (*outcome)(const struct setting *setting, const struct pgw_translation *t,
				  unsigned op, bool canonical);
	/** Does gva2gpa answer with the leaf's address? */
	bool (*is_visible)(const struct setting *setting, const struct pgw_translation *t);
	/**
	 * Is this where QEMU 7.2 does what the manual does not say? Then nothing
	 * is compared. docs/support-matrix.md lists these.
	 */
	bool (*qemu_differs)(const struct setting *setting, const struct pgw_translation *t,
			     unsigned op);
};

extern const struct machine machine_x86_64, machine_arm64, machine_arm64_s2, machine_riscv64,
	machine_i386, machine_s390x, machine_arm, machine_riscv32, machine_vtd, machine_amdvi,
	machine_smmuv3;

static inline bool setting_has(const struct setting *setting, uint32_t bit)
{
	return setting->control.set & bit;
}

/** The right that an operation needs. */
static inline uint8_t op_right(unsigned op)
{
	static const uint8_t rights[] = { PGW_KERNEL_R, PGW_KERNEL_W, PGW_KERNEL_X };

	return (uint8_t)(rights[op & 3] << (op & OP_USER ? 3 : 0));
}

#endif
