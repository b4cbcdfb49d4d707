/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes of real guests, whose images are cut down to what is read for them (tests/data), whole
 * and with one thing after the other changed: whatever is in memory, the answer is bounded, and
 * what does not hold together is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/linux_tasks.h>

#include "base/bits.h"
#include "common/arena.h"
#include "image/console.h"
#include "image/overlay.h"
#include "system/linux/symbols.h"
#include "system/linux/tasks.h"
#include "system/system_priv.h"

#define MAX_NAMES 32

/* A guest, and how much there is of it. */
struct guest {
	const char *name;
	uint64_t nr_threads, nr_processes, nr_kernel, nr_lines; /* lines: of all maps */
};

static const struct guest guests[] = {
	{ "linux-6.1-amd64", 75, 69, 52, 1679 },
	{ "linux-7.2-amd64", 81, 75, 58, 1696 },
	{ "linux-7.2-arm64", 77, 71, 54, 1650 },
};

struct opened {
	struct pgw_image *image;
	struct overlay overlay;
	struct pgw_tasks *tasks;
	struct pgw_error err;
	int status;
};

static void data_path(char *path, size_t size, const char *guest, const char *ending)
{
	const char *root = getenv("PGW_SOURCE_ROOT");

	snprintf(path, size, "%s/tests/data/%s.tasks.%s", root ? root : ".", guest, ending);
}

/* The names that the cut was made with, as if the kernel's own table were there. */
static void take_names(struct pgw_image *image, const char *guest)
{
	struct pgw_symbols *symbols = linux_symbols_new();
	char path[256], line[128], name[64];
	unsigned long long va;
	FILE *file;

	data_path(path, sizeof(path), guest, "map");
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(symbols);
	while (fgets(line, sizeof(line), file)) {
		struct linux_symbol symbol = { .letter = 'D' };

		assert_int_equal(sscanf(line, "%llx %*c %63s", &va, name), 2);
		symbol.va = va;
		assert_int_equal(linux_symbols_add_name(symbols, name, strlen(name), &symbol.name),
				 0);
		assert_int_equal(linux_symbols_add(symbols, &symbol), 0);
	}
	fclose(file);
	assert_int_equal(linux_symbols_finish(symbols), 0);
	image->symbols = symbols;
}

/* NULL: this build does not unpack zstd. */
static struct opened *open_guest(const char *name)
{
	struct opened *opened = calloc(1, sizeof(*opened));
	struct pgw_root_info root;
	char path[256];
	int status;

	assert_non_null(opened);
	data_path(path, sizeof(path), name, "elf.zst");
	status = pgw_image_open(path, NULL, &opened->image, NULL);
	if (status == -PGW_EOPNOTSUPP) {
		free(opened);
		return NULL;
	}
	assert_int_equal(status, 0);
	assert_int_equal(pgw_image_kernel_root(opened->image, &root, NULL), 0);
	take_names(opened->image, name);
	overlay_init(&opened->overlay, &opened->image->phys);
	return opened;
}

static void read_tasks(struct opened *opened)
{
	pgw_tasks_close(opened->tasks);
	opened->tasks = NULL;
	opened->err = (struct pgw_error){ 0 };
	opened->status = pgw_tasks_open(opened->image, &opened->tasks, &opened->err);
}

static void close_guest(struct opened *opened)
{
	pgw_tasks_close(opened->tasks);
	opened->image->phys = opened->overlay.inner;
	pgw_image_close(opened->image);
	free(opened);
}

/* What is told of all tasks, as a sum; texts end, and areas ascend. */
struct told {
	uint64_t nr_areas, nr_torn, nr_unreadable;
	uint64_t nr_broken;    /* names */
	uint64_t nr_uncounted; /* processes whose rss is not what the kernel has counted */
	uint64_t nr_of_others; /* areas that a first thread has no more */
	uint64_t end;
	uint64_t sum;
};

static int told_area(const struct pgw_area *area, void *arg)
{
	struct told *told = arg;

	assert_true(area->start < area->end && area->start >= told->end);
	told->end = area->end;
	told->nr_areas++;
	told->nr_broken += area->name_is_broken;
	assert_in_range(strlen(area->name), 0, VMA_MAX_NAME - 1);
	for (const char *c = area->name; *c; c++)
		told->sum = told->sum * 31 + (uint8_t)*c;
	told->sum = told->sum * 31 + area->start + area->rss + area->inode;
	return 0;
}

static struct told tell_all(struct opened *opened)
{
	struct told told = { 0 };
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(opened->tasks, &nr);

