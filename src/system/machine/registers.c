/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>
#include <strings.h>

#include "base/bits.h"

static const struct image_register *registers_of(const struct pgw_image *image)
{
	return image->arch ? image->arch->ops->registers : NULL;
}

static uint64_t *value_in(struct pgw_cpu *cpu, const struct image_register *row)
{
	return (uint64_t *)((char *)cpu + row->offset);
}

bool pgw_image_register(const struct pgw_image *image, unsigned cpu, size_t index,
			struct pgw_register *ret)
{
	const struct image_register *row = registers_of(image);
	struct pgw_cpu state = { 0 };

	if ((pgw_image_cpu(image, cpu, &state) && cpu) || !row)
		return false;
	/* Tables are short, and callers go through them from the start. */
	for (size_t i = 0; i < index && row->name; i++)
		row++;
	if (!row->name)
		return false;
	*ret = (struct pgw_register){
		.name = row->name,
		.where = row->where,
		.group = (unsigned)__builtin_ctz(row->known),
		.is_known = state.known & row->known,
		.value = *value_in(&state, row),
	};
	return true;
}

int image_registers_apply(struct pgw_image *image)
{
	const struct image_register *rows = registers_of(image);
	int status;

	if (!image->given_known || !rows)
		return 0;
	status = image->nr_cpus ? 0 : image_cpus_add(image, &(struct pgw_cpu){ .known = 0 });
	if (status)
		return status;
	if (!image->info.nr_cpus)
		image->info.nr_cpus = 1;
	for (size_t i = 0; rows[i].name; i++) {
		if (!(image->given_known & BIT(i)))
			continue;
		*value_in(&image->cpus[0], &rows[i]) = image->given[i];
		image->cpus[0].known |= rows[i].known;
	}
	return 0;
}

static const struct image_register *find(const struct image_register *rows, const char *name)
{
	for (; rows && rows->name; rows++) {
		if (strcasecmp(rows->name, name) == 0)
			return rows;
	}
	return NULL;
}

/* Is all known that shares the row's bit? */
static bool is_whole(const struct pgw_image *image, const struct image_register *rows,
		     uint32_t given, uint32_t known)
{
	if (image->nr_cpus && (image->cpus[0].known & known))
		return true;
	for (size_t i = 0; rows[i].name; i++) {
		if (rows[i].known == known && !(given & BIT(i)))
			return false;
	}
	return true;
}

int pgw_image_give_registers(struct pgw_image *image, const struct pgw_register_value *values,
			     size_t nr, size_t *ret_bad)
{
	const struct image_register *rows = registers_of(image);
	uint64_t given[IMAGE_MAX_REGISTERS];
	uint32_t given_known = image->given_known;
	int status;

	memcpy(given, image->given, sizeof(given));
	for (size_t i = 0; i < nr; i++) {
		const struct image_register *row = find(rows, values[i].name);

		if (!row) {
			*ret_bad = i;
			return -PGW_ENOENT;
		}
		given[row - rows] = values[i].value;
		given_known |= (uint32_t)BIT(row - rows);
	}
	for (size_t i = 0; i < nr; i++) {
		if (!is_whole(image, rows, given_known, find(rows, values[i].name)->known)) {
			*ret_bad = i;
			return -PGW_EINVAL;
		}
	}
	memcpy(image->given, given, sizeof(given));
	image->given_known = given_known;
	status = image_registers_apply(image);
	if (status)
		return status;
	image_forget(image);
	image_encryption_learn(image);
	return 0;
}
