#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The command on tables that loop, have no end, or are nonsense: it ends within its budget
# and little memory, says that it did not see all, with status 1. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# make KIND FORMAT FILE: a core with a table for each level at 0x40000000, 64 KiB apart.
# An x86-64 one has a CPU that runs on them.
make() {
	python3 - "$@" <<'PYTHON'
import struct
import sys
KIND, FORMAT, FILE = sys.argv[1:]
BASE, STEP, LEVELS = 0x40000000, 0x10000, 5
MACHINE = {'x86_64': 62, 'arm64': 183, 'riscv': 243, 'arm': 40}[FORMAT.split('-')[0]]
ITEM = '<I' if FORMAT in ('arm-short', 'riscv-sv32') else '<Q'
def to(pa):
    if FORMAT == 'arm-short':
        return pa | 1
    return {62: pa | 7, 183: pa | 0x403, 243: pa >> 2 | 1, 40: pa | 3}[MACHINE]
def table(entry):
    return struct.pack(ITEM, entry) * (STEP // struct.calcsize(ITEM))
tables = [BASE + i * STEP for i in range(LEVELS)]
memory = {
    # every slot of every table to the table itself, to the one above, to one below
    'self': b''.join(table(to(pa)) for pa in tables),
    'parent': b''.join(map(table, (to(tables[1]), to(tables[0])))) + table(0) * 3,
    'one': b''.join(table(to(pa)) for pa in tables[1:] + [BASE]),
    'ones': b'\xff' * STEP * LEVELS,
    'outside': table(to(0x10000000)),
    # the second table begins in the file and ends after it
    'cut': table(to(tables[1])) + table(0)[:1003],
}[KIND]
qemu = bytearray(440)
struct.pack_into('<II', qemu, 0, 1, len(qemu))
struct.pack_into('<QxxxxxxxxxxxxxxxxQQ', qemu, 392, 1 << 31, BASE, 1 << 5)
notes = struct.pack('<III5s3x', 5, len(qemu), 0, b'QEMU') + bytes(qemu) if MACHINE == 62 else b''
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

# 256 MiB of addresses; a sanitizer reserves more for itself.
limit=262144
# shellcheck disable=SC3045 # dash and bash have it
(ulimit -v "$limit" && "$PGW_TOOL" --version) >/dev/null 2>&1 || limit=unlimited

# bounded ARGUMENT...: as run, within the limit.
bounded() {
	status=0
	(
		# shellcheck disable=SC3045
		ulimit -v "$limit"
		timeout 60 "$PGW_TOOL" "$@"
	) >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# found NAME PATTERN: status 1, the last line matches, standard error says it too.
found() {
	{
		echo "status $status"
		tail -n 1 "$tmp/out"
		cat "$tmp/err"
	} >"$tmp/why"
	if [ "$status" -eq 1 ] && tail -n 1 "$tmp/out" | grep -Eq "$2" && [ -s "$tmp/err" ]; then
		tap_ok "$1"
	else
		tap_fail "$1" "$tmp/why"
	fi
}

for format in x86_64-la48 x86_64-la57 arm64-4k-48 arm64-16k-47 arm64-64k-48 riscv-sv39 riscv-sv57 \
	riscv-sv32 arm-lpae arm-short; do
	options="--format $format --root 40000000 --half user"
	for kind in self parent one; do
		make $kind $format "$tmp/core"
		# shellcheck disable=SC2086 # words
		{
			bounded dump $options --budget 100 --no-fold "$tmp/core"
			found "$format: $kind: dump --no-fold" '; 100 table visits; .*; cut short at 0x|: 100 ranges, .*; cut short at 0x'
			bounded dump $options --budget 100 --leaves --json "$tmp/core"
			found "$format: $kind: dump --leaves --json" '"leaves":100,.*"truncated":true,|"tables":100,"truncated":true,'
			bounded dump $options --budget 100 "$tmp/core"
			tail -n 1 "$tmp/out" >"$tmp/last"
			check "$format: $kind: dump: one visit a level is enough" \
				grep -Eq '; [1-5] table visits; [0-9]* malformed, 0 unreadable$' "$tmp/last"
			check "$format: $kind: dump: a line and the summary" test "$(wc -l <"$tmp/out")" -eq 2
			bounded dump $options --budget 100 --style ptdump --markers /dev/null "$tmp/core"
			# Of machines of 32 bits there is no such style.
			case $format in
			riscv-sv32 | arm-*) status=$((status - 2)) ;;
			esac
			check "$format: $kind: dump --style ptdump: ends" \
				test "$status" -le 1 -a "$(wc -l <"$tmp/out")" -le 100
			bounded stats --format $format --root 40000000 "$tmp/core"
			check "$format: $kind: stats: ends" test "$status" -le 1
			bounded translate $options "$tmp/core" 0 1000 123456789
		}
		check "$format: $kind: translate" test "$status" -le 1
	done
	for kind in ones outside cut; do
		# Short descriptors of ones are leaves, all of them.
		[ "$kind-$format" != ones-arm-short ] || continue
		make $kind $format "$tmp/core"
		# shellcheck disable=SC2086 # words
		bounded dump $options --budget 100000 "$tmp/core"
		found "$format: $kind: dump" '; 0 malformed, [1-9][0-9]* unreadable|; [1-9][0-9]* malformed'
		bounded stats --format $format --root 40000000 "$tmp/core"
		tail -n 1 "$tmp/out" >"$tmp/last"
		check "$format: $kind: stats: says it" grep -q 'malformed=[1-9]\|unreadable=[1-9]' "$tmp/last"
		check "$format: $kind: stats: status 1" test "$status" -eq 1
	done
done

# What looks at all tables once needs no more of a budget than there are tables.
for kind in self parent one ones outside cut; do
	make $kind x86_64-la48 "$tmp/core"
	bounded find --budget 1000 "$tmp/core" 0-ffffffffffff
	check "$kind: find: ends" test "$status" -le 1
	bounded audit "$tmp/core"
	check "$kind: audit: ends" test "$status" -le 1
	bounded diff --budget 1000 "$tmp/core" "$tmp/core"
	check "$kind: diff with itself: ends" test "$status" -le 1
	check "$kind: diff with itself: no change" sh -c "! grep -q '^change' $tmp/out"
	bounded info "$tmp/core"
	# A table that many entries point to is no fault: kernels have such.
	expected=1
	[ $kind != one ] || expected=0
	check "info: $kind: status $expected" test "$status" -eq $expected
	bounded info --json "$tmp/core"
	cp "$tmp/out" "$tmp/info"
	bounded roots "$tmp/core"
	check "roots: $kind: ends" test "$status" -le 1
	grep -v '^#' "$tmp/out" >"$tmp/roots"
	rm -f "$tmp/new"
	bounded trim "$tmp/core" "$tmp/new"
	check "trim: $kind: status 0" test "$status" -eq 0
	bounded info --json "$tmp/new"
	sed -n '1s/.*"kernel_root"//p' "$tmp/info" >"$tmp/expected"
	sed -n '1s/.*"kernel_root"//p' "$tmp/out" >"$tmp/actual"
	same "trim: $kind: info is the same" "$tmp/expected" "$tmp/actual"
	check "trim: $kind: ... and tells of the tables" grep -q '"integrity":{"tables":[1-9]' "$tmp/actual"
	bounded roots "$tmp/new"
	grep -v '^#' "$tmp/out" >"$tmp/actual"
	same "trim: $kind: roots are the same" "$tmp/roots" "$tmp/actual"
	bounded dump --root cpu0 --budget 100 "$tmp/core"
	cp "$tmp/out" "$tmp/expected"
	bounded dump --root cpu0 --budget 100 "$tmp/new"
	same "trim: $kind: dump is the same" "$tmp/expected" "$tmp/out"
done
make self x86_64-la48 "$tmp/core"
bounded info --json "$tmp/core"
# The root at four levels; its 512 slots lead back from three of them.
check 'info: loops are counted' grep -q '"integrity":{"tables":4,"malformed":0,"outside":0,"shared":3,"loops":1536,"unreadable":0,"truncated":false}' "$tmp/out"
tap_done
