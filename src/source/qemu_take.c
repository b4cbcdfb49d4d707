/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu.h"

#include <string.h>

int qemu_take(struct qemu_stream *stream, void *buf, size_t len)
{
	if (!source_map_read(stream->map, stream->at, buf, len))
		return QEMU_CUT;
	stream->at += len;
	return 0;
}

int qemu_take_number(struct qemu_stream *stream, unsigned size, uint64_t *ret)
{
	uint8_t bytes[8];

	if (qemu_take(stream, bytes, size))
		return QEMU_CUT;
	*ret = 0;
	for (unsigned i = 0; i < size; i++)
		*ret = *ret << 8 | bytes[i];
	return 0;
}

int qemu_take_name(struct qemu_stream *stream, char name[QEMU_MAX_NAME + 1])
{
	uint64_t at = stream->at, len;
	int status = qemu_take_number(stream, 1, &len);

	if (!status)
		status = qemu_take(stream, name, len);
	if (status)
		return status;
	name[len] = 0;
	return len && strlen(name) == len
		       ? 0
		       : source_fail_at(stream->err, -PGW_EOVERFLOW, at, len, "a name");
}
