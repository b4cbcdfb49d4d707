/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Areas of an mm: the input is memory, from address 0 on, physical and virtual, and its first page
 * is the root by which all other addresses are translated. In it are an mm, at 0, nodes of a maple
 * tree and all that areas lead to; each member is at a place that the input has room for.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "system/linux/tasks.h"
#include "system/system_priv.h"

#define MEMBER(at, bytes)                                                                          \
	{                                                                                          \
		.is_there = true, .offset = (at), .size = (bytes)                                  \
	}

static const struct task_places tree_places = {
	.mm = { .tree = MEMBER(0, 16),
		.start_brk = MEMBER(16, 8),
		.brk = MEMBER(24, 8),
		.start_stack = MEMBER(32, 8) },
	.ma_root = MEMBER(8, 8),
	.leaf = { .pivot = MEMBER(8, 120), .slot = MEMBER(128, 128) },
	.inner = { .pivot = MEMBER(8, 72), .slot = MEMBER(80, 80) },
	.vma = { .start = MEMBER(0, 8),
		 .end = MEMBER(8, 8),
		 .flags = MEMBER(16, 8),
		 .pgoff = MEMBER(24, 8),
		 .file = MEMBER(32, 8),
		 .ops = MEMBER(40, 8),
		 .private = MEMBER(48, 8) },
	.ops_name = MEMBER(0, 8),
	.special_name = MEMBER(0, 8),
	.file = { .mnt = MEMBER(0, 8), .dentry = MEMBER(8, 8), .inode = MEMBER(16, 8) },
	.inode = { .sb = MEMBER(0, 8), .ino = MEMBER(8, 8) },
	.s_dev = MEMBER(0, 4),
	.dentry = { .parent = MEMBER(0, 8),
		    .name = MEMBER(8, 8),
		    .len = MEMBER(16, 4),
		    .pprev = MEMBER(24, 8),
		    .ops = MEMBER(32, 8) },
	.d_dname = MEMBER(0, 8),
	.mnt_root = MEMBER(0, 8),
	.mount = { .parent = MEMBER(8, 8), .mountpoint = MEMBER(16, 8), .mnt = MEMBER(32, 16) },
};

static void look(struct pgw_tasks *tasks)
{
	static char name[VMA_MAX_NAME];
	struct vmas vmas;
	uint64_t end = 0;

	FUZZ_CHECK(vmas_read(tasks, 0, &vmas) == 0);
	FUZZ_CHECK(vmas.nr == vmas.met.nr_areas);
	for (size_t i = 0; i < vmas.nr; i++) {
		struct pgw_area area;

		FUZZ_CHECK(vmas.list[i].start < vmas.list[i].end && vmas.list[i].start >= end);
		end = vmas.list[i].end;
		vma_describe(tasks, 0, &vmas.list[i], name, &area);
		FUZZ_CHECK(strlen(area.name) < sizeof(name));
	}
	vmas_fini(&vmas);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pgw_image *image = calloc(1, sizeof(*image));
	struct pgw_tasks *tasks = calloc(1, sizeof(*tasks));
	struct pgw_root_info root = { .format = pgw_format_by_name("x86_64-la48") };
	struct pgw_phys_memory memory;

	if (image && tasks && size) {
		FUZZ_CHECK(pgw_phys_memory_init(&memory, 0, bytes, size) == 0);
		image->phys = memory.phys;
		image->info.readable_bytes = size;
		tasks->image = image;
		tasks->places = tree_places;
		tasks->dname[DNAME_SIMPLE] = 0x41;
		tasks->dname[DNAME_ANON] = 0x42;
		linux_memory_init(&tasks->inside.memory, image, &root);
		for (unsigned i = 0; i < LINUX_SPANS; i++)
			tasks->inside.memory.spans[i] = (struct linux_span){ .last = size - 1 };
		look(tasks);
		/* And as a list, as kernels had it until 6.0. */
		tasks->places.mm.tree.is_there = false;
		tasks->places.mm.list = tree_places.ma_root;
		tasks->places.vma.next = tree_places.vma.private;
		tasks->places.vma.prev = tree_places.vma.ops;
		look(tasks);
	}
	free(tasks);
	free(image);
	return 0;
}
