#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Pointers with a tag are looked up as the CPU would, and what no half has is called so.
# Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# make MACHINE CR3_BITS FILE: a core of three or four levels of tables that map 0x400000 to
# 0x40400000 and the last 2 MiB to 0x40600000. An x86-64 one has a CPU, unless CR3_BITS is none.
make() {
	python3 - "$@" <<'PYTHON'
import struct
import sys
MACHINE, CR3, FILE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
BASE, PAGE = 0x40000000, 4096
LEVELS = 4 if MACHINE == 62 else 3
def to(pa):
    return {62: pa | 7, 183: pa | 3, 243: pa >> 2 | 1}[MACHINE]
def leaf(pa):
    return {62: pa | 0x87, 183: pa | 0x441, 243: pa >> 2 | 0xdf}[MACHINE]
# root, then for the first and for the last addresses the tables below, highest first
memory = bytearray(PAGE * (1 + 2 * (LEVELS - 2)))
def put(table, slot, entry):
    struct.pack_into('<Q', memory, table * PAGE + slot * 8, entry)
for way, slot, final, pa in (0, 0, 2, 0x40400000), (1, 511, 511, 0x40600000):
    table = 0
    for level in range(1, LEVELS - 1):
        below = 1 + way * (LEVELS - 2) + level - 1
        put(table, slot, to(BASE + below * PAGE))
        table = below
    put(table, final, leaf(pa))
notes = b''
if CR3 != 'none':
    qemu = bytearray(440)
    struct.pack_into('<II', qemu, 0, 1, len(qemu))
    struct.pack_into('<QxxxxxxxxxxxxxxxxQQ', qemu, 392, 1 << 31, BASE | int(CR3, 16), 1 << 5)
    notes = struct.pack('<III5s3x', 5, len(qemu), 0, b'QEMU') + bytes(qemu)
with open(FILE, 'wb') as file:
    file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, MACHINE, 1, 0, 64, 0, 0,
                           64, 56, 2, 0, 0, 0))
    at = 64 + 2 * 56
    for kind, pa, data in (4, 0, notes), (1, BASE, memory):
        file.write(struct.pack('<IIQQQQQQ', kind, 4, at, pa, pa, len(data), len(data), 0))
        at += len(data)
    file.write(notes + memory)
PYTHON
}

# says NAME STATUS PATTERN ARGUMENT...: translate ends so, and a line of its answer matches.
says() {
	name=$1
	expected=$2
	pattern=$3
	shift 3
	run translate "$@"
	{
		printf 'status %d, expected %d; a line should match: %s\n' "$status" "$expected" \
			"$pattern"
		cat "$tmp/err" "$tmp/out"
	} >"$tmp/why"
	if [ "$status" -eq "$expected" ] && grep -Eq "$pattern" "$tmp/out"; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/why"
	fi
}

not() {
	! "$@"
}

# One root is taken for both halves in turn.
make 183 none "$tmp/arm64"
user="--format arm64-4k-39 --root 40000000 --half user"
kernel="--format arm64-4k-39 --root 40000000 --half kernel"
# shellcheck disable=SC2086 # words
{
	says 'arm64: a user address' 0 '^0x0000000000400010  0x0000000040400010 ' \
		$user "$tmp/arm64" 400010
	check 'arm64: ... without a tag' not grep -q tag "$tmp/out"
	says 'arm64: a tag is ignored' 0 '^0xb400000000400010  0x0000000040400010 ' \
		$user "$tmp/arm64" b400000000400010
	check 'arm64: ... and named' grep -qx \
		'  tag 0xb4 ignored, as TBI0=1 (assumed): 0x0000000000400010 was looked up' "$tmp/out"
	says 'arm64: a tag of the kernel is ignored' 0 '^0xf4ffffffffe03456  0x0000000040603456 ' \
		$kernel "$tmp/arm64" f4ffffffffe03456
	check 'arm64: ... and named' grep -qx \
		'  tag 0xf4 ignored, as TBI1=1 (assumed): 0xffffffffffe03456 was looked up' "$tmp/out"
	says 'arm64: JSON' 0 '^\{"va":"0xf4ffffffffe03456","looked_up":"0xffffffffffe03456","tag":244,"tag_by":"TBI1","tag_known":false,"kind":"leaf",' \
		--json $kernel "$tmp/arm64" f4ffffffffe03456
	says 'arm64: --tags tbi' 0 '^  tag 0xf4 ignored, as TBI1=1 \(--tags\): ' \
		--tags tbi $kernel "$tmp/arm64" f4ffffffffe03456
	says 'arm64: --tags none, and then auto: as without' 0 '^  tag 0xf4 ignored, as TBI1=1 \(assumed\): ' \
		--tags none --tags auto $kernel "$tmp/arm64" f4ffffffffe03456
	says 'arm64: --tags none' 1 '^0xf4ffffffffe03456  !noncanonical ' \
		--tags none $kernel "$tmp/arm64" f4ffffffffe03456
	says 'arm64: between the halves is no address' 1 '^0x0080000000000000  !noncanonical ' \
		--tags none $user "$tmp/arm64" 80000000000000
	says 'arm64: ... with a tag or without' 1 '^0xb401000000400010  !noncanonical ' \
		$user "$tmp/arm64" b401000000400010
	complains 'arm64: --tags of others' 2 '--tags lam48 is of x86_64, the tables are of arm64' \
		translate --tags lam48 $user "$tmp/arm64" 0
}

