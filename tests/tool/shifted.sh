#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Dumps that QEMU wrote with their memory before where the headers say: that is noticed, and said; what is read
# so where notes and file agree, and offered where the notes alone tell and the kernel's root proves itself there.
# The second part takes the shared image. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
small=$root/tests/data/x86_64-la48-pti.small.elf
python3 "$root/tests/tool/shift_core.py" "$small" "$tmp"
pagewalk dump "$tmp/plain" >"$tmp/expected"
run dump "$tmp/exact"
same 'notes and file agree: memory is read from where it is' "$tmp/expected" "$tmp/out"
check '... and that is said' grep -q 'memory is read 64 bytes before where the headers say' "$tmp/err"
for command in dump roots info; do
	# shellcheck disable=SC2086 # words
	complains "the notes alone tell: $command says what to do" 3 'where the notes end.*: --shift=-64 reads it there' \
		$command "$tmp/more"
done
pagewalk dump --shift=-64 "$tmp/more" >"$tmp/actual"
same '--shift: memory is read as that says' "$tmp/expected" "$tmp/actual"
for file in exact more; do
	run dump --shift=0 "$tmp/$file"
	check "--shift=0: $file as the headers say" sh -c "! cmp -s $tmp/expected $tmp/out && ! grep shift $tmp/err"
done
complains '--shift: a number' 2 '--shift' dump --shift=x "$small"
complains '--shift: not before the file' 3 'begin in the file' dump --shift=-9223372036854775807 "$small"
complains '--shift: not of raw memory' 2 'for an ELF core' dump --shift 1 --ram "0=$small"

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
check 'dump: by its address alone' sh -c "$PGW_TOOL dump --root 42407000 $image 2>&1 | tail -n 1 |
	grep -q '^# root 0x42407000, arm64-4k-48, user half'"
tap_done
