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
# root 0x100000, x86_64-la48, whole root: 1 range, 32 leaves, 64M; 4 table visits; 0 malformed, 0 unreadable
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

# UEFI firmware, by its tables; and what it leaves to the system that takes over.
image=$(machine firmware)
ends 'firmware: roots: status 0' 0 roots "$image"
check 'firmware: the root is firmware'\''s' grep -Eq \
	'^0x0000000000100000  x86_64-la48  firmware .* found=cpu  efi_system_table=0x0000000000200018$' \
	"$tmp/out"
run info "$image"
check 'firmware: info' grep -qx "root          0x100000, x86_64-la48, UEFI firmware's" "$tmp/out"
run roots --json "$image"
check 'firmware: roots --json' grep -Eq \
	'"state":"firmware",.*"efi_system_table":"0x0000000000200018"\}$' "$tmp/out"
cat >"$tmp/expected" <<'TEXT'
0x0000000000000000-0x00000000ffffffff  0x0000000000000000        4G  2M  rwx/---
# root 0x100000, x86_64-la48, whole root: 1 range, 2048 leaves, 4G; 7 table visits; 0 malformed, 0 unreadable
TEXT
run dump "$image"
same 'firmware: dump: all' "$tmp/expected" "$tmp/out"
run roots "$(machine firmware-left)"
check 'firmware that has left: the root is not called its own' \
	grep -Eq '^0x0000000000100000  x86_64-la48  unknown .* found=cpu$' "$tmp/out"

# arm64 has no registers in the file: an identity map is found by its looks.
image=$(machine arm64-firmware)
ends 'arm64 firmware: roots: status 0' 0 roots "$image"
check 'arm64 firmware: the root is firmware'\''s' grep -Eq \
	'^0x0000000040ff0000  arm64-4k-48  firmware .* found=identity-map  efi_system_table=0x0000000040300008$' \
	"$tmp/out"
run info --mair 44ff "$image"
check 'arm64 firmware: info --mair' grep -q ' MAIR_EL1=0x44ff (--mair) ' "$tmp/out"
complains 'info --mair: not on x86_64' 2 'tables of format x86_64-la48 do not go by it' \
	info --mair 44 "$linux"
run info --format x86_64-la57 "$linux"
check 'info --format: the root is read so' grep -q '^kernel root .*, x86_64-la57$' "$tmp/out"
run info "$image"
check 'arm64 firmware: info' grep -qx \
	"root          0x40ff0000, arm64-4k-48, UEFI firmware's" "$tmp/out"
check 'arm64 firmware: its own memory types' grep -qF "MAIR_EL1=0xffbb4400 (assumed: EDK2's order)" "$tmp/out"
cat >"$tmp/expected" <<'TEXT'
0x0000000008000000-0x00000000081fffff  0x0000000008000000        2M   2M  rw-/---  af device-nGnRnE
0x0000000040000000-0x0000000040ffffff  0x0000000040000000       16M   2M  rwx/--x  af ish normal
0x0000004000000000-0x000000403fffffff  0x0000004000000000        1G   1G  rw-/---  af device-nGnRnE
# root 0x40ff0000, arm64-4k-48, user half: 3 ranges, 10 leaves, 1042M; 4 table visits; 0 malformed, 0 unreadable
TEXT
run dump "$image"
same 'arm64 firmware: dump: all' "$tmp/expected" "$tmp/out"
ends 'arm64 firmware: --half user is the half that it is of' 0 dump --half user "$image"
image=$(machine arm64-identity)
run info "$image"
check 'arm64 identity map: nothing is claimed of it' grep -qx \
	"root          0x40ff0000, arm64-4k-48, an identity map; it is not proved to be Linux's" "$tmp/out"

run roots "$image"
check 'arm64 identity map: roots' grep -Eq \
	'^0x0000000040ff0000  arm64-4k-48  unknown .* found=identity-map$' "$tmp/out"

# What is left when all but tables is gone is still what it was.
for kind in firmware arm64-firmware; do
	ends "$kind: trim: status 0" 0 trim --force "$tmp/$kind" "$tmp/new"
	pagewalk roots "$tmp/$kind" | sed '$d' >"$tmp/expected"
	pagewalk roots "$tmp/new" | sed '$d' >"$tmp/actual"
	same "$kind: trim: roots are the same" "$tmp/expected" "$tmp/actual"
	pagewalk dump "$tmp/$kind" >"$tmp/expected"
	pagewalk dump "$tmp/new" >"$tmp/actual"
	same "$kind: trim: dump is the same" "$tmp/expected" "$tmp/actual"
done

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
