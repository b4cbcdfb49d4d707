/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/kernel_memory.h"

#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

void linux_memory_init(struct linux_memory *mem, const struct pgw_image *image,
		       const struct pgw_root_info *kernel_root)
{
	memset(mem, 0, sizeof(*mem));
	mem->image = image;
	mem->root = *kernel_root;
	mem->reads_left = UINT64_MAX;
	mem->is_big = strcmp(pgw_format_arch(kernel_root->format), "s390x") == 0;
}

static const struct linux_span *span_find(struct linux_memory *mem, uint64_t va)
{
	struct linux_span *span = &mem->spans[(va / IMAGE_PAGE) % LINUX_SPANS];
	struct pgw_translation at;

	if (span->last && va >= span->first && va <= span->last)
		return span;
	if (!image_root_translate(mem->image, &mem->root, va, &at))
		return NULL;
	span->first = at.va_first;
	span->last = at.va_last;
	span->pa = at.pa - (va - at.va_first);
	return span;
}

bool linux_memory_pa(struct linux_memory *mem, uint64_t va, uint64_t *ret_pa)
{
	const struct linux_span *span = span_find(mem, va);

	if (span)
		*ret_pa = span->pa + (va - span->first);
	return span != NULL;
}

int linux_memory_read(struct linux_memory *mem, uint64_t va, void *buf, size_t len)
{
	uint8_t *to = buf;

	if (!len || va > UINT64_MAX - (len - 1))
		return len ? -PGW_EIO : 0;
	if (!mem->reads_left)
		return -PGW_EIO;
	mem->reads_left--;
	while (len) {
		const struct linux_span *span = span_find(mem, va);
		size_t n = len;
		int err;

		if (!span)
			return -PGW_EIO;
		if (span->last - va < n - 1)
			n = (size_t)(span->last - va) + 1;
		err = pgw_phys_read(&mem->image->phys, span->pa + (va - span->first), to, n);
		if (err)
			return -PGW_EIO;
		va += n;
		to += n;
		len -= n;
	}
	return 0;
}

int linux_memory_number(struct linux_memory *mem, uint64_t va, unsigned size, uint64_t *ret)
{
	uint8_t raw[8] = { 0 };
	unsigned shift = 64 - 8 * size;
	int err = linux_memory_read(mem, va, raw, size);

	if (err)
		return err;
	*ret = mem->is_big ? load_be64(raw) >> shift : load_le64(raw);
	return 0;
}

int linux_memory_string(struct linux_memory *mem, uint64_t va, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		size_t n = IMAGE_PAGE - (size_t)((va + len) & (IMAGE_PAGE - 1));
		int err;

		if (n > size - len)
			n = size - len;
		err = linux_memory_read(mem, va + len, buf + len, n);
		if (err)
			return err;
		if (memchr(buf + len, '\0', n))
			return 0;
		len += n;
	}
	return -PGW_E2BIG;
}
