/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include "base/bits.h"

/* Tables of the kernel's image that are roots, or look like one: the top of each architecture's. */
static const char *const tables[] = {
	"init_top_pgt",     "swapper_pg_dir",         "early_top_pgt",     "level4_kernel_pgt",
	"pvh_init_top_pgt", "idmap_pg_dir",           "tramp_pg_dir",      "reserved_pg_dir",
	"init_pg_dir",      "early_pg_dir",           "trampoline_pg_dir", "init_idmap_pg_dir",
	"__pi_init_pg_dir", "__pi_init_idmap_pg_dir",
};

/* Address spaces that no task has, or for a moment only. */
static const struct {
	const char *symbol;
	bool is_pointer;
} mms[] = {
	{ "efi_mm", false },
	{ "init_mm", false },
	{ "poking_mm", true },    /* to 6.14 */
	{ "text_poke_mm", true }, /* since then */
};

static bool table_is_at(struct pgw_tasks *tasks, const char *symbol, uint64_t pa)
{
	uint64_t va = linux_inside_symbol(&tasks->inside, symbol), at;

	return va && linux_memory_pa(&tasks->inside.memory, va, &at) && at == pa;
}

static bool mm_is_at(struct pgw_tasks *tasks, const char *symbol, bool is_pointer, uint64_t pa)
{
	uint64_t mm = linux_inside_symbol(&tasks->inside, symbol), pgd, at;

	if (!mm || (is_pointer && linux_memory_word(&tasks->inside.memory, mm, &mm)))
		return false;
	return mm && !task_number(tasks, mm, &tasks->places.mm.pgd, &pgd) &&
	       linux_memory_pa(&tasks->inside.memory, pgd, &at) && at == pa;
}

static bool process_find(struct pgw_tasks *tasks, uint64_t pa, struct pgw_root_owner *ret)
{
	uint32_t last = 0;

	for (size_t i = 0; i < tasks->nr; i++) {
		const struct pgw_task *task = &tasks->list[i];

		if (task->root_pa != pa || (ret->task && task->tgid == last))
			continue;
		last = task->tgid;
		if (!ret->task)
			ret->task = task;
		else
			ret->nr_others++;
	}
	return ret->task != NULL;
}

static bool owner_find(struct pgw_tasks *tasks, uint64_t pa, struct pgw_root_owner *ret)
{
	if (process_find(tasks, pa, ret)) {
		ret->kind = PGW_ROOT_OF_PROCESS;
		return true;
	}
	for (size_t i = 0; i < PGW_ARRAY_SIZE(tables); i++) {
		if (!table_is_at(tasks, tables[i], pa))
			continue;
		ret->kind = PGW_ROOT_OF_IMAGE;
		ret->symbol = tables[i];
		return true;
	}
	for (size_t i = 0; i < PGW_ARRAY_SIZE(mms); i++) {
		if (!mm_is_at(tasks, mms[i].symbol, mms[i].is_pointer, pa))
			continue;
		ret->kind = PGW_ROOT_OF_MM;
		ret->symbol = mms[i].symbol;
		return true;
	}
	return false;
}

bool pgw_tasks_root_owner(struct pgw_tasks *tasks, const struct pgw_root_info *root,
			  struct pgw_root_owner *ret)
{
	*ret = (struct pgw_root_owner){ 0 };
	if (owner_find(tasks, root->root.pa, ret))
		return true;
	if (!root->is_kpti_user || !root->has_twin)
		return false;
	ret->is_twin = owner_find(tasks, root->twin.pa, ret);
	return ret->is_twin;
}
