/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu.h"

#include <string.h>

#include "base/bits.h"

/*
 * What virsh save writes (qemu_saveimage.h), in the byte order of its host:
 *
 *   0   "LibvirtQemudSave"; "LibvirtQemudPart" until all is written
 *   16  version, 1 or 2
 *   20  bytes of text that follow the header: the machine's description
 *   24  whether the machine ran
 *   28  how what follows the text is compressed
 *   32  where in the text its second part begins
 *   36  zeroes, up to 92
 *
 * and then a QEMU migration stream.
 */
#define MAGIC_SIZE 16
#define VERSION_AT 16
#define TEXT_SIZE_AT 20
#define COMPRESSED_AT 28
#define HEADER_SIZE 92

#define MAX_VERSION 3

#define PACKED(name, program)                                                                      \
	{                                                                                          \
		"a virtual machine saved by libvirt, from here on " name "-compressed",            \
			"tail -c +$((OFFSET + 1)) FILE | " program                                 \
			" -d makes a QEMU migration stream of it, which can be read"               \
	}

static const struct {
	const char *kind;
	const char *advice;
} packed[] = {
	{ NULL, NULL }, /* raw */
	PACKED("gzip", "gzip"), PACKED("bzip2", "bzip2"), PACKED("xz", "xz"),
	PACKED("lzop", "lzop"), PACKED("zstd", "zstd"),
};

static bool libvirt_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[MAGIC_SIZE];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       (memcmp(magic, "LibvirtQemudSave", sizeof(magic)) == 0 ||
		memcmp(magic, "LibvirtQemudPart", sizeof(magic)) == 0);
}

/* The kind of the machine shows in its memory. */
static int libvirt_open(struct source *source, const struct pgw_image_options *options,
			struct pgw_error *err)
{
	uint8_t header[HEADER_SIZE];
	uint32_t version, text_size, format;

	(void)options;
	if (!source_read_file(source, 0, header, sizeof(header)))
		return source_fail_at(err, -PGW_EOVERFLOW, 0, source->files[0].size,
				      "libvirt's header of 92 bytes");
	version = load_le32(header + VERSION_AT);
	source->is_big_endian = version > MAX_VERSION;
	version = (uint32_t)source_number(source, header + VERSION_AT, 4);
	if (!version || version > MAX_VERSION)
		return source_fail_at(err, -PGW_EOPNOTSUPP, VERSION_AT, version,
				      "a virtual machine saved by libvirt, of version 1 to 3");
	text_size = (uint32_t)source_number(source, header + TEXT_SIZE_AT, 4);
	format = (uint32_t)source_number(source, header + COMPRESSED_AT, 4);
	source->is_big_endian = false;
	if (format >= PGW_ARRAY_SIZE(packed))
		return source_fail_at(err, -PGW_EOPNOTSUPP, COMPRESSED_AT, format,
				      "raw memory (0), or one of libvirt's compressions (1 to 5)");
	if (format)
		return source_fail_kind(err, HEADER_SIZE + (uint64_t)text_size, packed[format].kind,
					packed[format].advice);
	return source_qemu_open_at(source, HEADER_SIZE + (uint64_t)text_size, err);
}

const struct source_ops source_libvirt_ops = {
	.name = "libvirt-save",
	.probe = libvirt_probe,
	.open = libvirt_open,
	.close = source_qemu_close,
	.read = source_qemu_read,
	.next_range = source_qemu_next_range,
	.lay_out = source_qemu_lay_out,
};