	for (size_t i = 0; i < nr; i++) {
		const struct pgw_task *task = &list[i];
		struct pgw_task_memory memory;
		struct pgw_areas_met met;
		int err;

		assert_in_range(strlen(task->name), 0, PGW_TASK_NAME - 1);
		if (!task->is_leader)
			continue;
		task = pgw_tasks_with_mm(opened->tasks, task);
		err = pgw_task_get_memory(opened->tasks, task, &memory);
		assert_true(err == 0 || err == -PGW_ENOENT);
		told.sum = told.sum * 31 + memory.rss + task->pid;
		told.nr_uncounted +=
			!err && (int64_t)memory.rss != memory.counted[PGW_RSS_FILE] +
							       memory.counted[PGW_RSS_ANON] +
							       memory.counted[PGW_RSS_SHMEM];
		told.end = 0;
		pgw_task_areas(opened->tasks, task, true, told_area, &told, &met);
		told.nr_of_others += task->is_leader ? 0 : met.nr_areas;
		told.nr_torn += met.nr_torn;
		told.nr_unreadable += met.nr_unreadable;
	}
	return told;
}

static void skip_without_zstd(const struct opened *opened)
{
	if (!opened)
		skip();
}

static void test_tasks__are_those_of_the_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct opened *opened = open_guest(guests[i].name);
		const struct pgw_tasks_met *met;
		struct told told;

		skip_without_zstd(opened);
		read_tasks(opened);
		assert_int_equal(opened->status, 0);
		met = pgw_tasks_get_met(opened->tasks);
		assert_int_equal(met->nr_threads, guests[i].nr_threads);
		assert_int_equal(met->nr_processes, guests[i].nr_processes);
		assert_int_equal(met->nr_kernel_threads, guests[i].nr_kernel);
		assert_int_equal(met->nr_list_only + met->nr_pids_only + met->nr_torn +
					 met->nr_unreadable + met->truncated,
				 0);
		told = tell_all(opened);
		assert_int_equal(told.nr_torn + told.nr_unreadable + told.nr_broken, 0);
		assert_int_equal(told.nr_uncounted, 0);
		/* The console's maps of a process whose first thread has exited are empty. */
		assert_int_equal(told.nr_areas - told.nr_of_others, guests[i].nr_lines);
		close_guest(opened);
	}
}

/* Each root that a task has is that of its process, or of one that shares it. */
static void test_tasks__have_their_roots(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(guests); i++) {
		struct opened *opened = open_guest(guests[i].name);
		struct pgw_root_info root = { 0 };
		struct pgw_root_owner owner;
		const struct pgw_task *list;
		size_t nr;

		skip_without_zstd(opened);
		read_tasks(opened);
		list = pgw_tasks_list(opened->tasks, &nr);
		for (size_t j = 0; j < nr; j++) {
			root.root.pa = list[j].root_pa;
			if (!root.root.pa)
				continue;
			assert_true(pgw_tasks_root_owner(opened->tasks, &root, &owner));
			assert_int_equal(owner.kind, PGW_ROOT_OF_PROCESS);
			assert_int_equal(owner.task->root_pa, root.root.pa);
			assert_true(owner.task->tgid == list[j].tgid || owner.nr_others);
			/* The other half of a KPTI pair is the same process's. */
			root.is_kpti_user = root.has_twin = true;
			root.twin = root.root;
			root.root.pa += 1;
			assert_true(pgw_tasks_root_owner(opened->tasks, &root, &owner));
			assert_true(owner.is_twin);
			root = (struct pgw_root_info){ 0 };
		}
		root.root.pa = 1;
		assert_false(pgw_tasks_root_owner(opened->tasks, &root, &owner));
		close_guest(opened);
	}
}

/* ---- one word of the kernel's changed ---- */

static uint64_t pa_of(struct opened *opened, uint64_t va)
{
	uint64_t pa;

	assert_true(linux_memory_pa(&opened->tasks->inside.memory, va, &pa));
	return pa;
}

static uint64_t word_of(struct opened *opened, uint64_t va)
{
	uint64_t value;

	assert_int_equal(linux_memory_word(&opened->tasks->inside.memory, va, &value), 0);
	return value;
}

static void patch(struct opened *opened, uint64_t va, uint64_t value)
{
	overlay_patch(&opened->overlay, pa_of(opened, va), value);
}

static struct opened *open_read(const char *name)
{
	struct opened *opened = open_guest(name);

	skip_without_zstd(opened);
	read_tasks(opened);
	assert_int_equal(opened->status, 0);
	return opened;
}

static const struct pgw_task *named(struct opened *opened, const char *name)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(opened->tasks, &nr);

	for (size_t i = 0; i < nr; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	fail_msg("no task is called %s", name);
	return NULL;
}