make 62 0 "$tmp/plain"
says 'x86_64: without LAM no half has it' 1 '^0x7e00000000400010  !noncanonical ' \
	--root cpu0 "$tmp/plain" 7e00000000400010
check 'x86_64: ... and LAM, known to be off, is no possibility' not grep -q -e --tags "$tmp/out"
says 'x86_64: JSON' 1 '"kind":"noncanonical","first":"0x0000800000000000","last":"0xffff7fffffffffff",' \
	--json --root cpu0 "$tmp/plain" 7e00000000400010
says 'x86_64: --tags lam57' 0 '^0x7e00000000400010  0x0000000040400010 ' \
	--tags lam57 --root cpu0 "$tmp/plain" 7e00000000400010
make 62 2000000000000000 "$tmp/lam57"
says 'x86_64: LAM_U57 in CR3' 0 '^  tag 0x3f ignored, as LAM_U57=1 \(known\): 0x0000000000400010 was looked up$' \
	--root cpu0 "$tmp/lam57" 7e00000000400010
says 'x86_64: ... is the process'"'"'s: for another root it is a possibility' 1 \
	'^  --tags lam57 would look up 0x0000000000400010: whether the CPU does is not known$' \
	--root 40000000 "$tmp/lam57" 7e00000000400010
make 62 4000000000000000 "$tmp/lam48"
says 'x86_64: LAM_U48 in CR3' 0 '^  tag 0x7fff ignored, as LAM_U48=1 \(known\): 0x0000000000400010 was looked up$' \
	--root cpu0 "$tmp/lam48" 7fff000000400010
says 'x86_64: --tags none' 1 '!noncanonical' --tags none --root cpu0 "$tmp/lam48" 7fff000000400010

make 243 none "$tmp/riscv"
options="--format riscv-sv39 --root 40000000"
# shellcheck disable=SC2086 # words
{
	says 'riscv64: no half has it' 1 '^0xa400000000400010  !noncanonical ' \
		$options "$tmp/riscv" a400000000400010
	check 'riscv64: ... but pointer masking might be on' grep -qx \
		'  --tags pmlen7 would look up 0x0000000000400010: whether the CPU does is not known' \
		"$tmp/out"
	says 'riscv64: JSON' 1 '"possible_tags":"pmlen7","possible_va":"0x0000000000400010","kind":"noncanonical"' \
		--json $options "$tmp/riscv" a400000000400010
	says 'riscv64: --tags pmlen7' 0 '^0xa400000000400010  0x0000000040400010 ' \
		--tags pmlen7 $options "$tmp/riscv" a400000000400010
	says 'riscv64: --tags pmlen16' 0 '^  tag 0xabcd ignored, as PMLEN16=1 \(--tags\): 0xffffffffffe03456 was looked up$' \
		--tags pmlen16 $options "$tmp/riscv" abcdffffffe03456
}
complains 'a tag that is none' 2 "--tags: 'mte' is not auto, none, tbi, lam48, lam57, pmlen7 or pmlen16" \
	translate --tags mte "$tmp/riscv" 0
tap_done
