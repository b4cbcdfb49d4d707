#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# process-table.sh: the roots of a ppc64 machine by its process table, which looks or a register lead
# to; and a kernel with hash page tables. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$tmp/ppc64.elf
zstd -q -d -o "$image" "$root/tests/data/arch/ppc64-radix64k.elf.zst"

# patch OLD NEW PA DWORD...: a copy in which memory from PA on has these dwords, big-endian.
patch() {
	/usr/bin/python3 - "$@" <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], 'rb').read())
pa = int(sys.argv[3], 16)
start, = struct.unpack_from('>Q', data, 32)
number, = struct.unpack_from('>H', data, 56)
for at in range(start, start + 56 * number, 56):
    kind, _, offset, _, first, size = struct.unpack_from('>IIQQQQ', data, at)
    if kind == 1 and first <= pa < first + size:
        break
for i, dword in enumerate(sys.argv[4:]):
    struct.pack_into('>Q', data, offset + pa - first + 8 * i, int(dword, 16))
open(sys.argv[2], 'wb').write(data)
END
}

# running NUMBER OPTION...: is this process known to run, and no other? Empty: none.
running() {
	number=$1
	shift
	pagewalk roots "$@" >"$tmp/roots"
	[ "$(sed -n 's/.* running .* pidr=\([0-9]*\)$/\1/p' "$tmp/roots")" = "$number" ]
}

pagewalk roots "$image" >"$tmp/actual"
check 'five processes, by number' \
	[ "$(grep -c 'process_table_entry=0x000000000e0000[0-5]0  pidr=[0-5]$' "$tmp/actual")" -eq 5 ]
check 'none is known to run' running '' "$image"
check 'PID says which one runs' running 3 --register PID=3 "$image"
check '... of those that there are' running '' --register PID=77 "$image"

# A partition table, where process 2 had its root, whose first entry leads to the process table of 2^(12 + 12) bytes.
patch "$image" "$tmp/host" 24d0000 0 e00000c
check 'PTCR leads to the process table' running 4 --register PID=4 --register PTCR=0x24d0000 "$tmp/host"
check '... in which not all are used' running '' --register PID=256 --register PTCR=0x24d0000 "$tmp/host"
check 'PTCR leads nowhere' running '' --register PID=4 --register PTCR=0xfffffffff000 "$tmp/host"

# What a kernel with hash page tables keeps for itself, and no process table.
patch "$image" "$tmp/tree" 2740000 c000000003000000
patch "$tmp/tree" "$tmp/hash" e000000 0 0 0 0 0 0 0 0 0 0 0 0
pagewalk info "$tmp/hash" >"$tmp/actual" || true
check 'hash page tables are named' grep -q '^kernel root  *not found: .*hash page tables' "$tmp/actual"
tap_done
