/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MKKALLSYMS_H
#define TESTS_MKKALLSYMS_H

/* A small machine (linux.h) whose kernel has names, laid out as Linux of some releases does. */

#include "image/linux.h"

#define MKKALLSYMS_NR 700 /* symbols: three markers */

enum mkkallsyms_layout {
	MKKALLSYMS_ABSOLUTE,    /* 5.10 without CONFIG_KALLSYMS_BASE_RELATIVE */
	MKKALLSYMS_BASE,        /* 5.10 */
	MKKALLSYMS_PERCPU_SEQS, /* 6.2 */
	MKKALLSYMS_PERCPU_LATE, /* 6.4 */
	MKKALLSYMS_PLACE,       /* 7.0 */
	_MKKALLSYMS_MAX,
};

struct mkkallsyms {
	enum mkkallsyms_layout layout;
	uint64_t num_syms, names, markers, token_table, token_index, offsets, base, addresses;
	uint64_t first, end; /* all of it */
};

/** What symbol number i is. @param name at least 256 bytes @return its letter */
char mkkallsyms_symbol(const struct linux_machine *m, enum mkkallsyms_layout layout, unsigned i,
		       char *name, uint64_t *ret_va);

/** Put them into memory. */
void mkkallsyms_put(struct linux_machine *m, enum mkkallsyms_layout layout, struct mkkallsyms *ret);

/** A VMCOREINFO that says where they are. @param text at least 1024 bytes */
void mkkallsyms_text(const struct linux_machine *m, const struct mkkallsyms *k, char *text);

#endif
