#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A dump that QEMU wrote with its memory 1632 bytes before where the headers say: that is
# noticed, and said. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$(shared virt/s2arm61-43-shifted.elf) || exit $?

for command in info roots; do
	run $command "$image"
	check "$command: says by how much" grep -q \
		'memory is read 1632 bytes before where the headers say: the notes and the file are so much shorter$' \
		"$tmp/err"
done
run info "$image"
check 'info: all memory is there' grep -q '^memory  *256M in 1 ranges of 1 segments; 0B unreadable$' "$tmp/out"
# It is page-aligned: elsewhere it would not be found.
check 'info: the description that Linux has of itself is found' \
	grep -q 'SYMBOL(swapper_pg_dir)=ffff800009653000' "$tmp/out"
check 'info: in a page' grep -q '^vmcoreinfo  *in memory, at 0x[0-9a-f]*000$' "$tmp/out"
# The kernel's root is lost there: the program's is a table by its bits (found by hand).
run roots "$image"
check 'roots: the process is found without the kernel' \
	grep -q '^0x0000000042407000  arm64-4k-48  mapped .*found=table-bits$' "$tmp/out"
tap_done
