/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_DECODE_H
#define PT_TMPL_DECODE_H

/* Where the level is no constant and time is of no concern. */
static PGW_ONE_COPY enum pgw_entry_kind pt_kind_at(const struct pt_env *env, uint64_t entry,
						   unsigned level)
{
	return pt_entry_kind(env, entry, level);
}

static PGW_ONE_COPY uint8_t pt_rights_at(const struct pt_env *env, pt_acc_t acc, uint64_t entry,
					 unsigned level)
{
	return pt_rights(env, acc, entry, level);
}

static PGW_ONE_COPY void pt_env_fill(const struct pgw_format *format,
				     const struct pgw_control *control, struct pt_env *ret)
{
	*ret = pt_env_init(format, control);
}

static void pt_decode(const struct pt_env *env, uint64_t entry, unsigned level,
		      struct pgw_entry *ret)
{
	*ret = (struct pgw_entry){ .kind = pt_kind_at(env, entry, level) };
	if (ret->kind == PGW_ENTRY_TABLE) {
		unsigned first, last;

		pt_table_slots(env, entry, level, &first, &last);
		ret->slot_first = (uint16_t)first;
		ret->slot_last = (uint16_t)last;
		ret->table_level = (uint8_t)pt_table_level(env, entry, level);
		ret->pa = pt_table_pa(env, entry);
	} else if (ret->kind == PGW_ENTRY_LEAF) {
		ret->size_lg2 = (uint8_t)pt_leaf_lg2(env, entry, level);
		ret->pa = pt_leaf_pa(env, entry, level, 0) & ~low_bits(ret->size_lg2);
		ret->rights = pt_rights_at(env, pt_acc_root(env, PGW_REGION_USER), entry, level);
	}
}

static uint64_t pt_advance(const struct pgw_format *format, uint64_t entry, unsigned level,
			   uint64_t bytes)
{
	struct pgw_control unknown = { 0 };
	struct pt_env env;

	pt_env_fill(format, &unknown, &env);
	return pt_entry_advance(&env, entry, level, bytes);
}

#endif
