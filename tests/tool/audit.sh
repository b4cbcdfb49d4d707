#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# audit.sh: pagewalk audit is silent on machines as they should be, but for what audit.expect
# explains; says what it did not check; and finds what a unikernel is. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

small=$root/tests/data/x86_64-la48-pti.small.elf
expect=$root/tests/tool/audit.expect

# quiet NAME IMAGE: no error and no warning but the expected ones.
quiet() {
	status=0
	pagewalk audit "$2" >"$tmp/out" 2>"$tmp/err" || status=$?
	awk -v image="$1" '$1 == image { print $2, $3 }' "$expect" >"$tmp/expected"
	sed -n 's/^finding  rule=\([^ ]*\)  level=\(error\|warning\) .*first=\([^ ]*\)  last=\([^ ]*\) .*/\1 \3-\4/p' \
		"$tmp/out" >"$tmp/actual"
	same "$1: silent but for what is explained" "$tmp/expected" "$tmp/actual"
	expected=0
	[ ! -s "$tmp/expected" ] || expected=1
	check "$1: status" test "$status" -eq $expected
}

quiet small "$small"
check 'small: what it lacks is said' sh -c \
	"for rule in x-outside text-writable user-kernel table-alias no-ram table-mark table-lost; do
		grep -q \"^unchecked  rule=\$rule  why=\" $tmp/out || exit 1
	done"
check 'small: the sum says so, too' grep -q '^# .* errors=0  warnings=0 .* unchecked=7 ' "$tmp/out"
pagewalk audit --json "$small" >"$tmp/json"
check '--json: the same records' test "$(grep -c '^{"record":' "$tmp/json")" -eq \
	"$(grep -vc '^#' "$tmp/out")"
pagewalk audit --rule user-wx "$small" >"$tmp/one"
grep '^finding  rule=user-wx' "$tmp/out" >"$tmp/expected"
grep -v '^#' "$tmp/one" >"$tmp/actual"
same '--rule: this one alone' "$tmp/expected" "$tmp/actual"
complains '--rule: no such rule' 2 "'kernel-xw' is not a rule" audit --rule kernel-xw "$small"
complains 'an image that is not there' 3 'No such file' audit "$tmp/none"
head -c 3000 "$small" >"$tmp/cut"
run audit "$tmp/cut"
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' grep -q 'no page-table root was found in it' "$tmp/err"

cases=${PGW_SHARED:-$root/../shared}/cases
if [ -r "$cases/unikernel-wx/make.py" ]; then
	for case in unikernel-wx kasan-shadow; do
		(cd "$cases/$case" && OUT=$tmp PYTHONDONTWRITEBYTECODE=1 python3 make.py >/dev/null)
	done
	run audit "$tmp/unikernel.elf"
	check 'unikernel: all of it is writable and executable' grep -q \
		'^finding  rule=kernel-wx  level=error .* first=0x0000000000000000  last=0x0000000003ffffff ' "$tmp/out"
	check 'unikernel: rules about Linux are not checked' grep -q \
		'^unchecked  rule=text-writable  why=no kernel of Linux proves itself' "$tmp/out"
	check 'unikernel: status 1' test "$status" -eq 1
	# A program that may write and execute each other page, and a page for the kernel.
	PYTHONDONTWRITEBYTECODE=1 python3 - "$cases" "$tmp/flood.elf" <<-'END'
		import sys
		sys.path.insert(0, sys.argv[1])
		from mk import *

		mem = Mem()
		root = 0x10a000
		mem.page(root)
		tree = Tree(mem, root, [39, 30, 21, 12], Pool(mem, 0x110000), 0x67, 9)
		tree.tables = {}
		for i in range(1001):
		    tree.leaf(0x400000 + 0x2000 * i, 0x1000000 + 0x2000 * i, 12, 0x67)
		elf(sys.argv[2], 62, mem, [(0, 2 << 20, 2 << 20, 0, 0)], qemu_note(root))
	END
	run audit "$tmp/flood.elf"
	check 'more notes than are told: not all of them are' grep -q '^# .* notes=1001 .* truncated ' "$tmp/out"
	check '... which is said' grep -q 'a rule that found more than 1000, there is more' "$tmp/err"
	check '... and no fault' test "$status" -eq 0
	run audit --rule kernel-wx "$tmp/flood.elf"
	check '... nor of other rules' sh -c \
		"[ $status -eq 0 ] && [ ! -s $tmp/err ] && ! grep -q truncated $tmp/out"
	run audit --rule table-twice,table-shared "$tmp/kasan.elf"
	check 'kasan: its early shadow is no table that is reached twice' test "$status" -eq 0
fi

for name in x86_64-la48-pti x86_64-la57-pti x86_64-la48-debian arm64-4k-48 arm64-16k-47 \
	arm64-4k-48-debian arm64-16k-52-lpa2-debian riscv64-sv57 arch/riscv-72max \
	virt/amdvi72 virt/gst612 virt/npt61 virt/npt72 virt/s2a72 virt/s2arm61 virt/smmu61 virt/smmu72s2 \
	virt/vtd61 virt/vtd72pt virt/vtd72sm linux/linux-6.1-amd64 linux/linux-7.2-amd64 \
	linux/linux-7.2-arm64; do
	image=$(shared $name.elf) || exit $?
	quiet $name "$image"
done
tap_done
