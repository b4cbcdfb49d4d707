#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# virt-images.sh IMAGE [cut]: nested tables and IOMMUs' tables of a real machine map what the kernel, the
# process that owns the memory and the driver said of it; devices finds their roots. With "cut", of
# what scripts/cut-virt left of the image, which is in the repository. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$tmp/$1.elf
expect=$tmp/$1.expect.txt
if [ "${2:-}" = cut ]; then
	zstd -q -d -o "$image" "$root/tests/data/virt/$1.elf.zst"
	zstd -q -d -o "$expect" "$root/tests/data/virt/$1.expect.txt.zst"
else
	image=$(shared "virt/$1.elf") || exit $?
	expect=$(shared "virt/$1.expect.txt") || exit $?
fi
python3 "$root/tests/tool/virt_images.py" "$PGW_TOOL" "$1" "$image" "$expect" ${2+"$2"}
