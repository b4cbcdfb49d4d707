/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include "base/bits.h"

#define AT(member) offsetof(struct task_places, member)
#define IN_BTF "in the kernel's BTF"
#define NEED(type, path, member)                                                                   \
	{                                                                                          \
		type, path, AT(member), false, "struct " type "'s member " path " " IN_BTF         \
	}
/* Not in each kernel, or nothing is lost but a detail without it. */
#define MAY(type, path, member)                                                                    \
	{                                                                                          \
		type, path, AT(member), true, NULL                                                 \
	}
#define SIZE(type, member)                                                                         \
	{                                                                                          \
		type, NULL, AT(member), true, NULL                                                 \
	}

/* Members go by the names of 5.10 to 7.2; those of one struct stand together. */
static const struct linux_wanted wanted[] = {
	NEED("task_struct", "tasks", task.tasks),
	NEED("task_struct", "thread_node", task.thread_node),
	NEED("task_struct", "signal", task.signal),
	NEED("task_struct", "mm", task.mm),
	NEED("task_struct", "pid", task.pid),
	NEED("task_struct", "tgid", task.tgid),
	NEED("task_struct", "real_parent", task.real_parent),
	NEED("task_struct", "real_cred", task.real_cred),
	NEED("task_struct", "comm", task.comm),
	NEED("task_struct", "flags", task.flags),
	NEED("task_struct", "__state|state", task.state),
	NEED("task_struct", "exit_state", task.exit_state),
	NEED("task_struct", "thread_pid", task.thread_pid),
	NEED("task_struct", "pid_links", task.pid_links),
	MAY("task_struct", "worker_private", task.worker),
	MAY("task_struct", "static_prio", task.static_prio),
	MAY("task_struct", "start_boottime|real_start_time", task.start_time),
	MAY("task_struct", "rss_stat.count", task.rss),
	MAY("task_struct", "fs", task_fs),
	NEED("signal_struct", "thread_head", thread_head),
	NEED("signal_struct", "nr_threads", nr_threads),
	NEED("cred", "uid", cred.uid),
	NEED("cred", "gid", cred.gid),
	NEED("cred", "euid", cred.euid),
	NEED("pid", "tasks", pid.tasks),
	NEED("pid", "level", pid.level),
	NEED("pid", "numbers", pid.numbers),
	SIZE("upid", pid.upid),
	NEED("upid", "nr", pid.upid_nr),
	NEED("pid_namespace", "idr.idr_rt.xa_head", xa_head),
	NEED("xa_node", "shift", xa_node.shift),
	NEED("xa_node", "slots", xa_node.slots),
	MAY("kthread", "full_name", kthread.full_name),
	MAY("kthread", "data", kthread.data),
	MAY("worker", "desc", worker.desc),
	MAY("worker", "current_work", worker.current_work),
	MAY("worker", "pool", worker.pool),
	NEED("mm_struct", "pgd", mm.pgd),
	MAY("mm_struct", "rss_stat", mm.rss),
	MAY("mm_struct", "rss_stat.count", mm.rss_count),
	MAY("mm_struct", "pgtables_bytes", mm.pgtables),
	NEED("mm_struct", "start_brk", mm.start_brk),
	NEED("mm_struct", "brk", mm.brk),
	NEED("mm_struct", "start_stack", mm.start_stack),
	MAY("mm_struct", "mm_mt", mm.tree),
	MAY("mm_struct", "mmap", mm.list),
	MAY("mm_struct", "context.flags", mm.context_flags),
	MAY("mm_struct", "context.ia32_compat", mm.ia32_compat),
	SIZE("percpu_counter", percpu.size),
	MAY("percpu_counter", "count", percpu.count),
	MAY("percpu_counter", "counters", percpu.counters),
	MAY("maple_tree", "ma_root", ma_root),
	MAY("maple_range_64", "pivot", leaf.pivot),
	MAY("maple_range_64", "slot", leaf.slot),
	MAY("maple_arange_64", "pivot", inner.pivot),
	MAY("maple_arange_64", "slot", inner.slot),
	NEED("vm_area_struct", "vm_start", vma.start),
	NEED("vm_area_struct", "vm_end", vma.end),
	MAY("vm_area_struct", "vm_next", vma.next),
	MAY("vm_area_struct", "vm_prev", vma.prev),
	NEED("vm_area_struct", "vm_flags|__vm_flags", vma.flags),
	NEED("vm_area_struct", "vm_pgoff", vma.pgoff),
	NEED("vm_area_struct", "vm_file", vma.file),
	NEED("vm_area_struct", "vm_ops", vma.ops),
	NEED("vm_area_struct", "vm_private_data", vma.private),
	NEED("vm_area_struct", "vm_mm", vma.mm),
	NEED("vm_operations_struct", "name", ops_name),
	NEED("vm_special_mapping", "name", special_name),
	NEED("file", "f_path.mnt", file.mnt),
	NEED("file", "f_path.dentry", file.dentry),
	NEED("file", "f_inode", file.inode),
	NEED("fs_struct", "root.mnt", root.mnt),
	NEED("fs_struct", "root.dentry", root.dentry),
	NEED("inode", "i_sb", inode.sb),
	NEED("inode", "i_ino", inode.ino),
	NEED("super_block", "s_dev", s_dev),
	NEED("dentry", "d_parent", dentry.parent),
	NEED("dentry", "d_name.name", dentry.name),
	NEED("dentry", "d_name.len", dentry.len),
	NEED("dentry", "d_hash.pprev", dentry.pprev),
	NEED("dentry", "d_op", dentry.ops),
	NEED("dentry_operations", "d_dname", d_dname),
	NEED("vfsmount", "mnt_root", mnt_root),
	NEED("mount", "mnt_parent", mount.parent),
	NEED("mount", "mnt_mountpoint", mount.mountpoint),
	NEED("mount", "mnt", mount.mnt),
};

static int fail(struct pgw_error *err, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = -PGW_ENOENT, .expected = expected };
	return -PGW_ENOENT;
}

int task_places_find(const struct linux_types *types, struct task_places *ret,
		     struct pgw_error *err)
{
	const struct linux_wanted *missing;

	if (!linux_types_fill(types, wanted, PGW_ARRAY_SIZE(wanted), ret, &missing))
		return fail(err, missing->what);
	if (ret->mm.tree.is_there ? !ret->ma_root.is_there || !ret->leaf.slot.is_there ||
					    !ret->inner.slot.is_there
				  : !ret->mm.list.is_there || !ret->vma.next.is_there)
		return fail(err, "a tree of areas (6.1 on) or a list of them in the kernel's BTF");
	return 0;
}
