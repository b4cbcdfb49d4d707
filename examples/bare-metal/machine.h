/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BARE_METAL_MACHINE_H
#define BARE_METAL_MACHINE_H

/*
 * What these programs know of the machine that they run on: one file for each architecture, and
 * its boot code, implement this. There is one CPU, and no interrupts.
 */

#include <pagewalk/pagewalk.h>

/** Memory-mapped devices that the program needs. */
struct device {
	uint64_t first, last; /* ends an array if last is 0 */
};

struct machine {
	const char *format;
	struct pgw_control control; /* what the registers say, and what the CPU lacks */
	uint64_t memory_attrs;      /* of leaves that map memory, beside their rights */
	uint64_t device_attrs;      /* ... and devices */
	const struct device *devices;
	/** An instruction that returns from a call; it fits into 8 bytes, repeated or not. */
	uint64_t ret;
};

extern const struct machine machine;

/* ---- the image, by the linker's script; page-aligned ---- */

extern unsigned char image_text[], image_data[], image_end[];

/* ---- what the machine does ---- */

void machine_put(char c);
/** The machine is switched off. */
_Noreturn void machine_off(void);

/** From now on the CPU goes by these two roots; where one root has both regions, by the first. */
void machine_mmu_on(uint64_t user_root, uint64_t kernel_root);
/** Forget what is known of these addresses, of tables too. */
void machine_flush(uint64_t first, uint64_t last);
/** What was written to memory as data can be executed. */
void machine_sync_code(void);

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE };

/** What came of an access. The boot code knows the places of its members. */
struct outcome {
	uint64_t faulted;
	uint64_t code;  /* of a fault: what the CPU says of it */
	uint64_t va;    /* ... and the address that it names */
	uint64_t value; /* that was read */
};

_Static_assert(sizeof(struct outcome) == 32, "the boot code's members");

/** Read or write 8 bytes, or call the code there; a fault ends it. The boot code's. */
void machine_access(enum access access, uint64_t va, uint64_t value, struct outcome *ret);
/**
 * The same by users: machine_user_code does it, which is mapped at code; the page before stack is its to
 * write to. The boot code's.
 */
void machine_access_by_user(enum access access, uint64_t va, uint64_t value, struct outcome *ret,
			    uint64_t code, uint64_t stack);
/** A page of code. */
extern unsigned char machine_user_code[];

/** Of outcome.code the bits that the manual says what they are to be. */
uint64_t machine_code(uint64_t code);
/** What they are when an access faults where addresses are translated so. */
uint64_t machine_expected_code(enum access access, bool is_user, const struct pgw_translation *t);

/* ---- what the machine is given ---- */

/** The first C code, with a stack, and addresses as they are. */
_Noreturn void metal_main(void);
/** A trap that nobody asked for. */
_Noreturn void metal_unexpected(uint64_t code, uint64_t va);

#endif
