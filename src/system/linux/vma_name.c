/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

#define PATH_SIZE 4096 /* PATH_MAX of Linux */
#define MAX_STEPS 8192 /* directories and mounts on the way up */
#define MAX_COMPONENT 1024
#define SPECIAL_SIZE 64
#define MINOR_BITS 20

/* A file's place, or a directory's. */
struct place {
	uint64_t mnt; /* struct vfsmount */
	uint64_t dentry;
};

/* A path is made from its end on. */
struct path {
	struct pgw_tasks *tasks;
	char *buf; /* PATH_SIZE bytes */
	size_t start;
};

static bool put(struct path *path, const char *bytes, size_t len)
{
	if (len > path->start)
		return false;
	path->start -= len;
	memcpy(path->buf + path->start, bytes, len);
	return true;
}

/* The name of a dentry has a length, and no NUL that counts. */
static bool put_component(struct path *path, uint64_t dentry)
{
	struct pgw_tasks *tasks = path->tasks;
	char name[MAX_COMPONENT];
	uint64_t at, len;

	if (task_number(tasks, dentry, &tasks->places.dentry.name, &at) ||
	    task_number(tasks, dentry, &tasks->places.dentry.len, &len) || len > sizeof(name) ||
	    linux_memory_read(&tasks->inside.memory, at, name, (size_t)len))
		return false;
	return put(path, name, strnlen(name, (size_t)len));
}

/* From the root of a mount to where it is mounted. False: it is mounted nowhere. */
static bool mount_up(struct pgw_tasks *tasks, struct place *place, bool *ret_is_read)
{
	const struct task_places *at = &tasks->places;
	uint64_t mount = place->mnt - at->mount.mnt.offset, parent, mountpoint;

	*ret_is_read = !task_number(tasks, mount, &at->mount.parent, &parent) &&
		       !task_number(tasks, mount, &at->mount.mountpoint, &mountpoint);
	if (!*ret_is_read || parent == mount)
		return false;
	place->mnt = parent + at->mount.mnt.offset;
	place->dentry = mountpoint;
	return true;
}

/* Where process 1 has its root: paths are as it sees them. */
static struct place reader_root(struct pgw_tasks *tasks)
{
	const struct pgw_task *init = pgw_tasks_find(tasks, 1);
	const struct task_places *at = &tasks->places;
	struct place root = { 0 };
	uint64_t fs;

	if (!init || task_number(tasks, init->va, &at->task_fs, &fs) || !fs ||
	    task_number(tasks, fs, &at->root.mnt, &root.mnt) ||
	    task_number(tasks, fs, &at->root.dentry, &root.dentry))
		return (struct place){ 0 };
	return root;
}

/* Up to the reader's root, or to the top. */
static bool path_make(struct path *path, struct place place)
{
	struct pgw_tasks *tasks = path->tasks;
	const struct task_places *at = &tasks->places;
	struct place root = reader_root(tasks);
	size_t end = path->start;

	for (unsigned step = 0; step < MAX_STEPS; step++) {
		uint64_t mnt_root, parent;
		bool is_read;

		if (place.mnt == root.mnt && place.dentry == root.dentry)
			return path->start < end || put(path, "/", 1);
		if (task_number(tasks, place.mnt, &at->mnt_root, &mnt_root) ||
		    task_number(tasks, place.dentry, &at->dentry.parent, &parent))
			return false;
		if (place.dentry == mnt_root || place.dentry == parent) {
			if (mount_up(tasks, &place, &is_read))
				continue;
			return is_read && (path->start < end || put(path, "/", 1));
		}
		if (!put_component(path, place.dentry) || !put(path, "/", 1))
			return false;
		place.dentry = parent;
	}
	return false;
}

static enum dname_form dname_form(struct pgw_tasks *tasks, uint64_t dentry, bool *ret_is_read)
{
	uint64_t ops, dname = 0;

	*ret_is_read = !task_number(tasks, dentry, &tasks->places.dentry.ops, &ops) &&
		       (!ops || !task_number(tasks, ops, &tasks->places.d_dname, &dname));
	for (unsigned i = DNAME_NONE + 1; *ret_is_read && dname && i < _DNAME_MAX; i++)
		if (dname == tasks->dname[i])
			return (enum dname_form)i;
	return DNAME_NONE;
}

/* A file of a file system that nobody mounts: it has a name, but no path. */
static bool dname_make(struct path *path, uint64_t dentry, enum dname_form form, uint64_t inode)
{
	char text[48];

	if (form == DNAME_PIPE || form == DNAME_SOCKET) {
		snprintf(text, sizeof(text), "%s:[%" PRIu64 "]",
			 form == DNAME_PIPE ? "pipe" : "socket", inode);
		return put(path, text, strlen(text));
	}
	if (form == DNAME_SIMPLE && !put(path, " (deleted)", strlen(" (deleted)")))
		return false;
	if (!put_component(path, dentry))
		return false;
	return form == DNAME_SIMPLE ? put(path, "/", 1)
				    : put(path, "anon_inode:", strlen("anon_inode:"));
}

