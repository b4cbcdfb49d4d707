/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_KERNEL_CROWD_H
#define TESTS_KERNEL_CROWD_H

/*
 * A make-believe kernel that threads use: a world whose freed tables stay, as
 * poison (tests/mm/quarantine.h), and gates at which a thread of a role stops.
 */

#include <semaphore.h>

#include "kernel/world.h"
#include "mm/quarantine.h"

enum role { ROLE_NONE, ROLE_WALKER, ROLE_FREER, ROLE_SPLITTER, _ROLE_MAX };

/** Where a thread of a role stops: at the nth time that it comes to a step. */
struct gate {
	enum pgw_step_point step;
	int nth; /* 0 = nowhere */
	sem_t arrived, go;
};

struct crowd {
	struct quarantine q; /* first: the platform's ctx */
	struct pgw_phys_memory tables;
	struct world w;
	struct gate gate[_ROLE_MAX];
};

/** The calling thread's. */
extern _Thread_local enum role crowd_role;

/** Formats with tables that the quarantine can hold; NULL ends it. */
extern const char *const crowd_formats[];
#define for_each_crowd_format(name) for (const char *const *name = crowd_formats; *name; name++)

struct crowd *crowd_new(const char *format);
/** Asserts that all is back. */
void crowd_delete(struct crowd *c);

void gate_arm(struct gate *gate, enum pgw_step_point step, int nth);
/** Wait until a thread stands at the gate; let it go on. */
void gate_wait(struct gate *gate);
void gate_open(struct gate *gate);

#endif
