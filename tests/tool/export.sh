#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# export.sh: what pagewalk export writes, read back by other programs, is what the other commands say; names
# from an image do no harm; and a failure leaves nothing behind.
# export.sh IMAGE: of this shared image, the numbers alone. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

if [ $# -gt 0 ]; then
	image=$(shared "$1.elf") || exit $?
	/usr/bin/python3 "$root/tests/tool/export_check.py" "$PGW_TOOL" "$tmp" "$image"
	exit
fi

small=$root/tests/data/x86_64-la48-pti.small.elf
tables=roots,ranges,findings
run export --format csv --table $tables -o "$tmp/csv" "$small"
check 'a folder is written' test "$status" -eq 0
check '... and summed up' grep -qx \
	'#  machine=x86_64-la48-pti.small.elf  roots=13  ranges=1083  findings=3  files=15' "$tmp/out"
run export --format csv --table $tables --json -o "$tmp/json" "$small"
check '... as JSON, too' grep -qx \
	'{"summary":{"machine":"x86_64-la48-pti.small.elf","roots":13,"ranges":1083,"findings":3,"files":15,"placement_guessed":false,"truncated":false}}' "$tmp/out"
check '... with the same each time' diff -r "$tmp/csv" "$tmp/json"
complains 'a folder takes no place' 2 'there already' export --format csv -o "$tmp/csv" "$small"
complains '... by force neither' 2 'there already' export --force --format csv -o "$tmp/csv" "$small"
check '... and what is there stays' diff -r "$tmp/csv" "$tmp/json"
ends 'the name of a folder may end with /' 0 export --format jsonl --table roots -o "$tmp/slash/" "$small"
check '... and is one' test -s "$tmp/slash/roots/part-0.jsonl"

ends 'a database is written' 0 export --format sqlite --table $tables -o "$tmp/db" "$small"
cp "$tmp/db" "$tmp/before"
complains 'it is not replaced' 2 'such a file already' export --format sqlite -o "$tmp/db" "$small"
check '... and stays' cmp -s "$tmp/db" "$tmp/before"
ends '--force replaces it' 0 export --force --format sqlite --table $tables -o "$tmp/db" "$small"
check '... with the same' cmp -s "$tmp/db" "$tmp/before"
cp "$small" "$tmp/image"
complains 'the image is never replaced' 2 'the input itself' \
	export --force --format sqlite -o "$tmp/image" "$tmp/image"
check '... and stays' cmp -s "$small" "$tmp/image"

complains 'no form' 2 'says in which form' export -o "$tmp/none" "$small"
complains 'no place' 2 'says in which form' export --format csv "$small"
complains 'an unknown form' 2 "'parquet' is not csv, jsonl, avro or sqlite" \
	export --format parquet -o "$tmp/none" "$small"
complains 'an unknown table' 2 "'roots,rows' is not a table" export --format csv --table roots,rows -o "$tmp/none" "$small"
complains 'a folder that is not there' 3 'No such file' export --format csv -o "$tmp/none/here" "$small"
complains '... of a database' 3 'No such file' export --format sqlite -o "$tmp/none/here" "$small"
complains 'nothing to write' 3 'table of names' export --format csv --table processes -o "$tmp/none" "$small"
run export --format csv --table roots,processes,vmas -o "$tmp/some" "$small"
check 'a table is missing: status 1, which is said' sh -c \
	"test $status -eq 1 && grep -q 'roots=13  processes=-  vmas=-  files=1' $tmp/out && test -s $tmp/err"
run export --format csv --table roots,processes,vmas,symbols -o "$tmp/three" "$small"
check '... what bars three of them once' sh -c "test $status -eq 1 && test \"\$(wc -l <$tmp/err)\" -eq 1"
rm -r "$tmp/three"
run export --format csv --table ranges --budget 60 -o "$tmp/cut" "$small"
check 'a budget runs out: status 1, which is said' sh -c \
	"test $status -eq 1 && grep -q '  truncated\$' $tmp/out && grep -q 'a budget ran out' $tmp/err"
check 'nothing else is left' sh -c "[ \"\$(ls -A $tmp | grep -v '^\(out\|err\|why\|check\|diff\)\$' | tr '\n' ' ')\" = 'before csv cut db image json slash some ' ]"

mkdir "$tmp/full"
# libavro does not free a writer whose last block could not be written; which is no fault of ours.
for format in csv jsonl avro sqlite; do
	[ "$format" != avro ] || without_leaks='export ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0";'
	check "$format: no room: status 3" sh -c "${without_leaks-} ulimit -f 16; status=0
		'$PGW_TOOL' export --format $format --table leaves -o '$tmp/full/out' '$small' 2>'$tmp/err' || status=\$?
		test \$status -eq 3 && grep -q '^pagewalk: $tmp/full/out: ' '$tmp/err'"
	without_leaks=
	check "$format: ... and nothing is left" sh -c "[ -z \"\$(ls -A $tmp/full)\" ]"
done

# Names that would be formulas, markup or more columns, end lines, turn text round, or are no UTF-8.
zstd -q -d -o "$tmp/tasks.elf" "$root/tests/data/linux-7.2-amd64.tasks.elf.zst"
zstd -q -d -o "$tmp/devices.elf" "$root/tests/data/virt/vtd61.elf.zst"
/usr/bin/python3 - "$tmp/tasks.elf" "$tmp/=hostile'.elf" <<'PYTHON'
import sys
data = open(sys.argv[1], 'rb').read()
for name, hostile in ((b'nsinner2', b'=1+1,"x"\r\n\xff\\x4'), (b'mapper', b"'@a\tb;--\xe2\x80\xae\xc3\xa9"),
                      (b'manyvmas', b'\xc2\x85\xed\xa0\x80\xf0\x9f\x98\x80\x1b[m')):
    assert data.count(name + b'\0') == 1 and len(hostile) < 16
    data = data.replace(name + bytes(15 - len(name)), hostile.ljust(15, b'\0'))
open(sys.argv[2], 'wb').write(data)
PYTHON
/usr/bin/python3 "$root/tests/tool/export_check.py" "$PGW_TOOL" "$tmp" "$small" "$tmp/devices.elf" \
	"$tmp/=hostile'.elf:$root/tests/data/linux-7.2-amd64.tasks.map" >"$tmp/tap" 2>"$tmp/err" || :
grep -q '^1\.\.[1-9]' "$tmp/tap" || { echo 'no plan'; cat "$tmp/err"; } >>"$tmp/tap"
grep '^ok ' "$tmp/tap" | sed 's/^ok [0-9]* - //' >"$tmp/passed"
grep -v '^ok \|^1\.\.' "$tmp/tap" >"$tmp/log" || :
while read -r passed; do
	tap_ok "$passed"
done <"$tmp/passed"
tap_empty 'read back' "$tmp/log"
tap_done
