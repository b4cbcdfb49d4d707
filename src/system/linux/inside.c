/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memmem() */
#include "system/linux/inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/source.h"
#include "system/system_priv.h"

uint64_t linux_inside_symbol(const struct linux_inside *inside, const char *name)
{
	struct pgw_symbol symbol;

	return pgw_symbols_find(inside->symbols, name, &symbol) ? symbol.va : 0;
}

static int btf_open(struct linux_inside *inside, const void *bytes, size_t size,
		    struct pgw_error *err)
{
	struct pgw_image *image = inside->image;

	free(image->btf);
	image->btf = malloc(size + 1);
	if (!image->btf)
		return source_fail(err, -PGW_ENOMEM, NULL);
	memcpy(image->btf, bytes, size);
	return linux_types_open(image->btf, size, NULL, &image->types, err);
}

#define MAX_TRIED 16 /* that begin as BTF does */
#define BTF_HEADER 24
#define BTF_STR_OFF 16

/*
 * BTF that no symbol names, by how it begins. Copies of the header alone are in memory, too: what is
 * taken holds together to its end, and has tasks.
 */
static int btf_search(struct linux_inside *inside, struct pgw_error *err)
{
	static const uint8_t magic[] = { 0x9f, 0xeb, 1, 0, BTF_HEADER, 0, 0, 0 };
	struct linux_image_copy image;
	int status = linux_image_read(&inside->memory, inside->symbols, &image);
	const uint8_t *at = image.bytes, *const end = image.bytes + image.size;

	for (unsigned i = 0; !status && i < MAX_TRIED; i++) {
		uint64_t size;

		at = memmem(at, (size_t)(end - at), magic, sizeof(magic));
		status = at && end - at > BTF_HEADER ? 0 : -PGW_ENOENT;
		if (status)
			break;
		size = UINT64_C(24) + load_le32(at + BTF_STR_OFF) + load_le32(at + BTF_STR_OFF + 4);
		if (size <= (size_t)(end - at) && btf_open(inside, at, (size_t)size, NULL) == 0) {
			if (linux_types_struct(inside->image->types, "task_struct"))
				break;
			linux_types_free(inside->image->types);
			inside->image->types = NULL;
		}
		at++;
	}
	linux_image_free(&image);
	if (inside->image->types)
		return 0;
	return source_fail(err, status == -PGW_ENOMEM ? status : -PGW_ENOENT,
			   "the kernel's BTF (CONFIG_DEBUG_INFO_BTF), between the symbols "
			   "__start_BTF and __stop_BTF, or in its image by how it begins");
}

static int btf_read(struct linux_inside *inside, struct pgw_error *err)
{
	uint64_t first = linux_inside_symbol(inside, "__start_BTF");
	uint64_t end = linux_inside_symbol(inside, "__stop_BTF");
	struct pgw_image *image = inside->image;

	if (!first || end <= first)
		return btf_search(inside, err);
	if (end - first > LINUX_TYPES_MAX_SIZE)
		return source_fail(err, -PGW_ENOEXEC, "BTF of at most 128 MiB");
	free(image->btf);
	image->btf = malloc((size_t)(end - first));
	if (!image->btf)
		return source_fail(err, -PGW_ENOMEM, NULL);
	if (linux_memory_read(&inside->memory, first, image->btf, (size_t)(end - first)))
		return source_fail(err, -PGW_ENOENT, "all bytes of the kernel's BTF in the image");
	return linux_types_open(image->btf, (size_t)(end - first), NULL, &image->types, err);
}

int linux_inside_open(struct linux_inside *inside, struct pgw_image *image, struct pgw_error *err)
{
	struct pgw_root_info root;
	int status = pgw_image_kernel_root(image, &root, err);

	if (status)
		return status;
	linux_memory_init(&inside->memory, image, &root);
	inside->image = image;
	if (pgw_format_geometry(root.format)->item_lg2 != 3)
		return source_fail(err, -PGW_ENOENT, "a kernel of 64 bits");
	status = pgw_image_symbols(image, &inside->symbols, err);
	if (!status && !image->types)
		status = btf_read(inside, err);
	inside->types = image->types;
	return status;
}

int linux_inside_vmcoreinfo(const struct linux_inside *inside, const struct pgw_vmcoreinfo **ret)
{
	const unsigned number = inside->memory.root.kernel;
	const struct pgw_kernel *list;
	bool is_all;
	size_t nr;
	int err = pgw_image_kernels_known(inside->image, &list, &nr, &is_all);

	*ret = !err && number && number <= nr ? list[number - 1].vmcoreinfo : NULL;
	if (err || *ret)
		return err;
	err = pgw_image_kernels(inside->image, &list, &nr);
	if (!err && number && number <= nr)
		*ret = list[number - 1].vmcoreinfo;
	return err;
}

int linux_inside_number(struct linux_inside *inside, uint64_t va, const struct linux_member *member,
			uint64_t *ret)
{
	unsigned size = member->size > 8 ? 8 : member->size;

	if (!member->is_there || !size || (size & (size - 1)))
		return -PGW_EIO;
	return linux_memory_number(&inside->memory, va + member->offset, size, ret);
}

int linux_list_each(struct linux_memory *mem, uint64_t head, uint64_t *steps_left,
		    int (*fn)(void *arg, uint64_t node), void *arg, enum linux_list_end *ret_end)
{
	uint64_t node = head, next, back;

	*ret_end = LINUX_LIST_CUT;
	while (*steps_left) {
		int err;

		--*steps_left;
		if (linux_memory_word(mem, node, &next) ||
		    linux_memory_word(mem, next + 8, &back)) {
			*ret_end = LINUX_LIST_UNREADABLE;
			return 0;
		}
		if (back != node || next == head) {
			*ret_end = back != node ? LINUX_LIST_TORN : LINUX_LIST_WHOLE;
			return 0;
		}
		node = next;
		err = fn(arg, node);
		if (err)
			return err;
	}
	return 0;
}
