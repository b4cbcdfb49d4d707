/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

_Static_assert(_VIRT_PAGE_MAX <= IMAGE_FOREIGN_KINDS, "each kind has its list");

/* The machines that have such structures. */
static const struct virt_arch {
	const char *arch;
	image_foreign_look_fn *look;
	int (*collect)(struct virt *virt);
} virt_archs[] = {
	{ "x86_64", virt_x86_look, virt_x86_collect },
	{ "arm64", virt_arm64_look, virt_arm64_collect },
	{ "riscv64", virt_riscv64_look, virt_riscv64_collect },
};

static const struct virt_arch *virt_arch_of(const struct pgw_image *image)
{
	for (size_t i = 0; image->info.arch && i < PGW_ARRAY_SIZE(virt_archs); i++) {
		if (strcmp(virt_archs[i].arch, image->info.arch) == 0)
			return &virt_archs[i];
	}
	return NULL;
}

static void look(const struct image_block *block, struct image_finding *finding, void *arg)
{
	image_foreign_look_fn *look_at = ((const struct virt *)arg)->image->foreign_look;

	for (uint32_t left = block->whole; left; left &= left - 1) {
		unsigned page = (unsigned)__builtin_ctz(left);
		const uint8_t *bytes = block->bytes + (size_t)page * IMAGE_PAGE;
		unsigned kinds = image_page_is_zero(bytes) ? 0 : look_at(bytes);

		for (; kinds; kinds &= kinds - 1) {
			finding->pages[__builtin_ctz(kinds)] |= UINT32_C(1) << page;
			finding->is_any = true;
		}
	}
}

static int take(uint64_t pa, const struct image_finding *finding, void *arg)
{
	struct virt *virt = arg;
	int status = 0;

	for (unsigned kind = 0; kind < _VIRT_PAGE_MAX && !status; kind++)
		status = image_pages_take(&virt->pages[kind], pa, finding->pages[kind]);
	return status;
}

/* Virtual machines first, by root; then devices, by table and id. */
static int found_compare(const void *a, const void *b)
{
	const struct pgw_foreign *x = a, *y = b;
	uint64_t key_x[3] = { !x->is_guest, x->is_guest ? x->root.pa : x->table, x->id };
	uint64_t key_y[3] = { !y->is_guest, y->is_guest ? y->root.pa : y->table, y->id };

	for (size_t i = 0; i < 3; i++) {
		if (key_x[i] != key_y[i])
			return key_x[i] < key_y[i] ? -1 : 1;
	}
	return (x->evidence > y->evidence) - (x->evidence < y->evidence);
}

/* Each virtual machine once, whatever the number of its CPUs. */
static void found_settle(struct virt *virt)
{
	size_t nr = 0;

	if (virt->nr)
		qsort(virt->found, virt->nr, sizeof(virt->found[0]), found_compare);
	for (size_t i = 0; i < virt->nr; i++) {
		const struct pgw_foreign *found = &virt->found[i];

		if (found->is_guest && nr && virt->found[nr - 1].root.pa == found->root.pa)
			continue;
		virt->found[nr] = *found;
		if (found->is_guest)
			virt->found[nr].id = (uint32_t)nr;
		nr++;
	}
	virt->nr = nr;
}

/* Once for all that is looked for; anew where all else was before anybody wanted this. */
static int find_pages(struct virt *virt)
{
	const struct image_look how = { look, take, virt };
	struct pgw_image *image = virt->image;
	int status;

	image->foreign_look = virt_arch_of(image)->look;
	status = image_survey(image);
	if (status || image->has_foreign_pages)
		return status;
	status = image_ram_look(image, &how);
	image->has_foreign_pages = !status;
	/* What was found until then is not found again beside itself. */
	if (status)
		image_foreign_pages_forget(image);
	return status;
}

static int search(struct virt *virt)
{
	const struct virt_arch *arch = virt_arch_of(virt->image);
	int status;

	if (!arch)
		return 0;
	status = find_pages(virt);
	if (!status)
		status = arch->collect(virt);
	/* What looks like such structures everywhere was made to. */
	for (unsigned kind = 0; kind < _VIRT_PAGE_MAX && !status; kind++)
		status = virt->pages[kind].is_cut && kind != VIRT_PAGE_VMCS ? -PGW_E2BIG : 0;
	if (!status && virt->nr_reads == VIRT_MAX_READS)
		status = -PGW_E2BIG;
	found_settle(virt);
	return status;
}

int pgw_image_foreign(struct pgw_image *image, const struct pgw_foreign **ret_list, size_t *ret_nr,
		      uint64_t *ret_nr_blocked)
{
	if (image->info.is_live)
		return -PGW_EOPNOTSUPP;
	if (!image->foreign_searched) {
		struct virt virt = { .image = image, .pages = image->foreign_pages };
		int status = search(&virt);

		if (status) {
			free(virt.found);
			return status;
		}
		image->foreign = virt.found;
		image->nr_foreign = virt.nr;
		image->nr_blocked = virt.nr_blocked;
		image->foreign_is_cut = virt.is_vmx_cut || virt.pages[VIRT_PAGE_VMCS].is_cut;
		image->foreign_searched = true;
	}
	*ret_list = image->foreign;
	*ret_nr = image->nr_foreign;
	*ret_nr_blocked = image->nr_blocked;
	return 0;
}

bool pgw_image_foreign_is_cut(const struct pgw_image *image)
{
	return image->foreign_is_cut;
}
