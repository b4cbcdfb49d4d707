#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# other-machines.sh: what the commands say of machines that do not run Linux, and which
# addresses each summary says were looked at. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
linux=$root/tests/data/x86_64-la48-pti.small.elf

# machine KIND: its core.
machine() {
	python3 "$root/tests/tool/other_machines.py" "$1" "$tmp/$1" || die "no $1"
	printf '%s\n' "$tmp/$1"
}

# summary NAME TEXT ARGUMENT...: the last line of the output matches.
summary() {
	name=$1
	expected=$2
	shift 2
	run "$@"
	tail -n 1 "$tmp/out" >"$tmp/last"
	check "$name" grep -Eq "$expected" "$tmp/last"
}

# A unikernel has no halves: everything that its root maps is looked at.
image=$(machine unikernel)
cat >"$tmp/expected" <<'TEXT'
0x0000000000000000-0x0000000003ffffff  0x0000000000000000       64M  2M  rwx/---  a d
# root 0x100000, x86_64-la48, whole root: 1 ranges, 32 leaves, 64M; 4 table visits; 0 malformed, 0 unreadable
TEXT
ends 'unikernel: dump --perm k:wx: status 0' 0 dump --perm k:wx "$image"
same 'unikernel: all is writable and executable' "$tmp/expected" "$tmp/out"
run dump --perm k:wx --half kernel "$image"
check 'unikernel: --half kernel: nothing, and it says where it looked' \
	grep -q '^# root 0x100000, x86_64-la48, kernel half: 0 ranges' "$tmp/out"
ends 'unikernel: info: status 0' 0 info "$image"
check 'unikernel: info claims no kernel' \
	grep -qx "root          0x100000, x86_64-la48, loaded on a CPU; it is not proved to be Linux's" "$tmp/out"
check 'unikernel: ... and nothing of Linux' sh -c "! grep -qi 'kernel root\|process\|as good' $tmp/out"
run info --json "$image"
check 'unikernel: info --json: the same' grep -Eq \
	'"kernel_root":null,"other_root":\{"root":"0x0000000000100000",.*"state":"unknown",.*"proof":"none"' \
	"$tmp/out"

# Every summary names the addresses.
summary 'dump: the kernel half of the kernel'\''s root' \
	'^# root 0xda0a000, x86_64-la48, kernel half: ' dump "$linux"
summary 'dump --half user' '^# root 0xda0a000, x86_64-la48, user half: ' dump --half user "$linux"
summary 'dump --root: both halves' '^# root 0x6b6000, x86_64-la48, whole root: ' \
	dump --root cpu0 "$linux"
summary 'dump --range' \
	'^# root 0xda0a000, x86_64-la48, only 0x0000000000001000-0x0000000000001fff: ' \
	dump --range 1000+4K "$linux"
summary 'dump --range --half' \
	'^# root 0xda0a000, x86_64-la48, user half, only 0x0000000000001000-0x0000000000001fff: ' \
	dump --range 1000+4K --half user "$linux"
summary 'dump --json' '"format":"x86_64-la48","halves":\["kernel"\],"ranges":' dump --json "$linux"
summary 'dump --json: both halves' '"halves":\["user","kernel"\],"ranges":' \
	dump --json --root cpu0 "$linux"
summary 'dump --json --range' \
	'"halves":\["user","kernel"\],"first":"0x0000000000001000","last":"0x0000000000001fff","ranges":' \
	dump --json --range 1000+4K "$linux"
summary 'translate' '^# root 0xda0a000, x86_64-la48, whole root: 0 of 1 mapped' translate "$linux" 0
summary 'translate --half' '^# root 0xda0a000, x86_64-la48, user half: 0 of 1 mapped' \
	translate --half user "$linux" 0
summary 'translate --json' '"halves":\["user","kernel"\],"addresses":1,' translate --json "$linux" 0
tap_done