/* Taken out of the list as a rootkit does it: both neighbours agree, but a number still leads to it. */
static void test_tasks__out_of_the_list_is_found_by_its_pid(void **state)
{
	struct opened *opened = open_read("linux-7.2-amd64");
	uint64_t links = named(opened, "nicer")->va + opened->tasks->places.task.tasks.offset;
	uint64_t next = word_of(opened, links), back = word_of(opened, links + 8);
	const struct pgw_tasks_met *met;

	(void)state;
	patch(opened, back, next);
	patch(opened, next + 8, back);
	read_tasks(opened);
	met = pgw_tasks_get_met(opened->tasks);
	assert_int_equal(met->nr_threads, 81);
	assert_int_equal(met->nr_pids_only, 1);
	assert_int_equal(met->nr_torn, 0);
	assert_int_equal(named(opened, "nicer")->found, PGW_TASK_IN_PIDS);
	close_guest(opened);
}

/* And the other way round: its number leads to nothing. */
static void test_tasks__without_a_pid_is_found_by_the_list(void **state)
{
	struct opened *opened = open_read("linux-7.2-amd64");
	const struct task_places *at = &opened->tasks->places;
	uint64_t pid = word_of(opened, named(opened, "nicer")->va + at->task.thread_pid.offset);

	(void)state;
	patch(opened, pid + at->pid.tasks.offset, 0);
	read_tasks(opened);
	assert_int_equal(pgw_tasks_get_met(opened->tasks)->nr_list_only, 1);
	assert_int_equal(pgw_tasks_get_met(opened->tasks)->nr_threads, 81);
	assert_int_equal(named(opened, "nicer")->found, PGW_TASK_IN_LIST);
	close_guest(opened);
}

/* A list that leads back into itself ends there; the pids know the rest. */
static void test_tasks__a_loop_ends(void **state)
{
	struct opened *opened = open_read("linux-7.2-amd64");
	uint64_t offset = opened->tasks->places.task.tasks.offset;
	uint64_t late = named(opened, "nicer")->va + offset;
	uint64_t early = named(opened, "kthreadd")->va + offset;

	(void)state;
	patch(opened, late, early);
	read_tasks(opened);
	assert_int_equal(opened->status, 0);
	assert_int_equal(pgw_tasks_get_met(opened->tasks)->nr_torn, 1);
	assert_int_equal(pgw_tasks_get_met(opened->tasks)->nr_threads, 81);
	assert_true(pgw_tasks_get_met(opened->tasks)->nr_pids_only > 0);
	close_guest(opened);
}

/* The tree's root has itself as a child; its way would never end. */
static void test_tasks__a_tree_in_itself_ends(void **state)
{
	struct opened *opened = open_read("linux-7.2-amd64");
	const struct task_places *at = &opened->tasks->places;
	uint64_t root_at =
		named(opened, "manyvmas")->mm_va + at->mm.tree.offset + at->ma_root.offset;
	uint64_t root = word_of(opened, root_at), node = root & ~UINT64_C(0xff);
	struct pgw_areas_met met;
	struct told told = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		patch(opened, node + at->inner.slot.offset + 8 * i, node | 0x1c);
	assert_int_equal(pgw_task_areas(opened->tasks, named(opened, "manyvmas"), true, told_area,
					&told, &met),
			 0);
	assert_true(met.nr_torn > 0);
	close_guest(opened);
}

/* A directory that is in itself, and a mount that is: the name is broken, nothing else is. */
static void test_tasks__paths_in_circles_end(void **state)
{
	struct opened *opened = open_read("linux-7.2-amd64");
	const struct task_places *at = &opened->tasks->places;
	const struct pgw_task *task = named(opened, "mapper");
	struct told whole = { 0 }, told = { 0 };
	struct vmas vmas;
	uint64_t file, dentry, parent;

	(void)state;
	pgw_task_areas(opened->tasks, task, true, told_area, &whole, NULL);
	assert_int_equal(vmas_read(opened->tasks, task->mm_va, &vmas), 0);
	file = word_of(opened, vmas.list[0].va + at->vma.file.offset);
	dentry = word_of(opened, file + at->file.dentry.offset);
	parent = word_of(opened, dentry + at->dentry.parent.offset);
	vmas_fini(&vmas);
	patch(opened, parent + at->dentry.parent.offset, dentry);
	pgw_task_areas(opened->tasks, task, true, told_area, &told, NULL);
	assert_int_equal(told.nr_areas, whole.nr_areas);
	assert_true(told.nr_broken >= 5 && told.nr_broken < told.nr_areas);
	close_guest(opened);
}

/* ---- the page that is in no tree ---- */

static int count_gates(const struct pgw_area *area, void *arg)
{
	uint64_t *flags = arg;

	if (strcmp(area->name, "[vsyscall]") == 0) {
		assert_int_equal(*flags, 0);
		assert_int_equal(area->start, 0xffffffffff600000);
		assert_int_equal(area->end, 0xffffffffff601000);
		*flags = area->flags;
	}
	return 0;
}

