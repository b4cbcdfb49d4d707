/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/linux/symbols.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

/* The kernel whose names are wanted, and the ways to find them. */
struct finder {
	struct linux_memory mem;
	struct linux_known known;
	struct pgw_symbols *symbols;
	struct pgw_error *err;
};

/* Anew for each try: what was read of one that was none is forgotten. */
static int finder_read(struct finder *finder, const struct linux_kallsyms *tables)
{
	linux_symbols_free(finder->symbols);
	finder->symbols = linux_symbols_new();
	if (!finder->symbols)
		return source_fail(finder->err, -PGW_ENOMEM, NULL);
	return linux_kallsyms_read(&finder->mem, tables, &finder->known, finder->symbols,
				   finder->err);
}

static int finder_try(const struct linux_kallsyms *tables, void *arg)
{
	return finder_read(arg, tables);
}

static int finder_search(struct finder *finder)
{
	/* x86_64 and riscv64 have the kernel there. */
	static const uint64_t elsewhere = UINT64_C(0xffffffffa0000000);
	int status =
		linux_kallsyms_search(&finder->mem, finder->known.swapper_va, finder_try, finder);

	bool is_cut = status == -PGW_E2BIG;

	if (status == -PGW_ENOENT || is_cut)
		status = linux_kallsyms_search(&finder->mem, elsewhere, finder_try, finder);
	is_cut |= status == -PGW_E2BIG;
	if (is_cut && (status == -PGW_ENOENT || status == -PGW_E2BIG))
		return source_fail(finder->err, -PGW_ENOENT,
				   "the kernel's table of names (kallsyms): the search was cut "
				   "short, too much of its memory looks like one");
	if (status == -PGW_ENOENT)
		source_fail(finder->err, status,
			    "the kernel's table of names (kallsyms): none in its memory whose "
			    "addresses prove themselves");
	return status;
}

static int finder_run(struct finder *finder)
{
	struct linux_kallsyms tables;
	int status = -PGW_ENOENT;

	if (finder->known.vmcoreinfo && linux_kallsyms_of_text(finder->known.vmcoreinfo, &tables)) {
		status = finder_read(finder, &tables);
		if (!status)
			finder->symbols->info.source = PGW_SYMBOLS_VMCOREINFO;
	}
	if (status != -PGW_ENOENT && status != -PGW_EIO)
		return status;
	status = finder_search(finder);
	if (!status)
		finder->symbols->info.source = PGW_SYMBOLS_MEMORY;
	return status;
}

static int finder_file(struct finder *finder, const char *path)
{
	finder->symbols = linux_symbols_new();
	if (!finder->symbols)
		return source_fail(finder->err, -PGW_ENOMEM, NULL);
	return linux_symbols_of_file(&finder->mem, path, &finder->known, finder->symbols,
				     finder->err);
}

/* The kernel that is meant, and what is known of it without another look through memory. */
static int finder_init(struct finder *finder, struct pgw_image *image, struct pgw_error *err)
{
	const struct pgw_kernel *list;
	struct pgw_root_info root;
	bool is_all;
	size_t nr;
	int status = pgw_image_kernel_root(image, &root, err);

	if (status)
		return status;
	status = pgw_image_kernels_known(image, &list, &nr, &is_all);
	if (status)
		return source_fail(err, status, NULL);
	if (!root.kernel || root.kernel > nr)
		return source_fail(err, -PGW_ENOENT, "a Linux kernel, whose root proves itself");
	if (strcmp(pgw_format_arch(root.format), "i386") == 0)
		return source_fail(
			err, -PGW_ENOENT,
			"a kernel of 64 bits: the names of those of 32 bits are not read");
	linux_memory_init(&finder->mem, image, &root);
	finder->known.vmcoreinfo = list[root.kernel - 1].vmcoreinfo;
	finder->known.swapper_va = list[root.kernel - 1].swapper_va;
	finder->err = err;
	return 0;
}

static int symbols_find(struct pgw_image *image, struct finder *finder, struct pgw_error *err)
{
	int status = finder_init(finder, image, err);

	if (!status)
		status = image->options.symbols ? finder_file(finder, image->options.symbols)
						: finder_run(finder);
	if (!status)
		status = linux_symbols_finish(finder->symbols);
	if (status || !finder->symbols->info.lacks_data || image->options.symbols)
		return status;
	/* Without it there are functions all the same. */
	status = linux_exports_add(&finder->mem, finder->symbols);
	if (status == -PGW_ENOMEM)
		return status;
	return linux_symbols_finish(finder->symbols);
}

int pgw_image_symbols(struct pgw_image *image, const struct pgw_symbols **ret,
		      struct pgw_error *err)
{
	struct finder *finder;
	int status = 0;

	if (!image->symbols) {
		finder = calloc(1, sizeof(*finder));
		if (!finder)
			return source_fail(err, -PGW_ENOMEM, NULL);
		status = symbols_find(image, finder, err);
		if (status == -PGW_ENOMEM)
			source_fail(err, status, NULL);
		if (status)
			linux_symbols_free(finder->symbols);
		else
			image->symbols = finder->symbols;
		free(finder);
	}
	if (!status)
		*ret = image->symbols;
	return status;
}

int pgw_image_kernel_pa(struct pgw_image *image, uint64_t va, uint64_t *ret_pa)
{
	struct pgw_translation at;
	struct pgw_root_info root;
	int status = pgw_image_kernel_root(image, &root, NULL);

	if (status)
		return status;
	if (!image_root_translate(image, &root, va, &at))
		return -PGW_ENOENT;
	*ret_pa = at.pa;
	return 0;
}
