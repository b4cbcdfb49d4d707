/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_TASKS_H
#define SYSTEM_LINUX_TASKS_H

/* Tasks, and what they lead to: inside of struct pgw_tasks. */

#include <pagewalk/linux_absent.h>
#include <pagewalk/linux_tasks.h>

#include "system/linux/inside.h"

/** Where what is needed lies in the kernel's structs. */
struct task_places {
	struct {
		struct linux_member tasks, thread_node, signal, mm, pid, tgid, real_parent;
		struct linux_member real_cred, comm, flags, state, exit_state, thread_pid;
		struct linux_member pid_links, worker, static_prio, start_time, rss;
	} task;
	struct linux_member thread_head, nr_threads;
	struct {
		struct linux_member uid, gid, euid;
	} cred;
	struct {
		struct linux_member tasks, level, numbers;
		struct linux_member upid, upid_nr; /* upid: its size */
	} pid;
	struct linux_member xa_head;
	struct {
		struct linux_member shift, slots;
	} xa_node;
	struct {
		struct linux_member full_name, data;
	} kthread;
	struct {
		struct linux_member desc, current_work, pool;
	} worker;
	struct {
		struct linux_member pgd, rss, rss_count, pgtables, start_brk, brk, start_stack;
		struct linux_member tree, list;
		struct linux_member context_flags, ia32_compat; /* of x86 */
	} mm;
	struct {
		struct linux_member size, count, counters;
	} percpu;
	struct linux_member ma_root;
	struct {
		struct linux_member pivot, slot, end;
	} leaf, inner; /* struct maple_range_64, maple_arange_64 */
	struct {
		struct linux_member start, end, next, prev, flags, pgoff, file, ops, private, mm;
	} vma;
	struct linux_member ops_name, special_name;
	struct {
		struct linux_member mnt, dentry, inode;
	} file;
	struct {
		struct linux_member mnt, dentry;
	} root; /* of struct fs_struct, inside of a task */
	struct linux_member task_fs;
	struct {
		struct linux_member sb, ino;
	} inode;
	struct linux_member s_dev;
	struct {
		struct linux_member parent, name, len, pprev, ops;
	} dentry;
	struct linux_member d_dname;
	struct linux_member mnt_root; /* struct vfsmount */
	struct {
		struct linux_member parent, mountpoint, mnt;
	} mount;
};

/** How a file without a path is named: by the function that its file system has for that. */
enum dname_form {
	DNAME_NONE,
	DNAME_SIMPLE, /* "/name (deleted)" */
	DNAME_ANON,   /* "anon_inode:name" */
	DNAME_PIPE,   /* "pipe:[inode]" */
	DNAME_SOCKET, /* "socket:[inode]" */
	_DNAME_MAX,
};

#define TASKS_MAX_CPUS 8192

/** A task with an mm. */
struct task_group {
	uint32_t tgid, index;
};

/** What an mm has, as it was told. */
struct task_memory {
	uint64_t mm_va; /* 0: none */
	uint64_t root_pa;
	struct pgw_task_memory memory;
};

#define TASKS_KNOWN 257   /* a prime: slabs have mms at equal distances */
#define TASKS_MM_ALIGN 64 /* bytes; those of an mm_struct */

struct pgw_tasks {
	struct task_memory known[TASKS_KNOWN]; /* by mm_va */
	struct pgw_image *image;
	struct linux_inside inside;
	struct pgw_linux kernel;
	struct task_places places;

	uint64_t init_task, init_pid_ns;
	uint64_t per_cpu_offset; /* of the array; 0: not known */
	unsigned nr_cpus;
	uint64_t dname[_DNAME_MAX]; /* addresses of functions; 0: not known */

	struct pgw_task *list; /* by pid */
	size_t nr, size;
	size_t max;                /* tasks that the image has room for */
	uint64_t list_steps;       /* of all lists together, that are left */
	uint64_t tables_left;      /* of all processes together */
	struct task_group *groups; /* tasks with an mm, by tgid and index */
	size_t nr_groups;
	struct pgw_tasks_met met;
};

/** A number in the kernel's memory, where a member of a struct at va is; sizes of 1 to 8 bytes. */
int task_number(struct pgw_tasks *tasks, uint64_t va, const struct linux_member *member,
		uint64_t *ret);

/* task_places.c */

/** @return 0, or -PGW_ENOENT: a member is not there that is needed */
int task_places_find(const struct linux_types *types, struct task_places *ret,
		     struct pgw_error *err);

/* task_read.c */

/** What a task_struct says. @return 0 or -PGW_EIO */
int task_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret);

/* pids.c */

/** Every struct pid of the first namespace. */
typedef int pid_fn(struct pgw_tasks *tasks, uint64_t pid_va, uint64_t number);
int pids_each(struct pgw_tasks *tasks, pid_fn *fn);

/* vmas.c */

/** An area, before its name is looked for. */
struct vma {
	uint64_t va, start, end, flags;
	uint64_t rss, swap;
};

/** Those of an mm, ascending and disjoint. */
struct vmas {
	struct vma *list;
	size_t nr, size;
	struct pgw_areas_met met;
};

/** @return 0 or -PGW_ENOMEM; to be freed with vmas_fini() in any case */
int vmas_read(struct pgw_tasks *tasks, uint64_t mm_va, struct vmas *ret);
void vmas_fini(struct vmas *vmas);

/* vma_rss.c */

/** What a process's tables map, by its areas; fills in rss and swap of each. */
void vmas_look(struct pgw_tasks *tasks, const struct pgw_task *task, struct vmas *vmas,
	       struct pgw_task_memory *ret);

/* vma_name.c */

#define VMA_MAX_NAME 4352 /* a path, and what comes behind it */

/** All of an area but rss and swap. name has VMA_MAX_NAME bytes, in which ret->name will be. */
void vma_describe(struct pgw_tasks *tasks, uint64_t mm_va, const struct vma *vma, char *name,
		  struct pgw_area *ret);

#endif
