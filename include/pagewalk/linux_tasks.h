/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_TASKS_H
#define PAGEWALK_LINUX_TASKS_H

/**
 * @file
 * The processes of a Linux in an image, and the areas of memory (VMAs) that they have, as the
 * kernel itself keeps them. Hosted only.
 *
 * Nothing is needed but the image: where members of the kernel's structs are comes from the BTF
 * that it holds of itself, where its variables are from its own table of symbols. Lists and trees
 * of the kernel are as hostile as all of an image: each is bounded, and what does not hold
 * together is counted. Not for several threads at once.
 */

#include <pagewalk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What was read of the tasks of one kernel. */
struct pgw_tasks;

#define PGW_TASK_NAME 64      /**< bytes of a name, at most */
#define PGW_TASK_NAMESPACES 8 /**< pid namespaces of a task that are told, at most */

/** How a task was found. */
enum pgw_task_found {
	PGW_TASK_IN_LIST = 1 << 0, /**< in the list of processes, or in its process's of threads */
	PGW_TASK_IN_PIDS = 1 << 1, /**< by its number, in the first pid namespace */
};

/** A thread; the first one of a process stands for the process. */
struct pgw_task {
	uint64_t va;       /**< of the kernel's struct task_struct */
	uint64_t mm_va;    /**< of its struct mm_struct; 0: a kernel thread, or it has exited */
	uint64_t root_pa;  /**< of the mm's root table; 0: not known */
	uint32_t found;    /**< enum pgw_task_found */
	uint32_t pid;      /**< of the thread, in the first pid namespace */
	uint32_t tgid;     /**< of the process: the pid of its first thread */
	uint32_t ppid;     /**< of the process that started it, or took it over */
	uint32_t uid, gid; /**< real ones, in the first user namespace */
	uint32_t euid;
	uint32_t flags; /**< the kernel's PF_* */
	/** The pids in the task's own namespaces, the outermost (pid) first; nr_ns_pids at least 1. */
	uint32_t ns_pid[PGW_TASK_NAMESPACES];
	unsigned nr_ns_pids;
	unsigned nr_threads; /**< of the process, by the kernel's count */
	int nice;
	uint64_t start_ns; /**< since the machine was started */
	char state;        /**< as ps prints it: R S D T t X Z P I; ? = none of these */
	bool is_kernel;    /**< a thread of the kernel */
	bool is_leader;    /**< the first thread of its process */
	/** As /proc/PID/stat has it, between the brackets: any bytes but NUL, which ends it. */
	char name[PGW_TASK_NAME];
};

/** What was met when tasks were looked for. What should not be there is a finding. */
struct pgw_tasks_met {
	uint64_t nr_threads;
	uint64_t nr_processes;
	uint64_t nr_kernel_threads;
	uint64_t nr_list_only;  /**< tasks that no pid leads to */
	uint64_t nr_pids_only;  /**< tasks that are in no list */
	uint64_t nr_torn;       /**< links of lists and nodes of trees that do not hold together */
	uint64_t nr_unreadable; /**< tasks, or parts of them, whose bytes are not in the image */
	bool truncated;         /**< more of them than the image's memory has room for */
};

/**
 * Find the tasks. The idle tasks, which have pid 0, are left out.
 *
 * @param image must stay until pgw_tasks_close()
 * @param ret   to be closed with pgw_tasks_close()
 * @param err   what is missing; may be NULL
 * @return 0; -PGW_ENOENT: no kernel's root, no symbols, no BTF, or a member in it that is needed;
 *         -PGW_ENOEXEC: its BTF does not hold together; -PGW_EIO; -PGW_ENOMEM
 */
PGW_API int pgw_tasks_open(struct pgw_image *image, struct pgw_tasks **ret, struct pgw_error *err);

/** NULL is fine. */
PGW_API void pgw_tasks_close(struct pgw_tasks *tasks);

/** All of them, by pid. */
PGW_API const struct pgw_task *pgw_tasks_list(const struct pgw_tasks *tasks, size_t *ret_nr);

PGW_API const struct pgw_tasks_met *pgw_tasks_get_met(const struct pgw_tasks *tasks);

/**
 * A task by its pid.
 * @return NULL: there is none
 */
PGW_API const struct pgw_task *pgw_tasks_find(const struct pgw_tasks *tasks, uint32_t pid);

/**
 * The thread whose mm is that of the process: the first one, or if that has exited the next one
 * that has an mm.
 * @return task itself if none has
 */
PGW_API const struct pgw_task *pgw_tasks_with_mm(const struct pgw_tasks *tasks,
						 const struct pgw_task *task);

