#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# virt-images.sh IMAGE: nested tables and IOMMUs' tables of a real machine map what the kernel, the
# process that owns the memory and the driver said of it. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$(shared "virt/$1.elf") || exit $?
expect=$(shared "virt/$1.expect.txt") || exit $?
exec python3 "$root/tests/tool/virt_images.py" "$PGW_TOOL" "$1" "$image" "$expect"
