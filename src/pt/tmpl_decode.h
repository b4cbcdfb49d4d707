/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_DECODE_H
#define PT_TMPL_DECODE_H

static void pt_decode(const struct pgw_format *format, const struct pgw_control *control,
		      uint64_t entry, unsigned level, struct pgw_entry *ret)
{
	struct pt_env env = pt_env_init(control);

	(void)format;
	*ret = (struct pgw_entry){ .kind = pt_entry_kind(&env, entry, level) };
	if (ret->kind == PGW_ENTRY_TABLE) {
		ret->pa = pt_table_pa(entry);
	} else if (ret->kind == PGW_ENTRY_LEAF) {
		ret->pa = pt_leaf_pa(entry, level);
		ret->size_lg2 = (uint8_t)pt_leaf_lg2(entry, level);
		ret->rights = pt_rights(&env, pt_acc_root(&env), entry, level);
	}
}

#endif