/* Deleted: in no hash table any more, and not the root of its file system. */
static bool is_deleted(struct pgw_tasks *tasks, uint64_t dentry)
{
	uint64_t pprev, parent;

	return !task_number(tasks, dentry, &tasks->places.dentry.pprev, &pprev) && !pprev &&
	       !task_number(tasks, dentry, &tasks->places.dentry.parent, &parent) &&
	       parent != dentry;
}

static bool file_name(struct pgw_tasks *tasks, uint64_t file, char *name, struct pgw_area *ret)
{
	struct path path = { .tasks = tasks, .buf = name, .start = PATH_SIZE - 1 };
	struct place place;
	enum dname_form form;
	bool is_read;

	name[path.start] = '\0';
	if (task_number(tasks, file, &tasks->places.file.mnt, &place.mnt) ||
	    task_number(tasks, file, &tasks->places.file.dentry, &place.dentry))
		return false;
	form = dname_form(tasks, place.dentry, &is_read);
	if (form != DNAME_NONE)
		is_read = dname_make(&path, place.dentry, form, ret->inode);
	else if (is_read && is_deleted(tasks, place.dentry))
		is_read = put(&path, " (deleted)", strlen(" (deleted)")) && path_make(&path, place);
	else if (is_read)
		is_read = path_make(&path, place);
	ret->name = name + path.start;
	return is_read;
}

static bool file_describe(struct pgw_tasks *tasks, uint64_t file, struct pgw_area *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t inode, sb, dev;

	if (task_number(tasks, file, &at->file.inode, &inode) ||
	    task_number(tasks, inode, &at->inode.ino, &ret->inode) ||
	    task_number(tasks, inode, &at->inode.sb, &sb) ||
	    task_number(tasks, sb, &at->s_dev, &dev))
		return false;
	ret->dev_major = (uint32_t)(dev >> MINOR_BITS);
	ret->dev_minor = (uint32_t)(dev & low_bits(MINOR_BITS));
	return true;
}

/* What the architecture maps into each process has its name beside it. @return is it such an area? */
static bool special_name(struct pgw_tasks *tasks, uint64_t vma, char *name, struct pgw_area *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t ops, function = 0, private, text;

	if (task_number(tasks, vma, &at->vma.ops, &ops) || !ops ||
	    task_number(tasks, ops, &at->ops_name, &function) || !function)
		return false;
	if (task_number(tasks, vma, &at->vma.private, &private) ||
	    task_number(tasks, private, &at->special_name, &text) ||
	    linux_memory_string(&tasks->inside.memory, text, name, SPECIAL_SIZE)) {
		ret->name_is_broken = true;
		return true;
	}
	ret->name = name;
	return true;
}

static bool mm_word(struct pgw_tasks *tasks, uint64_t mm_va, const struct linux_member *member,
		    uint64_t *ret)
{
	return !task_number(tasks, mm_va, member, ret);
}

static const char *anonymous_name(struct pgw_tasks *tasks, uint64_t mm_va, const struct vma *vma)
{
	const struct task_places *at = &tasks->places;
	uint64_t start_brk, brk, stack;

	if (mm_word(tasks, mm_va, &at->mm.start_brk, &start_brk) &&
	    mm_word(tasks, mm_va, &at->mm.brk, &brk) && vma->start <= brk && vma->end >= start_brk)
		return "[heap]";
	if (mm_word(tasks, mm_va, &at->mm.start_stack, &stack) && vma->start <= stack &&
	    vma->end >= stack)
		return "[stack]";
	return "";
}

void vma_describe(struct pgw_tasks *tasks, uint64_t mm_va, const struct vma *vma, char *name,
		  struct pgw_area *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t file = 0, pgoff = 0;

	*ret = (struct pgw_area){
		.start = vma->start, .end = vma->end, .va = vma->va, .flags = vma->flags, .name = ""
	};
	if (task_number(tasks, vma->va, &at->vma.file, &file)) {
		ret->name_is_broken = true;
		return;
	}
	if (!file) {
		if (!special_name(tasks, vma->va, name, ret))
			ret->name = anonymous_name(tasks, mm_va, vma);
		return;
	}
	ret->has_file = true;
	if (task_number(tasks, vma->va, &at->vma.pgoff, &pgoff) ||
	    !file_describe(tasks, file, ret) || !file_name(tasks, file, name, ret))
		ret->name_is_broken = true;
	ret->offset = pgoff << pgw_format_geometry(tasks->inside.memory.root.format)->granule_lg2;
}