/** Whose a root is. */
enum pgw_root_owner_kind {
	PGW_ROOT_OF_PROCESS,
	PGW_ROOT_OF_MM,    /**< of an mm that no process has: efi_mm, poking_mm, ... */
	PGW_ROOT_OF_IMAGE, /**< a table of the kernel's image: init_top_pgt, idmap_pg_dir, ... */
	_PGW_ROOT_OWNER_MAX,
};

struct pgw_root_owner {
	enum pgw_root_owner_kind kind;
	bool is_twin; /**< it is the other half of a KPTI pair, whose kernel half is the owner's */
	const struct pgw_task *task; /**< of a process, the thread that was found first; else NULL */
	uint64_t nr_others;          /**< processes that have this root, too */
	/**
	 * Of an mm and of the image: the kernel's symbol, a static string; else NULL. Not each table
	 * of the image is a root: level4_kernel_pgt, of a kernel of 4 levels, only looks like one.
	 */
	const char *symbol;
};

/** Who has a root. @return false: nobody who is known */
PGW_API bool pgw_tasks_root_owner(struct pgw_tasks *tasks, const struct pgw_root_info *root,
				  struct pgw_root_owner *ret);

/** Kinds of pages that the kernel counts for an mm. */
enum pgw_rss_kind {
	PGW_RSS_FILE,
	PGW_RSS_ANON,
	PGW_RSS_SWAP,
	PGW_RSS_SHMEM,
	_PGW_RSS_MAX,
};

/** How much memory an mm has: by its tables, and by the kernel's counters. In bytes. */
struct pgw_task_memory {
	uint64_t rss;      /**< mapped, by the tables, as Rss of /proc/PID/smaps has it */
	uint64_t swap;     /**< swapped out, by the tables */
	bool has_counters; /**< counted and counter are meant */
	/** All parts of the counters together, those of the tasks (until 6.1) or CPUs too. */
	int64_t counted[_PGW_RSS_MAX];
	/** The parts that the kernel itself looks at for VmRSS until 6.1; else as counted. */
	int64_t counter[_PGW_RSS_MAX];
	uint64_t tables;         /**< page tables, those of the user's half, each visit counted */
	uint64_t tables_counted; /**< page tables by the kernel's counter (VmPTE), or 0 */
	uint64_t nr_areas;
	uint64_t outside;       /**< mapped where no area is, by the tables */
	uint64_t nr_torn;       /**< areas that do not hold together */
	uint64_t nr_malformed;  /**< entries of the tables */
	uint64_t nr_unreadable; /**< areas or ranges of tables whose bytes are not in the image */
	bool truncated;         /**< the budget of table visits, or of areas, ran out */
};

/** @return 0, -PGW_ENOENT: the task has no mm; -PGW_ENOMEM */
PGW_API int pgw_task_get_memory(struct pgw_tasks *tasks, const struct pgw_task *task,
				struct pgw_task_memory *ret);

/** An area of a process's memory. */
struct pgw_area {
	uint64_t start;
	uint64_t end;    /**< exclusive */
	uint64_t va;     /**< of the kernel's struct vm_area_struct */
	/** The kernel's VM_*; bits 0 to 2: read, write, execute, 7: shared, as /proc/PID/maps has it. */
	uint64_t flags;
	uint64_t offset; /**< of start in the file, in bytes; 0 without one */
	bool has_file;
	uint32_t dev_major, dev_minor; /**< of the file's file system */
	uint64_t inode;
	/** The file's path as process 1 sees it, "[heap]", ...; any bytes; "" = none. */
	const char *name;
	bool name_is_broken; /**< the name could not be read, or not all of it */
	uint64_t rss;        /**< bytes that are mapped, by the tables; if asked for */
	uint64_t swap;       /**< bytes that are swapped out; if asked for */
};

/** Gets an area; it is there during the call. Not 0 ends the list, which is returned. */
typedef int pgw_area_fn(const struct pgw_area *area, void *arg);

/** What pgw_task_areas() met. */
struct pgw_areas_met {
	uint64_t nr_areas;
	uint64_t nr_torn;       /**< nodes and areas that do not hold together */
	uint64_t nr_unreadable; /**< nodes, areas or names whose bytes are not in the image */
	bool truncated;         /**< more areas than the image's memory has room for */
};

/**
 * The areas of a task's mm, ascending, as the kernel's own tree has them; and last, where the kernel
 * has it, the page of old system calls of x86_64 ("[vsyscall]"), in its own half.
 *
 * @param with_rss look at the tables, too
 * @param met      filled in always; may be NULL
 * @return 0, fn's value, -PGW_ENOENT: the task has no mm; -PGW_ENOMEM
 */
PGW_API int pgw_task_areas(struct pgw_tasks *tasks, const struct pgw_task *task, bool with_rss,
			   pgw_area_fn *fn, void *arg, struct pgw_areas_met *met);

#ifdef __cplusplus
}
#endif

#endif
