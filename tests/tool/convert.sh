#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# convert.sh MAKE_DUMPS: one machine's memory, from each format of dumps to each form: the new
# files are the same to the byte, and say what the old ones say. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
dumps=$tmp/dumps
mkdir "$dumps" "$tmp/d"
"$1" "$dumps"
new=$tmp/d/new

# unchanged NAME FILE...: the folder holds these files, no more.
unchanged() {
	name=$1
	shift
	find "$tmp/d" -mindepth 1 | sort | sed "s|^$tmp/d/||" >"$tmp/there"
	printf '%s\n' "$@" | sort | sed '/^$/d' | diff - "$tmp/there" >"$tmp/why" || :
	tap_empty "$name" "$tmp/why"
}

# of FILE: what roots and dump say of it.
of() {
	pagewalk roots "$1" | sed 's/; .*//'
	pagewalk dump --root 0x20000 --half user --leaves "$1"
}

# What the core is made of, in the same order of bytes: the memory is where dd finds it.
size=$((128 * 4096))
tail -c "$size" "$dumps/core.elf" >"$tmp/ram"
pagewalk convert "$dumps/core.elf" "$tmp/core.elf" >/dev/null
check 'elf: its memory is the memory' sh -c "tail -c $size '$tmp/core.elf' | cmp - '$tmp/ram'"
of "$dumps/core.elf" >"$tmp/of-core"

# known FILE: its roots, without what CPUs' registers say of them.
known() {
	pagewalk roots "$1" | sed '/^#/d; s/; .*//' | awk '{ print $1, $2, $4 }'
}

known "$dumps/core.elf" >"$tmp/known"
of "$dumps/whole.lime" >"$tmp/of-lime"
for dump in "$dumps"/core.elf "$dumps"/*.packed "$dumps"/whole.* "$dumps"/part.1; do
	from=${dump##*/}
	if ! pagewalk info "$dump" >/dev/null 2>&1; then
		complains "$from: the compression that is missing is named" 3 'a build with' \
			convert "$dump" "$new"
		continue
	fi
	ends "$from: to elf" 0 convert --force "$dump" "$new.elf"
	ends "$from: to lime" 0 convert --force --format lime "$dump" "$new.lime"
	ends "$from: to raw" 0 convert --force --format raw "$dump" "$new.raw"
	check "$from: raw is the memory" cmp "$new.raw" "$tmp/ram"
	check "$from: lime is a header and the memory" sh -c \
		"tail -c +33 '$new.lime' | cmp - '$tmp/ram'"
	# LiME has no notes, and so no registers.
	[ "$from" = whole.lime ] || check "$from: elf is that of a core" cmp "$new.elf" "$tmp/core.elf"
done
of "$new.elf" >"$tmp/out"
same 'elf says what a core says' "$tmp/of-core" "$tmp/out"
of "$new.lime" >"$tmp/out"
same 'lime says what LiME says' "$tmp/of-lime" "$tmp/out"
of "$new.raw.map" >"$tmp/out"
same 'raw says what LiME says' "$tmp/of-lime" "$tmp/out"
for form in elf lime raw; do
	ends "tables alone: to $form" 0 convert --force --format "$form" --pages tables \
		"$dumps/whole.flat" "$new.$form"
	file=$new.$form
	[ "$form" != raw ] || file=$file.map
	known "$file" >"$tmp/out"
	same "tables alone: $form: roots" "$tmp/known" "$tmp/out"