/* The flags of the page, as some process has it; 0: none has. */
static uint64_t gate_flags(struct pgw_image *image)
{
	const struct pgw_task *list;
	struct pgw_areas_met met;
	struct pgw_tasks *tasks;
	uint64_t flags = 0;
	size_t nr, i = 0;

	assert_int_equal(pgw_tasks_open(image, &tasks, NULL), 0);
	list = pgw_tasks_list(tasks, &nr);
	while (!list[i].mm_va)
		i++;
	assert_int_equal(pgw_task_areas(tasks, &list[i], false, count_gates, &flags, &met), 0);
	assert_int_equal(met.nr_torn + met.nr_unreadable, 0);
	pgw_tasks_close(tasks);
	return flags;
}

/*
 * arch/x86/entry/vsyscall/vsyscall_64.c: 0 is EMULATE, 1 XONLY, 2 NONE, which the guest has. Guests with
 * vsyscall= are those of scripts/check-linux-inside.
 */
static void test_tasks__have_the_page_of_old_system_calls(void **state)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct pgw_image *image = console_image("linux-6.1-amd64");
	static struct linux_memory memory;
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;
	struct pgw_root_info root;
	uint64_t pa, word;

	(void)state;
	assert_int_equal(pgw_image_symbols(image, &symbols, NULL), 0);
	assert_true(pgw_symbols_find(symbols, "vsyscall_mode", &symbol));
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	linux_memory_init(&memory, image, &root);
	assert_true(linux_memory_pa(&memory, symbol.va, &pa));
	assert_int_equal(linux_memory_word(&memory, symbol.va, &word), 0);
	assert_int_equal(word & UINT32_MAX, 2);
	assert_int_equal(gate_flags(image), 0);
	overlay_init(overlay, &image->phys);
	for (uint64_t mode = 0; mode < 5; mode++) {
		overlay->nr_patches = 0;
		overlay_patch(overlay, pa, (word & ~(uint64_t)UINT32_MAX) | mode);
		/* Nothing has changed the area's flags, which may be read and executed. */
		assert_int_equal(gate_flags(image) & 7, mode < 2 ? 5 : 0);
	}
	image->phys = overlay->inner;
	pgw_image_close(image);
	free(overlay);
}

/* ---- anything changed ---- */

static void try_all(struct opened *opened)
{
	read_tasks(opened);
	if (opened->status) {
		assert_true(opened->status < 0);
		assert_int_equal(opened->err.status, opened->status);
		return;
	}
	tell_all(opened);
}

/* Every read that fails, or gives other bytes; a prime of them, the first ones all. */
static void test_tasks__any_read_goes_wrong(void **state)
{
	static const enum pgw_phys_fault_kind kinds[] = { PGW_FAULT_FAIL, PGW_FAULT_CORRUPT };
	uint64_t step = getenv("PGW_TEST_LONG") ? 1 : 997, total = 1;
	struct opened *opened = open_guest(guests[1].name);

	(void)state;
	skip_without_zstd(opened);
	for (unsigned kind = 0; kind < PGW_ARRAY_SIZE(kinds); kind++) {
		for (uint64_t nth = 0; nth < total; nth += nth < 32 ? 1 : step) {
			pgw_phys_fault_init(&opened->overlay.fault, &opened->overlay.inner,
					    kinds[kind], nth);
			try_all(opened);
			if (opened->overlay.fault.nr_reads > total)
				total = opened->overlay.fault.nr_reads;
		}
	}
	assert_true(total > 10000);
	close_guest(opened);
}

/* Pointers lead to other things than they should, many of them. */
static void test_tasks__words_are_mixed_up(void **state)
{
	uint64_t seed = test_seed();
	unsigned nr = getenv("PGW_TEST_LONG") ? 1000 : 12;

	(void)state;
	for (unsigned i = 0; i < nr; i++) {
		struct opened *opened = open_guest(guests[i % PGW_ARRAY_SIZE(guests)].name);

		skip_without_zstd(opened);
		opened->overlay.seed = test_random(&seed) | 1;
		try_all(opened);
		close_guest(opened);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tasks__are_those_of_the_guests),
		cmocka_unit_test(test_tasks__have_their_roots),
		cmocka_unit_test(test_tasks__out_of_the_list_is_found_by_its_pid),
		cmocka_unit_test(test_tasks__without_a_pid_is_found_by_the_list),
		cmocka_unit_test(test_tasks__a_loop_ends),
		cmocka_unit_test(test_tasks__a_tree_in_itself_ends),
		cmocka_unit_test(test_tasks__paths_in_circles_end),
		cmocka_unit_test(test_tasks__have_the_page_of_old_system_calls),
		cmocka_unit_test(test_tasks__any_read_goes_wrong),
		cmocka_unit_test(test_tasks__words_are_mixed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
