/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/phys.h>

static int fault_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	struct pgw_phys_fault *fault = phys->ctx;
	bool is_hit = fault->nr_reads++ == fault->nth;
	uint8_t *bytes = buf;
	int err;

	if (is_hit && fault->kind == PGW_FAULT_FAIL)
		return -PGW_EIO;
	err = pgw_phys_read(fault->inner, pa, buf, len);
	if (!err && is_hit) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)~bytes[i];
	}
	return err;
}

static bool fault_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			     uint64_t *ret_last)
{
	const struct pgw_phys_fault *fault = phys->ctx;

	return fault->inner->ops->next_range(fault->inner, pa, ret_first, ret_last);
}

void pgw_phys_fault_init(struct pgw_phys_fault *fault, const struct pgw_phys *inner,
			 enum pgw_phys_fault_kind kind, uint64_t nth)
{
	static const struct pgw_phys_ops ops = {
		.read = fault_read,
		.next_range = fault_next_range,
	};

	*fault = (struct pgw_phys_fault){
		.phys = { .ops = &ops, .ctx = fault },
		.inner = inner,
		.kind = kind,
		.nth = nth,
	};
}