done
rm "$tmp/d"/*

# The core opens elsewhere, with its memory.
gdb=$(command -v gdb-multiarch || command -v gdb) || gdb=
if [ -n "$gdb" ]; then
	"$gdb" -nx -batch -ex "dump binary memory $tmp/of-gdb 0 $size" -c "$tmp/core.elf" \
		>"$tmp/out" 2>&1 </dev/null || :
	check 'elf: gdb reads the memory' cmp "$tmp/of-gdb" "$tmp/ram"
else
	skip 'elf: gdb reads the memory' 'gdb: not installed'
fi
readelf -lnW "$tmp/core.elf" >"$tmp/out" 2>"$tmp/why" || :
tap_empty 'elf: readelf has no complaint' "$tmp/why"

# The summary, and what is left out.
ends 'the summary' 0 convert "$dumps/whole.kdump" "$new"
check 'the summary: text' grep -qx '# 512K kept of 512K' "$tmp/out"
ends 'the summary: JSON' 0 convert --json --force --pages tables --format lime \
	"$dumps/whole.kdump" "$new"
check 'the summary: JSON of tables' grep -q \
	'^{"summary":{"roots":[0-9]*,"tables":[0-9]*,"kept":[0-9]*,"readable":524288,"loses_notes":true,' \
	"$tmp/out"
check 'the summary: notes that have no place' sh -c \
	"'$PGW_TOOL' convert --force --format raw '$dumps/whole.kdump' '$new' | grep -q 'notes have no place'"
ends 'excluded pages stay out' 0 convert --force "$dumps/excluding.kdump" "$new"
check 'excluded pages stay out: ... and described' sh -c \
	"'$PGW_TOOL' info '$new' | grep -q '^memory *508K in .*; 4K unreadable'"
run convert --force "$dumps/cut.kdump" "$new"
check 'a dump that is cut: status 1' test "$status" -eq 1
check 'a dump that is cut: ... and a line that says so' grep -q 'the file is cut short' "$tmp/err"
rm "$tmp/d"/*

# Holes: the machine has pages of zeroes.
pagewalk convert --format raw "$dumps/core.elf" "$new" >/dev/null
check 'zeroes are holes' test "$(du -k "$new" | cut -f1)" -lt "$(du -k "$tmp/ram" | cut -f1)"
rm "$tmp/d"/*

# A page that cannot be unpacked shows late: it is left out, and said.
if pagewalk info --json "$dumps/core.elf" | grep -q '"compressions":\["zlib"'; then
	python3 - "$dumps/zlib.packed" "$tmp/damaged" <<'PYTHON'
import struct
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
block = struct.unpack_from('<i', data, 428)[0]
sub, bitmaps = struct.unpack_from('<iI', data, 432)
offset, size, flags = struct.unpack_from('<QII', data, block * (1 + sub + bitmaps) + 24 * 0x20)
assert flags == 1
data[offset:offset + size] = bytes(size)
open(sys.argv[2], 'wb').write(data)
PYTHON
	run convert --force "$tmp/damaged" "$new"
	check 'a damaged page: status 1' test "$status" -eq 1
	check 'a damaged page: ... is said' grep -q ': 4096 bytes of memory could not be read' "$tmp/err"
	check 'a damaged page: ... and left out' sh -c \
		"'$PGW_TOOL' info '$new' | grep -q '^memory *508K in 2 ranges .*; 4K unreadable'"
	run convert --force --format raw --json "$tmp/damaged" "$new"
	check 'a damaged page: JSON' grep -q '"kept":520192,"readable":524288,"lost":4096,' "$tmp/out"
	rm "$tmp/d"/*
fi

# What is there stays.
printf old >"$new"
complains 'what is there is not replaced' 2 'there is such a file already' \
	convert "$dumps/whole.kdump" "$new"
rm "$new"
printf old >"$new.map"
complains 'a map that is there is not replaced' 2 'new.map: there is such a file already' \
	convert --format raw "$dumps/whole.kdump" "$new"
unchanged 'a map that is there: nothing else comes' new.map
rm "$new.map"
cp "$dumps"/part.? "$tmp/d"
complains 'a part that was found is not replaced' 2 'part.2: this is the input itself' \
	convert --force "$tmp/d/part.1" "$tmp/d/part.2"
rm "$tmp/d"/*
pagewalk convert --format raw "$dumps/whole.kdump" "$tmp/d/old" >/dev/null
for file in old old.map; do
	complains "the raw file of a map is not replaced: $file" 2 "$file: this is the input itself" \
		convert --force "$tmp/d/old.map" "$tmp/d/$file"
done
complains 'raw memory does not replace itself' 2 'd/old: this is the input itself' \
	convert --force --format raw "$tmp/d/old.map" "$tmp/d/old"
check 'the raw file is as it was' cmp "$tmp/d/old" "$tmp/ram"
rm "$tmp/d"/*

# A failure, and a signal, leave nothing behind.
for form in elf lime raw; do
	status=0
	(
		ulimit -f 20
		pagewalk convert --format "$form" "$dumps/whole.kdump" "$new" >"$tmp/out" 2>"$tmp/err"
	) || status=$?
	printf '3 pagewalk: %s: File too large\n' "$new" >"$tmp/expected"
	printf '%s %s\n' "$status" "$(cat "$tmp/err")" >"$tmp/actual"
	same "$form: the file cannot be written" "$tmp/expected" "$tmp/actual"
	unchanged "$form: ... and nothing is left behind" ''
done
python3 - "$tmp/large" <<'PYTHON'
import struct
import sys
SIZE = 3 << 30
with open(sys.argv[1], 'wb') as file:
    file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0, 0, 64, 56,
                           1, 0, 0, 0))
    file.write(struct.pack('<IIQQQQQQ', 1, 4, 4096, 0, 0, SIZE, SIZE, 0))
    file.truncate(4096 + SIZE)
PYTHON
for form in elf raw; do
	python3 - "$PGW_TOOL" "$form" "$tmp/large" "$new" >"$tmp/why" <<'PYTHON'
import os
import signal
import subprocess
import sys
import time
tool, form, image, new = sys.argv[1:]
run = subprocess.Popen([tool, 'convert', '--format', form, image, new],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
for _ in range(600):
    if os.listdir(os.path.dirname(new)) or run.poll() is not None:
        break
    time.sleep(0.02)
run.send_signal(signal.SIGINT)
said = run.communicate(timeout=60)[1]
if run.returncode != -signal.SIGINT or said:
    print(run.returncode, said)
PYTHON
	tap_empty "$form: SIGINT ends it, without a word" "$tmp/why"
	unchanged "$form: ... and nothing is left behind" ''
done
complains 'into no folder' 3 'No such file or directory' convert "$dumps/core.elf" "$tmp/no/new"
complains 'no such form' 2 "--format: 'core' is not elf, lime or raw" \
	convert --format core "$dumps/core.elf" "$new"
complains 'no such pages' 2 "--pages: 'some' is not tables or all" \
	convert --pages some "$dumps/core.elf" "$new"

tap_done
