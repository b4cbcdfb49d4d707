/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/limit.h"
#include "kernel/crowd.h"

#include <stdlib.h>

#define NR_TABLES 1024u
/* Where the quarantine says that its tables are. */
#define TABLES_PA (UINT64_C(1) << 30)

_Thread_local enum role crowd_role;

const char *const crowd_formats[] = { "x86_64-la48", "riscv-sv39", "riscv-sv48", "arm64-4k-48",
				      NULL };

void gate_arm(struct gate *gate, enum pgw_step_point step, int nth)
{
	gate->step = step;
	gate->nth = nth;
}

void gate_wait(struct gate *gate)
{
	limit_wait(&gate->arrived);
}

void gate_open(struct gate *gate)
{
	sem_post(&gate->go);
}

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	struct gate *gate = &((struct crowd *)ctx)->gate[crowd_role];

	(void)mm;
	if (crowd_role == ROLE_NONE || !gate->nth || gate->step != point || --gate->nth)
		return;
	sem_post(&gate->arrived);
	limit_wait(&gate->go);
}

struct crowd *crowd_new(const char *format)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	quarantine_init(&c->q, NR_TABLES);
	c->q.platform.step = step;
	if (pgw_phys_memory_init(&c->tables, TABLES_PA, c->q.block, (size_t)NR_TABLES * 4096))
		abort();
	for (int i = 0; i < _ROLE_MAX; i++) {
		sem_init(&c->gate[i].arrived, 0, 0);
		sem_init(&c->gate[i].go, 0, 0);
	}
	world_init_on(&c->w, format, &c->q.platform, &c->tables.phys);
	return c;
}

void crowd_delete(struct crowd *c)
{
	crowd_role = ROLE_NONE;
	world_fini_on(&c->w);
	quarantine_fini(&c->q);
	for (int i = 0; i < _ROLE_MAX; i++) {
		sem_destroy(&c->gate[i].arrived);
		sem_destroy(&c->gate[i].go);
	}
	free(c);
}
