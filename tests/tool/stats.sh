#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# stats.sh: what pagewalk stats counts is what a naive walker counts, and what Linux guests said
# of themselves. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# passed NAME COMMAND...: the command prints TAP of its own, none of it "not ok".
passed() {
	name=$1
	shift
	"$@" >"$tmp/tap" 2>&1 || :
	grep -q '^1\.\.[1-9]' "$tmp/tap" || echo 'no plan' >>"$tmp/tap"
	grep -v '^ok \|^1\.\.' "$tmp/tap" >"$tmp/log" || :
	tap_empty "$name ($(grep -c '^ok ' "$tmp/tap") checks)" "$tmp/log"
}

small=$root/tests/data/x86_64-la48-pti.small.elf
for name in small arm64-16k-52-lpa2-debian riscv64-sv57; do
	[ $name = small ] && image=$small || image=$(shared $name.elf) || exit $?
	pagewalk roots --json "$image" >"$tmp/roots"
	ends "$name: status 0" 0 stats --json "$image"
	passed "$name: as a naive walk" python3 "$root/tests/tool/stats_check.py" "$image" "$tmp/roots" \
		"$tmp/out"
done

for name in linux-6.1-amd64 linux-7.2-amd64 linux-7.2-arm64; do
	image=$(shared linux/$name.elf) || exit $?
	zstd -q -d -c "${PGW_SHARED:-$root/../shared}/images/linux/$name.oracle.txt.zst" >"$tmp/console"
	pagewalk stats --json "$image" >"$tmp/stats"
	pagewalk dump --leaves --json "$image" >"$tmp/leaves"
	passed "$name: as the guest said" python3 "$root/tests/tool/stats_linux.py" "$tmp/stats" \
		"$tmp/leaves" "$tmp/console"
done

# Text says the same as JSON, and one root is what it is among all.
ends 'text: status 0' 0 stats "$small"
grep -c '^root ' "$tmp/out" >"$tmp/actual"
pagewalk stats --json "$small" | grep -c '"record":"root"' >"$tmp/expected"
same 'text: as many records' "$tmp/expected" "$tmp/actual"
pa=$(pagewalk roots "$small" | awk '/kpti=kernel/ { print $1; exit }')
pagewalk stats "$small" | sed -n "/^root  root=$pa .*region=user/,/^root/p" | sed '$d' >"$tmp/expected"
pagewalk stats --root "$pa" "$small" | sed -n '/region=user/,/^root/p' | sed '$d' >"$tmp/actual"
same '--root: as among all' "$tmp/expected" "$tmp/actual"
check '--root: names it alone' test "$(pagewalk stats --root "$pa" "$small" | grep -c '^root ')" -eq 2

# In a slot of the kernel's root, all the slots beside it: few tables, and many visits of them.
python3 - "$small" "$tmp/wide" <<'PYTHON'
import struct
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
offset, = struct.unpack_from('<Q', data, 32)
size, nr = struct.unpack_from('<HH', data, 54)
for at in range(offset, offset + size * nr, size):
    kind, _, where, _, pa, file_size = struct.unpack_from('<IIQQQQ', data, at)
    if kind == 1 and pa <= 0xda0a000 < pa + file_size:
        root = where + 0xda0a000 - pa
slots = struct.unpack_from('<512Q', data, root)
direct = slots[0xffff969d00000000 >> 39 & 511]
for slot in range(256, 500):
    struct.pack_into('<Q', data, root + 8 * slot, slots[slot] or direct)
open(sys.argv[2], 'wb').write(data)
PYTHON
run stats --budget 1000 "$tmp/wide"
check '--budget: that the direct map was not looked at is said' sh -c \
	"test $status -eq 1 && grep -q 'nothing is said of its direct map' $tmp/err && grep -q ' truncated ' $tmp/out"
check '... single roots were, and no other reason is given' sh -c \
	"grep -q '^root ' $tmp/out && ! grep -q 'single roots' $tmp/err && ! grep -q '^direct_map' $tmp/out"
run stats --budget 10 "$small"
check '--budget: too few tables' sh -c \
	"test $status -eq 1 && grep -q 'more than 10 tables: nothing is said of single roots' $tmp/err"

# More parts of the direct map than who split it is looked for: said, and everything else is told.
python3 "$root/tests/tool/stats_pieces.py" "$small" "$tmp/pieces"
run stats "$tmp/pieces"
check 'too many parts of the direct map: said' sh -c \
	"test $status -eq 1 && grep -q 'who split it is not told whole' $tmp/err && grep -q '^# .* truncated ' $tmp/out"
check '... and how it is split is told' grep -q '^direct_map .* bytes=8650620K ' "$tmp/out"

complains '--root: no table can be there' 2 '' stats --root 123 "$small"

# Nothing that is left leads to a root.
head -c 3000 "$small" >"$tmp/cut"
run stats "$tmp/cut"
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' sh -c \
	"grep -q 'no page-table root was found in it' $tmp/err && grep -q 'the file was cut' $tmp/err"
tap_done
